"""Recipe ``omniglot-maml``: characters never seen before, one drawing of each (Finn et al., 2017, Table 1).

MAML is trained on tasks from Omniglot's training characters, which also come rotated by 90, 180 and 270 degrees, and
tested on upright test characters. Beside it stand three competitors that never see an episode: nearest neighbour in
pixels, nearest neighbour in the vectors of a network pretrained to name all training characters, and that network
fine-tuned on the support set.

Every network normalises by the statistics of the images at hand, as in the paper: all queries of a task are seen
together ("transductive"). So each competitor gets the same.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LinearLR

from course import data, runtime
from course.data import EpisodeSampler
from course.meta_learning.baselines import best_rate, fine_tuning, nearest_neighbour, pretrain, with_new_head
from course.meta_learning.evaluation import Predict, evaluate
from course.meta_learning.maml import MAML, MAMLConfig
from course.representation.cnn import Conv4
from course.reproduce.runner import Recipe, saved_in

WAYS = {"5-way 1-shot": 5, "20-way 1-shot": 20}


@dataclass(frozen=True)
class OmniglotMAMLConfig:
    """What is trained and how it is measured.

    Attributes:
        five_way, twenty_way: MAML's settings for 5-way and for 20-way 1-shot tasks.
        queries: query images of each class while training; the paper has one.
        decay: whether the outer rate falls linearly to zero; in the paper it is constant.
        test_queries: query images of each class of a test task.
        episodes: test tasks for each seed.
        seeds: of initial weights, training tasks and test tasks. With one seed the intervals are over test tasks,
            with several they are over seeds.
        validate_every: outer steps between two validations.
        validation_tasks: how many tasks from validation characters each validation averages over.
        naming_steps, naming_batch, naming_rate: steps, images in a step and Adam's rate of the pretrained competitor.
        fine_tuning_steps: gradient steps of fine-tuning.
        fine_tuning_rates: the best one on validation characters is taken.
    """

    five_way: MAMLConfig
    twenty_way: MAMLConfig
    queries: int
    decay: bool
    seeds: tuple[int, ...]
    naming_steps: int
    naming_rate: float
    naming_batch: int = 128
    test_queries: int = 5
    episodes: int = 1_000
    validate_every: int = 500
    validation_tasks: int = 100
    fine_tuning_steps: int = 10
    fine_tuning_rates: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)

    @classmethod
    def quick(cls) -> "OmniglotMAMLConfig":
        """One seed and small networks: ten minutes on one core of a laptop."""
        smaller = {"outer_lr": 3e-3, "filters": 32}
        five_way = MAMLConfig(inner_lr=0.1, test_steps=3, meta_batch=4, iterations=3_000, **smaller)
        twenty_way = MAMLConfig(inner_lr=0.4, test_steps=5, meta_batch=2, iterations=1_500, **smaller)
        naming = {"naming_steps": 4_000, "naming_rate": 3e-3}  # about as long as MAML takes for 5-way tasks
        return cls(five_way, twenty_way, queries=3, decay=True, seeds=(0,), episodes=600, **naming)

    @classmethod
    def full(cls) -> "OmniglotMAMLConfig":
        """The paper's setting, with three seeds: hours on a GPU."""
        five_way, twenty_way = MAMLConfig.full(5), MAMLConfig.full(20)
        longer = {"naming_steps": 20_000, "naming_rate": 1e-3, "validate_every": 2_000}
        return cls(five_way, twenty_way, queries=1, decay=False, seeds=(0, 1, 2), **longer)

    @property
    def ways(self) -> dict[int, MAMLConfig]:
        """MAML's settings by number of classes."""
        return {5: self.five_way, 20: self.twenty_way}


