"""The recipe glyphs-examples: who sees which images, and how the best of three is chosen."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch
from torch import nn

from course.data.renderings import render
from course.representation.classifier import accuracy
from course.reproduce import glyphs_examples
from course.reproduce.glyphs_examples import (
    CNN,
    CNN_MOVED,
    FEATURES,
    MLP,
    MLP_MOVED,
    NEIGHBOUR,
    NEIGHBOUR_MOVED,
    GlyphsExamples,
    moved_everywhere,
)


def recipe(**options):
    made = GlyphsExamples(replace(tiny_recipes.EXAMPLES, **options), torch.device("cpu"))
    made.load()
    return made


def test_no_two_splits_and_no_two_seeds_draw_alike(monkeypatch):
    """Not the faces alone are others: the turns, shears and sizes are, too."""
    made, drawn = recipe(), []

    def note(characters, examples, split, *, seed):
        drawn.append(seed)
        return render(characters, examples, split, seed=seed)

    monkeypatch.setattr(glyphs_examples, "render", note)
    pairs = [(split, seed) for split in ("train", "validation", "test") for seed in (0, 1, 2)]
    found = [made.letters(split, 3, seed) for split, seed in pairs]
    assert [data.name for data in found] == [f"A, B ({split})" for split, _ in pairs]
    assert len(set(drawn)) == len(pairs)


def test_the_best_in_validation_is_judged_by_the_test(monkeypatch):
    made = recipe()
    class_of = {"validation": (0.2, 0.9, 0.9), "test": (0.5, 0.6, 0.7)}
    trials = [nn.Identity() for _ in range(3)]
    monkeypatch.setattr(made, "trials", lambda *_: trials)
    sizes = {2 * made.config.validation: "validation", 2 * made.config.test: "test"}

    def accuracy(model, images, labels):
        return class_of[sizes[len(images)]][trials.index(model)]

    monkeypatch.setattr(glyphs_examples, "accuracy", accuracy)
    assert made.judged(0, 1, CNN) == 0.6  # the earlier of two that are equally good


def test_moved_methods_and_no_others_see_moved_images(monkeypatch):
    made, moves = recipe(), {}
    train = made.letters("train", 3, 0)
    for method in (MLP, CNN, MLP_MOVED, CNN_MOVED):
        monkeypatch.setattr(
            glyphs_examples,
            "train_classifier",
            lambda *_, method=method, **options: moves.update({method: options["move"]}),
        )
        made.trained(0, train, method, 0.1)
    assert moves == {MLP: 0, CNN: 0, MLP_MOVED: 2, CNN_MOVED: 2}


@pytest.mark.parametrize("method", [NEIGHBOUR, NEIGHBOUR_MOVED, FEATURES])
def test_a_nearest_neighbour_knows_what_it_has_seen(method):
    made = recipe(filters=16)
    train = made.letters("train", 4, 0)
    for classify in made.trials(0, train, method):
        right = classify(train.examples()).argmax(1) == train.y
        assert right.all()


def test_a_neighbour_of_moved_images_knows_each_at_the_25_places_that_training_shows():
    made = recipe()
    train = made.letters("train", 2, 0)
    images, labels = moved_everywhere(train)
    assert len(images) == len(labels) == 25 * len(train)
    found = {(tuple(image.flatten().tolist()), label) for image, label in zip(images, labels.tolist(), strict=True)}
    wanted = set()
    for image, label in zip(train.examples(), train.y.tolist(), strict=True):
        padded = nn.functional.pad(image, (2, 2, 2, 2))
        windows = [padded[:, a : a + 28, b : b + 28] for a in range(5) for b in range(5)]
        wanted |= {(tuple(window.flatten().tolist()), label) for window in windows}
    assert found == wanted
    for classify in made.trials(0, train, NEIGHBOUR_MOVED):
        assert (classify(images).argmax(1) == labels).all()


def test_a_trained_network_beats_itself_untrained():
    made = recipe(filters=8, steps=40, letters="ABD")
    train, test = made.letters("train", 20, 0), made.letters("test", 20, 0)
    found = [accuracy(net, test.examples(), test.y) for net in (
        made.network(0, CNN).eval(), made.trained(0, train, CNN, 1e-2))]  # fmt: skip
    assert found[0] < 0.6
    assert found[1] > 0.75
