"""Recipe ``glyphs-vit``: a convolutional network and a vision transformer on letters, as the training set grows.

Both see the same number of pictures, in the same batches. The rate of each method is one of three, the best on
validation pictures at a middle size of the training set; they are used for nothing else. Then every seed draws its own
pictures, weights, batches and shuffles. Training, validation and test have different typefaces, though some differ in
their slant alone.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from course import runtime
from course.data import LabelledSet
from course.data.renderings import render
from course.representation.classifier import NearestNeighbour, accuracy, train_classifier
from course.representation.cnn import Conv4
from course.representation.distillation import taught_by
from course.representation.vit import VisionTransformer, ViTConfig, shuffle_patches
from course.reproduce.runner import Recipe, saved_in

# digits and Latin letters, those left out that look like another one (0 and O, S and s, ...) or like it when turned
CHARACTERS = "123456789" + "ABDEFGHJLMNQRTY" + "abdefghnrtqyk"
ACCURACY, SHUFFLED = "accuracy", "accuracy on test pictures with shuffled patches"
CNN, VIT, UNPLACED, TAUGHT = "CNN", "ViT", "ViT without positions", "ViT taught by the CNN"
LARGER = "ViT, large positions"
CNN_SHUFFLED, VIT_SHUFFLED = "CNN, every picture shuffled", "ViT, every picture shuffled"
PIXELS, LINEAR = "nearest neighbour in pixels", "linear in pixels"
CNN_UNTRAINED, VIT_UNTRAINED = "CNN, untrained", "ViT, untrained"
SELECTION_SEED, MIDDLE = 1_000, "64 of a class"  # where rates are chosen
LONGER = "256 of a class, four times the steps"
NETWORKS = {
    LINEAR: "linear", CNN: "cnn", CNN_SHUFFLED: "cnn", CNN_UNTRAINED: "cnn", UNPLACED: "none",
    VIT: "learned", LARGER: "larger", TAUGHT: "learned", VIT_SHUFFLED: "learned", VIT_UNTRAINED: "learned",
}  # fmt: skip


@dataclass(frozen=True)
class GlyphsViTConfig:
    """What is trained, on how much.

    Attributes:
        patch, width, layers: of the transformer; it has 4 heads, and hidden layers twice as wide.
        filters: of each convolution of the CNN.
        steps, batch_size: of every training; their product is the number of pictures seen.
        cnn_rates, vit_rates, linear_rates: those that are tried, the same number for each method.
        validation, test: pictures of each class.
        seeds: each draws its own pictures, weights and batches.

    Example:
        >>> GlyphsViTConfig.quick().vit().grid
        (4, 4)
    """

    patch: int = 4
    width: int = 192
    layers: int = 6
    filters: int = 64
    steps: int = 6_000
    batch_size: int = 128
    cnn_rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    vit_rates: tuple[float, ...] = (3e-4, 1e-3, 3e-3)
    linear_rates: tuple[float, ...] = (1e-3, 1e-2, 1e-1)
    validation: int = 40
    test: int = 60
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "GlyphsViTConfig":
        """Some seconds a network on a laptop; the chapter trains two of them before the reader's eyes."""
        return cls(
            patch=7, width=64, layers=4, filters=32, steps=600, batch_size=64, cnn_rates=(1e-3, 3e-3, 1e-2),
            seeds=(0, 1, 2),
        )  # fmt: skip

    @classmethod
    def full(cls) -> "GlyphsViTConfig":
        """Ten times as long, larger networks, five seeds: for a GPU."""
        return cls()

    def vit(self, positions: str = "learned") -> ViTConfig:
        """The sizes of the transformer."""
        return ViTConfig(
            28, self.patch, 1, self.width, self.layers, 4, 2 * self.width, len(CHARACTERS), "mean", positions
        )

    def network(self, kind: str, seed: int) -> nn.Module:
        """An untrained network: ``"cnn"``, ``"linear"``, or a transformer with such positions.

        ``"larger"`` are learned positions that begin ten times as large.
        """
        generator = runtime.generator(seed)
        if kind == "cnn":
            return Conv4(len(CHARACTERS), filters=self.filters, averages=True, generator=generator)
        if kind == "linear":
            layer = nn.Linear(28 * 28, len(CHARACTERS))
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
            return nn.Sequential(nn.Flatten(), layer)
        model = VisionTransformer(self.vit("learned" if kind == "larger" else kind), generator=generator)
        if kind == "larger":
            with torch.no_grad():
                model.positions.mul_(10)
        return model

    def rates(self, kind: str) -> tuple[float, ...]:
        """The rates that are tried for a kind of network."""
        return {"cnn": self.cnn_rates, "linear": self.linear_rates}.get(kind, self.vit_rates)


