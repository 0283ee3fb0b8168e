from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from readers.face_parts import LEFT_EYE, RIGHT_EYE
from readers.faces import _each_once, read_faces

# Points that a mirror exchanges: eye corners, mouth corners, sides of the face; and three on the midline.
PAIRS = np.array([(33, 263), (133, 362), (61, 291), (234, 454), (159, 386), (145, 374)])
MIDLINE = np.array([1, 13, 152])


def turned(image: np.ndarray, degrees: float) -> np.ndarray:
    return np.asarray(Image.fromarray(image).rotate(degrees, resample=Image.Resampling.BICUBIC))


def test_landmarks_lie_in_a_face_like_order(portrait):
    (face,) = read_faces(portrait)
    xy = face.landmarks[:, :2]
    assert face.score > 0.99 and face.outside == 0 and face.unsteadiness < 0.01
    assert xy[10, 1] < xy[9, 1] < xy[1, 1] < xy[13, 1] < xy[152, 1]  # forehead, brow, nose tip, lips, chin
    assert (xy[PAIRS[:, 0], 0] < xy[PAIRS[:, 1], 0]).all()
    for eye, iris in ((RIGHT_EYE, face.iris[:5]), (LEFT_EYE, face.iris[5:])):
        contour = xy[list(eye)]
        assert (contour.min(0) < iris[0]).all() and (iris[0] < contour.max(0)).all()
        radii = np.linalg.norm(iris[1:] - iris[0], axis=1)
        assert radii.max() < 1.35 * radii.min()
    # the nose stands towards the camera, the sides of the face away from it
    assert face.landmarks[1, 2] < face.landmarks[[234, 454], 2].min()


def test_a_mirrored_picture_gives_mirrored_landmarks(astronaut):
    width = astronaut.shape[1]
    (one,), (two,) = read_faces(astronaut), read_faces(np.ascontiguousarray(astronaut[:, ::-1]))
    back = two.landmarks[:, :2] * (-1, 1) + (width, 0)
    swapped = np.concatenate([PAIRS[:, ::-1].ravel(), MIDLINE])
    plain = np.concatenate([PAIRS.ravel(), MIDLINE])
    # the networks are not symmetric themselves; worst seen 1.6 % of the face
    assert np.abs(back[swapped] - one.landmarks[plain, :2]).max() < 0.03 * one.size
    assert np.abs(two.iris[5] * (-1, 1) + (width, 0) - one.iris[0]).max() < 0.015 * one.size


@pytest.mark.parametrize("degrees", [-35, 20, 90, 180])
def test_a_turned_picture_gives_turned_landmarks(astronaut, degrees):
    (one,), (two,) = read_faces(astronaut), read_faces(turned(astronaut, degrees))
    angle = np.deg2rad(degrees)  # counter-clockwise on the screen
    c, s = np.cos(angle), np.sin(angle)
    centre = np.array([256.0, 256.0])
    wanted = (one.landmarks[:, :2] - centre) @ np.array([[c, -s], [s, c]]) + centre
    assert np.linalg.norm(two.landmarks[:, :2] - wanted, axis=1).mean() < 0.02 * one.size


def test_landmarks_scale_with_the_picture(astronaut):
    large = np.asarray(Image.fromarray(astronaut).resize((1024, 1024), Image.Resampling.BICUBIC))
    (one,), (two,) = read_faces(astronaut), read_faces(large)
    assert np.abs(two.landmarks[:, :2] / 2 - one.landmarks[:, :2]).mean() < 0.01 * one.size


def test_several_faces_come_largest_first(astronaut):
    small = np.asarray(Image.fromarray(astronaut).resize((360, 360)))
    picture = np.full((512, 900, 3), 90, np.uint8)
    picture[:360, :360], picture[:, 388:] = small, astronaut
    faces = read_faces(picture, all=True)
    assert len(faces) == 2 and faces[0].size > faces[1].size
    assert faces[0].box[0] > 388 and faces[1].box[2] < 360
    (largest,) = read_faces(picture)
    np.testing.assert_allclose(largest.landmarks, faces[0].landmarks)


def test_a_doubtful_reading_over_a_sure_one_is_no_second_face(astronaut):
    (one,) = read_faces(astronaut)
    assert one.belief == one.score > 0.99
    doubtful = replace(one, landmarks=one.landmarks * 1.1 - 0.1 * one.landmarks.mean(0), spread=one.spread * 5)
    assert doubtful.size > one.size and doubtful.belief < 0.9
    aside = replace(one, landmarks=one.landmarks + np.array([one.size, 0, 0]))
    assert _each_once([doubtful, one, aside]) == [one, aside]


def test_a_cut_face_says_so(astronaut):
    (cut,) = read_faces(np.ascontiguousarray(astronaut[:, 200:]))  # 21 of the face's 94 pixels are gone
    assert cut.outside > 0.08


def test_the_same_bytes_from_any_thread(astronaut):
    (once,) = read_faces(astronaut)
    with ThreadPoolExecutor(4) as pool:
        for (again,) in pool.map(lambda _: read_faces(astronaut), range(6)):
            assert again.landmarks.tobytes() == once.landmarks.tobytes()
            assert again.iris.tobytes() == once.iris.tobytes()


def test_the_same_bytes_on_any_number_of_cores(astronaut, monkeypatch):
    monkeypatch.setattr("readers.landmarks.default_threads", lambda: 1)
    (once,) = read_faces(astronaut)
    monkeypatch.setattr("readers.landmarks.default_threads", lambda: 3)
    (again,) = read_faces(astronaut)
    assert again.landmarks.tobytes() == once.landmarks.tobytes()
    assert again.iris.tobytes() == once.iris.tobytes()


def test_no_face_no_reading():
    assert read_faces(np.full((64, 64, 3), 128, np.uint8), all=True) == []
