"""TensorBoard's files of a run: losses, rate and pictures. Without the package a run goes on and says so once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from numbers import Real
from pathlib import Path

import numpy as np

_log = logging.getLogger(__name__)


class Board:
    """Where figures and pictures of a run go; without a writer nowhere."""

    def __init__(self, writer=None):
        self._writer = writer

    @property
    def active(self) -> bool:
        return self._writer is not None

    def scalars(self, step: int, row: dict) -> None:
        """Figures by name; what is no number is left out."""
        for name, value in row.items():
            if self.active and isinstance(value, Real):
                self._writer.add_scalar(name, value, step)

    def picture(self, step: int, pixels: np.ndarray) -> None:
        """A picture [H, W, 3] uint8."""
        if self.active:
            self._writer.add_image("sheet", pixels, step, dataformats="HWC")


@contextlib.contextmanager
def board_in(folder: Path, step: int, *, active: bool) -> Iterator[Board]:
    """The board in `folder/tensorboard`, going on at `step`: what an earlier start wrote from there on is hidden."""
    writer = _writer(folder / "tensorboard", step) if active else None
    try:
        yield Board(writer)
    finally:
        if writer is not None:
            writer.close()


def _writer(folder: Path, step: int):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _log.warning("no TensorBoard here: losses go to log.jsonl alone; pip install 'emberface[train]' brings it")
        return None
    return SummaryWriter(str(folder), purge_step=step + 1)
