"""Parts of information: by hand, by independent optimisation, and what a late fusion really loses."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from course.crossmodal.information import (
    decompose,
    information,
    joint,
    lost_by_late_fusion,
    shared_at_least,
    shared_by_margins,
)

BITS = [(0, 0), (0, 1), (1, 0), (1, 1)]


def gate(function):
    return joint([a for a, _ in BITS], [b for _, b in BITS], [function(a, b) for a, b in BITS])


XOR, AND, COPY = gate(lambda a, b: a ^ b), gate(lambda a, b: a & b), gate(lambda a, b: 2 * a + b)
ONLY_FIRST = gate(lambda a, b: a)
SAME = joint([0, 1], [0, 1], [0, 1])
AND_SHARED = 0.75 * math.log2(4 / 3)  # 0.311 bits


def random_joint(seed, a=2, b=3, y=2):
    p = np.random.default_rng(seed).random((a, b, y)) + 0.02
    return p / p.sum()


@pytest.mark.parametrize(
    ("p", "shared", "parts"),
    [
        (XOR, shared_by_margins, (0, 0, 0, 1)),
        (XOR, shared_at_least, (0, 0, 0, 1)),
        (AND, shared_by_margins, (AND_SHARED, 0, 0, 0.5)),
        (AND, shared_at_least, (AND_SHARED, 0, 0, 0.5)),
        (COPY, shared_by_margins, (0, 1, 1, 0)),
        (COPY, shared_at_least, (1, 0, 0, 1)),
        (SAME, shared_by_margins, (1, 0, 0, 0)),
        (SAME, shared_at_least, (1, 0, 0, 0)),
        (ONLY_FIRST, shared_by_margins, (0, 1, 0, 0)),
        (ONLY_FIRST, shared_at_least, (0, 1, 0, 0)),
    ],
)
def test_the_parts_of_small_gates_are_those_found_by_hand(p, shared, parts):
    np.testing.assert_allclose(decompose(p, shared), parts, atol=1e-6)


@pytest.mark.parametrize("shared", [shared_by_margins, shared_at_least])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_parts_add_up_and_none_is_negative(shared, seed):
    p = random_joint(seed)
    parts = decompose(p, shared)
    assert min(parts) > -1e-9
    assert sum(parts) == pytest.approx(information(p.reshape(6, 2)))
    assert parts.redundancy + parts.unique_first == pytest.approx(information(p.sum(1)))
    assert parts.redundancy + parts.unique_second == pytest.approx(information(p.sum(0)))


@pytest.mark.parametrize("seed", range(5))
def test_the_least_information_is_that_of_a_general_optimiser(seed):
    p = random_joint(seed, 2, 2, 2)
    cross = np.array([[1, -1], [-1, 1]])  # the only moves that keep both margins

    def with_moves(t):
        return p + t * cross[:, :, None]

    room = [(max(-p[0, 0, k], -p[1, 1, k]), min(p[0, 1, k], p[1, 0, k])) for k in range(2)]
    found = minimize(
        lambda t: information(np.clip(with_moves(t), 0, None).reshape(4, 2)), [0, 0], bounds=room, method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000},
    )  # fmt: skip
    expected = information(p.sum(1)) + information(p.sum(0)) - found.fun
    assert shared_by_margins(p) == pytest.approx(expected, abs=1e-6)


def test_the_order_of_the_modalities_does_not_matter():
    p = random_joint(7)
    one, other = decompose(p), decompose(p.transpose(1, 0, 2))
    np.testing.assert_allclose(
        one, (other.redundancy, other.unique_second, other.unique_first, other.synergy), atol=1e-9
    )


def test_independent_variables_share_no_information_and_a_copy_shares_all():
    assert information(np.full((4, 4), 1 / 16)) == 0
    assert information(np.eye(8) / 8) == pytest.approx(3)


# --- what late fusion loses


def by_fitting_margins(p, sweeps=3000):
    """The loss by another way: the distribution of largest entropy with all three pair margins."""
    q = np.full(p.shape, 1 / p.size)
    for _ in range(sweeps):
        for axis in range(3):
            q = q * np.expand_dims(p.sum(axis) / q.sum(axis), axis)
    return (p * np.log2(p / q)).sum()


@pytest.mark.parametrize("seed", range(4))
def test_late_fusion_loses_what_the_pair_margins_do_not_tell(seed):
    p = random_joint(seed, 3, 3, 3)
    assert lost_by_late_fusion(p) == pytest.approx(by_fitting_margins(p), abs=1e-6)


@pytest.mark.parametrize(("p", "lost"), [(XOR, 1), (AND, 0), (COPY, 0), (SAME, 0), (ONLY_FIRST, 0)])
def test_late_fusion_loses_xor_whole_and_the_others_not_at_all(p, lost):
    assert lost_by_late_fusion(p) == pytest.approx(lost, abs=1e-3)


def test_late_fusion_loses_all_where_no_modality_says_anything_alone():
    a, b = np.divmod(np.arange(100), 10)
    assert lost_by_late_fusion(joint(a, b, (a + b) % 10)) == pytest.approx(math.log2(10), abs=1e-9)


@pytest.mark.parametrize("p", [np.ones((2, 2)) / 4, np.ones((2, 2, 2)), -XOR, XOR * np.nan])
def test_what_is_no_distribution_is_refused(p):
    for function in (decompose, lost_by_late_fusion):
        with pytest.raises(ValueError, match="probabilities that sum to 1"):
            function(p)
