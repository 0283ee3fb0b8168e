"""Where a made person is seen: pose, lens and distance, lamps, what is behind, and what the sensor adds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from render.studio import Lights

SIZE = 512  # pixels a side
FACE_HEIGHT_M = 0.19  # brows' top to chin and a little more: what `fill` is a share for
FOCAL_OVER_SIDE = (1.0, 2.6)
FILL = (0.42, 0.68)  # of the picture's height that the face takes
YAW_DEG, PITCH_DEG, ROLL_DEG = 45.0, 18.0, 12.0  # half ranges
VIEW_YAWS_DEG = (-50.0, -25.0, 0.0, 25.0, 50.0)


@dataclass(frozen=True)
class Scene:
    """Everything about a picture but the person and the expression."""

    yaw_deg: float  # the head turns to its left
    pitch_deg: float  # and down
    roll_deg: float  # and tilts to its left shoulder
    focal_px: float
    fill: float  # share of the picture's height that the face takes, which says how far away it is
    shift: tuple[float, float]  # of the face from the middle, in shares of the picture: right, down
    lights: Lights
    blur_px: float  # standard deviation of the lens' blur
    noise: float  # standard deviation of the sensor's noise, in bytes
    seed: int  # of the backdrop and the noise
    size: int = SIZE

    @property
    def distance_m(self) -> float:
        """From the camera to the head."""
        return self.focal_px * FACE_HEIGHT_M / (self.fill * self.size)


def random_scene(rng: np.random.Generator, *, size: int = SIZE) -> Scene:
    """A portrait as anybody may take it."""
    low, high = FOCAL_OVER_SIDE
    return Scene(
        yaw_deg=float(rng.uniform(-YAW_DEG, YAW_DEG)),
        pitch_deg=float(rng.uniform(-PITCH_DEG, PITCH_DEG)),
        roll_deg=float(rng.uniform(-ROLL_DEG, ROLL_DEG)),
        focal_px=float(size * low * (high / low) ** rng.uniform()),
        fill=float(rng.uniform(*FILL)),
        shift=(float(rng.uniform(-0.08, 0.08)), float(rng.uniform(-0.06, 0.06))),
        lights=random_lights(rng),
        blur_px=float(rng.uniform(0, 1.0)),
        noise=float(rng.uniform(0, 6)),
        seed=int(rng.integers(1 << 31)),
        size=size,
    )


def random_views(rng: np.random.Generator, *, size: int = SIZE) -> list[Scene]:
    """One person in one light from five sides, one lens, a hand that is not steady."""
    first = random_scene(rng, size=size)
    return [
        replace(
            first,
            yaw_deg=yaw + float(rng.uniform(-4, 4)),
            pitch_deg=float(rng.uniform(-8, 8)),
            roll_deg=float(rng.uniform(-6, 6)),
            fill=float(np.clip(first.fill * rng.uniform(0.9, 1.1), *FILL)),
            shift=(float(rng.uniform(-0.06, 0.06)), float(rng.uniform(-0.05, 0.05))),
            seed=int(rng.integers(1 << 31)),
        )
        for yaw in VIEW_YAWS_DEG
    ]


def random_lights(rng: np.random.Generator) -> Lights:
    """A key lamp from anywhere before the face, a weaker second, one from behind, and a sky; warm or cold each."""
    side = rng.uniform(-75, 75)
    key = _towards(side, rng.uniform(-5, 60))
    second = _towards(-np.sign(side) * rng.uniform(20, 100), rng.uniform(-20, 40))
    behind = _towards(rng.choice([-1, 1]) * rng.uniform(120, 160), rng.uniform(10, 50))
    share = rng.uniform(0.35, 0.8)  # of the light that comes from the key lamp
    exposure = rng.uniform(0.85, 1.25)
    sky = _tint(rng, 0.06) * (1 - share) * 0.9 * exposure
    return Lights(
        directions=(key, second, behind),
        colours=(
            tuple(_tint(rng, 0.10) * share * 1.5 * exposure),
            tuple(_tint(rng, 0.12) * rng.uniform(0.05, 0.4) * exposure),
            tuple(_tint(rng, 0.12) * rng.uniform(0, 0.6)),
        ),
        sky=tuple(sky),
        ground=tuple(sky * _tint(rng, 0.08) * rng.uniform(0.3, 0.7)),
    )


def _towards(azimuth_deg: float, elevation_deg: float) -> tuple[float, float, float]:
    a, e = np.radians([azimuth_deg, elevation_deg])
    return (float(np.sin(a) * np.cos(e)), float(np.sin(e)), float(np.cos(a) * np.cos(e)))


def _tint(rng: np.random.Generator, sd: float) -> np.ndarray:
    """A colour [3] round white, warmer or colder."""
    warm = rng.normal(0, sd)
    return np.clip([1 + warm, 1.0, 1 - warm], 0.3, 1.7)
