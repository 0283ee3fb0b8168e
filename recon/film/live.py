"""A camera's pictures to a face, one by one: nothing is known of what comes, and memory does not grow.

    tracker = LiveTracker(head)
    for frame in live_frames("camera"):
        face = tracker.step(frame.image, frame.time_s)     # None until somebody is met, and while nobody is there

A person is met from the first good picture, and again, better, as pictures come that show more of them. Every picture
is fitted from the one before and smoothed by those before it, as `track_film(causal=True)` does; the face of a picture
is there as soon as the picture is. Who is hidden stays where they were for HOLD_S; who returns is the same person.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from flame_tools.blas import one_blas_thread
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams, Track
from readers.followed import size_of
from readers.following import FaceInFrame, Follower, FollowOptions
from readers.readings import Readings
from recon.film.corrector import LIVE_METHODS, corrector_for
from recon.film.fits import observation_of
from recon.film.frame_params import params_of_rows
from recon.film.live_keyframes import LiveKeyframes
from recon.film.motion import LEAST_TRUST, WORST_ERROR, Cutoffs, deviation, nearest_turn, usual_variance, weighed
from recon.film.person import AFRESH, FrameFit, Person, fit_frame, meet
from recon.film.smoothing import State, acceleration_density, follow_on
from recon.fitting.observation import Observation, View
from recon.fitting.priors import bounds
from recon.fitting.shut_lips import ShutLips, faded
from recon.pipeline import SMALLEST_FACE_PX, landmark_model, shut_in

KEYFRAMES = 12
GOOD_TRUST = 0.5  # of a picture from which a person may be met
MET_AT = (1, 3, 6, KEYFRAMES)  # so many keyframes
BETTER_AT, BETTER_S = 4, 5.0  # so many new ones among them, so long after: met again
HOLD_S = 2.0  # a face that is not seen is held so long
FORGET_S = 3.0  # after which somebody else who is there is tracked
MOST_KNOWN = 4  # people who may return
_LOOKED_BACK = 256  # frames that tell how sure fits, and how long steps, usually are
_LIPS_BACK = 12  # frames whose shut lips may still be fading


@dataclass(frozen=True)
class LiveFace:
    """The face of one picture."""

    time_s: float
    id: int  # whose: of readers.following
    params: FaceParams  # shape [S]; every other field [1, ...]
    std: FaceParams  # likewise; NaN where unknown
    trust: float  # in [0, 1]; 0 where the picture did not tell and the face was held or bridged
    focal_px: float
    keyframes: int  # from how many pictures the person is known


@dataclass
class _Known:
    """Somebody, and what is kept of them between pictures."""

    keyframes: LiveKeyframes
    person: Person | None = None
    given: bool = False  # known beforehand: not met again
    met_s: float = -np.inf
    met_with: int = 0  # keyframes
    seen_s: float = -np.inf  # well enough to be met
    fitted_s: float = -np.inf  # well enough to be followed
    last: FrameFit | None = None  # to start the next fit from
    fits: int = 0
    state: State | None = None
    turn: np.ndarray | None = None  # [3] the last rotation vector
    variances: deque = field(default_factory=lambda: deque(maxlen=_LOOKED_BACK))  # [K] of good fits
    usual: np.ndarray | None = None  # [K]
    lips: ShutLips | None = None  # of `person`
    shut: deque = field(default_factory=lambda: deque(maxlen=_LIPS_BACK))  # (how surely lips were shut, time_s)


class _Meeting(threading.Thread):
    """Meeting somebody while pictures go on."""

    def __init__(self, head: Head, whom: int, seen: list[Observation]):
        super().__init__(name="emberface-meeting", daemon=True)
        self.head, self.whom, self.seen = head, whom, seen
        self.person: Person | None = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.person = meet(self.head.arrays, landmark_model(self.head.arrays), self.seen)
        except BaseException as error:
            self.error = error


class LiveTracker:
    """Takes pictures in their order, gives the face of each: of whoever is largest at first, as long as they stay."""

    def __init__(
        self,
        head: Head,
        *,
        focal_px: float | None = None,  # where it is known
        method: str = "auto",  # or "solve", as of recon.film.track.track_film
        person: Person | None = None,  # who will be seen first, where they are known already
        follow: FollowOptions | None = None,
        cutoffs: Cutoffs | None = None,
        background: bool = False,  # meet people on a thread of its own: no picture waits; end with close()
    ):
        self.head, self.focal_px, self.background = head, focal_px, background
        self.correct = corrector_for(head.arrays.id, method, methods=LIVE_METHODS)
        self.cutoffs = cutoffs or Cutoffs()
        self.follower = Follower(follow)
        self.whom: int | None = None
        self.known: dict[int, _Known] = {}
        self.awaited = person
        self._steps: deque[float] = deque(maxlen=_LOOKED_BACK)
        self._time_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._meeting: _Meeting | None = None
        self._held = ExitStack()
        if background:  # one limit for both threads: two that come and go would not restore it
            self._held.enter_context(one_blas_thread())

    def close(self) -> None:
        """Wait for what runs beside, and let the linear algebra have its threads back."""
        if self._meeting is not None:
            self._meeting.join()
            self._meeting = None
        self._held.close()

    def __enter__(self) -> LiveTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self, image: np.ndarray, time_s: float) -> LiveFace | None:
        """The face in the next picture, uint8 [H, W, 3] sRGB; None where there is none to speak of.

        Raises ShapeError for what is no picture, or comes before the one before it; InputError where the size changes.
        """
        size = image.shape[1::-1]
        if self._size not in (None, size):
            raise InputError(
                f"a picture is {size[0]} x {size[1]} after ones of {self._size[0]} x {self._size[1]}; wanted one size, "
                "or a new LiveTracker"
            )
        faces = self.follower.step(image, time_s)
        self._size = size
        if self._time_s is not None:
            self._steps.append(time_s - self._time_s)
        self._time_s = time_s
        if self.background:
            return self._face_of(image, faces, time_s)
        with one_blas_thread():
            return self._face_of(image, faces, time_s)

    # --- who

    def _face_of(self, image: np.ndarray, faces: list[FaceInFrame], time_s: float) -> LiveFace | None:
        self._choose(faces, time_s)
        if self.whom is None:
            return None
        one = self.known[self.whom]
        found = next((face for face in faces if face.id == self.whom), None)
        seen = None if found is None else self._observed(image, found)
        if found is not None and _is_good(found):
            one.seen_s = time_s
            if not one.given:
                one.keyframes.offer(seen, time_s)
        self._meet(one, time_s)
        if one.person is None:
            return None
        trust = 0.0 if found is None else float(found.trust)
        return self._fitted(one, seen, trust, time_s)

    def _choose(self, faces: list[FaceInFrame], time_s: float) -> None:
        """Whom to track: who has been, until they are gone and somebody else is there."""
        if self.whom is not None:
            gone = time_s - self.known[self.whom].seen_s
            if gone <= FORGET_S or any(face.id == self.whom for face in faces):
                return
        good = [face for face in faces if _is_good(face)]
        if not good:
            return
        self.whom = max(good, key=lambda face: size_of(face.landmarks)).id
        one = self.known.pop(self.whom, None) or _Known(LiveKeyframes(KEYFRAMES))
        if self.awaited is not None:
            one.person, one.given, self.awaited = self.awaited, True, None
        self.known[self.whom] = one  # last: who was seen longest ago comes first
        for number in list(self.known)[:-MOST_KNOWN]:
            del self.known[number]

    def _observed(self, image: np.ndarray, face: FaceInFrame) -> Observation:
        if self.correct is not None:
            (face,) = self.correct.correct([face], [self.correct.look(image, face)])
        row = Readings.of_frames([(0, 0.0, [face])])  # as it would be kept of a film
        return observation_of(row, 0, View(self._size, self.focal_px))

    def _meet(self, one: _Known, time_s: float) -> None:
        """Meet somebody, or meet them again, where their keyframes say more than they did."""
        self._met()
        marks = one.keyframes
        more = any(one.met_with < count <= len(marks.seen) for count in MET_AT)
        due = more or (marks.changes >= BETTER_AT and time_s - one.met_s >= BETTER_S)
        if one.given or not due or self._meeting is not None:
            return
        marks.changes, one.met_s, one.met_with = 0, time_s, len(marks.seen)
        self._meeting = _Meeting(self.head, self.whom, list(marks.seen))
        if self.background:
            self._meeting.start()
        else:
            self._meeting.run()
            self._met()

    def _met(self) -> None:
        """Take up a meeting that has ended."""
        meeting = self._meeting
        if meeting is None or meeting.is_alive():
            return
        self._meeting = None
        if meeting.error is not None:
            raise meeting.error
        one = self.known.get(meeting.whom)
        if one is not None:
            one.person, one.last, one.lips = meeting.person, None, None  # the next fit begins afresh

    # --- how

    def _fitted(self, one: _Known, seen: Observation | None, trust: float, time_s: float) -> LiveFace | None:
        person, lay = one.person, one.person.layout
        fit = None
        if seen is not None:
            before = None if one.last is None or one.fits % AFRESH == 0 else one.last.unknowns
            fit = one.last = fit_frame(self.head.arrays, person, seen, start=before)
            one.fits += 1
        bridged = fit is None or trust < LEAST_TRUST or not fit.error <= WORST_ERROR
        if bridged and (one.state is None or time_s - one.fitted_s > HOLD_S):
            one.state = one.turn = None
            return None
        if not bridged:
            one.fitted_s = time_s
            one.variances.append(fit.variance)
            if one.usual is None or len(one.variances) < 32 or one.fits % 16 == 0:
                one.usual = usual_variance(np.stack(one.variances))
        value, alone = np.full(lay.size, np.nan), one.usual
        if not bridged:
            value = fit.unknowns.copy()
            one.turn = value[lay.rotation] = nearest_turn(value[lay.rotation], one.turn)
            alone = np.where(fit.variance > 0, fit.variance, one.usual)
            one.shut.append((trust * float(shut_in(seen, self.head)[0]), time_s))
        step = float(np.median(self._steps)) if self._steps else 1 / 30
        density = acceleration_density(one.usual, step, self.cutoffs.of(self.head.arrays, lay))
        spread = np.full(lay.size, np.inf) if bridged else weighed(alone, trust)
        one.state = follow_on(one.state, time_s, value, spread, density)
        return self._face(one, time_s, 0.0 if bridged else trust, alone)

    def _face(self, one: _Known, time_s: float, trust: float, alone: np.ndarray) -> LiveFace:
        person, dtype = one.person, self.head.v_template.dtype
        low, high = bounds(self.head.arrays, person.layout)
        mean = np.clip(one.state.mean[0], low, high)[None]
        sd = deviation(alone + one.state.covariance[0], self.head.arrays, person.layout)[None]
        params = params_of_rows(person, mean, person.shape, unknown=0.0, dtype=dtype)
        return LiveFace(
            time_s,
            self.whom,
            self._lips_met(one, params, time_s),
            params_of_rows(person, sd, person.shape_sd, unknown=float("nan"), dtype=dtype),
            trust,
            float(np.exp(person.log_focal)),
            len(person.keyframes),
        )

    def _lips_met(self, one: _Known, params: FaceParams, time_s: float) -> FaceParams:
        if not one.shut or not len(self.head.arrays.inner_lip_pairs):
            return params
        sure, times = np.array([*one.shut, (0.0, time_s)]).T
        one.lips = one.lips or ShutLips(self.head, params.shape)
        return one.lips.met(params, faded(sure, times, causal=True)[-1:])


def known_from(track: Track, head: Head) -> Person:
    """Who a Track of this head and camera shows, for a LiveTracker that need not meet them.

    Raises InputError where it says nothing of its camera, or is of another head.
    """
    camera = track.camera
    if track.head_id != head.arrays.id or camera is None or camera.orthographic:
        unlike = " and has no camera" if camera is None else " and of weak perspective" if camera.orthographic else ""
        raise InputError(
            f"the track is of head {track.head_id!r}{unlike}; wanted one "
            f"that was tracked from pictures in perspective, of head {head.arrays.id!r}"
        )
    shape = track.params.shape.double().cpu().numpy()
    sd = np.full_like(shape, np.nan) if track.std is None else track.std.shape.double().cpu().numpy()
    focal = float(np.ravel(camera.focal)[0])
    return Person(shape, sd, float(np.log(focal)), landmark_model(head.arrays).of_person(shape), [])


def _is_good(face: FaceInFrame) -> bool:
    return face.trust >= GOOD_TRUST and np.ptp(face.landmarks[:, 1]) >= SMALLEST_FACE_PX
