"""Recipe ``glyphs-cyclegan``: letters of an upright typeface to those of an italic one, learned without a pair.

Half of the training letters are seen in the one typeface only, the other half in the other. Test letters have known
partners, so every map can be measured by its distance from the truth, and by what pairs would have given.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from course.crossmodal.cyclegan import train_paired
from course.crossmodal.translation_networks import Translator
from course.crossmodal.translation_test import distance_to_partner, partner_found, sheared, translated, unpaired
from course.data.typefaces import load_typefaces
from course.reproduce.runner import saved_in
from course.reproduce.translations import (
    ALONE,
    CROP,
    CYCLEGAN,
    NO_CYCLE,
    NO_IDENTITY,
    NOTHING,
    TRANSPORT,
    UNTRAINED,
    Translate,
    TranslationConfig,
    Translations,
)
from course.runtime import generator

SLANT, PAIRED = "slanted by hand", "trained with pairs"


@dataclass(frozen=True)
class GlyphsCycleGANConfig(TranslationConfig):
    """How the networks are trained. Letters, and their deal to the two sides, are the same for all seeds."""

    def trials(self, method: str) -> tuple[tuple[float, ...], ...]:
        """Slants to the right, or rates of the training with pairs; the others as for all translations."""
        if method == SLANT:
            return (0.1,), (0.2,), (0.3,), (0.4,)
        return tuple((rate,) for rate in self.rates) if method == PAIRED else super().trials(method)

    @classmethod
    def quick(cls) -> "GlyphsCycleGANConfig":
        """Three seeds of narrow networks, trained for a quarter of a minute each: six minutes on one thread."""
        return cls(steps=400, width=16, critic_width=16, blocks=1, seeds=(0, 1, 2))

    @classmethod
    def full(cls) -> "GlyphsCycleGANConfig":
        """Five seeds of networks twice as wide, trained for long: for a GPU."""
        return cls()


class GlyphsCycleGAN(Translations):
    """Sans and Serif Italic at 16 × 16 pixels, both ways, judged by the true partners."""

    name = "glyphs-cyclegan"
    presets = GlyphsCycleGANConfig
    settings = ("Sans to Serif Italic", "Serif Italic to Sans")
    methods = (NOTHING, UNTRAINED, CROP, SLANT, TRANSPORT, CYCLEGAN, NO_CYCLE, NO_IDENTITY, ALONE, PAIRED)
    units: ClassVar = {"distance": "%", "partner found": "%", "different": "%"}
    differences = (
        (CYCLEGAN, NOTHING), (CYCLEGAN, SLANT), (CYCLEGAN, NO_CYCLE), (CYCLEGAN, NO_IDENTITY),
        (CYCLEGAN, ALONE), (CYCLEGAN, PAIRED),
    )  # fmt: skip

    def read(self) -> None:
        """The letters, and the deal that leaves no pair."""
        self.pairs = {split: load_typefaces(split).to(self.device) for split in ("train", "validation", "test")}
        self.x, self.y = unpaired(self.pairs["train"])
        # as many pairs for the ceiling as there are pictures of each kind for the others
        self.paired = self.pairs["train"].select(torch.arange(len(self.x), device=self.device)).examples()

    def map(
        self, method: str, there: bool, seed: int, trial: tuple[float, ...], steps: int, folder: Path | None
    ) -> Translate:
        """A slant, a translator trained with pairs, or a map as in all translations."""
        if method == SLANT:
            return lambda pictures: sheared(pictures, trial[0] if there else -trial[0])
        if method == PAIRED:
            x, y = self.paired if there else self.paired[::-1]
            sizes = {"width": self.config.width, "blocks": self.config.blocks}
            translator = Translator(**sizes, generator=generator(seed)).to(self.device)
            saved = saved_in(folder / f"{method} {there}") if folder else {}
            options = {"rate": trial[0], "batch_size": self.config.batch_size, "seed": seed}
            train_paired(translator, x, y, steps=steps, **options, **saved)
            return translator.eval()
        return super().map(method, there, seed, trial, steps, folder)

    def judge(self, translate: Translate, there: bool, split: str, seed: int) -> dict[str, float]:
        """How far the maps of letters are from their partners, and how many find and are different."""
        x, y = self.pairs[split].examples() if there else self.pairs[split].examples()[::-1]
        made = translated(translate, x)
        return {
            "distance": 100 * distance_to_partner(made, y).mean().item(),
            "partner found": 100 * partner_found(made, y),
            "different": self.variety(made, y),
        }

    def score(self, found: dict[str, float]) -> float:
        """Minus the distance. It needs pairs, of the validation letters alone."""
        return -found["distance"]
