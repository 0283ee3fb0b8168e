"""From what a file plays to a Track: as it was, where the file is one of ours, else by ARKit's names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from flame_tools.arkit import ARKIT_NAMES, INDEX, LID_OWNED, to_params
from flame_tools.characters.names import SIDED, arkit_spelling, joint_named
from flame_tools.errors import FormatError, ShapeError
from flame_tools.head import Head
from flame_tools.imports.played import Joint, Played
from flame_tools.imports.untold import untold_by_names
from flame_tools.rotations import matrix_from_axis_angle
from flame_tools.sampling import axis_angle_of
from flame_tools.track_check import check_track
from flame_tools.types import JAW, JOINTS, LEFT_EYE, NECK, RIGHT_EYE, Appearance, FaceParams, Track

_ANOTHER_M = 0.02  # a rest shape farther than this from everything the head can be is another head's
_FAR_M = 10.0
_LEVEL = re.compile(r"\.lod[1-9]$")  # of a head's id: see surface/lod.py
_LONGEST_ID = 100
_OFFSET_M = 5e-6  # what the identity leaves: more than rounding is kept as offsets of vertices
_BY_JOINT = {
    JAW: ("jawOpen", "jawLeft", "jawRight"),
    LEFT_EYE: tuple(f"eyeLook{way}Left" for way in ("Up", "Down", "In", "Out")),
    RIGHT_EYE: tuple(f"eyeLook{way}Right" for way in ("Up", "Down", "In", "Out")),
}


def track_of(played: Played, head: Head, path: Path) -> Track:
    """The Track on `head` that a file plays.

    A file that `write_glb` or `write_fbx` made of this head, also one that went through another program, gives every
    parameter back, identity included where its vertices are the head's, and a GLB its texture. What such a file held
    and does not give back is listed in `provenance` ("not_read", "untold"). One that was made on a level of detail of
    the head is the same but for the identity. Any other, also one of ours that says another head ("made_on"), is read
    by ARKit's names and the names of bones, with the head's mean identity: jaw and eyes follow their weights, and bones
    of theirs where they have none; bones called neck and head turn the neck.
    Raises FormatError where the file has neither.
    """
    ours = _is_ours(played, head)
    params, appearance, told = _as_it_was(played, head) if ours else _by_names(played, head)
    worn = ours and played.points is not None and played.albedo is not None
    if worn:
        appearance = replace(appearance or Appearance(), albedo=played.albedo)
    track = Track(
        head_id=head.arrays.id,
        params=params.map(lambda tensor: tensor.to(head.v_template)),
        time_s=played.times_s,
        fps=None if played.rate is None else (played.rate.numerator, played.rate.denominator),
        appearance=appearance,
        provenance={
            "made_by": f"emberface read_{path.suffix[1:].lower()}",
            "file": path.name,
            "clip": played.clip,
            "read": "as written" if ours else "by ARKit's names",
            **({"made_on": played.head_id[:_LONGEST_ID]} if _on_another(played, head) else {}),
            "not_read": _not_read(played, worn=worn, ours=ours),
            **told,
        },
        licences=played.licences,
    )
    try:
        check_track(track)
    except ShapeError as error:
        raise FormatError(f"{path}: what it plays cannot be held: {error}") from None
    return track


def _not_read(played: Played, *, worn: bool, ours: bool) -> list[str]:
    """What a file holds, or its performance had, that the track has not; a still has no sound."""
    relief, sound = ours and played.relief, ours and bool(played.clip)
    return ["texture"] * (played.textured and not worn) + ["relief"] * relief + ["sound"] * sound


def _is_ours(played: Played, head: Head) -> bool:
    names = head.arrays.expression_names
    return (
        not _on_another(played, head)
        and set(JOINTS) <= set(played.joints)
        and bool(names)
        and set(names) <= set(played.weights)
    )


def _on_another(played: Played, head: Head) -> bool:
    """Whether the file says that it was made on another head; a level of detail has its head's own parameters."""
    return played.head_id is not None and head.arrays.id not in (played.head_id, _LEVEL.sub("", played.head_id))


