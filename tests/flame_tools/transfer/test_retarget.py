import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import FaceParams, Head, InputError, ShapeError, Track, load_head
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.surface.lod import simplify
from flame_tools.transfer.retarget import transfer
from flame_tools.types import Camera
from tests.shared_data import shared_file

MOUTH = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "mouthFunnel", "mouthLowerDownLeft", "mouthLowerDownRight")


@pytest.fixture(scope="module")
def default() -> Head:
    return load_head()


@pytest.fixture(scope="module")
def ict() -> Head:
    return load_head(shared_file("heads/ict_facekit.npz"))


def spoken(head: Head, frames: int = 24) -> Track:
    """Opening and closing, smiling, looking about, blinking and nodding."""
    t = torch.linspace(0, 2, frames)
    weights = torch.zeros(frames, len(ARKIT_NAMES))
    for name in MOUTH:
        weights[:, INDEX[name]] = torch.rand(1, generator=torch.Generator().manual_seed(len(name))) * 0.5
    weights *= torch.sin(np.pi * t)[:, None] ** 2
    weights[:, INDEX["browInnerUp"]] = t / 4
    weights[:, INDEX["eyeLookOutLeft"]] = weights[:, INDEX["eyeLookInRight"]] = t / 3
    weights[frames // 2 :, [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]] = 1.0
    nod = torch.stack([0.2 * torch.sin(3 * t), 0 * t, 0 * t], -1)
    params = to_params(weights, head).replace(
        shape=torch.zeros(head.shape_size), neck=nod, global_rotation=0 * nod, translation=0.1 * nod
    )
    return Track(head.arrays.id, params, t.double().numpy() + 1, licences=(head.arrays.licence,), fps=(12, 1))


def face_error_mm(head: Head, a: Track, b: Track) -> np.ndarray:
    """Mean distance [T] over the face, in mm."""
    face = head.region("face")
    both = [head.only(face).vertices(track.params.replace(translation=0 * a.params.translation)) for track in (a, b)]
    return 1e3 * (both[0] - both[1]).norm(dim=-1).mean(-1).numpy()


def gaps_mm(head: Head, track: Track) -> np.ndarray:
    pairs = head.arrays.inner_lip_pairs
    still = track.params.replace(neck=0 * track.params.neck, global_rotation=0 * track.params.neck)
    upper, lower = head.only(torch.as_tensor(pairs.reshape(-1))).vertices(still).unflatten(1, (-1, 2)).unbind(2)
    return 1e3 * (upper - lower)[..., 1].numpy()


def test_the_same_head_with_fewer_triangles_gets_the_same_weights(default):
    """Ground truth: a decimated head has the same components, so what is solved can be compared."""
    small = Head(simplify(default.arrays, ratio=0.5))
    track = spoken(default)
    plain = dataclasses.replace(small.arrays, expression_names=tuple(f"e{i}" for i in range(42)))
    for head, tolerance in ((small, 0.05), (Head(plain), 0.12)):
        moved = transfer(track, default, head)
        difference = (moved.params.expression - track.params.expression).abs()
        assert difference.mean() < 0.01 and difference.max() < tolerance
        assert (moved.params.jaw - track.params.jaw).abs().max() < 0.02
        assert moved.curves["transfer"].values.max() < 0.3


def test_there_and_back_through_ict(default, ict):
    track = spoken(default)
    there = transfer(track, default, ict)
    back = transfer(there, ict, default)
    assert face_error_mm(default, track, back).mean() < 0.4
    wanted, found = gaps_mm(default, track), gaps_mm(default, back)
    assert np.abs(wanted - found).mean() < 0.4
    touching = gaps_mm(ict, there)[0]  # the lips touch on the first frame here, and so they should there
    assert wanted[0].max() < 0 and touching.min() > -1.2 and touching.max() < 0.3
    # what both own is copied
    for name in ("eyes", "eyelids", "neck", "global_rotation"):
        torch.testing.assert_close(getattr(there.params, name), getattr(track.params, name))
    assert there.head_id == ict.arrays.id and there.licences == (default.arrays.licence, ict.arrays.licence)
    assert there.curves["transfer"].names == ("residual_mm",)
    assert there.provenance["transfer"]["residual_mm"] == pytest.approx(
        there.curves["transfer"].values.mean(), abs=1e-3
    )
    assert (there.params.expression >= 0).all() and (there.params.expression <= 1).all()


def test_two_versions_of_one_topology_need_no_landmarks(default):
    """FLAME 2020 and 2023: the same triangles, other components under the same names, no regions, pairs or lids."""
    none = np.zeros((0, 3), np.float32)
    older = dataclasses.replace(
        default.arrays,
        expressiondirs=default.arrays.expressiondirs[..., :38],
        expression_names=tuple(f"expression_{i:03d}" for i in range(38)),
        expression_bounds=np.tile(np.float32([-3, 3]), (38, 1)),
        expression_sd=np.ones(38, np.float32),
        landmarks={}, regions={}, inner_lip_pairs=none[:, :2].astype(np.int32),
        eyelid_vertices=none[:, 0].astype(np.int32), eyelid_dirs=default.arrays.eyelid_dirs[:0],
        eyelid_shapedirs=default.arrays.eyelid_shapedirs[:0], jaw_open_rad=0.0, jaw_side_rad=0.0,
        joints_follow_expression=True, id="flame2020",
    )  # fmt: skip
    mix, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(38, 38)))
    newer = dataclasses.replace(older, expressiondirs=(older.expressiondirs @ mix).astype(np.float32), id="flame2023")
    there, back = Head(older), Head(newer)
    generator = torch.Generator().manual_seed(0)
    swing = torch.sin(torch.linspace(0, 3, 8))[:, None]
    params = FaceParams.neutral(there, 8).replace(shape=torch.zeros(100))
    params = params.replace(
        expression=0.4 * torch.rand(1, 38, generator=generator) * swing, jaw=swing * torch.tensor([0.3, 0.05, 0.0])
    )
    track = Track("flame2020", params, np.arange(8) / 25)
    moved = transfer(track, there, back)
    error = 1e3 * (there.vertices(params) - back.vertices(moved.params)).norm(dim=-1)
    assert error.mean() < 0.02 and error.max() < 0.2
    assert moved.provenance["transfer"]["residual_mm"] < 0.02


