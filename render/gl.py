"""The head drawn by OpenGL, through pyrender: a second opinion on what a mesh looks like, on any machine with EGL.

Needs `pip install 'emberface[gl]'` and a system library for OpenGL without a window (Debian: libegl1 and
libgl1-mesa-dri; without a graphics card Mesa draws in software). Materials are plain glTF ones, lamps and camera
are those of `render.preview`; nothing here is used unless it is called.
"""

from __future__ import annotations

import os
import sys
import threading

import numpy as np

from flame_tools.errors import AssetError, ShapeError
from flame_tools.types import Camera
from render.camera import FAR_M, NEAR_M
from render.kept_looks import look_of
from render.materials import MATERIALS, SKIN, srgb_to_linear
from render.preview import BACKGROUND, plain_vertices
from render.sheets import overlay
from render.studio import STUDIO

_renderers = threading.local()  # an OpenGL context belongs to the thread that made it


def draw_gl(
    head,  # Head, HeadArrays, Mesh, or a Look
    vertices,  # [V, 3] metres, world
    camera: Camera,
    *,
    albedo: np.ndarray | None = None,  # [h, w, 3] uint8 sRGB in the head's UV, row 0 at v = 1
    skin: tuple[int, int, int] | None = None,  # sRGB complexion; scales the painted skin, or the albedo
    background: tuple[int, int, int] = BACKGROUND,
) -> np.ndarray:  # [H, W, 3] uint8
    """Draw one head before a plain backdrop."""
    drawn = draw_gl_rgba(head, vertices, camera, albedo=albedo, skin=skin)
    plain = np.broadcast_to(np.array(background, np.uint8), (*drawn.shape[:2], 3))
    return overlay(plain, drawn)


def draw_gl_rgba(head, vertices, camera: Camera, *, albedo: np.ndarray | None = None, skin=None) -> np.ndarray:
    """Draw one head on nothing: [H, W, 4] uint8, straight alpha."""
    pyrender = _pyrender()
    look = look_of(head)
    points = plain_vertices(look, vertices)
    if np.asarray(camera.world_to_camera).shape != (4, 4):
        raise ShapeError("draw_gl takes one camera; use render.camera.at_frame(camera, i) for a sequence")
    texture = look.skin_texture if albedo is None else albedo
    scene = pyrender.Scene(bg_color=(0.0, 0.0, 0.0, 0.0), ambient_light=(0.25, 0.25, 0.26))
    scene.add(pyrender.Mesh(list(_primitives(pyrender, look, points, texture, skin))))
    to_world = np.linalg.inv(np.asarray(camera.world_to_camera, np.float64)) @ np.diag([1.0, -1.0, -1.0, 1.0])
    scene.add(_camera(pyrender, camera), pose=to_world)
    lamps, _ = STUDIO.packed()
    for lamp in lamps[:2].astype(np.float64):
        shining = pyrender.DirectionalLight(lamp[3:] / lamp[3:].max(), 3.0 * lamp[3:].max())
        scene.add(shining, pose=to_world @ _towards(lamp[:3]))
    drawn, _ = _renderer(pyrender, camera.size).render(scene, pyrender.RenderFlags.RGBA)
    return np.array(drawn)


def _primitives(pyrender, look, points, texture, complexion):
    """One primitive a material, with corners of their own where UV has seams."""
    normals = _normals(points, look.faces)
    for k in np.unique(look.face_material):
        chosen = look.face_material == k
        name = look.names[min(k, len(look.names) - 1)] if k < len(look.names) else "skin"
        corners, uv_corners = look.faces[chosen].ravel(), look.uv_faces[chosen].ravel()
        plain = MATERIALS.get(name, MATERIALS["other"])
        skin = look.has_uv and texture is not None and name in ("skin", "lips")
        colour = np.ones(3) if skin else srgb_to_linear(np.array(plain.colour) / 255)
        if complexion is not None and plain.page == SKIN:
            usual = srgb_to_linear(np.array(MATERIALS["skin"].colour) / 255)
            colour = np.clip(colour * srgb_to_linear(np.asarray(complexion) / 255) / usual, 0, 1)
        material = pyrender.MetallicRoughnessMaterial(
            baseColorFactor=[*colour, 1.0],
            baseColorTexture=pyrender.Texture(source=texture, source_channels="RGB") if skin else None,
            metallicFactor=0.0,
            roughnessFactor=plain.roughness,
            doubleSided=True,
        )
        yield pyrender.Primitive(
            positions=points[corners],
            normals=normals[corners],
            texcoord_0=look.uv[uv_corners] if skin else None,
            material=material,
        )


def _normals(points, faces):
    import torch

    from flame_tools.normals import vertex_normals

    return vertex_normals(torch.from_numpy(points), torch.from_numpy(faces).long()).numpy()


def _camera(pyrender, camera):
    (fx, fy), (cx, cy) = np.asarray(camera.focal, np.float64), np.asarray(camera.centre, np.float64)
    width, height = camera.size
    if not camera.orthographic:
        return pyrender.IntrinsicsCamera(fx, fy, cx, cy, znear=NEAR_M, zfar=FAR_M)
    if abs(cx - width / 2) > 0.01 or abs(cy - height / 2) > 0.01:
        raise ShapeError("OpenGL draws an orthographic camera only with its centre in the middle of the picture")
    return pyrender.OrthographicCamera(width / 2 / fx, height / 2 / fy, znear=NEAR_M, zfar=FAR_M)


def _towards(direction):
    """A pose whose +z is `direction`: lamps shine along their -z."""
    z = direction / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], 1)
    return pose


def _pyrender():
    if sys.platform == "linux":
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # read once, when OpenGL is first imported
    try:
        import pyrender
    except ImportError as error:
        raise AssetError(f"drawing with OpenGL needs pyrender: pip install 'emberface[gl]' ({error})") from error
    return pyrender


def _renderer(pyrender, size):
    width, height = size
    known = getattr(_renderers, "renderer", None)
    if known is None:
        try:
            known = _renderers.renderer = pyrender.OffscreenRenderer(width, height)
        except Exception as error:  # each platform of PyOpenGL fails in its own way
            raise AssetError(
                f"OpenGL cannot draw without a window here ({error}); on Debian: apt install libegl1 libgl1-mesa-dri"
            ) from error
    known.viewport_width, known.viewport_height = width, height
    return known
