"""Fits without meta-training against scikit-learn, and where the right answer is known."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from course.data import SinusoidTasks
from course.meta_learning.curve_fits import kernel_ridge, wave_fit, wave_posterior


def test_kernel_ridge_is_the_mean_of_a_gaussian_process():
    generator = torch.Generator().manual_seed(0)
    x, y, query = (torch.randn(3, n, 1, generator=generator, dtype=torch.float64) for n in (6, 6, 9))
    found = kernel_ridge(x, y, query, length=0.7, ridge=0.1)
    for i in range(3):
        process = GaussianProcessRegressor(RBF(0.7), alpha=0.1, optimizer=None).fit(x[i].numpy(), y[i].numpy())
        np.testing.assert_allclose(found[i, :, 0].numpy(), process.predict(query[i].numpy()).ravel(), rtol=1e-8)


@pytest.mark.parametrize("wrong", [{"length": 0.0}, {"ridge": -1.0}])
def test_kernel_ridge_refuses(wrong):
    with pytest.raises(ValueError, match="positive"):
        kernel_ridge(*torch.rand(3, 2, 4, 1), **({"length": 1.0, "ridge": 1.0} | wrong))


def test_waves_without_noise_are_found_exactly():
    e = SinusoidTasks(amplitude=(5, 10), phase=(3, 6)).sampler(k_shot=4, n_query=8, tasks=20)[0]
    found = wave_fit(e.support_x.double(), e.support_y.double(), e.query_x.double())
    torch.testing.assert_close(found, e.query_y.double(), rtol=0, atol=1e-4)


def test_the_posterior_mean_is_that_of_samples_weighted_by_their_likelihood():
    e = SinusoidTasks(noise=0.3).sampler(k_shot=3, n_query=5, tasks=2, seed=1)[0]
    x, y, query = e.support_x.double(), e.support_y.double(), e.query_x.double()
    found = wave_posterior(x, y, query, amplitude=(0.1, 5.0), phase=(0.0, np.pi), noise=0.3)
    random = np.random.default_rng(0)
    a, phi = random.uniform(0.1, 5, 400_000), random.uniform(0, np.pi, 400_000)
    for i in range(2):
        misfit = sum((y[i, j].item() - a * np.sin(x[i, j].item() - phi)) ** 2 for j in range(3))
        weight = np.exp(-misfit / (2 * 0.3**2))
        expected = [(weight * a * np.sin(q - phi)).sum() / weight.sum() for q in query[i, :, 0].tolist()]
        np.testing.assert_allclose(found[i, :, 0].numpy(), expected, atol=0.03)


def test_no_learner_of_the_family_beats_its_posterior_mean():
    e = SinusoidTasks(noise=0.3).sampler(k_shot=5, n_query=20, tasks=400, seed=3)[0]
    prior = {"amplitude": (0.1, 5.0), "phase": (0.0, np.pi), "noise": 0.3}
    best = (wave_posterior(e.support_x, e.support_y, e.query_x, **prior) - e.query_y).square().mean()
    others = wave_fit(e.support_x, e.support_y, e.query_x), e.query_y.new_zeros(e.query_y.shape)
    assert all(best < (other - e.query_y).square().mean() for other in others)
    with pytest.raises(ValueError, match="noise must be positive, got 0"):
        wave_posterior(e.support_x, e.support_y, e.query_x, **prior | {"noise": 0})
