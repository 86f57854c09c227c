"""Recipe ``digits-cyclegan``: can a map without pairs make MNIST's digits readable for a classifier of USPS's?

The classifier has seen the digits of one set only. It judges test digits of the other, as they are, cut to their ink,
moved by linear optimal transport, and translated by CycleGANs with one loss left out at a time; both ways.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from course import data, runtime
from course.crossmodal.translation_test import translated
from course.representation.classifier import accuracy, train_classifier
from course.representation.cnn import Conv4
from course.reproduce.translations import (
    ALONE,
    CROP,
    CYCLEGAN,
    DARKER,
    NO_CYCLE,
    NO_IDENTITY,
    NOTHING,
    SHOWN,
    SMALL_CROP,
    TRANSPORT,
    UNTRAINED,
    Translate,
    TranslationConfig,
    Translations,
)

OWN = "the classifier's own set"


@dataclass(frozen=True)
class DigitsCycleGANConfig(TranslationConfig):
    """How the networks and the judges are trained.

    Attributes:
        judge_steps: of a classifier.
        filters: of its layers.
        validation: digits that are kept of each training set, to choose and not to train.
    """

    judge_steps: int = 2_000
    filters: int = 32
    validation: int = 1_000

    @classmethod
    def quick(cls) -> "DigitsCycleGANConfig":
        """Five seeds of narrow networks, trained for twenty seconds each, some four times as long."""
        return cls(steps=500, width=16, critic_width=16, blocks=1, judge_steps=600)

    @classmethod
    def full(cls) -> "DigitsCycleGANConfig":
        """Five seeds of networks twice as wide, trained for long: for a GPU."""
        return cls()


class DigitsCycleGAN(Translations):
    """MNIST and USPS at 16 × 16 pixels, both ways, judged by a classifier of the target's digits."""

    name = "digits-cyclegan"
    presets = DigitsCycleGANConfig
    settings = ("MNIST to USPS", "USPS to MNIST", "MNIST to USPS, longer", "USPS to MNIST, longer")
    only: ClassVar = dict.fromkeys(settings[2:], (NOTHING, CROP, SMALL_CROP, DARKER, CYCLEGAN))
    methods = (NOTHING, UNTRAINED, CROP, SMALL_CROP, DARKER, TRANSPORT, CYCLEGAN, NO_CYCLE, NO_IDENTITY, ALONE, OWN)
    units: ClassVar = {"accuracy": "%", "different": "%"}
    differences = (
        (CYCLEGAN, NOTHING),
        (CYCLEGAN, CROP),
        (CYCLEGAN, SMALL_CROP),
        (CYCLEGAN, DARKER),
        (CYCLEGAN, NO_CYCLE),
        (CYCLEGAN, NO_IDENTITY),
        (CYCLEGAN, ALONE),
    )

    def read(self) -> None:
        """Both sets; the networks see MNIST's digits made smaller."""
        self.sets = {}
        for split in ("train", "validation", "test"):
            for kind, name in enumerate(("mnist", "usps")):
                found = data.load(name, split=split, validation=self.config.validation).to(self.device)
                self.sets[split, kind] = found.examples(), found.y
        self.x, self.y = (self.small(self.sets["train", kind][0]) for kind in (0, 1))
        self.classifier = cache(self.classifier)

    def classifier(self, kind: int, seed: int) -> nn.Module:
        """A judge, which has seen the digits of one set only."""
        x, y = (self.x, self.y)[kind], self.sets["train", kind][1]
        draw = runtime.generator(seed)
        judge = Conv4(10, filters=self.config.filters, size=self.side, averages=True, generator=draw).to(self.device)
        train_classifier(judge, x, y, steps=self.config.judge_steps, rate=3e-3, seed=seed)
        return judge

    def judge(self, translate: Translate, there: bool, split: str, seed: int) -> dict[str, float]:
        """How many translated digits the target's classifier names right, and how many are different."""
        target = int(there)
        x, y = self.sets[split, 1 - target]
        return self.judged(translated(translate, x), y, target, split, seed)

    def score(self, found: dict[str, float]) -> float:
        """The accuracy. It needs labels, of the validation digits alone."""
        return found["accuracy"]

    def judged(self, made: Tensor, labels: Tensor, target: int, split: str, seed: int) -> dict[str, float]:
        """The two numbers of digits that were made, or are the target's own."""
        real = self.small(self.sets[split, target][0][:SHOWN])
        right = accuracy(self.classifier(target, seed), made, labels)
        return {"accuracy": 100 * right, "different": self.variety(made, real)}

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """As for all translations; the judge's own set has no map."""
        if method == OWN:
            target = int(setting != self.settings[1])
            digits, labels = self.sets["test", target]
            return self.judged(self.small(digits), labels, target, "test", seed)
        return super().measure(seed, setting, method, folder)
