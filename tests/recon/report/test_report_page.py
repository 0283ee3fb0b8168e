"""The page of a report holds everything, lets nothing out, shows text as text; overlays lie where they should."""

import base64
import hashlib
import io
import json

import av
import numpy as np
import pytest
import torch
from PIL import Image

from flame_tools.errors import InputError, OutputError
from flame_tools.types import Camera, Curves
from recon.pipeline import reconstruct
from recon.report import page as page_module
from recon.report import write_report
from recon.report.overlay import BRIDGED_EDGE, Cut, blended, cut_of, dots
from recon.report.page import own_script
from render.preview import overlay
from render.video import write_video
from tests.html_page import Read

HOSTILE = "</script><script>alert(1)</script>{{facts}}\"&'"
FRAMES, FPS = 7, 12


def repeated(person, frames, **more):
    """The portrait's track as one of several frames."""

    def several(params):
        names = [name for name in vars(params) if name != "shape"]
        return params.replace(**{name: torch.cat([getattr(params, name)] * frames) for name in names})

    given = {
        "params": several(person.params), "std": several(person.std), "time_s": np.arange(frames) / FPS,
        "visibility": None,
    } | more  # fmt: skip
    return person.replace(**given)


@pytest.fixture(scope="session")
def solved(astronaut, head):
    """The portrait as a frame of a film is fitted, to landmarks as they are read."""
    (track,) = reconstruct(astronaut, head, method="solve")
    return track


@pytest.fixture(scope="session")
def portrait_film(astronaut, solved, tmp_path_factory):
    """A film of the portrait, and its track, of which frames 4 and 5 are said to be bridged."""
    file = tmp_path_factory.mktemp("report") / "portrait.mp4"
    write_video(file, [astronaut] * FRAMES, FPS)
    marks = np.isin(np.arange(FRAMES), (4, 5))
    curves = {"tracking": Curves(("trust", "bridged"), np.stack([1 - marks, marks], 1).astype(np.float32))}
    tone = (0.2 * np.sin(np.arange(16000) / 9)).astype(np.float32)
    return file, repeated(solved, FRAMES, curves=curves, fps=(FPS, 1), audio=tone, audio_rate=16000)


def bytes_in(read, name):
    return base64.b64decode(read.script(name), validate=True)


@pytest.fixture(scope="module")
def written(portrait_film, head, tmp_path_factory):
    file, track = portrait_film
    folder = tmp_path_factory.mktemp("page")
    numbers = write_report(track, head, file, folder / "a.report.html", title=HOSTILE, parts=folder / "parts")
    return folder, numbers, Read((folder / "a.report.html").read_text("utf-8"))


def test_the_numbers_lie_beside_the_page(written, solved):
    folder, numbers, read = written
    assert json.loads((folder / "a.report.json").read_text("utf-8")) == numbers
    (face,) = numbers["people"]
    assert numbers["kind"] == "film" and face["frames"] == FRAMES and face["bridged"] == [[4, 5]]
    # the encoder blurs and the follower averages fewer crops, so landmarks are read a little differently
    assert face["error"]["mean"] == pytest.approx(solved.provenance["quality"]["nme_468_fitted"], rel=0.2)
    assert {"format": "emberface.report", "version": 1, "head": "default"}.items() <= numbers.items()
    shown = json.loads(read.script("facts"))["people"][0]
    plotted = shown.pop("plotted")
    assert shown == face | {"error": {k: v for k, v in face["error"].items() if k != "per_frame"}}
    assert plotted["error"] == face["error"]["per_frame"]  # a short film is not thinned


