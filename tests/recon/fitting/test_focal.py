"""Focal lengths of photos and films, by what their cameras wrote down."""

import io
import warnings

import av
import numpy as np
import pytest
from PIL import Image

from emberface_inputs import check_pictures
from recon.fitting.focal import FULL_FRAME_DIAGONAL_MM, focal_from_exif, focal_from_film
from render.footage import open_footage
from render.quicktime import FOCAL_35MM, focal_35mm
from render.video import write_video


def test_films_and_folders_tell(tmp_path):
    """The movie's own metadata, as FFmpeg writes it; the pixels that a focal length stands for; a folder of photos."""
    path = tmp_path / "a.mov"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as file:
        file.metadata[FOCAL_35MM] = "26.00mm"
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        file.mux(stream.encode(None))
    assert focal_35mm(path) == 26.0
    assert focal_from_film(open_footage(path)) == pytest.approx(26.0 / FULL_FRAME_DIAGONAL_MM * 80)
    write_video(tmp_path / "plain.mp4", [np.zeros((48, 64, 3), np.uint8)] * 2, 25)
    assert focal_from_film(open_footage(tmp_path / "plain.mp4")) is None
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 50
    Image.new("RGB", (64, 48)).save(tmp_path / "0001.jpg", exif=exif)
    folder = open_footage(tmp_path, fps=25)
    assert focal_from_film(folder) == pytest.approx(50.0 / FULL_FRAME_DIAGONAL_MM * 80)


def test_broken_exif_data_says_nothing(tmp_path):
    """Neither a focal length nor a warning."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "JPEG")
    entries = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff" * 3
    segment = b"\xff\xe1" + (len(entries) + 2).to_bytes(2, "big") + entries
    (tmp_path / "a.jpg").write_bytes(stream.getvalue()[:2] + segment + stream.getvalue()[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert focal_from_exif(tmp_path / "a.jpg") is None
        check_pictures([tmp_path / "a.jpg"])
