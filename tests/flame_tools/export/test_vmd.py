import struct
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from flame_tools import FaceParams, Head, InputError, ShapeError, Track
from flame_tools.arkit import ARKIT_NAMES, INDEX, from_params
from flame_tools.export.vmd import morphs, write_vmd
from flame_tools.types import Intervals
from tests.flame_tools.export.conftest import assert_same_bytes_or_none, lively_track

MORPHS = {
    "まばたき",
    "ウィンク２",
    "ｳｨﾝｸ２右",
    "あ",
    "い",
    "う",
    "え",
    "お",
    "びっくり",
    "上",
    "困る",
    "怒り",
    "にやり",
}


@dataclass
class Vmd:
    """The file by its published layout, written down apart from the writer."""

    model: str
    bones: dict  # name -> [(frame, position, quaternion, interpolation)]
    morphs: dict  # name -> [(frame, weight)]

    def __init__(self, path):
        data = path.read_bytes()
        magic, model = struct.unpack_from("<30s20s", data)
        assert magic.rstrip(b"\0") == b"Vocaloid Motion Data 0002"
        self.model, at = text(model), 50
        self.bones, self.morphs = {}, {}
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
        for _ in range(count):
            name, frame, *numbers = struct.unpack_from("<15sI7f64s", data, at)
            self.bones.setdefault(text(name), []).append((frame, numbers[:3], numbers[3:7], numbers[7]))
            at += 111
        (count,) = struct.unpack_from("<I", data, at)
        at += 4
        for _ in range(count):
            name, frame, weight = struct.unpack_from("<15sIf", data, at)
            self.morphs.setdefault(text(name), []).append((frame, weight))
            at += 23
        assert data[at:] == bytes(16)  # no cameras, lights, shadows, switches

    def play(self, name, frames):
        keys, values = zip(*self.morphs[name], strict=True)
        return np.interp(frames, keys, values)


def text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("shift_jis" if b"\x87" not in raw else "cp932")


@pytest.fixture(scope="module")
def head(arrays):
    return Head(arrays)


def with_weights(head, frames, fps=30, **weights):
    from flame_tools.arkit import to_params

    table = torch.zeros(frames, len(ARKIT_NAMES))
    for name, values in weights.items():
        table[:, INDEX[name]] = torch.as_tensor(values)
    p = to_params(table, head)
    params = FaceParams.neutral(head, frames).replace(
        expression=p.expression, jaw=p.jaw, eyes=p.eyes, eyelids=p.eyelids, shape=torch.zeros(head.shape_size)
    )
    return Track(head.arrays.id, params, np.arange(frames) / fps, fps=(fps, 1))


def test_morphs_and_bones_by_their_own_names(head, tmp_path):
    track = lively_track(head, 30)
    write_vmd(track, head, tmp_path / "x.vmd", model_name="初音ミク")
    vmd = Vmd(tmp_path / "x.vmd")
    assert set(vmd.morphs) == MORPHS and set(vmd.bones) == {"頭", "両目"} and vmd.model == "初音ミク"
    weights = from_params(track.params, head).clamp(0, 1).double().numpy()
    for name, wanted in morphs(track, weights).items():
        np.testing.assert_allclose(vmd.play(name, np.arange(30)), wanted, atol=1e-6)
        assert all(0 <= weight <= 1 for _, weight in vmd.morphs[name])


