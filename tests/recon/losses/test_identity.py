"""The bundled embedder knows a photographed face again, tells it from another, and teaches pixels."""

import numpy as np
import pytest
import torch
from PIL import Image

from assets.locate import asset_path
from flame_tools.errors import ShapeError
from readers.faces import read_faces
from recon.losses.identity import ArcFaceEmbedder, BundledIdentity, IdentityLoss
from tests.shared_data import shared_file

SIZE = 200


def portrait(path):
    """A face [1, 3, SIZE, SIZE] and its landmarks [1, 468, 2] in crop units."""
    image = np.asarray(Image.open(path).convert("RGB"))
    marks = read_faces(image)[0].landmarks[:, :2]
    middle, half = (marks.max(0) + marks.min(0)) / 2, 0.75 * np.ptp(marks, axis=0).max()
    left, top = np.round(middle - half).astype(int)
    cut = Image.fromarray(image).crop((left, top, left + round(2 * half), top + round(2 * half))).resize((SIZE, SIZE))
    points = (marks - (left, top)) / round(2 * half) * 2 - 1
    picture = torch.as_tensor(np.array(cut)).permute(2, 0, 1)[None].float() / 255
    return picture, torch.as_tensor(points)[None].float()


@pytest.fixture(scope="module")
def astronaut():
    return portrait(asset_path("astronaut"))


def test_it_knows_a_face_again(astronaut):
    picture, marks = astronaut
    loss = IdentityLoss()
    assert isinstance(loss.embedder, BundledIdentity) and loss.embedder.width == 128
    assert asset_path("identity").stat().st_size < 1 << 20
    assert loss(picture, picture, marks).abs() < 1e-5
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(0))
    dark = (0.6 * picture + 0.05 * noise).clamp(0, 1)
    small = torch.nn.functional.interpolate(picture, (SIZE // 3, SIZE // 3), mode="area")
    assert loss(dark, picture, marks) < 0.25 and loss.embedded(small, marks).isfinite().all()
    other, other_marks = portrait(shared_file("faces/grace_hopper.jpg"))
    apart = loss(other, picture, marks, other_marks)
    assert apart > 0.5 and apart > 2 * loss(dark, picture, marks)


def test_it_teaches_pixels_and_place(astronaut):
    picture, marks = astronaut
    found, there = (0.5 * picture).requires_grad_(), (marks + 0.03).requires_grad_()
    gradients = torch.autograd.grad(IdentityLoss()(found, picture, marks, there), (found, there))
    assert all(g.isfinite().all() and g.abs().max() > 0 for g in gradients)
    assert not any(value.requires_grad for value in IdentityLoss().embedder.parameters())
    with pytest.raises(ShapeError, match="64, 64"):
        BundledIdentity()(picture)


def test_arcface_is_given_colours_about_zero():
    faces = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1)
    assert ArcFaceEmbedder(torch.nn.Flatten())(faces).tolist() == [[-1.0, 0.0, 1.0]]