# --- a file of ours ---------------------------------------------------------------------------------------------------


def _as_it_was(played: Played, head: Head) -> tuple[FaceParams, Appearance | None, dict]:
    count = len(played.times_s)
    kind = {"dtype": torch.float64}
    expression = np.stack([_beyond_too(played, name) for name in head.arrays.expression_names], -1)
    lids = [_beyond_too(played, name) if name in played.weights else np.zeros(count) for name in LID_OWNED]
    turn = {name: axis_angle_of(played.joints[name].turns) for name in JOINTS}
    shape, offsets, told = _identity(played, head)
    told["untold"] = ["shape"] * (told["identity"] == "mean") + ["eyelids"] * (not set(LID_OWNED) & set(played.weights))
    expression = torch.from_numpy(expression)
    # A file binds a joint once; where joints follow expression the shift undoes it: see _translations in export/rig.py
    shift = torch.from_numpy(played.joints["root"].shift)
    if len(head.joint_expression_basis):
        moved = (expression @ head.joint_expression_basis[:, :3].detach().cpu().double()).unsqueeze(-1)
        shift = shift - (moved - matrix_from_axis_angle(turn["root"]) @ moved).squeeze(-1)
    params = FaceParams(
        shape=torch.from_numpy(shape),
        expression=expression,
        global_rotation=turn["root"],
        neck=turn["neck"],
        jaw=turn["jaw"],
        eyes=torch.stack([turn["left_eye"], turn["right_eye"]], 1),
        eyelids=torch.from_numpy(np.stack(lids, -1)).to(**kind),
        translation=shift,
    )
    return params, None if offsets is None else Appearance(vertex_offsets=offsets), told


def _beyond_too(played: Played, name: str) -> np.ndarray:
    """A weight [T] with what targets beside it hold of it above 1 and below 0."""
    value = np.asarray(played.weights[name], np.float64)
    for suffix, sign in (("over", 1.0), ("under", -1.0)):
        beside = f"{name}_{suffix}"
        if beside in played.weights:
            size = played.sizes.get(name, 0.0)
            ratio = played.sizes.get(beside, size) / size if size > 0 else 1.0
            scale = max(round(ratio), 1) if np.isfinite(ratio) else 1
            value = value + sign * scale * played.weights[beside]
    return value


def _identity(played: Played, head: Head) -> tuple[np.ndarray, np.ndarray | None, dict]:
    """Identity [S], what it leaves of the vertices [V, 3], and a report."""
    size = head.shape_size
    nobody = np.zeros(size), None, {"identity": "mean"}
    if played.points is None or head.baked_shape is not None:
        return nobody
    known = np.isfinite(played.points).all(-1)
    template = head.v_template.detach().cpu().double().numpy()
    rest = np.where(known[:, None], played.points - template, 0.0)
    if np.abs(rest).max(initial=0.0) > _FAR_M:
        return nobody
    basis = head.shape_basis.detach().cpu().double().numpy().reshape(size, *rest.shape) * known[:, None]
    basis = basis.reshape(size, rest.size)  # a character has no identity: 0 rows
    shape = np.linalg.lstsq(basis @ basis.T, basis @ rest.ravel(), rcond=1e-13)[0] if size else np.zeros(0)
    left = rest - (shape @ basis).reshape(-1, 3)
    worst = float(np.linalg.norm(left, axis=-1).max(initial=0.0))
    if worst > _ANOTHER_M:
        return nobody
    offsets = left.astype(np.float32) if worst > _OFFSET_M else None
    return shape, offsets, {"identity": "as written"}


# --- by names ---------------------------------------------------------------------------------------------------------


