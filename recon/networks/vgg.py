"""VGG-16 and VGG-19 without normalisation (Simonyan and Zisserman 2015, columns D and E) under torchvision's names.

`features.N` count convolutions, rectifiers and pools alike. The classifier stays in the file: losses look at maps.
"""

from __future__ import annotations

from torch import Tensor, nn

from flame_tools.errors import InputError
from recon.networks.resnet import checked_images

STAGES = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}  # convolutions before each pool
_WIDTHS = (64, 128, 256, 512, 512)
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of RGB in [0, 1], as torchvision standardises


class Vgg(nn.Module):
    def __init__(self, depth: int = 16):
        super().__init__()
        if depth not in STAGES:
            raise InputError(f"there is no VGG of {depth} layers here; choose {' or '.join(map(str, STAGES))}")
        self.depth = depth
        layers: list[nn.Module] = []
        self._names: dict[str, int] = {}  # relu3_2 -> its number in features
        before = 3
        for stage, (width, count) in enumerate(zip(_WIDTHS, STAGES[depth], strict=True), 1):
            for i in range(1, count + 1):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                self._names[f"relu{stage}_{i}"] = len(layers) - 1
                before = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the rectified maps, the first first."""
        return tuple(self._names)

    def forward(self, images: Tensor, wanted: tuple[str, ...]) -> dict[str, Tensor]:
        """Images [B, 3, H, W] RGB in [0, 1] -> maps [B, C, h, w] by name (relu1_1 ...), each side halved by stages."""
        if unknown := [name for name in wanted if name not in self._names]:
            raise InputError(f"VGG-{self.depth} has no maps {unknown}; it has {', '.join(self._names)}")
        x = (checked_images(images) - images.new_tensor(MEAN)[:, None, None]) / images.new_tensor(SD)[:, None, None]
        names = {self._names[name]: name for name in wanted}
        out: dict[str, Tensor] = {}
        for number, layer in enumerate(self.features[: max(names) + 1]):
            x = layer(x)
            if number in names:
                out[names[number]] = x
        return {name: out[name] for name in wanted}
