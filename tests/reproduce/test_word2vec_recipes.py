"""The recipes of Word2Vec: their questions against definitions, and the tables whole on small stand-ins."""

import pytest
import tiny_recipes
import torch
from tiny_texts import EACH, TOPICS

from course.reproduce.results import load_result
from course.reproduce.word2vec_bilingual import FOUND, Word2VecBilingual, Word2VecBilingualConfig, precision_at_1
from course.reproduce.word2vec_wordsim import ADD, RELATED, WITH_QUESTION, Word2VecWordSim, Word2VecWordSimConfig


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The stand-ins, and settings to match."""
    tiny_recipes.install(monkeypatch.setattr)


def test_every_method_ranks_words_of_one_topic_above_others_and_the_untrained_start_does_not(tmp_path):
    tiny_recipes.start("word2vec-wordsim", tmp_path)
    result = load_result("word2vec-wordsim", "quick", tmp_path)
    assert {metric.method for metric in result.metrics} == set(Word2VecWordSim.methods)
    for method, metric in result.by_method(RELATED).items():
        assert (metric.mean > 0.7) == (method != "untrained start"), method
    assert set(result.by_method(ADD)) == set(result.by_method(WITH_QUESTION)) == set(Word2VecWordSim.methods)


def test_the_recipe_asks_only_analogies_whose_words_are_known():
    recipe = Word2VecWordSim(Word2VecWordSimConfig.quick(), torch.device("cpu"))
    recipe.load()
    assert recipe.questions == [("a0", "a1", "b0", "b1"), ("c0", "c1", "d0", "d1")]


def test_the_bilingual_table_is_whole_and_unknown_words_are_left_out(tmp_path):
    tiny_recipes.start("word2vec-bilingual", tmp_path)
    result = load_result("word2vec-bilingual", "quick", tmp_path)
    for setting in Word2VecBilingual.settings:
        column = result.by_method(FOUND, setting)
        assert list(column) == list(Word2VecBilingual.methods)
        assert all(0 <= metric.mean <= 100 for metric in column.values())
    recipe = Word2VecBilingual(Word2VecBilingualConfig.quick(), torch.device("cpu"))
    recipe.load()
    assert len(recipe.pairs["train"]) == TOPICS * EACH


def test_precision_counts_any_of_several_translations_and_each_word_once():
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    y = torch.tensor([[2.0, 0.1], [0.1, 3.0], [-1.0, 0.0]])
    pairs = torch.tensor([[0, 2], [0, 0], [1, 2]])  # word 0 has two translations, the nearest is one; word 1 is missed
    assert precision_at_1(x, y, pairs) == 0.5
