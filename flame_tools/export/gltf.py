"""Binary glTF 2.0: mesh, materials, skin, morph targets, and the performance as one animation.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html. Metres, y up, +z forward, as ours: the format knows no
other. It carries no sound: `write_wav` puts it beside.
"""

from __future__ import annotations

import json
import os
import struct

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.export.corners import Piece, split_by_material
from flame_tools.export.keys import joint_channels, kept_frames, together, weight_channels
from flame_tools.export.looks import linear, look_of, texture_png
from flame_tools.export.options import DEFAULT, Options
from flame_tools.export.relief import normal_png
from flame_tools.export.rig import Rig
from flame_tools.export.surface import SMALLEST_M, SMALLEST_TURN, base_and_turns
from flame_tools.export.tailor import rig_for
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.surface.relief import tangents
from flame_tools.types import HeadArrays, Track

_FLOAT, _U8, _U16, _U32 = 5126, 5121, 5123, 5125
_COMPONENT = {"f4": _FLOAT, "u1": _U8, "u2": _U16, "u4": _U32}
_KIND = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963


def write_glb(track: Track, head: Head, path: str | os.PathLike, *, options: Options = DEFAULT) -> None:
    """Write `track` on `head` as one .glb file; of the options: shapes, names, tolerance_mm.

    A track of one frame leaves as a still: its weights and joints are the file's rest, and there is no animation.
    """
    rig = rig_for(track, head, options)
    buffer = _Buffer()
    document = _document(track, head, rig, buffer, options)
    data = buffer.joined()
    document["buffers"] = [{"byteLength": len(data)}]
    document |= {"bufferViews": buffer.views, "accessors": buffer.accessors}
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    with written_whole(path) as temporary:
        temporary.write_bytes(
            struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + len(data))
            + struct.pack("<I4s", len(text), b"JSON")
            + text
            + struct.pack("<I4s", len(data), b"BIN\0")
            + data
        )


class _Buffer:
    """Collects arrays into one binary chunk and describes them as views and accessors."""

    def __init__(self):
        self.parts: list[bytes] = []
        self.length = 0
        self.views: list[dict] = []
        self.accessors: list[dict] = []

    def view(self, data: bytes, **more) -> int:
        self.views.append({"buffer": 0, "byteOffset": self.length, "byteLength": len(data), **more})
        data += b"\0" * (-len(data) % 4)
        self.parts.append(data)
        self.length += len(data)
        return len(self.views) - 1

    def add(self, array: np.ndarray, *, target: int | None = None, bounds: bool = False) -> int:
        """An accessor over `array` [n] or [n, k]."""
        array = np.ascontiguousarray(array)
        accessor = {"bufferView": self.view(array.tobytes(), **({"target": target} if target else {}))}
        accessor |= _described(array)
        if bounds:
            accessor |= _bounds(array)
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def joined(self) -> bytes:
        return b"".join(self.parts)


class _Sparse:
    """Morph targets as lists of the vertices that move, all in two shared views."""

    def __init__(self, buffer: _Buffer):
        self.buffer = buffer
        self.indices: list[np.ndarray] = []
        self.values: list[np.ndarray] = []
        self.pending: list[tuple[dict, int]] = []
        self.count = 0
        self.zeros: dict[int, int] = {}

    def add(self, offsets: np.ndarray, moves: np.ndarray, vertices: np.ndarray) -> int:
        """An accessor over the offsets [V, 3] of vertices [n] that lists those which move, as `moves` [V] says."""
        kept = np.flatnonzero(moves[vertices])
        n = len(vertices)
        still = not len(kept)
        if still and n in self.zeros:
            return self.zeros[n]
        if still:  # one zero in the list: assimp refuses an accessor that has neither a view nor a list
            kept, values = np.zeros(1, int), np.zeros((1, 3), "<f4")
        else:
            values = np.ascontiguousarray(offsets[vertices[kept]], "<f4")
        low, high = values.min(0), values.max(0)
        if len(kept) < n:
            low, high = np.minimum(low, 0), np.maximum(high, 0)
        accessor = {"componentType": _FLOAT, "count": n, "type": "VEC3", "min": low.tolist(), "max": high.tolist()}
        self.pending.append((accessor, self.count))
        self.indices.append(kept.astype("<u4"))
        self.values.append(values)
        self.count += len(kept)
        accessor["sparse"] = {"count": len(kept)}
        self.buffer.accessors.append(accessor)
        index = len(self.buffer.accessors) - 1
        if still:
            self.zeros[n] = index
        return index

    def finish(self) -> None:
        """Write the two views and point every accessor into them."""
        if not self.pending:
            return
        indices = self.buffer.view(np.concatenate(self.indices).tobytes())
        values = self.buffer.view(np.concatenate(self.values).tobytes())
        for accessor, start in self.pending:
            accessor["sparse"] |= {
                "indices": {"bufferView": indices, "byteOffset": 4 * start, "componentType": _U32},
                "values": {"bufferView": values, "byteOffset": 12 * start},
            }


