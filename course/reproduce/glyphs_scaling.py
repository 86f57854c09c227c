"""Recipe ``glyphs-scaling``: how the error on characters of unseen scripts falls with the classes seen in training.

A prototypical network is trained with the first n of the training characters in an order drawn for each seed, for the
same number of steps of 20-way 1-shot tasks: what changes is how different the images are, not how many are seen. The
rate is the one chosen in ``glyphs-prototypical``.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from course import data, runtime
from course.data import EpisodeSampler, LabelledSet
from course.meta_learning.embedding import by_rule, embedded, settle_averages
from course.meta_learning.evaluation import evaluate
from course.meta_learning.prototype_variants import by_prototypes
from course.meta_learning.prototypical import PrototypicalConfig, PrototypicalNetwork, conv4_encoder
from course.reproduce.runner import Recipe, saved_in

COUNTS = (20, 40, 80, 160, 320, 640, 1280)
ROWS = {f"{count:,} classes": count for count in COUNTS}
UNTRAINED, SHORT, LONG = "untrained", "short training", "three times as long"
ERROR = "20-way 1-shot error"


@dataclass(frozen=True)
class GlyphsScalingConfig:
    """What is trained, and how it is judged.

    Attributes:
        filters: of Conv4.
        steps: of a short training; the long one has three times as many.
        queries, tasks, judged: of each class, in a step, and tasks of the test.
        rate: of Adam.
        seeds: each has an order of the characters and first weights of its own.
    """

    filters: int = 64
    steps: int = 1_000
    queries: int = 5
    tasks: int = 3
    judged: int = 600
    rate: float = 3e-3
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "GlyphsScalingConfig":
        """Narrow networks: minutes on one core."""
        return cls(filters=16, steps=60, tasks=1, judged=300)

    @classmethod
    def full(cls) -> "GlyphsScalingConfig":
        """The paper's network, trained longer."""
        return cls()


class GlyphsScaling(Recipe):
    """The same network and budget, with 20 to 1,280 training characters, trained briefly and longer."""

    name = "glyphs-scaling"
    presets = GlyphsScalingConfig
    methods = (UNTRAINED, *ROWS)
    settings = (SHORT, LONG)
    units: ClassVar = {ERROR: "%"}

    def load(self) -> None:
        """Read the characters."""
        self.train, self.test = (data.load("glyphs", split=split).to(self.device) for split in ("train", "test"))

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The error in tasks of the test scripts."""
        config = self.config
        encoder = conv4_encoder(filters=config.filters, generator=runtime.generator(seed)).to(self.device)
        learner = PrototypicalNetwork(encoder, PrototypicalConfig(outer_lr=config.rate))
        trained = method in ROWS
        kept = self.first(ROWS[method] if trained else COUNTS[-1], seed)
        sampler = EpisodeSampler(kept, 20, 1, config.queries, tasks=config.tasks, seed=10 + seed)
        if trained:
            steps = config.steps * (3 if setting == LONG else 1)
            learner.train(sampler, steps=steps, **saved_in(folder))
        else:
            settle_averages(learner.model, sampler)
        tasks = EpisodeSampler(embedded(self.test, learner.embed), 20, 1, config.queries, tasks=10, seed=2)
        return {ERROR: 100 * (1 - evaluate(by_rule(by_prototypes), tasks, config.judged).mean)}

    def first(self, count: int, seed: int) -> LabelledSet:
        """The first ``count`` characters in the order of a seed; fewer are part of more."""
        order = torch.randperm(len(self.train.classes), generator=runtime.generator(seed))[:count]
        return self.train.of_classes([self.train.classes[number] for number in order])
