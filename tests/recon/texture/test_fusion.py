from dataclasses import replace

import numpy as np
import pytest

from flame_tools.errors import InputError, ShapeError
from recon.synthetic.expressions import EXPRESSIONS, Expression
from recon.synthetic.people import look_of_person, random_person
from recon.synthetic.pictures import picture_of, true_of
from recon.synthetic.scenes import random_views
from recon.texture import fusion
from recon.texture.albedo import make_albedo
from recon.texture.appearance import fuse_appearance
from recon.texture.face_area import face_of, lids_spread
from recon.texture.frames import choose_texture_frames, held_still, key_frame
from recon.texture.joint_light import joint_light
from recon.texture.light import harmonics
from recon.texture.mouth import RING, off_mouth
from recon.texture.posed_view import PosedView, sampled
from recon.texture.skin_mask import held_in_hue, lids_clear
from render.camera import project
from render.materials import MATERIALS, linear_to_srgb, srgb_to_linear

SIZE = 256


@pytest.fixture(scope="module")
def made(head):
    """A made person: three views 50 degrees apart, and the true albedo of the face's texels."""
    rng = np.random.default_rng(2)
    person = random_person(head.arrays, rng)
    look = look_of_person(head.arrays, person)
    pictures = [picture_of(head, person, EXPRESSIONS[0], s, look=look) for s in random_views(rng, size=384)[::2]]
    views = [PosedView(p.image, p.truth.world, p.truth.camera, p.truth.seen()) for p in pictures]
    complexion = srgb_to_linear(np.array(person.complexion) / 255)
    usual = srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
    step = look.skin_texture.shape[0] // SIZE
    painted = srgb_to_linear(look.skin_texture[step // 2 :: step, step // 2 :: step] / 255) * complexion / usual
    face = face_of(head.arrays, SIZE)
    return views, painted.reshape(-1, 3)[face.atlas.texels], face


def error(albedo, truth, face, where=None):
    """Mean absolute difference in sRGB, in percent, after one gain a channel."""
    where = face.area > 0.5 if where is None else where
    found = srgb_to_linear(albedo.reshape(-1, 3)[face.atlas.texels] / 255)
    found = found * (truth[face.area > 0.5].mean(0) / found[face.area > 0.5].mean(0))
    return 100 * np.abs(linear_to_srgb(np.clip(found, 0, 1)) - linear_to_srgb(truth))[where].mean()


def blob(view, face):
    """The view with a dark blob of the skin's own hue over a cheek, and the texels under it."""
    pixels = project(face.atlas.spread(view.vertices), view.camera)[:, :2]
    cheek = view.observation.landmarks[205]
    y, x = np.mgrid[: view.image.shape[0], : view.image.shape[1]] + 0.5
    image = view.image.copy()
    inside = np.hypot(x - cheek[0], y - cheek[1]) < 20
    image[inside] = np.clip(np.median(view.image[inside], 0) * 0.6, 0, 255)
    return replace(view, image=image), np.hypot(*(pixels - cheek).T) < 16


def test_more_views_come_nearer_to_the_true_albedo(made, head):
    views, truth, face = made
    one, three = (error(make_albedo(v, head.arrays, size=SIZE)[0], truth, face) for v in (views[1:2], views))
    assert three < 0.95 * one


def test_what_covers_one_view_is_left_out(made, head):
    views, truth, face = made
    covered, under = blob(views[1], face)
    clean, _ = make_albedo(views, head.arrays, size=SIZE)
    alone, _ = make_albedo([covered], head.arrays, size=SIZE)
    together, fused = make_albedo([views[0], covered, views[2]], head.arrays, size=SIZE)
    assert error(together, truth, face, under) < error(clean, truth, face, under) + 0.5 * (
        error(alone, truth, face, under) - error(clean, truth, face, under)
    )
    kept = face.atlas.interpolated(fused.lit[1].kept[..., None])[:, 0]
    elsewhere = (face.atlas.interpolated(fused.lit[1].seen[..., None])[:, 0] > 0.5) & ~under & (face.plain > 0.9)
    assert np.median(kept[under]) < 0.3 < 0.6 < np.median(kept[elsewhere])


def test_lights_and_albedo_are_told_apart():
    """Made of exactly what is looked for, a view's light is found, and a corrupted view is left out."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4, 3000, 3))
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    basis = np.stack([harmonics(n) for n in normals]).astype(float)
    albedo = np.exp(rng.normal(0, 0.15, (3000, 1))) * np.ones(3)
    light = np.zeros((4, 9, 3))
    light[:, 0] = 1
    light[:, 1:4] = rng.normal(0, 0.2, (4, 3, 1))
    colours = albedo * np.maximum(basis @ light, 0.1)
    colours[0, :300] *= 3
    found = joint_light(colours, np.ones((4, 3000)), basis, np.ones(3000))
    gain = albedo[300:].mean() / found.albedo[300:].mean()
    assert np.abs(np.log(found.albedo * gain / albedo))[300:].mean() < 0.06  # the albedo itself varies by 0.12
    assert found.kept[0, :300].mean() < 0.05 and found.kept[1:].mean() > 0.7
    directions = found.light[:, 1:4].ravel(), light[:, 1:4].ravel()
    assert np.dot(*directions) > 0.95 * np.prod(np.linalg.norm(directions, axis=1))


def test_views_are_gone_through_once_and_few_are_held(made, head, monkeypatch):
    views, _, _ = made
    monkeypatch.setattr(fusion, "MOST_VIEWS", 2)
    taken = fuse_appearance(iter([views[1], *views]), head.arrays, size=SIZE)
    assert len(taken.coverages) == 4 and sum(lit is not None for lit in taken.lit) == 2
    assert taken.coverage == max(taken.coverages) and taken.appearance.albedo.shape == (SIZE, SIZE, 3)
    # the pair held shows both sides: of the same picture twice one was let go
    assert (taken.lit[0] is None) or (taken.lit[2] is None)


def test_the_same_views_give_the_same_bytes(made, head):
    views, _, _ = made
    first, second = (make_albedo(views[:2], head.arrays, size=SIZE)[0] for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_shut_lids_are_seen_and_open_ones_are_not_where_the_eye_is(head):
    arrays = head.arrays
    person = random_person(arrays, np.random.default_rng(0))
    scene = random_views(np.random.default_rng(0))[2]
    blink = Expression("blink", "ordinary", {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
    opened, shut = (lids_spread(arrays, true_of(head, person, e, scene).world) for e in (EXPRESSIONS[0], blink))
    margin = arrays.regions["left_upper_lid_margin"][3:-3]
    assert opened[margin].max() < 0.2 and np.median(shut[margin]) > 0.8
    assert opened[arrays.regions["nose"]].min() > 0.99


def test_teeth_are_not_painted_on_lips_that_lie_beside_those_read(made, head):
    """A smile that the mesh does not meet: teeth show 3 mm above the edge of its upper lip, where lips were read."""
    view, face = made[0][1], made[2]
    arrays = head.arrays
    marks = arrays.landmarks["468"]
    middle = (arrays.faces[marks.faces[13]], marks.barycentrics[13][:, None])
    up = np.array([0, 0.003, 0])
    point = ((view.vertices[middle[0]] * middle[1]).sum(0) + up)[None]
    centre = project(point, view.camera)[0, :2]
    scale = np.linalg.norm(project(point + np.array([0.01, 0, 0]), view.camera)[0, :2] - centre) / 0.01
    angles = np.linspace(0, 2 * np.pi, len(RING), endpoint=False)
    half = scale * np.array([0.012, 0.003])
    landmarks = view.observation.landmarks.copy()
    landmarks[list(RING)] = centre + half * np.stack([-np.cos(angles), np.sin(angles)], 1)
    y, x = np.mgrid[: view.image.shape[0], : view.image.shape[1]] + 0.5
    image = view.image.copy()
    image[np.hypot((x - centre[0]) / half[0], (y - centre[1]) / half[1]) < 1] = 255
    smile = replace(view, image=image, observation=replace(view.observation, landmarks=landmarks))
    shown = off_mouth(smile, sampled(smile, arrays, face).scale, arrays, face)
    pixels = project(face.atlas.spread(view.vertices), view.camera)[:, :2]
    within = (np.hypot(*((pixels - centre) / half).T) < 1) & (sampled(smile, arrays, face).seen > 0)
    assert within.sum() > 20 and shown[within].max() < 0.05 and shown[face.plain > 0.9].min() == 1
    albedo, _ = make_albedo([smile], arrays, size=SIZE)
    assert albedo.reshape(-1, 3)[face.atlas.texels[within]].min(1).max() < 200  # the blue of teeth is 255


def test_rims_of_glasses_and_whites_of_eyes_are_no_lids(made):
    face = made[2]
    tone = srgb_to_linear(np.array([200, 150, 120]) / 255)
    lids, nose = face.lids > 0.99, face.plain > 0.99
    assert lids.sum() > 50
    for colour, kept in (((200, 150, 120), 1), ((170, 120, 95), 1), ((40, 30, 30), 0), ((205, 200, 198), 0)):
        colours = np.tile(np.float32(srgb_to_linear(np.array(colour) / 255)), (len(face.lids), 1))
        clear = lids_clear(colours, tone, face)
        assert np.abs(clear[lids] - kept).max() < 0.25 and clear[nose & (face.lids == 0)].min() == 1


def test_hues_of_skin_are_held_and_those_of_lips_and_beards_are_not(made):
    face = made[2]
    tone = srgb_to_linear(np.array([200, 150, 120]) / 255)

    def off(colour):
        """How far the red share of a colour, in multiples of the tone, is off the tone's: on skin, and on lips."""
        held = held_in_hue(np.tile(np.float32(tone * colour), (len(face.lids), 1)), tone, face)
        np.testing.assert_allclose(held.mean(1), (tone * colour).mean(), rtol=1e-5)
        red = np.log(held[:, 0] / held.mean(1)) - np.log(tone[0] / tone.mean())
        return red[face.plain > 0.99].mean(), red[face.plain == 0].mean()

    skin, lips = off((0.5, 0.25, 0.2))  # a hollow
    assert 0 < skin < 0.6 * lips
    skin, lips = off((1.0, 1.02, 0.98))  # a blush or a freckle stays
    assert skin == pytest.approx(lips, abs=1e-3)
    skin, lips = off((0.2, 0.3, 0.4))  # grey hair
    assert skin == pytest.approx(lips, abs=0.02)


def test_wrong_views_are_refused(made, head):
    views, _, _ = made
    with pytest.raises(InputError, match="no view"):
        fuse_appearance([], head.arrays, size=SIZE)
    with pytest.raises(ShapeError, match="100 x 384"):
        replace(views[0], image=views[0].image[:, :100])
    with pytest.raises(ShapeError, match="uint8"):
        replace(views[0], image=views[0].image / 255)


def test_frames_are_chosen_from_all_sides_and_none_that_is_bridged():
    rng = np.random.default_rng(0)
    yaw = np.linspace(-0.8, 0.8, 200)
    rotation = np.stack([np.zeros(200), yaw, np.zeros(200)], 1)
    lids = np.zeros((200, 2))
    lids[120:124] = 1
    marks = np.tile(rng.normal(size=(468, 2)) * 50, (200, 1, 1))
    marks[60] += 40  # a jump: blurred
    trust, bridged = np.full(200, 0.9), np.zeros(200, bool)
    trust[:10], bridged[190:] = 0.1, True
    held = held_still(marks, np.arange(200))
    rows = choose_texture_frames(rotation, lids, held, trust, bridged=bridged, count=12)
    assert len(rows) == 12 and (np.diff(rows) > 0).all() and rows.min() >= 10 and rows.max() < 190
    assert yaw[rows].min() < -0.65 and yaw[rows].max() > 0.65 and lids[rows].max() == 1
    assert np.abs(yaw[rows]).min() < 0.02 and 60 not in rows
    assert not len(choose_texture_frames(rotation, lids, held, np.zeros(200)))
    few = choose_texture_frames(rotation[:3], lids[:3], held[:3], np.ones(3))
    assert len(few) == 3


def test_the_frame_to_show_is_frontal_still_and_has_open_eyes():
    rotation, lids = np.zeros((6, 3)), np.zeros((6, 2))
    rotation[:, 1] = (0.5, 0.0, 0.0, 0.0, 0.15, 0.6)
    lids[1], lids[2] = (0.0, 0.6), 1.0  # half a wink, a blink
    held = np.tile((200.0, 0.001), (6, 1))
    held[3, 1] = 0.3  # moves fast
    trust = np.full(6, 0.9)
    assert key_frame(rotation, lids, held, trust) == 4
    trust[4] = 0.4
    assert key_frame(rotation, lids, held, trust) == 0  # though turned; the nearest to it is not trusted
