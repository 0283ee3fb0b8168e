"""Published files as readers of faces: what each sees of a picture, films in windows, what is refused."""

import numpy as np
import pytest
import torch

from flame_tools.errors import InputError
from readers.faces import read_faces
from readers.sampling import Square
from recon.fitting.evaluate import IBUG_68
from recon.networks.crop import aligned, aligned_square, crop, face_square
from recon.networks.face_network import BATCH, FaceCrop, FaceNetwork, open_checkpoint, windows
from recon.networks.mica import Mica
from tests.recon.networks.golden import pictures
from tests.recon.networks.published_files import write_published
from tests.recon.networks.test_checkpoints import constants, grouped

SEEN = {"DECA": 1.375, "EMICA": 1.375, "SMIRK": 1.4}
OF_ALL = ("SMIRK",)  # whose box is that of all landmarks


@pytest.fixture(scope="module")
def landmarks(astronaut):
    return read_faces(astronaut)[0].landmarks


@pytest.mark.parametrize("around", [0, 1, 2])
@pytest.mark.parametrize("count", [1, 3, 8])
def test_windows_hold_every_frame_once_between_its_neighbours(count, around):
    for frames in range(25):
        inner = []
        for window in windows(range(frames), count, around):
            assert len(window) <= count + 3 * around
            own = window[around : len(window) - around]
            for i, frame in enumerate(own):
                beside = np.clip(np.arange(frame - around, frame + around + 1), 0, frames - 1)
                assert window[i : i + 2 * around + 1] == beside.tolist()
            inner += own
        assert inner == list(range(frames))


@pytest.mark.parametrize("system", [pytest.param(s, marks=pytest.mark.long) if s == "EMICA" else s for s in SEEN])
def test_a_photo_is_seen_as_each_system_sees_it(tmp_path, astronaut, landmarks, system):
    network = open_checkpoint(write_published(system, tmp_path / "model.pt"))
    alone = network.network
    assert (network.system, network.file) == (system, "model.pt") and len(network.sha256) == 64
    box = landmarks if system in OF_ALL else landmarks[list(IBUG_68)]
    square = face_square(box, SEEN[system])
    pixels = crop(astronaut, square)
    extra = (aligned(astronaut, aligned_square(landmarks[list(IBUG_68)])),) if system == "EMICA" else ()
    with torch.no_grad():
        own = alone(pixels, *extra)
    (said,) = network.read([network.cut(astronaut, landmarks)], (512, 512))
    for name in ("shape", "expression", "global_rotation", "jaw", "camera"):
        assert torch.allclose(getattr(said.codes, name), getattr(own, name)[0], atol=1e-5), name  # the same sums
    assert said.camera.size == (512, 512)
    scale = float(said.codes.camera[0])
    assert said.camera.focal[0] == pytest.approx(scale * square.size / 2) and scale > 3


def test_a_film_in_windows_is_what_one_pass_says(astronaut, landmarks, tmp_path):
    network = open_checkpoint(write_published("SPECTRE", tmp_path / "spectre_model.tar"))
    assert network.cut(astronaut, landmarks).square == face_square(landmarks[list(IBUG_68)], 1.6)
    film = pictures(BATCH + 5, 3, 64, 64)
    square = Square(32.0, 32.0, 64.0)
    said = list(network.read([FaceCrop(frame[None], square, None) for frame in film], (64, 64)))
    ends = torch.cat([film[:1], film[:1], film, film[-1:], film[-1:]])
    with torch.no_grad():
        whole = network.network(ends[None])
    assert len(said) == len(film)
    for name in ("expression", "jaw", "shape"):
        found = torch.stack([getattr(one.codes, name) for one in said])
        assert torch.allclose(found, getattr(whole, name)[0, 2:-2], atol=1e-5), name
    assert (whole.expression[0, 3] - whole.expression[0, 9]).abs().max() > 1e-3  # frames differ


def test_faces_are_aligned_as_arcface_wants_them():
    template = np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    rng = np.random.default_rng(0)
    for _ in range(20):
        seen = rng.normal(size=(5, 2)) * 4 + template * rng.uniform(0.5, 4)
        angle = rng.uniform(-3, 3)
        seen = seen @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + 200
        landmarks = np.zeros((68, 2))
        for own, point in zip(((38, 41), (44, 46), (30,), (60,), (64,)), seen, strict=True):
            landmarks[list(own)] = point
        placed = aligned_square(landmarks).from_image(seen) * 112 - 0.5
        # least squares over turn, scale and place, as a linear problem in four numbers
        rows = np.concatenate([np.stack([[x, -y, 1, 0], [y, x, 0, 1]]) for x, y in seen])
        best = rows @ np.linalg.lstsq(rows, template.ravel(), rcond=None)[0]
        assert np.allclose(placed.ravel(), best, atol=1e-6)
    with pytest.raises(InputError, match="lie in one place"):
        aligned_square(np.zeros((68, 2)))


def test_aligned_pixels_are_as_mica_takes_them():
    image = np.zeros((200, 200, 3), np.uint8)
    image[:, 100:] = (255, 128, 0)
    found = aligned(image, Square(100.0, 100.0, 56.0))
    assert found.shape == (1, 3, 112, 112)
    assert found[0, :, 50, 10].tolist() == [-1, -1, -1]
    assert found[0, :, 50, 100].tolist() == pytest.approx([1, 2 * 128 / 255 - 1, -1], abs=1e-3)


def test_a_file_that_says_identity_alone_is_refused(tmp_path):
    torch.save(grouped(constants(Mica)), tmp_path / "mica.tar")
    with pytest.raises(InputError, match=r"mica\.tar is a file of MICA.* neither pose nor camera; give one of EMICA, "):
        open_checkpoint(tmp_path / "mica.tar")


def test_numbers_that_are_no_camera_give_none(astronaut, landmarks, tmp_path):
    network = open_checkpoint(write_published("SMIRK", tmp_path / "model.pt"))
    pose = network.network.smirk_encoder.pose_encoder.pose_cam_layers[0]
    assert isinstance(network, FaceNetwork)
    face = network.cut(astronaut, landmarks)
    pose.bias[3] = -20.0
    assert [one.camera for one in network.read([face], (512, 512))] == [None]
    pose.bias[3], pose.bias[0] = 7.0, float("inf")
    assert [one.camera for one in network.read([face], (512, 512))] == [None]
