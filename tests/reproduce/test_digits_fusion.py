"""The recipes of fusion: who sees what, how a rate is chosen, and whole tables on small stand-ins."""

import pytest
import tiny_recipes
import torch

from course.crossmodal.fusion_kinds import weights_of
from course.crossmodal.fusion_tasks import MATCH, SAME, SUM
from course.crossmodal.seen_and_heard import glyphs_and_voices
from course.reproduce import digits_fusion
from course.reproduce.digits_fusion import (
    CALIBRATION,
    CHANCE,
    CLEAN,
    DROPPED,
    EARLY,
    EXPERTS,
    IMAGE,
    IMAGE_GUESSED,
    KINDS,
    LATE,
    NO_IMAGE,
    NO_SOUND,
    NOISED,
    NOISY_IMAGE,
    NOISY_SOUND,
    SOUND,
    UNTRAINED,
    DigitsFusion,
    FusionConfig,
    GlyphsVoicesFusion,
)
from course.reproduce.results import load_result


@pytest.fixture(scope="module")
def parts():
    return glyphs_and_voices(4, takes=2)


@pytest.fixture
def recipe(parts, monkeypatch):
    monkeypatch.setattr(DigitsFusion, "read", lambda self: parts)
    made = DigitsFusion(tiny_recipes.FUSION, torch.device("cpu"))
    made.load()
    return made


@pytest.mark.parametrize("kind", [DigitsFusion, GlyphsVoicesFusion])
def test_every_method_is_measured_with_every_seed(kind, parts, monkeypatch, tmp_path):
    monkeypatch.setattr(kind, "read", lambda self: parts)
    monkeypatch.setattr(FusionConfig, "quick", lambda: tiny_recipes.FUSION)
    tiny_recipes.start(kind.name, tmp_path)
    result = load_result(kind.name, "quick", tmp_path)
    measured = {(m.setting, m.method) for m in result.metrics}
    assert measured >= set(kind.cells())
    assert {(m.n, m.over) for m in result.metrics} == {(2, "seeds")}
    for setting, level in ((SAME, 10), (MATCH, 50), (SUM, 10)):
        chance = result.by_method(CLEAN, setting)[CHANCE]
        assert (chance.mean, chance.interval95) == (level, 0)


def test_all_fusions_of_a_task_have_about_the_same_number_of_weights(recipe):
    full = DigitsFusion(FusionConfig.quick(), torch.device("cpu"))
    counts = [weights_of(full.fresh(method, SUM, 0)) for method in (IMAGE, SOUND, *KINDS, *DROPPED, *NOISED)]
    assert max(counts) <= full.config.weights
    assert min(counts) > 0.85 * full.config.weights


def test_the_vectors_are_computed_once_and_are_read_again(recipe, monkeypatch, tmp_path):
    first = recipe.vectors(0, tmp_path)
    assert set(first) == {"train", "validation", "test", "train, noisy", "test, noisy"}
    monkeypatch.setattr(digits_fusion, "train_encoders", None)  # would fail
    recipe.load()
    torch.testing.assert_close(recipe.vectors(0, tmp_path), first)


def test_the_rate_that_is_best_in_validation_is_judged(recipe, monkeypatch, tmp_path):
    accuracies = iter([0.2, 0.9, 0.9])
    trained = []
    monkeypatch.setattr(recipe, "train", lambda model, *others, **options: trained.append(model))
    monkeypatch.setattr(digits_fusion, "fusion_accuracy", lambda *_: next(accuracies))
    assert recipe.best(0, SUM, LATE, tmp_path) is trained[1]
    assert len(trained) == len(recipe.config.rates)


