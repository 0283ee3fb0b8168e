"""Films to Tracks: made ones whose motion is known, and real clips where the machine has them."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
import torch

import emberface_cli
from flame_tools.archive import read_npz
from flame_tools.errors import FormatError, InputError
from flame_tools.posing import posed_frames
from flame_tools.track_check import check_track
from flame_tools.track_file import load_track, save_track
from readers.film import read_film
from readers.readings import Readings, part_files, read_parts
from recon.film.fits import FORMAT, VERSION, fits_path, read_fits
from recon.film.glance import Glances
from recon.film.keyframes import candidates, farthest_apart
from recon.film.live import known_from
from recon.film.motion import joined
from recon.film.person import follow, meet
from recon.film.rows import StoredParts, people_in
from recon.film.track import track_film
from recon.fitting.layout import Layout
from recon.fitting.observation import FitOptions
from recon.learned.regressed import base_of
from recon.learned.temporal import bundled_temporal
from recon.pipeline import landmark_model
from render.camera import at_frame, project
from render.footage import open_footage
from render.video import write_video
from tests.recon.conftest import shared
from tests.recon.fitting.test_fit import photographed

FPS, FRAMES = 25, 30


def sways(i: int) -> tuple[float, float]:
    """Pixels by which frame i of the made film is moved."""
    return 30 * np.sin(i / 6), 12 * np.sin(i / 9)


@pytest.fixture(scope="module")
def film(astronaut, tmp_path_factory):
    """The portrait, swaying, with a tone; its face is covered in frames 18 to 20."""
    path = tmp_path_factory.mktemp("film") / "a film.mp4"

    def frames():
        for i in range(FRAMES):
            x, y = (round(v) for v in sways(i))
            image = np.roll(astronaut, (y, x), (0, 1)).copy()
            if 18 <= i <= 20:
                image[20 + y : 240 + y, 120 + x : 330 + x] = 90
            yield image

    tone = np.sin(np.arange(int(16000 * FRAMES / FPS)) / 20).astype(np.float32) * 0.3
    write_video(path, frames(), FPS, tone, 16000)
    return path


@pytest.fixture(scope="module")
def parts_of_ten():
    """Parts of ten frames, so that a short film has some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recon.film.track.read_film", partial(read_film, frames_a_part=10))
        yield


@pytest.fixture(scope="module")
def tracked(film, head, parts_of_ten, tmp_path_factory):
    parts = tmp_path_factory.mktemp("parts")
    (track,) = track_film(film, head, parts=parts, all_faces=True)
    return track, parts


def test_a_film_becomes_a_track_with_its_sound(tracked, head, film):
    track, _ = tracked
    check_track(track)
    assert len(track) == FRAMES and track.fps == (FPS, 1) and track.head_id == head.arrays.id
    assert track.audio is not None and abs(len(track.audio) / track.audio_rate - FRAMES / FPS) < 0.1
    assert track.provenance["quality"]["nme_468_fitted"] < 0.03
    assert track.provenance["metric_scale"] == "iris of 11.7 mm"
    assert track.appearance.albedo is not None
    (first, *_), = [list(posed_frames(track, head))]  # fmt: skip
    assert np.isfinite(first).all()


def test_covered_frames_are_bridged_and_marked(tracked):
    track, _ = tracked
    bridged = track.curves["tracking"].values[:, 1] > 0
    assert bridged[18:21].all() and not bridged[:17].any() and not bridged[23:].any()
    assert (track.visibility[bridged] == 0).all() and (track.visibility[:17] > 0.3).all()
    assert track.provenance["quality"]["coverage"] == pytest.approx(1 - bridged.mean(), abs=1e-3)
    # the head goes on through the gap as the picture does, less surely
    focal, depth = track.camera.focal[0], -track.params.translation[:, 2].numpy()
    x = track.params.translation[:, 0].numpy() * focal / depth
    wanted = np.array([round(sways(i)[0]) for i in range(FRAMES)])
    assert np.abs((x - x.mean()) - (wanted - wanted.mean())).max() < 6
    assert (track.std.translation[19] > track.std.translation[10]).all()


