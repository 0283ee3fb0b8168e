"""Speech encoders behind one interface: 16 kHz samples to features at the frames of a performance.

Frame i of a performance is at i / fps seconds. An encoder's own frames have their own times (wav2vec2's first one
stands 12.5 ms into the sound); features are linear between them and held beyond the first and last.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from animate.encoder.features import log_mel_numpy
from animate.encoder.model import FRAME_S, SpeechEncoder, listen
from animate.speech import HOP, RATE
from flame_tools.errors import AssetError, InputError, ShapeError

if TYPE_CHECKING:
    from fractions import Fraction

_WINDOW_S, _OVERLAP_S = 20.0, 2.0  # of published encoders: attention grows with the square of a window


class Features(Protocol):
    """What hears."""

    name: str  # says which features these are; kept with a corpus and a model
    width: int  # C

    def features(self, samples: np.ndarray, fps: Fraction | int) -> np.ndarray:
        """Samples [N] float at 16 kHz -> [ceil(N / 16000 * fps), C] float32."""
        ...


def resampled(
    rows: np.ndarray,  # [n, C], row i at start_s + i * step_s
    start_s: float,
    step_s: float,
    times: np.ndarray,  # [T] seconds
) -> np.ndarray:  # [T, C]
    """Rows at other times: linear between, held beyond the ends."""
    at = np.clip((times - start_s) / step_s, 0, len(rows) - 1)
    low = np.minimum(at.astype(int), max(len(rows) - 2, 0))
    high = np.minimum(low + 1, len(rows) - 1)
    share = (at - low)[:, None].astype(rows.dtype)
    return rows[low] * (1 - share) + rows[high] * share


def frame_times(samples: int, fps: Fraction | int) -> np.ndarray:
    """Times [T] in seconds of a performance's frames."""
    return np.arange(math.ceil(samples * fps / RATE)) / float(fps)


class LogMel:
    """No network: the 80 bands of log-mel that emberface-speech starts from. A baseline, and quick."""

    name, width = "log-mel", 80

    def features(self, samples: np.ndarray, fps: Fraction | int) -> np.ndarray:
        samples = _checked(samples)
        return resampled(log_mel_numpy(samples), 0.0, HOP / RATE, frame_times(len(samples), fps))


class EmberfaceSpeech:
    """emberface-speech's last layer: what its phones, voicing, loudness and pitch are read from."""

    name = "emberface-speech"

    def __init__(self, encoder: SpeechEncoder):
        self.encoder = encoder.eval().requires_grad_(False)
        self.width = encoder.config.features

    def features(self, samples: np.ndarray, fps: Fraction | int) -> np.ndarray:
        samples = _checked(samples)
        hidden = listen(self.encoder, torch.from_numpy(samples)).hidden.float().numpy()
        return resampled(hidden, 0.0, FRAME_S, frame_times(len(samples), fps))


