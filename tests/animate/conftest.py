from pathlib import Path

import pytest

from animate.audio_file import read_audio
from animate.phones import Phones, find_phones
from animate.speech import Speech, measure, prepare
from assets.locate import asset_path
from flame_tools.load import load_head
from tests.shared_data import shared_file


def shared(path: str) -> Path:
    """A file of ../shared/data/speech, or a skip where the machine has none."""
    return shared_file(f"speech/{path}")


def found(samples, rate, text=None, **options) -> tuple[Phones, Speech]:
    """The phones of a recording, and it."""
    speech = prepare(samples, rate)
    return find_phones(speech, measure(speech), text=text, **options), speech


def utterance(name: str) -> tuple[Path, Path, str]:
    """(sound, TextGrid, transcript) of a LibriSpeech utterance."""
    speaker = name.split("-")[0]
    lines = shared("transcripts.tsv").read_text(encoding="utf-8").splitlines()
    text = next(row.split("\t")[5] for row in lines if row.startswith(f"librispeech/{speaker}/{name}.flac"))
    grid = shared(f"librispeech_alignments/{speaker}/{name}.TextGrid")
    return shared(f"librispeech/{speaker}/{name}.flac"), grid, text


@pytest.fixture(scope="session")
def head():
    return load_head("default")


@pytest.fixture(scope="session")
def voice():
    """The bundled recording: samples, rate, text."""
    samples, rate = read_audio(asset_path("voice"))
    return samples, rate, asset_path("voice_text").read_text(encoding="utf-8").strip()


@pytest.fixture(scope="session")
def aligned(voice) -> Phones:
    """The bundled recording with its text."""
    return found(*voice)[0]
