"""`emberface animate`: one recording after another to performances, with what they share loaded once."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import emberface
from emberface_eval import performance_quality, takes_quality
from emberface_inputs import check_there
from emberface_options import (
    Amounts,
    AudioGuidance,
    Emotion,
    EmotionFile,
    EmotionGuidance,
    EmotionModel,
    Formats,
    Fps,
    HeadName,
    Json,
    Model,
    Out,
    Phones,
    Seed,
    Takes,
    Text,
    Texts,
    emotion_of,
    frame_rate_of,
    json_text,
    need_programs,
    not_read,
    of_take,
    places_of,
    refuse_early,
    sampling_of,
    say,
)
from emberface_run import Run, write_all
from flame_tools.errors import FaceError, FormatError, InputError

if TYPE_CHECKING:
    from animate.learned import Performer
    from animate.life import Life
    from animate.takes import Sampling
    from flame_tools import Track
    from flame_tools.head import Head


def animate(
    speech: Annotated[list[Path], typer.Argument(help="A recording, or several: WAV, FLAC, OGG, MP3, M4A.")],
    out: Out,
    text: Text = None,
    texts: Texts = None,
    phones: Phones = None,
    emotion: Emotion = None,
    emotion_track: EmotionFile = None,
    emotion_model: EmotionModel = None,
    identity: Annotated[Path | None, typer.Option("--identity", help="Whose face: a NAME.face.npz.")] = None,
    learnt: Model = None,
    audio_guidance: AudioGuidance = None,
    emotion_guidance: EmotionGuidance = None,
    life: Amounts = None,
    head: HeadName = "default",
    format: Formats = "glb,csv,mp4",
    fps: Fps = "30",
    seed: Seed = 0,
    takes: Takes = 1,
    json: Json = False,
) -> None:
    """Speech to a performance, or to several; each recording to one of its name."""
    from animate.letters import spoken_words
    from animate.life import life_of

    check_there(identity)
    recordings = recordings_of(speech, out, format, text=text, texts=texts, phones=phones, takes=takes)
    if text is not None:
        spoken_words(text)
    asked = Asked(
        emotion=emotion,
        emotion_track=emotion_track,
        emotion_model=emotion_model,
        identity=identity,
        model=learnt,
        sampling=sampling_of(audio_guidance, emotion_guidance),
        life=life_of(life),
        head=head,
        fps=fps,
        rate=frame_rate_of(fps),
        seed=seed,
        takes=takes,
    )
    animate_all(recordings, asked, as_json=json)


@dataclass(frozen=True)
class Recording:
    """A recording, what is known of it, and where its performance goes."""

    speech: Path
    text: Path | str | None  # what is said, or a file with it
    phones: Path | None
    places: list[Path]
    report: Path

    def words(self) -> str | None:
        """What is said. Raises FormatError or InputError where its file is no text."""
        if not isinstance(self.text, Path):
            return self.text
        try:
            return self.text.read_text(encoding="utf-8-sig").strip()
        except UnicodeDecodeError:
            raise FormatError(f"{self.text} is no text in UTF-8; save it as UTF-8") from None


@dataclass(frozen=True)
class Asked:
    """What is asked of every recording."""

    emotion: str | None
    emotion_track: Path | None
    emotion_model: str | None
    identity: Path | None
    model: str | None
    sampling: Sampling | None
    life: Life
    head: str
    fps: str
    rate: Fraction
    seed: int
    takes: int

    def told(self) -> dict:
        """For a report's inputs."""
        return {
            "emotion": self.emotion,
            "identity": self.identity and str(self.identity),
            "emotion_track": self.emotion_track and str(self.emotion_track),
            "emotion_model": self.emotion_model,
            "model": self.model,
            "guidance": self.sampling and vars(self.sampling.guidance),
            "life": vars(self.life),
            "takes": self.takes,
            "head": self.head,
            "fps": self.fps,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class _Loaded:
    """The same, loaded."""

    felt: Any  # see animate.emotion_source.Emotion
    heard: bool  # of the voice
    head: Head
    person: Track | None
    model: Performer | str | None


def recordings_of(
    speech: list[Path],
    out: Path,
    formats: str,
    *,
    text: str | None,
    texts: Path | None,
    phones: Path | None,
    takes: int = 1,
) -> list[Recording]:
    """The recordings of a command, each with its own text or phones. Raises InputError where they do not fit."""
    check_there(*speech, texts, phones)
    made: dict[str, Path] = {}  # name of an output: of which recording
    for path, number in itertools.product(speech, range(1, takes + 1)):
        name = of_take(Path(f"{path.stem}.face.npz"), number).name
        if name in made:
            raise InputError(f"{made[name]} and {path} would both become {name}; rename one, or run them apart")
        made[name] = path
    if len(speech) > 1 and text is not None:
        raise InputError("--text is what one recording says; for several give --texts FOLDER, with NAME.txt for each")
    if len(speech) > 1 and phones is not None and not phones.is_dir():
        raise InputError(
            f"--phones {phones} is of one recording; for several give a folder, with NAME.TextGrid for each"
        )
    if sum(known is not None for known in (text, texts, phones)) > 1:
        raise InputError("--text, --texts and --phones each say what is said; give one of them")
    if texts is not None and not texts.is_dir():
        raise InputError(f"--texts {texts} is a file; wanted a folder, with NAME.txt for each recording")
    found = []
    for path in speech:
        places, report = places_of(out, path.stem, formats)
        if len(speech) > 1 and report.parent != out:
            raise InputError(f"{out} is one file, and there are {len(speech)} recordings; give a folder")
        said = text if texts is None else texts / f"{path.stem}.txt"
        times = phones / f"{path.stem}.TextGrid" if phones is not None and phones.is_dir() else phones
        check_there(said if texts is not None else None, times)
        found.append(Recording(path, said, times, places, report))
    return found


def animate_all(recordings: list[Recording], asked: Asked, *, as_json: bool) -> None:
    """Make each performance and write it, whole or not at all, and say what was made.

    Where one of several recordings fails, that is said and the others are made. Raises InputError then, at the end; at
    once where nothing can be made of any of them.
    """
    from animate.learned import network_path

    need_programs(recordings[0].places)  # those of all are of the same kinds
    network = None if asked.model in (None, "rules") else network_path(asked.model)
    shared = [path for path in (asked.identity, asked.emotion_track, network) if path is not None]
    own = [path for one in recordings for path in (one.speech, one.text, one.phones) if isinstance(path, Path)]
    loaded, reports, failed = None, [], {}
    for one in recordings:
        inputs = {"speech": str(one.speech), "text": None, "phones": one.phones and str(one.phones)} | asked.told()
        try:
            with Run("animate", inputs, reads=[*own, *shared], show=not as_json) as job:
                each = [[of_take(place, number) for place in one.places] for number in range(1, asked.takes + 1)]
                job.prepare(*itertools.chain(*each), one.report)
                with job.step("load"):
                    loaded = loaded or _load(asked, known=one.text is not None or one.phones is not None)
                _perform(one, each, asked, loaded, job, f"{one.speech}: " if len(recordings) > 1 else "")
                reports.append(job.finish(one.report))
        except FaceError as error:
            if len(recordings) == 1 or loaded is None:  # what fails before is shared by all
                raise
            failed[str(one.speech)] = " ".join(str(error).split())
            print(f"emberface: {one.speech}: {failed[str(one.speech)]}", file=sys.stderr)
        else:
            if len(recordings) == 1 or not as_json:
                say(reports[-1], as_json)
    if len(recordings) > 1 and as_json:
        print(json_text({"reports": reports, "failed": failed}))
    if failed:
        raise InputError(
            f"{len(failed)} of {len(recordings)} recordings became nothing: {', '.join(failed)}; the others stand"
        )


def _load(asked: Asked, *, known: bool) -> _Loaded:
    """What recordings share, `known` or not what they say: with a text or phones for one there is one for each."""
    from animate.emotion_source import FromVoice, source_of
    from animate.learned import load_performer
    from flame_tools.load import load_head

    felt = emotion_of(asked.emotion, asked.emotion_track, asked.emotion_model)
    heard = isinstance(source_of(felt), FromVoice)
    head = load_head(asked.head)
    person = emberface.load(asked.identity) if asked.identity else None
    model = "motion" if asked.model is None and asked.sampling is None and not known else asked.model
    if model not in (None, "rules"):
        model = load_performer(model, sampling=asked.sampling)
    return _Loaded(felt, heard, head, person, model)


def _perform(one: Recording, each: list[list[Path]], asked: Asked, loaded: _Loaded, job: Run, about: str) -> None:
    """The takes of one recording, written to the places of each. `about` opens what is said of it."""
    from animate.audio_file import read_audio
    from animate.doubts import doubts_of
    from animate.letters import spoken_words
    from animate.phones_given import WORDS, phones_tier, tier_of, tiers_of

    with job.step("load"):
        text = job.inputs["text"] = one.words()
        words = text is not None
        if text is not None:
            spoken_words(text)
        if one.phones is not None:
            tiers, source = tiers_of(one.phones)
            phones_tier(tiers, source)
            words = tier_of(tiers, WORDS, source) is not None
        refuse_early(one.places, loaded.head.arrays, words=words)
        if loaded.person is not None and "texture" in not_read(loaded.person, asked.identity):
            job.warn(f"no texture is read of {asked.identity}; the NAME.face.npz it was made from keeps it")
        samples, rate = read_audio(one.speech)
    with job.step("animate", f"{about}listening to the voice"):
        made = emberface.animate(
            samples,
            rate,
            text=text,
            phones=one.phones,
            emotion=loaded.felt,
            identity=loaded.person,
            head=loaded.head,
            fps=asked.rate,
            seed=asked.seed,
            takes=asked.takes,
            model=loaded.model,
            sampling=asked.sampling,
            life=asked.life,
            progress=job.share,
        )
    tracks = []  # parameters alone: what is made of them is written take by take
    for number, mine in enumerate(each, 1):
        with job.step("animate", f"{about}take {number} of {asked.takes}"):
            tracks.append(next(made))
        write_all(job, tracks[-1], loaded.head, mine)
    with job.step("measure"):
        job.quality = performance_quality(tracks[0], loaded.head)
        for doubt in doubts_of(tracks[0], emotion_heard=loaded.heard, head=loaded.head.arrays):
            job.warn(about + doubt)
        if asked.takes > 1:
            job.quality |= takes_quality(tracks, loaded.head, each)
