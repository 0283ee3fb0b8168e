"""Spaces of face textures in FLAME's UV: FLAME_texture.npz, the Basel Face Model's, and AlbedoMM's.

All three store blue first. FLAME's (`mean`, `tex_dir`) counts to 255, the Basel one (`MU`, `PC`, of BFM_to_FLAME) to 1;
both are sRGB. AlbedoMM (`MU`, `PC`, `specMU`, `specPC`; Smith et al., CVPR 2020) counts linear light to 1 and has a
specular part. A coefficient of 1 is one standard deviation.
"""

from __future__ import annotations

import dataclasses
import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flame_tools.archive import opened_zip
from flame_tools.errors import FormatError, ShapeError
from flame_tools.files.npy import fill, read_npy_header
from flame_tools.srgb import encoded
from flame_tools.types import Appearance, Track

MAX_BYTES = 8 << 30  # of a file unpacked; it is read a little at a time and never held
_BLOCK = 1 << 22  # bytes of a file in memory at once


@dataclass(frozen=True)
class _Kind:
    mean: str
    basis: str
    scale: float
    linear: bool
    licence: str


_FLAME = _Kind(
    "mean",
    "tex_dir",
    1 / 255,
    False,
    "FLAME texture licence, non-commercial (https://flame.is.tue.mpg.de/texturelicense.html)",
)
_BASEL = _Kind("MU", "PC", 1.0, False, "Basel Face Model licence, non-commercial (https://faces.dmi.unibas.ch/bfm)")
_ALBEDOMM = _Kind("MU", "PC", 1.0, True, "AlbedoMM, academic research only (https://github.com/waps101/AlbedoMM)")


@dataclass(frozen=True)
class TextureSpace:
    """Textures [H, W, 3] as a mean and K directions, red first, row 0 at v = 1."""

    mean: np.ndarray  # [H, W, 3] float32 in [0, 1]
    basis: np.ndarray  # [H, W, 3, K] float32 per standard deviation
    specular_mean: np.ndarray  # [H, W, 3] float32, linear; [0, 0, 3] where the space has none
    specular_basis: np.ndarray  # [H, W, 3, K] float32
    linear: bool  # whether mean and basis are linear light; sRGB where not
    licence: str

    @property
    def components(self) -> int:
        return self.basis.shape[-1]

    def albedo(self, coefficients: Sequence[float] | np.ndarray = ()) -> np.ndarray:
        """The diffuse texture uint8 sRGB [H, W, 3] of coefficients [at most K] in standard deviations."""
        colour = self._sum(self.mean, self.basis, coefficients)
        return np.rint(255 * (encoded(colour) if self.linear else colour)).astype(np.uint8)

    def specular(self, coefficients: Sequence[float] | np.ndarray = ()) -> np.ndarray:
        """The specular texture float32 [H, W, 3] in linear [0, 1]; [0, 0, 3] where the space has none."""
        return self._sum(self.specular_mean, self.specular_basis, coefficients)

    def _sum(self, mean: np.ndarray, basis: np.ndarray, coefficients: Sequence[float] | np.ndarray) -> np.ndarray:
        weights = np.asarray(coefficients, np.float32)
        if weights.ndim != 1 or len(weights) > self.components or not np.isfinite(weights).all():
            raise ShapeError(f"coefficients are {list(weights.shape)}, wanted at most {self.components} finite numbers")
        return np.clip(mean + basis[..., : len(weights)] @ weights, 0, 1)


