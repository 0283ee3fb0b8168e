"""Backbones against what torchvision, timm and insightface make of the same weights (golden.py), and own rules."""

import pytest
import torch
from torch.nn import functional

from flame_tools.errors import FormatError, InputError, ShapeError
from recon.networks.mica import ArcFace
from recon.networks.mobilenet_v2 import MobileNetV2
from recon.networks.mobilenet_v3 import MobileNetV3, SameConv2d, from_torchvision, torchvision_names
from recon.networks.regressor import Regressor
from recon.networks.resnet import ResNet50
from tests.recon.networks.golden import PEERS, digest, filled, pictures, said, sketch, weights

NETWORKS = {
    "resnet50": lambda: ResNet50(classes=1000),
    "mobilenet_v2": MobileNetV2,
    "tf_minimal_small": lambda: MobileNetV3("small"),
    "tf_minimal_large": lambda: MobileNetV3("large"),
    "tf_small": lambda: MobileNetV3("small", minimal=False),
    "tf_large": lambda: MobileNetV3("large", minimal=False),
    "iresnet100": ArcFace,
    "regressor236": lambda: Regressor(236),
    "regressor128": lambda: Regressor(128),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_names_sizes_and_counts_are_the_peers(name):
    with torch.device("meta"):
        network = NETWORKS[name]()
    assert len(network.state_dict()) == PEERS[name]["tensors"]
    assert sum(p.numel() for p in network.parameters()) == PEERS[name]["parameters"]
    assert digest(network.state_dict()) == PEERS[name]["names"]


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v2", "iresnet100"])
@torch.no_grad()
def test_outputs_are_the_peers(name):
    images = 2 * pictures(1, 3, 112, 112) - 1 if name == "iresnet100" else pictures(1, 3, 224, 224)
    assert sketch(filled(NETWORKS[name])(images)) == said(name, "out")


@pytest.mark.parametrize("size", ["small", "large"])
@torch.no_grad()
def test_every_map_of_timms_minimal_networks(size):
    maps = filled(NETWORKS[f"tf_minimal_{size}"])(pictures(1, 3, 224, 224))
    assert [m.shape[-1] for m in maps] == [112, 56, 28, 14, 7]
    for i, found in enumerate(maps):
        assert sketch(found) == said(f"tf_minimal_{size}", str(i))


@pytest.mark.parametrize("size", ["small", "large"])
@torch.no_grad()
def test_the_last_map_of_timms_full_networks(size):
    assert sketch(filled(NETWORKS[f"tf_{size}"])(pictures(1, 3, 224, 224))[-1]) == said(f"tf_{size}", "4")


def of_torchvision(size: str) -> dict[str, torch.Tensor]:
    """The names and sizes of torchvision's file, classifier and all."""
    with torch.device("meta"):
        own = MobileNetV3(size, minimal=False, padding="symmetric").state_dict()
    theirs = {ours: name for name, ours in torchvision_names(size).items()}
    wide, inner = {"small": (576, 1024), "large": (960, 1280)}[size]
    shapes = {"classifier.0": (inner, wide), "classifier.3": (1000, inner)}
    out = {f"{theirs[n.rpartition('.')[0]]}.{n.rpartition('.')[2]}": v for n, v in own.items()}
    for name, shape in shapes.items():
        out[f"{name}.weight"], out[f"{name}.bias"] = (torch.empty(s, device="meta") for s in (shape, shape[:1]))
    return {name: torch.empty(value.shape, dtype=value.dtype) for name, value in out.items()}


@pytest.mark.parametrize("size", ["small", "large"])
@torch.no_grad()
def test_torchvisions_file_of_mobilenet_v3(size):
    file = of_torchvision(size)
    assert digest(file) == PEERS[f"tv_{size}"]["names"]
    network = MobileNetV3(size, minimal=False, padding="symmetric", epsilon=1e-3).eval()
    network.load_state_dict(from_torchvision(weights(file), size))
    assert sketch(network(pictures(1, 3, 224, 224))[-1]) == said(f"tv_{size}", "4")
    with pytest.raises(FormatError, match=r"has no features\.99\.0\.weight"):
        from_torchvision(file | {"features.99.0.weight": torch.zeros(1)}, size)


@pytest.mark.parametrize("side", [7, 8, 9, 10])
def test_same_padding_puts_the_odd_pixel_behind(side):
    layer, plain = SameConv2d(1, 1, 3, 2, bias=False), torch.nn.Conv2d(1, 1, 3, 2, bias=False)
    plain.load_state_dict(layer.state_dict())
    image = torch.rand(1, 1, side, side)
    before = 0 if side % 2 == 0 else 1
    wanted = plain(functional.pad(image, (before, 1, before, 1)))
    found = layer(image)
    assert found.shape[-1] == -(-side // 2)
    assert torch.allclose(found, wanted)


@pytest.mark.parametrize("build", [lambda: ResNet50(), MobileNetV2, lambda: MobileNetV3("small")])
def test_pictures_of_another_kind_are_refused(build):
    with torch.device("meta"):
        network = build()
    for wrong in (torch.zeros(3, 64, 64), torch.zeros(1, 1, 64, 64), torch.zeros(1, 3, 64, 64, dtype=torch.uint8)):
        with pytest.raises(ShapeError, match="wanted \\[B, 3"):
            network(wrong)


def test_an_unknown_size_is_refused():
    with pytest.raises(InputError, match="'medium'"):
        MobileNetV3("medium")
