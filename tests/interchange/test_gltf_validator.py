"""Khronos' own validator finds no error and no warning in what we write."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from flame_tools import Appearance, Head, load_head
from flame_tools.export import Options, write_glb
from flame_tools.posing import still
from tests.flame_tools.conftest import random_arrays
from tests.flame_tools.export.conftest import lively_track
from tests.interchange.performance import performance
from tests.interchange.programs import NODE, VALIDATOR

SCRIPT = """
const [validator, ...paths] = process.argv.slice(1);
const {validateBytes} = require(validator);
const bytes = path => new Uint8Array(require('fs').readFileSync(path));
Promise.all(paths.map(path => validateBytes(bytes(path)))).then(reports => console.log(JSON.stringify(reports)));
"""


def renamed(head):
    """The same head in other scripts, with quotes and a backslash, as names come from users' files."""
    a = head.arrays
    names = {name: f'{name} "лицо" 顔\\{i} 😀' for i, name in enumerate(a.materials)}
    return Head(dataclasses.replace(a, id="tête 頭", licence="© Zoë", materials=tuple(names[m] for m in a.materials)))


def textured():
    head = load_head()
    return performance(head, 8), head


def bare(frames=4, **appearance):
    head = load_head()
    return performance(head, frames).replace(appearance=Appearance(**appearance) if appearance else None), head


def plain_head():
    head = load_head()
    return still(head, torch.zeros(head.shape_size)), head


def unicode():
    head = renamed(load_head())
    return performance(head, 4), head


def another_head(**changes):
    head = Head(dataclasses.replace(random_arrays(), **changes))
    return lively_track(head, 5), head


def as_asked():
    names = {"jawOpen": 'Kiefer "auf" 顎', "tongueUp": "a\\b"}
    return *textured(), Options(shapes=("tongueUp", "jawOpen", "eyeBlinkLeft"), names=names, tolerance_mm=0.1)


CASES = {
    "textured clip": textured,
    "clip without a texture": bare,
    "one frame": lambda: bare(1),
    "complexion": lambda: bare(skin=np.array([90, 60, 50], np.uint8)),
    "plain head": plain_head,
    "unicode": unicode,
    "another head": another_head,
    "no UV": lambda: another_head(uv=np.zeros((0, 2), np.float32), uv_faces=np.zeros((0, 3), np.int32)),
    "moving joints": lambda: another_head(joints_follow_expression=True),
    "three shapes by other names, fewer keys": as_asked,
    "the 52": lambda: (*textured(), Options(shapes=("arkit",))),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Of each case the track, the head and the validator's report; one run, since it takes seconds to warm up."""
    if not VALIDATOR.is_dir():
        pytest.skip("the glTF validator is not installed: bash tools/install_test_programs.sh, with Node at hand")
    folder = tmp_path_factory.mktemp("glb")
    made = {name: make() for name, make in CASES.items()}
    paths = [folder / f"{name}.glb" for name in made]
    for path, (track, head, *options) in zip(paths, made.values(), strict=True):
        write_glb(track, head, path, options=options[0] if options else Options())
    found = json.loads(NODE.run("-e", SCRIPT, VALIDATOR, *paths))
    return {name: (*made[name][:2], report) for name, report in zip(made, found, strict=True)}


@pytest.mark.parametrize("name", CASES)
def test_no_error_and_no_warning(name, reports):
    track, head, report = reports[name]
    assert report["issues"]["numErrors"] == 0, report["issues"]["messages"][:5]
    assert report["issues"]["numWarnings"] == 0, report["issues"]["messages"][:5]
    assert report["info"]["totalTriangleCount"] == len(head.arrays.faces)
    assert report["info"]["animationCount"] == (len(track) > 1)
    assert report["info"]["hasTextures"] == (track.appearance is not None and track.appearance.albedo is not None)
