"""Run many answers of one chapter in one process, cell by cell as the grader does, and tell which tests pass.

Called as a program (the guard changes the process it runs in):  python harness.py <solution> <released> <answers>
`answers` is a JSON file {"wrong": {name: {label: source}}, "right": …}; the result is JSON on standard output.
"""

import ast
import copy
import io
import json
import signal
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import nbformat

from course.grading.answers import assemble, grade_id, plain_python, tasks
from course.grading.execute import ANSWER, SETUP, TEST, kind_of
from course.grading.guard import GUARD
from course.grading.submissions import read

SECONDS = 60  # for one answer


class Chapter:
    """The two notebooks of a chapter and the state of its first cells, which every answer starts from."""

    def __init__(self, solution: Path, released: Path):
        self.solution, self.released = read(solution), read(released)
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

    def passed(
        self, answers: dict[str, str], solved: bool = True, only: str | None = None, hidden: bool = False
    ) -> dict[str, str]:
        """What each test cell says: "" when it passes. `only`: the tests of the task that asks for that name.

        `hidden`: let the hidden tests alone judge; whatever the visible ones say is ignored.
        """
        assembled = assemble(self.released, self.solution, self.submitted(answers, solved))
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
                test = self.hidden_test if hidden else self.test
                verdicts[grade_id(cell)] = attempt(lambda: test(grade_id(cell), space))  # noqa: B023
        return verdicts

    def test(self, name: str, space: dict) -> None:
        GUARD.before()
        exec(compile(self.sources[name], name, "exec"), space)
        GUARD.after()

    def hidden_test(self, name: str, space: dict) -> None:
        """The hidden part of a test cell, after the visible part, which it may need functions of."""
        visible, _, rest = self.sources[name].partition("### BEGIN HIDDEN TESTS\n")
        GUARD.before()
        for statement in ast.parse(visible).body:
            with suppress(Exception):  # it judges the answer, and is not asked here
                exec(compile(ast.Module([statement], []), name, "exec"), space)
        exec(compile(rest, name, "exec"), space)
        GUARD.after()

    def refusals(self) -> list[str]:
        """What the grader has against the reference solutions: nothing, one hopes."""
        assembled = assemble(self.released, self.solution, self.submitted({}, solved=True))
        return [reason for cell in assembled.cells for reason in cell.metadata.get("course", {}).get("refused", [])]


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
    result = {
        "names": {task.names[0]: list(task.tests) for task in chapter.tasks if task.names},
        "asked": [name for task in chapter.tasks for name in task.names],
        "refusals": chapter.refusals(),
        "full": chapter.passed({}),
        "empty": chapter.passed({}, solved=False),
    }
    for kind, answered, hidden in (("wrong", "wrong", False), ("hidden", "wrong", True), ("right", "right", False)):
        result[kind] = {
            name: {
                label: chapter.passed({name: source}, only=name, hidden=hidden) for label, source in labelled.items()
            }
            for name, labelled in given[answered].items()
            if name in result["asked"]
        }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
