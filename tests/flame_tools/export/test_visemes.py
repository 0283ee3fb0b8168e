import json

import numpy as np
import pytest

from animate import visemes as spoken
from flame_tools import Head, InputError
from flame_tools.export.visemes import DIPHTHONGS, VISEMES, visemes_of, write_visemes
from flame_tools.types import Intervals
from tests.flame_tools.export.conftest import lively_track


def saying(head, *rows):
    names, starts, ends = zip(*rows, strict=True)
    return lively_track(head).replace(intervals={"phones": Intervals(names, np.array(starts), np.array(ends))})


def test_a_word_comes_back(arrays, tmp_path):
    head = Head(arrays)
    track = saying(head, ("", 0.0, 0.1), ("m", 0.1, 0.15), ("OW1", 0.15, 0.35), ("SP", 0.35, 0.4))
    write_visemes(track, head, tmp_path / "x.json")
    read = json.loads((tmp_path / "x.json").read_text())
    assert read["head"] == "random" and read["licences"] == ["CC0-1.0"]
    assert read["set"] == ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou"]
    assert read["visemes"] == [
        {"viseme": "sil", "index": 0, "start_s": 0.0, "end_s": 0.1, "phone": ""},
        {"viseme": "PP", "index": 1, "start_s": 0.1, "end_s": 0.15, "phone": "m"},
        {"viseme": "oh", "index": 13, "start_s": 0.15, "end_s": 0.25, "phone": "OW1"},
        {"viseme": "ou", "index": 14, "start_s": 0.25, "end_s": 0.35, "phone": "OW1"},
        {"viseme": "sil", "index": 0, "start_s": 0.35, "end_s": 0.4, "phone": "SP"},
    ]


def test_every_phone_we_speak_has_one_class(arrays):
    listed = [phone for phones in VISEMES.values() for phone in phones] + list(DIPHTHONGS)
    assert len(listed) == len(set(listed))
    phones = sorted({*spoken.VISEMES, "NOISE"})
    rows = [(phone, float(i), i + 1.0) for i, phone in enumerate(phones)]
    found = visemes_of(saying(Head(arrays), *rows))
    assert {said.phone for said in found} == set(phones)
    assert [said.end_s for said in found[:-1]] == [said.start_s for said in found[1:]]  # no gap, no overlap


@pytest.mark.parametrize(
    ("phones", "wanted"), [(None, "no phones"), ((), "no phones"), (("AH", "ʃ"), "'ʃ', wanted ARPAbet")]
)
def test_what_cannot_be_told_is_refused(arrays, tmp_path, phones, wanted):
    head = Head(arrays)
    track = lively_track(head)
    if phones is not None:
        edges = np.arange(len(phones) + 1.0)
        track = track.replace(intervals={"phones": Intervals(phones, edges[:-1], edges[1:])})
    with pytest.raises(InputError, match=wanted):
        write_visemes(track, head, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())
