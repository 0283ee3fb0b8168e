"""Morph and joint animation of .glb and .gltf files: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html.

Read by our own bounded parser: nothing outside the file's folder is opened, and every count is checked before use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from flame_tools.characters.gltf import GltfScene
from flame_tools.characters.gltf_file import name_of
from flame_tools.characters.names import arkit_spelling
from flame_tools.characters.scene import world_matrices
from flame_tools.errors import FormatError, InputError
from flame_tools.export.corners import split_by_material
from flame_tools.frame_rate import rational
from flame_tools.head import Head
from flame_tools.imports.gltf_texture import albedo_of, has_relief, is_textured
from flame_tools.imports.performance import track_of
from flame_tools.imports.played import Joint, Played, action, frames_of
from flame_tools.sampling import linear, turned
from flame_tools.types import HeadArrays, Track

_SLACK_S = 2e-5  # times are float32 and other programs round them; 60 s at 60 a second lose 4e-6
_LARGEST = 1e12  # of a matrix: no unit is so small
Curve = Callable[[np.ndarray], np.ndarray]  # times [T] -> values [T, ...]


def read_glb(
    path: str | os.PathLike,
    head: Head,
    *,
    fps: float | tuple[int, int] | None = None,  # sampled at this rate; None: the file's own keys
    clip: str | None = None,  # which animation; None: the one that moves most shapes
) -> Track:
    """The animation of a .glb or .gltf as a Track on `head`; a file without one is a track of one frame.

    See `performance.track_of` for what comes back. Raises FormatError where the file is broken or moves no face,
    InputError where it has no animation called `clip`.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    rate = None if fps is None else rational(fps)
    return track_of(_Animated(path).played(head.arrays, rate, clip), head, path)


