"""Recipe ``glyphs-prototypical``: do prototypes get better when training tasks have more ways, all else being equal?

Every training takes the same number of steps and sees the same number of images in each: twelve tasks of 5 ways, three
of 20, or one of 60. Each tries the same three rates, and is judged once, on scripts that neither training nor
validation has seen, with the rate that was best in validation. Beside them stand the same encoder trained in the
ordinary way, to tell all training classes apart, on as many images; and what needs no training: nearest neighbours in
pixels, and the encoder as it begins.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from torch import nn

from course import data, runtime
from course.data import EpisodeSampler, LabelledSet
from course.meta_learning.baselines import pretrain
from course.meta_learning.embedding import by_rule, embedded, settle_averages
from course.meta_learning.evaluation import Predict, evaluate
from course.meta_learning.prototype_variants import (
    by_cosine,
    by_ellipses,
    by_matching,
    by_nearest,
    by_prototypes,
    rectified,
)
from course.meta_learning.prototypical import (
    PrototypicalConfig,
    PrototypicalNetwork,
    conv4_encoder,
    cosine_scores,
    negative_squared_distances,
)
from course.representation.cnn import Conv4
from course.reproduce.runner import Recipe, saved_in

RATES = (1e-3, 3e-3, 1e-2)
PIXELS, UNTRAINED = "pixels, nearest neighbour", "untrained encoder, prototypes"
WAYS = {"5-way training": 5, "20-way training": 20, "60-way training": 60}
FIVE, TWENTY, SIXTY = WAYS
COSINE, ORDINARY = "20-way training, cosine", "ordinary training, prototypes"
NEIGHBOUR, MATCHING, ELLIPSES, RECTIFIED = (
    f"20-way training, {rule}" for rule in ("nearest neighbour", "matching", "ellipses", "queries help")
)
RULES = {  # on the vectors of the same training
    NEIGHBOUR: by_rule(by_nearest),
    MATCHING: by_rule(by_matching),
    ELLIPSES: by_rule(by_ellipses),
    RECTIFIED: by_rule(rectified),
}


@dataclass(frozen=True)
class GlyphsPrototypicalConfig:
    """What is trained, and how it is judged.

    Attributes:
        filters: of Conv4.
        steps: of each training.
        images: in each step, support and query together; 360 are one task of 60 ways with 1 shot and 5 queries.
        queries: of each class.
        validation_tasks, tasks: on which a rate is chosen, and a method is judged.
        seeds: each has first weights and training episodes of its own; the test episodes are the same for all.
    """

    filters: int = 64
    steps: int = 2_000
    images: int = 360
    queries: int = 5
    validation_tasks: int = 200
    tasks: int = 600
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "GlyphsPrototypicalConfig":
        """Three seeds of a narrow network, trained briefly: twenty minutes on one thread."""
        return cls(filters=32, steps=100, seeds=(0, 1, 2))

    @classmethod
    def full(cls) -> "GlyphsPrototypicalConfig":
        """Five seeds of the paper's network: minutes on a GPU."""
        return cls()


class GlyphsPrototypical(Recipe):
    """Training ways at equal images, other rules in place of the means, and what needs no training."""

    name = "glyphs-prototypical"
    presets = GlyphsPrototypicalConfig
    settings = ("5-way 1-shot", "5-way 5-shot", "20-way 1-shot", "20-way 5-shot")
    methods = (PIXELS, UNTRAINED, ORDINARY, FIVE, TWENTY, SIXTY, COSINE, *RULES)
    differences = (
        (SIXTY, FIVE), (SIXTY, TWENTY), (TWENTY, FIVE), (TWENTY, COSINE), (TWENTY, ORDINARY),
        *((rule, TWENTY) for rule in RULES),
    )  # fmt: skip
    units: ClassVar = {"accuracy": "%"}

    def load(self) -> None:
        """Read the characters. What several rows share takes place once."""
        splits = ("train", "validation", "test")
        self.splits = {split: data.load("glyphs", split=split).to(self.device) for split in splits}
        self.vectors = cache(self.vectors)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Accuracy on the test scripts, of all methods in the same tasks."""
        ways, shots = (int(part.split("-")[0]) for part in setting.split())
        vectors = self.vectors(seed, TWENTY if method in RULES else method, folder.parent)
        sampler = EpisodeSampler(vectors, ways, shots, self.config.queries, tasks=10, seed=2)
        return {"accuracy": 100 * evaluate(classifier(method), sampler, self.config.tasks).mean}

    def vectors(self, seed: int, method: str, folder: Path) -> LabelledSet:
        """The test characters as a method sees them."""
        test = self.splits["test"]
        if method == PIXELS:
            return embedded(test, nn.Flatten())
        if method == UNTRAINED:
            learner = self.learner(seed, method, RATES[0])
            settle_averages(learner.model, self.sampler(20, 1, seed))
            return embedded(test, learner.embed)
        trials = [self.trained(seed, method, rate, folder / f"{method}, rate {rate}") for rate in RATES]
        return embedded(test, max(trials, key=lambda trial: trial[1])[0].embed)  # the first of equally good ones

    def trained(self, seed: int, method: str, rate: float, folder: Path) -> tuple[PrototypicalNetwork, float]:
        """A trained network, and its validation accuracy in 20-way 1-shot tasks."""
        ways, config = WAYS.get(method, 20), self.config
        if method == ORDINARY:
            learner = self.ordinary(seed, rate, folder)
        else:
            learner = self.learner(seed, method, rate)
            tasks = config.images // (ways * (1 + config.queries))
            learner.train(self.sampler(ways, tasks, seed), steps=config.steps, **saved_in(folder))
        validation = embedded(self.splits["validation"], learner.embed)
        sampler = EpisodeSampler(validation, 20, 1, config.queries, tasks=10, seed=1)
        return learner, evaluate(classifier(method), sampler, config.validation_tasks).mean

    def learner(self, seed: int, method: str, rate: float) -> PrototypicalNetwork:
        """An untrained network; all of a seed have the same first weights."""
        encoder = conv4_encoder(filters=self.config.filters, generator=runtime.generator(seed)).to(self.device)
        scores = cosine_scores if method == COSINE else negative_squared_distances
        return PrototypicalNetwork(encoder, PrototypicalConfig(outer_lr=rate), scores=scores)

    def ordinary(self, seed: int, rate: float, folder: Path) -> PrototypicalNetwork:
        """The encoder of a classifier of all training classes, trained on as many images without episodes."""
        config, train, generator = self.config, self.splits["train"], runtime.generator(seed)
        network = Conv4(len(train.classes), filters=config.filters, averages=True, generator=generator).to(self.device)
        pretrain(network, train, steps=config.steps, batch_size=config.images, lr=rate, seed=seed, **saved_in(folder))
        network.head = nn.Identity()
        return PrototypicalNetwork(network, PrototypicalConfig(outer_lr=rate))

    def sampler(self, ways: int, tasks: int, seed: int) -> EpisodeSampler:
        """1-shot episodes for training."""
        return EpisodeSampler(self.splits["train"], ways, 1, self.config.queries, tasks=tasks, seed=10 + seed)


def classifier(method: str) -> Predict:
    """How the vectors of a method are classified."""
    if method == PIXELS:
        return RULES[NEIGHBOUR]
    return RULES.get(method) or by_rule(by_cosine if method == COSINE else by_prototypes)
