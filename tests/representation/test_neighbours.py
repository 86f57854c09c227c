"""Nearest neighbours against scikit-learn; agreement of distances against SciPy, and what must not change it."""

import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

from course.representation.neighbours import distance_agreement, nearest_agrees


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_nearest_agrees_is_scikit_learns():
    x, labels = normal(60, 4), torch.arange(60) % 3
    near = NearestNeighbors(n_neighbors=2).fit(x.numpy()).kneighbors(x.numpy())[1][:, 1]
    assert (nearest_agrees(x, labels) == (labels[near] == labels)).all()


def test_nearest_agrees_passes_over_rows_of_the_same_owner():
    x, labels = torch.tensor([[0.0], [0.1], [1.0], [1.1]]), torch.tensor([0, 0, 1, 0])
    assert nearest_agrees(x, labels).tolist() == [True, True, False, False]
    owners = torch.tensor([0, 0, 1, 1])
    assert nearest_agrees(x, labels, owners).tolist() == [False, False, False, True]


def test_nearest_agrees_is_guessing_where_labels_mean_nothing():
    agrees = nearest_agrees(normal(2000, 10), torch.arange(2000) % 4)
    assert agrees.double().mean().item() == pytest.approx(0.25, abs=0.04)


def test_nearest_agrees_refuses_other_shapes_and_a_single_owner():
    with pytest.raises(ValueError, match=r"\[n, p\]"):
        nearest_agrees(normal(3, 2), torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="two owners"):
        nearest_agrees(normal(3, 2), torch.zeros(3, dtype=torch.long), torch.zeros(3, dtype=torch.long))


def test_agreement_is_scipys():
    x, y = normal(15, 4), normal(15, 7, seed=1)
    x[:, 0] += y[:, 0]
    expected = spearmanr(pdist(x.numpy(), "cosine"), pdist(y.numpy(), "cosine")).statistic
    assert distance_agreement(x, y) == pytest.approx(expected)


def test_agreement_does_not_see_turns_and_lengths():
    x, (turn, _) = normal(15, 4), torch.linalg.qr(normal(4, 4, seed=1))
    assert distance_agreement(x, (x * torch.rand(15, 1) + 0.0) @ turn) == pytest.approx(1)


def test_agreement_is_near_nothing_for_spaces_that_know_nothing_of_each_other():
    assert abs(distance_agreement(normal(150, 10), normal(150, 10, seed=1))) < 0.05


@pytest.mark.parametrize("shapes", [((4, 2), (5, 2)), ((2, 2), (2, 2)), ((4,), (4, 2))])
def test_agreement_refuses_other_shapes(shapes):
    with pytest.raises(ValueError, match="at least 3"):
        distance_agreement(*(torch.ones(shape) for shape in shapes))
