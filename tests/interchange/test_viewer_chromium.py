"""Chromium opens our page from disk: the face moves as ours does, sliders do what they say, sound is the clock."""

import base64
import dataclasses
import gc
import io
import json
import os
import time

import numpy as np
import pytest
import torch
from PIL import Image

from flame_tools import FaceParams, Head, Intervals, Track, load_head
from flame_tools.arkit import ARKIT_NAMES, INDEX, from_params, to_params
from flame_tools.export.corners import split_by_material
from flame_tools.posing import person, posed_frames
from render.viewer import serve, write_viewer
from render.viewer.poses import emotion_poses
from tests.interchange.chromium import PROGRAM, browser
from tests.interchange.performance import performance

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed: apt install chromium")
SIZE = (800, 520)
SILENCE, VOWEL, BILABIAL = 0.1, 0.5, 0.9  # seconds
TOLERANCE_M = 1e-5  # worst seen 5e-7, what float32 leaves of a metre


def speech(head, *, opening=0.55):
    """Rest, then an open vowel, then pressed lips, a third of a second each; a tone."""
    weights = torch.zeros(36, len(ARKIT_NAMES))
    weights[12:24, INDEX["jawOpen"]] = opening
    for name, weight in (("mouthPressLeft", 0.8), ("mouthPressRight", 0.8), ("mouthRollLower", 0.5)):
        weights[24:, INDEX[name]] = weight
    rest, posed = FaceParams.neutral(head, 36), to_params(weights, head)
    params = rest.replace(shape=torch.zeros(head.shape_size), expression=posed.expression, jaw=posed.jaw)
    said = Intervals(("SIL", "AA", "M"), np.array([0, 0.4, 0.8]), np.array([0.4, 0.8, 1.2]))
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(19200) / 16000)
    return Track(
        head.arrays.id, params, np.arange(36) / 30, audio=tone.astype(np.float32), audio_rate=16000, fps=(30, 1),
        intervals={"phones": said},
    )  # fmt: skip


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def tab():
    with browser() as tab:
        yield tab


