"""Rules on vectors: each is its definition, sometimes the prototypes again, and can do what they cannot."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from meta_problems import generator, normal

from course.meta_learning.prototype_variants import (
    by_cosine,
    by_ellipses,
    by_matching,
    by_mixtures,
    by_nearest,
    by_prototypes,
    clusters,
    covariance,
    rectified,
    with_prior,
)
from course.meta_learning.prototypical import class_means

LABELS = torch.tensor([2, 0, 1, 1, 0, 2, 2])
SUPPORT, QUERY = normal(7, 4), normal(5, 4, seed=1)
TASK = (SUPPORT, LABELS, QUERY, 3)
RULES = (by_prototypes, by_cosine, by_nearest, by_matching, by_ellipses, rectified, by_mixtures)


@pytest.mark.parametrize("rule", RULES)
def test_names_of_classes_do_not_matter(rule):
    order = torch.tensor([2, 0, 1])
    renamed = rule(SUPPORT, order[LABELS], QUERY, 3)
    torch.testing.assert_close(renamed[:, order], rule(*TASK))


@pytest.mark.parametrize("rule", [each for each in RULES if each is not rectified])
def test_an_inductive_rule_judges_each_query_for_itself(rule):
    alone = torch.cat([rule(SUPPORT, LABELS, one[None], 3) for one in QUERY])
    torch.testing.assert_close(alone, rule(*TASK))


def test_the_nearest_example_of_a_class_is_the_definition_and_with_one_shot_the_mean():
    squared = -torch.cdist(QUERY, SUPPORT).square()
    for label in range(3):
        torch.testing.assert_close(by_nearest(*TASK)[:, label], squared[:, label == LABELS].amax(1))
    one_each = SUPPORT[:3], torch.tensor([1, 2, 0]), QUERY, 3
    torch.testing.assert_close(by_nearest(*one_each), by_prototypes(*one_each))


def test_matching_is_a_vote_with_weights_that_add_up_to_one():
    found = by_matching(*TASK, scale=3.0).exp()
    torch.testing.assert_close(found.sum(1), torch.ones(5, dtype=found.dtype))
    for row, query in zip(found, QUERY, strict=True):
        weights = torch.stack([(3 * F.cosine_similarity(query, each, dim=0)).exp() for each in SUPPORT])
        votes = torch.stack([weights[label == LABELS].sum() for label in range(3)]) / weights.sum()
        torch.testing.assert_close(row, votes)


def test_with_one_shot_matching_is_the_softmax_of_cosine_prototypes():
    one_each = SUPPORT[:3], torch.tensor([1, 2, 0]), QUERY, 3
    torch.testing.assert_close(by_matching(*one_each).exp(), by_cosine(*one_each).softmax(1))


def test_ellipses_are_the_definition():
    found = by_ellipses(*TASK, floor=0.3)
    for label in range(3):
        own = SUPPORT[label == LABELS]
        share = len(own) / (len(own) + 1)
        q = share * own.T.cov() + (1 - share) * SUPPORT.T.cov() + 0.3 * torch.eye(4, dtype=torch.float64)
        away = QUERY - own.mean(0)
        torch.testing.assert_close(found[:, label], -0.5 * torch.einsum("md,de,me->m", away, q.inverse(), away))


def test_with_equal_covariances_that_are_round_ellipses_are_prototypes():
    """One example each, on the corners of a regular simplex around the origin: the task's covariance is round."""
    corners = torch.linalg.qr(normal(3, 3)).Q
    support = torch.cat([corners, -corners])
    labels = torch.arange(6)
    found, plain = (rule(support, labels, QUERY[:, :3], 6) for rule in (by_ellipses, by_prototypes))
    width = 0.5 * covariance(support)[0, 0] + 1
    torch.testing.assert_close(found, plain / (2 * width))


def test_a_single_vector_has_no_covariance_and_a_floor_must_be_positive():
    assert covariance(SUPPORT[:1]).abs().sum() == 0
    with pytest.raises(ValueError, match="floor must be positive"):
        by_ellipses(*TASK, floor=0.0)


def test_rectification_is_its_formula_and_no_step_leaves_the_prototypes():
    torch.testing.assert_close(rectified(*TASK, steps=0), by_prototypes(*TASK))
    p = by_prototypes(*TASK).softmax(1)
    means = torch.stack([
        (SUPPORT[k == LABELS].sum(0) + (p[:, [k]] * QUERY).sum(0)) / ((k == LABELS).sum() + p[:, k].sum())
        for k in range(3)
    ])  # fmt: skip
    torch.testing.assert_close(rectified(*TASK), -torch.cdist(QUERY, means).square())


