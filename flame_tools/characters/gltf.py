"""glTF 2.0, .glb and .gltf, as a Scene: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html.

Only what lies in the file, or in a file beside it, is read; nothing is fetched. Every number that the file gives is
checked against what is there before it is used.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import struct
from pathlib import Path

import numpy as np

from flame_tools.characters.scene import Budget, Part, Scene, carried, finite, in_range, trs, world_matrices
from flame_tools.errors import FormatError

MAX_FILE_BYTES = 1 << 30
_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_READABLE = re.compile(r"KHR_(mesh_quantization|materials_\w+|texture_\w+|lights_punctual)|EXT_texture_\w+|VRM\w*")


def read_gltf(path: str | os.PathLike) -> Scene:
    """Meshes, morph targets and skins of a .glb or .gltf. Raises FormatError where the file is broken or unknown."""
    return _Reader(Path(path)).scene()


class _Reader:
    """One file: its JSON, and its buffers as they are asked for."""

    def __init__(self, path: Path):
        self.path = path
        self.document, self.binary = _open(path)
        self.budget = Budget(str(path))
        self.buffers: dict[int, memoryview] = {}
        required = self.document.get("extensionsRequired", [])
        foreign = [str(e) for e in required if not _READABLE.fullmatch(str(e))]
        if foreign:
            raise self.error(f"needs {', '.join(foreign)}; export it without compression and such extensions")

    def error(self, message: str) -> FormatError:
        return FormatError(f"{self.path}: {message}")

    # --- plain access -----------------------------------------------------------------------------------------------

    def items(self, key: str) -> list:
        found = self.document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.error(f"{key} is no list of objects")
        return found

    def item(self, key: str, index) -> dict:
        items = self.items(key)
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(items):
            raise self.error(f"asks for {key}[{index!r}] of {len(items)}")
        return items[index]

    def number(self, holder: dict, key: str, default: int | None = None) -> int:
        value = holder.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.error(f"{key} is {value!r}, wanted a count")
        return value

    def numbers(self, holder: dict, key: str, default: list[float]) -> np.ndarray:
        value = holder.get(key, default)
        if not isinstance(value, list) or len(value) != len(default):
            raise self.error(f"{key} is {str(value)[:40]}, wanted {len(default)} numbers")
        if not all(isinstance(x, (int, float)) for x in value):
            raise self.error(f"{key} holds something else than numbers")
        return finite(np.array(value, np.float64), key, str(self.path))

    # --- buffers ----------------------------------------------------------------------------------------------------

    def buffer(self, index) -> memoryview:
        if index not in self.buffers:
            described = self.item("buffers", index)
            length = self.number(described, "byteLength")
            uri = described.get("uri")
            if uri is None:
                if index != 0 or self.binary is None:
                    raise self.error(f"buffer {index} has no data")
                data = self.binary
            else:
                data = memoryview(self.outside(uri))
            if length > len(data):
                raise self.error(f"buffer {index} holds {len(data)} bytes, its header says {length}; it is cut short")
            self.buffers[index] = data[:length]
        return self.buffers[index]

    def outside(self, uri) -> bytes:
        """The bytes of a data URI, or of a file in the same folder or below."""
        if not isinstance(uri, str):
            raise self.error(f"a buffer's uri is {str(uri)[:40]}")
        if uri.startswith("data:"):
            head, _, text = uri.partition(",")
            if not head.endswith(";base64"):
                raise self.error(f"a buffer's data is {head[:40]}, wanted base64")
            try:
                return base64.b64decode(text, validate=True)
            except binascii.Error as error:
                raise self.error(f"a buffer's data is no base64 ({error})") from error
        from urllib.parse import unquote

        name = unquote(uri)
        folder = self.path.resolve().parent
        place = (folder / name).resolve()
        if ":" in name or "\\" in name or "\0" in name or not place.is_relative_to(folder):
            raise self.error(f"points at {uri[:80]!r}; only files in its own folder are read: put the data there")
        if not place.is_file():
            raise self.error(f"lacks its data {name[:80]!r}; it belongs beside it")
        if place.stat().st_size > MAX_FILE_BYTES:
            raise self.error(f"its data {name[:80]!r} is over {MAX_FILE_BYTES >> 20} MiB")
        return place.read_bytes()

    def view(self, index, offset: int, count: int, dtype: str, width: int) -> np.ndarray:
        """[count, width] of a buffer view, with its stride."""
        view = self.item("bufferViews", index)
        data = self.buffer(view.get("buffer"))
        start, length = self.number(view, "byteOffset", 0), self.number(view, "byteLength")
        size = np.dtype(dtype).itemsize * width
        stride = self.number(view, "byteStride", 0) or size
        if stride < size or start + length > len(data) or (count and offset + stride * (count - 1) + size > length):
            raise self.error(
                f"a view of {count} x {size} bytes leaves its buffer of {len(data)}; the file is cut short"
            )
        if not count:
            return np.zeros((0, width), dtype)
        rows = np.ndarray((count, size), "u1", data, start + offset, (stride, 1))
        return np.ascontiguousarray(rows).view(dtype)

    def accessor(self, index, *, width: int) -> np.ndarray:
        """[n, width] of an accessor: float64 for floats and normalized numbers, else integers."""
        described = self.item("accessors", index)
        code, kind, count = described.get("componentType"), described.get("type"), self.number(described, "count")
        if code not in _TYPES or _WIDTHS.get(kind) != width:
            raise self.error(f"accessor {index} is {kind!r} of type {code!r}, wanted {width} numbers each")
        self.budget.take(count * width)
        dtype = _TYPES[code]
        if "bufferView" in described:
            offset = self.number(described, "byteOffset", 0)
            values = self.view(described["bufferView"], offset, count, dtype, width)
        else:
            values = np.zeros((count, width), dtype)
        if "sparse" in described:
            values = self.with_sparse(values, described["sparse"], dtype, width)
        if described.get("normalized") is True and values.dtype.kind in "iu":
            values = np.maximum(values / np.iinfo(values.dtype).max, -1.0)
        if values.dtype.kind == "f":
            values = finite(values, f"accessor {index}", str(self.path))
        return values

    def with_sparse(self, values: np.ndarray, sparse, dtype: str, width: int) -> np.ndarray:
        if not isinstance(sparse, dict) or not all(isinstance(sparse.get(k), dict) for k in ("indices", "values")):
            raise self.error("a sparse accessor lacks its indices or values")
        count = self.number(sparse, "count")
        where, what = sparse["indices"], sparse["values"]
        if count > len(values) or where.get("componentType") not in (5121, 5123, 5125):
            raise self.error(f"a sparse accessor changes {count} of {len(values)} values")
        at = self.view(
            where.get("bufferView"), self.number(where, "byteOffset", 0), count, _TYPES[where["componentType"]], 1
        )
        at = in_range(at[:, 0], len(values), "a sparse accessor", str(self.path))
        values = values.copy()
        values[at] = self.view(what.get("bufferView"), self.number(what, "byteOffset", 0), count, dtype, width)
        return values

    # --- the scene --------------------------------------------------------------------------------------------------

    def scene(self) -> Scene:
        nodes = self.items("nodes")
        parents = self.parents(nodes)
        world = world_matrices([self.local(node) for node in nodes], parents, str(self.path))
        joints = sorted({j for skin in self.items("skins") for j in self.joints(skin)})
        bone = {node: i for i, node in enumerate(joints)}

        def bone_above(node: int) -> int:
            while node >= 0 and node not in bone:
                node = parents[node]
            return bone.get(node, -1)

        parts = tuple(
            self.part(node, world[i], world, bone) for i, node in enumerate(nodes) if isinstance(node.get("mesh"), int)
        )
        asset = self.document.get("asset")
        extras = asset.get("extras") if isinstance(asset, dict) else None
        return Scene(
            parts,
            tuple(_name(nodes[j], f"bone{j}") for j in joints),
            tuple(bone_above(parents[j]) for j in joints),
            np.array([world[j][:3, 3] for j in joints]).reshape(-1, 3),
            extras if isinstance(extras, dict) else {},
        )

    def parents(self, nodes: list[dict]) -> list[int]:
        parents = [-1] * len(nodes)
        for i, node in enumerate(nodes):
            for child in node.get("children", []):
                self.item("nodes", child)
                if parents[child] >= 0:
                    raise self.error(f"node {child} hangs on two others")
                parents[child] = i
        return parents

    def local(self, node: dict) -> np.ndarray:
        if "matrix" in node:
            return self.numbers(node, "matrix", [0.0] * 16).reshape(4, 4).T
        return trs(
            self.numbers(node, "translation", [0.0] * 3),
            self.numbers(node, "rotation", [0.0, 0.0, 0.0, 1.0]),
            self.numbers(node, "scale", [1.0] * 3),
        )

    def joints(self, skin: dict) -> list[int]:
        joints = skin.get("joints")
        if not isinstance(joints, list) or not joints:
            raise self.error("a skin has no joints")
        for joint in joints:
            self.item("nodes", joint)
        return joints

    def part(self, node: dict, own: np.ndarray, world: list[np.ndarray], bone: dict[int, int]) -> Part:
        """The mesh of a node in the world."""
        mesh = self.item("meshes", node["mesh"])
        names = self.target_names(mesh)
        skin = self.item("skins", node["skin"]) if "skin" in node else None
        joints = self.joints(skin) if skin else []
        pieces = [self.primitive(p, names, joints, bone) for p in mesh.get("primitives", []) if isinstance(p, dict)]
        pieces = [piece for piece in pieces if piece is not None]
        name = _name(node, _name(mesh, "mesh"))
        part = _joined(name, pieces, len(bone))
        if not skin:
            vertices, shapes = carried(part.vertices, part.shapes, own)
        else:
            bind = self.accessor(skin["inverseBindMatrices"], width=16) if "inverseBindMatrices" in skin else None
            if bind is not None and len(bind) < len(joints):
                raise self.error(f"a skin has {len(joints)} joints but {len(bind)} bind matrices")
            matrices = np.zeros((max(len(bone), 1), 4, 4))
            for i, joint in enumerate(joints):
                inverse = np.eye(4) if bind is None else bind[i].reshape(4, 4).T
                matrices[bone[joint]] = world[joint] @ inverse
            moved = np.einsum("vb,bij->vij", part.weights, matrices)
            vertices, shapes = carried(part.vertices, part.shapes, moved)
        return Part(
            name, vertices, part.faces, part.uv, part.uv_faces, part.materials, part.face_material, shapes, part.weights
        )

    def target_names(self, mesh: dict) -> list[str]:
        extras = mesh.get("extras")
        names = extras.get("targetNames") if isinstance(extras, dict) else None
        if isinstance(names, list):
            return [str(name) for name in names]
        primitives = [p for p in mesh.get("primitives", []) if isinstance(p, dict)]
        targets = next((p["targets"] for p in primitives if isinstance(p.get("targets"), list)), [])
        found = []
        for i, target in enumerate(targets):
            position = target.get("POSITION") if isinstance(target, dict) else None
            found.append(
                _name(self.item("accessors", position), f"target{i}") if position is not None else f"target{i}"
            )
        return found

    def primitive(self, primitive: dict, names: list[str], joints: list[int], bone: dict[int, int]) -> Part | None:
        mode = primitive.get("mode", _TRIANGLES)
        attributes = primitive.get("attributes")
        if mode not in (_TRIANGLES, _STRIP, _FAN) or not isinstance(attributes, dict) or "POSITION" not in attributes:
            return None
        vertices = np.asarray(self.accessor(attributes["POSITION"], width=3), np.float64)
        count = len(vertices)
        if "indices" in primitive:
            order = self.accessor(primitive["indices"], width=1)[:, 0]
            order = in_range(order, count, "a triangle", str(self.path))
        else:
            order = np.arange(count)
        faces = _triangles(order, mode)
        uv = np.zeros((0, 2))
        if "TEXCOORD_0" in attributes:
            uv = np.asarray(self.accessor(attributes["TEXCOORD_0"], width=2), np.float64) * [1.0, -1.0] + [0.0, 1.0]
            self.same_length(uv, count, "TEXCOORD_0")
        shapes: dict[str, np.ndarray] = {}
        for name, target in zip(names, primitive.get("targets", []), strict=False):
            if isinstance(target, dict) and "POSITION" in target:
                offsets = np.asarray(self.accessor(target["POSITION"], width=3), np.float64)
                shapes[name] = self.same_length(offsets, count, f"target {name}")
        material = "skin"
        if "material" in primitive:
            material = _name(self.item("materials", primitive["material"]), f"material{primitive['material']}")
        return Part(
            "", vertices, faces, uv, faces if len(uv) else np.zeros_like(faces), (material,),
            np.zeros(len(faces), int), shapes, self.weights(attributes, joints, bone, count),
        )  # fmt: skip

    def weights(self, attributes: dict, joints: list[int], bone: dict[int, int], count: int) -> np.ndarray:
        """[V, B], rows sum to 1."""
        if not joints:
            return np.zeros((count, 0))
        self.budget.take(count * len(bone))
        result = np.zeros((count, len(bone)))
        columns = np.array([bone[j] for j in joints])
        rows = np.arange(count)
        for i in range(4):
            if f"JOINTS_{i}" not in attributes:
                break
            which = self.accessor(attributes[f"JOINTS_{i}"], width=4)
            which = in_range(self.same_length(which, count, "JOINTS"), len(joints), "a skin weight", str(self.path))
            share = np.asarray(self.accessor(attributes.get(f"WEIGHTS_{i}"), width=4), np.float64)
            self.same_length(share, count, "WEIGHTS")
            for k in range(4):
                np.add.at(result, (rows, columns[which[:, k]]), share[:, k])
        total = result.sum(1, keepdims=True)
        result[total[:, 0] <= 0, columns[0]] = 1.0
        return result / np.where(total > 0, total, 1.0)

    def same_length(self, values: np.ndarray, count: int, what: str) -> np.ndarray:
        if len(values) != count:
            raise self.error(f"{what} has {len(values)} rows for {count} vertices")
        return values


def _open(path: Path) -> tuple[dict, memoryview | None]:
    """The JSON and the binary chunk, if there is one."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise FormatError(f"{path} is over {MAX_FILE_BYTES >> 20} MiB; export the head alone")
    data = memoryview(path.read_bytes())
    text, binary = data, None
    if bytes(data[:4]) == b"glTF":
        chunks = dict(_chunks(path, data))
        if b"JSON" not in chunks:
            raise FormatError(f"{path} has no JSON chunk; it is no glTF 2.0")
        text, binary = chunks[b"JSON"], chunks.get(b"BIN\0")
    try:
        document = json.loads(bytes(text).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is no glTF: its JSON cannot be read ({str(error)[:80]})") from error
    if not isinstance(document, dict) or not isinstance(document.get("asset"), dict):
        raise FormatError(f"{path} is no glTF: it has no asset")
    version = str(document["asset"].get("version", ""))
    if not version.startswith("2."):
        raise FormatError(f"{path} is glTF {version or 'without a version'}, wanted 2.0; export it again")
    return document, binary


def _chunks(path: Path, data: memoryview):
    if len(data) < 20 or struct.unpack_from("<I", data, 4)[0] != 2:
        raise FormatError(f"{path} is no glTF 2.0 file, or cut short")
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, at)
        if at + 8 + length > len(data):
            raise FormatError(f"{path} is cut short: a chunk of {length} bytes has {len(data) - at - 8} left")
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length


