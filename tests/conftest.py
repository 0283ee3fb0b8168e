"""What tests of several commands share."""

import pytest
import soundfile

from animate.audio_file import read_audio
from assets.locate import asset_path


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    """A file with a second and a half of the bundled voice."""
    samples, rate = read_audio(asset_path("voice"))
    path = tmp_path_factory.mktemp("sound") / "word.wav"
    soundfile.write(path, samples[: 3 * rate // 2], rate)
    return path
