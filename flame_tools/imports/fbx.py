"""Blend shape and joint animation of binary FBX files (7.1 to 7.7).

Read by our own bounded parser of the format's records; nothing is executed, and no library is needed. Of several layers
in a take the first, its base, is read.
"""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np

from flame_tools.characters.fbx import ORDERS, FbxDocument, local_matrix, number_of, open_fbx, properties_of, vector_of
from flame_tools.characters.scene import finite, world_matrices
from flame_tools.errors import FormatError, InputError
from flame_tools.export.fbx_take import MODES
from flame_tools.frame_rate import rational
from flame_tools.head import Head
from flame_tools.imports.fbx_curves import Curve, read_curve
from flame_tools.imports.gltf import rotation_of
from flame_tools.imports.performance import track_of
from flame_tools.imports.played import Joint, Played, action, frames_of
from flame_tools.licences import apart
from flame_tools.types import HeadArrays, Track

_SLACK_S = 1e-6  # KTime is exact; programs round their frames to it
_RATES = {mode: rate for rate, mode in MODES.items()}
Curves = dict[tuple[int, str, str], Curve]  # (object, property, axis)


def read_fbx(
    path: str | os.PathLike,
    head: Head,
    *,
    fps: float | tuple[int, int] | None = None,  # sampled at this rate; None: the file's own keys
    clip: str | None = None,  # which take; None: the one with most curves on shapes
) -> Track:
    """A take of a binary FBX file as a Track on `head`; a file without one is a track of one frame.

    See `performance.track_of` for what comes back. Raises FormatError where the file is broken or moves no face,
    InputError where it has no take called `clip`.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    rate = None if fps is None else rational(fps)
    return track_of(_Animated(open_fbx(path)).played(head.arrays, rate, clip), head, path)


class _Animated:
    """A file as what it plays."""

    def __init__(self, document: FbxDocument):
        self.file, self.source = document, document.source
        self.channels = [
            (channel, self.file.named(channel))
            for mesh in self.of_class("Geometry")
            for deformer in self.file.under(mesh, "Deformer", "BlendShape")
            for channel in self.file.under(deformer, "Deformer", "BlendShapeChannel")
        ]

    def of_class(self, name: str) -> list[int]:
        return [number for number, node in self.file.objects.items() if node.name == name]

    def played(self, arrays: HeadArrays, fps: Fraction | None, clip: str | None) -> Played:
        name, curves = self.clip(clip)
        keys = [curve.times_s for curve in curves.values()]
        times, rate = frames_of(keys, slack_s=_SLACK_S, fps=fps, stated=self.stated(), source=self.source)
        self.file.budget.take(len(times) * len(self.channels))
        weights: dict[str, np.ndarray] = {}
        for channel, called in self.channels:
            percent = curves.get((channel, "DeformPercent", "DeformPercent"))
            still = self.file.objects[channel].value("DeformPercent", float, 0.0)
            values = np.full(len(times), still) if percent is None else percent.at(times)
            weights.setdefault(called, finite(values, f"shape {called}", self.source) / 100)
        return Played(
            source=self.source,
            clip=name,
            times_s=times,
            rate=rate,
            weights=weights,
            sizes=self.sizes(),
            joints=self.joints(curves, times),
            points=self.points(arrays),
            head_id=self.file.noted("head"),
            licences=() if (licences := self.file.noted("licences")) is None else tuple(apart(licences)),
            textured=bool(self.of_class("Texture")),
        )

    def stated(self) -> Fraction | None:
        """The rate in the file's settings."""
        mode = int(number_of(self.file.settings.get("TimeMode"), 0))
        custom = number_of(self.file.settings.get("CustomFrameRate"), 0.0)
        return _RATES.get(mode) or (rational(custom) if 0 < custom <= 1000 else None)

    # --- curves -----------------------------------------------------------------------------------------------------

    def clip(self, wanted: str | None) -> tuple[str, Curves]:
        stacks = self.of_class("AnimationStack")
        called = [self.file.named(stack) for stack in stacks]
        if wanted is not None and wanted not in called:
            raise InputError(f"{self.source} has no take {wanted!r}; it has {', '.join(called) or 'none'}")
        if not stacks:
            return "", {}
        takes = [self.curves(stack) for stack in stacks]
        if wanted is not None:
            return wanted, takes[called.index(wanted)]
        many = [(sum(prop == "DeformPercent" for _, prop, _ in take), len(take)) for take in takes]
        best = many.index(max(many))
        curves: Curves = {}
        for i in sorted(range(len(takes)), key=lambda i: i != best):
            if action(called[i]) == action(called[best]):  # one of the shapes, one of the bones, as Blender makes them
                curves = takes[i] | curves
        return called[best], curves

    def curves(self, stack: int) -> Curves:
        """The curves of a take's first layer."""
        layers = self.file.under(stack, "AnimationLayer")
        nodes = set(self.file.under(layers[0], "AnimationCurveNode")) if layers else set()
        found: Curves = {}
        for owner, driven in self.file.driving.items():
            for node, prop in driven:
                if node in nodes:
                    for curve, axis in self.file.driving.get(node, []):
                        if self.file.objects[curve].name == "AnimationCurve":
                            read = read_curve(self.file.objects[curve], self.source)
                            found[owner, prop, axis.removeprefix("d|")] = read
        return found

    # --- joints -----------------------------------------------------------------------------------------------------

    def joints(self, curves: Curves, times: np.ndarray) -> dict[str, Joint]:
        """Every bone of a skin and every other model whose turns have a curve, by name, parents first."""
        from scipy.spatial.transform import Rotation

        models, parents, properties, world = self.models()
        bound = self.bound()
        rest = [bound.get(number, world[i]) for i, number in enumerate(models)]
        turning = {owner for owner, prop, _ in curves if prop == "Lcl Rotation"}
        chosen = [i for i, number in enumerate(models) if number in bound or number in turning]
        upright = self.file.upright()
        file_to_head = Rotation.from_matrix(rotation_of(upright)) if np.linalg.det(upright) > 0 else None
        if file_to_head is None and chosen:
            raise FormatError(f"{self.source} has left-handed axes and bones; export it with right-handed ones")

        def depth(i: int) -> int:
            return 0 if parents[i] < 0 else 1 + depth(parents[i])

        self.file.budget.take(7 * len(times) * len(chosen))
        found: dict[str, Joint] = {}
        for i in sorted(chosen, key=lambda i: (depth(i), i)):
            above = rest[parents[i]] if parents[i] >= 0 else np.eye(4)
            before, after = Rotation.from_matrix(rotation_of(above)), Rotation.from_matrix(rotation_of(rest[i]))
            local = self.turns(models[i], properties[i], curves, times)
            turns = file_to_head * before * local * after.inv() * file_to_head.inv()
            places = self.axes(models[i], "Lcl Translation", properties[i], curves, times)
            own = np.linalg.inv(above) @ rest[i] if abs(np.linalg.det(above)) > 1e-30 else np.eye(4)
            shift = (places - own[:3, 3]) @ (upright[:3, :3] @ above[:3, :3]).T
            found.setdefault(self.file.named(models[i]), Joint(turns.as_quat(), shift))
        return found

    def models(self) -> tuple[list[int], list[int], list[dict[str, list]], list[np.ndarray]]:
        """Models, their parents among them (-1: none), their properties, and their matrices [4, 4] in the world."""
        models = self.of_class("Model")
        index = {number: i for i, number in enumerate(models)}
        parents = [next((index[p] for p in self.file.above[number] if p in index), -1) for number in models]
        properties = [properties_of(self.file.objects[number]) for number in models]
        return models, parents, properties, world_matrices(list(map(local_matrix, properties)), parents, self.source)

    def turns(self, model: int, properties: dict[str, list], curves: Curves, times: np.ndarray):
        """A model's Rotation [T] in its parent: pre-rotation, angles, the inverse of the post-rotation."""
        from scipy.spatial.transform import Rotation

        active = bool(number_of(properties.get("RotationActive"), 0.0))
        order = int(number_of(properties.get("RotationOrder"), 0.0)) if active else 0
        name = ORDERS[order] if 0 <= order < len(ORDERS) else "xyz"
        degrees = self.axes(model, "Lcl Rotation", properties, curves, times)
        turn = Rotation.from_euler(name, degrees[:, ["xyz".index(axis) for axis in name]], degrees=True)
        if not active:
            return turn
        before, after = (
            Rotation.from_euler("xyz", vector_of(properties, kind), degrees=True)
            for kind in ("PreRotation", "PostRotation")
        )
        return before * turn * after.inv()

    def axes(self, model: int, prop: str, properties: dict[str, list], curves: Curves, times: np.ndarray) -> np.ndarray:
        """The three numbers [T, 3] of a model's property."""
        still = vector_of(properties, prop)
        columns = [
            np.full(len(times), still[k]) if (curve := curves.get((model, prop, axis))) is None else curve.at(times)
            for k, axis in enumerate("XYZ")
        ]
        return finite(np.stack(columns, -1), prop, self.source)

    def bound(self) -> dict[int, np.ndarray]:
        """Where skins bind their bones, [4, 4] in the world, by model."""
        found = {}
        for cluster in (n for n in self.of_class("Deformer") if self.file.kind(n) == "Cluster"):
            link = self.file.objects[cluster].array("TransformLink")
            if link.size == 16 and link.dtype.kind == "f":
                matrix = finite(link, "a bind matrix", self.source).reshape(4, 4).T
                for model in self.file.under(cluster, "Model"):
                    found.setdefault(model, matrix)
        return found

    # --- shapes -----------------------------------------------------------------------------------------------------

    def sizes(self) -> dict[str, float]:
        """How far each shape goes, in the file's unit."""
        found: dict[str, float] = {}
        for channel, called in self.channels:
            for shape in self.file.under(channel, "Geometry", "Shape"):
                offsets = self.file.points(self.file.objects[shape].array("Vertices"), f"shape {called}")
                found[called] = max(found.get(called, 0.0), float(np.linalg.norm(offsets, axis=-1).max(initial=0.0)))
        return found

    def points(self, arrays: HeadArrays) -> np.ndarray | None:
        """Vertices [V, 3] in metres at rest, where a mesh has as many as the head."""
        models, _, _, world = self.models()
        for i, model in enumerate(models):
            for mesh in self.file.under(model, "Geometry", "Mesh"):
                points = self.file.points(self.file.objects[mesh].array("Vertices"), "a mesh")
                if len(points) == len(arrays.v_template):
                    place = self.file.upright() @ world[i]
                    return points @ place[:3, :3].T + place[:3, 3]
        return None
