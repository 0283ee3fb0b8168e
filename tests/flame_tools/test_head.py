import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from flame_tools import FaceParams, Head, ShapeError
from flame_tools.transfer.motion import motion_of


@pytest.fixture(scope="module")
def head(arrays):
    return Head(arrays, dtype=torch.float64)


def random_params(head, *leading, seed=0) -> FaceParams:
    generator = torch.Generator().manual_seed(seed)
    return FaceParams.neutral(head, *leading).map(
        lambda zero: torch.randn(zero.shape, generator=generator, dtype=zero.dtype) * 0.4
    )


def reference_vertices(arrays, params: FaceParams) -> np.ndarray:
    """The model spelled out in numpy for one face, with 4x4 matrices and scipy's rotations."""
    p = {f.name: getattr(params, f.name).numpy() for f in dataclasses.fields(params)}
    identity = arrays.v_template + arrays.shapedirs @ p["shape"]
    joints = arrays.J_regressor @ identity
    rest = identity + arrays.expressiondirs @ p["expression"]
    left, right = p["eyelids"]
    feature = np.array([left, right, 4 * left * (1 - left), 4 * right * (1 - right)])
    rest[arrays.eyelid_vertices] += (arrays.eyelid_dirs + arrays.eyelid_shapedirs @ p["shape"]) @ feature
    turns = [p["global_rotation"], p["neck"], p["jaw"], p["eyes"][0], p["eyes"][1]]
    local = [Rotation.from_rotvec(turn).as_matrix() for turn in turns]
    rest += arrays.posedirs @ np.concatenate([(matrix - np.eye(3)).ravel() for matrix in local[1:]])
    world = []
    for j, parent in enumerate((-1, 0, 1, 1, 1)):
        to_joint, from_joint, turn = np.eye(4), np.eye(4), np.eye(4)
        to_joint[:3, 3], from_joint[:3, 3], turn[:3, :3] = joints[j], -joints[j], local[j]
        own = to_joint @ turn @ from_joint
        world.append(own if parent < 0 else world[parent] @ own)
    blended = np.einsum("vj,jab->vab", arrays.weights, np.stack(world))
    return np.einsum("vab,vb->va", blended[:, :3, :3], rest) + blended[:, :3, 3] + p["translation"]


@pytest.mark.parametrize("seed", range(3))
def test_vertices_equal_the_model_spelled_out(arrays, head, seed):
    params = random_params(head, seed=seed)
    found = head.vertices(params).numpy()
    np.testing.assert_allclose(found, reference_vertices(arrays, params), atol=2e-9)  # |r + 1e-8| moves angles by 1e-8


def test_rest_is_the_template(arrays, head):
    np.testing.assert_allclose(head.vertices(FaceParams.neutral(head)).numpy(), arrays.v_template, atol=1e-12)


def test_leading_dimensions_broadcast(head):
    many = random_params(head, 2, 3)
    one = random_params(head)
    mixed = many.replace(shape=one.shape, neck=one.neck)
    found = head.vertices(mixed)
    assert found.shape == (2, 3, 40, 3)
    single = mixed.map(lambda t: t).replace(
        **{f.name: getattr(mixed, f.name)[1, 2] for f in dataclasses.fields(mixed) if f.name not in ("shape", "neck")}
    )
    torch.testing.assert_close(found[1, 2], head.vertices(single), rtol=0, atol=1e-12)


def test_leading_dimensions_that_do_not_fit_are_named(head):
    params = random_params(head, 4).replace(jaw=random_params(head, 3).jaw, shape=random_params(head).shape)
    for call in (head, head.vertices, head.skeleton, lambda p: p.leading):
        with pytest.raises(ShapeError, match=r"expression \[4\].*jaw \[3\].*eyes \[4\].*wanted equal"):
            call(params)
    with pytest.raises(ShapeError, match=r"jaw \[3\]"):
        motion_of(params)


def test_an_empty_batch_gives_an_empty_result(head):
    assert head.vertices(random_params(head, 0)).shape == (0, 40, 3)


def test_baked_equals_unbaked(head):
    params = random_params(head, 4)
    params = params.replace(shape=params.shape[0])
    torch.testing.assert_close(head.bake(params.shape).vertices(params), head.vertices(params), rtol=0, atol=1e-13)


def test_gradients_reach_every_parameter_even_at_zero(head):
    params = FaceParams.neutral(head).map(lambda zero: zero.requires_grad_())
    leaves = [getattr(params, f.name) for f in dataclasses.fields(params)]

    def summed(*leaves):
        weight = torch.linspace(-1, 1, 120, dtype=torch.float64).reshape(40, 3)
        return (head.vertices(FaceParams(*leaves)) * weight).sum()

    assert torch.autograd.gradcheck(summed, leaves, atol=1e-6)


@pytest.mark.parametrize(
    ("field", "size", "message"),
    [("shape", 5, "wants \\[..., 6\\]"), ("expression", 50, "wants"), ("jaw", 4, "jaw is")],
)
def test_wrong_sizes_are_named(head, field, size, message):
    with pytest.raises(ShapeError, match=message):
        head.vertices(FaceParams.neutral(head).replace(**{field: torch.zeros(size, dtype=torch.float64)}))


def test_vertices_and_counts_that_cannot_be_are_named(head):
    for vertices, message in (
        (torch.tensor([0, 40]), "reach from 0 to 40; head 'random' has 40"),
        (torch.tensor([-1, 2]), "reach from -1"),
        (torch.tensor([0.5]), "whole numbers"),
        (torch.ones(40, dtype=torch.bool), "whole numbers"),
    ):
        with pytest.raises(ShapeError, match=message):
            head.only(vertices)
    with pytest.raises(ShapeError, match=r"no \[2, -1\] faces"):
        FaceParams.neutral(head, 2, -1)


def test_landmarks_and_regions(arrays, head):
    vertices = head.vertices(FaceParams.neutral(head))
    corner = arrays.v_template[arrays.faces[arrays.landmarks["68"].faces[5]]]
    np.testing.assert_allclose(head.landmarks(vertices, "68")[5], [0.2, 0.3, 0.5] @ corner, atol=1e-12)
    assert head.region("face").tolist() == list(range(10))
    with pytest.raises(ShapeError, match="no landmarks '99'"):
        head.landmarks(vertices, "99")
    with pytest.raises(ShapeError, match="no region 'tail'"):
        head.region("tail")
