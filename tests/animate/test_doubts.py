import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest

from animate.doubts import doubts_of
from animate.textgrid import intervals


def made(fits, agreement, names=("SIL", "AH"), felt=0.0, method=None, fallback_share=0.0, loud_s=0.0):
    """What a performance of two seconds a phone says of itself; `loud_s` of the first phone sound."""
    values, loudness = np.zeros((120, 8)), np.full((120, 1), -40.0)
    values[1, 6], loudness[6 : 6 + round(30 * loud_s)] = felt, -5.0
    method = method or ("hear" if fits is None else "align")
    said = {"method": method, "fits": fits, "agreement": agreement, "fallback_share": fallback_share}
    return SimpleNamespace(
        provenance={"phones": said},
        intervals={"phones": intervals((name, 2.0 * i, 2.0 * i + 2) for i, name in enumerate(names))},
        curves={"emotion": SimpleNamespace(values=values), "loudness_db": SimpleNamespace(values=loudness)},
        time_s=np.arange(120) / 30,
    )


@pytest.mark.parametrize(
    "track",
    [
        made(True, 0.7),
        made(True, 0.7, loud_s=0.8),
        made(None, 0.6),
        made(None, 0.6, felt=0.3),
        made(None, 0.6, loud_s=1.5),  # what is heard is silent: a sound, and no speech
    ],
)
def test_nothing_is_doubtful(track):
    assert doubts_of(track) == []


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (made(False, 0.232), "by 0.23.*leave --text out"),
        (made(False, None), "by 0.00.*leave --text out"),
        (made(False, 0.2, method="given"), "by 0.20.*the lips follow what was given"),
        (
            made(False, 0.0, fallback_share=1.0),
            "could not be laid onto 100% of what is spoken, and the lips follow what is he",
        ),
        (made(True, 0.7, loud_s=1.5), "for 1.5 s the recording is loud and the text is silent"),
        (
            made(True, 0.7, method="given", loud_s=1.5),
            "for 1.5 s the recording is loud and the phones given are silent",
        ),
        (made(None, 0.0, names=("SIL",)), "hardly any speech is heard"),
        (made(None, 0.23), "hardly any speech is heard"),
    ],
)
def test_a_wrong_text_and_no_speech(track, said):
    (doubt,) = doubts_of(track)
    assert re.search(said, doubt)


def test_an_emotion_that_is_not_heard():
    (doubt,) = doubts_of(made(None, 0.6, felt=0.05), emotion_heard=True)
    assert "--emotion anger:0.7" in doubt
    assert doubts_of(made(None, 0.6, felt=0.3), emotion_heard=True) == []


def test_a_head_without_lids(head):
    track = made(True, 0.7)
    assert doubts_of(track, head=head.arrays) == []
    none = np.zeros(0, np.int32)
    (doubt,) = doubts_of(
        track, head=dataclasses.replace(head.arrays, eyelid_vertices=none, joints_follow_expression=True)
    )
    assert re.search("no lids.*l_eyelid.npy.*emberface head add", doubt)
