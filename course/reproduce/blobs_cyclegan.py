"""Recipe ``blobs-cyclegan``: which map do networks find that are trained without pairs, where the right one is known?

Four blobs at the corners of a square, and the same four, turned. Many small networks are trained side by side, and each
is asked where it leads the corners. The square has 8 symmetries, and 24 orders of its corners; the true map is one
of them.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course.crossmodal.cyclegan import CycleGANConfig, train_cyclegan
from course.crossmodal.rearrangements import CORNERS, blobs, corner_maps, kinds_of, translators_of_the_plane, turned
from course.reproduce.runner import Recipe, saved_in

NOTHING, UNTRAINED = "no map", "untrained networks"
ALONE, CYCLE, IDENTITY, PAIRED = (
    "adversarial loss alone",
    "with cycle loss",
    "with cycle and identity loss",
    "with pairs",
)
WEIGHTS = {ALONE: (0.0, 0.0), CYCLE: (10.0, 0.0), IDENTITY: (10.0, 5.0)}  # of cycle and identity loss
SETTINGS = {  # the true turn in degrees, and the shares of the blobs
    "turned by 30°": (30.0, (0.25, 0.25, 0.25, 0.25)),
    "turned by 60°": (60.0, (0.25, 0.25, 0.25, 0.25)),
    "turned by 60°, unequal shares": (60.0, (0.4, 0.3, 0.2, 0.1)),
}
RATES = (3e-4, 1e-3, 3e-3)
SELECTION_SEED = 100


@dataclass(frozen=True)
class BlobsCycleGANConfig:
    """What is trained.

    Attributes:
        runs: networks side by side, for each seed.
        points: of each kind, for each run.
        steps, batch_size, hidden: of each training.
        seeds: each has its own weights and points.
    """

    runs: int = 100
    points: int = 2_000
    steps: int = 4_000
    batch_size: int = 64
    hidden: int = 32
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "BlobsCycleGANConfig":
        """Three times twenty networks: two minutes on one thread."""
        return cls(runs=20, points=1_000, steps=600, seeds=(0, 1, 2))

    @classmethod
    def full(cls) -> "BlobsCycleGANConfig":
        """Five times a hundred networks, trained longer."""
        return cls()


class BlobsCycleGAN(Recipe):
    """Three losses, three targets, and how many networks have become which map."""

    name = "blobs-cyclegan"
    presets = BlobsCycleGANConfig
    settings = tuple(SETTINGS)
    methods = (NOTHING, UNTRAINED, ALONE, CYCLE, IDENTITY, PAIRED)
    units: ClassVar = {"one to one": "%", "turn": "%", "reflection": "%", "true map": "%"}
    differences = ((CYCLE, ALONE), (IDENTITY, CYCLE))

    def load(self) -> None:
        """Points are drawn for each seed. The rate of a method is chosen once."""
        self.rate = cache(self.rate)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Shares of the networks whose map of the corners is of a kind."""
        maps = self.maps(seed, setting, method, self.rate(setting, method), self.config.steps, folder)
        kinds, runs = kinds_of(maps), len(maps)
        return {
            "one to one": 100 * (runs - kinds["not one to one"]) / runs,
            "turn": 100 * kinds["turns"] / runs,
            "reflection": 100 * kinds["reflections"] / runs,
            "true map": 100 * kinds["no turn"] / runs,
        }

    def rate(self, setting: str, method: str) -> float:
        """The rate with which most networks of another seed reach every corner, in half of the steps.

        Nobody needs a pair for that.
        """
        if method not in WEIGHTS:
            return RATES[0]

        def one_to_one(rate: float) -> int:
            maps = self.maps(SELECTION_SEED, setting, method, rate, self.config.steps // 2, None)
            return len(maps) - kinds_of(maps)["not one to one"]

        return max(RATES, key=one_to_one)

    def maps(self, seed: int, setting: str, method: str, rate: float, steps: int, folder: Path | None) -> Tensor:
        """Where each network leads the corners, by the numbers that their true images have."""
        degrees, shares = SETTINGS[setting]
        targets, config = turned(CORNERS, degrees), self.config
        if method == NOTHING:
            return corner_maps(lambda x: x, CORNERS, targets, config.runs)
        if method == PAIRED:  # the best linear map of pairs, which is the turn itself
            x = blobs(CORNERS, config.points, config.runs, shares=shares, seed=3 * seed).transpose(0, 1)
            matrices = torch.linalg.lstsq(x, turned(x, degrees)).solution
            return corner_maps(lambda x: torch.einsum("nri,rio->nro", x, matrices), CORNERS, targets, config.runs)
        cycle, identity = WEIGHTS.get(method, (0.0, 0.0))
        made = CycleGANConfig(
            cycle=cycle, identity=identity, rate=rate, pool=config.batch_size, batch_size=config.batch_size
        )
        model = translators_of_the_plane(config.runs, made, config.hidden, seed=seed).to(self.device)
        if method != UNTRAINED:
            x, y = (
                blobs(centres, config.points, config.runs, shares=shares, seed=3 * seed + number)
                for number, centres in enumerate((CORNERS, targets), 1)
            )
            saved = {} if folder is None else saved_in(folder)
            train_cyclegan(model, x.to(self.device), y.to(self.device), steps=steps, seed=seed, **saved)
        return corner_maps(model.there, CORNERS.to(self.device), targets.to(self.device), config.runs)
