"""Intervals at the promised rate; correlations, retrieval and accuracy between views by hand and by NumPy."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from course.metrics import (
    accuracy_of_ways,
    better_candidates,
    column_correlations,
    cross_view_accuracy,
    interval95,
    retrieval_at_1,
    t_interval95,
)


@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=5), elements=st.floats(-10, 10)))
def test_it_is_the_interval_of_the_t_test(values):
    mean, half = t_interval95(values)
    width = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    np.testing.assert_allclose(mean, values.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(half, width, rtol=1e-12, atol=1e-12)


def test_it_holds_the_truth_95_times_in_100():
    runs = 20_000
    values = 5 + 2 * torch.randn(3, runs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean, half = t_interval95(values)
    share = ((mean - 5).abs() <= half).double().mean().item()
    assert share == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / runs) ** 0.5)  # 4 standard errors; the normal's is 0.81


def test_lists_and_single_numbers():
    mean, half = t_interval95([1.0, 2.0, 4.0])
    assert mean.shape == half.shape == ()
    low, high = stats.ttest_1samp([1.0, 2.0, 4.0], 0).confidence_interval(0.95)
    assert (mean - half).item() == pytest.approx(low)
    assert (mean + half).item() == pytest.approx(high)


@pytest.mark.parametrize("values", [[], [1.0], 1.0, torch.zeros(1, 5)])
def test_one_value_has_no_interval(values):
    with pytest.raises(ValueError, match="at least 2 independent values"):
        t_interval95(values)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_the_interval_over_tasks_by_its_definition(values):
    mean, half = interval95(torch.tensor(values))
    exact = np.array(values, dtype=np.float32).astype(float)
    assert mean == pytest.approx(exact.mean(), abs=1e-9)
    assert half == pytest.approx(1.959964 * exact.std(ddof=1) / len(values) ** 0.5, abs=1e-9)


def test_the_interval_over_tasks_holds_the_truth_in_95_of_100_cases():
    accuracy = torch.randint(0, 16, (2000, 100), generator=torch.Generator().manual_seed(0)) / 15  # the mean is 0.5
    held = sum(abs(mean - 0.5) <= half for mean, half in map(interval95, accuracy))
    assert 0.93 < held / 2000 < 0.965


@pytest.mark.parametrize("values", [torch.ones(1), torch.ones(0), torch.ones(3, 2), torch.tensor(1.0)])
def test_an_interval_over_tasks_needs_values_to_differ(values):
    with pytest.raises(ValueError, match="at least two tasks"):
        interval95(values)


def test_column_correlations_are_numpys():
    zx, zy = torch.randn(2, 40, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = [np.corrcoef(zx[:, i], zy[:, i])[0, 1] for i in range(4)]
    assert column_correlations(5 * zx + 1, zy).tolist() == pytest.approx(expected)


def test_retrieval_counts_the_rows_nearest_to_their_own_partner_by_angle():
    zx = torch.eye(4)
    assert retrieval_at_1(zx, 7 * zx) == 1
    assert retrieval_at_1(zx, zx[[0, 1, 3, 2]]) == 0.5


def test_accuracy_between_views_is_that_of_a_classifier_of_one_on_the_other():
    zx = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert cross_view_accuracy(zx, labels, zx, labels) == 1
    assert cross_view_accuracy(zx, labels, -zx, labels) == 0
    assert cross_view_accuracy(zx, labels, torch.cat([zx, -zx]), torch.cat([labels, labels])) == 0.5


def test_better_candidates_are_counted_and_a_tie_is_one():
    zx = torch.eye(4)
    zy = torch.tensor([[1.0, 0.5, 0.1, 0.0], [1.0, 0.2, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    assert better_candidates(zx, zy).tolist() == [1, 1, 1, 3]
    zx, zy = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert (better_candidates(zx, zy) == 0).double().mean().item() == retrieval_at_1(zx, zy)


@pytest.mark.parametrize("ways", [2, 3, 5, 6])
def test_the_accuracy_of_ways_is_the_mean_over_all_draws(ways):
    candidates, found = 6, []
    for better in range(candidates):
        others = [True] * better + [False] * (candidates - 1 - better)  # is it better than the partner?
        found.append(np.mean([not any(drawn) for drawn in combinations(others, ways - 1)]))
        assert accuracy_of_ways(torch.tensor([better]), candidates, ways) == pytest.approx(found[-1])
    assert accuracy_of_ways(torch.arange(candidates), candidates, ways) == pytest.approx(np.mean(found))
    assert math.isclose(np.mean(found), 1 / ways)  # ranks that are evenly spread are guesses


def test_all_ways_are_the_share_of_hits_and_others_are_refused():
    better = torch.tensor([0, 0, 3, 199])
    assert accuracy_of_ways(better, 200, 200) == 0.5
    for ways in (1, 201, 2.5):
        with pytest.raises(ValueError, match="ways must be a whole number from 2 to 200"):
            accuracy_of_ways(better, 200, ways)
