"""Maps between Gaussians: each choice of Q is the best by its own measure, and one agrees with exact assignment."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.optimize import linear_sum_assignment
from scipy.stats import ortho_group

from course.crossmodal.cca import CCA
from course.crossmodal.gaussian_transport import (
    bures,
    gaussian_map,
    paired_rotation,
    polar,
    power,
    rearranged,
    transport_rotation,
)

DOUBLE = torch.float64


def covariance(d, seed):
    factor = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)
    return factor @ factor.T + 0.1 * torch.eye(d, dtype=DOUBLE)


def rotations(d, count=200):
    return torch.from_numpy(ortho_group.rvs(d, count, random_state=np.random.default_rng(0)))


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_every_rotation_makes_the_target_and_transport_is_symmetric_and_positive(d, seed):
    cov_x, cov_y = covariance(d, seed), covariance(d, seed + 1)
    for rotation in (*rotations(d, 3), transport_rotation(cov_x, cov_y)):
        matrix = rearranged(cov_x, cov_y, rotation)
        torch.testing.assert_close(matrix @ cov_x @ matrix.T, cov_y)
    moved = rearranged(cov_x, cov_y, transport_rotation(cov_x, cov_y))
    torch.testing.assert_close(moved, moved.T)
    assert torch.linalg.eigvalsh(moved)[0] > 0
    half = sqrtm(cov_x.numpy())
    known = np.linalg.inv(half) @ sqrtm(half @ cov_y.numpy() @ half) @ np.linalg.inv(half)
    np.testing.assert_allclose(moved.numpy(), known.real, rtol=1e-6, atol=1e-8)


def test_transport_moves_least_and_by_the_distance_of_bures():
    cov_x, cov_y, zero = covariance(3, 0), covariance(3, 1), torch.zeros(3, dtype=DOUBLE)
    one = torch.eye(3, dtype=DOUBLE)

    def way(rotation):
        step = rearranged(cov_x, cov_y, rotation) - one
        return (step @ cov_x @ step.T).trace()

    best = way(transport_rotation(cov_x, cov_y))
    torch.testing.assert_close(best, bures(zero, cov_x, zero, cov_y))
    assert all(way(rotation) > best for rotation in rotations(3))
    assert bures(zero, cov_x, zero, cov_x).item() == pytest.approx(0, abs=1e-9)


def test_between_equal_covariances_an_identity_loss_wishes_what_transport_does():
    cov, one = covariance(3, 2), torch.eye(3, dtype=DOUBLE)

    def changed(rotation):
        step = rearranged(cov, cov, rotation) - one
        return (step @ cov @ step.T).trace()  # E |Ay - y|²

    torch.testing.assert_close(transport_rotation(cov, cov), one)
    assert all(changed(rotation) > 1e-3 for rotation in rotations(3))


def test_transport_turns_nothing_where_the_covariances_commute():
    axes = rotations(4)[0]
    cov_x, cov_y = (axes @ torch.diag(torch.tensor(each)).double() @ axes.T for each in ([4, 3, 2, 1], [1, 5, 2, 7]))
    torch.testing.assert_close(transport_rotation(cov_x, cov_y), torch.eye(4, dtype=DOUBLE), atol=1e-7, rtol=0)


def test_pairs_recover_a_turn_that_no_distribution_can_tell():
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    x = torch.linalg.qr(x - x.mean(0))[0] * math.sqrt(3999)  # exactly white
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=DOUBLE)
    y = x @ turn.T
    one = torch.eye(2, dtype=DOUBLE)
    torch.testing.assert_close(paired_rotation(one, one, x.T @ y / 3999), turn)
    torch.testing.assert_close(gaussian_map(x, y).matrix, one)  # transport sees two equal clouds, and stays


def test_the_paired_rotation_has_the_correlations_of_cca():
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(500, 3, generator=draw, dtype=DOUBLE)
    y = x @ torch.randn(3, 3, generator=draw, dtype=DOUBLE) + torch.randn(500, 3, generator=draw, dtype=DOUBLE)
    both = torch.cov(torch.cat([x, y], 1).T)
    cov_x, cov_y, cov_xy = both[:3, :3], both[3:, 3:], both[:3, 3:]
    whitened = power(cov_x, -0.5) @ cov_xy @ power(cov_y, -0.5)
    total = (paired_rotation(cov_x, cov_y, cov_xy) @ whitened).trace()
    torch.testing.assert_close(total, CCA(3).fit(x, y).correlations.sum(), rtol=1e-6, atol=0)
    assert all((rotation @ whitened).trace() < total for rotation in rotations(3))


def test_gaussian_transport_is_the_limit_of_exact_assignment():
    """Two samples of 400 points are matched exactly at least cost; the matches lie near the linear map."""
    draw = torch.Generator().manual_seed(2)
    cov_x, cov_y = torch.tensor([[2.0, 0.8], [0.8, 1.0]]).double(), torch.tensor([[1.0, -0.5], [-0.5, 3.0]]).double()
    x, y = (torch.randn(400, 2, generator=draw, dtype=DOUBLE) @ power(each, 0.5) for each in (cov_x, cov_y))
    _, partner = linear_sum_assignment(torch.cdist(x, y).square().numpy())
    made = gaussian_map(x, y)(x)
    error = (made - y[partner]).square().sum(1).mean()
    assert error < 0.05 * y.square().sum(1).mean()
    torch.testing.assert_close(torch.cov(made.T), torch.cov(y.T))


def test_polar_has_the_largest_trace():
    matrix = torch.randn(4, 4, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    best = (polar(matrix) @ matrix).trace()
    torch.testing.assert_close(best, torch.linalg.svdvals(matrix).sum())
    assert all((rotation @ matrix).trace() < best for rotation in rotations(4))


def test_a_map_takes_the_type_of_its_input():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(4))
    assert gaussian_map(x, 2 * x)(x).dtype == torch.float32


def test_bad_input_is_refused():
    one = torch.eye(2, dtype=DOUBLE)
    with pytest.raises(ValueError, match="has no inverse: add a ridge"):
        power(torch.ones(2, 2, dtype=DOUBLE), -0.5)
    with pytest.raises(ValueError, match="a covariance is a symmetric matrix"):
        power(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), 0.5)
    with pytest.raises(ValueError, match="Q must be orthogonal"):
        rearranged(one, one, 2 * one)
    with pytest.raises(ValueError, match=r"same columns, got \[5, 2\] and \[5, 3\]"):
        gaussian_map(torch.zeros(5, 2), torch.zeros(5, 3))
    with pytest.raises(ValueError, match="cannot be negative, got -1"):
        gaussian_map(torch.zeros(5, 2), torch.zeros(5, 2), ridge=-1)
    few = torch.randn(3, 5, generator=torch.Generator().manual_seed(5), dtype=DOUBLE)
    with pytest.raises(ValueError, match="add a ridge"):
        gaussian_map(few, few)
    assert gaussian_map(few, few, ridge=0.1).matrix.isfinite().all()
