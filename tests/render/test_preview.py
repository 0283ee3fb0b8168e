"""The default look: what every picture of a head must keep, and sheets of pictures."""

import dataclasses
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch

from flame_tools.arkit import ARKIT_NAMES, to_params
from flame_tools.errors import ShapeError
from flame_tools.load import load_head
from flame_tools.types import FaceParams, Mesh
from render.camera import at_frame, portrait_camera, project
from render.kept_looks import look_of
from render.preview import (
    contact_sheet,
    draw,
    draw_frames,
    draw_rgba,
    head_bounds,
    overlay,
    side_by_side,
)


@cache
def head():
    return load_head()


def posed(**weights):
    values = torch.zeros(52)
    for name, weight in weights.items():
        values[ARKIT_NAMES.index(name)] = weight
    return head().vertices(to_params(values, head())).numpy()


def camera(size=160, **options):
    return portrait_camera((size, size), head_bounds(head(), posed()), **options)


def patch(image, vertices, names, view, radius=3):
    """Mean colour of the picture around a region's middle."""
    x, y, _ = project(vertices[head().arrays.regions[names]].mean(0), view)
    return image[int(y) - radius : int(y) + radius, int(x) - radius : int(x) + radius].reshape(-1, 3).mean(0)


def luminance(colour):
    return np.asarray(colour, float)[..., :3] @ [0.2126, 0.7152, 0.0722]


def test_same_input_same_bytes_whatever_the_threads():
    first = draw(head(), posed(), camera())
    np.testing.assert_array_equal(first, draw(head(), torch.from_numpy(posed()), camera(), threads=3))


def test_skin_is_neither_grey_nor_burnt_out_and_the_background_is_calm():
    image = draw(head(), posed(), camera(256), background=(74, 80, 88))
    covered = draw_rgba(head(), posed(), camera(256))[..., 3] == 255
    skin = image[covered].astype(float)
    red, green, blue = skin.mean(0)
    assert red > green > blue and red - blue > 25
    assert (luminance(skin) > 250).mean() < 0.01
    assert 90 < luminance(skin).mean() < 190
    assert np.abs(image[:8].astype(float).mean((0, 1)) - [74, 80, 88]).max() < 40


