"""Pictures of one expression are told from those of several, as they are read; what no reader vouches for is not."""

import dataclasses

import numpy as np
import pytest

from readers.faces import read_faces
from recon.fitting.fit import fit_many
from recon.fitting.observation import View
from recon.fitting.one_moment import fit_moments
from recon.fitting.photometric import refine
from recon.pipeline import network_for, observe
from recon.synthetic.expressions import EXPRESSIONS
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.pictures import picture_of
from recon.synthetic.scenes import random_views
from tests.recon.fitting.test_photometric import _neutral_mm

REST, SMILE, ANGRY = (next(e for e in EXPRESSIONS if e.name == name) for name in ("neutral", "smile", "angry"))


@pytest.fixture(scope="module")
def read(head):
    """Somebody made, from five sides, at rest, smiling and with lowered brows: pictures, and what is read in them."""
    rng = np.random.default_rng(101)
    person = random_person(head.arrays, rng)
    scenes, look = random_views(rng, size=320), look_of_person(head.arrays, person)
    found = {}
    for expression in (REST, SMILE, ANGRY):
        images = [picture_of(head, person, expression, scene, look=look).image for scene in scenes]
        view = View((320, 320))
        seen = [observe(i, read_faces(i)[0], view, head.arrays, network_for(head.arrays.id)) for i in images]
        found[expression.name] = (images, seen)
    return person, found


@pytest.mark.parametrize("name", ["neutral", "smile"])
def test_pictures_of_one_moment_are_told_and_share_it(head, model, read, name):
    _, seen = read[1][name]
    one, fits = fit_moments(head.arrays, model, seen)
    face = slice(model.layout.expression.start, model.layout.eyelids.stop)
    assert one and all(np.array_equal(f.unknowns[face], fits[0].unknowns[face]) for f in fits)


@pytest.mark.parametrize("other", ["smile", "angry"])
@pytest.mark.parametrize("count", [2, 3])
def test_one_other_expression_among_them_is_told(head, model, read, other, count):
    seen = [*read[1]["neutral"][1][1:count], read[1][other][1][3]]
    one, fits = fit_moments(head.arrays, model, seen)
    apart = fit_many(head.arrays, model, seen)
    assert not one and all(np.array_equal(f.unknowns, g.unknowns) for f, g in zip(fits, apart, strict=True))


def test_landmarks_of_unknown_noise_share_no_moment(head, model, read):
    seen = [dataclasses.replace(s, noise=None) for s in read[1]["neutral"][1]]
    assert not fit_moments(head.arrays, model, seen)[0]
    assert not fit_moments(head.arrays, model, seen[:1])[0]


def test_who_it_is_comes_nearer_by_what_several_pictures_show(head, model, read):
    person, before, after = read[0], 0.0, 0.0
    for name in ("neutral", "smile"):
        images, seen = read[1][name]
        one, together = fit_moments(head.arrays, model, seen)
        refined = refine(head.arrays, model, images, seen, together, one_moment=one).fits
        before += _neutral_mm(head, person, fit_many(head.arrays, model, seen)[0])
        after += _neutral_mm(head, person, refined[0])
    assert after < 0.9 * before, (before, after)
