"""Figures against motion whose errors are known by hand."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.face_vertices import FaceVertices, common_times, rest_mm, still_blocks
from animate.motion_metrics import _Deviation, _largest, _VertexErrors, diversity, motion_report
from flame_tools.arkit import INDEX, to_params
from flame_tools.errors import InputError, ShapeError
from flame_tools.types import Track

FRAMES = 40


def track_of(head, weights, *, fps=25.0, start_s=0.0, **poses):
    """A track whose ARKit weights are `weights` {name: [T]}."""
    frames = len(next(iter(weights.values())))
    rows = np.zeros((frames, 52), np.float32)
    for name, values in weights.items():
        rows[:, INDEX[name]] = values
    params = to_params(torch.as_tensor(rows), head)
    still = {name: torch.zeros(frames, 3) for name in ("global_rotation", "neck", "translation")}
    return Track(head.arrays.id, params.replace(**still | poses), start_s + np.arange(frames) / fps)


def waves(rate, frames=FRAMES, phase=0.0):
    return 0.15 + 0.15 * np.sin(2 * np.pi * rate * np.arange(frames) / 25 + phase)


@pytest.fixture(scope="module")
def talking(head):
    return track_of(head, {"jawOpen": waves(2.0), "browInnerUp": waves(0.7)})


def zeros(report):
    return [
        report.mve_mm, report.mve_face_mm, report.lve_codetalker_mm2, report.lve_artalk_mm, report.lve_meshtalk_mm,
        report.fdd_mm2, report.abs_fdd_mm2, report.lip_gap_error_mm, report.mtm_ms,
    ]  # fmt: skip


def test_a_track_is_no_error_to_itself(head, talking):
    report = motion_report(talking, talking, head)
    assert zeros(report) == [0.0] * 9
    assert report.mtm_events >= 4 and report.frames == FRAMES
    assert report.jitter_mm_s2 == report.against_jitter_mm_s2 > 0


def test_head_motion_and_identity_do_not_count(head, talking):
    generator = torch.Generator().manual_seed(1)
    moved = talking.replace(
        params=talking.params.replace(
            global_rotation=torch.randn(FRAMES, 3, generator=generator),
            neck=0.3 * torch.randn(FRAMES, 3, generator=generator),
            translation=torch.randn(FRAMES, 3, generator=generator),
            shape=torch.randn(head.shape_size, generator=generator),
        )
    )
    np.testing.assert_allclose(zeros(motion_report(moved, talking, head)), 0.0, atol=1e-9)


def test_errors_by_their_definitions(head, talking):
    other = track_of(head, {"jawOpen": 0.8 * waves(2.0, phase=0.6), "browInnerUp": 0.5 * waves(0.7)})
    report = motion_report(other, talking, head)
    # The same once more, all frames at once.
    a, b = (1e3 * head.vertices(t.params).double().numpy() for t in (other, talking))
    vertices, rest = FaceVertices.of(head), 1e3 * head.v_template.double().numpy()
    d = a - b
    length = np.linalg.norm(d, axis=-1)
    assert report.mve_mm == pytest.approx(length.mean(), rel=1e-5)
    assert report.mve_face_mm == pytest.approx(length[:, vertices.face].mean(), rel=1e-5)
    squared = (length[:, vertices.lips].max(1) ** 2).mean()
    assert report.lve_codetalker_mm2 == pytest.approx(squared, rel=1e-5)
    assert report.lve_artalk_mm == pytest.approx(np.sqrt(squared), rel=1e-5)
    centred = np.linalg.norm((d - d.mean(0))[:, vertices.lips], axis=-1).max(1).mean()
    assert report.lve_meshtalk_mm == pytest.approx(centred, rel=1e-5)
    still = [(((x - rest)[:, vertices.upper] ** 2).sum(-1)).std(0).mean() for x in (b, a)]
    assert report.fdd_mm2 == pytest.approx(still[0] - still[1], rel=1e-4)
    assert report.fdd_mm2 > 0, "brows that move half as much"
    back = motion_report(talking, other, head)
    assert back.fdd_mm2 == pytest.approx(-report.fdd_mm2) and back.abs_fdd_mm2 == pytest.approx(report.abs_fdd_mm2)
    assert back.mve_mm == pytest.approx(report.mve_mm)


def test_an_offset_that_stays_is_none_to_meshtalks_error(head):
    shut, open_ = (track_of(head, {"jawOpen": np.full(FRAMES, value)}) for value in (0.0, 0.2))
    report = motion_report(open_, shut, head)
    assert report.lve_meshtalk_mm == pytest.approx(0.0, abs=1e-9)
    assert report.lve_artalk_mm > 4  # mm: the jaw of a fifth
    assert report.lve_codetalker_mm2 == pytest.approx(report.lve_artalk_mm**2)
    assert report.lip_gap_error_mm > 4 and report.fdd_mm2 == pytest.approx(0.0, abs=1e-9)
    assert report.mtm_ms is None and report.mtm_events == 0, "nothing moves: there is no event"


def test_hand_computed_sums():
    vertices = FaceVertices(lips=np.array([0, 1]), face=np.array([0, 1, 2]), upper=np.array([2]))
    errors = _VertexErrors(vertices, np.zeros((4, 3)))
    theirs = np.zeros((2, 4, 3))
    ours = np.zeros((2, 4, 3))
    ours[0, 0] = [3, 4, 0]  # |d| = 5 on a lip
    ours[1, 1] = [0, 0, 1]  # |d| = 1 on the other
    ours[1, 2] = [2, 0, 0]  # an upper vertex moves from |m|^2 = 0 to 4: deviation 2
    for t in range(2):  # in two blocks
        errors.add(ours[t : t + 1], theirs[t : t + 1])
    assert errors.mean_distance("all") == (5 + 1 + 2) / 8
    assert errors.mean_distance("face") == pytest.approx((5 + 1 + 2) / 6)
    assert errors.largest_squared() == (25 + 1) / 2
    assert errors.dynamics_deviation() == pytest.approx(-2.0)
    np.testing.assert_allclose(errors.mean_difference()[0], [1.5, 2, 0])
    assert _largest(ours).tolist() == [5.0, 2.0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), st.integers(1, 7))
def test_deviation_in_blocks_is_the_deviation(values, block):
    values = np.array(values)[:, None]
    found = _Deviation(1)
    for at in range(0, len(values), block):
        found.add(values[at : at + block])
    np.testing.assert_allclose(found.deviation(), values.std(0), atol=1e-9)


def test_another_rate_is_read_between_its_frames(head):
    ramp = track_of(head, {"mouthSmileLeft": np.linspace(0, 0.5, 26)})  # linear in its vertices
    finer = track_of(head, {"mouthSmileLeft": np.linspace(0, 0.5, 51)}, fps=50.0)
    assert motion_report(finer, ramp, head).mve_mm == pytest.approx(0.0, abs=1e-6)
    found = motion_report(ramp, finer, head)
    assert found.mve_mm == pytest.approx(0.0, abs=1e-6) and found.frames == 51
    late = track_of(head, {"mouthSmileLeft": np.linspace(0.1, 0.5, 21)}, start_s=0.2)
    found = motion_report(late, ramp, head)
    assert found.frames == 21 and found.mve_mm == pytest.approx(0.0, abs=1e-6)


def test_what_cannot_be_compared(head, talking):
    with pytest.raises(InputError, match="no moment in common"):
        common_times(talking, talking.replace(time_s=talking.time_s + 100))
    with pytest.raises(ShapeError, match="emberface convert"):
        motion_report(talking, talking.replace(head_id="other"), head)
    with pytest.raises(ShapeError, match="load that head"):
        next(still_blocks(talking.replace(head_id="other"), head, talking.time_s, talking.params.shape))
    with pytest.raises(InputError, match="at least two"):
        diversity([talking], head)


def test_diversity(head, talking):
    assert diversity([talking, talking], head)["diversity_mm"] == 0.0
    lifted = talking.replace(params=talking.params.replace(jaw=talking.params.jaw + torch.tensor([0.1, 0.0, 0.0])))
    two = diversity([talking, lifted], head)
    vertices = FaceVertices.of(head)
    a, b = (1e3 * head.vertices(t.params).double().numpy()[:, vertices.lips] for t in (talking, lifted))
    assert two["diversity_lips_mm"] == pytest.approx(np.linalg.norm(a - b, axis=-1).mean(), rel=1e-5)
    assert two["diversity_upper_mm"] < 0.1 < two["diversity_mm"] < two["diversity_lips_mm"]
    three = diversity([talking, lifted, lifted], head)  # pairs: 1, 1 and 0
    assert three["diversity_mm"] == pytest.approx(2 / 3 * two["diversity_mm"])


def test_parts_of_the_default_head(head):
    found = FaceVertices.of(head)
    rest = rest_mm(head, torch.zeros(head.shape_size))
    lips, face, upper = (rest[part] for part in (found.lips, found.face, found.upper))
    assert len(upper) > 200 and not set(found.upper) & set(found.lips)
    assert set(found.lips) <= set(found.face)
    assert lips[:, 1].max() < upper[:, 1].min() and np.ptp(face[:, 1]) > 100
    # Without regions landmarks say it.
    bare = type(head)(dataclasses.replace(head.arrays, regions={}))
    guessed = FaceVertices.of(bare)
    assert 12 <= len(guessed.lips) < 120 and np.isin(guessed.lips, found.lips).mean() > 0.8
    assert np.isin(found.upper, guessed.upper).mean() > 0.85
    assert not set(guessed.face) & set(head.arrays.regions["left_eyeball"])
    nothing = type(head)(dataclasses.replace(head.arrays, landmarks={}))
    with pytest.raises(InputError, match="no landmarks '68'"):
        FaceVertices.of(nothing)
