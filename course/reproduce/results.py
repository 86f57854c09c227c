"""Result files: a measured table with everything needed to measure it again.

A result is a JSON file ``<recipe>-<preset>.json``. It is written once, at the end of a recipe, and the book reads it:
no number of a long experiment is ever typed into the prose.
"""

import datetime
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import torch

from course import checkpoints, runtime
from course.files import write_json
from course.metrics import t_interval95

PRESETS = ("quick", "full")
RESULTS = Path(__file__).resolve().parents[2] / "book" / "results"


@dataclass(frozen=True)
class Metric:
    """One number with its uncertainty.

    Attributes:
        name: what was measured, for example ``"5-way 1-shot"``.
        mean: the mean over ``n`` repetitions, in ``unit``.
        interval95: half the width of the 95 % confidence interval of the mean.
        n: number of repetitions.
        over: what a repetition is: ``"episodes"``, ``"seeds"``.
        unit: ``"%"`` or empty.
        paper: the published value, where there is one.
        paper_interval95: the published half width, where there is one.
    """

    name: str
    mean: float
    interval95: float
    n: int
    over: str
    unit: str = ""
    paper: float | None = None
    paper_interval95: float | None = None


def metric_over_seeds(name: str, values: list[float], **fields) -> Metric:
    """Mean and 95 % interval of a few independent runs, :py:func:`~course.metrics.t_interval95`.

    Raises:
        ValueError: for fewer than two values, which have no interval.
    """
    if len(values) < 2:
        raise ValueError(f"{name}: {len(values)} value(s) given, an interval needs at least 2 seeds")
    mean, half = t_interval95(values)
    return Metric(name, mean.item(), half.item(), len(values), "seeds", **fields)


Settings = TypeVar("Settings")


def settings_of(kind: type[Settings], preset: str) -> Settings:
    """The settings of a preset, from a class with a constructor for each: ``kind.quick()`` or ``kind.full()``."""
    if preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; choose {' or '.join(PRESETS)}")
    return getattr(kind, preset)()


class Clock:
    """Seconds of work behind a result, over all starts of its run; of a killed start, up to its last checkpoint.

    Args:
        folder: where the run keeps its checkpoints, below which they are looked for.
        keep: whether to note this start there; False for a process that is not the main one.
    """

    def __init__(self, folder: Path, *, keep: bool = True):
        note, self.before = folder / "clock.json", 0.0
        if note.exists():
            last = json.loads(note.read_text(encoding="utf8"))
            saved = [path.stat().st_mtime for path in folder.rglob(checkpoints.STATE)]
            self.before = last["before"] + max([0.0, *(moment - last["started"] for moment in saved)])
        self.started = time.time()
        if keep:
            write_json(note, {"before": self.before, "started": self.started})

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return self.before + time.time() - self.started


def measured_on(device: torch.device) -> dict[str, str | int | None]:
    """:func:`course.runtime.environment` of a result computed on ``device``; a GPU that stood idle is left out."""
    return runtime.environment() | {"device": device.type} | ({"gpu": None} if device.type == "cpu" else {})


def result_path(recipe: str, preset: str, folder: Path | None = None) -> Path:
    """Where the result of ``recipe`` with ``preset`` lies (by default among the book's results)."""
    return (RESULTS if folder is None else Path(folder)) / f"{recipe}-{preset}.json"


def save_result(
    recipe: str,
    preset: str,
    metrics: list[Metric],
    *,
    config: dict,
    seeds: list[int],
    seconds: float,
    environment: dict,
    folder: Path | None = None,
) -> Path:
    """Write a result file, whole or not at all, and return its path."""
    path = result_path(recipe, preset, folder)
    result = {
        "recipe": recipe,
        "preset": preset,
        "command": f"course reproduce {recipe} --preset {preset}",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "seconds": round(seconds, 1),
        "seeds": seeds,
        "config": config,
        "environment": environment,
        "metrics": [asdict(metric) for metric in metrics],
    }
    write_json(path, result)
    return path


def load_result(recipe: str, preset: str, folder: Path | None = None) -> dict | None:
    """The stored result, or ``None`` when the recipe has not been run yet.

    Raises:
        ValueError: if the file is there but is not a result of this recipe and preset.
    """
    path = result_path(recipe, preset, folder)
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf8"))
        if (result["recipe"], result["preset"]) != (recipe, preset):
            raise ValueError(f"it holds {result['recipe']}-{result['preset']}")
        result["metrics"] = [asdict(Metric(**metric)) for metric in result["metrics"]]
    except (ValueError, KeyError, TypeError) as error:
        command = f"course reproduce {recipe} --preset {preset}"
        raise ValueError(f"{path} is not a result file ({error}); make it again with: {command}") from error
    return result
