"""Heads on fixed vectors: ridge regression, nearest means and cosines against their definitions and scikit-learn."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course.meta_learning.heads import NORMALISATIONS, CosineHead, cosine_head, nearest_mean, normalised, ridge_head


def vectors(tasks=3, shots=4, queries=6, n_way=3, d=5, seed=0):
    draw = torch.Generator().manual_seed(seed)
    centres = torch.randn(tasks, n_way, 1, d, generator=draw, dtype=torch.float64)
    x = centres + 0.8 * torch.randn(tasks, n_way, shots + queries, d, generator=draw, dtype=torch.float64)
    y = torch.arange(n_way).repeat_interleave(shots).expand(tasks, -1)
    return x[:, :, :shots].flatten(1, 2), y, x[:, :, shots:].flatten(1, 2)


# --- Ridge


@pytest.mark.parametrize("d", [5, 40])  # fewer and more columns than rows
def test_the_ridge_head_minimises_its_objective(d):
    """The slope of the penalised sum of squares vanishes at its weights, which a line in the queries reveals."""
    support, y, _ = vectors(tasks=1, d=d)
    ridge = 0.3
    basis = torch.cat([torch.zeros(1, 1, d, dtype=torch.float64), torch.eye(d, dtype=torch.float64)[None]], 1)
    found = ridge_head(support, y, basis, 3, ridge=ridge)[0]
    bias, weight = found[0], found[1:] - found[0]
    x, targets = support[0], F.one_hot(y[0], 3).double()
    centred = x - x.mean(0)
    unit = ridge * centred.square().sum() / d

    def objective(weight, bias):
        return (x @ weight + bias - targets).square().sum() + unit * weight.square().sum()

    slopes = torch.func.grad(objective, (0, 1))(weight, bias)
    assert max(slope.abs().max().item() for slope in slopes) < 1e-9


@pytest.mark.parametrize("d", [5, 40])  # fewer and more columns than rows
def test_the_ridge_head_is_scikit_learns_ridge(d):
    from sklearn.linear_model import Ridge

    support, y, query = vectors(d=d)
    found = ridge_head(support, y, query, 3, ridge=0.7)
    for task in range(3):
        x = support[task]
        alpha = 0.7 * (x - x.mean(0)).square().sum().item() / x.shape[1]
        other = Ridge(alpha=alpha).fit(x.numpy(), F.one_hot(y[task], 3).numpy())
        torch.testing.assert_close(found[task], torch.from_numpy(other.predict(query[task].numpy())))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(2, 5), st.integers(1, 9), st.floats(0.01, 100))
def test_neither_the_scale_of_the_vectors_nor_a_common_shift_changes_a_score(shots, n_way, d, scale):
    support, y, query = vectors(shots=shots, n_way=n_way, d=d)
    found = ridge_head(support, y, query, n_way, ridge=0.5)
    moved = ridge_head(scale * support + 3, y, scale * query + 3, n_way, ridge=0.5)
    torch.testing.assert_close(found, moved, rtol=1e-6, atol=1e-8)
    assert found.shape == (3, 6 * n_way, n_way)
    torch.testing.assert_close(found.sum(-1), torch.ones(3, 6 * n_way, dtype=torch.float64))  # as the targets do


@pytest.mark.parametrize("ridge", [0, -1.0, float("nan")])
def test_a_ridge_that_is_not_positive_is_refused(ridge):
    with pytest.raises(ValueError, match="ridge must be positive"):
        ridge_head(*vectors(), 3, ridge=ridge)


def test_equal_vectors_give_equal_scores_and_nothing_that_is_not_finite():
    support, y, query = (torch.ones_like(each) if each.is_floating_point() else each for each in vectors())
    torch.testing.assert_close(ridge_head(support, y, query, 3, ridge=1.0), torch.full((3, 18, 3), 1 / 3).double())


# --- Means and cosines


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_the_nearest_mean_is_the_definition(how):
    support, y, query = vectors()
    found = nearest_mean(support, y, query, 3, how=how)
    for task in range(3):
        s, q = support[task], query[task]
        if "centred" in how:
            s, q = s - support[task].mean(0), q - support[task].mean(0)
        if how != "none":
            s, q = s / s.norm(dim=1, keepdim=True), q / q.norm(dim=1, keepdim=True)
        for c in range(3):
            mean = sum(s[i] for i in range(len(s)) if y[task, i] == c) / 4
            torch.testing.assert_close(found[task, :, c], -(q - mean).square().sum(1))


def test_a_normalisation_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="choose one of 'none', 'length 1', 'centred, length 1', got 'unit'"):
        normalised(*vectors()[::2], "unit")


def test_a_cosine_classifier_ignores_every_length():
    head, x = CosineHead(5, 3), torch.randn(7, 5)
    before = head(x)
    with torch.no_grad():
        head.weight.mul_(torch.tensor([[2.0], [0.1], [7.0]]))
    torch.testing.assert_close(head(3 * x), before)
    expected = torch.stack([F.cosine_similarity(x, row[None]) for row in head.weight], 1)
    torch.testing.assert_close(before, 10 * expected)


def test_without_a_step_baseline_plus_plus_is_the_nearest_mean_by_cosine():
    support, y, query = vectors()
    found = cosine_head(support, y, query, 3, rate=0.1, steps=0)
    unit = F.normalize(support, dim=-1)
    means = torch.stack([torch.stack([unit[t][y[t] == c].mean(0) for c in range(3)]) for t in range(3)])
    torch.testing.assert_close(found, 10 * F.cosine_similarity(query[:, :, None], means[:, None], dim=-1))


def test_its_steps_are_those_of_gradient_descent_on_each_task_alone():
    support, y, query = vectors()
    found = cosine_head(support, y, query, 3, rate=0.2, steps=3)
    for task in range(3):
        head = CosineHead(5, 3).double()
        x = F.normalize(support[task], dim=-1)
        head.weight.data = F.normalize(torch.stack([x[y[task] == c].mean(0) for c in range(3)]), dim=-1)
        descent = torch.optim.SGD(head.parameters(), lr=0.2)
        for _ in range(3):
            descent.zero_grad()
            F.cross_entropy(head(support[task]), y[task]).backward()
            descent.step()
        torch.testing.assert_close(found[task], head(query[task]).detach())


def test_more_steps_fit_the_support_set_better():
    support, y, _ = vectors(shots=10)
    losses = [
        F.cross_entropy(cosine_head(support, y, support, 3, rate=0.1, steps=n).flatten(0, 1), y.flatten()).item()
        for n in (0, 10, 100)
    ]
    assert losses == sorted(losses, reverse=True)
