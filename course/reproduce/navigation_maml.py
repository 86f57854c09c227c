"""Recipe ``navigation-maml``: a place in the plane is found from rewards; which part of the meta-gradient pays?

Each way to train sees as many tasks and walks after the inner step. The inner rate is chosen of three in validation,
by the return after one step; so is the rate with which an untrained policy and a jointly trained one are adapted.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from course import runtime
from course.meta_learning.navigation import (
    KINDS,
    Navigation,
    meta_step_loss,
    policy_network,
    returns_of_adapted,
    straight_returns,
)
from course.reproduce.runner import Recipe, saved_in
from course.training import fit

UNTRAINED, KNOWS = "untrained policy", "knows the place"
ROWS = {
    "trained on all tasks, no inner step": "jointly",
    "MAML, first order": "first order",
    "MAML, through the step": "through the step",
    "MAML, both parts": "both parts",
}
AFTER = {"before": 0, "after one step": 1, "after three steps": 3}
INNER_RATES, OUTER_RATE = (0.03, 0.1, 0.2), 3e-3


@dataclass(frozen=True)
class NavigationConfig:
    """What is trained, and how it is judged.

    Attributes:
        hidden: of the policy's two hidden layers.
        steps, places: outer steps, and tasks in each.
        walks, horizon: of each task, and steps of a walk.
        judged: places of validation, and of the test.
        seeds: each has first weights, places and walks of its own.
    """

    hidden: int = 100
    steps: int = 500
    places: int = 20
    walks: int = 20
    horizon: int = 100
    judged: int = 200
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "NavigationConfig":
        """Short walks and small policies: minutes on one core."""
        return cls(hidden=32, steps=300, horizon=15)

    @classmethod
    def full(cls) -> "NavigationConfig":
        """The paper's walks and policy."""
        return cls()


class NavigationMAML(Recipe):
    """Four ways to train the same policy, the untrained one, and somebody who knows the place."""

    name = "navigation-maml"
    presets = NavigationConfig
    methods = (UNTRAINED, *ROWS, KNOWS)
    settings = tuple(AFTER)
    units: ClassVar = {"return": ""}
    differences = (
        ("MAML, through the step", "trained on all tasks, no inner step"),
        ("MAML, both parts", "MAML, through the step"),
        ("MAML, first order", "MAML, through the step"),
    )

    def load(self) -> None:
        """Nothing is read. What the settings share takes place once."""
        self.task = Navigation(horizon=self.config.horizon, walks=self.config.walks)
        self.chosen = cache(self.chosen)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The mean return on new places."""
        if method == KNOWS:
            places = self.task.places(self.config.judged, runtime.generator(2))
            return {"return": straight_returns(self.task, places).mean().item()}
        policy, rate = self.chosen(method, seed, folder.parent / method)
        return {"return": self.returns(policy, rate, 2)[AFTER[setting]].item()}

    def returns(self, policy: nn.Module, rate: float, seed: int) -> torch.Tensor:
        """The mean returns after 0 to 3 steps on places drawn with a seed."""
        generator = runtime.generator(seed)
        places = self.task.places(self.config.judged, generator).to(self.device)
        return returns_of_adapted(self.task, policy, places, generator, rate=rate, steps=3).mean(1)

    def chosen(self, method: str, seed: int, folder: Path) -> tuple[nn.Module, float]:
        """The policy and the inner rate that are best in validation after one step."""
        trials = [(self.policy(method, rate, seed, folder), rate) for rate in INNER_RATES]
        found = [self.returns(policy, rate, 1)[1].item() for policy, rate in trials]
        return trials[found.index(max(found))]

    def policy(self, method: str, rate: float, seed: int, folder: Path) -> nn.Module:
        """A policy, trained with this inner rate unless it has none in training."""
        torch.manual_seed(seed)
        policy = policy_network(self.config.hidden).to(self.device)
        if method == UNTRAINED:
            return policy
        kind = ROWS[method]
        where = folder if kind == KINDS[3] else folder / f"rate {rate}"

        def loss(step: int) -> torch.Tensor:
            generator = runtime.generator(1_000_000 * (1 + seed) + step)
            places = self.task.places(self.config.places, generator).to(self.device)
            return meta_step_loss(self.task, policy, places, generator, rate=rate, kind=kind)[0]

        fit(policy, loss, torch.optim.Adam(policy.parameters(), lr=OUTER_RATE), steps=self.config.steps,
            **saved_in(where))  # fmt: skip
        return policy
