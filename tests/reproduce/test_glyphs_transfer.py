"""The recipes glyphs-transfer and glyphs-transfer-rates: equal images and tasks, paired differences, the choices."""

from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipes
import torch

from course.data.glyphs import SCRIPTS
from course.meta_learning.transfer import CONTENDERS, EPISODIC, TRAININGS
from course.meta_learning.transfer import RATES as TRIALS
from course.reproduce import glyphs_transfer
from course.reproduce.glyphs_transfer import (
    CLASSES,
    DIFFERENCES,
    DOMAINS,
    EMOJI,
    FAR,
    LONG,
    NEAR,
    OPTIONS,
    OTHER_BUDGETS,
    RATES,
    SOON,
    GlyphsTransfer,
)
from course.reproduce.glyphs_transfer_rates import GlyphsTransferRates, choices, choices_by_classes, label, trials
from course.reproduce.results import Metric, Result, load_result

Found = namedtuple("Found", "mean")


@pytest.fixture
def recipe(monkeypatch):
    methods, settings = GlyphsTransfer.methods, GlyphsTransfer.settings  # all, which the stand-ins cut down
    tiny_recipes.install(monkeypatch.setattr)
    made = GlyphsTransfer(tiny_recipes.TRANSFER, torch.device("cpu"))
    monkeypatch.setattr(GlyphsTransfer, "methods", methods)
    monkeypatch.setattr(GlyphsTransfer, "settings", settings)
    made.load()
    return made


def test_every_training_and_every_contender_has_its_choice_among_those_that_were_tried():
    assert RATES.keys() == TRAININGS.keys()
    assert {rate for rates in RATES.values() for rate in rates} <= set(TRIALS)
    assert OPTIONS.keys() == CONTENDERS.keys()
    assert all(set(OPTIONS[name]) <= set(contender.options) for name, contender in CONTENDERS.items())
    assert {len(each) for each in (*RATES.values(), *OPTIONS.values())} == {len(CLASSES)}
    assert {len(trials(name)) for name in CONTENDERS} == {9}
    assert {name for pair in DIFFERENCES for name in pair} <= {*CONTENDERS, *OTHER_BUDGETS}


def test_the_scripts_of_training_validation_and_tests_are_different():
    scripts = [*SCRIPTS["train"], *(script for those in DOMAINS.values() for script in those)]
    assert len(set(scripts)) == len(scripts)


def test_every_learner_sees_as_many_images_as_the_others(recipe, monkeypatch, tmp_path):
    """But where seconds are equal instead, which MAML sees its share in, and a classifier so many times more."""
    seen = {}

    def note(network, data, *, images, rate, seed, **options):
        seen[kind] = [*seen.get(kind, []), images]

    for name in TRAININGS:
        monkeypatch.setitem(TRAININGS, name, note)
    for method in (*CONTENDERS, *OTHER_BUDGETS):
        kind = method
        recipe.measure(0, f"{FAR}, 1-shot", method, tmp_path / "x")
    trained = {name: images for name, images in seen.items() if name not in OTHER_BUDGETS}
    assert {image for images in trained.values() for image in images} == {recipe.config.images}
    assert seen[SOON] == [round(recipe.config.images * recipe.config.share)]
    assert seen[LONG] == [round(recipe.config.images / recipe.config.share)]


