import pytest
import torch

from flame_tools import ShapeError
from flame_tools.normals import vertex_normals


def mesh(*leading: int, dtype=torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    """Thirty vertices, sixty triangles; one triangle has no area, one vertex no triangle."""
    generator = torch.Generator().manual_seed(0)
    faces = torch.randint(0, 29, (60, 3), generator=generator)
    faces[0] = torch.tensor([4, 4, 9])
    return torch.randn(*leading, 30, 3, generator=generator, dtype=dtype), faces


@pytest.mark.parametrize("leading", [(), (3,), (2, 0), (2, 3)])
def test_the_kernel_equals_plain_torch(leading):
    vertices, faces = mesh(*leading)
    results = []
    for backend in ("auto", "torch"):
        leaf = vertices.clone().requires_grad_()
        normals = vertex_normals(leaf, faces, backend=backend)
        weight = torch.linspace(-1, 1, 90, dtype=torch.float64).view(30, 3)
        results.append((normals, *torch.autograd.grad((normals * weight).sum(), leaf)))
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-10)


def test_gradients_by_finite_differences_where_a_triangle_has_no_area():
    vertices, faces = mesh(2)
    assert torch.autograd.gradcheck(lambda v: vertex_normals(v, faces), [vertices.requires_grad_()])
    alone = torch.tensor([[0, 1, 1]])
    flat = vertices.detach().requires_grad_()
    vertex_normals(flat, alone).sum().backward()
    assert not flat.grad.any()


def test_faces_beyond_the_mesh_are_refused():
    vertices, faces = mesh()
    with pytest.raises(ShapeError, match="faces name vertices 0 to 30 of a mesh that has 30"):
        vertex_normals(vertices, torch.cat([faces, torch.tensor([[0, 1, 30]])]))


def test_a_sphere_points_outward_and_lone_vertices_have_none():
    from scipy.spatial import ConvexHull

    points = torch.nn.functional.normalize(
        torch.randn(400, 3, dtype=torch.float64, generator=torch.manual_seed(0)), dim=-1
    )
    hull = ConvexHull(points.numpy())
    faces = torch.as_tensor(hull.simplices.astype("int64"))
    a, b, c = (points[faces[:, i]] for i in range(3))
    flip = (torch.linalg.cross(b - a, c - a) * a).sum(-1) < 0
    faces[flip] = faces[flip].flip(-1)
    with_lone = torch.cat([points, torch.zeros(1, 3, dtype=torch.float64)])
    normals = vertex_normals(with_lone.expand(2, -1, -1), faces)
    assert normals.shape == (2, 401, 3)
    assert ((normals[0, :-1] * points).sum(-1) > 0.97).all()  # 400 points: facets are about 10 degrees wide
    assert normals[0, -1].abs().sum() == 0
