"""The crosslingual recipes: who is left out, what is equal, and what a method is given."""

import pytest
import tiny_recipes
import torch

from course.reproduce import crosslingual_recipes as recipes
from course.reproduce.crosslingual_recipes import (
    ALL_CENTRED,
    ANCHORED,
    BEGUN,
    ENGLISH,
    F1,
    FIVE,
    HEAD_OPTIONS,
    JOINED,
    METRIC,
    NONE,
    ONE_CLASS,
    ORACLE,
    PROTOTYPES,
    SINGLE,
    TRIALS,
    UNTRAINED,
    WRONG,
    UmsabCrosslingual,
)


@pytest.fixture
def umsab(monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    recipe = UmsabCrosslingual(tiny_recipes.CROSSLINGUAL, torch.device("cpu"))
    recipe.load()
    return recipe


def measured(recipe, setting, method, folder):
    found = recipe.measure(0, setting, method, folder / "seed-0" / "any")
    return sum(found[F1]) / len(found[F1])


def test_every_language_is_asked_once_and_the_list_has_all_but_english(umsab, tmp_path):
    found = umsab.measure(0, NONE, ALL_CENTRED, tmp_path / "seed-0" / "any")
    assert found.keys() == umsab.units.keys()
    assert found[F1] == [found[each] for each in recipes.TWEETS if each != "english"]
    assert sum(umsab.folds, ()) == recipes.TWEETS


def test_no_label_of_the_target_reaches_a_head_of_the_sources(umsab, monkeypatch, tmp_path):
    seen = []
    plain = recipes.World.rows

    def noted(self, part, languages, **options):
        seen.append((part, tuple(languages)))
        return plain(self, part, languages, **options)

    monkeypatch.setattr(recipes.World, "rows", noted)
    umsab.fitted.clear()
    umsab.measure(0, NONE, ALL_CENTRED, tmp_path / "seed-0" / "any")
    learned = [languages for part, languages in seen if part == "train"]
    assert all(not set(languages) & set(group) for languages, group in zip(learned[-1:], umsab.folds[-1:], strict=True))
    assert {part for part, languages in seen if len(languages) == 1} == {"validation", "test"}


def test_what_knows_more_is_better_and_controls_are_not(umsab, tmp_path):
    found = {method: measured(umsab, NONE, method, tmp_path) for method in (*HEAD_OPTIONS, ONE_CLASS, ORACLE, JOINED)}
    assert found[ONE_CLASS] == pytest.approx(100 / 6)
    assert found[UNTRAINED] < 60 < found[ALL_CENTRED]
    assert found[WRONG] < found[ALL_CENTRED]
    assert min(found[ORACLE], found[JOINED]) > 60 > found[ONE_CLASS]


def test_few_labels_and_one_source(umsab, tmp_path):
    few = {method: measured(umsab, FIVE, method, tmp_path) for method in (PROTOTYPES, BEGUN, METRIC, ANCHORED)}
    assert min(few.values()) > 35
    assert few[ANCHORED] > few[BEGUN]
    assert measured(umsab, SINGLE, "from hindi", tmp_path) > 40


def test_trials_are_four_and_a_penalty_that_was_chosen_is_kept():
    tried = {method: len(trials) for method, trials in TRIALS.items()}
    alone = {ONE_CLASS: 1, JOINED: 1, BEGUN: 1}
    assert {method: count for method, count in tried.items() if method not in alone} == dict.fromkeys(
        [method for method in tried if method not in alone], 4
    )
    assert set(UmsabCrosslingual.methods) - set(TRIALS) == {f"from {each}" for each in recipes.TWEETS}
    assert HEAD_OPTIONS[ENGLISH] == ("english", False, False)


def test_the_vectors_are_stored_in_the_folder_of_one_seed(umsab, monkeypatch, tmp_path):
    folders = []
    plain = recipes.text_vectors

    def noted(texts, device, folder, *, pretrained, stored):
        folders.append((folder, list(stored), pretrained, len(texts)))
        return plain(texts, device)

    monkeypatch.setattr(recipes, "text_vectors", noted)
    umsab.world(1, tmp_path / "seed-1" / "any", False)
    umsab.world(1, tmp_path / "seed-1" / "any", False)
    (tmp_path / "seed-1" / "vectors").mkdir(parents=True)
    umsab.world(2, tmp_path / "seed-2" / "any", False)
    assert [each[0].parent.name for each in folders] == ["seed-1", "seed-2"]
    assert folders[1][1] == [tmp_path / "seed-1" / "vectors"]
    assert folders[0][3] == folders[1][3]