def test_bones_turn_as_in_a_mirror(head, tmp_path):
    """VMD's z points back: a point that our turn takes somewhere is taken to the mirrored place there."""
    track = lively_track(head, 10)
    write_vmd(track, head, tmp_path / "x.vmd")
    vmd = Vmd(tmp_path / "x.vmd")
    mirror = np.diag([1.0, 1.0, -1.0])
    p = track.params
    wanted = Rotation.from_rotvec(p.global_rotation.numpy()) * Rotation.from_rotvec(p.neck.numpy())
    for frame, place, turn, interpolation in vmd.bones["頭"]:
        np.testing.assert_allclose(
            Rotation.from_quat(turn).as_matrix(), mirror @ wanted[frame].as_matrix() @ mirror, atol=1e-6
        )
        assert place == [0, 0, 0]
        # the four curves' control points, as MikuMikuDance keeps them: x1 y1 x2 y2 of x, y, z, rotation
        assert [set(interpolation[i : i + 4]) for i in (0, 4, 8, 12)] == [{20}, {20}, {107}, {107}]
    one = Rotation.from_rotvec([[0.3, 0, 0], [0, 0.2, 0]])
    eyes = torch.tensor(one.as_rotvec()).float().expand(2, 2, 3)
    still = with_weights(head, 2)
    write_vmd(still.replace(params=still.params.replace(eyes=eyes)), head, tmp_path / "y.vmd")
    half = one[0] * Rotation.from_rotvec((one[0].inv() * one[1]).as_rotvec() / 2)
    (_, _, turn, _), _ = Vmd(tmp_path / "y.vmd").bones["両目"]
    np.testing.assert_allclose(Rotation.from_quat(turn).as_matrix(), mirror @ half.as_matrix() @ mirror, atol=1e-6)


def test_frames_are_thirtieths(head, tmp_path):
    lids = np.linspace(0, 1, 121)
    track = with_weights(head, 121, 120, eyeBlinkLeft=lids, eyeBlinkRight=lids)
    track = track.replace(time_s=track.time_s + 0.51, fps=None)
    write_vmd(track, head, tmp_path / "x.vmd")
    keys = Vmd(tmp_path / "x.vmd").morphs["まばたき"]
    assert [frame for frame, _ in keys] == list(range(16, 46))  # 0.51 s to 1.51 s
    np.testing.assert_allclose([w for _, w in keys], np.arange(16, 46) / 30 - 0.51, atol=1e-6)


def test_what_stays_has_few_keys_and_what_never_moves_none(head, tmp_path):
    track = with_weights(head, 90, eyeBlinkLeft=np.repeat([0, 1, 0], 30))
    write_vmd(track, head, tmp_path / "x.vmd")
    vmd = Vmd(tmp_path / "x.vmd")
    assert set(vmd.morphs) == {"ウィンク２"} and not vmd.bones
    assert vmd.morphs["ウィンク２"] == [(0, 0), (29, 0), (30, 1), (59, 1), (60, 0), (89, 0)]


@pytest.mark.parametrize(
    ("weights", "morph"),
    [
        ({"jawOpen": 0.8}, "あ"),
        ({"mouthStretchLeft": 0.8, "mouthStretchRight": 0.8}, "い"),
        ({"mouthPucker": 0.9}, "う"),
        ({"jawOpen": 0.7, "mouthStretchLeft": 0.9, "mouthStretchRight": 0.9}, "え"),
        ({"jawOpen": 0.7, "mouthFunnel": 0.9}, "お"),
    ],
)
def test_vowels_of_a_mouth_without_phones(weights, morph, head):
    track = with_weights(head, 2, **weights)
    found = morphs(track, from_params(track.params, head).double().numpy())
    vowels = {name: found[name][0] for name in "あいうえお"}
    assert max(vowels, key=vowels.get) == morph and 0.5 < vowels[morph] <= 1 and sum(vowels.values()) <= 1.001


def test_vowels_of_phones(head):
    phones = Intervals(("M", "IY1", "UW1"), np.array([0.0, 0.2, 0.6]), np.array([0.2, 0.6, 1.0]))
    track = with_weights(head, 30, jawOpen=0.8).replace(intervals={"phones": phones})
    found = morphs(track, np.zeros((30, 52)))
    assert found["い"][12] == pytest.approx(1) and found["う"][24] == pytest.approx(1)
    assert not found["あ"].any() and found["い"][3] == 0


def test_same_bytes_or_none(head, tmp_path):
    track = lively_track(head)
    broken = track.replace(params=track.params.replace(jaw=torch.full_like(track.params.jaw, torch.nan)))
    assert_same_bytes_or_none(write_vmd, track, broken, head, tmp_path, ShapeError, "jaw holds NaN")
    for name, wanted in (("x" * 21, "takes 21 bytes"), ("😀", "Shift-JIS")):
        with pytest.raises(InputError, match=wanted):
            write_vmd(track, head, tmp_path / "x.vmd", model_name=name)
