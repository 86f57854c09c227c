"""Recipes ``digits-fusion`` and ``glyphs-voices-fusion``: which fusion for which question, and what it bears.

The encoders are trained once for each seed and frozen; every fusion reads the same vectors, has as many weights as fit
into the same number, sees the same batches, and tries the same rates, of which the one is judged that is best on
complete, clean validation pairs. Tested are complete pairs, pairs that lack a modality (left out, or guessed from the
other one), and pairs in which one is noisy. At the end encoders and fusion are trained together on few pairs.
"""

from dataclasses import dataclass
from functools import cache
from math import log
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course import checkpoints, runtime
from course.crossmodal.experts import product_of_experts
from course.crossmodal.fusion import Early, Fusion
from course.crossmodal.fusion_kinds import KINDS, widest
from course.crossmodal.fusion_tasks import MATCH, SAME, SUM, TASKS, DrawnPairs, draw_pairs
from course.crossmodal.fusion_training import fused_scores, fusion_accuracy, train_fusion
from course.crossmodal.imputation import Imputer
from course.crossmodal.seen_and_heard import (
    EndToEnd,
    Part,
    encode,
    fresh_encoders,
    glyphs_and_voices,
    mnist_and_fsdd,
    standardised,
    train_encoders,
)
from course.metrics import calibration_error
from course.reproduce.runner import Recipe, saved_in

CLEAN, NO_IMAGE, NO_SOUND = "complete", "no image", "no sound"
IMAGE_GUESSED, SOUND_GUESSED = "image guessed", "sound guessed"
NOISY_IMAGE, NOISY_SOUND = "noisy image", "noisy sound"
LOSS, CALIBRATION = "loss", "calibration error"  # of complete pairs
END = "same digit, end to end"
CHANCE, IMAGE, SOUND = "chance", "image alone", "sound alone"
UNTRAINED, EXPERTS = "early, untrained", "product of experts"
EARLY, INTERMEDIATE, LATE, HYBRID, GATED_LATE, GATED_UNITS, ATTENTION, TENSOR, LOW_RANK = KINDS
DROPPED = {f"{kind}, dropout": kind for kind in (EARLY, LATE, GATED_LATE, ATTENTION)}
NOISED = {f"{kind}, noise in training": kind for kind in (EARLY, LATE, GATED_LATE)}
BOTH_NEEDED = (
    CHANCE, IMAGE, SOUND, UNTRAINED, EXPERTS, *KINDS,
    f"{EARLY}, dropout", f"{EARLY}, noise in training", f"{GATED_LATE}, noise in training",
)  # fmt: skip
RIDGES = (0.01, 0.1, 1.0)  # of a guess, of which validation chooses


@dataclass(frozen=True)
class FusionConfig:
    """What is trained, on how much, and how hard the test is.

    Attributes:
        pictures: in each of the four parts.
        filters, width: lengths of the vectors of a picture and of a recording.
        encoder_steps: of each encoder.
        pairs, judged: pairs in training, and in validation and test each.
        weights: at most so many has each fusion.
        steps, batch_size, rates: of each training of a fusion.
        dropout: the probability with which modality dropout takes a modality away.
        deviation, decibels: noise in pixels, and how far it is below a recording.
        few, few_steps, few_batch: pairs, steps and pairs a step where encoders and fusion are trained together.
        seeds: each has encoders, pairs, first weights and batches of its own.
    """

    pictures: int = 4_000
    filters: int = 64
    width: int = 64
    encoder_steps: int = 600
    pairs: int = 40_000
    judged: int = 4_000
    weights: int = 60_000
    steps: int = 3_000
    batch_size: int = 128
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    dropout: float = 0.3
    deviation: float = 0.2
    decibels: float = 10.0
    few: int = 1_000
    few_steps: int = 600
    few_batch: int = 64
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "FusionConfig":
        """Small encoders and short trainings: ten minutes on one thread."""
        return cls(
            pictures=2_000, filters=32, width=32, encoder_steps=200, pairs=10_000, judged=2_000, weights=20_000,
            steps=300, few_steps=150,
        )  # fmt: skip

    @classmethod
    def full(cls) -> "FusionConfig":
        """Larger encoders and ten times the steps: for a GPU, or an hour."""
        return cls()


