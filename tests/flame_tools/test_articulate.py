"""The CPU kernels against their definition in plain torch, where it is hard: zero, pi, threads, forks, types."""

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flame_tools import FaceParams, Head, InputError, ShapeError, load_head
from flame_tools.head import Posed
from tests.flame_tools.conftest import random_arrays

ROOT = Path(__file__).parents[2]
ARRAYS = random_arrays()
KERNELS, PLAIN = (Head(ARRAYS, dtype=torch.float64, backend=name) for name in ("auto", "torch"))
NAMES = [f.name for f in dataclasses.fields(FaceParams)]


@pytest.fixture(scope="module")
def default_head() -> Head:
    return load_head()


def random_params(head: Head, *leading: int, seed: int = 0, scale: float = 0.4) -> FaceParams:
    generator = torch.Generator().manual_seed(seed)
    return FaceParams.neutral(head, *leading).map(
        lambda zero: (torch.randn(zero.shape, generator=generator, dtype=torch.float64) * scale).to(zero)
    )


def outputs_and_gradients(head: Head, params: FaceParams) -> list[torch.Tensor]:
    """Everything a head gives, then the gradient of a weighted sum of it by every parameter."""
    params = params.map(lambda tensor: tensor.detach().clone().requires_grad_())
    posed = head(params)
    outputs = [posed.vertices, posed.joints, posed.rotations]
    weights = [torch.linspace(-1, 1, max(o.numel(), 1)).to(o)[: o.numel()].view(o.shape) for o in outputs]
    total = sum((o * w).sum() for o, w in zip(outputs, weights, strict=True))
    return [*outputs, *torch.autograd.grad(total, [getattr(params, name) for name in NAMES])]


def assert_twins(params: FaceParams, *, kernels: Head = KERNELS, plain: Head = PLAIN, atol: float = 1e-12):
    found, wanted = outputs_and_gradients(kernels, params), outputs_and_gradients(plain, params)
    for name, ours, theirs in zip(["vertices", "joints", "rotations", *NAMES], found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=atol, atol=atol, msg=lambda m, name=name: f"{name}: {m}")


# --- twins ----------------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=3), st.integers(0, 2**16), st.sampled_from([0.0, 1e-9, 0.4, 3.0]), st.data()
)
def test_kernels_equal_plain_torch_for_any_leading_dimensions(leading, seed, scale, data):
    """Fields broadcast: each may lack leading dimensions or have ones in their place."""
    params = random_params(KERNELS, *leading, seed=seed, scale=scale)
    for name in NAMES:
        value, tail = getattr(params, name), 2 if name == "eyes" else 1
        kept = data.draw(st.integers(0, len(leading)), label=name)
        for _ in range(len(leading) - kept):
            value = value[0] if len(value) else torch.zeros(value.shape[1:], dtype=value.dtype)
        if value.ndim > tail and len(value) > 1 and data.draw(st.booleans()):
            value = value[:1]
        params = params.replace(**{name: value})
    assert_twins(params)


@pytest.mark.parametrize("angle", [1e-8, 1e-4, torch.pi - 1e-6, torch.pi, 2 * torch.pi, 10.0])
def test_kernels_equal_plain_torch_at_hard_rotations(angle):
    params = random_params(KERNELS, 8, seed=5)
    turned = {
        name: torch.nn.functional.normalize(getattr(params, name), dim=-1) * angle
        for name in ("global_rotation", "neck", "jaw", "eyes")
    }
    assert_twins(params.replace(**turned), atol=1e-9)  # 1e-8 / angle rounds in both


def test_kernels_equal_plain_torch_on_the_default_head_in_single_precision(default_head):
    params = random_params(default_head, 3, seed=1, scale=0.3)
    plain = Head(default_head.arrays, backend="torch")
    found, wanted = outputs_and_gradients(default_head, params), outputs_and_gradients(plain, params)
    for ours, theirs in zip(found[:3], wanted[:3], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=5e-7)  # worst seen 1.2e-7 m
    for ours, theirs in zip(found[3:], wanted[3:], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * float(theirs.abs().max()))


def test_non_contiguous_parameters():
    params = random_params(KERNELS, 4, seed=2)
    scattered = params.map(
        lambda tensor: torch.stack([tensor, tensor], 1)[:, 0].transpose(0, -1).contiguous().transpose(0, -1)
    )
    assert not scattered.expression.is_contiguous()
    assert_twins(scattered)


