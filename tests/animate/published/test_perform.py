"""From a recording to a Track through published architectures."""

import numpy as np
import pytest
import torch

from animate.published.emote import IDENTITIES
from animate.published.fitted import fitted
from animate.published.hearing import normalised
from animate.published.perform import animate_with, conditions, vertex_offsets
from animate.published.windows import joined, starts
from flame_tools import FaceParams, Head, InputError, ShapeError, load_track, save_track
from tests.flame_tools.flame_shaped import flame_shaped


@pytest.fixture(scope="module")
def flame():
    return Head(flame_shaped())


def test_emote_to_a_track(emote, flame, sound, tmp_path):
    track = animate_with(emote, sound.numpy(), 16000, head=flame, emotion="happy:0.8", identity="M005")
    assert track.fps == (25, 1) and len(track) == 125 and track.audio_rate == 16000
    told = conditions(emote, 125, emotion="happy:0.8", identity=1)
    said = emote(normalised(sound[None] - sound.mean()), told[None])[0]
    torch.testing.assert_close(track.params.expression[:, :50], said[:, :50], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(track.params.jaw, said[:, 50:], atol=1e-4, rtol=1e-4)
    assert not track.params.expression[:, 50:].any()
    assert track.curves["emotion"].values[0, :2] == pytest.approx([0.2, 0.8])
    assert any("non-commercial" in licence for licence in track.licences)
    assert flame.vertices(track.params).isfinite().all()
    save_track(track, tmp_path / "a.face.npz")
    assert torch.equal(load_track(tmp_path / "a.face.npz").params.jaw, track.params.jaw)


def test_a_condition_sums_to_one_in_each_part(emote):
    told = conditions(emote, 4, emotion="happy:1,sad:1", intensity=1.25, identity="W029")[0]
    assert told[:8].tolist() == [0, 0.5, 0.5, 0, 0, 0, 0, 0]
    assert told[8:11].tolist() == [0, 0.75, 0.25] and told[11:].argmax() == 31 and told[11:].sum() == 1
    over_time = np.linspace(0, 1, 4)[:, None] * np.eye(8)[3]
    rows = conditions(emote, 4, emotion=over_time)
    torch.testing.assert_close(rows[:, 3], torch.linspace(0, 1, 4))
    torch.testing.assert_close(rows[:, :8].sum(1), torch.ones(4))
    assert conditions(emote, 4).shape == (1, 43) and conditions(emote, 4)[0, 0] == 1
    with pytest.raises(ShapeError, match="4 frames, the recording has 5"):
        conditions(emote, 5, emotion=over_time)
    with pytest.raises(InputError, match="intensity is 3"):
        conditions(emote, 4, intensity=3)
    with pytest.raises(InputError, match=r"identity 'nobody'.*M003"):
        conditions(emote, 4, identity="nobody")
    with pytest.raises(InputError, match="identity is 32"):
        conditions(emote, 4, identity=32)
    with pytest.raises(InputError, match=r"identity is 1\.5"):
        conditions(emote, 4, identity=1.5)
    assert len(set(IDENTITIES)) == 32


def test_a_long_recording_runs_in_windows(emote, flame):
    """52 s: outside the overlap each window says what it alone says."""
    rng = np.random.default_rng(0)
    sound = rng.normal(size=1300 * 640).astype(np.float32) * 0.1
    track = animate_with(emote, sound, 16000, head=flame)
    assert len(track) == 1300
    heard = normalised(torch.from_numpy(sound - sound.mean()))[None]
    told = conditions(emote, 1)[None]
    first, second = emote(heard[:, : 1200 * 640], told)[0], emote(heard[:, 1140 * 640 :], told)[0]
    jaw = track.params.jaw
    torch.testing.assert_close(jaw[:1140], first[:1140, 50:], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(jaw[1200:], second[60:, 50:], atol=1e-4, rtol=1e-4)
    middle = (first[1140:, 50:] + second[:60, 50:]) / 2
    torch.testing.assert_close(jaw[1169:1171].mean(0), middle[29:31].mean(0), atol=0.05, rtol=0)


@pytest.mark.parametrize("frames", [1, 599, 600, 601, 1139, 1140, 1141, 5000])
def test_windows_cover_everything_once(frames):
    begun = starts(frames, 600, 60)
    pieces = [(s, torch.arange(s, min(s + 600, frames)).double()[:, None]) for s in begun]
    assert all(len(rows) > 60 or len(begun) == 1 for _, rows in pieces)
    torch.testing.assert_close(joined(pieces)[:, 0], torch.arange(frames).double())


def test_faceformer_to_vertices_and_to_a_track(vocaset, flame, sound):
    short = sound[:16000].numpy()
    offsets = vertex_offsets(vocaset, short, 16000, subject=2)
    assert torch.equal(vertex_offsets(vocaset, short, 16000, subject=np.int64(2)), offsets)
    assert offsets.shape == (29, 5023, 3)
    style = torch.eye(8)[2:3]
    wanted = vocaset(normalised(sound[None, :16000] - sound[:16000].mean()), style)
    torch.testing.assert_close(offsets, wanted, atol=1e-4, rtol=1e-4)
    track = animate_with(vocaset, short, 16000, head=flame, identity=2)
    assert track.fps == (30, 1) and len(track) == 29
    assert (track.curves["published"].values > 0).all()  # random weights move as no face does
    with pytest.raises(InputError, match="knows no emotion"):
        animate_with(vocaset, short, 16000, head=flame, emotion="happy")
    with pytest.raises(InputError, match="0 to 7"):
        vertex_offsets(vocaset, short, 16000, subject=8)


@pytest.mark.long
def test_a_long_recording_through_faceformer(biwi):
    sound = np.random.default_rng(0).normal(size=16000 * 26).astype(np.float32) * 0.1
    offsets = vertex_offsets(biwi, sound, 16000)
    heard = normalised(torch.from_numpy(sound - sound.mean()))[None]
    alone = biwi(heard[:, : 600 * 640], torch.eye(6)[:1])
    assert len(offsets) == 649
    torch.testing.assert_close(offsets[:540], alone[:540], atol=1e-4, rtol=1e-3)


def test_vertices_of_a_performance_give_it_back(flame):
    rng = np.random.default_rng(0)
    expression = torch.from_numpy(rng.normal(size=(12, 100)).cumsum(0) * 0.1).float()
    jaw = torch.zeros(12, 3)
    jaw[:, 0] = torch.linspace(0, 0.3, 12)
    shape = torch.from_numpy(rng.normal(size=300)).float()
    rest = FaceParams.neutral(flame, 12).replace(shape=shape)
    moved = flame.vertices(rest.replace(expression=expression, jaw=jaw)) - flame.vertices(rest)
    found = fitted(moved, flame.arrays, shape.double().numpy())
    assert found.residual_mm.max() < 0.05  # of 80 mm that it moves; the pull towards rest leaves 0.004
    torch.testing.assert_close(found.jaw.float(), jaw, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.expression.float(), expression, atol=0.02, rtol=0)


def test_other_heads_are_refused_with_the_way_out(emote, biwi, vocaset, flame, head, sound):
    with pytest.raises(InputError, match="give a FLAME head"):
        animate_with(emote, sound.numpy(), 16000, head=head)
    with pytest.raises(InputError, match="moves 40 vertices"):
        animate_with(biwi, sound.numpy(), 16000, head=flame)
    with pytest.raises(InputError, match=r"50 expression components.*has 10"):
        animate_with(emote, sound.numpy(), 16000, head=Head(flame_shaped(expressions=10)))
    with pytest.raises(InputError, match=r"0.02 s|too short|at least"):
        animate_with(emote, sound[:320].numpy(), 16000, head=flame)
    with pytest.raises(ShapeError, match=r"shape is \[3\]"):
        animate_with(emote, sound.numpy(), 16000, head=flame, shape=torch.zeros(3))
