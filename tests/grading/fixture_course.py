"""A course of one small chapter, for the tests of the grader."""

import subprocess
import sys
from pathlib import Path

import nbformat

from course.grading.layout import Course

COURSE = Path(sys.executable).with_name("course")

MEAN = '''def mean(x):
    """The mean of a vector."""
    ### BEGIN SOLUTION
    return x.sum() / len(x)
    ### END SOLUTION'''
MEAN_TESTS = """assert torch.allclose(mean(torch.tensor([1.0, 3.0])), torch.tensor(2.0))
### BEGIN HIDDEN TESTS
hidden_expected = torch.tensor(5.5)
assert torch.allclose(mean(torch.arange(1.0, 11.0)), hidden_expected), "the mean of 1..10 is 5.5"
### END HIDDEN TESTS"""
SQUARE = '''def centred(x):
    """x minus its mean; use your `mean`."""
    ### BEGIN SOLUTION
    return x - mean(x)
    ### END SOLUTION'''
SQUARE_TESTS = """assert torch.allclose(centred(torch.tensor([1.0, 3.0])), torch.tensor([-1.0, 1.0]))
### BEGIN HIDDEN TESTS
np.testing.assert_allclose(centred(torch.arange(4.0)).numpy(), np.arange(4.0) - 1.5)
### END HIDDEN TESTS"""
LAST = '''def last(items):
    """The last item."""
    ### BEGIN SOLUTION
    return items[-1]
    ### END SOLUTION'''
LAST_TESTS = """assert last([1, 2]) == 2
### BEGIN HIDDEN TESTS
assert last("abc") == "c"
### END HIDDEN TESTS"""


def cell(kind, source, grade_id=None, *, points=None, solution=False, tags=()):
    make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
    made = make(source, metadata={"tags": list(tags)} if tags else {})
    if grade_id:
        made.id = grade_id
        kind = {"grade": points is not None, "solution": solution, "locked": not solution, "task": False}
        made.metadata["nbgrader"] = {"grade_id": grade_id, "schema_version": 3, **kind}
        if points is not None:
            made.metadata["nbgrader"]["points"] = points
    return made


def task(number, name, source, tests, points):
    graded = cell("code", tests, f"{name}-tests", points=points, tags=["raises-exception"])
    return cell("markdown", f"## {number}"), cell("code", source, name, solution=True), graded


def solution_notebook():
    cells = [
        cell("markdown", "# Basics"),
        cell("code", "import numpy as np\nimport torch", "imports"),
        *task(1, "mean", MEAN, MEAN_TESTS, 2),
        *task(2, "centred", SQUARE, SQUARE_TESTS, 3),
        *task(3, "last", LAST, LAST_TESTS, 1),
        cell("markdown", "## 4: why is the mean of a centred vector zero?"),
        cell("markdown", "### BEGIN SOLUTION\nLinearity.\n### END SOLUTION", "why", points=4, solution=True),
        cell("markdown", "## 5: try something"),
        cell(
            "code", "### BEGIN SOLUTION\nmean(torch.ones(3))\n### END SOLUTION", "experiment", points=2, solution=True
        ),
        cell("markdown", "The end."),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=kernel)


def make(root: Path) -> Path:
    """Write the course into a folder."""
    folder = root / "solutions" / "start"
    folder.mkdir(parents=True)
    nbformat.write(solution_notebook(), folder / "basics.ipynb")
    return root


ANSWERS = {
    "mean": "def mean(x):\n    return x.mean()",
    "centred": "def centred(x):\n    return x - mean(x)",
    "last": "def last(items):\n    return items[len(items) - 1]",
}


def submission(released, answers=ANSWERS, why="Because the mean is linear.", experiment=None):
    """The student's notebook `released` with answers filled in."""
    notebook = nbformat.from_dict(released)
    for made in notebook.cells:
        name = made.metadata.get("nbgrader", {}).get("grade_id")
        if name in answers:
            made.source = answers[name]
        elif name == "why" and why:
            made.source = why
        elif name == "experiment" and experiment:
            made.source = experiment
    return notebook


def course_grade(course: Course, step: str, *arguments, **options) -> subprocess.CompletedProcess:
    """``course grade STEP``, as an instructor would call it."""
    command = [COURSE, "grade", step, "--course", course.root, "--grading", course.grading, *arguments]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=400, **options)
