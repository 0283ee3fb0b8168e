"""Performances become shards and come back; crops are the seed's."""

import dataclasses

import numpy as np
import pytest
import torch

import emberface
from animate.batches import Crops, derangement
from animate.corpus import Clip, Corpus, build, clip_of, load_corpus, write_shards
from animate.emotion import EMOTIONS
from animate.encoder.corpus import PHONE_INDEX
from animate.encoders import LogMel
from animate.motion import face_of, rows_of
from flame_tools.errors import FormatError, InputError, OutputError
from flame_tools.track_file import save_track
from flame_tools.types import Intervals


def clip(frames, speaker="a", name="x", seed=0):
    rng = np.random.default_rng(seed)
    parts = (rng.normal(size=(frames, width)).astype(np.float16) for width in (3, 4, 8))
    return Clip(*parts, rng.integers(0, 9, frames).astype(np.int8), speaker, name)


def corpus(*clips):
    return Corpus(clips, 30, "default", "log-mel", tuple(sorted({c.speaker for c in clips})))


@pytest.fixture(scope="module")
def track(voice):
    samples, rate, _ = voice
    return emberface.animate(samples[: 2 * rate], rate, emotion="happy:0.6")


def test_motion_rows_are_the_track(track, head):
    motion = rows_of(track, track.time_s)
    face = face_of(torch.as_tensor(motion), head)
    for name in ("expression", "jaw", "eyes", "eyelids", "neck"):
        torch.testing.assert_close(getattr(face, name), getattr(track.params, name), atol=1e-6, rtol=0)
    between = rows_of(track, (track.time_s[:-1] + track.time_s[1:]) / 2)
    np.testing.assert_allclose(between, (motion[:-1] + motion[1:]) / 2, atol=1e-6)


def test_a_clip_holds_what_was_heard_and_done_at_the_same_moments(track):
    late = track.replace(time_s=track.time_s + 3.0, audio_start_s=2.9)  # sound begins 100 ms before the face
    said = Intervals(("SIL", "AH1", "??"), np.array([2.5, 3.4, 3.6]), np.array([3.4, 3.6, 3.7]))
    late = late.replace(intervals={**late.intervals, "phones": said})
    made = clip_of(late, LogMel(), 30, speaker="anna", name="one")
    np.testing.assert_allclose(made.motion[:50], rows_of(track, track.time_s)[:50], atol=2e-3)  # float16, 3 frames late
    plain = clip_of(track, LogMel(), 30, speaker="anna", name="one")
    np.testing.assert_allclose(made.features[:50], plain.features[3:53], atol=2e-3)
    assert made.phones[13] == PHONE_INDEX["AH"] and made.phones[0] == PHONE_INDEX["SIL"] and made.phones[19] == -1
    np.testing.assert_allclose(made.emotion[:50], track.curves["emotion"].values[:50], atol=1e-3)
    assert made.emotion[:, EMOTIONS.index("happy")].max() > 0.5
    assert np.delete(made.emotion, EMOTIONS.index("happy"), 1).max() == 0


def test_speakers_of_the_tests_and_tracks_without_sound_are_refused(track):
    with pytest.raises(InputError, match="kept for tests"):
        clip_of(track, LogMel(), 30, speaker="arctic", name="one")
    with pytest.raises(InputError, match="has no sound"):
        clip_of(track.replace(audio=None), LogMel(), 30, speaker="anna", name="one")


