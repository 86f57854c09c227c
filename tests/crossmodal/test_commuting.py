"""The defect of a square: by loops, at its ends, over all orders, and what must not change it."""

from itertools import permutations

import pytest
import torch

from course.crossmodal.commuting import commuting_defect


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parts(u, v):
    """Numerator and denominator, pair by pair."""
    squared = [[((a - b) ** 2).sum().item() for b in v] for a in u]
    n = len(u)
    own = sum(squared[i][i] for i in range(n)) / n
    return own, sum(squared[i][j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))


def test_is_the_definition():
    u, v = normal(6, 3), normal(6, 3, seed=1)
    own, others = parts(u, v)
    assert commuting_defect(u, v) == pytest.approx(own / others)


def test_is_nothing_for_a_square_of_linear_maps_that_commutes():
    a, b, x = normal(5, 4), normal(4, 3, seed=1), normal(9, 5, seed=2)
    assert commuting_defect((x @ a) @ b, x @ (a @ b)) < 1e-25


def test_shifts_turns_and_units_that_both_share_do_not_matter():
    u, v, (turn, _) = normal(7, 3), normal(7, 3, seed=1), torch.linalg.qr(normal(3, 3, seed=2))
    moved = [1e3 * each @ turn + 50 for each in (u, v)]
    assert commuting_defect(*moved) == pytest.approx(commuting_defect(u, v))
    assert commuting_defect(u, v) == pytest.approx(commuting_defect(v, u))


def test_over_all_orders_the_mean_of_the_numerator_is_what_the_page_says():
    u, v = normal(5, 2), normal(5, 2, seed=1)
    own, others = parts(u, v)
    mean = sum(parts(u, v[list(order)])[0] for order in permutations(range(5))) / 120
    assert mean == pytest.approx(own / 5 + 4 / 5 * others)


def test_is_near_one_for_routes_that_know_nothing_of_each_other():
    assert commuting_defect(normal(500, 20), normal(500, 20, seed=1)) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 4), r"\[3, 2\] and \[3, 4\]"),
        (torch.zeros(1, 2), torch.zeros(1, 2), "at least 2"),
        (torch.ones(4, 2), torch.ones(4, 2), "one point"),
    ],
)
def test_what_has_no_defect_is_refused(one, other, said):
    with pytest.raises(ValueError, match=said):
        commuting_defect(one, other)
