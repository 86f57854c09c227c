"""The meta-gradient against finite differences, closed forms, `higher` and itself; and impostors, which must fail."""

import copy
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path

import higher
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from meta_problems import PROBLEMS, WAYS, blobs, bowls, flat, mlp, normal, objective, problem, slope_error, waves
from torch import nn
from torch.func import functional_call, grad, vmap

from course.data import Episode
from course.meta_learning.adaptation import adapt, query_loss
from course.meta_learning.maml import MAMLConfig, meta_gradient, meta_loss
from course.meta_learning.ways import adapted_predictions

EXACT = 1e-10
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def assert_equal(found, expected, tolerance=EXACT):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=tolerance, rtol=tolerance)


# --- against central differences: every way, order, loss, and number of steps, with batch normalisation;
# one rate for all parameters, or rates by name, with respect to which J is differentiated as well

by_name = pytest.mark.parametrize("by_name", [False, True], ids=["one rate", "rates by name"])


@by_name
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("way", WAYS)
def test_the_meta_gradient_is_that_of_central_differences(way, name, steps, by_name):
    assert slope_error(partial(meta_gradient, tasks=way), name, steps, by_name) < 1e-6


@by_name
@pytest.mark.parametrize("name", ["regression", "conv4"])
def test_the_objective_as_written_and_its_derivative(name, by_name):
    def by_definition(model, params, episode, *, lr, **options):
        variables = [params, lr] if by_name else [params]
        leaves = [value.requires_grad_() for each in variables for value in each.values()]
        value = meta_loss(model, params, episode, lr=lr, **options)
        assert value.item() == pytest.approx(objective(model, params, episode, lr=lr, **options), abs=EXACT)
        slopes = iter(torch.autograd.grad(value, leaves))
        return value, *({key: next(slopes) for key in each} for each in variables)

    assert slope_error(by_definition, name, 2, by_name) < 1e-6


@by_name
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_loss_and_gradient_are_the_same_in_every_way(name, way, by_name):
    task, options = problem(name), problem(name).options(3, by_name)
    for first_order in (False, True):
        found, by_loop = (
            meta_gradient(*task.given, tasks=each, first_order=first_order, **options) for each in (way, "loop")
        )
        assert found[0].item() == pytest.approx(objective(*task.given, **options)) and not found[0].requires_grad
        assert len(found) == 2 + by_name
        for gradient, other in zip(found[1:], by_loop[1:], strict=True):
            assert not any(each.requires_grad for each in gradient.values())
            assert_equal(gradient, other)


@pytest.mark.parametrize("way", WAYS)
def test_rates_by_name_that_are_equal_are_one_rate(way):
    task = problem("classification")
    one = meta_gradient(*task.given, tasks=way, **task.options(3))
    tensors = {name: torch.full_like(value[:1], task.lr) for name, value in task.params.items()}
    for rates, learned in ((dict.fromkeys(task.params, task.lr), {}), (tensors, tensors)):
        loss, gradient, of_rates = meta_gradient(*task.given, tasks=way, **task.options(3) | {"lr": rates})
        torch.testing.assert_close(loss, one[0])
        assert_equal(gradient, one[1])
        assert of_rates.keys() == learned.keys()


def test_the_slope_along_the_rate_of_a_single_step_is_of_first_order():
    """The rate multiplies a gradient that does not depend on it."""
    task = problem("classification")
    options = task.options(1, by_name=True)
    full, first = (meta_gradient(*task.given, first_order=order, **options) for order in (False, True))
    assert_equal(first[2], full[2])
    assert (flat(first[1]) - flat(full[1])).abs().max() > 1e-3


@pytest.mark.parametrize("way", ["stacked", "vmap"])
@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_tasks_may_be_computed_in_chunks_of_any_size(way, chunk):
    episode, model = waves(tasks=7), mlp(2, 1)
    options = {"loss": F.mse_loss, "lr": 0.1, "steps": 2}
    params = dict(model.named_parameters())
    whole = meta_gradient(model, params, episode, tasks="loop", **options)
    parts = meta_gradient(model, params, episode, tasks=way, chunk=chunk, **options)
    assert_equal(parts[1], whole[1])
    torch.testing.assert_close(parts[0], whole[0])
    found = adapted_predictions(model, params, episode, tasks=way, chunk=chunk, **options)
    torch.testing.assert_close(found, adapted_predictions(model, params, episode, tasks="loop", **options))


