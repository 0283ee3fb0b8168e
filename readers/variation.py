"""What differs between pictures of one face: light, complexion, camera and the picture's quality. Seeded."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, normalize

from flame_tools.rotations import matrix_from_axis_angle
from readers.surface import MATERIALS


@dataclass(frozen=True)
class Variation:
    """Of N pictures; every field has N rows."""

    turn: Tensor  # [N, 3, 3] of the head before the camera
    zoom: Tensor  # [N]
    shift: Tensor  # [N, 2] in halves of the picture, right and up
    key: Tensor  # [N, 3] unit, towards the key light, head axes
    up: Tensor  # [N, 3] unit, towards the sky
    key_strength: Tensor  # [N]
    sky_strength: Tensor  # [N]
    tones: Tensor  # [N, len(MATERIALS)] linear grey
    paint: Tensor  # [N] how strongly brows and lash lines are painted
    backdrop: Tensor  # [N] grey of what lies behind
    contrast: Tensor  # [N] factor around middle grey
    brightness: Tensor  # [N] added
    blur: Tensor  # [N] standard deviation in pixels
    noise: Tensor  # [N] standard deviation of grey
    seed: int  # of the noise

    def __len__(self) -> int:
        return len(self.zoom)

    @staticmethod
    def none(count: int) -> Variation:
        """The canonical look: light from the upper left, a middle complexion, a still camera, a clean picture."""
        one, zero = torch.ones(count), torch.zeros(count)
        key = normalize(torch.tensor([[-0.4, 0.5, 0.75]]), dim=-1)
        return Variation(
            turn=torch.eye(3).expand(count, 3, 3), zoom=one, shift=zero[:, None].expand(count, 2),
            key=key.expand(count, 3), up=torch.tensor([[0.0, 1.0, 0.0]]).expand(count, 3),
            key_strength=0.75 * one, sky_strength=0.6 * one,
            tones=torch.tensor([list(MATERIALS.values())]).expand(count, -1), paint=one, backdrop=0.35 * one,
            contrast=one, brightness=zero, blur=zero, noise=zero, seed=0,
        )  # fmt: skip

    @staticmethod
    def soft(count: int) -> Variation:
        """The canonical look a little blurred, for losses: steps of single pixels have no gradient."""
        plain = Variation.none(count)
        return dataclasses.replace(plain, blur=torch.full_like(plain.blur, 0.8))

    @staticmethod
    def random(sequences: int, frames: int, seed: int) -> Variation:
        """Of sequences * frames pictures, sequence by sequence: all frames of one share all but a tracker's tremor."""
        source = torch.Generator().manual_seed(seed)

        def normal(*size: int) -> Tensor:
            return torch.randn(sequences, *size, generator=source)

        def uniform(low: float, high: float) -> Tensor:
            middle, half = (low + high) / 2, (high - low) / 2
            return middle + half * (2 * torch.rand(sequences, generator=source) - 1)

        plain = Variation.none(sequences)
        key = normalize(torch.cat([0.9 * normal(1), 0.2 + 0.6 * normal(1), torch.ones(sequences, 1)], -1), dim=-1)
        up = normalize(plain.up + 0.3 * normal(3), dim=-1)
        tones = plain.tones * torch.exp(0.22 * normal(len(MATERIALS)))
        complexion = torch.exp(0.45 * normal(1))
        tones = torch.cat([tones[:, :2] * complexion, tones[:, 2:]], -1).clamp(max=0.95)
        each = Variation(
            turn=matrix_from_axis_angle(normal(3).clamp(-2, 2) * torch.tensor([0.07, 0.10, 0.03])),
            zoom=torch.exp(0.05 * normal().clamp(-2, 2)), shift=0.05 * normal(2).clamp(-2, 2), key=key, up=up,
            key_strength=uniform(0.35, 1.1), sky_strength=uniform(0.3, 0.9), tones=tones, paint=uniform(0.5, 1.5),
            backdrop=uniform(0.0, 0.9), contrast=uniform(0.7, 1.3), brightness=uniform(-0.12, 0.12),
            blur=uniform(0.0, 0.9), noise=uniform(0.0, 0.04), seed=seed + 1,
        )  # fmt: skip
        each = each._map(lambda value: value.repeat_interleave(frames, 0))
        tremor = 0.006 * torch.randn(sequences * frames, 2, generator=source)
        return dataclasses.replace(each, shift=each.shift + tremor)

    def clean(self) -> Variation:
        """The same face, light and camera in pictures of full quality."""
        one, zero = torch.ones_like(self.zoom), torch.zeros_like(self.zoom)
        return dataclasses.replace(self, contrast=one, brightness=zero, blur=zero, noise=zero)

    def to(self, like: Tensor) -> Variation:
        """In the type and on the device of a tensor."""
        return self._map(lambda value: value.to(like))

    def _map(self, function) -> Variation:
        fields = [f.name for f in dataclasses.fields(self) if f.name != "seed"]
        return dataclasses.replace(self, **{name: function(getattr(self, name)) for name in fields})


def finished(pictures: Tensor, variation: Variation) -> Tensor:
    """Pictures [N, H, W] as a camera delivers them: blurred, with contrast and noise, in [0, 1]."""
    pictures = pictures.to(variation.blur.dtype) if pictures.dtype != variation.blur.dtype else pictures
    if bool((variation.blur > 0).any()):
        pictures = _blurred(pictures, variation.blur)
    pictures = (pictures - 0.5) * variation.contrast[:, None, None] + (0.5 + variation.brightness)[:, None, None]
    if bool((variation.noise > 0).any()):
        source = torch.Generator().manual_seed(variation.seed)
        grain = torch.randn(pictures.shape, generator=source).to(pictures)
        pictures = pictures + variation.noise[:, None, None] * grain
    return pictures.clamp(0, 1)


def _blurred(pictures: Tensor, sd: Tensor) -> Tensor:
    """A binomial of variance 1 / 2 a pixel, mixed in by the variance that is asked for: [1 2 1] / 4 twice at most."""
    kernel = pictures.new_tensor([1.0, 2.0, 1.0]) / 4
    kernel = (kernel[:, None] * kernel)[None, None]

    def once(image: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(image[:, None], (1, 1, 1, 1), mode="replicate")
        return conv2d(padded, kernel)[:, 0]

    share = (sd.square() / 0.5).clamp(0, 2)[:, None, None]
    first = once(pictures)
    pictures = torch.lerp(pictures, first, share.clamp(max=1))
    return torch.lerp(pictures, once(first), (share - 1).clamp(min=0))
