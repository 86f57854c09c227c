"""Which way the tasks are run, the parts of an episode, and the refusal of what would be silently wrong."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from meta_problems import blobs, mlp, normal, waves
from torch import nn

from course.data import Episode
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

    model = mlp(2, 1)  # of which some parameters are adapted, by vmap
    head = {name: value for name, value in model.named_parameters() if name.startswith("3.")}
    assert way(model, "batched", head) is Vmap
    assert way(model, params=head) is Loop


def test_an_unknown_way_is_refused():
    with pytest.raises(ValueError, match="'batched'"):
        way(nn.Sequential(nn.Linear(2, 2), nn.Mish()), "stacked")
    for function in (meta_gradient, adapted_predictions):
        with pytest.raises(ValueError, match=r"one of 'auto', 'loop', 'batched'.* got 'vmapped'"):
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