def test_lips_teeth_and_mouth_stand_apart():
    size = 320
    lips = posed()[head().arrays.regions["lips"]]
    bounds = np.stack([lips.min(0) - 0.02, lips.max(0) + 0.02])
    view = portrait_camera((size, size), bounds)
    shut = draw(head(), posed(), view).astype(float)
    smile = {f"{name}{side}": 0.6 for name in ("mouthSmile", "mouthUpperUp") for side in ("Left", "Right")}
    wide = draw(head(), posed(jawOpen=0.9, **smile), view).astype(float)
    corner = posed()[head().arrays.inner_lip_pairs[len(head().arrays.inner_lip_pairs) // 2, 1]]
    x, y, _ = project(corner, view).astype(int)
    lip = shut[y + 8 : y + 16, x - 6 : x + 6].mean((0, 1))
    cheek = shut[y - 10 : y + 10, 6:20].mean((0, 1))
    assert lip[0] - lip[1] > cheek[0] - cheek[1] + 10  # redder than the skin around
    seen = luminance(wide)
    assert np.percentile(seen[y : y + 60, x - 40 : x + 40], 1) < 25  # the mouth is dark at depth
    teeth = posed(jawOpen=0.9, **smile)[head().arrays.regions["upper_teeth"]]
    rows = project(teeth, view)
    front = rows[rows[:, 2] < rows[:, 2].min() + 0.004]
    spots = np.array([wide[int(b) - 2 : int(b) + 2, int(a) - 2 : int(a) + 2].mean((0, 1)) for a, b, _ in front])
    best = spots[luminance(spots).argmax()]
    assert 150 < luminance(best) < 245 and np.ptp(best) < 60  # ivory, not glowing


def test_eyes_are_alive():
    size = 320
    ball = posed()[head().arrays.regions["left_eyeball"]]
    view = portrait_camera((size, size), np.stack([ball.min(0) - 0.004, ball.max(0) + 0.004]))
    image = draw(head(), posed(), view)
    iris = head().landmarks(torch.from_numpy(posed()), "iris").numpy()
    near = iris[np.abs(iris[:, 0] - ball[:, 0].mean()) < 0.02]
    x, y, _ = project(near.mean(0), view)
    radius = np.ptp(project(near, view)[:, 0]) / 2
    rows, columns = np.mgrid[:size, :size] + 0.5
    away = np.hypot(columns - x, rows - y) / radius
    light = luminance(image)
    assert np.percentile(light[away < 0.25], 20) < 30  # a dark pupil
    assert light[away < 0.95].max() > 180  # a highlight on the cornea
    assert np.median(light[(away > 1.2) & (away < 1.6) & (np.abs(rows - y) < 0.4 * radius)]) > 110  # white around
    assert image[(away > 0.4) & (away < 0.8)].astype(float).std() > 15  # a patterned iris


def test_the_picture_is_where_the_camera_says():
    view = camera(128, yaw_deg=30)
    alpha = draw_rgba(head(), posed(), view)[..., 3] > 127
    pixels = project(posed(), view)[:, :2]
    rows, columns = np.nonzero(alpha)
    assert abs(columns.min() - np.floor(pixels[:, 0].min())) <= 1 or pixels[:, 0].min() < 0
    assert abs(rows.min() - np.floor(pixels[:, 1].min())) <= 1


def test_alpha_counts_samples_and_matches_the_opaque_picture():
    view = camera(96)
    drawn = draw_rgba(head(), posed(), view)
    assert set(np.unique(drawn[..., 3])) == {0, 64, 128, 191, 255}
    whole = drawn[..., 3] == 255
    opaque = draw(head(), posed(), view, background=(255, 0, 255))
    np.testing.assert_array_equal(drawn[whole][:, :3], opaque[whole])
    over = overlay(np.full((96, 96, 3), 90, np.uint8), drawn)
    np.testing.assert_array_equal(over[drawn[..., 3] == 0], 90)
    np.testing.assert_array_equal(over[whole], drawn[whole][:, :3])


def test_supersampling_refines_the_same_picture():
    plain, fine = (draw(head(), posed(), camera(128), supersample=s).astype(float) for s in (1, 3))
    assert np.abs(plain - fine).mean() < 4
    edges = [np.unique(draw_rgba(head(), posed(), camera(128), supersample=s)[..., 3]).size for s in (1, 3)]
    assert edges == [2, 10]


def test_an_albedo_replaces_the_skin_only():
    blue = np.full((64, 64, 3), (40, 60, 220), np.uint8)
    plain, painted = (draw(head(), posed(), camera(), albedo=a).astype(float) for a in (None, blue))
    covered = draw_rgba(head(), posed(), camera())[..., 3] == 255
    assert painted[covered][:, 2].mean() > painted[covered][:, 0].mean() + 40
    x, y, _ = project(head().landmarks(torch.from_numpy(posed()), "iris").numpy().reshape(2, 5, 3)[0, 0], camera())
    near = slice(int(y) - 1, int(y) + 2), slice(int(x) - 1, int(x) + 2)
    np.testing.assert_array_equal(plain[near], painted[near])  # the eye stays as it is
    row_up = np.zeros((64, 64, 3), np.uint8)
    row_up[:32] = (255, 0, 0)  # the upper half of the texture is v > 0.5
    image = draw(head(), posed(), camera(), albedo=row_up)
    mark = head().arrays
    forehead = mark.v_template[mark.faces[mark.uv[mark.uv_faces][:, :, 1].mean(1).argmax()]].mean(0)
    assert forehead[1] > 0 or image.max() > 0


def test_a_complexion_scales_the_skin_and_leaves_eyes_and_teeth():
    usual = draw(head(), posed(), camera())
    np.testing.assert_array_equal(usual, draw(head(), posed(), camera(), skin=(212, 168, 145)))
    dark, light = (draw(head(), posed(), camera(), skin=skin) for skin in ((118, 80, 60), (235, 205, 188)))
    covered = draw_rgba(head(), posed(), camera())[..., 3] == 255
    means = [luminance(image[covered]).mean() for image in (dark, usual, light)]
    assert means[0] + 30 < means[1] < means[2] - 5
    iris = head().landmarks(torch.from_numpy(posed()), "iris").numpy()[0]
    x, y, _ = project(iris, camera()).astype(int)
    np.testing.assert_array_equal(dark[y, x], light[y, x])


def test_a_golden_picture_of_a_plain_scene():
    """Two balls of skin and tooth over each other: light, shadow, specular, edges and backdrop, pixel by pixel."""
    from pathlib import Path
    from types import SimpleNamespace

    from render.image import read_image
    from tests.render.test_raster import ball

    points, faces = ball(24, 32, 0.1)
    scene = SimpleNamespace(
        vertices=np.concatenate([points, 0.4 * points + [0.06, 0.05, 0.09]]),
        faces=np.concatenate([faces, faces + len(points)]),
        materials=("skin", "teeth"),
        face_material=np.repeat([0, 1], len(faces)),
    )
    # winding of `ball` is outward; 64 x 64, drawn from the front
    image = draw(scene, scene.vertices, portrait_camera((64, 64), scene.vertices, yaw_deg=15))
    golden = read_image(Path(__file__).parent / "golden" / "balls.png")
    # fast-math kernels round differently on other processors: a step or two in 255; an edge sample moves 16 at most
    assert np.abs(image.astype(int) - golden).max() <= 16
    assert np.abs(image.astype(int) - golden).mean() < 0.1


def test_a_wireframe_draws_lines_over_the_same_head():
    plain, wired = (draw(head(), posed(), camera(256), wireframe=w).astype(float) for w in (False, True))
    covered = draw_rgba(head(), posed(), camera(256))[..., 3] == 255
    assert luminance(wired[covered]).mean() < luminance(plain[covered]).mean() - 5
    np.testing.assert_array_equal(plain[:4], wired[:4])


def test_orthographic_and_very_near_cameras_draw():
    flat = draw_rgba(head(), posed(), camera(96, orthographic=True))
    assert 0.2 < (flat[..., 3] > 0).mean() < 0.9
    from dataclasses import replace

    view = camera(96)
    pose = view.world_to_camera.copy()
    pose[2, 3] = 0.0  # inside the head: the near plane cuts it
    inside = draw(head(), posed(), replace(view, world_to_camera=pose))
    assert inside.shape == (96, 96, 3)


def test_a_bare_mesh_a_moved_head_and_nothing_at_all():
    triangle = Mesh(np.array([[-0.1, -0.1, 0], [0.1, -0.1, 0], [0, 0.1, 0]]), np.array([[0, 1, 2]], np.int32))
    view = portrait_camera((40, 40), triangle.vertices)
    alpha = draw_rgba(triangle, triangle.vertices, view)[..., 3]
    assert alpha[25, 20] == 255 and alpha[2, 2] == 0
    empty = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32))
    assert (draw_rgba(empty, empty.vertices, view)[..., 3] == 0).all()


