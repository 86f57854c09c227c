"""Classes that come and go without training: the classifier is that of all examples at once."""

import pytest
import torch
from meta_problems import mlp, normal

from course.meta_learning.open_classes import OpenClassifier
from course.meta_learning.prototypical import PrototypicalConfig, PrototypicalNetwork, cosine_scores

LEARNER = PrototypicalNetwork(mlp(2, 3, averages=True), PrototypicalConfig())
X, NEW = normal(9, 2), normal(5, 2, seed=1)


def known(**options):
    classifier = OpenClassifier(LEARNER.embed, **options)
    for number, name in enumerate("abc"):
        classifier.add(name, X[3 * number : 3 * number + 3])
    return classifier


def test_it_is_the_classifier_of_the_learner():
    expected = LEARNER.adapt(X, torch.arange(3).repeat_interleave(3))(NEW)
    torch.testing.assert_close(known()(NEW), expected)
    assert known().names(NEW) == ["abc"[number] for number in expected.argmax(1)]


def test_a_class_that_comes_later_changes_no_weight_and_no_other_prototype():
    classifier, before = known(), [value.clone() for value in LEARNER.model.state_dict().values()]
    scores = classifier(NEW)
    classifier.add("d", NEW[:2])
    torch.testing.assert_close(classifier(NEW)[:, :3], scores)
    assert classifier.classes == ("a", "b", "c", "d")
    assert classifier.names(NEW[:2]) != known().names(NEW[:2])
    for value, old in zip(LEARNER.model.state_dict().values(), before, strict=True):
        assert torch.equal(value, old)


def test_examples_that_come_later_give_the_mean_of_all():
    classifier = OpenClassifier(LEARNER.embed)
    classifier.add("a", X[:1])
    classifier.add("b", X[3:6])
    classifier.extend("a", X[1:3])
    torch.testing.assert_close(classifier.prototypes, known().prototypes[:2])


def test_a_class_that_was_removed_is_forgotten():
    classifier = known()
    classifier.remove("b")
    assert classifier.classes == ("a", "c")
    torch.testing.assert_close(classifier(NEW), known()(NEW)[:, [0, 2]])


def test_other_scores_can_be_used():
    assert known(scores=cosine_scores)(NEW).abs().max() <= 10


def test_what_is_no_class_is_refused():
    classifier = known()
    nan = torch.tensor([[0.0, float("nan")]], dtype=torch.float64)
    for action, message in (
        (lambda: classifier.add("a", X[:1]), "there is a class 'a' already"),
        (lambda: classifier.extend("z", X[:1]), "no class 'z'; there are: a, b, c"),
        (lambda: classifier.remove("z"), "no class 'z'"),
        (lambda: classifier.add("d", X[:0]), "at least one example"),
        (lambda: classifier.add("d", nan), "not finite"),
        (lambda: classifier(nan), "not finite"),
    ):
        with pytest.raises(ValueError, match=message):
            action()
    assert classifier.classes == ("a", "b", "c")
    alone = OpenClassifier(LEARNER.embed)
    alone.add("a", X[:1])
    with pytest.raises(ValueError, match="two classes or more, there are 1"):
        alone(NEW)
    plain = OpenClassifier(lambda x: x)
    plain.add("a", X[:1])
    with pytest.raises(ValueError, match="all vectors need the same length"):
        plain.add("b", normal(1, 3))