class GlyphsViT(Recipe):
    """Networks and baselines at four sizes of the training set, and some of them trained longer at the largest.

    Example:
        >>> recipe = GlyphsViT(GlyphsViTConfig.quick(), torch.device("cpu"))
        >>> recipe.load()
        >>> x, y = recipe.training_set("4 of a class", "ViT", seed=0)
        >>> x.shape, len(y.unique())
        (torch.Size([148, 1, 28, 28]), 37)
    """

    name = "glyphs-vit"
    presets = GlyphsViTConfig
    methods = (
        PIXELS, LINEAR, CNN_UNTRAINED, CNN, VIT_UNTRAINED, VIT, LARGER, UNPLACED, TAUGHT, CNN_SHUFFLED, VIT_SHUFFLED
    )  # fmt: skip
    settings = ("4 of a class", "16 of a class", "64 of a class", "256 of a class", LONGER)
    only: ClassVar = {LONGER: (PIXELS, LINEAR, CNN, VIT)}
    units: ClassVar = {ACCURACY: "%", SHUFFLED: "%"}
    differences = (
        (CNN, VIT), (VIT, LINEAR), (VIT, PIXELS), (LARGER, VIT), (LARGER, LINEAR), (VIT, UNPLACED), (TAUGHT, VIT),
        (CNN_SHUFFLED, CNN), (CNN_SHUFFLED, VIT), (VIT_SHUFFLED, VIT),
    )  # fmt: skip

    def load(self) -> None:
        """Nothing is read: pictures are drawn for each seed. What several rows share is computed once."""
        self.letters, self.rate, self.trial = cache(self.letters), cache(self.rate), cache(self.trial)

    def letters(self, split: str, seed: int, method: str = "") -> LabelledSet:
        """The pictures of a seed as a method sees them; the splits have other typefaces."""
        counts = {"train": max(map(size_of, self.settings)), "validation": self.config.validation}
        number = 3 * seed + ("train", "validation", "test").index(split)
        drawn = render(CHARACTERS, counts.get(split, self.config.test), split, seed=number).to(self.device)
        return replace(drawn, x=self.shuffled(drawn.x, 2 * seed)) if method in (CNN_SHUFFLED, VIT_SHUFFLED) else drawn

    def training_set(self, setting: str, method: str, seed: int) -> tuple[Tensor, Tensor]:
        """The first pictures of each class, so many as the setting says, and their classes."""
        data = self.letters("train", seed, method)
        chosen = torch.arange(len(data)).unflatten(0, (len(CHARACTERS), -1))[:, : size_of(setting)].flatten()
        return data.examples(chosen), data.y[chosen]

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Train one method with the rate that was chosen for it, and test it."""
        if method == PIXELS:
            model = NearestNeighbour(*self.training_set(setting, method, seed))
        elif method in (CNN_UNTRAINED, VIT_UNTRAINED):
            model = self.config.network(NETWORKS[method], seed).to(self.device).eval()
        else:
            model = self.trained(setting, method, self.rate(method), seed, folder)
        test = self.letters("test", seed, method)
        x = test.examples()
        return {
            ACCURACY: 100 * accuracy(model, x, test.y),
            SHUFFLED: 100 * accuracy(model, self.shuffled(x, 2 * seed + 1), test.y),
        }

    def trained(self, setting: str, method: str, rate: float, seed: int, folder: Path | None = None) -> nn.Module:
        """A network after its training; the teacher is trained first where there is one."""
        steps = self.config.steps * (4 if setting == LONGER else 1)
        options = {"steps": steps, "batch_size": self.config.batch_size, "seed": seed}
        if folder is not None:  # of its own, as a teacher is the CNN of another row
            options |= saved_in(folder.parent / f"{method}, {setting}")
        if method == TAUGHT:
            teacher = setting, CNN, self.rate(CNN), seed
            options["loss"] = taught_by(self.trained(*teacher, folder) if folder else self.trial(*teacher))
        model = self.config.network(NETWORKS[method], seed).to(self.device)
        train_classifier(model, *self.training_set(setting, method, seed), rate=rate, **options)
        return model

    def rate(self, method: str) -> float:
        """The rate that is best in validation at a middle size of the training set, on pictures of no other use.

        To a ViT shuffled pictures are the same problem as whole ones, so it keeps its rate: two choices between nearly
        equal rates would differ by luck. With larger positions it keeps it too, so that one thing alone is changed.
        """
        if method in (LARGER, VIT_SHUFFLED):
            return self.rate(VIT)
        validation = self.letters("validation", SELECTION_SEED, method)
        x, rates = validation.examples(), self.config.rates(NETWORKS[method])
        return max(rates, key=lambda rate: accuracy(self.trial(MIDDLE, method, rate, SELECTION_SEED), x, validation.y))

    def trial(self, setting: str, method: str, rate: float, seed: int) -> nn.Module:
        """A network that is trained to choose a rate."""
        return self.trained(setting, method, rate, seed)

    def shuffled(self, x: Tensor, number: int) -> Tensor:
        """Pictures with the transformer's patches in another order, the same for all; ``number`` says which."""
        count = (28 // self.config.patch) ** 2
        order = torch.randperm(count, generator=runtime.generator(number))
        return shuffle_patches(x, self.config.patch, order.to(x.device))


def size_of(setting: str) -> int:
    """The number in the name of a setting."""
    return int(setting.split()[0])
