"""Faces followed: the same number from frame to frame, over cuts and absences, and nothing made up in between."""

import json
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from flame_tools.errors import FormatError, InputError, ShapeError
from readers.film import read_film
from readers.followed import change_of_shape, size_of
from readers.follower_state import follower_from, state_of
from readers.following import Follower, FollowOptions
from readers.readings import Readings, part_path, read_part, read_parts
from render.footage import open_footage
from render.video import write_video
from tests.readers.films import HEIGHT, WIDTH, background, cut_out, laid
from tests.shared_data import shared_file

FPS = 25
ONE_VIEW = FollowOptions(views=1)


@pytest.fixture(scope="module")
def woman(astronaut):
    return cut_out(astronaut)


def followed(frames, options=ONE_VIEW, fps=FPS):
    """[(faces of frame k)] of an iterable of images."""
    follower = Follower(options)
    return [follower.step(image, k / fps) for k, image in enumerate(frames)]


def ids(frames):
    return [[face.id for face in faces] for faces in frames]


def test_a_face_is_followed_where_it_goes(woman):
    ground = background()
    path = [(100 + 80 * np.sin(k / 5), 60 + 40 * np.sin(k / 3)) for k in range(40)]  # up to 19 pixels a frame
    frames = followed(laid(ground, woman, x, y) for x, y in path)
    assert ids(frames) == [[0]] * 40
    shift = np.rint(path) - np.rint(path[0])
    first = frames[0][0].landmarks[:, :2]
    for faces, moved in zip(frames, shift, strict=True):
        off = np.linalg.norm(faces[0].landmarks[:, :2] - moved - first, axis=1).mean()
        assert off < 0.025 * size_of(first)  # the network at other places of its crop; worst seen 1.1 %
        assert faces[0].trust > 0.5


def test_it_looks_the_same_without_the_detector(woman):
    """Between looks of the detector a face is read from where it was: as well as from a detection."""
    frames = followed(laid(background(), woman, 100 + k, 60) for k in range(20))
    fresh = Follower(ONE_VIEW).step(laid(background(), woman, 119, 60), 0.0)[0]
    assert change_of_shape(frames[-1][0].landmarks, fresh.landmarks) < 0.01


def test_a_face_that_leaves_is_not_made_up_and_is_known_when_it_returns(woman):
    ground = background()
    out = [(100 - 20 * k, 60) for k in range(14)]  # to the left, beyond the border
    back = [(240 - 8 * k, 90) for k in range(12)]  # from elsewhere, two seconds later
    frames = followed([laid(ground, woman, *p) for p in out] + [ground] * 50 + [laid(ground, woman, *p) for p in back])
    seen = ids(frames)
    assert seen[0] == [0] and seen[20:64] == [[]] * 44
    assert seen[-1] == [0]
    assert all(faces in ([], [0]) for faces in seen)


def test_a_covered_face_is_marked_or_left_out(woman):
    ground = background()
    whole = laid(ground, woman, 100, 60)
    hidden = whole.copy()
    hidden[60:185, 95:215] = ground[60:185, 95:215]
    frames = followed([whole] * 6 + [hidden] * 6 + [whole] * 6)
    assert all(face.trust < 0.3 for faces in frames[6:12] for face in faces)
    assert ids(frames)[-1] == ids(frames)[0] == [0]
    first, last = frames[0][0].landmarks, frames[-1][0].landmarks
    assert np.abs(first - last)[:, :2].max() < 0.05 * size_of(first)


@pytest.mark.parametrize("part", [(0.5, 1.0, 0.0, 1.0), (0.1, 1.0, 0.5, 1.0)])  # the lower half; one side
def test_half_a_face_covered_is_marked(astronaut, part):
    """The network reads on without a doubt (score above 0.9): that it cannot know is seen by the look of the face."""
    whole = np.asarray(Image.fromarray(astronaut[:300, 60:390]).resize((297, 270), Image.Resampling.LANCZOS))
    first = Follower(ONE_VIEW).step(whole, 0.0)[0]
    (left, top), (right, bottom) = first.landmarks[:, :2].min(0), first.landmarks[:, :2].max(0)
    low, high = np.array([top, left]) - 6, np.array([bottom, right]) + 6
    y0, y1 = (int(low[0] + share * (high - low)[0]) for share in part[:2])
    x0, x1 = (int(low[1] + share * (high - low)[1]) for share in part[2:])
    hidden = whole.copy()
    hidden[y0:y1, x0:x1] = (214, 170, 140)  # a hand's colour
    hidden[y0:y1, x0:x1:12] = (150, 110, 90)
    frames = followed([whole] * 5 + [hidden] * 5 + [whole] * 3)
    trust = [[face.trust for face in faces] for faces in frames]
    assert all(value > 0.9 for values in trust[:5] + trust[10:] for value in values)
    assert all(value < 0.3 for values in trust[5:10] for value in values)
    assert all(faces in ([], [0]) for faces in ids(frames)) and ids(frames)[-1] == [0]