def test_shards_bring_the_same_clips(tmp_path):
    clips = [clip(10 * (i + 1), speaker="ab"[i % 2], name=str(i), seed=i) for i in range(5)]
    said = {"fps": 30, "head_id": "default", "encoder": "log-mel"}
    assert write_shards(iter(clips), tmp_path, **said, frames=45) == 5
    assert len(list(tmp_path.glob("shard-*.npz"))) == 2
    back = load_corpus(tmp_path)
    assert (back.fps, back.head_id, back.encoder, back.speakers) == (30, "default", "log-mel", ("a", "b"))
    clips.sort(key=lambda c: (c.speaker, c.name))
    for ours, theirs in zip(clips, back.clips, strict=True):
        for f in dataclasses.fields(Clip):
            np.testing.assert_array_equal(getattr(ours, f.name), getattr(theirs, f.name))
    with pytest.raises(OutputError, match="holds some already"):
        write_shards(iter(clips[:1]), tmp_path, **said)
    write_shards(iter(clips[:1]), tmp_path / "other", **{**said, "fps": 25})
    (tmp_path / "other" / "shard-00000.npz").rename(tmp_path / "shard-00009.npz")
    with pytest.raises(FormatError, match="mixes shards"):
        load_corpus(tmp_path)


def test_a_folder_of_captured_data(track, tmp_path):
    import soundfile

    folder = tmp_path / "data" / "anna"
    folder.mkdir(parents=True)
    save_track(track, folder / "b.face.npz")
    save_track(track.replace(audio=None, audio_rate=0, curves={}), folder / "a.face.npz")
    soundfile.write(folder / "a.wav", track.audio, track.audio_rate, subtype="FLOAT")
    (folder / "a.emotion.txt").write_text("sad:0.4\n")
    assert build(tmp_path / "data", tmp_path / "corpus", LogMel()) == 2
    a, b = load_corpus(tmp_path / "corpus").clips
    assert (a.name, b.name, a.speaker) == ("a", "b", "anna")
    np.testing.assert_array_equal(a.features, b.features)
    assert a.emotion[0, EMOTIONS.index("sad")] == np.float16(0.4)
    with pytest.raises(InputError, match="one folder a speaker"):
        build(folder, tmp_path / "corpus", LogMel())
    with pytest.raises(InputError, match="holds no shards"):
        load_corpus(tmp_path / "data")


def test_every_window_comes_once_an_epoch():
    crops = Crops(corpus(clip(95), clip(30, name="y", seed=1), clip(7, name="z", seed=2)), 1.0, seed=0)
    assert sorted(crops.windows) == [(0, 0), (0, 30), (0, 60), (0, 90), (1, 0), (2, 0)]
    assert sorted(crops._order_of(0)) == list(range(6)) and list(crops._order_of(0)) != list(crops._order_of(1))


def test_crops_are_of_seed_and_step_alone():
    own = corpus(clip(95), clip(40, speaker="b", name="y", seed=1))
    one, two = Crops(own, 1.0, seed=3).batch(4, 7), Crops(own, 1.0, seed=3)
    two.batch(4, 0)
    for a, b in zip(vars(one).values(), vars(two.batch(4, 7)).values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.motion, Crops(own, 1.0, seed=4).batch(4, 7).motion)


def test_a_crop_is_a_stretch_of_its_clip_and_its_reference_of_its_speaker():
    own = corpus(clip(95), clip(12, speaker="b", name="y", seed=1))
    batch = Crops(own, 1.0, seed=0).batch(8, 0)
    for i, speaker in enumerate(batch.speaker.tolist()):
        source = torch.as_tensor(own.clips[speaker].motion).float()
        at = int((source == batch.motion[i, 0]).all(-1).nonzero()[0])
        present = int(batch.mask[i].sum())
        assert present == min(30, len(source))
        assert torch.equal(batch.motion[i, :present], source[at : at + present])
        assert torch.equal(batch.features[i, 0], torch.as_tensor(own.clips[speaker].features[at]).float())
        assert (batch.motion[i, present:] == source[-1]).all()
        assert any(torch.equal(batch.reference[i, 0], row) for row in source)


@pytest.mark.parametrize("count", [2, 3, 9])
def test_nobody_keeps_their_own(count):
    seen = set()
    for seed in range(30):
        order = derangement(count, np.random.default_rng(seed))
        assert sorted(order) == list(range(count)) and (order != np.arange(count)).all()
        seen.add(tuple(order))
    assert len(seen) > 1 or count == 2
    with pytest.raises(InputError, match="two or more"):
        derangement(1, np.random.default_rng(0))
