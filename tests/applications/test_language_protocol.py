"""Macro-F1 against scikit-learn; folds, pretenders and few labels are what they are called."""

import pytest
import torch
from sklearn.metrics import f1_score

from course.applications.language_protocol import best, f1_half_width, few, folds, macro_f1, pretenders
from course.data import DataError


@pytest.mark.parametrize("n_way", [2, 3, 6])
def test_macro_f1_is_scikit_learns(n_way):
    draw = torch.Generator().manual_seed(n_way)
    for least in (0, 1):  # once a class is missing
        y, answers = torch.randint(least, n_way, (2, 40), generator=draw)
        expected = f1_score(y, answers, average="macro")
        assert macro_f1(y, answers, n_way) == pytest.approx(expected)
    with pytest.raises(ValueError, match="must be equally long"):
        macro_f1(y, answers[1:], n_way)
    with pytest.raises(ValueError, match="no text"):
        macro_f1(y[:0], answers[:0], n_way)


def test_one_class_of_three_equal_ones_has_a_sixth():
    assert macro_f1(torch.arange(3).repeat(5), torch.zeros(15).long(), 3) == pytest.approx(1 / 6)


def test_the_bootstrap_is_that_of_a_share_for_two_equal_classes():
    y = torch.arange(2).repeat(400)
    answers = torch.where(torch.rand(800, generator=torch.Generator().manual_seed(0)) < 0.7, y, 1 - y)
    right = (answers == y).double().mean().item()
    expected = 1.96 * (right * (1 - right) / 800) ** 0.5
    assert f1_half_width(y, answers, 2, draws=1000) == pytest.approx(expected, rel=0.1)


def test_every_language_is_left_out_once_and_pretenders_are_sources():
    languages = tuple("abcdefgh")
    groups = folds(languages, 3)
    assert sum(groups, ()) == languages and [len(group) for group in groups] == [3, 3, 2]
    used = set()
    for fold, group in enumerate(groups):
        sources = tuple(each for each in languages if each not in group)
        playing = pretenders(sources, fold)
        assert len(set(playing)) == 2 and set(playing) < set(sources)
        used |= set(playing)
    assert len(used) > 3
    with pytest.raises(ValueError, match="2 source languages leave none to learn from"):
        pretenders(("a", "b"), 0)


def test_few_are_nested_and_of_each_class():
    y = torch.randint(0, 4, (200,), generator=torch.Generator().manual_seed(0))
    found = {k: few(y, 4, k, 9) for k in (0, 1, 5, 20)}
    assert [len(rows) for rows in found.values()] == [0, 4, 20, 80]
    assert set(found[1].tolist()) < set(found[5].tolist()) < set(found[20].tolist())
    assert y[found[20]].bincount().tolist() == [20] * 4
    assert few(y, 4, 5, 9).tolist() == found[5].tolist() != few(y, 4, 5, 10).tolist()
    with pytest.raises(DataError, match=r"class 0 has \d+ examples, 100 are asked for"):
        few(y, 4, 100, 9)


def test_the_first_of_the_best_is_taken_and_a_single_one_is_not_tried():
    assert best((3, 1, 2), lambda setting: min(setting, 2)) == 3
    assert best((5,), None) == 5
