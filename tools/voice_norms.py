"""What calm reading sounds like: the table `NORMS` of animate/voice_emotion.py, from an utterance each of many readers.

    python tools/voice_norms.py ../shared/data/speech/librispeech_untranscribed

Prints a row a feature: mean over readers, standard deviation between readers, and within a reader's own recording. For
pitch the deviation is that within two heaps of readers, whose means follow. Last comes `CALM`, the deviation along each
emotion's direction, by the NORMS that are in the file: after a change of them run it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from animate.audio_file import read_audio
from animate.speech import measure, prepare
from animate.voice_emotion import DIRECTIONS, along, deviations
from animate.voice_features import FEATURES, voice_features

SHORTEST_S = 8.0  # a shorter utterance says little about how a reader varies


def main(folder: Path) -> None:
    means, variances, weights, away = [], [], [], []
    for path in sorted(folder.glob("*.flac")):
        speech = prepare(*read_audio(path))
        if speech.duration_s < SHORTEST_S:
            continue
        found = voice_features(speech, measure(speech))
        means.append(found.means())
        variances.append(found.voiced_s @ (found.values - means[-1]) ** 2)
        weights.append(found.voiced_s.sum())
        away.append(deviations(found))
    means = np.array(means)
    between = means.std(0, ddof=1)
    heaps, between[0] = two_heaps(means[:, 0])
    within = np.sqrt(np.sum(variances, 0) / np.sum(weights))
    print(f"# {len(means)} readers")
    for i, name in enumerate(FEATURES):
        print(f'"{name}": ({means[:, i].mean():.4g}, {between[i]:.3g}, {within[i]:.3g}),')
    print(f"# heaps of pitch: {heaps.round(1)} semitones over 100 Hz")
    print(dict(zip(DIRECTIONS, along(np.concatenate(away)).std(0).round(2).tolist(), strict=True)))


def two_heaps(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Means [2] and common deviation of two normal distributions that share values [n], by expectation-maximisation."""
    means, deviation, size = np.percentile(values, [25, 75]), values.std() / 2, np.full(2, 0.5)
    for _ in range(200):
        share = size * np.exp(-((values[:, None] - means) ** 2) / (2 * deviation**2))
        share /= share.sum(1, keepdims=True)
        size = share.mean(0)
        means = (share * values[:, None]).sum(0) / share.sum(0)
        deviation = float(np.sqrt((share * (values[:, None] - means) ** 2).sum() / len(values)))
    return means, deviation


if __name__ == "__main__":
    main(Path(sys.argv[1]))
