"""Batches by number: a pass holds each example once, and only seed and step decide."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.data import Batches


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**40), st.integers(0, 50))
def test_a_pass_holds_no_example_twice_and_is_the_same_in_any_order_of_asking(n, size, seed, number):
    size = min(n, size)
    steps = range(number * (n // size), (number + 1) * (n // size))
    batches = Batches(n, size, seed=seed)
    in_turn = [batches[step] for step in steps]
    drawn = torch.cat(in_turn)
    assert drawn.dtype == torch.int64
    assert len(drawn.unique()) == len(drawn) == n // size * size
    assert drawn.min() >= 0 and drawn.max() < n
    one_by_one = [Batches(n, size, seed=seed)[step] for step in reversed(steps)]
    assert all(torch.equal(a, b) for a, b in zip(in_turn, reversed(one_by_one), strict=True))


def test_passes_and_seeds_differ_and_every_example_has_its_turn():
    first = Batches(1000, 64, seed=1)
    assert not torch.equal(first[0], first[15])  # the first batches of two passes
    assert not torch.equal(first[0], Batches(1000, 64, seed=2)[0])
    assert len(torch.cat([first[step] for step in range(60)]).unique()) == 1000  # 40 are left over in each of 4 passes


@pytest.mark.parametrize(("n", "size", "step"), [(0, 1, 0), (5, 6, 0), (5, 0, 0), (5, 2.0, 0), (5, 2, -1), (5, 2, 0.5)])
def test_sizes_and_steps_out_of_range(n, size, step):
    with pytest.raises(ValueError, match="must be a whole number"):
        Batches(n, size)[step]
