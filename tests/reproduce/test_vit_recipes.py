"""The recipes glyphs-vit and emoji-vit: who sees what, how a rate is chosen, and whole tables on small stand-ins."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch
from torch import nn

from course.representation.vit import patches
from course.reproduce import glyphs_vit
from course.reproduce.emoji_vit import CNN as EMOJI_CNN
from course.reproduce.emoji_vit import MAJORITY, PAINTED, EmojiViT
from course.reproduce.emoji_vit import UNPLACED as EMOJI_UNPLACED
from course.reproduce.glyphs_vit import (
    ACCURACY,
    CHARACTERS,
    CNN,
    SHUFFLED,
    TAUGHT,
    UNPLACED,
    VIT,
    VIT_SHUFFLED,
    GlyphsViT,
    nearest,
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


@pytest.mark.parametrize("kind", [GlyphsViT, EmojiViT])
def test_every_method_is_measured_with_every_seed(kind, tmp_path, monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    tiny_recipes.start(kind.name, tmp_path)
    result = load_result(kind.name, "quick", tmp_path)
    rows = [(m.setting, m.method, m.quantity) for m in result.metrics]
    methods = (*kind.methods, *kind.differences)
    assert rows == [(s, m, q) for s in kind.settings for m in methods for q in kind.units]
    assert {(m.n, m.over) for m in result.metrics} == {(2, "seeds")}
    if kind is GlyphsViT:
        for setting in kind.settings:
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


def test_a_method_that_sees_all_shuffled_sees_the_same_shuffle_everywhere():
    made = glyphs()
    for split in ("train", "test"):
        whole, cut = made.letters(split, 0).x, made.letters(split, 0, VIT_SHUFFLED).x
        order = torch.randperm(4, generator=torch.Generator().manual_seed(0))
        assert patches(cut, 14).equal(patches(whole, 14)[:, order]) and not cut.equal(whole)


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
    assert made.rate(VIT_SHUFFLED) == made.rate(VIT) and len(seen) == 3


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


def test_the_nearest_neighbour_names_its_class():
    x, y = torch.tensor([0.0, 1.0, 5.0]).view(3, 1, 1, 1), torch.tensor([2, 0, 2])
    scores = nearest(x, y, 4)(torch.tensor([0.9, 4.0]).view(2, 1, 1, 1))
    assert scores.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]


def test_the_largest_group_is_named_for_every_picture(emoji):
    scores = emoji.largest(torch.tensor([1, 1, 0, 2, 1]))(torch.zeros(4, 3, 16, 16))
    assert scores.argmax(1).tolist() == [1] * 4
    assert emoji.measure(0, "", MAJORITY, None) == {"accuracy": pytest.approx(100 / 3)}


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
