"""Which faces are taken, what is kept of them, and why others are not."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from flame_tools.errors import InputError
from recon.corpus.crops import crops_of
from recon.corpus.duplicates import Duplicates
from recon.corpus.faces import Rejected, face_in
from recon.corpus.fitted import BuildOptions, Fitter
from recon.corpus.quality import blur
from recon.corpus.sample import sample_of
from recon.corpus.source import Source
from recon.learned.crop import CUT
from recon.learned.regressor import Scale
from recon.train.base import LandmarkFace
from render.camera import project
from tests.recon.conftest import shared


@pytest.fixture(scope="module")
def fitter(head):
    return Fitter(head, BuildOptions(frames_per_clip=4))


def source(path, **known):
    return Source("files", path, path.name, "somebody", split="train", key="key", **known)


@pytest.fixture(scope="module")
def photo(fitter, tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("photo") / "a.png"
    Image.fromarray(astronaut).save(path)
    (packed,) = fitter.made_of(source(path)).samples
    return sample_of(packed.key, packed.members)


def test_a_sample_holds_the_fit_in_the_pictures_own_camera(photo, head):
    assert photo.picture.shape == (224, 224, 3) and photo.quality > 0.7 and photo.subject == "somebody"
    marks = head.landmarks(head.vertices(photo.params), "468")
    seen = photo.crop.from_image(project(marks, photo.camera).numpy()[:, :2])
    away = np.linalg.norm(seen - photo.placed[:, :2], axis=1)
    assert away.mean() < 0.01 and (photo.placed[:, 2] > 0).all()
    assert (photo.std.expression[photo.std.expression.isfinite()] >= 0).all() and photo.std.neck.isnan().all()
    assert 0 < photo.std.shape.mean() < 1.5
    assert photo.facts["figures"]["nme_468_fitted"] < 0.03 and photo.facts["source"] == "a.png"


def test_a_sample_is_a_crop_to_learn_from(photo, head):
    crops = crops_of([photo, photo], head)
    assert crops.picture.shape == (2, CUT, CUT, 3) and crops.picture.dtype == np.uint8
    scale = Scale(crops.face.shape[1])
    scale.fit(head.arrays)
    rest, posed = LandmarkFace(head, scale)(scale(torch.as_tensor(crops.face)))
    assert np.abs(rest.numpy() - crops.neutral).max() < 1e-5  # metres; float32
    assert np.abs(posed.numpy() - crops.expressed).max() < 1e-5
    # the crop's own camera sees the anchor where the landmarks' middle is, about as large
    assert crops.place[0, :2] + 0.5 == pytest.approx(crops.true[0].mean(0), abs=0.04)
    wide = np.ptp(crops.true[0], axis=0).max() / np.ptp(crops.neutral[0], axis=0).max()
    assert np.exp(crops.place[0, 2]) == pytest.approx(wide, rel=0.15)
    assert np.exp(crops.distance[0]) == pytest.approx(-float(photo.params.translation[2]), abs=0.2)
    with pytest.raises(InputError, match="there are no samples"):
        crops_of([], head)


def test_a_clips_frames_share_an_identity(fitter):
    film = shared("video/head-pose-face-detection-female.preview.gif")
    made = fitter.made_of(source(film, follow=True))
    found = [sample_of(packed.key, packed.members) for packed in made.samples]
    assert made.pictures == 4 == len(found) + made.rejected.total() and len(found) >= 3
    assert all((sample.params.shape == found[0].params.shape).all() for sample in found)
    turns = [float(sample.params.global_rotation[1]) for sample in found]
    assert max(turns) - min(turns) > 0.15  # she turns her head
    assert [sample.facts["frame"] for sample in found] == sorted({sample.facts["frame"] for sample in found})


def rejected(fitter, tmp_path, image, **known):
    path = tmp_path / "picture.png"
    Image.fromarray(np.ascontiguousarray(image)).save(path)
    made = fitter.made_of(source(path, **known))
    assert made.pictures == 1 == len(made.samples) + made.rejected.total()
    return "".join(made.rejected)


def test_what_is_not_taken_is_counted_by_reason(fitter, tmp_path, astronaut):
    small = np.asarray(Image.fromarray(astronaut).resize((170, 170)))
    soft = np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(3)))
    assert rejected(fitter, tmp_path, small) == "too_small"
    assert rejected(fitter, tmp_path, soft) == "blurred"
    assert rejected(fitter, tmp_path, astronaut[300:]) == "no_face"
    assert rejected(fitter, tmp_path, astronaut[100:]) == "cut_off"
    assert rejected(fitter, tmp_path, astronaut, at=(20.0, 480.0)) == "no_face"
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    assert fitter.made_of(source(tmp_path / "broken.jpg")).rejected == {"unreadable": 1}
    assert fitter.made_of(source(tmp_path / "missing.mp4")).rejected == {"unreadable": 1}
    strict = Fitter(fitter.head, BuildOptions(min_quality=1.0))
    assert rejected(strict, tmp_path, astronaut) == "low_quality"


def test_of_two_people_the_one_that_is_meant(fitter, tmp_path, astronaut):
    half = astronaut[:300, 100:350]
    both = np.concatenate([half, half[:, ::-1]], axis=1)
    assert rejected(fitter, tmp_path, both) == "several_people"
    assert rejected(fitter, tmp_path, both, at=(375.0, 120.0)) == ""
    with pytest.raises(Rejected, match="another face"):
        face_in(both)
    left, right = (face_in(both, at=(x, 120.0)).landmarks[:, 0].mean() for x in (125.0, 375.0))
    assert left < 250 < right and face_in(both, people="largest").size > 80
    bystander = np.zeros((512, 700, 3), np.uint8)
    bystander[:, :512] = astronaut
    bystander[:120, 560:660] = np.asarray(Image.fromarray(half).resize((100, 120)))
    assert face_in(bystander).landmarks[:, 0].mean() < 400  # a far smaller one is none


def test_blur_grows_as_a_picture_is_blurred(astronaut):
    softer = [blur(np.asarray(Image.fromarray(astronaut).filter(ImageFilter.GaussianBlur(r)))) for r in (0, 1, 2, 4)]
    assert softer == sorted(softer) and softer[0] < 0.5 < 0.7 < softer[2]
    assert blur(np.full((32, 32, 3), 90, np.uint8)) == 1.0


def test_frames_that_hardly_differ_are_taken_once(fitter, tmp_path, astronaut):
    Image.fromarray(astronaut).save(tmp_path / "a.png")
    (one,) = fitter.made_of(source(tmp_path / "a.png")).samples
    Image.fromarray(np.roll(astronaut[::, ::-1], 5, axis=0)).save(tmp_path / "b.png")
    (other,) = fitter.made_of(source(tmp_path / "b.png")).samples
    known = Duplicates()
    assert [known.takes(sample) for sample in (one, other, one, other)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 8}, "size is 8"),
        ({"min_quality": 1.5}, "0 to 1"),
        ({"frames_per_clip": 0}, "1 to 64"),
        ({"people": "all"}, "one or largest"),
    ],
)
def test_options_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        BuildOptions(**wrong)
