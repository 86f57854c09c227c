"""The runner of every recipe: device and processes, the run's folder, the clock, resumption, and the result file.

A recipe says what its table compares, and measures one method in one setting with one seed. The runner stores what was
measured at once. A run that is killed, at whatever moment, goes on with the same command: it loses the measurement at
hand, and of the training in it only the steps since the last checkpoint.
"""

import datetime
import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import numpy as np
import torch

from course import runtime
from course.files import write_json
from course.metrics import t_interval95
from course.reproduce.results import PRESETS, RESULTS, Metric, Result, command_of

CHECKPOINT_SECONDS = 60  # of training, which a kill may cost
LONGEST_WAIT = datetime.timedelta(days=30)  # of a process that is done, for the others
Measured = dict[str, dict[str, dict[str, float | list[float]]]]  # of one seed, by setting, method and quantity


class Recipe(ABC):
    """A published table: what it compares, and how one method is measured in one setting with one seed.

    Attributes:
        name: as on the command line.
        presets: a dataclass of settings, with the constructors ``quick()`` and ``full()`` and a tuple of ``seeds``.
        methods, settings: the rows of the table, and the conditions that all methods are measured in.
        only: the methods of a setting in which not all are measured.
        units: what is measured, and in which unit: ``"%"`` or none.
        differences: pairs of methods; each has a further row, the first minus the second, seed by seed.
        over: what a repetition within a seed is, such as ``"episodes"``.
        items: what the numbers of a list are where every seed has the same ones, by quantity, such as test pictures;
            its interval is then over these, each of them a mean over the seeds.
        paper: published numbers and half widths (or None) by method, quantity and setting.
        config, device: the preset that is run, and where.
    """

    name: str
    presets: type
    methods: tuple[str, ...]
    settings: tuple[str, ...] = ("",)
    only: ClassVar[dict[str, tuple[str, ...]]] = {}
    units: dict[str, str]
    differences: ClassVar[tuple[tuple[str, str], ...]] = ()
    over: str = "repetitions"
    items: ClassVar[dict[str, str]] = {}
    paper: ClassVar[dict[tuple[str, str, str], tuple[float, float | None]]] = {}

    def __init__(self, config, device: torch.device):
        self.config, self.device = config, device

    @classmethod
    def cells(cls) -> list[tuple[str, str]]:
        """What is measured with each seed: the settings, each with its methods."""
        return [(setting, method) for setting in cls.settings for method in cls.only.get(setting, cls.methods)]

    @classmethod
    def rows(cls) -> dict[str, tuple[str, ...]]:
        """The rows of the table, each with the method or the two methods that it is made of."""
        minus = {f"{one} minus {other}": (one, other) for one, other in cls.differences}
        return {method: (method,) for method in cls.methods} | minus

    @abstractmethod
    def load(self) -> None:
        """Read the data, and move them to the device."""

    @abstractmethod
    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float | list[float]]:
        """Train and test one method; nothing but the arguments and the configuration has influence.

        Torch's global generators start from the seed. ``folder`` is for the checkpoints of this measurement, see
        :func:`saved_in`; a network that several methods of a seed share has its own in ``folder.parent``.

        Returns:
            For each quantity a number, or a list with one number for each repetition.
        """


def saved_in(folder: Path) -> dict:
    """The options of :func:`course.training.fit` for a run that survives a kill, its checkpoints in ``folder``."""
    return {"checkpoint": folder, "checkpoint_seconds": CHECKPOINT_SECONDS, "resume": True, "label": folder.name}


