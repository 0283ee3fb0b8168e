"""A page holds everything, lets nothing out, and shows text as text."""

import base64
import hashlib
import io
import json
import re
import struct

import numpy as np
import pytest
import soundfile
import torch

from flame_tools import FaceParams, Head, InputError, Intervals, ShapeError, Track, load_head
from flame_tools.arkit import ARKIT_NAMES, INDEX, to_params
from flame_tools.errors import OutputError
from flame_tools.types import Appearance, Curves
from render.viewer import viewer_page, write_viewer
from render.viewer.page import SCRIPTS, own_script
from render.viewer.poses import EMOTION_UNITS, emotion_poses
from tests.flame_tools.conftest import as_character, random_arrays
from tests.html_page import Read

HOSTILE = "</script><script>alert(1)</script><!-- \"&'{{facts}}"
MIB = 1 << 20


def talk(head, frames=12, rate=16000, **more):
    """The jaw opens and shuts once a second; a tone sounds; one word and two phones."""
    weights = torch.zeros(frames, len(ARKIT_NAMES))
    weights[:, INDEX["jawOpen"]] = 0.5 - 0.5 * torch.cos(2 * torch.pi * torch.arange(frames) / 30)
    seconds = np.arange(frames * rate // 30) / rate
    rest, posed = FaceParams.neutral(head, frames), to_params(weights, head)
    params = rest.replace(shape=torch.zeros(head.shape_size), jaw=posed.jaw, expression=posed.expression)
    given = {
        "audio": (0.3 * np.sin(2 * np.pi * 220 * seconds)).astype(np.float32),
        "audio_rate": rate,
        "fps": (30, 1),
        "intervals": {
            "words": Intervals((HOSTILE,), np.array([0.1]), np.array([0.3])),
            "phones": Intervals(("HH", "AA"), np.array([0.1, 0.2]), np.array([0.2, 0.3])),
        },
        "curves": {"emotion": Curves(("happy",), np.full((frames, 1), np.nan, np.float32))},
        "licences": (f"made up {HOSTILE}",),
    } | more
    return Track(head.arrays.id, params, np.arange(frames) / 30, **given)


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def page(head):
    return viewer_page(talk(head), head, title=HOSTILE)


@pytest.fixture(scope="module")
def read(page):
    return Read(page)


def test_what_is_put_in_stays_text(read):
    assert read.of("title")[0][2] == HOSTILE == read.of("h1")[0][2].strip()
    assert read.facts["title"] == HOSTILE and read.facts["clips"][0]["words"][0][0] == HOSTILE
    assert any(HOSTILE in line for line in read.facts["credits"])
    kinds = [attributes.get("type", "") for _, attributes, _ in read.of("script")]
    assert kinds.count("") == 2 and kinds.count("application/json") == 1
    assert kinds.count("application/octet-stream") == 5 == len(kinds) - 3


def test_nothing_is_fetched(page, read):
    for tag, attributes, _ in read.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, name)
    (style,) = (text for _, _, text in read.of("style"))
    assert "url(" not in style and "@import" not in style
    assert not re.search(r"https?:", own_script() + style)


