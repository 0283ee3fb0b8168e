"""Speech to motion, how fast: ours beside the architectures of FaceFormer and EMOTE, from 16 kHz samples to motion.

python benchmarks/animate_speed.py [--seconds 10] [--threads 1,2] [--rounds 5] [--encoder E.npz] [--model M.npz]

All of them hear the same clip (at most 19 s: FaceFormer takes no more at once). Weights are random, of the published
sizes and of our default ones, unless ours are given: speed does not ask what they say. Every system runs once in each
round, in an order drawn anew, and medians are compared, so that a busy machine is busy for all; with --cpu, processor
time is compared, which other programs disturb less.

The last line is one JSON object; keys without a suffix are of the most threads, _1t and _2t of each:

    realtime_factor            seconds of speech a second: emberface-speech, speech to motion and the motion prior
    realtime_factor_wav2vec2   the same model hearing through wav2vec2-base
    ratio_faceformer           FaceFormer (VOCASET sizes), the prefix again for every frame as published / ours
    ratio_faceformer_cached    FaceFormer with its past kept, as animate.published runs it / ours
    ratio_emote                EMOTE (wav2vec2-base, FLINT decoder) / ours
    ratio_emote_wav2vec2       EMOTE / ours hearing through wav2vec2-base
    ms_*                       milliseconds of each for the clip
    stream_ms, stream_ms_p95   one 100 ms piece through Listener and Stream, median and 95th percentile, one thread
    stream_behind_ms           how far the newest motion frame is behind the sound that was pushed, median
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from animate.audio_file import read_audio  # noqa: E402
from animate.encoder.model import FRAME_S, EncoderConfig, Listener, SpeechEncoder  # noqa: E402
from animate.encoder.weights import load_weights  # noqa: E402
from animate.encoders import EmberfaceSpeech, Features, Published, resampled  # noqa: E402
from animate.model import Conditions, ModelConfig, SpeechToMotion, Stream  # noqa: E402
from animate.motion import NECK  # noqa: E402
from animate.network_file import load_model  # noqa: E402
from animate.prior import Prior, PriorConfig  # noqa: E402
from animate.published.emote import Emote  # noqa: E402
from animate.published.faceformer import FaceFormer  # noqa: E402
from animate.published.hearing import normalised, wav2vec2  # noqa: E402
from animate.speech import RATE, prepare  # noqa: E402
from animate.style import STYLE  # noqa: E402
from assets.locate import asset_path  # noqa: E402
from flame_tools.load import load_head  # noqa: E402
from flame_tools.transfer.motion import OTHERS  # noqa: E402

PIECE = RATE // 10


def main(arguments: list[str]) -> int:
    given = parsed(arguments)
    torch.manual_seed(0)
    samples = clip(given.seconds)
    encoder = load_weights(given.encoder) if given.encoder else sized_encoder()
    heard = EmberfaceSpeech(encoder.eval())
    model, fps = our_model(given.model, heard.width)
    large, _ = our_model(None, 768)
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as folder:
        wav2vec2().save_pretrained(folder)
        published = Published(folder, normalise=True)
    systems = {
        "ours": lambda: spoken(heard, model, samples, fps),
        "ours_wav2vec2": lambda: spoken(published, large, samples, fps),
        "emote": emote(samples),
        "faceformer_cached": faceformer(samples, cached=True),
        "faceformer": faceformer(samples, cached=False),
    }
    clock = time.process_time if given.cpu else time.perf_counter
    figures: dict[str, float] = {"seconds": given.seconds, "clock": "cpu" if given.cpu else "wall"}
    for threads in sorted(given.threads):
        torch.set_num_threads(threads)
        took = timed(systems, given.rounds, clock)
        own = compared(took, given.seconds)
        figures |= {f"{name}_{threads}t": value for name, value in own.items()} | own
        print(f"{threads} threads: {json.dumps(own)}", flush=True)
    torch.set_num_threads(1)
    figures |= streamed(encoder, model, samples, fps, clock)
    figures |= {"mib_encoder": mib(encoder), "mib_model": mib(model)}
    print(json.dumps(figures))
    return 0


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speech to motion beside FaceFormer and EMOTE")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of the clip, 1 to 19")
    parser.add_argument("--threads", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cpu", action="store_true", help="compare processor time; for one thread")
    parser.add_argument("--encoder", type=Path, help="emberface-speech weights")
    parser.add_argument("--model", type=Path, help="a speech-to-motion network that hears emberface-speech")
    given = parser.parse_args(arguments)
    if not 1 <= given.seconds <= 19:
        parser.error(f"--seconds is {given.seconds:g}, wanted 1 to 19: FaceFormer takes no more at once")
    if given.cpu and max(given.threads) > 1:
        parser.error("--cpu adds up the time of all threads: give --threads 1")
    return given


def clip(seconds: float) -> np.ndarray:
    """[N] the bundled voice at 16 kHz, again and again."""
    voice = prepare(*read_audio(asset_path("voice"))).analysis
    return np.resize(voice, round(seconds * RATE)).astype(np.float32)


def sized_encoder() -> SpeechEncoder:
    """emberface-speech in the size that is trained, random."""
    config = json.loads((ROOT / "tools" / "trainings" / "speech.json").read_text(encoding="utf-8"))
    return SpeechEncoder(EncoderConfig(**config["encoder"]))


def our_model(path: Path | None, features: int) -> tuple[SpeechToMotion, int]:
    """A trained network and its frame rate, or random ones for the default head, behind the motion prior."""
    if path is not None:
        model, header = load_model(path)
        return model.eval(), header["fps"]
    motion = len(load_head("default").arrays.expression_names) + OTHERS + NECK
    return SpeechToMotion(ModelConfig(features, motion), Prior(PriorConfig(motion))).eval(), 30


def told() -> Conditions:
    return Conditions(torch.eye(8)[1].view(1, 1, 8), torch.zeros(1, 1, STYLE))


@torch.inference_mode()
def spoken(heard: Features, model: SpeechToMotion, samples: np.ndarray, fps: int) -> torch.Tensor:
    return model(torch.from_numpy(heard.features(samples, fps))[None], told())


def emote(samples: np.ndarray) -> Callable[[], torch.Tensor]:
    model = Emote().eval().requires_grad_(False)
    condition = torch.eye(43)[[0]][None]

    @torch.inference_mode()
    def run() -> torch.Tensor:
        return model(normalised(torch.from_numpy(samples))[None], condition)

    return run


def faceformer(samples: np.ndarray, *, cached: bool) -> Callable[[], torch.Tensor]:
    model = FaceFormer().eval().requires_grad_(False)

    @torch.inference_mode()
    def run() -> torch.Tensor:
        return model(normalised(torch.from_numpy(samples))[None], torch.eye(8)[:1], cached=cached)

    return run


def timed(systems: dict[str, Callable], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of each, run once in every round."""
    order, drawn = list(systems), random.Random(0)
    took: dict[str, list[float]] = {name: [] for name in systems}
    for name in order:
        systems[name]()
    for _ in range(rounds):
        drawn.shuffle(order)
        for name in order:
            started = clock()
            systems[name]()
            took[name].append(clock() - started)
    return {name: statistics.median(each) for name, each in took.items()}