class Published:
    """wav2vec2, HuBERT or WavLM through transformers (extra `speech`), frozen.

    Sounds longer than `window_s` are heard in windows that overlap by 2 s and are cross-faded there. Where windows
    begin depends on nothing but the time, so that memory stays flat and a moment sounds the same in any surroundings
    beyond its windows. Shorter sounds are heard as the authors' code hears them.
    """

    def __init__(
        self,
        source: str | Path,  # a folder with config.json and weights, or a name on the hub
        *,
        local_files_only: bool = True,  # False: download what is not there
        layers: tuple[float, ...] | None = None,  # weights of the hidden layers, input first; None: the last one
        normalise: bool | None = None,  # sound to mean 0, variance 1; None: as preprocessor_config.json says
        window_s: float = _WINDOW_S,
    ):
        transformers = _transformers()
        try:
            model = transformers.AutoModel.from_pretrained(str(source), local_files_only=local_files_only)
        except (OSError, ValueError) as error:
            raise AssetError(
                f"no speech encoder could be loaded from {source}: {str(error).splitlines()[0]}; give a folder with "
                "config.json and model.safetensors, or allow the download with local_files_only=False"
            ) from error
        config = model.config
        if config.model_type not in ("wav2vec2", "hubert", "wavlm"):
            raise AssetError(f"{source} is a {config.model_type} model; wanted wav2vec2, hubert or wavlm")
        if layers is not None and len(layers) != config.num_hidden_layers + 1:
            raise InputError(
                f"layers has {len(layers)} weights, {source} has {config.num_hidden_layers} layers and their input: "
                f"give {config.num_hidden_layers + 1}"
            )
        if window_s < 2 * _OVERLAP_S:
            raise InputError(f"window_s is {window_s:g}, wanted at least {2 * _OVERLAP_S:g}")
        self.model = model.eval().requires_grad_(False)
        self.name = Path(source).name if Path(source).is_dir() else str(source)
        self.width = config.hidden_size
        self.layers = None if layers is None else torch.tensor(layers, dtype=torch.float32) / sum(layers)
        self.normalise = _normalises(transformers, source, local_files_only) if normalise is None else normalise
        self.stride = math.prod(config.conv_stride)  # samples from frame to frame
        self.field = 1  # samples that a frame of the convolutions sees
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            self.field = (self.field - 1) * stride + kernel
        self.window = round(window_s * RATE) // self.stride * self.stride
        self.overlap = round(_OVERLAP_S * RATE) // self.stride * self.stride

    def features(self, samples: np.ndarray, fps: Fraction | int) -> np.ndarray:
        samples = _checked(samples)
        times = frame_times(len(samples), fps)
        start_s, step_s = self.field / 2 / RATE, self.stride / RATE
        if len(samples) <= self.window:
            return resampled(self._hidden(samples), start_s, step_s, times)
        out = np.zeros((len(times), self.width), np.float32)
        hop = self.window - self.overlap
        # The last window is as long as the others or nearly so: a rest shorter than the overlap joins the one before.
        for at in range(0, max(len(samples) - self.overlap, 1), hop):
            piece = samples[at : at + self.window]
            first_s, fade_s = at / RATE, self.overlap / RATE
            rows = slice(*np.searchsorted(times, [first_s, (at + len(piece)) / RATE]))
            local = times[rows] - first_s
            share = np.clip(local / fade_s, 0, 1) if at else np.ones(len(local))
            if at + hop < len(samples) - self.overlap:
                share = np.minimum(share, np.clip((len(piece) / RATE - local) / fade_s, 0, 1))
            heard = resampled(self._hidden(piece), start_s, step_s, local)
            out[rows] += share[:, None].astype(np.float32) * heard
        return out

    @torch.inference_mode()
    def _hidden(self, samples: np.ndarray) -> np.ndarray:
        """[n, C] of one window, row i centred at (field / 2 + i * stride) samples."""
        padded = np.pad(samples, (0, max(self.field - len(samples), 0)))
        if self.normalise:
            padded = (padded - padded.mean()) / np.sqrt(padded.var() + 1e-7)
        said = self.model(torch.from_numpy(padded)[None], output_hidden_states=self.layers is not None)
        if self.layers is None:
            return said.last_hidden_state[0].numpy()
        return torch.tensordot(self.layers, torch.stack(said.hidden_states), 1)[0].numpy()


def _checked(samples: np.ndarray) -> np.ndarray:
    if samples.ndim != 1 or not len(samples):
        raise ShapeError(f"samples are {list(samples.shape)}, wanted [N] at {RATE} Hz; mix channels down first")
    return np.ascontiguousarray(samples, np.float32)


def _transformers():
    try:
        import transformers
    except ImportError:
        raise AssetError("published speech encoders need transformers: pip install 'emberface[speech]'") from None
    return transformers


def _normalises(transformers, source: str | Path, local_files_only: bool) -> bool:
    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(str(source), local_files_only=local_files_only)
    except (OSError, ValueError):
        raise AssetError(
            f"{source} has no preprocessor_config.json that says whether sound is normalised; put it beside the "
            "weights, or say normalise=True (wav2vec2-base, hubert-base) or False (wavlm-base)"
        ) from None
    return bool(extractor.do_normalize)