def read_texture_space(
    path: str | os.PathLike,
    *,
    components: int = 50,  # the first so many, or all where the file has fewer
    size: int = 512,  # pixels; a divisor of the file's own, or that
    licence: str | None = None,  # None: what the kind of file is known by
) -> TextureSpace:
    """A texture space from one of the published npz files.

    Memory is what the result takes: 12 bytes x size x size x (components + 1), twice for AlbedoMM. Raises FormatError
    where the file is no texture space.
    """
    path = Path(path)
    if not path.is_file():
        raise FormatError(f"{path} is not a file; check the name")
    if components < 0 or size < 1:
        raise ShapeError(f"{components} components of {size} pixels make no textures; wanted 0 or more, and 1 or more")
    with opened_zip(path, "texture space", MAX_BYTES) as archive:
        names = {info.filename.removesuffix(".npy") for info in archive.infolist()}
        specular = {"specMU", "specPC"} <= names
        kind = _ALBEDOMM if specular else _FLAME if "tex_dir" in names else _BASEL
        if not {kind.mean, kind.basis} <= names:
            raise FormatError(f"{path} has neither `mean` and `tex_dir` nor `MU` and `PC`; it is no texture space")

        def read(mean: str, basis: str) -> tuple[np.ndarray, np.ndarray]:
            return (
                _pictures(archive, mean, path, size, 1, kind.scale)[..., 0],
                _pictures(archive, basis, path, size, components, kind.scale),
            )

        parts = read(kind.mean, kind.basis)
        empty = np.zeros((0, 0, 3), np.float32), np.zeros((0, 0, 3, parts[1].shape[-1]), np.float32)
        shine = read("specMU", "specPC") if specular else empty
    if specular and shine[1].shape != parts[1].shape:
        raise FormatError(f"{path} has {parts[1].shape[-1]} diffuse and {shine[1].shape[-1]} specular components")
    return TextureSpace(*parts, *shine, linear=kind.linear, licence=licence or kind.licence)


def paint(track: Track, space: TextureSpace, coefficients: Sequence[float] | np.ndarray = ()) -> Track:
    """The track with a texture of the space, and its licence. Its head needs FLAME's UV (head_template.obj)."""
    appearance = dataclasses.replace(track.appearance or Appearance(), albedo=space.albedo(coefficients))
    return track.replace(appearance=appearance, licences=tuple(dict.fromkeys((*track.licences, space.licence))))


def _pictures(
    archive: zipfile.ZipFile, name: str, path: Path, size: int, components: int, scale: float
) -> np.ndarray:  # [size, size, 3, at most components] float32, red first
    """The first components of a member [H, W, 3(, K)] or [H W 3(, K)], scaled down, without holding the whole."""
    info = archive.getinfo(f"{name}.npy")
    with archive.open(info) as stream:
        shape, fortran, dtype, start = read_npy_header(stream)
        single = len(shape) in (1, 3)
        pixels = math.prod(shape if single else shape[:-1])
        own = math.isqrt(pixels // 3)
        total = 1 if single else shape[-1]
        square = 3 * own * own == pixels and shape[: 3 if len(shape) > 2 else 1] in ((own, own, 3), (pixels,))
        if dtype.kind != "f" or not square or not total or not own:
            raise FormatError(f"{path}: {name} is {dtype} {list(shape)}, wanted square pictures of floats")
        if info.file_size - start != pixels * total * dtype.itemsize:
            raise FormatError(f"{path}: {name} has not the {pixels * total} numbers that its shape says")
        if own % size:
            raise FormatError(f"{path} has pictures of {own} pixels, which {size} does not divide; choose another size")
        step, kept = own // size, min(components, total)
        result = np.zeros((size, size, 3, kept), np.float32)
        if fortran and not single:  # one component after another
            plane = np.empty(pixels, dtype)
            for k in range(kept):
                fill(plane, stream)
                whole = plane.reshape(shape[:-1], order="F").reshape(size, step, size, step, 3)
                result[..., ::-1, k] = whole.mean((1, 3), dtype=np.float64)
        else:
            rows = max(1, _BLOCK // (own * 3 * total * dtype.itemsize * step))  # of the result at once
            for first in range(0, size, rows):
                count = min(rows, size - first)
                block = np.empty(count * step * own * 3 * total, dtype)
                fill(block, stream)
                block = block.reshape(count, step, size, step, 3, total)[..., :kept]
                result[first : first + count, :, ::-1] = block.mean((1, 3), dtype=np.float64)
    if not np.isfinite(result).all():
        raise FormatError(f"{path}: {name} holds NaN or infinite values")
    result *= np.float32(scale)
    return result
