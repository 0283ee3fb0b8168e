import re

import numpy as np

from flame_tools import Head, InputError
from flame_tools.export.srt import write_viseme_srt, write_word_srt
from flame_tools.types import Intervals
from tests.flame_tools.export.conftest import assert_same_bytes_or_none, lively_track

CUE = re.compile(r"(\d+)\n(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})\n(.+)\n\n")


def cues(path):
    text = path.read_text("utf-8")
    found = CUE.findall(text)
    assert "".join(m.group(0) for m in CUE.finditer(text)) == text
    assert [int(cue[0]) for cue in found] == list(range(1, len(found) + 1))

    def seconds(h, m, s, ms):
        return round(int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000, 3)

    return [(cue[9], seconds(*cue[1:5]), seconds(*cue[5:9])) for cue in found]


def saying(head, **tiers):
    intervals = {
        name: Intervals(tuple(r[0] for r in rows), np.array([r[1] for r in rows]), np.array([r[2] for r in rows]))
        for name, rows in tiers.items()
    }
    return lively_track(head).replace(intervals=intervals)


def test_visemes(arrays, tmp_path):
    head = Head(arrays)
    rows = [("SIL", 0.0, 0.1), ("M", 0.1, 0.15), ("P", 0.15, 0.2), ("OW1", 0.2, 0.4), ("SP", 0.4, 3600.0)]
    track = saying(head, phones=[*rows, ("T", 3600.0, 3723.0456)])
    write_viseme_srt(track, head, tmp_path / "x.visemes.srt")
    assert cues(tmp_path / "x.visemes.srt") == [
        ("PP", 0.1, 0.2), ("oh", 0.2, 0.3), ("ou", 0.3, 0.4), ("DD", 3600.0, 3723.046),
    ]  # fmt: skip


def test_words(arrays, tmp_path):
    head = Head(arrays)
    words = [("", -0.5, 0.0), ("Grüße,", -0.2, 0.3), ("it's\nme", 0.3, 0.5), ("gone", 0.5, 0.5004), ("SIL", 0.6, 1.0)]
    write_word_srt(saying(head, words=words), head, tmp_path / "x.words.srt")
    assert cues(tmp_path / "x.words.srt") == [("Grüße,", 0.0, 0.3), ("it's me", 0.3, 0.5)]


def test_same_bytes_or_none(arrays, tmp_path):
    head = Head(arrays)
    track = saying(head, words=[("hello", 0.0, 0.4)], phones=[("HH", 0.0, 0.4)])
    for name, write, wanted in (("words", write_word_srt, "no words"), ("phones", write_viseme_srt, "no phones")):
        (tmp_path / name).mkdir()
        assert_same_bytes_or_none(write, track, lively_track(head), head, tmp_path / name, InputError, wanted)
