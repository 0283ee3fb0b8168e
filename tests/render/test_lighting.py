"""Light: closed forms, DECA's constants, gradients."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from flame_tools.errors import ShapeError
from render.lighting import directional_light, grey_face, point_light, sh_basis, sh_light


def sphere(count, seed=0):
    return normalize(torch.randn(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1)


def test_harmonics_have_decas_constants():
    """The constants as DECA computes them, at directions where one band stands alone."""
    x = sh_basis(torch.tensor([[1.0, 0, 0], [0, 0, 1.0]], dtype=torch.float64))
    pi = math.pi
    linear, quadratic = 2 * pi / 3 * math.sqrt(3 / (4 * pi)), pi / 4 * 3 * math.sqrt(5 / (12 * pi))
    last = pi / 4 / 2 * math.sqrt(5 / (4 * pi))
    wanted = [1 / math.sqrt(4 * pi), linear, 0, 0, 0, 0, 0, quadratic / 2, -last]
    np.testing.assert_allclose(x[0], wanted, atol=1e-15)
    np.testing.assert_allclose(x[1], [wanted[0], 0, 0, linear, 0, 0, 0, 0, 2 * last], atol=1e-15)
    half = sh_basis(torch.tensor([[0.6, 0.8, 0]], dtype=torch.float64))[0]
    np.testing.assert_allclose(half[4], 0.48 * quadratic, atol=1e-15)


def test_harmonics_follow_a_lamp():
    """Nine bands come within a tenth of a far lamp's clamped cosine (9.4 %: Ramamoorthi and Hanrahan 2001)."""
    normals, lamp = sphere(4000), sphere(1, seed=5)
    truth = (normals @ lamp.T).clamp(min=0)
    basis = sh_basis(normals)
    coefficients = torch.linalg.lstsq(basis, truth).solution
    error = (basis @ coefficients - truth).abs()
    assert float(error.max()) < 0.1 and float(error.mean()) < 0.04
    even = torch.zeros(9, 3, dtype=torch.float64)
    even[0] = 0.8 * math.sqrt(4 * math.pi)
    torch.testing.assert_close(sh_light(normals, even), torch.full((4000, 3), 0.8, dtype=torch.float64))


def test_a_light_each_and_one_for_all():
    normals = sphere(2 * 3 * 4).reshape(2, 3, 4, 3)
    lights = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    each = sh_light(normals, lights)
    for k in range(2):
        torch.testing.assert_close(each[k], sh_light(normals[k], lights[k]))
    torch.testing.assert_close(sh_light(normals, lights[:1])[1], sh_light(normals[1], lights[0]))


def test_lamps():
    normals = sphere(50)
    directions, power = torch.tensor([[0, 0, 2.0], [1, 0, 0]]).double(), torch.tensor([[1.0, 2], [3, 4]]).double()
    wanted = normals[:, 2:].clamp(min=0) * power[0] + normals[:, :1].clamp(min=0) * power[1]
    torch.testing.assert_close(directional_light(normals, directions, power), wanted)
    far = point_light(normals, 0 * normals, 1e6 * directions, power)
    torch.testing.assert_close(far, wanted)
    near = point_light(normals, 0 * normals, directions, power, full_m=1.0)
    torch.testing.assert_close(near, wanted - 0.75 * normals[:, 2:].clamp(min=0) * power[0])


def test_a_grey_face_is_smirks():
    front = grey_face(torch.tensor([0.0, 0, 1]))
    wanted = 180 / 255 * 1.7 * (1 + 4 / math.sqrt(3)) / 5
    torch.testing.assert_close(front, torch.tensor([wanted], dtype=torch.float32))
    assert float(grey_face(torch.tensor([0.0, 0, -1]))) == 0 and float(grey_face(torch.zeros(3))) == 0


def test_gradients():
    normals = sphere(6).requires_grad_()
    lights = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    points, places = 0.1 * sphere(6, 1).requires_grad_(), sphere(2, 2).requires_grad_()
    power = torch.rand(2, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(sh_light, (normals, lights))
    assert torch.autograd.gradcheck(directional_light, (normals, places, power))
    assert torch.autograd.gradcheck(lambda *x: point_light(*x, full_m=0.5), (normals, points, places, power))


def test_bad_input_is_named():
    normals = torch.zeros(2, 4, 3)
    with pytest.raises(ShapeError, match=r"\[2, 4, 2\], wanted \[..., 3\]"):
        sh_basis(normals[..., :2])
    with pytest.raises(ShapeError, match=r"\[3, 9\], wanted \[9, C\]"):
        sh_light(normals, torch.zeros(3, 9))
    with pytest.raises(ShapeError, match="3 lights for 2 images"):
        sh_light(normals, torch.zeros(3, 9, 3))
    with pytest.raises(ShapeError, match=r"intensities \[3, 1\]"):
        directional_light(normals, torch.zeros(2, 3), torch.zeros(3, 1))
    with pytest.raises(ShapeError, match=r"points are \[4, 3\]"):
        point_light(normals, normals[0], torch.zeros(2, 3), torch.zeros(2, 1))
