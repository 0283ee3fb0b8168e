"""Faces followed through a film: found when need be, read from where they were last, known again when they return.

    follower = Follower()
    for frame in footage.frames():
        for face in follower.step(frame.image, frame.time_s): ...    # face.id, face.landmarks, face.trust

The detector looks at the first frame, after a cut, where a face was lost, and about once a second for newcomers.
Otherwise a face is read in the crop that its last two readings foretell. What is read but cannot be trusted is marked
(`trust`), what cannot be read is left out; nothing is made up. A face that was lost keeps its number: it is known again
by its place within a second, later by what it looks like (readers.appearance). Where that is unclear it gets a
new number: two numbers for one person are mended more easily than one number for two.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field, replace

import numpy as np

from flame_tools.errors import ShapeError
from readers.appearance import describe, distance, remember, view_of, yaw
from readers.cuts import CutFinder
from readers.detection import Detection, detect, overlap
from readers.faces import UNSTEADY as UNSTEADY_DETECTION
from readers.faces import FaceReading, read_detection
from readers.followed import MIN_PRESENCE, Followed, box_of, change_of_shape, size_of, trust_in, trust_in_look
from readers.landmarks import VIEWS, Look, look, roi_of_landmarks
from readers.sampling import Square
from readers.tongue import teeth_and_tongue

NEW_LOOK_S = 3.0  # a face that reads well and looks other than before for so long looks so from now on
SURE_NEWCOMER, STEADY_NEWCOMER = 0.995, 0.012  # whom nobody has seen before must read like a face; real ones: 0.9995


@dataclass(frozen=True)
class FollowOptions:
    """How faces are followed."""

    views: int = 2  # crops that are averaged in each frame: 1, 2, 3 or 5; more are steadier and slower
    most_faces: int = 8  # the largest are followed
    newcomers_s: float = 1.0  # how often the detector looks for further faces
    lost_s: float = 0.5  # how long a face that cannot be read is looked for where it was, before it counts as gone
    known: float = 0.32  # distance of descriptions (1 - cosine) up to which a face that returns elsewhere is the same
    same_place: float = 0.55  # the same for a face that returns where it was
    margin: float = 0.05  # by how much the next most like has to be less like

    def __post_init__(self):
        if self.views not in VIEWS:
            raise ShapeError(f"views is {self.views}, wanted one of {', '.join(map(str, VIEWS))}")
        if self.most_faces < 1:
            raise ShapeError(f"most_faces is {self.most_faces}, wanted at least 1")


@dataclass(frozen=True)
class FaceInFrame:
    """One face of one frame, in pixels of the image."""

    id: int
    landmarks: np.ndarray  # [468, 3] x, y, z
    iris: np.ndarray  # [10, 2] right centre and ring of 4, left centre and ring of 4
    spread: np.ndarray  # [468] px, over the views
    score: float  # in [0, 1]: the landmark network's belief that this is a face
    trust: float  # in [0, 1]: below about 0.3 bridge it rather than use it
    together: float = 0.0  # in [0, 1]: how surely the mouth is open and its teeth are together
    tongue: float = 0.0  # in [0, 1]: how far the tongue is out
    noise: np.ndarray = field(default_factory=lambda: np.full(468, np.nan))
    """[468] px: how far off each landmark may be, NaN where its reader does not tell."""
    told: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """[M] what its reader says of the face beside landmarks; nothing where it says no more."""


class Follower:
    """Takes the frames of a film in order. Its state (`readers.follower_state`) can be kept and taken up again."""

    def __init__(self, options: FollowOptions | None = None):
        self.options = options or FollowOptions()
        self.faces: list[Followed] = []
        self.away: list[Followed] = []  # lost ones, that may return
        self.cuts = CutFinder()
        self.next_id = 0
        self.time_s = -np.inf
        self.looked_s = -np.inf  # when the detector looked last
        self.searched_s = -np.inf  # when it looked for small faces too
        self.cut_s = -np.inf  # when the shot began

    def step(self, image: np.ndarray, time_s: float) -> list[FaceInFrame]:
        """The faces of the next frame, uint8 [H, W, 3], ordered by id."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ShapeError(f"frame is {image.dtype} {list(image.shape)}, wanted uint8 [H, W, 3] sRGB")
        if not time_s > self.time_s:
            raise ShapeError(f"frame at {time_s} s comes after one at {self.time_s} s; wanted frames in their order")
        first = self.time_s == -np.inf
        self.time_s = float(time_s)
        cut, maybe = self.cuts.look(image)
        read: dict[int, FaceInFrame | None] = {}
        if not cut:
            before = [(face, copy.copy(face)) for face in self.faces] if maybe else []
            read = {face.id: self._follow(image, face) for face in self.faces}
            cut = any(self._another(image, old, read[face.id]) for face, old in before)
            if cut:  # as they were before somebody else was read in their place
                self.faces, read = [old for _, old in before], {}
        if cut:
            self.cut_s = self.time_s
            self._send_away(self.faces)
        self._settle(image, read)
        self._let_go()
        missed = any(read.get(face.id) is None for face in self.faces)
        for fresh in self._looked_for(image, first or cut, missed):
            read[fresh.id] = fresh
        seen = [read[face.id] for face in sorted(self.faces, key=lambda f: f.id) if read.get(face.id)]
        return [_with_mouth(image, face) for face in seen]

    # --- faces that are being followed

    def _follow(self, image: np.ndarray, face: Followed) -> FaceInFrame | None:
        """Read a face where it should be now; None where there is none."""
        crop = face.crop(self.time_s)
        views = VIEWS[self.options.views]
        seen = look(image, crop, views)
        wanted = roi_of_landmarks(seen.landmarks[:, :2])
        if seen.score >= MIN_PRESENCE and _apart(crop, wanted):  # read off centre: once more, from better knowledge
            seen = look(image, wanted, views)
        height, width = image.shape[:2]
        trust = trust_in(seen, face, self.time_s, width, height)
        if seen.score < MIN_PRESENCE or size_of(seen.landmarks) < 8:
            return None
        face.take(seen, self.time_s, trust)
        turned, description = yaw(face.landmarks), describe(image, face.landmarks)
        itself = trust_in_look(face.unlike(turned, description))
        lasting = self.time_s - face.latest_s > NEW_LOOK_S  # a mask, a cap, another light: no longer a hand
        if trust > 0.7 and (itself > 0.7 or lasting) and not face.contested:
            self._remember(face, turned, description)
        return _in_frame(face.id, seen, trust * itself)

    def _remember(self, face: Followed, turned: float, description: np.ndarray) -> None:
        face.latest, face.latest_yaw, face.latest_s = description, turned, self.time_s
        view = view_of(turned)
        if face.weights[view] == 0 or self.time_s - face.remembered_s >= 0.25:
            face.seen, face.weights = remember(face.seen, face.weights, view, description)
            face.remembered_s = self.time_s

    def _another(self, image: np.ndarray, before: Followed, now: FaceInFrame | None) -> bool:
        """Whether what is read in a face's place now is nothing, or somebody else."""
        if now is None or now.trust == 0:
            return True
        apart = before.unlike(yaw(now.landmarks), describe(image, now.landmarks))
        return apart is not None and apart > self.options.known

    def _settle(self, image: np.ndarray, read: dict) -> None:
        """Two followed faces at one place: one of them has been lost to the other. After they part: who is who?"""
        here = [face for face in self.faces if read.get(face.id)]
        for i, one in enumerate(here):
            for two in here[i + 1 :]:
                if one not in self.faces or two not in self.faces:
                    continue
                shared = float(overlap(one.box, two.box[None])[0])
                if shared > 0.5:
                    loser = max((one, two), key=lambda face: (self._unlike(image, face), face.id))
                    read[loser.id] = None
                    loser.landmarks = loser.trusted
                    self._send_away([loser])
                elif shared > 0.02:
                    one.contested = two.contested = True
                elif one.contested and two.contested and _gap(one, two) > 0.1:
                    self._told_apart(image, one, two, read)
        for face in here:
            others = [other for other in here if other is not face]
            if face.contested and all(_gap(face, other) > 0.1 for other in others):
                face.contested = False

    def _unlike(self, image: np.ndarray, face: Followed, as_whom: Followed | None = None) -> float:
        """How little a face looks now as it (or another) has looked so far."""
        known = as_whom or face
        found = distance(known.seen, known.weights, view_of(yaw(face.landmarks)), describe(image, face.landmarks))
        # the latest look is left out: it may be the other's already
        return self.options.same_place if found is None else found

    def _told_apart(self, image: np.ndarray, one: Followed, two: Followed, read: dict) -> None:
        stay = self._unlike(image, one) + self._unlike(image, two)
        swap = self._unlike(image, one, two) + self._unlike(image, two, one)
        if swap + 2 * self.options.margin < stay:
            for name in ("id", "seen", "weights", "latest", "latest_yaw", "latest_s", "remembered_s"):
                a, b = getattr(one, name), getattr(two, name)
                setattr(one, name, b)
                setattr(two, name, a)
            first, second = read[two.id], read[one.id]  # as they were read, under the other's number
            read[one.id], read[two.id] = replace(first, id=one.id), replace(second, id=two.id)

    def _let_go(self) -> None:
        """Faces that could not be read, or not be trusted, for a while."""
        self._send_away([f for f in self.faces if self.time_s - f.trusted_s > self.options.lost_s])

    def _send_away(self, faces: list[Followed]) -> None:
        gone = {face.id for face in faces}
        self.away = ([f for f in self.faces if f.id in gone] + self.away)[:32]
        self.faces = [f for f in self.faces if f.id not in gone]

    # --- faces that appear

    def _looked_for(self, image: np.ndarray, anew: bool, missed: bool) -> list[FaceInFrame]:
        """Let the detector look where there is reason to, and take up whom it finds."""
        since, pause = self.time_s - self.looked_s, self.options.newcomers_s
        if missed or not self.faces:
            pause = min(pause, 0.1)
        if not anew and since < pause - 1e-6:
            return []
        deep = anew or (not self.faces and self.time_s - self.searched_s >= 2 * self.options.newcomers_s)
        found = detect(image, search_all=deep, levels=4 if anew else 3 if deep else 1)
        self.looked_s = self.time_s
        if deep:
            self.searched_s = self.time_s
        newcomers = []
        for one in found:
            if len(self.faces) + len(newcomers) >= self.options.most_faces:
                break
            fresh = self._newcomer(image, one, [n.landmarks for n in newcomers])
            if fresh is not None:
                newcomers.append(fresh)
        return self._named(image, newcomers)

    def _newcomer(self, image: np.ndarray, found: Detection, taken: list[np.ndarray]) -> FaceReading | None:
        """Read a detection; None where it is no face, or one that is followed already."""
        followed = [f for f in self.faces if f.seen_s == self.time_s]
        boxes = [f.box for f in followed] + [box_of(points) for points in taken]
        if any(_covers(box, found.box) for box in boxes):
            return None
        reading = read_detection(image, found, views=max(3, self.options.views))
        if reading.score < MIN_PRESENCE or reading.unsteadiness > UNSTEADY_DETECTION:
            return None  # hands and folds may look like a face to the detector
        if any(_covers(box, reading.box) for box in boxes):
            return None
        return reading

    def _named(self, image: np.ndarray, newcomers: list[FaceReading]) -> list[FaceInFrame]:
        """Numbers for newcomers: the nearest pairs of newcomer and missing face first, then new numbers."""
        missing = [f for f in self.faces if f.seen_s < self.time_s] + self.away
        described = [describe(image, one.landmarks) for one in newcomers]
        pairs = sorted(
            (cost, n, m) for n, one in enumerate(newcomers) for m, cost in self._candidates(one, described[n], missing)
        )
        whose: dict[int, Followed] = {}
        for _, n, m in pairs:
            if n not in whose and all(missing[m] is not other for other in whose.values()):
                whose[n] = missing[m]
        out = []
        height, width = image.shape[:2]
        for n, one in enumerate(newcomers):
            seen = Look(one.landmarks, one.spread, one.iris, one.score)
            face = whose.get(n)
            if face is None and (one.score < SURE_NEWCOMER or one.unsteadiness > STEADY_NEWCOMER):
                continue
            if face is None:
                face = Followed(self.next_id, seen.landmarks, self.time_s, seen.landmarks, self.time_s)
                self.next_id += 1
            face.landmarks = face.trusted = seen.landmarks
            face.seen_s = face.trusted_s = self.time_s
            face.motion = np.zeros(4)
            turned = yaw(seen.landmarks)
            itself = trust_in_look(face.unlike(turned, described[n]))
            trust = trust_in(seen, None, self.time_s, width, height) * itself
            self.away = [f for f in self.away if f is not face]
            if all(f is not face for f in self.faces):
                self.faces.append(face)
            if itself > 0.7:
                self._remember(face, turned, described[n])
            out.append(_in_frame(face.id, seen, trust))
        return out

    def _candidates(self, one: FaceReading, description: np.ndarray, missing: list[Followed]):
        """(number in `missing`, cost) of those that a newcomer may be."""
        turned = yaw(one.landmarks)
        apart = [face.unlike(turned, description) for face in missing]
        ranked = sorted(value for value in apart if value is not None)
        for m, (face, value) in enumerate(zip(missing, apart, strict=True)):
            near = self.time_s - face.trusted_s <= 1.0 and face.trusted_s >= self.cut_s and _same_place(face, one)
            if near and (value is None or value <= self.options.same_place):
                yield m, -1.0 + (value or 0.0)  # motion goes before looks
            elif value is not None and value <= self.options.known:
                rival = next((other for other in ranked if other > value), np.inf)
                if ranked[0] == value and rival - value >= self.options.margin:
                    yield m, value


