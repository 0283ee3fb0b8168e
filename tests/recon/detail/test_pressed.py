"""Folds of an expression leave the texture; what a face shows at rest stays."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, maximum_filter

from flame_tools import Appearance, FaceParams, Head
from recon.detail.photo import shown_in
from recon.detail.pressed import without_pressed_folds
from recon.texture.albedo import make_albedo
from recon.texture.posed_view import PosedView, linear
from render.camera import at_frame


@pytest.fixture(scope="module")
def smiling(person, head, astronaut) -> tuple[PosedView, FaceParams]:
    params = person.params.frame(0)
    with torch.no_grad():
        vertices = head.vertices(params).numpy().astype(np.float64)
    return PosedView(astronaut, vertices, at_frame(person.camera, 0), None), params


def test_the_folds_of_a_smile_are_gone_and_pores_stay(person, head, smiling):
    """Against the texture as it is seen in the picture."""
    view, params = smiling
    shown, _ = make_albedo([view], head.arrays)
    smooth = without_pressed_folds(Appearance(albedo=shown), view, head, params).albedo
    changed = (shown != smooth).any(-1)
    assert 0.001 < changed.mean() < 0.1  # some lines, not the face
    logs = [np.log(linear(albedo).mean(-1) + 1e-3) for albedo in (shown, smooth)]
    furrow = gaussian_filter(logs[1] - logs[0], 2) > 0.15
    around = maximum_filter(furrow, 15) & ~maximum_filter(furrow, 7)
    dark = [log[around].mean() - log[furrow].mean() for log in logs]
    assert dark[0] > 0.2 and abs(dark[1]) < 0.3 * dark[0]
    pores = [(log - gaussian_filter(log, 1))[changed] for log in logs]
    assert np.corrcoef(*pores)[0, 1] > 0.7  # 0.83 seen: brinks are fine, too
    assert np.percentile(np.abs(smooth.astype(int) - person.appearance.albedo)[changed], 90) < 3  # as `recon` has it


def test_a_calm_face_keeps_what_it_shows(person, head, smiling):
    """The same picture, believed to show no expression: its lines are the person's own."""
    view, params = smiling
    calm = FaceParams.neutral(head).replace(shape=params.shape)
    assert without_pressed_folds(person.appearance, view, head, calm) is person.appearance
    assert np.abs(shown_in(view, head, calm).strain).max() == 0


def test_another_head_keeps_its_texture(person, head, smiling):
    view, params = smiling
    stranger = Head(dataclasses.replace(head.arrays, id="somebody"))
    assert without_pressed_folds(person.appearance, view, stranger, params) is person.appearance
