import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from readers.sampling import Square, bilinear, gaussian, reduce, sample_square


@given(st.floats(-500, 500), st.floats(-500, 500), st.floats(0.5, 2000), st.floats(-7, 7))
def test_to_image_and_back(x, y, size, angle):
    square = Square(x, y, size, angle)
    points = np.random.default_rng(0).random((20, 2))
    np.testing.assert_allclose(square.from_image(square.to_image(points)), points, atol=1e-9)


def test_an_angle_turns_clockwise_on_the_screen():
    right_edge = Square(10, 20, 2, np.pi / 2).to_image(np.array([1.0, 0.5]))
    np.testing.assert_allclose(right_edge, [10, 21], atol=1e-12)  # y is down


@settings(max_examples=30)
@given(st.integers(8, 60), st.floats(0.2, 6), st.floats(-3, 3))
def test_a_linear_ramp_stays_itself_at_any_scale_and_angle(resolution, scale, angle):
    height, width = 200, 220
    y, x = np.mgrid[:height, :width] + 0.5
    image = np.stack([x, y, x * 0 + 7], -1)
    side = min(resolution * scale, 120)
    square = Square(110, 100, side, angle)
    crop = sample_square(image, square, resolution) * 255
    steps = (np.arange(resolution) + 0.5) / resolution
    wanted = square.to_image(np.stack(np.meshgrid(steps, steps), -1))
    np.testing.assert_allclose(crop[..., :2], wanted, atol=2e-3)  # float32 sums of values up to 220
    np.testing.assert_allclose(crop[..., 2], 7, atol=1e-3)


def test_a_fine_chessboard_becomes_grey_and_not_moire():
    board = (np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)
    crop = sample_square(np.repeat(board[..., None], 3, -1), Square(200, 200, 390, 0.0), 64)
    assert np.abs(crop - 0.5).max() < 0.02


def test_outside_is_black_or_the_rim():
    image = np.full((10, 10, 3), 200, np.uint8)
    x, y = np.array([-3.0, 5.0]), np.array([5.0, 5.0])
    assert bilinear(image, x, y, outside="black")[:, 0].tolist() == [0, 200]
    assert bilinear(image, x, y)[:, 0].tolist() == [200, 200]


def test_reduce_keeps_the_mean_of_whole_blocks():
    image = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    np.testing.assert_allclose(reduce(image, 6).mean((0, 1)), image.mean((0, 1)), rtol=1e-5)
    assert reduce(image, 5).shape == (3, 4, 3)


@pytest.mark.parametrize("outside", ["edge", "black"])
def test_the_fast_sampler_is_the_plain_ones_twin(outside):
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (61, 83, 3), dtype=np.uint8)
    image.flags.writeable = False  # as pictures come from Pillow
    for _ in range(20):
        square = Square(*(rng.random(2) * (83, 61)), 5 + rng.random() * 200, rng.random() * 6)
        fast = sample_square(image, square, 32, outside=outside)
        plain = sample_square(image.astype(np.float64), square, 32, outside=outside)
        assert fast.dtype == np.float32
        np.testing.assert_allclose(fast, plain, atol=1e-6)  # worst seen 1.4e-7: float32 against float64


@pytest.mark.parametrize(("sd", "rim", "mode"), [(0.6, "symmetric", "reflect"), (4.8, "edge", "nearest")])
def test_a_gaussian_blurs_as_scipy_does(sd, rim, mode):
    rng = np.random.default_rng(3)
    for image in (rng.random((90, 70)), rng.random((60, 80, 3)).astype(np.float32)):
        expected = gaussian_filter(image, (sd, sd, 0)[: image.ndim], mode=mode)
        found = gaussian(image, sd, rim=rim)
        assert found.dtype == image.dtype
        np.testing.assert_allclose(found, expected, atol=1e-7)
