"""An edit comes back whole: what its file has no place for is the original's, in step."""

import numpy as np
import pytest
import torch

from flame_tools import Appearance, Curves, Head, InputError, Intervals, ShapeError, load_track, save_track
from flame_tools.export import Options, write_csv, write_fbx, write_glb
from flame_tools.export.flame_params import write_flame_params
from flame_tools.imports import read_track
from flame_tools.imports.edited import put_back, read_edited, remarks
from flame_tools.imports.in_step import with_sound
from flame_tools.posing import at_frames
from flame_tools.resample import at_rate, at_times
from flame_tools.track_check import check_track
from flame_tools.types import Camera
from tests.flame_tools.export.conftest import lively_track
from tests.flame_tools.flame_shaped import flame_shaped
from tests.flame_tools.imports.conftest import assert_same_track

RATE = 8000
FRAMES = 60  # two seconds
FORMATS = {".glb": write_glb, ".fbx": write_fbx, ".csv": write_csv}


def spoken(head, frames=FRAMES, start=0.0, **more):
    """A performance within what all formats hold, with sound, phones and a look; sample j of its sound is j."""
    track = lively_track(head, frames, **more)
    p = track.params
    jaw = torch.cat([p.jaw[:, :1].abs(), p.jaw[:, 1:2] / 4, 0 * p.jaw[:, 2:]], -1)
    eyes = torch.cat([p.eyes[..., :2], 0 * p.eyes[..., 2:]], -1)
    edges = start + np.arange(5) * frames / 120
    return track.replace(
        params=p.replace(jaw=jaw, eyes=eyes),
        time_s=start + np.arange(frames) / 30,
        audio=np.arange(frames * RATE // 30, dtype=np.float32) / 1e6,
        audio_rate=RATE,
        audio_start_s=start,
        intervals={
            "phones": Intervals(("SIL", "M", "AY", "SIL"), edges[:-1], edges[1:]),
            "events": Intervals(("blink",), edges[1:2], edges[2:3]),
        },
        curves={"emotion": Curves(("happy",), np.linspace(0, 1, frames, dtype=np.float32)[:, None])},
        appearance=Appearance(
            albedo=np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8),
            light=np.ones((9, 3)),
            detail=np.full((4, 4), 1e-4, np.float32),
        ),
        camera=Camera(np.full(2, 900.0), np.full(2, 100.0), (200, 200)),
        licences=("CC-BY-4.0",),
    )


@pytest.fixture(scope="module")
def original(default_head):
    return spoken(default_head)


def edited(track, head, path, **options):
    """`track` written to `path`, and read again as an edit of the fixture's."""
    FORMATS[path.suffix](track, head, path, **options)
    return path


@pytest.mark.parametrize("ending", FORMATS)
def test_an_edit_that_changes_nothing_comes_back_as_it_was(ending, original, default_head, tmp_path):
    back = read_edited(edited(original, default_head, tmp_path / f"x{ending}"), default_head, original)
    check_track(back)
    assert_same_track(back, original, atol=3e-6)
    assert torch.equal(back.params.shape, original.params.shape), "the very person"
    np.testing.assert_array_equal(back.audio, original.audio)
    assert back.intervals["phones"].names == original.intervals["phones"].names and "events" not in back.intervals
    np.testing.assert_allclose(back.curves["emotion"].values, original.curves["emotion"].values)
    for name in ("albedo", "light", "detail"):
        np.testing.assert_array_equal(getattr(back.appearance, name), getattr(original.appearance, name))
    assert back.camera.size == (200, 200) and back.licences and "CC-BY-4.0" in back.licences
    assert not {"untold", "not_read", "whole_turn"} & set(back.provenance)
    assert remarks(back, "x") == []
    save_track(back, tmp_path / "again.face.npz")
    twice = put_back(load_track(tmp_path / "again.face.npz"), original, default_head)
    assert_same_track(twice, back, atol=0)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("part", [slice(None), slice(20, 50)])
def test_a_track_that_begins_before_0_s_is_not_cut_short(part, ending, default_head, tmp_path):
    """Its files begin at 0 s; an edit goes back to where it was."""
    early = spoken(default_head, start=-0.5)
    path = edited(early, default_head, tmp_path / f"x{ending}")
    wanted = early.time_s[part]
    if part != slice(None):
        played = read_track(path, default_head)
        cut = played.replace(params=played.params.frame(part), time_s=played.time_s[part])
        edited(cut, default_head, path)
    back = read_edited(path, default_head, early)
    np.testing.assert_allclose(back.time_s, wanted, atol=1e-6)
    begins = max(early.time_s[part][0], back.audio_start_s)
    np.testing.assert_allclose(
        back.audio[0], (begins - early.audio_start_s) * RATE / 1e6, atol=6e-7
    )  # a sample is 1e-6


