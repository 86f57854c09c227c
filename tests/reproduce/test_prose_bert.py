"""The recipe prose-bert: its numbers against their definitions, and the whole table on a small stand-in."""

import math
from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course.representation.masked_lm import MaskedLM, Masking, ngram_log_likelihoods, pseudo_log_likelihoods
from course.reproduce import runner
from course.reproduce.prose_bert import (
    BELOW_BIGRAM,
    BELOW_BOTH,
    BELOW_UNIGRAM,
    MASKINGS,
    PERPLEXITY,
    READS,
    UNTRAINED,
    ProseBert,
)
from course.reproduce.results import load_result


def recipe(monkeypatch, **options):
    tiny_recipes.install(monkeypatch.setattr)
    made = ProseBert(replace(tiny_recipes.PROSE, **options), torch.device("cpu"))
    made.load()
    return made


def test_every_method_is_measured_with_every_seed(tmp_path, monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    tiny_recipes.start("prose-bert", tmp_path)
    result = load_result("prose-bert", "quick", tmp_path)
    assert [(m.method, m.quantity) for m in result.metrics] == [(m, q) for m in MASKINGS for q in ProseBert.units]
    assert {(m.n, m.over) for m in result.metrics} == {(2, "seeds")}


def test_a_trained_model_beats_the_shares_of_words_and_the_untrained_does_not(tmp_path, monkeypatch):
    made = recipe(monkeypatch, steps=150, batch_size=64)
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", 60)
    trained = made.measure(0, "", "80/10/10", tmp_path / "a")
    assert trained[BELOW_UNIGRAM] > 0.5
    assert made.measure(0, "", UNTRAINED, tmp_path / "b")[BELOW_UNIGRAM] < 0


def test_the_numbers_are_their_definitions(monkeypatch):
    made = recipe(monkeypatch)
    model = MaskedLM(made.config.model(), generator=torch.Generator().manual_seed(0)).eval()
    test, masking = made.test_rows(1), Masking(made.config.vocabulary)
    found = made.judged(model, masking, test)
    nats = -pseudo_log_likelihoods(model, test, masking).mean().item()
    assert found[PERPLEXITY] == pytest.approx(math.exp(nats), rel=1e-5)
    counts = ngram_log_likelihoods(made.rows, test, made.config.vocabulary)
    ordinary = test[:, 1:-1] >= 5
    for name, quantity in {"unigram": BELOW_UNIGRAM, "bigram": BELOW_BIGRAM, "both neighbours": BELOW_BOTH}.items():
        assert found[quantity] == pytest.approx((-counts[name][ordinary].mean().item() - nats) / math.log(2), rel=1e-4)
    named = [model(row[None])[0].argmax(-1) == row for row in test]
    share = torch.cat([hit[row >= 5] for hit, row in zip(named, test, strict=True)]).double().mean().item()
    assert found[READS] == pytest.approx(100 * share)
    assert not torch.equal(made.test_rows(0), test)
