"""Pictures by OpenGL through pyrender (extra `gl`), offscreen with EGL: a second opinion on `preview.draw`.

The same camera, materials and lamps, but OpenGL's shading: no shadows, no light through skin, none between the lips.
"""

from __future__ import annotations

import os

import numpy as np

from flame_tools.errors import InputError, ShapeError
from flame_tools.types import Camera
from render.camera import FAR_M, NEAR_M
from render.eyes import EYE_EXTENT
from render.materials import EYE, SKIN, look_of
from render.preview import BACKGROUND
from render.studio import STUDIO

LAMP = 4.0  # pyrender's intensity of a lamp of strength 1


def draw_gl(
    head,  # Head, HeadArrays, Mesh or Look
    vertices,  # [V, 3] metres, world; array or tensor
    camera: Camera,
    *,
    albedo: np.ndarray | None = None,  # [h, w, 3] uint8 sRGB in UV, row 0 at v = 1
    background: tuple[int, int, int] = BACKGROUND,
) -> np.ndarray:  # [H, W, 3] uint8
    """Draw one head. A tenth of a second goes into a new context: for films `preview.draw_frames` is faster."""
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # read when PyOpenGL is first imported
    try:
        import pyrender
    except ImportError:
        raise InputError("drawing by OpenGL needs pyrender and EGL: pip install 'emberface[gl]'") from None
    look = look_of(head)
    points = np.asarray(vertices.detach().cpu() if hasattr(vertices, "detach") else vertices, np.float32)
    if points.shape != (len(look.eye), 3):
        raise ShapeError(f"vertices are {list(points.shape)}, but the head has [{len(look.eye)}, 3]")
    _, sky = STUDIO.packed()
    scene = pyrender.Scene(bg_color=[*(np.asarray(background) / 255), 1.0], ambient_light=0.5 * sky.mean(0))
    texture = look.skin_texture if albedo is None else albedo
    parts = [_part(pyrender, look, points, material, texture) for material in np.unique(look.face_material)]
    scene.add(pyrender.Mesh(parts))
    pose = _add_camera(pyrender, scene, camera)
    for lamp in STUDIO.packed()[0]:
        turn = np.eye(4)
        turn[:3, :3] = pose[:3, :3] @ _facing(lamp[:3])
        strength = float(lamp[3:].max())
        scene.add(pyrender.DirectionalLight(lamp[3:] / strength, LAMP * strength), pose=turn)
    width, height = camera.size
    renderer = pyrender.OffscreenRenderer(width, height)
    try:
        return renderer.render(scene, pyrender.RenderFlags.SKIP_CULL_FACES)[0].copy()
    finally:
        renderer.delete()


def _part(pyrender, look, points, material, texture):
    """The faces of one material, their corners parted where UV is."""
    chosen = look.face_material == material
    row = look.table[material]
    textured = row[6] == SKIN and texture is not None and look.has_uv
    uv_faces = look.uv_faces[chosen] if textured else look.faces[chosen]
    corners = np.stack([look.faces[chosen], uv_faces], -1).reshape(-1, 2)
    pairs, index = np.unique(corners, axis=0, return_inverse=True)
    if textured:
        uv, image, colour = look.uv[pairs[:, 1]], texture, np.ones(3)
    elif row[6] == EYE:
        uv, image, colour = 0.5 + 0.5 / EYE_EXTENT * look.eye[pairs[:, 0]], look.eye_texture, np.ones(3)
    else:
        uv, image, colour = None, None, row[:3]
    return pyrender.Primitive(
        positions=points[pairs[:, 0]],
        normals=_normals(points, look.faces)[pairs[:, 0]],
        texcoord_0=None if uv is None else np.asarray(uv, np.float32),
        indices=index.reshape(-1, 3).astype(np.uint32),
        material=pyrender.MetallicRoughnessMaterial(
            baseColorFactor=[*np.asarray(colour, float), 1.0],
            baseColorTexture=None if image is None else pyrender.Texture(source=image, source_channels="RGB"),
            metallicFactor=0.0,
            roughnessFactor=float(row[3]),
            doubleSided=True,
        ),
    )


def _normals(points, faces):
    import torch

    from flame_tools.normals import vertex_normals

    return vertex_normals(torch.from_numpy(points), torch.from_numpy(faces).long()).numpy()


def _add_camera(pyrender, scene, camera):
    """The camera, from OpenCV's axes to OpenGL's; gives its pose [4, 4] in the world."""
    (fx, fy), (cx, cy), (width, height) = np.asarray(camera.focal), np.asarray(camera.centre), camera.size
    pose = np.linalg.inv(np.asarray(camera.world_to_camera, np.float64)) @ np.diag([1.0, -1.0, -1.0, 1.0])
    if camera.orthographic:
        shift = np.array([(width / 2 - cx) / fx, -(height / 2 - cy) / fy, 0.0])
        pose[:3, 3] += pose[:3, :3] @ shift
        lens = pyrender.OrthographicCamera(width / 2 / fx, height / 2 / fy, NEAR_M, FAR_M)
    else:
        lens = pyrender.IntrinsicsCamera(fx, fy, cx, cy, NEAR_M, FAR_M)
    scene.add(lens, pose=pose)
    return pose


def _facing(direction):
    """A rotation [3, 3] whose z axis points along direction: a lamp shines along its -z."""
    z = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z], 1)
