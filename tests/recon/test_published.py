"""Published files on a photo and a film, through the command: weights that nobody trained, a head in FLAME's format."""

import dataclasses
import hashlib
import json
import os
import pickle

import numpy as np
import pytest
import torch

import emberface
import emberface_cli
from assets.locate import asset_path
from flame_tools.errors import FormatError, InputError, ShapeError
from flame_tools.head import Head
from flame_tools.load import load_head
from flame_tools.track_check import check_track
from flame_tools.track_file import load_track, save_track
from readers.faces import read_faces
from readers.readings import read_parts
from recon.fitting.evaluate import IBUG_68
from recon.networks.checkpoints import load_smirk
from recon.networks.codes import face_params
from recon.networks.crop import crop, face_square
from recon.networks.face_network import open_checkpoint
from recon.published import read_film_by, read_photo
from render.camera import at_frame, project
from render.footage import open_footage
from render.image import read_image
from render.video import write_video
from tests.flame_tools.files.published import write_flame
from tests.recon.conftest import shared
from tests.recon.networks.published_files import write_published

FPS, FRAMES, COVERED = 25, 9, range(3, 5)


@pytest.fixture(scope="module")
def flame(tmp_path_factory):
    """A folder as FLAME's files are unpacked: the model, landmarks, lids."""
    folder = tmp_path_factory.mktemp("heads") / "FLAME"
    folder.mkdir()
    return write_flame(folder)


@pytest.fixture(scope="module")
def flame_head(flame):
    return load_head(flame)


@pytest.fixture(scope="module")
def smirk(tmp_path_factory):
    return write_published("SMIRK", tmp_path_factory.mktemp("smirk") / "SMIRK_em1.pt")


@pytest.fixture(scope="module")
def reading(astronaut):
    return read_faces(astronaut)[0]


@pytest.fixture(scope="module")
def photographed(flame, smirk, tmp_path_factory):
    """What the command makes of the bundled portrait."""
    out = tmp_path_factory.mktemp("out")
    arguments = ["recon", asset_path("astronaut"), "--head", flame, "--checkpoint", smirk, "--format", "glb,png"]
    assert emberface_cli.run([*map(str, arguments), "-o", str(out), "--json"]) == 0
    return out


def test_a_photo_becomes_the_files_that_were_asked_for(photographed, smirk, flame_head):
    assert {file.name for file in photographed.iterdir()} == {
        "astronaut.face.npz", "astronaut.glb", "astronaut.png", "astronaut.report.json",
    }  # fmt: skip
    track = load_track(photographed / "astronaut.face.npz")
    check_track(track)
    assert track.head_id == flame_head.arrays.id and track.appearance is None and track.std is None
    assert track.provenance["made_by"] == "SMIRK"
    digest = hashlib.sha256(smirk.read_bytes()).hexdigest()
    assert track.provenance["checkpoint"] == {"file": "SMIRK_em1.pt", "sha256": digest}
    assert flame_head.arrays.licence in track.licences and any("SMIRK model: MIT" in own for own in track.licences)
    report = json.loads((photographed / "astronaut.report.json").read_text())
    assert set(track.licences) <= set(report["licences"]) and report["inputs"]["checkpoint"] == str(smirk)
    assert 0 < report["quality"]["nme_68"] < 2 and report["quality"]["coverage"] == 1


