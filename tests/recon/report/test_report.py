"""The numbers of a report, on tracks and readings whose truth is known."""

import json

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError
from flame_tools.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from flame_tools.types import Camera, Curves, FaceParams, Track
from readers.face_parts import LIPS
from readers.readings import Readings, write_part
from recon.report.curves import curves_of, thinned, yaw_pitch_roll
from recon.report.figures import part_masks, powers_of, ranges, residuals_of
from recon.report.fitted import FittedTrack
from recon.report.source import Source, check_fits, read_landmarks, source_of
from recon.report.spectrum import Welch
from recon.report.summary import summary
from render.footage import open_footage
from render.video import write_video

FRAMES, FPS, SIZE, FIRST = 50, 25, (640, 480), 3
HIDDEN = range(20, 24)  # bridged; 21 and 22 have no reading at all
OFF = 0.03  # of the lips, to the right, of the distance between the eyes


def made_track(head, **more) -> Track:
    """A head that shakes once a second."""
    turn = torch.zeros(FRAMES, 3)
    turn[:, 1] = 0.3 * torch.sin(2 * torch.pi * torch.arange(FRAMES) / FPS)
    place = torch.tensor([0.0, -0.02, -0.8]).repeat(FRAMES, 1)
    rest = FaceParams.neutral(head, FRAMES)
    params = rest.replace(shape=torch.zeros(head.shape_size), global_rotation=turn, translation=place)
    bridged = np.isin(np.arange(FRAMES), HIDDEN)
    given = {
        "std": params.map(lambda t: torch.full_like(t, 0.02)),
        "fps": (FPS, 1),
        "camera": Camera(np.full(2, 900.0), np.array(SIZE) / 2, SIZE),
        "curves": {"tracking": Curves(("trust", "bridged"), np.stack([1 - bridged, bridged], 1).astype(np.float32))},
        "provenance": {"made_by": "a test", "first_frame": FIRST, "quality": {"nme_468": 0.05},
                       "focal_px": {"value": 900.0, "known": False}},
    }  # fmt: skip
    return Track(head.arrays.id, params, (FIRST + np.arange(FRAMES)) / FPS, **(given | more))


def row_of(number: int, who: int, marks: np.ndarray) -> dict:
    return {"landmarks": marks, "iris": np.zeros((10, 2)), "spread": np.zeros(468),
            "noise": np.full(468, np.nan), "told": np.zeros(0), "score": 1, "trust": 1,
            "together": 0, "tongue": 0, "id": who, "frame": number, "time_s": number / FPS}  # fmt: skip


