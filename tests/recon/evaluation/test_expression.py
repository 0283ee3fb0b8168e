"""Expressions and lips against the truth, where it is known by how much they differ."""

import dataclasses

import numpy as np
import pytest
import torch

from flame_tools.errors import FormatError, InputError
from flame_tools.track_file import save_track
from flame_tools.types import FaceParams, Track
from recon.evaluation.expression import expression_errors
from recon.evaluation.lips import lip_errors
from recon.evaluation.measure import measure_expression, picture_of
from recon.evaluation.performances import common_times, of_track, read_performance
from recon.fitting.rotation import rotation_matrix
from recon.synthetic.expressions import EXPRESSIONS, posed

FIELDS = ("expression", "jaw", "eyes", "eyelids")


def performance_of(head, *, gain: float = 1.0, names=None, shape=None, turn: float = 0.0) -> Track:
    """The ten expressions one after the other, `gain` times as strong."""
    shape = np.zeros(head.shape_size) if shape is None else shape
    chosen = [e for e in EXPRESSIONS if names is None or e.name in names]
    faces = [posed(e, head, shape) for e in chosen]
    params = FaceParams.neutral(head, len(chosen)).replace(
        shape=faces[0].shape,
        global_rotation=torch.full((len(chosen), 3), turn),
        **{name: gain * torch.stack([getattr(face, name) for face in faces]) for name in FIELDS},
    )
    return Track(head.arrays.id, params, np.arange(len(chosen)) / 10.0)


@pytest.fixture(scope="module")
def truth(head):
    return performance_of(head)


def errors(head, found, truth, of=expression_errors):
    return of(of_track(found, head), of_track(truth, head), head.arrays)


def test_the_truth_is_without_error_however_the_head_turns(head, truth):
    found = errors(head, performance_of(head, turn=0.4), truth)
    assert found.displacement_correlation > 0.9999 and found.amplitude == pytest.approx(1, abs=1e-4)
    assert found.displacement_error_mm < 1e-3 and found.vertex_error_mm < 1e-3 and found.gain > 0.999
    assert (found.frames, found.moving, found.one_sided) == (10, 9, 2)
    assert found.one_sided_correlation > 0.9999


def test_a_muted_face_has_a_small_amplitude_and_keeps_its_correlation(head, truth):
    found = errors(head, performance_of(head, gain=0.5), truth)
    assert found.amplitude == pytest.approx(0.5, abs=0.05)  # lids and jaws are not linear
    assert found.strongest_amplitude == pytest.approx(0.5, abs=0.08)
    assert found.displacement_correlation > 0.95
    assert found.gain == pytest.approx(0.5, abs=0.08)
    still = errors(head, performance_of(head, gain=0.0), truth)
    assert still.displacement_correlation == 0 and still.amplitude == pytest.approx(0, abs=1e-6)
    assert still.gain == pytest.approx(0, abs=1e-6)


def test_one_sided_expressions_are_told_from_their_mirror_image(head):
    true = performance_of(head, names=("smirk and wink",))
    arrays = head.arrays
    own = of_track(true, head)
    flipped = own.frames(np.array([0]))[:, arrays.mirror] * (-1, 1, 1)
    rest = own.neutral[arrays.mirror] * (-1, 1, 1)
    mirrored = dataclasses.replace(own, neutral=rest, frames=lambda rows: flipped[rows])
    found = expression_errors(mirrored, own, arrays)
    assert found.one_sided == 1 and found.one_sidedness > 0.4
    assert found.one_sided_correlation < -0.99 and found.one_sided_amplitude == pytest.approx(-1, abs=0.01)
    halves = found.regions
    assert halves["left_half"]["true_mm"] > 1.5 * halves["right_half"]["true_mm"]
    level = errors(head, performance_of(head, names=("shout",)), performance_of(head, names=("shout",)))
    assert level.one_sided == 0 and level.one_sided_correlation is None


def test_identity_is_in_vertex_errors_alone(head, truth):
    shape = np.zeros(head.shape_size)
    shape[:3] = 1.5
    found = errors(head, performance_of(head, shape=shape), truth)
    assert found.vertex_error_mm > 1.0
    assert found.displacement_error_mm < 0.25 * found.vertex_error_mm


def test_errors_are_said_where_they_are(head):
    true = performance_of(head, names=("angry",))
    calm = true.replace(params=true.params.replace(expression=true.params.expression * 0.0))
    brow = torch.tensor([name.startswith("brow") for name in head.arrays.expression_names])
    without = true.replace(params=true.params.replace(expression=true.params.expression * ~brow))
    some, none = errors(head, without, true).regions, errors(head, calm, true).regions
    assert some["brow"]["displacement_error_mm"] == pytest.approx(none["brow"]["displacement_error_mm"], rel=0.3)
    assert some["lips"]["displacement_error_mm"] < 0.05 < none["lips"]["displacement_error_mm"]