def compared(took: dict[str, float], seconds: float) -> dict[str, float]:
    ours, large = took["ours"], took["ours_wav2vec2"]
    return {
        "realtime_factor": round(seconds / ours, 1),
        "realtime_factor_wav2vec2": round(seconds / large, 1),
        "ratio_faceformer": round(took["faceformer"] / ours, 2),
        "ratio_faceformer_cached": round(took["faceformer_cached"] / ours, 2),
        "ratio_emote": round(took["emote"] / ours, 2),
        "ratio_emote_wav2vec2": round(took["emote"] / large, 2),
        **{f"ms_{name}": round(1e3 * each, 1) for name, each in took.items()},
    }


def streamed(
    encoder: SpeechEncoder, model: SpeechToMotion, samples: np.ndarray, fps: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Sound as it comes, 100 ms at a time, through both networks."""
    listener, stream = Listener(encoder), Stream(model)
    heard, took, behind = [np.zeros((0, EmberfaceSpeech(encoder).width), np.float32)], [], []
    asked = made = said = 0
    for start in range(0, len(samples), PIECE):
        piece, last = torch.from_numpy(samples[start : start + PIECE]), start + PIECE >= len(samples)
        started = clock()
        heard.append(listener.push(piece, last=last).hidden.numpy())
        hidden = np.concatenate(heard)
        # Frame i of the motion lies between two frames of the encoder; both must have been heard.
        ready = int((len(hidden) - 1) * FRAME_S * fps) + 1 if len(hidden) else 0
        rows = resampled(hidden, 0.0, FRAME_S, np.arange(asked, ready) / fps) if ready > asked else hidden[:0]
        asked = ready
        motion = stream.push(torch.from_numpy(rows), told(), last=last)
        took.append(clock() - started)
        made += len(motion)
        if made > said and not last:
            behind.append((start + len(piece)) / RATE - (made - 1) / fps)
        said = made
    took.sort()
    return {
        "stream_ms": round(1e3 * statistics.median(took), 2),
        "stream_ms_p95": round(1e3 * took[int(0.95 * len(took))], 2),
        "stream_behind_ms": round(1e3 * statistics.median(behind)),
    }


def mib(network: torch.nn.Module) -> float:
    """Size in half precision, as weights are kept."""
    return round(sum(value.numel() for value in network.state_dict().values()) * 2 / 2**20, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
