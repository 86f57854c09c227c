"""Paired views: the population really has the correlations that were asked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.data.multiview import mixing, multiview


def canonical_correlations(x, y):
    """By principal angles between the column spaces: another route than the course's CCA."""
    qx, qy = (torch.linalg.qr(view - view.mean(0))[0] for view in (x, y))
    return torch.linalg.svdvals(qx.T @ qy)


def test_sample_correlations_approach_the_true_ones():
    views = multiview(200_000, 4, 3, (0.5, 0.9), seed=1)
    assert views.correlations.tolist() == [0.9, 0.5, 0.0]
    # the standard error of a correlation is at most 1 / sqrt(n) = 0.0022
    assert (canonical_correlations(views.x, views.y) - views.correlations).abs().max() < 5 * 0.0022


def test_the_true_directions_reach_the_true_correlations():
    views = multiview(200_000, 5, 4, (0.9, 0.7, 0.3), seed=2)
    zx, zy = views.x @ views.x_weights, views.y @ views.y_weights
    cross = torch.corrcoef(torch.cat([zx, zy], 1).T)
    expected = torch.eye(8, dtype=torch.float64)
    expected[:4, 4:] = expected[4:, :4] = views.correlations.diag()
    assert (cross - expected).abs().max() < 5 * 0.0022


@settings(max_examples=25, deadline=None)
@given(p=st.integers(1, 8), q=st.integers(1, 8), n=st.integers(1, 20), seed=st.integers(0, 1000))
def test_shapes_repetition_and_mixing(p, q, n, seed):
    k = min(p, q)
    views, again = (multiview(n, p, q, [0.5] * k, seed=seed) for _ in range(2))
    assert views.x.shape == (n, p) and views.y.shape == (n, q) and len(views) == n
    assert views.x_weights.shape == (p, k) and views.y_weights.shape == (q, k)
    assert torch.equal(views.x, again.x) and torch.equal(views.y, again.y)
    longer = multiview(n + 30, p, q, [0.5] * k, seed=seed)
    assert torch.equal(longer.x_weights, views.x_weights)  # the population depends only on the seed
    stretch = torch.linalg.svdvals(mixing(p, torch.Generator().manual_seed(seed)))
    assert stretch.min() >= 0.5 - 1e-12 and stretch.max() <= 2 + 1e-12


def test_correlation_one_means_that_one_view_gives_the_other():
    views = multiview(50, 2, 2, (1.0, 1.0), seed=0)
    assert torch.allclose(views.x @ views.x_weights, views.y @ views.y_weights, atol=1e-12)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"between 0 and 1, got \[1.2\]"):
        multiview(10, 2, 2, [1.2])
    with pytest.raises(ValueError, match="3 correlations are given, views of 2 and 5 columns have 2"):
        multiview(10, 2, 5, [0.1] * 3)
    with pytest.raises(ValueError, match="q must be a whole number of at least 1, got 0"):
        multiview(10, 2, 0, [])
