"""Run many answers of one chapter in one process, cell by cell as the grader does, and tell which tests pass.

Called as a program (the guard changes the process it runs in):  python harness.py <solution> <released> <answers>
`answers` is a JSON file {"wrong": {name: {label: source}}, "right": …}. The result is JSON on standard output: for each
answer, and for every solution ("full") and none ("empty"), what each test cell says: two texts, of its visible part and
of its hidden part; "" when that passes.
"""

import ast
import copy
import io
import json
import signal
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import nbformat

from course.grading import layout
from course.grading.answers import assemble, grade_id, plain_python, tasks
from course.grading.execute import ANSWER, SETUP, TEST, kind_of
from course.grading.guard import GUARD
from course.grading.run import packages_of_chapter
from course.grading.submissions import read

SECONDS = 60  # for one cell, or one statement of a visible test


class Chapter:
    """The two notebooks of a chapter and the state of its first cells, which every answer starts from."""

    def __init__(self, solution: Path, released: Path):
        self.solution, self.released = read(solution), read(released)
        course = next(layout.Course.at(folder.parent) for folder in solution.parents if folder.name == "solutions")
        chapter = layout.Chapter.at(solution.relative_to(course.root / "solutions"))
        self.packages = packages_of_chapter(course, chapter)
        self.tasks = tasks(self.released, self.solution)
        self.sources = {grade_id(cell): cell.source for cell in self.solution.cells if grade_id(cell)}
        self.start = {"__name__": "__main__", "display": print}
        self.first = min(task.position for task in self.tasks)
        for cell in self.released.cells[: self.first]:
            if kind_of(cell) == SETUP:
                exec(plain_python(cell.source), self.start)

    def submitted(self, answers: dict[str, str], solved: bool) -> nbformat.NotebookNode:
        """A submission with the reference solutions (when `solved`) and `answers` in place of them, by name."""
        notebook = nbformat.from_dict(self.released)
        for task in self.tasks:
            cell = notebook.cells[task.position]
            replaced = [name for name in task.names if name in answers]
            if replaced:
                cell.source = "\n\n\n".join(answers[name] for name in replaced)
            elif solved:
                cell.source = self.sources[grade_id(cell)]
        return notebook

    def verdicts(
        self, answers: dict[str, str], solved: bool = True, only: str | None = None
    ) -> dict[str, tuple[str, str]]:
        """What each test cell says. `only`: the tests of the task that asks for that name."""
        assembled = assemble(self.released, self.solution, self.submitted(answers, solved), self.packages)
        asked = [task for task in self.tasks if only is None or only in task.names]
        wanted = {test for task in asked for test in task.tests}
        end = max(i for i, cell in enumerate(assembled.cells) if grade_id(cell) in wanted) + 1
        space = {name: fresh(value) for name, value in self.start.items()}
        GUARD.space, GUARD.given, GUARD.taken = {}, {}, set()
        verdicts = {}
        for cell in assembled.cells[self.first : end]:
            kind = kind_of(cell)
            if kind == SETUP:
                attempt(lambda: exec(plain_python(cell.source), space))  # noqa: B023  (called at once)
            elif kind == ANSWER and not cell.metadata.get("course", {}).get("refused"):
                attempt(lambda: GUARD.load(cell.source, cell.metadata.course["names"], space))  # noqa: B023
            elif kind == TEST and grade_id(cell) in wanted:
                verdicts[grade_id(cell)] = self.test(grade_id(cell), space)
        return verdicts

    def test(self, name: str, space: dict) -> tuple[str, str]:
        """What the visible part of a test cell says, and the hidden part, which may need functions of the visible one.

        The visible part runs on after a failure: each part judges without the other.
        """
        visible, _, hidden = self.sources[name].partition("### BEGIN HIDDEN TESTS\n")
        statements = [ast.Module([statement], []) for statement in ast.parse(visible).body]
        GUARD.before()
        return said(statements, name, space), said([ast.parse(hidden)], name, space)


def said(parts: list[ast.Module], name: str, space: dict) -> str:
    """The first error of the parts of a test, all of which run; "" when there is none and nothing was replaced."""
    errors = [attempt(lambda: exec(compile(part, name, "exec"), space)) for part in parts]  # noqa: B023
    return next((error for error in [*errors, attempt(GUARD.after)] if error), "")


def fresh(value):
    """A copy of a fixture that an answer might change."""
    return copy.deepcopy(value) if type(value).__name__ in ("Tensor", "ndarray", "list", "dict") else value


def attempt(action) -> str:
    """Run something of a stranger's; "" or what it raised."""

    def stop(*_):
        raise TimeoutError(f"no end within {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            action()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return ""


def main(solution: str, released: str, answers: str) -> None:
    chapter = Chapter(Path(solution), Path(released))
    given = json.loads(Path(answers).read_text(encoding="utf8"))
    result = {"full": chapter.verdicts({}), "empty": chapter.verdicts({}, solved=False)}
    for kind, table in given.items():
        result[kind] = {
            name: {label: chapter.verdicts({name: source}, only=name) for label, source in labelled.items()}
            for name, labelled in table.items()
        }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
