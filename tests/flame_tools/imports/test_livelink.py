import csv

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flame_tools import FormatError, Head, InputError
from flame_tools.arkit import ARKIT_NAMES, INDEX, from_params, to_params
from flame_tools.export import write_csv
from flame_tools.export.livelink import ANGLES, COLUMNS, HEADER, head_and_eye_angles
from flame_tools.imports import read_csv
from tests.flame_tools.export.conftest import lively_track


@pytest.fixture(scope="module")
def head(arrays):
    return Head(arrays)


def sayable(track):
    """The part of a track that the format can say: no weights outside [0, 1], no twist of the jaw, one joint's turn."""
    p = track.params
    jaw = torch.stack([p.jaw[:, 0].abs(), 0.4 * p.jaw[:, 1], torch.zeros(len(track))], -1)
    zero = torch.zeros_like
    return track.replace(
        params=p.replace(jaw=jaw, shape=zero(p.shape), global_rotation=zero(p.neck), translation=zero(p.translation))
    )


def table(rows, header=HEADER):
    return "\r\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\r\n"


def row(i, **values):
    return [f"14:03:{52 + i // 60:02d}:{i % 60:02d}.207", 61, *(values.get(name, 0) for name in HEADER[2:])]


@pytest.mark.parametrize("fps", [(24, 1), (30, 1), (60, 1), (24000, 1001), (30000, 1001), (60000, 1001), (27, 1)])
def test_what_we_write_comes_back(fps, head, tmp_path):
    track = sayable(lively_track(head, 130))
    track = track.replace(time_s=np.arange(130) * fps[1] / fps[0], fps=fps)
    write_csv(track, head, tmp_path / "x.csv")
    again = read_csv(tmp_path / "x.csv", head)
    assert again.fps == fps and again.head_id == track.head_id
    np.testing.assert_allclose(again.time_s, track.time_s, atol=1e-12)
    for name in ("expression", "jaw", "eyes", "eyelids", "neck"):  # six decimals
        torch.testing.assert_close(getattr(again.params, name), getattr(track.params, name), rtol=0, atol=2e-6)
    assert again.provenance["missing"] == [] and not again.provenance["rate_assumed"]


def test_angles_of_a_turned_root_come_back_as_one_turn(head, tmp_path):
    track = lively_track(head, 40)
    write_csv(track, head, tmp_path / "x.csv")
    for turns in ("neck", "root"):
        again = read_csv(tmp_path / "x.csv", head, turns=turns)
        np.testing.assert_allclose(head_and_eye_angles(again), head_and_eye_angles(track), atol=2e-6)
        assert not getattr(again.params, "global_rotation" if turns == "neck" else "neck").any()


def test_a_recording_as_programs_leave_it(head, tmp_path):
    """BOM, other order and spelling of columns, some missing, one more, blank lines, rows twice, frames lost."""
    names = ["jawOpen", "mouthSmile_L", "Timecode", "HeadYaw", "Camera", "EYEBLINKRIGHT"]
    kept = [i for i in range(150) if i not in (60, 61, 100)]
    lines = []
    for i in kept:
        code = f"00:10:{i // 60:02d}:{i % 60:02d}"
        lines += [[0.5, 0.1, code, 0.3, "main", 1], [i / 150, 0.25, code, 0.2, "main", 0.75], ["", "", "", "", "", ""]]
    text = "\ufeff\n" + table(lines, names) + "\n\n"
    (tmp_path / "x.csv").write_text(text, "utf-8", newline="")
    track = read_csv(tmp_path / "x.csv", head)
    assert track.fps is None and track.provenance["ignored"] == ["Camera"] and "HeadRoll" in track.provenance["missing"]
    assert track.provenance["timecode"] == "00:10:00:00"
    np.testing.assert_allclose(track.time_s, np.array(kept) / 60, atol=1e-9)
    weights = from_params(track.params, head)
    np.testing.assert_allclose(weights[:, INDEX["jawOpen"]], np.array(kept) / 150, atol=1e-6)
    np.testing.assert_allclose(weights[:, INDEX["mouthSmileLeft"]], 0.25)
    np.testing.assert_allclose(track.params.neck[:, 1], 0.2, atol=1e-6)
    even = read_csv(tmp_path / "x.csv", head, fps=60)
    assert even.fps == (60, 1) and len(even) == 150
    opened = from_params(even.params, head)[:, INDEX["jawOpen"]]
    np.testing.assert_allclose(opened, np.arange(150) / 150, atol=1e-6)


def test_rows_without_a_face_are_bridged(head, tmp_path):
    """The app counts 0 shapes where it saw nobody, and leaves their columns away or empty."""
    rows = [row(i, JawOpen=0.1 * i, HeadYaw=0.01 * i) for i in range(9)]
    rows[0][1:], rows[1][1:], rows[8][1:] = [0], [0] + [""] * 61, [0] * 62
    rows[4][1:], rows[5][1:] = [0], [0]
    (tmp_path / "x.csv").write_text(table(rows))
    track = read_csv(tmp_path / "x.csv", head)
    assert track.provenance["faceless"] == 5 and track.fps == (60, 1) and len(track) == 9
    opened = from_params(track.params, head)[:, INDEX["jawOpen"]]
    np.testing.assert_allclose(opened, [0.2, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.7], atol=1e-5)
    np.testing.assert_allclose(head_and_eye_angles(track)[3:7, 0], [0.03, 0.04, 0.05, 0.06], atol=1e-6)
    (tmp_path / "x.csv").write_text(table([[*row(0)[:1], 0], [*row(1)[:1], 0]]))
    with pytest.raises(FormatError, match="no frame in which the app saw a face"):
        read_csv(tmp_path / "x.csv", head)


