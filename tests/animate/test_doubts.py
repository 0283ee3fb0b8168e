import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest

from animate.doubts import doubts_of


def made(fits, agreement, names=("SIL", "AH"), felt=0.0, method=None):
    """What a performance says of itself."""
    values = np.zeros((3, 8))
    values[1, 6] = felt
    method = method or ("hear" if fits is None else "align")
    return SimpleNamespace(
        provenance={"phones": {"method": method, "fits": fits, "agreement": agreement}},
        intervals={"phones": SimpleNamespace(names=names)},
        curves={"emotion": SimpleNamespace(values=values)},
    )


@pytest.mark.parametrize("track", [made(True, 0.7), made(None, 0.6), made(None, 0.6, felt=0.3)])
def test_nothing_is_doubtful(track):
    assert doubts_of(track) == []


@pytest.mark.parametrize(
    ("track", "said"),
    [
        (made(False, 0.232), "by 0.23.*leave --text out"),
        (made(False, None), "by 0.00.*leave --text out"),
        (made(False, 0.2, method="given"), "by 0.20.*the lips follow what was given"),
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
