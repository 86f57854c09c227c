"""Recipe ``digits-contrastive``: spoken digits find written ones, trained on pairs of a recording and a picture.

A recording is eight means of MFCCs over time (:mod:`course.representation.mfcc`), a picture its pixels; a network with
one hidden layer maps either to a common sphere. A pair is a recording and a picture of the same digit, drawn at random.
So a batch is full of pairs that are right although the loss calls them strangers. Each method has four trials on
validation recordings and pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course import data, runtime
from course.crossmodal.cca import CCA
from course.crossmodal.dual_encoder import DualEncoder, train_pairs
from course.crossmodal.nonlinear_cca import network
from course.data import Sounds
from course.representation.mfcc import Conventions, mfcc
from course.representation.over_time import segment_means
from course.reproduce.runner import Recipe, saved_in
from course.training import fit

CLASSIFIERS, ALIGNED, ALL, LEFT_OUT, SIGMOID = (
    "two classifiers, trained with labels", "CCA", "contrastive", "contrastive, twins left out", "sigmoid loss",
)  # fmt: skip
UNTRAINED, SHUFFLED = "untrained networks", "contrastive, shuffled pairs"
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
TEN, PRECISION = "1 picture of each digit", "right among the 10 nearest of 1,000"
Scores = Callable[[Tensor, Tensor], Tensor]  # recordings [n, p] and pictures [m, q] to scores [n, m]


@dataclass(frozen=True)
class DigitsContrastiveConfig:
    """What is drawn, and how it is trained.

    Attributes:
        pairs: of a recording and a picture, drawn for each seed.
        hidden, dimension: of the networks, and of the shared space (and of CCA).
        steps, batch_size: of each training.
        temperature: where the learned temperature begins.
        validation, candidates: pictures that a choice, and the test, are made with.
        draws: how often ten pictures are drawn, one of each digit.
        seeds: each has pairs, first weights and batches of its own; recordings and pictures of the test are the same.
    """

    pairs: int = 20_000
    hidden: int = 256
    dimension: int = 32
    steps: int = 2_000
    batch_size: int = 256
    temperature: float = 0.1
    validation: int = 500
    candidates: int = 1_000
    draws: int = 20
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "DigitsContrastiveConfig":
        """Three seeds and a short training: minutes on one core."""
        return cls(pairs=5_000, hidden=128, steps=300, batch_size=128, seeds=(0, 1, 2))

    @classmethod
    def full(cls) -> "DigitsContrastiveConfig":
        """Five seeds of a longer one."""
        return cls()


class DigitsContrastive(Recipe):
    """One pair of networks with several losses, CCA, two classifiers that know the labels, and two controls."""

    name = "digits-contrastive"
    presets = DigitsContrastiveConfig
    methods = (UNTRAINED, SHUFFLED, ALIGNED, ALL, LEFT_OUT, SIGMOID, CLASSIFIERS)
    differences = ((ALL, ALIGNED), (LEFT_OUT, ALL), (SIGMOID, ALL), (CLASSIFIERS, LEFT_OUT))
    units: ClassVar = {TEN: "%", PRECISION: "%"}

    def load(self) -> None:
        """Recordings and pictures as vectors, scaled by the training's mean and deviation."""
        spoken = {split: data.load("fsdd", split=split) for split in ("train", "validation", "test")}
        agreed = Conventions.speech(spoken["train"].rate)
        spoken = {split: (as_vectors(sounds, agreed), sounds.y) for split, sounds in spoken.items()}
        written = {}
        for split in spoken:
            digits = data.load("mnist", split=split, validation=self.config.validation)
            if split == "test":
                digits = digits.select(torch.arange(min(self.config.candidates, len(digits))))
            written[split] = digits.examples().flatten(1), digits.y
        self.sides = [{split: (x.to(self.device), y) for split, (x, y) in side.items()} for side in (spoken, written)]
        for side in self.sides:
            mean, deviation = side["train"][0].mean(0), side["train"][0].std(0).mean()
            for split, (x, y) in side.items():
                side[split] = (x - mean) / deviation, y
        self.chosen = cache(self.chosen)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """What the test recordings find."""
        return {TEN: 100 * self.of_ten(*self.found(method, seed, folder, "test")),
                PRECISION: 100 * precision(*self.found(method, seed, folder, "test"))}  # fmt: skip

    def found(self, method: str, seed: int, folder: Path, split: str) -> tuple[Tensor, Tensor, Tensor]:
        """The scores of all recordings of a split with all pictures, and the digits of both."""
        return self.asked(self.chosen(method, seed, folder), split)

    def asked(self, scores: Scores, split: str) -> tuple[Tensor, Tensor, Tensor]:
        """The scores of a split by one map."""
        (x, digits), (y, others) = (side[split] for side in self.sides)
        return scores(x, y).cpu(), digits, others

    def chosen(self, method: str, seed: int, folder: Path) -> Scores:
        """The map that is best in validation."""
        fits = [lambda i=i: self.fitted(method, seed, i, folder / f"trial {i}") for i in range(len(RATES))]
        found = [each() for each in (fits[:1] if method == UNTRAINED else fits)]
        right = [precision(*self.asked(scores, "validation")) for scores in found]
        return found[right.index(max(right))]

    def pairs(self, seed: int, shuffled: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Recordings, pictures of the same digits, and the digits, so many as the settings say."""
        generator = runtime.generator(seed)
        (x, digits), (y, others) = (side["train"] for side in self.sides)
        first = torch.randint(len(x), (self.config.pairs,), generator=generator)
        second = torch.empty_like(first)
        for digit in digits.unique():
            members, of_digit = (others == digit).nonzero().flatten(), digits[first] == digit
            second[of_digit] = members[torch.randint(len(members), (int(of_digit.sum()),), generator=generator)]
        if shuffled:
            second = second[torch.randperm(len(second), generator=generator)]
        return x[first.to(x.device)], y[second.to(y.device)], digits[first].to(x.device)

    def fitted(self, method: str, seed: int, trial: int, folder: Path) -> Scores:
        """One trial of a method."""
        config = self.config
        x, y, digits = self.pairs(seed, method == SHUFFLED)
        if method == ALIGNED:
            model = CCA(min(config.dimension, x.shape[1], y.shape[1]), RIDGES[trial]).fit(x, y)
            return lambda a, b: by_cosine(*(z * model.correlations for z in crossed(model, a, b)))
        torch.manual_seed(seed)
        outputs = 10 if method == CLASSIFIERS else config.dimension
        networks = [network(side.shape[1], (config.hidden,), outputs).to(self.device) for side in (x, y)]
        if method == CLASSIFIERS:
            return self.classifiers(networks, (x, y), digits, RATES[trial], seed, folder)
        bias = {"bias": -10.0} if method == SIGMOID else {}
        model = DualEncoder(*networks, temperature=config.temperature, **bias).to(self.device)
        if method != UNTRAINED:
            train_pairs(
                model, x, y, steps=config.steps, batch_size=config.batch_size, rate=RATES[trial], seed=seed,
                groups=digits if method == LEFT_OUT else None, **saved_in(folder),
            )  # fmt: skip
        model.requires_grad_(False)
        return lambda a, b: by_cosine(*model(a, b))

    def classifiers(
        self, networks: list[nn.Module], sides, digits: Tensor, rate: float, seed: int, folder: Path
    ) -> Scores:
        """Two classifiers of digits; the score is the probability that both name the same digit."""
        both = nn.ModuleList(networks)
        batches = data.Batches(len(digits), self.config.batch_size, seed=seed, device=self.device)

        def loss(step: int) -> Tensor:
            rows = batches[step]
            return sum(F.cross_entropy(n(side[rows]), digits[rows]) for n, side in zip(both, sides, strict=True))

        fit(both, loss, torch.optim.AdamW(both.parameters(), lr=rate), steps=self.config.steps, **saved_in(folder))
        both.requires_grad_(False)
        return lambda a, b: both[0](a).softmax(1) @ both[1](b).softmax(1).T

    def of_ten(self, scores: Tensor, digits: Tensor, others: Tensor) -> float:
        """How often a recording finds its digit among ten pictures, one of each digit, drawn again and again."""
        generator, hits = runtime.generator(0), []
        groups = [(others == digit).nonzero().flatten() for digit in digits.unique()]
        for _ in range(self.config.draws):
            drawn = torch.stack([each[torch.randint(len(each), (1,), generator=generator)[0]] for each in groups])
            hits.append((digits.unique()[scores[:, drawn].argmax(1)] == digits).double().mean())
        return torch.stack(hits).mean().item()


def crossed(model: CCA, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The canonical variates of rows that need not be as many on both sides."""
    return (x - model.x_mean) @ model.x_weights, (y - model.y_mean) @ model.y_weights


def by_cosine(x: Tensor, y: Tensor) -> Tensor:
    """Cosines ``[n, m]``."""
    return F.normalize(x, dim=1) @ F.normalize(y, dim=1).T


def precision(scores: Tensor, digits: Tensor, others: Tensor) -> float:
    """The share of right digits among the ten best of each row."""
    best = scores.topk(min(10, scores.shape[1]), dim=1).indices
    return (others[best] == digits[:, None]).double().mean().item()


def as_vectors(sounds: Sounds, agreed: Conventions) -> Tensor:
    """Eight means over time of the MFCCs of each recording, ``[n, 8 * coefficients]``."""
    features = torch.cat([mfcc(part, sounds.rate, agreed) for part in sounds.x.split(200)])
    return segment_means(features, agreed.n_frames(sounds.lengths), 8)