def _name(holder: dict, default: str) -> str:
    name = holder.get("name")
    return name if isinstance(name, str) and name else default


def _triangles(order: np.ndarray, mode: int) -> np.ndarray:
    if mode == _TRIANGLES:
        return order[: len(order) // 3 * 3].reshape(-1, 3)
    if mode == _FAN:
        return np.stack([np.full(max(len(order) - 2, 0), order[0] if len(order) else 0), order[1:-1], order[2:]], -1)
    strip = np.stack([order[:-2], order[1:-1], order[2:]], -1)
    strip[1::2] = strip[1::2, [1, 0, 2]]
    return strip


def _joined(name: str, pieces: list[Part], bones: int) -> Part:
    """Primitives as one part; a shape that only some have is still in the others."""
    counts = [len(piece.vertices) for piece in pieces]
    starts = np.concatenate([[0], np.cumsum(counts)])[:-1].astype(int) if pieces else []
    names = list(dict.fromkeys(shape for piece in pieces for shape in piece.shapes))
    materials = tuple(dict.fromkeys(piece.materials[0] for piece in pieces))
    uv_starts = np.concatenate([[0], np.cumsum([len(p.uv) for p in pieces])])[:-1].astype(int) if pieces else []

    def stack(arrays: list[np.ndarray], *tail: int) -> np.ndarray:
        return np.concatenate(arrays) if arrays else np.zeros((0, *tail))

    return Part(
        name,
        stack([p.vertices for p in pieces], 3),
        stack([p.faces + s for p, s in zip(pieces, starts, strict=True)], 3).astype(np.int64),
        stack([p.uv for p in pieces], 2),
        stack([p.uv_faces + s for p, s in zip(pieces, uv_starts, strict=True)], 3).astype(np.int64),
        materials,
        stack([np.full(len(p.faces), materials.index(p.materials[0])) for p in pieces]).astype(np.int64),
        {n: stack([p.shapes.get(n, np.zeros_like(p.vertices)) for p in pieces], 3) for n in names},
        stack([p.weights for p in pieces], bones),
    )
