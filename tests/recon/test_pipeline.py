import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from flame_tools.errors import InputError, ShapeError
from flame_tools.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from flame_tools.track_file import load_track, save_track
from readers.sampling import Square
from recon.fitting.focal import focal_from_exif
from recon.networks.codes import projected
from recon.pipeline import reconstruct
from recon.texture.uv_map import uv_map
from render.camera import project
from render.image import read_image
from render.performance import comparison

from .conftest import shared


def resized(image: np.ndarray, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, width), Image.Resampling.LANCZOS))


def test_a_portrait_becomes_a_track(person, head):
    assert len(person) == 1 and person.head_id == head.arrays.id
    quality = person.provenance["quality"]
    assert 0.005 < quality["nme_468"] < 0.03 and quality["nme_68"] < 0.035
    assert quality["nme_468_fitted"] <= quality["nme_468"]
    assert len(person.provenance["residuals_468"]) == 468
    assert 0.5 < person.visibility[0] <= 1
    # a smile, eyes open, before a camera at arm's length or more
    weight = dict(zip(head.arrays.expression_names, person.params.expression[0].tolist(), strict=True))
    assert weight["mouthSmileLeft"] + weight["mouthSmileRight"] > 0.4
    assert person.params.eyelids.max() < 0.4
    assert -3 < person.params.translation[0, 2] < -0.5
    assert torch.isnan(person.std.neck).all() and (person.std.shape > 0).all()


def test_the_track_projects_onto_the_face(person, head, astronaut):
    vertices = head.vertices(person.params)[0]
    pixels = project(head.landmarks(vertices, "468").numpy(), person.camera)[:, :2]
    left, top, right, bottom = person.provenance["face"]["box"]
    np.testing.assert_allclose([*pixels.min(0), *pixels.max(0)], [left, top, right, bottom], atol=4)


def test_it_is_the_same_every_time_and_survives_the_disk(person, head, astronaut, tmp_path):
    (again,) = reconstruct(astronaut, head)
    save_track(person, tmp_path / "a.face.npz")
    save_track(again, tmp_path / "b.face.npz")
    assert (tmp_path / "a.face.npz").read_bytes() == (tmp_path / "b.face.npz").read_bytes()
    loaded = load_track(tmp_path / "a.face.npz")
    assert loaded.provenance["quality"] == person.provenance["quality"]
    assert (loaded.appearance.albedo == person.appearance.albedo).all()


def test_methods_see_the_same_face(person, head, astronaut):
    """Solved by MediaPipe's landmarks, by recon-base's, or told at a glance: one pose, one smile, other certainty."""
    (solved,) = reconstruct(astronaut, head, method="solve")
    (told,) = reconstruct(astronaut, head, method="regress")
    assert [t.provenance["landmarks"] for t in (solved, person, told)] == ["MediaPipe", "recon-base", "recon-base"]
    assert told.provenance["made_by"] == "recon-base" and person.provenance["made_by"] == "recon.fit"
    assert told.provenance["quality"]["nme_468"] < 0.06
    smile = head.arrays.expression_names.index("mouthSmileLeft")
    for other in (solved, told):
        turned = (other.params.global_rotation - person.params.global_rotation).norm()
        assert torch.rad2deg(turned) < 8
        assert other.params.expression[0, smile] > 0.15
        apart = (other.params.translation - person.params.translation).norm() / person.params.translation.norm()
        assert apart < 0.15
    with pytest.raises(InputError, match="there is no method 'guess'; choose auto, solve, regress"):
        reconstruct(astronaut, head, method="guess")


def test_all_faces_come_largest_first_and_small_ones_are_left_out(head, astronaut):
    picture = np.full((512, 1000, 3), 90, np.uint8)
    picture[:300, :300] = resized(astronaut, 300)
    picture[400:500, 100:200] = resized(astronaut, 100)  # a face of 21 pixels
    picture[:, 488:] = astronaut
    tracks = reconstruct(picture, head, all_faces=True)
    boxes = [track.provenance["face"]["box"] for track in tracks]
    assert len(tracks) == 2 and boxes[0][0] > 488 and boxes[1][2] < 300
    assert max(track.provenance["quality"]["nme_468"] for track in tracks) < 0.035


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda a: np.full((200, 300, 3), 128, np.uint8), r"no face was found .*300 x 200"),
        (lambda a: resized(a, 130), r"only 2\d pixels tall, wanted at least 40"),
        (lambda a: np.ascontiguousarray(a[:, 205:]), r"cut by the picture's border \(\d+%"),
        (lambda a: np.ascontiguousarray(a[:150]), r"cut by the picture's border"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(head, astronaut, make, says):
    with pytest.raises(InputError, match=says) as caught:
        reconstruct(make(astronaut), head)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), np.uint8), None]
)
def test_what_is_no_image_is_refused(head, image):
    with pytest.raises(ShapeError, match="image is"):
        reconstruct(image, head)


