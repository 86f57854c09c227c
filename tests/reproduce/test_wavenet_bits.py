"""The recipes of WaveNet: what is judged is judged right, and a small run has every number."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course.representation.mulaw import decode
from course.representation.spoken_codes import CodeSet
from course.reproduce.results import load_result
from course.reproduce.wavenet_bits import (
    BITS,
    FORMANTS,
    LAYER,
    MIDDLE,
    NEAR,
    PITCH,
    QUIET,
    REACHES,
    UNTOLD,
    UNTOLD_NEAR,
    WAVENET,
    WIDE,
    VoicesWaveNet,
    WaveNetConfig,
    held,
    judged,
    split,
)  # fmt: skip


def test_the_vowels_themselves_have_the_pitch_and_the_formants_that_were_asked_for():
    vowels = held()
    asked = torch.stack([vowels.vowels, vowels.speakers], 1)
    coded = decode(CodeSet.from_waves(vowels.x, torch.full((len(vowels),), 3200), vowels.rate).codes)
    found = judged(coded, asked, vowels)
    assert found[PITCH] == 100 and found[FORMANTS] == 100
    wrong = judged(coded, asked.flip(0), vowels)
    assert wrong[PITCH] < 50 and wrong[FORMANTS] < 30


def test_no_take_is_in_two_splits():
    parts = split(held())
    assert [len(part) for part in parts.values()] == [128, 64, 64]
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
        model = recipe.fitted(0, LAYER, tmp_path / str(len(rates)) / "seed-0" / "layer")
        found.append(recipe.bits(model, recipe.sets["test"]))
    assert found[1] < found[0] - 0.1


def test_the_rate_is_chosen_with_the_first_seed_and_kept_for_the_others(tmp_path):
    recipe = VoicesWaveNet(replace(WaveNetConfig.quick(), steps=8, rates=(1e-6, 0.01)), torch.device("cpu"))
    recipe.load()
    for seed in (0, 1):
        recipe.fitted(seed, LAYER, tmp_path / f"seed-{seed}" / "layer")
    trained = {str(path.parent.relative_to(tmp_path)) for path in tmp_path.rglob("state.json")}
    tried = {f"seed-0/layer/seed 0, rate {rate}" for rate in ("1e-06", "0.01")}
    assert trained == tried | {"seed-1/layer/seed 1, rate 0.01"}
    alone = tmp_path / "alone"  # a process that has no part in the first seed chooses for itself, and the same
    assert recipe.rate(LAYER, alone / "seed-1" / "layer") == 0.01
    assert not (alone / "seed-0").exists()


def test_who_is_told_nothing_gets_no_conditions_and_the_others_do():
    recipe = VoicesWaveNet(WaveNetConfig.quick(), torch.device("cpu"))
    recipe.load()
    for method, told in ((UNTOLD, 0), (UNTOLD_NEAR, 0), (WAVENET, 2), (QUIET, 2)):
        model = recipe.network(0, method)
        assert recipe.sets_of(method)["train"].conditions.shape[1] == len(model.conditions) == told
    layers = {method: len(recipe.network(0, method).layers) for method in REACHES}
    assert layers == {LAYER: 1, NEAR: 5, MIDDLE: 5, UNTOLD_NEAR: 5, WIDE: 7}
    reaches = [recipe.network(0, method).reach for method in (LAYER, NEAR, MIDDLE, UNTOLD_NEAR, WAVENET)]
    assert reaches == [3, 11, 27, 27, 243]
