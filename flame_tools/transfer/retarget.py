"""A performance from one head to another: the same acting on a face of another build, topology or rig.

What the source's face does is carried to the target's surface by dense correspondence (`carry`), and the motion of the
target that comes nearest is solved for the whole clip (`motion_fit`): expression within its bounds, jaw, and lids where
only one of the heads has them. What both heads own is copied, not solved: gaze, neck and head rotation, lids (0 rest,
1 shut) and components that only the inside of the mouth shows and that both have by name. Translation is scaled by
the heads' size. What could not be reached is told per frame: curves["transfer"], "residual_mm".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flame_tools import arkit
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import person
from flame_tools.surface.correspondence import Correspondence, correspond
from flame_tools.transfer.appearance import carried_albedo
from flame_tools.transfer.carry import Carrier
from flame_tools.transfer.fit import Terms, Unknowns, fit_motion
from flame_tools.transfer.likeness import likeness
from flame_tools.transfer.motion import JAW_SD, OTHERS, columns, motion_of, params_of
from flame_tools.transfer.points import FacePoints
from flame_tools.types import Appearance, Curves, FaceParams, HeadArrays, Track

METHODS = ("surface", "names")
IDENTITIES = ("auto", "mean", "match")
_NAMED = Terms(expected=0.2)  # where heads share names, these are followed unless the surface says otherwise
_SEEN_M = 2e-5  # a component that moves no sample further than this cannot be solved for
_JAW_LIMITS = (0.7, 0.25, 0.06)  # radians, where the head does not say how far its jaw goes
_JAW_SHUT = -0.1  # radians past rest


def transfer(
    track: Track,
    source: Head,
    target: Head,
    *,
    method: str = "surface",
    identity: str = "auto",
    match: Correspondence | None = None,
) -> Track:
    """`track`, made on `source`, for `target`.

    `method`: "surface" carries the moving face; "names" copies ARKit weights between heads that both know them.
    `identity`: "mean" performs on the target's mean face, "match" on the identity of the target that looks like the
    track's person, "auto" matches everybody but the source's mean face. `match` is correspond(source, target).
    """
    if method not in METHODS or identity not in IDENTITIES:
        raise InputError(
            f"transfer by {method!r} with identity {identity!r}; wanted method {' or '.join(METHODS)} and identity "
            f"{', '.join(IDENTITIES)}"
        )
    someone = person(track, source)  # refuses a track of another head
    other = identity == "match" or (identity == "auto" and bool((track.params.shape != 0).any()))
    matched = other and target.shape_size > 0
    if match is None and (matched or method == "surface"):
        match = correspond(source.arrays, target.arrays)
    shape = np.zeros(target.shape_size)
    if matched:
        shape = likeness(someone.v_template.double().numpy(), target.arrays, match)
    told = {"from": source.arrays.id, "to": target.arrays.id, "method": method}
    curves = {name: curve for name, curve in track.curves.items() if name != "transfer"}
    if method == "names":
        motion = motion_of(arkit.to_params(arkit.from_params(track.params, source), target))
    else:
        offsets = track.appearance.vertex_offsets if track.appearance is not None else None
        person_shape = track.params.shape.double().numpy()
        carrier = Carrier(source.arrays, target.arrays, match, person_shape, shape, offsets=offsets)
        expected = None
        if arkit.known_to(source.arrays) and arkit.known_to(target.arrays):
            expected = motion_of(arkit.to_params(arkit.from_params(track.params, source), target))
        done = perform(motion_of(track.params), carrier, expected=expected)
        motion = done.motion
        told |= {"residual_mm": round(float(done.residual_mm.mean()), 4) if len(track) else None, "lost": done.lost}
        curves["transfer"] = Curves(("residual_mm",), done.residual_mm[:, None].astype(np.float32))
    told["identity"] = "match" if matched else "mean"
    params = params_of(motion, target).replace(
        shape=torch.as_tensor(shape).to(target.v_template),
        global_rotation=track.params.global_rotation.to(target.v_template),
        neck=track.params.neck.to(target.v_template),
    )
    params = params.replace(translation=_placed(track, source, target, params))
    return Track(
        target.arrays.id,
        params,
        track.time_s,
        audio=track.audio,
        audio_rate=track.audio_rate,
        audio_start_s=track.audio_start_s,
        camera=track.camera,
        visibility=track.visibility,
        appearance=_dressed(track, source, target, match),
        intervals=track.intervals,
        curves=curves,
        fps=track.fps,
        provenance=track.provenance | {"transfer": told},
        licences=tuple(dict.fromkeys((*track.licences, source.arrays.licence, target.arrays.licence))),
    )


@dataclass(frozen=True)
class Performed:
    """A motion on another head."""

    motion: np.ndarray  # [T, E + 11] of the target
    residual_mm: np.ndarray  # [T] mean distance from where the target's face should be
    lost: list[str]  # components that move on the source and that the target has no place for


def perform(
    motion: np.ndarray,  # [T, E + 11] of the source
    carrier: Carrier,
    *,
    expected: np.ndarray | None = None,  # [T, E + 11] of the target, where both heads' names say it
    coherent: bool = True,  # False: frames have nothing to do with each other
) -> Performed:
    """The source's motion on the target: copied where both own a motion, solved for elsewhere."""
    source, target = carrier.source, carrier.target
    own, other = columns(source), columns(target)
    shown = motion.copy()  # what the target's face is to follow ...
    during = np.zeros((len(motion), len(target.expression_names) + OTHERS))  # ... with this already done ...
    after = np.zeros_like(during)  # ... and this done afterwards, each head in its own way
    during[:, other["eyes"]] = motion[:, own["eyes"]]
    copies_lids = len(source.eyelid_vertices) > 0 and len(target.eyelid_vertices) > 0
    if copies_lids:
        for name in ("eyes", "eyelids"):  # lids shut and follow the gaze by each head's own shapes
            shown[:, own[name]] = during[:, other[name]] = 0.0
            after[:, other[name]] = motion[:, own[name]]
    own_seen, seen = (_seen(points) for points in (carrier.source_points, carrier.points))
    lost = []
    for column in np.flatnonzero(~own_seen & (np.abs(motion[:, own["expression"]]).max(0, initial=0.0) > 0.05)):
        name = source.expression_names[column]
        there = target.expression_names.index(name) if name in target.expression_names else None
        if there is None or seen[there]:
            lost.append(name)
        else:
            after[:, there] = motion[:, column]
    unknowns = _unknowns(target, seen, solve_lids=not copies_lids)
    fit = fit_motion(
        carrier.points,
        lambda rows: carrier.wanted(shown[rows]),
        unknowns,
        during,
        weights=carrier.weights,
        pairs=carrier.pairs,
        expected=None if expected is None else expected @ unknowns.directions.T,
        terms=Terms() if expected is None else _NAMED,
        coherent=coherent,
    )
    return Performed(fit.motion + after, fit.residual_mm, lost)


