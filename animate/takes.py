"""Many takes of one line: a flow (animate.flow) followed from noise to motion, by seed and take.

The noise of latent i is drawn from (seed, take, i) and nothing else, and every step of the solver sees a bounded way
back and ahead. So a recording can go through whole or in pieces of any size, with the memory of a few seconds, and
becomes the same motion up to rounding (2e-5); `perform` cuts it in one way always, so that its bytes repeat.

Guidance (classifier-free, Ho & Salimans 2022), one weight w a condition, all told in the first term and each left out
in its own:

    v = v(a, e, s) + (w_a - 1) [v(a, e, s) - v(-, e, s)]
                   + (w_e - 1) [v(a, e, s) - v(a, -, s)]
                   + (w_s - 1) [v(a, e, s) - v(a, e, -)]

At weights of 1 that is v(a, e, s), no guidance, and costs one evaluation; each other weight costs one more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from animate.chance import checked
from animate.encoder.windowed import Delay, Window
from animate.flow import EVERYTHING, Flow, Told
from animate.model import Conditions
from flame_tools.errors import InputError, ShapeError

_PIECE = 512  # frames that `perform` handles together
_STREAM = 7  # keeps these numbers apart from those of animate.chance


@dataclass(frozen=True)
class Guidance:
    """How strongly each condition is insisted on. 1: as learnt; above: more so, less varied; 0: as if not told."""

    audio: float = 1.0
    """What is heard: articulation."""
    emotion: float = 1.0
    """What is felt."""
    style: float = 1.0
    """By whom."""

    def __post_init__(self):
        if not all(math.isfinite(weight) and weight >= 0 for weight in vars(self).values()):
            found = ", ".join(f"{name} {weight:g}" for name, weight in vars(self).items())
            raise InputError(f"guidance is {found}; wanted weights of 0 or more, 1 for no guidance")

    def terms(self) -> tuple[tuple[Told, float], ...]:
        """The velocities that are asked for, and their weights, which add up to 1."""
        extra = {name: value - 1.0 for name, value in vars(self).items() if value != 1.0}
        without = ((Told(**{name: False}), -value) for name, value in extra.items())
        return (EVERYTHING, 1.0 + sum(extra.values())), *without


@dataclass(frozen=True)
class Sampling:
    """How a flow is followed."""

    steps: int = 8
    """Steps from noise to motion."""
    method: str = "euler"
    """euler, or heun: twice the evaluations a step, second order."""
    spread: float = 1.0
    """Deviation of the noise: 1 as learnt, less for tamer takes, 0 for one alone."""
    guidance: Guidance = field(default_factory=Guidance)
    """How strongly each condition is insisted on."""

    def __post_init__(self):
        if self.method not in ("euler", "heun") or self.steps < 1 or not self.spread >= 0:
            raise InputError(
                f"cannot follow a flow in {self.steps} steps by {self.method!r} with spread {self.spread:g}; wanted "
                "one step or more by euler or heun, and a spread of 0 or more"
            )


def noise(seed: int | tuple[int, ...], take: int, places: range, size: int) -> Tensor:
    """Standard normal numbers [len(places), size], row i from (seed, take, places[i]) alone."""
    numbers = seed if isinstance(seed, tuple) else (checked(seed),)
    rows = (np.random.default_rng((*numbers, _STREAM, 1 + take, 1 + i)).standard_normal(size) for i in places)
    return torch.from_numpy(np.stack([*rows, np.zeros(size)])[:-1].astype(np.float32))


class Heard:
    """Speech as it comes to what each latent is told of."""

    def __init__(self, flow: Flow):
        self.flow = flow
        self._delays = flow.hearing_delays()
        self._told = Delay(Window(0, flow.frames_ahead))  # conditions wait for what is heard
        self._waiting: Tensor | None = None  # [1, n, ...] frames that do not fill a latent yet

    @torch.inference_mode()
    def push(self, features: Tensor, conditions: Conditions, *, last: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Features [n, C] and their conditions [1, n or 1, ...] -> audio, emotion, style [1, m, width] of latents."""
        heard = self.flow.heard(features[None], self._delays, last)
        rows = (value.expand(1, len(features), -1) for value in (conditions.emotion, conditions.style))
        held, first, stop = self._told.push(torch.cat(list(rows), -1), last=last)
        rows = torch.cat([heard, held[:, first:stop]], -1)
        rows = rows if self._waiting is None else torch.cat([self._waiting, rows], 1)
        frames = self.flow.prior.config.frames
        full = rows.shape[1] if last else rows.shape[1] - rows.shape[1] % frames
        self._waiting = rows[:, full:]
        if not full:
            return (rows.new_zeros(1, 0, self.flow.config.width),) * 3
        sizes = self.flow.config.width, conditions.emotion.shape[-1], conditions.style.shape[-1]
        heard, emotion, style = rows[:, :full].split(sizes, -1)
        return self.flow.gathered(heard, Conditions(emotion, style))


