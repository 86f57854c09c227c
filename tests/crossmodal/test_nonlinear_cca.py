"""Kernel CCA against its dual definition, random features against the kernel, deep CCA against finite differences."""

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn

from course.crossmodal import nonlinear_cca
from course.crossmodal.cca import CCA
from course.crossmodal.nonlinear_cca import (
    DeepCCA,
    KernelCCA,
    correlation_objective,
    gaussian_kernel,
    kernel_features,
    median_distance,
    network,
    random_fourier_features,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def circle_pair(n, seed=0):
    """Two views whose relation is not linear: x on a noisy circle, y the angle's second harmonic and noise."""
    noise, angle = normal(n, 4, seed=seed), 6.28 * torch.rand(n, 1, generator=generator(seed + 1), dtype=torch.float64)
    x = torch.cat([angle.cos(), angle.sin()], 1) + 0.1 * noise[:, :2]
    y = torch.cat([(2 * angle).cos(), noise[:, 2:3]], 1) + 0.1 * noise[:, 2:]
    return x, y


# --- kernels and features


def test_the_kernel_by_its_definition():
    x, z = normal(5, 3), normal(4, 3, seed=1)
    k = gaussian_kernel(x, z, 1.7)
    for i in range(5):
        for j in range(4):
            assert k[i, j] == pytest.approx(float(torch.exp(-((x[i] - z[j]) ** 2).sum() / (2 * 1.7**2))), abs=1e-12)


def test_exact_features_have_the_centred_kernel_as_inner_products():
    x = normal(30, 3)
    features = kernel_features(x, 1.5)(x)
    centring = torch.eye(30, dtype=torch.float64) - 1 / 30
    features = features - features.mean(0)
    torch.testing.assert_close(features @ features.T, centring @ gaussian_kernel(x, x, 1.5) @ centring)


def test_random_features_approach_the_kernel():
    x = normal(40, 3)
    k = gaussian_kernel(x, x, 2.0)
    errors = []
    for d in (100, 10_000):
        phi = random_fourier_features(3, 2.0, d, generator())(x)
        assert phi.shape == (40, d)
        torch.testing.assert_close(phi.square().sum(1), torch.ones(40, dtype=torch.float64))
        errors.append(float((phi @ phi.T - k).abs().mean()))
    assert errors[1] < errors[0] / 5
    assert errors[1] < 0.01


def test_the_median_distance():
    x = normal(300, 3)
    assert median_distance(x, generator()) == pytest.approx(float(torch.pdist(x).median()))
    with pytest.raises(ValueError, match="give the width"):
        median_distance(torch.ones(9, 2), generator())


# --- kernel CCA


def by_the_dual(x, y, x_width, y_width, ridge):
    """Correlations of kernel CCA by the generalised eigenproblem in the dual weights."""
    n = len(x)
    centring = np.eye(n) - 1 / n
    kx, ky = (centring @ gaussian_kernel(v, v, width).numpy() @ centring for v, width in ((x, x_width), (y, y_width)))
    zero = np.zeros((n, n))
    within = [k @ k + (n - 1) * ridge * k + 1e-9 * np.eye(n) for k in (kx, ky)]
    a, b = np.block([[zero, kx @ ky], [ky @ kx, zero]]), scipy.linalg.block_diag(*within)
    return scipy.linalg.eigh(a, b, eigvals_only=True)[::-1]


def test_exact_kernel_cca_solves_the_dual_problem():
    x, y = circle_pair(60)
    model = KernelCCA(4, 0.01, x_width=0.8, y_width=1.2).fit(x, y)
    np.testing.assert_allclose(model.correlations, by_the_dual(x, y, 0.8, 1.2, 0.01)[:4], atol=1e-5)


def test_it_finds_what_linear_cca_cannot():
    (x, y), (new_x, new_y) = circle_pair(400), circle_pair(400, seed=10)
    assert CCA(1).fit(x, y).score(new_x, new_y)[0] < 0.3
    for features in (None, 400):
        model = KernelCCA(1, 1e-3, random_features=features).fit(x, y)
        assert model.score(new_x, new_y)[0] > 0.9


def test_random_features_approach_the_exact_kernel():
    x, y = circle_pair(200)
    exact = KernelCCA(3, 0.01).fit(x, y).correlations
    few, many = (KernelCCA(3, 0.01, random_features=d).fit(x, y).correlations for d in (20, 800))
    assert (many - exact).abs().max() < 0.05
    assert (many - exact).abs().max() < (few - exact).abs().max() / 2


def test_a_very_wide_kernel_is_linear():
    x, y = normal(100, 3), normal(100, 2, seed=1)
    y = y + x[:, :2]
    wide = KernelCCA(2, 1e-8, x_width=1e3, y_width=1e3).fit(x, y)
    torch.testing.assert_close(wide.correlations, CCA(2, 1e-2).fit(x, y).correlations, atol=1e-3, rtol=0)


@pytest.mark.parametrize("features", [None, 50])
def test_kinds_types_and_blocks(features, monkeypatch):
    x, y = circle_pair(100)
    model = KernelCCA(2, random_features=features, seed=3).fit(x, y)
    monkeypatch.setattr(nonlinear_cca, "BLOCK_ROWS", 33)
    again = KernelCCA(2, random_features=features, seed=3).fit(x, y)
    for a, b in zip(model.transform(x, y), again.transform(x, y), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    zx, zy = model.transform(x.float().numpy(), y.numpy())
    assert (zx.shape, zx.dtype, zy.dtype) == ((100, 2), np.float32, np.float64)


def test_another_seed_gives_other_random_features():
    x, y = circle_pair(100)
    a, b = (KernelCCA(1, random_features=20, x_width=1.0, y_width=1.0, seed=seed).fit(x, y) for seed in (0, 1))
    assert not torch.equal(a.correlations, b.correlations)


def test_kernel_errors():
    x, y = circle_pair(20)
    with pytest.raises(ValueError, match="regularization above 0, got 0"):
        KernelCCA(1, 0)
    with pytest.raises(RuntimeError, match="has seen no data"):
        KernelCCA(1).transform(x, y)
    with pytest.raises(RuntimeError, match="has seen no data"):
        _ = KernelCCA(1).correlations
    with pytest.raises(ValueError, match="pairs of a cosine and a sine; got 7"):
        KernelCCA(1, random_features=7).fit(x, y)


# --- deep CCA


@pytest.mark.parametrize("n_components", [None, 2])
def test_the_objective_is_the_sum_of_correlations(n_components):
    hx, hy = normal(80, 4), normal(80, 3, seed=1)
    hy = hy + hx[:, :3]
    expected = CCA(n_components or 3, 0.01).fit(hx, hy).correlations.sum()
    torch.testing.assert_close(correlation_objective(hx, hy, n_components, regularization=0.01), expected)


@pytest.mark.parametrize("n_components", [None, 2])
def test_its_gradient_equals_finite_differences(n_components):
    hx, hy = normal(12, 4).requires_grad_(), normal(12, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: correlation_objective(a, b, n_components), (hx, hy), atol=1e-7)


def test_its_gradient_equals_the_formula_of_the_paper():
    hx, hy = normal(40, 4).requires_grad_(), normal(40, 3, seed=1)
    ridge, n = 0.01, 40
    gradient = torch.autograd.grad(correlation_objective(hx, hy, regularization=ridge), hx)[0]
    a, b = ((h - h.mean(0)).detach().numpy() for h in (hx, hy))
    roots = [np.linalg.inv(scipy.linalg.sqrtm(h.T @ h / (n - 1) + ridge * np.eye(h.shape[1])).real) for h in (a, b)]
    u, d, vt = np.linalg.svd(roots[0] @ a.T @ b / (n - 1) @ roots[1], full_matrices=False)
    nabla_12 = roots[0] @ u @ vt @ roots[1]
    nabla_11 = -0.5 * roots[0] @ u @ np.diag(d) @ u.T @ roots[0]
    np.testing.assert_allclose(gradient, (2 * a @ nabla_11 + b @ nabla_12.T) / (n - 1), atol=1e-10)


def test_float32_outputs_get_float32_gradients():
    hx, hy = normal(50, 4).float().requires_grad_(), normal(50, 3, seed=1).float()
    correlation_objective(hx, hy).backward()
    assert hx.grad.dtype == torch.float32
    assert hx.grad.isfinite().all()


def deep_model(seed=0, n_components=1):
    torch.manual_seed(seed)
    return DeepCCA(network(2, (32, 32), 2), network(2, (32, 32), 2), n_components)


def test_linear_networks_are_linear_cca():
    x, y = normal(200, 4), normal(200, 3, seed=1)
    y = y + x[:, :3]
    torch.manual_seed(0)
    networks = (nn.Linear(width, width, dtype=torch.float64) for width in (4, 3))
    model = DeepCCA(*networks, 3, 1e-9).align(x, y)
    torch.testing.assert_close(model.correlations, CCA(3).fit(x, y).correlations, atol=1e-5, rtol=0)


def test_training_finds_what_linear_cca_cannot():
    (x, y), (new_x, new_y) = [[view.float() for view in circle_pair(800, seed)] for seed in (0, 10)]
    model = deep_model()
    untrained = float(model.align(x, y).score(new_x, new_y)[0])
    history = model.fit(x, y, steps=120, batch_size=400, lr=3e-3, validation=(new_x, new_y), validate_every=60)
    assert history.train_loss[-1] < history.train_loss[0] - 0.2
    assert [set(values) for values in history.validation] == [{"loss"}] * 2
    score = model.score(new_x, new_y)
    assert score[0] > max(0.85, untrained)
    zx, zy = model.transform(new_x.numpy(), new_y.numpy())
    assert type(zx) is np.ndarray
    assert np.corrcoef(zx[:, 0], zy[:, 0])[0, 1] == pytest.approx(float(score[0]), abs=1e-5)


def test_training_repeats_with_the_seed():
    x, y = (view.float() for view in circle_pair(100))
    runs = []
    for seed in (0, 0, 1):
        model = deep_model()
        model.fit(x, y, steps=3, batch_size=50, seed=seed)
        runs.append(torch.cat([weights.detach().flatten() for weights in model.parameters()]))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_training_resumes(tmp_path):
    x, y = (view.float() for view in circle_pair(100))
    options = {"batch_size": 50, "validation": (x, y), "validate_every": 2, "checkpoint": tmp_path}
    whole, first, second = deep_model(), deep_model(), deep_model(seed=1)
    whole.fit(x, y, steps=6, batch_size=50)
    first.fit(x, y, steps=4, **options)
    second.fit(x, y, steps=6, resume=True, **options)
    for expected, found in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(expected, found)
    torch.testing.assert_close(second.correlations, whole.correlations)
