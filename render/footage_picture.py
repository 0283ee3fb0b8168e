"""One decoded frame to pixels: colours by the file's own matrix and range, square pixels, upright, no combs."""

from __future__ import annotations

import numpy as np

from render.footage_frame import MAX_PIXELS

_MATTE = 255  # what shows through transparent pixels, as in render.image
_FULL, _LIMITED = 2, 1  # AVCOL_RANGE_JPEG, AVCOL_RANGE_MPEG (FFmpeg, libavutil/pixfmt.h)
_RGB = 0  # AVCOL_SPC_RGB
# AVColorSpace -> swscale's SWS_CS_* (libswscale/swscale.h): 709, FCC, 470BG and 170M (both BT.601), 240M, 2020
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_BT601, _BT709 = 5, 1
HD_LINES = 720  # from here on a file that names no matrix means BT.709, below BT.601, as players hold it


class Pictures:
    """Frames of one stream to uint8 sRGB [H, W, 3], all of the first one's size."""

    def __init__(self, stream):
        ratio = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
        self.squeeze = float(ratio) if ratio and 0.1 < ratio < 10 else 1.0
        self.size = None

    def __call__(self, frame) -> np.ndarray:
        if self.size is None:
            width = max(1, round(frame.width * self.squeeze))
            self.size = (width if width * frame.height <= MAX_PIXELS else frame.width, frame.height)
        planar = frame.format.is_rgb or frame.colorspace == _RGB
        wide = "rgba" if _has_alpha(frame.format) else "rgb24"
        options = {}
        if not planar:
            guess = _BT709 if frame.height >= HD_LINES else _BT601
            options["src_colorspace"] = _MATRICES.get(frame.colorspace, guess)
            full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
            options["src_color_range"] = _FULL if full else _LIMITED
            options["dst_color_range"] = _FULL
        width, height = self.size
        picture = frame.reformat(width=width, height=height, format=wide, threads=1, **options).to_ndarray()
        if wide == "rgba":
            picture = _over_matte(picture)
        if frame.interlaced_frame:
            picture = _first_field(picture)
        return upright(picture, _display_matrix(frame))


def _has_alpha(form) -> bool:
    return any(component.is_alpha for component in form.components) or form.has_palette


def _over_matte(picture: np.ndarray) -> np.ndarray:
    alpha = picture[..., 3:]
    if alpha.min() == 255:
        return np.ascontiguousarray(picture[..., :3])
    share = alpha.astype(np.uint16)
    mixed = picture[..., :3] * share + _MATTE * (255 - share).astype(np.uint16)
    return ((mixed + 127) // 255).astype(np.uint8)


def _first_field(picture: np.ndarray) -> np.ndarray:
    """The even lines, and between them their mean: two moments in one picture would comb what moves."""
    out = picture.copy()
    even = picture[::2].astype(np.uint16)
    below = np.concatenate([even[1:], even[-1:]])[: len(picture[1::2])]
    out[1::2] = (even[: len(below)] + below + 1) // 2
    return out


def _display_matrix(frame) -> np.ndarray | None:
    """[9] 16.16 numbers (ISO/IEC 14496-12, 8.3.2), or None where the frame is to be shown as it is."""
    for data in frame.side_data:
        if getattr(data.type, "name", "") == "DISPLAYMATRIX":
            raw = bytes(data)
            return np.frombuffer(raw[:36], np.int32).astype(np.float64) if len(raw) >= 36 else None
    return None


def upright(picture: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Turn and mirror a picture as a display matrix [a b u, c d v, x y w] says: x' = a x + c y, y' = b x + d y.

    Any angle is taken to the nearest quarter turn.
    """
    if matrix is None:
        return np.ascontiguousarray(picture)
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        across, down = a, d
    else:
        picture = picture.transpose(1, 0, 2)
        across, down = c, b
    if across < 0:
        picture = picture[:, ::-1]
    if down < 0:
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