def _unknowns(target: HeadArrays, seen: np.ndarray, *, solve_lids: bool) -> Unknowns:
    """Every component that shows on the face, the jaw, and the lids where they cannot be copied."""
    e = len(target.expression_names)
    spans = [target.jaw_open_rad, target.jaw_side_rad]
    jaw = [1.3 * own if own > 0 else limit for own, limit in zip(spans, _JAW_LIMITS, strict=False)] + [_JAW_LIMITS[2]]
    low = np.concatenate([target.expression_bounds[:, 0], [_JAW_SHUT, -jaw[1], -jaw[2]], np.zeros(8)])
    high = np.concatenate([target.expression_bounds[:, 1], jaw, np.zeros(6), np.ones(2)])
    sd = np.concatenate([np.maximum(target.expression_sd, 1e-3), JAW_SD, np.ones(6), np.full(2, 0.3)])
    lids = solve_lids and len(target.eyelid_vertices) > 0
    chosen = np.flatnonzero(np.concatenate([seen, np.ones(3, bool), np.zeros(6, bool), np.full(2, lids)]))
    return Unknowns(np.eye(e + OTHERS)[chosen], low[chosen], high[chosen], sd[chosen])


def _seen(points: FacePoints) -> np.ndarray:
    """Which expression components [E] move any of the points."""
    return np.linalg.norm(points.expression, axis=1).max(0, initial=0.0) > _SEEN_M


def _dressed(track: Track, source: Head, target: Head, match: Correspondence | None) -> Appearance | None:
    """The track's light, and its painted skin in the target's layout; relief and free offsets stay behind."""
    worn = track.appearance
    if worn is None:
        return None
    albedo = None
    if worn.albedo is not None:
        match = correspond(source.arrays, target.arrays) if match is None else match
        albedo = carried_albedo(worn.albedo, source.arrays, target.arrays, match)
    return Appearance(albedo=albedo, light=worn.light, skin=worn.skin)


def _placed(track: Track, source: Head, target: Head, params: FaceParams) -> torch.Tensor:
    """Translation [T, 3]. Before a camera the eyes stay where they were; otherwise the way travelled is scaled."""
    joints = [head.skeleton(p)[0] for head, p in ((source, track.params), (target, params))]
    eyes = [j[..., 3:, :].mean(-2) for j in joints]
    if track.camera is not None:
        return eyes[0].to(target.v_template) - eyes[1]
    reach = [(e - j[..., 0, :]).norm(dim=-1).mean() for e, j in zip(eyes, joints, strict=True)]
    return track.params.translation.to(target.v_template) * (reach[1] / reach[0])
