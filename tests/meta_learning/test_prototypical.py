"""Prototypes are the definition, the distances are exact far from the origin, and the learner keeps its promises."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from meta_problems import blobs, generator, mlp, normal
from torch import nn

from course.data import Episode, EpisodeSampler, LabelledSet
from course.meta_learning.prototypical import (
    PrototypicalConfig,
    PrototypicalNetwork,
    class_means,
    conv4_encoder,
    cosine_scores,
    linear_classifier,
    negative_squared_distances,
    prototypical_loss,
)

CONFIG = PrototypicalConfig(outer_lr=0.01, iterations=5)


def network(**options):
    return PrototypicalNetwork(mlp(2, 3, averages=True), CONFIG, **options)


def by_definition(support, support_y, query, query_y, ways):
    """The loss as the paper writes it: task by task, query by query, with all differences."""
    losses = []
    for task in range(len(support)):
        means = torch.stack([support[task][support_y[task] == k].mean(0) for k in range(ways)])
        for vector, label in zip(query[task], query_y[task], strict=True):
            distances = (vector - means).square().sum(1)
            losses.append(distances[label] + (-distances).exp().sum().log())
    return torch.stack(losses).mean()


def vectors_of(episode):
    return episode.support_x, episode.support_y, episode.query_x, episode.query_y


# --- prototypes, distances, loss


@given(st.integers(1, 3), st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_prototypes_are_the_means_of_classes_of_any_sizes_in_any_order(tasks, sizes, d, seed):
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    labels = torch.stack([labels[torch.randperm(len(labels), generator=generator(seed + t))] for t in range(tasks)])
    vectors = normal(*labels.shape, d, seed=seed)
    expected = [[v[y == k].mean(0) for k in range(len(sizes))] for v, y in zip(vectors, labels, strict=True)]
    torch.testing.assert_close(
        class_means(vectors, labels, len(sizes)), torch.stack([torch.stack(e) for e in expected])
    )


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_distances_by_one_product_are_all_the_differences(m, n, d, seed):
    x, c = normal(2, m, d, seed=seed), normal(2, n, d, seed=seed + 1)
    torch.testing.assert_close(negative_squared_distances(x, c), -torch.cdist(x, c).square())


@pytest.mark.parametrize("ways", [3, 7])
def test_the_loss_and_its_gradient_are_those_of_the_definition(ways):
    episode = blobs(tasks=2, ways=ways, shape=(4,))
    for function in (prototypical_loss, by_definition):
        variables = [each.clone().requires_grad_() for each in (episode.support_x, episode.query_x)]
        value = function(variables[0], episode.support_y, variables[1], episode.query_y, ways)
        slopes = torch.autograd.grad(value, variables)
        if function is prototypical_loss:
            found = (value, *slopes)
    torch.testing.assert_close(found, (value, *slopes))


def test_the_gradient_is_that_of_central_differences():
    episode = blobs(tasks=2, ways=3, queries=2)
    assert torch.autograd.gradcheck(
        lambda s, q: prototypical_loss(s, episode.support_y, q, episode.query_y, 3),
        (episode.support_x.requires_grad_(), episode.query_x.requires_grad_()),
    )


def test_a_common_shift_costs_no_accuracy_in_float32():
    x, c = normal(50, 64), normal(20, 64, seed=1)
    exact = -torch.cdist(x, c).square()
    shift = 1000.0
    x32, c32 = (x + shift).float(), (c + shift).float()
    rounded = -torch.cdist(x32.double(), c32.double()).square()  # what the rounded inputs themselves are apart
    assert (rounded - exact).abs().max() > 1e-4  # the inputs have lost digits already; the distances must not lose more
    torch.testing.assert_close(negative_squared_distances(x32, c32).double(), rounded, rtol=1e-5, atol=1e-4)


def test_half_precision_is_computed_in_float32_also_under_autocast():
    x, c = normal(6, 8).bfloat16(), normal(3, 8, seed=1).bfloat16()
    expected = negative_squared_distances(x.float(), c.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = negative_squared_distances(x, c)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    labels = torch.arange(3).repeat(2)
    torch.testing.assert_close(class_means(x, labels, 3), class_means(x.float(), labels, 3))


def test_a_point_is_at_distance_0_from_itself_and_never_below():
    x = 100 + normal(40, 30).float()
    found = negative_squared_distances(x, x)
    assert found.max() <= 0
    torch.testing.assert_close(found.diagonal(), torch.zeros(40), rtol=0, atol=1e-3)


def test_prototypes_are_a_linear_classifier():
    x, c = normal(9, 4), normal(5, 4, seed=1)
    weight, bias = linear_classifier(c)
    expected = F.linear(x, weight, bias)
    found = negative_squared_distances(x, c)
    torch.testing.assert_close(found - expected, -x.square().sum(1, keepdim=True).expand(-1, 5))
    torch.testing.assert_close(found.softmax(1), expected.softmax(1))


def test_prototypes_are_the_bayes_rule_of_equal_spherical_gaussians():
    x, c = normal(9, 4), normal(5, 4, seed=1)
    gaussians = torch.distributions.MultivariateNormal(c, 0.5 * torch.eye(4, dtype=torch.float64))
    joint = gaussians.log_prob(x[:, None])  # equal priors cancel
    torch.testing.assert_close(negative_squared_distances(x, c).softmax(1), joint.softmax(1))


def test_scores_turn_with_the_space_and_ignore_a_common_shift():
    x, c = normal(6, 4), normal(3, 4, seed=1)
    turn = torch.linalg.qr(normal(4, 4, seed=2)).Q
    torch.testing.assert_close(negative_squared_distances(x @ turn + 7, c @ turn + 7), negative_squared_distances(x, c))
    torch.testing.assert_close(cosine_scores(3 * x @ turn, c @ turn), cosine_scores(x, c))  # and cosine the length
    torch.testing.assert_close(cosine_scores(c, c).diagonal(), torch.full((3,), 10.0, dtype=torch.float64))


# --- the learner


def test_all_tasks_at_once_are_the_tasks_one_by_one():
    learner, episode = network(), blobs()
    learner.train([episode] * 3, steps=3)  # averages that are no longer those of the start
    found = learner.predictions(episode)
    for task in range(episode.tasks):
        classify = learner.adapt(episode.support_x[task], episode.support_y[task])
        torch.testing.assert_close(classify(episode.query_x[task]), found[task])
        torch.testing.assert_close(classify(episode.query_x[task][:1]), found[task][:1])  # whoever else is asked
    assert not found.requires_grad


def test_ways_and_shots_of_a_task_are_free():
    learner = network()
    for ways, queries in ((2, 1), (9, 4)):
        episode = blobs(ways=ways, queries=queries)
        assert learner.predictions(episode).shape == (3, ways * queries, ways)
    classify = learner.adapt(normal(6, 2), torch.tensor([2, 0, 0, 1, 0, 2]))  # 3, 1 and 2 shots
    assert classify(normal(4, 2)).shape == (4, 3)


def test_prediction_leaves_modes_and_averages_as_they_are():
    learner = network()
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}
    learner.predictions(blobs())
    learner.adapt(normal(3, 2), torch.arange(3))(normal(4, 2))
    assert learner.model.training
    torch.testing.assert_close(dict(learner.model.state_dict()), before, rtol=0, atol=0)


def test_the_loss_of_an_episode_is_that_of_its_vectors():
    learner, episode = network(), blobs()
    learner.model.eval()
    encode = learner.model
    vectors = [torch.stack([encode(x) for x in part]) for part in (episode.support_x, episode.query_x)]
    expected = prototypical_loss(vectors[0], episode.support_y, vectors[1], episode.query_y, 3)
    torch.testing.assert_close(learner.episode_loss(episode), expected)


def test_cosine_scores_can_replace_the_distances():
    learner, episode = network(scores=cosine_scores), blobs()
    found = learner.predictions(episode)
    assert 1 < found.abs().max() <= 10
    history = learner.train([episode] * 30, steps=30)
    assert history.train_loss[-1] < history.train_loss[0]


def test_adapt_is_differentiable_with_respect_to_support_and_encoder():
    learner = network()
    x = normal(3, 2).requires_grad_()
    learner.adapt(x, torch.arange(3))(normal(4, 2)).sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is not None for parameter in learner.model.parameters())


def test_pictures_sounds_and_texts_take_the_same_three_lines():
    labels = torch.arange(4).repeat_interleave(4)
    names = ("a", "b", "c", "d")
    encoders = {
        (1, 28, 28): conv4_encoder(filters=4, generator=generator()),
        (400,): nn.Linear(400, 6),
        (3, 5): nn.Sequential(nn.Flatten(), nn.Linear(15, 4)),
    }
    for shape, encoder in encoders.items():
        x = torch.rand(16, *shape, generator=generator())
        sampler = EpisodeSampler(LabelledSet(x, labels, names, names, "any"), n_way=3, k_shot=2, n_query=1, tasks=2)
        learner = PrototypicalNetwork(encoder, CONFIG)
        learner.train(sampler, steps=2)
        assert learner.evaluate(sampler, 4).n == 4


def test_the_encoder_of_the_paper_has_no_head_and_keeps_averages():
    encoder = conv4_encoder(channels=3, filters=6, size=32, generator=generator())
    images = torch.rand(2, 3, 32, 32, generator=generator())
    encoder.eval()
    torch.testing.assert_close(encoder(images), encoder.embed(images))
    assert encoder(images).shape == (2, 24)
    torch.testing.assert_close(encoder(images[:1]), encoder(images)[:1])


# --- refusals


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 2], "class 1 of task 0 has no support example"),
        ([0, 0, 0], "two classes or more"),
        ([1, -1, 0], "numbered from 0 on; got labels -1 to 1"),
        ([0.0, 1.0, 2.0], r"int64, one or more of them, got \[3\] float32"),
    ],
)
def test_labels_without_a_mean_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        network().adapt(normal(3, 2), torch.tensor(labels))


def test_labels_that_a_task_of_an_episode_cannot_have_are_refused():
    episode = blobs()
    gap = episode.support_y.clone()
    gap[1, 2] = 0
    for method in (network().predictions, network().episode_loss):
        with pytest.raises(ValueError, match="class 2 of task 1 has no support example"):
            method(replace(episode, support_y=gap))
    with pytest.raises(ValueError, match="queries have labels from 1 to 3, the support set has classes 0 to 2"):
        network().episode_loss(replace(episode, query_y=episode.query_y + 1))
    with pytest.raises(ValueError, match="an episode needs"):
        network().predictions(Episode(*(part[0] for part in vectors_of(episode))))


def test_features_that_are_not_finite_are_refused_and_named():
    learner, x = network(), normal(4, 2)
    x[2, 1] = float("nan")
    with pytest.raises(ValueError, match="1 of 4 examples are not finite, the first is number 2"):
        learner.adapt(x, torch.tensor([0, 0, 1, 1]))
    classify = learner.adapt(normal(4, 2), torch.tensor([0, 0, 1, 1]))
    with pytest.raises(ValueError, match="not finite"):
        classify(x)


def test_a_training_on_features_that_are_not_finite_stops():
    episode = blobs()
    episode.query_x[0, 0] = float("inf")
    with pytest.raises(FloatingPointError, match="step 0 has loss nan"):
        network().train([episode], steps=1)


def test_an_encoder_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"layer '1' \(BatchNorm1d\) keeps no running averages"):
        PrototypicalNetwork(mlp(2, 3), CONFIG)
    with pytest.raises(ValueError, match=r"vectors \[3, d\], got \[3, 1, 4, 4\] float32: end it with nn.Flatten"):
        PrototypicalNetwork(nn.Identity(), CONFIG).adapt(torch.rand(3, 1, 4, 4), torch.arange(3))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"outer_lr": 0.0}, "outer_lr is a step size"), ({"n_way": 1}, "n_way"), ({"n_query": 2.5}, "n_query")],
)
def test_settings_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        PrototypicalConfig(**wrong)
    assert PrototypicalConfig.full().n_way == 60 and PrototypicalConfig.quick().iterations < 1000
