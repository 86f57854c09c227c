"""The contrastive recipes: what is paired, what is held equal, what a control lacks, how the numbers are counted."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course.crossmodal.frozen_pairs import METHODS
from course.reproduce import digits_contrastive, emoji_contrastive, mnist_halves_contrastive
from course.reproduce.digits_contrastive import (
    ALL,
    CLASSIFIERS,
    LEFT_OUT,
    PRECISION,
    SIGMOID,
    TEN,
    UNTRAINED,
    DigitsContrastive,
    by_cosine,
    precision,
)
from course.reproduce.emoji_contrastive import (
    ALIGNED,
    BEGUN,
    BLIND,
    BY_E5,
    BY_MINILM,
    CONTRAST,
    DEAF,
    MANY,
    RIDGE,
    SCRATCH,
    SCRATCH_TRIALS,
    SHUFFLED,
    TRAINED,
    TWENTY,
    EmojiContrastive,
    NotoContrastive,
    trigrams,
)
from course.reproduce.mnist_halves_contrastive import CONTRAST as NETWORKS
from course.reproduce.mnist_halves_contrastive import DEEP, MnistHalvesContrastive


def made(kind, config, monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    recipe = kind(config, torch.device("cpu"))
    recipe.load()
    return recipe


@pytest.fixture
def emoji(monkeypatch):
    return made(EmojiContrastive, tiny_recipes.EMOJI_CONTRASTIVE, monkeypatch)


@pytest.fixture
def digits(monkeypatch):
    return made(DigitsContrastive, replace(tiny_recipes.DIGITS, steps=60), monkeypatch)


def test_a_split_has_every_emoji_once_and_tests_none_that_has_a_look_alike(emoji):
    parts = emoji.split(3)
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(40))
    assert [len(parts[name]) for name in ("test", "validation")] == [8, 6]
    assert {0, 1} <= set(parts["train"].tolist())
    assert parts["test"].tolist() != emoji.split(4)["test"].tolist()


def test_fitted_maps_find_unseen_pictures_and_the_controls_do_not(emoji, tmp_path):
    methods = (BEGUN, SHUFFLED, RIDGE, ALIGNED, CONTRAST)
    found = {method: emoji.measure(0, "", method, tmp_path / "seed-0" / method) for method in methods}
    for method in (RIDGE, ALIGNED, CONTRAST):
        assert found[method][TRAINED] > 60, method
        assert found[method][MANY] > 60, method
    for method in (BEGUN, SHUFFLED):
        assert found[method][MANY] < 50, method
    assert found[CONTRAST][MANY] <= found[CONTRAST][TWENTY]


def test_frozen_vectors_are_computed_once_for_all_seeds(emoji, monkeypatch, tmp_path):
    calls = []
    plain = emoji_contrastive.picture_vectors
    monkeypatch.setattr(emoji_contrastive, "picture_vectors", lambda *given: calls.append(given[1:]) or plain(*given))
    for seed in (0, 1):
        emoji.vectors(tmp_path / f"seed-{seed}")
    assert calls == [(), (False,)]
    assert [path.parent.name for path in tmp_path.glob("*/*")] == ["seed-0"]


def test_controls_of_the_encoders_see_untrained_vectors_on_one_side_only(emoji, tmp_path):
    folder = tmp_path / "seed-0" / "any"
    (x, y), blind, deaf = (emoji.sides("", method, folder) for method in (CONTRAST, BLIND, DEAF))
    assert torch.equal(blind[1], y)
    assert torch.equal(deaf[0], x)
    assert not torch.allclose(blind[0], x)
    assert not torch.allclose(deaf[1], y)


def test_a_setting_of_noto_changes_the_reader_of_texts_alone(monkeypatch, tmp_path):
    noto, folder = made(NotoContrastive, tiny_recipes.EMOJI_CONTRASTIVE, monkeypatch), tmp_path / "seed-0" / "any"
    (x, y), (same, other) = (noto.sides(setting, CONTRAST, folder) for setting in (BY_E5, BY_MINILM))
    assert torch.equal(same, x)
    assert not torch.allclose(other, y)


def test_every_fitted_method_has_eight_trials_and_the_towers_from_scratch_say_how_many():
    assert {len(fits) for fits in METHODS.values()} == {8}
    assert len(set(SCRATCH_TRIALS)) == len(SCRATCH_TRIALS) == 3


def test_towers_from_scratch_see_small_pictures_and_letters(emoji, tmp_path):
    x, y = emoji.sides("", SCRATCH, tmp_path)
    assert x.shape == (40, 3, 16, 16)
    torch.testing.assert_close(y, trigrams(emoji.emoji.names["en"]))
    found = emoji.measure(0, "", SCRATCH, tmp_path / "seed-0" / "scratch")
    assert all(0 <= value <= 100 for value in found.values())


def test_trigrams_are_counted_and_have_length_one():
    cat, cats, dog = trigrams(["cat", "CATS", "dog"])
    assert cat.norm().item() == pytest.approx(1)
    assert cat.count_nonzero() == 5  # "  c", " ca", "cat", "at ", "t  "
    assert cat @ cats > 0.4 > cat @ dog + 0.3


def test_a_pair_is_of_one_digit_unless_pairs_are_shuffled(digits):
    (_, spoken), (_, written) = (side["train"] for side in digits.sides)
    x, y, named = digits.pairs(0, shuffled=False)
    for vectors, side, of in ((x, digits.sides[0], spoken), (y, digits.sides[1], written)):
        rows = torch.cdist(vectors, side["train"][0]).argmin(1)
        assert torch.equal(of[rows], named)
    mixed = digits.pairs(0, shuffled=True)
    assert torch.equal(mixed[0], x)
    assert not torch.equal(mixed[1], y)
    assert torch.equal(mixed[1].sum(0).round(decimals=2), y.sum(0).round(decimals=2))
    assert not torch.equal(digits.pairs(1, shuffled=False)[0], x)


def test_only_the_row_that_says_so_leaves_twins_out_and_only_the_sigmoid_has_a_bias(digits, monkeypatch, tmp_path):
    seen = {}

    def train(model, x, y, **options):
        seen[method] = options["groups"] is not None, model.bias is not None, options["steps"], options["batch_size"]

    monkeypatch.setattr(digits_contrastive, "train_pairs", train)
    for method in (ALL, LEFT_OUT, SIGMOID, UNTRAINED):
        digits.fitted(method, 0, 0, tmp_path / method)
    assert seen == {ALL: (False, False, 60, 32), LEFT_OUT: (True, False, 60, 32), SIGMOID: (False, True, 60, 32)}


def test_the_trial_that_is_best_in_validation_is_asked(digits, monkeypatch, tmp_path):
    (x, spoken), (y, written) = (side["validation"] for side in digits.sides)
    right = (spoken[:, None] == written).float()

    def fitted(method, seed, trial, folder):
        quality = (0.2, 0.9, 0.5, 0.9)[trial]
        return lambda a, b: trial + 10 * (right * quality + (1 - quality) * torch.rand(right.shape))

    monkeypatch.setattr(digits, "fitted", fitted)
    assert digits.chosen(ALL, 0, tmp_path)(x, y).min() >= 1
    assert digits.chosen(ALL, 1, tmp_path)(x, y).min() < 2


def test_precision_and_choices_of_ten_are_counted_by_hand(digits):
    scores = torch.tensor([[5.0, 4.0, 3.0, 1.0], [0.0, 1.0, 2.0, 3.0]])
    assert precision(scores, torch.tensor([0, 1]), torch.tensor([0, 0, 1, 1])) == 0.5  # all four are among the ten
    wide = torch.arange(40.0).repeat(2, 1)
    others = torch.tensor([0] * 30 + [1] * 10)
    assert precision(wide, torch.tensor([0, 1]), others) == 0.5
    named, pictures = torch.arange(5), torch.arange(5).repeat(3)
    perfect = (named[:, None] == pictures).float()
    assert digits.of_ten(perfect, named, pictures) == 1
    assert digits.of_ten(-perfect, named, pictures) == 0


def test_classifiers_with_labels_and_trained_networks_beat_the_untrained(digits, tmp_path):
    found = {m: digits.measure(0, "", m, tmp_path / m) for m in (UNTRAINED, LEFT_OUT, CLASSIFIERS)}
    for method in (LEFT_OUT, CLASSIFIERS):
        assert found[method][TEN] > 60 > 20 + found[UNTRAINED][TEN] / 2
        assert found[method][PRECISION] > found[UNTRAINED][PRECISION] + 20
    torch.testing.assert_close(by_cosine(torch.eye(3), 2 * torch.eye(3)), torch.eye(3))


def test_both_losses_train_the_same_networks_on_the_same_batches_with_three_rates(monkeypatch, tmp_path):
    recipe = made(MnistHalvesContrastive, tiny_recipes.HALVES, monkeypatch)
    seen = []

    def note(model, x, y, *, steps, batch_size, seed, **options):
        networks = [model.x_network, model.y_network] if hasattr(model, "x_network") else [model.x_tower, model.y_tower]
        first = [next(network.parameters()).flatten()[0].item() for network in networks]
        seen.append((first, steps, batch_size, seed, options.get("lr", options.get("rate"))))

    monkeypatch.setattr(mnist_halves_contrastive.DeepCCA, "fit", note)
    monkeypatch.setattr(mnist_halves_contrastive.DeepCCA, "transform", lambda self, x, y: (x, y))
    monkeypatch.setattr(mnist_halves_contrastive, "train_pairs", note)
    x, y = mnist_halves_contrastive.halves(recipe.train.examples())
    for method in (DEEP, NETWORKS):
        recipe.fitted(method, x, y, 5, tmp_path)
    assert len(seen) == 6
    assert seen[:3] == seen[3:]
    assert {each[1:4] for each in seen} == {(15 * len(x) // 150, 150, 5)}
