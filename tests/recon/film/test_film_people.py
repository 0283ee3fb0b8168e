"""Films in which people come, go, hide and follow one another: who is who, and what is marked as not seen."""

import numpy as np
import pytest

from flame_tools.track_check import check_track
from recon.film.track import track_film
from render.footage import open_footage
from render.image import read_image
from render.video import write_video
from tests.readers.films import background, cut_out, laid
from tests.recon.conftest import shared

FPS = 25


@pytest.fixture(autouse=True)
def few_keyframes(monkeypatch):
    """Who is who needs no exact identities, and meeting somebody takes as long as a hundred frames."""
    monkeypatch.setattr("recon.film.track.KEYFRAMES", 2)


@pytest.fixture(scope="module")
def woman(astronaut):
    return cut_out(astronaut, height=150)


@pytest.fixture(scope="module")
def other():
    """Somebody else, of the same size."""
    return cut_out(read_image(shared("grace_hopper.jpg")), box=(100, 40, 430, 420), height=150)


def bridged(track):
    return track.curves["tracking"].values[:, 1] > 0


def place(track):
    """Pixels [T] at which the head stands, from the left."""
    move = track.params.translation.numpy()
    return track.camera.centre[0] + move[:, 0] * track.camera.focal[0] / -move[:, 2]


def test_who_leaves_and_returns_is_one_person_and_the_time_between_is_bridged(woman, head, tmp_path):
    ground = background()

    def frames():
        for k in range(8):
            yield laid(ground, woman, 20 + 2 * k, 40)
        for _ in range(14):
            yield ground
        for k in range(8):
            yield laid(ground, woman, 150 + 2 * k, 50)

    write_video(tmp_path / "away.mp4", frames(), FPS)
    (track,) = track_film(tmp_path / "away.mp4", head, all_faces=True)
    check_track(track)
    assert len(track) == 30 and track.params.shape.ndim == 1
    away = bridged(track)
    assert away[8:22].all() and not away[:7].any() and not away[26:].any()  # found again within 0.2 s
    assert (track.visibility[away] == 0).all() and (track.visibility[~away] > 0).all()
    x = place(track)
    assert x[28] - x[2] == pytest.approx(138, abs=8)  # of 150 + 2 * 6 - 20 - 2 * 2
    between = x[9:21]
    assert (np.diff(between) > -1).all() and x[4] < between.mean() < x[27]  # from where it left to where it returned
    assert (track.std.translation[15] > 1.5 * track.std.translation[3]).all()


@pytest.mark.long
def test_two_people_are_two_tracks_that_stay_apart(woman, other, head, tmp_path):
    ground = background()

    def frames():
        for k in range(16):
            right = laid(ground, other, 175 - 2 * k, 60) if not 6 <= k < 9 else ground  # away for a moment
            yield laid(right, woman, 5, 40 + k)

    write_video(tmp_path / "two.mp4", frames(), FPS)
    tracks = track_film(tmp_path / "two.mp4", head, all_faces=True)
    assert [len(track) for track in tracks] == [16, 16]
    left, right = tracks
    assert (place(left) < 130).all() and (place(right) > 170).all()
    assert not bridged(left).any() and bridged(right)[6:9].all() and not bridged(right)[:6].any()


@pytest.mark.long
def test_a_cut_to_somebody_else_is_another_track(woman, other, head, tmp_path):
    first, second = background(seed=0), background(seed=3, tone=60)
    shots = [laid(first, woman, 80, 50)] * 9 + [laid(second, other, 90, 60)] * 8
    write_video(tmp_path / "cut.mp4", shots, FPS)
    one, two = track_film(tmp_path / "cut.mp4", head, all_faces=True)
    assert (one.provenance["first_frame"], len(one)) == (0, 9)
    assert (two.provenance["first_frame"], len(two)) == (9, 8)
    assert not bridged(one).any() and not bridged(two).any()
    assert (one.params.shape - two.params.shape).abs().max() > 0.1


@pytest.mark.long
def test_hands_before_the_face_are_marked(head, tmp_path):
    """The signer's own hands, from where he holds them highest, laid over his face."""
    clip = [frame.image for frame in open_footage(shared("video/asl_help.mkv")).frames()]
    hands = clip[30][120:230, 275:385]
    shown = [image.copy() for image in clip[:18]]
    for image in shown[8:11]:
        image[45:155, 275:385] = hands
    write_video(tmp_path / "hands.mp4", shown, 30)
    (track,) = track_film(tmp_path / "hands.mp4", head, all_faces=True)
    covered = bridged(track)
    assert len(track) == 18 and covered[8:11].all() and not covered[:8].any() and not covered[14:].any()
    assert (track.visibility[8:11] == 0).all()
    moved = np.diff(place(track))
    assert np.abs(moved).max() < 3  # he stands still, also where he is not seen


@pytest.mark.long
@pytest.mark.parametrize("name", ["again", "help"])
def test_signers_are_tracked_whole(name, head):
    (track,) = track_film(shared(f"video/asl_{name}.mkv"), head, all_faces=True)
    check_track(track)
    assert track.provenance["quality"]["coverage"] > 0.95
