import dataclasses

import numpy as np
import pytest
import torch

from flame_tools import Head, load_head
from flame_tools.arkit import ARKIT_NAMES, INDEX, from_params, to_params
from flame_tools.surface.lod import simplify
from flame_tools.transfer import names
from flame_tools.transfer.motion import motion_of
from flame_tools.transfer.names import explain, solve_map
from tests.shared_data import shared_file

OPPOSED = [("jawLeft", "jawRight")] + [
    (f"eyeLook{a}{side}", f"eyeLook{b}{side}") for a, b in (("Up", "Down"), ("In", "Out")) for side in ("Left", "Right")
]


@pytest.fixture(scope="module")
def nameless() -> Head:
    """The default head with fewer triangles and its components mixed: a rig that no name describes."""
    arrays = simplify(load_head().arrays, ratio=0.4)
    mixed, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(42, 42)))
    return Head(
        dataclasses.replace(
            arrays,
            expressiondirs=arrays.expressiondirs @ mixed,
            expression_names=tuple(f"component{i}" for i in range(42)),
            expression_bounds=np.tile(np.float32([-3, 3]), (42, 1)),
            expression_sd=np.full(42, 0.3, np.float32),
            id="nameless",
        )
    )


def some_weights(seed: int, count: int = 8) -> torch.Tensor:
    """Faces of six weights each, none against itself."""
    rng = np.random.default_rng(seed)
    weights = torch.zeros(count, 52)
    for row in weights:
        row[rng.permutation(52)[:6]] = torch.as_tensor(0.2 + 0.8 * rng.random(6)).float()
    for one, other in OPPOSED:
        weights[:, INDEX[other]] *= weights[:, INDEX[one]] == 0
    weights[:, INDEX["tongueOut"]] = 0  # no sample of the face sees it
    return weights


def test_a_map_says_the_52_poses_on_a_nameless_head(nameless):
    table = solve_map(nameless.arrays)
    assert table.shape == (52, 42 + 11)
    head = Head(dataclasses.replace(nameless.arrays, arkit_map=table))
    plain = Head(simplify(load_head().arrays, ratio=0.4))
    face = plain.region("face")
    weights = torch.eye(52)
    weights[INDEX["mouthClose"], INDEX["jawOpen"]] = 1
    poses = [h.only(face).vertices(to_params(weights, h)) for h in (plain, head)]
    error = 1e3 * (poses[0] - poses[1]).norm(dim=-1).mean(-1)
    assert error.max() < 0.4, ARKIT_NAMES[int(error.argmax())]
    # without a map of its own the head gets the same one
    torch.testing.assert_close(to_params(weights, nameless).expression, to_params(weights, head).expression)


def test_weights_survive_the_round_trip_through_a_solved_map(nameless):
    weights = some_weights(0)
    found = explain(to_params(weights, nameless), nameless)
    assert found.residual_mm.max() < 0.02
    assert (found.weights - weights).abs().max() < 0.1 and (found.weights - weights).abs().mean() < 2e-3
    torch.testing.assert_close(
        from_params(to_params(weights[:2], nameless), nameless), found.weights[:2], atol=1e-3, rtol=0
    )


def test_weights_survive_the_round_trip_through_ict():
    ict = load_head(shared_file("heads/ict_facekit.npz"))
    weights = some_weights(1)
    found = explain(to_params(weights.reshape(2, 4, 52), ict), ict)
    assert found.weights.shape == (2, 4, 52) and found.residual_mm.shape == (2, 4)
    assert (found.weights.reshape(8, 52) - weights).abs().max() < 0.01
    assert found.residual_mm.max() < 0.01


def lacking(*lost: str) -> Head:
    """A character that has the default head's shapes but these."""
    arrays = load_head().arrays
    kept = [i for i, name in enumerate(arrays.expression_names) if name not in lost]
    table = motion_of(to_params(torch.eye(52), load_head()))
    table = np.delete(table, [i for i in range(len(arrays.expression_names)) if i not in kept], 1)
    return Head(
        dataclasses.replace(
            arrays,
            expressiondirs=arrays.expressiondirs[..., kept],
            expression_names=tuple(arrays.expression_names[i] for i in kept),
            expression_bounds=arrays.expression_bounds[kept],
            expression_sd=arrays.expression_sd[kept],
            arkit_map=table.astype(np.float32),
            id="lacking",
        )
    )


def test_a_character_that_lacks_a_name_says_the_others_exactly(monkeypatch):
    head = lacking("tongueOut", "cheekPuff")
    weights = some_weights(2)
    weights[:, INDEX["cheekPuff"]] = 0
    weights[0, INDEX["mouthSmileLeft"]] = 1.2  # as named weights, these have no bounds
    params = to_params(weights.reshape(2, 4, 52), head)
    monkeypatch.setattr("flame_tools.transfer.names.fit_motion", lambda *_, **__: pytest.fail("solved"))
    torch.testing.assert_close(from_params(params, head), weights.reshape(2, 4, 52), atol=1e-5, rtol=0)
    assert explain(params, head).residual_mm.flatten()[1:].max() < 1e-3
    tongue = head.arrays.expression_names.index("tongueUp")
    more = params.expression.clone()
    more[..., tongue] = 0.5
    with pytest.raises(pytest.fail.Exception, match="solved"):  # no name says it: what the face shows does
        from_params(params.replace(expression=more), head)


def test_only_frames_that_hold_more_than_names_are_solved(monkeypatch):
    head, weights = lacking("tongueOut"), some_weights(3)
    params = to_params(weights, head)
    jaw = params.jaw.clone()
    jaw[3] = torch.tensor([-0.05, 0.0, 0.0])  # shut past rest, which no name says
    solved, fit = [], names.fit_motion
    monkeypatch.setattr(names, "fit_motion", lambda *a, **k: solved.append(len(a[3])) or fit(*a, **k))
    found = from_params(params.replace(jaw=jaw), head)
    others = [i for i in range(8) if i != 3]
    assert solved == [1]
    torch.testing.assert_close(found[others], weights[others], atol=1e-5, rtol=0)
    assert found[3].min() >= 0 and found[3].max() <= 1


def test_what_no_weight_says_is_told_as_residual():
    head = load_head()
    params = to_params(torch.zeros(2, 52), head)
    params = params.replace(jaw=torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.05]]))  # the jaw rolls: no name for it
    found = explain(params, head)
    assert found.residual_mm[0] < 1e-3 < 0.1 < found.residual_mm[1]
    assert found.weights.abs().max() == 0
