"""Films to Tracks: accuracy, jitter, frame rates and speed. JSON on the last line.

    python benchmarks/recon_film.py

- `nme_468_CLIP`, `coverage_CLIP`: landmarks that the fit had not seen, over the distance between the eyes, at the
  keyframes; frames that were tracked. Clips of ../shared/data/faces/video (left out where they are not there).
- `jitter_CLIP`: RMS acceleration above 3 Hz of the posed 468 landmarks, of the Track over that of the single fits.
- `nme_468_CLIP_regress`, `jitter_CLIP_regress`: of `--method regress`, at the keyframes, where all landmarks are seen;
  the jitter is over that of the faces and poses that single frames tell. `alone_CLIP`: nme_468 of those.
- `jitter_made`, `peak_made`: a made head that shakes at 1.2 Hz and speaks at 3 Hz, 60 frames a second, read with noise
  of 0.5 % of the distance between the eyes: acceleration above 8 Hz likewise; the motion's own peaks, found over true.
- `rate_apart`: the same motion in films of 24 and of 60 frames a second: RMS difference of the curves of jaw and turn
  over the motion's RMS.
- `frames_per_s`: from decoding to the Track, of the longest clip played to and fro twice, on two cores, once warm;
  `read_ms` and `track_ms` of a frame are its two halves `regress_ms` the second by regress,
  `processor_ms` is what both halves cost the cores: on a busy machine
  the only figure to go by.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from flame_tools.blas import one_blas_thread  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.types import Track  # noqa: E402
from readers.film import FRAMES_A_PART, read_film  # noqa: E402
from readers.readings import Readings  # noqa: E402
from recon.film.fits import observation_of  # noqa: E402
from recon.film.glance import met_at_a_glance  # noqa: E402
from recon.film.keyframes import candidates, farthest_apart  # noqa: E402
from recon.film.motion import joined  # noqa: E402
from recon.film.person import fit_frame, follow, meet  # noqa: E402
from recon.film.rows import people_in  # noqa: E402
from recon.film.track import KEYFRAMES, tracked  # noqa: E402
from recon.fitting.observation import FitOptions, Observation, View  # noqa: E402
from recon.learned.regressed import NetworkCorrector, base_of  # noqa: E402
from recon.learned.temporal import Temporal, TemporalConfig  # noqa: E402
from recon.pipeline import landmark_model  # noqa: E402
from render.footage import open_footage  # noqa: E402
from render.video import write_video  # noqa: E402
from tests.recon.film.test_film import above  # noqa: E402
from tests.recon.fitting.test_fit import photographed  # noqa: E402

CLIPS = ROOT / "../shared/data/faces/video"
EXACT = FitOptions(noise=0.006, gap_noise=0.006, along_oval=1.0, iris_noise=0.006)


def main() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    head = load_head()
    correct = NetworkCorrector(base_of(head.arrays.id))
    model = landmark_model(head.arrays)
    figures, paths = {}, sorted([*CLIPS.glob("*.gif"), *CLIPS.glob("*.mkv")])
    for path in paths:
        name = path.name.split(".")[0].removeprefix("head-pose-face-detection-")
        footage = open_footage(path)
        rows = _read(footage, correct)
        track = _tracked(rows, footage, head)
        quality = track.provenance["quality"]
        figures |= {f"nme_468_{name}": quality["nme_468"], f"coverage_{name}": quality["coverage"]}
        figures[f"jitter_{name}"] = _jitter(rows, track, footage, head)
        figures |= _regressed(name, rows, footage, head, correct)
        print(name, figures, flush=True)
    if paths:
        figures |= _speed(max(paths, key=lambda path: open_footage(path).count), head, correct)
    figures |= _made(head, model)
    print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


def _read(footage, correct: NetworkCorrector) -> Readings:
    """Who is seen most."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Readings.joined(list(read_film(footage, folder, correct=correct)))
    return rows.of(int(np.bincount(rows.id).argmax()))


def _tracked(rows: Readings, footage, head, base=None) -> Track:
    parts = [rows.take(slice(a, a + FRAMES_A_PART)) for a in range(0, len(rows), FRAMES_A_PART)]
    (person,) = people_in(parts, parts)
    known = {"view": View(footage.size), "causal": False, "base": base, "progress": lambda share: None}
    with tempfile.TemporaryDirectory() as folder:
        return tracked(person, Path(folder), footage, footage.sound(), head, **known)


