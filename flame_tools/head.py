"""The parametric head: identity, expression, lids and pose to vertices, on any topology in FLAME's layout.

    rest   = template + identity + expression + lids + pose correctives
    joints = J_regressor @ (template + identity [+ expression on official FLAME])
    posed  = linear blend skinning of rest; the root turns about its own joint; then translation

After Li et al., "Learning a model of facial shape and expression from 4D scans", 2017, with lids of our own. Identity,
expression and pose correctives are one matrix, and `articulate` does the work.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from flame_tools.articulate import articulate
from flame_tools.blendshapes import eyelid_feature
from flame_tools.contour import contour_row, embed_rows, yaw_of
from flame_tools.conventions import convention_named
from flame_tools.errors import InputError, ShapeError
from flame_tools.landmarks import embed
from flame_tools.param_rows import HALF, checked, common_type, rows, turns
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.skinning import joint_transforms
from flame_tools.types import PARENTS, FaceParams, HeadArrays


@dataclass(frozen=True)
class Posed:
    """What a head gives for its parameters."""

    vertices: Tensor  # [..., V, 3] metres, in the world
    joints: Tensor  # [..., 5, 3] metres, in the world
    rotations: Tensor  # [..., 5, 3, 3] of the joints, in the world


torch.export.register_dataclass(Posed, serialized_type_name="flame_tools.Posed")


class Head(nn.Module):
    """A head built from HeadArrays. `baked_shape` is set on a head made by `bake`, which then ignores params.shape."""

    def __init__(
        self,
        arrays: HeadArrays,
        *,
        dtype: torch.dtype = torch.float32,
        convention: str = "emberface",  # whose landmark order and yaw sign: see flame_tools.conventions
        backend: str = "auto",  # "torch": plain operations, twice differentiable, also on a CPU
    ):
        super().__init__()
        if backend not in ("auto", "torch"):
            raise InputError(f"there is no backend {backend!r} of a head; choose auto or torch")
        if dtype in HALF:
            raise InputError(
                f"a head cannot be kept in {dtype}, in which a vertex is off by half a millimetre; choose float32 or "
                "float64, and give parameters in the half precision that you like"
            )
        self.arrays = arrays
        self.convention = convention_named(convention)
        self.backend = backend
        self.baked_shape: Tensor | None = None

        def keep(name: str, value: np.ndarray, kind: torch.dtype = dtype) -> None:
            self.register_buffer(name, torch.as_tensor(np.ascontiguousarray(value)).to(kind), persistent=False)

        def k_major(dirs: np.ndarray) -> np.ndarray:  # [V, 3, K] -> [K, 3 V]
            return dirs.reshape(3 * len(dirs), dirs.shape[-1]).T

        keep("v_template", arrays.v_template)
        keep("faces", arrays.faces, torch.int64)
        # One matrix [S + E + 36, 3 V]: identity, expression, pose correctives. Without a copy per part.
        fused = np.concatenate([arrays.shapedirs, arrays.expressiondirs, arrays.posedirs], -1)
        keep("directions", k_major(fused))
        near = np.flatnonzero(arrays.J_regressor.any(0))  # joints hang on a few vertices
        regressor = arrays.J_regressor[:, near].astype(np.float64)
        keep("joint_template", regressor @ arrays.v_template[near])  # [5, 3]
        follows = self.shape_size + (self.expression_size if arrays.joints_follow_expression else 0)
        keep("joint_directions", k_major(np.tensordot(regressor, fused[near, :, :follows], 1)))  # [follows, 15]
        keep("joint_weights", arrays.weights.T)  # [5, V]
        keep("eyelid_vertices", arrays.eyelid_vertices, torch.int64)
        keep("eyelid_basis", k_major(arrays.eyelid_dirs))  # [4, 3 N]
        keep(
            "eyelid_shape_basis",  # [S, 4, 3 N]
            arrays.eyelid_shapedirs.reshape(
                3 * len(arrays.eyelid_shapedirs), *arrays.eyelid_shapedirs.shape[2:]
            ).transpose(2, 1, 0),
        )
        keep("inner_lip_pairs", arrays.inner_lip_pairs, torch.int64)  # [P, 2]
        for name, embedding in {**arrays.landmarks, "contour": arrays.contour}.items():
            keep(f"landmark_corners_{name}", arrays.faces[embedding.faces], torch.int64)
            keep(f"landmark_barycentrics_{name}", embedding.barycentrics)

    @property
    def shape_size(self) -> int:
        return len(self.arrays.shape_names)

    @property
    def expression_size(self) -> int:
        return len(self.arrays.expression_names)

    # --- the parts of the fused matrix ------------------------------------------------------------------------------

    @property
    def _identity_size(self) -> int:
        """Rows of `directions` that are identity: none once it is baked."""
        return self.shape_size if self.baked_shape is None else 0

    @property
    def shape_basis(self) -> Tensor:
        """[S, 3 V]; no rows once baked."""
        return self.directions[: self._identity_size]

    @property
    def expression_basis(self) -> Tensor:
        """[E, 3 V]"""
        return self.directions[self._identity_size :][: self.expression_size]

    @property
    def pose_basis(self) -> Tensor:
        """[36, 3 V]"""
        return self.directions[self._identity_size + self.expression_size :]

    @property
    def joint_expression_basis(self) -> Tensor:
        """[E, 15], or no rows where joints do not follow expression."""
        return self.joint_directions[self._identity_size :]

    @property
    def weights(self) -> Tensor:
        """[V, 5]"""
        return self.joint_weights.T

    def extra_repr(self) -> str:
        a = self.arrays
        return f"{a.id}: {len(self.v_template)} vertices, {self.shape_size} shape, {self.expression_size} expression"

    # --- posing -----------------------------------------------------------------------------------------------------

    def forward(self, params: FaceParams) -> Posed:
        """Pose the head; every field of `params` may carry leading dimensions that broadcast.

        Half-precision parameters are posed in float32, and the result is given in their own type.
        """
        given, params = params, self._checked(params)
        leading = params.leading
        if self.baked_shape is None and params.shape.numel() == self.shape_size and math.prod(leading) > 1:
            return self.bake(params.shape.flatten())(given)  # one person: identity once, not once a frame
        expression = rows(params.expression, leading)
        baked = self.baked_shape is not None
        linear = expression if baked else torch.cat([rows(params.shape, leading), expression], -1)
        lids = self._lids(params, leading)
        late = self.convention.lids_after_skinning
        vertices, joints, rotations = articulate(
            linear,
            turns(params, leading),
            rows(params.translation, leading),
            torch.zeros_like(lids) if late else lids,
            self.v_template,
            self.joint_template,
            self.directions,
            self.joint_directions,
            self.joint_weights,
            self.eyelid_vertices,
            backend=self.backend,
        )
        if late:
            vertices = vertices.index_add(-2, self.eyelid_vertices, lids)
        kind = common_type(given)
        return Posed(
            vertices.to(kind).reshape(*leading, *vertices.shape[1:]),
            joints.to(kind).reshape(*leading, 5, 3),
            rotations.to(kind).reshape(*leading, 5, 3, 3),
        )

    def vertices(self, params: FaceParams) -> Tensor:
        """Posed vertices [..., V, 3] in metres."""
        return self(params).vertices

    def skeleton(self, params: FaceParams) -> tuple[Tensor, Tensor]:
        """Joints [..., 5, 3] in metres and their rotations [..., 5, 3, 3], in the world, without the surface."""
        params = self._checked(params)
        leading = params.leading
        linear = rows(params.expression, leading)
        if self.baked_shape is None:
            linear = torch.cat([rows(params.shape, leading), linear], -1)
        with torch.autocast(linear.device.type, enabled=False):
            directions = self.joint_directions
            moved = (linear[:, : len(directions)] @ directions).unflatten(-1, (-1, 3))
            local = matrix_from_axis_angle(turns(params, leading))
            world, placed = joint_transforms(local, self.joint_template + moved, PARENTS)
        placed = placed + rows(params.translation, leading).unsqueeze(-2)
        return placed.reshape(*leading, 5, 3), world.reshape(*leading, 5, 3, 3)

    def bake(self, shape: Tensor, offsets: Tensor | None = None) -> Head:
        """The same head with identity `shape` [S], and vertex `offsets` [V, 3] in metres, folded in.

        For sequences of one person: identity then costs nothing a frame. Differentiable in both.
        """
        if shape.ndim != 1 or len(shape) != self.shape_size:
            raise ShapeError(
                f"bake takes one identity [S], got {list(shape.shape)}; head {self.arrays.id!r} has {self.shape_size} "
                "identity components"
            )
        if self.baked_shape is not None:
            raise ShapeError(f"head {self.arrays.id!r} has an identity baked in already; bake the head it came from")
        size = self.shape_size
        with torch.autocast(shape.device.type, enabled=False):
            given = shape.to(self.v_template.dtype)
            template = self.v_template + (given @ self.shape_basis).unflatten(-1, (-1, 3))
            joints = self.joint_template + (given @ self.joint_directions[:size]).unflatten(-1, (-1, 3))
            lid_basis = self.eyelid_basis + torch.tensordot(given, self.eyelid_shape_basis, 1)
        baked = self._with(
            v_template=template if offsets is None else template + offsets.to(template),
            directions=self.directions[size:],
            joint_template=joints,
            joint_directions=self.joint_directions[size:],
            eyelid_basis=lid_basis,
        )
        baked.baked_shape = shape
        return baked

    def only(self, vertices: Tensor) -> Head:
        """The same head with `vertices` [n] alone, in that order: same joints, same numbers, no landmarks or faces.

        For work on a region, or on the corners of a few landmarks, at a share of the cost.
        """
        count = len(self.v_template)
        if vertices.ndim != 1 or vertices.dtype not in (torch.int32, torch.int64):
            raise ShapeError(f"vertices are {vertices.dtype} {list(vertices.shape)}; wanted whole numbers [n]")
        if ((vertices < 0) | (vertices >= count)).any():
            raise ShapeError(
                f"vertices reach from {vertices.min()} to {vertices.max()}; head {self.arrays.id!r} has {count}, "
                "counted from 0"
            )
        row = torch.full((count,), -1, dtype=torch.int64, device=self.faces.device)
        row[vertices] = torch.arange(len(vertices), device=row.device)
        lids = torch.nonzero(row[self.eyelid_vertices] >= 0).flatten()
        small = self._with(
            v_template=self.v_template[vertices],
            directions=_columns(self.directions, vertices),
            joint_weights=self.joint_weights[:, vertices].contiguous(),
            eyelid_vertices=row[self.eyelid_vertices[lids]],
            eyelid_basis=_columns(self.eyelid_basis, lids),
            eyelid_shape_basis=_columns(self.eyelid_shape_basis, lids),
            faces=self.faces[:0],
        )
        small._buffers = {k: v for k, v in small._buffers.items() if not k.startswith(("landmark_", "inner_lip"))}
        return small

    def _apply(self, change, recurse=True):
        """What `.to`, `.half()`, `.cuda()` do: but a head goes to no half precision, which is worth millimetres."""

        def kept(value: Tensor) -> Tensor:
            changed = change(value)
            return value.to(changed.device) if changed.dtype in HALF else changed

        return super()._apply(kept, recurse)

    def _with(self, **buffers: Tensor) -> Head:
        changed = copy.copy(self)
        changed._buffers = {**self._buffers, **buffers}
        return changed

    def _lids(self, params: FaceParams, leading: torch.Size) -> Tensor:
        """Offsets [B, N, 3] in metres of the lids' vertices."""
        feature = eyelid_feature(rows(params.eyelids, leading))  # [B, 4]
        if not len(self.eyelid_vertices):
            return feature.new_zeros(feature.shape[0], 0, 3)
        with torch.autocast(feature.device.type, enabled=False):
            lids = feature @ self.eyelid_basis
            if self.baked_shape is None:
                shape = rows(params.shape, leading)
                travel = (shape @ self.eyelid_shape_basis.flatten(1)).unflatten(-1, (4, -1))
                lids = lids + (feature.unsqueeze(-2) @ travel).squeeze(-2)
        return lids.unflatten(-1, (-1, 3))

    # --- places -----------------------------------------------------------------------------------------------------

    def landmarks(self, posed: Posed | Tensor, name: str = "68") -> Tensor:
        """Landmarks [..., L, 3] of a posed head, or of its vertices [..., V, 3]; `name` is one of its embeddings.

        On a head that has a contour table, "68" of a `Posed` are the 17 points of the jaw line as it is seen from the
        front at this yaw and the 51 static ones, in the order of the head's convention. Vertices alone say no yaw: they
        give the static points.
        """
        if isinstance(posed, Posed):
            if name == "68" and len(self.arrays.contour.faces):
                return self._seen_68(posed)
            posed = posed.vertices
        if name not in self.arrays.landmarks:
            raise ShapeError(
                f"head {self.arrays.id!r} has no landmarks {name!r}; it has {sorted(self.arrays.landmarks)}"
            )
        return embed(posed, getattr(self, f"landmark_corners_{name}"), getattr(self, f"landmark_barycentrics_{name}"))

    def _seen_68(self, posed: Posed) -> Tensor:
        rule = self.convention
        yaw = rule.yaw_sign * yaw_of(posed.rotations[..., rule.yaw_joint, :, :].detach())
        tables = self.landmark_corners_contour, self.landmark_barycentrics_contour
        contour = embed_rows(posed.vertices, contour_row(yaw), *tables)
        if "51" in self.arrays.landmarks:
            inner = self.landmarks(posed, "51")
        else:
            inner = self.landmarks(posed.vertices, "68")[..., 17:, :]
        return torch.cat([contour, inner] if rule.contour_first else [inner, contour], -2)

    def region(self, name: str) -> Tensor:
        """Vertex indices [n] of a named region."""
        if name not in self.arrays.regions:
            raise ShapeError(f"head {self.arrays.id!r} has no region {name!r}; it has {sorted(self.arrays.regions)}")
        return torch.as_tensor(self.arrays.regions[name], dtype=torch.int64, device=self.faces.device)

    def _checked(self, params: FaceParams) -> FaceParams:
        sizes = {"expression": (self.expression_size,), "eyes": (2, 3), "eyelids": (2,)}
        sizes |= {name: (3,) for name in ("global_rotation", "neck", "jaw", "translation")}
        if self.baked_shape is None:
            sizes["shape"] = (self.shape_size,)
        return checked(params, sizes, self.v_template.dtype, self.arrays.id)


def _columns(basis: Tensor, vertices: Tensor) -> Tensor:
    """[..., 3 V] -> [..., 3 n]"""
    return basis.unflatten(-1, (-1, 3))[..., vertices, :].flatten(-2)
