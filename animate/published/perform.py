"""A recording through a published model: EMOTE to a Track on FLAME, FaceFormer to vertices, or fitted to FLAME.

Both models take a bounded length at once (EMOTE 1200 frames, 48 s; FaceFormer 600, 20 or 24 s). Longer recordings run
in windows that are cross-faded (windows.py); shorter ones in one pass, exactly as published.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from animate.emotion import EMOTIONS
from animate.emotion import parse as parse_emotion
from animate.published import emote, faceformer
from animate.published.emote import IDENTITIES, INTENSITIES, Emote
from animate.published.faceformer import FaceFormer
from animate.published.fitted import fitted
from animate.published.hearing import normalised
from animate.published.windows import joined, starts
from animate.speech import RATE, Speech, prepare
from flame_tools.errors import InputError, ShapeError
from flame_tools.head import Head
from flame_tools.identity import checked_identity
from flame_tools.types import Curves, FaceParams, Track

FLAME_VERTICES = 5023
_OVERLAP = 60  # frames, two seconds
_LICENCES = {
    Emote: "EMOTE model: non-commercial scientific research (Max-Planck-Gesellschaft)",
    FaceFormer: "FaceFormer model: trained on VOCASET or BIWI, non-commercial research",
}


def animate_with(
    model: Emote | FaceFormer,
    audio: np.ndarray,  # [N] or [C, N], float in [-1, 1] or integers
    rate: int,  # Hz
    *,
    head: Head,  # FLAME, as the model was trained on
    emotion: str | Mapping[str, float] | np.ndarray | None = None,  # EMOTE: "happy:0.8", {...}, [8] or [T, 8]
    intensity: float = 2.0,  # EMOTE: its levels 0, 1, 2, linear between them
    identity: str | int = 0,  # EMOTE: an actor of IDENTITIES or a number; FaceFormer: a training subject's number
    shape: Tensor | None = None,  # [S] identity of the face that performs, the head's mean where None
) -> Track:
    """What the model makes of a recording, as a Track on `head`, at the model's own frame rate.

    An emotion below 1 is mixed with neutral, and above 1 in sum scaled to 1: EMOTE's conditions sum to 1. FaceFormer
    knows no emotion; its vertices are fitted to the head's expression and jaw, and curves["published"] tells how far
    from them each frame is (residual_mm). For another head, carry the Track over with flame_tools.transfer.
    """
    _check_head(model, head)
    speech = prepare(audio, rate)
    shape = checked_identity(shape, head)
    curves = {}
    if isinstance(model, Emote):
        told = conditions(model, _emote_frames(speech), emotion=emotion, intensity=intensity, identity=identity)
        motion = _emote_motion(model, speech, told)
        fps, own = emote.FPS, model.config.prior.expressions
        expression = torch.zeros(len(motion), head.expression_size)
        expression[:, :own], jaw = motion[:, :own], motion[:, own:]
        felt = told[:, : len(EMOTIONS)].expand(len(motion), -1).numpy()
        curves["emotion"] = Curves(EMOTIONS, np.array(felt, np.float32))
    else:
        if emotion is not None:
            raise InputError("FaceFormer knows no emotion; leave it out, or use EMOTE")
        found = fitted(vertex_offsets(model, audio, rate, subject=identity), head.arrays, shape.double().numpy())
        fps, expression, jaw = model.config.fps, found.expression, found.jaw
        curves["published"] = Curves(("residual_mm",), found.residual_mm[:, None].astype(np.float32))
    neutral = FaceParams.neutral(head, len(jaw))
    params = neutral.replace(shape=shape, expression=expression.to(head.v_template), jaw=jaw.to(head.v_template))
    return Track(
        head_id=head.arrays.id,
        params=params,
        time_s=np.arange(len(jaw)) / fps,
        audio=speech.samples,
        audio_rate=speech.rate,
        curves=curves,
        fps=(fps, 1),
        provenance={"made_by": f"emberface animate_with {type(model).__name__}"},
        licences=tuple(dict.fromkeys((head.arrays.licence, _LICENCES[type(model)]))),
    )


@torch.inference_mode()
def vertex_offsets(model: FaceFormer, audio: np.ndarray, rate: int, *, subject: int = 0) -> Tensor:
    """Offsets [T, V, 3] in metres from a neutral face of the model's mesh, at its `config.fps`."""
    own = model.config
    if not isinstance(subject, Integral) or not 0 <= subject < own.subjects:
        raise InputError(f"subject is {subject!r}; this FaceFormer knows the styles 0 to {own.subjects - 1}")
    style = torch.eye(own.subjects)[subject][None]
    samples = _heard(prepare(audio, rate))
    frames, each = len(samples) * own.fps // RATE, RATE / own.fps
    begun = starts(frames, faceformer.MOST_FRAMES, _OVERLAP)

    def said(start: int) -> Tensor:
        first = round(start * each)
        last = len(samples) if start == begun[-1] else first + int(faceformer.MOST_FRAMES * each)
        return model(samples[None, first:last], style)

    return joined((start, said(start)) for start in begun)


