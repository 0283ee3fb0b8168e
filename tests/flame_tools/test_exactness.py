"""The head equals the published code to the last digit: smplx itself, and DECA, SMIRK and FLAME_PyTorch spelled out."""

import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import FaceParams, Head, InputError, load_head
from flame_tools.contour import contour_row
from flame_tools.conventions import CONVENTIONS
from flame_tools.head import Posed
from tests.flame_tools.flame_shaped import flame_shaped, write_for_smplx

ATOL = {torch.float64: 1e-12, torch.float32: 2e-7}  # metres; worst seen 1e-15 and 1.5e-7
KINDS = pytest.mark.parametrize("dtype", list(ATOL), ids=["float64", "float32"])
BATCH = 6


@pytest.fixture(scope="module")
def arrays():
    return flame_shaped(seed=1, vertices=400, faces=700, eyelids=True)


@pytest.fixture(scope="module")
def model_folder(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("flame")
    write_for_smplx(folder, arrays)
    return folder


def random_params(head: Head, *leading: int, seed: int = 0) -> FaceParams:
    """Faces with every parameter at work, the head turned up to a right angle."""
    generator = torch.Generator().manual_seed(seed)
    scale = {"shape": 1.0, "expression": 1.0, "global_rotation": 0.6, "neck": 0.4, "translation": 0.1}
    zeros = FaceParams.neutral(head, *leading)
    return FaceParams(
        **{
            f.name: torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
            * scale.get(f.name, 0.3)
            for f in dataclasses.fields(zeros)
            for value in (getattr(zeros, f.name),)
        }
    )


def smplx_says(folder, params: FaceParams, dtype: torch.dtype):
    smplx = pytest.importorskip("smplx", reason="smplx is the peer: pip install smplx")
    model = smplx.FLAME(
        str(folder), ext="npz", num_betas=300, num_expression_coeffs=100, use_face_contour=True, dtype=dtype
    )  # fmt: skip
    found = model(
        betas=params.shape, expression=params.expression, global_orient=params.global_rotation,
        neck_pose=params.neck, jaw_pose=params.jaw, leye_pose=params.eyes[:, 0], reye_pose=params.eyes[:, 1],
        transl=params.translation,
    )  # fmt: skip
    return found.vertices, found.joints[:, :5], found.joints[:, 5:]


@KINDS
def test_vertices_joints_and_landmarks_equal_those_of_smplx(model_folder, dtype):
    """Both read the same files, so reading them is part of it."""
    head = load_head(model_folder, dtype=dtype, convention="smplx")
    params = random_params(head, BATCH)
    vertices, joints, landmarks = smplx_says(model_folder, params, dtype)
    posed = head(params)
    close = {"rtol": 0, "atol": ATOL[dtype]}
    torch.testing.assert_close(posed.vertices, vertices.detach(), **close)
    torch.testing.assert_close(posed.joints, joints.detach(), **close)
    torch.testing.assert_close(head.landmarks(posed), landmarks.detach(), **close)


def test_gradients_equal_those_of_smplx(arrays, model_folder):
    head = Head(arrays, dtype=torch.float64, convention="smplx")
    params = random_params(head, BATCH)
    params = params.replace(eyelids=torch.zeros_like(params.eyelids)).map(lambda t: t.requires_grad_())
    leaves = [getattr(params, f.name) for f in dataclasses.fields(params) if f.name != "eyelids"]
    posed = head(params)
    vertices, joints, landmarks = smplx_says(model_folder, params, torch.float64)

    def gradients(*outputs):
        return torch.autograd.grad(sum(out.square().sum() for out in outputs), leaves)

    ours = gradients(posed.vertices, posed.joints, head.landmarks(posed))
    for found, wanted in zip(ours, gradients(vertices, joints, landmarks), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


# --- DECA, SMIRK and FLAME_PyTorch, spelled out ---------------------------------------------------------------------


def turned(axis_angle: np.ndarray) -> np.ndarray:
    """4x4 matrix of a rotation by |r + 1e-8| about r / |r + 1e-8|."""
    angle = np.linalg.norm(axis_angle + 1e-8)
    x, y, z = axis_angle / angle
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    matrix = np.eye(4)
    matrix[:3, :3] += np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
    return matrix


def deca_says(arrays, shape, expression, pose, *, eyelids=(0.0, 0.0), neck=(0, 0, 0), eyes=(0,) * 6, yaw_sign=1):
    """One face [V, 3] and its 68 landmarks: pose is 6 numbers, global and jaw; neck and eyes are 0 where not given."""
    full_pose = np.concatenate([pose[:3], neck, pose[3:], eyes]).reshape(5, 3)
    shaped = arrays.v_template + np.concatenate([arrays.shapedirs, arrays.expressiondirs], -1) @ np.concatenate(
        [shape, expression]
    )
    joints = arrays.J_regressor @ shaped
    local = [turned(r) for r in full_pose]
    feature = np.concatenate([(m[:3, :3] - np.eye(3)).ravel() for m in local[1:]])
    rest = shaped + arrays.posedirs @ feature
    chain = []
    for j, parent in enumerate((-1, 0, 1, 1, 1)):
        local[j][:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        chain.append(local[j] if parent < 0 else chain[parent] @ local[j])
    moved = []
    for matrix, joint in zip(chain, joints, strict=True):
        from_joint = np.eye(4)
        from_joint[:3, 3] = -joint
        moved.append(matrix @ from_joint)
    blended = np.tensordot(arrays.weights, np.stack(moved), 1)
    vertices = (blended @ np.concatenate([rest, np.ones((len(rest), 1))], 1)[..., None])[:, :3, 0]
    vertices = vertices + arrays.eyelid_dirs[..., 0] * eyelids[0] + arrays.eyelid_dirs[..., 1] * eyelids[1]
    relative = chain[0][:3, :3] @ turned(full_pose[1])[:3, :3]
    yaw = yaw_sign * np.degrees(np.arctan2(-relative[2, 0], np.hypot(relative[0, 0], relative[1, 0])))
    row = int(np.round(min(yaw, 39)))
    row = 78 if row < -39 else 39 - row if row < 0 else row

    def points(embedding, at=slice(None)):
        return np.einsum("lk,lkc->lc", embedding.barycentrics[at], vertices[arrays.faces[embedding.faces[at]]])

    return vertices, np.concatenate([points(arrays.contour, row), points(arrays.landmarks["51"])])


@KINDS
@pytest.mark.parametrize("name", ["deca", "smirk", "flame_pytorch", "emberface"])
def test_vertices_and_landmarks_equal_the_published_formulation(arrays, name, dtype):
    head = Head(arrays, dtype=dtype, convention=name)
    params = random_params(head, BATCH, seed=2)
    lids = torch.rand(BATCH, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)
    if name in ("deca", "smirk"):  # their pose is 6 numbers
        params = params.replace(neck=torch.zeros_like(params.neck), eyes=torch.zeros_like(params.eyes))
    params = params.replace(eyelids=lids * (name == "smirk"), translation=torch.zeros_like(params.translation))
    posed = head(params)
    landmarks = head.landmarks(posed)
    for b in range(BATCH):
        p = {f.name: getattr(params, f.name)[b].double().numpy() for f in dataclasses.fields(params)}
        vertices, points = deca_says(
            arrays, p["shape"], p["expression"], np.concatenate([p["global_rotation"], p["jaw"]]),
            eyelids=p["eyelids"], neck=p["neck"], eyes=p["eyes"].ravel(), yaw_sign=-1 if name == "flame_pytorch" else 1,
        )  # fmt: skip
        np.testing.assert_allclose(posed.vertices[b], vertices, rtol=0, atol=ATOL[dtype])
        np.testing.assert_allclose(landmarks[b], points, rtol=0, atol=ATOL[dtype])


def test_lids_turn_with_the_head_except_in_smirk(arrays):
    ours, smirk = (Head(arrays, dtype=torch.float64, convention=name) for name in ("emberface", "smirk"))
    params = FaceParams.neutral(ours, 1)
    shut = params.replace(eyelids=torch.ones_like(params.eyelids))
    close = {"rtol": 0, "atol": 1e-8}  # weights that sum to 1 in float32
    torch.testing.assert_close(ours.vertices(shut), smirk.vertices(shut), **close)
    turn = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)
    moved = [
        h.vertices(shut.replace(global_rotation=turn)) - h.vertices(params.replace(global_rotation=turn))
        for h in (ours, smirk)
    ]
    still = ours.vertices(shut) - ours.vertices(params)
    torch.testing.assert_close(moved[0], still @ torch.from_numpy(turned(turn[0].numpy())[:3, :3]).T, **close)
    torch.testing.assert_close(moved[1], still, **close)


# --- the contour ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("degrees", "row"),
    [(0, 0), (0.5, 0), (1.5, 2), (39, 39), (39.4, 39), (80, 39), (-0.4, 0), (-1, 40), (-2.5, 41), (-39, 78), (-80, 78)],
)
def test_rows_of_the_contour_table(degrees, row):
    assert contour_row(torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))) == row


