"""Tables that are never typed: results beside published numbers, benchmarks, licences, and the machine of the build.

Each directive writes Markdown from a file or from `course` and lets the page's own parser read it:

    {result} <recipe>      `course.reproduce.results.show`: both presets; what was not run says so. With the options
                           quantity, setting and method, each a list separated by semicolons, a part of the table
    {benchmark} <name>     book/results/bench-<name>.json, written by `make bench` or `make gpu`
    {licences}             the data sets and their licences, from the registry
    {machine}              processor, system and versions: where the notebooks of this build ran
    {arrows}               the chapters as maps, from book/arrows.toml in the order of book/chapters.toml
"""

import json
import tomllib
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

from course.errors import CourseError
from course.reproduce.results import NOT_YET, markdown_table, show

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


def number(value: float) -> str:
    """Three significant digits, no exponent between 0.001 and a million."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
    return f"{value:.1e}"


def benchmark_markdown(name: str, folder: Path) -> str:
    """One benchmark against its peers, without empty columns; a ratio above 1: the course is better by that factor."""
    path = folder / f"bench-{name}.json"
    head = ("measured", "against", "course", "peer", "ratio", "wanted")
    if not path.exists():
        command = "make gpu" if name == "gpu" else "make bench"
        return markdown_table(head, [(NOT_YET, "", "", "", "", "")]) + f"\n`{command}` runs it.\n"
    result = json.loads(path.read_text(encoding="utf8"))
    rows = []
    for row in result["rows"]:
        goal, ratio = row.get("goal"), row.get("ratio")
        wanted = "" if goal is None else f"≥ {goal:g} ×" if ratio is not None else f"≤ {goal:g}"
        peer_value = "" if row.get("peer_value") is None else number(row["peer_value"])
        times = "" if ratio is None else f"{number(ratio)} ×"
        rows.append((row["what"], row.get("peer", ""), number(row["course_value"]), peer_value, times, wanted))
    filled = [place for place in range(len(head)) if any(row[place] for row in rows)]
    head, *rows = ([row[place] for place in filled] for row in (head, *rows))
    environment = result["environment"]
    where = f"{result['date']}, {environment.get('gpu') or environment.get('cpu')}, PyTorch {environment.get('torch')}"
    setting = f" Setting: {result['setting']}." if result.get("setting") else ""
    return markdown_table(head, rows) + f"\nMeasured {where}.{setting}\n"


def machine_markdown() -> str:
    """Where this process runs, as a two-column table."""
    from course.runtime import environment

    found = environment()
    rows = [(label, found[key] if found.get(key) is not None else "none") for key, label in ENVIRONMENT.items()]
    return markdown_table(("", "this build"), rows)


def arrows_markdown(book: Path) -> str:
    """Every chapter as an arrow: a link where its page is there, its short name where it comes later."""
    listed, arrows = (
        tomllib.loads((book / name).read_text(encoding="utf8")) for name in ("chapters.toml", "arrows.toml")
    )
    rows = []
    for part in listed["parts"]:
        for chapter in part["chapters"]:
            name = "/".join(filter(None, (part["folder"], chapter["name"])))
            there = (book / f"{name}.ipynb").exists()
            arrow = arrows.get(name, dict.fromkeys(("from", "to", "keeps", "loses"), "to be said"))
            link = f"{{doc}}`{chapter['short']} </{name}>`" if there else chapter["short"]
            rows.append((link, f"{arrow['from']} → {arrow['to']}", arrow["keeps"], arrow["loses"]))
    return markdown_table(("chapter", "from → to", "keeps", "loses"), rows)


class Generated(SphinxDirective):
    """A directive whose Markdown comes from :meth:`markdown`."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["generated"] = True
        try:
            return self.parse_text_to_nodes(self.markdown())
        except (CourseError, ValueError, KeyError) as error:
            raise self.error(f"{self.name}: {error}") from error

    @property
    def folder(self) -> Path:
        return Path(self.env.srcdir) / "results"

    def markdown(self) -> str:
        raise NotImplementedError


def names(text: str) -> list[str]:
    """What stands between semicolons."""
    return [name.strip() for name in text.split(";") if name.strip()]


class Result(Generated):
    option_spec: ClassVar = dict.fromkeys(("quantity", "setting", "method"), names)

    def markdown(self) -> str:
        return show(self.arguments[0], self.folder, **self.options)


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


class Arrows(Generated):
    def markdown(self) -> str:
        return arrows_markdown(Path(self.env.srcdir))


def always_read_again(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    """Generated tables depend on files that may not exist yet, so Sphinx cannot watch them."""
    return [name for name, metadata in env.metadata.items() if metadata.get("generated") and name in env.found_docs]


def setup(app: Sphinx) -> dict:
    app.add_directive("result", Result)
    app.add_directive("benchmark", Benchmark)
    app.add_directive("licences", Licences)
    app.add_directive("machine", Machine)
    app.add_directive("arrows", Arrows)
    app.connect("env-get-outdated", always_read_again)
    return {"version": "1", "parallel_read_safe": True}
