"""One face of a corpus: its crop, what was read of it and fitted to it, as members of a tar and back.

    KEY.jpg              the middle TIGHT (recon.learned.crop) of the reader's crop, upright along the eyes
    KEY.json             source, subject, split, labels, camera, crop, quality
    KEY.landmarks.npy    float32 [478, 3] as MediaPipe's networks read them, ten points of the irises last (z = 0)
    KEY.params.npy       float32 [2, P] the fields of FaceParams in their order, and their standard deviations
    KEY.placed.npy       float32 [468, 3] where the landmarks were taken to be for the fit, and each one's deviation

Landmarks are in crop units: shares of the side of the reader's crop, right and down, as in recon.synthetic.crops.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from flame_tools.errors import FormatError
from flame_tools.files.npy import read_npy
from flame_tools.types import Camera, FaceParams
from readers.sampling import Square
from recon.learned.regressor import MARKS

FORMAT, VERSION = "emberface.corpus", 1
ENDINGS = ("jpg", "json", "landmarks.npy", "params.npy", "placed.npy")
MOST_PIXELS = 2048  # a side
_OTHERS = {"global_rotation": (3,), "neck": (3,), "jaw": (3,), "eyes": (2, 3), "eyelids": (2,), "translation": (3,)}
_LARGEST_COMPONENTS = 4096
_JPEG = {"quality": 95, "subsampling": 0}


@dataclass(frozen=True)
class Sample:
    """One face."""

    key: str
    picture: np.ndarray  # uint8 [P, P, 3] sRGB
    landmarks: np.ndarray  # float32 [478, 3] crop units
    placed: np.ndarray  # float32 [468, 3] crop units: x, y and deviation (NaN where the reader does not tell)
    params: FaceParams  # of one face, without leading dimensions
    std: FaceParams  # likewise; NaN where a picture tells nothing
    camera: Camera  # of the picture that the crop was cut from
    crop: Square  # the reader's crop in that picture, pixels
    quality: float  # in [0, 1]
    subject: str
    split: str
    facts: dict  # the whole of the JSON: source, labels, frame, figures


def jpeg_of(picture: np.ndarray) -> bytes:
    """The same bytes for the same pixels, of one version of Pillow."""
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", **_JPEG)
    return packed.getvalue()


def members_of(sample: Sample, jpeg: bytes) -> dict[str, bytes]:
    """A sample's members by ending; `jpeg` holds its picture."""
    facts = {
        **sample.facts,
        "format": FORMAT,
        "version": VERSION,
        "subject": sample.subject,
        "split": sample.split,
        "quality": round(sample.quality, 4),
        "components": [sample.params.shape.shape[-1], sample.params.expression.shape[-1]],
        "camera": {
            "focal": np.asarray(sample.camera.focal).tolist(),
            "centre": np.asarray(sample.camera.centre).tolist(),
            "size": list(sample.camera.size),
        },
        "crop": [sample.crop.x, sample.crop.y, sample.crop.size, sample.crop.angle],
    }
    return {
        "jpg": jpeg,
        "json": json.dumps(facts, sort_keys=True, ensure_ascii=True).encode(),
        "landmarks.npy": _npy(sample.landmarks),
        "params.npy": _npy(np.stack([_flat(sample.params), _flat(sample.std)])),
        "placed.npy": _npy(sample.placed),
    }


def sample_of(key: str, members: Mapping[str, bytes]) -> Sample:
    """The sample that members make. Raises FormatError where they make none."""
    missing = [ending for ending in ENDINGS if ending not in members]
    if missing:
        raise FormatError(f"{key} lacks {', '.join(missing)}; build its shard again")
    facts = _facts(key, members["json"])
    shape, expression = facts["components"]
    params = _array(key, "params.npy", members, (2, shape + expression + sum(map(math.prod, _OTHERS.values()))))
    camera, crop = facts["camera"], facts["crop"]
    return Sample(
        key=key,
        picture=_picture(key, members["jpg"]),
        landmarks=_array(key, "landmarks.npy", members, (MARKS, 3)),
        placed=_array(key, "placed.npy", members, (468, 3)),
        params=_params(params[0], shape, expression),
        std=_params(params[1], shape, expression),
        camera=Camera(np.array(camera["focal"]), np.array(camera["centre"]), tuple(camera["size"])),
        crop=Square(*crop),
        quality=facts["quality"],
        subject=facts["subject"],
        split=facts["split"],
        facts=facts,
    )


def _facts(key: str, text: bytes) -> dict:
    """The JSON, with what `sample_of` relies on."""
    try:
        facts = json.loads(text)
        version = facts["version"]
        whole = facts["format"] == FORMAT and isinstance(version, int)
        camera, crop = facts["camera"], facts["crop"]
        numbers = [*camera["focal"], *camera["centre"], *crop, facts["quality"]]
        whole &= [len(camera["focal"]), len(camera["centre"]), len(crop)] == [2, 2, 4]
        whole &= all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers)
        whole &= min(*camera["focal"], crop[2]) > 0
        counts = [*facts["components"], *camera["size"]]
        whole &= len(counts) == 4 and all(type(n) is int and 0 <= n <= 1 << 20 for n in counts)
        whole &= max(facts["components"]) <= _LARGEST_COMPONENTS
        whole &= isinstance(facts["subject"], str) and isinstance(facts["split"], str)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        whole, version = False, VERSION
    if not whole:
        raise FormatError(f"{key}.json is not that of a face of a corpus; build its shard again")
    if not 1 <= version <= VERSION:
        raise FormatError(f"{key} has version {version}, this release reads up to {VERSION}; upgrade emberface")
    return facts


def _picture(key: str, jpeg: bytes) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
            if picture.width != picture.height or not 1 <= picture.width <= MOST_PIXELS:
                raise ValueError(f"{picture.width} x {picture.height} pixels")
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError) as error:
        raise FormatError(f"{key}.jpg is no square picture up to {MOST_PIXELS} pixels a side ({error})") from None


def _array(key: str, ending: str, members: Mapping[str, bytes], shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = read_npy(io.BytesIO(members[ending]), len(members[ending]))
    except FormatError as error:
        raise FormatError(f"{key}.{ending} holds {error}") from None
    if array.shape != shape or array.dtype != np.float32:
        raise FormatError(f"{key}.{ending} is {array.dtype} {list(array.shape)}, wanted float32 {list(shape)}")
    return array


def _npy(array: np.ndarray) -> bytes:
    packed = io.BytesIO()
    np.lib.format.write_array(packed, np.ascontiguousarray(array, np.float32), allow_pickle=False)
    return packed.getvalue()


def _flat(params: FaceParams) -> np.ndarray:
    return torch.cat([getattr(params, f.name).flatten() for f in dataclasses.fields(FaceParams)]).float().numpy()


def _params(flat: np.ndarray, shape: int, expression: int) -> FaceParams:
    tails = {"shape": (shape,), "expression": (expression,), **_OTHERS}
    ends = np.cumsum([math.prod(tail) for tail in tails.values()])
    parts = np.split(flat, ends[:-1])
    return FaceParams(
        **{name: torch.as_tensor(p).reshape(t) for (name, t), p in zip(tails.items(), parts, strict=True)}
    )
