import numpy as np

from flame_tools.transfer.lips import Lips, with_corners


def mouth(gap_m: float, width_m: float) -> np.ndarray:
    """Five pairs [5, 2, 3] along a straight mouth."""
    x = np.linspace(-width_m / 2, width_m / 2, 5)
    return np.stack([np.stack([x, 0 * x + gap, 0 * x], -1) for gap in (gap_m, 0.0)], 1)


AJAR, SHUT, MISPLACED = (Lips.at_rest(mouth(gap, width)) for gap, width in ((8e-4, 0.05), (-3e-4, 0.04), (4e-3, 0.04)))


def heights(source: Lips, gap_m: float, target: Lips, width_m: float = 0.05) -> np.ndarray:
    return source.carried(mouth(gap_m, width_m)[None], target)[0][0, :-1, 1]


def test_lips_that_touch_touch_whatever_the_rest_gaps():
    np.testing.assert_allclose(heights(AJAR, 5e-3, SHUT), 4e-3, atol=1e-9)
    np.testing.assert_allclose(heights(SHUT, -3e-4, AJAR), -3.75e-4, atol=1e-9)


def test_pairs_that_lie_elsewhere_keep_their_distance():
    """4 mm apart on a face at rest: 3 mm of that is no opening."""
    np.testing.assert_allclose(heights(SHUT, 0.0, MISPLACED), 3e-3, atol=1e-9)


def test_a_smile_is_as_wide_and_closed_lips_count_most():
    gaps, weight = AJAR.carried(np.stack([mouth(0.0, 0.06), mouth(0.02, 0.05)]), SHUT)
    np.testing.assert_allclose(gaps[:, -1, 0], [-0.048, -0.04], atol=1e-9)
    assert (weight[0, :-1, 1] > 5 * weight[1, :-1, 1]).all()


def test_heads_without_lip_pairs_have_no_gaps():
    none = Lips.at_rest(np.zeros((0, 2, 3)))
    gaps, weight = none.carried(np.zeros((7, 0, 2, 3)), none)
    assert gaps.shape == weight.shape == (7, len(with_corners(np.zeros((0, 2), int))), 3)


def test_pairs_that_end_before_the_corners_are_no_narrower_mouth():
    """A character's pairs are those that jawOpen parts, not all from corner to corner."""
    whole = mouth(8e-4, 0.05)
    inner = Lips.at_rest(whole[1:4])
    opened = whole[None].copy()
    opened[0, :, 0, 1] += 4e-3 * np.array([0, 1, 2, 1, 0])
    opened[0, :, :, 0] *= 1.2
    gaps, _ = AJAR.carried(opened, inner, whole[1:4].mean(1))
    np.testing.assert_allclose(gaps[0, :-1, 1], opened[0, 1:4, 0, 1] - opened[0, 1:4, 1, 1], atol=1e-9)
    np.testing.assert_allclose(gaps[0, -1, 0], -1.2 * 0.025, atol=1e-9)
    back, _ = inner.carried(
        opened[:, 1:4], AJAR, whole.mean(1)
    )  # and from there: corners lie beyond, no mouth is wider
    np.testing.assert_allclose(back[0, 2, 1], opened[0, 2, 0, 1] - opened[0, 2, 1, 1], atol=1e-9)
