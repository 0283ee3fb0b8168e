"""Faces on the stage where the bundled readers learnt to read: what is said and felt, without pose or photo.

The bundled readers were taught drawn faces (`readers.stage`), so both faces are drawn there, each on its own person's
build, from the front. The true face must be known as parameters: of made crops it is, of a corpus it was fitted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import InputError
from flame_tools.head import Head
from flame_tools.types import FaceParams
from readers.coarse import coarse
from readers.emotion import load_emotion_reader
from readers.mouth import load_mouth_reader
from readers.stage import VIEWS, Stage
from readers.variation import Variation
from recon.losses.features import feature_loss

MEASURES = {"mouth": "cosine", "face": "square"}  # as `lipread` and `emotion` have them


class StagedLoss:
    """How differently a bundled reader sees two faces: lips in the view "mouth", emotion in "face"."""

    def __init__(self, head: Head, view: str, *, measure: str | None = None):  # None: MEASURES[view]
        if view not in MEASURES:
            raise InputError(f"nothing reads the view {view!r} of a stage; choose {' or '.join(VIEWS)}")
        self.stage = Stage(coarse(head), view)
        reader = load_mouth_reader() if view == "mouth" else load_emotion_reader()
        self.reader, self.measure = reader.requires_grad_(False), MEASURES[view] if measure is None else measure

    def __call__(
        self,
        found: FaceParams,  # [N]
        wanted: FaceParams,  # [N]
    ) -> Tensor:
        with torch.no_grad():
            aim = self.features(wanted)
        return feature_loss(self.features(found), aim, measure=self.measure)

    def features(self, face: FaceParams) -> Tensor:
        """[N, width] of single pictures. Differentiable in all but the person's build, which frames the picture."""
        return self.reader(self.pictures(face)[:, None]).features.flatten(1)

    def pictures(self, face: FaceParams) -> Tensor:
        """[N, size, size] grey in [0, 1]."""
        vertices = self.stage.vertices(face)
        return self.stage(vertices, self.stage.framing(face.shape.detach()), Variation.soft(len(vertices)).to(vertices))
