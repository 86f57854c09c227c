"""Result files: a measured table with everything needed to measure it again, and the one way in which it is shown.

A result is a JSON file ``<recipe>-<preset>.json``. It is written once, at the end of a recipe, and the book reads it:
no number of a long experiment is ever typed into the prose.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from course.files import write_json
from course.reproduce import require_recipe

PRESETS = ("quick", "full")
RESULTS = Path(__file__).resolve().parents[2] / "book" / "results"
NOT_YET = "not yet run"


@dataclass(frozen=True)
class Metric:
    """One number with its uncertainty.

    Attributes:
        method, quantity, setting: what was measured, in which respect and under which conditions: ``"MAML"``,
            ``"accuracy"``, ``"5-way 1-shot"``. The setting is empty when there is only one.
        mean: the mean over ``n`` repetitions, in ``unit``.
        interval95: half the width of the 95 % confidence interval of the mean.
        n, over: the number of repetitions, and what they are: ``"seeds"``, ``"episodes"``.
        unit: ``"%"`` or empty.
        paper, paper_interval95: the published value and half width, where there are any.
    """

    method: str
    quantity: str
    setting: str
    mean: float
    interval95: float
    n: int
    over: str
    unit: str = ""
    paper: float | None = None
    paper_interval95: float | None = None


@dataclass(frozen=True)
class Result:
    """What one preset of a recipe has found: how, when, in how many seconds of work over all starts, and on what."""

    recipe: str
    preset: str
    command: str
    date: str
    seconds: float
    seeds: list[int]
    config: dict
    environment: dict
    metrics: list[Metric]

    def by_method(self, quantity: str, setting: str = "") -> dict[str, Metric]:
        """One column of the table: the metric of each method."""
        return {each.method: each for each in self.metrics if (each.quantity, each.setting) == (quantity, setting)}

    def save(self, folder: Path) -> Path:
        """Write the result file, whole or not at all, and return its path; NaN is a ValueError."""
        return write_json(result_path(self.recipe, self.preset, folder), asdict(self))


def command_of(recipe: str, preset: str) -> str:
    """The command that runs a recipe."""
    return f"course reproduce {recipe} --preset {preset}"


def result_path(recipe: str, preset: str, folder: Path = RESULTS) -> Path:
    """Where the result of ``recipe`` with ``preset`` lies (by default among the book's results)."""
    return Path(folder) / f"{recipe}-{preset}.json"


def load_result(recipe: str, preset: str, folder: Path = RESULTS) -> Result | None:
    """The stored result, or ``None`` when the recipe has not been run yet.

    Raises:
        CourseError: if there is no such recipe.
        ValueError: if the file is there but is not a result of this recipe and preset.
    """
    require_recipe(recipe)
    path = result_path(recipe, preset, folder)
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf8"))
        result = Result(**content | {"metrics": [Metric(**metric) for metric in content["metrics"]]})
        if (result.recipe, result.preset) != (recipe, preset):
            raise ValueError(f"it holds {result.recipe}-{result.preset}")
    except (ValueError, KeyError, TypeError) as error:
        again = command_of(recipe, preset)
        raise ValueError(f"{path} is not a result file ({error}); make it again with: {again}") from error
    return result


class Markdown(str):
    """Text that a notebook shows as Markdown, and a terminal as it is.

    Example:
        >>> Markdown("| a | b |")
        | a | b |
    """

    __repr__ = _repr_markdown_ = str.__str__


def show(
    recipe: str,
    folder: Path = RESULTS,
    *,
    quantity: str | Sequence[str] | None = None,
    setting: str | Sequence[str] | None = None,
    method: str | Sequence[str] | None = None,
) -> Markdown:
    """The tables of a recipe, one for each preset that was run; then when and where, or how to run it.

    A table has a row for each method and a column for each quantity and setting; numbers that a paper has published
    for a column stand in the next. ``quantity``, ``setting`` and ``method`` name one or several that are to be shown,
    and leave the others out. The errors are those of :func:`load_result`, and a ValueError if a result has no such one.
    """
    results = {preset: load_result(recipe, preset, folder) for preset in PRESETS}
    chosen = {"quantity": quantity, "setting": setting, "method": method}
    tables = [result_table(only(result, **chosen)) for result in results.values() if result is not None]
    return Markdown("\n".join([*tables, *(origin(recipe, *each) for each in results.items())]) + "\n")


def only(result: Result, **chosen: str | Sequence[str] | None) -> Result:
    """A result with some of its quantities, settings and methods; ``None`` keeps all."""
    for field, names in chosen.items():
        if names is None:
            continue
        wanted = (names,) if isinstance(names, str) else names
        known = dict.fromkeys(getattr(metric, field) for metric in result.metrics)
        if absent := [name for name in wanted if name not in known]:
            raise ValueError(f"{result.recipe} has measured no {absent[0]!r}; there are {', '.join(known)}")
        result = replace(result, metrics=[metric for metric in result.metrics if getattr(metric, field) in wanted])
    return result


def result_table(result: Result) -> str:
    """The table of one preset, below a line that says what all of its cells have in common."""
    methods = list(dict.fromkeys(metric.method for metric in result.metrics))
    columns = list(dict.fromkeys((metric.quantity, metric.setting) for metric in result.metrics))
    varies = [len(set(names)) > 1 for names in zip(*columns, strict=True)]
    repetitions = {f"{metric.n:,} {metric.over}" for metric in result.metrics}

    def measured(metric: Metric) -> str:
        text = with_interval(metric.mean, metric.interval95, metric.unit)
        return text if len(repetitions) == 1 else f"{text} ({metric.n:,} {metric.over})"

    head, cells = ["method"], [methods]
    for column in columns:
        found = [result.by_method(*column).get(method) for method in methods]
        head.append(", ".join(name for name, shown in zip(column, varies, strict=True) if shown and name) or column[0])
        cells.append([measured(metric) if metric else "" for metric in found])
        if any(metric and metric.paper is not None for metric in found):
            head.append("published")
            papers = [(m.paper, m.paper_interval95, m.unit) if m else (None,) * 3 for m in found]
            cells.append(["" if paper[0] is None else with_interval(*paper) for paper in papers])
    common = [name for name, shown in zip(columns[0], varies, strict=True) if name and not shown]
    over = f" over {repetitions.pop()}" if len(repetitions) == 1 else ""
    caption = f"{', '.join([f'`{result.preset}`', *common])}, mean ± 95 %{over}"
    return f"{caption}:\n\n{markdown_table(head, zip(*cells, strict=True))}"


def with_interval(mean: float, interval: float | None, unit: str) -> str:
    """`97.3 ± 0.4 %` with as many decimals as the interval has meaning; below 1e-9 it is rounding, and shown as 0.

    Without an interval to go by, a mean below 1 has two.
    """
    if interval is None:
        return f"{mean:.4g} {unit}".rstrip()
    interval = interval if interval > 1e-9 else 0.0
    decimals = 1 + (0 < interval < 0.095) + (0 < interval < 0.0095) + (interval == 0 and 0 < abs(mean) < 1)
    return f"{mean:z.{decimals}f} ± {interval:.{decimals}f} {unit}".rstrip()  # z: no "-0.0"


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a `|` in a cell is escaped."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0])]
    lines += [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def origin(recipe: str, preset: str, result: Result | None) -> str:
    """When, where and how a preset was run, or how to run it."""
    if result is None:
        return f"- `{preset}`: {NOT_YET}; to run it: `{command_of(recipe, preset)}`"
    environment, seconds = result.environment, result.seconds
    hardware = environment.get("gpu") or environment.get("cpu", "unknown")
    seeds = f"seed{'s' * (len(result.seeds) > 1)} {', '.join(map(str, result.seeds))}"
    short = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    time = short if seconds < 5400 else f"{seconds / 3600:.1f} h"
    made = f"{result.date}, {time} on {hardware}, PyTorch {environment.get('torch')}, {seeds}"
    return f"- `{preset}`: {made}; again with `{result.command}`"