@pytest.mark.parametrize("start", [0.0, torch.pi / 3**0.5, 1.0])
def test_gradients_by_finite_differences(start):
    """At zero, at rotations by pi and in between."""
    params = FaceParams.neutral(KERNELS, 2).map(lambda zero: (zero + start).requires_grad_())
    weight = torch.linspace(-1, 1, 40 * 3, dtype=torch.float64).reshape(40, 3)

    def summed(*leaves):
        posed = KERNELS(FaceParams(*leaves))
        return torch.stack([(posed.vertices * weight).sum(), posed.joints.sin().sum(), posed.rotations.cos().sum()])

    assert torch.autograd.gradcheck(summed, [getattr(params, name) for name in NAMES], atol=1e-6)


def test_baking_is_differentiable_in_shape_and_offsets():
    params = random_params(KERNELS, 3, seed=3)
    offsets = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 0.01
    shape = params.shape[0].clone().requires_grad_()
    offsets.requires_grad_()

    def gradients(vertices):
        return torch.autograd.grad(vertices.square().sum(), [shape, offsets])

    baked = gradients(KERNELS.bake(shape, offsets).vertices(params))
    plain = gradients(PLAIN.bake(shape, offsets).vertices(params))
    torch.testing.assert_close(baked, plain, rtol=1e-12, atol=1e-12)
    [unbaked] = torch.autograd.grad(KERNELS.vertices(params.replace(shape=shape)).square().sum(), [shape])
    [folded] = torch.autograd.grad(KERNELS.bake(shape).vertices(params).square().sum(), [shape])
    torch.testing.assert_close(unbaked, folded, rtol=1e-12, atol=1e-12)


def test_a_part_of_a_head_moves_as_the_head_does():
    some = torch.tensor([7, 3, 39, 12])
    params = random_params(KERNELS, 3)
    torch.testing.assert_close(
        KERNELS.only(some).vertices(params), KERNELS.vertices(params)[:, some], rtol=0, atol=1e-14
    )
    joints, rotations = KERNELS.skeleton(params)
    posed = KERNELS(params)
    torch.testing.assert_close((joints, rotations), (posed.joints, posed.rotations), rtol=0, atol=1e-14)


# --- what it refuses, and where plain torch takes over --------------------------------------------------------------


def test_a_second_derivative_is_refused_by_the_kernels_and_given_by_plain_torch():
    params = random_params(KERNELS, 1)
    jaw = params.jaw.clone().requires_grad_()

    def slope(head):
        energy = head.vertices(params.replace(jaw=jaw)).square().sum()
        return torch.autograd.grad(energy, jaw, create_graph=True)[0].sum()

    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope(KERNELS).backward()
    [curvature] = torch.autograd.grad(slope(PLAIN), jaw)
    assert curvature.abs().max() > 0


def test_function_transforms_take_the_plain_path():
    params = random_params(KERNELS, 4)
    jaws = params.jaw

    def by_jaw(jaw):
        return KERNELS.vertices(params.map(lambda t: t[0]).replace(jaw=jaw))

    torch.testing.assert_close(torch.func.vmap(by_jaw)(jaws), torch.stack([by_jaw(jaw) for jaw in jaws]))
    _, moved = torch.func.jvp(by_jaw, (jaws[0],), (torch.ones(3, dtype=torch.float64),))
    nudged = (by_jaw(jaws[0] + 1e-6) - by_jaw(jaws[0] - 1e-6)) / 2e-6
    torch.testing.assert_close(moved, nudged, rtol=0, atol=1e-8)


def test_a_head_that_learns_its_directions_takes_the_plain_path():
    head = Head(ARRAYS, dtype=torch.float64)
    head.directions.requires_grad_()
    head.vertices(random_params(head, 2)).sum().backward()
    assert head.directions.grad.abs().sum() > 0


def test_wrong_types_are_named():
    with pytest.raises(ShapeError, match=r"expression is torch.float32 but head 'random' is torch.float64; use"):
        KERNELS.vertices(random_params(KERNELS, 2).replace(expression=torch.zeros(2, 39)))
    with pytest.raises(InputError, match="no backend 'cuda'"):
        Head(ARRAYS, backend="cuda")
    with pytest.raises(ShapeError, match="has an identity baked in already"):
        KERNELS.bake(torch.zeros(6)).bake(torch.zeros(6))


# --- types ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_comes_and_goes_and_is_computed_in_single(kind):
    head = Head(ARRAYS)
    params = random_params(head, 5).to(kind)
    posed = head(params)
    assert {posed.vertices.dtype, posed.joints.dtype, posed.rotations.dtype} == {kind}
    torch.testing.assert_close(posed.vertices, head.vertices(params.to(torch.float32)).to(kind), rtol=0, atol=0)
    mixed = params.replace(jaw=params.jaw.float())
    assert head.vertices(mixed).dtype == torch.float32
    low = Head(ARRAYS).to(kind)
    assert low.vertices(params).dtype == kind
    torch.testing.assert_close(low.vertices(params), posed.vertices, rtol=0.02, atol=0.01)
    torch.testing.assert_close(low.vertices(params), posed.vertices, rtol=0, atol=0)  # its tables stay as they were
    inside = torch.nn.Sequential(torch.nn.Linear(2, 2), Head(ARRAYS)).to(kind)
    assert inside[0].weight.dtype == kind and inside[1].v_template.dtype == torch.float32
    assert Head(ARRAYS).double().to(kind).v_template.dtype == torch.float64
    with pytest.raises(InputError, match="half a millimetre"):
        Head(ARRAYS, dtype=kind)


