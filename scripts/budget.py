"""What each chapter takes, and whether that is within its budget: python scripts/budget.py TIMES JOBS

Nothing is measured for it. The seconds of a page were recorded when the build executed it, those of tests, exercises
and notebooks by pytest, in the folder TIMES. A time that is missing is a failure; so is one of half as much again as
its budget, also of `make test` with all chapters, for on a machine with other work a little more means nothing.
"""

import re
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

from chapters import ROOT, Chapter, chapters, parts
from execution import Notebook
from ownership import own_tests

SECONDS = {"page": 60, "tests": 45, "exercises": 45}  # one thread
LEEWAY = 1.5
MINUTES = 35  # for `make test` of the whole course

Rows = dict[str, dict[str, float | None]]
Cases = list[tuple[str, float]]  # "tests.crossmodal.test_cca::test_name[parameters]" and its seconds


def cases(file: Path) -> Cases:
    """The tests that a run of pytest has recorded; none without a record."""
    found = ElementTree.parse(file).iter("testcase") if file.exists() else ()
    return [(f"{each.get('classname')}::{each.get('name')}", float(each.get("time", "nan"))) for each in found]


def seconds_of(prefixes: list[str], recorded: Cases) -> float | None:
    """The sum over the tests whose names begin with one of these; None unless each begins some."""
    if not all(any(name.startswith(prefix) for name, _ in recorded) for prefix in prefixes):
        return None
    return sum(taken for name, taken in recorded if name.startswith(tuple(prefixes)))


def exercises_of(chapter: str, recorded: Cases) -> float | None:
    """The seconds of the right, wrong and empty answers to its exercises; not of its open experiment or the sandbox."""
    harness = "tests.grading.test_solutions::(?!.*(?:open_experiment|in_the_sandbox))"
    own = re.compile(rf"{harness}.*\[{re.escape(chapter)}[\]-]")  # not those of another whose name begins alike
    taken = [each for name, each in recorded if own.match(name)]
    return sum(taken) if taken else None


def measured(recorded: Cases, listed: list[Chapter]) -> Rows:
    """The seconds of each chapter. None is missing; what a chapter does not have is left out."""
    table, tests = {}, own_tests()
    for chapter in listed:
        executed = Notebook(chapter.name, chapter.page).executed()
        row = {"page": executed.metadata.executed.seconds if executed else None}
        if files := tests[chapter.name]:
            row["tests"] = seconds_of([f"tests.{file.parent.name}.{file.stem}:" for file in files], recorded)
        if chapter.solution.exists():
            row["exercises"] = exercises_of(chapter.name, recorded)
        table[chapter.name] = row
    return table


def table_of(rows: Rows) -> str:
    budget = " / ".join(str(limit) for limit in SECONDS.values())
    lines = [f"{'chapter':24}{'page':>10}{'tests':>10}{'exercises':>11}   budget in seconds"]
    for name, row in rows.items():
        said = ["-" if part not in row else "missing" if row[part] is None else f"{row[part]:.1f}" for part in SECONDS]
        lines.append(f"{name:24}{said[0]:>10}{said[1]:>10}{said[2]:>11}   {budget}")
    return "\n".join(lines)


def problems(rows: Rows) -> list[str]:
    """What breaks the budget, each with what to do."""
    found = []
    for name, row in rows.items():
        for part, taken in row.items():
            if taken is None:
                found.append(f"{name}: the time of its {part} is missing; run: make book unit notebooks budget")
            elif not taken <= LEEWAY * SECONDS[part]:
                again = f"rm {Notebook(name, ROOT).kept.relative_to(ROOT)}; " if part == "page" else ""  # or it is kept
                found.append(
                    f"{name}: its {part} took {taken:.0f} s, and {SECONDS[part]} s are meant. Beside other work run it "
                    f"again ({again}make chapter NAME={name}); otherwise choose smaller experiments or fewer cases"
                )
    return found


def projection(whole: float, growing: float, jobs: int, now: int) -> tuple[str, float]:
    """One line: how long `make test` took, and may take with all chapters; and those minutes."""
    listed, grows = sum(len(part.chapters) for part in parts()), growing / jobs
    minutes = (whole - grows + grows * listed / now) / 60
    line = (
        f"make test so far: {whole / 60:.1f} min. With {listed} chapters about {minutes:.0f} min, "
        f"{'within' if minutes <= MINUTES else 'OVER'} {MINUTES}: the pages, tests, exercises and notebooks of {now} "
        f"chapters ({growing:.0f} s on {jobs} processes) x {listed}/{now}, and the rest as it is"
    )
    return line, minutes


def complain(broken: list[str]) -> int:
    """Say what breaks the budget; the exit status."""
    for problem in broken:
        print(f"make: {problem}", file=sys.stderr)
    return int(bool(broken))


def one(chapter: Chapter, times: Path) -> int:
    """The row of one chapter, after `make chapter` has run its tests and its page."""
    rows = measured(cases(times / "unit.xml"), [chapter])
    print("\n" + table_of(rows), flush=True)
    return complain(problems(rows))


def main(times: Path, jobs: int) -> int:
    recorded, start = cases(times / "unit.xml"), times / "start"
    rows = measured(recorded, chapters())
    broken = problems(rows)
    print("\n" + table_of(rows))
    if start.exists():  # of `make test`
        growing = sum(taken or 0 for row in rows.values() for taken in row.values())
        growing += sum(taken for _, taken in cases(times / "notebooks.xml"))
        line, minutes = projection(time.time() - start.stat().st_mtime, growing, jobs, len(rows))
        print(line)
        if minutes > LEEWAY * MINUTES:
            broken.append(
                f"all chapters would take {minutes:.0f} min, and {MINUTES} are meant: shorten the longest above"
            )
    return complain(broken)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