def test_arrays_that_cannot_be_written_are_fine():
    from dataclasses import replace

    def locked(array):
        array = array.copy()
        array.setflags(write=False)
        return array

    arrays = head().arrays
    names = ("v_template", "faces", "face_material", "uv", "uv_faces")
    twin = replace(arrays, **{name: locked(getattr(arrays, name)) for name in names})
    albedo = locked(np.full((32, 32, 3), 128, np.uint8))
    image = draw(twin, locked(posed()), camera(64), albedo=albedo)
    np.testing.assert_array_equal(image, draw(head(), posed(), camera(64), albedo=albedo))


def test_frames_come_in_order_and_the_generator_is_lazy():
    poses = [posed(jawOpen=k / 6) for k in range(7)]
    asked = []

    def frames():
        for k, pose in enumerate(poses):
            asked.append(k)
            yield pose

    drawn = draw_frames(head(), frames(), camera(64), threads=2)
    first = next(drawn)
    assert len(asked) <= 4
    for k, image in enumerate([first, *drawn]):
        np.testing.assert_array_equal(image, draw(head(), poses[k], camera(64)))
    views = camera(64)
    moving = type(views)(
        views.focal, views.centre + np.array([[0.0, 0.0], [9.0, 0.0]]), views.size, False, views.world_to_camera
    )
    second = list(draw_frames(head(), poses[:2], moving))[1]
    np.testing.assert_array_equal(second, draw(head(), poses[1], at_frame(moving, 1)))


def test_memory_stays_flat_over_many_frames():
    import resource

    def peak_mb():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    pose = posed()
    for _ in draw_frames(head(), (pose for _ in range(12)), camera(256)):
        pass
    before = peak_mb()
    for _ in draw_frames(head(), (pose for _ in range(150)), camera(256)):
        pass
    assert peak_mb() - before < 30