def test_a_cut_keeps_the_person_and_not_the_place(woman):
    one, two = background(0, 60), background(5, 190)
    frames = followed([laid(one, woman, 30, 40)] * 8 + [laid(two, woman, 170, 100)] * 8 + [two] * 4)
    assert ids(frames)[:16] == [[0]] * 16
    assert ids(frames)[17:] == [[]] * 3
    jump = frames[8][0].landmarks[:, :2].mean(0) - frames[7][0].landmarks[:, :2].mean(0)
    np.testing.assert_allclose(jump, [140, 60], atol=4)  # with the very first frame of the new shot


def test_two_faces_keep_their_numbers(woman):
    ground = background()
    dark = (woman.astype(float) * 0.7).astype(np.uint8)
    frames = []
    for k in range(36):  # past each other at a little distance
        image = laid(ground, woman[:100], 10 + 5 * k, 5)
        frames.append(laid(image, dark[:100], 195 - 5 * k, 125))
    seen = followed(frames)
    assert ids(seen) == [[0, 1]] * 36
    for faces in seen:
        assert abs((faces[0].landmarks[:, 1] > 120).mean() - (seen[0][0].landmarks[:, 1] > 120).mean()) < 0.1


def test_a_newcomer_is_found_within_a_second(woman):
    ground = background()
    alone = laid(ground, woman[:100], 5, 5)
    both = laid(alone, woman[:100], 200, 125)
    seen = ids(followed([alone] * 10 + [both] * 26))
    assert seen[:10] == [[0]] * 10
    assert seen[-1] == [0, 1]


def test_nothing_in_nothing():
    noise = np.random.default_rng(0).integers(0, 256, (6, HEIGHT, WIDTH, 3), dtype=np.uint8)
    assert ids(followed(noise)) == [[]] * 6
    assert ids(followed([np.zeros((3, 5, 3), np.uint8)] * 2)) == [[]] * 2


def test_what_is_no_next_frame_is_refused(woman):
    follower = Follower()
    follower.step(background(), 1.0)
    with pytest.raises(ShapeError, match=r"comes after one at 1\.0"):
        follower.step(background(), 1.0)
    with pytest.raises(ShapeError, match=r"float64 \[240, 320, 3\]"):
        follower.step(background().astype(float), 2.0)
    with pytest.raises(ShapeError, match="views is 4"):
        FollowOptions(views=4)


def test_a_state_goes_on_to_the_same_bits(woman):
    ground = background()
    images = [laid(ground, woman, 100 + 3 * k, 60) for k in range(12)]
    whole, half = Follower(ONE_VIEW), Follower(ONE_VIEW)
    expected = [whole.step(image, k / FPS) for k, image in enumerate(images)]
    for k, image in enumerate(images[:6]):
        half.step(image, k / FPS)
    header, arrays = state_of(half)
    kept = json.loads(json.dumps(header, allow_nan=False))
    on = follower_from(kept, {name: value.copy() for name, value in arrays.items()})
    for k, image in enumerate(images[6:], 6):
        (face,) = on.step(image, k / FPS)
        assert face.landmarks.tobytes() == expected[k][0].landmarks.tobytes()
        assert (face.trust, face.score) == (expected[k][0].trust, expected[k][0].score)
    with pytest.raises(FormatError, match="state of following"):
        follower_from({**kept, "next_id": "many"}, arrays)
    with pytest.raises(FormatError, match="state of following"):
        follower_from(kept, {**arrays, "seen": arrays["seen"][:, :1]})


@pytest.fixture(scope="module")
def film(tmp_path_factory, woman):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    ground = background()
    write_video(path, (laid(ground, woman, 90 + 2 * k, 60) for k in range(26)), Fraction(25))
    return path


