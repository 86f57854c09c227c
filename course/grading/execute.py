"""Run a submission for nbgrader: the student's cells at the desk, the chapter's tests before the judge.

First all cells of the submission run, one after the other. Where the student's own check of a task stands, the desk
forks, and so it does at the end. Then the visible parts of all tests are run, and last the hidden ones: no input of a
hidden test exists while there is anything left whose output the student will see.

A task is passed if its tests pass where its check stood, or with plain settings there, or at the end.
"""

import json
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_solution
from traitlets import Any as AnyTrait
from traitlets import Bool

from course.grading.answers import grade_id, is_test
from course.grading.harmless import harmless_output
from course.grading.layout import GradingError
from course.grading.processes import Lost, Process
from course.grading.sandbox import Limits
from course.grading.submissions import whole_signs
from course.grading.wire import Closed, Malformed, receive, send

HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS[^\n]*\n(.*?)^[^\n]*END HIDDEN TESTS[^\n]*$", re.MULTILINE | re.DOTALL)
AT_CHECK, PLAIN, AT_END = "where its check stands", "there, with plain settings", "at the end of the notebook"
SHOWN = 2**21  # characters of a cell's outputs that are kept
GRACE = 10  # seconds that the judge may take beyond those of an answer


def error_output(name: str, text: str, traceback: list[str] | None = None) -> NotebookNode:
    """An error as a cell shows it."""
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=traceback or [f"{name}: {text}"])


def parts_of(source: str) -> tuple[str, str, int]:
    """The visible and the hidden part of a cell of tests, and the number of lines before the hidden one."""
    found = HIDDEN.search(source)
    if found is None:
        return source, "", 0
    return source[: found.start()] + source[found.end() :], found[1], source[: found.start(1)].count("\n")


def first_cells(notebook: NotebookNode) -> str:
    """The chapter's own cells of code, which no task asks for and no test is in."""
    own = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return "\n\n".join(cell.source for cell in own if not is_solution(cell) and not is_test(cell))


JUDGES: dict[tuple[str, Limits, bool], Process] = {}  # of this process: the one of the chapter that was last graded


def judge_of(first_cells: str, limits: Limits, in_sandbox: bool) -> Process:
    """The judge of a chapter, behind whose forks stand the chapter's first cells; it is kept for the next submission.

    Raises:
        GradingError: if a cell of the chapter's own fails.
    """
    key = first_cells, limits, in_sandbox
    if key not in JUDGES or JUDGES[key].process.poll() is not None:
        while JUDGES:
            JUDGES.popitem()[1].end()
        judge = Process("judge", limits, in_sandbox)
        judge.order(do="first", source=first_cells)
        if error := judge.answer(limits.total_seconds):
            judge.end()
            raise GradingError(f"the chapter's own cells fail before any test: {error['name']}: {error['message']}")
        JUDGES[key] = judge
    return JUDGES[key]


@dataclass
class Attempt:
    """The tests of one cell on one state of the student's process: the lines to both forks, and what came of it."""

    name: str
    where: str
    process: int  # the number of the desk's fork, in its sandbox
    exam: socket.socket  # the end for the judge's fork
    control: socket.socket | None = None
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)

    def passed(self, part: str) -> bool:
        """Did this part pass?"""
        return part in self.reports and self.reports[part]["error"] is None


