"""A voice as it comes to a face as it goes: the bundled encoder and network on their short look ahead.

What needs the whole recording is done with what is known so far. Lips are shut where the encoder hears P, B or M, the
lower one is at the teeth at F and V, and both rest where it hears nobody speak; blinks, gaze and a slow drift of the
head are planned a minute at a time, by seed. A frame is known some 0.2 s after its sound, and no memory grows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from animate import chance, eyes, headmotion
from animate.bearing import bearing_of
from animate.contact import closed_by, seal
from animate.emotion import EMOTIONS, MOUTH, layer, parse
from animate.emphasis import Accents
from animate.encoder.corpus import NOISE, PHONES
from animate.encoder.model import FRAME_S, Listener
from animate.hearing import bundled
from animate.labiodental import bite_of, bitten
from animate.learned import Performer, load_performer
from animate.lids import Lids, blinked
from animate.live_sound import PIECE_S, Levelled
from animate.model import Conditions, SpeechToMotion, Stream
from animate.motion import face_of
from animate.perform import Spoken, params_of
from animate.speech import HOP_S, RATE, Prosody
from animate.style import STYLE
from animate.visemes import BILABIAL, LABIODENTAL, SILENCE
from flame_tools.arkit import INDEX, LID_OWNED, from_params
from flame_tools.errors import InputError
from flame_tools.export.livelink import weights_and_angles
from flame_tools.lips import Lips
from flame_tools.smooth import smooth_step
from flame_tools.types import Track

_MINUTE_S = 60.0
_EDGE_S = 2.0  # in which the head comes from rest and goes back to it
_LIKING = 3.0  # by which the odds of a P, B or M are raised: one that is missed shows more than one too many
_AROUND = (0.6, 1.0, 0.6, 0.2)  # how far lips shut a frame after, at, and one and two before a P, B or M
_LABIAL, _DENTAL = (np.isin(PHONES, list(phones)) for phones in (BILABIAL, LABIODENTAL))
_QUIET = np.isin(PHONES, [SILENCE, NOISE])
_LIDS = [INDEX[name] for name in LID_OWNED]


class LiveFace:
    """Push sound, get the frames that are certain: a Track of each piece, its times from the first sample on."""

    def __init__(
        self,
        rate: int,  # Hz of what is pushed
        *,
        performer: Performer | None = None,
        emotion: str | dict | np.ndarray | None = None,
        seed: int = 0,
    ):
        """`emotion` is one for the whole stream ("happy:0.6", [8]). Raises InputError where it is none, or changes, and
        where `seed` is none."""
        self.performer = performer or load_performer("motion")
        network = self.performer.network
        if not isinstance(network, SpeechToMotion):
            raise InputError(
                f"{type(network).__name__} needs the whole recording; live speech wants a network that answers as it "
                "hears: the bundled one, or that of `emberface train animate`"
            )
        if isinstance(emotion, str) and emotion.strip().lower().partition(":")[0] == "voice":
            raise InputError(
                "what a voice feels is heard of a whole recording (emberface animate --emotion voice), not as it "
                "comes; name an emotion, such as happy:0.6"
            )
        self.feelings = parse(None if isinstance(emotion, str) and not emotion else emotion)
        if self.feelings.shape != (len(EMOTIONS),):
            raise InputError(
                f"emotion is {list(self.feelings.shape)}, wanted one for the whole stream: happy:0.6, or [8]"
            )
        self.fps, self.head = self.performer.fps, self.performer.head
        self._rate, self._seed = rate, chance.checked(seed)
        self._shape = torch.zeros(self.head.shape_size)
        self._lips = Lips(self.head, self._shape)
        self._bite = bite_of(self._lips.person)
        self._lids = Lids(self.head)
        self._levelled, self._listener = Levelled(rate), Listener(bundled())
        self._stream = Stream(network, network.live)
        felt = torch.as_tensor(self.feelings, dtype=torch.float32)
        self._conditions = Conditions(felt[None, None], torch.zeros(1, 1, STYLE))
        self._rest = layer(self.feelings)
        self._rows = _Rows(self.fps)
        self._heard = np.zeros((0, 3))  # of frames from `_first` on: P, B or M; F or V; anybody speaking
        self._first = self._done = self._samples = 0
        self._life = _Life(self.fps, self._seed, self.feelings)

    def fresh(self) -> LiveFace:
        """One that has heard nothing yet, and has nothing left to load, compile or plan before its first frames."""
        for track in performed(np.zeros((8, round(PIECE_S * self._rate)), np.float32), self):
            weights_and_angles(track, self.head)
        some = np.zeros((1, len(self._rest)))
        seal(some, np.maximum(closed_by(some, self._lips), 1.0), self._lips)
        face = LiveFace(self._rate, performer=self.performer, emotion=self.feelings, seed=self._seed)
        face._life = self._life  # its first minute is planned, and hangs on the seed and the emotion alone
        return face

    def push(self, piece: np.ndarray, *, last: bool = False) -> Track | None:
        """Samples [n] float in [-1, 1], any number. None where no further frame is certain yet."""
        sound = self._levelled.push(piece, last=last)
        self._samples += len(sound)
        heard = self._listener.push(torch.from_numpy(sound), last=last)
        chances = np.exp(heard.phones.numpy())
        labial, dental, quiet = (chances[:, some].sum(1) for some in (_LABIAL, _DENTAL, _QUIET))
        told = np.stack([_LIKING * labial / (1 + (_LIKING - 1) * labial), dental, 1 - quiet], 1)
        end = math.ceil(self._samples / RATE * self.fps) if last else None
        rows = self._rows.push(np.concatenate([heard.hidden.numpy(), told], 1), end)
        self._heard = np.concatenate([self._heard, rows[:, -3:]])
        features = torch.from_numpy(rows[:, :-3].astype(np.float32))
        motion = self._stream.push(features, self._conditions, last=last)
        return self._track(motion) if len(motion) else None

    def _track(self, motion: torch.Tensor) -> Track:
        """Frames `_done` and on, with lips that meet and a face that lives."""
        count, at = len(motion), self._done
        times = np.arange(at, at + count) / self.fps
        with torch.no_grad():
            weights = from_params(face_of(motion, self.head), self.head).double().numpy()
            shut, biting, speaking = self._told(at, count)
            weights[:, MOUTH] = self._rest[list(MOUTH)] + speaking[:, None] * (
                weights[:, MOUTH] - self._rest[list(MOUTH)]
            )
            some = np.flatnonzero(shut > 0.02)  # elsewhere lips are as the network has them
            if len(some):
                closing = np.maximum(closed_by(weights[some], self._lips), shut[some])
                weights[some] = seal(weights[some], closing, self._lips)
            weights = bitten(weights, biting, shut, self._bite)
            closure, look, turn = self._life.at(at, count)
            look = look - 0.9 * turn[:, :2]  # eyes stay where they look while the head moves
            weights[:, _LIDS] = self._rest[_LIDS]
            weights = blinked(weights, closure, look, self._lids)
            params = params_of(Spoken(weights, np.zeros((count, 3))), self.head, self._shape)
            both = np.zeros((count, 2, 3), np.float32)
            both[..., :2] = look[:, None]
            params = params.replace(neck=torch.as_tensor(turn, dtype=torch.float32), eyes=torch.from_numpy(both))
        self._done += count
        return Track(self.head.arrays.id, params, times, fps=(self.fps, 1))

    def _told(self, at: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How far lips are shut, and the lower one at the teeth, and whether anybody speaks: [count] in [0, 1] each."""
        wanted = np.arange(at - 1, at + count + 2) - self._first
        near = self._heard[np.clip(wanted, 0, len(self._heard) - 1)]
        moved = np.max([share * near[i : i + count, :2] for i, share in enumerate(_AROUND)], 0)
        speaking = np.max([near[i : i + count, 2] for i in range(len(_AROUND))], 0)
        drop = max(at + count - 1 - self._first, 0)
        self._heard, self._first = self._heard[drop:], self._first + drop
        return *smooth_step((moved - 0.3) / 0.3).T, np.clip(2 * speaking, 0.0, 1.0)