def test_the_camera_sees_the_head_where_the_network_does(photographed, smirk, flame_head, astronaut, reading):
    track = load_track(photographed / "astronaut.face.npz")
    # by hand, from the papers: a square of 1.4 times the box, a weak-perspective camera of the crop
    square = face_square(reading.landmarks, 1.4)
    with torch.no_grad():
        codes = load_smirk(smirk).network(crop(astronaut, square))
        points = flame_head.landmarks(flame_head(face_params(codes, flame_head)).vertices, "68")[0].double().numpy()
    s, x, y = codes.camera[0].tolist()
    on_crop = np.stack([s * (points[:, 0] + x) + 1, 1 - s * (points[:, 1] + y)], 1) * 112
    wanted = (on_crop - 112) * square.size / 224 + (square.x, square.y)
    with torch.no_grad():
        marks = flame_head.landmarks(flame_head(track.params).vertices, "68")[0].double().numpy()
    found = project(marks, track.camera)
    assert np.abs(found[:, :2] - wanted).max() < 1e-3
    assert (found[:, 2] > 0.5).all()  # before the camera
    assert track.camera.orthographic and track.camera.size == (512, 512)
    assert torch.equal(track.params.shape, codes.shape[0]) and torch.equal(track.params.jaw, codes.jaw)
    assert torch.equal(track.params.eyelids, codes.eyelids)
    # and the quality is how far that is from what was read, by the distance between the eyes
    with torch.no_grad():
        eyes = project(flame_head(track.params).joints[0, 3:].double().numpy(), track.camera)
    apart = np.linalg.norm(np.diff(eyes * [1, 1, track.camera.focal[0]], axis=0))
    off = np.linalg.norm(wanted - reading.landmarks[list(IBUG_68), :2], axis=1).mean() / apart
    assert track.provenance["quality"]["nme_68"] == pytest.approx(off, abs=2e-5)
    assert set(track.provenance["quality"]) == {"nme_68", "nme_105", "coverage"}


def test_it_is_the_same_every_time(photographed, smirk, flame_head, astronaut, tmp_path):
    (again,) = read_photo(astronaut, flame_head, open_checkpoint(smirk))
    save_track(again, tmp_path / "again.face.npz")
    assert (tmp_path / "again.face.npz").read_bytes() == (photographed / "astronaut.face.npz").read_bytes()


def test_portraits_of_any_size(flame_head, smirk):
    network = open_checkpoint(smirk)
    for name in ("grace_hopper.jpg", "obama_official_2012.jpg"):
        image = read_image(shared(name))
        (track,) = read_photo(image, flame_head, network)
        with torch.no_grad():
            marks = flame_head.landmarks(flame_head(track.params).vertices, "68")[0].double().numpy()
        left, top, right, bottom = track.provenance["face"]["box"]
        x, y = project(marks, track.camera)[:, :2].mean(0)
        assert left < x < right and top < y < bottom  # the file puts every face near the middle of its crop
        assert track.camera.size == image.shape[1::-1]


def test_a_registered_head_has_a_report(flame, smirk, tmp_path, monkeypatch):
    monkeypatch.setenv("EMBERFACE_HEADS", str(tmp_path / "heads"))
    assert emberface_cli.run(["head", "add", str(flame), "--name", "flame", "--json"]) == 0
    arguments = ["recon", asset_path("astronaut"), "--head", "flame", "--checkpoint", smirk, "--format", "glb"]
    assert emberface_cli.run([*map(str, arguments), "-o", str(tmp_path), "--report", "--json"]) == 0
    quality = load_track(tmp_path / "astronaut.face.npz").provenance["quality"]
    assert set(quality) == {"nme_468", "nme_68", "nme_105", "coverage"}
    (numbers,) = json.loads((tmp_path / "astronaut.report.json").read_text())["quality"]["report"]["people"]
    assert numbers["made_by"] == "SMIRK" and numbers["quality"] == quality
    assert numbers["error"]["mean"] == pytest.approx(quality["nme_468"], abs=2e-5)
    assert numbers["focal_px"] is None and numbers["pixels_per_m"]["value"] > 0 and numbers["face_sd_mm"] is None
    assert "<html" in (tmp_path / "astronaut.report.html").read_text("utf-8")[:200]


# --- films ------------------------------------------------------------------------------------------------------------


def sways(i: int) -> tuple[int, int]:
    return 4 * i, -2 * i