class Run:
    """One submission.

    Args:
        notebook: as :func:`course.grading.answers.assemble` makes it; its cells get their outputs.
        draw: the number that hidden tests draw their inputs with.
        limits, in_sandbox: of the two processes.
    """

    def __init__(self, notebook: NotebookNode, draw: int, limits: Limits, in_sandbox: bool):
        self.notebook, self.draw, self.limits, self.in_sandbox = notebook, draw, limits, in_sandbox
        self.steps: list[dict[str, Any]] = notebook.metadata["course"]["steps"]
        self.tests = {grade_id(cell): cell for cell in notebook.cells if is_test(cell)}
        self.outputs: dict[int, list[NotebookNode]] = {}  # by the number of the submission's cell
        self.attempts: dict[str, list[Attempt]] = {}
        self.lost: set[int] = set()  # cells that cost the desk its life, and are not run again
        self.unanswered: set[str] = set()  # cells of tests that an answer did not come back to
        self.notes: list[str] = []
        self.deadline = time.monotonic() + limits.total_seconds

    def seconds(self) -> float:
        """That are left for the next cell."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Lost(f"all {self.limits.total_seconds} s of this submission are used up")
        return min(self.limits.cell_seconds, left)

    def everything(self) -> None:
        """Run the submission, its tests, and write down what came of both."""
        self.desk = None
        try:
            self.run_cells()
            self.run_tests()
        finally:
            if self.desk is not None:
                self.desk.end()
            for attempts in self.attempts.values():
                self.forget(attempts)
        self.write_down()

    def run_cells(self) -> None:
        """All cells; after one that costs the desk its life, all but that once more."""
        while not self.ran_through():
            if self.desk is not None:
                self.desk.end()

    def ran_through(self) -> bool:
        """Run the cells with a new desk; False when one of them cost it its life."""
        for name in [*self.attempts]:
            self.forget(self.attempts.pop(name))
        self.desk = Process("desk", self.limits, self.in_sandbox)
        for step in self.steps:
            number = step["number"]
            if number in self.lost:
                continue
            try:
                if step["test"]:
                    self.fork(step["test"], AT_CHECK)
                if step["passed_over"]:
                    continue
                self.desk.order(do="cell", source=step["source"])
                self.outputs[number] = outputs_of(self.desk.answer(self.seconds()))
            except Lost as reason:
                self.lost.add(number)
                self.outputs[number] = [error_output("KernelLost", str(reason))]
                self.notes.append(f"{self.told(number)}: {reason}")
                if time.monotonic() < self.deadline:
                    return False
                break
        try:
            for name in self.tests:
                if not self.attempts.get(name) or self.went_on(name):
                    self.fork(name, AT_END)
        except Lost as reason:
            self.notes.append(f"at the end of the notebook: {reason}")
        return True

    def told(self, number: int) -> str:
        """What an instructor calls a cell of the submission."""
        named = [
            grade_id(cell) for cell in self.notebook.cells if number in cell.metadata.get("course", {}).get("cells", ())
        ]
        return next((name for name in named if name), f"cell {number + 1}")

    def asked(self, name: str) -> list[str]:
        """The names that the task of a cell of tests asks for."""
        return list(self.tests[name].metadata.get("course", {}).get("asked", []))

    def went_on(self, name: str) -> bool:
        """Is there a cell of the student's own after the check of a task, so that something may have changed?"""
        checks = [place for place, step in enumerate(self.steps) if step["test"] == name]
        return any(step["own"] for step in self.steps[checks[-1] + 1 :])

    def fork(self, name: str, where: str) -> None:
        """Let the desk fork for the tests of a cell; the last check of several counts."""
        if where == AT_CHECK:
            self.forget(self.attempts.pop(name, []))
        kept = self.attempts.setdefault(name, [])
        for plain in (False, True):
            ours, theirs = socket.socketpair()
            self.desk.fork(theirs, do="fork", plain=plain)
            told = self.desk.answer(self.seconds())
            process, was_plain = told if isinstance(told, list) and len(told) == 2 else (0, True)
            kept.append(Attempt(name, PLAIN if plain else where, process, ours))
            if was_plain or where == AT_END:
                break

    def forget(self, attempts: list[Attempt]) -> None:
        """Close the lines to forks, which ends those that wait."""
        for attempt in attempts:
            for end in filter(None, (attempt.exam, attempt.control)):
                end.close()

    def run_tests(self) -> None:
        """The visible parts of all tests, then the hidden ones."""
        for name in self.tests:
            for attempt in self.attempts.get(name, []):
                self.judge(attempt, "visible")
                if attempt.passed("visible") or attempt.reports["visible"]["gone"]:
                    break
        for name in self.tests:
            for attempt in self.attempts.get(name, []):
                if not attempt.reports:
                    self.judge(attempt, "visible")
                if attempt.reports["visible"]["gone"]:
                    break
                if not attempt.passed("visible"):
                    continue
                self.judge(attempt, "hidden")
                if attempt.passed("hidden") or attempt.reports["hidden"]["gone"]:
                    break

    def judge(self, attempt: Attempt, part: str) -> None:
        """Run one part of the tests of a cell on one state of the student's process."""
        visible, hidden, before = parts_of(self.tests[attempt.name].source)
        try:
            seconds = self.seconds()
            if attempt.control is None:
                judge = judge_of(first_cells(self.notebook), self.limits, self.in_sandbox)
                attempt.control, theirs = socket.socketpair()
                judge.fork(
                    theirs, attempt.exam, do="test", name=attempt.name, visible=visible, hidden=hidden,
                    lines={"visible": 0, "hidden": before}, asked=self.asked(attempt.name), draw=self.draw,
                    seconds=seconds, go_on=False,
                )  # fmt: skip
            send(attempt.control, [b"go"])
            attempt.reports[part] = json.loads(receive(attempt.control, seconds + GRACE)[0])
        except (Lost, TimeoutError, Closed, Malformed) as error:
            told = {"name": "KernelLost", "message": str(error), "line": 0, "source": "", "frames": "", "answers": 0}
            attempt.reports[part] = {"error": told, "printed": "", "gone": str(error)}
        if attempt.reports[part]["gone"]:  # it may still be running, at the cost of the others
            self.desk.order(do="end", process=attempt.process)

    def write_down(self) -> None:
        """Put the outputs into the cells of the notebook, and notes for the instructor beside them."""
        for cell in self.notebook.cells:
            if cell.cell_type != "code":
                continue
            numbers = cell.metadata.get("course", {}).get("cells", [])
            cell.outputs = [output for number in numbers for output in self.outputs.get(number, [])]
            if is_test(cell):
                self.write_verdict(cell)

    def write_verdict(self, cell: NotebookNode) -> None:
        """The outputs of a cell of tests: those of the attempt that passed, or else of the first."""
        name = grade_id(cell)
        attempts = self.attempts.get(name, [])
        passed = [each for each in attempts if each.passed("visible") and each.passed("hidden")]
        if not attempts:
            cell.outputs = [error_output("KernelLost", "the notebook did not get here")]
            return
        shown = (passed or attempts)[0]
        cell.outputs = []
        if printed := shown.reports["visible"]["printed"]:
            cell.outputs.append(nbformat.v4.new_output("stream", name="stdout", text=whole_signs(printed)))
        if passed:
            if shown.where != AT_CHECK:
                self.notes.append(f"{name}: the tests pass {shown.where}")
            return
        part = "hidden" if shown.passed("visible") else "visible"
        error = {key: whole_signs(str(value)) for key, value in shown.reports[part]["error"].items()}
        if error["name"] == "NameError":
            self.notes.append(f"{name}: {error['message']}")
        if gone := shown.reports[part]["gone"]:
            self.notes.append(f"{name}: {gone}")
            self.unanswered.add(name)
        cell.metadata["course"] = cell.metadata.get("course", {}) | {"hidden": part == "hidden"}
        if part == "hidden" and shown.reports[part]["error"]["answers"]:
            cell.metadata["course"]["answers"] = True  # what it raised may tell what it was given
        place = [f"line {error['line']}: {error['source']}"] if error["source"] else []
        lines = [*place, *filter(None, [error["frames"].rstrip()]), f"{error['name']}: {error['message']}"]
        cell.outputs.append(error_output(error["name"], error["message"], lines))