# --- first order


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_first_order_is_the_query_gradient_at_the_adapted_point_and_not_the_meta_gradient(name, way):
    task, steps = problem(name), 3
    by_definition = {key: torch.zeros_like(value) for key, value in task.params.items()}
    for x, y, query_x, query_y in zip(*vars(task.episode).values(), strict=True):
        adapted = adapt(task.model, task.params, x, y, **task.options(steps))
        adapted = {key: value.detach().requires_grad_() for key, value in adapted.items()}
        loss = task.loss(functional_call(task.model, adapted, (query_x,)), query_y)
        for key, slope in zip(adapted, torch.autograd.grad(loss, tuple(adapted.values())), strict=True):
            by_definition[key] += slope / task.episode.tasks
    method = partial(meta_gradient, tasks=way, first_order=True)
    assert_equal(method(*task.given, **task.options(steps))[1], by_definition)
    assert slope_error(method, name, steps) > 0.02


@pytest.mark.parametrize("way", WAYS)
def test_without_a_step_both_orders_are_joint_training(way):
    task = problem("regression")
    for first_order in (False, True):
        options = task.options(0) | {"first_order": first_order, "tasks": way}
        loss, gradient = meta_gradient(*task.given, **options)
        params = {name: value.requires_grad_() for name, value in task.params.items()}
        pairs = zip(task.episode.query_x, task.episode.query_y, strict=True)
        joint = torch.stack([F.mse_loss(functional_call(task.model, params, (x,)), y) for x, y in pairs]).mean()
        torch.testing.assert_close(loss, joint.detach())
        assert_equal(gradient, dict(zip(params, torch.autograd.grad(joint, tuple(params.values())), strict=True)))


# --- impostors: they report the right loss, train, and are wrong; the check above must see it


def impostor(kind, model, params, episode, *, loss, lr, steps):
    params = {name: value.clone().requires_grad_() for name, value in params.items()}
    total = 0.0
    for x, y, query_x, query_y in zip(*vars(episode).values(), strict=True):
        weights = dict(params)
        for step in range(steps):
            error = loss(functional_call(model, weights, (x,)), y)
            forget = kind == "no create_graph" or (kind == "only the last factor" and step < steps - 1)
            slopes = torch.autograd.grad(error, tuple(weights.values()), create_graph=not forget)
            if kind == "detached update":
                slopes = [slope.detach() for slope in slopes]
            weights = {n: w - lr * s for (n, w), s in zip(weights.items(), slopes, strict=True)}
            if kind == "all but the first" and step == 0:
                weights = {n: w.detach() + (params[n] - params[n].detach()) for n, w in weights.items()}
        total = total + loss(functional_call(model, weights, (query_x,)), query_y)
    total = total / episode.tasks
    return total.detach(), dict(zip(params, torch.autograd.grad(total, tuple(params.values())), strict=True))


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("kind", ["no create_graph", "detached update", "only the last factor", "all but the first"])
def test_impostors_are_caught(kind, name):
    task, steps = problem(name), 3
    loss, _ = impostor(kind, *task.given, **task.options(steps))
    right, _ = meta_gradient(*task.given, **task.options(steps))
    torch.testing.assert_close(loss, right)  # nothing to see here
    assert slope_error(partial(impostor, kind), name, steps) > 0.01
    assert slope_error(partial(impostor, "none"), name, steps) < 1e-6  # the same code without the defect is right


