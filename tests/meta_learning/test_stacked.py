"""Stacked layers against the same layers task by task, in value and two derivatives; and what cannot be stacked."""

from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from meta_problems import WAYS, blobs, generator, mlp, normal, problem, randomised, smoothed_cross_entropy
from torch import nn
from torch.func import functional_call
from torch.nn.utils.parametrize import register_parametrization

from course.meta_learning import stacked
from course.meta_learning.adaptation import adapt, query_loss
from course.meta_learning.maml import meta_gradient
from course.meta_learning.stacked import fold, stackable, stacked_copies, summed_loss, unfold
from course.representation.cnn import ChannelsLast, Conv4

TASKS, EXAMPLES = 3, 4


def layers():
    """A name, a model and the shape of one example, for every layer that can be stacked, and for combinations."""
    images = (2, 8, 8)
    norm = {"track_running_stats": False}
    smooth = (nn.ELU(), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Sigmoid(), nn.Identity())
    convolution, shared = nn.Conv2d(2, 3, 3), nn.Tanh()
    return [
        ("linear", nn.Linear(3, 2), (3,)),
        ("linear without bias", nn.Linear(3, 2, bias=False), (3,)),
        ("linear on sequences", nn.Linear(3, 2), (5, 3)),
        ("convolution", nn.Conv2d(2, 4, 3, padding=1), images),
        ("convolution with every option", nn.Conv2d(2, 4, 3, 2, "valid", 2, groups=2, bias=False), images),
        ("convolution of the same size", nn.Conv2d(2, 3, 3, padding="same"), images),
        ("norm of vectors", nn.BatchNorm1d(3, **norm), (3,)),
        ("norm of sequences", nn.BatchNorm1d(3, **norm), (3, 5)),
        ("norm of images", nn.BatchNorm2d(2, eps=0.1, **norm), images),
        ("norm without weights", nn.BatchNorm2d(2, affine=False, **norm), images),
        ("norm in evaluation mode", nn.BatchNorm1d(3, **norm).eval(), (3,)),
        ("pooling", nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)), images),
        ("activations", nn.Sequential(*smooth), (3,)),
        ("kinks", nn.Sequential(nn.LeakyReLU(), nn.Tanh(), nn.ReLU()), (3,)),
        ("one activation used twice", nn.Sequential(nn.Linear(3, 3), shared, nn.Linear(3, 3), shared), (3,)),
        ("nested", nn.Sequential(OrderedDict(a=nn.Sequential(nn.Linear(3, 3)), b=nn.Linear(3, 1))), (3,)),
        ("images to vectors", nn.Sequential(ChannelsLast(), convolution, nn.Flatten(), nn.Linear(108, 2)), images),
        ("Conv4", Conv4(3, filters=2, size=16, generator=generator()), (1, 16, 16)),
    ]  # fmt: skip


@pytest.mark.parametrize(("model", "shape"), [row[1:] for row in layers()], ids=[row[0] for row in layers()])
def test_a_stacked_layer_is_the_layer_of_each_task(model, shape):
    model = randomised(model)
    assert stackable(model)
    x = normal(TASKS, EXAMPLES, *shape, seed=1).requires_grad_()
    params = {name: normal(TASKS, *value.shape, seed=2).requires_grad_() for name, value in model.named_parameters()}
    each = [functional_call(model, {n: p[task] for n, p in params.items()}, (x[task],)) for task in range(TASKS)]
    found, expected = stacked.stacked_call(model, params, x), torch.stack(each)
    torch.testing.assert_close(found, expected)
    inputs = (x, *params.values())
    weights = normal(*expected.shape, seed=3)
    first, second = [], []
    for out in (found, expected):
        first.append(torch.autograd.grad((out.sin() * weights).sum(), inputs, create_graph=True))
        total = sum((slope * normal(*slope.shape, seed=4)).sum() for slope in first[-1])
        second.append(torch.autograd.grad(total, inputs, materialize_grads=True))
    torch.testing.assert_close(first[0], first[1])
    torch.testing.assert_close(second[0], second[1])


class Doubled(nn.Linear):
    """A subclass that computes something else."""

    def forward(self, x):
        return 2 * super().forward(x)


class Reversed(nn.Sequential):
    def forward(self, x):
        return super().forward(x.flip(0))


def unstackable():
    """Models by name."""
    hooked, twice, first, tied = (nn.Linear(2, 2) for _ in range(4))
    hooked.register_forward_hook(lambda module, args, output: 2 * output)
    tied.weight = first.weight
    return {
        "subclass": Doubled(2, 2),
        "own forward": Reversed(nn.Linear(2, 2)),
        "hook": hooked,
        "tied": nn.Sequential(first, nn.Tanh(), tied),
        "twice": nn.Sequential(twice, nn.Tanh(), twice),
        "parametrised": register_parametrization(nn.Linear(2, 2), "weight", nn.Softplus()),
        "nested": nn.Sequential(nn.Linear(2, 2), nn.Sequential(Doubled(2, 2))),
        "PReLU": nn.Sequential(nn.Linear(2, 2), nn.PReLU()),
        "layer norm": nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)),
    }


