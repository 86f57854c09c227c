"""What the recipes of maps between two kinds of pictures share: rows, trials, and one training for both directions."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from course.crossmodal.cyclegan import CycleGAN, CycleGANConfig, train_cyclegan
from course.crossmodal.translation_test import cropped, different, linear_translation
from course.reproduce.runner import Recipe, saved_in

NOTHING, UNTRAINED, CROP = "no map", "untrained generator", "crop to the ink"
SMALL_CROP = "crop to the ink, after the picture was made smaller"
DARKER = "crop after the picture was made smaller, and more ink"
TRANSPORT = "Gaussian optimal transport"
CYCLEGAN, NO_CYCLE, NO_IDENTITY = "CycleGAN", "CycleGAN without cycle loss", "CycleGAN without identity loss"
ALONE = "adversarial loss alone"
SIMPLE_TRIALS = {TRANSPORT: (0.01, 0.1, 1.0, 10.0), DARKER: (1.0, 1.5, 2.0, 3.0)}  # ridges; factors of the ink
SELECTION_SEED = 100
LONGER = 4  # times as many steps, in a setting that is called so
SHOWN = 500  # pictures that are compared to count different ones
Translate = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TranslationConfig:
    """How the networks are trained.

    Attributes:
        steps: of a training; half of them in a trial.
        width, critic_width, blocks, batch_size: see :class:`course.crossmodal.cyclegan.CycleGANConfig`.
        rates: learning rates that are tried.
        trials_with_cycle: rates and weights of the cycle loss that are tried where there is one.
        seeds: each has weights and batches of its own.
    """

    steps: int = 20_000
    width: int = 32
    critic_width: int = 32
    blocks: int = 2
    batch_size: int = 16
    rates: tuple[float, ...] = (3e-4, 6e-4, 1e-3, 2e-3)
    trials_with_cycle: tuple[tuple[float, float], ...] = ((6e-4, 3.0), (1e-3, 1.0), (1e-3, 3.0), (1e-3, 10.0))
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def trials(self, method: str) -> tuple[tuple[float, ...], ...]:
        """What is tried for a method, always four: a rate and a weight of the cycle loss, or one number."""
        if method in (CYCLEGAN, NO_IDENTITY):
            return self.trials_with_cycle
        if method in (NO_CYCLE, ALONE):
            return tuple((rate, 0.0) for rate in self.rates)
        return tuple((each,) for each in SIMPLE_TRIALS.get(method, (0, 1, 2, 3)))


class Translations(Recipe):
    """Maps there and back: the first setting is from x to y, the second from y to x.

    A training serves both directions, so what is tried for networks is judged by both, in validation and with a seed of
    its own; what is tried for the other maps, by each. Maps begin with the pictures as they come, of any size.
    """

    side = 16  # pixels

    def load(self) -> None:
        """What several cells share takes place once."""
        self.read()
        self.chosen, self.model = cache(self.chosen), cache(self.model)

    @abstractmethod
    def read(self) -> None:
        """Set ``self.x`` and ``self.y``, the training pictures of both kinds, ``[n, 1, 16, 16]`` from 0 to 1."""

    @abstractmethod
    def judge(self, translate: Translate, there: bool, split: str, seed: int) -> dict[str, float]:
        """What is found of a map in one direction."""

    @abstractmethod
    def score(self, found: dict[str, float]) -> float:
        """What decides in validation: a high number is good."""

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Judge one map in one direction on test pictures."""
        there = not setting.startswith(self.settings[1])
        steps = self.config.steps * (LONGER if "longer" in setting else 1)
        translate = self.map(method, there, seed, self.chosen(method, there), steps, folder.parent)
        return self.judge(translate, there, "test", seed)

    def map(
        self, method: str, there: bool, seed: int, trial: tuple[float, ...], steps: int, folder: Path | None
    ) -> Translate:
        """The map of a method in one direction."""
        if method == NOTHING:
            return self.small
        if method == CROP:
            return lambda pictures: cropped(pictures, self.side, margin=trial[0])
        if method == SMALL_CROP:
            return lambda pictures: cropped(self.small(pictures), self.side, margin=trial[0])
        if method == DARKER:
            return lambda pictures: (trial[0] * cropped(self.small(pictures), self.side)).clamp(0, 1)
        if method == TRANSPORT:
            moved = linear_translation(*((self.x, self.y) if there else (self.y, self.x)), ridge=trial[0])
            return lambda pictures: moved(self.small(pictures))
        model = self.model(method, seed, trial, steps, folder)
        return lambda pictures: (model.there if there else model.back)(self.small(pictures))

    def small(self, pictures: Tensor) -> Tensor:
        """Pictures at the networks' size, by averages over areas."""
        return F.adaptive_avg_pool2d(pictures, self.side)

    def chosen(self, method: str, there: bool) -> tuple[float, ...]:
        """The trial that is best in validation, the first of equally good ones; a trial has half of the steps."""
        if method in (NOTHING, UNTRAINED):
            return ()
        seed, steps = SELECTION_SEED, self.config.steps // 2
        ways = (True, False) if method in (CYCLEGAN, NO_CYCLE, NO_IDENTITY, ALONE) else (there,)

        def score(trial: tuple[float, ...]) -> float:
            maps = {way: self.map(method, way, seed, trial, steps, None) for way in ways}
            return sum(self.score(self.judge(each, way, "validation", seed)) for way, each in maps.items())

        return max(self.config.trials(method), key=score)

    def model(self, method: str, seed: int, trial: tuple[float, ...], steps: int, folder: Path | None) -> CycleGAN:
        """Networks of a method and a seed; untrained ones are those that the training begins with."""
        config, (rate, cycle) = self.config, trial or (1e-3, 3.0)
        identity = 0.0 if method in (NO_IDENTITY, ALONE) else (cycle or 3.0) / 2
        made = CycleGANConfig.quick(
            rate=rate, cycle=cycle, identity=identity, batch_size=config.batch_size, width=config.width,
            blocks=config.blocks, critic_width=config.critic_width, pool=max(50, config.batch_size),
        )  # fmt: skip
        model = CycleGAN.for_pictures(self.x.shape[1:], made, seed=seed).to(self.device)
        if method != UNTRAINED:
            saved = saved_in(folder / f"{method}, {steps} steps") if folder else {}
            train_cyclegan(model, self.x, self.y, steps=steps, seed=seed, **saved)
        return model.eval()

    def variety(self, made: Tensor, real: Tensor) -> float:
        """How many different pictures are among the first made ones, in % of their number.

        Two are different when they are farther apart than half the usual distance of a real one from its nearest.
        """
        made, real = made[:SHOWN], real[:SHOWN]
        apart = torch.cdist(real.flatten(1), real.flatten(1), p=1) / real[0].numel()
        nearest = apart.fill_diagonal_(torch.inf).amin(1).median().item()
        return 100 * different(made, nearest / 2) / len(made)
