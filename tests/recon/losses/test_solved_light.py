"""Light that is solved for is the light that was there, and what it cannot explain moves the face."""

import dataclasses

import pytest
import torch
from torch.nn.functional import normalize

from flame_tools.errors import InputError
from flame_tools.types import FaceParams
from recon.losses.solved_light import SolvedLight, solved_light
from render.lighting import sh_light
from tests.recon.losses.made import posed, rows

SIZE = 64


def test_the_light_that_was_there():
    normals = normalize(rows(2, 20, 20, 3), dim=-1)
    colour, light = rows(2, 20, 20, 3, seed=1).abs() + 0.2, rows(2, 9, 3, seed=2)
    picture = colour * sh_light(normals, light)
    mask = (rows(2, 20, 20, seed=3) > 0).double()
    hidden = torch.where(mask[..., None] > 0, picture, 100.0)  # is not looked at
    torch.testing.assert_close(solved_light(normals, colour, hidden, mask), light, atol=0.05, rtol=0)  # by the pull
    nothing = solved_light(normals, colour, picture, torch.zeros_like(mask))
    assert nothing.abs().max() == 0


def test_a_face_in_its_place_looks_like_itself(head):
    loss = SolvedLight(head.arrays, size=SIZE)
    jaw = torch.zeros(2, 3)
    jaw[:, 0] = 0.2
    opened = FaceParams.neutral(head, 2).replace(jaw=jaw)
    there, aside = (posed(head, opened, camera) for camera in ((9.0, 0.0, 0.03), (9.0, 0.012, 0.03)))
    drawn = loss.face.drawing(there.vertices, there.projected)
    colour = loss.face.coloured(drawn, loss.albedo)
    light = torch.zeros(2, 9, 3)
    light[:, 0], light[:, 1], light[:, 3] = torch.tensor([2.0, 1.5, 1.2]), -0.4, 0.3
    linear = drawn.finished(colour * sh_light(drawn.normals, light)).clamp(0, 1)
    photo = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055)

    def of(face):
        return loss(face.vertices, face.projected, photo, there.landmarks)

    assert of(there) < 0.01 and 2 * of(there) < of(aside)
    moved = aside.projected.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(aside.vertices, moved, photo, there.landmarks), moved)
    assert gradient.isfinite().all() and gradient[..., 0].sum() > 0  # back, to the left


def test_a_head_without_uv(head):
    bare = dataclasses.replace(head.arrays, uv=head.arrays.uv[:0], uv_faces=head.arrays.uv_faces[:0])
    with pytest.raises(InputError, match="has no UV"):
        SolvedLight(bare, size=SIZE)
