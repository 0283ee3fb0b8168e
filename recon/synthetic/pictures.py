"""A person in a scene as a picture, with what is true of it beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.head import Head
from flame_tools.surface.eyeball import IRIS_RADIUS_M
from flame_tools.types import Camera, FaceParams, HeadArrays
from recon.fitting.fit import Observation
from recon.fitting.rotation import rotation_matrix
from recon.synthetic.expressions import Expression, posed
from recon.synthetic.people import Person, look_of_person
from recon.synthetic.scenes import Scene
from render.camera import project
from render.look import Look


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a picture. The camera stands at the origin of the world and looks along -z."""

    camera: Camera
    rotation: np.ndarray  # [3, 3] head frame to world
    translation: np.ndarray  # [3] metres: world = head @ rotation.T + translation
    neutral: np.ndarray  # [V, 3] metres, head frame: the person at rest
    expressed: np.ndarray  # [V, 3] the same with the expression
    landmarks: np.ndarray  # [468, 2] pixels, hidden ones too
    iris: np.ndarray  # [10, 2] pixels: right centre and ring of four, left centre and ring

    @property
    def world(self) -> np.ndarray:
        """[V, 3] what the camera saw, metres."""
        return self.expressed @ self.rotation.T + self.translation

    def seen(self) -> Observation:
        """What a reader without error would have read."""
        return Observation.of(self, self.camera.size)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and its truth."""

    image: np.ndarray  # [H, W, 3] uint8 sRGB
    truth: Truth


def true_of(head: Head, person: Person, expression: Expression, scene: Scene) -> Truth:
    """The truth of a picture that need not be drawn."""
    params = posed(expression, head, person.shape)
    rest = FaceParams.neutral(head).replace(shape=params.shape)
    with torch.no_grad():
        neutral, expressed = (head.vertices(p).numpy().astype(np.float64) for p in (rest, params))
    places = {"468": _places(head.arrays, "468", expressed), "iris": _irises(head.arrays, expressed)}
    yaw, pitch, roll = np.radians([scene.yaw_deg, scene.pitch_deg, scene.roll_deg])
    turn = rotation_matrix(np.array([0, 0, -roll])) @ rotation_matrix(np.array([0, yaw, 0]))
    turn = turn @ rotation_matrix(np.array([pitch, 0, 0]))
    middle = _places(head.arrays, "468", neutral).mean(0)
    camera = Camera(np.full(2, scene.focal_px), np.full(2, scene.size / 2), (scene.size, scene.size))
    per_pixel = scene.distance_m / scene.focal_px
    right, down = np.array(scene.shift) * scene.size * per_pixel
    translation = np.array([right, -down, -scene.distance_m]) - turn @ middle
    pixels = {name: project(at @ turn.T + translation, camera)[:, :2] for name, at in places.items()}
    return Truth(camera, turn, translation, neutral, expressed, pixels["468"], pixels["iris"])


def picture_of(
    head: Head,
    person: Person,
    expression: Expression,
    scene: Scene,
    *,
    look: Look | None = None,  # `look_of_person`, for several pictures of one person
) -> Picture:
    """Draw a person. The same arguments give the same bytes."""
    from scipy.ndimage import gaussian_filter

    from render.preview import draw_rgba

    truth = true_of(head, person, expression, scene)
    drawn = draw_rgba(
        look or look_of_person(head.arrays, person),
        truth.world,
        truth.camera,
        skin=person.complexion,
        lights=scene.lights,
    )
    rng = np.random.default_rng(scene.seed)
    share = drawn[..., 3:] / 255
    image = drawn[..., :3] * share + backdrop(rng, scene.size) * (1 - share)
    image = gaussian_filter(image, (scene.blur_px, scene.blur_px, 0))
    image += rng.normal(size=image.shape) * scene.noise
    return Picture(np.clip(np.rint(image), 0, 255).astype(np.uint8), truth)


def backdrop(rng: np.random.Generator, size: int) -> np.ndarray:
    """[size, size, 3] in [0, 255]: out of focus, large soft shapes and an edge or two."""
    from scipy.ndimage import gaussian_filter, zoom

    colour = rng.uniform(30, 220) + rng.normal(0, 18, 3)
    few = zoom(
        gaussian_filter(rng.normal(size=(32, 32, 3)), (3, 3, 0), mode="wrap"), (size / 32, size / 32, 1), order=1
    )
    grey = few.mean(-1, keepdims=True)
    image = colour + (grey + 0.4 * (few - grey)) / grey.std() * rng.uniform(5, 30)
    rows, columns = np.mgrid[:size, :size] / size
    for _ in range(int(rng.integers(0, 4))):
        angle, at = rng.uniform(0, np.pi), rng.uniform(0.1, 0.9)
        side = np.cos(angle) * columns + np.sin(angle) * rows > at
        image = image + side[..., None] * rng.normal(0, 20) * np.array([1.0, 1.0, 0.9])
    return np.clip(gaussian_filter(image, (2, 2, 0)), 0, 255)


def _irises(arrays: HeadArrays, vertices: np.ndarray) -> np.ndarray:
    """[10, 3] centres and rings of irises as large as they are drawn, whatever ring the head's mesh has."""
    centre, ring = np.split(_places(arrays, "iris", vertices).reshape(2, 5, 3), [1], axis=1)
    outward = (ring - centre) / np.linalg.norm(ring - centre, axis=-1, keepdims=True)
    return np.concatenate([centre, centre + IRIS_RADIUS_M * outward], 1).reshape(10, 3)


def _places(arrays: HeadArrays, name: str, vertices: np.ndarray) -> np.ndarray:
    """Landmarks [L, 3] of a set on the vertices [V, 3]."""
    marks = arrays.landmarks[name]
    return np.einsum("lk,lkc->lc", marks.barycentrics, vertices[arrays.faces[marks.faces]])
