"""Counts, PMI and its decomposition against loops and numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from representation.small_texts import corpus_of, random_corpus

from course.representation.pmi import PMISVD, pair_counts, pmi


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=12), min_size=1, max_size=5), st.integers(1, 6), st.booleans())
def test_counts_are_those_of_loops(documents, window, dynamic):
    expected = np.zeros((5, 5))
    for document in documents:
        for i, word in enumerate(document):
            for j, other in enumerate(document):
                if 0 < abs(i - j) <= window:
                    expected[word, other] += (window + 1 - abs(i - j)) / window if dynamic else 1
    if not expected.any():
        if any(documents):
            with pytest.raises(ValueError, match="nothing to count"):
                pair_counts(corpus_of(*documents, vocabulary=5), window, dynamic=dynamic)
        return
    found = pair_counts(corpus_of(*documents, vocabulary=5), window, dynamic=dynamic)
    np.testing.assert_allclose(found.toarray(), expected)


@pytest.mark.parametrize("power", [1.0, 0.75])
def test_pmi_is_the_logarithm_of_the_quotient(power):
    counts = pair_counts(random_corpus(), 2)
    joint = counts.toarray() / counts.sum()
    noise = joint.sum(0) ** power / (joint.sum(0) ** power).sum()
    with np.errstate(divide="ignore"):
        expected = np.log(joint / np.outer(joint.sum(1), noise))
    found = pmi(counts, power=power).toarray()
    np.testing.assert_allclose(found[joint > 0], expected[joint > 0])
    assert not found[joint == 0].any()


def test_vectors_are_the_best_approximation_of_positive_pmi():
    corpus, d = random_corpus(documents=100), 5
    model = PMISVD(dimension=d, window=2, shift=1.2, exponent=0.5).fit(corpus)
    matrix = np.maximum(pmi(pair_counts(corpus, 2), power=0.75).toarray() - np.log(1.2), 0)
    u, s, vt = np.linalg.svd(matrix)
    np.testing.assert_allclose(model.singular_values, s[:d])
    best = u[:, :d] * s[:d] @ vt[:d]
    np.testing.assert_allclose((model.vectors.matrix @ model.contexts.matrix.T).numpy(), best, atol=1e-5)
    np.testing.assert_allclose((model.vectors.matrix**2).sum(0).numpy(), s[:d], rtol=1e-5)


def test_the_same_corpus_gives_the_same_vectors():
    first, second = (PMISVD(dimension=4, window=2).fit(random_corpus()).vectors.matrix for _ in range(2))
    assert first.equal(second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimension": 0}, "dimension must be"),
        ({"dimension": 12}, "needs fewer than the 12 words"),
        ({"dimension": 3, "window": 0}, "window must be"),
        ({"dimension": 3, "shift": 0}, "shift must be"),
        ({"dimension": 3, "shift": 1e9}, "lower shift"),
    ],
)
def test_what_cannot_be_decomposed_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PMISVD(**options).fit(random_corpus())
