"""FBX (binary, 7.1 to 7.7) as a Scene: meshes, blend shapes, skins and bones. Animation and textures are left aside.

Objects are joined by the file's connections: a mesh below its model, a skin and blend shapes below the mesh, bones
below the skin's clusters. A model's matrix has pivots, offsets, pre- and post-rotations and, for its mesh alone, a
geometric part: T Roff Rp Rpre R Rpost^-1 Rp^-1 Soff Sp S Sp^-1, parents first.
"""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

import numpy as np

from flame_tools.characters.fbx_nodes import Node, read_nodes
from flame_tools.characters.scene import Budget, Part, Scene, carried, finite, in_range, world_matrices
from flame_tools.errors import FormatError
from flame_tools.licences import apart

MAX_FILE_BYTES = 1 << 30
CENTIMETRE = 0.01  # the unit that UnitScaleFactor multiplies
ORDERS = ("xyz", "xzy", "yzx", "yxz", "zxy", "zyx")  # the axis that turns first stands first


def read_fbx(path: str | os.PathLike) -> Scene:
    """Meshes, blend shapes and skins of a binary FBX file. Raises FormatError where it is broken or unknown."""
    return open_fbx(path).scene()


def open_fbx(path: str | os.PathLike) -> FbxDocument:
    """A binary FBX file, its objects read. Raises FormatError where it is broken or unknown."""
    path = Path(path)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise FormatError(f"{path} is over {MAX_FILE_BYTES >> 20} MiB; export the head alone")
    return FbxDocument(read_nodes(path.read_bytes(), str(path)), str(path))


