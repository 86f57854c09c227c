"""Attributes: scikit-learn's logistic regressions, Bayes' rule by hand, and classes recognised by their parts."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from course.applications.attributes import AttributeClassifier, indicators, principal_directions, vocabulary, words


def drawn(n=120, p=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator, dtype=torch.float64)
    has = (x[:, :3] + 0.8 * torch.randn(n, 3, generator=generator, dtype=torch.float64) > 0.2).double()
    return x, has


def test_each_attribute_has_the_logistic_regression_of_scikit_learn():
    x, has = drawn()
    model = AttributeClassifier(x, has, 0.02)
    z = model.project(x)
    for attribute in range(3):
        other = LogisticRegression(C=1 / (0.02 * len(x)), tol=1e-10, max_iter=1000).fit(z, has[:, attribute])
        expected = torch.from_numpy(other.decision_function(z))
        torch.testing.assert_close(model.log_odds(x)[:, attribute], expected, atol=1e-4, rtol=1e-4)


def test_scores_are_bayes_rule_by_hand():
    x, has = drawn()
    model = AttributeClassifier(x, has, 0.02)
    classes = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    found, p, prior = model.scores(x[:1], classes), model.log_odds(x[:1]).sigmoid()[0], has.mean(0)
    for score, row in zip(found[0].tolist(), classes.tolist(), strict=True):
        ratios = [p[m] / prior[m] if a else (1 - p[m]) / (1 - prior[m]) for m, a in enumerate(row)]
        assert score == pytest.approx(sum(math.log(ratio) for ratio in ratios), abs=1e-9)


def test_a_penalty_without_end_leaves_no_preference():
    x, has = drawn()
    classes = torch.eye(3)
    scores = AttributeClassifier(x, has, 1e6).scores(x, classes)
    torch.testing.assert_close(scores, torch.zeros_like(scores), atol=1e-4, rtol=0)


def test_a_class_never_seen_is_recognised_by_parts_that_were():
    """Four colours times three shapes; one combination is left out of the training."""
    generator = torch.Generator().manual_seed(3)
    parts = torch.cartesian_prod(torch.arange(4), torch.arange(3))
    has = torch.cat([torch.eye(4)[parts[:, 0]], torch.eye(3)[parts[:, 1]]], 1)
    mixing = torch.randn(7, 20, generator=generator)

    def pictures(rows, count):
        return (has[rows] @ mixing).repeat(count, 1) + 0.1 * torch.randn(count * len(rows), 20, generator=generator)

    for left_out in (0, 5):
        seen = torch.tensor([row for row in range(12) if row != left_out])
        model = AttributeClassifier(pictures(seen, 5), has[seen].repeat(5, 1), 1e-3)
        answers = model.scores(pictures(torch.tensor([left_out]), 10), has).argmax(1)
        assert (answers == left_out).all()


def test_words_and_vocabulary():
    classes = [words(text) for text in ("Red heart", "blue HEART", "red apple", "heart")]
    assert vocabulary(classes, 2) == ("heart", "red")
    assert vocabulary(classes, 1) == ("apple", "blue", "heart", "red")
    assert indicators(classes, ("heart", "red")).tolist() == [[1, 1], [1, 0], [0, 1], [1, 0]]
    assert vocabulary([words("a b"), words("a c")], 1) == ("b", "c")  # what all have tells nothing apart


def test_attributes_that_teach_nothing_are_refused():
    x, has = drawn()
    with pytest.raises(ValueError, match="there in some pictures and missing in others"):
        AttributeClassifier(x, torch.cat([has, torch.ones(len(x), 1)], 1), 0.1)
    with pytest.raises(ValueError, match=r"must be \[n, M\]"):
        AttributeClassifier(x, has[1:], 0.1)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_principal_directions_are_those_of_the_singular_value_decomposition(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found, expected = principal_directions(x - x.mean(0), 5), torch.linalg.svd(x - x.mean(0))[2][:5].T
    torch.testing.assert_close(found @ found.T, expected @ expected.T)
    torch.testing.assert_close(found.T @ found, torch.eye(5).double())
    assert principal_directions(x - x.mean(0), 100).shape[1] == 7 + (shape[1] == 8)
