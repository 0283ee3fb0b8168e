"""What tests of several commands share."""

import pytest
import soundfile
from hypothesis import settings

from animate.audio_file import read_audio
from assets.locate import asset_path

# A first call compiles kernels, and cores are shared: how long an example takes says nothing.
settings.register_profile("any machine", settings.default, deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def sound(tmp_path_factory):
    """A file with a second and a half of the bundled voice."""
    samples, rate = read_audio(asset_path("voice"))
    path = tmp_path_factory.mktemp("sound") / "word.wav"
    soundfile.write(path, samples[: 3 * rate // 2], rate)
    return path