def test_what_is_put_in_stays_text_and_nothing_is_fetched(written):
    _, _, read = written
    assert HOSTILE in [text.strip() for tag, _, text in read.elements if tag == "h1"]
    for tag, attributes, _ in read.elements:
        assert not [k for k in attributes if k.startswith("on") or k == "style"], tag
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:")
    running = [text for tag, a, text in read.elements if tag == "script" and "type" not in a]
    assert running == [own_script()] and "http" not in running[0] and "innerHTML" not in running[0]
    (policy,) = (a["content"] for _, a, _ in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    digest = base64.b64encode(hashlib.sha256(running[0].encode()).digest()).decode()
    assert rules["script-src"] == [f"'sha256-{digest}'"]
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == ["'none'"]


def test_the_film_inside_shows_source_head_and_landmarks(written):
    _, _, read = written
    shown = json.loads(read.script("facts"))["shown"]
    with av.open(io.BytesIO(bytes_in(read, "film"))) as file:
        assert file.streams.audio and file.streams.video[0].average_rate == FPS
        frames = [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(video=0)]
    width, height = shown["panel"]
    assert len(frames) == len(shown["times"]) == FRAMES and frames[0].shape == (height, 3 * width, 3)
    source, over, marks = (frames[0][:, k * width : (k + 1) * width] for k in range(3))
    middle = np.s_[height // 3 : height // 2, width // 3 : 2 * width // 3]
    blue = (over - source)[middle][..., 2] - (over - source)[middle][..., 0]
    assert blue.mean() > 30  # the head is tinted
    assert np.abs((over - source)[:10, :10]).mean() < 6  # and nothing beside it
    assert marks[middle].mean() < 0.75 * source[middle].mean()
    edges = [np.abs(frames[k][:4, width : 2 * width] - BRIDGED_EDGE).mean() < 30 for k in range(FRAMES)]
    assert edges == [k in (4, 5) for k in range(FRAMES)]


def test_a_film_of_uneven_times_is_shown_at_them(astronaut, solved, head, tmp_path):
    times = np.array([0.0, 0.033, 0.133, 0.167, 0.5, 0.533])
    write_video(tmp_path / "phone.mp4", [astronaut] * len(times), 12, times_s=times)
    track = repeated(solved, len(times), time_s=times, fps=None)
    write_report(track, head, tmp_path / "phone.mp4", tmp_path / "a.html", title="a", parts=tmp_path / "parts")
    read = Read((tmp_path / "a.html").read_text("utf-8"))
    with av.open(io.BytesIO(bytes_in(read, "film"))) as file:
        shown = [frame.time for frame in file.decode(video=0)]
    np.testing.assert_allclose(shown, times, atol=2e-4)
    np.testing.assert_allclose(json.loads(read.script("facts"))["shown"]["times"], times, atol=2e-4)


def test_the_same_track_gives_the_same_bytes_and_a_large_film_lies_beside(
    written, portrait_film, head, tmp_path, monkeypatch
):
    monkeypatch.setattr(page_module, "MOST_INSIDE", 100)
    file, track = portrait_film
    folder, numbers, inside = written
    again = write_report(track, head, file, tmp_path / "a b.html", title=HOSTILE, parts=folder / "parts", numbers=False)
    assert again == numbers and sorted(p.name for p in tmp_path.iterdir()) == ["a b.html", "a b.html.mp4"]
    read = Read((tmp_path / "a b.html").read_text("utf-8"))
    facts, before = (json.loads(one.script("facts")) for one in (read, inside))
    assert facts.pop("shown")["beside"] == "a b.html.mp4" and before.pop("shown")["beside"] is None
    assert facts == before and all(read.script(f"map0-{k}") == inside.script(f"map0-{k}") for k in range(3))
    assert not [1 for _, a, _ in read.elements if a.get("id") == "film"]
    assert (tmp_path / "a b.html.mp4").read_bytes() == bytes_in(inside, "film")


def test_pictures_have_an_overlay_each(person, astronaut, head, tmp_path):
    small = np.ascontiguousarray(astronaut[:400, 40:460])
    camera = Camera(np.tile(person.camera.focal, (2, 1)), np.array([[256.0, 256], [216, 256]]), (512, 512))
    assert np.array_equal(person.camera.centre, (256, 256))
    numbers = write_report(
        repeated(person, 2, camera=camera), head, [astronaut, small], tmp_path / "two.html", numbers=False
    )
    assert numbers["kind"] == "pictures" and not numbers["people"][0]["jitter"]["bands"]
    first, second = numbers["people"][0]["error"]["per_frame"]
    assert first == pytest.approx(person.provenance["quality"]["nme_468_fitted"], abs=1e-4)
    assert second == pytest.approx(first, rel=0.1)  # the same face, read in another crop
    read = Read((tmp_path / "two.html").read_text("utf-8"))
    sizes = [Image.open(io.BytesIO(bytes_in(read, f"picture{k}"))).size for k in range(2)]
    assert all(w % 3 == 0 and 600 < h <= 720 for w, h in sizes)


def test_weak_perspective_has_an_overlay_and_no_focal_length(weakly, astronaut, head, tmp_path):
    numbers = write_report(weakly, head, astronaut, tmp_path / "weak.html", numbers=False)
    (one,) = numbers["people"]
    assert one["focal_px"] is None and one["pixels_per_m"]["value"] == pytest.approx(weakly.camera.focal[0], abs=0.1)
    assert one["error"]["mean"] == pytest.approx(weakly.provenance["quality"]["nme_468_fitted"], rel=0.3)


def test_two_faces_of_one_picture(person, astronaut, head, tmp_path):
    apart = np.concatenate([astronaut, astronaut], 1)
    focal, (x, y) = person.camera.focal, person.camera.centre
    tracks = [person.replace(camera=Camera(focal, np.array([x + k * 512, y]), (1024, 512))) for k in range(2)]
    numbers = write_report(tracks, head, apart, tmp_path / "both.html", numbers=False)
    assert [one["name"] for one in numbers["people"]] == ["face 1", "face 2"]
    for one in numbers["people"]:
        assert one["error"]["mean"] == pytest.approx(person.provenance["quality"]["nme_468_fitted"], rel=0.15)


def test_refusals(person, astronaut, head, tmp_path):
    with pytest.raises(InputError, match="no track"):
        write_report([], head, astronaut, tmp_path / "a.html")
    with pytest.raises(OutputError):
        write_report(person, head, astronaut, tmp_path / "none" / "a.html")
    assert not list(tmp_path.iterdir())


# --- pictures -----------------------------------------------------------------------------------------------------


def test_the_quick_blend_is_the_exact_one():
    rng = np.random.default_rng(0)
    photo, drawn = (rng.integers(0, 256, (40, 50, n)).astype(np.uint8) for n in (3, 4))
    drawn[:7] = drawn[:, :9] = 0
    ours, exact = blended(photo, drawn, 0.6), overlay(photo, drawn, 0.6)
    # tables of 2^14 steps are coarse where sRGB is steepest, near black
    assert np.abs(ours.astype(int) - exact).max() <= 1


def test_dots_lie_where_they_should():
    image = np.zeros((40, 60, 3), np.uint8)
    shown = dots(image, np.array([[20.5, 10.5], [59.0, 39.0], [-30.0, 5.0]]), np.full((3, 3), 200, np.uint8), 2.0)
    assert (shown[10, 20] == 200).all() and (shown[10, 18] > 0).all() and shown[10, 24].max() == 0
    weight = shown[:20, :, 0].astype(float)
    rows, columns = np.mgrid[:20, :60] + 0.5
    assert (weight * columns).sum() / weight.sum() == pytest.approx(20.5)
    assert (weight * rows).sum() / weight.sum() == pytest.approx(10.5)
    assert image.max() == 0


def test_a_cut_shows_the_heads_and_stays_inside():
    where = cut_of([np.array([300, 200, 400, 320.0])], (640, 480), height=480, width=480)
    left, top, width, height = where.box
    assert left < 300 and top < 200 and left + width > 400 and top + height > 320
    assert left >= 0 and top >= 0 and left + width <= 640 and top + height <= 480
    assert all(side % 2 == 0 and side <= 480 for side in where.size) and max(where.size) == 480
    corner = cut_of([np.array([-20, -30, 60, 70.0])], (640, 480), height=480, width=480)
    assert corner.box[:2] == (0, 0)
    assert isinstance(corner, Cut) and corner.image(np.zeros((480, 640, 3), np.uint8)).shape[1::-1] == corner.size
