"""A film to Tracks: faces are followed, people met by keyframes, frames fitted one by one, their motion joined."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from flame_tools.blas import one_blas_thread
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import Curves, Track
from readers.film import Corrector, read_film
from readers.readings import Readings
from recon.detail.pressed import without_pressed_folds
from recon.film.corrector import corrector_for
from recon.film.fits import FramesOfFits, fit_rows, observation_of
from recon.film.frame_params import params_of_rows
from recon.film.glance import met_at_a_glance
from recon.film.met import Met, met_by_fit
from recon.film.motion import LEAST_TRUST, Motion, joined
from recon.film.rows import Rows, StoredParts, people_in
from recon.fitting.evaluate import IBUG_68
from recon.fitting.focal import focal_from_film
from recon.fitting.observation import View
from recon.fitting.shut_lips import faded, lips_met, seen_shut
from recon.learned.regressor import Regressor
from recon.learned.temporal import bundled_temporal
from recon.pipeline import SMALLEST_FACE_PX, check_focal, landmark_model, size_from
from recon.texture.appearance import fuse_appearance
from recon.texture.frames import choose_texture_frames, held_still, key_frame
from recon.texture.posed_view import PosedView
from recon.texture.uv_map import check_uv
from render.camera import at_frame
from render.footage import Footage, Sound, frames_at, open_footage

KEYFRAMES = 12
FEWEST_FRAMES = 5  # in which a person has to be seen


class _Unmet(InputError):
    """A face that no fit comes near."""


def track_film(
    path: str | os.PathLike,
    head: Head,
    *,
    all_faces: bool = False,
    focal_px: float | None = None,  # where the film does not say, or not rightly
    fps: Fraction | int | None = None,  # of a folder of pictures
    parts: str | os.PathLike | None = None,  # a folder for what is read and fitted, to go on from
    causal: bool = False,
    weak: bool = False,  # weak perspective, as DECA and SMIRK see
    method: str = "auto",  # one of recon.film.corrector.METHODS
    progress: Callable[[float], None] = lambda share: None,
) -> list[Track]:
    """Tracks of the people in a film, who is seen longest first; only that one unless `all_faces`.

    Each Track has the film's own frames from the first to the last in which the person is seen, one identity, one
    focal length, and the film's sound. Frames that cannot be trusted are bridged: `visibility` and the curves
    "tracking" tell which. `method` auto corrects landmarks by recon-base where it knows the head, solve takes them as
    they are read, regress takes who it is and all faces as recon-base and its temporal head tell, and solves for the
    poses alone. `causal` smooths without looking ahead, as a live picture would be. A `weak` camera sees the whole head
    at one depth: in the Track it is orthographic, with its pixels a metre in each frame.

    Raises InputError where no face can be followed and fitted, and what open_footage raises. Of all faces those that
    are never met by a fit are left out.
    """
    correct, glance = corrector_for(head.arrays.id, method), method == "regress"
    if glance and (weak or causal):
        raise InputError(
            "regress sees in perspective and looks ahead; leave out the method, or what asks for "
            f"{'weak perspective' if weak else 'causal smoothing'}"
        )
    check_focal(focal_px)
    footage = open_footage(path, fps=fps)
    if focal_px is None and not weak:
        focal_px = focal_from_film(footage)
    view = View(footage.size, focal_px, weak=weak)
    with kept_parts(parts) as folder:
        people = followed_people(
            footage, folder, correct, all_faces=all_faces, progress=lambda share: progress(0.5 * share)
        )
        share, sound = 0.5 / len(people), footage.sound()
        tracks, unmet = [], None
        for i, rows in enumerate(people):
            try:
                tracks.append(
                    tracked(
                        rows, folder, footage, sound, head, view=view, causal=causal,
                        base=correct.net if glance else None, progress=lambda s, i=i: progress(0.5 + share * (i + s)),
                    )
                )  # fmt: skip
            except _Unmet as error:
                unmet = error
        if not tracks:
            raise unmet
        return tracks


@contextlib.contextmanager
def kept_parts(folder: str | os.PathLike | None) -> Iterator[Path]:
    """A folder for what is read and fitted; a temporary one where None is given."""
    if folder is not None:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


def followed_people(
    footage: Footage,
    folder: Path,  # where what is read is kept
    correct: Corrector | None = None,
    *,
    all_faces: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> list[Rows]:
    """The people of a film, who is seen longest first; only that one unless `all_faces`.

    Raises InputError where no face can be followed.
    """
    done = max(footage.count, 1)
    read = read_film(footage, folder, correct=correct, progress=lambda n: progress(n / done))
    people = [rows for rows in people_in(read, StoredParts(folder)) if _is_usable(rows)]
    if not people:
        raise InputError(
            f"no face could be followed in {footage.path}; wanted one at least {SMALLEST_FACE_PX} pixels tall, seen in "
            f"{FEWEST_FRAMES} frames or more"
        )
    people.sort(key=lambda rows: (-len(rows), rows.id))
    return people if all_faces else people[:1]


def _is_usable(rows: Rows) -> bool:
    return (rows.trust >= LEAST_TRUST).sum() >= FEWEST_FRAMES and np.median(rows.height) >= SMALLEST_FACE_PX


@one_blas_thread()
def tracked(
    rows: Rows,
    folder: Path,  # where fits are kept
    footage: Footage,
    sound: Sound | None,
    head: Head,
    *,
    view: View,
    causal: bool,
    base: Regressor | None = None,  # which tells the faces; they are fitted where None
    progress: Callable[[float], None],
) -> Track:
    """One person's Track from what was read of them."""
    check_uv(head.arrays)
    model = landmark_model(head.arrays)
    if base is None:
        met = met_by_fit(rows, view, head.arrays, model, KEYFRAMES)
    else:
        told = base, bundled_temporal()
        met = met_at_a_glance(rows, footage.times_s, view, head.arrays, model, *told, KEYFRAMES)
    person = met.person
    fit_error = fit_rows(rows, folder, head.arrays, person, view, faces=met.faces, progress=progress)
    first, count = int(rows.frame[0]), int(rows.frame[-1] - rows.frame[0]) + 1
    place = rows.frame - first  # frames in which the person was not found have no row
    trust, error = np.zeros(count), np.full(count, np.inf)
    trust[place], error[place] = rows.trust, fit_error
    times = np.asarray(footage.times_s[first : first + count])
    fits = FramesOfFits(rows, folder, person.layout.size)
    motion = joined(times, fits, trust, error, head.arrays, person.layout, cutoffs=met.cutoffs, causal=causal)
    shut = np.zeros(count)
    shut[place] = rows.trust * np.concatenate([_shut_in(part, head) for _, part in rows.by_part()])
    good = ~motion.bridged
    if not good.any():
        raise _Unmet(
            f"no fit to the face in {footage.path} comes near its landmarks, in none of {count} frames; wanted a real "
            "face, less covered and more from the front"
        )
    quality = {
        "nme_468": float(met.errors.mean()),
        "nme_68": float(met.errors[:, list(IBUG_68)].mean()),
        "nme_468_fitted": float(error[good].mean()) if good.any() else float("nan"),
        "coverage": float(good.mean()),
    }
    track = _track(head, met, motion, times, trust, quality, footage.fps, sound, view, first)
    track = track.replace(params=lips_met(track.params, faded(shut, times, causal=causal), head))
    return _with_appearance(track, head, rows, footage, view)