def test_queries_correct_an_unlucky_example():
    """Two clouds; the one example of the first class lies at its edge, towards the other."""
    clouds = torch.tensor([[0.0, 0.0], [4.0, 0.0]]).repeat_interleave(40, 0).double() + 0.6 * normal(80, 2)
    support, labels = torch.tensor([[1.9, 0.0], [4.6, 0.0]]).double(), torch.arange(2)
    truth = torch.arange(2).repeat_interleave(40)
    right = [
        (rule(support, labels, clouds, 2).argmax(1) == truth).double().mean() for rule in (by_prototypes, rectified)
    ]
    assert right[0] < 0.95 and right[1] > 0.97


def test_one_mode_is_the_mean_and_as_many_modes_as_examples_are_a_density_estimate():
    torch.testing.assert_close(by_mixtures(*TASK, modes=1), by_prototypes(*TASK))
    found = by_mixtures(*TASK, modes=9)
    for label in range(3):
        own = SUPPORT[label == LABELS]
        kernel = (-torch.cdist(QUERY, own).square()).exp().mean(1).log()
        torch.testing.assert_close(found[:, label], kernel)


def test_a_class_with_two_modes_needs_two_means():
    def draw(seed):  # the first class at both ends, the second in the middle
        centres = torch.tensor([-4.0, 4.0, 0.0]).repeat_interleave(10).double()
        points = torch.stack([centres, torch.zeros_like(centres)], 1) + 0.5 * normal(30, 2, seed=seed)
        return points, torch.tensor([0, 0, 1]).repeat_interleave(10)

    (support, labels), (query, truth) = draw(0), draw(1)
    for rule, least, most in ((by_prototypes, 0.0, 0.75), (partial(by_mixtures, modes=2), 0.99, 1.0)):
        right = (rule(support, labels, query, 2).argmax(1) == truth).double().mean()
        assert least <= right <= most


def test_clusters_find_clouds_and_their_shares():
    x = torch.cat([normal(6, 2) / 9, 5 + normal(3, 2, seed=1) / 9])[torch.randperm(9, generator=generator())]
    centres, shares = clusters(x, 2)
    order = centres[:, 0].argsort()
    torch.testing.assert_close(shares[order], torch.tensor([6 / 9, 3 / 9], dtype=x.dtype))
    torch.testing.assert_close(centres[order], torch.stack([x[x[:, 0] < 2.5].mean(0), x[x[:, 0] > 2.5].mean(0)]))


def test_clusters_of_equal_points_are_finite():
    x = torch.zeros(4, 2, dtype=torch.float64)
    centres, shares = clusters(x, 3)
    assert centres.isfinite().all() and shares.sum() == 1
    scores = by_mixtures(torch.cat([x, x + 1]), torch.arange(2).repeat_interleave(4), x + 0.1, 2, modes=3)
    assert (scores.argmax(1) == 0).all()


def test_side_information_counts_as_so_many_examples():
    side = normal(3, 4, seed=5)
    found = with_prior(SUPPORT, LABELS, side, 2.0)
    for label in range(3):
        twice_side = torch.cat([SUPPORT[label == LABELS], side[label].expand(2, -1)])
        torch.testing.assert_close(found[label], twice_side.mean(0))
    none = torch.zeros(0, dtype=torch.long)
    torch.testing.assert_close(with_prior(SUPPORT[:0], none, side, 2.0), side)  # zero-shot
    torch.testing.assert_close(with_prior(SUPPORT, LABELS, side, 1e-9), class_means(SUPPORT, LABELS, 3))
    with pytest.raises(ValueError, match="weight counts examples"):
        with_prior(SUPPORT, LABELS, side, 0.0)


def test_side_information_is_the_posterior_mean_of_gaussians():
    """Prior N(g, σ²/κ) and examples N(c, σ²): the logarithm of the posterior is flat at its maximum."""
    side, examples = normal(1, 4, seed=6), normal(3, 4, seed=7)
    found = with_prior(examples, torch.zeros(3, dtype=torch.long), side, 1.5)[0]

    def minus_log_posterior(c):
        return 1.5 * (c - side[0]).square().sum() / 2 + (examples - c).square().sum() / 2

    slope = torch.func.grad(minus_log_posterior)(found)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
