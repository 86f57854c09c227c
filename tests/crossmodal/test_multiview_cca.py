"""CCA of several views: two views are CCA, and the definitions by Kettenring and by Carroll give the same variates."""

import numpy as np
import pytest
import scipy.linalg
import torch

from course.crossmodal.cca import CCA
from course.crossmodal.multiview_cca import MultiviewCCA


def views_of(n, widths, seed=0):
    """Views of these widths with two common causes."""
    rng = np.random.default_rng(seed)
    cause = rng.standard_normal((n, 2)) * [2, 1]
    return [cause @ rng.standard_normal((2, width)) + rng.standard_normal((n, width)) for width in widths]


@pytest.mark.parametrize("ridge", [0.0, 0.4])
def test_two_views_are_cca(ridge):
    x, y = views_of(200, (5, 4))
    model, expected = MultiviewCCA(4, ridge).fit(x, y), CCA(4, ridge).fit(x, y)
    np.testing.assert_allclose(model.correlations, expected.correlations, atol=1e-10)
    for weights, name in zip(model.weights, ("x_weights", "y_weights"), strict=True):
        np.testing.assert_allclose(weights, getattr(expected, name), atol=1e-8)


@pytest.mark.parametrize("ridge", [0.0, 0.4])
def test_three_views_solve_the_generalised_eigenproblem(ridge):
    views = views_of(300, (4, 3, 5))
    covariance = np.cov(np.hstack(views).T)
    within = scipy.linalg.block_diag(*[np.cov(view.T) for view in views])
    eigenvalues = scipy.linalg.eigh(covariance - within, within + ridge * np.eye(12), eigvals_only=True)
    model = MultiviewCCA(3, ridge).fit(*views)
    np.testing.assert_allclose(model.correlations, eigenvalues[::-1][:3] / 2, atol=1e-10)


def test_the_sum_of_variates_is_the_variable_nearest_to_all_views():
    """Carroll's definition: the leading eigenvectors of the sum of the projections onto the column spaces."""
    views = views_of(100, (4, 3, 5))
    bases = [np.linalg.qr(view - view.mean(0))[0] for view in views]
    eigenvalues, eigenvectors = np.linalg.eigh(sum(basis @ basis.T for basis in bases))
    model = MultiviewCCA(2).fit(*views)
    np.testing.assert_allclose(1 + 2 * model.correlations, eigenvalues[::-1][:2], atol=1e-10)
    common = sum(model.transform(*views))
    cosines = (common / np.linalg.norm(common, axis=0) * eigenvectors[:, :-3:-1]).sum(0)
    np.testing.assert_allclose(abs(cosines), 1, atol=1e-10)


def test_the_objective_and_its_constraint():
    views = views_of(150, (4, 3, 2, 3))
    model = MultiviewCCA(2).fit(*views)
    variates = model.transform(*views)
    covariance = np.stack([[np.cov(a.T, b.T)[:2, 2:] for b in variates] for a in variates])  # [m, m, k, k]
    np.testing.assert_allclose(np.einsum("iikl->kl", covariance) / 4, np.eye(2), atol=1e-10)
    between = (covariance.sum((0, 1)) - np.einsum("iikl->kl", covariance)) / 12
    np.testing.assert_allclose(between, np.diag(model.correlations), atol=1e-10)


def test_streaming_equals_batch_and_tensors_stay_tensors():
    views = [torch.from_numpy(view).float() for view in views_of(120, (4, 3, 5))]
    whole, streamed = MultiviewCCA(3).fit(*views), MultiviewCCA(3)
    for start in range(0, 120, 50):
        streamed.partial_fit(*[view[start : start + 50] for view in views])
    torch.testing.assert_close(streamed.correlations, whole.correlations, atol=1e-10, rtol=0)
    variates = whole.transform(*views)
    assert [(z.shape, z.dtype) for z in variates] == [((120, 3), torch.float32)] * 3


def test_collinear_and_constant_columns():
    views = views_of(100, (4, 3, 5))
    spoilt = [np.c_[view, view[:, 0] - view[:, 1], np.full(100, 7.1)] for view in views]
    np.testing.assert_allclose(
        MultiviewCCA(3).fit(*spoilt).correlations, MultiviewCCA(3).fit(*views).correlations, atol=1e-10
    )


def test_errors():
    a, b, c = views_of(50, (4, 3, 5))
    with pytest.raises(RuntimeError, match="has seen no data"):
        _ = MultiviewCCA(1).weights
    with pytest.raises(ValueError, match="at least 2 views are needed, got 1"):
        MultiviewCCA(1).fit(a)
    with pytest.raises(ValueError, match=r"ranks of the views are \[4, 3, 5\]"):
        MultiviewCCA(4).fit(a, b, c)
    with pytest.raises(ValueError, match=r"had \[4, 3\] columns, these have \[4, 5\]"):
        MultiviewCCA(1).fit(a, b).partial_fit(a, c)
    with pytest.raises(ValueError, match=r"knows \[4, 3\] columns, got \[3, 4\]"):
        MultiviewCCA(1).fit(a, b).transform(b, a)
    with pytest.raises(ValueError, match="NaN, infinite or huge"):
        MultiviewCCA(1).fit(a, np.full_like(b, np.nan))
    with pytest.raises(ValueError, match="n_components >= 1"):
        MultiviewCCA(0)
