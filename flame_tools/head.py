"""The parametric head: identity, expression, lids and pose to vertices, on any topology in FLAME's layout.

    rest   = template + identity + expression + lids + pose correctives
    joints = J_regressor @ (template + identity [+ expression on official FLAME])
    posed  = linear blend skinning of rest; the root turns about its own joint; then translation

After Li et al., "Learning a model of facial shape and expression from 4D scans", 2017, with lids of our own.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from flame_tools.blendshapes import apply_basis, eyelid_feature, pose_feature
from flame_tools.errors import ShapeError
from flame_tools.landmarks import embed
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.skinning import joint_transforms, skin
from flame_tools.types import PARENTS, FaceParams, HeadArrays, broadcast_leading


@dataclass(frozen=True)
class Posed:
    """What a head gives for its parameters."""

    vertices: Tensor  # [..., V, 3] metres, in the world
    joints: Tensor  # [..., 5, 3] metres, in the world
    rotations: Tensor  # [..., 5, 3, 3] of the joints, in the world
    rest: Tensor  # [..., V, 3] metres, before skinning


class Head(nn.Module):
    """A head built from HeadArrays. `baked_shape` is set on a head made by `bake`, which then ignores params.shape."""

    def __init__(self, arrays: HeadArrays, *, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.arrays = arrays
        self.baked_shape: Tensor | None = None

        def keep(name: str, value: np.ndarray, kind: torch.dtype = dtype) -> None:
            self.register_buffer(name, torch.as_tensor(np.ascontiguousarray(value)).to(kind), persistent=False)

        def k_major(dirs: np.ndarray) -> np.ndarray:  # [V, 3, K] -> [K, 3 V]
            return dirs.reshape(3 * len(dirs), dirs.shape[-1]).T

        keep("v_template", arrays.v_template)
        keep("faces", arrays.faces, torch.int64)
        keep("shape_basis", k_major(arrays.shapedirs))
        keep("expression_basis", k_major(arrays.expressiondirs))
        keep("pose_basis", k_major(arrays.posedirs))
        regressor = arrays.J_regressor.astype(np.float64)
        keep("joint_template", regressor @ arrays.v_template)  # [5, 3]
        keep("joint_shape_basis", k_major(np.einsum("jv,vck->jck", regressor, arrays.shapedirs)))  # [S, 15]
        followed = arrays.expressiondirs[..., : None if arrays.joints_follow_expression else 0]
        keep("joint_expression_basis", k_major(np.einsum("jv,vck->jck", regressor, followed)))  # [E or 0, 15]
        keep("weights", arrays.weights)
        keep("eyelid_vertices", arrays.eyelid_vertices, torch.int64)
        keep("eyelid_basis", k_major(arrays.eyelid_dirs))  # [4, 3 N]
        keep(
            "eyelid_shape_basis",
            arrays.eyelid_shapedirs.reshape(-1, *arrays.eyelid_shapedirs.shape[2:]).transpose(2, 1, 0),
        )
        keep("inner_lip_pairs", arrays.inner_lip_pairs, torch.int64)  # [P, 2]
        for name, embedding in arrays.landmarks.items():
            keep(f"landmark_corners_{name}", arrays.faces[embedding.faces], torch.int64)
            keep(f"landmark_barycentrics_{name}", embedding.barycentrics)

    @property
    def shape_size(self) -> int:
        return len(self.arrays.shape_names)

    @property
    def expression_size(self) -> int:
        return len(self.arrays.expression_names)

    def extra_repr(self) -> str:
        a = self.arrays
        return f"{a.id}: {len(a.v_template)} vertices, {self.shape_size} shape, {self.expression_size} expression"

    # --- posing -----------------------------------------------------------------------------------------------------

    def forward(self, params: FaceParams) -> Posed:
        """Pose the head; every field of `params` may carry leading dimensions that broadcast."""
        self._check(params)
        template, joints, lid_basis = self._identity(params.shape)
        rest = template + apply_basis(params.expression, self.expression_basis)
        if len(self.joint_expression_basis):
            joints = joints + apply_basis(params.expression, self.joint_expression_basis)
        if len(self.eyelid_vertices):
            lids = (eyelid_feature(params.eyelids).unsqueeze(-2) @ lid_basis).squeeze(-2).unflatten(-1, (-1, 3))
            rest, lids = _expand_leading(rest, lids)
            rest = rest.index_add(-2, self.eyelid_vertices, lids)
        turns = [params.global_rotation, params.neck, params.jaw, params.eyes[..., 0, :], params.eyes[..., 1, :]]
        rotations = matrix_from_axis_angle(torch.stack(torch.broadcast_tensors(*turns), -2))  # [..., 5, 3, 3]
        rest = rest + apply_basis(pose_feature(rotations), self.pose_basis)
        world, posed = joint_transforms(rotations, joints, PARENTS)
        translation = params.translation.unsqueeze(-2)
        vertices = skin(rest, self.weights, world, posed, joints)
        return Posed(vertices + translation, posed + translation, world, rest)

    def vertices(self, params: FaceParams) -> Tensor:
        """Posed vertices [..., V, 3] in metres."""
        return self(params).vertices

    def bake(self, shape: Tensor) -> Head:
        """The same head with identity `shape` [S] folded in: for sequences of one person. Differentiable in `shape`."""
        if shape.ndim != 1:
            raise ShapeError(f"bake takes one identity [S], got {list(shape.shape)}")
        template, joints, lid_basis = self._identity(self._checked_shape(shape))
        baked = copy.copy(self)
        baked._buffers = dict(self._buffers)
        baked._buffers.update(v_template=template, joint_template=joints, eyelid_basis=lid_basis)
        baked.baked_shape = shape
        return baked

    def _identity(self, shape: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Template [..., V, 3], joints [..., 5, 3] and lid basis [..., 4, 3 N] of an identity [..., S]."""
        if self.baked_shape is not None:
            return self.v_template, self.joint_template, self.eyelid_basis
        lid_basis = self.eyelid_basis + (shape @ self.eyelid_shape_basis.flatten(1)).unflatten(
            -1, self.eyelid_basis.shape
        )
        return (
            self.v_template + apply_basis(shape, self.shape_basis),
            self.joint_template + apply_basis(shape, self.joint_shape_basis),
            lid_basis,
        )

    # --- places -----------------------------------------------------------------------------------------------------

    def landmarks(self, vertices: Tensor, name: str = "68") -> Tensor:
        """Landmarks [..., L, 3] of posed `vertices` [..., V, 3]; `name` is one of the head's embeddings."""
        if name not in self.arrays.landmarks:
            raise ShapeError(
                f"head {self.arrays.id!r} has no landmarks {name!r}; it has {sorted(self.arrays.landmarks)}"
            )
        return embed(
            vertices, getattr(self, f"landmark_corners_{name}"), getattr(self, f"landmark_barycentrics_{name}")
        )

    def region(self, name: str) -> Tensor:
        """Vertex indices [n] of a named region."""
        if name not in self.arrays.regions:
            raise ShapeError(f"head {self.arrays.id!r} has no region {name!r}; it has {sorted(self.arrays.regions)}")
        return torch.as_tensor(self.arrays.regions[name], dtype=torch.int64, device=self.faces.device)

    # --- checks -----------------------------------------------------------------------------------------------------

    def _checked_shape(self, shape: Tensor) -> Tensor:
        if shape.shape[-1] != self.shape_size:
            raise ShapeError(
                f"shape is {list(shape.shape)} but head {self.arrays.id!r} has {self.shape_size} identity components"
            )
        return shape

    def _check(self, params: FaceParams) -> None:
        if self.baked_shape is None:
            self._checked_shape(params.shape)
        wanted = {"expression": (self.expression_size,), "eyes": (2, 3), "eyelids": (2,)}
        for name in ("expression", "global_rotation", "neck", "jaw", "eyes", "eyelids", "translation"):
            found, tail = getattr(params, name).shape, wanted.get(name, (3,))
            if tuple(found[-len(tail) :]) != tail:
                raise ShapeError(
                    f"{name} is {list(found)} but head {self.arrays.id!r} wants [..., {', '.join(map(str, tail))}]"
                )


def _expand_leading(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Give two [..., n, 3] tensors the same leading dimensions."""
    leading = broadcast_leading(a.shape[:-2], b.shape[:-2])
    return a.expand(*leading, *a.shape[-2:]), b.expand(*leading, *b.shape[-2:])
