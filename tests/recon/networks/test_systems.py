"""The systems put together: which numbers mean what, names, and gradients to the picture."""

import pytest
import torch
from torch.nn import functional

from flame_tools.errors import InputError, ShapeError
from recon.networks.deca import Deca, DetailDecoder, flame_codes
from recon.networks.emica import Emica
from recon.networks.emoca import Emoca
from recon.networks.mica import Mapping, Mica
from recon.networks.mobilenet_v2 import MobileNetV2
from recon.networks.spectre import Spectre, TemporalResidual
from recon.networks.teaser import TeaserEncoder, TokenEncoder
from recon.networks.teaser_generator import TeaserGenerator
from tests.recon.networks.golden import PEERS, digest, filled, pictures

SIDE = 64  # pixels: the networks average over whatever map they get


def names(build, prefix=""):
    with torch.device("meta"):
        found = build().state_dict()
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def sizes(found):
    return {name: list(value.shape) for name, value in found.items()}


# --- DECA -------------------------------------------------------------------------------------------------------------


def test_236_numbers_by_name():
    values = torch.arange(236.0)[None]
    codes = flame_codes(values)
    assert codes.shape[0].tolist() == list(range(100))
    assert codes.albedo[0].tolist() == list(range(100, 150))
    assert codes.expression[0].tolist() == list(range(150, 200))
    assert codes.global_rotation[0].tolist() == [200, 201, 202] and codes.jaw[0].tolist() == [203, 204, 205]
    assert codes.camera[0].tolist() == [206, 207, 208]
    assert codes.light[0, 1].tolist() == [212, 213, 214] and codes.light.shape == (1, 9, 3)
    with pytest.raises(ShapeError, match="235 numbers, wanted 236"):
        flame_codes(values[:, 1:])


def test_names_of_deca():
    assert digest(names(Deca, "E_flame.")) == PEERS["regressor236"]["names"]
    assert digest(names(Deca, "E_detail.")) == PEERS["regressor128"]["names"]
    found = sizes(names(Deca, "D_detail."))
    wanted = {"l1.0.weight": [8192, 181], "l1.0.bias": [8192], "conv_blocks.0.weight": [128]}
    for conv, (before, after) in {2: (128, 128), 6: (128, 64), 10: (64, 64), 14: (64, 32), 18: (32, 16)}.items():
        wanted |= {f"conv_blocks.{conv}.weight": [after, before, 3, 3], f"conv_blocks.{conv + 1}.running_var": [after]}
    wanted |= {"conv_blocks.21.weight": [1, 16, 3, 3], "conv_blocks.21.bias": [1]}
    assert wanted.items() <= found.items()
    assert len(found) == 2 + 5 + 5 * (2 + 5) + 2
    with torch.device("meta"):
        assert sum(p.numel() for p in Deca().parameters()) == 53_358_861