def test_torch_differentiates_a_mapped_batch_normalisation_wrongly():  # the course does not: see the first test
    def mapped_loss(model, params, episode, **inner):
        tasks = vmap(partial(query_loss, model, **inner), in_dims=(None, 0, 0, 0, 0))
        return None, grad(lambda params: tasks(params, *vars(episode).values()).mean())(params)

    message = "torch now differentiates vmap of F.batch_norm rightly: tell the chapter, and reconsider mapped_gradient"
    assert slope_error(mapped_loss, "regression", 1) > 1e-3, message


# --- against an independent library


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize("name", ["regression", "classification", "conv4"])
def test_equals_higher(name, steps):
    task = problem(name)
    expected = {key: torch.zeros_like(value) for key, value in task.params.items()}
    descent = torch.optim.SGD(task.model.parameters(), task.lr)
    for x, y, query_x, query_y in zip(*vars(task.episode).values(), strict=True):
        with higher.innerloop_ctx(task.model, descent) as (inner, step):
            for _ in range(steps):
                step.step(task.loss(inner(x), y))
            slopes = torch.autograd.grad(task.loss(inner(query_x), query_y), inner.parameters(time=0))
        for key, slope in zip(expected, slopes, strict=True):
            expected[key] += slope / task.episode.tasks
    for way in WAYS:
        found = meta_gradient(*task.given, tasks=way, **task.options(steps))
        assert_equal(found[1], expected)


