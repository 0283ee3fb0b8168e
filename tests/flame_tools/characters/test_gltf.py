"""The glTF reader on what the format allows and on what it does not."""

import base64
import contextlib
import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools.characters.gltf import read_gltf
from flame_tools.errors import FormatError
from tests.flame_tools.characters.made import Glb, mesh_glb

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]], np.float32)
FACES = np.array([[0, 1, 2], [0, 2, 3]])
SMILE = np.array([[0, 0, 0], [0.5, 0, 0], [0, 0, 0], [0, 0, -0.25]], np.float32)


def read(tmp_path, data: bytes, name="file.glb"):
    (tmp_path / name).write_bytes(data)
    return read_gltf(tmp_path / name)


def one(glb: Glb, **attributes) -> dict:
    """A document of one mesh of one primitive."""
    attributes.setdefault("POSITION", glb.add(POINTS))
    return glb.document(nodes=[{"mesh": 0}], meshes=[{"primitives": [{"attributes": attributes}]}])


def test_a_plain_mesh(tmp_path):
    part = read(tmp_path, mesh_glb(POINTS, FACES, {"smile": SMILE})).parts[0]
    np.testing.assert_array_equal(part.vertices, POINTS)
    np.testing.assert_array_equal(part.faces, FACES)
    np.testing.assert_array_equal(part.shapes["smile"], SMILE)
    assert part.weights.shape == (4, 0) and part.name == "face"


def test_nodes_move_the_mesh_and_turn_its_shapes(tmp_path):
    quarter = np.sqrt(0.5)
    node = {"translation": [1, 2, 3], "rotation": [0, 0, quarter, quarter], "scale": [2, 2, 2]}
    part = read(tmp_path, mesh_glb(POINTS, FACES, {"smile": SMILE}, node=node)).parts[0]
    turned = 2 * POINTS[:, [1, 0, 2]] * [-1, 1, 1] + [1, 2, 3]
    np.testing.assert_allclose(part.vertices, turned, atol=1e-6)
    np.testing.assert_allclose(part.shapes["smile"], 2 * SMILE[:, [1, 0, 2]] * [-1, 1, 1], atol=1e-6)
    matrix = np.eye(4)
    matrix[3, :3] = [1, 2, 3]  # column-major
    part = read(tmp_path, mesh_glb(POINTS, FACES, {}, node={"matrix": matrix.ravel().tolist()})).parts[0]
    np.testing.assert_allclose(part.vertices, POINTS + np.array([1, 2, 3]))


def test_names_from_accessors_where_extras_are_missing(tmp_path):
    glb = Glb()
    primitive = {
        "attributes": {"POSITION": glb.add(POINTS)},
        "targets": [{"POSITION": glb.add(SMILE, name="smile")}, {"POSITION": glb.add(SMILE)}],
    }
    document = glb.document(nodes=[{"mesh": 0}], meshes=[{"primitives": [primitive]}])
    assert list(read(tmp_path, glb.packed(document)).parts[0].shapes) == ["smile", "target1"]


def test_sparse_strided_and_normalized_numbers(tmp_path):
    glb = Glb()
    rows = np.zeros((4, 5), "<f4")  # 12 of 20 bytes are a position
    rows[:, :3] = POINTS
    glb.views.append({"buffer": 0, "byteOffset": 0, "byteLength": 80, "byteStride": 20})
    glb.data += rows.tobytes()
    glb.accessors.append({"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"})
    changed = {
        "componentType": 5126, "count": 4, "type": "VEC3",
        "sparse": {
            "count": 2,
            "indices": {"bufferView": glb.view(np.array([1, 3], "<u2").tobytes()), "componentType": 5123},
            "values": {"bufferView": glb.view(SMILE[[1, 3]].tobytes())},
        },
    }  # fmt: skip
    glb.accessors.append(changed)
    uv = glb.add(np.array([[0, 0], [65535, 0], [0, 65535], [65535, 65535]], "<u2"), normalized=True)
    primitive = {"attributes": {"POSITION": 0, "TEXCOORD_0": uv}, "targets": [{"POSITION": 1}]}
    document = glb.document(nodes=[{"mesh": 0}], meshes=[{"primitives": [primitive]}])
    part = read(tmp_path, glb.packed(document)).parts[0]
    np.testing.assert_array_equal(part.vertices, POINTS)
    np.testing.assert_array_equal(part.shapes["target0"], SMILE)
    np.testing.assert_allclose(part.uv, [[0, 1], [1, 1], [0, 0], [1, 0]])  # v up


