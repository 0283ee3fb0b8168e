"""Chromium opens a report from disk: the overlay plays, curves and maps are drawn, all show the same moment."""

import io

import numpy as np
import pytest
from PIL import Image

from recon.report import page, write_report
from tests.interchange.chromium import PROGRAM, browser
from tests.recon.conftest import astronaut, head, person  # noqa: F401  the same portrait
from tests.recon.report.test_report_page import FRAMES, HOSTILE, portrait_film, solved  # noqa: F401

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: apt install chromium"),
    pytest.mark.long,
]


@pytest.fixture(scope="module")
def files(portrait_film, person, astronaut, head, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("reports")
    file, track = portrait_film
    write_report([track, track], head, file, folder / "film.html", title=HOSTILE, parts=folder / "parts")
    write_report(person, head, astronaut, folder / "picture.html")
    before, page.MOST_INSIDE = page.MOST_INSIDE, 100
    try:
        write_report(track, head, file, folder / "be side.html", parts=folder / "parts")
    finally:
        page.MOST_INSIDE = before
    return folder


@pytest.fixture(scope="module")
def tab():
    with browser() as tab:
        yield tab


@pytest.fixture
def opened(tab, files):
    """`opened("film")` opens that report; nothing may have gone wrong in it when the test ends."""

    def open_(name):
        tab.size(1200, 900)
        tab.open((files / f"{name}.html").as_uri())
        tab.run("emberfaceReport.then((r) => { globalThis.r = r; })")
        return tab

    tab.messages.clear()
    tab.requests.clear()
    yield open_
    assert tab.messages == []
    assert all(url.startswith(("file:", "blob:", "data:")) for url in tab.requests)


def inked(tab, selector):
    """How many colours a canvas shows."""
    return tab.run(
        f"""(() => {{ const c = document.querySelector("{selector}"), n = new Set();
        const copy = new OffscreenCanvas(c.width, c.height).getContext("2d");
        copy.drawImage(c, 0, 0);
        const d = copy.getImageData(0, 0, c.width, c.height).data;
        for (let i = 0; i < d.length; i += 4) if (d[i + 3]) n.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);
        return n.size; }})()"""
    )


def edge(tab):
    """A pixel of the overlay's upper edge [3], RGB."""
    pixel = """(() => { const copy = new OffscreenCanvas(1, 1).getContext("2d");
        copy.drawImage(document.getElementById("picture"), -30, -1);
        return [...copy.getImageData(0, 0, 1, 1).data]; })()"""
    return np.array(tab.run(pixel))[:3]


def test_a_film_shows_all_its_pieces(opened):
    tab = opened("film")
    assert tab.run("r.player.video.videoWidth") > 600 and tab.run("r.player.video.duration") == pytest.approx(
        1.0, abs=0.1
    )  # of the sound, which is longer than the pictures
    assert tab.run("document.querySelector('h1').textContent") == HOSTILE and tab.run("globalThis.hacked") is None
    for canvas in ("#picture", "#error-line canvas", "#error-parts canvas", "#lanes canvas", "#face canvas"):
        assert inked(tab, canvas) > 8, canvas
    assert tab.run("document.querySelectorAll('#lanes .lane').length") == 8
    assert "too few frames" in tab.run("document.getElementById('jitter-note').textContent")
    assert "1.9 %" in tab.run("document.getElementById('numbers').textContent")
    tab.run("[...document.querySelectorAll('#choice button')].find((b) => b.textContent === 'roll').click()")
    assert tab.run("[...document.querySelectorAll('#lanes .label b')].map((b) => b.textContent)")[:3] == [
        "yaw", "pitch", "roll",
    ]  # fmt: skip


def test_one_moment_is_shown_everywhere(opened):
    tab = opened("film")
    seek = (
        "new Promise((done) => { r.player.video.addEventListener('seeked', () => done(), { once: true }); r.go(%d); })"
    )
    bridged = []
    for frame in (3, 4, 5, 6):
        tab.run(seek % frame)
        bridged.append(not tab.run("document.getElementById('bridge').hidden"))
        assert f"frame {frame} of {FRAMES - 1}" in tab.run("document.getElementById('time').textContent")
    assert bridged == [False, True, True, False]
    tab.run("r.player.line = 0; document.querySelector('[data-mode=\"1\"]').click()")
    tab.run(seek % 4)
    # the film's own frame 4, by its edge, and not a neighbour
    assert np.abs(edge(tab) - (240, 163, 94)).max() < 40
    tab.run(seek % 3)
    assert np.abs(edge(tab) - (240, 163, 94)).max() > 60
    tab.run("[...document.querySelectorAll('#people button')][1].click()")
    assert tab.run("r.moment.person") == 1


def test_it_plays(opened):
    tab = opened("film")
    played = """new Promise((done) => {
        r.go(0);
        r.play(true);
        const look = () => (r.moment.frame > 1 || !r.player.playing ? done(r.moment.frame) : setTimeout(look, 20));
        look();
    })"""  # however slow the machine is
    assert tab.run(played) > 1


def test_a_picture_has_bars_in_the_place_of_curves(opened):
    tab = opened("picture")
    assert tab.run("document.querySelectorAll('#lanes .forest').length") >= 20
    assert inked(tab, "#picture") > 1000 and inked(tab, "#lanes canvas") > 2 and inked(tab, "#face canvas") > 300
    shown = [tab.run(f"getComputedStyle(document.getElementById('{name}')).display") for name in ("jitter", "face")]
    assert shown == ["none", "grid"]
    assert np.asarray(Image.open(io.BytesIO(tab.png()))).std() > 20


def test_a_film_beside_the_page_is_found(opened):
    tab = opened("be side")
    assert tab.run("r.player.video.videoWidth") > 600
    assert len(np.unique(np.asarray(Image.open(io.BytesIO(tab.png()))).reshape(-1, 3), axis=0)) > 5000  # it is seen