class _Evaluation:
    """One velocity of the solver, over latents that come in pieces."""

    def __init__(self, flow: Flow, t: float, sampling: Sampling):
        self.flow = flow
        self._t = torch.tensor([t])
        self._terms = sampling.guidance.terms()
        self._delays = flow.delays()

    def __call__(self, x: Tensor, told: Tensor, last: bool) -> Tensor:
        """x [1, n, latent], told [terms, n, width] -> velocity [1, m, latent]."""
        found = self.flow.velocity(x.expand(len(told), -1, -1), self._t, told, self._delays, last)
        weights = found.new_tensor([weight for _, weight in self._terms])
        return torch.einsum("g,gnl->nl", weights, found)[None] if len(found) > 1 else found


class _Step:
    """One step of the solver: latents at t to latents at t + dt, as they become certain."""

    def __init__(self, flow: Flow, t: float, dt: float, sampling: Sampling):
        self._dt = dt
        self._count = len(sampling.guidance.terms())
        window = Window(0, flow.latents_ahead)
        self._first, self._wait = _Evaluation(flow, t, sampling), Delay(window)
        self._second = self._wait_longer = None
        if sampling.method == "heun":
            self._second, self._wait_longer = _Evaluation(flow, t + dt, sampling), Delay(window)

    def __call__(self, x: Tensor, told: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        v = self._first(x, told, last)
        x, told = self._aligned(self._wait, last, x, told)
        guess = x + self._dt * v
        if self._second is None:
            return guess, told
        ahead = self._second(guess, told, last)
        (x, v), told = self._pair(self._wait_longer, last, x, v, told)
        return x + self._dt * (v + ahead) / 2, told

    def _aligned(self, wait: Delay, last: bool, x: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """x and told of the latents whose velocity is certain."""
        rows = torch.cat([x.expand(len(told), -1, -1), told], -1)
        held, first, stop = wait.push(rows, last=last)
        x, told = held[:, first:stop].split((x.shape[-1], told.shape[-1]), -1)
        return x[:1], told

    def _pair(self, wait: Delay, last: bool, x: Tensor, v: Tensor, told: Tensor):
        both, told = self._aligned(wait, last, torch.cat([x, v], -1), told)
        return both.chunk(2, -1), told


class Take:
    """One take, as what its latents are told of comes."""

    def __init__(self, flow: Flow, *, seed: int | tuple[int, ...], take: int = 0, sampling: Sampling = Sampling()):
        self.flow, self.seed, self.take, self.sampling = flow, seed, take, sampling
        dt = 1.0 / sampling.steps
        self._steps = [_Step(flow, k * dt, dt, sampling) for k in range(sampling.steps)]
        self._decoder = flow.prior.decoder.delays()
        self._begun = 0  # latents

    @torch.inference_mode()
    def push(self, audio: Tensor, emotion: Tensor, style: Tensor, *, last: bool = False) -> Tensor:
        """What `Heard` gives, [1, n, width] each -> motion [m, D], every frame of the latents that are certain."""
        flow, count = self.flow, audio.shape[1]
        if not count and not last:
            return audio.new_zeros(0, flow.prior.config.motion)
        told = torch.cat([flow.told(audio, emotion, style, which) for which, _ in self.sampling.guidance.terms()])
        places = range(self._begun, self._begun + count)
        self._begun += count
        x = self.sampling.spread * noise(self.seed, self.take, places, flow.prior.config.latent)[None]
        for step in self._steps:
            x, told = step(x, told, last)
        return flow.prior.scale.back(flow.prior.decoder(flow.scale.back(x), self._decoder, last))[0]


def perform(
    flow: Flow,
    features: Tensor,  # [T, C] float32, of the speech encoder that the flow was trained with, at its frame rate
    conditions: Conditions,  # [1, T or 1, ...]
    *,
    seed: int | tuple[int, ...],
    takes: int = 1,
    sampling: Sampling = Sampling(),
) -> Iterator[Tensor]:  # `takes` times motion [T, D]
    """Takes 0, 1, ... of one line, made as they are asked for. The first ones are the same however many there are.

    A recording of any length: memory beyond features, conditions and the motion itself does not grow with it, but for
    what the latents are told of (0.1 of the features' size).
    """
    if features.ndim != 2:
        raise ShapeError(f"features are {list(features.shape)}, wanted [T, {flow.config.features}] of one recording")
    if takes < 1:
        raise InputError(f"takes is {takes}, wanted 1 or more")
    if not len(features):
        raise InputError("features have no frame; give some speech")
    parts = [slice(at, at + _PIECE) for at in range(0, len(features), _PIECE)]
    ear = Heard(flow)
    heard = [ear.push(features[part], conditions.rows(part), last=part is parts[-1]) for part in parts]

    def made() -> Iterator[Tensor]:
        for number in range(takes):
            take = Take(flow, seed=seed, take=number, sampling=sampling)
            motion = [take.push(*told, last=told is heard[-1]) for told in heard]
            yield torch.cat(motion)[: len(features)]

    return made()
