"""Hubs: counts and skewness against SciPy, and repairs with their limits."""

import pytest
import torch
from scipy import stats

from course.applications import hubs


@pytest.fixture
def scores():
    return torch.randn(40, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_occurrences_are_counted_as_defined(scores):
    for k in (1, 3, 12):
        expected = [sum(c in row.argsort(descending=True)[:k].tolist() for row in scores) for c in range(12)]
        assert hubs.occurrences(scores, k).tolist() == expected
        assert sum(expected) == 40 * k


def test_skewness_is_scipys(scores):
    counts = hubs.occurrences(scores, 3)
    assert hubs.skewness(counts) == pytest.approx(stats.skew(counts.numpy()))
    assert hubs.skewness(torch.full((5,), 3)) == 0


def test_in_many_dimensions_there_are_hubs():
    found = []
    for width in (3, 300):
        generator = torch.Generator().manual_seed(1)
        x, y = torch.randn(2, 1000, width, generator=generator)
        found.append(hubs.skewness(hubs.occurrences(-torch.cdist(x, y), 10)))
    assert found[1] > found[0] + 1


def test_a_class_that_everybody_likes_loses_by_as_much(scores):
    shift = torch.zeros(12).double()
    shift[4] = 3
    torch.testing.assert_close(
        hubs.inverted_softmax(scores + shift, scores + shift, 0.3), hubs.inverted_softmax(scores, scores, 0.3)
    )
    torch.testing.assert_close(hubs.csls(scores + shift, scores + shift, 5), hubs.csls(scores, scores, 5) + shift / 2)


def test_the_inverted_softmax_lies_between_the_mean_and_the_largest(scores):
    hot, cold = hubs.inverted_softmax(scores, scores, 1e5), hubs.inverted_softmax(scores, scores, 1e-5)
    torch.testing.assert_close(hot, scores - scores.mean(0), atol=1e-3, rtol=0)
    torch.testing.assert_close(cold, scores - scores.max(0).values, atol=1e-3, rtol=0)


def test_the_inverted_softmax_is_a_softmax_over_pictures(scores):
    """With the questions as references, tau times the log of a column's softmax, up to a constant."""
    expected = 0.2 * torch.log_softmax(scores / 0.2, 0)
    gap = hubs.inverted_softmax(scores, scores, 0.2) - expected
    torch.testing.assert_close(gap, gap[0, 0].expand_as(gap))


def test_csls_with_all_references_takes_half_the_mean(scores):
    torch.testing.assert_close(hubs.csls(scores, scores, 40), scores - scores.mean(0) / 2)
    torch.testing.assert_close(hubs.csls(scores, scores, 1), scores - scores.max(0).values / 2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: hubs.occurrences(s, 13), "k must be"),
        (lambda s: hubs.occurrences(s[0], 1), r"scores must be \[pictures, classes\]"),
        (lambda s: hubs.csls(s, s[:, 1:], 2), "the same classes"),
        (lambda s: hubs.csls(s, s, 41), "k must be"),
        (lambda s: hubs.inverted_softmax(s, s, 0.0), "temperature must be positive"),
    ],
)
def test_what_cannot_be_counted_is_refused(scores, call, said):
    with pytest.raises(ValueError, match=said):
        call(scores)