def test_autocast_does_not_blur_a_face():
    head = Head(ARRAYS)
    params = random_params(head, 5).map(lambda t: t.requires_grad_())
    for one in (head, head.bake(params.shape[0].detach()), Head(ARRAYS, backend="torch")):
        exact = one.vertices(params)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            torch.testing.assert_close(one.vertices(params), exact, rtol=0, atol=0)
            one.vertices(params).sum().backward()


# --- threads and processes ------------------------------------------------------------------------------------------


def test_threads_do_not_change_the_result(default_head):
    params = random_params(default_head, 40, scale=0.2).replace(shape=torch.zeros(default_head.shape_size))
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(outputs_and_gradients(default_head, params)[0])
    finally:
        torch.set_num_threads(before)
    # the matrix product may sum in another order; the kernels do not
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=2e-7)
    torch.testing.assert_close(results[0], results[2], rtol=0, atol=2e-7)


def test_concurrent_threads_each_get_their_own_faces(default_head):
    params = [random_params(default_head, 24, seed=seed, scale=0.2) for seed in range(4)]
    wanted = [outputs_and_gradients(default_head, p)[:3] for p in params]
    found: dict[int, list] = {}

    def work(seed):
        for _ in range(3):
            found[seed] = outputs_and_gradients(default_head, params[seed])[:3]

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    for seed in range(4):
        torch.testing.assert_close(found[seed], wanted[seed], rtol=0, atol=1e-7)


FORK = """
import multiprocessing
import torch
from flame_tools import load_head
from tests.flame_tools.test_articulate import random_params

def in_child(pipe):
    torch.set_num_threads(1)  # torch's own OpenMP pool does not survive a fork
    with torch.no_grad():
        pipe.send(head.vertices(params).numpy())

head = load_head()
params = random_params(head, 24, scale=0.2)
with torch.no_grad():
    wanted = head.vertices(params)  # the parent's pool of threads exists from here on
context = multiprocessing.get_context("fork")
ours, theirs = context.Pipe(duplex=False)
child = context.Process(target=in_child, args=(theirs,))
child.start()
assert ours.poll(60), "the child hangs"
torch.testing.assert_close(torch.as_tensor(ours.recv()), wanted, rtol=0, atol=2e-7)
child.join(10)
assert child.exitcode == 0
"""


def test_a_forked_process_poses_as_its_parent_did():
    """In a process of its own: other tests have started pools of threads, whose locks a fork may copy while held."""
    subprocess.run([sys.executable, "-c", FORK], check=True, cwd=ROOT, timeout=120)


# --- torch.compile and torch.export ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("head", "backend"), [(KERNELS, "aot_eager"), (PLAIN, "eager")], ids=["kernels", "plain"])
def test_torch_compile_traces_it_whole(head, backend):
    torch._dynamo.reset()
    compiled = torch.compile(head, backend=backend, fullgraph=True)
    for batch in (4, 7):
        params = random_params(head, batch)
        found, wanted = outputs_and_gradients(compiled, params), outputs_and_gradients(head, params)
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("head", [KERNELS, PLAIN], ids=["kernels", "plain"])
def test_torch_export_keeps_the_batch_open(head):
    batch = torch.export.Dim("batch")
    program = torch.export.export(head, (random_params(head, 4),), dynamic_shapes=([{0: batch}] * len(NAMES),))
    operators = {str(node.target) for node in program.graph.nodes if "emberface" in str(node.target)}
    assert operators == ({"emberface.articulate.default"} if head is KERNELS else set())
    params = random_params(head, 9)
    found = program.module()(params)
    assert isinstance(found, Posed)
    torch.testing.assert_close(found.vertices, head.vertices(params), rtol=0, atol=1e-14)


def test_the_operators_pass_torchs_own_checks():
    generator = torch.Generator().manual_seed(0)

    def draw(*size, grad=True):
        return torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_(grad)

    moving = draw(3, 4), draw(3, 5, 3), draw(3, 3), draw(3, 2, 3), draw(8, 3), draw(5, 3)
    fixed = draw(40, 24, grad=False), draw(4, 15, grad=False), draw(5, 8, grad=False), torch.tensor([1, 6])
    torch.library.opcheck(torch.ops.emberface.articulate.default, (*moving, *fixed))
