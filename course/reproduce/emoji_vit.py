"""Recipe ``emoji-vit``: the group of an emoji that was never seen, by a CNN and by vision transformers in many forms.

About a thousand pictures are all there is. What stands for the image, a class token or the mean; which positions; does
painting hidden patches first help? The rate of each method is one of three, the best on the validation pictures with a
seed of its own, and all transformers have that of the first of them: one choice is changed at a time. Then every seed
draws weights and batches. Every seed is tested on the same pictures; how much the choice of these matters, a second
interval says.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from course import data, runtime
from course.representation.classifier import NearestNeighbour, accuracy, scores_of, train_classifier
from course.representation.cnn import Conv4
from course.representation.masked_autoencoder import MaskedAutoencoder, train_autoencoder
from course.representation.vit import VisionTransformer, ViTConfig
from course.reproduce.glyphs_vit import SELECTION_SEED
from course.reproduce.runner import Recipe, saved_in

ACCURACY, PICTURES = "accuracy", "the same over pictures"
MAJORITY, PIXELS, LINEAR, CNN = "the largest group", "nearest neighbour in pixels", "linear in pixels", "CNN"
UNTRAINED, CLASS_TOKEN, MEAN, PAINTED = "ViT, untrained", "ViT, class token", "ViT, mean", "ViT, mean, painted first"
LONGER = "ViT, mean, the steps of painting too"
WAVES, ROTARY, UNPLACED = "ViT, mean, fixed waves", "ViT, mean, rotary positions", "ViT, mean, no positions"
VITS = {  # method: (pool, positions)
    UNTRAINED: ("mean", "learned"), CLASS_TOKEN: ("class", "learned"), MEAN: ("mean", "learned"),
    WAVES: ("mean", "sinusoidal"), ROTARY: ("mean", "rotary"), UNPLACED: ("mean", "none"),
    LONGER: ("mean", "learned"), PAINTED: ("mean", "learned"),
}  # fmt: skip


@dataclass(frozen=True)
class EmojiViTConfig:
    """What is trained, on how much.

    Attributes:
        size, patch: of the pictures and their patches, in pixels.
        width, layers: of the transformer; it has 4 heads, and hidden layers twice as wide.
        filters: of each convolution of the CNN.
        steps, batch_size: of every training.
        painting_steps, painting_rate: of a masked autoencoder on the training pictures without their groups.
        cnn_rates, vit_rates, linear_rates: those that are tried, the same number for each method.
        seeds: each draws weights and batches.

    Example:
        >>> EmojiViTConfig.quick().vit("mean", "learned", classes=8).grid
        (4, 4)
    """

    size: int = 64
    patch: int = 8
    width: int = 192
    layers: int = 6
    filters: int = 64
    steps: int = 3_000
    batch_size: int = 64
    painting_steps: int = 20_000
    painting_rate: float = 1e-3
    cnn_rates: tuple[float, ...] = (3e-3, 1e-2, 3e-2)
    vit_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    linear_rates: tuple[float, ...] = (3e-4, 3e-3, 3e-2)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "EmojiViTConfig":
        """Some seconds a network on a laptop."""
        return cls(
            size=32, width=64, layers=4, filters=32, steps=300, painting_steps=800, painting_rate=3e-3,
            vit_rates=(3e-4, 1e-3, 3e-3),
        )  # fmt: skip

    @classmethod
    def full(cls) -> "EmojiViTConfig":
        """Larger pictures and networks, and a long painting: for a GPU."""
        return cls()

    def vit(self, pool: str, positions: str, classes: int) -> ViTConfig:
        """The sizes of a transformer."""
        return ViTConfig(self.size, self.patch, 3, self.width, self.layers, 4, 2 * self.width, classes, pool, positions)


class EmojiViT(Recipe):
    """Baselines, a CNN, and one transformer with one choice changed at a time."""

    name = "emoji-vit"
    presets = EmojiViTConfig
    methods = (MAJORITY, PIXELS, LINEAR, CNN, *VITS)
    units: ClassVar = {ACCURACY: "%", PICTURES: "%"}
    items: ClassVar = {PICTURES: "pictures"}
    differences = (
        (CNN, PIXELS), (CNN, LINEAR), (CNN, MEAN), (MEAN, PIXELS), (MEAN, LINEAR), (CLASS_TOKEN, MEAN),
        (WAVES, MEAN), (ROTARY, MEAN), (UNPLACED, MEAN), (LONGER, MEAN), (PAINTED, MEAN), (PAINTED, LONGER),
    )  # fmt: skip

    def load(self) -> None:
        """The pictures of all splits, on the device."""
        self.sets = {
            split: data.load("emoji", split=split, size=self.config.size).to(self.device)
            for split in ("train", "validation", "test")
        }
        self.classes = len(self.sets["train"].classes)
        self.rate, self.painter = cache(self.rate), cache(self.painter)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float | list[float]]:
        """Train one method with the rate that was chosen for it, and test it, picture by picture."""
        train, test = self.sets["train"], self.sets["test"]
        if method == MAJORITY:
            model = self.largest(train.y)
        elif method == PIXELS:
            model = NearestNeighbour(train.examples(), train.y)
        elif method == UNTRAINED:
            model = self.network(method, seed).eval()
        else:
            model = self.trained(method, self.rate(method), seed, folder)
        right = 100 * (scores_of(model, test.examples()).argmax(1) == test.y).double()
        return {ACCURACY: right.mean().item(), PICTURES: right.tolist()}

    def largest(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """Scores of a model that always names the largest group of the training set."""
        counts = torch.bincount(y, minlength=self.classes)
        return lambda images: counts.expand(len(images), -1)

    def network(self, method: str, seed: int) -> nn.Module:
        """A network before its training on groups."""
        config, generator = self.config, runtime.generator(seed)
        if method == CNN:
            network = Conv4(self.classes, 3, config.filters, config.size, averages=True, generator=generator)
        elif method == LINEAR:
            network = nn.Sequential(nn.Flatten(), nn.Linear(3 * config.size**2, self.classes))
            nn.init.zeros_(network[1].weight)
            nn.init.zeros_(network[1].bias)
        else:
            network = VisionTransformer(config.vit(*VITS[method], self.classes), generator=generator)
        return network.to(self.device)

    def painter(self, seed: int) -> dict[str, Tensor]:
        """The weights of the encoder of a masked autoencoder, trained on the training pictures alone."""
        config = self.config
        model = MaskedAutoencoder(config.vit("mean", "learned", 0), generator=runtime.generator(seed)).to(self.device)
        options = {"steps": config.painting_steps, "rate": config.painting_rate, "batch_size": config.batch_size}
        train_autoencoder(model, self.sets["train"].examples(), seed=seed, **options)
        return copy.deepcopy(model.encoder.state_dict())

    def trained(self, method: str, rate: float, seed: int, folder: Path | None = None) -> nn.Module:
        """A network after its training, its checkpoints in ``folder``."""
        model, train = self.network(method, seed), self.sets["train"]
        if method == PAINTED:
            model.load_state_dict(model.state_dict() | self.painter(seed))  # all but the head, which a painter has not
        steps = self.config.steps + (self.config.painting_steps if method == LONGER else 0)
        options = {"steps": steps, "batch_size": self.config.batch_size, "seed": seed}
        options |= {} if folder is None else saved_in(folder)
        train_classifier(model, train.examples(), train.y, rate=rate, **options)
        return model

    def rate(self, method: str) -> float:
        """The rate that is best on the validation pictures; of two equal ones the smaller."""
        if method in VITS and method != MEAN:
            return self.rate(MEAN)
        rates = {CNN: self.config.cnn_rates, LINEAR: self.config.linear_rates}.get(method, self.config.vit_rates)
        validation = self.sets["validation"]
        x, y = validation.examples(), validation.y
        return max(rates, key=lambda rate: accuracy(self.trained(method, rate, SELECTION_SEED), x, y))