@dataclass(frozen=True)
class GlyphsVoicesConfig(FusionConfig):
    """The same for digits that are noisy to begin with: more noise makes as much of a difference to them."""

    deviation: float = 0.6
    decibels: float = 2.0


class DigitsFusion(Recipe):
    """A handwritten digit and a spoken one, by all kinds of fusion, and what simple rules do."""

    name = "digits-fusion"
    presets = FusionConfig
    settings = (SAME, MATCH, SUM, END)
    methods = (CHANCE, IMAGE, SOUND, UNTRAINED, EXPERTS, *KINDS, *DROPPED, *NOISED)
    only: ClassVar = dict.fromkeys((MATCH, SUM), BOTH_NEEDED) | {END: (CHANCE, IMAGE, SOUND, EARLY, LATE)}
    units: ClassVar = dict.fromkeys(
        (CLEAN, NO_IMAGE, IMAGE_GUESSED, NO_SOUND, SOUND_GUESSED, NOISY_IMAGE, NOISY_SOUND), "%"
    ) | {LOSS: "", CALIBRATION: "%"}
    differences = (
        (EARLY, IMAGE), (LATE, IMAGE), (LATE, EXPERTS), (EARLY, LATE), (GATED_LATE, LATE), (GATED_LATE, EARLY),
        (INTERMEDIATE, EARLY), (HYBRID, EARLY), (GATED_UNITS, EARLY), (ATTENTION, EARLY), (TENSOR, EARLY),
        (LOW_RANK, EARLY), (LOW_RANK, TENSOR), *DROPPED.items(), *NOISED.items(),
        (f"{GATED_LATE}, noise in training", f"{EARLY}, noise in training"),
        (f"{GATED_LATE}, noise in training", f"{LATE}, noise in training"),
    )  # fmt: skip

    def load(self) -> None:
        """Read or make the four parts. What several rows of a seed share takes place once."""
        self.parts = {name: part.to(self.device) for name, part in self.read().items()}
        self.vectors, self.best = cache(self.vectors), cache(self.best)

    def read(self) -> dict[str, Part]:
        """The four parts."""
        return mnist_and_fsdd(self.config.pictures)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Accuracy on the test pairs under each condition; cross-entropy and calibration error on complete ones."""
        task = SAME if setting == END else setting
        if method == CHANCE:
            return dict.fromkeys(self.units, 100 / TASKS[task]) | {LOSS: log(TASKS[task]), CALIBRATION: 0.0}
        if setting == END:
            together = self.together(seed, method, folder)
            vectors, model = self.encoded(together.encoders), together.fusion
        else:
            vectors, model = self.vectors(seed, folder.parent), self.best(seed, task, method, folder.parent)
        pairs = self.pairs(seed, task, "test")
        found = {
            condition: 100 * (fused_scores(model, *given).argmax(1) == pairs.labels).double().mean().item()
            for condition, given in self.conditions(seed, task, vectors, model).items()
        }
        scores = fused_scores(model, self.paired(vectors["test"], pairs, model))
        loss, error = F.cross_entropy(scores, pairs.labels).item(), calibration_error(scores.softmax(1), pairs.labels)
        return found | {LOSS: loss, CALIBRATION: 100 * error}

    def vectors(self, seed: int, folder: Path) -> dict[str, dict[str, Tensor]]:
        """The frozen vectors of a seed, standardised, by part and modality; they are computed once and stored."""
        stored = folder / "vectors"
        if not checkpoints.exists(stored):
            config = self.config
            sizes = {"filters": config.filters, "width": config.width, "steps": config.encoder_steps}
            encoders = train_encoders(self.parts["encoders"], **sizes, seed=seed)
            raw = self.encoded(encoders)
            checkpoints.save(stored, 0, {name: standardised(each, raw["train"]) for name, each in raw.items()})
        read = checkpoints.load(stored)
        return {part: {name: x.to(self.device) for name, x in each.items()} for part, each in read.items()}

    def encoded(self, encoders: nn.ModuleDict) -> dict[str, dict[str, Tensor]]:
        """The vectors of all parts, and those of the noisy training and test parts."""
        used = {name: part for name, part in self.parts.items() if name != "encoders"}
        for seed, name in enumerate(("train", "test")):
            used[f"{name}, noisy"] = self.parts[name].noisy(self.config.deviation, self.config.decibels, seed=seed)
        return {name: encode(encoders, part) for name, part in used.items()}

    def pairs(self, seed: int, task: str, part: str) -> DrawnPairs:
        """The pairs of a part, the same for all methods of a seed."""
        count = self.config.pairs if part == "train" else self.config.judged
        number = 3 * seed + ("train", "validation", "test").index(part)
        of = self.parts[part]
        return draw_pairs(task, of.seen, of.heard, count, generator=runtime.generator(number))

    def paired(self, vectors: dict[str, Tensor], pairs: DrawnPairs, model: nn.Module) -> dict[str, Tensor]:
        """The vectors of pairs, of those modalities that a model reads."""
        rows = {"image": pairs.images, "sound": pairs.sounds}
        return {name: vectors[name][rows[name]] for name in model.sizes}

    def conditions(self, seed: int, task: str, vectors: dict, model: nn.Module) -> dict[str, tuple]:
        """What a model is given in each condition: vectors, and which modalities are present."""
        pairs = self.pairs(seed, task, "test")
        clean, noisy = (self.paired(vectors[part], pairs, model) for part in ("test", "test, noisy"))
        given = {CLEAN: (clean, None)}
        named = {"image": (NO_IMAGE, IMAGE_GUESSED, NOISY_IMAGE), "sound": (NO_SOUND, SOUND_GUESSED, NOISY_SOUND)}
        for name, (without, guessed, worse) in named.items():
            here = torch.tensor([other != name for other in model.sizes], device=pairs.labels.device)
            given[without] = clean, here.expand(len(pairs.labels), -1)
            given[guessed] = given[without]
            if len(model.sizes) == 2:
                given[guessed] = clean | {name: self.guess(seed, task, vectors, model, name)}, None
            given[worse] = {other: (noisy if other == name else clean)[other] for other in model.sizes}, None
        return given

    def guess(self, seed: int, task: str, vectors: dict, model: nn.Module, name: str) -> Tensor:
        """The vectors of a modality in the test pairs as the other one suggests them."""
        train, validation, test = (
            self.paired(vectors[part], self.pairs(seed, task, part), model) for part in ("train", "validation", "test")
        )
        [other] = [each for each in train if each != name]
        components = min(x.shape[1] for x in train.values())
        trials = [Imputer(components, ridge).fit(train[name].double(), train[other].double()) for ridge in RIDGES]

        def error(trial: Imputer) -> float:
            return (trial.first_from(validation[other].double()) - validation[name]).square().mean().item()

        return min(trials, key=error).first_from(test[other].double()).float()

    def best(self, seed: int, task: str, method: str, folder: Path) -> nn.Module:
        """The trained model of a method that is best on complete, clean validation pairs."""
        vectors, pairs = self.vectors(seed, folder), self.pairs(seed, task, "train")
        if method == EXPERTS:
            alone = [self.best(seed, task, each, folder) for each in (IMAGE, SOUND)]
            return Experts(alone, pairs.labels.bincount(minlength=TASKS[task]) / len(pairs.labels))
        if method == UNTRAINED:
            return self.fresh(method, task, seed)
        validation, trials = self.pairs(seed, task, "validation"), []
        for rate in self.config.rates:
            model = self.fresh(method, task, seed)
            inputs, labels = self.paired(vectors["train"], pairs, model), pairs.labels
            if method in NOISED:
                noisy = self.paired(vectors["train, noisy"], pairs, model)
                versions = inputs, *({**inputs, name: noisy[name]} for name in inputs)
                inputs = {name: torch.cat([each[name] for each in versions]) for name in inputs}
                labels = labels.repeat(len(versions))
            self.train(model, inputs, labels, method, rate, seed)
            judged = self.paired(vectors["validation"], validation, model)
            trials.append((fusion_accuracy(model, judged, validation.labels), model))
        return max(trials, key=lambda trial: trial[0])[1]  # the first of equally good ones

    def train(self, model: nn.Module, inputs: dict, labels: Tensor, method: str, rate: float, seed: int, **options):
        """One training on pairs."""
        settings = {"steps": self.config.steps, "batch_size": self.config.batch_size} | options
        dropout = self.config.dropout if method.endswith("dropout") else 0.0
        train_fusion(model, inputs, labels, rate=rate, dropout=dropout, seed=seed, **settings)

    def fresh(self, method: str, task: str, seed: int) -> Fusion:
        """An untrained fusion of a method."""
        sizes = {"image": self.config.filters, "sound": self.config.width}
        if method in (IMAGE, SOUND):
            sizes = {name: sizes[name] for name in sizes if method.startswith(name)}
        kind = KINDS.get(method.split(",")[0], Early)
        return widest(kind, sizes, TASKS[task], self.config.weights, generator=runtime.generator(seed)).to(self.device)

    def together(self, seed: int, method: str, folder: Path) -> EndToEnd:
        """Encoders and fusion, trained together on few pairs; the rate is chosen as for the others."""
        config, train, held_out = self.config, self.parts["train"], self.parts["validation"]
        pairs, validation = (self.pairs(seed, SAME, part) for part in ("train", "validation"))
        pairs, trials = DrawnPairs(*(each[: config.few] for each in pairs)), []
        for rate in config.rates:
            sizes = {"filters": config.filters, "width": config.width, "seed": seed}
            encoders, fusion = fresh_encoders(train.features.shape[1], **sizes), self.fresh(method, SAME, seed)
            model = EndToEnd(nn.ModuleDict({name: encoders[name] for name in fusion.sizes}).to(self.device), fusion)
            inputs = self.paired({"image": train.pictures, "sound": train.features}, pairs, fusion)
            options = {"steps": config.few_steps, "batch_size": config.few_batch} | saved_in(folder / f"rate {rate}")
            self.train(model, inputs, pairs.labels, method, rate, seed, **options)
            judged = self.paired(encode(model.encoders, held_out), validation, fusion)
            trials.append((fusion_accuracy(fusion, judged, validation.labels), model))
        return max(trials, key=lambda trial: trial[0])[1]


class GlyphsVoicesFusion(DigitsFusion):
    """A printed digit and a simulated vowel that stands for one; nothing is read."""

    name = "glyphs-voices-fusion"
    presets = GlyphsVoicesConfig

    def read(self) -> dict[str, Part]:
        """The four parts."""
        return glyphs_and_voices(self.config.pictures // 10)


class Experts(nn.Module):
    """The product of networks that were trained alone; a modality that is missing in the first row is left out.

    Args:
        alone: fusions of one modality each.
        shares: of the classes, ``[classes]``.
    """

    def __init__(self, alone: list[Fusion], shares: Tensor):
        super().__init__()
        self.alone = nn.ModuleList(alone)
        self.prior = shares.log()
        self.sizes = {name: size for one in alone for name, size in one.sizes.items()}

    def forward(self, inputs: dict[str, Tensor], present: Tensor | None = None) -> Tensor:
        """Logarithms of the posterior."""
        posteriors = []
        for number, one in enumerate(self.alone):
            if present is None or present[0, number]:
                posteriors.append(one({name: inputs[name] for name in one.sizes}).log_softmax(1))
        return product_of_experts(posteriors, self.prior)
