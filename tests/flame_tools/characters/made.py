"""Character files as other programs write them: made here from plain arrays, in many dialects."""

import json
import struct

import numpy as np

from flame_tools.characters.fbx_nodes import Node, write_nodes


class Glb:
    """Collects accessors into one binary chunk."""

    def __init__(self):
        self.data = b""
        self.views, self.accessors = [], []

    def view(self, raw: bytes, **more) -> int:
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw), **more})
        self.data += raw + b"\0" * (-len(raw) % 4)
        return len(self.views) - 1

    def add(self, array, **more) -> int:
        array = np.ascontiguousarray(array)
        code = {"f4": 5126, "u1": 5121, "i1": 5120, "u2": 5123, "i2": 5122, "u4": 5125}[array.dtype.str[1:]]
        width = 1 if array.ndim == 1 else array.shape[1]
        kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}[width]
        self.accessors.append(
            {"bufferView": self.view(array.tobytes()), "componentType": code, "count": len(array), "type": kind} | more
        )
        return len(self.accessors) - 1

    def document(self, **parts) -> dict:
        return {
            "asset": {"version": "2.0"},
            "buffers": [{"byteLength": len(self.data)}],
            "bufferViews": self.views,
            "accessors": self.accessors,
        } | parts

    def packed(self, document: dict) -> bytes:
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(self.data), b"BIN\0")
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks) + len(self.data)) + chunks + self.data


def mesh_glb(vertices, faces, shapes, *, node=None, names=None) -> bytes:
    """A GLB of one mesh without a skin; `node` adds to its node, `names` replaces the shapes' names."""
    glb = Glb()
    primitive = {
        "attributes": {"POSITION": glb.add(vertices.astype("<f4"))},
        "indices": glb.add(faces.astype("<u4").ravel()),
        "targets": [{"POSITION": glb.add(offsets.astype("<f4"))} for offsets in shapes.values()],
    }
    return glb.packed(
        glb.document(
            nodes=[{"mesh": 0, "name": "face", **(node or {})}],
            meshes=[{"primitives": [primitive], "extras": {"targetNames": list(names or shapes)}}],
        )
    )


def properties70(**values) -> Node:
    """FBX properties; two underscores stand for a space."""
    return Node("Properties70", [], [Node("P", [k.replace("__", " "), "", "", "", *v]) for k, v in values.items()])


def mesh_fbx(vertices, faces, shapes, *, settings=None, model=None, bones=(), weights=None, version=7400) -> bytes:
    """An FBX of one mesh in its own units and axes.

    `settings` are global, `model` the mesh's properties; `bones` (name, parent number or -1, place [3]) with `weights`
    [V, B] make a skin bound where they stand.
    """
    corners = faces.astype(np.int32).copy()
    corners[:, -1] = -1 - corners[:, -1]
    geometry = [Node("Vertices", [vertices.astype(np.float64).ravel()]), Node("PolygonVertexIndex", [corners.ravel()])]
    objects = [
        Node("Geometry", [1, "face\x00\x01Geometry", "Mesh"], geometry),
        Node("Model", [2, "face\x00\x01Model", "Mesh"], [properties70(**(model or {}))]),
        Node("Deformer", [3, "\x00\x01Deformer", "BlendShape"]),
    ]
    links = [(1, 2), (2, 0), (3, 1)]
    for i, (name, offsets) in enumerate(shapes.items()):
        channel, shape = 100 + 2 * i, 101 + 2 * i
        moved = np.flatnonzero(np.abs(offsets).max(1) > 0).astype(np.int32)
        objects += [
            Node("Deformer", [channel, f"{name}\x00\x01SubDeformer", "BlendShapeChannel"]),
            Node(
                "Geometry",
                [shape, f"{name}\x00\x01Geometry", "Shape"],
                [Node("Indexes", [moved]), Node("Vertices", [offsets[moved].astype(np.float64).ravel()])],
            ),
        ]
        links += [(channel, 3), (shape, channel)]
    if bones:
        objects.append(Node("Deformer", [4, "\x00\x01Deformer", "Skin"]))
        links.append((4, 1))
    for i, (name, parent, place) in enumerate(bones):
        bone, cluster = 10000 + i, 20000 + i
        local = np.asarray(place) - (bones[parent][2] if parent >= 0 else 0.0)
        held = np.flatnonzero(weights[:, i]).astype(np.int32)
        bind, link = np.eye(4), np.eye(4)
        bind[3, :3], link[3, :3] = -np.asarray(place), place  # rows: as the file keeps matrices
        objects += [
            Node(
                "Model",
                [bone, f"{name}\x00\x01Model", "LimbNode"],
                [properties70(Lcl__Translation=[float(x) for x in local])],
            ),
            Node(
                "Deformer",
                [cluster, "\x00\x01SubDeformer", "Cluster"],
                [
                    Node("Indexes", [held]),
                    Node("Weights", [weights[held, i].astype(np.float64)]),
                    Node("Transform", [bind.ravel()]),
                    Node("TransformLink", [link.ravel()]),
                ],
            ),
        ]
        links += [(bone, 10000 + parent if parent >= 0 else 0), (cluster, 4), (bone, cluster)]
    root = Node(
        "",
        [],
        [
            Node("GlobalSettings", [], [properties70(**(settings or {}))]),
            Node("Objects", [], objects),
            Node("Connections", [], [Node("C", ["OO", child, parent]) for child, parent in links]),
        ],
    )
    return write_nodes(root, version=version)