def test_vertices_serve_as_truth_wherever_their_heads_are(head, truth, tmp_path):
    own = of_track(truth, head)
    frames = own.frames(np.arange(10))
    turned = frames @ rotation_matrix(np.array([0.2, -0.5, 0.1])).T + (0.1, 0.2, 0.3)
    np.save(tmp_path / "frames.npy", turned.astype(np.float32))
    np.save(tmp_path / "rest.npy", own.neutral)
    read = read_performance(tmp_path / "frames.npy", head, neutral=tmp_path / "rest.npy", like=own)
    assert (read.time_s == own.time_s).all()
    found = expression_errors(own, read, head.arrays)
    assert found.displacement_correlation > 0.995 and found.displacement_error_mm < 0.4


def test_vertices_stand_at_the_times_of_the_track_whichever_side_they_are_on(head, truth, tmp_path):
    own = of_track(truth, head)
    frames = own.frames(np.arange(10))
    for name, values in (("frames", frames), ("fewer", frames[:4]), ("rest", own.neutral)):
        np.save(tmp_path / f"{name}.npy", values.astype(np.float32))
    save_track(truth, tmp_path / "true.face.npz")
    rest = tmp_path / "rest.npy"
    for sides in (("frames.npy", "true.face.npz"), ("true.face.npz", "frames.npy")):
        one, other = (tmp_path / name for name in sides)
        found = measure_expression(picture_of(one, other, neutral=rest), lambda path: head)
        assert found["frames"] == 10 and found["displacement_correlation"] > 0.995
        few, whole = (tmp_path / name.replace("frames", "fewer") for name in sides)
        with pytest.raises(InputError, match=r"fewer.npy holds 4 faces without times, the other performance has 10"):
            measure_expression(picture_of(few, whole, neutral=rest), lambda path: head)


def test_lips(head):
    names = ("neutral", "smile", "speaking", "sad", "kiss", "shout")
    true = performance_of(head, names=names)
    same = errors(head, true, true, lip_errors)
    assert same.lip_gap_error_mm == 0 and same.lip_landmark_error_mm < 1e-6 and same.mouth_width_error_mm == 0
    assert same.lip_gap_correlation == pytest.approx(1) and same.closure_kept == 1 and same.closure_false == 0
    assert 0 < same.closed < same.frames == 6
    wide = true.params.jaw + torch.tensor([0.1, 0.0, 0.0])
    apart = errors(head, true.replace(params=true.params.replace(jaw=wide)), true, lip_errors)
    assert apart.closure_kept == 0 and apart.closure_false == 0
    assert apart.lip_gap_bias_mm > 4 and apart.lip_gap_error_mm == pytest.approx(apart.lip_gap_bias_mm, rel=1e-3)
    assert apart.lip_landmark_error_mm > 1
    shut = errors(head, performance_of(head, gain=0.0, names=names), true, lip_errors)
    assert shut.closure_kept == 1 and shut.closure_false == 1 and shut.lip_gap_bias_mm < 0
    assert shut.lip_gap_correlation is None


def test_moments_are_met_between_frames(head, truth):
    own = of_track(truth, head)
    between = next(own.at(np.array([0.25])))
    two = own.frames(np.array([2, 3]))
    assert np.abs(between[0] - two.mean(0)).max() < 1e-9
    late = dataclasses.replace(own, time_s=own.time_s + 0.55)
    assert common_times(late, own)[1] == pytest.approx([0.6, 0.7, 0.8, 0.9])
    with pytest.raises(InputError, match="no moment in common"):
        common_times(dataclasses.replace(own, time_s=own.time_s + 60), own)


def test_vertices_that_are_none_are_refused(head, tmp_path):
    count = len(head.v_template)
    rest = head.v_template.numpy()
    cases = {
        "millimetres.npy": (1000 * rest, InputError, "in metres"),
        "other.npy": (rest[:-1], InputError, str(count)),
        "whole.npy": (rest.astype(int), InputError, "int64"),
        "nan.npy": (np.where(rest > 0.05, np.nan, rest), FormatError, "NaN"),
        "none.npy": (np.zeros((0, count, 3)), InputError, r"\[0, "),
    }
    for name, (values, error, says) in cases.items():
        np.save(tmp_path / name, values)
        with pytest.raises(error, match=says):
            read_performance(tmp_path / name, head, neutral=tmp_path / name)
    np.save(tmp_path / "good.npy", rest)
    with pytest.raises(InputError, match="--neutral"):
        read_performance(tmp_path / "good.npy", head)
    (tmp_path / "empty.npy").write_bytes(b"")
    with pytest.raises(FormatError, match=r"empty\.npy"):
        read_performance(tmp_path / "empty.npy", head, neutral=tmp_path / "good.npy")
