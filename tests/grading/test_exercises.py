"""The students' notebooks follow from the solutions, and hold none of them."""

import importlib
import shutil
from pathlib import Path

import nbformat
import pytest
from fixture_course import LAST, make

from course.grading.answers import grade_id
from course.grading.layout import GradingError
from course.grading.submissions import read

ROOT = Path(__file__).resolve().parent.parent.parent
PAIRS = [
    (path, ROOT / "book/exercises" / path.parent.name / path.name)
    for path in sorted(ROOT.glob("solutions/*/*.ipynb"))
]


@pytest.fixture
def exercises(monkeypatch, capsys):
    """``scripts/exercises.py`` on a checkout: its exit status and what it writes to standard error."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    main = importlib.import_module("exercises").main

    def call(root: Path, *options: str) -> tuple[int, str]:
        status = main(["--root", str(root), *options])
        return status, capsys.readouterr().err

    return call


def regions(source: str, name: str) -> list[str]:
    """The lines between BEGIN and END of a kind of region."""
    lines, inside = [], False
    for line in source.split("\n"):
        if f"BEGIN {name}" in line or f"END {name}" in line:
            inside = "BEGIN" in line
        elif inside and len(line.strip()) > 12:
            lines.append(line.strip())
    return lines


@pytest.mark.parametrize(("source", "student"), PAIRS, ids=lambda path: "-".join(path.parts[-3:]))
def test_no_solution_and_no_hidden_test_reaches_the_student(source, student):
    solution, released = read(source), read(student)
    text = {line.strip() for cell in released.cells for line in cell.source.split("\n")}
    shown = {
        line.strip()
        for cell in solution.cells
        for line in cell.source.split("\n")
        if line not in regions(cell.source, "SOLUTION") + regions(cell.source, "HIDDEN TESTS")
    }
    for cell in solution.cells:
        for name in ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME"):
            secret = set(regions(cell.source, name))
            assert not (secret & text) - own_lines(solution, shown, name), grade_id(cell)
    assert not any(
        f"{word} {name}" in line
        for line in text
        for word in ("BEGIN", "END")
        for name in ("SOLUTION", "HIDDEN")
    )


def own_lines(solution: nbformat.NotebookNode, shown: set[str], name: str) -> set[str]:
    """Lines that the notebook shows elsewhere too, outside every region (an import, say)."""
    secret = {line for cell in solution.cells for line in regions(cell.source, name)}
    outside = set()
    for cell in solution.cells:
        hidden, inside = set(), False
        for line in cell.source.split("\n"):
            if "### BEGIN" in line or "### END" in line:
                inside = "BEGIN" in line
            elif not inside:
                hidden.add(line.strip())
        outside |= hidden
    return secret & outside & shown


def test_drift_is_found_and_repaired(tmp_path, exercises):
    root = make(tmp_path)
    student = root / "book/exercises/start/basics.ipynb"
    status, text = exercises(root, "--check")
    assert status == 1
    assert "basics.ipynb is not what" in text
    assert exercises(root)[0] == 0
    written = student.read_bytes()
    assert exercises(root, "--check") == (0, "")
    shutil.copy(student, student.with_name("old.ipynb"))
    student.write_text(student.read_text().replace("Basics", "Base"))
    status, text = exercises(root, "--check")
    assert status == 1
    assert "old.ipynb has no source" in text
    assert exercises(root)[0] == 0
    assert student.read_bytes() == written
    assert not student.with_name("old.ipynb").exists()
    assert LAST.split("\n")[3].strip() not in written.decode()
    assert not (root / "grading").exists()


def test_a_solution_that_nbgrader_refuses_is_named(tmp_path, exercises):
    root = make(tmp_path)
    path = root / "solutions/start/basics.ipynb"
    path.write_text(path.read_text().replace("### END SOLUTION", "### SOLUTION", 1))
    with pytest.raises(GradingError, match=r"(?i)solutions/start: .*end solution"):
        exercises(root)
