"""Recipe ``omniglot-maml``: characters never seen before, one drawing of each (Finn et al., 2017, Table 1).

MAML is trained on tasks from Omniglot's training characters, which also come rotated by 90, 180 and 270 degrees, and
tested on upright test characters. Beside it stand three competitors that never see an episode: nearest neighbour in
pixels, nearest neighbour in the vectors of a network pretrained to name all training characters, and that network
fine-tuned on the support set.

Every network normalises by the statistics of the images at hand, as in the paper: all queries of a task are seen
together ("transductive"). So each competitor gets the same.
"""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

from course import data, runtime
from course.data import Episode, EpisodeSampler, LabelledSet
from course.meta_learning.baselines import best_rate, fine_tuning, nearest_neighbour, pretrain, with_new_head
from course.meta_learning.evaluation import evaluate
from course.meta_learning.maml import MAML, MAMLConfig
from course.metrics import interval95
from course.representation.cnn import Conv4
from course.reproduce.results import (
    Clock,
    Metric,
    measured_on,
    metric_over_seeds,
    result_path,
    save_result,
    settings_of,
)

if TYPE_CHECKING:
    from accelerate import Accelerator

PAPER = {5: (98.7, 0.4), 20: (95.8, 0.3)}  # n_way: accuracy and half width in percent, 1-shot
RUNS = Path("runs")  # checkpoints, below the current folder


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
        validate_every: outer steps between two validations, each followed by a checkpoint.
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
        return cls(
            five_way=MAMLConfig(inner_lr=0.1, test_steps=3, meta_batch=4, iterations=3_000, **smaller),
            twenty_way=MAMLConfig(inner_lr=0.4, test_steps=5, meta_batch=2, iterations=1_500, **smaller),
            queries=3,
            decay=True,
            seeds=(0,),
            naming_steps=4_000,  # about as long as MAML takes for 5-way tasks
            naming_rate=3e-3,
            episodes=600,
        )

    @classmethod
    def full(cls) -> "OmniglotMAMLConfig":
        """The paper's setting, with three seeds: hours on a GPU."""
        return cls(
            five_way=MAMLConfig.full(5),
            twenty_way=MAMLConfig.full(20),
            queries=1,
            decay=False,
            seeds=(0, 1, 2),
            naming_steps=20_000,
            naming_rate=1e-3,
            validate_every=2_000,
        )

    @property
    def rows(self) -> dict[int, MAMLConfig]:
        """MAML's settings by number of classes."""
        return {5: self.five_way, 20: self.twenty_way}