class _Animated(GltfScene):
    """A file as what it plays."""

    def played(self, arrays: HeadArrays, fps: Fraction | None, clip: str | None) -> Played:
        nodes = self.items("nodes")
        meshes = {i: self.item("meshes", node["mesh"]) for i, node in enumerate(nodes) if "mesh" in node}
        names = {i: self.target_names(mesh) for i, mesh in meshes.items()}
        name, curves, keys = self.clip(clip, names)
        times, rate = frames_of(keys, slack_s=_SLACK_S, fps=fps, stated=None, source=str(self.path))
        self.budget.take(len(times) * sum(map(len, names.values())))
        weights: dict[str, np.ndarray] = {}
        for i in sorted(meshes, key=lambda i: -sum(arkit_spelling(n) is not None for n in names[i])):
            if names[i]:
                values = self.weights_of(nodes[i], meshes[i], len(names[i]), curves.get((i, "weights")), times)
                for target, column in zip(names[i], values.T, strict=True):
                    weights.setdefault(target, column)
        asset = self.document.get("asset", {})
        extras = asset.get("extras") if isinstance(asset.get("extras"), dict) else {}
        licences = extras.get("licences")
        return Played(
            source=str(self.path),
            clip=name,
            times_s=times,
            rate=rate,
            weights=weights,
            sizes=self.sizes(meshes, names),
            joints=self.moving_joints(nodes, curves, times),
            points=self.points(meshes, arrays),
            head_id=extras["head"] if isinstance(extras.get("head"), str) else None,
            licences=tuple(x for x in licences if isinstance(x, str)) if isinstance(licences, list) else (),
            textured=is_textured(self),
            relief=has_relief(self),
            albedo=albedo_of(self),
        )

    # --- curves -----------------------------------------------------------------------------------------------------

    def clip(
        self, wanted: str | None, names: dict[int, list[str]]
    ) -> tuple[str, dict[tuple[int, str], Curve], list[np.ndarray]]:
        """An animation's name, its curves by node and path, and the times of their keys."""
        clips = self.items("animations")
        called = [name_of(clip, f"animation{i}") for i, clip in enumerate(clips)]
        if wanted is not None and wanted not in called:
            raise InputError(f"{self.path} has no animation {wanted!r}; it has {', '.join(called) or 'none'}")
        if not clips:
            return "", {}, []

        def channels(clip: dict) -> dict[tuple[int, str], dict]:
            found = {}
            for channel in self.items("channels", clip):
                target = channel.get("target")
                node, path = (target.get("node"), target.get("path")) if isinstance(target, dict) else (None, None)
                if isinstance(node, int) and isinstance(path, str):
                    self.item("nodes", node)
                    found[node, path] = channel
            return found

        def shapes(i: int) -> int:
            return sum(len(names.get(node, ())) for node, path in channels(clips[i]) if path == "weights")

        chosen = called.index(wanted) if wanted is not None else max(range(len(clips)), key=lambda i: (shapes(i), -i))
        together = [chosen]
        if wanted is None:  # Blender makes one of the shapes and one of the bones of the same action
            together += [i for i in range(len(clips)) if i != chosen and action(called[i]) == action(called[chosen])]
        curves, keys = {}, []
        for i in together:
            for (node, path), channel in channels(clips[i]).items():
                width = {"weights": len(names.get(node, ())), "rotation": 4, "translation": 3}.get(path, 0)
                if width and (node, path) not in curves:
                    times, curves[node, path] = self.curve(clips[i], channel, path, width)
                    keys.append(times)
        return called[chosen], curves, keys

    def curve(self, clip: dict, channel: dict, path: str, width: int) -> tuple[np.ndarray, Curve]:
        samplers, index = self.items("samplers", clip), channel.get("sampler")
        if not isinstance(index, int) or not 0 <= index < len(samplers):
            raise self.error(f"an animation asks for sampler {index!r} of {len(samplers)}")
        sampler = samplers[index]
        times = np.asarray(self.accessor(sampler.get("input"), width=1), np.float64)[:, 0]
        if not len(times) or (np.diff(times) <= 0).any() or times[0] < 0:
            raise self.error("an animation's times do not increase from 0 on")
        values = self.accessor(sampler.get("output"), width=1 if path == "weights" else width)
        kind = sampler.get("interpolation", "LINEAR")
        rows = len(times) * (3 if kind == "CUBICSPLINE" else 1)
        if values.size != rows * width:
            raise self.error(f"an animation has {len(times)} keys of {width} but {values.size} values for them")
        values = np.asarray(values, np.float64).reshape(rows, width)
        if kind != "CUBICSPLINE":
            values = _unit(values, path)
        if kind == "STEP":
            return times, lambda at: values[np.clip(np.searchsorted(times, at + 1e-9, "right") - 1, 0, None)]
        if kind == "CUBICSPLINE":
            return times, lambda at: _unit(_spline(at, times, values.reshape(-1, 3, width)), path)
        if kind != "LINEAR":
            raise self.error(f"an animation is interpolated by {str(kind)[:40]!r}, which glTF does not know")
        if path == "rotation":
            return times, lambda at: turned(at, times, values)
        return times, lambda at: linear(at, times, values)

    def weights_of(self, node: dict, mesh: dict, count: int, curve: Curve | None, times: np.ndarray) -> np.ndarray:
        """[T, count]: animated, else the node's, else the mesh's, else 0."""
        if curve is not None:
            return curve(times)
        holder = node if "weights" in node else mesh
        still = self.numbers(holder, "weights", [0.0] * count)
        return np.broadcast_to(still, (len(times), count))

    # --- joints -----------------------------------------------------------------------------------------------------

    def moving_joints(self, nodes: list[dict], curves: dict[tuple[int, str], Curve], times) -> dict[str, Joint]:
        """Every joint of a skin and every other node that has a curve, by its name, parents first."""
        from scipy.spatial.transform import Rotation

        parents = self.parents(nodes)
        world = world_matrices([self.local(node) for node in nodes], parents, str(self.path))
        bound = self.bound()
        rest = [bound.get(i, world[i]) for i in range(len(nodes))]
        chosen = {i for skin in self.items("skins") for i in self.joints(skin)} | {
            node for node, path in curves if path == "rotation"
        }
        depth = [0] * len(nodes)
        for i in sorted(chosen):
            above = parents[i]
            while above >= 0:
                depth[i], above = depth[i] + 1, parents[above]
        self.budget.take(7 * len(times) * len(chosen))
        found: dict[str, Joint] = {}
        for i in sorted(chosen, key=lambda i: (depth[i], i)):
            above = rest[parents[i]] if parents[i] >= 0 else np.eye(4)
            if (i, "rotation") in curves:
                local = curves[i, "rotation"](times)
            else:
                local = np.broadcast_to(
                    Rotation.from_matrix(rotation_of(self.local(nodes[i]))).as_quat(), (len(times), 4)
                )
            places = self.local(nodes[i])[:3, 3]
            if (i, "translation") in curves:
                places = curves[i, "translation"](times)
            before, after = Rotation.from_matrix(rotation_of(above)), Rotation.from_matrix(rotation_of(rest[i]))
            turns = (before * Rotation.from_quat(local) * after.inv()).as_quat()
            own = np.linalg.inv(above) @ rest[i] if abs(np.linalg.det(above)) > 1e-30 else np.eye(4)
            shift = (places - own[:3, 3]) @ above[:3, :3].T
            name = name_of(nodes[i], f"node{i}")
            found.setdefault(name, Joint(turns, np.array(np.broadcast_to(shift, (len(times), 3)))))
        return found

    def bound(self) -> dict[int, np.ndarray]:
        """Where skins bind their joints, [4, 4] in the world, by node."""
        found = {}
        for skin in self.items("skins"):
            if "inverseBindMatrices" in skin:
                inverse = np.asarray(self.accessor(skin["inverseBindMatrices"], width=16), np.float64)
                for joint, matrix in zip(self.joints(skin), inverse.reshape(-1, 4, 4), strict=False):
                    if abs(np.linalg.det(matrix)) > 1e-30:
                        found.setdefault(joint, np.linalg.inv(matrix.T))
        return found

    # --- shapes -----------------------------------------------------------------------------------------------------

    def sizes(self, meshes: dict[int, dict], names: dict[int, list[str]]) -> dict[str, float]:
        """How far shapes go that have a part above 1 or below 0 beside them, and those parts."""
        found: dict[str, float] = {}
        for i, mesh in meshes.items():
            beside = {n for n in names[i] if n.endswith(("_over", "_under"))}
            wanted = beside | {n.rsplit("_", 1)[0] for n in beside}
            for primitive in self.items("primitives", mesh) if wanted else ():
                for name, target in zip(names[i], self.items("targets", primitive), strict=False):
                    if name in wanted and "POSITION" in target:
                        offsets = np.asarray(self.accessor(target["POSITION"], width=3), np.float64)
                        size = float(np.linalg.norm(offsets, axis=-1).max(initial=0.0))
                        found[name] = max(found.get(name, 0.0), size)
        return found

    def points(self, meshes: dict[int, dict], arrays: HeadArrays) -> np.ndarray | None:
        """Vertices [V, 3] at rest in the head's order, where a mesh is cut as `write_glb` cuts this head."""
        pieces = split_by_material(arrays)
        for mesh in meshes.values():
            primitives = self.items("primitives", mesh)
            attributes = [p.get("attributes") for p in primitives]
            if len(pieces) != len(primitives) or not all(isinstance(a, dict) and "POSITION" in a for a in attributes):
                continue
            places = [self.accessor(a["POSITION"], width=3) for a in attributes]
            if all(len(at) == len(piece.vertices) for at, piece in zip(places, pieces, strict=True)):
                points = np.full((len(arrays.v_template), 3), np.nan)
                for at, piece in zip(places, pieces, strict=True):
                    points[piece.vertices] = at
                return points
        return None