def test_strips_fans_lines_and_several_primitives(tmp_path):
    glb = Glb()
    position = glb.add(POINTS)
    primitives = [{"attributes": {"POSITION": position}, "mode": mode} for mode in (4, 5, 6, 1)]
    document = glb.document(nodes=[{"mesh": 0}], meshes=[{"primitives": primitives}])
    part = read(tmp_path, glb.packed(document)).parts[0]
    assert part.faces.tolist() == [[0, 1, 2], [4, 5, 6], [6, 5, 7], [8, 9, 10], [8, 10, 11]]


def test_a_primitive_without_uv_beside_one_that_has_some(tmp_path):
    glb = Glb()
    bare = {"attributes": {"POSITION": glb.add(POINTS)}, "mode": 5}
    drawn = {"attributes": bare["attributes"] | {"TEXCOORD_0": glb.add(POINTS[:, :2])}, "mode": 5}
    for primitives in ([drawn, bare], [bare, drawn]):
        document = glb.document(nodes=[{"mesh": 0}], meshes=[{"primitives": primitives}])
        part = read(tmp_path, glb.packed(document)).parts[0]
        assert len(part.uv) == 4 and part.uv_faces.max() < 4
        own = slice(0, 2) if primitives[0] is drawn else slice(2, 4)
        assert part.uv_faces[own].tolist() == [[0, 1, 2], [2, 1, 3]]


def test_skins_and_bones(tmp_path):
    """Two bones, one turned at rest away from where it was bound: the mesh stands as the bones do."""
    glb = Glb()
    weights = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.5, 0.5, 0, 0], [0, 2, 0, 0]], "<f4")
    joints = np.array([[0, 1, 0, 0]] * 4, "u1")
    bind = np.tile(np.eye(4, dtype="<f4"), (2, 1, 1))
    attributes = {"POSITION": glb.add(POINTS), "JOINTS_0": glb.add(joints), "WEIGHTS_0": glb.add(weights)}
    document = glb.document(
        nodes=[
            {"mesh": 0, "skin": 0, "translation": [9, 9, 9]},  # a skinned mesh's own place does not count
            {"name": "Neck", "children": [2], "translation": [0, 1, 0]},
            {"name": "Head", "translation": [0, 1, 0]},
        ],
        meshes=[{"primitives": [{"attributes": attributes}]}],
        skins=[{"joints": [1, 2], "inverseBindMatrices": glb.add(bind.reshape(2, 16))}],
    )
    scene = read(tmp_path, glb.packed(document))
    assert scene.bones == ("Neck", "Head") and scene.parents == (-1, 0)
    np.testing.assert_allclose(scene.places, [[0, 1, 0], [0, 2, 0]])
    np.testing.assert_allclose(scene.parts[0].weights, [[1, 0], [0, 1], [0.5, 0.5], [0, 1]])
    lifted = np.array([[0, 1, 0], [0, 2, 0], [0, 1.5, 0], [0, 2, 0]])
    np.testing.assert_allclose(scene.parts[0].vertices, POINTS + lifted)


def test_buffers_beside_and_inside_the_json(tmp_path):
    glb = Glb()
    document = one(glb)
    document["buffers"][0]["uri"] = "mesh%20data.bin"
    (tmp_path / "mesh data.bin").write_bytes(glb.data)
    text = json.dumps(document).encode()
    np.testing.assert_array_equal(read(tmp_path, text, "a.gltf").parts[0].vertices, POINTS)
    document["buffers"][0]["uri"] = "data:application/octet-stream;base64," + base64.b64encode(glb.data).decode()
    np.testing.assert_array_equal(read(tmp_path, json.dumps(document).encode(), "b.gltf").parts[0].vertices, POINTS)


@pytest.mark.parametrize(
    "uri",
    ["http://example.org/a.bin", "../secret.bin", "/etc/passwd", "file:///etc/passwd", "sub/../../secret.bin",
     "%2e%2e/secret.bin", "C:\\a.bin", "missing.bin", "data:text/plain,abc", "data:;base64,@@@@", 7],
)  # fmt: skip
def test_data_elsewhere_is_never_read(tmp_path, uri):
    folder = tmp_path / "in"
    folder.mkdir()
    glb = Glb()
    document = one(glb)
    (tmp_path / "secret.bin").write_bytes(glb.data)
    document["buffers"][0]["uri"] = uri
    (folder / "a.gltf").write_text(json.dumps(document))
    with pytest.raises(FormatError):
        read_gltf(folder / "a.gltf")


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    glb = Glb()
    document = one(glb)
    (tmp_path / "secret.bin").write_bytes(glb.data)
    (folder / "inner.bin").symlink_to(tmp_path / "secret.bin")
    document["buffers"][0]["uri"] = "inner.bin"
    (folder / "a.gltf").write_text(json.dumps(document))
    with pytest.raises(FormatError, match="own folder"):
        read_gltf(folder / "a.gltf")