@torch.no_grad()
def test_heights_layer_by_layer():
    """The decoder's formula, written out: l1, a normalisation, five doublings, tanh, a hundredth of a metre."""
    decoder = filled(DetailDecoder)
    w = decoder.state_dict()
    codes = 2 * pictures(1, 181) - 1

    def norm(x, at, epsilon):
        part = [w[f"conv_blocks.{at}.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(x, *part, eps=epsilon)

    x = norm((codes @ w["l1.0.weight"].T + w["l1.0.bias"]).reshape(1, 128, 8, 8), 0, 1e-5)
    for at in (2, 6, 10, 14, 18):
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        x = functional.conv2d(x, w[f"conv_blocks.{at}.weight"], w[f"conv_blocks.{at}.bias"], padding=1)
        x = functional.leaky_relu(norm(x, at + 1, 0.8), 0.2)
    wanted = 0.01 * functional.conv2d(x, w["conv_blocks.21.weight"], w["conv_blocks.21.bias"], padding=1).tanh()
    found = decoder(codes)
    assert found.shape == (1, 256, 256) and found.abs().max() < 0.01 and found.std() > 1e-5
    assert torch.allclose(found, wanted[:, 0], atol=1e-8)  # metres; worst seen 2e-9


def test_wrinkles_follow_jaw_expression_and_the_person():
    torch.manual_seed(0)
    network = Deca.__new__(Deca)
    torch.nn.Module.__init__(network)
    network.D_detail = filled(DetailDecoder)
    codes = flame_codes(torch.randn(1, 236))
    detail = torch.randn(1, 128)
    heights = network.detail(detail, codes)
    for other in (
        network.detail(detail, codes.replace(jaw=codes.jaw + 1)),
        network.detail(detail, codes.replace(expression=codes.expression + 1)),
        network.detail(detail + 1, codes),
    ):
        assert (other - heights).abs().max() > 1e-6
    moved = network.detail(detail, codes.replace(global_rotation=codes.global_rotation + 1, shape=codes.shape + 1))
    assert torch.equal(moved, heights)


def test_gradients_reach_the_picture_through_deca():
    network = filled(Deca)
    images = torch.rand(1, 3, SIDE, SIDE, requires_grad=True)
    codes = network(images)
    for value in (codes.shape, codes.light, network.heights(images, codes)):
        (gradient,) = torch.autograd.grad(value.square().sum(), images, retain_graph=True)
        assert gradient.isfinite().all() and gradient.abs().max() > 0


# --- EMOCA, EMICA, MICA -----------------------------------------------------------------------------------------------


@torch.no_grad()
def test_emoca_takes_expression_and_maybe_the_jaw_from_its_own_encoder():
    network = filled(Emoca)
    images = torch.rand(1, 3, SIDE, SIDE)
    deca, own = flame_codes(network.E_flame(images)), network.E_expression(images)
    for jaw in (True, False):
        network.jaw = jaw
        codes = network(images)
        assert torch.equal(codes.expression, own[:, :50])
        assert torch.equal(codes.jaw, own[:, 50:] if jaw else deca.jaw)
        for same in ("shape", "global_rotation", "camera", "light", "albedo"):
            assert torch.equal(getattr(codes, same), getattr(deca, same))


def test_names_of_emoca_and_emica():
    assert sizes(names(Emoca, "E_expression.layers."))["2.weight"] == [53, 1024]
    assert sizes(names(lambda: Emoca(jaw=False), "E_expression.layers."))["2.weight"] == [50, 1024]
    assert names(Emoca, "E_flame.").keys() == names(Emoca, "E_expression.").keys()
    for jaw, outputs in {"expression": (83, 103), "coarse": (86, 100), "none": (83, 100)}.items():
        found = sizes(names(lambda jaw=jaw: Emica(jaw=jaw)))
        assert (found["coarse.layers.2.weight"][0], found["expression.layers.2.weight"][0]) == outputs
    assert digest(names(Emica, "mica.arcface.")) == PEERS["iresnet100"]["names"]
    mapping = sizes(names(Mapping))
    assert mapping["network.0.weight"] == [300, 512] and mapping["network.3.weight"] == [300, 300]
    assert mapping["output.weight"] == [300, 300] and len(mapping) == 10
    with pytest.raises(InputError, match="'nobody'"):
        Emica(jaw="nobody")


@torch.no_grad()
def test_emica_joins_three_encoders():
    with torch.device("meta"):
        network = Emica(jaw="coarse")
    network = network.to_empty(device="cpu").eval()
    for value in network.state_dict().values():
        value.fill_(1) if value.is_floating_point() and value.ndim == 1 else value.zero_()
    network.coarse.layers[2].bias.copy_(torch.arange(86.0))
    network.expression.layers[2].bias.copy_(torch.arange(100.0))
    codes = network(torch.rand(1, 3, 112, 112))
    assert codes.albedo[0].tolist() == list(range(50)) and codes.jaw[0].tolist() == [50, 51, 52]
    assert codes.global_rotation[0].tolist() == [53, 54, 55] and codes.camera[0].tolist() == [56, 57, 58]
    assert codes.light[0, 0].tolist() == [59, 60, 61]
    assert codes.expression[0].tolist() == list(range(100)) and codes.shape.shape == (1, 300)


def test_identity_depends_on_the_embeddings_direction_alone():
    torch.manual_seed(0)
    with torch.device("meta"):
        network = Mica()
    network.arcface = torch.nn.Identity()
    network = network.to_empty(device="cpu")
    for p in network.parameters():
        torch.nn.init.normal_(p, 0, 0.1)
    embedding = torch.randn(2, 512)
    shape = network(embedding)
    assert torch.allclose(shape, network(3 * embedding), atol=1e-6) and not torch.allclose(shape[0], shape[1])


# --- SPECTRE ----------------------------------------------------------------------------------------------------------


def test_names_of_spectre():
    assert digest(names(Spectre, "E_flame.")) == PEERS["regressor236"]["names"]
    assert digest(names(Spectre, "E_expression.encoder.")) == PEERS["mobilenet_v2"]["names"]
    assert digest(names(MobileNetV2)) == PEERS["mobilenet_v2"]["names"]
    found = sizes(names(TemporalResidual))
    assert found["temporal.0.weight"] == [256, 1280, 5] and found["layers.0.weight"] == [53, 256]
    assert len(found) == PEERS["mobilenet_v2"]["tensors"] + 2 + 5 + 2


def test_a_residual_sees_two_frames_to_each_side():
    head = filled(TemporalResidual)
    with torch.no_grad():
        head.layers[0].bias[50] = 1.0  # so that the jaw opens
    frames = torch.rand(1, 9, 3, 32, 32, requires_grad=True)
    expression, jaw = head(frames)
    assert expression.shape == (1, 9, 50) and jaw.shape == (1, 9, 3)
    (gradient,) = torch.autograd.grad(expression[0, 4].square().sum(), frames)
    seen = gradient[0].abs().flatten(1).amax(1) > 0
    assert seen.tolist() == [False, False, True, True, True, True, True, False, False]
    with torch.no_grad():
        head.layers[0].bias[50:] = -1e3
    _, jaw = head(frames)
    assert (jaw[..., 0] == 0).all() and (jaw[..., 1:] < -900).all()


@torch.no_grad()
def test_spectre_adds_to_deca():
    network = filled(Spectre)
    frames = torch.rand(1, 3, 3, SIDE, SIDE)
    codes, (expression, jaw) = network(frames), network.E_expression(frames)
    deca = flame_codes(network.E_flame(frames[0]))
    assert torch.allclose(codes.expression[0], deca.expression + expression[0], atol=1e-5)
    assert torch.allclose(codes.jaw[0], deca.jaw + jaw[0], atol=1e-5)
    assert torch.allclose(codes.shape[0], deca.shape, atol=1e-5) and codes.light.shape == (1, 3, 9, 3)
    with pytest.raises(ShapeError, match=r"wanted \[B, T, 3, H, W\]"):
        network(frames[0])


# --- TEASER -----------------------------------------------------------------------------------------------------------


def test_names_of_teaser():
    found = sizes(names(TokenEncoder))
    rows = [found[f"token_layers.{i}.0.weight"] for i in range(4)]
    assert rows == [[256, 576], [256, 192], [256, 384], [256, 1024]]
    assert digest(names(TokenEncoder, "encoder.")) == PEERS["tf_minimal_small"]["names"]
    own = {name for name in names(TeaserEncoder) if not name.startswith("token_encoder.")}
    assert len(own) == PEERS["smirk_encoder"]["tensors"]
    generator = sizes(names(TeaserGenerator))
    assert generator["encoder1.conv1.weight"] == [32, 6, 3, 3]
    assert generator["bottleneck.adain2.mlp_gamma.weight"] == [512, 128]
    assert generator["decoder4.adain1.mlp_shared.0.weight"] == [128, 256]
    assert generator["token_decoder.decoder_1.0.weight"] == [256 * 14 * 14, 1024]
    assert generator["token_decoder.decoder_4.4.weight"] == [32, 32, 3, 3]
    assert generator["token_zero_conv_4.weight"] == [256, 256, 1, 1]


@torch.no_grad()
def test_a_token_is_a_map_averaged_and_mixed():
    encoder = filled(TokenEncoder)
    images = pictures(1, 3, 224, 224)
    tokens = encoder(images)
    assert tokens.shape == (4, 1, 256)
    for i, (channels, grid) in enumerate([(576, 1), (48, 2), (24, 4), (16, 8)]):
        found = encoder.encoder(images)[-1 - i]
        block = found.shape[-1] // grid if found.shape[-1] % grid == 0 else None
        pooled = functional.adaptive_avg_pool2d(found, grid) if block is None else functional.avg_pool2d(found, block)
        assert pooled.shape == (1, channels, grid, grid)
        layer = encoder.token_layers[i][0]
        assert torch.allclose(tokens[i], pooled.flatten(1) @ layer.weight.T + layer.bias, atol=1e-5)


def test_tokens_style_the_picture_and_start_without_painting():
    torch.manual_seed(0)
    generator = TeaserGenerator(start=2).eval()
    render, masked = torch.rand(2, 1, 3, 32, 32)
    tokens = torch.randn(4, 1, 256, requires_grad=True)
    painted = generator(render, masked, tokens)
    (gradient,) = torch.autograd.grad(painted.square().mean(), tokens)
    assert (gradient.abs().amax((1, 2)) > 0).all()  # every scale is heard
    assert painted.detach().min() > 0 and painted.detach().max() < 1 and painted.detach().std() > 0
    with torch.no_grad():
        generator.token_decoder.decoder_1[0].bias += 1  # behind convolutions that are zero
        assert torch.equal(generator(render, masked, tokens), painted)
        generator.token_zero_conv_1.weight.fill_(0.1)
        assert not torch.allclose(generator(render, masked, tokens), painted)
    with pytest.raises(ShapeError, match=r"tokens are \[4, 2, 256\]"):
        generator(render, masked, torch.zeros(4, 2, 256))