def conditions(
    model: Emote,
    frames: int,
    *,
    emotion: str | Mapping[str, float] | np.ndarray | None = None,
    intensity: float = 2.0,
    identity: str | int = 0,
) -> Tensor:
    """EMOTE's condition [1 or frames, 8 + 3 + identities]: mixes that sum to 1 in each of its three parts."""
    felt = np.atleast_2d(parse_emotion(emotion))
    if len(felt) not in (1, frames):
        raise ShapeError(f"emotion has {len(felt)} frames, the recording has {frames} at {emote.FPS} fps")
    felt = felt / np.maximum(felt.sum(1, keepdims=True), 1)
    felt[:, 0] += 1 - felt.sum(1)
    if not 0 <= intensity <= INTENSITIES - 1:
        raise InputError(f"intensity is {intensity}, wanted 0 to {INTENSITIES - 1}: EMOTE's three levels")
    level = np.maximum(1 - np.abs(np.arange(INTENSITIES) - intensity), 0)
    who = np.zeros(model.config.identities)
    who[_identity(model, identity)] = 1
    rows = [np.broadcast_to(part, (len(felt), len(part))) for part in (level, who)]
    return torch.from_numpy(np.concatenate([felt, *rows], 1)).float()


def _identity(model: Emote, identity: str | int) -> int:
    known = model.config.identities
    if isinstance(identity, str):
        if identity not in IDENTITIES or known != len(IDENTITIES):
            raise InputError(
                f"identity {identity!r} is none of this EMOTE's {known}; give a number from 0 to {known - 1}"
                + (f", or one of {', '.join(IDENTITIES)}" if known == len(IDENTITIES) else "")
            )
        return IDENTITIES.index(identity)
    if not isinstance(identity, Integral) or not 0 <= identity < known:
        raise InputError(f"identity is {identity}; this EMOTE knows 0 to {known - 1}")
    return identity


def _heard(speech: Speech) -> Tensor:
    """[N] at 16 kHz, mean 0 and variance 1 over the whole recording, as published."""
    return normalised(torch.from_numpy(speech.analysis))


def _emote_frames(speech: Speech) -> int:
    frames = len(speech.analysis) // emote.SAMPLES
    if frames < 1:
        raise InputError(f"the recording is {speech.duration_s:g} s; EMOTE's frames are 0.04 s")
    return frames


@torch.inference_mode()
def _emote_motion(model: Emote, speech: Speech, told: Tensor) -> Tensor:
    """[T, expressions + 3]."""
    samples, frames = _heard(speech), _emote_frames(speech)

    def said(start: int) -> Tensor:
        stop = min(start + emote.MOST_FRAMES, frames)
        heard = samples[start * emote.SAMPLES : stop * emote.SAMPLES]
        here = told if len(told) == 1 else told[start:stop]
        return model(heard[None], here[None])[0]

    return joined((start, said(start)) for start in starts(frames, emote.MOST_FRAMES, _OVERLAP))


def _check_head(model: Emote | FaceFormer, head: Head) -> None:
    vertices = len(head.arrays.v_template)
    if vertices != FLAME_VERTICES:
        raise InputError(
            f"head {head.arrays.id!r} has {vertices} vertices; {type(model).__name__} moves FLAME ({FLAME_VERTICES}): "
            "give a FLAME head (emberface head add), then carry the Track over with flame_tools.transfer"
        )
    if isinstance(model, FaceFormer):
        if model.config.vertices != FLAME_VERTICES:
            raise InputError(
                f"this FaceFormer moves {model.config.vertices} vertices, no FLAME head; use vertex_offsets "
                "and its mesh"
            )
    elif head.expression_size < model.config.prior.expressions:
        raise InputError(
            f"this EMOTE moves {model.config.prior.expressions} expression components, head {head.arrays.id!r} has "
            f"{head.expression_size}; load the head with all of FLAME's"
        )
