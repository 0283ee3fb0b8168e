"""A face followed picture by picture: as a film's causal Track, from the moment that somebody is met."""

import socket
import threading
from functools import partial
from itertools import islice

import numpy as np
import pytest

from flame_tools.errors import InputError
from flame_tools.lips import Lips, gaps_mm
from flame_tools.live.livelink import decode
from recon.film.frame_params import params_of_rows
from recon.film.live import HOLD_S, LiveTracker, known_from
from recon.film.live_keyframes import LiveKeyframes
from recon.film.live_stream import live
from recon.film.track import track_film
from recon.fitting.observation import View, observed
from recon.fitting.shut_lips import LEFT_MM
from render.footage import open_footage
from render.image import read_image
from render.video import write_video
from tests.readers.films import background, cut_out, laid
from tests.recon.conftest import shared

FPS, COUNT, AWAY = 25, 24, range(10, 15)


@pytest.fixture(scope="module")
def film(astronaut, tmp_path_factory):
    """A small portrait that sways before clouds, and is away for a fifth of a second."""
    path, woman, ground = tmp_path_factory.mktemp("live") / "sways.mp4", cut_out(astronaut, height=150), background()
    shown = (ground if k in AWAY else laid(ground, woman, 70 + 8 * np.sin(k / 4), 40 + k) for k in range(COUNT))
    write_video(path, shown, FPS)
    return path


@pytest.fixture(scope="module")
def track(film, head):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recon.film.track.KEYFRAMES", 2)
        return track_film(film, head, all_faces=True, causal=True)[0]


def faces_of(film, tracker):
    return [tracker.step(frame.image, frame.time_s) for frame in open_footage(film).frames()]


def entries(faces, name):
    return np.stack([getattr(face.params, name)[0].numpy() for face in faces])


def test_it_is_the_causal_track_of_a_film_for_who_is_known(film, track, head):
    faces = faces_of(film, LiveTracker(head, person=known_from(track, head)))
    assert all(face is not None for face in faces) and len(track) == COUNT
    np.testing.assert_array_equal([face.trust == 0 for face in faces], track.visibility == 0)
    assert [faces[k].trust for k in AWAY] == [0] * 5
    # what differs: how sure fits usually are is known of the whole film there, of what has been seen here
    for name, atol in (("global_rotation", 0.01), ("jaw", 0.01), ("translation", 0.005), ("eyelids", 0.03)):
        apart = np.abs(entries(faces, name) - getattr(track.params, name).numpy())
        assert apart.max() < atol, name
        assert np.median(apart) < atol / 10, name
    std = np.stack([face.std.translation[0].numpy() for face in faces])
    assert (std[14] > std[9]).all()


def test_lips_seen_shut_are_shut_in_the_same_picture(head):
    tracker, fitted, shown, sure = LiveTracker(head), [], [], []
    for frame in islice(open_footage(shared("video/head-pose-face-detection-female.preview.gif")).frames(), 18):
        face = tracker.step(frame.image, frame.time_s)
        one = tracker.known[tracker.whom]
        lips = Lips(head, face.params.shape)
        rest = gaps_mm(lips.head.v_template.numpy(), lips.pairs[lips.central])
        mean, dtype = one.state.mean[:1], head.v_template.dtype
        before = params_of_rows(one.person, mean, one.person.shape, unknown=0.0, dtype=dtype)
        fitted.append((lips.gaps_mm(before) - rest).max())
        shown.append((lips.gaps_mm(face.params) - rest).max())
        sure.append(one.shut[-1][0])
    shut = np.array(sure) > 0.9
    assert shut.sum() > 3 and np.array(fitted)[shut].max() > 2
    assert np.array(shown)[shut].max() < LEFT_MM + 0.15


def test_who_is_not_known_is_met_and_found_again(film, track, head):
    tracker = LiveTracker(head)
    faces = faces_of(film, tracker)
    assert [face.keyframes for face in faces] == [1] * COUNT and {face.id for face in faces} == {0}
    turn = entries(faces, "global_rotation") - track.params.global_rotation.numpy()
    assert np.abs(turn).max() < 0.08
    x, focal = entries(faces, "translation"), np.array([face.focal_px for face in faces])
    place = focal * x[:, 0] / -x[:, 2]
    move = track.params.translation.numpy()
    assert np.abs(place - track.camera.focal[0] * move[:, 0] / -move[:, 2]).max() < 4  # pixels
    assert faces[9].params.shape.ndim == 1 and faces[9].params.expression.shape == (1, head.expression_size)
    # gone for good: held, then nothing
    empty = background()
    late = [tracker.step(empty, COUNT / FPS + 0.25 * k) for k in range(14)]
    held = [face is not None for face in late]
    assert held[0] and held.index(False) == pytest.approx(HOLD_S / 0.25, abs=1) and not any(held[held.index(False) :])
    assert late[1].trust == 0
    with pytest.raises(InputError, match="one size"):
        tracker.step(np.zeros((100, 100, 3), np.uint8), 60.0)


