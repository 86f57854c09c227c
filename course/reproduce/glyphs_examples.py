"""Recipe ``glyphs-examples``: how many examples a class does a classifier need, with and without convolution?

Twenty letters in faces, turns, shears and sizes drawn at random; training, validation and test have different styles
of the same families of faces. Every method that has something to choose tries three values of it, and is judged once,
with the one that was best in validation. Each seed draws its own training, validation and test images and first
weights.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from course import runtime
from course.data import LabelledSet
from course.data.renderings import render
from course.representation.classifier import NearestNeighbour, accuracy, train_classifier
from course.representation.cnn import Conv4, initialise
from course.representation.shifts import BlurPool, shifted
from course.reproduce.runner import Recipe

NEIGHBOUR, FEATURES = "nearest neighbour", "untrained CNN, nearest neighbour"
MLP, CNN = "MLP", "CNN"
NEIGHBOUR_MOVED, MLP_MOVED, CNN_MOVED = (f"{method}, moved images" for method in (NEIGHBOUR, MLP, CNN))
BLURS = (1, 5, 9)  # taps of the binomial kernel before a nearest neighbour is sought
RATES = {MLP: (1e-3, 3e-3, 1e-2), CNN: (3e-3, 1e-2, 3e-2)}  # moved or not
MOVE = 2  # pixels


@dataclass(frozen=True)
class GlyphsExamplesConfig:
    """What is trained, on how much.

    Attributes:
        letters: the classes.
        filters, hidden: of Conv4, and the width of the MLP's hidden layer.
        steps, batch_size: of each training.
        validation, test: images of each letter.
        seeds: each draws images, weights and batches of its own.
    """

    letters: str = "ABDEFGHKMNRSTUabdegh"
    filters: int = 64
    hidden: int = 512
    steps: int = 1_000
    batch_size: int = 64
    validation: int = 50
    test: int = 200
    seeds: tuple[int, ...] = tuple(range(10))

    @classmethod
    def quick(cls) -> "GlyphsExamplesConfig":
        """Five seeds of small networks: some minutes."""
        return cls(filters=16, hidden=128, steps=200, validation=20, test=50, seeds=(0, 1, 2, 3, 4))

    @classmethod
    def full(cls) -> "GlyphsExamplesConfig":
        """Ten seeds of networks of the papers' width: hours on a CPU, minutes on a GPU."""
        return cls()


class GlyphsExamples(Recipe):
    """Nearest neighbour, MLP and CNN at 1 to 100 examples a class, and paired differences."""

    name = "glyphs-examples"
    presets = GlyphsExamplesConfig
    settings = ("1 a class", "3 a class", "10 a class", "30 a class", "100 a class")
    methods = (NEIGHBOUR, FEATURES, MLP, CNN, NEIGHBOUR_MOVED, MLP_MOVED, CNN_MOVED)
    differences = (
        (CNN, NEIGHBOUR), (CNN, MLP), (CNN_MOVED, NEIGHBOUR_MOVED), (CNN_MOVED, MLP_MOVED), (CNN_MOVED, CNN),
        (MLP_MOVED, MLP),
    )  # fmt: skip
    units: ClassVar = {"accuracy": "%"}

    def load(self) -> None:
        """Nothing is read: the letters are drawn for each seed. What two rows share is computed once."""
        self.letters = cache(self.letters)

    def letters(self, split: str, examples: int, seed: int) -> LabelledSet:
        """The images of a seed; no two splits and no two seeds draw alike."""
        number = 3 * seed + ("train", "validation", "test").index(split)
        return render(self.config.letters, examples, split, seed=number).to(self.device)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The accuracy of one method; all of a seed are trained and tested on the same images."""
        return {"accuracy": 100 * self.judged(seed, int(setting.split()[0]), method)}

    def judged(self, seed: int, examples: int, method: str) -> float:
        """Test accuracy of the best of three in validation; the first of those that are equally good."""
        train = self.letters("train", examples, seed)
        validation, test = (
            self.letters(split, count, seed)
            for split, count in (("validation", self.config.validation), ("test", self.config.test))
        )
        trials = self.trials(seed, train, method)
        right = [accuracy(classify, validation.examples(), validation.y) for classify in trials]
        return accuracy(trials[right.index(max(right))], test.examples(), test.y)

    def trials(self, seed: int, train: LabelledSet, method: str) -> list[nn.Module]:
        """Three classifiers."""
        if method in (NEIGHBOUR, NEIGHBOUR_MOVED, FEATURES):
            encode = self.network(seed, CNN).eval().embed if method == FEATURES else nn.Flatten()
            images, labels = moved_everywhere(train) if method == NEIGHBOUR_MOVED else (train.examples(), train.y)
            return [NearestNeighbour(images, labels, Blurred(taps, encode).to(self.device)) for taps in BLURS]
        return [self.trained(seed, train, method, rate) for rate in RATES[method.split(",")[0]]]

    def network(self, seed: int, method: str) -> nn.Module:
        """An untrained network."""
        config, generator, classes = self.config, runtime.generator(seed), len(self.config.letters)
        if method in (CNN, CNN_MOVED):
            return Conv4(classes, filters=config.filters, averages=True, generator=generator).to(self.device)
        model = nn.Sequential(
            nn.Flatten(), nn.Linear(28 * 28, config.hidden), nn.ReLU(), nn.Linear(config.hidden, classes)
        )
        initialise(model, generator)
        return model.to(self.device)

    def trained(self, seed: int, train: LabelledSet, method: str, rate: float) -> nn.Module:
        """A trained network, in evaluation mode."""
        config, model = self.config, self.network(seed, method)
        options = {
            "steps": config.steps,
            "batch_size": config.batch_size,
            "move": MOVE * (method in (MLP_MOVED, CNN_MOVED)),
        }
        train_classifier(model, train.examples(), train.y, rate=rate, seed=seed, **options)
        return model


def moved_everywhere(data: LabelledSet) -> tuple[Tensor, Tensor]:
    """Every image at all places that a training on moved images may show it at, and their labels."""
    moves = list(product(range(-MOVE, MOVE + 1), repeat=2))
    return torch.cat([shifted(data.examples(), *move) for move in moves]), data.y.repeat(len(moves))


class Blurred(nn.Module):
    """Blur images, then encode them as vectors: a blur makes pixels indifferent to small moves."""

    def __init__(self, taps: int, encode: Callable[[Tensor], Tensor]):
        super().__init__()
        self.blur, self.encode = BlurPool(taps, stride=1), encode

    def forward(self, x: Tensor) -> Tensor:
        return self.encode(self.blur(x))
