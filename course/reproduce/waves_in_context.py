"""Recipe ``waves-in-context``: a learner without an algorithm of its own, MAML, and three fits, inside and outside.

All that is trained sees as many tasks of as many points, of noisy waves from one family. Then the waves become larger,
are shifted further, or lie elsewhere on the axis. A rate is chosen of three on validation waves of the *training*
family, and so are MAML's test steps and the length of the smooth fit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.data import Episode, SinusoidTasks
from course.meta_learning.curve_fits import kernel_ridge, wave_fit, wave_posterior
from course.meta_learning.in_context import InContextConfig, InContextLearner, InContextNetwork
from course.meta_learning.maml import MAML, MAMLConfig
from course.reproduce.runner import Recipe, saved_in

UNTRAINED, UNTRAINED_MAML, SMOOTH, IN_CONTEXT, MODEL_AGNOSTIC, POSTERIOR, KNOWS = (
    "in-context network, untrained", "MAML's network, untrained", "smooth fit (kernel ridge)", "in-context learner",
    "MAML", "posterior mean, knows the training family", "fit of a wave, knows all waves",
)  # fmt: skip
INSIDE, LARGER, SHIFTED, ELSEWHERE = "as in training", "amplitudes 5 to 10", "phases π to 2π", "x from 5 to 10"
NOISE = 0.3
FAMILIES = {
    INSIDE: SinusoidTasks(noise=NOISE),
    LARGER: SinusoidTasks(noise=NOISE, amplitude=(5.0, 10.0)),
    SHIFTED: SinusoidTasks(noise=NOISE, phase=(pi, 2 * pi)),
    ELSEWHERE: SinusoidTasks(noise=NOISE, x=(5.0, 10.0)),
}
RATES = (1e-3, 2e-3, 4e-3)  # of Adam, for the network that reads
INNER_RATES, OUTER_RATE, TEST_STEPS = (0.003, 0.01, 0.03), 3e-3, (1, 3, 10)
LENGTHS = (0.5, 1.0, 2.0)
MOST = 10.0  # an error ten times that of predicting 0 counts as this: some fits run away
ERROR = "error, share of what predicting 0 has"
Predict = Callable[[Episode], Tensor]


@dataclass(frozen=True)
class WavesConfig:
    """What is trained, and how it is judged.

    Attributes:
        shots: points of a task's support.
        tasks, queries: in a training step, and of each task.
        steps: of each training.
        layers, width: of the in-context network; ``hidden`` is MAML's.
        judged: tasks of validation, and of each test.
        seeds: each has first weights and training tasks of its own; the tests are the same.
    """

    shots: int = 10
    tasks: int = 16
    queries: int = 10
    steps: int = 20_000
    layers: int = 4
    width: int = 64
    hidden: int = 40
    judged: int = 400
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "WavesConfig":
        """A short training of small networks: minutes on one core."""
        return cls(steps=1_500, layers=2, width=32)

    @classmethod
    def full(cls) -> "WavesConfig":
        """Ten times as long."""
        return cls()


class WavesInContext(Recipe):
    """Two learned learners, their untrained starts, and three fits that learned nothing beforehand."""

    name = "waves-in-context"
    presets = WavesConfig
    methods = (UNTRAINED, UNTRAINED_MAML, SMOOTH, IN_CONTEXT, MODEL_AGNOSTIC, POSTERIOR, KNOWS)
    settings = tuple(FAMILIES)
    units: ClassVar = {ERROR: ""}
    differences = (
        (IN_CONTEXT, MODEL_AGNOSTIC),
        (IN_CONTEXT, SMOOTH),
        (MODEL_AGNOSTIC, SMOOTH),
        (IN_CONTEXT, POSTERIOR),
    )

    def load(self) -> None:
        """Draw the waves of validation."""
        self.validation = self.drawn(INSIDE, seed=1)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The error on new waves of a family."""
        predict = self.chosen(method, seed, folder.parent / method)
        return {ERROR: share_of_zero(predict, self.drawn(setting, seed=2))}

    def drawn(self, setting: str, seed: int) -> Episode:
        """Waves that nothing was trained on."""
        config = self.config
        return FAMILIES[setting].sampler(config.shots, 20, config.judged, seed=seed, device=self.device)[0]

    def chosen(self, method: str, seed: int, folder: Path) -> Predict:
        """The best of a method's trials on validation waves of the training family."""
        trials = self.trials(method, seed, folder)
        errors = [share_of_zero(trial, self.validation) for trial in trials]
        return trials[errors.index(min(errors))]

    def trials(self, method: str, seed: int, folder: Path) -> list[Predict]:
        """What a method tries."""
        if method == KNOWS:
            return [lambda e: wave_fit(e.support_x, e.support_y, e.query_x)]
        if method == POSTERIOR:
            prior = FAMILIES[INSIDE]
            known = {"amplitude": prior.amplitude, "phase": prior.phase, "noise": prior.noise}
            return [lambda e: wave_posterior(e.support_x, e.support_y, e.query_x, **known)]
        if method == SMOOTH:
            ridge = NOISE**2 / self.validation.support_y.var().item()
            return [
                lambda e, length=length: kernel_ridge(e.support_x, e.support_y, e.query_x, length=length, ridge=ridge)
                for length in LENGTHS
            ]
        if method == UNTRAINED:
            return [in_context(self.config, RATES[0], seed, self.device).predictions]
        if method == IN_CONTEXT:
            return [self.trained(in_context, rate, seed, folder / f"rate {rate}").predictions for rate in RATES]
        rates = [(rate, folder / f"rate {rate}") for rate in INNER_RATES]
        if method == UNTRAINED_MAML:
            learners = [model_agnostic(self.config, rate, seed, self.device) for rate in INNER_RATES]
        else:
            learners = [self.trained(model_agnostic, rate, seed, saved) for rate, saved in rates]
        return [lambda e, one=one, n=n: one.predictions(e, steps=n) for one in learners for n in TEST_STEPS]

    def trained(self, make: Callable, rate: float, seed: int, folder: Path) -> MAML | InContextLearner:
        """A learner after its training."""
        learner = make(self.config, rate, seed, self.device)
        return train(learner, self.config, FAMILIES[INSIDE], seed, folder)


