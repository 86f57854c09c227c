"""The interval of a mean: SciPy's, at the promised rate, for any shape."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from course.intervals import t_interval95


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