def outputs_of(told: Any) -> list[NotebookNode]:
    """The outputs of a cell as the desk tells them, which may be anything."""
    found, size = [], 0
    for output in map(output_of, told if isinstance(told, list) else []):
        size += len(str(output))
        if size > SHOWN:
            break
        found.append(output)
    return found


def output_of(told: Any) -> NotebookNode:
    """One of them."""
    found = told if isinstance(told, dict) else {}
    kind = found.get("output_type")
    if kind == "stream":
        return nbformat.v4.new_output("stream", name="stdout", text=whole_signs(str(found.get("text", ""))))
    if kind in ("display_data", "execute_result"):
        data = found.get("data") if isinstance(found.get("data"), dict) else {}
        plain = {str(name): whole_signs(str(value)) for name, value in data.items()}
        return harmless_output(nbformat.v4.new_output("display_data", data=plain))
    lines = found.get("traceback") if isinstance(found.get("traceback"), list) else []
    name, text = (whole_signs(str(found.get(key, ""))) for key in ("ename", "evalue"))
    return error_output(name or "Error", text, [whole_signs(str(line)) for line in lines])


class RunSubmission(NbGraderPreprocessor):
    """nbgrader's step "execute", in two processes."""

    limits = AnyTrait(Limits()).tag(config=True)
    sandboxed = Bool(True).tag(config=True)
    draw = AnyTrait(0).tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """Run the notebook; notes for the instructor go into its metadata."""
        run = Run(nb, self.draw, self.limits, self.sandboxed)
        run.everything()
        nb.metadata["course"] = {"notes": run.notes, "lost": len(run.lost | run.unanswered)}
        return nb, resources
