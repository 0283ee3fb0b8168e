"""What is given is looked at before anything is loaded."""

from pathlib import Path

import pytest
from PIL import Image

from emberface_inputs import check_pictures, check_there, told_apart
from flame_tools.errors import FaceError, InputError


def test_paths_that_lead_nowhere(tmp_path):
    check_there(tmp_path, None)
    with pytest.raises(InputError, match=r"none\.wav does not exist"):
        check_there(tmp_path, tmp_path / "none.wav")


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.wav", "emberface animate hears it"), ("a.obj", "emberface fit takes scans"), ("a.txt", "MP4, MOV"),
     ("a.jpg", "no picture and no film")],
)  # fmt: skip
def test_what_no_face_can_be_read_of(name, said, tmp_path):
    (tmp_path / name).write_text("something")
    with pytest.raises(FaceError, match=said):
        check_pictures([tmp_path / name])


def test_pictures_films_and_folders_pass(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "odd.name", "PNG")
    (tmp_path / "film.mp4").write_text("who opens it says what is wrong")
    check_pictures([tmp_path / "odd.name", tmp_path / "film.mp4", tmp_path])


def test_two_tracks_of_one_name_are_told_apart_by_their_folders():
    assert told_apart(Path("a/talk.face.npz"), Path("b/walk.csv")) == ("talk", "walk.csv")
    assert told_apart(Path("a/talk.face.npz"), Path("b/talk.face.npz")) == ("a/talk", "b/talk")
    assert told_apart(Path("talk.face.npz"), Path("talk.face.npz")) == ("talk", "talk")