def train(learner: MAML | InContextLearner, config: WavesConfig, family: SinusoidTasks, seed: int, folder: Path):
    """Train on waves of a family; what reads needs rates that rise at first and fall in the end."""
    options = saved_in(folder)
    if isinstance(learner, InContextLearner):
        rate = learner.config.outer_lr
        optimizer = torch.optim.Adam(learner.model.parameters(), lr=rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=config.steps)
        options |= {"optimizer": optimizer, "scheduler": schedule}
    device = next(learner.model.parameters()).device
    sampler = family.sampler(config.shots, config.queries, config.tasks, seed=10 + seed, device=device)
    learner.train(sampler, steps=config.steps, **options)
    return learner


def in_context(config: WavesConfig, rate: float, seed: int, device: torch.device) -> InContextLearner:
    """An untrained network that reads a support set."""
    torch.manual_seed(seed)
    network = InContextNetwork(layers=config.layers, width=config.width).to(device)
    return InContextLearner(network, InContextConfig(outer_lr=rate))


def model_agnostic(config: WavesConfig, rate: float, seed: int, device: torch.device) -> MAML:
    """MAML with the network of its paper, untrained."""
    torch.manual_seed(seed)
    size = config.hidden
    layers = (nn.Linear(1, size), nn.ReLU(), nn.Linear(size, size), nn.ReLU(), nn.Linear(size, 1))
    settings = MAMLConfig(inner_lr=rate, outer_lr=OUTER_RATE, meta_batch=config.tasks)
    return MAML(nn.Sequential(*layers).to(device), settings, loss=F.mse_loss)


def share_of_zero(predict: Predict, episode: Episode) -> float:
    """The squared error of each task's queries over that of predicting 0, at most 10, in the mean over the tasks."""
    misses = (predict(episode) - episode.query_y).square().mean((1, 2))
    share = misses / episode.query_y.square().mean((1, 2))
    return share.nan_to_num(MOST).clamp(max=MOST).mean().item()