class Recipe:
    """The data, the device and the folder that all parts of one run share."""

    def __init__(
        self,
        config: OmniglotMAMLConfig,
        splits: dict[str, LabelledSet],
        folder: Path,
        accelerator: "Accelerator | None" = None,
    ):
        self.config, self.splits, self.folder, self.accelerator = config, splits, folder, accelerator
        self.device = splits["train"].x.device
        self.processes = accelerator.num_processes if accelerator else 1

    def episodes(self, split: str, n_way: int, queries: int, tasks: int, seed: int) -> EpisodeSampler:
        """1-shot episodes of ``tasks`` tasks each, with ``queries`` query images of each class."""
        return EpisodeSampler(self.splits[split], n_way, 1, queries, tasks, seed=seed)

    def conv4(self, classes: int, filters: int, seed: int) -> Conv4:
        """A network with fresh weights, which depend on ``seed`` alone."""
        size = self.splits["train"].x.shape[-1]
        return Conv4(classes, filters=filters, size=size, generator=runtime.generator(seed)).to(self.device)

    def options(self, name: str, steps: int, optimizer: torch.optim.Optimizer) -> dict:
        """What every training run of this recipe passes to :func:`course.training.fit`."""
        scheduler = LinearLR(optimizer, 1.0, 0.0, total_iters=steps) if self.config.decay else None
        return {
            "steps": steps,
            "optimizer": optimizer,
            "scheduler": scheduler,
            "checkpoint": self.folder / name,
            "checkpoint_every": self.config.validate_every,
            "resume": True,
            "accelerator": self.accelerator,
            "label": name,
        }

    def meta_learn(self, n_way: int, settings: MAMLConfig, seed: int) -> MAML:
        """Train MAML; the tasks of an outer step are dealt out to the processes, if there are several."""
        tasks, left = divmod(settings.meta_batch, self.processes)
        if left:
            raise ValueError(
                f"{settings.meta_batch} tasks an outer step cannot be dealt out evenly to {self.processes} processes: "
                "launch a number that divides it"
            )
        maml = MAML(self.conv4(n_way, settings.filters, seed), settings)
        maml.train(
            self.episodes("train", n_way, self.config.queries, tasks, seed),
            validation=self.episodes("validation", n_way, self.config.test_queries, 10, seed),
            validate_every=self.config.validate_every,
            validation_tasks=self.config.validation_tasks,
            **self.options(f"maml-{n_way}-way-seed-{seed}", settings.iterations, maml.optimizer()),
        )
        return maml

    def pretrain(self, filters: int, seed: int) -> Conv4:
        """The competitor's network: it learns to name all training characters, without episodes."""
        characters, steps = self.splits["train"], self.config.naming_steps
        namer = self.conv4(len(characters.classes), filters, seed)
        optimizer = torch.optim.Adam(namer.parameters(), lr=self.config.naming_rate)
        options = self.options(f"naming-{filters}-filters-seed-{seed}", steps, optimizer)
        pretrain(namer, characters, batch_size=-(-self.config.naming_batch // self.processes), seed=seed, **options)
        return namer

    def measure(self, n_way: int, settings: MAMLConfig, seed: int) -> dict[str, Tensor]:
        """The accuracy of every method on the same test tasks, ``[episodes]`` each, by name."""
        maml, namer = self.meta_learn(n_way, settings, seed), self.pretrain(settings.filters, seed)
        start, config = with_new_head(namer, n_way), self.config

        def fine_tuned(rate: float) -> Callable[[Episode], Tensor]:
            return fine_tuning(start, lr=rate, steps=config.fine_tuning_steps)

        validation = self.episodes("validation", n_way, config.test_queries, config.validation_tasks, seed)
        rate = best_rate(config.fine_tuning_rates, fine_tuned, validation, config.validation_tasks)
        methods: dict[str, Callable[[Episode], Tensor]] = {
            "MAML": maml.predictions,
            "nearest in pixels": partial(nearest_neighbour, embed=nn.Flatten()),
            "pretrained, nearest": partial(nearest_neighbour, embed=namer.embed),
            "pretrained, fine-tuned": fine_tuned(rate),
        }
        test = self.episodes("test", n_way, config.test_queries, 20, seed)
        progress = runtime.progress(methods.items(), desc=f"{n_way}-way, seed {seed}: test")
        return {method: evaluate(predict, test, config.episodes).values for method, predict in progress}


def metric(name: str, runs: list[Tensor], paper: tuple[float, float] | tuple[None, None]) -> Metric:
    """Percent correct from one tensor of task accuracies for each seed: over tasks for one seed, else over seeds."""
    fields = {"unit": "%", "paper": paper[0], "paper_interval95": paper[1]}
    if len(runs) > 1:
        return metric_over_seeds(name, [100 * scores.double().mean().item() for scores in runs], **fields)
    mean, half_width = interval95(100 * runs[0])
    return Metric(name, mean, half_width, len(runs[0]), "episodes", **fields)


def launched(device: torch.device) -> "Accelerator | None":
    """The processes that ``accelerate launch`` has started, or None when there is only this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return None
    from accelerate import Accelerator

    return Accelerator(cpu=device.type == "cpu")


def run(
    preset: str, *, folder: Path | None = None, device: torch.device | str | None = None, runs: Path = RUNS
) -> Path:
    """Train, test and write the result file, whose path is returned; started again after a kill, it continues.

    ``accelerate launch --num_processes P -m course reproduce omniglot-maml`` spreads the tasks of each outer step over
    P processes.

    Args:
        preset: ``"quick"`` or ``"full"``.
        folder: of the result file; None for the book's results.
        device: None for the fastest that is there.
        runs: where a folder for the checkpoints of this preset and these settings is made. A finished run is not
            trained again unless that folder is deleted.

    Raises:
        DataError: if Omniglot is not to be had; the message says how to get it.
    """
    config = settings_of(OmniglotMAMLConfig, preset)
    device = runtime.device(device)
    accelerator = launched(device)
    if accelerator:
        device = accelerator.device
    splits = {
        split: data.load("omniglot", split=split, rotations=split == "train").to(device)
        for split in ("train", "validation", "test")
    }
    settings = json.dumps(asdict(config), sort_keys=True).encode()
    kept = Path(runs) / f"omniglot-maml-{preset}-{hashlib.sha256(settings).hexdigest()[:8]}"
    main = accelerator is None or accelerator.is_main_process
    clock = Clock(kept, keep=main)
    if main:
        print(f"checkpoints: {kept} (delete this folder to train anew)")
    recipe = Recipe(config, splits, kept, accelerator)
    found: dict[tuple[int, str], list[Tensor]] = {}
    for seed in config.seeds:
        for n_way, maml_config in config.rows.items():
            for method, scores in recipe.measure(n_way, maml_config, seed).items():
                found.setdefault((n_way, method), []).append(scores)
    metrics = [
        metric(f"{n_way}-way 1-shot, {method}", scores, PAPER[n_way] if method == "MAML" else (None, None))
        for (n_way, method), scores in found.items()
    ]
    path = result_path("omniglot-maml", preset, folder)
    if main:
        save_result(
            "omniglot-maml",
            preset,
            metrics,
            config=asdict(config),
            seeds=list(config.seeds),
            seconds=clock.seconds,
            environment=measured_on(device),
            folder=folder,
        )
    return path
