"""Pictures of a head: the default look of emberface, and sheets of them.

Colours and images are uint8 sRGB, rows from the top. The numba kernels are imported when the first picture is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flame_tools.errors import ShapeError
from flame_tools.types import Camera
from render.buffers import scratch
from render.camera import FAR_M, NEAR_M, at_frame, clip_matrix
from render.eyes import eye_texture, iris_of
from render.kept_looks import look_of
from render.materials import MATERIALS, SKIN, srgb_to_linear
from render.sheets import contact_sheet, overlay, side_by_side

if TYPE_CHECKING:
    from render.studio import Lights

__all__ = ["contact_sheet", "draw", "draw_frames", "draw_rgba", "head_bounds", "overlay", "side_by_side"]

BACKGROUND = (74, 80, 88)
_OWN = ["C", "W"]  # what kernels take: contiguous and writable (a memory map is neither, perhaps)
_BAND = 64  # rows of the picture a task
_LARGE = 800.0  # pixels a metre from which on the mesh's corners are seen: a face of about 160 pixels


def draw(
    head,  # Head, HeadArrays, Mesh, or a Look
    vertices,  # [V, 3] metres, world; array or tensor
    camera: Camera,
    *,
    albedo: np.ndarray | None = None,  # [h, w, 3] uint8 sRGB in the head's UV, row 0 at v = 1; replaces the skin;
    # painted eyes give their colour
    background: tuple[int, int, int] = BACKGROUND,
    supersample: int = 2,
    wireframe: bool = False,
    skin: tuple[int, int, int] | None = None,  # sRGB complexion; scales the painted skin, or the albedo
    slopes: np.ndarray | None = None,  # [h, w, 2] of the skin's relief, as flame_tools.surface.relief gives them
    lit: bool = True,  # False: the surface's own colours
    lights: Lights | None = None,  # of the studio where none are given
    threads: int | None = 1,  # None: every core
) -> np.ndarray:  # [H, W, 3] uint8
    """Draw one head before a soft backdrop."""
    options = (albedo, background, supersample, wireframe, skin, slopes, lit, lights, threads)
    return _draw(head, vertices, camera, *options)[..., :3]


def draw_rgba(
    head,
    vertices,
    camera: Camera,
    *,
    albedo: np.ndarray | None = None,
    supersample: int = 2,
    wireframe: bool = False,
    skin: tuple[int, int, int] | None = None,
    slopes: np.ndarray | None = None,
    lit: bool = True,
    lights: Lights | None = None,
    threads: int | None = 1,
) -> np.ndarray:  # [H, W, 4] uint8, straight alpha: the share of each pixel that the head covers
    """Draw one head on nothing."""
    return _draw(head, vertices, camera, albedo, None, supersample, wireframe, skin, slopes, lit, lights, threads)


def _draw(head, vertices, camera, albedo, background, supersample, wireframe, skin, slopes, lit, lights, threads):
    from flame_tools.threads import default_threads, run_tasks
    from render import raster_numba, shading
    from render.attributes import vertex_attributes
    from render.mip import at_scale
    from render.studio import DECODE, ENCODE, STUDIO

    look = look_of(head)
    points = plain_vertices(look, vertices)
    width, height = camera.size
    s = int(supersample)
    if not (1 <= s <= 8 and width >= 1 and height >= 1):
        raise ShapeError(f"cannot draw {width}x{height} with {supersample} samples a side; wanted 1 to 8 and a size")
    if np.asarray(camera.world_to_camera).shape != (4, 4):
        raise ShapeError("draw takes one camera; use render.camera.at_frame(camera, i) for a sequence")
    turn = np.ascontiguousarray(np.diag([1.0, -1.0, -1.0]) @ np.asarray(camera.world_to_camera)[:3, :3], np.float32)
    lights, sky = (STUDIO if lights is None else lights).packed()
    attributes = vertex_attributes(look, points, turn, lights[0, :3])
    lights = lights if lit else lights[:0]
    away = _distance(camera, points)
    scale = float(np.mean(camera.focal)) / (1 if camera.orthographic else away)  # pixels a metre
    slopes, ways = _relief(look, slopes, points, turn, scale)
    mesh = look
    if scale > _LARGE and not wireframe:
        mesh = look.rounded
        points = mesh.points(points, attributes[:, :3] @ turn)
        attributes, ways = mesh.halved(attributes), mesh.halved(ways)
    matrix = clip_matrix(camera)
    clip = points.astype(np.float64) @ matrix[:, :3].T + matrix[:, 3]
    screen = np.empty((len(points), 3))
    prepared = raster_numba.screen_triangles(clip, mesh.faces, (height * s, width * s), screen)

    texture = look.skin_texture if albedo is None else albedo
    if texture is None or not look.has_uv:
        texture = np.zeros((1, 1, 3), np.uint8)
    elif texture.dtype != np.uint8 or texture.ndim != 3 or texture.shape[2] != 3:
        raise ShapeError(f"albedo is {list(texture.shape)} {texture.dtype}, wanted uint8 [h, w, 3]")
    texture = np.require(texture, np.uint8, _OWN)
    texture = at_scale(texture, look.uv_per_metre * max(texture.shape[:2]) / scale)
    eye = eye_picture(look, albedo, skin)
    eye_texture = at_scale(eye, look.eye_per_metre * len(eye) / scale)
    backdrop = np.zeros(8, np.float32)
    if background is not None:
        colour = srgb_to_linear(np.asarray(background) / 255)
        backdrop[:7] = [*np.minimum(colour * 1.35, 1), *(colour * 0.45), 1]
    backdrop[7] = 0.6 * s
    wire = np.ascontiguousarray(screen, np.float32) if wireframe else np.empty((0, 3), np.float32)
    focal, centre = np.asarray(camera.focal), np.asarray(camera.centre)
    rays = np.array([*focal, *centre, camera.orthographic], np.float64)
    table = complexion_table(look, skin, len(texture) > 1)
    out = np.empty((height, width, 4), np.uint8)
    step = _depth_step(camera, away, scale)

    def band(top, bottom):
        z = scratch("z", ((bottom - top) * s, width * s))
        ids = scratch("ids", ((bottom - top) * s, width * s), np.int32)
        z.fill(np.inf)
        ids.fill(-1)
        raster_numba.fill(*prepared, top * s, z, ids)
        shading.shade_band(
            ids, z, clip, mesh.faces, mesh.face_material, attributes, mesh.tint, wire, mesh.uv, mesh.uv_faces,
            texture, eye_texture, table, look.ramps, lights, sky, DECODE, ENCODE, backdrop,
            rays, s, top, height, step, slopes, ways, out[top:bottom],
        )  # fmt: skip

    tasks = [(top, min(top + _BAND, height)) for top in range(0, height, _BAND)]
    run_tasks(band, tasks, default_threads() if threads is None else threads)
    return out


def _relief(look, slopes, points, turn, scale) -> tuple[np.ndarray, np.ndarray]:
    """Slopes at the picture's scale, and the axes that they are told along; empty where there are none."""
    if slopes is None or not look.has_uv:
        return np.zeros((1, 1, 2), np.float32), np.zeros((0, 4), np.float32)
    from flame_tools.surface.relief import tangents

    if slopes.ndim != 3 or slopes.shape[2] != 2:
        raise ShapeError(f"slopes are {list(slopes.shape)}, wanted [h, w, 2] over the head's UV")
    texels = look.uv_per_metre * max(slopes.shape[:2]) / scale
    while texels > 1.4 and min(slopes.shape[:2]) >= 4:
        rows, columns = (n // 2 * 2 for n in slopes.shape[:2])
        slopes, texels = slopes[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, 2).mean((1, 3)), texels / 2
    ways = tangents(points, look.faces, look.uv, look.uv_faces)
    ways[:, :3] = ways[:, :3] @ turn.T
    return np.require(slopes, np.float32, _OWN), ways


def plain_vertices(look, vertices) -> np.ndarray:  # [V, 3] float32, contiguous
    """The vertices of a head, checked."""
    points = vertices.detach().cpu().numpy() if hasattr(vertices, "detach") else np.asarray(vertices)
    if points.shape != (len(look.eye), 3):
        raise ShapeError(f"vertices are {list(points.shape)}, but the head has [{len(look.eye)}, 3]")
    broken = int((~np.isfinite(points)).any(1).sum())
    if broken:
        raise ShapeError(
            f"{broken} of {len(points)} vertices are not finite; wanted metres (a parameter is NaN or huge)"
        )
    return np.require(points, np.float32, _OWN)


def eye_picture(look, albedo, skin) -> np.ndarray:  # [h, w, 3] uint8 sRGB over gaze coordinates
    """The eye that goes with an albedo, or else with a complexion."""
    return _eye_of(look, skin) if albedo is None else _eye_like(look, albedo)


def _eye_of(look, skin) -> np.ndarray:
    """The usual eye; brown with a dark complexion."""
    if skin is None or np.dot(skin, (0.3, 0.6, 0.1)) > 150:
        return look.eye_texture
    return eye_texture((74, 48, 30), (98, 60, 32))


def _eye_like(look, albedo) -> np.ndarray:
    """The eye in the colour that an albedo gives its irises; the usual eye where it has none."""
    iris = iris_of(albedo, look.eye_uv)
    if iris is None:
        return look.eye_texture
    warm = (0.75 * np.minimum(1.3 * np.array(iris), 255) + 0.25 * np.array((146, 104, 58))).round().astype(int)
    return eye_texture(iris, tuple(warm.tolist()))


def complexion_table(look, skin, textured) -> np.ndarray:  # [M, COLUMNS] of render.materials
    """The material table with the colours of skin made factors on a texture, turned towards a complexion."""
    table = look.table.copy()
    rows = table[:, 6] == SKIN
    if textured:
        table[rows, :3] = 1
    if skin is not None:
        usual = srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
        table[rows, :3] *= srgb_to_linear(np.asarray(skin) / 255) / usual
    return table


def _distance(camera, points) -> float:
    """Metres to the middle of a head, as the camera looks."""
    pose = np.asarray(camera.world_to_camera)
    return max(float(np.median(points @ pose[2, :3] + pose[2, 3])), NEAR_M) if len(points) else 1.0


def _depth_step(camera, away, scale) -> float:
    """Samples of a pixel further apart than this in ndc z are shaded one by one (a silhouette runs there)."""
    apart = 5 / scale  # metres: a slope of five pixels in one
    if camera.orthographic:
        return apart * 2 / (FAR_M - NEAR_M)
    return apart * 2 * FAR_M * NEAR_M / ((FAR_M - NEAR_M) * away**2)


def draw_frames(
    head,
    frames,  # iterable of [V, 3]
    camera: Camera,  # one for all, or with a frame axis
    *,
    threads: int | None = None,  # pictures drawn at once; None: every core
    **options,  # of draw: albedo, background, supersample, wireframe, skin, slopes
):
    """Draw a sequence, several pictures at once, in order, holding only a few in memory: feed it to `write_video`."""
    from collections import deque

    from flame_tools.threads import default_threads, pool

    look = look_of(head)
    if options.get("albedo") is None:
        _ = look.skin_texture  # painted here, once, and not by every thread
    threads = default_threads() if threads is None else max(1, int(threads))
    waiting = deque()
    try:
        for index, vertices in enumerate(frames):
            if len(waiting) > threads:
                yield waiting.popleft().result()
            waiting.append(pool().submit(draw, look, vertices, at_frame(camera, index), threads=1, **options))
        while waiting:
            yield waiting.popleft().result()
    finally:
        for picture in waiting:
            picture.cancel()


def head_bounds(head, vertices=None) -> np.ndarray:  # [2, 3] metres
    """What a portrait should frame: the head from chin to crown with a little neck, without shoulders."""
    arrays = getattr(head, "arrays", head)
    points = arrays.v_template if vertices is None else vertices
    points = points.detach().cpu().numpy() if hasattr(points, "detach") else np.asarray(points)
    points = points.reshape(-1, *points.shape[-2:])[0]
    regions = getattr(arrays, "regions", {})
    chosen = [regions[name] for name in ("face", "scalp", "ears") if len(regions.get(name, ()))]
    low, high = points.min(0), points.max(0)
    if chosen:
        face = points[np.concatenate(chosen)]
        bottom = max(low[1], face[:, 1].min() - 0.18 * np.ptp(face[:, 1]))
        kept = points[points[:, 1] >= face[:, 1].min()]
        low, high = kept.min(0), kept.max(0)
        low[1] = bottom
    return np.stack([low, high]).astype(np.float64)
