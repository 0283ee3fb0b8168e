"""Static and dynamic detail: bases learnt from maps, tension of a mesh, and what is mixed of it."""

import pytest
import torch

from flame_tools.errors import ShapeError
from recon.networks.hiface import FULL_TENSION, DetailCodes, DetailModel, DisplacementBasis, HiFace, mesh_edges, tension

GRID = torch.tensor([[0, 1, 3], [1, 4, 3], [1, 2, 4], [2, 5, 4]])  # 2 x 3 points
POINTS = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [1, 1, 0], [2, 1, 0]])


def test_a_basis_brings_its_maps_back():
    torch.manual_seed(0)
    maps = 1e-3 * torch.randn(6, 8, 8)
    basis = DisplacementBasis.of_maps(maps, 7)
    assert not basis.directions[5:].any()  # six maps have five directions
    flat = basis.directions[:5].flatten(1)
    codes = (maps - basis.mean).flatten(1) @ torch.linalg.pinv(flat)
    back = basis(torch.cat([codes, torch.zeros(6, 2)], 1))
    assert torch.allclose(back, maps, atol=1e-8)
    assert torch.allclose(codes.var(0), torch.ones(5), atol=1e-3)  # a unit is a standard deviation
    assert torch.equal(basis.directions, DisplacementBasis.of_maps(maps, 7).directions)
    with pytest.raises(ShapeError, match="at least two"):
        DisplacementBasis.of_maps(maps[:1], 3)
    with pytest.raises(ShapeError, match="has 7 components"):
        basis(codes)


def test_edges_are_counted_once():
    assert len(mesh_edges(GRID)) == 9 and len(mesh_edges(GRID.flip(0))) == 9


def test_tension_is_the_change_of_edges():
    edges = mesh_edges(GRID)
    assert torch.allclose(tension(POINTS, 0.8 * POINTS, edges), torch.full((6,), 0.2), atol=1e-6)
    assert torch.allclose(tension(POINTS, 1.5 * POINTS, edges), torch.full((6,), -0.5), atol=1e-6)
    turn = torch.linalg.matrix_exp(torch.tensor([[0.0, 1, 2], [-1, 0, 3], [-2, -3, 0]]))
    assert tension(POINTS, POINTS @ turn + 5, edges).abs().max() < 1e-5
    squeezed = POINTS.clone()
    squeezed[:3, 0] *= 0.5  # the lower row alone
    found = tension(POINTS, squeezed, edges)
    assert (found[:3] > found[3:]).all()
    with pytest.raises(ShapeError, match="wanted the same"):
        tension(POINTS, POINTS[:5], edges)
    start = POINTS.double().requires_grad_()
    moved = (POINTS * torch.tensor([0.9, 1.1, 1.0])).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda r, p: tension(r, p, edges), (start, moved))


def filled_model():
    torch.manual_seed(0)
    model = DetailModel(static=4, dynamic=2, size=8)
    for p in model.parameters():
        torch.nn.init.normal_(p, 0, 1e-3)
    return model


def test_expression_mixes_the_polarised_maps():
    model = filled_model()
    codes = DetailCodes(torch.randn(2, 4), torch.randn(2, 2), torch.randn(2, 2))
    rest = model(codes, torch.zeros(2, 8, 8))
    assert torch.equal(rest, model.static(codes.static))
    for sign, part, given in (
        (1, model.compressed, codes.compressed),
        (-1, model.stretched, codes.stretched),
    ):
        whole = part(given)
        half = model(codes, torch.full((2, 8, 8), sign * FULL_TENSION / 2)) - rest
        assert torch.allclose(half, 0.5 * whole, atol=1e-8)
        far = model(codes, torch.full((2, 8, 8), sign * 10.0)) - rest
        assert torch.allclose(far, whole, atol=1e-8)  # never more than the whole map


def test_gradients_reach_every_weight_and_the_picture():
    torch.manual_seed(0)
    network = HiFace(static=4, dynamic=2, size=8).eval()
    network.detail = filled_model()
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    pulled = torch.linspace(-0.2, 0.2, 64).reshape(1, 8, 8).requires_grad_()
    codes = network(images)
    assert [v.shape[1] for v in vars(codes).values()] == [4, 2, 2]
    (1e6 * network.detail(codes, pulled).square().sum()).backward()
    assert all((p.grad != 0).any() for p in network.parameters())
    assert (images.grad != 0).any() and (pulled.grad != 0).any()
