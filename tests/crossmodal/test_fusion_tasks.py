"""Pairs have the answers and the distributions that their task promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal.fusion_tasks import MATCH, SAME, SUM, TASKS, answers, draw_pairs

EVERY_TASK = pytest.mark.parametrize("task", TASKS)
N = 40_000


def lists(seed=0):
    """Digits with different numbers of examples, in any order."""
    generator = torch.Generator().manual_seed(seed)
    seen = torch.arange(10).repeat_interleave(torch.arange(1, 11))
    heard = torch.arange(10).repeat_interleave(torch.arange(3, 13).flip(0))
    return tuple(each[torch.randperm(len(each), generator=generator)] for each in (seen, heard))


def drawn(task, n=N, seed=0):
    seen, heard = lists()
    pairs = draw_pairs(task, seen, heard, n, generator=torch.Generator().manual_seed(seed))
    return pairs, seen[pairs.images], heard[pairs.sounds]


@EVERY_TASK
def test_labels_are_the_answers_of_the_digits_drawn(task):
    pairs, first, second = drawn(task)
    assert torch.equal(pairs.labels, answers(task, first, second))
    if task == SAME:
        assert torch.equal(first, second)


@EVERY_TASK
def test_both_digits_are_uniform_and_so_are_the_examples_of_each(task):
    pairs, first, second = drawn(task)
    for digits, rows, listed in zip((first, second), pairs[:2], lists(), strict=True):
        torch.testing.assert_close(digits.bincount(minlength=10) / N, torch.full((10,), 0.1), atol=0.01, rtol=0)
        expected = 0.1 / listed.bincount(minlength=10)[listed]
        torch.testing.assert_close(rows.bincount(minlength=len(listed)) / N, expected, atol=0.008, rtol=0)


@pytest.mark.parametrize("task", [MATCH, SUM])
def test_one_digit_alone_says_nothing_about_the_answer(task):
    pairs, first, second = drawn(task)
    for digits in (first, second):
        for digit in range(10):
            shares = pairs.labels[digits == digit].bincount(minlength=TASKS[task]) / (digits == digit).sum()
            torch.testing.assert_close(shares, torch.full((TASKS[task],), 1 / TASKS[task]), atol=0.04, rtol=0)


@given(st.sampled_from(list(TASKS)), st.integers(1, 30), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_draws_the_same_pairs(task, n, seed):
    for one, other in zip(drawn(task, n, seed)[0], drawn(task, n, seed)[0], strict=True):
        assert torch.equal(one, other)
        assert one.shape == (n,)


def test_bad_requests_are_refused():
    seen, heard = lists()
    with pytest.raises(ValueError, match="there is no task 'product'"):
        draw_pairs("product", seen, heard, 5, generator=torch.Generator())
    with pytest.raises(ValueError, match="no example of the heard digits is a 4"):
        draw_pairs(SUM, seen, heard[heard != 4], 5, generator=torch.Generator())
    with pytest.raises(ValueError, match="n must be a whole number"):
        draw_pairs(SUM, seen, heard, 0, generator=torch.Generator())
