"""Procrustes against scipy, an exact rotation, and every other rotation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes

from course.crossmodal.procrustes import procrustes


def doubles(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 99))
def test_a_rotation_is_found_again(d, seed):
    x, q = doubles(20, d, seed=seed), torch.linalg.qr(doubles(d, d, seed=seed + 1)).Q
    torch.testing.assert_close(procrustes(x, x @ q), q)


def test_equals_scipy_and_no_other_rotation_is_nearer():
    x, y = doubles(30, 5), doubles(30, 5, seed=1)
    q = procrustes(x, y)
    torch.testing.assert_close(q, torch.from_numpy(orthogonal_procrustes(x.numpy(), y.numpy())[0]))
    torch.testing.assert_close(q.T @ q, torch.eye(5, dtype=torch.float64))
    best = (x @ q - y).norm()
    assert all((x @ torch.linalg.qr(doubles(5, 5, seed=s)).Q - y).norm() > best for s in range(50))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.ones(3, 2), torch.ones(2, 2), "one shape"),
        (torch.ones(3), torch.ones(3), "one shape"),
        (torch.ones(2, 2), torch.full((2, 2), torch.nan), "NaN"),
    ],
)
def test_points_that_cannot_be_matched_are_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        procrustes(x, y)
