"""SMIRK beside its authors' own code on the same weights (golden.py), and what they do with its outputs."""

import pytest
import torch

from flame_tools.errors import ShapeError
from recon.networks.smirk import Smirk, SmirkEncoder
from recon.networks.smirk_generator import SmirkGenerator
from tests.recon.networks.golden import PEERS, digest, filled, pictures, said, sketch

THEIRS = {  # our field, their key
    "shape": "shape_params", "expression": "expression_params", "global_rotation": "pose_params", "camera": "cam",
    "eyelids": "eyelid_params", "jaw": "jaw_params",
}  # fmt: skip


@torch.no_grad()
def test_the_encoder_says_what_theirs_says():
    encoder = filled(SmirkEncoder)
    assert digest(encoder.state_dict()) == PEERS["smirk_encoder"]["names"]
    codes = encoder(pictures(1, 3, 224, 224))
    for ours, theirs in THEIRS.items():
        assert sketch(getattr(codes, ours)) == said("smirk_encoder", theirs), ours
    assert codes.shape.shape == (1, 300) and codes.expression.shape == (1, 50)


@torch.no_grad()
def test_the_generator_paints_what_theirs_paints():
    generator = filled(SmirkGenerator)
    assert digest(generator.state_dict()) == PEERS["smirk_generator"]["names"]
    painted = generator(pictures(1, 3, 32, 32, seed=7), pictures(1, 3, 32, 32, seed=8))
    assert sketch(painted) == said("smirk_generator", "out")


def test_it_starts_where_training_starts():
    torch.manual_seed(0)
    network = Smirk(generator=False).eval()
    codes = network(torch.rand(2, 3, 64, 64))
    assert (codes.shape == 0).all()
    assert torch.allclose(codes.camera[:, 0], torch.tensor(7.0))
    assert codes.global_rotation.abs().max() < 0.05 and codes.camera[:, 1:].abs().max() < 0.05


def test_jaw_and_lids_stay_in_their_ranges():
    encoder = SmirkEncoder().eval()
    head = encoder.expression_encoder.expression_layers[0]
    with torch.no_grad():
        head.weight.zero_()
        for sign in (1, -1):
            head.bias.fill_(5.0 * sign)
            codes = encoder(torch.rand(1, 3, 64, 64))
            assert codes.eyelids.tolist() == [[max(sign, 0)] * 2]
            assert codes.jaw[0, 0] == max(5.0 * sign, 0)
            assert torch.allclose(codes.jaw[0, 1:], torch.tensor(0.2 * sign))


def test_gradients_reach_every_weight():
    torch.manual_seed(1)
    network = Smirk().train()
    with torch.no_grad():
        # lids in the middle of their range, and the jaw open, so that no clamp stands in the way
        head = network.smirk_encoder.expression_encoder.expression_layers[0]
        head.bias[50:53] = 0.5
        head.bias[53:] = 0.0
        network.smirk_encoder.shape_encoder.shape_layers[0].weight.normal_(0, 0.01)
    images = torch.rand(2, 3, 64, 64)
    codes = network(images)
    said_by = [codes.shape, codes.expression, codes.global_rotation, codes.camera, codes.jaw, codes.eyelids]
    painted = network.smirk_generator(images, images.flip(0))
    (sum(value.square().sum() for value in said_by) + painted.square().sum()).backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not (p.grad != 0).any()]
    # the camera's scale is not seen by its weights at the start: they are zero there, but they move
    assert still == []


def test_pictures_that_the_generator_cannot_halve_are_refused():
    generator = SmirkGenerator(width=4, residuals=1)
    with pytest.raises(ShapeError, match="multiples of 16"):
        generator(torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 40))
    with pytest.raises(ShapeError, match=r"\[1, 3, 16, 16\], the masked photo \[1, 3, 32, 32\]"):
        generator(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 32, 32))