def test_a_face_that_no_fit_comes_near_is_refused(tracked, film, head, tmp_path, monkeypatch):
    shutil.copytree(tracked[1], tmp_path / "parts")
    monkeypatch.setattr("recon.film.motion.WORST_ERROR", 0.0)
    with pytest.raises(InputError, match="comes near its landmarks"):
        track_film(film, head, parts=tmp_path / "parts", all_faces=True)


def test_weak_perspective_has_a_scale_in_every_frame(tracked, film, head, tmp_path):
    """Of what was read before; the fits beside it are of another camera, and made again."""
    _, parts = tracked
    shutil.copytree(parts, tmp_path / "parts")
    (track,) = track_film(film, head, parts=tmp_path / "parts", weak=True)
    assert fits_path(tmp_path / "parts", 0, 0).read_bytes() != fits_path(parts, 0, 0).read_bytes()
    check_track(track)
    save_track(track, tmp_path / "weak.face.npz")
    camera = load_track(tmp_path / "weak.face.npz").camera
    assert camera.orthographic and camera.focal.shape == (FRAMES, 2) and len(np.unique(camera.focal)) == FRAMES
    assert np.ptp(camera.focal) < 0.05 * camera.focal.mean()  # the portrait only sways
    np.testing.assert_allclose(track.params.translation[:, 2], -1.2, atol=1e-6)
    assert torch.isnan(track.std.translation[:, 2]).all() and track.appearance.albedo is not None
    nose = head.arrays.regions["nose"]
    seen = [project(v[nose], at_frame(camera, i))[:, :2].mean(0) for i, v in enumerate(posed_frames(track, head))]
    wanted = np.array([np.round(sways(i)) for i in range(FRAMES)])
    off = np.stack(seen) - wanted
    assert np.abs(off - off.mean(0)).max() < 6  # also where it is covered
    with pytest.raises(InputError, match="weak perspective"):
        known_from(track, head)


def test_a_run_that_was_stopped_ends_in_the_same_bytes(tracked, film, head, tmp_path):
    """Its last part is not there, nor are the fits of it; those of the part before are of something else."""
    track, parts = tracked
    assert len(part_files(parts)) == 3
    part_files(parts)[2].unlink()
    fits = [fits_path(parts, 0, number) for number in range(3)]
    whole = [path.read_bytes() for path in fits]
    fits[2].unlink()
    fits[1].write_bytes(whole[0])
    kept = fits[0].stat().st_mtime_ns
    (again,) = track_film(film, head, parts=parts, all_faces=True)
    for name, one in (("a", track), ("b", again)):
        save_track(one, tmp_path / f"{name}.face.npz")
    assert (tmp_path / "a.face.npz").read_bytes() == (tmp_path / "b.face.npz").read_bytes()
    assert [path.read_bytes() for path in fits] == whole and fits[0].stat().st_mtime_ns == kept


def test_fits_that_are_none_are_refused(tracked, tmp_path):
    _, parts = tracked
    whole = fits_path(parts, 0, 0)
    size = read_npz(whole, FORMAT, VERSION)[0]["unknowns"].shape
    key = read_npz(whole, FORMAT, VERSION)[1]["key"]
    assert read_fits(whole, key, size) is not None and read_fits(whole, "another", size) is None
    with pytest.raises(FormatError, match="remove it"):
        read_fits(whole, key, (size[0] + 1, size[1]))
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(FormatError, match="truncated"):
        read_fits(cut, key, size)


def test_landmarks_are_the_networks_unless_they_are_to_be_mediapipes(tracked, film, head, parts_of_ten, tmp_path):
    track, parts = tracked
    assert track.provenance["landmarks"] == "recon-base"
    with pytest.raises(InputError, match=r"corrected by recon-base .* by nobody"):
        track_film(film, head, parts=parts, method="solve")
    own, read = (Readings.joined(list(some)) for some in (read_parts(parts), read_film(open_footage(film), tmp_path)))
    assert np.isfinite(own.noise).all() and np.isnan(read.noise).all()
    np.testing.assert_array_equal(own.iris, read.iris)
    apart = np.linalg.norm(own.landmarks - read.landmarks, axis=-1) / np.ptp(read.landmarks[..., 1], axis=1)[:, None]
    assert 0.003 < np.median(apart) < 0.05
    with pytest.raises(InputError, match="method 'guess' is none of auto, solve, regress"):
        track_film(film, head, method="guess")


