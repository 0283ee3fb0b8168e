"""Performances to learn from: what was heard and what the face did, at one frame rate, in shards.

A folder of captured data holds SPEAKER/NAME.face.npz: a Track with its sound, or NAME.wav or .flac beside it. What is
felt is the track's "emotion" curves, else what NAME.emotion.txt says ("happy:0.8"), else nothing; phones are its
"phones" intervals, else unknown. `build` makes shards of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animate.emotion import EMOTIONS, emotion_named, parse
from animate.encoder.corpus import PHONE_INDEX, PHONES, TEST_SPEAKERS
from animate.encoders import Features
from animate.motion import rows_of
from animate.speech import prepare
from animate.visemes import plain
from flame_tools.archive import read_npz, write_npz
from flame_tools.errors import FormatError, InputError, OutputError
from flame_tools.types import Track

_KIND, _VERSION = "emberface-performances", 1
_ROWS = ("features", "motion", "emotion", "phones")


@dataclass(frozen=True)
class Clip:
    """One performance, T frames at the corpus's rate."""

    features: np.ndarray  # [T, C] float16
    motion: np.ndarray  # [T, D] float16, see animate.motion
    emotion: np.ndarray  # [T, 8] float16 in [0, 1], in the order of EMOTIONS
    phones: np.ndarray  # [T] int8 into encoder.corpus.PHONES, -1 unknown
    speaker: str
    name: str

    def __len__(self) -> int:
        return len(self.motion)


@dataclass(frozen=True)
class Corpus:
    """Clips of one head, one speech encoder and one frame rate."""

    clips: tuple[Clip, ...]
    fps: int
    head_id: str
    encoder: str  # name of the features
    speakers: tuple[str, ...]  # sorted; a clip's style is its speaker's place in it


def clip_of(track: Track, encoder: Features, fps: int, *, speaker: str, name: str) -> Clip:
    """A clip of a track that has sound, from the first moment that has both."""
    if speaker in TEST_SPEAKERS:
        raise InputError(f"{name} is of {speaker!r}, who is kept for tests; leave the file out of the corpus")
    if track.audio is None:
        raise InputError(f"{name} has no sound; put {name}.wav beside it, or save the track with its audio")
    samples = prepare(track.audio, track.audio_rate).analysis
    features = encoder.features(samples, fps)
    times = track.audio_start_s + np.arange(len(features)) / fps
    both = (times >= track.time_s[0] - 0.5 / fps) & (times <= track.time_s[-1] + 0.5 / fps)
    if not both.any():
        raise InputError(f"{name}: its sound and its frames share no moment; check audio_start_s")
    times = times[both]
    return Clip(
        features[both].astype(np.float16),
        rows_of(track, times).astype(np.float16),
        _felt(track, times).astype(np.float16),
        _phones(track, times),
        speaker,
        name,
    )


def _felt(track: Track, times: np.ndarray) -> np.ndarray:
    curves = track.curves.get("emotion")
    felt = np.zeros((len(times), len(EMOTIONS)))
    if curves is not None:
        for name, values in zip(curves.names, curves.values.T, strict=True):
            felt[:, EMOTIONS.index(emotion_named(name))] = np.interp(times, track.time_s, values)
    return felt


def _phones(track: Track, times: np.ndarray) -> np.ndarray:
    said = track.intervals.get("phones")
    index = np.full(len(times), -1, np.int8)
    if said is not None:
        for name, start, end in zip(said.names, said.start_s, said.end_s, strict=True):
            index[np.searchsorted(times, start) : np.searchsorted(times, end)] = PHONE_INDEX.get(plain(name), -1)
    return index


def write_shards(
    clips: Iterable[Clip],
    folder: Path,
    *,
    fps: int,
    head_id: str,
    encoder: str,
    frames: int = 100_000,  # a shard
    share: str = "",  # names the shards of one process among several that write into a folder
) -> int:
    """Write clips as they come, one shard in memory at a time. Returns how many clips there were.

    Raises OutputError where the folder holds shards of this share already: fewer new ones would leave some of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if next(folder.glob(f"shard-{share}[0-9][0-9][0-9][0-9][0-9].npz"), None):
        raise OutputError(f"cannot write shards to {folder}: it holds some already; remove them or choose another name")
    held: list[Clip] = []
    count = shards = 0

    def write() -> None:
        header = {
            "format": _KIND, "version": _VERSION, "fps": fps, "head_id": head_id, "encoder": encoder,
            "phones": list(PHONES), "lengths": [len(c) for c in held], "names": [c.name for c in held],
            "speakers": [c.speaker for c in held],
        }  # fmt: skip
        arrays = {row: np.concatenate([getattr(clip, row) for clip in held]) for row in _ROWS}
        write_npz(folder / f"shard-{share}{shards:05d}.npz", arrays, header)

    for clip in clips:
        held.append(clip)
        count += 1
        if sum(map(len, held)) >= frames:
            write()
            held, shards = [], shards + 1
    if held:
        write()
    return count


def load_corpus(folder: Path) -> Corpus:
    """All shards of a folder, clips by name; they must agree on head, encoder, rate and columns."""
    clips, said = [], set()
    for path in sorted(folder.glob("shard-*.npz")):
        arrays, header = read_npz(path, _KIND, _VERSION)
        if header["phones"] != list(PHONES):
            raise FormatError(f"{path} names other phones than this version; build the corpus again")
        said.add((header["fps"], header["head_id"], header["encoder"]))
        ends = np.cumsum(header["lengths"])[:-1]
        rows = zip(*(np.split(arrays[row], ends) for row in _ROWS), header["speakers"], header["names"], strict=True)
        clips.extend(Clip(*row) for row in rows)
    if not clips:
        raise InputError(f"{folder} holds no shards; make some with animate.corpus.build")
    if len(said) > 1:
        raise FormatError(f"{folder} mixes shards of {sorted(said)}; keep one head, encoder and rate a folder")
    ((fps, head_id, encoder),) = said
    clips.sort(key=lambda clip: (clip.speaker, clip.name))
    return Corpus(tuple(clips), fps, head_id, encoder, tuple(sorted({clip.speaker for clip in clips})))


def build(source: Path, folder: Path, encoder: Features, *, fps: int = 30) -> int:
    """Shards in `folder` of a folder of captured data (see above). Returns how many clips there were."""
    from animate.audio_file import read_audio
    from flame_tools.track_file import load_track

    paths = sorted(source.glob("*/*.face.npz"))
    if not paths:
        raise InputError(f"{source} holds no SPEAKER/NAME.face.npz; sort the tracks into one folder a speaker")
    first = load_track(paths[0]).head_id

    def clips():
        for path in paths:
            name = path.name.removesuffix(".face.npz")
            track = load_track(path)
            if track.head_id != first:
                raise InputError(f"{path} is on head {track.head_id!r}, others on {first!r}; transfer them to one head")
            sound = next((at for at in (path.with_name(name + end) for end in (".wav", ".flac")) if at.is_file()), None)
            if track.audio is None and sound is not None:
                audio, rate = read_audio(sound)
                track = track.replace(audio=audio, audio_rate=rate)
            clip = clip_of(track, encoder, fps, speaker=path.parent.name, name=name)
            label = path.with_name(f"{name}.emotion.txt")
            if "emotion" not in track.curves and label.is_file():
                clip.emotion[:] = parse(label.read_text(encoding="utf-8").strip())
            yield clip

    return write_shards(clips(), folder, fps=fps, head_id=first, encoder=encoder.name)
