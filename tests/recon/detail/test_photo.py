"""recon-detail on made faces and on a photo."""

import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import Head, Track
from flame_tools.errors import InputError, ShapeError
from recon.detail.network import DetailConfig, DetailNetwork, load_detail, save_detail
from recon.detail.photo import bundled_detail
from recon.detail.sheet import ATLAS, COLUMNS, ROWS, sheet_of
from recon.detail.shown import CHANNELS, Shown, channels
from recon.detail.worn import with_detail
from recon.texture.taken_from import taken_from


@pytest.fixture(scope="module")
def worn(person, head, astronaut) -> Track:
    return with_detail(person, head, astronaut)


def read(shown: Shown, head: Head):
    return bundled_detail()(torch.from_numpy(channels(shown, sheet_of(head.arrays)))[None])


def test_what_is_told_does_not_hang_on_exposure_or_tint(folded, head):
    """Light is fitted before anything else: half as bright, or warmer, says the same."""
    shown, sheet = folded[0].shown, sheet_of(head.arrays)
    usual = channels(shown, sheet)
    assert usual.shape == (CHANNELS, ROWS, COLUMNS) and np.isfinite(usual).all() and np.abs(usual).max() < 12
    other = channels(dataclasses.replace(shown, colours=shown.colours * np.float32([0.6, 0.5, 0.45])), sheet)
    bright = shown.colours.min(-1) > 0.02  # the darkest are held off zero
    assert np.abs(other - usual)[:, bright].max() < 0.2  # grey is another mix of the colours then: 0.11 seen
    nothing = channels(dataclasses.replace(shown, seen=np.zeros_like(shown.seen)), sheet)
    assert not nothing[:9].any()


def test_an_even_face_is_smooth(folded, head):
    """One colour in one light, and a face of which nothing is seen, get no folds to speak of."""
    shown = folded[1].shown
    even = dataclasses.replace(shown, colours=np.float32([0.5, 0.3, 0.25]) * sheet_of(head.arrays).open[..., None])
    found = read(even, head)
    assert float((found.shown[0].abs() * torch.from_numpy(sheet_of(head.arrays).area)).mean()) < 0.01  # mm


def test_it_finds_the_folds_that_are_there(folded, head):
    sheet = sheet_of(head.arrays)
    where = (sheet.area > 0.5) & (folded[0].shown.seen > 0.5)
    found = read(folded[0].shown, head).shown[0].numpy()
    assert np.corrcoef(found[where], folded[0].height[where])[0, 1] > 0.4


def test_a_photo_gets_folds_where_they_are_seen(worn, head):
    detail = worn.appearance.detail
    assert detail.shape == (ATLAS, ATLAS) and detail.dtype == np.float32
    sheet = sheet_of(head.arrays)
    rows, columns = np.nonzero(detail)
    inside = np.zeros((ATLAS, ATLAS), bool)
    inside.ravel()[sheet.face.atlas.texels] = True
    assert inside[rows, columns].all()
    assert 1e-4 < np.abs(detail).max() < 3e-3
    assert np.mean(np.abs(detail[inside]) < 2e-5) > 0.5  # most of a young face is smooth
    assert worn.provenance["detail"]["made_by"] == "recon-detail"
    assert worn.appearance.detail_rest.shape == detail.shape


def test_the_same_photo_gives_the_same_folds(worn, person, head, astronaut):
    again = with_detail(person, head, astronaut)
    np.testing.assert_array_equal(again.appearance.detail, worn.appearance.detail)


def test_textures_know_their_picture(person, astronaut):
    frame, picture = taken_from(astronaut, person)
    assert frame == 0 and picture is astronaut
    several = person.replace(provenance={"texture_from": 1})
    assert taken_from([None, astronaut], several) == (1, astronaut)


def test_what_cannot_be_read_is_refused(person, head, astronaut):
    stranger = Head(dataclasses.replace(head.arrays, id="somebody"))
    with pytest.raises(InputError, match=r"recon-detail knows the head .*, not 'somebody'"):
        with_detail(person, stranger, astronaut)
    with pytest.raises(InputError, match="no camera"):
        with_detail(person.replace(camera=None), head, astronaut)
    with pytest.raises(ShapeError, match=r"channels are \[1, 3, 32, 32\]"):
        DetailNetwork()(torch.zeros(1, 3, 32, 32))


def test_weights_come_back(tmp_path):
    torch.manual_seed(0)
    net = DetailNetwork(DetailConfig("somebody", (4, 4, 8, 8))).eval()
    save_detail(net, tmp_path / "x.npz")
    kept = load_detail(tmp_path / "x.npz")
    assert kept.config == net.config
    told = torch.randn(1, CHANNELS, 32, 48)
    assert (net(told).shown - kept(told).shown).abs().max() < 1e-3  # half precision, mm
