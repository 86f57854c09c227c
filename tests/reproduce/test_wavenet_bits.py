"""The recipes of WaveNet: what is judged is judged right, and a small run has every number."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course.reproduce.results import load_result
from course.reproduce.wavenet_bits import BITS, FORMANTS, PITCH, VoicesWaveNet, WaveNetConfig, held, judged, split


def test_the_vowels_themselves_have_the_pitch_and_mostly_the_formants_that_were_asked_for():
    vowels = held()
    asked = torch.stack([vowels.vowels, vowels.speakers], 1)
    found = judged(vowels.x, asked, vowels)
    assert found[PITCH] == 100 and found[FORMANTS] > 80
    wrong = judged(vowels.x, asked.flip(0), vowels)
    assert wrong[PITCH] < 50 and wrong[FORMANTS] < 30


def test_no_take_is_in_two_splits():
    parts = split(held())
    assert [len(part) for part in parts.values()] == [128, 16, 16]
    rows = [{tuple(row.tolist()) for row in part.codes} for part in parts.values()]
    assert not rows[0] & rows[1] and not rows[0] & rows[2] and not rows[1] & rows[2]


@pytest.mark.parametrize("name", ["voices-wavenet", "fsdd-wavenet"])
def test_every_method_is_measured_with_every_seed(tmp_path, monkeypatch, name):
    tiny_recipes.install(monkeypatch.setattr)
    tiny_recipes.start(name, tmp_path)
    result = load_result(name, "quick", tmp_path)
    assert {metric.n for metric in result.metrics} == {2}
    bits = {method: metric.mean for method, metric in result.by_method(BITS).items()}
    assert bits["WaveNet"] < bits["WaveNet, untrained"] and bits["linear, 16 samples"] < bits["shares of the codes"]


def test_validation_chooses(tmp_path):
    recipe = VoicesWaveNet(replace(WaveNetConfig.quick(), steps=8, rates=(1e-6, 0.01)), torch.device("cpu"))
    recipe.load()
    found = []
    for rates in ((1e-6,), (1e-6, 0.01)):
        recipe.config = replace(recipe.config, rates=rates)
        model = recipe.fitted(0, "WaveNet that sees 3 samples", recipe.sets, tmp_path / str(len(rates)))
        found.append(recipe.bits(model, recipe.sets["test"]))
    assert found[1] < found[0] - 0.1