def test_somebody_else_is_tracked_once_the_first_is_gone_and_the_first_known_again(astronaut, head):
    other = cut_out(read_image(shared("grace_hopper.jpg")), box=(100, 40, 430, 420), height=150)
    ground, woman = background(), cut_out(astronaut, height=150)
    hers, theirs = laid(ground, woman, 70, 50), laid(ground, other, 90, 60)
    tracker, times = LiveTracker(head), iter(np.arange(0.0, 60.0, 0.5))

    def shown(image, count):
        return [None if face is None else face.id for face in (tracker.step(image, next(times)) for _ in range(count))]

    assert shown(hers, 2) == [0, 0]
    first = tracker.known[0].keyframes.seen[0]
    assert shown(ground, 3)[-1] in (0, None)  # held
    came = shown(theirs, 6)  # 1.5 s after her, who is not given up before 3 s
    assert came[-1] == 1 and came[0] != 1
    shown(ground, 7)
    assert shown(hers, 3)[-1] == 0 and tracker.known[0].keyframes.seen[0] is first
    assert len(tracker.known) == 2


def test_meeting_beside_holds_up_no_picture_and_leaves_no_trace(film, head):
    from threadpoolctl import threadpool_info

    before = threadpool_info()
    first = next(open_footage(film).frames()).image
    with LiveTracker(head, background=True) as tracker:
        got = [tracker.step(first, 0.0)]
        while got[-1] is None and len(got) < 2000:
            tracker._meeting.join(0.05)
            got.append(tracker.step(first, 0.04 * len(got)))
    assert got[0] is None and got[-1] is not None and got[-1].keyframes == 1
    assert threadpool_info() == before
    assert not any(thread.name == "emberface-meeting" for thread in threading.enumerate())


def test_a_method_for_photos_alone_is_refused(head):
    with pytest.raises(InputError, match="'regress' is none of auto, solve; regress looks ahead"):
        LiveTracker(head, method="regress")
    assert LiveTracker(head, method="solve").correct is None is not LiveTracker(head).correct


def test_a_film_goes_to_an_engine(film, head, monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as engine:
        engine.bind(("127.0.0.1", 0))
        engine.settimeout(10)
        report = live(film, to=f"livelink:127.0.0.1:{engine.getsockname()[1]}", head=head, subject="her")
        packet = decode(engine.recv(4096))
    assert report.frames >= 1 and not report.stopped
    assert packet.subject == "her"


def test_keyframes_are_few_and_far_apart():
    """Of a hundred pictures of four faces, with a tremble, one of each is kept, and later ones that are farther."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(468, 2)) * 50
    kinds = base + rng.normal(size=(4, 468, 2)) * 8
    view, iris = View((640, 480)), np.arange(20.0).reshape(10, 2)
    marks = LiveKeyframes(4)
    look = partial(observed, iris=iris, view=view)
    for k in range(100):
        moved = kinds[k // 25] * rng.uniform(0.5, 2) + rng.normal(size=2) * 300
        marks.offer(look(moved + rng.normal(size=(468, 2)) * 0.1), k / 1000)
    assert len(marks.seen) == 4 and marks.changes >= 4
    close = [min(np.abs(kind - _alike(one.landmarks, kind)).max() for kind in kinds) for one in marks.seen]
    nearest = {int(np.argmin([np.abs(k - _alike(o.landmarks, k)).mean() for k in kinds])) for o in marks.seen}
    assert nearest == {0, 1, 2, 3} and max(close) < 3
    assert not marks.offer(marks.seen[0], 5.0)
    far = base + rng.normal(size=(468, 2)) * 40
    assert marks.offer(look(far), 6.0) and len(marks.seen) == 4


def _alike(points, kind):
    """Points at the place and of the size of a kind."""
    size = np.linalg.norm(kind - kind.mean(0)) / np.linalg.norm(points - points.mean(0))
    return (points - points.mean(0)) * size + kind.mean(0)
