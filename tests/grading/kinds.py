"""Grade every kind of submission in forks of one process, and print their marks and notes as JSON.

``python kinds.py <solution> <released>``. The desk and the judge are the real ones, but for two things: no sandbox is
around them, and they begin as forks of this process, which has imported PyTorch already.
"""

import json
import os
import runpy
import socket
import sys
from pathlib import Path

import nbformat
from fixture_course import ANSWERS, submission
from nbformat.v4 import new_code_cell

from course.grading import desk, execute, judge, processes
from course.grading.answers import assemble, grade_id, is_test
from course.grading.sandbox import Limits
from course.grading.submissions import read, whole_signs

HERE = Path(__file__).parent
FOLDER = HERE / "submissions"
KINDS = {
    kind: given for file in sorted(FOLDER.glob("*.py")) for kind, given in runpy.run_path(str(file))["KINDS"].items()
}
LIMITS = Limits(cell_seconds=6, total_seconds=60)


class Forked(processes.Process):
    """A process of the grader that begins as a fork of this one."""

    def __init__(self, module: str, limits: Limits, in_sandbox: bool = True):
        self.limits, self.too_large = limits, processes.threading.Event()
        self.channel, theirs = socket.socketpair()
        self.number = os.fork()
        if self.number == 0:
            try:
                mine = theirs.detach()  # and no other descriptor, as in a process that is started
                os.closerange(3, mine)
                os.closerange(mine + 1, 4096)
                {"desk": desk, "judge": judge}[module].serve(mine)
            finally:
                os._exit(0)
        theirs.close()
        processes.receive(self.channel, 60)
        self.process = self

    def poll(self) -> int | None:
        return None

    def end(self) -> None:
        self.channel.close()
        os.kill(self.number, 9)
        os.waitpid(self.number, 0)


def notebook_of(released: nbformat.NotebookNode, kind: dict) -> nbformat.NotebookNode:
    """The submission that a kind describes."""
    if kind.get("empty"):
        return nbformat.from_dict(released)
    made = submission(released, ANSWERS | {name: kind[name] for name in ANSWERS if name in kind})
    for cell in made.cells:
        if is_test(cell) and "tests" in kind:
            cell.source = kind["tests"]
        if "points" in kind and "points" in cell.metadata.get("nbgrader", {}):
            cell.metadata.nbgrader.points = kind["points"]
        if grade_id(cell) == kind.get("as_text"):
            cell.cell_type = "markdown"
    if name := kind.get("twice"):
        place = next(number for number, cell in enumerate(made.cells) if grade_id(cell) == name)
        made.cells.insert(place, nbformat.from_dict(made.cells[place]))
    if kind.get("without_tests"):
        made.cells = [cell for cell in made.cells if not is_test(cell)]
    if kind.get("without_metadata"):
        for cell in made.cells:
            cell.metadata = nbformat.from_dict({})
    if kind.get("reversed"):
        made.cells.reverse()
    imports = [new_code_cell("import numpy as np\nimport torch")] if "before" in kind else []
    made.cells[:0] = imports + [new_code_cell(source) for source in kind.get("before", ())]
    made.cells += [new_code_cell(source) for source in kind.get("after", ())]
    return made


def graded(released: nbformat.NotebookNode, solution: nbformat.NotebookNode, submitted: nbformat.NotebookNode) -> dict:
    """Which tests pass, and what the instructor is told."""
    for cell in submitted.cells:
        cell.source = whole_signs(cell.source)
    notebook = assemble(released, solution, submitted)
    sources = {grade_id(cell): cell.source for cell in solution.cells}
    for cell in notebook.cells:
        if is_test(cell):
            cell.source = sources[grade_id(cell)]
    run = execute.Run(notebook, 7, LIMITS, False)
    run.everything()
    tests = [cell for cell in notebook.cells if is_test(cell)]
    passed = [not any(output.output_type == "error" for output in cell.outputs) for cell in tests]
    points = [cell.metadata.nbgrader.points for cell in tests]
    told = [[*output.get("traceback", ()), output.get("text", "")] for cell in tests for output in cell.outputs]
    return {
        "marks": [point * right for point, right in zip(points, passed, strict=True)],
        "notes": run.notes,
        "outputs": ["\n".join(lines) for lines in told],
    }


def main(solution: str, released: str) -> None:
    execute.Process = Forked
    original, answered = read(Path(released)), read(Path(solution))
    json.dump(
        {name: graded(original, answered, notebook_of(original, kind)) for name, kind in KINDS.items()}, sys.stdout
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
