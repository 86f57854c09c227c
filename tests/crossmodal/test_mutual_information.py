"""Information bounds and the best scores, against closed forms, integrals and canonical correlation analysis."""

import math

import pytest
import torch
from scipy.stats import multivariate_normal

from course.crossmodal.cca import CCA
from course.crossmodal.contrastive import cosine_scores, info_nce
from course.crossmodal.mutual_information import (
    QuadraticScores,
    fit_quadratic,
    gaussian_information,
    information_bound,
    log_ratio,
    read_correlations,
)
from course.data.multiview import multiview

RHO = torch.tensor([0.9, 0.6, 0.3], dtype=torch.float64)


def canonical_pairs(n, rho, seed=0):
    generator = torch.Generator().manual_seed(seed)
    u, e = torch.randn(2, n, len(rho), generator=generator, dtype=torch.float64)
    return u, rho * u + (1 - rho**2).sqrt() * e


def test_gaussian_information_is_that_of_the_covariances():
    data = multiview(n=2, p=4, q=3, correlations=(0.8, 0.5, 0.2))
    rho = data.correlations
    joint = torch.eye(6, dtype=torch.float64)
    joint[:3, 3:] = joint[3:, :3] = torch.diag(rho)
    by_determinant = -joint.logdet() / 2
    torch.testing.assert_close(gaussian_information(rho), by_determinant)
    assert gaussian_information(torch.zeros(4)).item() == 0


def test_the_best_scores_are_the_logarithm_of_the_density_ratio():
    u, v = canonical_pairs(4, RHO)
    found = log_ratio(u, v, RHO)
    joint = torch.eye(6, dtype=torch.float64)
    joint[:3, 3:] = joint[3:, :3] = torch.diag(RHO)
    both, one = multivariate_normal(cov=joint.numpy()), multivariate_normal(cov=torch.eye(3).numpy())
    for i in range(4):
        for j in range(4):
            together = both.logpdf(torch.cat([u[i], v[j]]).numpy())
            expected = together - one.logpdf(u[i].numpy()) - one.logpdf(v[j].numpy())
            assert found[i, j].item() == pytest.approx(expected)


def test_the_bound_of_the_best_scores_is_below_the_truth_and_near_it_with_many_candidates():
    truth = gaussian_information(RHO).item()
    found = {}
    for n in (2, 8, 128):
        batches = [log_ratio(*canonical_pairs(n, RHO, seed=seed), RHO) for seed in range(2000 // n)]
        found[n] = torch.stack([information_bound(scores) for scores in batches]).mean().item()
        assert found[n] <= math.log(n)
    assert found[2] < found[8] < found[128] < truth
    assert found[128] > truth - 0.1


def test_the_bound_never_exceeds_its_ceiling_however_large_the_scores():
    assert information_bound(1e4 * torch.eye(16)).item() == pytest.approx(math.log(16))


def test_no_other_score_has_a_smaller_mean_loss_than_the_log_ratio():
    batches = [canonical_pairs(64, RHO, seed=seed) for seed in range(60)]

    def mean_loss(scores):
        return torch.stack([info_nce(scores(u, v)) for u, v in batches]).mean().item()

    best = mean_loss(lambda u, v: log_ratio(u, v, RHO))
    for other in (
        lambda u, v: 1.3 * log_ratio(u, v, RHO),
        lambda u, v: 0.7 * log_ratio(u, v, RHO),
        lambda u, v: u * RHO / (1 - RHO**2) @ v.T,  # without the squares
        lambda u, v: u * RHO @ v.T,
        lambda u, v: cosine_scores(u, v, 0.2),
    ):
        assert mean_loss(other) > best + 1e-3


def test_a_function_of_x_alone_changes_no_loss_of_rows():
    u, v = canonical_pairs(9, RHO)
    scores = log_ratio(u, v, RHO)
    torch.testing.assert_close(info_nce(scores - u.square().sum(1, keepdim=True)), info_nce(scores))


def test_the_best_quadratic_scores_have_the_correlations_and_directions_of_cca():
    data = multiview(n=1500, p=4, q=3, correlations=(0.9, 0.6, 0.3), seed=1)
    x, y = data.x - data.x.mean(0), data.y - data.y.mean(0)
    found = fit_quadratic(x, y)
    rho = read_correlations(found.mixed, torch.cov(x.T), torch.cov(y.T))
    cca = CCA(3).fit(x, y)
    torch.testing.assert_close(rho, data.correlations, rtol=0, atol=0.08)
    torch.testing.assert_close(rho, cca.correlations, rtol=0, atol=0.06)
    left, right = (torch.linalg.cholesky(torch.cov(view.T)) for view in (x, y))
    first = torch.linalg.svd(left.T @ found.mixed @ right)[0][:, 0]
    direction = torch.linalg.solve(left.T, first)
    angle = torch.nn.functional.cosine_similarity(direction, cca.x_weights[:, 0], dim=0).abs()
    assert angle > 0.995


def test_the_fit_is_a_minimum():
    data = multiview(n=60, p=2, q=2, correlations=(0.8, 0.3))
    x, y = data.x - data.x.mean(0), data.y - data.y.mean(0)
    found = fit_quadratic(x, y)

    def loss(scores):
        return (info_nce(scores(x, y)) + info_nce(scores(x, y).T)) / 2

    least = loss(found)
    for part in range(3):
        for step in (0.05, -0.05):
            moved = [each.clone() for each in found]
            moved[part][0, 0] += step
            assert loss(QuadraticScores(*moved)) > least


def test_strengths_are_turned_back_into_correlations():
    identity = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(read_correlations(torch.diag(RHO / (1 - RHO**2)), identity, identity), RHO)
    zeros = read_correlations(torch.zeros(3, 3), torch.eye(3), torch.eye(3))
    assert zeros.tolist() == [0, 0, 0]


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="at least 0 and below 1"):
        gaussian_information(torch.tensor([0.5, 1.0]))
    with pytest.raises(ValueError):
        fit_quadratic(torch.rand(5, 2), torch.rand(4, 2))
