"""The protocol: which pictures training sees, whom it is asked about, and numbers that a known truth must have."""

from itertools import product

import pytest
import torch

from course.applications.class_maps import similarity
from course.applications.described import (
    ClassSplit,
    Described,
    asked,
    best_scorer,
    measured,
    refusal,
    training_pictures,
    turned,
)
from course.applications.scorers import (
    ALIGNED,
    ATTRIBUTES,
    BACK,
    CONTRAST,
    MAPS,
    NEIGHBOURS,
    RIDGE,
    START,
    chosen,
    scorers,
)
from course.crossmodal.frozen_pairs import cca_maps


@pytest.fixture(scope="module")
def of():
    """Ninety classes of two parts each, nine times ten; pictures are linear in the parts, with a little noise."""
    generator = torch.Generator().manual_seed(0)
    parts = torch.cartesian_prod(torch.arange(9), torch.arange(10))
    texts = torch.cat([torch.eye(9)[parts[:, 0]], torch.eye(10)[parts[:, 1]]], 1)
    centres = texts @ torch.randn(19, 40, generator=generator)
    noise = 0.3 * torch.randn(2, 90, 2, 40, generator=generator)
    words = [frozenset((f"a{i}", f"b{j}")) for i, j in parts.tolist()]
    return Described(centres[:, None] + noise[0], centres[:, None] + noise[1], texts, words)


@pytest.fixture(scope="module")
def split():
    rows = torch.arange(90)
    generator = torch.Generator().manual_seed(1)
    return ClassSplit.drawn(rows[10:], rows[:10], test=16, validation=12, generator=generator)


def test_a_split_has_every_class_once_and_tests_candidates_only(split):
    parts = torch.cat([split.train, split.validation, split.test])
    assert parts.sort().values.tolist() == list(range(90))
    assert set(range(10)) <= set(split.train.tolist())
    assert set(split.kept.tolist()) | set(split.watched.tolist()) <= set(split.train.tolist())
    assert set(split.kept.tolist()).isdisjoint(split.watched.tolist())
    with pytest.raises(ValueError, match="too few"):
        ClassSplit.drawn(torch.arange(9), torch.arange(0), test=4, validation=3, generator=torch.Generator())


def test_training_sees_no_picture_of_unseen_classes_and_no_picture_that_is_asked_about(of, split):
    x, labels = training_pictures(of, split)
    assert len(x) == 2 * len(split.train) + 2 * (len(split.train) - len(split.kept) - len(split.watched))
    hidden = torch.cat([split.test, split.validation, split.kept, split.watched])
    queries = of.query[hidden].flatten(0, 1)
    assert torch.cdist(x, queries).min() > 1e-3
    assert set(labels.tolist()) == set(split.train.tolist())


def test_labels_are_places_among_the_candidates(of):
    x, labels = asked(of, torch.tensor([5, 2]), torch.tensor([2, 9, 5]))
    assert labels.tolist() == [2, 2, 0, 0]
    assert torch.equal(x[2], of.query[2, 0])


@pytest.mark.parametrize("method", [ATTRIBUTES, RIDGE, BACK, ALIGNED, CONTRAST])
def test_every_fitted_method_finds_classes_that_are_new_mixtures_of_parts(of, split, method):
    found = measured(chosen(method, of, split), of, split)
    assert found["plain"] > 0.7
    assert found["harmonic"] >= found["harmonic_raw"] - 0.1
    assert found["refusal"] > 0.6


def test_maps_as_they_begin_guess_and_neighbours_are_between(of, split):
    start, near = (measured(chosen(m, of, split), of, split)["plain"] for m in (START, NEIGHBOURS))
    assert start < 0.4 < near


def test_descriptions_of_other_classes_help_nobody(of, split):
    order = torch.randperm(90, generator=torch.Generator().manual_seed(5))
    mixed = Described(of.support, of.query, of.texts[order], [of.words[number] for number in order.tolist()])
    for method in (RIDGE, ATTRIBUTES):
        assert measured(chosen(method, mixed, split), mixed, split)["plain"] < 0.4


def test_eight_trials_each_and_the_best_in_validation_is_taken(of, split):
    assert {len(scorers(m, of, split)) for m in (ATTRIBUTES, NEIGHBOURS, RIDGE, BACK, ALIGNED, CONTRAST)} == {8}
    right = chosen(RIDGE, of, split)
    assert best_scorer([lambda x, c: -right(x, c), right, right], of, split) is right
    with pytest.raises(ValueError, match="there is no method 'other'"):
        scorers("other", of, split)


def test_cca_with_fewer_components_is_the_one_that_was_fitted_with_fewer(of, split, monkeypatch):
    monkeypatch.setitem(MAPS, ALIGNED, (cca_maps, ((5, 19), (0.3, 3.0))))
    x, labels = training_pictures(of, split)
    for found, (count, ridge) in zip(scorers(ALIGNED, of, split), product((5, 19), (0.3, 3.0)), strict=True):
        expected = similarity(cca_maps(x, of.texts[labels], count, ridge), x[:5], of.texts)
        torch.testing.assert_close(found(x[:5], torch.arange(90)), expected, atol=1e-4, rtol=1e-3)
        side = found.keywords["maps"][0]  # also of several pictures for each class
        torch.testing.assert_close(side(x[:4].reshape(2, 2, -1)), side(x[:4]).reshape(2, 2, -1))


def test_a_perfect_scorer_has_perfect_numbers(of, split):
    centres = of.query.mean(1)

    def perfect(x, classes):
        return -torch.cdist(x, centres[classes])

    found = measured(perfect, of, split)
    assert found["plain"] == found["harmonic"] == 1
    assert refusal(perfect, of, split) > 0.95


def test_a_turned_copy_stays_on_white_and_without_strength_nothing_moves():
    x = torch.ones(2, 3, 24, 24)
    x[:, :, 6:18, 10:14] = 0.2
    moved = turned(x, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape and not torch.allclose(moved, x)
    assert moved[:, :, 0, 0].min() > 0.99 and moved.min() >= 0.19
    still = turned(x[:1], torch.Generator().manual_seed(0), 0.0)  # a size of 90 %, as of glyphs
    assert torch.allclose(still, still.flip(-1), atol=1e-5)
    with pytest.raises(ValueError, match="pictures must be"):
        Described(x, x, torch.zeros(2, 3), [frozenset()])
