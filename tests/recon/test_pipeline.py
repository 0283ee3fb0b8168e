import numpy as np
import pytest
import torch
from PIL import Image

from flame_tools.errors import InputError, ShapeError
from flame_tools.track_file import load_track, save_track
from recon.fitting.focal import focal_from_exif
from recon.pipeline import reconstruct
from render.camera import project
from render.image import read_image

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