@pytest.mark.parametrize("model", unstackable().values(), ids=unstackable())
def test_what_cannot_be_stacked_is_run_another_way_and_is_right(model):
    assert not stackable(model)
    model, episode = randomised(model), blobs(ways=2, queries=3)
    params, options = dict(model.named_parameters()), {"loss": F.cross_entropy, "lr": 0.1, "steps": 2}
    loop, batched = (meta_gradient(model, params, episode, tasks=way, **options) for way in ("loop", "batched"))
    torch.testing.assert_close(batched, loop)


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm1d(3), nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), nn.Flatten(2), nn.Flatten(0),
        nn.MaxPool2d(2, return_indices=True), nn.Dropout(), nn.LSTM(2, 2), nn.InstanceNorm2d(2), nn.ModuleList(),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_other_layers_are_not_stacked(layer):
    assert not stackable(layer)
    assert not stackable(nn.Sequential(nn.Linear(2, 2), layer))


@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=3, max_size=5))
def test_unfold_undoes_fold(shape):
    x = normal(*shape)
    tasks, examples, channels, *rest = shape
    assert fold(x).shape == (examples, tasks * channels, *rest)
    assert torch.equal(unfold(fold(x), tasks), x)
    assert torch.equal(fold(x)[:, :channels], x[0])  # the first task's channels come first


@pytest.mark.parametrize(
    ("loss", "classes"),
    [
        (F.mse_loss, False), (F.l1_loss, False), (F.smooth_l1_loss, False), (F.binary_cross_entropy_with_logits, False),
        (F.cross_entropy, True), (smoothed_cross_entropy, True), (lambda p, y: (p - y).pow(4).sum(), False),
    ],
)  # fmt: skip
def test_the_summed_loss_is_the_sum_of_the_losses(loss, classes):
    predictions = normal(TASKS, EXAMPLES, 3)
    if classes:
        targets = torch.randint(3, (TASKS, EXAMPLES), generator=generator())
    else:
        targets = normal(TASKS, EXAMPLES, 3, seed=1).sigmoid()
    expected = sum(loss(*task) for task in zip(predictions, targets, strict=True))
    torch.testing.assert_close(summed_loss(loss, predictions, targets), expected)


def test_a_loss_is_not_broadcast_over_tasks():
    with pytest.raises(ValueError, match=r"mse_loss.*\[3, 4, 1\].*\[3, 4\].*same shape"):
        summed_loss(F.mse_loss, normal(3, 4, 1), normal(3, 4))


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("graph", [False, True])
def test_stacked_adaptation_is_the_adaptation_of_each_task(steps, first_order, graph):
    task = problem("classification")
    x, y, *_ = vars(task.episode).values()
    params = {name: value.requires_grad_() for name, value in task.params.items()}
    copies = stacked_copies(params, len(x))
    assert all(copies[name].data_ptr() == params[name].data_ptr() for name in params), "copies take no memory"
    options = task.options(steps) | {"first_order": first_order}
    with torch.set_grad_enabled(graph):
        found = stacked.stacked_adapt(task.model, copies, x, y, **options)
    for index in range(len(x)):
        expected = adapt(task.model, task.params, x[index], y[index], **options)
        for name, value in expected.items():
            torch.testing.assert_close(found[name][index].detach(), value.detach())
    assert all(torch.equal(copies[name][0], task.params[name]) for name in copies)
    assert {each.requires_grad for each in found.values()} == {graph or steps == 0}  # differentiable where that is on


def test_the_stacked_query_loss_is_the_sum_of_the_query_losses():
    for name in ("regression", "classification", "smoothed", "conv4"):
        task = problem(name)
        params = {key: value.requires_grad_() for key, value in task.params.items()}
        sets = tuple(vars(task.episode).values())
        expected = sum(query_loss(task.model, params, *each, **task.options(2)) for each in zip(*sets, strict=True))
        found = stacked.stacked_query_loss(task.model, params, *sets, **task.options(2))
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(*(torch.autograd.grad(each, tuple(params.values())) for each in (found, expected)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_way_keeps_the_type(dtype):
    model = mlp(2, 3).to(dtype)
    episode = blobs()
    episode.support_x, episode.query_x = episode.support_x.to(dtype), episode.query_x.to(dtype)
    for way in WAYS:
        options = {"loss": F.cross_entropy, "lr": 0.1, "steps": 2, "tasks": way}
        loss, gradient = meta_gradient(model, dict(model.named_parameters()), episode, **options)
        assert {loss.dtype, *(each.dtype for each in gradient.values())} == {dtype}