class _Rows:
    """The encoder's rows, FRAME_S apart, at the frames of a performance: linear between, as they come."""

    def __init__(self, fps: int):
        self.fps = fps
        self._kept: np.ndarray | None = None
        self._first = self._next = 0  # of the rows kept, of the frames to come

    def push(self, rows: np.ndarray, end: int | None) -> np.ndarray:
        """Rows [n, C] -> frames [m, C]. `end` is how many frames there are in all, once that is known."""
        kept = rows if self._kept is None else np.concatenate([self._kept, rows])
        last = self._first + len(kept) - 1
        # Frame i lies between rows floor(i / fps / FRAME_S) and the next; exact in whole numbers.
        frames_stop = end if end is not None else math.floor(last * FRAME_S * self.fps - 1e-9) + 1
        places = np.arange(self._next, max(frames_stop, self._next)) / (self.fps * FRAME_S)
        at = np.clip(places - self._first, 0, max(len(kept) - 1, 0))
        low = np.minimum(at.astype(int), max(len(kept) - 2, 0))
        high = np.minimum(low + 1, max(len(kept) - 1, 0))
        share = (at - low)[:, None]
        out = kept[low] * (1 - share) + kept[high] * share if len(kept) else np.zeros((0, rows.shape[1]))
        self._next += len(out)
        drop = min(max(math.floor(self._next / (self.fps * FRAME_S)) - self._first, 0), max(len(kept) - 1, 0))
        self._kept, self._first = kept[drop:], self._first + drop
        return out