def test_a_stopped_film_goes_on_to_the_same_bytes(film, tmp_path):
    footage = open_footage(film)
    parts = list(read_film(footage, tmp_path / "whole", options=ONE_VIEW, frames_a_part=10))
    assert [len(part) for part in parts] == [10, 10, 6]
    run = read_film(footage, tmp_path / "halves", options=ONE_VIEW, frames_a_part=10)
    next(run)
    run.close()  # as a kill would: after the first part, before the second is whole
    assert not part_path(tmp_path / "halves", 1).exists()
    again = list(read_film(open_footage(film), tmp_path / "halves", options=ONE_VIEW, frames_a_part=10))
    assert len(again) == 3
    for k in range(3):
        assert part_path(tmp_path / "whole", k).read_bytes() == part_path(tmp_path / "halves", k).read_bytes()
    joined = Readings.joined(list(read_parts(tmp_path / "whole")))
    assert joined.frame.tolist() == list(range(26)) and (joined.id == 0).all()
    np.testing.assert_allclose(joined.time_s, np.arange(26) / 25)
    assert len(joined.of(0)) == 26 and len(joined.of(1)) == 0
    assert not list((tmp_path / "halves").glob(".part*"))


def test_parts_of_another_film_or_broken_ones_are_refused(film, tmp_path):
    footage = open_footage(film)
    next(read_film(footage, tmp_path, options=ONE_VIEW, frames_a_part=5))
    with pytest.raises(InputError, match="other options"):
        next(read_film(footage, tmp_path, options=FollowOptions(views=2), frames_a_part=5))
    with pytest.raises(InputError, match=r"part-00000\.npz"):
        next(read_parts(tmp_path / "elsewhere"))
    path = part_path(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FormatError, match="part-00000"):
        read_part(path)


def test_readings_say_what_does_not_fit():
    empty = Readings.of_frames([])
    assert len(empty) == 0 and empty.landmarks.shape == (0, 468, 2)
    with pytest.raises(ShapeError, match=r"iris is float32 \[1, 10, 2\]"):
        Readings(**{**vars(empty), "iris": np.zeros((1, 10, 2), np.float32)})


# --- real people


CLIPS = {
    "asl_again.mkv": 77,
    "asl_help.mkv": 58,
    "head-pose-face-detection-female.preview.gif": 23,
    "head-pose-face-detection-male.preview.gif": 62,
}


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_of_the_clips(name):
    """Sign language with hands near the face, and heads that turn to where the detector finds nothing."""
    footage = open_footage(shared_file(f"faces/video/{name}"))
    follower = Follower(ONE_VIEW)
    frames = [follower.step(frame.image, frame.time_s) for frame in footage.frames()]
    assert len(frames) == CLIPS[name]
    assert ids(frames) == [[0]] * len(frames)
    assert min(faces[0].trust for faces in frames) > 0.5


def fitted_head(name, height):
    """A person's head out of a portrait or a clip's first frame, and its face's place in it."""
    if name.endswith((".png", ".jpg")):
        image = np.asarray(Image.open(shared_file(f"faces/{name}")).convert("RGB"))
    else:
        image = next(open_footage(shared_file(f"faces/video/{name}")).frames()).image
    face = Follower().step(image, 0.0)[0]
    left, top = face.landmarks[:, :2].min(0)
    right, bottom = face.landmarks[:, :2].max(0)
    side = bottom - top
    box = np.array([left - 0.25 * side, top - 0.45 * side, right + 0.25 * side, bottom + 0.2 * side]).clip(0)
    return cut_out(image, tuple(box.astype(int)), height)


def test_two_people_who_cross_leave_and_return_are_not_taken_for_each_other():
    left, right = fitted_head("grace_hopper.jpg", 110), fitted_head("obama_official_2012.jpg", 110)
    ground = background()
    frames = []
    for k in range(30):  # one passes in front of the other
        frames.append(laid(laid(ground, left, 5 + 7 * k, 60), right, 215 - 7 * k, 70))
    frames += [laid(ground, left, 215, 60)] * 30  # he is gone
    frames += [laid(ground, right, 130, 40)] * 15  # and comes back elsewhere, while she goes
    seen = followed(frames)
    first, second = (face.id for face in sorted(seen[0], key=lambda face: face.landmarks[:, 0].mean()))
    assert {face.id for faces in seen[35:60] for face in faces} == {first}
    assert {face.id for faces in seen[65:] for face in faces} == {second}
    for faces in seen[26:30]:  # apart again, each on the other's side
        assert {face.id: face.landmarks[:, 0].mean() > 160 for face in faces} == {first: True, second: False}


def test_people_of_two_shots_before_one_wall():
    """Head-pose clips: both people at the same place before a light wall, so that a crop of one lands on the other."""
    man, woman = (
        [frame.image for frame in open_footage(shared_file(f"faces/video/{name}")).frames()]
        for name in list(CLIPS)[:1:-1]
    )
    seen = followed(man[:10] + woman[4:20] + man[30:36] + woman[10:15], fps=12)
    assert ids(seen) == [[0]] * 10 + [[1]] * 16 + [[0]] * 6 + [[1]] * 5