def test_gaze_by_weights_where_an_eye_has_no_angles(head, tmp_path):
    rows = [row(i, EyeLookUpLeft=0.5, EyeLookUpRight=0.5, RightEyeYaw=0.2) for i in range(5)]
    (tmp_path / "x.csv").write_text(table(rows))
    weights = torch.zeros(len(ARKIT_NAMES))
    weights[INDEX["eyeLookUpLeft"]] = weights[INDEX["eyeLookUpRight"]] = 0.5
    eyes = read_csv(tmp_path / "x.csv", head).params.eyes
    torch.testing.assert_close(eyes[2, 0], to_params(weights, head).eyes[0])
    torch.testing.assert_close(eyes[2, 1], torch.tensor([0, -0.2, 0]), rtol=0, atol=1e-6)


def test_the_rate_of_a_short_clip_can_be_said(head, tmp_path):
    (tmp_path / "x.csv").write_text(table([row(i) for i in range(5)]))
    assert read_csv(tmp_path / "x.csv", head).provenance["rate_assumed"]
    track = read_csv(tmp_path / "x.csv", head, timecode_fps=29.97)
    assert track.fps == (30000, 1001) and not track.provenance["rate_assumed"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_weights_and_any_order_of_columns(data, head, tmp_path):
    values = np.array(
        data.draw(st.lists(st.lists(st.floats(0, 1, width=32), min_size=52, max_size=52), min_size=1, max_size=4))
    )
    order = data.draw(st.permutations(range(52)))
    names = ["Timecode", *(COLUMNS[i] for i in order)]
    rows = [[f"00:00:00:{i:02d}.000", *(repr(float(v)) for v in line[order])] for i, line in enumerate(values)]
    (tmp_path / "x.csv").write_text(table(rows, names))
    found = from_params(read_csv(tmp_path / "x.csv", head).params, head).numpy()
    wanted = values[:, [COLUMNS.index(n[0].upper() + n[1:]) for n in ARKIT_NAMES]]
    # one jaw and two eyes: what pulls both ways cancels
    both = {"jawLeft": "jawRight", "jawRight": "jawLeft"}
    free = [i for i, n in enumerate(ARKIT_NAMES) if n not in both and not n.startswith("eyeLook")]
    np.testing.assert_allclose(found[:, free], wanted[:, free], atol=1e-6)
    sideways = wanted[:, INDEX["jawLeft"]] - wanted[:, INDEX["jawRight"]]
    np.testing.assert_allclose(found[:, INDEX["jawLeft"]], sideways.clip(0), atol=1e-6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31), junk=st.binary(min_size=1, max_size=6))
def test_damage_is_told_and_never_a_crash(seed, junk, head, tmp_path):
    good = table([row(i, JawOpen=0.5) for i in range(8)]).encode()
    at = seed % len(good)
    (tmp_path / "x.csv").write_bytes(good[:at] + junk + good[at + len(junk) :])
    try:
        assert torch.isfinite(read_csv(tmp_path / "x.csv", head).params.jaw).all()
    except (FormatError, InputError) as error:
        assert str(tmp_path) in str(error)


BAD = {
    "no frame": table([]),
    "wanted Timecode": "a,b\n1,2\n",
    "none of ARKit's": "Timecode,Yaw\n00:00:00:00,1\n",
    "two columns": table([], (*HEADER, "jaw_open")),
    "line 3 has 2 cells, the first line 63": table([row(0), [1, 2]]),
    "JawOpen is 'x', wanted a number": table([row(0, JawOpen="x")]),
    "line 2 holds NaN": table([row(0, JawOpen="nan")]),
    "line 3 holds NaN or inf": table([row(0), row(1, HeadYaw="1e999")]),
    "jawOpen is 73, wanted weights in": table([row(0, JawOpen=73)]),
    "HeadYaw is 30, wanted radians": table([row(0, HeadYaw=30)]),
    "goes back": table([row(5), row(4), row(6)]),
    "timecode 2 is '1.5'": table([row(0), ["1.5", *row(1)[1:]]]),
}


@pytest.mark.parametrize("wanted", BAD)
def test_what_is_no_recording(wanted, head, tmp_path):
    (tmp_path / "x.csv").write_text(BAD[wanted])
    with pytest.raises(FormatError, match=wanted):
        read_csv(tmp_path / "x.csv", head)


def test_other_ways_to_be_wrong(head, tmp_path):
    (tmp_path / "x.csv").write_bytes(table([row(0)]).encode("utf-16"))
    with pytest.raises(FormatError, match="UTF-8"):
        read_csv(tmp_path / "x.csv", head)
    (tmp_path / "x.csv").write_text("Timecode,JawOpen\n" + '"' + "x" * 200_000 + '",1\n')
    with pytest.raises(FormatError, match="no CSV"):
        read_csv(tmp_path / "x.csv", head)
    with pytest.raises(FormatError, match="check the name"):
        read_csv(tmp_path / "y.csv", head)
    with pytest.raises(InputError, match="'neck' or 'root'"):
        read_csv(tmp_path / "x.csv", head, turns="jaw")


def test_the_columns_are_those_that_we_write(head, tmp_path):
    write_csv(lively_track(head, 2), head, tmp_path / "x.csv")
    with open(tmp_path / "x.csv", newline="") as file:
        assert tuple(next(csv.reader(file))) == HEADER and HEADER[-9:] == ANGLES
