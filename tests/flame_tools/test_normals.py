import torch

from flame_tools.normals import vertex_normals


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