def rotation_of(matrix: np.ndarray) -> np.ndarray:
    """The rotation [3, 3] nearest to a matrix [4, 4] with scales (by singular values)."""
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > _LARGEST:
        raise FormatError(f"a node or bone has a matrix with numbers beyond {_LARGEST:g}; export the file again")
    left, _, right = np.linalg.svd(matrix[:3, :3])
    turn = left @ right
    return turn if np.linalg.det(turn) > 0 else left @ np.diag([1.0, 1.0, -1.0]) @ right


def _spline(at: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Cubic Hermite spline (the specification's appendix C) of values [N, 3, k]: in-tangent, value, out-tangent."""
    if len(times) == 1:
        return np.broadcast_to(values[0, 1], (len(at), values.shape[-1]))
    i = np.clip(np.searchsorted(times, at, "right") - 1, 0, len(times) - 2)
    step = (times[i + 1] - times[i])[:, None]
    t = np.clip((at - times[i])[:, None] / step, 0.0, 1.0)
    first, last = values[i], values[i + 1]
    return (
        (2 * t**3 - 3 * t**2 + 1) * first[:, 1]
        + (t**3 - 2 * t**2 + t) * step * first[:, 2]
        + (3 * t**2 - 2 * t**3) * last[:, 1]
        + (t**3 - t**2) * step * last[:, 0]
    )


def _unit(values: np.ndarray, path: str) -> np.ndarray:
    """Quaternions of length 1; anything else as it is."""
    if path != "rotation":
        return values
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.where(length > 1e-9, values / np.where(length > 1e-9, length, 1.0), [0.0, 0.0, 0.0, 1.0])
