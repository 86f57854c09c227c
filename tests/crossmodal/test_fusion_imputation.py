"""A guess through canonical pairs is a regression, and of low rank if pairs are left out."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from course.crossmodal.imputation import Imputer


def views(n=60, p=5, q=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randn(n, q, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, p, generator=generator, dtype=torch.float64)
    return y @ torch.randn(q, p, generator=generator, dtype=torch.float64) + noise + 3, y - 1


@pytest.mark.parametrize("ridge", [0.0, 0.1, 5.0])
def test_with_all_pairs_both_guesses_are_ridge_regressions(ridge):
    x, y = views()
    imputer = Imputer(4, ridge).fit(x, y)
    new_x, new_y = views(n=7, seed=1)
    for guess, known, target, new in ((imputer.first_from, y, x, new_y), (imputer.second_from, x, y, new_x)):
        peer = Ridge(alpha=ridge * (len(x) - 1)).fit(known.numpy(), target.numpy())
        np.testing.assert_allclose(guess(new), peer.predict(new.numpy()), atol=1e-9)


@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_fewer_pairs_give_a_guess_of_that_rank_and_a_larger_error(pairs):
    x, y = views()
    guesses = {k: Imputer(k).fit(x, y).first_from(y) for k in (pairs, pairs + 1)}
    assert torch.linalg.matrix_rank(guesses[pairs] - x.mean(0)) == pairs
    errors = {k: torch.linalg.norm((guess - x) @ whitened(x)) for k, guess in guesses.items()}
    assert errors[pairs] > errors[pairs + 1]


def whitened(x):
    return torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T


def test_independent_views_suggest_their_means():
    generator = torch.Generator().manual_seed(3)
    x, y = (torch.randn(50_000, 3, generator=generator, dtype=torch.float64) + 2 for _ in range(2))
    guess = Imputer(3).fit(x, y).first_from(y[:100])
    torch.testing.assert_close(guess, x.mean(0).expand(100, -1), atol=0.05, rtol=0)
