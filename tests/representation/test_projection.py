"""Null spaces against SciPy, projections against scikit-learn and against every other projection that was tried."""

import pytest
import torch
from scipy.linalg import null_space as scipy_null_space
from sklearn.decomposition import PCA

from course.representation.projection import Projection, null_space


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("q", "p", "rank"), [(3, 7, 3), (7, 3, 2), (5, 5, 4), (4, 4, 4)])
def test_null_space_is_scipys_and_rank_and_nullity_add_up(q, p, rank):
    matrix = normal(q, rank) @ normal(rank, p, seed=1)
    ours, theirs = null_space(matrix), torch.from_numpy(scipy_null_space(matrix.numpy()))
    assert ours.shape == (p, p - rank)
    assert (matrix @ ours).abs().sum() < 1e-10
    torch.testing.assert_close(ours @ ours.T, theirs @ theirs.T)


def test_null_space_of_nothing_is_everything():
    assert null_space(torch.zeros(2, 3)).shape == (3, 3)


@pytest.mark.parametrize("matrix", [torch.ones(3), torch.full((2, 2), float("nan"))])
def test_null_space_refuses_what_is_no_matrix(matrix):
    with pytest.raises(ValueError, match="finite"):
        null_space(matrix)


def test_projection_is_scikit_learns():
    x, new = normal(40, 6) @ normal(6, 6, seed=1) + 5, normal(9, 6, seed=2)
    ours, theirs = Projection.fit(x, 3), PCA(3, svd_solver="full").fit(x.numpy())
    torch.testing.assert_close(
        ours.up(ours.down(new)), torch.from_numpy(theirs.inverse_transform(theirs.transform(new.numpy())))
    )
    assert ours.forgotten(x) == pytest.approx(1 - theirs.explained_variance_ratio_.sum())


def test_projection_forgets_the_small_singular_values_and_no_other_axes_forget_less():
    x = normal(30, 8)
    squares = torch.linalg.svdvals(x - x.mean(0)).square()
    least = Projection.fit(x, 3).forgotten(x)
    assert least == pytest.approx((squares[3:].sum() / squares.sum()).item())
    for seed in range(20):
        axes = torch.linalg.qr(normal(8, 3, seed=seed + 9))[0]
        assert Projection(x.mean(0), axes).forgotten(x) > least


def test_projection_twice_is_once():
    x, p = normal(10, 5), Projection.fit(normal(10, 5), 2)
    once = p.up(p.down(x))
    torch.testing.assert_close(p.up(p.down(once)), once)


def test_projection_as_many_axes_as_there_are_forget_nothing():
    x = normal(4, 9)
    assert Projection.fit(x, 3).forgotten(x) < 1e-20


def test_projection_refuses_too_many_axes_and_no_matrix():
    with pytest.raises(ValueError, match="k"):
        Projection.fit(normal(4, 9), 4)
    with pytest.raises(ValueError, match="two rows"):
        Projection.fit(normal(4), 1)
