"""Which picture a Track's texture was taken from."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from flame_tools.types import Track

Picture = str | os.PathLike | np.ndarray  # a file, or uint8 [H, W, 3] sRGB


def taken_from(source: Picture | Sequence[Picture], track: Track) -> tuple[int, np.ndarray]:
    """The frame of a track that has its texture, else its first, and its picture uint8 [H, W, 3].

    `source` is what the track was made of: a photo, several, a film.
    """
    from render.footage import is_film, open_footage
    from render.image import read_image

    number = track.provenance.get("texture_from", track.provenance.get("first_frame", 0))
    if isinstance(source, (str, os.PathLike)) and is_film(source):
        return number - track.provenance["first_frame"], next(open_footage(source).frames(number)).image
    if not isinstance(source, (str, os.PathLike, np.ndarray)):
        source = source[number]
    return number, source if isinstance(source, np.ndarray) else read_image(source)
