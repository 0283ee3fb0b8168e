"""A face looked at twice, as it is and in a mirror: the mean of both errs less, and a mirrored photo gives a mirrored
face."""

from __future__ import annotations

import torch
from torch import Tensor

from flame_tools.errors import InputError
from flame_tools.kept import kept_with_head
from flame_tools.types import HeadArrays
from recon.learned.mirror import Mirror
from recon.learned.regressor import Estimate, Regressor

_POSE = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0)  # what a mirror makes of Estimate.pose


class Twice:
    """A Regressor that looks at the mirror image of each crop too."""

    def __init__(self, net: Regressor, mirror: Mirror):
        self.net, self.mirror, self.scale = net, mirror, net.scale

    def __call__(self, pictures: Tensor, marks: Tensor) -> Estimate:
        mirror = self.mirror
        both = self.net(torch.cat([pictures, pictures.flip(-1)]), torch.cat([marks, mirror.in_crop(marks)]))
        facing = mirror.marks[: both.marks.shape[1]]

        def mean(values: Tensor, mirrored) -> Tensor:
            seen, reflected = values.chunk(2)
            return (seen + mirrored(reflected)) / 2

        return Estimate(
            mean(both.face, mirror.face),
            mean(both.face_logvar, lambda values: values[:, mirror.order]),
            both.turn.chunk(2)[0],  # the other's is its mirror image
            mean(both.pose, lambda values: values * values.new_tensor(_POSE)),
            mean(both.pose_logvar, lambda values: values),
            mean(both.marks, mirror.in_crop),
            mean(both.marks_logvar, lambda values: values[:, facing]),
        )


def twice(net: Regressor, head: HeadArrays) -> Twice | Regressor:
    """`net` that looks twice, or as it is where the head's components have no mirror image."""
    mirror = _mirror_of(head)
    return net if mirror is None else Twice(net, mirror)


@kept_with_head
def _mirror_of(head: HeadArrays) -> Mirror | None:
    try:
        return Mirror(head)
    except InputError:
        return None