def _in_frame(number: int, seen: Look, trust: float) -> FaceInFrame:
    return FaceInFrame(number, seen.landmarks, seen.iris, seen.spread, seen.score, trust)


def _with_mouth(image: np.ndarray, face: FaceInFrame) -> FaceInFrame:
    together, tongue = teeth_and_tongue(image, face.landmarks[:, :2])
    return dataclasses.replace(face, together=together, tongue=tongue)


def _apart(crop: Square, wanted: Square) -> bool:
    """Whether a crop lies so far from the one that its own landmarks ask for that they are worse for it."""
    shift = np.hypot(wanted.x - crop.x, wanted.y - crop.y) / crop.size
    turn = abs((wanted.angle - crop.angle + np.pi) % (2 * np.pi) - np.pi)
    return shift > 0.07 or turn > 0.12 or not 0.87 < wanted.size / crop.size < 1.15


def _gap(one: Followed, two: Followed) -> float:
    """Free space between two boxes, over their size; negative where they overlap."""
    a, b = one.box, two.box
    free = np.maximum(a[:2] - b[2:], b[:2] - a[2:]).max()
    return float(free / max(size_of(one.landmarks), size_of(two.landmarks)))


def _covers(box: np.ndarray, other: np.ndarray) -> bool:
    """Whether two boxes show the same face."""
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    shared = float(np.prod(np.clip(high - low, 0, None)))
    return shared > 0.4 * min(float(np.prod(box[2:] - box[:2])), float(np.prod(other[2:] - other[:2])))


def _same_place(face: Followed, one: FaceReading) -> bool:
    """Whether a reading lies where a face was trusted last, of the same size and turned alike."""
    alike = 0.75 < one.size / max(size_of(face.trusted), 1e-12) < 1.33
    there = overlap(box_of(face.trusted), one.box[None])[0] > 0.3
    return bool(alike and there and change_of_shape(one.landmarks, face.trusted) < 0.12)
