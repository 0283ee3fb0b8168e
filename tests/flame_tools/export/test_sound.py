import numpy as np
import pytest
import soundfile

from flame_tools import Head
from flame_tools.export import write_wav
from tests.flame_tools.export.conftest import lively_track


@pytest.mark.parametrize(("start_s", "first"), [(0.0, 0), (0.25, 2000), (-0.1, -800)])
def test_sound_is_placed_on_the_tracks_clock(start_s, first, arrays, tmp_path):
    tone = np.sin(np.arange(8000) / 10).astype(np.float32)
    track = lively_track(Head(arrays), audio=tone, audio_rate=8000, audio_start_s=start_s)
    write_wav(track, tmp_path / "x.wav")
    read, rate = soundfile.read(tmp_path / "x.wav")
    assert rate == 8000
    wanted = np.concatenate([np.zeros(max(first, 0)), tone[max(-first, 0) :]])
    np.testing.assert_allclose(read, wanted, atol=1e-4)
