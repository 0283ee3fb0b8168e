import contextlib

import av
import numpy as np
import pytest
import soundfile

from animate import audio_file
from animate.audio_file import read_audio
from flame_tools.errors import FormatError, InputError


def tone(rate: int, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 200 * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize(
    "name, rate, subtype, tolerance",
    [
        ("a.wav", 8000, "PCM_U8", 0.01),  # 8 bits: steps of 1/128
        ("a.wav", 96000, "PCM_24", 1e-6),
        ("a.wav", 44100, "FLOAT", 1e-7),
        ("a.flac", 16000, "PCM_16", 1e-4),
        ("a.ogg", 44100, "VORBIS", 0.05),  # lossy
        ("a.mp3", 44100, "MPEG_LAYER_III", 0.05),
        ("a.aiff", 22050, "PCM_16", 1e-4),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats_rates_and_depths(tmp_path, name, rate, subtype, tolerance, channels):
    sound = tone(rate)
    soundfile.write(tmp_path / name, np.stack([sound] * channels, 1), rate, subtype=subtype)
    samples, found = read_audio(tmp_path / name)
    assert found == rate and samples.dtype == np.float32 and samples.ndim == 1
    middle = slice(rate // 8, rate // 4)
    assert abs(len(samples) - len(sound)) < 0.06 * rate  # MP3 pads
    lag = np.argmax(np.correlate(samples[: rate // 2], sound[middle], "valid")) - middle.start
    np.testing.assert_allclose(samples[middle.start + lag : middle.stop + lag], sound[middle], atol=tolerance)


def test_channels_are_averaged(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([tone(16000), np.zeros(8000)], 1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav")[0], tone(16000) / 2, atol=1e-7)


def write_m4a(path, sound, rate=44100):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def test_channels_that_cancel_out_are_refused(tmp_path):
    sound = (0.3 * np.sin(np.arange(32000) / 9)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([sound, -sound], 1), 16000)
    with pytest.raises(InputError, match="has channels that cancel"):
        read_audio(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", np.stack([sound, -0.9 * sound], 1), 16000)
    assert np.abs(read_audio(tmp_path / "b.wav")[0]).max() == pytest.approx(0.015, abs=1e-3)
    soundfile.write(tmp_path / "c.wav", np.zeros((16000, 2), np.float32), 16000)
    with pytest.raises(InputError, match="is silent"):
        read_audio(tmp_path / "c.wav")


def test_m4a_by_pyav(tmp_path):
    write_m4a(tmp_path / "a.m4a", tone(44100, 1.0))
    samples, rate = read_audio(tmp_path / "a.m4a")
    assert rate == 44100 and abs(len(samples) / rate - 1.0) < 0.06
    assert 0.3 < np.sqrt((samples[8000:30000] ** 2).mean()) < 0.4


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.m4a", "a.mp3"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated_files_are_refused(tmp_path, capfd, name, share):
    path = tmp_path / name
    sound = tone(16000, 4.0) + np.random.default_rng(0).normal(0, 0.1, 64000).astype(np.float32)
    write_m4a(path, sound, 16000) if name == "a.m4a" else soundfile.write(path, sound, 16000)
    whole = path.read_bytes()
    assert len(read_audio(path)[0]) > 60000
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FormatError, match=f"{name}.* truncated") as caught:
        read_audio(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", ""), "a decoder wrote to the terminal by itself"


def test_a_truncated_mp3_without_a_stated_length_is_read_in_silence(tmp_path, capfd):
    soundfile.write(tmp_path / "a.mp3", tone(16000, 4.0), 16000)
    whole = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(whole[len(whole) // 3 : len(whole) * 2 // 3])
    with contextlib.suppress(FormatError):  # a stream cut in front may begin with no frame
        assert len(read_audio(tmp_path / "a.mp3")[0]) > 16000
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "samples, match",
    [
        (np.zeros(16000), "a.wav is silent"),
        (tone(16000, 0.05), "a.wav lasts 0.050 s"),
        (np.full(16000, np.nan), "a.wav holds 16000 samples that are NaN"),
    ],
)
def test_unusable_sound_names_its_file(tmp_path, samples, match):
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(InputError, match=match):
        read_audio(tmp_path / "a.wav")


def test_a_streamed_wav_without_a_size_is_read(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(16000), 16000, subtype="PCM_16")
    data = bytearray((tmp_path / "a.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(data)
    assert len(read_audio(tmp_path / "a.wav")[0]) == 8000


@pytest.mark.parametrize(
    "content, error, match",
    [(b"", InputError, "empty"), (b"just some text, no sound at all\n" * 20, FormatError, "not a recording")],
)
def test_what_is_no_sound_is_refused(tmp_path, content, error, match):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(error, match=match):
        read_audio(tmp_path / "a.wav")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a file"):
        read_audio(tmp_path / "none.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_what_is_too_long_is_refused_before_all_of_it_is_read(tmp_path, monkeypatch, name):
    if name == "a.m4a":
        write_m4a(tmp_path / name, tone(44100, 2.0))
    else:
        soundfile.write(tmp_path / name, tone(44100, 2.0), 44100)
    monkeypatch.setattr(audio_file, "MAX_SECONDS", 1.0)
    with pytest.raises(InputError, match="cut it into parts"):
        read_audio(tmp_path / name)


def test_what_is_no_path_is_refused():
    with pytest.raises(InputError, match="a list, wanted the path"):
        read_audio([0.1, 0.2])