def test_the_contour_follows_what_its_convention_says(arrays):
    """The neck's turn moves it for all but smplx; to the left is a row of its own for each sign."""
    turn = torch.tensor([0.0, np.radians(20), 0.0], dtype=torch.float64)
    rows = {}
    for name in CONVENTIONS:
        head = Head(arrays, dtype=torch.float64, convention=name)
        posed = head(FaceParams.neutral(head).replace(neck=turn))
        contour = head.landmarks(posed)[slice(51, None) if name == "smplx" else slice(17)]
        table = (posed.vertices[head.landmark_corners_contour] * head.landmark_barycentrics_contour[..., None]).sum(-2)
        rows[name] = int((table - contour).abs().sum((1, 2)).argmin())
    assert rows == {"emberface": 20, "deca": 20, "smirk": 20, "flame_pytorch": 59, "smplx": 0}


def test_vertices_alone_say_no_yaw(arrays):
    head = Head(arrays, dtype=torch.float64)
    posed = head(random_params(head, 2))
    points = (posed.vertices[:, head.landmark_corners_68] * head.landmark_barycentrics_68[..., None]).sum(-2)
    torch.testing.assert_close(head.landmarks(posed.vertices, "68"), points)
    assert not torch.allclose(head.landmarks(posed, "68"), points)
    nowhere = Posed(posed.vertices, posed.joints, posed.rotations * torch.nan)
    assert head.landmarks(nowhere).shape == (2, 68, 3)


def test_an_unknown_convention_is_named(arrays):
    with pytest.raises(InputError, match=r"no convention 'phalp'.*smplx"):
        Head(arrays, convention="phalp")
