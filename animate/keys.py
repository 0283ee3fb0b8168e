"""Speech to motion by key motions: first what the face does at key moments, then the frames between them.

After KMTalk (Xu et al. 2024) and KeyFace (Bigata et al. 2025): a first network predicts motion at key moments
(animate.moments), a second one completes it,

    motion(t) = a + u (b - a) + 4 u (1 - u) r(t),

where a and b are the keys on either side, u in [0, 1] is the share of the way between them, and r is what the network
adds: nothing at a key, whatever it is there. So keys can be edited: a pinned key comes through to the bit, and what
lies beyond its neighbouring keys and the windows of attention stays as it was.

Both networks look a bounded way back and ahead; there is no longest recording. They are regressions: one answer, and no
blinks that speech does not tell of (animate.takes has many answers).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from animate.emotion import EMOTIONS
from animate.encoder.blocks import Block, FeedForward, check_heads
from animate.encoder.corpus import PHONES
from animate.model import Conditions
from animate.moments import Spacing, moments, said_at, without_gaps
from animate.motion import Scale
from animate.style import STYLE, StyleEncoder
from flame_tools.errors import InputError, ShapeError
from flame_tools.types import Intervals


@dataclass(frozen=True)
class KeysConfig:
    """The networks' size and how far they look."""

    features: int
    """Numbers a frame that a speech encoder gives."""
    motion: int
    """Columns of a motion row, D."""
    speakers: int = 1
    """Styles that are learnt by name."""
    width: int = 192
    """Channels."""
    heads: int = 6
    """Attention heads."""
    predicting: int = 3
    """Blocks that predict keys."""
    completing: int = 2
    """Blocks that complete them."""
    back: int = 20
    """Frames that attention looks back, a block."""
    ahead: int = 10
    """Frames that attention looks ahead, a block."""
    reach: int = 3
    """Frames that a convolution looks to either side."""
    spacing: Spacing = field(default_factory=Spacing)
    """How near and how far keys may be."""

    def __post_init__(self):
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class Pin:
    """A key that somebody sets. It stands at the frame nearest to its time."""

    time_s: float
    motion: Tensor  # [D] a motion row (animate.motion); NaN columns are left to the network


@dataclass(frozen=True)
class KeyMotions:
    """Motion at key moments."""

    frames: Tensor  # [K] int64, rising, the first and the last frame among them
    motion: Tensor  # [K, D]
    pinned: Tensor  # [K] bool: set by somebody, in part at least