@pytest.fixture(scope="module")
def film(astronaut, tmp_path_factory):
    """The portrait, moving, with a tone; nothing is seen in COVERED."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"

    def frames():
        for i in range(FRAMES):
            x, y = sways(i)
            yield np.full_like(astronaut, 90) if i in COVERED else np.roll(astronaut, (y, x), (0, 1))

    tone = np.sin(np.arange(int(16000 * FRAMES / FPS)) / 20).astype(np.float32) * 0.3
    write_video(path, frames(), FPS, tone, 16000)
    return path


@pytest.fixture(scope="module")
def filmed(film, flame, smirk, tmp_path_factory):
    out, parts = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("parts")
    arguments = ["recon", film, "--head", flame, "--checkpoint", smirk, "--format", "glb,png", "--parts", parts]
    assert emberface_cli.run([*map(str, arguments), "-o", str(out), "--json"]) == 0
    assert {file.name for file in out.iterdir()} == {f"film.{end}" for end in ("face.npz", "glb", "png", "report.json")}
    return load_track(out / "film.face.npz"), parts


def test_a_film_becomes_a_track_with_its_sound(filmed, flame_head):
    track, _ = filmed
    check_track(track)
    assert len(track) == FRAMES and track.fps == (FPS, 1)
    assert abs(len(track.audio) / track.audio_rate - FRAMES / FPS) < 0.1
    seen = np.array([i for i in range(FRAMES) if i not in COVERED])
    bridged = track.curves["tracking"].values[:, 1] > 0
    assert bridged[list(COVERED)].all() and not bridged[seen].any()
    assert (track.visibility[bridged] == 0).all() and (track.visibility[seen] >= 0.3).all()
    assert track.provenance["quality"]["coverage"] == pytest.approx(1 - len(COVERED) / FRAMES, abs=1e-5)
    assert 0 < track.provenance["quality"]["nme_105"] < 2
    for name in ("expression", "jaw", "global_rotation", "translation"):
        values = getattr(track.params, name)
        assert all(torch.equal(values[i], values[COVERED[0] - 1]) for i in COVERED), name
    # the head goes where the picture does
    with torch.no_grad():
        joints = flame_head(track.params).joints[:, 1].double().numpy()
    at = np.stack([project(joint[None], at_frame(track.camera, i))[0, :2] for i, joint in enumerate(joints)])
    moved = (at - [sways(i) for i in range(FRAMES)])[seen]
    assert np.abs(moved - moved.mean(0)).max() < 4


def test_a_frame_of_a_film_is_as_the_network_says(filmed, film, smirk, flame_head):
    track, parts = filmed
    (readings,) = read_parts(parts)
    network, frames = load_smirk(smirk).network, {f.number: f.image for f in open_footage(film).frames()}
    shapes = []
    for row in range(len(readings)):
        number = int(readings.frame[row])
        if number in COVERED or readings.trust[row] < 0.3:
            continue
        square = face_square(readings.landmarks[row].astype(np.float64), 1.4)
        with torch.no_grad():
            codes = network(crop(frames[number], square))
        shapes.append(codes.shape[0])
        assert torch.allclose(track.params.expression[number], codes.expression[0], atol=1e-5)
        assert track.camera.focal[number, 0] == pytest.approx(float(codes.camera[0, 0]) * square.size / 2, rel=1e-5)
    assert len(shapes) == FRAMES - len(COVERED)
    assert torch.allclose(track.params.shape, torch.stack(shapes).mean(0), atol=1e-5)


@pytest.mark.long
def test_spectre_sees_each_stretch_of_a_film_as_one(filmed, film, flame_head, tmp_path):
    network = open_checkpoint(write_published("SPECTRE", tmp_path / "spectre_model.tar"))
    (track,) = read_film_by(film, flame_head, network, parts=filmed[1], all_faces=True)
    (readings,) = read_parts(filmed[1])
    frames = {f.number: f.image for f in open_footage(film).frames()}
    assert readings.frame[:2].tolist() == [0, 1]
    first, second = (network.cut(frames[row], readings.landmarks[row]).pixels for row in range(2))
    third = network.cut(frames[2], readings.landmarks[2]).pixels
    with torch.no_grad():  # the first frame, with itself before it
        codes = network.network(torch.cat([first, first, first, second, third])[None])
    assert torch.allclose(track.params.jaw[0], codes.jaw[0, 2], atol=1e-5)
    expression = track.params.expression[:, :50]
    assert torch.allclose(expression[0], codes.expression[0, 2], atol=1e-5)
    assert torch.equal(expression[COVERED[0]], expression[COVERED[0] - 1])
    assert (expression[0] - expression[2]).abs().max() > 1e-4


# --- refused ----------------------------------------------------------------------------------------------------------


def refused(capsys, *arguments) -> str:
    assert emberface_cli.run([*map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    return err


class Evil:
    def __reduce__(self):
        return os.mkdir, ("made by a checkpoint",)


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda data, path: path.write_bytes(data[: len(data) // 2]), "truncated"),
        (lambda data, path: path.write_bytes(pickle.dumps({"smirk_encoder.x": Evil()})), "nothing was executed"),
        (lambda data, path: torch.save({"fc.weight": torch.zeros(2)}, path), "none of EMICA, SPECTRE, EMOCA, DECA"),
        (lambda data, path: path.unlink(missing_ok=True), "is not a file"),
    ],
)
def test_files_that_are_none_are_refused(astronaut, flame_head, smirk, tmp_path, monkeypatch, spoilt, said):
    monkeypatch.chdir(tmp_path)
    spoilt(smirk.read_bytes(), tmp_path / "x.pt")
    with pytest.raises(FormatError, match=rf"x\.pt.*{said}"):
        emberface.recon(astronaut, head=flame_head, checkpoint=tmp_path / "x.pt")
    assert {file.name for file in tmp_path.iterdir()} <= {"x.pt"}


def test_heads_that_are_not_of_the_network(smirk, flame_head, astronaut, head):
    network = open_checkpoint(smirk)
    with pytest.raises(InputError, match="the network speaks of FLAME's parameters, and head 'default' is no FLAME"):
        read_photo(astronaut, head, network)
    arrays = flame_head.arrays
    few = dataclasses.replace(
        arrays,
        shapedirs=arrays.shapedirs[..., :10],
        shape_names=arrays.shape_names[:10],
        eyelid_shapedirs=arrays.eyelid_shapedirs[..., :10],
        id="few",
    )
    with pytest.raises(ShapeError, match="gives 100 components of identity, head 'few' has 10; load the FLAME with"):
        read_film_by("nowhere.mp4", Head(few), network)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"method": "solve", "focal_px": 500.0}, "method, focal"),
        ({"one_moment": True}, "one-moment"),
        ({"causal": True}, "causal"),
        ({"weak": True}, "camera"),
    ],
)
def test_choices_that_a_checkpoint_does_not_leave(astronaut, flame_head, smirk, options, named):
    with pytest.raises(InputError, match=f"beside a checkpoint there is no choice of {named}:"):
        emberface.recon(astronaut, head=flame_head, checkpoint=smirk, **options)
    with pytest.raises(InputError, match="no choice of several photos"):
        emberface.recon([astronaut, astronaut], head=flame_head, checkpoint=smirk)


def test_what_the_command_refuses(capsys, flame, smirk, tmp_path):
    arguments = ["recon", asset_path("astronaut"), "--head", flame, "--checkpoint", smirk]
    assert "no choice of focal" in refused(capsys, *arguments, "-o", tmp_path / "out", "--focal", "500")
    assert not list(tmp_path.iterdir())
    assert "has no 468 landmarks" in refused(capsys, *arguments, "-o", tmp_path, "--report")
    assert not list(tmp_path.iterdir())
    kept = tmp_path / "model.glb"
    kept.write_bytes(smirk.read_bytes())
    line = refused(capsys, *arguments[:-1], kept, "-o", kept)
    assert "is read by this command and would be replaced" in line


def test_pictures_and_numbers_without_a_face(flame_head, smirk, astronaut, tmp_path):
    network = open_checkpoint(smirk)
    with pytest.raises(InputError, match="no face was found"):
        read_photo(np.full((64, 64, 3), 90, np.uint8), flame_head, network)
    network.network.smirk_encoder.pose_encoder.pose_cam_layers[0].bias[3] = -20.0
    with pytest.raises(InputError, match=r"SMIRK_em1\.pt says numbers of this face that no camera has"):
        read_photo(astronaut, flame_head, network)


def test_from_python_without_landmarks_on_the_head(flame, smirk, astronaut, tmp_path):
    """The model's file alone: no landmarks, no lids, so no figure but what was seen."""
    track = emberface.recon(astronaut, head=str(flame / "generic_model.pkl"), checkpoint=smirk)
    assert track.provenance["quality"] == {"coverage": 1.0}
    assert not track.params.eyelids.any()
    save_track(track, tmp_path / "a.face.npz")
    assert load_track(tmp_path / "a.face.npz").camera.orthographic
