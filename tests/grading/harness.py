"""Run many answers of one chapter, each in a fork, and tell which tests pass.

Called as a program:  python harness.py <solution> <released> <answers> <draw> …
`answers` is a JSON file {"wrong": {name: {label: source}}, "right": …}. The result is JSON on standard output: for each
answer, and for every solution ("full") and none ("empty"), what each test cell says: a text of its visible part, and
one of its hidden part for each draw of the inputs; "" when that passes.
"""

import json
import pickle
import random
import socket
import sys
from pathlib import Path

import numpy as np
import torch

from course.grading.answers import grade_id, tasks
from course.grading.execute import first_cells, parts_of
from course.grading.parcels import pack
from course.grading.processes import Process
from course.grading.sandbox import Limits
from course.grading.submissions import read
from course.grading.wire import decode, receive, send

SECONDS = 60  # for one part of a cell of tests
STATES = pickle.dumps((random.getstate(), np.random.get_state(), torch.get_rng_state()))  # noqa: NPY002


def load(sources: list[str]) -> None:
    """Run answers in a fork of the desk."""
    import __main__

    for source in sources:
        exec(source, vars(__main__))


load.__module__ = "__main__"  # so that it travels itself


class Chapter:
    """The two notebooks of a chapter, its judge, and a desk at which all is answered rightly."""

    def __init__(self, solution: Path, released: Path, draws: list[int]):
        self.solution, self.released, self.draws = read(solution), read(released), draws
        self.tasks = tasks(self.released, self.solution)
        self.cells = {grade_id(cell): cell for cell in self.solution.cells if grade_id(cell)}
        self.stubs = {name: self.released.cells[task.position].source for task in self.tasks for name in task.names}
        first = first_cells(self.solution)
        limits = Limits()
        self.judge, self.desk = (Process(module, limits, in_sandbox=False) for module in ("judge", "desk"))
        self.judge.order(do="first", source=first)
        answers = [self.cells[grade_id(self.released.cells[task.position])] for task in self.tasks if task.names]
        for source in [first, *(cell.source for cell in answers)]:
            self.desk.order(do="cell", source=source)
            for output in self.desk.answer(SECONDS):
                if output["output_type"] == "error":
                    raise RuntimeError(f"{output['ename']}: {output['evalue']}")
        if error := self.judge.answer(SECONDS):
            raise RuntimeError(error)

    def verdicts(self, sources: list[str], only: str | None = None) -> dict[str, tuple[str, list[str]]]:
        """What each test cell says when the desk has run ``sources``, too; ``only``: the tests of one task."""
        asked = [task for task in self.tasks if task.names and (only is None or only in task.names)]
        return {test: self.verdict(sources, task.names, test) for task in asked for test in task.tests}

    def verdict(self, sources: list[str], names: tuple[str, ...], test: str) -> tuple[str, list[str]]:
        """What one test cell says. Its hidden part is asked once for each draw, each time in forks of its own."""
        said = [self.said(sources, names, test, draw) for draw in self.draws]
        return said[0][0], [hidden for _, hidden in said]

    def said(self, sources: list[str], names: tuple[str, ...], test: str, draw: int) -> tuple[str, str]:
        """The two parts; the visible one runs on after a failure, so that each part judges without the other."""
        visible, hidden, before = parts_of(self.cells[test].source)
        (exam, theirs), (control, end) = socket.socketpair(), socket.socketpair()
        self.desk.fork(theirs, do="fork", plain=False)
        process, _ = self.desk.answer(SECONDS)
        try:
            if sources:
                send(exam, [b"call", *pack((STATES, load, (sources,), {}), lambda _: None).parts()])
                kind, *parts = receive(exam, SECONDS)
                if kind == b"error":
                    return ": ".join(decode(parts)[:2]), ": ".join(decode(parts)[:2])
            self.judge.fork(
                end, exam, do="test", name=test, visible=visible, hidden=hidden, asked=names, draw=draw,
                lines={"visible": 0, "hidden": before}, seconds=SECONDS, go_on=True,
            )  # fmt: skip
            return tuple(self.part(control) for _ in range(2))
        finally:
            control.close()
            self.desk.order(do="end", process=process)

    @staticmethod
    def part(control: socket.socket) -> str:
        """What a part says."""
        send(control, [b"go"])
        try:
            error = json.loads(receive(control, 2 * SECONDS)[0])["error"]
        except TimeoutError as late:
            return f"TimeoutError: {late}"
        return f"{error['name']}: {error['message']}" if error else ""


def main(solution: str, released: str, answers: str, *draws: str) -> None:
    chapter = Chapter(Path(solution), Path(released), [int(draw) for draw in draws] or [0])
    given = json.loads(Path(answers).read_text(encoding="utf8"))
    result = {"full": chapter.verdicts([]), "empty": chapter.verdicts(list(chapter.stubs.values()))}
    for kind, table in given.items():
        result[kind] = {
            name: {label: chapter.verdicts([source], only=name) for label, source in labelled.items()}
            for name, labelled in table.items()
        }
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
