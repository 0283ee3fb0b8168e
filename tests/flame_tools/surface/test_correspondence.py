"""Correspondence where it is known: another person on another triangulation, and ICT-FaceKit's own marks."""

import dataclasses

import numpy as np
import pytest
import torch

from assets.locate import cache_folder
from flame_tools import arkit, load_head
from flame_tools.errors import ShapeError
from flame_tools.surface.correspondence import correspond
from flame_tools.surface.head_parts import LEFT_EYE, PARTS, SKIN, parts_of
from flame_tools.surface.lod import simplify
from flame_tools.surface.registration import on_mesh
from flame_tools.types import Embedding
from tests.flame_tools.surface.shapes import someone, sphere, split_in_four
from tests.shared_data import shared_file

MM = 1e3


@pytest.fixture(scope="module", autouse=True)
def cache_of_this_test(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBERFACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def default():
    return load_head()


@pytest.fixture(scope="module")
def other(default):
    """Another person on four times the triangles, and where each of its vertices is on the default head at rest."""
    head, between = split_in_four(someone(default.arrays, seed=1))
    return head, default.arrays.v_template[between].mean(1), between


@pytest.fixture(scope="module")
def coarse(default):
    """The default head in a third of its triangles: quick to bend."""
    return simplify(default.arrays, triangles=5000)


@pytest.fixture(scope="module")
def both_ways(default, other):
    return (
        correspond(default.arrays, other[0]),
        correspond(other[0], default.arrays),
    )


@pytest.fixture(scope="module")
def ict():
    return load_head(shared_file("heads/ict_facekit.npz"))


def test_places_on_another_person_are_the_true_ones(default, other, both_ways):
    head, truth, _ = other
    error = MM * np.linalg.norm(both_ways[0].values(default.arrays.v_template) - truth, axis=1)
    limits = {"face": (0.4, 1.5), "lips": (0.3, 0.8), "left_lids": (0.3, 0.8), "nose": (0.4, 1.0), "ears": (0.8, 3.0)}
    for region, (median, most) in limits.items():  # seen: 0.19 0.70, 0.12 0.32, 0.16 0.53, 0.19 0.54, 0.4 1.7
        found = error[head.regions[region]]
        assert np.median(found) < median and np.percentile(found, 95) < most, region
    assert error[head.regions["left_eyeball"]].max() < 0.1


def test_upper_and_lower_lips_and_lids_are_never_mixed(default, other, both_ways):
    head = default.arrays
    upper, lower = np.zeros(len(head.v_template)), np.zeros(len(head.v_template))
    pairs = head.inner_lip_pairs[2:-2]
    upper[pairs[:, 0]] = lower[pairs[:, 1]] = 1
    for side in ("left", "right"):
        upper[head.regions[f"{side}_upper_lid_margin"][3:-3]] = 1
        lower[head.regions[f"{side}_lower_lid_margin"][3:-3]] = 1
    margins = [
        np.stack([head.regions[f"{side}_{lid}_lid_margin"][3:-3] for lid in ("upper", "lower")], 1)
        for side in ("left", "right")
    ]
    there = np.concatenate([pairs, *margins])
    for name, own, opposite in (("upper", 0, lower), ("lower", 1, upper)):
        assert (both_ways[0].values(opposite[:, None])[there[:, own]] == 0).all(), name
        assert (
            both_ways[1].values(np.pad(opposite, (0, len(other[1]) - len(opposite)))[:, None])[there[:, own]] == 0
        ).all()


def test_parts_stay_apart(default, other, both_ways):
    own, opposite = parts_of(default.arrays), parts_of(other[0])
    assert {PARTS[k] for k in np.unique(own)} == set(PARTS)
    for found, mine in ((both_ways[0], own), (both_ways[1], opposite)):
        assert (mine[found.source_corners] == found.parts[:, None]).all()
        assert found.confidence.min() >= 0 and found.confidence.max() <= 1
        assert np.median(found.confidence[found.parts == SKIN]) > 0.95
        assert found.confidence[found.parts == LEFT_EYE].min() > 0.9


def test_skin_is_what_bears_the_landmarks(default):
    head = default.arrays
    body = 10.0 * sphere(60)[0], sphere(60)[1]  # clothes: a larger piece than the skin
    v = len(head.v_template)
    dressed = dataclasses.replace(
        head,
        v_template=np.concatenate([head.v_template, body[0]]),
        faces=np.concatenate([head.faces, body[1] + v]),
        face_material=np.pad(head.face_material, (0, len(body[1]))),
        weights=np.concatenate([head.weights, np.tile([1.0, 0, 0, 0, 0], (len(body[0]), 1))]),
    )
    assert len(body[0]) > (parts_of(head) == SKIN).sum()
    np.testing.assert_array_equal(parts_of(dressed)[:v], parts_of(head))
    assert (parts_of(dressed)[v:] != SKIN).all()
    bare = dataclasses.replace(head, landmarks={})
    np.testing.assert_array_equal(parts_of(bare), parts_of(head))


def test_there_and_back_is_where_it_was(default, other, both_ways):
    rest = default.arrays.v_template
    error = MM * np.linalg.norm(both_ways[1].values(both_ways[0].values(rest)) - rest, axis=1)
    assert np.percentile(error[default.arrays.regions["face"]], 99) < 0.5
    weights = torch.zeros(3, 52)
    for row, name in enumerate(("mouthSmileLeft", "jawOpen", "eyeBlinkLeft")):
        weights[row, arkit.INDEX[name]] = 1.0
    offsets = default.vertices(arkit.to_params(weights, default)).numpy() - rest
    back = both_ways[1].carry(both_ways[0].carry(offsets))
    face = default.arrays.regions["face"]
    assert MM * np.linalg.norm(back - offsets, axis=-1)[:, face].mean(-1).max() < 0.1
    assert both_ways[0].carry(offsets).shape == (3, len(other[1]), 3)


def test_offsets_turn_and_grow_with_the_head(default, coarse):
    turn = np.array([[0.0, 0.0, 1.2], [0.0, 1.2, 0.0], [-1.2, 0.0, 0.0]])
    turned = dataclasses.replace(default.arrays, v_template=default.arrays.v_template @ turn.T)
    same = correspond(default.arrays, turned)  # one topology: exact
    offsets = np.random.default_rng(0).normal(size=default.arrays.v_template.shape)
    np.testing.assert_allclose(same.values(offsets), offsets, atol=1e-12)
    np.testing.assert_allclose(same.carry(offsets), offsets @ turn.T, atol=1e-4)
    assert same.confidence.min() == 1.0
    larger = dataclasses.replace(coarse, v_template=1.2 * coarse.v_template, posedirs=1.2 * coarse.posedirs)
    pairs = ((default.arrays, larger, 1.2), (larger, default.arrays, 1 / 1.2))
    for source, target, wanted in pairs:
        frames = correspond(source, target).frames[target.regions["face"]]
        np.testing.assert_allclose(np.cbrt(np.linalg.det(frames)), wanted, rtol=0.02)


def test_cache_is_by_content_and_survives_damage(default, coarse, tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERFACE_CACHE", str(tmp_path / "cache"))
    head = coarse
    first = correspond(default.arrays, head)
    (file,) = (cache_folder() / "correspondence").iterdir()
    whole = file.read_bytes()
    correspond(head, default.arrays)  # the other direction shares it
    assert [file] == list((cache_folder() / "correspondence").iterdir())

    with np.load(file) as content:
        moved = {
            name: content[name] + 0.5 * (name == "bent") if name != "header" else content[name] for name in content
        }
    np.savez(file, **moved)
    assert correspond(default.arrays, head).confidence[head.regions["face"]].max() == 0  # it is read
    file.write_bytes(whole[: len(whole) // 2])
    again = correspond(default.arrays, head)
    np.testing.assert_array_equal(again.places.barycentrics, first.places.barycentrics)
    assert file.read_bytes() == whole  # made anew, the same bytes

    taller = dataclasses.replace(head, v_template=head.v_template * [1, 1.01, 1])
    monkeypatch.setenv("EMBERFACE_CACHE", "/proc/nowhere")  # cannot be written: slower, no error
    assert np.median(correspond(default.arrays, taller).confidence) > 0.9


def test_heads_without_landmarks_say_the_way_out(default):
    bare = dataclasses.replace(split_in_four(default.arrays)[0], landmarks={}, id="bare")
    with pytest.raises(ShapeError, match=r"'bare' has no landmarks '68'.*landmarks="):
        correspond(default.arrays, bare)
    some = default.arrays.landmarks["468"]
    picked = [33, 133, 362, 263, 1, 61, 291, 199, 168]
    own = Embedding(some.faces[picked], some.barycentrics[picked])
    corners = default.arrays.faces[own.faces]
    strongest = own.barycentrics.argmax(1)
    vertices = corners[np.arange(len(picked)), strongest]
    places = [np.flatnonzero((bare.faces == v).any(1))[0] for v in vertices]
    theirs = Embedding(np.array(places), (bare.faces[places] == vertices[:, None]).astype(float))
    found = correspond(default.arrays, bare, landmarks=(own, theirs), cache=False)
    face = default.arrays.regions["face"]
    error = np.linalg.norm(found.values(default.arrays.v_template)[face] - default.arrays.v_template[face], axis=1)
    assert MM * np.median(error) < 0.5


def test_ict_and_the_default_head(default, ict):
    there, back = (correspond(a.arrays, b.arrays) for a, b in ((default, ict), (ict, default)))
    rest, ict_rest = default.arrays.v_template.astype(float), ict.arrays.v_template.astype(float)
    error = MM * np.linalg.norm(back.values(there.values(rest)) - rest, axis=1)
    for region, most in (("face", 0.3), ("lips", 0.3), ("left_lids", 0.4), ("nose", 0.5), ("ears", 0.6)):
        assert error[default.arrays.regions[region]].mean() < most, region  # seen: 0.13 0.13 0.15 0.2 0.27
    marks = MM * np.linalg.norm(
        on_mesh(back.values(ict_rest), default.arrays.faces, default.arrays.landmarks["68"])
        - on_mesh(ict_rest, ict.arrays.faces, ict.arrays.landmarks["68"]),
        axis=1,
    )
    assert marks[[36, 39, 42, 45, 48, 54, 57, 62, 66]].max() < 2.0 and np.median(marks[17:]) < 2.0
    # a blink by offsets alone shuts ICT's lids, on the left and only there
    weights = torch.zeros(52)
    weights[arkit.INDEX["eyeBlinkLeft"]] = 1.0
    blink = ict_rest + there.carry(default.vertices(arkit.to_params(weights, default)).numpy() - rest)

    def opening(vertices: np.ndarray, upper: int, lower: int) -> float:
        points = on_mesh(vertices, ict.arrays.faces, ict.arrays.landmarks["68"])
        return float((points[upper] - points[lower])[1])

    assert opening(blink, 43, 47) < 0.2 * opening(ict_rest, 43, 47)
    assert opening(blink, 38, 40) == pytest.approx(opening(ict_rest, 38, 40), abs=1e-4)