def _described(array: np.ndarray) -> dict:
    width = 1 if array.ndim == 1 else array.shape[1]
    return {"componentType": _COMPONENT[array.dtype.str[1:]], "count": len(array), "type": _KIND[width]}


def _bounds(array: np.ndarray) -> dict:
    table = array.reshape(len(array), -1)
    return {"min": table.min(0).tolist(), "max": table.max(0).tolist()}


def _document(track: Track, head: Head, rig: Rig, buffer: _Buffer, options: Options) -> dict:
    pieces = split_by_material(head.arrays)
    still = len(track) == 1
    joints = len(rig.joint_names)
    nodes = [{"name": "head", "mesh": 0, "skin": 0}]
    for j, name in enumerate(rig.joint_names):
        node = {"name": name, "translation": (rig.translations[0, j] if still else rig.rest_translations[j]).tolist()}
        if still:
            node["rotation"] = rig.rotations[0, j].tolist()
        children = [1 + c for c in range(joints) if rig.parents[c] == j]
        nodes.append(node | ({"children": children} if children else {}))
    materials = _materials(track, head, pieces, buffer)
    document = {
        "asset": {"version": "2.0", "generator": "emberface", "extras": _credits(track, head.arrays)},
        "scene": 0,
        "scenes": [{"nodes": [0, *(1 + j for j in range(joints) if rig.parents[j] < 0)]}],
        "nodes": nodes,
        "meshes": [_mesh(rig, pieces, head, buffer, still, materials["materials"])],
        "skins": [_skin(rig, buffer)],
        **materials,
    }
    if not still:
        document["animations"] = [_animation(rig, buffer, options.tolerance_mm)]
    return document


def _credits(track: Track, arrays: HeadArrays) -> dict:
    return {"head": arrays.id, "licences": list(licences_of(track, arrays))}


def _mesh(rig: Rig, pieces: list[Piece], head: Head, buffer: _Buffer, still: bool, materials: list[dict]) -> dict:
    normals, turn_of = base_and_turns(head.arrays.faces, rig.base)
    turns = [turn_of(target) for target in rig.targets]
    moves, sways = (
        [np.linalg.norm(offsets, axis=1) > smallest for offsets in targets]
        for targets, smallest in ((rig.targets, SMALLEST_M), (turns, SMALLEST_TURN))
    )
    sparse = _Sparse(buffer)
    primitives = []
    for m, piece in enumerate(pieces):
        v = piece.vertices
        attributes = {
            "POSITION": buffer.add(rig.base[v].astype("<f4"), target=_ARRAY_BUFFER, bounds=True),
            "NORMAL": buffer.add(normals[v].astype("<f4"), target=_ARRAY_BUFFER),
        }
        if piece.uv is not None:
            down = np.stack([piece.uv[:, 0], 1 - piece.uv[:, 1]], -1)  # glTF counts v from the picture's top
            attributes["TEXCOORD_0"] = buffer.add(down.astype("<f4"), target=_ARRAY_BUFFER)
        if "normalTexture" in materials[m]:
            ways = tangents(rig.base[v], piece.triangles, piece.uv, piece.triangles)
            ways[:, :3] -= (ways[:, :3] * normals[v]).sum(1, keepdims=True) * normals[v]
            ways[:, :3] /= np.maximum(np.linalg.norm(ways[:, :3], axis=1, keepdims=True), 1e-6)
            attributes["TANGENT"] = buffer.add(ways.astype("<f4"), target=_ARRAY_BUFFER)
        for i, (bones, shares) in enumerate(_influences(rig.skin_weights[v])):
            attributes[f"JOINTS_{i}"] = buffer.add(bones, target=_ARRAY_BUFFER)
            attributes[f"WEIGHTS_{i}"] = buffer.add(shares, target=_ARRAY_BUFFER)
        indices = piece.triangles.astype("<u2" if len(v) < 65535 else "<u4").reshape(-1)
        primitive = {"attributes": attributes, "indices": buffer.add(indices, target=_ELEMENT_BUFFER), "material": m}
        if rig.target_names:  # the format knows no empty list
            primitive["targets"] = [
                {"POSITION": sparse.add(shape, moved, v), "NORMAL": sparse.add(turn, swayed, v)}
                for shape, moved, turn, swayed in zip(rig.targets, moves, turns, sways, strict=True)
            ]
        primitives.append(primitive)
    sparse.finish()
    mesh = {"name": "head", "primitives": primitives}
    if rig.target_names:
        weights = rig.weights[0] if still else np.zeros(len(rig.target_names))
        mesh |= {"weights": weights.tolist(), "extras": {"targetNames": list(rig.target_names)}}
    return mesh


