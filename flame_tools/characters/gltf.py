"""glTF 2.0, .glb and .gltf, as a Scene: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from flame_tools.characters.gltf_file import GltfFile, name_of
from flame_tools.characters.scene import Part, Scene, carried, in_range, trs, world_matrices

_TRIANGLES, _STRIP, _FAN = 4, 5, 6


def read_gltf(path: str | os.PathLike) -> Scene:
    """Meshes, morph targets and skins of a .glb or .gltf. Raises FormatError where the file is broken or unknown."""
    return GltfScene(Path(path)).scene()


class GltfScene(GltfFile):
    """A file as a scene."""

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
            tuple(name_of(nodes[j], f"bone{j}") for j in joints),
            tuple(bone_above(parents[j]) for j in joints),
            np.array([world[j][:3, 3] for j in joints]).reshape(-1, 3),
            extras if isinstance(extras, dict) else {},
        )

    def parents(self, nodes: list[dict]) -> list[int]:
        parents = [-1] * len(nodes)
        for i, node in enumerate(nodes):
            for child in self.listed(node, "children"):
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
        joints = self.listed(skin, "joints")
        if not joints:
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
        pieces = [self.primitive(p, names, joints, bone) for p in self.items("primitives", mesh)]
        pieces = [piece for piece in pieces if piece is not None]
        name = name_of(node, name_of(mesh, "mesh"))
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
        targets = next((self.items("targets", p) for p in self.items("primitives", mesh) if "targets" in p), [])
        found = []
        for i, target in enumerate(targets):
            position = target.get("POSITION")
            found.append(
                name_of(self.item("accessors", position), f"target{i}") if position is not None else f"target{i}"
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
        for name, target in zip(names, self.items("targets", primitive), strict=False):
            if "POSITION" in target:
                offsets = np.asarray(self.accessor(target["POSITION"], width=3), np.float64)
                shapes[name] = self.same_length(offsets, count, f"target {name}")
        material = "skin"
        if "material" in primitive:
            material = name_of(self.item("materials", primitive["material"]), f"material{primitive['material']}")
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
        stack([p.uv_faces + s * bool(len(p.uv)) for p, s in zip(pieces, uv_starts, strict=True)], 3).astype(np.int64),
        materials,
        stack([np.full(len(p.faces), materials.index(p.materials[0])) for p in pieces]).astype(np.int64),
        {n: stack([p.shapes.get(n, np.zeros_like(p.vertices)) for p in pieces], 3) for n in names},
        stack([p.weights for p in pieces], bones),
    )
