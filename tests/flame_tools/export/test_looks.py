"""People without a photo keep their complexion in files."""

import numpy as np
import pytest

from flame_tools import Appearance, ShapeError, load_track, save_track
from flame_tools.export.looks import LOOKS, look_of
from flame_tools.posing import still


def test_skin_and_lips_take_the_complexion_and_nothing_else_does(default_head):
    plain = still(default_head, default_head.v_template.new_zeros(default_head.shape_size))
    dark = plain.replace(appearance=Appearance(skin=np.array([96, 60, 46], np.uint8)))
    assert {name: look_of(name, plain) for name in LOOKS} == LOOKS
    assert look_of("skin", dark).colour == (96, 60, 46)
    assert all(a < b for a, b in zip(look_of("lips", dark).colour, LOOKS["lips"].colour, strict=True))
    assert look_of("lips", dark).roughness == LOOKS["lips"].roughness
    assert all(look_of(name, dark) == LOOKS[name] for name in LOOKS if name not in ("skin", "lips"))


def test_complexions_are_kept_by_track_files(default_head, tmp_path):
    track = still(default_head, default_head.v_template.new_zeros(default_head.shape_size))
    save_track(track.replace(appearance=Appearance(skin=np.array([96, 60, 46], np.uint8))), tmp_path / "a.face.npz")
    assert load_track(tmp_path / "a.face.npz").appearance.skin.tolist() == [96, 60, 46]
    with pytest.raises(ShapeError, match="appearance skin is float64"):
        save_track(track.replace(appearance=Appearance(skin=np.ones(3))), tmp_path / "b.face.npz")
