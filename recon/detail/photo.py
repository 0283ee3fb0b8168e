"""The folds of a face in a photo: the fitted head's sheet filled from the picture, and read by recon-detail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams
from recon.detail.network import DetailNetwork, load_detail
from recon.detail.sheet import Sheet, sheet_of, strain, surface_of
from recon.detail.shown import Shown, channels
from recon.texture.fusion import skin_in
from recon.texture.posed_view import PosedView, sampled


@dataclass(frozen=True, eq=False)
class Detail:
    """Heights over the whole UV of a head, [ATLAS, ATLAS] float32 metres along the normal, row 0 at v = 1."""

    shown: np.ndarray  # with the picture's expression
    rest: np.ndarray  # without
    sd: np.ndarray  # how far `shown` may be off


@lru_cache(maxsize=1)
def bundled_detail() -> DetailNetwork:
    return load_detail()


def network_of(head: Head) -> DetailNetwork:
    """The bundled network. Raises InputError for a head that it does not know."""
    net = bundled_detail()
    if net.config.head_id != head.arrays.id:
        raise InputError(
            f"recon-detail knows the head {net.config.head_id!r}, not {head.arrays.id!r}; leave the detail out"
        )
    return net


def detail_of(view: PosedView, head: Head, params: FaceParams, net: DetailNetwork | None = None) -> Detail:
    """The relief that a view shows of a face with `params` (one frame), by the bundled network where none is given."""
    net = network_of(head) if net is None else net
    return read(shown_in(view, head, params), sheet_of(head.arrays), net)


def read(shown: Shown, sheet: Sheet, net: DetailNetwork) -> Detail:
    """What a network reads on a sheet."""
    told = torch.from_numpy(channels(shown, sheet))[None]
    with torch.no_grad():
        found = net(told)
    maps = (found.shown, found.rest, torch.exp(0.5 * found.logvar))
    heights, rest, sd = (sheet.in_atlas(0.001 * m[0].numpy() * sheet.area) for m in maps)
    return Detail(heights, rest, sd)


def shown_in(view: PosedView, head: Head, params: FaceParams) -> Shown:
    """The sheet of a fitted face as a view shows it; directions in the camera's axes, y up, z towards it."""
    sheet, arrays = sheet_of(head.arrays), head.arrays
    with torch.no_grad():
        face = params.in_head_frame()
        calm = FaceParams.neutral(head).replace(shape=params.shape)
        rest, posed = (head.vertices(p).numpy().astype(np.float64) for p in (calm, face))
    look = sampled(view, arrays, sheet.face)
    _, _, bare = skin_in(look, sheet.face)
    here = surface_of(sheet, view.vertices, arrays.faces)
    pulled = strain(surface_of(sheet, rest, arrays.faces), surface_of(sheet, posed, arrays.faces))
    turn = np.float32(np.diag([1.0, -1.0, -1.0]) @ np.asarray(view.camera.world_to_camera)[:3, :3])
    return Shown(
        sheet.map(look.colours), sheet.map(look.normals) @ turn.T, sheet.map(look.seen * bare), sheet.map(look.scale),
        pulled, here.axes @ turn.T,
    )  # fmt: skip
