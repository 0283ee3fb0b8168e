"""A performance as the rig that editors know: one base mesh, linear shapes with weights, and five turning joints.

    posed = skin(base + sum_n weight_n target_n, joints)

holds exactly at every frame, so a file made from a Rig moves as our own head does. The first targets carry Apple's
names and the true ARKit weights: all 52 of the default head, those that a character has. What these cannot say linearly
is added as further targets:

- a lid slides round the eyeball on a parabola: eyeBlink* is its straight part, eyeBlink*_bulge with
  4 w (1 - w) the rest;
- jawOpen, jawLeft, jawRight and eyeLook* turn joints; their targets are the pose correctives of weight 1. Correctives
  are linear in R - I (Eq. 3, Li et al. 2017) and not in the weight, so one target pose_<joint>_<row><column> for each
  entry of R - I that has a corrective carries the difference;
- every weight lies in [0, 1], because many programs clamp it there: what goes beyond is a target apart, <name>_over
  for what exceeds 1 and <name>_under, which moves the other way, for what falls below 0.

Further targets are there only where a performance needs them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from flame_tools.arkit_names import (
    ARKIT_NAMES,
    INDEX,
    JOINT_OWNED,
    LID_OWNED,
    has_named_shapes,
    joint_turns,
    joint_weights,
)
from flame_tools.blendshapes import eyelid_feature, pose_feature
from flame_tools.export.axes import OURS, Axes
from flame_tools.file_clock import file_times
from flame_tools.head import Head
from flame_tools.posing import person
from flame_tools.rotations import matrix_from_axis_angle, quaternion_from_matrix
from flame_tools.skinning import joint_transforms
from flame_tools.track_check import check_track
from flame_tools.types import JOINTS, PARENTS, FaceParams, HeadArrays, Track

NEGLIGIBLE_M = 1e-7  # a target that never moves a vertex further is left out


@dataclass(frozen=True)
class Between:
    """What a target looks like on its way from rest to weight 1."""

    weight: float  # in (0, 1)
    shape: np.ndarray  # [V, 3] metres from the base


@dataclass(frozen=True)
class Rig:
    """One identity, its shapes and a performance of T frames over them. Metres, or the unit of `axes`."""

    base: np.ndarray  # [V, 3] metres, this identity at rest
    target_names: tuple[str, ...]  # [N]
    targets: np.ndarray  # [N, V, 3] metres at weight 1
    weights: np.ndarray  # [T, N] in [0, 1]
    skin_weights: np.ndarray  # [V, J]
    joint_names: tuple[str, ...]  # [J]
    parents: tuple[int, ...]  # [J]
    rest_joints: np.ndarray  # [J, 3] metres, where the joints are bound
    rotations: np.ndarray  # [T, J, 4] local quaternions (x, y, z, w), continuous in time
    translations: np.ndarray  # [T, J, 3] metres, of each joint in its parent's axes
    times_s: np.ndarray  # [T] float64, from 0 on: see file_clock.py
    lid_bulges: Mapping[str, np.ndarray] = field(default_factory=dict)  # [V, 3] of each lid's name
    between: Mapping[str, tuple[Between, ...]] = field(default_factory=dict)  # by target, weights rising
    axes: Axes = OURS

    @property
    def rest_translations(self) -> np.ndarray:
        """Where each joint is bound, from its parent, [J, 3] metres."""
        above = np.array(self.parents)
        return self.rest_joints - np.where(above[:, None] >= 0, self.rest_joints[above], 0)


def make_rig(track: Track, head: Head) -> Rig:
    """Take a track apart into base, targets, weights and joints.

    Raises ShapeError where the track does not fit together (NaN frames among it) or was made on another head.
    """
    check_track(track)
    with torch.no_grad():
        someone = person(track, head)
        params = track.params.map(lambda tensor: tensor.to(head.v_template))
        local = _local_rotations(params)
        targets = [*_shapes(someone, params), *_correctives(someone, params, local)]
        names, shapes, weights = zip(*targets, strict=True) if targets else ((), (), ())
        joints = someone.joint_template
        translations = _translations(someone, params, local, joints)
        return Rig(
            base=someone.v_template.numpy().copy(),
            target_names=names,
            targets=torch.stack(shapes).numpy() if shapes else np.zeros((0, *someone.v_template.shape), np.float32),
            weights=torch.stack(weights, -1).numpy() if weights else np.zeros((len(track), 0), np.float32),
            skin_weights=someone.weights.numpy().copy(),
            joint_names=JOINTS,
            parents=PARENTS,
            rest_joints=joints.numpy().copy(),
            rotations=_continuous(quaternion_from_matrix(local)).numpy(),
            translations=translations.numpy(),
            times_s=file_times(track),
            lid_bulges=dict(zip(LID_OWNED, _lid_targets(someone)[2:].numpy(), strict=True)),
        )


def possible_targets(head: HeadArrays) -> set[str]:
    """The names of all targets that a performance on this head may need."""
    entries = itertools.product(JOINTS[1:], range(3), range(3))
    names = {*ARKIT_NAMES, *head.expression_names, *(f"{name}_bulge" for name in LID_OWNED)}
    names |= {f"pose_{joint}_{row}{column}" for joint, row, column in entries}
    return names | {f"{name}_{beyond}" for name in names for beyond in ("over", "under")}


Target = tuple[str, Tensor, Tensor]  # name, [V, 3] metres, weight [T]


def _shapes(someone: Head, params: FaceParams) -> list[Target]:
    """ARKit's in Apple's order, then the head's other expression components, then the bulges of the lids."""
    names = someone.arrays.expression_names
    expression = dict(zip(names, someone.expression_basis.unflatten(-1, (-1, 3)), strict=True))
    weight = dict(zip(names, params.expression.unbind(-1), strict=True))
    lids = _lid_targets(someone)
    features = eyelid_feature(params.eyelids).unbind(-1)
    found = []
    if has_named_shapes(someone.arrays):
        turning, turned = _joint_owned(someone, params)
        turning = (turning @ someone.pose_basis).unflatten(-1, (-1, 3))
        own = {name: (expression.pop(name), weight[name].clamp(0, 1)) for name in ARKIT_NAMES if name in expression}
        own |= {name: (lids[i], features[i].clamp(0, 1)) for i, name in enumerate(LID_OWNED)}
        own |= dict(zip(JOINT_OWNED, zip(turning, turned.unbind(-1), strict=True), strict=True))
        found += [(name, *own[name]) for name in ARKIT_NAMES if name in own]
    else:
        found += [(name, lids[i], features[i].clamp(0, 1)) for i, name in enumerate(LID_OWNED) if lids[i].any()]
    found += [(name, shape, weight[name].clamp(0, 1)) for name, shape in expression.items()]
    lid_names = (*LID_OWNED, *(f"{name}_bulge" for name in LID_OWNED))
    bulges = zip(lid_names[2:], lids[2:], (f.clamp(0, 1) for f in features[2:]), strict=True)
    found += [target for target in bulges if _matters(*target[1:])]
    owners = weight | dict(zip(lid_names, features, strict=True))
    for name, shape, _ in tuple(found):
        if name in owners:
            found += _beyond(name, shape, owners[name])
    return found