def test_a_focal_length_must_be_one(head, astronaut):
    with pytest.raises(InputError, match="-5"):
        reconstruct(astronaut, head, focal_px=-5)


def test_a_known_focal_length_moves_the_face_and_not_its_size(head, astronaut, person):
    (near,) = reconstruct(astronaut, head, focal_px=400.0)
    assert near.camera.focal[0] == pytest.approx(400.0)
    ratio = near.params.translation[0, 2] / person.params.translation[0, 2]
    assert ratio == pytest.approx(400 / person.camera.focal[0], rel=0.15)


def test_weak_perspective_is_that_of_the_published_networks(weakly, person, head):
    camera, quality = weakly.camera, weakly.provenance["quality"]
    assert camera.orthographic and weakly.params.translation[0, 2] == pytest.approx(-1.2)
    assert torch.isnan(weakly.std.translation[0]).tolist() == [False, False, True]
    assert quality["nme_468"] < 0.02 and weakly.visibility[0] == pytest.approx(person.visibility[0], abs=0.05)
    assert "focal_px" not in weakly.provenance
    scale = camera.focal[0] / (person.camera.focal[0] / -person.params.translation[0, 2])
    assert scale == pytest.approx(1, rel=0.15)  # pixels a metre where the face is
    # the turn is that from the line of sight, which meets the face 12 degrees above the picture's middle
    ray = normalize(head(person.params).joints[0, 3:5].mean(0), dim=0)
    aside = torch.linalg.cross(ray, torch.tensor([0.0, 0.0, -1.0]))
    aside = matrix_from_axis_angle(aside * torch.asin(aside.norm()) / aside.norm())
    turns = [matrix_from_axis_angle(track.params.global_rotation[0]) for track in (person, weakly)]
    assert torch.rad2deg(axis_angle_from_matrix((aside @ turns[0]).T @ turns[1]).norm()) < 5
    points = head.vertices(weakly.params)[0].double()
    for told in weakly.provenance["weak_perspective"].values():
        code, square = torch.tensor(told["camera"], dtype=torch.float64), Square(*told["square"])
        place = projected(points - weakly.params.translation[0].double(), code)[:, :2]
        seen = square.to_image((place.numpy() + 1) / 2)
        np.testing.assert_allclose(seen, project(points.numpy(), camera)[:, :2], atol=0.02)  # rounded in provenance
        assert 6 < code[0] < 14  # as these networks' are, of heads in metres


def test_a_weak_track_survives_the_disk_and_meets_its_photo(weakly, person, head, astronaut, tmp_path):
    save_track(weakly, tmp_path / "weak.face.npz")
    loaded = load_track(tmp_path / "weak.face.npz")
    assert loaded.camera.orthographic and loaded.provenance == weakly.provenance
    np.testing.assert_array_equal(loaded.camera.focal, weakly.camera.focal)
    textures = [track.appearance.albedo.reshape(-1, 3).astype(float) for track in (loaded, person)]
    skin = uv_map(head.arrays, 1024)
    nose = skin.texels[skin.spread(np.isin(np.arange(len(head.arrays.v_template)), head.arrays.regions["nose"])) > 0.9]
    assert np.abs(textures[0][nose] - textures[1][nose]).mean() < 12  # the same colours at the same places
    drawn = [comparison(astronaut, track, head, height=320).astype(float) for track in (loaded, person)]
    assert np.abs(drawn[0] - drawn[1])[:, 320:640].mean() < 12


def test_what_weak_perspective_cannot_be_is_refused(head, astronaut):
    with pytest.raises(InputError, match="a focal length or a place was given to a camera of weak perspective"):
        reconstruct(astronaut, head, weak=True, focal_px=700.0)
    with pytest.raises(InputError, match="regress sees in perspective"):
        reconstruct(astronaut, head, weak=True, method="regress")


@pytest.mark.parametrize("frame", [0, 8, 12, 20])
def test_turned_heads_of_a_video_are_met(head, frame):
    film = Image.open(shared("video/head-pose-face-detection-female.preview.gif"))
    film.seek(frame)
    (track,) = reconstruct(np.asarray(film.convert("RGB")), head)
    assert track.provenance["quality"]["nme_468"] < 0.04


def test_exif_tells_the_focal_length(tmp_path, astronaut):
    picture = Image.fromarray(astronaut)
    exif = picture.getexif()
    exif.get_ifd(0x8769)[0xA405] = 50
    picture.save(tmp_path / "with.jpg", exif=exif)
    picture.save(tmp_path / "without.jpg")
    # 50 mm on a 43.27 mm diagonal, over 724 pixels
    assert focal_from_exif(tmp_path / "with.jpg") == pytest.approx(836.8, abs=0.5)
    assert focal_from_exif(tmp_path / "without.jpg") is None
    (tmp_path / "text.jpg").write_text("not a picture")
    assert focal_from_exif(tmp_path / "text.jpg") is None
    assert read_image(tmp_path / "with.jpg").shape == astronaut.shape