def test_what_was_edited_stays_edited(original, default_head, tmp_path):
    smile = default_head.arrays.expression_names.index("mouthSmileLeft")
    changed = original.params.expression.clone()
    changed[20:30, smile] = 0.9
    moved = original.replace(params=original.params.replace(expression=changed))
    for ending in FORMATS:
        back = read_edited(edited(moved, default_head, tmp_path / f"x{ending}"), default_head, original)
        torch.testing.assert_close(back.params.expression, changed, rtol=0, atol=3e-6)


def test_a_person_that_was_sculpted_stays_and_a_mesh_of_others_does_not(original, default_head, tmp_path):
    sculpted = original.replace(params=original.params.replace(shape=original.params.shape + 0.5))
    path = edited(sculpted, default_head, tmp_path / "x.glb")
    back = read_edited(path, default_head, original)
    torch.testing.assert_close(back.params.shape, sculpted.params.shape, rtol=0, atol=1e-3)
    assert "identity" not in back.provenance["put_back"]["parts"]
    path = edited(sculpted, default_head, tmp_path / "x.csv")  # which tells no person
    assert torch.equal(read_edited(path, default_head, original).params.shape, original.params.shape)


@pytest.mark.parametrize("ending", [".glb", ".fbx"])
def test_shapes_that_a_file_was_left_without(ending, original, default_head, tmp_path):
    kept = Options(shapes=("jawOpen", "mouthSmileLeft"))
    path = edited(original, default_head, tmp_path / f"x{ending}", options=kept)
    back = read_edited(path, default_head, original)
    for name in ("expression", "neck", "global_rotation", "translation", "eyelids", "eyes"):
        torch.testing.assert_close(
            getattr(back.params, name), getattr(original.params, name), rtol=0, atol=3e-6, msg=name
        )


