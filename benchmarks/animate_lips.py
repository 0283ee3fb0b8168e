"""The lips of real utterances against true phone times, with and without text: the design's figures, pooled.

    python benchmarks/animate_lips.py [--utterances 10] [--every 1] [--fps 30] [--emotion happy:1]

Utterances are chosen by rule, never by result: the first N of every LibriSpeech speaker that has TextGrids, in turn.
Needs ../shared/data (see its README). The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
DATA = ROOT.parent / "shared" / "data" / "speech"
SPEAKERS = ("4088", "4406", "5652", "8226")


def utterances(count: int, speakers=SPEAKERS) -> list[tuple[Path, Path, str]]:
    """(sound, TextGrid, transcript): the first of each speaker, then the second of each, and so on."""
    rows = (line.split("\t") for line in (DATA / "transcripts.tsv").read_text(encoding="utf-8").splitlines())
    transcripts = {row[0]: row[5] for row in rows}
    lists = [sorted((DATA / "librispeech" / speaker).glob("*.flac")) for speaker in speakers]
    found = []
    for turn in range(max(map(len, lists))):
        for files in lists:
            if turn < len(files):
                sound = files[turn]
                grid = DATA / "librispeech_alignments" / sound.parent.name / f"{sound.stem}.TextGrid"
                key = f"librispeech/{sound.parent.name}/{sound.name}"
                if grid.is_file() and key in transcripts:
                    found.append((sound, grid, transcripts[key]))
    return found[:count]


def pooled(reports: list) -> dict:
    """Figures over all segments of all utterances: shares weighted by how many segments each stands on."""
    out = {}
    weights = {
        "bilabial_closure": "bilabial", "false_closure": "open_vowel", "false_closure_other": "other",
        "open_gap_mm": "open_vowel", "silence_rest": "silence_frames", "open_closed_auc": "bilabial",
        "rounded_spread_auc": "other", "loudness_opening_r": "other", "onset_misalignment_ms": "bilabial",
    }  # fmt: skip
    for name, count in weights.items():
        pairs = [(getattr(r, name), r.counts[count]) for r in reports if getattr(r, name) is not None]
        total = sum(n for _, n in pairs)
        out[name] = round(sum(v * n for v, n in pairs) / total, 4) if total else None
    out["bilabials"] = sum(r.counts["bilabial"] for r in reports)
    out["segments_used"] = round(float(np.mean([r.segments_used for r in reports])), 4)
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--utterances", type=int, default=10)
    parser.add_argument("--speakers", default=",".join(SPEAKERS))
    parser.add_argument("--fps", type=Fraction, default=Fraction(30))
    parser.add_argument("--emotion", default=None)
    parser.add_argument("--modes", default="text,none")
    options = parser.parse_args()

    from animate.audio_file import read_audio
    from animate.metrics import lip_report
    from animate.pipeline import animate
    from animate.textgrid import read_textgrid
    from flame_tools.load import load_head

    head = load_head("default")
    chosen = utterances(options.utterances, options.speakers.split(","))
    result: dict = {"utterances": len(chosen), "fps": float(options.fps), "emotion": options.emotion}
    for mode in options.modes.split(","):
        reports, seconds, spoken, fallback = [], 0.0, 0.0, []
        for sound, grid, text in chosen:
            samples, rate = read_audio(sound)
            start = time.perf_counter()
            track = animate(
                samples,
                rate,
                head=head,
                text=text if mode == "text" else None,
                emotion=options.emotion,
                fps=options.fps,
            )
            seconds += time.perf_counter() - start
            spoken += len(samples) / rate
            fallback.append(track.provenance["phones"]["fallback_share"])
            reports.append(lip_report(track, head, read_textgrid(grid)["phones"]))
            print(sound.stem, mode, reports[-1].bilabial_closure, reports[-1].false_closure_other, flush=True)
        name = "with_text" if mode == "text" else "without_text"
        result[name] = pooled(reports) | {
            "times_real_time": round(spoken / seconds, 2),
            "fallback_share": round(float(np.mean(fallback)), 4),
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