def written(rows: list[dict], folder) -> None:
    """Rows as two parts."""
    kinds = {"id": np.int32, "frame": np.int64, "time_s": np.float64}
    for k, part in enumerate((rows[: len(rows) // 2], rows[len(rows) // 2 :])):
        arrays = {name: np.array([row[name] for row in part], kinds.get(name, np.float32)) for name in rows[0]}
        write_part(folder / f"part-{k:05d}.npz", Readings(**arrays), {}, {})


@pytest.fixture(scope="module")
def made(head, tmp_path_factory):
    """The track, and a film whose readings have its lips too far right, and a second face far away."""
    folder, track = tmp_path_factory.mktemp("report"), made_track(head)
    frames = (np.full((*SIZE[::-1], 3), 60 + n, np.uint8) for n in range(FIRST + FRAMES))
    write_video(folder / "film.mp4", frames, FPS)
    rows = []
    for i, one in enumerate(FittedTrack(track, head)):
        marks = one.landmarks.copy()
        rows.append(row_of(FIRST + i, 1, marks + 200))
        if i not in (21, 22):
            marks[list(LIPS), 0] += OFF * one.eye_px * (3 if i == 30 else 1)
            rows.append(row_of(FIRST + i, 2, marks))
    written([row_of(0, 1, marks), *rows], folder)
    return track, Source("film.mp4", film=open_footage(folder / "film.mp4"), parts=folder)


@pytest.fixture(scope="module")
def found(made, head):
    track, source = made
    fitted = FittedTrack(track, head)
    return residuals_of(track, fitted, read_landmarks(track, source, fitted), [SIZE], film=True)


@pytest.fixture(scope="module")
def numbers(made, head, found):
    curves = list(curves_of(made[0], head))
    return summary(made[0], head, "face", found, curves, powers_of(made[0], curves))


def test_errors_are_those_that_were_put_in(found, numbers):
    lips = np.zeros(468, bool)
    lips[list(LIPS)] = True
    # readings are float32: 2e-5 of a distance of some 70 pixels
    assert found.per_landmark[~lips].max() < 1e-5
    usual = FRAMES - len(HIDDEN)
    np.testing.assert_allclose(found.per_landmark[lips], OFF * (usual + 2) / usual, atol=1e-5)
    np.testing.assert_allclose(found.offset[lips], [[-OFF * (usual + 2) / usual, 0]] * lips.sum(), atol=1e-5)
    assert np.isnan(found.per_frame[[21, 22]]).all() and np.isfinite(found.per_frame).sum() == FRAMES - 2
    mean = OFF * lips.mean()
    np.testing.assert_allclose(found.per_frame[[0, 30]], [mean, 3 * mean], atol=1e-5)
    error = numbers["error"]
    assert error["worst_frame"] == 30 and error["worst"] == pytest.approx(3 * mean, abs=1e-5)
    assert error["median"] == pytest.approx(mean, abs=1e-5)
    assert error["parts"]["lips"] == pytest.approx(OFF * (usual + 2) / usual, abs=1e-5) and error["parts"]["nose"] == 0
    assert error["per_frame"][21] is None and len(error["per_landmark"]) == 468


def test_frames_are_marked_and_named(numbers, found):
    assert numbers["bridged"] == [[20, 23]] and numbers["unread"] == [[21, 22]]
    assert (numbers["frames"], numbers["first_frame"], numbers["fps"]) == (FRAMES, FIRST, [FPS, 1])
    assert (
        found.bridged.sum() == 4
        and ranges(np.array([1, 0, 1, 1], bool)) == [[0, 0], [2, 3]]
        and ranges(np.zeros(3, bool)) == []
    )


def test_what_should_be_known_is_said(numbers, made, head, found):
    codes = [one["code"] for one in numbers["warnings"]]
    assert codes == ["unread", "error", "focal"]  # 8 % are bridged: that is little
    from recon.report.warnings import warnings_of

    far = np.full(FRAMES, 60.0)
    small = type(found)(**(vars(found) | {"size_px": np.full(FRAMES, 50.0), "outside": np.full(FRAMES, 0.1)}))
    codes = [one.code for one in warnings_of(made[0], small, far, np.full(FRAMES, 9.0))]
    assert codes == ["unread", "small", "turned", "cut off", "error", "pose", "focal"]


def test_numbers_are_json_without_nan(numbers):
    text = json.dumps(numbers, allow_nan=False)
    assert json.loads(text) == numbers
    sd = numbers["sd"]
    assert sd["lid left"] == {"group": "lids", "unit": "", "mean": 0.02}
    assert sd["jaw open"]["mean"] == pytest.approx(np.degrees(0.02), abs=1e-4) and sd["x"]["mean"] == 2.0
    assert numbers["face_sd_mm"] > 1.25 * np.sqrt(3)  # what no parameter says, and more
    assert numbers["identity"]["told"] == pytest.approx(1 - 0.02**2, abs=1e-5) and numbers["identity"]["rms"] == 0


def test_jitter_is_that_of_the_motion(numbers):
    bands = numbers["jitter"]["bands"]
    assert bands["pose"][0]["rms"] > 30 * bands["pose"][1]["rms"]  # it shakes at 1 Hz
    # 0.3 rad at 1 Hz, less what the window takes from a segment of one and a half waves
    assert np.degrees(0.3) / np.sqrt(2 * 3) == pytest.approx(bands["pose"][0]["rms"], rel=0.5)
    fitted, read = (numbers["jitter"]["acceleration_mm_s2"][name] for name in ("fitted", "read"))
    assert 0 < fitted < read  # one frame's lips jump in the readings


def test_another_film_or_face_is_refused(made, head, tmp_path):
    track, source = made
    with pytest.raises(InputError, match=r"ends at frame 153"):
        check_fits(track.replace(provenance={"first_frame": 103}), source)
    with pytest.raises(InputError, match=r"begins at frame 'x'"):
        check_fits(track.replace(provenance={"first_frame": "x"}), source)
    with pytest.raises(InputError, match="no camera"):
        check_fits(track.replace(camera=None), source)
    with pytest.raises(InputError, match="50 frames, but there are 2 pictures"):
        check_fits(track, source_of([np.zeros((4, 4, 3), np.uint8)] * 2))
    written([row_of(FIRST + i, 1, np.full((468, 2), 5.0)) for i in range(6)], tmp_path)
    elsewhere = Source("film.mp4", film=source.film, parts=tmp_path)
    with pytest.raises(InputError, match="of another film"):
        next(read_landmarks(track, elsewhere, FittedTrack(track, head)))


def test_a_scale_in_every_frame_is_that_of_its_pixels(made, head, found):
    """In weak perspective the same faces, on a scale that grows: as far off in pixels of their own size, and in mm."""
    focal = 900 / 0.8 * np.linspace(1, 1.6, FRAMES)
    camera = Camera(np.stack([focal, focal], 1), np.array(SIZE) / 2, SIZE, orthographic=True)
    track = made[0].replace(camera=camera, provenance={})
    vertices = head.vertices(track.params).double()
    marks = head.landmarks(vertices, "468").numpy()
    eyes = head(track.params).joints[:, 3:5].double().numpy()
    for i, one in enumerate(FittedTrack(track, head)):
        np.testing.assert_allclose(one.landmarks, marks[i, :, :2] * (1, -1) * focal[i] + np.array(SIZE) / 2, atol=1e-2)
        assert one.eye_px == pytest.approx(focal[i] * np.linalg.norm(eyes[i, 0] - eyes[i, 1]), rel=1e-4)
        assert one.mm_per_px == pytest.approx(1000 / focal[i])
    curves = list(curves_of(track, head))
    numbers = summary(track, head, "face", found, curves, powers_of(track, curves))
    assert numbers["focal_px"] is None
    assert numbers["pixels_per_m"] == {"value": 1462.5, "least": 1125.0, "most": 1800.0, "known": None}


def test_every_landmark_is_in_one_part():
    masks = np.stack(list(part_masks().values()))
    assert (masks.sum(0) == 1).all() and (masks.sum(1) >= 8).all()


def test_angles_and_their_deviations():
    def about(axis, degrees):
        turn = torch.zeros(3, dtype=torch.float64)
        turn[axis] = np.radians(degrees)
        return matrix_from_axis_angle(turn)

    wanted = np.array([[40.0, -20.0, 10.0], [-70.0, 30.0, -25.0], [0.0, 0.0, 0.0]])
    turns = torch.stack([axis_angle_from_matrix(about(1, y) @ about(0, p) @ about(2, r)) for y, p, r in wanted])
    angles, sd = yaw_pitch_roll(turns, torch.full((3, 3), 0.01))
    np.testing.assert_allclose(angles, wanted, atol=1e-5)
    rng = np.random.default_rng(0)
    drawn = turns[1] + torch.from_numpy(rng.normal(size=(4000, 3)) * 0.01)
    np.testing.assert_allclose(yaw_pitch_roll(drawn, None)[0].std(0), sd[1], rtol=0.05)  # 4000 draws tell 1 %


def test_power_is_the_variance_by_frequency():
    step, rng = 1 / 50, np.random.default_rng(1)
    welch = Welch(1000, step)
    for i in range(1000):
        wave = 0.5 * np.sin(2 * np.pi * 4 * i * step)
        points = rng.normal(size=(30, 2)) * 0.1
        points[:, 0] += wave
        missing = i % 10 == 3
        welch.add(i * step, None if missing else points)
    bands = {band["hz"][0]: band["rms"] for band in welch.result().bands()}
    assert bands[2.0] == pytest.approx(0.5 / np.sqrt(2), rel=0.06)
    # white noise of two coordinates: 2 * 0.01 over 25 Hz, less what straight lines over gaps take
    assert bands[10.0] == pytest.approx(np.sqrt(0.02 * 15 / 25), rel=0.12)
    assert Welch(10, step).result() is None


def test_segments_with_long_gaps_are_left_out():
    welch = Welch(128, 1 / 50)
    for i in range(128):
        welch.add(i / 50, None if i % 2 else np.zeros((1, 1)))
    assert welch.result() is None


def test_thin_curves_keep_their_peaks():
    curve = np.zeros(10_000)
    curve[[4321, 7000]] = 5, -3
    curve[100:200] = np.nan
    few = thinned(curve, 500, extremes=True)
    assert len(few) == 500 and np.nanmax(few) == 5 and np.nanmin(few) == -3
    assert thinned(curve, 100).shape == (100,) and np.isnan(thinned(curve, 100)[1])
    np.testing.assert_array_equal(thinned(curve[:50], 500), curve[:50])
