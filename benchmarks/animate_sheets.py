"""Twenty clips to look at: frames of performances without a text, with the phones that were heard under them.

    python benchmarks/animate_sheets.py FOLDER [--model MODEL.npz] [--only fast]

Voices that nothing learnt from (../shared/data): neutral, four emotions, fast speech, whisper-like, in noise, with
music, in a room, short of breath, Mandarin. A sheet shows every second frame of two seconds from the clip's middle. The
last line is one JSON object: for each clip the lip figures against the phones that were heard.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import emberface
from animate.audio_file import read_audio
from animate.encoder.augment import coloured_noise, mixed, music, room, stretched
from animate.metrics import lip_report
from flame_tools.load import load_head
from render.camera import portrait_camera
from render.image import write_png
from render.preview import contact_sheet, draw, head_bounds

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "speech"
FRAMES, COLUMNS, SIDE = 30, 10, 200


def whispered(samples: np.ndarray) -> np.ndarray:
    """The same spectrum over time, said by noise instead of a voice: magnitudes smoothed over pitch, random phase."""
    import librosa

    spectrum = np.abs(librosa.stft(samples, n_fft=512, hop_length=128))
    smooth = np.stack([np.convolve(column, np.hanning(13) / 6, "same") for column in spectrum.T], 1)
    phase = np.random.default_rng(0).uniform(-np.pi, np.pi, smooth.shape)
    return librosa.istft(smooth * np.exp(1j * phase), hop_length=128, length=len(samples)).astype(np.float32)


def clips() -> dict[str, tuple[Path, str | None, Callable]]:
    """name: (sound, emotion, what is done to the sound)."""
    first = {
        speaker: sorted((DATA / "librispeech" / speaker).glob("*.flac"))[3]
        for speaker in ("1688", "1998", "2033", "2414", "2609")
    }
    lj, arctic = sorted((DATA / "ljspeech").glob("*.flac"))[5], sorted((DATA / "arctic").glob("*.flac"))
    a2f = DATA / "emotional_a2f"
    rng = np.random.default_rng(0)
    return {
        "neutral_1688": (first["1688"], None, None),
        "neutral_1998": (first["1998"], None, None),
        "neutral_2414": (first["2414"], None, None),
        "neutral_lj": (lj, None, None),
        "neutral_arctic": (arctic[0], None, None),
        "happy_2033": (first["2033"], "happy:1", None),
        "sad_2609": (first["2609"], "sad:1", None),
        "anger_lj": (lj, "anger:1", None),
        "surprise_arctic": (arctic[2], "surprise:1", None),
        "mix_1998": (first["1998"], "happy:0.6,surprise:0.6", None),
        "voice_joy": (a2f / "Mark_joy.flac", "voice", None),
        "voice_anger": (a2f / "Claire_anger.flac", "voice", None),
        "voice_sadness": (a2f / "Mark_sadness.flac", "voice", None),
        "fast": (lj, None, lambda x: stretched(x, 1.6)),
        "whisper": (arctic[4], None, whispered),
        "noise": (first["1688"], None, lambda x: mixed(x, coloured_noise(len(x), rng), 5.0)),
        "music": (arctic[6], None, lambda x: mixed(x, music(len(x), rng), 5.0)),
        "room": (first["2609"], None, lambda x: room(x, rng)),
        "mandarin": (a2f / "Claire_joy_mandarin.flac", None, None),
        "breath": (a2f / "Mark_outofbreath.flac", None, None),
    }


def sheet(track, head) -> np.ndarray:
    start = max(len(track) // 2 - FRAMES, 0)
    frames = np.arange(start, min(start + 2 * FRAMES, len(track)), 2)
    phones = track.intervals["phones"]
    at = np.searchsorted(phones.start_s, track.time_s[frames], side="right") - 1
    with torch.no_grad():
        vertices = head.vertices(track.params.frame(torch.as_tensor(frames)))
    camera = portrait_camera((SIDE, SIDE), head_bounds(head))
    labels = [f"{t:.2f} {phones.names[i]}" for t, i in zip(track.time_s[frames], at, strict=True)]
    return contact_sheet([draw(head, face, camera) for face in vertices], COLUMNS, labels)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.folder.mkdir(parents=True, exist_ok=True)
    head, result = load_head(), {}
    for name, (sound, emotion, change) in clips().items():
        if options.only not in name:
            continue
        samples, rate = read_audio(sound)
        if change is not None:
            samples = change(samples.astype(np.float32))
        track = emberface.animate(samples, rate, emotion=emotion, model=options.model, head=head)
        write_png(options.folder / f"{name}.png", sheet(track, head))
        report = lip_report(track, head, track.intervals["phones"])
        result[name] = {
            "bilabial_closure": report.bilabial_closure, "false_closure_other": report.false_closure_other,
            "silence_rest": report.silence_rest, "open_gap_mm": report.open_gap_mm,
        }  # fmt: skip
        print(name, result[name], flush=True)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