def test_its_policy_lets_these_scripts_run_and_nothing_out(read):
    (policy,) = (a["content"] for _, a, _ in read.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == ["'none'"]
    running = [text for _, a, text in read.of("script") if "type" not in a]
    styles = [text for _, _, text in read.of("style")]

    def hashes(texts):
        digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
        return [f"'sha256-{digest}'" for digest in digests]

    assert rules["script-src"] == hashes(running) and rules["style-src"] == hashes(styles)
    assert not any("unsafe" in word or ":" in word for word in rules["script-src"])
    assert not re.search(r"""\son\w+=|style=""", "".join(f"{a}" for _, a, _ in read.elements))


def test_three_comes_with_its_licence(read):
    engine = next(text for _, a, text in read.of("script") if "type" not in a)
    assert "Permission is hereby granted, free of charge" in engine[:1500] and "three.js authors" in engine[:400]


def test_the_same_track_gives_the_same_bytes_and_is_left_alone(head, page, tmp_path):
    track = talk(head)
    before = track.params.map(torch.clone)
    write_viewer(track, head, tmp_path / "a.html", title=HOSTILE)
    assert (tmp_path / "a.html").read_bytes() == page.encode()
    assert all(torch.equal(getattr(before, f), getattr(track.params, f)) for f in vars(before))
    with pytest.raises(OutputError):
        write_viewer(track, head, tmp_path / "none" / "a.html")


def test_ten_seconds_are_small(head):
    rng = np.random.default_rng(0)
    voice = (0.1 * rng.normal(size=10 * 44100)).clip(-1, 1).astype(np.float32)  # noise: no sound packs worse
    page = viewer_page(talk(head, 300, audio=voice, audio_rate=44100), head)
    assert len(page.encode()) < 6 * MIB, f"{len(page) / MIB:.2f} MiB"


def test_the_glb_ends_with_frames_that_need_every_target(head, read):
    glb = read.blob("glb0")
    size = struct.unpack_from("<I", glb, 12)[0]
    document = json.loads(glb[20 : 20 + size])
    names = document["meshes"][0]["extras"]["targetNames"]
    assert tuple(names[:52]) == ARKIT_NAMES  # which the page's sliders go by
    assert {"eyeBlinkLeft_bulge", "eyeBlinkRight_bulge", "pose_jaw_00", "pose_left_eye_00"} <= set(names)
    assert "images" not in document
    times = document["accessors"][document["animations"][0]["samplers"][0]["input"]]
    assert times["max"][0] > read.facts["clips"][0]["last"] + 0.9
    counts = [document["accessors"][p["attributes"]["POSITION"]]["count"] for p in document["meshes"][0]["primitives"]]
    assert counts == [m["vertices"] for m in read.facts["clips"][0]["look"]["materials"]]
    assert len(read.blob("vertices0")) == 12 * sum(counts)


def test_sound_starts_where_it_did_and_goes_on_to_the_end(head):
    rate, lead = 16000, 800
    voice = np.linspace(-0.9, 0.9, 1600, dtype=np.float32)
    late = Read(viewer_page(talk(head, audio=voice, audio_rate=rate, audio_start_s=lead / rate), head))
    heard, found = soundfile.read(io.BytesIO(late.blob("sound0")), dtype="int16")
    assert found == rate and not heard[:lead].any() and not heard[lead + 1600 :].any()
    np.testing.assert_array_equal(heard[lead : lead + 1600], np.round(voice * 32767).astype(np.int16))
    assert len(heard) >= rate * late.facts["clips"][0]["last"]
    track = talk(head, audio=voice, audio_rate=rate, audio_start_s=-0.05)
    early = Read(viewer_page(track, head))
    heard, _ = soundfile.read(io.BytesIO(early.blob("sound0")), dtype="int16")
    np.testing.assert_array_equal(heard[:800], np.round(voice[800:] * 32767).astype(np.int16))


def test_a_track_that_starts_before_zero_is_moved_with_its_words(head):
    track = talk(head).replace(time_s=np.arange(12) / 30 - 0.2, audio_start_s=-0.2)
    clip = Read(viewer_page(track, head)).facts["clips"][0]
    assert clip["start"] == 0 and clip["times"][1] == round(1 / 30, 6)
    assert clip["phones"][0][1:] == [0.3, 0.4]
    assert clip["curves"]["emotion"]["happy"] == [None] * 12


def test_two_clips_go_on_equally_long(head):
    read = Read(viewer_page(talk(head), head, compare=talk(head, 30), names=("one", "two <b>")))
    clips = read.facts["clips"]
    assert [clip["name"] for clip in clips] == ["one", "two <b>"] and len(clips[1]["times"]) == 30
    lengths = [soundfile.info(io.BytesIO(read.blob(f"sound{i}"))).duration for i in (0, 1)]
    assert lengths[0] == pytest.approx(lengths[1], abs=1e-3) and clips[0]["end"] == pytest.approx(1.0, abs=1e-3)


def test_silence_and_stills_need_no_sound(head):
    read = Read(viewer_page(talk(head, 1, audio=None, audio_rate=0, fps=None), head))
    assert read.facts["clips"][0]["sound"] is False and read.blob("sound0") == b""


def test_a_character_that_lacks_a_name_has_sliders_of_the_others():
    head = Head(as_character(random_arrays(), "tongueOut"))
    params = FaceParams.neutral(head, 2).replace(shape=torch.zeros(head.shape_size))
    read = Read(viewer_page(Track(head.arrays.id, params, np.arange(2) / 30), head))
    assert read.facts["clips"][0]["arkit"] is True
    assert b'"jawOpen"' in read.blob("glb0") and b'"tongueOut"' not in read.blob("glb0")


def test_a_head_without_uv_lips_or_eyes_has_a_page_too():
    head = Head(random_arrays())
    params = FaceParams.neutral(head, 2).replace(shape=torch.zeros(head.shape_size))
    read = Read(viewer_page(Track(head.arrays.id, params, np.arange(2) / 30), head))
    assert read.facts["clips"][0]["look"]["lids"] == []


def test_what_does_not_fit_is_refused(head):
    track = talk(head)
    with pytest.raises(ShapeError, match="was made on head"):
        viewer_page(track, Head(random_arrays()))
    with pytest.raises(InputError, match="no track"):
        viewer_page(track, head, compare_head=head)
    broken = track.audio.copy()
    broken[5] = np.nan
    with pytest.raises(InputError, match="sound holds NaN"):
        viewer_page(track.replace(audio=broken), head)
    grey = Appearance(albedo=np.zeros((8, 8), np.uint8))
    with pytest.raises(ShapeError, match="albedo"):
        viewer_page(track.replace(appearance=grey), head)


def test_our_modules_join_into_one_scope():
    script = own_script()
    assert not re.search(r"^(import|export)\b", script, re.M)
    names = re.findall(r"^(?:async )?(?:const|let|class|function)\s+(\w+)", script, re.M)
    assert len(names) == len(set(names)) > 30
    assert "</script" not in script and "<!--" not in script
    assert SCRIPTS[-1] == "viewer"


def test_emotions_are_poses_of_the_52():
    poses = emotion_poses()
    assert tuple(poses) == tuple(EMOTION_UNITS)
    assert poses["happy"]["mouthSmileLeft"] == poses["happy"]["mouthSmileRight"] == 1
    assert poses["contempt"].get("mouthSmileLeft", 0) == 0 < poses["contempt"]["mouthSmileRight"]
    assert all(0 < w <= 1 and name in INDEX for pose in poses.values() for name, w in pose.items())
    own = np.zeros(52)
    own[3] = 0.25
    assert emotion_poses({"mine": own}) == {"mine": {ARKIT_NAMES[3]: 0.25}}
    with pytest.raises(ShapeError, match="52"):
        emotion_poses({"mine": own[:51]})
    with pytest.raises(InputError, match="0 to 1"):
        emotion_poses({"mine": own + 1})