def _by_names(played: Played, head: Head) -> tuple[FaceParams, None, dict]:
    count = len(played.times_s)
    weights, found, ignored = arkit_weights(played.weights, count)
    joints = _joints(played.joints)
    if not found and not any(joints.values()):
        some = ", ".join(sorted(played.weights)[:4]) or "none"
        raise FormatError(
            f"{played.source} animates no shape with an ARKit name such as jawOpen (its shapes: {some}) and no bone of "
            "a face; rename the shapes"
        )
    params = to_params(torch.from_numpy(weights).to(head.v_template), head)
    neutral = FaceParams.neutral(head, count)
    params = neutral.replace(
        **{name: getattr(params, name) for name in ("expression", "jaw", "eyes", "eyelids")}, shape=neutral.shape[0]
    )
    turned: dict[int, torch.Tensor] = {}
    for joint, bones in joints.items():
        driven = any(weights[:, INDEX[name]].any() for name in _BY_JOINT.get(joint, ()))
        bones = [bone for bone in bones if bone.moves()]
        if bones and not driven:
            turned[joint] = axis_angle_of(_chained([bone.turns for bone in bones])).to(head.v_template)
    params = params.replace(neck=turned.get(NECK, params.neck), jaw=turned.get(JAW, params.jaw))
    eyes = [turned.get(joint, params.eyes[:, i]) for i, joint in enumerate((LEFT_EYE, RIGHT_EYE))]
    missing = [name for name in ARKIT_NAMES if name not in found]
    told = {
        "missing": missing,
        "ignored": ignored,
        "by_bone": [JOINTS[joint] for joint in sorted(turned)],
        "untold": untold_by_names(
            head.arrays, missing=missing, turned=[joint for joint, bones in joints.items() if bones]
        ),
    }
    return params.replace(eyes=torch.stack(eyes, 1)), None, told


def arkit_weights(named: dict[str, np.ndarray], count: int) -> tuple[np.ndarray, set[str], list[str]]:
    """Weights [T, 52] of shapes by any spelling, the names found, and the shapes that mean none of them.

    A shape of both sides in one (mouthSmile) drives both; two halves of a central one (browInnerUp_L) count half each.
    """
    weights = np.zeros((count, len(ARKIT_NAMES)))
    found: set[str] = set()
    halves: dict[str, np.ndarray] = {}
    wholes: dict[str, np.ndarray] = {}
    ignored = []
    for name, values in named.items():
        spelling = arkit_spelling(name)
        if spelling in INDEX:
            if spelling not in found:
                weights[:, INDEX[spelling]] = values
                found.add(spelling)
        elif spelling in SIDED:
            wholes.setdefault(spelling, values)
        elif spelling is not None and spelling.removesuffix("Left").removesuffix("Right") in INDEX:
            halves.setdefault(spelling, values)
        else:
            ignored.append(name)
    for stem, values in wholes.items():
        for name in (f"{stem}Left", f"{stem}Right"):
            if name not in found:
                weights[:, INDEX[name]] = values
                found.add(name)
    for stem in {half.removesuffix("Left").removesuffix("Right") for half in halves} - found:
        sides = [halves[f"{stem}{side}"] for side in ("Left", "Right") if f"{stem}{side}" in halves]
        weights[:, INDEX[stem]] = np.sum(sides, 0) / 2
        found.add(stem)
    return weights, found, ignored


def _joints(bones: dict[str, Joint]) -> dict[int, list[Joint]]:
    """The bones that turn each joint of ours, parents first."""
    found: dict[int, list[Joint]] = {NECK: [], JAW: [], LEFT_EYE: [], RIGHT_EYE: []}
    for name, bone in bones.items():
        named = joint_named(name)
        if named is not None and (named[0] == NECK or not found[named[0]]):
            found[named[0]].append(bone)
    return found


def _chained(turns: list[np.ndarray]) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    total = Rotation.from_quat(turns[0])
    for turn in turns[1:]:
        total = total * Rotation.from_quat(turn)
    return total.as_quat()
