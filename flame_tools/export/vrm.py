"""Expression weights for VRM and Unity avatars, as JSON: the 52 ARKit names, and the presets of VRM 1.0.

"perfect_sync" holds the 52 by the names that such avatars give their expressions: Apple's with a capital first letter.
"presets" (https://github.com/vrm-c/vrm-specification, VRMC_vrm-1.0, expressions) holds those that the track can tell:

- blinkLeft, blinkRight: what each lid does beyond the other; blink: what both do. An avatar adds them to the lids.
- lookUp, lookDown, lookLeft, lookRight (the avatar's own left): the mean of both eyes' eyeLook weights.
- aa, ih, ou, ee, oh, where the track has ARPAbet phones: the share of the 80 ms around the frame that the viseme
  fills, so that one vowel melts into the next. The visemes are those of visemes.py: aa, ih (with y), ou (with w), E and
  oh. Other consonants are none of the five.
- happy, angry, sad, surprised, where the track has "emotion" curves: happy, anger, sad and surprise. Fear, disgust and
  contempt have no preset. relaxed, where it has "affect" curves: the lesser of valence and calm (arousal below 0), the
  pleasant and quiet quarter of J. A. Russell's circumplex (1980).

The presets and the 52 say the same twice: play one or the other.
"""

from __future__ import annotations

import json
import os

import numpy as np

from flame_tools.archive import written_whole
from flame_tools.arkit import ARKIT_NAMES, INDEX
from flame_tools.export.livelink import arkit_weights
from flame_tools.export.visemes import unknown_phones, visemes_of
from flame_tools.file_clock import file_times
from flame_tools.head import Head
from flame_tools.licences import licences_of
from flame_tools.types import Track

_VOWELS = {"aa": "aa", "ih": "ih", "ou": "ou", "ee": "E", "oh": "oh"}
_EMOTIONS = {"happy": "happy", "angry": "anger", "sad": "sad", "surprised": "surprise"}
_LOOKS = {
    "lookUp": ("eyeLookUpLeft", "eyeLookUpRight"),
    "lookDown": ("eyeLookDownLeft", "eyeLookDownRight"),
    "lookLeft": ("eyeLookOutLeft", "eyeLookInRight"),
    "lookRight": ("eyeLookInLeft", "eyeLookOutRight"),
}
_MELT_S = 0.08  # about the time in which lips go from one vowel to the next


def write_vrm_json(track: Track, head: Head, path: str | os.PathLike) -> None:
    """Write one object: "head", "licences", "fps", "time_s", "perfect_sync" and "presets".

    Every curve has one value a frame in [0, 1].
    Values have four decimals, `time_s` six; "fps" is [numerator, denominator], or null where the rate is not constant.
    """
    weights = arkit_weights(track, head)
    curves = {
        "perfect_sync": {name[0].upper() + name[1:]: weights[:, i] for i, name in enumerate(ARKIT_NAMES)},
        "presets": preset_weights(track, weights),
    }
    lines = [
        f'"head": {json.dumps(head.arrays.id)}',
        f'"licences": {json.dumps(list(licences_of(track, head.arrays)))}',
        f'"fps": {json.dumps(track.fps)}',
        f'"time_s": {_numbers(file_times(track), 6)}',
    ]
    for group, channels in curves.items():
        rows = ",\n".join(f"  {json.dumps(name)}: {_numbers(values, 4)}" for name, values in channels.items())
        lines.append(f'"{group}": {{\n{rows}\n}}')
    with written_whole(path) as temporary, open(temporary, "w", newline="\n") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")


def preset_weights(track: Track, weights: np.ndarray) -> dict[str, np.ndarray]:
    """VRM 1.0 presets [T] in [0, 1] of a track and its ARKit weights [T, 52]; those it cannot tell are left out."""
    left, right = (weights[:, INDEX[f"eyeBlink{side}"]] for side in ("Left", "Right"))
    both = np.minimum(left, right)
    presets = {"blink": both, "blinkLeft": left - both, "blinkRight": right - both}
    presets |= {name: (weights[:, INDEX[a]] + weights[:, INDEX[b]]) / 2 for name, (a, b) in _LOOKS.items()}
    return presets | _vowels(track) | _feelings(track)


def _vowels(track: Track) -> dict[str, np.ndarray]:
    if not len(track.intervals.get("phones", ())) or unknown_phones(track):
        return {}
    presets = {name: np.zeros(len(track)) for name in _VOWELS}
    of_viseme = {viseme: preset for preset, viseme in _VOWELS.items()}
    times = np.asarray(track.time_s, np.float64)
    before, after = times - _MELT_S / 2, times + _MELT_S / 2
    for said in visemes_of(track):
        if said.viseme in of_viseme:
            shared = np.minimum(after, said.end_s) - np.maximum(before, said.start_s)
            presets[of_viseme[said.viseme]] += np.maximum(shared, 0) / _MELT_S
    return {name: np.clip(values, 0, 1) for name, values in presets.items()}


def _feelings(track: Track) -> dict[str, np.ndarray]:
    emotion = _channels(track, "emotion")
    presets = {preset: emotion[name].clip(0, 1) for preset, name in _EMOTIONS.items() if name in emotion}
    affect = _channels(track, "affect")
    if {"valence", "arousal"} <= set(affect):
        presets["relaxed"] = np.minimum(affect["valence"], -affect["arousal"]).clip(0, 1)
    return presets


def _channels(track: Track, name: str) -> dict[str, np.ndarray]:
    """A track's curves of that name, by channel [T]; 0 where they are unknown."""
    curves = track.curves.get(name)
    if curves is None:
        return {}
    return dict(zip(curves.names, np.nan_to_num(np.asarray(curves.values, np.float64)).T, strict=True))


def _numbers(values: np.ndarray, decimals: int) -> str:
    return f"[{', '.join(f'{x:.{decimals}f}' for x in values)}]"
