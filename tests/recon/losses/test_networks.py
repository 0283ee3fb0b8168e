"""VGG by torchvision's names, what losses make of its maps, and files that are refused."""

import pytest
import torch

from flame_tools.errors import FormatError, InputError, ShapeError
from recon.losses.id_mrf import IdMrfLoss, id_mrf
from recon.losses.networks import load_arcface, load_vgg
from recon.losses.perceptual import PerceptualLoss
from recon.networks.vgg import Vgg
from tests.recon.losses.made import rows
from tests.recon.networks.golden import filled, pictures, weights


@pytest.mark.parametrize(
    "depth, parameters, last, fourth",
    [(16, 14_714_688, "features.28.weight", "relu4_3"), (19, 20_024_384, "features.34.weight", "relu4_4")],
)
def test_vgg_has_torchvisions_layout(depth, parameters, last, fourth):
    """Whole networks have 138,357,544 and 143,667,240 parameters, 123,642,856 of them in the classifier."""
    with torch.device("meta"):
        network = Vgg(depth)
    sizes = {name: list(value.shape) for name, value in network.state_dict().items()}
    assert sum(torch.Size(size).numel() for size in sizes.values()) == parameters
    assert parameters + 123_642_856 == {16: 138_357_544, 19: 143_667_240}[depth]
    assert sizes["features.0.weight"] == [64, 3, 3, 3] and sizes[last] == [512, 512, 3, 3]
    blocks = [i for i, layer in enumerate(network.features) if isinstance(layer, torch.nn.MaxPool2d)]
    assert blocks == {16: [4, 9, 16, 23, 30], 19: [4, 9, 18, 27, 36]}[depth]
    assert fourth in network.maps and network.maps[0] == "relu1_1"


@pytest.fixture(scope="module")
def vgg():
    return filled(lambda: Vgg(16))


def test_maps_are_what_the_layers_say(vgg):
    image = pictures(1, 3, 16, 16)
    maps = vgg(image, ("relu2_2", "relu1_1"))
    assert list(maps) == ["relu2_2", "relu1_1"] and maps["relu2_2"].shape == (1, 128, 8, 8)
    mean, sd = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = (image - mean[:, None, None]) / sd[:, None, None]
    torch.testing.assert_close(maps["relu2_2"], vgg.features[:9](x))
    torch.testing.assert_close(maps["relu1_1"], vgg.features[:2](x))
    with pytest.raises(InputError, match="relu3_4"):
        vgg(image, ("relu3_4",))
    with pytest.raises(InputError, match="16 or 19"):
        Vgg(11)


def test_perceptual(vgg):
    loss = PerceptualLoss(vgg, size=None)
    photo = pictures(1, 3, 32, 32)
    assert loss(photo, photo) == 0 and not any(p.requires_grad for p in loss.parameters())
    found = (0.5 * photo + 0.2).requires_grad_()
    value = loss(found, photo)
    (gradient,) = torch.autograd.grad(value, found)
    assert value > 0 and gradient.isfinite().all() and gradient.abs().max() > 0
    a, b = vgg(found, loss.maps), vgg(photo, loss.maps)
    torch.testing.assert_close(
        value, sum((a[n] - b[n]).abs().mean() for n in ("relu1_2", "relu2_2", "relu3_3", "relu4_3"))
    )
    sized = PerceptualLoss(vgg, size=16)
    half = torch.nn.functional.interpolate(found, (16, 16), mode="bilinear"), pictures(1, 3, 32, 32)
    assert sized(found, half[1]) > 0
    with pytest.raises(ShapeError, match="twice"):
        loss(photo, photo[..., :16])


def test_id_mrf_by_hand_and_by_its_gradient():
    found, wanted = rows(2, 3, 2, 3).requires_grad_(), rows(2, 3, 2, 3, seed=1)
    assert torch.autograd.gradcheck(lambda a: id_mrf(a, wanted), found)
    mean = wanted.mean(1, keepdim=True)
    expected = []
    for f, w in zip(found - mean, wanted - mean, strict=True):
        f, w = ([maps[:, y, x] for y in range(2) for x in range(3)] for maps in (f, w))
        shares = []
        for patch in f:
            apart = torch.stack([(1 - torch.dot(patch, t) / patch.norm() / t.norm()) / 2 for t in w])
            fit = torch.exp((1 - apart / (apart.min() + 1e-5)) / 0.5)
            shares.append(fit / fit.sum())
        best = torch.stack(shares).amax(0)
        expected.append(-best.mean().log())
    torch.testing.assert_close(id_mrf(found, wanted), torch.stack(expected))


def test_id_mrf_minds_the_texture_and_not_its_place():
    wanted = rows(1, 8, 5, 5)
    wanted = wanted - wanted.mean(1, keepdim=True)
    assert id_mrf(wanted, wanted) < 1e-3
    assert id_mrf(wanted.roll((1, 2), (-2, -1)), wanted) < 1e-3
    flat = wanted.mean((-2, -1), keepdim=True).expand_as(wanted) + 1e-3 * rows(1, 8, 5, 5, seed=1)
    assert id_mrf(flat, wanted) > 0.5  # one average patch does not please all


def test_id_mrf_of_pictures():
    loss = IdMrfLoss(filled(lambda: Vgg(19)))
    photo = pictures(1, 3, 32, 32)
    found = pictures(1, 3, 32, 32, seed=5).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(found, photo), found)
    assert gradient.isfinite().all() and gradient.abs().max() > 0
    assert loss(photo, photo) < 0.05 < loss(found, photo)


def test_files_are_loaded_strictly(vgg, tmp_path):
    path = tmp_path / "vgg16.pth"
    whole = {name: value.half() for name, value in vgg.state_dict().items()}
    whole["classifier.6.bias"] = torch.zeros(1000)  # a classifier is known and left where it is
    torch.save(whole, path)
    network = load_vgg(path)
    assert not any(p.requires_grad for p in network.parameters()) and not network.training
    torch.testing.assert_close(network.features[0].weight, vgg.features[0].weight, atol=2e-3, rtol=0)
    with pytest.raises(FormatError, match="does not fit Vgg"):
        load_vgg(path, 19)
    small = {name: value for name, value in whole.items() if not name.startswith("features.2")}
    for bad, message in (
        (small, "missing"),
        ({**small, "features.1.running_mean": torch.zeros(64)}, "not of this network"),  # with batch normalisation
        ({"features.0.weight": whole["features.0.weight"], "head.weight": torch.zeros(1)}, "it also holds head.weight"),
        ({"weight": torch.zeros(2)}, "also holds weight"),
    ):
        torch.save(bad, path)
        with pytest.raises(FormatError, match=message):
            load_vgg(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError):
        load_vgg(path)
    with pytest.raises(FormatError, match="does not fit ArcFace"):
        torch.save({"conv1.weight": weights({"w": torch.zeros(64, 3, 3, 3)})["w"]}, path)
        load_arcface(path)