def _shut_in(readings: Readings, head: Head) -> np.ndarray:
    """[n] in [0, 1]: how surely the lips of each row are shut."""
    return seen_shut(readings.landmarks, np.isfinite(readings.noise).all(1), head.arrays)


def _with_appearance(track: Track, head: Head, rows: Rows, footage: Footage, view: View) -> Track:
    """One texture from the frames that show most of the face and of its sides."""
    first = int(rows.frame[0])
    place = rows.frame - first
    bridged = track.curves["tracking"].values[place, 1] > 0
    rotation, lids = track.params.global_rotation.numpy()[place], track.params.eyelids.numpy()[place]
    held = np.concatenate([held_still(r.landmarks, r.frame) for _, r in rows.by_part()])
    chosen = choose_texture_frames(rotation, lids, held, rows.trust, bridged=bridged)
    if not len(chosen):
        chosen = np.array([int(np.argmax(rows.trust))])
    readings, numbers = rows.take(chosen), [int(number) for number in rows.frame[chosen]]
    key = key_frame(rotation[chosen], lids[chosen], held[chosen], rows.trust[chosen])
    at_key = []

    def views() -> Iterator[PosedView]:
        for i, (row, frame) in enumerate(zip(chosen, frames_at(footage, numbers), strict=True)):
            with torch.no_grad():
                params = track.params.frame(slice(int(place[row]), int(place[row]) + 1))
                vertices = head.vertices(params)[0].cpu().numpy().astype(np.float64)
            camera = at_frame(track.camera, int(place[row]))
            posed = PosedView(frame.image, vertices, camera, observation_of(readings, i, view))
            if i == key:
                at_key.append((posed, head, params.frame(0)))
            yield posed

    taken = fuse_appearance(views(), head.arrays)
    appearance = without_pressed_folds(taken.appearance, *at_key[0])
    made = {"iris_srgb": taken.iris.tolist(), "texture_from": numbers[key], "texture_frames": numbers}
    return track.replace(appearance=appearance, provenance=track.provenance | made)


def _track(
    head: Head,
    met: Met,
    motion: Motion,
    times: np.ndarray,
    trust: np.ndarray,
    quality: dict[str, float],
    fps: Fraction | None,
    sound: Sound | None,
    view: View,
    first_frame: int,
) -> Track:
    dtype, person = head.v_template.dtype, met.person
    each = np.exp(motion.unknowns[:, person.layout.log_focal.start])
    focal = each if view.weak else float(np.exp(person.log_focal))
    std = view.told(motion.sd, person.layout)
    audio = {} if sound is None else {
        "audio": sound.samples, "audio_rate": sound.rate, "audio_start_s": sound.start_s,
    }  # fmt: skip
    return Track(
        head_id=head.arrays.id,
        params=params_of_rows(person, motion.unknowns, person.shape, unknown=0.0, dtype=dtype),
        std=params_of_rows(person, std, person.shape_sd, unknown=float("nan"), dtype=dtype),
        time_s=times,
        fps=None if fps is None else (fps.numerator, fps.denominator),
        camera=view.camera(focal),
        visibility=np.where(motion.bridged, 0.0, trust).astype(np.float32),
        curves={"tracking": Curves(("trust", "bridged"), np.stack([trust, motion.bridged], 1).astype(np.float32))},
        provenance={
            "made_by": met.made_by,
            "landmarks": met.landmarks,
            "quality": {name: round(value, 5) for name, value in quality.items()},
            "keyframes": len(person.keyframes),  # by which who it is was fitted
            **({} if view.weak else {"focal_px": {"value": round(focal, 1), "known": view.focal_px is not None}}),
            "first_frame": first_frame,
            "metric_scale": size_from([view]) if met.faces is None else "the identity that recon-base says",
        },
        licences=(head.arrays.licence,),
        **audio,
    )
