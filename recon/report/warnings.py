"""What a reader should know before a reconstruction is used, found from its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from flame_tools.types import Track
from recon.report.figures import Residuals

SMALL_PX = 80  # below this height of the face, lids and lip corners span a pixel or two
MUCH_BRIDGED = 0.1  # share of the frames
FAR_DEG, MUCH_FAR = 45.0, 0.1  # turned this far, one half of the face is hardly seen
CUT_OFF = 0.02  # share of the landmarks
HIGH_ERROR = 0.04  # of the distance between the eyes; portraits give 0.015 to 0.025
UNSURE_POSE_DEG = 5.0


@dataclass(frozen=True)
class Warned:
    """One thing to know."""

    code: str
    text: str


def warnings_of(track: Track, found: Residuals, yaw: np.ndarray, yaw_sd: np.ndarray) -> list[Warned]:
    """In the order in which they matter. `yaw` [T] in degrees."""
    said, quality, frames = [], figures_in(track, "quality"), len(track)

    def share(mask: np.ndarray) -> str:
        return "the picture" if frames == 1 else f"{mask.mean():.0%} of the frames"

    unread = np.isnan(found.per_frame)
    if unread.any():
        said.append(Warned("unread", f"No landmarks could be read in {share(unread)}."))
    if found.bridged.mean() > MUCH_BRIDGED:
        said.append(
            Warned(
                "hidden", f"{found.bridged.mean():.0%} of the frames are bridged: the face was hidden or lost there."
            )
        )
    height = float(np.median(found.size_px))
    if height < SMALL_PX:
        said.append(
            Warned(
                "small", f"The face is {height:.0f} pixels tall; below {SMALL_PX}, lids and lip corners are guessed."
            )
        )
    far = np.abs(yaw) > FAR_DEG
    if far.mean() > MUCH_FAR:
        turned = f"The head is turned by more than {FAR_DEG:.0f}° in {share(far)}; the far half of the face is guessed."
        said.append(Warned("turned", turned))
    cut = found.outside > CUT_OFF
    if cut.mean() > MUCH_BRIDGED:
        said.append(Warned("cut off", f"The face reaches beyond the border in {share(cut)}."))
    error = quality.get("nme_468")
    if error is not None and error > HIGH_ERROR:
        said.append(Warned("error", f"Landmarks are {error:.1%} off; fits to portraits give about 2 %."))
    if np.isfinite(yaw_sd).any() and np.nanmedian(yaw_sd) > UNSURE_POSE_DEG:
        said.append(Warned("pose", f"The head's yaw is known to ±{np.nanmedian(yaw_sd):.0f}° only."))
    if figures_in(track, "focal_px").get("known") == 0:
        said.append(
            Warned("focal", "The focal length was not given: distance and size rest on a usual lens and a usual iris.")
        )
    return said


def figures_in(track: Track, name: str) -> dict[str, float]:
    """The numbers of a group in a track's provenance, which a file may have filled with anything."""
    found = track.provenance.get(name)
    if not isinstance(found, dict):
        return {}
    return {str(k): v for k, v in found.items() if isinstance(v, (bool, int, float)) and math.isfinite(v)}