def _influences(weights: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Skin weights [n, J] as sets of four (joint [n, 4] uint8, share [n, 4] float32), the largest first."""
    order = np.argsort(-weights, axis=1, kind="stable")
    shares = np.take_along_axis(weights, order, 1).astype(np.float64)
    shares /= shares.sum(1, keepdims=True)
    used = int((shares > 0).sum(1).max())
    width = -(-used // 4) * 4
    missing = max(width - shares.shape[1], 0)
    shares = np.pad(shares, ((0, 0), (0, missing)))[:, :width]
    order = np.pad(order, ((0, 0), (0, missing)))[:, :width]
    order = np.where(shares > 0, order, 0)
    return [(order[:, i : i + 4].astype("u1"), shares[:, i : i + 4].astype("<f4")) for i in range(0, width, 4)]


def _skin(rig: Rig, buffer: _Buffer) -> dict:
    inverse = np.tile(np.eye(4, dtype="<f4"), (len(rig.joint_names), 1, 1))
    inverse[:, 3, :3] = -rig.rest_joints  # column-major: the translation is the last row here
    return {
        "name": "head",
        "joints": [1 + j for j in range(len(rig.joint_names))],
        "skeleton": 1,
        "inverseBindMatrices": buffer.add(inverse.reshape(-1, 16)),
    }


def _materials(track: Track, head: Head, pieces: list[Piece], buffer: _Buffer) -> dict:
    pictures = {"albedo": texture_png(track, head.arrays), "normals": normal_png(track, head)}
    pictures = {name: picture for name, picture in pictures.items() if picture is not None}
    index = {name: {"index": i} for i, name in enumerate(pictures)}
    materials = []
    for piece in pieces:
        look = look_of(piece.material, track)
        surface = {"baseColorFactor": [*linear(look.colour), 1.0], "metallicFactor": 0.0}
        surface["roughnessFactor"] = look.roughness
        covered = look.textured and piece.uv is not None
        if covered and "albedo" in index:
            surface |= {"baseColorFactor": [1.0, 1.0, 1.0, 1.0], "baseColorTexture": index["albedo"]}
        material = {"name": piece.material, "pbrMetallicRoughness": surface}
        if covered and look.relief and "normals" in index:
            material["normalTexture"] = index["normals"]
        materials.append(material)
    document = {"materials": materials}
    if pictures:
        clamp_linear = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
        document |= {
            "images": [
                {"bufferView": buffer.view(picture), "mimeType": "image/png", "name": name}
                for name, picture in pictures.items()
            ],
            "samplers": [clamp_linear],
            "textures": [{"source": i, "sampler": 0} for i in range(len(pictures))],
        }
    return document


def _animation(rig: Rig, buffer: _Buffer, tolerance_mm: float | None) -> dict:
    times = rig.times_s.astype("<f4")
    turning, moving = joint_channels(rig)
    owners = [(0, "weights", together(weight_channels(rig)))] if rig.target_names else []
    for j, (turn, move) in enumerate(zip(turning, moving, strict=True)):
        owners.append((1 + j, "rotation", turn))
        if np.abs(rig.translations[:, j] - rig.rest_translations[j]).max() > SMALLEST_M:
            owners.append((1 + j, "translation", move))
    kept = [np.arange(len(times))] * len(owners)
    if tolerance_mm is not None:
        kept = kept_frames(rig.times_s, [channel for _, _, channel in owners], tolerance_mm / 1000)
    inputs: dict[bytes, int] = {}
    channels, samplers = [], []
    for (node, path, channel), frames in zip(owners, kept, strict=True):
        key = frames.tobytes()
        if key not in inputs:
            inputs[key] = buffer.add(times[frames], bounds=True)
        values = channel.values[frames].astype("<f4")
        output = buffer.add(values.reshape(-1) if path == "weights" else values)
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        samplers.append({"input": inputs[key], "output": output, "interpolation": "LINEAR"})
    return {"name": "performance", "channels": channels, "samplers": samplers}