class KeysToMotion(nn.Module):
    def __init__(self, config: KeysConfig):
        super().__init__()
        width, motion = config.width, config.motion
        self.config = config
        self.scale = Scale(motion)
        self.hear = nn.Linear(config.features, width)
        self.say = nn.Embedding(len(PHONES) + 1, width)  # the last one: unknown
        self.feel = nn.Linear(len(EMOTIONS) + STYLE, width)
        self.pin = nn.Linear(2 * motion, width)  # what is given, and which columns are
        self.key = nn.Parameter(torch.randn(width) * 0.02)
        self.digest = FeedForward(width)
        self.predicting = self._blocks(config.predicting)
        self.answer = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, motion))
        self.place = nn.Linear(3 * motion + 3, width)
        self.join = nn.Linear(2 * width, width)
        self.completing = self._blocks(config.completing)
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, motion))
        self.styles = nn.Embedding(config.speakers, STYLE)
        self.style_encoder = StyleEncoder(motion)
        for layer in (self.answer[-1], self.leave[-1]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _blocks(self, count: int) -> nn.ModuleList:
        c = self.config
        return nn.ModuleList(Block(c.width, c.heads, c.back, c.ahead, c.reach) for _ in range(count))

    def predict(
        self,
        features: Tensor,  # [B, T, C]
        conditions: Conditions,
        phones: Tensor,  # [B, T] int64 into PHONES, -1 unknown
        keys: Tensor,  # [B, T] bool: which frames are key moments
        given: Tensor | None = None,  # [B, T, D] pinned motion, NaN where nothing is given
    ) -> tuple[Tensor, Tensor]:
        """The first network: motion [B, T, D], meant at the key moments (given columns as given), and its state."""
        if features.shape[-1] != self.config.features:
            raise ShapeError(f"features are {list(features.shape)}, wanted [B, T, {self.config.features}]")
        told = [value.expand(*features.shape[:2], -1) for value in (conditions.emotion, conditions.style)]
        x = self.hear(features) + self.feel(torch.cat(told, -1)) + self.say(phones % len(self.say.weight))
        x = x + keys[..., None] * self.key
        if given is not None:
            known = ~given.isnan() & keys[..., None]
            scaled = torch.where(known, self.scale(given), 0.0)
            x = x + self.pin(torch.cat([scaled, known.to(scaled)], -1))
        x = self.digest(x)
        for block in self.predicting:
            x = block(x, self.config.ahead)
        motion = self.scale.back(self.answer(x))
        return (motion if given is None else torch.where(known, given, motion)), x

    def complete(self, state: Tensor, keys: Tensor, motion: Tensor) -> Tensor:
        """The second network: motion [B, T, D] of all frames from that at the key moments; elsewhere it is not read."""
        before, after, share = between(keys)
        rows = torch.where(keys[..., None], self.scale(motion), 0.0)
        a, b = (rows.gather(1, at[..., None].expand_as(rows)) for at in (before, after))
        way = a + share[..., None] * (b - a)
        here = torch.arange(keys.shape[1], device=keys.device)
        gaps = torch.stack([here - before, after - here], -1) / self.config.spacing.farthest
        x = self.join(torch.cat([state, self.place(torch.cat([way, a, b, gaps, share[..., None]], -1))], -1))
        for block in self.completing:
            x = block(x, self.config.ahead)
        near = (4 * share * (1 - share))[..., None]
        completed = self.scale.back(way + near * self.leave(x))
        return torch.where(keys[..., None], motion, completed)


def between(keys: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The key frames before and after each frame [B, T] int64 (itself at a key), and its share of the way [B, T].

    The first and the last frame must be keys [B, T] bool.
    """
    if not (keys[:, 0].all() and keys[:, -1].all()):
        raise InputError("the first and the last frame must be key moments; animate.moments makes them so")
    frames = torch.arange(keys.shape[1], device=keys.device).expand_as(keys)
    before = torch.where(keys, frames, 0).cummax(1).values
    after = torch.where(keys, frames, keys.shape[1]).flip(1).cummin(1).values.flip(1)
    share = (frames - before) / (after - before).clamp(min=1)
    return before, after, share


def _with_pins(places: np.ndarray, pins: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Key moments with pinned ones among them: unpinned ones too near to a pin give way, but for the two ends."""
    if not len(pins):
        return places
    far = np.abs(places[:, None] - pins).min(1) >= spacing.nearest
    far[[0, -1]] = True
    return without_gaps(np.unique([*places[far], *pins]), spacing.farthest)


@torch.inference_mode()
def perform(
    network: KeysToMotion,
    features: Tensor,  # [T, C] of the speech encoder that the network was trained with, at its frame rate
    conditions: Conditions,  # [1, T or 1, ...]
    phones: Intervals,  # ARPAbet with times, of a TextGrid or what find_phones found
    *,
    fps: float,
    pins: Sequence[Pin] = (),
) -> tuple[Tensor, KeyMotions]:  # motion [T, D], and the keys it goes through
    """A performance through key motions. Pinned keys are among them, to the bit, and the others heed them."""
    config, count = network.config, len(features)
    if features.ndim != 2 or not count:
        raise ShapeError(f"features are {list(features.shape)}, wanted [T, {config.features}] of one recording")
    given = torch.full((1, count, config.motion), torch.nan)
    for pin in pins:
        frame = round(pin.time_s * fps)
        if pin.motion.shape != (config.motion,):
            raise ShapeError(f"a pin at {pin.time_s:g} s has motion {list(pin.motion.shape)}, wanted [{config.motion}]")
        if not 0 <= frame < count:
            raise InputError(f"a pin at {pin.time_s:g} s is outside the recording of {count / fps:g} s; move it inside")
        if not given[0, frame].isnan().all():
            raise InputError(f"two pins share the frame at {frame / fps:.3f} s; leave one of them out")
        given[0, frame] = pin.motion
    pinned = ~given[0].isnan().all(-1)
    places = _with_pins(moments(phones, count, fps, config.spacing), pinned.nonzero()[:, 0].numpy(), config.spacing)
    keys = torch.zeros(1, count, dtype=torch.bool)
    keys[0, torch.from_numpy(places)] = True
    said = torch.from_numpy(said_at(phones, count, fps))[None]
    predicted, state = network.predict(features[None], conditions, said, keys, given)
    motion = network.complete(state, keys, predicted)[0]
    frames = torch.from_numpy(places)
    return motion, KeyMotions(frames, motion[frames], pinned[frames])


def as_pins(keys: KeyMotions, fps: float) -> list[Pin]:
    """Keys to edit and to give back: all that `perform` went through, pinned."""
    return [Pin(frame / fps, row) for frame, row in zip(keys.frames.tolist(), keys.motion, strict=True)]


def edited(pin: Pin, columns: Sequence[int], values: Sequence[float]) -> Pin:
    """A pin with some columns of its motion set."""
    motion = pin.motion.clone()
    motion[list(columns)] = torch.as_tensor(values, dtype=motion.dtype)
    return dataclasses.replace(pin, motion=motion)
