"""A Track with the folds that its picture shows."""

from __future__ import annotations

import dataclasses

import numpy as np

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.posing import at_frames, posed_frames
from flame_tools.types import Appearance, Track
from recon.detail.photo import detail_of, network_of
from recon.texture.posed_view import PosedView
from render.camera import camera_of


def with_detail(track: Track, head: Head, image: np.ndarray, *, frame: int = 0) -> Track:
    """The track with the relief that image uint8 [H, W, 3] shows of its frame, in `appearance`.

    A track of one frame wears what is seen; one that moves what stays without expressions. Raises InputError where
    the head is not the one that recon-detail knows, or where the track has no camera.
    """
    network_of(head)
    if track.camera is None:
        raise InputError("the track has no camera to look through for folds; reconstruct it from a photo")
    (vertices,) = posed_frames(at_frames(track, [frame]), head)
    view = PosedView(image, vertices.astype(np.float64), camera_of(track, frame), None)
    found = detail_of(view, head, track.params.frame(frame))
    appearance = dataclasses.replace(
        track.appearance or Appearance(), detail=found.shown if len(track) == 1 else found.rest, detail_rest=found.rest
    )
    told = found.shown != 0
    about = {
        "made_by": "recon-detail",
        "deepest_mm": round(1000 * float(np.abs(found.shown).max()), 3),
        "sd_mm": round(1000 * float(found.sd[told].mean()) if told.any() else 0.0, 4),
    }
    return track.replace(appearance=appearance, provenance={**track.provenance, "detail": about})
