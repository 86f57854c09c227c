"""Recipe ``glyphs-transfer-rates``: the choices behind ``glyphs-transfer``, made on validation tasks.

Each contender has nine trials for each number of training classes: three rates of its training by three options of its
adaptation, or nine options where there is no training. The tasks are of Greek letters, which no test has, with one and
five shots. A seed of its own draws images, weights and tasks.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import ClassVar

from course.data import EpisodeSampler
from course.meta_learning.evaluation import evaluate
from course.meta_learning.transfer import CONTENDERS
from course.meta_learning.transfer import RATES as TRIALS
from course.reproduce.glyphs_transfer import CLASSES, FEW, GlyphsTransfer, GlyphsTransferConfig
from course.reproduce.results import Result
from course.reproduce.runner import Recipe

BETWEEN = " | "


def trials(name: str) -> tuple[tuple[float | None, object], ...]:
    """The pairs of a rate and an option that a contender tries."""
    contender = CONTENDERS[name]
    return tuple(product((None,) if contender.training == "untrained" else TRIALS, contender.options))


def label(name: str, rate: float | None, option: object) -> str:
    """The row of one trial."""
    return BETWEEN.join([name, "untrained" if rate is None else f"rate {rate}", str(option)])


@dataclass(frozen=True)
class GlyphsTransferRatesConfig:
    """The settings of ``glyphs-transfer``, but for these.

    Attributes:
        main: those settings.
        tasks: validation tasks of each number of shots.
        seeds: one, which the test does not have.
    """

    main: GlyphsTransferConfig
    tasks: int = 100
    seeds: tuple[int, ...] = (1_000,)

    @classmethod
    def quick(cls) -> "GlyphsTransferRatesConfig":
        """For the preset quick."""
        return cls(GlyphsTransferConfig.quick(), tasks=30)

    @classmethod
    def full(cls) -> "GlyphsTransferRatesConfig":
        """For the preset full."""
        return cls(GlyphsTransferConfig.full())


class GlyphsTransferRates(Recipe):
    """Nine trials for each contender and number of training classes."""

    name = "glyphs-transfer-rates"
    presets = GlyphsTransferRatesConfig
    settings = tuple(f"{classes} training classes" for classes in CLASSES)
    methods = tuple(label(name, *trial) for name in CONTENDERS for trial in trials(name))
    units: ClassVar = {"accuracy": "%"}
    over = "tasks"

    def load(self) -> None:
        """The recipe that this one chooses for draws the images and trains."""
        self.chosen_for = GlyphsTransfer(self.config.main, self.device)
        self.chosen_for.load()
        self.judged = cache(self.judged)

    def judged(self, seed: int, classes: int, name: str, rate: float | None, option, folder: Path) -> list[float]:
        """The accuracy of a contender on each validation task, of one and of five shots."""
        contender, main, config = CONTENDERS[name], self.chosen_for, self.config.main
        network = main.network(seed, contender.training, classes, config.images, rate, folder)
        predict, validation, found = contender.on(network, option), main.domain("validation", seed), []
        for k in FEW:
            sampler = EpisodeSampler(validation, 5, k, config.queries, tasks=10, seed=seed)
            found += (100 * evaluate(predict, sampler, self.config.tasks).values.double()).tolist()
        return found

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, list[float]]:
        """The accuracy on each validation task; who trains nothing is judged once for all settings."""
        name, rate, option = next(
            (name, *trial) for name in CONTENDERS for trial in trials(name) if label(name, *trial) == method
        )
        classes = self.config.main.classes[-1] if rate is None else int(setting.split()[0])
        return {"accuracy": self.judged(seed, classes, name, rate, option, folder.parent)}


def choices(result: Result, setting: str) -> tuple[dict[str, float], dict[str, object]]:
    """What a result of this recipe recommends in one setting: a rate for each training, an option for each contender.

    A training that several contenders share gets the rate with the highest mean, over those, of their best option; the
    options are the best ones at that rate. Of equally good ones the first is taken.
    """
    means = {name: metric.mean for name, metric in result.by_method("accuracy", setting).items()}
    rates, options = {}, {}
    for training in dict.fromkeys(each.training for each in CONTENDERS.values()):
        sharing = [name for name, each in CONTENDERS.items() if each.training == training]
        if training == "untrained":
            rate = None
        else:
            best = {
                rate: sum(max(means[label(name, rate, o)] for o in CONTENDERS[name].options) for name in sharing)
                for rate in TRIALS
            }
            rate = rates[training] = max(best, key=best.get)
        for name in sharing:
            options[name] = max(CONTENDERS[name].options, key=lambda option, n=name, r=rate: means[label(n, r, option)])
    return rates, options


def choices_by_classes(result: Result) -> tuple[dict[str, tuple], dict[str, tuple]]:
    """:func:`choices` in all settings, as ``RATES`` and ``OPTIONS`` of the recipe have them."""
    found = [choices(result, setting) for setting in GlyphsTransferRates.settings]
    return tuple({name: tuple(each[part][name] for each in found) for name in found[0][part]} for part in (0, 1))