def test_columns_that_a_table_was_left_without(original, default_head, tmp_path):
    lines = edited(original, default_head, tmp_path / "x.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    gone = ("Head", "EyeBlink", "LeftEye", "RightEye", "EyeLook")
    kept = [i for i, name in enumerate(rows[0]) if not name.startswith(gone)]
    (tmp_path / "few.csv").write_text("\n".join(",".join(row[i] for i in kept) for row in rows))
    assert_same_track(read_edited(tmp_path / "few.csv", default_head, original), original, atol=3e-6)
    alone = read_track(tmp_path / "few.csv", default_head)
    assert not alone.params.neck.any() and not alone.params.eyelids.any()


@pytest.mark.parametrize("layout", ["smplx", "emote"])
def test_parameters_of_flame_have_what_their_layout_lacks(layout, tmp_path):
    head = Head(flame_shaped(vertices=300, faces=600, shapes=12, expressions=8, eyelids=True))
    track = lively_track(head, 20).replace(audio=np.zeros(1000, np.float32), audio_rate=RATE)
    write_flame_params(track, head, tmp_path / "x.npz", layout=layout)
    assert_same_track(read_edited(tmp_path / "x.npz", head, track), track, atol=1e-6)
    changed = read_edited(tmp_path / "x.npz", head, track.replace(params=track.params.replace(shape=torch.zeros(12))))
    torch.testing.assert_close(changed.params.shape, track.params.shape)  # the file tells who it is


# --- in step ----------------------------------------------------------------------------------------------------------


def sample_at(track, time_s: float) -> int:
    """The number of the original's sample that sounds at a moment."""
    return round(1e6 * float(track.audio[round((time_s - track.audio_start_s) * track.audio_rate)]))


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("part", [slice(0, 20), slice(20, 45)])
def test_a_part_keeps_the_sound_of_its_own_moments(ending, part, original, default_head, tmp_path):
    frames = np.arange(FRAMES)[part]
    cut = at_frames(original, frames).replace(fps=(30, 1))
    back = read_edited(edited(cut, default_head, tmp_path / f"x{ending}"), default_head, original)
    start, end = frames[0] / 30, (frames[-1] + 1) / 30
    exact = 1e-9 if ending == ".csv" else 1e-6  # a GLB's times are float32; whole frames stay whole in a table
    np.testing.assert_allclose(back.time_s, frames / 30, atol=exact)
    assert sample_at(back, start + 0.1) == pytest.approx((start + 0.1) * RATE, abs=1)
    assert back.audio_start_s == pytest.approx(start, abs=1e-3)
    assert back.audio_start_s + len(back.audio) / RATE == pytest.approx(end, abs=1e-3)
    phones = back.intervals["phones"]
    assert phones.start_s[0] == pytest.approx(start) and phones.end_s[-1] == pytest.approx(end)
    assert phones.names == (("SIL", "M") if part.start == 0 else ("M", "AY"))
    torch.testing.assert_close(
        back.params.translation, original.params.translation[torch.from_numpy(frames)], rtol=0, atol=2e-5
    )  # 2 m a second, and a timecode with thousandths of a frame
    assert "the rest is cut away" in remarks(back, "x")[0]


@pytest.mark.parametrize("fps", [24, 60, (30000, 1001)])
def test_another_rate_is_the_same_moments(fps, original, default_head, tmp_path):
    faster = at_rate(original, fps)
    back = read_edited(edited(faster, default_head, tmp_path / "x.csv"), default_head, original)
    np.testing.assert_allclose(back.time_s, faster.time_s, atol=1e-4)  # thousandths of a frame in a timecode
    assert sample_at(back, 1.0) == RATE and len(back.audio) >= 1.9 * RATE
    torch.testing.assert_close(back.params.neck, faster.params.neck, rtol=0, atol=1e-3)
    wanted = read_edited(tmp_path / "x.csv", default_head, original, fps=25)
    assert wanted.fps == (25, 1) and len(wanted.curves["emotion"].values) == len(wanted)


def test_a_table_of_less_than_a_second_counts_as_the_original_does(original, default_head, tmp_path):
    cut = at_frames(original, np.arange(5, 25)).replace(fps=(30, 1))
    path = edited(cut, default_head, tmp_path / "x.csv")
    assert read_track(path, default_head).fps == (60, 1)  # assumed, where nothing tells
    back = read_edited(path, default_head, original)
    assert back.fps == (30, 1)
    np.testing.assert_allclose(back.time_s, np.arange(5, 25) / 30, atol=1e-6)


def test_an_edit_that_was_moved_as_a_whole_begins_where_the_original_does(default_head, tmp_path):
    late = spoken(default_head, start=5.0)  # somebody who is seen later in a film
    again = read_edited(edited(late, default_head, tmp_path / "x.csv"), default_head, late)
    assert again.time_s[0] == 5.0 and sample_at(again, 6.0) == RATE
    shifted = late.replace(time_s=late.time_s - 5 + 1 / 30)  # Blender's animation offset
    again = read_edited(edited(shifted, default_head, tmp_path / "x.fbx"), default_head, late)
    assert again.time_s[0] == pytest.approx(5.0) and sample_at(again, 6.0) == RATE


def test_an_edit_that_goes_on_is_silent_at_its_end(original, default_head, tmp_path):
    longer = at_times(original, np.arange(90) / 30).replace(fps=(30, 1))
    back = read_edited(edited(longer, default_head, tmp_path / "x.glb"), default_head, original)
    assert len(back) == 90 and len(back.audio) == 2 * RATE and back.intervals["phones"].end_s[-1] == 2
    assert "goes on for 1.00 s after" in remarks(back, "x")[0]


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (np.arange(FRAMES) / 24, "has the 60 frames of the track .* last 2.500 s there and 2.000 s here"),
        (np.arange(150) / 30, r"lasts 5.0 s, and the track that it should be an edit of 2.0 s; give the one"),
        (7 + np.arange(30) / 30, r"lasts from 7.00 to 8.00 s, and the track .* from 0.00 to 2.00 s"),
    ],
)
def test_what_is_no_edit_of_it_is_refused(times, said, original, default_head, tmp_path):
    rate = round(1 / (times[1] - times[0]))
    other = at_times(original, times).replace(fps=(rate, 1))
    path = edited(other, default_head, tmp_path / "other.glb")
    with pytest.raises(InputError, match=f"other.glb {said}"):
        read_edited(path, default_head, original)


def test_a_portrait_lends_its_person_and_no_time(original, default_head, tmp_path):
    portrait = at_frames(spoken(default_head, seed=3), [0])
    path = edited(original, default_head, tmp_path / "x.csv")
    back = read_edited(path, default_head, portrait)
    assert torch.equal(back.params.shape, portrait.params.shape) and back.audio is None and len(back) == FRAMES
    np.testing.assert_array_equal(back.appearance.albedo, portrait.appearance.albedo)
    assert torch.equal(back.params.translation, portrait.params.translation.expand(FRAMES, -1)), "its place"


def test_another_head_is_refused(original, default_head):
    other = Head(flame_shaped(vertices=300, faces=600, shapes=12, expressions=8))
    with pytest.raises(ShapeError, match=r"was made on 'default'; use that head for both"):
        put_back(lively_track(other), original, other)


# --- sound alone ------------------------------------------------------------------------------------------------------


def test_a_sound_is_set_or_replaced(original):
    ramp = np.arange(5 * RATE, dtype=np.float32)
    other = with_sound(original, ramp, RATE, "new.wav")
    assert len(other.audio) == 2 * RATE and other.audio[-1] == 2 * RATE - 1, "cut where the last frame ends"
    assert other.intervals is original.intervals
    with pytest.raises(InputError, match=r"performance lasts 2.0 s, and new.wav 0.5 s"):
        with_sound(original, ramp[: RATE // 2], RATE, "new.wav")
    late = original.replace(time_s=original.time_s + 10)
    with pytest.raises(InputError, match=r"new.wav is over after 5.0 s, .* begins, at 10.0 s"):
        with_sound(late, ramp, RATE, "new.wav")