def run(
    kind: type[Recipe], preset: str, *, output=RESULTS, runs=Path("runs"), device: torch.device | str | None = None
) -> Path | None:
    """Measure what is not yet measured, and write the result file; its path, or None in all but the main process.

    ``accelerate launch --num_processes P -m course reproduce ...`` deals out the seeds to P processes. On CPUs, where
    it starts a single one, ``torchrun --standalone --nproc-per-node P -m course reproduce ... --device cpu`` does. One
    process measures a seed, so the result does not depend on P.

    Args:
        kind, preset: what to run, and ``"quick"`` or ``"full"``.
        output: folder of the result file.
        runs: where a folder for this preset, its settings and this kind of device is made. What is stored there is not
            measured again: delete it to begin anew, for example after a change of the code.
        device: None for the fastest that is there.

    Raises:
        CourseError: if the device or the data are not to be had.
        FloatingPointError: if what was measured is NaN or infinite.
        ValueError: if there is no such preset.
    """
    if preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; choose {' or '.join(PRESETS)}")
    config, device, state = getattr(kind.presets, preset)(), runtime.device(device), None
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from accelerate import PartialState
        from accelerate.utils import gather_object

        state = PartialState(cpu=device.type == "cpu", timeout=LONGEST_WAIT)
    rank, processes = (state.process_index, state.num_processes) if state else (0, 1)
    recipe = kind(config, state.device if state else device)
    recipe.load()
    identity = json.dumps([asdict(config), device.type], sort_keys=True)
    folder = Path(runs) / f"{kind.name}-{preset}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    if rank == 0:
        Path(output).mkdir(parents=True, exist_ok=True)  # what cannot be written is known before the work
        clock = Clock(folder)
        print(f"checkpoints: {folder} (delete this folder to begin anew)")
    if state:
        state.wait_for_everyone()  # the clock must not take what is stored from now on for an earlier start's
    own = config.seeds[rank::processes]
    measured = {seed: measure(recipe, seed, folder / f"seed-{seed}", rank == 0) for seed in own}
    if state:
        measured = dict(gather_object(list(measured.items())))
        state.destroy_process_group()
    if rank > 0:
        return None
    return Result(
        recipe=kind.name,
        preset=preset,
        command=command_of(kind.name, preset),
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        seconds=round(clock.seconds, 3),
        seeds=list(config.seeds),
        config=asdict(config),
        environment=measured_on(device),
        metrics=table(kind, [measured[seed] for seed in config.seeds]),
    ).save(output)


def measure(recipe: Recipe, seed: int, folder: Path, show: bool) -> Measured:
    """What a recipe finds with one seed: what the folder holds already, and what is measured now and stored there."""
    note = folder / "measured.json"
    measured: Measured = json.loads(note.read_text(encoding="utf8")) if note.exists() else {}
    bar = {"desc": f"{recipe.name}, seed {seed}", "disable": runtime.quiet() or not show}
    for setting, method in runtime.progress(recipe.cells(), **bar):
        if method in measured.setdefault(setting, {}):
            continue
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = recipe.measure(seed, setting, method, folder / quote(f"{setting} {method}".strip(), " ,"))
        where = f"{recipe.name}, seed {seed}, {method} {setting}".rstrip()
        if found.keys() != recipe.units.keys():
            raise ValueError(f"{where}: measured {', '.join(found)}, expected {', '.join(recipe.units)}")
        found = {quantity: np.asarray(values, dtype=float).tolist() for quantity, values in found.items()}
        for quantity, values in found.items():
            if not np.isfinite(values).all():
                raise FloatingPointError(f"{where}: {quantity} is {values!s:.80}")
            if len(recipe.config.seeds) == 1 and np.size(values) < 2:
                raise ValueError(f"{where}: one {quantity} with one seed has no interval; take more seeds")
        measured[setting][method] = found
        write_json(note, measured)
    return measured


def table(kind: type[Recipe], measured: list[Measured]) -> list[Metric]:
    """Means and Student's intervals over the seeds, over items, or over the repetitions within the only seed."""
    metrics, cells, rows = [], kind.cells(), kind.rows()
    for setting, method, quantity in product(kind.settings, rows, kind.units):
        if not all((setting, part) in cells for part in rows[method]):
            continue
        taken = [[np.atleast_1d(each[setting][part][quantity]) for each in measured] for part in rows[method]]
        samples = taken[0] if len(taken) == 1 else [one - other for one, other in zip(*taken, strict=True)]
        if quantity in kind.items:
            values, over = np.mean(samples, 0), kind.items[quantity]
        elif len(samples) > 1:
            values, over = [sample.mean() for sample in samples], "seeds"
        else:
            values, over = samples[0], kind.over
        mean, half = (number.item() for number in t_interval95(values))
        paper = kind.paper.get((method, quantity, setting), (None, None))
        metrics.append(Metric(method, quantity, setting, mean, half, len(values), over, kind.units[quantity], *paper))
    return metrics


class Clock:
    """Seconds of work behind a result, over all starts of its run; of a killed start, up to what it stored last.

    Args:
        folder: of the run, where this start is noted.
    """

    def __init__(self, folder: Path):
        note, self.before = folder / "clock.json", 0.0
        if note.exists():
            last = json.loads(note.read_text(encoding="utf8"))
            stored = [path.stat().st_mtime for path in folder.glob("*/**/*.json")]
            self.before = last["before"] + max([0.0, *(moment - last["started"] for moment in stored)])
        self.started = time.time()
        write_json(note, {"before": self.before, "started": self.started})

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return self.before + time.time() - self.started


def measured_on(device: torch.device) -> dict[str, str | int | None]:
    """:func:`course.runtime.environment` of a result computed on ``device``; a GPU that stood idle is left out."""
    return runtime.environment() | {"device": device.type} | ({"gpu": None} if device.type == "cpu" else {})
