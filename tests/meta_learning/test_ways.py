"""Which way the tasks are run, the parts of an episode, and the refusal of what would be silently wrong."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from meta_problems import blobs, mlp, normal, waves
from torch import nn

from course.data import Episode
from course.meta_learning.adaptation import adapt, require_adaptable
from course.meta_learning.maml import meta_gradient, meta_loss
from course.meta_learning.ways import Loop, Stacked, Vmap, adapted_predictions, require_episode, tasks_of, way_to_run
from course.representation.cnn import Conv4

OPTIONS = {"loss": F.mse_loss, "lr": 0.1, "steps": 1}


def way(model, tasks="auto", params=None):
    return type(way_to_run(model, params or dict(model.named_parameters()), tasks))


def on_another_device(model):
    return {name: value.to("meta") for name, value in model.named_parameters()}


def test_model_and_device_decide():
    unknown = nn.Sequential(nn.Linear(2, 2), nn.Mish())
    assert way(mlp(2, 1)) is Stacked
    assert way(Conv4(5, filters=2)) is way(unknown) is Loop
    for model, batched in ((mlp(2, 1), Stacked), (Conv4(5, filters=2), Stacked), (unknown, Vmap)):
        assert way(model, "batched") is batched
        assert way(model, params=on_another_device(model)) is batched
        assert way(model, "loop", on_another_device(model)) is Loop


def test_some_of_the_parameters_are_adapted_by_vmap():
    model = mlp(2, 1)
    head = {name: value for name, value in model.named_parameters() if name.startswith("3.")}
    assert way(model, "batched", head) is Vmap
    assert way(model, params=head) is Loop


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="'parallel'"):
        way(mlp(2, 1), "parallel")
    with pytest.raises(ValueError, match="'batched'"):
        way(nn.Sequential(nn.Linear(2, 2), nn.Mish()), "stacked")
    for function in (meta_gradient, adapted_predictions):
        with pytest.raises(ValueError, match="one of 'auto', 'loop', 'batched'"):
            function(mlp(2, 1), dict(mlp(2, 1).named_parameters()), waves(), tasks="vmapped", **OPTIONS)


@settings(max_examples=20, deadline=None)
@given(tasks=st.integers(1, 9), size=st.integers(1, 10), kind=st.sampled_from([Loop, Stacked, Vmap]))
def test_parts_put_together_are_the_episode(tasks, size, kind):
    episode = waves(tasks=tasks)
    parts = list(kind(mlp(2, 1)).parts(episode, size))
    assert len(parts) == (tasks if kind is Loop else -(-tasks // size))
    for whole, pieces in zip(vars(episode).values(), zip(*parts, strict=True), strict=True):
        assert torch.equal(torch.cat(pieces), whole)
    assert len(list(tasks_of(episode))) == tasks


# --- refusals


@pytest.mark.parametrize("model", [nn.BatchNorm1d(2), nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))])
def test_running_averages_would_mix_the_tasks(model):
    params, episode = dict(model.named_parameters()), waves()
    for refused in (
        lambda: adapt(model, params, episode.support_x[0], episode.support_y[0], **OPTIONS),
        lambda: meta_gradient(model, params, episode, **OPTIONS),
        lambda: meta_loss(model, params, episode, **OPTIONS),
        lambda: adapted_predictions(model, params, episode, **OPTIONS),
    ):
        with pytest.raises(ValueError, match=r"BatchNorm1d.*track_running_stats=False, or call model.eval"):
            refused()
    require_adaptable(model.eval(), params, 0.1, 1)


def test_parameters_must_be_those_of_the_model():
    model = mlp(2, 1)
    with pytest.raises(ValueError, match=r"\['0.wieght'\]; it has \['0.bias', '0.weight'"):
        adapt(model, {"0.wieght": normal(6, 2)}, normal(3, 2), normal(3, 1), **OPTIONS)
    with pytest.raises(ValueError, match="got none"):
        meta_gradient(model, {}, waves(), **OPTIONS)


@pytest.mark.parametrize(
    ("lr", "message"),
    [
        ({"0.wieght": 0.1}, r"lr must name parameters of the params, got \['0.wieght'\]; it has \['0.bias'"),
        ({}, "got none"),
        ({"0.weight": normal(6, 3)}, r"the rate of '0.weight' has shape \[6, 3\], which does not fit \[6, 2\]"),
        ({"0.bias": normal(1, 6)}, r"'0.bias' has shape \[1, 6\], which does not fit \[6\]"),
    ],
)
def test_rates_must_fit_the_parameters(lr, message):
    model, options = mlp(2, 1), OPTIONS | {"lr": lr}
    params = dict(model.named_parameters())
    for call in (lambda: adapt(model, params, normal(3, 2), normal(3, 1), **options),
                 lambda: meta_gradient(model, params, waves(), **options),
                 lambda: adapted_predictions(model, params, waves(), **options)):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()


def test_a_negative_number_of_steps_is_refused():
    options = OPTIONS | {"steps": -1}
    model = mlp(2, 1)
    for call in (lambda p: adapt(model, p, normal(3, 2), normal(3, 1), **options),
                 lambda p: meta_gradient(model, p, waves(), **options)):  # fmt: skip
        with pytest.raises(ValueError, match="at least 0, got -1"):
            call(dict(model.named_parameters()))


def cut(name, change):
    episode = blobs()
    setattr(episode, name, change(getattr(episode, name)))
    return episode


def fewer_query_tasks():
    support, query = blobs(tasks=3), blobs(tasks=2)
    return Episode(support.support_x, support.support_y, query.query_x, query.query_y)


@pytest.mark.parametrize(
    "episode",
    [
        fewer_query_tasks(),
        cut("support_x", lambda x: x[1:]), cut("query_y", lambda y: y[:-1]), cut("support_y", lambda y: y[:, 1:]),
        cut("query_x", lambda x: x[:, 1:]), cut("support_y", lambda y: y[0]), cut("query_x", lambda x: x[:, :0]),
        Episode(normal(0, 2, 1), normal(0, 2, 1), normal(0, 2, 1), normal(0, 2, 1)),
        Episode(*(each[0] for each in vars(blobs()).values())), Episode(*(normal(()) for _ in range(4))),
    ],
)  # fmt: skip
def test_an_episode_with_parts_that_do_not_fit_is_refused(episode):
    model = mlp(2, 3)
    options = OPTIONS | {"loss": F.cross_entropy}
    for function in (meta_gradient, meta_loss, adapted_predictions):
        with pytest.raises(ValueError, match=r"support_x \[.*x\[None\]"):
            function(model, dict(model.named_parameters()), episode, **options)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_an_episode_is_accepted_exactly_if_its_parts_fit(sizes):
    shapes = [tuple(sizes[2 * i : 2 * i + 2]) for i in range(4)]
    episode = Episode(*(normal(*shape, 1) for shape in shapes))
    (ts, ns), (tsy, nsy), (tq, nq), (tqy, nqy) = shapes
    if ts == tsy == tq == tqy > 0 and ns == nsy > 0 and nq == nqy > 0:
        require_episode(episode)
    else:
        with pytest.raises(ValueError, match="an episode needs"):
            require_episode(episode)
