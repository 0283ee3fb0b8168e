"""What is doubtful about a performance that was made all the same: sentences for whoever asked for it."""

from __future__ import annotations

import numpy as np

from animate.agreement import FITS
from animate.silences import silences
from animate.visemes import SILENCE
from flame_tools.types import HeadArrays, Track

# Mean probability of the phones heard. Speech (LibriSpeech, ARCTIC, acted emotions, Mandarin, out of breath): 0.56 to
# 0.79 in 18 recordings; a tone 0.23, white and pink noise 0.
UNSURE = 0.4
# Louder than this in a silence of a text is speech or another sound. In 45 true texts and TextGrids no silence had more
# than 0.3 s of it.
_LOUD_DB, _LOUD_S, _EDGE_S = -20.0, 1.0, 0.15
_MOSTLY_HEARD = 0.5  # share of what is spoken that a text could not be laid onto
FELT = 0.1  # intensity that some emotion should reach at least once to be seen


def doubts_of(track: Track, *, emotion_heard: bool = False, head: HeadArrays | None = None) -> list[str]:
    """Sentences about a fresh performance, none where all is well. `emotion_heard`: what is felt came of the voice.

    With its `head` what that lacks is told, too.
    """
    said, doubts = track.provenance["phones"], []
    sure = said["agreement"]
    if said["fits"] is False and said["method"] == "given":
        doubts.append(
            f"the phones given do not seem to be what is said: what is heard agrees with them by {sure or 0:.2f}, with "
            f"true ones by {FITS} to 0.9 in English; the lips follow what was given: check that it is this recording's"
        )
    elif said["fits"] is False and said["fallback_share"] >= _MOSTLY_HEARD:
        doubts.append(
            f"the text could not be laid onto {said['fallback_share']:.0%} of what is spoken, and the lips follow what "
            "is heard there: check that these are the words of this recording, and that no noise or music covers them"
        )
    elif said["fits"] is False:
        doubts.append(
            f"the text does not seem to be what is said: what is heard agrees with it by {sure or 0:.2f}, with true "
            f"texts by {FITS} to 0.9; the lips follow the text, not the voice: leave --text out, or give the words of "
            "this recording"
        )
    elif said["fits"] is None and (set(track.intervals["phones"].names) <= {SILENCE} or (sure or 0) < UNSURE):
        doubts.append(
            f"hardly any speech is heard (sure by {sure or 0:.2f}, in speech by 0.55 to 0.8), so that the lips "
            "have little to follow: check that this is the recording of a voice, without noise or music"
        )
    elif said["fits"] and (unsaid_s := _unsaid_s(track)):
        what = "the phones given are" if said["method"] == "given" else "the text is"
        doubts.append(
            f"for {unsaid_s:.1f} s the recording is loud and {what} silent, so that the mouth rests there: check that "
            "nothing that is spoken is left out"
        )
    if emotion_heard and track.curves["emotion"].values[:, 1:].max() < FELT:
        doubts.append(
            "almost no emotion is heard in the voice, and the face stays neutral: name one, such as --emotion anger:0.7"
        )
    if head is not None and not len(head.eyelid_vertices):
        doubts.append(
            f"head {head.id!r} has no lids, so that blinks close its eyes only as far as its expressions can; "
            + (
                "FLAME gets them from l_eyelid.npy and r_eyelid.npy: "
                if head.joints_follow_expression
                else "with them: "
            )
            + "emberface head add FILES, and then --head NAME"
        )
    return doubts


def _unsaid_s(track: Track) -> float:
    """Seconds that sound in silences of the phones, of those in which it goes on for more than a moment."""
    loud = track.curves["loudness_db"].values[:, 0] > _LOUD_DB
    times, found = np.asarray(track.time_s), 0.0
    for start, end in silences(track.intervals["phones"], shortest_s=_LOUD_S):
        first, last = np.searchsorted(times, (start + _EDGE_S, end - _EDGE_S))
        sounding = float(loud[first:last].mean()) * (end - start - 2 * _EDGE_S) if last > first else 0.0
        found += sounding if sounding >= _LOUD_S else 0.0
    return found
