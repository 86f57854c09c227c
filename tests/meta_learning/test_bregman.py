"""Divergences have their closed forms, and the mean is the best centre of each of them, but not for the cosine."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from meta_problems import generator, normal

from course.meta_learning.bregman import (
    best_centre,
    bregman,
    cosine_distance,
    negative_entropy,
    negative_log,
    squared_length,
)

CLOSED = {
    squared_length: lambda x, m: (x - m).square().sum(-1),
    negative_entropy: lambda x, m: (x * (x / m).log() - x + m).sum(-1),
    negative_log: lambda x, m: (x / m - (x / m).log() - 1).sum(-1),
}
CONVEX = pytest.mark.parametrize("phi", CLOSED, ids=lambda phi: phi.__name__)


def positive(*shape, seed=0):
    return 0.1 + torch.rand(*shape, generator=generator(seed), dtype=torch.float64)


@CONVEX
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_a_divergence_has_its_closed_form_for_all_pairs(phi, n, d, seed):
    x, m = positive(n, 1, d, seed=seed), positive(3, d, seed=seed + 1)
    found = bregman(phi, x, m)
    torch.testing.assert_close(found, CLOSED[phi](x, m))
    assert (found >= -1e-12).all()
    torch.testing.assert_close(bregman(phi, m, m), torch.zeros(3, dtype=m.dtype))


@CONVEX
def test_what_another_centre_costs_is_its_divergence_from_the_mean(phi):
    x, m = positive(6, 3), positive(3, seed=1)
    mean = x.mean(0)
    extra = (bregman(phi, x, m) - bregman(phi, x, mean)).sum()
    torch.testing.assert_close(extra, 6 * bregman(phi, mean, m))


@CONVEX
def test_descent_finds_the_mean(phi):
    x = positive(7, 3, seed=2)
    found = best_centre(lambda points, m: bregman(phi, points, m), x)
    torch.testing.assert_close(found, x.mean(0), rtol=1e-5, atol=1e-6)


def test_for_the_cosine_descent_finds_the_direction_of_the_mean_of_unit_vectors():
    x = positive(7, 3, seed=3) * torch.tensor([1.0, 1, 1, 1, 1, 1, 20], dtype=torch.float64)[:, None]
    found = F.normalize(best_centre(cosine_distance, x), dim=0)
    expected = F.normalize(F.normalize(x, dim=1).sum(0), dim=0)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (F.normalize(x.mean(0), dim=0) - expected).norm() > 0.1


def test_a_general_quadratic_gives_the_mahalanobis_distance():
    root = normal(3, 3)
    a = root @ root.T
    x, m = normal(5, 3, seed=1), normal(3, seed=2)
    found = bregman(lambda z: ((z @ a) * z).sum(-1), x, m)
    torch.testing.assert_close(found, (((x - m) @ a) * (x - m)).sum(-1))


def test_points_where_the_function_is_not_defined_are_refused():
    with pytest.raises(ValueError, match="such as x > 0"):
        bregman(negative_entropy, torch.tensor([[-1.0, 2.0]]), torch.tensor([1.0, 1.0]))
