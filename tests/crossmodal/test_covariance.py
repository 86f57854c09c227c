"""Streamed moments: equal to NumPy's, sound when the mean is large, and honest about unusable data."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal import covariance
from course.crossmodal.covariance import merge, moments

rng = np.random.default_rng(0)


def rows(n, p, seed=0):
    return np.random.default_rng(seed).standard_normal((n, p))


@pytest.mark.parametrize("n", [2, 3, 1000, 20_011])
def test_equals_numpy(n):
    x, y = rows(n, 3), rows(n, 30, seed=1)
    seen = moments(x, y)
    assert seen.count == n
    np.testing.assert_allclose(seen.mean.numpy(), np.r_[x.mean(0), y.mean(0)], atol=1e-14)
    np.testing.assert_allclose(seen.covariance().numpy(), np.cov(x.T, y.T), rtol=1e-11, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 99), unique=True, max_size=8).map(sorted), seed=st.integers(0, 1000))
def test_merging_any_partition_gives_the_whole(cuts, seed):
    z = rows(100, 4, seed) * [1, 10, 1e3, 1e-3] + [0, 5, -1e4, 1]
    total = None
    for part in np.split(z, cuts):
        new = moments(part)
        total = new if total is None else merge(total, new)
    np.testing.assert_allclose(total.mean.numpy(), z.mean(0), rtol=1e-12)
    expected = np.cov(z.T)
    scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    np.testing.assert_allclose(total.covariance().numpy() / scale, expected / scale, atol=1e-11)


def test_a_large_mean_costs_no_digits():
    z = rows(30_000, 2)
    shifted = z + 1e8  # exact sums of squares would need 16 digits more than float64 has
    expected = np.cov((shifted - 1e8).T)
    np.testing.assert_allclose(moments(shifted).covariance().numpy(), expected, atol=1e-9)


def test_a_constant_column_has_no_covariance_whatever_rounding_says():
    z = np.c_[rows(20_000, 1), np.full(20_000, 0.1), np.full(20_000, 1e9 / 3)]
    s = moments(z).covariance().numpy()
    assert (s[1:] == 0).all()
    assert (s[:, 1:] == 0).all()
    assert s[0, 0] > 0.9


def test_float32_rows_are_added_up_in_float64():
    z = rows(50_000, 3).astype("float32")
    seen = moments(torch.from_numpy(z))
    assert seen.scatter.dtype == torch.float64
    np.testing.assert_allclose(seen.covariance().numpy(), np.cov(z.T.astype("float64")), rtol=1e-11, atol=1e-13)


def test_blocks_do_not_show(monkeypatch):
    z = rows(501, 6)
    whole = moments(z).scatter
    monkeypatch.setitem(covariance.BLOCK_BYTES, "cpu", 1)
    monkeypatch.setattr(covariance, "LEAST_ROWS", 7)
    torch.testing.assert_close(moments(z).scatter, whole, rtol=1e-12, atol=1e-12)


def test_memory_of_any_layout_is_read():
    z = rows(50, 4)
    expected = moments(z).scatter
    frozen = z.copy()
    frozen.setflags(write=False)
    layouts = [
        frozen,
        z[::-1],
        np.asfortranarray(z),
        np.repeat(z, 2, axis=1)[:, ::2],
        torch.from_numpy(z).T.contiguous().T,
    ]
    for view in layouts:
        torch.testing.assert_close(moments(view).scatter, expected, rtol=1e-12, atol=1e-12)


def test_one_row_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2 rows, got 1"):
        moments(rows(1, 3)).covariance()


@pytest.mark.parametrize(
    ("views", "error", "message"),
    [
        ([[[1.0, 2.0]]], TypeError, "NumPy array or a tensor, got list"),
        ([np.ones((3, 2), int)], TypeError, "float32 or float64, got int64"),
        ([torch.ones(3, 2, dtype=torch.bfloat16)], TypeError, "got torch.bfloat16"),
        ([np.ones(3)], ValueError, r"shape \(3,\).*x\[:, None\]"),
        ([np.ones((0, 3))], ValueError, r"rows and columns, got shape \(0, 3\)"),
        ([np.ones((3, 0))], ValueError, r"rows and columns, got shape \(3, 0\)"),
        ([np.ones((3, 2)), np.ones((4, 2))], ValueError, r"\(3, 2\) and \(4, 2\)"),
        ([torch.ones(3, 2), torch.ones(3, 2, device="meta")], ValueError, "different devices: cpu, meta"),
    ],
)
def test_unusable_views_are_named(views, error, message):
    with pytest.raises(error, match=message):
        covariance.check_views(*views)