def test_the_default_picture_has_not_changed_unnoticed():
    """A coarse 12 x 12 fingerprint of the front view: light, colour and place, not every pixel."""
    image = draw(head(), posed(), camera(192)).astype(float)
    cells = image.reshape(12, 16, 12, 16, 3).mean((1, 3))
    upper, lower = cells[:4].mean((0, 1)), cells[-2:].mean((0, 1))
    assert cells[5, 5, 0] > cells[5, 0, 0] + 40  # face against backdrop
    assert luminance(cells[6, 4]) > luminance(cells[6, 8]) - 5  # the key lamp stands at the upper left
    assert luminance(upper) < luminance(cells[5:8, 4:8].mean((0, 1)))
    assert luminance(lower) < luminance(cells[5:8, 4:8].mean((0, 1)))


def test_sheets_and_rows():
    images = [np.full((20, 30, 3), k * 20, np.uint8) for k in range(5)]
    sheet = contact_sheet(images, 3, list("abcde"), gap=4)
    assert sheet.shape[1] == 4 + 3 * 34 and sheet.dtype == np.uint8
    assert (contact_sheet(images, 3, gap=4)[4:24, 4 + 34 : 34 + 34] == 20).all()
    row = side_by_side([images[1], np.zeros((40, 10, 3), np.uint8)], gap=2)
    assert row.shape == (40, 60 + 2 + 10, 3)
    with pytest.raises(ShapeError, match="2 labels for 5 images"):
        contact_sheet(images, 3, ["a", "b"])
    with pytest.raises(ShapeError, match="at least one"):
        contact_sheet([], 3)


def test_refusals():
    broken = posed().copy()
    broken[[3, 5]] = np.nan
    with pytest.raises(ShapeError, match=r"2 of \d+ vertices are not finite"):
        draw(head(), broken, camera())
    with pytest.raises(ShapeError, match=r"\[3, 3\], but the head has"):
        draw(head(), np.zeros((3, 3)), camera())
    with pytest.raises(ShapeError, match="99 samples"):
        draw(head(), posed(), camera(), supersample=99)
    with pytest.raises(ShapeError, match="wanted uint8"):
        draw(head(), posed(), camera(), albedo=np.zeros((4, 4, 3)))
    with pytest.raises(ShapeError, match="differ"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 4), np.uint8))


def test_numba_is_not_imported_with_the_package():
    modules = "render, render.preview, render.camera, render.video, render.image, render.raster"
    code = f"import sys, {modules}; print('numba' in sys.modules, 'av' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False False" and result.stderr == ""


