"""Heads against scikit-learn, closed forms and limits of the anchor."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from course.applications.language_heads import Head, class_weights, corrected, fit_head, head_loss, with_one


@pytest.fixture
def data():
    draw = torch.Generator().manual_seed(1)
    y = torch.tensor([0] * 40 + [1] * 15 + [2] * 25)
    x = torch.randn(80, 6, generator=draw, dtype=torch.float64) + torch.eye(3, 6, dtype=torch.float64)[y]
    return x, y


@pytest.mark.parametrize("balanced", [True, False])
def test_a_head_at_zero_is_a_logistic_regression(data, balanced):
    """scikit-learn divides the sum of the losses by nothing and leaves the bias free: here it is a weight of 1."""
    x, y = data
    penalty = 0.05
    weights = class_weights(y, 3, balanced=balanced).double()
    other = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-10, max_iter=5000)
    other.fit(with_one(x).numpy(), y.numpy(), sample_weight=weights.numpy())
    np.testing.assert_allclose(fit_head(x, y, 3, penalty, balanced=balanced).weight, other.coef_, atol=2e-5)


def test_the_slope_vanishes_and_the_loss_is_strictly_convex(data):
    x, y = data
    anchor = Head(torch.randn(3, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    head = fit_head(x, y, 3, 0.1, anchor=anchor)
    given = with_one(x), y, class_weights(y, 3, balanced=True).double(), 0.1, anchor.weight
    slope = torch.func.grad(head_loss)(head.weight, *given)
    assert slope.abs().max() < 1e-5
    hessian = torch.autograd.functional.hessian(lambda w: head_loss(w.view(3, 7), *given), head.weight.flatten())
    assert torch.linalg.eigvalsh(hessian).min() > 0.1 - 1e-9


def test_a_strong_anchor_holds_and_a_weak_one_lets_go(data):
    x, y = data
    anchor = fit_head(x.flip(1), y, 3, 0.1)
    far = [(fit_head(x, y, 3, p, anchor=anchor).weight - anchor.weight).norm().item() for p in (1e6, 1.0, 1e-2)]
    assert far[0] < 1e-5 < far[1] < far[2]
    alone = fit_head(x, y, 3, 1e-3).weight
    near = fit_head(x, y, 3, 1e-3, anchor=Head(1e-6 * anchor.weight)).weight
    torch.testing.assert_close(near, alone, atol=1e-4, rtol=0)
    assert fit_head(x[:0], y[:0], 3, 1.0, anchor=anchor).weight is anchor.weight


def test_balanced_weights_are_as_if_the_rare_had_been_copied(data):
    x, y = data
    rows = torch.cat([torch.arange(80)[y == c].repeat(times) for c, times in ((0, 15), (1, 40), (2, 24))])
    copied = fit_head(x[rows], y[rows], 3, 0.02, balanced=False).weight
    torch.testing.assert_close(fit_head(x, y, 3, 0.02).weight, copied, atol=1e-5, rtol=0)
    assert class_weights(y, 3, balanced=True).sum().item() == pytest.approx(1)
    assert class_weights(torch.tensor([0, 0, 2]), 3, balanced=True).tolist() == pytest.approx([1 / 6, 1 / 6, 1 / 3])


def test_corrected_scores_are_bayes_rule_for_gaussian_classes():
    x = torch.linspace(-3, 3, 25, dtype=torch.float64)[:, None]
    centres = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    before, after = (torch.tensor(each, dtype=torch.float64) for each in ([0.9, 0.1], [0.4, 0.6]))

    def posterior(shares):
        joint = shares * torch.exp(-(x - centres).square() / 2)
        return joint / joint.sum(1, keepdim=True)

    torch.testing.assert_close(corrected(posterior(before).log(), before, after).softmax(1), posterior(after))
    with pytest.raises(ValueError, match="shares must be positive"):
        corrected(x, torch.tensor([0.0]), torch.tensor([1.0]))


def test_what_has_no_best_head_is_refused(data):
    x, y = data
    with pytest.raises(ValueError, match="penalty must be positive, got 0"):
        fit_head(x, y, 3, 0)
    with pytest.raises(ValueError, match=r"x must be \[n, d\] and y \[n\]"):
        fit_head(x, y[1:], 3, 1.0)
    with pytest.raises(ValueError, match=r"the anchor is \[2, 7\], and must be \[3, 7\]"):
        fit_head(x, y, 3, 1.0, anchor=Head(torch.zeros(2, 7)))