def test_a_film_without_a_face_says_so(head, tmp_path):
    write_video(tmp_path / "grey.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 5, 25)
    with pytest.raises(InputError, match=r"no face could be followed in .*grey\.mp4"):
        track_film(tmp_path / "grey.mp4", head)


def test_regressed_at_a_glance(tracked, film, head, tmp_path):
    """Of what was read before: the same person and gap, faces as the networks tell them, whatever the parts."""
    fitted, parts = tracked
    shutil.copytree(parts, tmp_path / "parts")
    (track,) = track_film(film, head, parts=tmp_path / "parts", method="regress")
    check_track(track)
    quality, lay = track.provenance["quality"], Layout.of(0, head.expression_size)
    assert track.provenance["made_by"] == "recon-base, recon-temporal" and quality["nme_468"] < 0.04
    assert (track.curves["tracking"].values[:, 1] > 0).tolist() == (fitted.curves["tracking"].values[:, 1] > 0).tolist()
    turned = (track.params.global_rotation - fitted.params.global_rotation).norm(dim=-1)
    assert turned.max() < 0.15 and torch.isfinite(track.std.expression).all()
    glances = Glances(
        *(rows_of(tmp_path / "parts"), open_footage(film).times_s, head.arrays, landmark_model(head.arrays).layout),
        base_of("default"), bundled_temporal(),
    )  # fmt: skip
    whole = np.stack([face.mean for face in glances.at(slice(0, len(glances.rows)))])
    apart = np.concatenate(
        [[face.mean for face in glances.at(slice(a, min(a + 7, len(whole))))] for a in range(0, len(whole), 7)]
    )
    np.testing.assert_allclose(apart, whole, atol=1e-5)
    fits = read_fits(fits_path(tmp_path / "parts", 0, 0), None, (10, lay.size))
    np.testing.assert_allclose(fits.unknowns[:, : lay.rotation.start], whole[:10], atol=1e-5)
    for other in ({"weak": True}, {"causal": True}):
        with pytest.raises(InputError, match="regress sees in perspective and looks ahead"):
            track_film(film, head, method="regress", **other)


def rows_of(folder):
    (rows,) = people_in(list(read_parts(folder)), StoredParts(folder))
    return rows


@pytest.mark.long
@pytest.mark.parametrize("name", ["female", "male", "asl_again"])
def test_real_clips_are_regressed_whole(name, head, tmp_path, capsys):
    """Through the command."""
    kind = "asl_again.mkv" if name == "asl_again" else f"head-pose-face-detection-{name}.preview.gif"
    path = tmp_path / "out.face.npz"
    words = ["recon", shared(f"video/{kind}"), "-o", path, "--method", "regress", "--json"]
    assert emberface_cli.run([str(word) for word in words]) == 0
    quality = json.loads(capsys.readouterr().out)["quality"]
    assert quality["nme_468"] < 0.04 and quality["coverage"] == 1
    yaw = np.degrees(load_track(path).params.global_rotation[:, 1].numpy())
    assert np.ptp(yaw) > 50 if name == "female" else np.ptp(yaw) < 40


@pytest.mark.long
@pytest.mark.parametrize("name", ["female", "male"])
def test_real_clips_are_tracked_whole(name, head):
    (track,) = track_film(shared(f"video/head-pose-face-detection-{name}.preview.gif"), head, all_faces=True)
    quality = track.provenance["quality"]
    assert quality["coverage"] == 1 and quality["nme_468"] < 0.03
    yaw = np.degrees(track.params.global_rotation[:, 1].numpy())
    assert np.ptp(yaw) > 50 if name == "female" else np.ptp(yaw) < 15


# --- motion -------------------------------------------------------------------------------------------------------

EXACT = FitOptions(noise=0.006, gap_noise=0.006, along_oval=1.0, iris_noise=0.006)


@pytest.fixture(scope="module")
def nodding(head, model):
    """A second of 60 frames: a head that shakes at 1.2 Hz and speaks at 3 Hz, read with noise. Fits frame by frame."""
    times = np.arange(60) / 60
    lay, rng = model.layout, np.random.default_rng(0)
    truths, seen = [], []
    for i, t in enumerate(times):
        x, clean = photographed(head, model, 1, turn=(0.05, 0.4 * np.sin(2 * np.pi * 1.2 * t), 0))
        x[lay.jaw] = (0.12 + 0.1 * np.sin(2 * np.pi * 3 * t), 0)
        points = model.points(x)
        pixels = clean.view.project(points, np.exp(x[lay.log_focal][0]))
        marks = pixels[model.slices["468"]] + rng.normal(size=(468, 2)) * 0.4
        irises = pixels[[model.slices["iris"].start, model.slices["iris"].start + 5]] + rng.normal(size=(2, 2)) * 0.4
        truths.append(x)
        seen.append(type(clean)(marks, irises, clean.iris_radius, clean.view))
        assert i == len(seen) - 1
    person = meet(head.arrays, model, seen[::12], options=EXACT)
    return times, np.stack(truths), person, follow(head.arrays, person, seen, len(seen), options=EXACT)


def above(curve: np.ndarray, times: np.ndarray, hz: float) -> float:
    """RMS acceleration of curves [T, n] above a frequency."""
    spectrum = np.fft.rfft(np.diff(curve, 2, axis=0), axis=0)
    spectrum[np.fft.rfftfreq(len(curve) - 2, times[1] - times[0]) < hz] = 0
    return float(np.sqrt((np.fft.irfft(spectrum, axis=0) ** 2).mean()))


def test_jitter_is_less_than_half_and_peaks_stay(nodding, head, model):
    times, truths, person, fits = nodding
    lay = person.layout
    raw, variance = np.stack([f.unknowns for f in fits]), np.stack([f.variance for f in fits])
    error, trust = np.array([f.error for f in fits]), np.ones(len(fits))
    motion = joined(times, [(raw, variance)], trust, error, head.arrays, lay)
    assert not motion.bridged.any()
    marks = {name: np.stack([person.model.points(x)[:468].ravel() for x in xs])
             for name, xs in (("raw", raw), ("joined", motion.unknowns))}  # fmt: skip
    assert above(marks["joined"], times, 8.0) < 0.5 * above(marks["raw"], times, 8.0)
    for part, column in ((lay.rotation, 1), (lay.jaw, 0)):
        true = truths[:, getattr(model.layout, "rotation" if part is lay.rotation else "jaw")][:, column]
        found = motion.unknowns[:, part][:, column]
        assert np.ptp(found) == pytest.approx(np.ptp(true), rel=0.08)
    causal = joined(times, [(raw, variance)], trust, error, head.arrays, lay, causal=True)
    np.testing.assert_allclose(causal.unknowns[-1], motion.unknowns[-1], atol=1e-9)
    assert np.abs(causal.unknowns[20] - motion.unknowns[20]).max() > 1e-4  # it does not know what comes


def test_frames_that_cannot_be_trusted_do_not_pull(nodding, head):
    times, _, person, fits = nodding
    raw, variance = np.stack([f.unknowns for f in fits]), np.stack([f.variance for f in fits])
    error, turns = np.array([f.error for f in fits]), person.layout.rotation
    wild, trust = raw.copy(), np.ones(len(raw))
    wild[25:37, turns] += 1.0
    trust[25:37] = 0.1
    lost = joined(times, [(wild, variance)], trust, error, head.arrays, person.layout)
    kept = joined(times, [(raw, variance)], np.ones(len(raw)), error, head.arrays, person.layout)
    assert lost.bridged.sum() == 12
    assert np.abs(lost.unknowns - kept.unknowns)[:, turns].max() < 0.12  # of the 0.8 that it turns
    assert (lost.sd[31, turns] > 1.2 * lost.sd[10, turns]).all()


def test_keyframes_differ_most():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(468, 2)) * 50
    kinds = base + rng.normal(size=(4, 468, 2)) * 8  # four faces, each many times, anywhere and of any size
    rows = np.concatenate([np.repeat(kinds[k][None], 25, 0) for k in range(4)])
    rows = rows * rng.uniform(0.5, 2, (100, 1, 1)) + rng.normal(size=(100, 1, 2)) * 300
    chosen = farthest_apart(rows, 4)
    assert sorted(chosen // 25) == [0, 1, 2, 3]
    trust = np.ones(100)
    trust[50:75] = 0.1
    trusted = candidates(trust, 3)
    assert 2 not in trusted[farthest_apart(rows[trusted], 3)] // 25