def broken(change):
    glb = Glb()
    document = one(glb)
    change(document)
    return glb.packed(document)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: d["accessors"][0].update(count=5), "cut short"),
        (lambda d: d["accessors"][0].update(count=2**40), "more than"),
        (lambda d: d["accessors"][0].update(count=-1), "count"),
        (lambda d: d["accessors"][0].update(type="VEC2"), "wanted 3"),
        (lambda d: d["accessors"][0].update(componentType=1), "wanted 3"),
        (lambda d: d["accessors"][0].update(byteOffset=2**62), "cut short"),
        (lambda d: d["accessors"][0].pop("bufferView") or d["accessors"][0].update(count=2**40), "more than"),
        (lambda d: d["bufferViews"][0].update(byteOffset=2**62), "cut short"),
        (lambda d: d["bufferViews"][0].update(byteStride=3), "cut short"),
        (lambda d: d["bufferViews"][0].update(buffer=3), "buffers"),
        (lambda d: d["buffers"][0].update(byteLength=2**40), "cut short"),
        (lambda d: d["nodes"][0].update(mesh=7), "meshes"),
        (lambda d: d["nodes"][0].update(children=[0]), "circle"),
        (lambda d: d["nodes"][0].update(children=[9]), "nodes"),
        (lambda d: d["nodes"][0].update(skin=0), "skins"),
        (lambda d: d["nodes"][0].update(translation=[1, "a", 2]), "numbers"),
        (lambda d: d["nodes"][0].update(scale=[1e999, 1, 1]), "NaN or infinite"),
        (lambda d: d["meshes"][0]["primitives"][0].update(indices=0), "wanted 1"),
        (lambda d: d.update(extensionsRequired=["KHR_draco_mesh_compression"]), "without compression"),
        (lambda d: d.update(asset={"version": "1.0"}), "wanted 2.0"),
        (lambda d: d.pop("asset"), "no asset"),
        (lambda d: d.update(nodes={"a": 1}), "no list"),
        (lambda d: d.update(accessors=[1, 2]), "no list"),
    ],
)
def test_broken_documents_are_refused(tmp_path, change, match):
    with pytest.raises(FormatError, match=match):
        read(tmp_path, broken(change))


@pytest.mark.parametrize(
    "data", [b"", b"glTF", b"glTF" + b"\0" * 40, b"{", b"[" * 100_000, b"\xff\xfe", b"[]", b"null"]
)
def test_other_files_are_refused(tmp_path, data):
    with pytest.raises(FormatError):
        read(tmp_path, data)


def test_nan_is_refused(tmp_path):
    glb = Glb()
    document = one(glb, POSITION=glb.add(np.where(POINTS == 1, np.nan, POINTS).astype("<f4")))
    with pytest.raises(FormatError, match="NaN"):
        read(tmp_path, glb.packed(document))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_never_crash(tmp_path_factory, data):
    raw = bytearray(mesh_glb(POINTS, FACES, {"smile": SMILE}))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "changed.glb"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    with contextlib.suppress(FormatError):
        read_gltf(path)


WRONG = st.sampled_from([0, 1, -1, 2**40, None, "a", [], {}, [0], 1e308, True, {"a": 1}, 5126, "VEC3"])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_document_is_read_or_refused(tmp_path_factory, data):
    """Values lost, or others than they should be, anywhere in the JSON."""
    raw = mesh_glb(POINTS, FACES, {"smile": SMILE}, node={"translation": [1, 2, 3]})
    length = int.from_bytes(raw[12:16], "little")
    document = json.loads(raw[20 : 20 + length])
    for _ in range(data.draw(st.integers(1, 3))):
        holder = document
        while True:
            keys = sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(holder[key], (dict, list)) and data.draw(st.integers(0, 4)):
                holder = holder[key]
                continue
            if data.draw(st.booleans()):
                holder[key] = copy.deepcopy(data.draw(WRONG))  # the drawn one is shared, and may be changed below
            else:
                del holder[key]
            break
    glb = Glb()
    glb.data = raw[28 + length :]
    path = tmp_path_factory.getbasetemp() / "changed.glb"
    path.write_bytes(glb.packed(document))
    with contextlib.suppress(FormatError), np.errstate(all="ignore"):
        read_gltf(path)
