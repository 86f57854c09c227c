"""Subsampling, noise and windows against their definitions, and their frequencies against chance."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from representation.small_texts import corpus_of, random_corpus
from scipy.stats import chisquare

from course.representation.windows import LENGTH, Windows, keep_probability, noise_distribution, word_counts

ALL = 1.0


def windows(corpus, window=3, *, dynamic=True, keep=ALL, blocks=2, noise_words=0, power=0.75):
    size = len(corpus.vocabulary)
    noise = noise_distribution(word_counts(corpus), power)
    return Windows(corpus, window, dynamic, torch.full((size,), keep), noise, blocks, noise_words)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pairs_of(plan, step):
    """The pairs (word, other) that a step trains, read from its mask."""
    mask, reach = plan.masks()[step.mask], LENGTH + 2 * plan.window
    found = []
    for i, row in enumerate(mask):
        around = step.others[: plan.blocks * reach].view(plan.blocks, reach)[i // LENGTH]
        found += [(int(step.words[i]), int(other)) for other in around[row > 0]]
    return found


def pairs_by_loops(corpus, window):
    found = []
    for number in range(len(corpus)):
        document = corpus[number].tolist()
        for i, word in enumerate(document):
            for j in range(max(0, i - window), min(len(document), i + window + 1)):
                if i != j:
                    found.append((word, document[j]))
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=70), min_size=1, max_size=6).filter(any),
    st.integers(1, 8),
    st.integers(1, 4),
)
def test_blocks_and_masks_hold_exactly_the_pairs_of_two_loops(documents, window, blocks):
    corpus = corpus_of(*documents, vocabulary=7)
    plan = windows(corpus, window, dynamic=False, blocks=blocks)
    found = []
    for step in plan.steps(generator(), torch.device("cpu"), 0, 1):
        pairs = pairs_of(plan, step)
        assert step.pairs.sum() == len(pairs)
        found += pairs
    assert sorted(found) == sorted(pairs_by_loops(corpus, window))


def test_the_size_of_a_dynamic_window_is_uniform():
    """Far from the ends, left and right are the size drawn, from 1 to the window."""
    corpus = corpus_of([0] * 20_000)
    _, left, right = windows(corpus, 4).windows(generator())
    assert torch.equal(left[4:-4], right[4:-4])
    assert chisquare(left[4:-4].bincount(minlength=5)[1:]).pvalue > 0.01
    assert abs(2 * left.double().mean() - (4 + 1)) < 0.05  # words in a window: window + 1 on average


def test_words_are_kept_with_their_probability():
    counts = torch.tensor([90_000, 9_000, 1_000])
    corpus = corpus_of([0] * 90_000 + [1] * 9_000 + [2] * 1_000)
    keep = keep_probability(counts, 1e-2)
    plan = Windows(corpus, 2, True, keep, noise_distribution(counts), 1, 0)
    kept = plan.windows(generator())[0].bincount(minlength=3)
    for word in range(3):
        expected = counts[word] * torch.tensor([keep[word], 1 - keep[word]])
        if keep[word] < 1:
            assert chisquare([kept[word], counts[word] - kept[word]], expected).pvalue > 0.01
        else:
            assert kept[word] == counts[word]
    assert keep[1] < 1 == keep[2]


def test_keep_probability_is_the_formula_by_hand():
    # f = 0.9, t = 0.009: sqrt(0.01) + 0.01
    keep = keep_probability(torch.tensor([900, 100]), 0.009)
    torch.testing.assert_close(keep, torch.tensor([0.11, 0.39], dtype=torch.float64))
    assert torch.equal(keep_probability(torch.tensor([5, 1]), None), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize(("power", "expected"), [(1, [16 / 17, 1 / 17]), (0.75, [8 / 9, 1 / 9]), (0, [0.5, 0.5])])
def test_noise_is_proportional_to_the_power_of_the_counts(power, expected):
    assert noise_distribution(torch.tensor([16, 1]), power).tolist() == pytest.approx(expected)


def test_noise_words_are_drawn_with_their_probability():
    corpus = corpus_of([0] * 5_000 + [1] * 500 + [2] * 50)
    plan = windows(corpus, noise_words=200)
    drawn = torch.cat([s.others[-200:] for s in plan.steps(generator(), torch.device("cpu"), 0, 1)])
    expected = len(drawn) * noise_distribution(word_counts(corpus))
    assert chisquare(drawn.bincount(minlength=3), expected).pvalue > 0.01


def test_a_word_that_does_not_occur_is_no_noise():
    assert noise_distribution(torch.tensor([3, 0, 1]), 0).tolist() == [0.5, 0, 0.5]


def test_progress_runs_from_0_to_1_over_the_passes():
    plan = windows(random_corpus(), blocks=1)
    progress = [s.progress for e in range(2) for s in plan.steps(generator(), torch.device("cpu"), e, 2)]
    assert progress[0] == 0
    assert progress == sorted(progress)
    assert max(progress) < 1
