"""The recipes of Word2Vec: their questions against definitions, and the tables whole on small stand-ins."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course import data
from course.data import WordPairs
from course.data.texts import Texts
from course.data.wordlists import ScoredPairs
from course.reproduce import word2vec_bilingual, word2vec_wordsim
from course.reproduce.results import load_result
from course.reproduce.word2vec_bilingual import FOUND, Word2VecBilingual, Word2VecBilingualConfig, precision_at_1
from course.reproduce.word2vec_wordsim import ADD, RELATED, WITH_QUESTION, Word2VecWordSim, Word2VecWordSimConfig

TOPICS = 4
EACH = 25  # words of a topic


def topic_texts(prefix: str, seed: int) -> Texts:
    """Sentences of one topic each, whose words are called after it: ``a0 a3 a1``."""
    generator = torch.Generator().manual_seed(seed)
    lines = []
    for _ in range(1_500):
        topic = int(torch.randint(TOPICS, (1,), generator=generator))
        own = torch.randint(EACH, (8,), generator=generator).tolist()
        lines.append(" ".join(f"{prefix}{'abcd'[topic]}{number}" for number in own))
    return Texts(tuple(lines), tuple(map(str, range(len(lines)))), "topics")


def load(name: str, **options):
    """What is called instead of :func:`course.data.load`."""
    if name == "nltk_corpora":
        return topic_texts("", 0)
    if name == "multi30k":
        return {"en": topic_texts("", 0), "de": topic_texts("d", 1)}
    if name == "wordsim":
        x = tuple(f"{'ABCD'[i % 4]}{i // 4 % 4}" for i in range(32))
        y = tuple(f"{'abcd'[(i + i // 16) % 4]}4" for i in range(32))
        scores = tuple(10.0 * (i < 16) for i in range(32))
        return dict.fromkeys(("WS-353-ALL", "SIMLEX-999"), ScoredPairs(x, y, scores, "same topic?"))
    if name == "analogies":
        return {"topics": (("A0", "a1", "b0", "b1"), ("c0", "c1", "d0", "d1"), ("a0", "unknown", "b0", "b1"))}
    assert name == "xling_eval"
    pairs = [(f"{t}{i}", f"d{t}{i}") for t in "abcd" for i in range(EACH)]
    x, y = zip(*pairs, ("absent", "fehlt"), strict=True)
    both = WordPairs(x, y, ("en", "de"), "topics")
    return {"en-de train 5k": both, "en-de test 2k": both}


@pytest.fixture
def small(monkeypatch):
    """The stand-ins, and settings to match."""
    wordsim = replace(Word2VecWordSimConfig.quick(), dimension=8, epochs=8, seeds=(0, 1))
    bilingual = replace(Word2VecBilingualConfig.quick(), dimension=6, epochs=6, components=3, seeds=(0, 1))
    for module in (word2vec_wordsim, word2vec_bilingual):
        monkeypatch.setattr(module.data, "load", load)
    monkeypatch.setattr(Word2VecWordSimConfig, "quick", lambda: wordsim)
    monkeypatch.setattr(Word2VecBilingualConfig, "quick", lambda: bilingual)
    assert data.load is load


def test_every_method_ranks_words_of_one_topic_above_others_and_the_untrained_start_does_not(small, tmp_path):
    tiny_recipes.start("word2vec-wordsim", tmp_path)
    result = load_result("word2vec-wordsim", "quick", tmp_path)
    assert {metric.method for metric in result.metrics} == set(Word2VecWordSim.methods)
    for method, metric in result.by_method(RELATED).items():
        assert (metric.mean > 0.7) == (method != "untrained start"), method
    assert set(result.by_method(ADD)) == set(result.by_method(WITH_QUESTION)) == set(Word2VecWordSim.methods)


def test_the_recipe_asks_only_analogies_whose_words_are_known(small):
    recipe = Word2VecWordSim(Word2VecWordSimConfig.quick(), torch.device("cpu"))
    recipe.load()
    assert recipe.questions == [("a0", "a1", "b0", "b1"), ("c0", "c1", "d0", "d1")]


def test_the_bilingual_table_is_whole_and_unknown_words_are_left_out(small, tmp_path):
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
