import numpy as np
import pytest
import torch

import emberface
from flame_tools.errors import InputError
from flame_tools.posing import at_frames
from flame_tools.track_check import check_track
from recon.fitting.observation import View
from recon.pictures import reconstruct_many
from recon.pipeline import size_from
from render.camera import camera_of
from render.performance import comparison


@pytest.fixture(scope="module")
def several(astronaut, head):
    """The portrait, cropped and mirrored-free, in three sizes: one person, three pictures."""
    images = [astronaut, astronaut[:400, 40:440], np.repeat(np.repeat(astronaut[10:330, 80:400], 2, 0), 2, 1)]
    return images, reconstruct_many(images, head)


def test_one_identity_and_a_frame_for_each(several, head, person):
    images, track = several
    check_track(track)
    assert len(track) == 3 and track.params.shape.ndim == 1
    assert track.camera.focal.shape == (3, 2) and track.provenance["quality"]["nme_468"] < 0.03
    assert [tuple(p["size"]) for p in track.provenance["pictures"]] == [(i.shape[1], i.shape[0]) for i in images]
    apart = (track.params.shape - person.params.shape).norm() / person.params.shape.norm()
    assert apart < 0.6  # it is the person that one picture gives
    assert track.provenance["metric_scale"] == "iris of 11.7 mm" and not track.provenance["focal_px"]["known"]
    best = track.provenance["texture_from"]
    assert track.camera.size == (images[best].shape[1], images[best].shape[0])


def test_each_photo_is_seen_by_a_camera_of_its_own_size(several, head):
    images, track = several
    assert len({image.shape for image in images}) > 1
    for frame, image in enumerate(images):
        camera = camera_of(track, frame)
        assert camera.size == image.shape[1::-1]
        np.testing.assert_array_equal(camera.focal, track.camera.focal[frame])
        assert comparison(image, track, head, frame=frame, height=120).shape[0] == 120
    assert camera_of(at_frames(track, [1]), 0).size == track.camera.size, "one of three photos: which is not known"


def test_of_one_moment_they_share_the_expression(several, head):
    images, _ = several
    track = reconstruct_many(images[:2], head, one_moment=True)
    for name in ("expression", "jaw", "eyelids"):
        value = getattr(track.params, name)
        assert (value[0] == value[1]).all()


@pytest.mark.parametrize("weak", [False, True])
def test_the_front_door_takes_a_list(astronaut, head, weak):
    track = emberface.recon([astronaut, astronaut[:420]], head=head, weak=weak)
    check_track(track)
    assert len(track) == 2 and track.camera.orthographic == weak and track.camera.focal.shape == (2, 2)
    assert torch.isnan(track.std.translation[:, 2]).all() == weak
    assert track.provenance["quality"]["nme_468"] < 0.03


def test_what_the_size_rests_on_is_told():
    known, unknown, placed = View((9, 9), 12.0), View((9, 9)), View((9, 9), 12.0, world_to_camera=np.eye(4))
    assert size_from([known, known]) == "iris of 11.7 mm and a known focal length"
    assert size_from([known, unknown]) == "iris of 11.7 mm" and size_from([placed, placed]) == "the cameras' places"


def test_kinds_of_cameras_are_not_mixed(astronaut, head):
    views = [View((512, 512), weak=weak) for weak in (True, False)]
    with pytest.raises(InputError, match="wanted one kind for all pictures"):
        reconstruct_many([astronaut, astronaut], head, views=views)


def test_a_picture_without_a_face_is_named(astronaut, head):
    with pytest.raises(InputError, match="picture 2"):
        reconstruct_many([astronaut, np.full((80, 80, 3), 128, np.uint8)], head)
    with pytest.raises(InputError, match="0 pictures"):
        reconstruct_many([], head)
