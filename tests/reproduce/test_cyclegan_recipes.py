"""The recipes on CycleGAN: equal trials, one training for both directions, and rows that are what they are called."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course.crossmodal.rearrangements import CORNERS, turned
from course.reproduce import blobs_cyclegan, digits_cyclegan, glyphs_cyclegan, translations
from course.reproduce.blobs_cyclegan import CYCLE, IDENTITY, SETTINGS, BlobsCycleGAN
from course.reproduce.digits_cyclegan import OWN, DigitsCycleGAN, DigitsCycleGANConfig
from course.reproduce.glyphs_cyclegan import PAIRED, SLANT, GlyphsCycleGAN, GlyphsCycleGANConfig
from course.reproduce.translations import (
    ALONE,
    CROP,
    CYCLEGAN,
    DARKER,
    NO_CYCLE,
    NO_IDENTITY,
    NOTHING,
    SELECTION_SEED,
    SMALL_CROP,
    TRANSPORT,
    UNTRAINED,
)

CPU = torch.device("cpu")


@pytest.fixture
def letters(monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    made = GlyphsCycleGAN(tiny_recipes.TYPEFACES, CPU)
    made.load()
    return made


@pytest.fixture
def digits(monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    made = DigitsCycleGAN(tiny_recipes.FRAMED, CPU)
    made.load()
    return made


@pytest.mark.parametrize("kind", [GlyphsCycleGANConfig, DigitsCycleGANConfig])
@pytest.mark.parametrize("preset", ["quick", "full"])
def test_every_row_that_is_chosen_has_four_different_trials(kind, preset):
    config = getattr(kind, preset)()
    own = (SLANT, PAIRED) if kind is GlyphsCycleGANConfig else ()
    for method in (CROP, SMALL_CROP, DARKER, TRANSPORT, CYCLEGAN, NO_CYCLE, NO_IDENTITY, ALONE, *own):
        trials = config.trials(method)
        assert len(trials) == len(set(trials)) == 4, method


def test_a_training_serves_both_directions_and_losses_are_left_out_as_the_rows_say(letters, monkeypatch, tmp_path):
    seen = []

    def train(model, x, y, *, steps, seed, **options):
        c = model.config
        seen.append((c.cycle, c.identity, c.rate, seed, steps, "checkpoint" in options))

    monkeypatch.setattr(translations, "train_cyclegan", train)
    for method in (CYCLEGAN, NO_CYCLE, NO_IDENTITY, ALONE):
        for setting in letters.settings:
            letters.measure(0, setting, method, tmp_path / f"{setting} {method}")
    assert len(seen) == 4 * 5  # four trials and one measurement, for both directions
    rows = [seen[start : start + 5] for start in range(0, 20, 5)]
    with_cycle = (1.0, 3.0, 10.0)
    wanted = [{(w, w / 2) for w in with_cycle}, {(0.0, 1.5)}, {(w, 0.0) for w in with_cycle}, {(0.0, 0.0)}]
    assert all({each[:2] for each in row[:4]} == weights for row, weights in zip(rows, wanted, strict=True))
    assert all(each[3:] == (SELECTION_SEED, 1, False) for row in rows for each in row[:4])
    assert all(row[4][3:] == (0, 2, True) and row[4][:3] in [each[:3] for each in row[:4]] for row in rows)


def test_the_best_in_validation_is_measured(letters, monkeypatch):
    monkeypatch.setattr(letters, "judge", lambda translate, there, split, seed: {"distance": translate(there)})
    monkeypatch.setattr(letters, "map", lambda method, there, seed, trial, *_: lambda there: abs(trial[0] - 0.3))
    assert letters.chosen(SLANT, True) == (0.3,)


def test_letters_are_unpaired_and_the_paired_row_has_as_many(letters):
    assert len(letters.x) == len(letters.y) == len(letters.paired[0]) == len(letters.paired[1]) == 10
    x, y = letters.pairs["train"].examples()
    shown_x = {int((x == each).flatten(1).all(1).nonzero()[0]) for each in letters.x}
    shown_y = {int((y == each).flatten(1).all(1).nonzero()[0]) for each in letters.y}
    assert shown_x.isdisjoint(shown_y)
    assert len(shown_x | shown_y) == 20
    assert torch.equal(letters.paired[0], x[:10])


def test_longer_is_four_times_as_long_with_what_was_chosen_before(digits, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(translations, "train_cyclegan", lambda *_, steps, **__: seen.append(steps))
    for setting in digits.settings:
        digits.measure(0, setting, CYCLEGAN, tmp_path / setting)
    assert seen == [1, 1, 1, 1, 2, 8]  # trials, both directions, longer


def test_a_map_to_the_partner_itself_is_perfect_and_no_map_is_not(letters, tmp_path):
    x, y = letters.pairs["test"].examples()
    perfect = letters.judge(lambda pictures: y, True, "test", 0)
    assert perfect["distance"] == 0
    assert perfect["partner found"] == 100
    assert perfect["different"] == letters.variety(y, y) > 80
    collapsed = letters.judge(lambda pictures: y[:1].expand_as(y), True, "test", 0)
    assert collapsed["different"] == 100 / len(y)
    nothing = letters.measure(0, letters.settings[0], NOTHING, tmp_path / "x")
    assert nothing["distance"] == pytest.approx(100 * (x - y).abs().mean().item(), rel=1e-5)


def test_a_judge_has_seen_the_target_only(digits, monkeypatch, tmp_path):
    seen = []

    def train(judge, x, y, **_):
        seen.append(x)
        judge.eval()

    monkeypatch.setattr(digits_cyclegan, "train_classifier", train)
    digits.measure(0, "MNIST to USPS", NOTHING, tmp_path / "a")
    digits.measure(0, "USPS to MNIST", OWN, tmp_path / "b")
    assert torch.equal(seen[0], digits.y)
    assert torch.equal(seen[1], digits.x)
    assert digits.x.shape[1:] == digits.y.shape[1:] == (1, 16, 16)


def test_untrained_networks_are_those_that_the_training_begins_with(digits, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(translations, "train_cyclegan", lambda model, *_, **__: started.append(model.state_dict()))
    digits.model(CYCLEGAN, 1, (1e-3, 10.0), 2, None)
    untrained = digits.model(UNTRAINED, 1, (), 2, None).state_dict()
    assert all(torch.equal(untrained[name], value) for name, value in started[0].items())


def test_no_map_of_a_square_is_true_for_a_small_turn_and_false_for_a_large_one(tmp_path):
    recipe = BlobsCycleGAN(tiny_recipes.BLOBS, CPU)
    recipe.load()
    small, large, _ = (recipe.measure(0, setting, blobs_cyclegan.NOTHING, tmp_path) for setting in SETTINGS)
    assert small == {"one to one": 100, "turn": 100, "reflection": 0, "true map": 100}
    assert large == {"one to one": 100, "turn": 100, "reflection": 0, "true map": 0}
    paired = recipe.measure(0, "turned by 60°", blobs_cyclegan.PAIRED, tmp_path)
    assert paired["true map"] == 100


def test_the_rows_of_the_square_differ_in_their_weights_alone(monkeypatch, tmp_path):
    seen = []

    def train(model, x, y, *, steps, seed, **_):
        first = next(model.parameters()).flatten()[0].item()
        seen.append((model.config.cycle, model.config.identity, steps, seed, first))
        assert torch.cdist(y.mean(0, keepdim=True), turned(CORNERS, 60).mean(0)[None, None]).max() < 2

    monkeypatch.setattr(blobs_cyclegan, "train_cyclegan", train)
    recipe = BlobsCycleGAN(replace(tiny_recipes.BLOBS), CPU)
    recipe.load()
    for method in (ALONE, CYCLE, IDENTITY):
        recipe.measure(0, "turned by 60°", method, tmp_path)
    assert [each[:2] for each in seen[3::4]] == [(0.0, 0.0), (10.0, 0.0), (10.0, 5.0)]
    assert [each[3] for each in seen] == 3 * [SELECTION_SEED, SELECTION_SEED, SELECTION_SEED, 0]
    assert len({each[4] for each in seen if each[3] == 0}) == 1


def test_slants_there_and_back_are_opposite(letters):
    x = letters.x[:4]
    there, back = (letters.map(SLANT, way, 0, (0.3,), 1, None) for way in (True, False))
    torch.testing.assert_close(there(x.flip(-1)), back(x).flip(-1))
    assert glyphs_cyclegan.SLANT == "slanted by hand"
