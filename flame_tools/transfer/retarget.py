"""A performance from one head to another: the same acting on a face of another build, topology or rig.

What the source's face does is carried to the target's surface by dense correspondence (`carry`), and the motion of the
target that comes nearest is solved for the whole clip (`perform`): expression within its bounds, jaw, and lids where
only one of the heads has them. What both heads own is copied, not solved: gaze, neck and head rotation, lids (0 rest,
1 shut) and components that only the inside of the mouth shows and that both have by name. Translation is scaled by
the heads' size. What could not be reached is told per frame: curves["transfer"], "residual_mm".
"""

from __future__ import annotations

import numpy as np
import torch

from flame_tools import arkit
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import person
from flame_tools.surface.correspondence import Correspondence, correspond
from flame_tools.transfer.appearance import carried_albedo
from flame_tools.transfer.carry import Carrier
from flame_tools.transfer.likeness import likeness
from flame_tools.transfer.motion import motion_of, params_of
from flame_tools.transfer.perform import perform
from flame_tools.types import Appearance, Curves, FaceParams, Track

METHODS = ("surface", "names")
IDENTITIES = ("auto", "mean", "match")


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