# --- closed forms: bowls, where every method can be solved on paper


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_bowls_have_the_closed_form(steps, way):
    a, c, episode, loss = bowls()
    model, theta = nn.Linear(4, 1, bias=False).double(), normal(4, seed=2)
    m = torch.linalg.matrix_power(torch.eye(4, dtype=torch.float64) - 0.15 * a, steps)
    options = {"loss": loss, "lr": 0.15, "steps": steps, "tasks": way}

    def gradient(theta, **more):
        return meta_gradient(model, {"weight": theta[None]}, episode, **options, **more)[1]["weight"][0]

    def weighted(w):
        return (w @ (theta - c).unsqueeze(-1)).mean(0)[:, 0]

    torch.testing.assert_close(gradient(theta), weighted(m @ a @ m), atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(gradient(theta, first_order=True), weighted(a @ m), atol=1e-9, rtol=1e-9)
    w = m @ a @ m
    best = torch.linalg.solve(w.sum(0), (w @ c.unsqueeze(-1)).sum(0))[:, 0]
    assert gradient(best).abs().max() < 1e-9 * w.abs().max()
    if steps > 1:
        assert gradient(best, first_order=True).abs().max() > 1e-3  # first order rests elsewhere


# --- invariances


@pytest.mark.parametrize("way", WAYS)
def test_the_order_of_tasks_and_of_examples_does_not_matter(way):
    task = problem("classification")
    whole = meta_gradient(*task.given, tasks=way, **task.options(2))
    x, y, query_x, query_y = vars(task.episode).values()
    order, support, query = (normal(n).argsort() for n in (len(x), x.shape[1], query_x.shape[1]))
    shuffled = Episode(x[order][:, support], y[order][:, support], query_x[order][:, query], query_y[order][:, query])
    again = meta_gradient(task.model, task.params, shuffled, tasks=way, **task.options(2))
    torch.testing.assert_close(again[0], whole[0])
    assert_equal(again[1], whole[1])


@pytest.mark.parametrize("way", WAYS)
def test_new_class_numbers_and_a_head_permuted_alike_change_nothing(way):
    task, permutation = problem("classification"), torch.tensor([2, 0, 1])
    inverse = permutation.argsort()

    def renamed(params):
        return params | {name: params[name][inverse] for name in ("3.weight", "3.bias")}

    x, y, query_x, query_y = vars(task.episode).values()
    episode = Episode(x, permutation[y], query_x, permutation[query_y])
    loss, gradient = meta_gradient(*task.given, tasks=way, **task.options(2))
    other_loss, other = meta_gradient(task.model, renamed(task.params), episode, tasks=way, **task.options(2))
    torch.testing.assert_close(other_loss, loss)
    assert_equal(other, renamed(gradient))
    assert (renamed(gradient)["3.weight"] - gradient["3.weight"]).abs().max() > 1e-3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_predictions_are_those_of_the_adapted_model_and_nothing_that_was_handed_in_changes(name, way):
    task = problem(name)
    params, plain = {key: value.requires_grad_() for key, value in task.params.items()}, task.params
    own = copy.deepcopy(task.model.state_dict())
    for start in (params, plain):
        meta_gradient(task.model, start, task.episode, tasks=way, **task.options(2))
        found = adapted_predictions(task.model, start, task.episode, tasks=way, **task.options(2))
        for each, x, y, query_x, _ in zip(found, *vars(task.episode).values(), strict=True):
            adapted = adapt(task.model, task.params, x, y, **task.options(2))
            torch.testing.assert_close(each, functional_call(task.model, adapted, (query_x,)))
        assert not found.requires_grad
        for each, expected in ((start, task.params), (task.model.state_dict(), own)):
            assert all(torch.equal(each[key], expected[key]) for key in expected)
    assert all(value.grad is None for value in (*params.values(), *task.model.parameters()))
    assert not any(value.requires_grad for value in plain.values())


# --- any module


class Strange(nn.Module):
    """Not a sequence of layers; one parameter takes no part, one is used twice, and one is frozen."""

    def __init__(self):
        super().__init__()
        self.inner = mlp(2, 2)
        self.gain = nn.Parameter(normal(2, seed=3))
        self.idle = nn.Parameter(normal(2, seed=4))
        self.offset = nn.Parameter(normal(2, seed=5), requires_grad=False)

    def forward(self, x):
        hidden = self.inner(x) * self.gain
        return (hidden.sin() + self.inner(hidden)) * self.gain + self.offset


@pytest.mark.parametrize("way", ["auto", "loop", "batched", "vmap"])
def test_any_module_some_of_its_parameters_and_those_without_influence(way):
    model, episode = Strange(), blobs(ways=2, queries=3)
    params = {name: value for name, value in model.named_parameters() if value.requires_grad}
    options = {"loss": F.cross_entropy, "lr": 0.2, "steps": 2}
    loss, gradient = meta_gradient(model, params, episode, tasks=way, **options)
    used = {name: value.detach() for name, value in params.items() if name != "idle"}
    ends = [objective(model, used | {"gain": used["gain"] + h}, episode, **options) for h in (0, 1e-6, -1e-6)]
    assert loss.item() == pytest.approx(ends[0], abs=EXACT)
    assert gradient.keys() == params.keys() and "offset" not in gradient
    assert not gradient["idle"].any()
    assert gradient["gain"].sum().item() == pytest.approx((ends[1] - ends[2]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("way", ["auto", "loop", "vmap"])
def test_running_averages_in_evaluation_mode_are_constants(way):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 1)).double().eval()
    model[1].running_mean.copy_(normal(5))
    episode, options = waves(), {"loss": F.mse_loss, "lr": 0.1, "steps": 2}
    params, before = dict(model.named_parameters()), model[1].running_mean.clone()
    loss, _ = meta_gradient(model, params, episode, tasks=way, **options)
    assert loss.item() == pytest.approx(objective(model, params, episode, **options), abs=EXACT)
    assert torch.equal(model[1].running_mean, before)


@settings(max_examples=25, deadline=None)
@given(
    tasks=st.integers(1, 4), support=st.integers(2, 5), query=st.integers(2, 5), inputs=st.integers(1, 3),
    outputs=st.integers(1, 3), steps=st.integers(0, 3), classes=st.booleans(), first_order=st.booleans(),
)  # fmt: skip
def test_all_ways_agree_for_all_shapes(tasks, support, query, inputs, outputs, steps, classes, first_order):
    model = mlp(inputs, outputs)
    values = [normal(tasks, n, outputs, seed=2) for n in (support, query)]
    targets = [each.argmax(-1) for each in values] if classes else values
    episode = Episode(normal(tasks, support, inputs), targets[0], normal(tasks, query, inputs, seed=1), targets[1])
    options = {"loss": F.cross_entropy if classes else F.mse_loss, "lr": 0.05, "steps": steps}
    params = dict(model.named_parameters())
    loop, stacked, mapped = (
        meta_gradient(model, params, episode, tasks=way, first_order=first_order, **options) for way in WAYS
    )
    for loss, gradient in (stacked, mapped):
        torch.testing.assert_close(loss, loop[0])
        assert_equal(gradient, loop[1], 1e-9)
    shape = (tasks, query, outputs)
    assert all(adapted_predictions(model, params, episode, tasks=way, **options).shape == shape for way in WAYS)


# --- memory


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's record of the peak memory")
def test_memory_does_not_grow_with_the_number_of_tasks():
    code = """
import torch, torch.nn.functional as F
from maml import peak
from course.data import Episode
from course.meta_learning.maml import meta_gradient, meta_loss
from course.representation.cnn import Conv4
model, options = Conv4(5, filters=8), {"loss": F.cross_entropy, "lr": 0.1, "steps": 1}
params, labels = dict(model.named_parameters()), torch.arange(5).expand(128, 5)
images = torch.rand(128, 5, 1, 28, 28)
few, many = (Episode(images[:n], labels[:n], images[:n], labels[:n]) for n in (8, 128))
for way in ("loop", "stacked", "vmap"):
    meta_gradient(model, params, few, tasks=way, chunk=8, **options)
    before = peak()
    meta_gradient(model, params, many, tasks=way, chunk=8, **options)
    print(peak() - before)
loss = meta_loss(model, params, many, **options)
torch.autograd.grad(loss, tuple(params.values()))
print(peak() - before)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    *ways, all_graphs_at_once = (int(line) / 1e6 for line in run.stdout.split())
    assert all_graphs_at_once > 50  # megabytes: the measure sees what it should
    assert max(ways) < 0.25 * all_graphs_at_once, ways


# --- settings


def test_the_full_setting_is_the_paper_s():
    five, twenty = MAMLConfig.full(), MAMLConfig.full(n_way=20)
    assert (five.inner_lr, five.inner_steps, five.test_steps, five.meta_batch) == (0.4, 1, 3, 32)
    assert (twenty.inner_lr, twenty.inner_steps, twenty.test_steps, twenty.meta_batch) == (0.1, 5, 5, 16)
    for config in (five, twenty):
        assert (config.iterations, config.outer_lr, config.filters, config.first_order) == (60_000, 1e-3, 64, False)
    with pytest.raises(ValueError, match="10-way"):
        MAMLConfig.full(10)

    for name in ("meta_batch", "iterations", "filters"):
        assert getattr(MAMLConfig.quick(), name) < getattr(five, name)


def test_rates_are_positive_and_counts_whole_numbers():
    assert MAMLConfig(inner_steps=0, test_steps=0).inner_steps == 0  # joint training; but no task is nothing
    others = ("meta_batch", "iterations", "filters")
    for names, values, message in (
        (("inner_lr", "outer_lr"), [0.0, -0.1, float("nan"), float("inf")], "{}.*positive"),
        (("inner_steps", "test_steps", *others), [-1, 1.0, True, "3"], "{} must be a whole number"),
        (others, [0], "{} must be .* at least 1, got 0"),
    ):
        for name, value in product(names, values):
            with pytest.raises(ValueError, match=message.format(name)):
                MAMLConfig(**{name: value})


# --- on a GPU


@pytest.mark.gpu
@pytest.mark.parametrize("way", ["auto", *WAYS])
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_gpu_computes_the_same(name, way):
    task = problem(name)
    expected = meta_gradient(*task.given, tasks="loop", **task.options(2))
    model = type(task.model)(3, filters=3, size=16) if name == "conv4" else mlp(2, 1 if name == "regression" else 3)
    params = {key: value.cuda() for key, value in task.params.items()}
    episode = Episode(*(each.cuda() for each in vars(task.episode).values()))
    found = meta_gradient(model.double().cuda(), params, episode, tasks=way, **task.options(2))
    assert found[0].is_cuda
    assert_equal({key: value.cpu() for key, value in found[1].items()}, expected[1], 1e-9)