def test_people_are_matched_and_the_mean_face_is_not(default, ict):
    someone = torch.zeros(default.shape_size)
    someone[:5] = torch.tensor([1.5, -1.0, 1.0, 0.5, -1.5])
    track = spoken(default, 2)
    assert transfer(track, default, ict).params.shape.abs().max() == 0
    track = track.replace(params=track.params.replace(shape=someone))
    there = transfer(track, default, ict)
    back = transfer(there, ict, default)
    rest = FaceParams.neutral(default)
    faces = [
        default.only(default.region("face")).vertices(rest.replace(shape=s)).numpy()
        for s in (someone, back.params.shape, 0 * someone)
    ]
    kept, mean = (np.linalg.norm(f - f.mean(0) - faces[0] + faces[0].mean(0), axis=-1).mean() for f in faces[1:])
    assert kept < 1.6e-3 and kept < 0.6 * mean
    assert transfer(track, default, ict, identity="mean").params.shape.abs().max() == 0


def test_names_are_copied_on_request(default, ict):
    track = spoken(default, 3)
    moved = transfer(track, default, ict, method="names")
    expected = to_params(torch.zeros(1, 52).index_fill(1, torch.tensor([INDEX["jawOpen"]]), 1.0), ict).jaw[0, 0]
    share = track.params.jaw[:, 0] / default.arrays.jaw_open_rad
    torch.testing.assert_close(moved.params.jaw[:, 0], share * expected)
    assert "transfer" not in moved.curves


def test_before_a_camera_the_eyes_stay_in_their_place(default, ict):
    track = spoken(default, 3)
    camera = Camera(np.array([900.0, 900.0]), np.array([200.0, 200.0]), (400, 400))
    seen = transfer(track.replace(camera=camera), default, ict, method="names")
    eyes = [head.skeleton(t.params)[0][:, 3:].mean(1) for head, t in ((default, track), (ict, seen))]
    torch.testing.assert_close(eyes[0], eyes[1], rtol=0, atol=1e-6)


def test_wrong_choices_and_tracks_are_refused(default):
    track = spoken(default, 2)
    with pytest.raises(InputError, match="'magic'"):
        transfer(track, default, default, method="magic")
    with pytest.raises(ShapeError, match="made on head 'default'"):
        transfer(track, Head(dataclasses.replace(default.arrays, id="other")), default)