def test_every_training_of_a_task_sees_the_same_pairs_with_the_same_steps(recipe, monkeypatch, tmp_path):
    seen = {}

    def train(model, inputs, labels, *, rate, dropout, seed, **settings):
        seen.setdefault(name, []).append((len(labels), labels[:9].tolist(), rate, dropout, settings))

    monkeypatch.setattr(digits_fusion, "train_fusion", train)
    for name in (EARLY, LATE, *DROPPED, *NOISED):
        recipe.best(0, SUM, name, tmp_path)
    pairs, plain = recipe.config.pairs, seen[EARLY]
    assert [each[2] for each in plain] == list(recipe.config.rates)
    for name, trainings in seen.items():
        for found, expected in zip(trainings, plain, strict=True):
            assert found[0] == pairs * (3 if name in NOISED else 1)
            assert found[3] == (recipe.config.dropout if name in DROPPED else 0)
            assert (found[1], found[2], found[4]) == (expected[1], expected[2], expected[4])


def test_the_conditions_change_what_they_say_and_nothing_else(recipe, tmp_path):
    vectors, model = recipe.vectors(0, tmp_path), recipe.fresh(EARLY, SAME, 0)
    found = recipe.conditions(0, SAME, vectors, model)
    clean = found[CLEAN][0]
    for condition, changed, missing in (
        (NO_IMAGE, None, 0), (NO_SOUND, None, 1), (NOISY_IMAGE, "image", None), (NOISY_SOUND, "sound", None),
        (IMAGE_GUESSED, "image", None),
    ):  # fmt: skip
        inputs, present = found[condition]
        for name in clean:
            assert torch.equal(inputs[name], clean[name]) == (name != changed)
        if missing is None:
            assert present is None
        else:
            assert present[:, missing].logical_not().all()
            assert present[:, 1 - missing].all()
    alone = recipe.conditions(0, SAME, vectors, recipe.fresh(IMAGE, SAME, 0))
    assert torch.equal(alone[IMAGE_GUESSED][1], alone[NO_IMAGE][1])


def test_the_product_of_experts_leaves_out_what_is_missing(recipe, tmp_path):
    experts, image, sound = (recipe.best(0, SAME, method, tmp_path) for method in (EXPERTS, IMAGE, SOUND))
    pairs, vectors = recipe.pairs(0, SAME, "test"), recipe.vectors(0, tmp_path)["test"]
    both = recipe.paired(vectors, pairs, experts)
    for number, (name, alone) in enumerate((("image", image), ("sound", sound))):
        present = torch.zeros(len(pairs.labels), 2, dtype=torch.bool)
        present[:, number] = True
        expected = alone({name: both[name]}).softmax(1)
        torch.testing.assert_close(experts(both, present).softmax(1), expected)


def test_a_model_of_one_modality_does_not_see_the_other(recipe, tmp_path):
    measured = recipe.measure(0, SAME, IMAGE, tmp_path / "x")
    assert measured[CLEAN] == measured[NO_SOUND] == measured[NOISY_SOUND]
    assert set(measured) == set(recipe.units)
    assert 0 <= measured[CALIBRATION] <= 100


def test_an_untrained_fusion_is_not_trained(recipe, monkeypatch, tmp_path):
    monkeypatch.setattr(recipe, "train", None)
    assert recipe.best(0, SUM, UNTRAINED, tmp_path).width == recipe.fresh(EARLY, SUM, 0).width


def test_end_to_end_all_methods_start_alike_and_see_the_same_few_pairs(recipe, monkeypatch, tmp_path):
    seen = {}

    def train(model, inputs, labels, method, rate, seed, **options):
        first = model.encoders["image"].block1[0].weight.flatten()[0].item()
        seen.setdefault(method, []).append((rate, len(labels), options["steps"], first))

    monkeypatch.setattr(recipe, "train", train)
    for method in (IMAGE, EARLY, LATE):
        recipe.together(1, method, tmp_path)
    assert seen[IMAGE] == seen[EARLY] == seen[LATE]
    assert [each[:3] for each in seen[IMAGE]] == [
        (rate, recipe.config.few, recipe.config.few_steps) for rate in recipe.config.rates
    ]


def test_end_to_end_there_are_no_more_pairs_than_are_drawn():
    for preset in (FusionConfig.quick(), FusionConfig.full()):
        assert preset.few <= preset.pairs