@dataclass(frozen=True)
class _Minute:
    lids: np.ndarray  # [T]
    look: np.ndarray  # [T, 2] radians down and left
    turn: np.ndarray  # [T, 3] axis-angle of the neck


class _Life:
    """Blinks, glances and a drifting head, planned a minute at a time."""

    def __init__(self, fps: int, seed: int, feelings: np.ndarray):
        self.fps, self.seed, self.feelings = fps, seed, feelings
        self._frames = round(_MINUTE_S * fps)
        self._number, self._planned = -1, None

    def at(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Lids [n], gaze [n, 2] and neck [n, 3] at frames `first` and on."""
        parts = []
        while count > 0:
            number, inside = divmod(first, self._frames)
            if number != self._number:
                self._number, self._planned = number, self._plan(number)
            some = slice(inside, min(inside + count, self._frames))
            parts.append([value[some] for value in vars(self._planned).values()])
            first, count = first + some.stop - inside, count - (some.stop - inside)
        lids, look, turn = (np.concatenate(part) for part in zip(*parts, strict=True))
        return lids, look, turn

    def _plan(self, number: int) -> _Minute:
        own, times = (self.seed, number), np.arange(self._frames) / self.fps
        bearing = bearing_of(self.feelings, times, seed=(self.seed,))  # one posture in every minute
        pace, away = bearing.blinks[0], bearing.away[0]
        blinks = eyes.plan_blinks(_MINUTE_S - 0.5, np.zeros(0), pace=lambda at: pace, seed=own)
        frames = round(_MINUTE_S / HOP_S)
        talking = Prosody(np.zeros(frames), np.full(frames, np.nan), np.zeros(frames), -60.0)
        turn = headmotion.neck(times, talking, Accents(np.zeros(0), np.zeros(0)), seed=own)
        smooth = smooth_step(np.minimum(times, _MINUTE_S - times) / _EDGE_S)
        look = eyes.gaze(times, [], away=lambda at: away, seed=own) + bearing.look
        return _Minute(
            eyes.lid_closure(blinks, times), look, bearing.posture + bearing.moves[:, None] * turn * smooth[:, None]
        )


def performed(pieces: Iterable[np.ndarray], face: LiveFace) -> Iterator[Track]:
    """Tracks of pieces of sound, and of what is left when they end."""
    for piece in pieces:
        track = face.push(piece)
        if track is not None:
            yield track
    track = face.push(np.zeros(0, np.float32), last=True)
    if track is not None:
        yield track
