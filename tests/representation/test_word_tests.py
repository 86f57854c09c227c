"""Similarity, analogies, hubs and associations against definitions, and the size of the permutation test."""

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors
from scipy.stats import permutation_test as scipy_permutation_test

from course.representation.word_tests import analogy_test, neighbour_counts, similarity_test, weat
from course.representation.word_vectors import UnknownWordError, WordVectors


def vectors(n=40, d=6, seed=0):
    return WordVectors(
        tuple(f"w{i}" for i in range(n)), torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    )


def test_similarity_is_gensims_and_leaves_unknown_words_out(tmp_path):
    own, rng = vectors(), np.random.default_rng(0)
    pairs = [(f"w{a}", f"w{b}") for a, b in rng.integers(0, 40, (30, 2)) if a != b]
    ratings = rng.random(len(pairs)).tolist()
    (tmp_path / "pairs").write_text("\n".join(f"{a}\t{b}\t{r}" for (a, b), r in zip(pairs, ratings, strict=True)))
    peer = KeyedVectors(6)
    peer.add_vectors(list(own.words), own.matrix.numpy())
    expected = peer.evaluate_word_pairs(str(tmp_path / "pairs"))[1].statistic
    assert similarity_test(own, pairs, ratings) == (pytest.approx(expected), len(pairs))
    assert similarity_test(own, [*pairs, ("w0", "none")], [*ratings, 9.0])[1] == len(pairs)
    with pytest.raises(ValueError, match="only 2 of 3 pairs"):
        similarity_test(own, [("w0", "w1"), ("w2", "w3"), ("w0", "none")], [1.0, 2.0, 3.0])


def test_analogies_that_hold_exactly_are_solved():
    base, offset = torch.eye(4), torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])
    low = torch.cat([base, torch.zeros(4, 1)], 1)
    own = WordVectors(tuple("abcdABCD"), torch.cat([low, low + offset]))
    questions = [("a", "A", "b", "B"), ("c", "C", "d", "D"), ("a", "A", "z", "Z")]
    assert analogy_test(own, questions) == (1.0, 2)
    assert analogy_test(own, [("a", "A", "b", "C")]) == (0.0, 1)
    with pytest.raises(ValueError, match="none of 1 questions"):
        analogy_test(own, questions[2:])


def test_neighbour_counts_are_those_of_the_lists_and_have_mean_k():
    own = vectors()
    listed = [word for each in own.words for word, _ in own.most_similar(each, n=3)]
    assert neighbour_counts(own, 3).tolist() == [listed.count(word) for word in own.words]
    assert neighbour_counts(own, 3).double().mean() == 3


def sets(n=4):
    names = [f"w{i}" for i in range(4 * n)]
    return [names[i * n : (i + 1) * n] for i in range(4)]


def test_weat_is_its_definition_and_its_p_value_that_of_scipy():
    own = vectors()
    x, y, a, b = sets()
    found = weat(own, x, y, a, b)
    s = {w: np.mean([own.similarity(w, c) for c in a]) - np.mean([own.similarity(w, c) for c in b]) for w in [*x, *y]}
    values = np.array(list(s.values()))
    effect = (values[:4].mean() - values[4:].mean()) / values.std(ddof=1)
    assert found.effect == pytest.approx(effect, abs=1e-6)
    peer = scipy_permutation_test(
        (values[:4], values[4:]), lambda p, q: p.mean() - q.mean(), n_resamples=np.inf, alternative="greater"
    )
    assert found.p_value == pytest.approx(peer.pvalue)
    assert (found.divisions, found.exact) == (70, True)


def test_the_random_p_value_is_near_the_exact_one():
    own = vectors()
    x, y, a, b = (names[:10] for names in ([f"w{i}" for i in range(s, s + 10)] for s in (0, 10, 20, 30)))
    found = weat(own, x, y, a, b, seed=1)
    assert (found.divisions, found.exact) == (10_000, False)
    s = [np.mean([own.similarity(w, c) for c in a]) - np.mean([own.similarity(w, c) for c in b]) for w in [*x, *y]]
    peer = scipy_permutation_test(
        (s[:10], s[10:]), lambda p, q: p.mean() - q.mean(), n_resamples=9_999, alternative="greater", rng=0
    )
    assert found.p_value == pytest.approx(peer.pvalue, abs=0.02)


def test_among_vectors_without_associations_p_values_are_uniform():
    p_values = [weat(vectors(16, seed=seed), *sets()).p_value for seed in range(300)]
    assert abs(np.mean(np.array(p_values) <= 0.1) - 0.1) < 0.05
    assert abs(np.mean(p_values) - 0.5) < 0.05


def test_sets_that_cannot_be_compared_are_refused():
    x, y, a, b = sets()
    with pytest.raises(ValueError, match=r"got \[3, 4, 4, 4\]"):
        weat(vectors(), x[:3], y, a, b)
    with pytest.raises(ValueError, match="same size"):
        weat(vectors(), x, y, a, [])
    with pytest.raises(UnknownWordError, match="'none'"):
        weat(vectors(), x, [*y[:3], "none"], a, b)
