"""A published file as a reader of faces: landmarks and pixels in, FLAME's codes and a camera of the picture out.

Each system sees the crop that it was trained on (`crop`); SPECTRE sees films, five frames at a time, and repeats the
first and the last frame beyond the ends, as its authors do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from assets.locate import sha256_of
from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import Camera
from readers.sampling import Square
from recon.fitting.evaluate import IBUG_68
from recon.networks.checkpoints import SYSTEMS, load_published
from recon.networks.codes import FlameCodes, face_params, image_camera
from recon.networks.crop import ALIGNED, MARGINS, SIZE, aligned, aligned_square, crop, face_square
from recon.networks.spectre import KERNEL

BATCH = 8  # crops that a network sees at once
_SAYS = ("shape", "expression", "global_rotation", "jaw", "camera", "eyelids")


class FaceCrop(NamedTuple):
    """One face as a network takes it."""

    pixels: Tensor  # [1, 3, 224, 224] RGB in [0, 1]
    square: Square  # where they lie in the picture
    aligned: Tensor | None  # [1, 3, 112, 112] RGB in [-1, 1], where the system wants it


@dataclass(frozen=True)
class FaceCodes:
    """What a network says of one face in a picture."""

    codes: FlameCodes  # of one face: no leading dimension; without albedo and light
    camera: Camera | None  # orthographic, of the picture; None where the numbers are no camera's


@dataclass(frozen=True)
class FaceNetwork:
    """A published network that says all of a face."""

    system: str
    network: nn.Module
    licence: str  # of the weights
    file: str  # its name
    sha256: str

    @property
    def context(self) -> int:
        """Frames on either side that a frame's codes depend on."""
        return KERNEL // 2 if self.system == "SPECTRE" else 0

    def cut(self, image: np.ndarray, landmarks: np.ndarray) -> FaceCrop:
        """A face in image uint8 [H, W, 3] sRGB by MediaPipe's landmarks [468, 2 or 3] in pixels."""
        ibug = landmarks[list(IBUG_68)]
        name = self.system.lower()
        square = face_square(landmarks if name in ("smirk", "teaser") else ibug, MARGINS[name])
        also = aligned(image, aligned_square(ibug)) if name == "emica" else None
        return FaceCrop(crop(image, square), square, also)

    def check(self, head: Head) -> None:
        """Raise InputError or ShapeError unless the head is a FLAME that has all that the network gives."""
        alike = torch.zeros(1, 3, ALIGNED, ALIGNED) if self.system == "EMICA" else None
        black = FaceCrop(torch.zeros(1, 3, SIZE, SIZE), Square(0.5, 0.5, 1.0), alike)
        face_params(self._codes([black]), head)

    def read(
        self,
        faces: Iterable[FaceCrop],  # of pictures, or the frames of a film one after the other, none left out
        size: tuple[int, int],  # width, height of the pictures
    ) -> Iterator[FaceCodes]:
        """What the network says of each face, in their order; a few are in memory at a time."""
        around = self.context
        for window in windows(faces, BATCH, around):
            codes = self._codes(window)
            for i in range(around, len(window) - around):
                one = FlameCodes(**{k: None if v is None else v[i] for k, v in vars(codes).items()})
                yield FaceCodes(one, _camera(one, window[i].square, size))

    @torch.inference_mode()
    def _codes(self, window: list[FaceCrop]) -> FlameCodes:
        """Codes [n, ...] on the CPU."""
        pixels = torch.cat([face.pixels for face in window])
        if self.system == "SPECTRE":
            codes = self.network(pixels[None])
            return FlameCodes(**{k: None if v is None else v[0] for k, v in self._kept(codes).items()})
        if self.system == "EMICA":
            return FlameCodes(**self._kept(self.network(pixels, torch.cat([face.aligned for face in window]))))
        return FlameCodes(**self._kept(self.network(pixels)))

    @staticmethod
    def _kept(codes: FlameCodes) -> dict[str, Tensor | None]:
        return {name: getattr(codes, name) for name in _SAYS}


def _camera(said: FlameCodes, square: Square, size: tuple[int, int]) -> Camera | None:
    """The picture's camera; None where codes are not finite, or the face would be turned inside out."""
    finite = all(bool(part.isfinite().all()) for part in vars(said).values() if part is not None)
    return image_camera(said.camera, square, size) if finite and said.camera[0] > 0 else None


def windows(items: Iterable[FaceCrop], count: int, around: int) -> Iterator[list[FaceCrop]]:
    """Lists of about `count` items and `around` more on either side; beyond the ends the first and last repeat.

    Without what is on either side, the lists hold every item once, in order.
    """
    held: list[FaceCrop] = []
    for item in items:
        held += [item] * (1 if held else 1 + around)
        if len(held) == count + 2 * around:
            yield held
            held = held[count:]
    held = held + held[-1:] * around
    if len(held) > 2 * around:
        yield held


def open_checkpoint(path: str | os.PathLike) -> FaceNetwork:
    """The network in a published file of DECA, EMOCA, EMICA, SMIRK, SPECTRE or TEASER: its own keys say which it is.

    Raises FormatError where it is none of them whole, InputError for MICA's, which says identity alone.
    """
    path = Path(path)
    loaded = load_published(path)
    if loaded.system.lower() not in MARGINS:
        able = ", ".join(name for name in SYSTEMS if name.lower() in MARGINS)
        raise InputError(
            f"{path} is a file of {loaded.system}, which says who somebody is, and neither pose nor camera; "
            f"give one of {able}"
        )
    return FaceNetwork(loaded.system, loaded.network, loaded.licence, path.name, sha256_of(path))
