"""Recipe ``glyphs-erasing``: does a map of attention name the patches that a vision transformer needs?

A quarter of the patches of every test picture is erased, those that a map puts first, and what is still named is
counted. The network is that of the recipe ``glyphs-vit`` at its largest training set. Beside attention stand simple
maps, which know nothing of the network, and two that ask the network for its answer.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from course import runtime
from course.representation.classifier import accuracy
from course.representation.erasing import erased, gradient_times_input, left_out
from course.representation.rollout import attention_rollout
from course.representation.vit import VisionTransformer, patches
from course.reproduce.glyphs_vit import NETWORKS, VIT, GlyphsViT, GlyphsViTConfig
from course.reproduce.runner import Recipe

LARGEST = "256 of a class"
STILL, INK_GONE = "still right", "ink erased"
NOTHING, RANDOM, INKED, MIDDLE = "nothing", "at random", "at random, with ink", "the middle, the same for all"
LAST, ROLLOUT, UNTRAINED = "most by the last block", "most by rollout", "most by rollout, untrained"
INK, GRADIENT, LEFT_OUT = "most ink", "most by gradient × input", "most by leaving one out"
SOME_INK = 0.02  # of a patch that is not empty: the mean of its pixels, 1 is black


@dataclass(frozen=True)
class GlyphsErasingConfig(GlyphsViTConfig):
    """The networks of ``glyphs-vit``.

    Attributes:
        erased: patches of each picture, about a quarter of them.
    """

    erased: int = 13

    @classmethod
    def quick(cls) -> "GlyphsErasingConfig":
        """Five trainings of some seconds."""
        return replace(super().quick(), erased=4, seeds=(0, 1, 2, 3, 4))


class GlyphsErasing(Recipe):
    """What is still named when a map says which patches are erased."""

    name = "glyphs-erasing"
    presets = GlyphsErasingConfig
    methods = (NOTHING, RANDOM, INKED, MIDDLE, INK, LAST, ROLLOUT, UNTRAINED, GRADIENT, LEFT_OUT)
    units: ClassVar = {STILL: "%", INK_GONE: "%"}
    differences = (
        (LAST, RANDOM), (UNTRAINED, RANDOM), (ROLLOUT, UNTRAINED), (ROLLOUT, INKED), (ROLLOUT, MIDDLE),
        (ROLLOUT, INK), (GRADIENT, ROLLOUT), (LEFT_OUT, INK),
    )  # fmt: skip

    def load(self) -> None:
        """Nothing is read. The network of a seed is trained once."""
        self.letters = GlyphsViT(self.config, self.device)
        self.letters.load()
        self.network = cache(self.network)

    def network(self, seed: int, folder: Path) -> VisionTransformer:
        """The trained network of a seed, its checkpoints beside ``folder``."""
        return self.letters.trained(LARGEST, VIT, self.letters.rate(VIT), seed, folder)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Erase what a map puts first, and count what is named all the same."""
        model, test = self.network(seed, folder.parent / LARGEST), self.letters.letters("test", seed)
        x = test.examples()
        kept = x
        if method != NOTHING:
            first = self.map(method, model, x, seed).topk(self.config.erased).indices
            kept = erased(x, self.config.patch, first)
        gone = 1 - kept.sum() / x.sum()
        return {STILL: 100 * accuracy(model, kept, test.y), INK_GONE: 100 * gone.item()}

    def map(self, method: str, model: VisionTransformer, x: Tensor, seed: int) -> Tensor:
        """One number for each patch, ``[n, patches]``; the largest are erased."""
        ink = patches(x, self.config.patch).mean(2)
        if method in (RANDOM, INKED):
            drawn = torch.rand(ink.shape, generator=runtime.generator(seed)).to(ink)
            return drawn + (ink > SOME_INK) if method == INKED else drawn
        if method == MIDDLE:
            rows, columns = model.config.grid
            row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
            away = (row - (rows - 1) / 2) ** 2 + (column - (columns - 1) / 2) ** 2
            return -away.flatten().to(ink).expand_as(ink)
        if method == UNTRAINED:
            model = self.config.network(NETWORKS[VIT], seed).to(x.device).eval()
        if method in (LAST, ROLLOUT, UNTRAINED):
            return attention(model, x, rolled=method != LAST)
        if method == GRADIENT:
            return gradient_times_input(model, x, self.config.patch)
        return left_out(model, x, self.config.patch) if method == LEFT_OUT else ink


@torch.no_grad()
def attention(model: nn.Module, x: Tensor, rolled: bool) -> Tensor:
    """The share of each patch, heads and tokens averaged, ``[n, patches]``: in the last block, or by rollout."""
    weights = [model.trace(part).weights for part in x.split(256)]
    shares = [attention_rollout(each) if rolled else each[-1].mean(1) for each in weights]
    return torch.cat(shares).mean(1)
