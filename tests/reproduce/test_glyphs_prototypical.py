"""The recipe glyphs-prototypical: equal images, equal trials, and the best in validation."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course import data
from course.data import EpisodeSampler
from course.meta_learning.embedding import by_rule
from course.meta_learning.evaluation import evaluate
from course.meta_learning.prototype_variants import (
    by_cosine,
    by_ellipses,
    by_matching,
    by_nearest,
    by_prototypes,
    rectified,
)
from course.reproduce import glyphs_prototypical
from course.reproduce.glyphs_prototypical import (
    COSINE,
    ELLIPSES,
    FIVE,
    MATCHING,
    NEIGHBOUR,
    ORDINARY,
    PIXELS,
    RATES,
    RECTIFIED,
    SIXTY,
    TWENTY,
    UNTRAINED,
    WAYS,
    GlyphsPrototypical,
    GlyphsPrototypicalConfig,
    classifier,
)


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.setattr(data, "load", tiny_recipes.load)
    made = GlyphsPrototypical(tiny_recipes.PROTOTYPICAL, torch.device("cpu"))
    made.load()
    return made


@pytest.mark.parametrize("preset", ["quick", "full"])
def test_every_number_of_training_ways_sees_the_same_images_in_a_step(preset):
    config = getattr(GlyphsPrototypicalConfig, preset)()
    for ways in WAYS.values():
        assert config.images % (ways * (1 + config.queries)) == 0


def test_the_trainings_of_a_seed_differ_in_ways_and_rate_alone(recipe, monkeypatch, tmp_path):
    seen = []

    def train(self, sampler, *, steps, **_):
        first = next(self.model.parameters()).flatten()[0].item()
        seen.append((sampler.n_way, sampler.tasks, sampler.n_way * sampler.tasks, steps, self.config.outer_lr, first))

    monkeypatch.setattr(glyphs_prototypical.PrototypicalNetwork, "train", train)
    for method in (FIVE, TWENTY, SIXTY, COSINE):
        recipe.vectors(0, method, tmp_path)
    ways = [each[:2] for each in seen]
    assert ways == 3 * [(5, 12)] + 3 * [(20, 3)] + 3 * [(60, 1)] + 3 * [(20, 3)]
    assert {each[2:4] for each in seen} == {(60, recipe.config.steps)}
    assert [each[4] for each in seen] == 4 * list(RATES)
    assert len({each[5] for each in seen}) == 1


def test_the_rate_that_is_best_in_validation_is_judged_by_the_test(recipe, monkeypatch, tmp_path):
    learners = {rate: recipe.learner(0, TWENTY, rate) for rate in RATES}
    torch.nn.init.zeros_(learners[RATES[1]].model.block1[1].weight)  # to be told apart
    scores = dict(zip(RATES, (0.2, 0.9, 0.9), strict=True))
    monkeypatch.setattr(recipe, "trained", lambda seed, method, rate, folder: (learners[rate], scores[rate]))
    found = recipe.vectors(0, TWENTY, tmp_path)
    examples = recipe.splits["test"].examples(torch.arange(4))
    torch.testing.assert_close(found.x[:4], learners[RATES[1]].embed(examples).detach())


def test_rules_and_a_neighbour_stand_on_the_vectors_of_prototypes(recipe, tmp_path):
    found = {name: recipe.measure(0, "20-way 1-shot", name, tmp_path / name)["accuracy"] for name in recipe.methods}
    vectors = recipe.vectors(0, TWENTY, tmp_path)
    sampler = EpisodeSampler(vectors, 20, 1, 5, tasks=10, seed=2)
    by_hand = evaluate(by_rule(by_nearest), sampler, recipe.config.tasks).mean
    assert found[NEIGHBOUR] == pytest.approx(100 * by_hand)
    named = {
        TWENTY: by_prototypes,
        COSINE: by_cosine,
        MATCHING: by_matching,
        ELLIPSES: by_ellipses,
        RECTIFIED: rectified,
    }
    for name, rule in named.items():
        torch.testing.assert_close(classifier(name)(sampler[0]), by_rule(rule)(sampler[0]))
    assert found[PIXELS] > 20  # the noise is easy; chance is 5
    assert found[UNTRAINED] > 5


def test_the_ordinary_classifier_begins_as_the_others_do_sees_as_many_images_and_loses_its_head(
    recipe, monkeypatch, tmp_path
):
    seen = []

    def pretrain(network, data, *, steps, batch_size, lr, **_):
        first = next(network.parameters()).flatten()[0].item()
        seen.append((network.head.out_features, data, steps, batch_size, lr, first))

    monkeypatch.setattr(glyphs_prototypical, "pretrain", pretrain)
    found = recipe.vectors(0, ORDINARY, tmp_path)
    train, config = recipe.splits["train"], recipe.config
    first = next(recipe.learner(0, TWENTY, RATES[0]).model.parameters()).flatten()[0].item()
    assert seen == [(len(train.classes), train, config.steps, config.images, rate, first) for rate in RATES]
    assert found.x.shape[1] == config.filters


def test_a_training_helps(recipe, tmp_path):
    recipe.config = replace(recipe.config, filters=8, steps=40, tasks=50)
    untrained, trained = (
        recipe.measure(0, "20-way 1-shot", method, tmp_path / method)["accuracy"] for method in (UNTRAINED, TWENTY)
    )
    assert trained > untrained + 10