class OmniglotMAML(Recipe):
    """MAML and its competitors on the same test tasks."""

    name = "omniglot-maml"
    presets = OmniglotMAMLConfig
    methods = ("MAML", "nearest in pixels", "pretrained, nearest", "pretrained, fine-tuned")
    settings = tuple(WAYS)
    units: ClassVar = {"accuracy": "%"}
    over = "episodes"
    paper: ClassVar = {
        ("MAML", "accuracy", "5-way 1-shot"): (98.7, 0.4),
        ("MAML", "accuracy", "20-way 1-shot"): (95.8, 0.3),
    }

    def load(self) -> None:
        """The characters of each split; those of training also come rotated."""
        self.splits = {
            split: data.load("omniglot", split=split, rotations=split == "train").to(self.device)
            for split in ("train", "validation", "test")
        }

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, list[float]]:
        """The accuracy on each test task."""
        n_way = WAYS[setting]
        learner = self.learner(method, n_way, self.config.ways[n_way], seed, folder)
        test = self.episodes("test", n_way, self.config.test_queries, 20, seed)
        return {"accuracy": (100 * evaluate(learner, test, self.config.episodes).values.double()).tolist()}

    def learner(self, method: str, n_way: int, settings: MAMLConfig, seed: int, folder: Path) -> Predict:
        """A method, trained."""
        if method == "MAML":
            return self.meta_learned(n_way, settings, seed, folder).predictions
        if method == "nearest in pixels":
            return partial(nearest_neighbour, embed=nn.Flatten())
        namer = self.pretrained(settings.filters, seed, folder.parent)
        if method == "pretrained, nearest":
            return partial(nearest_neighbour, embed=namer.embed)
        start = with_new_head(namer, n_way)

        def fine_tuned(rate: float) -> Predict:
            return fine_tuning(start, lr=rate, steps=self.config.fine_tuning_steps)

        tasks = self.config.validation_tasks
        validation = self.episodes("validation", n_way, self.config.test_queries, tasks, seed)
        return fine_tuned(best_rate(self.config.fine_tuning_rates, fine_tuned, validation, tasks))

    def meta_learned(self, n_way: int, settings: MAMLConfig, seed: int, folder: Path) -> MAML:
        """MAML, trained for tasks of ``n_way`` classes."""
        maml = MAML(self.conv4(n_way, settings.filters, seed), settings)
        maml.train(
            self.episodes("train", n_way, self.config.queries, settings.meta_batch, seed),
            validation=self.episodes("validation", n_way, self.config.test_queries, 10, seed),
            validate_every=self.config.validate_every,
            validation_tasks=self.config.validation_tasks,
            **self.options(folder, settings.iterations, maml.optimizer()),
        )
        return maml

    def pretrained(self, filters: int, seed: int, folder: Path) -> Conv4:
        """The competitor's network: it has learned to name all training characters, without episodes."""
        characters, steps = self.splits["train"], self.config.naming_steps
        namer = self.conv4(len(characters.classes), filters, seed)
        optimizer = Adam(namer.parameters(), lr=self.config.naming_rate)
        options = self.options(folder / f"naming-{filters}-filters", steps, optimizer)
        pretrain(namer, characters, batch_size=self.config.naming_batch, seed=seed, **options)
        return namer

    def episodes(self, split: str, n_way: int, queries: int, tasks: int, seed: int) -> EpisodeSampler:
        """1-shot episodes of ``tasks`` tasks each, with ``queries`` query images of each class."""
        return EpisodeSampler(self.splits[split], n_way, 1, queries, tasks, seed=seed)

    def conv4(self, classes: int, filters: int, seed: int) -> Conv4:
        """A network with fresh weights, which depend only on ``seed``."""
        size = self.splits["train"].x.shape[-1]
        return Conv4(classes, filters=filters, size=size, generator=runtime.generator(seed)).to(self.device)

    def options(self, checkpoint: Path, steps: int, optimizer: Optimizer) -> dict:
        """What every training run of this recipe passes to :func:`course.training.fit`."""
        return {
            "steps": steps,
            "optimizer": optimizer,
            "scheduler": LinearLR(optimizer, 1.0, 0.0, total_iters=steps) if self.config.decay else None,
            **saved_in(checkpoint),
        }
