"""Fits without meta-training against scikit-learn, and where the right answer is known."""

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from course.data import SinusoidTasks
from course.meta_learning.curve_fits import kernel_ridge, wave_fit


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