@one_blas_thread()
def _regressed(name: str, rows: Readings, footage, head, correct: NetworkCorrector) -> dict[str, float]:
    """The Track by regress beside what single frames tell."""
    track = _tracked(rows, footage, head, base=correct.net)
    view, sizes = View(footage.size), TemporalConfig(head.arrays.id, head.shape_size, head.expression_size + 8)
    (person,), idle = people_in([rows], [rows]), Temporal(sizes).eval()  # which changes nothing
    model, times = landmark_model(head.arrays), footage.times_s
    alone = met_at_a_glance(person, times, view, head.arrays, model, correct.net, idle, KEYFRAMES)
    faces = alone.faces.at(slice(0, len(rows)))
    seen = [observation_of(rows, i, view) for i in range(len(rows))]
    person = alone.person
    fits = [fit_frame(head.arrays, person, one, face=face) for one, face in zip(seen, faces, strict=True)]
    singles = np.stack([person.model.points(f.unknowns)[:468].ravel() for f in fits])
    smooth = head.landmarks(head.vertices(track.params), "468").numpy().reshape(len(track), -1)
    return {
        f"nme_468_{name}_regress": track.provenance["quality"]["nme_468"],
        f"jitter_{name}_regress": above(smooth, track.time_s, 3.0) / above(singles, track.time_s, 3.0),
        f"alone_{name}": float(np.mean([f.error for f in fits])),
    }


def _speed(path: Path, head, correct: NetworkCorrector) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        there = [frame.image for frame in open_footage(path).frames()]
        film = Path(folder) / "film.mp4"
        write_video(film, [*there, *there[::-1]] * 2, 25)
        footage = open_footage(film)
        wall, processor = time.perf_counter(), time.process_time()
        rows = _read(footage, correct)
        read = time.perf_counter()
        _tracked(rows, footage, head)
        end = time.perf_counter()
        used = time.process_time() - processor
        _tracked(rows, footage, head, base=correct.net)
        regressed = time.perf_counter()
    return {
        "regress_ms": 1000 * (regressed - end) / footage.count,
        "frames_per_s": footage.count / (end - wall),
        "read_ms": 1000 * (read - wall) / footage.count,
        "track_ms": 1000 * (end - read) / footage.count,
        "processor_ms": 1000 * used / footage.count,
    }


@one_blas_thread()
def _jitter(rows: Readings, track, footage, head) -> float:
    """Acceleration above 3 Hz of the Track's landmarks over that of the single fits'."""
    view = View(footage.size)
    seen = [observation_of(rows, i, view) for i in range(len(rows))]
    chosen = candidates(rows.trust, KEYFRAMES)
    chosen = chosen[farthest_apart(rows.landmarks[chosen], KEYFRAMES)]
    person = meet(head.arrays, landmark_model(head.arrays), [seen[i] for i in chosen])
    fits = follow(head.arrays, person, seen, len(seen))
    singles = np.stack([person.model.points(f.unknowns)[:468].ravel() for f in fits])
    vertices = head.vertices(track.params)
    smooth = head.landmarks(vertices, "468").numpy().reshape(len(track), -1)
    return above(smooth, track.time_s, 3.0) / above(singles, track.time_s, 3.0)


def _made(head, model) -> dict:
    curves, figures = {}, {}
    for fps in (24, 60):
        times, truths, person, fits = _performed(head, model, fps)
        raw, variance = np.stack([f.unknowns for f in fits]), np.stack([f.variance for f in fits])
        error, lay = np.array([f.error for f in fits]), person.layout
        motion = joined(times, [(raw, variance)], np.ones(len(fits)), error, head.arrays, lay)
        curves[fps] = times, motion.unknowns[:, [lay.rotation.start + 1, lay.jaw.start]]
        true = truths[:, [model.layout.rotation.start + 1, model.layout.jaw.start]]
        if fps == 60:
            marks = [np.stack([person.model.points(x)[:468].ravel() for x in xs]) for xs in (motion.unknowns, raw)]
            figures["jitter_made"] = above(marks[0], times, 8.0) / above(marks[1], times, 8.0)
            figures["peak_made"] = float(np.min(np.ptp(curves[fps][1], axis=0) / np.ptp(true, axis=0)))
    at = np.arange(0.2, 1.8, 0.01)
    read = [CubicSpline(t, c)(at) for t, c in curves.values()]  # a straight line would cut 3 Hz peaks between 24 frames
    spread = read[1] - read[1].mean(0)
    figures["rate_apart"] = float(np.max(np.sqrt(((read[0] - read[1]) ** 2).mean(0) / (spread**2).mean(0))))
    return figures


@one_blas_thread()
def _performed(head, model, fps: int):
    """Two seconds of one motion at a rate: times, true unknowns, the person and the single fits."""
    times, lay = np.arange(2 * fps) / fps, model.layout
    rng = np.random.default_rng(fps)
    truths, seen = [], []
    for t in times:
        x, clean = photographed(head, model, 1, turn=(0.05, 0.4 * np.sin(2 * np.pi * 1.2 * t), 0))
        x[lay.jaw] = (0.12 + 0.1 * np.sin(2 * np.pi * 3 * t), 0)
        pixels = clean.view.project(model.points(x), np.exp(x[lay.log_focal][0]))
        irises = model.slices["iris"].start + np.array([0, 5])
        noisy = pixels + rng.normal(size=pixels.shape) * 0.4
        seen.append(Observation(noisy[model.slices["468"]], noisy[irises], clean.iris_radius, clean.view))
        truths.append(x)
    person = meet(head.arrays, model, seen[:: len(seen) // 8], options=EXACT)
    return times, np.stack(truths), person, follow(head.arrays, person, seen, len(seen), options=EXACT)


if __name__ == "__main__":
    main()
