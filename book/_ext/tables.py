"""Tables that are never typed: results beside published numbers, benchmarks, licences, and the machine of the build.

Each directive writes Markdown from a file or from `course` and lets the page's own parser read it:

    {result} <recipe>      book/results/<recipe>-quick.json and -full.json; what was not run says so
    {benchmark} <name>     book/results/bench-<name>.json, written by `make bench` or `make gpu`
    {licences}             the data sets and their licences, from the registry
    {machine}              processor, system and versions: where the notebooks of this build ran
"""

import json
from collections.abc import Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

PRESETS = ("quick", "full")
NOT_YET = "not yet run"
ENVIRONMENT = {
    "cpu": "Processor",
    "cores": "Cores available",
    "threads": "Threads used by torch",
    "gpu": "GPU",
    "system": "System",
    "python": "Python",
    "torch": "PyTorch",
    "course": "course",
}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; a `|` in a cell is escaped."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0])]
    lines += [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def number(value: float) -> str:
    """Three significant digits, no exponent between 0.001 and a million."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
    return f"{value:.1e}"


def with_interval(mean: float, interval: float | None, unit: str) -> str:
    """`97.3 ± 0.4 %` with as many decimals as the interval has meaning."""
    if interval is None:
        return f"{mean:.4g} {unit}".rstrip()
    decimals = 2 if interval < 0.095 else 1
    return f"{mean:z.{decimals}f} ± {interval:.{decimals}f} {unit}".rstrip()  # z: no "-0.0"


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def result_markdown(recipe: str, folder: Path) -> str:
    """Both presets of a recipe, one table each for methods and their quantities, otherwise one; then where they ran."""
    from course.reproduce.results import load_result

    results = {preset: load_result(recipe, preset, folder) for preset in PRESETS}
    stored = {preset: result["metrics"] for preset, result in results.items() if result is not None}
    grids = {preset: by_method(metrics) for preset, metrics in stored.items()}
    if grids and all(grids.values()):
        tables = "\n".join(method_table(preset, grid) for preset, grid in grids.items())
    else:
        tables = metric_table({preset: stored.get(preset) for preset in PRESETS})
    return tables + "\n" + "\n".join(origin(recipe, preset, result) for preset, result in results.items()) + "\n"


def by_method(metrics: list[dict]) -> dict[str, dict[str, dict]] | None:
    """Metrics named `<method>: <quantity>` by method and quantity; None unless they fill a grid measured in one way."""
    grid: dict[str, dict[str, dict]] = {}
    for metric in metrics:
        method, _, quantity = metric["name"].partition(": ")
        grid.setdefault(method, {})[quantity] = metric
    quantities = list(next(iter(grid.values()), {}))
    full = all(list(row) == quantities for row in grid.values()) and len(metrics) == len(grid) * len(quantities)
    ways = {(metric["n"], metric["over"]) for metric in metrics}
    published = any(metric["paper"] is not None for metric in metrics)
    return grid if len(grid) > 1 and "" not in quantities and full and len(ways) == 1 and not published else None


def method_table(preset: str, grid: dict[str, dict[str, dict]]) -> str:
    """One row for each method, one column for each quantity."""
    cells = {method: [measured(metric) for metric in row.values()] for method, row in grid.items()}
    first = next(iter(grid.values()))
    one = next(iter(first.values()))
    caption = f"`{preset}`, mean ± 95 % over {one['n']:,} {one['over']}:\n\n"
    return caption + table(("method", *first), [(method, *row) for method, row in cells.items()])


def metric_table(stored: dict[str, list[dict] | None]) -> str:
    """One row for each metric of each preset; a preset that was not run says so."""
    rows = []
    for preset, metrics in stored.items():
        if metrics is None:
            rows.append((f"`{preset}`", "", NOT_YET, "", ""))
            continue
        for metric in metrics:
            paper = metric["paper"]
            published = "" if paper is None else with_interval(paper, metric["paper_interval95"], metric["unit"])
            over = f"{metric['n']:,} {metric['over']}"
            rows.append((f"`{preset}`", metric["name"], measured(metric), over, published))
    head = ("preset", "measured", "here (mean ± 95 %)", "over", "published")
    if not any(published for *_, published in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    return table(head, rows)


def measured(metric: dict) -> str:
    return with_interval(metric["mean"], metric["interval95"], metric["unit"])


def origin(recipe: str, preset: str, result: dict | None) -> str:
    """When, where and how a preset was run, or how to run it."""
    command = f"course reproduce {recipe} --preset {preset}"
    if result is None:
        return f"- `{preset}`: {NOT_YET}; to run it: `{command}`"
    environment, seeds = result["environment"], result["seeds"]
    hardware = environment.get("gpu") or environment.get("cpu", "unknown")
    return (
        f"- `{preset}`: {result['date']}, {duration(result['seconds'])} on {hardware}, PyTorch "
        f"{environment.get('torch')}, {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}; "
        f"again with `{command}`"
    )


def benchmark_markdown(name: str, folder: Path) -> str:
    """One benchmark against its peers; a ratio above 1 means that the course is better by that factor."""
    path = folder / f"bench-{name}.json"
    head = ("measured", "against", "course", "peer", "ratio", "wanted")
    if not path.exists():
        command = "make gpu" if name == "gpu" else "make bench"
        return table(head, [(NOT_YET, "", "", "", "", "")]) + f"\n`{command}` runs it.\n"
    result = json.loads(path.read_text(encoding="utf8"))
    rows = []
    for row in result["rows"]:
        goal, ratio = row.get("goal"), row.get("ratio")
        wanted = "" if goal is None else f"≥ {goal:g} ×" if ratio is not None else f"≤ {goal:g}"
        peer_value = "" if row.get("peer_value") is None else number(row["peer_value"])
        times = "" if ratio is None else f"{number(ratio)} ×"
        rows.append((row["what"], row.get("peer", ""), number(row["course_value"]), peer_value, times, wanted))
    environment = result["environment"]
    where = f"{result['date']}, {environment.get('gpu') or environment.get('cpu')}, PyTorch {environment.get('torch')}"
    setting = f" Setting: {result['setting']}." if result.get("setting") else ""
    return table(head, rows) + f"\nMeasured {where}.{setting}\n"


def machine_markdown() -> str:
    """Where this process runs, as a two-column table."""
    from course.runtime import environment

    found = environment()
    rows = [(label, found[key] if found.get(key) is not None else "none") for key, label in ENVIRONMENT.items()]
    return table(("", "this build"), rows)


class Generated(SphinxDirective):
    """A directive whose Markdown comes from :meth:`markdown`."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["generated"] = True
        try:
            return self.parse_text_to_nodes(self.markdown())
        except (ValueError, KeyError) as error:
            raise self.error(f"{self.name}: {error}") from error

    @property
    def folder(self) -> Path:
        return Path(self.env.srcdir) / "results"

    def markdown(self) -> str:
        raise NotImplementedError


class Result(Generated):
    def markdown(self) -> str:
        return result_markdown(self.arguments[0], self.folder)


class Benchmark(Generated):
    def markdown(self) -> str:
        return benchmark_markdown(self.arguments[0], self.folder)


class Licences(Generated):
    def markdown(self) -> str:
        from course.data.registry import licence_table

        return licence_table()


class Machine(Generated):
    def markdown(self) -> str:
        return machine_markdown()


def always_read_again(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Generated tables depend on files that may not exist yet, so Sphinx cannot watch them."""
    return [name for name, metadata in env.metadata.items() if metadata.get("generated") and name in env.found_docs]


def setup(app: Sphinx) -> dict:
    app.add_directive("result", Result)
    app.add_directive("benchmark", Benchmark)
    app.add_directive("licences", Licences)
    app.add_directive("machine", Machine)
    app.connect("env-get-outdated", always_read_again)
    return {"version": "1", "parallel_read_safe": True}
