"""The published lip reader and emotion network: sizes, formulas, and files that load whole or not at all."""

import json

import pytest
import torch

from flame_tools.errors import FormatError, InputError, ShapeError
from readers.published.checkpoints import load_emotion_net, load_emotion_sequence, load_lip_reader
from readers.published.conformer import Attention, _distances, _shifted, position_table
from readers.published.emotion_sequence import EmotionSequence
from readers.published.emotions import EmotionNet
from readers.published.lips import FEATURES, LipReader, LipsConfig

SMALL = LipsConfig(width=32, heads=2, inner=48, blocks=2, kernel=7, tokens=9)
SETTINGS = {
    "transformer_input_layer": "conv3d", "transformer_encoder_attn_layer_type": "rel_mha", "rel_pos_type": "latest",
    "relu_type": "swish", "macaron_style": True, "use_cnn_module": 1, "zero_triu": False, "adim": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    reader = LipReader(SMALL)
    for value in reader.state_dict().values():
        if value.is_floating_point() and value.ndim == 1:
            value.uniform_(0.5, 1.5)
    return reader.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def mouths():
    return torch.rand(2, 6, 88, 88, generator=torch.Generator().manual_seed(0))


def saved(folder, reader, settings=SETTINGS, listed=False, **changes):
    weights = {**reader.state_dict(), "decoder.embed.0.weight": torch.zeros(9, 32), **changes}
    torch.save({name: value for name, value in weights.items() if value is not None}, folder / "model.pth")
    (folder / "model.json").write_text(json.dumps([1, 9, settings] if listed else settings))
    return folder / "model.pth"


def test_distances_entry_by_entry():
    scores = torch.randn(1, 2, 5, 9)
    wanted = torch.stack([torch.stack([scores[0, :, i, 4 - (i - j)] for j in range(5)], -1) for i in range(5)], -2)
    assert torch.equal(_distances(scores)[0], wanted)


def test_the_legacy_shift_is_transformer_xls():
    scores = torch.randn(5, 5)
    found = _shifted(scores)
    for i in range(5):
        for j in range(5):
            wanted = scores[i, 4 - (i - j)] if j <= i else 0.0 if j == i + 1 else scores[i + 1, j - i - 2]
            assert found[i, j] == wanted


def test_tables_hold_the_distances():
    latest, legacy = position_table(4, 8, "latest"), position_table(4, 8, "legacy")
    assert latest.shape == (7, 8) and legacy.shape == (4, 8)
    assert latest[3].tolist() == [0, 1] * 4  # distance 0
    torch.testing.assert_close(latest[0, 0], torch.tensor(3.0).sin())
    torch.testing.assert_close(latest[-1, 0], torch.tensor(-3.0).sin())
    torch.testing.assert_close(legacy[0, 1], torch.tensor(4999.0).cos())


@pytest.mark.parametrize("positions", ["latest", "legacy"])
def test_attention_without_positions_is_plain(positions):
    """With nothing said of positions it is the attention that torch has."""
    attention = Attention(16, 2, positions)
    torch.nn.init.zeros_(attention.linear_pos.weight)
    x = torch.randn(3, 7, 16)
    q, k, v = (layer(x).unflatten(-1, (2, 8)).transpose(1, 2) for layer in
               (attention.linear_q, attention.linear_k, attention.linear_v))  # fmt: skip
    plain = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(-2)
    torch.testing.assert_close(attention(x, position_table(7, 16, positions)), attention.linear_out(plain))


def test_the_latest_attention_adds_a_score_for_distance():
    """Where every frame looks alike, what is attended depends on i - j alone."""
    attention = Attention(16, 2, "latest")
    torch.nn.init.normal_(attention.pos_bias_v)
    torch.nn.init.zeros_(attention.linear_q.weight)
    torch.nn.init.zeros_(attention.linear_k.weight)
    frames = 9
    table = position_table(frames, 16, "latest")
    query = attention.linear_q.bias.view(2, 8) + attention.pos_bias_v
    place = attention.linear_pos(table).view(-1, 2, 8)
    by_distance = torch.einsum("hd,phd->hp", query, place) / 8**0.5  # [2, 2 T - 1], distance T - 1 first
    scores = torch.stack([by_distance[:, frames - 1 - i : 2 * frames - 1 - i] for i in range(frames)], 1)
    x = torch.randn(1, frames, 16)
    value = attention.linear_v(x)[0].view(frames, 2, 8)
    wanted = attention.linear_out(torch.einsum("hij,jhd->ihd", scores.softmax(-1), value).flatten(1))
    torch.testing.assert_close(attention(x, table)[0], wanted)


def test_the_lip_reader_says_a_row_a_frame(reader, mouths):
    said = reader(mouths)
    assert said.appearance.shape == (2, 6, FEATURES) and said.features.shape == (2, 6, 32)
    torch.testing.assert_close(said.log_probabilities.exp().sum(-1), torch.ones(2, 6))
    assert torch.equal(said.appearance, reader.appearance(mouths))
    later = mouths.clone()
    later[:, 5] = 0.5
    changed = (reader.appearance(later) - said.appearance).abs().amax((0, 2))
    assert (changed[:3] == 0).all() and (changed[3:] > 0).all()  # two frames to either side
    with pytest.raises(ShapeError, match="88"):
        reader(mouths[..., :80])


def test_gradients_reach_the_mouths(reader, mouths):
    pictures = mouths[:1].clone().requires_grad_()
    torch.cosine_similarity(reader.appearance(pictures), reader.appearance(mouths[1:]), dim=-1).mean().backward()
    assert pictures.grad.abs().amax((2, 3)).min() > 0


@pytest.mark.parametrize("listed", [False, True])
def test_the_lip_reader_from_its_file(tmp_path, reader, mouths, listed):
    found = load_lip_reader(saved(tmp_path, reader, listed=listed))
    assert found.config == SMALL
    assert torch.equal(found(mouths).log_probabilities, reader(mouths).log_probabilities)


def test_settings_that_weights_do_not_show(tmp_path, reader):
    for changes, positions in (({"rel_pos_type": None}, "legacy"),
                               ({"transformer_encoder_attn_layer_type": "legacy_rel_mha"}, "legacy")):  # fmt: skip
        assert load_lip_reader(saved(tmp_path, reader, SETTINGS | changes)).config.positions == positions
    relu = load_lip_reader(saved(tmp_path, reader, SETTINGS | {"relu_type": "relu"}))
    assert isinstance(relu.encoder.frontend.trunk.layer1[0].relu1, torch.nn.ReLU)
    with pytest.raises(FormatError, match=r"missing: .*relu1.weight"):
        load_lip_reader(saved(tmp_path, reader, SETTINGS | {"relu_type": "prelu"}))
    with pytest.raises(InputError, match="gelu"):
        load_lip_reader(saved(tmp_path, reader, SETTINGS | {"relu_type": "gelu"}))
    with pytest.raises(FormatError, match="conv1d"):
        load_lip_reader(saved(tmp_path, reader, SETTINGS | {"transformer_input_layer": "conv1d"}))
    path = saved(tmp_path, reader)
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(FormatError, match="no JSON"):
        load_lip_reader(path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(InputError, match=r"put the model\.json"):
        load_lip_reader(path)


def test_the_lip_reader_loads_whole_or_not_at_all(tmp_path, reader):
    name = "encoder.encoders.1.self_attn.pos_bias_v"
    with pytest.raises(FormatError, match=f"1 missing: {name}"):
        load_lip_reader(saved(tmp_path, reader, **{name: None}))
    with pytest.raises(FormatError, match=r"1 not of this network: encoder\.extra"):
        load_lip_reader(saved(tmp_path, reader, **{"encoder.extra": torch.zeros(3)}))
    with pytest.raises(FormatError, match="no lip reader"):
        load_lip_reader(saved(tmp_path, torch.nn.Linear(2, 3)))


def test_the_emotion_network_and_its_file(tmp_path):
    torch.manual_seed(0)
    network = EmotionNet().eval().requires_grad_(False)
    faces = torch.rand(2, 3, 224, 224)
    said = network(faces)
    assert said.features.shape == (2, 2048) and said.valence.shape == said.arousal.shape == (2,)
    torch.testing.assert_close(said.log_probabilities.exp().sum(-1), torch.ones(2))
    assert (said.features >= 0).all()  # behind a ReLU
    with pytest.raises(ShapeError, match="224"):
        network(faces[..., :200])
    file = tmp_path / "best.ckpt"
    weights = network.state_dict()
    torch.save({"epoch": 3, "state_dict": weights}, file)
    found = load_emotion_net(file)
    assert found.classes == 8 and torch.equal(found(faces).features, said.features)
    part = {name: value for name, value in weights.items() if ".fc." not in name and ".layer4.2" not in name}
    torch.save({"state_dict": part}, file)
    with pytest.raises(FormatError, match=r"20 missing: backbone\.fc\.bias \[8631\].* and 16 more"):
        load_emotion_net(file)
    torch.save({"state_dict": {"linear.weight": torch.zeros(2, 2048)}}, file)
    with pytest.raises(FormatError, match="ends in 2 of 2048"):
        load_emotion_net(file)


def test_the_emotion_of_a_sequence_and_its_file(tmp_path):
    torch.manual_seed(0)
    network = EmotionSequence().eval().requires_grad_(False)
    features = torch.rand(2, 9, 2048)
    said = network(features)
    assert said.features.shape == (2, 256) and said.features.abs().max() < 1
    assert said.log_probabilities.shape == (2, 8) and said.intensity_log_probabilities.shape == (2, 3)
    torch.testing.assert_close(said.log_probabilities.exp().sum(-1), torch.ones(2))
    turned = torch.cat([features[:, :1], features[:, 1:].flip(1)], 1)
    torch.testing.assert_close(network(turned).features, said.features, atol=1e-5, rtol=1e-5)
    assert (network(features.flip(1)).features - said.features).abs().max() > 1e-3
    with pytest.raises(ShapeError, match="2048"):
        network(features[..., :100])
    file, weights = tmp_path / "val.ckpt", network.state_dict()
    torch.save({"state_dict": weights}, file)
    assert torch.equal(load_emotion_sequence(file)(features).features, said.features)
    torch.save({"state_dict": weights | {"feature_model.swin.norm.bias": torch.zeros(2)}}, file)
    with pytest.raises(FormatError, match=r"1 not of this network: feature_model\.swin\.norm\.bias"):
        load_emotion_sequence(file)


def test_the_published_sizes():
    with torch.device("meta"):
        lips, emotions = LipReader(), EmotionNet()
    assert lips.encoder.encoders[11].self_attn.pos_bias_u.shape == (4, 64)
    assert sum(p.numel() for p in emotions.backbone.parameters()) == 41_192_951  # VGGFace2's, with its classifier
    assert [len(getattr(emotions.backbone, f"layer{i}")) for i in (1, 2, 3, 4)] == [3, 4, 6, 3]