@pytest.fixture(scope="module")
def files(head, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    write_viewer(speech(head), head, folder / "one.html", title="</script><script>window.hacked = 1</script>")
    write_viewer(speech(head), head, folder / "two.html", compare=speech(head, opening=0.1), names=("wide", "narrow"))
    write_viewer(performance(head, 4), head, folder / "moves.html")
    return folder


@pytest.fixture
def page(tab, files):
    """`page("one")` opens that page; nothing may have gone wrong in it when the test ends."""

    def opened(name, size=SIZE, *, sharp=False, **options):
        tab.size(*size, **options)
        tab.open((files / f"{name}.html").as_uri())
        do(tab, "v.stage.draw = () => {}")  # by software it takes a second a picture
        if not sharp:
            do(tab, "v.stage.sharp(false); v.stage.sharp = () => {}")
        return tab

    tab.messages.clear()
    tab.requests.clear()
    yield opened
    do(tab, "v.stage.draw = () => {}")  # it is done: no picture more while the next page is read
    assert tab.messages == []
    assert {url.split(":")[0] for url in tab.requests} <= {"file", "blob"}


def do(tab, script):
    """Run statements with the viewer as v; the value that they return."""
    return tab.run(f"emberface.ready.then(async (v) => {{ {script} }})")


def picture(tab):
    """What the stage shows, [H, W, 3] float."""
    text = do(tab, "v.stage.render(); return v.stage.canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.split(",")[1]))).convert("RGB")).astype(float)


def mouth(tab, image, face=0):
    """The picture between the corners of the lips, from a little above them to a little below."""
    places = np.array(do(tab, f"return v.faces[{face}].lips.flat().map((p) => v.stage.place(p, {face}))"))
    (left, top), (right, bottom) = places.min(0), places.max(0)
    return image[int(top) - 4 : int(bottom) + 4, int(left) : int(right)]


def places(tab, chosen, face=0):
    """Where the page has vertices [[piece, number], ...], [n, 3] metres."""
    return np.array(do(tab, f"return {json.dumps(chosen)}.map((at) => v.faces[{face}].vertex(at).toArray())"))


def some_vertices(head, count=80):
    """[[piece, number], ...] all over a head, and the head's own numbers of them."""
    rows = [(p, i, v) for p, piece in enumerate(split_by_material(head.arrays)) for i, v in enumerate(piece.vertices)]
    rows = rows[:: len(rows) // count]
    return [[p, i] for p, i, _ in rows], np.array([v for *_, v in rows])


def test_the_mouth_is_at_rest_open_and_shut_when_it_should_be(page):
    tab = page("one")
    assert tab.run("window.hacked") is None and "hacked" in tab.run("document.title")
    seen, whole, gaps = {}, {}, {}
    for when in (SILENCE, VOWEL, BILABIAL):
        do(tab, f"v.seek({when})")
        whole[when] = picture(tab)
        seen[when] = mouth(tab, whole[when])
        gaps[when] = do(tab, "return Math.max(...v.faces[0].lips.map(([a, b]) => a.distanceTo(b)))")
    assert gaps[VOWEL] > 0.01 > 2 * max(gaps[SILENCE], gaps[BILABIAL])
    hollow = {when: (image.mean(-1) < 90).sum() for when, image in seen.items()}  # darker than any lip
    assert hollow[VOWEL] > 5 * max(hollow[SILENCE], hollow[BILABIAL])
    red = seen[VOWEL][seen[VOWEL].mean(-1) < 90].mean(0)
    assert red[0] > red[1] + 10  # a mouth is dark red within, not black
    moved = [mouth(tab, np.abs(whole[when] - whole[SILENCE])).mean() for when in (VOWEL, BILABIAL)]
    assert min(moved) > 3  # pressed lips are not lips at rest


def test_it_moves_as_our_frames_do(page, head):
    tab, track = page("moves"), performance(head, 4)
    chosen, own = some_vertices(head)
    for frame, points in enumerate(posed_frames(track, head)):
        do(tab, f"v.seek({track.time_s[frame]})")
        assert np.abs(places(tab, chosen) - points[own]).max() < TOLERANCE_M, frame


def slide(tab, name, value):
    """Move a slider as a hand does."""
    tab.run(
        f"""(() => {{ const slider = document.querySelector('input[aria-label="{name}"]');
        slider.value = {value}; slider.dispatchEvent(new Event('input')); }})()"""
    )


def test_sliders_pose_the_face_as_arkit_weights_do(page, head):
    tab, track = page("one"), speech(head)
    do(tab, f"v.seek({VOWEL})")
    before = places(tab, some_vertices(head)[0])
    for wanted in (
        {"jawOpen": 0.7, "jawLeft": 0.4},
        {"jawRight": 1.0, "mouthFunnel": 0.6, "tongueOut": 0.5},
        {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.25, "browInnerUp": 1.0},
        {"eyeLookUpLeft": 0.6, "eyeLookInLeft": 0.8, "eyeLookDownRight": 1.0, "eyeLookOutRight": 0.3},
        {"eyeLookOutLeft": 1.0, "eyeLookDownLeft": 0.2, "eyeLookInRight": 1.0, "eyeLookUpRight": 0.9},
    ):
        weights = from_params(track.params.frame(15), head)
        for name, value in wanted.items():
            slide(tab, name, value)
            weights[INDEX[name]] = value
        assert_posed_by(tab, head, track, weights)
        tab.press("r", "KeyR", "r")  # back to the performance
        assert np.abs(places(tab, some_vertices(head)[0]) - before).max() < 1e-9


def test_an_emotion_joins_the_performance(page, head):
    tab, track = page("one"), speech(head)
    do(tab, f"v.seek({VOWEL})")
    slide(tab, "surprise", 0.5)
    slide(tab, "happy", 1)
    left = 1 - from_params(track.params.frame(15), head)
    poses = emotion_poses()
    for emotion, amount in (("surprise", 0.5), ("happy", 1.0)):
        for name, weight in poses[emotion].items():
            left[INDEX[name]] *= 1 - amount * weight
    assert_posed_by(tab, head, track, 1 - left)


def test_an_emotion_moves_both_halves_of_a_shape(page):
    """Characters may have browInnerUpLeft and browInnerUpRight."""
    tab = page("one")
    halves = "['browInnerUpLeft', 'browInnerUpRight', 'jawLeft'].map((name) => v.edited(name, 0) ?? null)"
    raised = emotion_poses()["sad"]["browInnerUp"]
    assert do(tab, f"v.feel('sad', 1); return {halves}") == [pytest.approx(raised), pytest.approx(raised), None]


def assert_posed_by(tab, head, track, weights):
    chosen, own = some_vertices(head)
    with torch.no_grad():
        posed = person(track, head).vertices(to_params(weights, head)).numpy()
    assert np.abs(places(tab, chosen) - posed[own]).max() < TOLERANCE_M


def test_components_without_names_go_below_0_and_above_1(tab, head, tmp_path):
    arrays = head.arrays
    count = len(arrays.expression_names)
    nameless = Head(
        dataclasses.replace(
            arrays,
            id="nameless",
            expression_names=tuple(f"expression_{i}" for i in range(count)),
            expression_bounds=np.tile(np.float32([-3, 3]), (count, 1)),
        )
    )
    rest = FaceParams.neutral(nameless, 3)
    expression = torch.zeros(3, count)
    expression[:, 0], expression[:, 1] = torch.tensor([0.5, -1.5, 2.5]), torch.tensor([0.0, 1.0, -0.5])
    params = rest.replace(shape=rest.shape[0], expression=expression)
    track = Track("nameless", params, np.arange(3) / 30, fps=(30, 1))
    write_viewer(track, nameless, tmp_path / "nameless.html")
    tab.size(*SIZE)
    tab.open((tmp_path / "nameless.html").as_uri())
    do(tab, "v.stage.draw = () => {}; v.stage.sharp(false); v.stage.sharp = () => {}")
    shown = "return [0, 1, 2].map((i) => Number(v.panel.rows.get(`expression_${i}`).slider.value))"
    for frame, value in ((1, -2.0), (2, 3.0), (0, 1.25)):
        do(tab, f"v.seek({track.time_s[frame]})")
        np.testing.assert_allclose(do(tab, shown), expression[frame, :3], atol=1e-5)
        slide(tab, "expression_2", value)
        own = params.frame(frame)
        own = own.replace(expression=own.expression.index_fill(0, torch.tensor([2]), value))
        chosen, numbers = some_vertices(nameless)
        with torch.no_grad():
            posed = nameless.vertices(own).numpy()
        assert np.abs(places(tab, chosen) - posed[numbers]).max() < TOLERANCE_M
        do(tab, "v.reset()")
    do(tab, "v.set('expression_0', 9)")
    assert do(tab, "return v.own.get('expression_0')") == 3
    curve = do(tab, "return [...v.curvesOf('expression_0')[0].values]")
    np.testing.assert_allclose(curve, (expression[:, 0] + 3) / 6, atol=1e-5)


def test_a_group_that_is_opened_shows_what_is(page):
    tab = page("one")
    do(tab, f"v.seek({SILENCE}); v.panel.rows.get('jawOpen').list.open = false")
    do(tab, f"v.seek({VOWEL}); v.panel.rows.get('jawOpen').list.open = true; await new Promise(requestAnimationFrame)")
    assert do(tab, "return Number(v.panel.rows.get('jawOpen').slider.value)") == pytest.approx(0.55)


def test_keys_step_look_and_draw_the_mesh(page):
    tab = page("one")
    for _ in range(2):
        tab.press("ArrowRight")
    assert do(tab, "return v.clock.time") == pytest.approx(2 / 30, abs=1e-5)
    tab.press("ArrowLeft")
    assert do(tab, "return v.frame()") == 1
    plain = picture(tab)
    tab.press("w", "KeyW", "w")
    drawn = picture(tab)
    assert tab.run("document.getElementById('wire').getAttribute('aria-pressed')") == "true"
    assert (np.abs(drawn - plain).max(-1) > 40).mean() > 0.03 and drawn.mean() < plain.mean()
    tab.press("w", "KeyW", "w")
    np.testing.assert_array_equal(picture(tab), plain)
    yaws = []
    for key in "123":
        tab.press(key, f"Digit{key}", key)
        at = do(tab, "return v.stage.camera.position.clone().sub(v.stage.controls.target).toArray()")
        yaws.append(np.degrees(np.arctan2(at[0], at[2])))
    np.testing.assert_allclose(yaws, [0, 40, 90], atol=0.01)


def test_sound_is_the_clock(page):
    tab = page("one")
    until = time.monotonic() + 20
    while not do(tab, "return v.clock.sound.readyState") and time.monotonic() < until:
        time.sleep(0.05)
    assert do(tab, "return v.clock.sound.duration") == pytest.approx(1.2, abs=0.01)
    tab.press(" ", "Space", " ")
    until = time.monotonic() + 20
    while (do(tab, "return v.clock.sound.currentTime") or 0) < 0.3 and time.monotonic() < until:
        time.sleep(0.05)
    time_s, heard, playing = do(tab, "return [v.clock.time, v.clock.sound.currentTime, v.clock.playing]")
    assert heard >= 0.3 and time_s == pytest.approx(heard, abs=0.02) and playing
    tab.press(" ", "Space", " ")
    stopped = do(tab, "return [v.clock.time, v.clock.playing, v.clock.sound.paused]")
    assert stopped[1:] == [False, True]
    time.sleep(0.1)
    assert do(tab, "return v.clock.time") == stopped[0]
    do(tab, "await v.toggle()")
    until = time.monotonic() + 20
    while do(tab, "return v.clock.playing") and time.monotonic() < until:
        time.sleep(0.05)
    assert do(tab, "return v.clock.time === v.clock.end && v.frame() === 35")


def test_two_clips_stand_side_by_side_in_step(page):
    tab = page("two")
    do(tab, f"v.seek({VOWEL})")
    image = picture(tab)
    gaps = do(tab, "return v.faces.map((f) => Math.max(...f.lips.map(([a, b]) => a.distanceTo(b))))")
    assert gaps[0] > 2 * gaps[1] > 0
    half = image.shape[1] // 2
    assert np.abs(image[:, :half] - image[:, half : 2 * half]).mean() > 0.3
    hollow = [(mouth(tab, image, i).mean(-1) < 90).sum() for i in (0, 1)]
    assert hollow[0] > 3 * hollow[1]
    do(tab, f"v.seek({SILENCE})")
    image = picture(tab)
    assert np.abs(image[:, :half] - image[:, half : 2 * half]).mean() < 0.1  # at rest they are one face
    assert tab.run("[...document.querySelectorAll('#names button')].map((b) => b.textContent)") == ["wide", "narrow"]


def test_the_picture_button_saves_a_png(page, tmp_path):
    tab = page("one", sharp=True)
    tab.session, session = None, tab.session
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    tab.session = session
    x, y = tab.run(
        "(() => { const b = document.getElementById('shot').getBoundingClientRect();"
        " return [b.x + b.width / 2, b.y + b.height / 2]; })()"
    )
    tab.click(x, y)
    until = time.monotonic() + 20
    while not list(tmp_path.glob("*.png")) and time.monotonic() < until:
        do(tab, "")
        time.sleep(0.05)
    (saved,) = tmp_path.glob("*.png")
    with Image.open(saved) as image:
        assert image.format == "PNG"
        assert list(image.size) == do(tab, "return [2 * v.stage.size.width, 2 * v.stage.size.height]")
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), picture(tab))


@pytest.mark.parametrize("size, phone", [((1280, 720), False), ((390, 844), True)])
def test_everything_fits_in(page, size, phone):
    tab = page("two", size, phone=phone)
    width = tab.run("document.documentElement.scrollWidth")
    assert width <= size[0]
    boxes = tab.run(
        """[...document.querySelectorAll('button, input, select, canvas')].filter((e) => e.offsetParent)
        .map((e) => e.getBoundingClientRect()).map((b) => [b.left, b.right, b.width])"""
    )
    legend = tab.run("document.getElementById('legend').getBoundingClientRect().right")
    assert len(boxes) > 100 and legend <= size[0]
    assert all(left >= 0 for left, _, _ in boxes)


def test_the_page_reaches_no_network_and_is_served_alike(tab, head):
    with serve(speech(head), head, title="served") as served:
        tab.size(*SIZE)
        tab.messages.clear()
        tab.open(served.url)
        assert do(tab, "return v.faces.length") == 1 and tab.messages == []
        why = do(tab, f"return await fetch('{served.url}').then(() => 'reached', (error) => error.name)")
        assert why == "TypeError" and any("Content Security Policy" in message for message in tab.messages)
        tab.open("about:blank")
    tab.messages.clear()


def test_the_driver_leaves_nothing_behind():
    gc.collect()
    before = set(os.listdir("/proc/self/fd"))
    with browser() as tab:
        assert tab.run("1 + 1") == 2
        with pytest.raises(RuntimeError, match="no such thing"):
            tab.run("throw new Error('no such thing')")
    assert len(set(os.listdir("/proc/self/fd"))) == len(before)
