"""The recipes glyphs-vit and emoji-vit: who sees what, how a rate is chosen, and whole tables on small stand-ins."""

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_recipes
import torch
from torch import nn

from course.representation.vit import patches
from course.reproduce import glyphs_erasing, glyphs_vit
from course.reproduce.emoji_vit import CNN as EMOJI_CNN
from course.reproduce.emoji_vit import LONGER as EMOJI_LONGER
from course.reproduce.emoji_vit import MAJORITY, MEAN, PAINTED, PICTURES, VITS, EmojiViT
from course.reproduce.emoji_vit import UNPLACED as EMOJI_UNPLACED
from course.reproduce.glyphs_vit import (
    ACCURACY,
    CHARACTERS,
    CNN,
    LARGER,
    LONGER,
    SHUFFLED,
    TAUGHT,
    UNPLACED,
    VIT,
    VIT_SHUFFLED,
    GlyphsViT,
)
from course.reproduce.results import load_result


def glyphs(**options):
    made = GlyphsViT(replace(tiny_recipes.GLYPHS_VIT, **options), torch.device("cpu"))
    made.load()
    return made


@pytest.fixture
def emoji(monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    made = EmojiViT(tiny_recipes.EMOJI_VIT, torch.device("cpu"))
    made.load()
    return made


@pytest.mark.parametrize("kind", [GlyphsViT, EmojiViT, glyphs_erasing.GlyphsErasing])
def test_every_method_is_measured_with_every_seed(kind, tmp_path, monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    tiny_recipes.start(kind.name, tmp_path)
    result = load_result(kind.name, "quick", tmp_path)
    rows = [(m.setting, m.method, m.quantity) for m in result.metrics]
    known = {s: kind.only.get(s, kind.methods) for s in kind.settings}
    expected = {s: [row for row, parts in kind.rows().items() if set(parts) <= set(known[s])] for s in known}
    assert rows == [(s, m, q) for s in kind.settings for m in expected[s] for q in kind.units]
    over = {(m.quantity in kind.items, m.n, m.over) for m in result.metrics}
    assert over <= {(False, 2, "seeds"), (True, 12, "pictures")}
    if kind is GlyphsViT:
        for setting in kind.settings[:2]:
            whole, cut = (result.by_method(what, setting)[UNPLACED].mean for what in (ACCURACY, SHUFFLED))
            assert whole == pytest.approx(cut)


def test_a_training_set_is_the_first_pictures_of_each_class():
    made = glyphs()
    x, y = made.training_set("4 of a class", CNN, 0)
    every = made.letters("train", 0)
    assert torch.bincount(y).tolist() == [4] * len(CHARACTERS)
    assert x[4:8].equal(every.examples(torch.arange(256, 260)))


def test_splits_and_seeds_draw_other_pictures():
    made = glyphs(validation=3, test=3)
    drawn = [made.letters(split, seed).x[:3] for split in ("train", "validation", "test") for seed in (0, 1)]
    assert not any(one.equal(other) for i, one in enumerate(drawn) for other in drawn[:i])


def test_a_method_that_sees_all_shuffled_sees_one_shuffle_in_training_and_test_and_another_with_another_seed():
    made = glyphs(patch=7)

    def order(split, seed):
        whole, cut = (patches(made.letters(split, seed, method).x, 7) for method in ("", VIT_SHUFFLED))
        [order] = [
            order for order in (torch.randperm(16, generator=torch.Generator().manual_seed(n)) for n in range(4))
            if cut.equal(whole[:, order])
        ]  # fmt: skip
        return order.tolist()

    assert order("train", 0) == order("test", 0) != order("train", 1) == order("test", 1)


def test_larger_positions_are_the_only_difference():
    larger, vit = (glyphs().config.network(kind, 0).state_dict() for kind in ("larger", "learned"))
    assert larger.pop("positions").equal(10 * vit.pop("positions"))
    assert all(larger[name].equal(value) for name, value in vit.items())


def test_four_times_the_steps_are_taken_in_one_setting(monkeypatch):
    steps = []
    monkeypatch.setattr(glyphs_vit, "train_classifier", lambda *_, **options: steps.append(options["steps"]))
    for setting in ("256 of a class", LONGER):
        glyphs().trained(setting, VIT, 1e-3, 0)
    assert steps == [2, 8]


def test_the_rate_is_the_best_in_validation_on_pictures_of_no_other_use(monkeypatch):
    made, seen = glyphs(), []

    def trial(setting, method, rate, seed):
        seen.append((setting, rate, seed))
        return rate

    monkeypatch.setattr(made, "trial", trial)
    validated = dict(zip(made.config.vit_rates, (0.3, 0.9, 0.5), strict=True))
    monkeypatch.setattr(glyphs_vit, "accuracy", lambda rate, x, y: validated[rate])
    assert made.rate(VIT) == made.config.vit_rates[1]
    assert {(setting, seed) for setting, _, seed in seen} == {("64 of a class", 1_000)} and len(seen) == 3
    assert 1_000 not in made.config.seeds
    assert made.rate(VIT_SHUFFLED) == made.rate(LARGER) == made.rate(VIT) and len(seen) == 3


def test_the_student_is_taught_by_the_cnn_of_its_seed_and_its_pictures(tmp_path, monkeypatch):
    made = glyphs()
    monkeypatch.setattr(made, "rate", lambda method: 1e-3)
    teachers = []
    monkeypatch.setattr(glyphs_vit, "taught_by", lambda teacher: teachers.append(teacher) or (lambda z, x, y: z.sum()))
    made.trained("4 of a class", TAUGHT, 1e-3, 1, tmp_path / "student")
    expected = made.trained("4 of a class", CNN, 1e-3, 1, tmp_path / "alone" / "cnn")
    [teacher] = teachers
    assert all(a.equal(b) for a, b in zip(teacher.parameters(), expected.parameters(), strict=True))
    assert not teacher.training


def test_the_largest_group_is_named_for_every_picture(emoji):
    scores = emoji.largest(torch.tensor([1, 1, 0, 2, 1]))(torch.zeros(4, 3, 16, 16))
    assert scores.argmax(1).tolist() == [1] * 4
    found = emoji.measure(0, "", MAJORITY, None)
    assert found["accuracy"] == pytest.approx(100 / 3) and sum(found[PICTURES]) == 400 and len(found[PICTURES]) == 12


def test_all_transformers_for_emoji_have_the_rate_of_the_first(emoji, monkeypatch):
    tried = []
    monkeypatch.setattr(emoji, "trained", lambda method, rate, seed: tried.append(method) or rate)
    monkeypatch.setattr("course.reproduce.emoji_vit.accuracy", lambda rate, x, y: -abs(rate - 1e-3))
    assert {emoji.rate(method) for method in VITS} == {1e-3} and tried == [MEAN] * 3


def test_the_control_has_the_steps_of_the_painting_too(emoji, monkeypatch):
    steps = []
    monkeypatch.setattr(
        "course.reproduce.emoji_vit.train_classifier", lambda *_, **options: steps.append(options["steps"])
    )
    for method in (MEAN, EMOJI_LONGER):
        emoji.trained(method, 1e-3, 0)
    assert steps == [2, 4]


def test_a_painted_network_begins_where_the_painter_ended(emoji, monkeypatch):
    began = []
    monkeypatch.setattr("course.reproduce.emoji_vit.train_classifier", lambda model, *_, **__: began.append(model))
    emoji.trained(PAINTED, 1e-3, 0)
    weights, painted = began[0].state_dict(), emoji.painter(0)
    assert set(weights) - set(painted) == {"head.weight", "head.bias"}
    assert all(weights[name].equal(value) for name, value in painted.items())


def test_networks_of_a_seed_are_the_same_and_those_of_two_are_not(emoji):
    def first(method, seed):
        return next(p for p in emoji.network(method, seed).parameters() if isinstance(p, nn.Parameter) and p.dim() > 1)

    for method in (EMOJI_CNN, EMOJI_UNPLACED):
        assert first(method, 0).equal(first(method, 0)) and not first(method, 0).equal(first(method, 1))


@pytest.fixture
def erasing():
    config = replace(glyphs_erasing.GlyphsErasingConfig.quick(), layers=1, test=2)
    made = glyphs_erasing.GlyphsErasing(config, torch.device("cpu"))
    made.load()
    return made


def test_the_simple_maps_name_the_middle_the_ink_and_patches_that_are_not_empty(erasing):
    x = torch.zeros(1, 1, 28, 28)
    for strength, (row, column) in enumerate([(0, 0), (0, 7), (7, 0), (14, 14), (21, 21)], 1):
        x[0, 0, row : row + 7, column : column + 7] = 0.1 * strength
    model = erasing.config.network("learned", 0)

    def first(method, seed=0):
        return erasing.map(method, model, x, seed).topk(4).indices[0].sort().values.tolist()

    assert first(glyphs_erasing.MIDDLE) == [5, 6, 9, 10]
    assert first(glyphs_erasing.INK) == [1, 4, 10, 15]
    drawn = {tuple(first(glyphs_erasing.INKED, seed)) for seed in range(20)}
    assert len(drawn) > 1 and all(set(four) < {0, 1, 4, 10, 15} for four in drawn)
    assert any(not set(first(glyphs_erasing.RANDOM, seed)) <= {0, 1, 4, 10, 15} for seed in range(20))


def test_attention_maps_are_those_of_the_trained_network_and_of_the_untrained_one(erasing):
    x, model = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(5)), erasing.config.network("none", 7)
    shares = model.trace(x).weights[0].mean(1)
    torch.testing.assert_close(erasing.map(glyphs_erasing.LAST, model, x, 0), shares.mean(1))
    torch.testing.assert_close(erasing.map(glyphs_erasing.ROLLOUT, model, x, 0), (shares.mean(1) + 1 / 16) / 2)
    raw = erasing.config.network("learned", 0).trace(x).weights[0].mean((1, 2))
    torch.testing.assert_close(erasing.map(glyphs_erasing.UNTRAINED, model, x, 0), (raw + 1 / 16) / 2)


def test_what_is_erased_is_counted_in_ink(erasing, monkeypatch):
    monkeypatch.setattr(glyphs_erasing, "accuracy", lambda model, x, y: 0.25)
    monkeypatch.setattr(erasing, "network", lambda seed, folder: erasing.config.network("learned", seed))
    nothing, most = (
        erasing.measure(0, "", method, Path("seed-0/x")) for method in (glyphs_erasing.NOTHING, glyphs_erasing.INK)
    )
    assert nothing == {glyphs_erasing.STILL: 25, glyphs_erasing.INK_GONE: 0}
    cut = patches(erasing.letters.letters("test", 0).examples(), 7).sum(2)
    expected = 100 * cut.topk(4).values.sum() / cut.sum()
    assert most[glyphs_erasing.INK_GONE] == pytest.approx(expected.item(), abs=1e-3)