@pytest.mark.long
def test_kernels_compile_where_no_cache_can_be_written(tmp_path):
    """A read-only install without a home: kernels are compiled for the process, silently."""
    import os
    import shutil
    from pathlib import Path

    import render

    root = Path(render.__file__).parent.parent
    for name in ("render", "flame_tools", "assets"):
        ignore = shutil.ignore_patterns("__pycache__", "data")
        shutil.copytree(root / name, tmp_path / name, ignore=ignore)
    (tmp_path / "render" / "__pycache__").write_text("a file: no folder can be made here, not even by root")
    code = (
        "import numpy as np; "
        "from render.raster import rasterize; "
        "r = rasterize(np.array([[[-1,-1,0,1],[1,-1,0,1],[0,1,0,1.0]]]), np.array([[0,1,2]]), (8, 8)); "
        "print(int((r.face_id >= 0).sum()))"
    )
    env = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    env |= {"HOME": "/dev/null/home", "XDG_CACHE_HOME": "/dev/null/cache", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "32" and result.stderr == ""


def test_a_head_without_a_mouth_is_dark_between_its_lips_and_a_mesh_from_within_is_not():
    arrays = head().arrays
    kept = np.isin(arrays.face_material, [arrays.materials.index(name) for name in ("skin", "lips", "sclera", "iris")])
    empty = dataclasses.replace(arrays.landmarks["68"], faces=np.zeros(0, int), barycentrics=np.zeros((0, 3)))
    bare = dataclasses.replace(
        arrays,
        faces=arrays.faces[kept],
        uv_faces=arrays.uv_faces[kept],
        face_material=arrays.face_material[kept],
        landmarks={"68": empty},
    )
    neutral = FaceParams.neutral(head())
    vertices = head()(neutral.replace(jaw=neutral.jaw + 0.4 * torch.eye(3)[0])).vertices.numpy()
    view = portrait_camera((200, 200), head_bounds(head()))
    middle = vertices[arrays.inner_lip_pairs].mean((0, 1))
    x, y, _ = project(middle[None], view)[0].astype(int)
    assert draw(bare, vertices, view)[y - 3 : y + 3, x - 3 : x + 3].max() < 40
    look = look_of(bare)  # nor are lids, whose backs show along the seam of a shut eye
    lids = np.isin(look.faces, arrays.regions["left_lids"]).any(1)
    assert lids.any() and not (look.table[look.face_material[lids], 7] < 0).any()
    inside_out = Mesh(vertices, arrays.faces[:, ::-1])
    assert np.median(draw(inside_out, vertices, view)[90:110, 90:110]) > 80


def test_the_iris_lies_behind_the_cornea():
    """Seen from the side the pupil stays behind, away from the camera; from the front it is where it is painted."""
    arrays = head().arrays
    eye = arrays.v_template[arrays.regions["left_eyeball"]]
    pupil = arrays.v_template[arrays.regions["left_pupil"]].mean(0)
    for yaw, least, most in ((0, -0.0002, 0.0002), (45, 0.0006, 0.0025), (-30, -0.0025, -0.0004)):
        view = portrait_camera((300, 300), np.stack([eye.mean(0) - 0.015, eye.mean(0) + 0.015]), yaw_deg=yaw)
        picture = draw(head(), arrays.v_template, view).astype(int).sum(-1)
        x, y, depth = project(pupil[None], view)[0]
        near = np.hypot(*np.mgrid[-y : 300 - y, -x : 300 - x]) < 25
        rows, columns = np.nonzero(near & (picture < 90))
        assert len(rows) > 100
        assert least < (columns.mean() - x) * depth / view.focal[0] < most  # metres to the right


def test_other_lamps():
    from render.studio import STUDIO, Lights

    camera = portrait_camera((96, 96), head_bounds(head()))
    usual = draw(head(), head().v_template, camera)
    assert np.array_equal(draw(head(), head().v_template, camera, lights=STUDIO), usual)
    dark = ((0.0, 0.0, 0.0),) * 2
    halves = []
    for side in (-1.0, 1.0):
        lamps = Lights(((side, 0.0, 0.3), (0.0, 1.0, 0.0), (0.0, 1.0, 0.0)), ((1.0, 1.0, 1.0), *dark))
        picture = draw_rgba(head(), head().v_template, camera, lights=lamps)[..., :3].astype(float)
        halves.append(picture[:, 48:].sum() - picture[:, :48].sum())
    assert halves[0] < 0 < halves[1]


def test_a_relief_tilts_the_light():
    """The key lamp stands to the upper left: skin that rises to the right, or downwards, turns towards it."""
    camera = portrait_camera((160, 160), head().arrays.v_template)
    grey = np.full((8, 8, 3), 170, np.uint8)
    corners = head().arrays.faces[head().arrays.landmarks["468"].faces[151]]
    x, y = project(head().arrays.v_template[corners], camera)[:, :2].mean(0).astype(int)

    def brow(across: float, up: float) -> float:
        slopes = np.full((16, 16, 2), (across, up), np.float32)
        picture = draw(head(), head().arrays.v_template, camera, albedo=grey, slopes=slopes)
        return float(picture[y - 2 : y + 3, x - 2 : x + 3].mean())

    flat = draw(head(), head().arrays.v_template, camera, albedo=grey)
    none = draw(head(), head().arrays.v_template, camera, albedo=grey, slopes=np.zeros((16, 16, 2), np.float32))
    assert np.abs(none.astype(int) - flat).max() <= 1
    assert brow(0.3, 0) > brow(0, 0) + 3 > brow(-0.3, 0) + 6
    assert brow(0, -0.3) > brow(0, 0) + 3 > brow(0, 0.3) + 6
    with pytest.raises(ShapeError, match=r"slopes are \[4, 4\]"):
        draw(head(), head().arrays.v_template, camera, slopes=np.zeros((4, 4)))
