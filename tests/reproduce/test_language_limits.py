"""Languages that the encoder was not made for, and words of two languages in one text."""

import pytest
import tiny_recipes
import torch

from course.data.cldr import LANGUAGES
from course.reproduce import crosslingual_recipes as recipes
from course.reproduce.crosslingual_recipes import ALL_BALANCED, F1
from course.reproduce.language_limits import (
    AS_ENGLISH,
    BY_MIXED,
    KNOWN,
    LEFT_OUT,
    MISLED,
    MIXED_IN,
    UNMIXED,
    EmojiUnread,
    MixedConfig,
    TweetsMixed,
)


@pytest.fixture
def small(monkeypatch):
    cells = EmojiUnread.settings, EmojiUnread.only
    tiny_recipes.install(monkeypatch.setattr)
    for name, value in zip(("settings", "only"), cells, strict=True):
        monkeypatch.setattr(EmojiUnread, name, value)

    def make(kind, config):
        recipe = kind(config, torch.device("cpu"))
        recipe.load()
        return recipe

    return make


def test_an_unread_language_is_asked_and_never_learned_from(small, monkeypatch, tmp_path):
    recipe, learned = small(EmojiUnread, tiny_recipes.CROSSLINGUAL), []
    plain = recipes.World.rows

    def noted(self, part, languages, **options):
        if part == "train":
            learned.extend(languages)
        return plain(self, part, languages, **options)

    monkeypatch.setattr(recipes.World, "rows", noted)
    found = recipe.measure(0, recipes.NONE, recipes.ALL_CENTRED, tmp_path / "seed-0" / "any")
    assert found.keys() == recipe.units.keys()
    assert found[F1] == [found[each] for each in LANGUAGES]
    assert set(learned) == set(recipes.EMOJI)


@pytest.mark.parametrize(("setting", "method"), EmojiUnread.cells())
def test_every_cell_is_measured(small, setting, method, tmp_path):
    found = small(EmojiUnread, tiny_recipes.CROSSLINGUAL).measure(0, setting, method, tmp_path / "seed-0" / "any")
    assert all(0 <= value <= 100 for value in found[F1])


def test_mixed_tweets_are_read_by_their_words(small, tmp_path):
    recipe = small(TweetsMixed, MixedConfig(seeds=(0, 1)))

    def mean(method, setting="all words"):
        found = recipe.measure(0, setting, method, tmp_path / "seed-0" / "any")
        assert found.keys() == recipe.units.keys()
        assert len(found[F1]) == len(MIXED_IN)
        assert found[KNOWN] == pytest.approx([100 / 3] * len(MIXED_IN))  # of "english red test 3"
        return sum(found[F1]) / len(MIXED_IN)

    assert mean(ALL_BALANCED) > 10 + max(mean(MISLED), mean(LEFT_OUT))  # the rule reads the colour in a translation
    assert min(mean(AS_ENGLISH), mean(BY_MIXED)) > 60
    assert mean(UNMIXED) == mean(UNMIXED, "half of the words") > 60