class FbxDocument:
    """Objects by number, and what hangs on what."""

    def __init__(self, root: Node, source: str):
        self.source = source
        self.budget = Budget(source)
        objects = root.first("Objects")
        self.objects: dict[int, Node] = {}
        for node in objects.children if objects else []:
            if node.properties and isinstance(node.properties[0], int):
                self.objects[node.properties[0]] = node
        self.below: dict[int, list[int]] = defaultdict(list)
        self.above: dict[int, list[int]] = defaultdict(list)
        self.driving: dict[int, list[tuple[int, str]]] = defaultdict(list)  # objects on a property, and which
        connections = root.first("Connections")
        for link in connections.all("C") if connections else []:
            kind, child, parent, *_ = [*link.properties, None, None, None]
            if not (isinstance(kind, str) and isinstance(child, int) and isinstance(parent, int)):
                continue
            if kind == "OO" and child in self.objects:
                self.below[parent].append(child)
                self.above[child].append(parent)
            elif kind == "OP" and child in self.objects:
                self.driving[parent] += [(child, prop) for prop in link.properties[3:4] if isinstance(prop, str)]
        self.settings = properties_of(root.first("GlobalSettings"))

    def named(self, number: int) -> str:
        """An object's name, which stands before its class in the second property."""
        properties = self.objects[number].properties
        name = properties[1] if len(properties) > 1 and isinstance(properties[1], str) else ""
        return name.split("\x00\x01")[0] or f"object{number}"

    def kind(self, number: int) -> str:
        properties = self.objects[number].properties
        return properties[2] if len(properties) > 2 and isinstance(properties[2], str) else ""

    def under(self, number: int, name: str, *kinds: str) -> list[int]:
        """Objects of a class (and kind) connected below one."""
        return [
            child
            for child in self.below[number]
            if self.objects[child].name == name and (not kinds or self.kind(child) in kinds)
        ]

    def noted(self, name: str) -> str | None:
        """What `write_fbx` notes at the mesh's model."""
        for node in self.objects.values():
            said = properties_of(node).get(name) if node.name == "Model" else None
            if said and isinstance(said[0], str) and said[0]:
                return said[0]
        return None

    # --- the scene --------------------------------------------------------------------------------------------------

    def scene(self) -> Scene:
        models = [number for number, node in self.objects.items() if node.name == "Model"]
        index = {number: i for i, number in enumerate(models)}
        parents = [next((index[p] for p in self.above[number] if p in index), -1) for number in models]
        properties = [properties_of(self.objects[number]) for number in models]
        world = world_matrices([local_matrix(p) for p in properties], parents, self.source)
        upright = self.upright()
        clusters = [number for number, node in self.objects.items() if self.kind(number) == "Cluster"]
        bones = sorted({index[m] for c in clusters for m in self.under(c, "Model")})
        bone = {models[i]: k for k, i in enumerate(bones)}

        def bone_above(i: int) -> int:
            while i >= 0 and models[i] not in bone:
                i = parents[i]
            return bone[models[i]] if i >= 0 else -1

        bone_worlds = [world[i] for i in bones]
        parts = []
        for i, number in enumerate(models):
            materials = tuple(self.named(m) for m in self.under(number, "Material"))
            for mesh in self.under(number, "Geometry", "Mesh"):
                own = world[i] @ _geometric(properties[i])
                parts.append(self.part(mesh, self.named(number), own, materials, bone, bone_worlds, upright))
        places = np.array([(upright @ world[i])[:3, 3] for i in bones]).reshape(-1, 3)
        above = tuple(bone_above(parents[i]) for i in bones)
        said = self.noted("licences")
        extras = {} if said is None else {"licences": apart(said)}
        return Scene(tuple(parts), tuple(self.named(models[i]) for i in bones), above, places, extras)

    def upright(self) -> np.ndarray:
        """The matrix [4, 4] from the file's axes and unit to metres, y up, +z forward."""
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1.0
        scale = number_of(self.settings.get("UnitScaleFactor"), 1.0)
        if not 1e-6 < scale < 1e6:
            raise FormatError(f"{self.source} has a unit of {scale:g} centimetres; export it in centimetres")
        for row, (name, usual) in enumerate((("CoordAxis", 0), ("UpAxis", 1), ("FrontAxis", 2))):
            axis = int(number_of(self.settings.get(name), usual))
            sign = number_of(self.settings.get(f"{name}Sign"), 1.0)
            if axis not in (0, 1, 2):
                raise FormatError(f"{self.source}: {name} is {axis}, wanted 0, 1 or 2")
            matrix[row, axis] = scale * CENTIMETRE * (1.0 if sign >= 0 else -1.0)
        if abs(np.linalg.det(matrix)) < 1e-30:
            raise FormatError(f"{self.source}: two of its axes are one")
        return matrix

    def part(
        self,
        number: int,
        name: str,
        own: np.ndarray,
        materials: tuple[str, ...],
        bone: dict[int, int],
        bone_worlds: list[np.ndarray],
        upright: np.ndarray,
    ) -> Part:
        """A mesh in the world; `own` [4, 4] is its model's matrix with the geometric part."""
        mesh = self.objects[number]
        vertices = self.points(mesh.array("Vertices"), f"mesh {name}")
        faces, corners, polygon = self.triangles(mesh, len(vertices), name)
        if np.linalg.det(upright[:3, :3]) < 0:  # a left-handed file
            faces, corners = faces[:, ::-1], corners[:, ::-1]
        uv, uv_faces = self.uv(mesh, corners, faces, name)
        shapes = self.shapes(number, len(vertices))
        weights, moved = self.skin(number, len(vertices), own, bone, bone_worlds)
        moved = upright @ moved
        vertices, shapes = carried(vertices, shapes, moved)
        face_material = self.materials(mesh, polygon, len(materials), name)
        return Part(name, vertices, faces, uv, uv_faces, materials or ("skin",), face_material, shapes, weights)

    def points(self, numbers: np.ndarray, what: str) -> np.ndarray:
        if numbers.dtype.kind not in "fi" or numbers.size % 3:
            raise FormatError(f"{self.source}: {what} has {numbers.size} coordinates, wanted threes")
        return finite(numbers, what, self.source).reshape(-1, 3)

    def indices(self, node: Node, name: str, count: int, what: str) -> np.ndarray:
        numbers = node.array(name)
        if numbers.size and numbers.dtype.kind != "i":
            raise FormatError(f"{self.source}: {what} has {name} of type {numbers.dtype}, wanted whole numbers")
        return in_range(numbers, count, f"{what}'s {name}", self.source)

    def triangles(self, mesh: Node, count: int, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Triangles [F, 3] of vertices, the same of polygon corners, and the polygon [F] of each.

        A polygon's last corner is written as -1 - vertex. Polygons become fans.
        """
        written = mesh.array("PolygonVertexIndex")
        if written.size and written.dtype.kind != "i":
            raise FormatError(f"{self.source}: mesh {name} has polygons of type {written.dtype}")
        written = written.astype(np.int64)
        last = written < 0
        vertex = in_range(np.where(last, -1 - written, written), count, f"mesh {name}", self.source)
        ends = np.flatnonzero(last)
        starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) if len(ends) else np.zeros(0, np.int64)
        fans = np.maximum(ends - starts - 1, 0)
        polygon = np.repeat(np.arange(len(ends)), fans)
        step = np.arange(len(polygon)) - np.repeat(np.cumsum(fans) - fans, fans)
        first = starts[polygon]
        corners = np.stack([first, first + step + 1, first + step + 2], -1)
        return vertex[corners], corners, polygon

    def uv(self, mesh: Node, corners: np.ndarray, faces: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The first UV layer, v up."""
        layer = mesh.first("LayerElementUV")
        values = layer.array("UV") if layer else np.zeros(0)
        places = {"ByPolygonVertex": corners, "ByVertice": faces, "ByVertex": faces}
        place = places.get(layer.value("MappingInformationType", str)) if layer else None
        if place is None or values.size % 2 or values.dtype.kind != "f" or not values.size:
            return np.zeros((0, 2)), np.zeros_like(faces)
        uv = finite(values, f"the UV of {name}", self.source).reshape(-1, 2)
        if layer.value("ReferenceInformationType", str) == "IndexToDirect":
            index = layer.array("UVIndex").astype(np.int64)
            place = index[in_range(place, len(index), f"the UV of {name}", self.source)]
        return uv, in_range(np.where(place < 0, 0, place), len(uv), f"the UV of {name}", self.source)

    def materials(self, mesh: Node, polygon: np.ndarray, count: int, name: str) -> np.ndarray:
        layer = mesh.first("LayerElementMaterial")
        chosen = layer.array("Materials") if layer else np.zeros(0)
        if not count or not chosen.size or chosen.dtype.kind != "i":
            return np.zeros(len(polygon), np.int64)
        if layer.value("MappingInformationType", str) == "ByPolygon":
            chosen = chosen[in_range(polygon, len(chosen), f"the materials of {name}", self.source)]
        else:
            chosen = np.full(len(polygon), chosen[0])
        return np.clip(chosen, 0, count - 1).astype(np.int64)

    def shapes(self, mesh: int, count: int) -> dict[str, np.ndarray]:
        """Offsets [V, 3] by channel name; of a channel with steps in between the last."""
        shapes: dict[str, np.ndarray] = {}
        for deformer in self.under(mesh, "Deformer", "BlendShape"):
            for channel in self.under(deformer, "Deformer", "BlendShapeChannel"):
                targets = self.under(channel, "Geometry", "Shape")
                if not targets:
                    continue
                full = self.objects[channel].array("FullWeights")
                target = targets[int(full.argmax())] if len(full) == len(targets) else targets[-1]
                name = self.named(channel)
                self.budget.take(3 * count)
                offsets = np.zeros((count, 3))
                at = self.indices(self.objects[target], "Indexes", count, f"shape {name}")
                moved = self.points(self.objects[target].array("Vertices"), f"shape {name}")
                if len(at) != len(moved):
                    raise FormatError(f"{self.source}: shape {name} moves {len(at)} vertices by {len(moved)} offsets")
                offsets[at] = moved
                shapes[name] = offsets
        return shapes

    def skin(
        self, mesh: int, count: int, own: np.ndarray, bone: dict[int, int], bone_worlds: list[np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights [V, B] (or [V, 0]) and the matrix [4, 4] or [V, 4, 4] that takes each vertex to the world."""
        clusters = [c for skin in self.under(mesh, "Deformer", "Skin") for c in self.under(skin, "Deformer", "Cluster")]
        linked = [(c, model) for c in clusters for model in self.under(c, "Model")[:1]]
        if not linked:
            return np.zeros((count, 0)), own
        self.budget.take(count * (len(bone) + 16))
        weights, moved = np.zeros((count, len(bone))), np.zeros((count, 4, 4))
        for cluster, model in linked:
            node = self.objects[cluster]
            at = self.indices(node, "Indexes", count, f"cluster {self.named(cluster)}")
            share = finite(node.array("Weights"), "a skin", self.source)
            if len(at) != len(share):
                raise FormatError(f"{self.source}: a cluster has {len(at)} vertices and {len(share)} weights")
            to_bone = node.array("Transform")
            if to_bone.size != 16 or to_bone.dtype.kind != "f":
                raise FormatError(f"{self.source}: cluster {self.named(cluster)} lacks its bind matrix")
            to_bone = finite(to_bone, "a bind matrix", self.source).reshape(4, 4).T
            np.add.at(weights[:, bone[model]], at, share)
            np.add.at(moved, at, share[:, None, None] * (bone_worlds[bone[model]] @ to_bone))
        total = weights.sum(1)
        loose = total <= 1e-6
        moved[loose], weights[loose], total[loose] = own, 0.0, 1.0
        return weights / total[:, None], moved / total[:, None, None]


def properties_of(node: Node | None) -> dict[str, list]:
    """The values of Properties70 by name."""
    table = node.first("Properties70") if node is not None else None
    found = {}
    for row in table.all("P") if table else []:
        if len(row.properties) > 4 and isinstance(row.properties[0], str):
            found[row.properties[0]] = row.properties[4:]
    return found


def number_of(values, default: float) -> float:
    if values and isinstance(values[0], (int, float)) and np.isfinite(values[0]):
        return float(values[0])
    return default


def vector_of(properties: dict[str, list], name: str, default: float = 0.0) -> np.ndarray:
    values = properties.get(name, [])[:3]
    if len(values) == 3 and all(isinstance(v, (int, float)) and np.isfinite(v) for v in values):
        return np.array(values, np.float64)
    return np.full(3, default)


def _shift(vector: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = vector
    return matrix


def _turn(degrees: np.ndarray, order: str = "xyz") -> np.ndarray:
    from scipy.spatial.transform import Rotation

    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler(
        order, [degrees["xyz".index(axis)] for axis in order], degrees=True
    ).as_matrix()
    return matrix


def _stretch(factors: np.ndarray) -> np.ndarray:
    return np.diag([*factors, 1.0])


def local_matrix(properties: dict[str, list]) -> np.ndarray:
    """A model's matrix [4, 4] in its parent."""
    active = bool(number_of(properties.get("RotationActive"), 0.0))
    order = int(number_of(properties.get("RotationOrder"), 0.0)) if active else 0
    before = _turn(vector_of(properties, "PreRotation")) if active else np.eye(4)
    after = _turn(vector_of(properties, "PostRotation")) if active else np.eye(4)
    pivot, centre = vector_of(properties, "RotationPivot"), vector_of(properties, "ScalingPivot")
    turn = _turn(vector_of(properties, "Lcl Rotation"), ORDERS[order] if 0 <= order < len(ORDERS) else "xyz")
    return (
        _shift(vector_of(properties, "Lcl Translation") + vector_of(properties, "RotationOffset") + pivot)
        @ before
        @ turn
        @ after.T  # a rotation's inverse
        @ _shift(vector_of(properties, "ScalingOffset") + centre - pivot)
        @ _stretch(vector_of(properties, "Lcl Scaling", 1.0))
        @ _shift(-centre)
    )


def _geometric(properties: dict[str, list]) -> np.ndarray:
    """What moves a model's mesh but not its children."""
    return (
        _shift(vector_of(properties, "GeometricTranslation"))
        @ _turn(vector_of(properties, "GeometricRotation"))
        @ _stretch(vector_of(properties, "GeometricScaling", 1.0))
    )