def _correctives(someone: Head, params: FaceParams, local: Tensor) -> list[Target]:
    """What the pose correctives do beyond the targets of the joint-owned names, one target an entry of R - I."""
    remainder = pose_feature(local)  # [T, 36]
    if has_named_shapes(someone.arrays):
        turning, turned = _joint_owned(someone, params)
        remainder = remainder - turned @ turning
    found = []
    for c, shape in enumerate(someone.pose_basis.unflatten(-1, (-1, 3))):
        joint, row, column = JOINTS[1 + c // 9], c % 9 // 3, c % 3
        name, weight = f"pose_{joint}_{row}{column}", remainder[:, c]
        if _matters(shape, weight):
            found += [(name, shape, weight.clamp(0, 1)), *_beyond(name, shape, weight)]
    return found


def _beyond(name: str, shape: Tensor, weight: Tensor) -> list[Target]:
    """Targets for what `weight` [T] has above 1 and below 0, scaled so that their own weights stay in [0, 1]."""
    found = []
    for suffix, sign, excess in (("over", 1, (weight - 1).clamp_min(0)), ("under", -1, (-weight).clamp_min(0))):
        if _matters(shape, excess):
            scale = beyond_scale(excess)
            found.append((f"{name}_{suffix}", sign * scale * shape, excess / scale))
    return found


def beyond_scale(excess: Tensor) -> float:
    """How much of a weight's excess [T], not below 0, a target for it says at weight 1."""
    return max(1.0, float(excess.max().ceil()))


def _joint_owned(head: Head, params: FaceParams) -> tuple[Tensor, Tensor]:
    """R - I [11, 36] of each of JOINT_OWNED at weight 1, and their weights [T, 11] in [0, 1]."""
    alone = torch.eye(len(ARKIT_NAMES))[[INDEX[name] for name in JOINT_OWNED]].to(head.v_template)
    jaw, eyes = joint_turns(alone, head.arrays)
    turning = pose_feature(_local_rotations(FaceParams.neutral(head).replace(jaw=jaw, eyes=eyes)))
    weights = joint_weights(params, head.arrays)
    return turning, torch.stack([weights[name].clamp(0, 1) for name in JOINT_OWNED], -1)


def _lid_targets(someone: Head) -> Tensor:
    """Lid features [4] as shapes [4, V, 3]: left, right, left bulge, right bulge."""
    basis = someone.eyelid_basis.unflatten(-1, (-1, 3))  # [4, N, 3]
    shapes = torch.zeros(4, *someone.v_template.shape).to(basis)
    return shapes.index_add(1, someone.eyelid_vertices, basis)


def _local_rotations(params: FaceParams) -> Tensor:
    """Rotations [..., 5, 3, 3] of every joint in its parent."""
    turns = [params.global_rotation, params.neck, params.jaw, params.eyes[..., 0, :], params.eyes[..., 1, :]]
    return matrix_from_axis_angle(torch.stack(torch.broadcast_tensors(*turns), -2))


def _translations(someone: Head, params: FaceParams, local: Tensor, bound: Tensor) -> Tensor:
    """Place [T, 5, 3] of each joint in its parent, so that skinning about the bound joints gives our pose.

    Ours turns vertices about joints that may follow expression: R (v - j) + p. A file binds them once, at b:
    R (v - b) + q, hence q = p - R (j - b).
    """
    joints = bound.expand(len(local), -1, -1)
    if len(someone.joint_expression_basis):
        joints = joints + (params.expression @ someone.joint_expression_basis).unflatten(-1, (-1, 3))
    world, posed = joint_transforms(local, joints, PARENTS)
    place = posed - (world @ (joints - bound).unsqueeze(-1)).squeeze(-1) + params.translation.unsqueeze(-2)
    inside = place.clone()
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            step = (place[:, j] - place[:, parent]).unsqueeze(-1)
            inside[:, j] = (world[:, parent].transpose(-1, -2) @ step).squeeze(-1)
    return inside


def _continuous(quaternions: Tensor) -> Tensor:
    """Choose signs over time [T, ..., 4] so that neighbours lie on one side: interpolation takes the short way."""
    dots = (quaternions[1:] * quaternions[:-1]).sum(-1, keepdim=True)
    signs = torch.where(dots < 0, -1.0, 1.0).cumprod(0)
    return torch.cat([quaternions[:1], quaternions[1:] * signs])


def _matters(shape: Tensor, weight: Tensor) -> bool:
    return bool(shape.abs().max() * weight.abs().max() > NEGLIGIBLE_M)