def test_the_classes_share_the_same_number_of_drawings(recipe):
    for classes in (10, 12):
        data = recipe.training_set(classes, seed=0)
        assert len(data.classes) == classes
        assert len(data) == classes * (recipe.config.drawings // classes)
    assert recipe.training_set(10, 0).classes != recipe.training_set(10, 1).classes


def test_contenders_get_the_same_tasks(recipe, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(glyphs_transfer, "evaluate", lambda _, sampler, tasks: asked.append(sampler) or Found(0.5))
    found = [recipe.measure(0, f"{EMOJI}, 5-shot", name, tmp_path / "x") for name in recipe.methods]
    assert found == [{"accuracy": 50.0}] * len(recipe.methods)
    assert len(asked) == len(recipe.methods)
    first = asked[0]
    for sampler in asked:
        assert sampler.data is first.data
        assert all(torch.equal(*pair) for pair in zip(sampler.indices(3), first.indices(3), strict=True))


def test_a_network_is_trained_once_for_all_the_cells_that_need_it(recipe, monkeypatch, tmp_path):
    trained = []
    for name in TRAININGS:
        monkeypatch.setitem(TRAININGS, name, lambda *_, name=name, images, **options: trained.append((name, images)))
    monkeypatch.setattr(glyphs_transfer, "evaluate", lambda *_: Found(0.5))
    for setting, method in recipe.cells():
        recipe.measure(0, setting, method, tmp_path / "x")
    images, share = recipe.config.images, recipe.config.share
    once = [
        *((name, images) for name in TRAININGS),
        ("MAML", round(images * share)),
        ("classifier", round(images / share)),
    ]
    assert sorted(trained) == sorted(len(recipe.config.classes) * once)


def test_an_untrained_network_is_normalised_by_averages_of_its_own(recipe, tmp_path):
    images = recipe.training_set(12, 0).examples()
    vectors = recipe.network(0, "untrained", 12, 80, None, tmp_path).block1[:2](images[:, :1])
    assert vectors.mean((0, 2, 3)).abs().max() < 0.2
    assert (vectors.std((0, 2, 3)) - 1).abs().max() < 0.3


def test_who_saw_no_training_class_is_the_same_whatever_their_number(recipe, tmp_path):
    for method in ("nearest neighbour", "from scratch"):
        all_of_them = recipe.measure(0, f"{FAR}, 1-shot", method, tmp_path / "x")
        assert recipe.measure(0, f"{FAR}, 1-shot, 10 training classes", method, tmp_path / "x") == all_of_them
    assert not list(tmp_path.iterdir())  # nothing was trained


def test_networks_of_other_class_counts_are_others(recipe, tmp_path):
    few, many = (recipe.network(0, "classifier", classes, 80, 1e-3, tmp_path) for classes in (10, 12))
    assert (few.head.out_features, many.head.out_features) == (10, 12)
    assert {recipe.network(0, training, 10, 80, 1e-3, tmp_path).head.out_features for training in EPISODIC} == {5}
    assert not few.training


def test_the_domains_are_those_that_their_names_say(recipe):
    assert recipe.domain(EMOJI, 0).classes == tuple("abcdefghij")
    assert recipe.domain(NEAR, 0).classes == tiny_recipes.tiny_characters("Cyrillic")
    assert recipe.domain(FAR, 0).classes == tiny_recipes.tiny_characters("Armenian")
    assert not torch.equal(recipe.domain(FAR, 0).x, recipe.domain(FAR, 1).x)


def test_a_domain_has_no_class_of_the_training():
    real = {where: set(glyphs_transfer.characters_of(*scripts)) for where, scripts in DOMAINS.items()}
    trained = set(glyphs_transfer.characters_of(*SCRIPTS["train"]))
    assert len(trained) >= 1_000
    assert all(characters and not characters & trained for characters in real.values())


# --- The rates


def made_up(means: dict[str, float]) -> Result:
    metrics = [Metric(name, "accuracy", SETTING, mean, 1.0, 60, "tasks", "%") for name, mean in means.items()]
    return Result("glyphs-transfer-rates", "quick", "", "", 1.0, [0], {}, {}, metrics)


SETTING = GlyphsTransferRates.settings[0]


def test_who_shares_a_network_shares_its_rate_and_chooses_for_itself_at_that_rate():
    means = {label(name, *trial): 50.0 for name in CONTENDERS for trial in trials(name)}
    means[label("linear probe", 1e-3, 10.0)] = 70.0  # one of several likes this rate best
    for name in ("frozen prototypes", "fine-tuning", "frozen prototypes, by batch", "linear probe, by batch"):
        means[label(name, 1e-2, CONTENDERS[name].options[2])] = 60.0
    rates, options = choices(made_up(means), SETTING)
    assert rates["classifier"] == 1e-2
    assert options["fine-tuning"] == CONTENDERS["fine-tuning"].options[2]
    assert options["linear probe"] == CONTENDERS["linear probe"].options[0]  # the first of equally good ones
    assert rates["MAML"] == TRIALS[0]


def test_the_choices_of_the_recipe_are_those_of_the_stored_validation():
    stored = load_result("glyphs-transfer-rates", "quick")
    assert stored is not None
    assert choices_by_classes(stored) == (RATES, OPTIONS)
    table = load_result("glyphs-transfer", "quick")
    for found, chosen in ((table.config["rates"], RATES), (table.config["options"], OPTIONS)):
        assert {name: tuple(each) for name, each in found.items()} == chosen
    assert not set(stored.seeds) & set(table.seeds)


def test_a_trial_is_judged_on_validation_tasks_with_one_and_five_shots(monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    made = GlyphsTransferRates(tiny_recipes.GlyphsTransferRatesConfig.quick(), torch.device("cpu"))
    made.load()
    asked = []
    monkeypatch.setattr(
        "course.reproduce.glyphs_transfer_rates.EpisodeSampler",
        lambda data, n_way, k, *rest, **options: (
            asked.append((data.classes, k)) or sampler(data, n_way, k, *rest, **options)
        ),
    )
    first, second = (
        made.measure(1_000, setting, label("nearest neighbour", None, 5), Path("unused"))["accuracy"]
        for setting in GlyphsTransferRates.settings[:2]
    )
    assert [k for _, k in asked] == [1, 5]
    assert {classes for classes, _ in asked} == {tiny_recipes.tiny_characters("Greek")}
    assert len(first) == 2 * made.config.tasks
    assert second == first  # without a training there is no number of training classes


sampler = glyphs_transfer.EpisodeSampler


def test_both_presets_differ_in_size_alone():
    quick, full = GlyphsTransfer.presets.quick(), GlyphsTransfer.presets.full()
    sizes = ("filters", "images", "tasks", "many_tasks")
    assert replace(full, **{name: getattr(quick, name) for name in sizes}) == quick
