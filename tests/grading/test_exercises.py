"""The students' notebooks follow from the solutions, and hold none of them."""

import importlib
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
from fixture_course import LAST, make

from course.grading.answers import grade_id
from course.grading.layout import Course, GradingError
from course.grading.release import is_current, release
from course.grading.submissions import read

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = sorted([*ROOT.glob("solutions/*/*.ipynb"), *ROOT.glob("solutions/*.ipynb")])
PAIRS = [(path, ROOT / "book/exercises" / path.relative_to(ROOT / "solutions")) for path in SOURCES]


@pytest.fixture
def script(monkeypatch):
    """``scripts/exercises.py`` as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("exercises")


@pytest.fixture
def exercises(script, capsys):
    """The script on a checkout: its exit status and what it writes to standard error."""

    def call(root: Path, *options: str) -> tuple[int, str]:
        status = script.main(["--root", str(root), *options])
        return status, capsys.readouterr().err

    return call


@pytest.fixture
def handed_out(tmp_path, script, exercises, monkeypatch, released) -> Path:
    """A checkout with its student's notebook, which nbgrader need not make again for every call: it takes seconds."""
    texts = {"start/basics.ipynb": nbformat.writes(released)}
    monkeypatch.setattr(script, "generated", lambda root: texts)
    assert exercises(tmp_path) == (0, "")
    return tmp_path / "book" / "exercises" / "start" / "basics.ipynb"


def lines_by_region(source: str) -> tuple[set[str], set[str]]:
    """The lines within the regions of a cell (solution, hidden tests, mark scheme), and those outside of all."""
    inside, outside, within = set(), set(), False
    for line in map(str.strip, source.split("\n")):
        if "### BEGIN" in line or "### END" in line:
            within = "BEGIN" in line
        elif len(line) > 12:
            (inside if within else outside).add(line)
    return inside, outside


@pytest.mark.parametrize(("source", "student"), PAIRS, ids=lambda path: "-".join(path.parts[-3:]))
def test_no_solution_and_no_hidden_test_reaches_the_student(source, student):
    """Nor a mark scheme; a line that the notebook shows elsewhere too (an import, say) is no secret."""
    text = {line.strip() for cell in read(student).cells for line in cell.source.split("\n")}
    regions = [lines_by_region(cell.source) for cell in read(source).cells]
    secret = set().union(*(inside for inside, _ in regions)) - set().union(*(outside for _, outside in regions))
    assert len(secret) > (5 if "To write:" in source.read_text(encoding="utf8") else 20), "the check sees too little"
    assert secret & text == set()
    assert not any(re.search(r"(BEGIN|END) (SOLUTION|HIDDEN|MARK)", line) for line in text)


def test_drift_is_found_and_repaired(tmp_path, exercises):
    root = make(tmp_path)
    student = root / "book/exercises/start/basics.ipynb"
    status, text = exercises(root, "--check")
    assert status == 1
    assert "basics.ipynb is not what" in text
    assert "edit solutions/start/basics.ipynb, and run make exercises, which overwrites" in text
    assert exercises(root)[0] == 0
    written = student.read_bytes()
    assert exercises(root, "--check") == (0, "")
    student.write_text(student.read_text().replace("Basics", "Base"))
    assert exercises(root, "--check")[0] == 1
    assert exercises(root)[0] == 0
    assert student.read_bytes() == written
    assert LAST.split("\n")[3].strip() not in written.decode()
    assert not (root / "grading").exists()


def answered(notebook: nbformat.NotebookNode, name: str, source: str) -> str:
    """The text of the notebook with one cell answered."""
    notebook = nbformat.from_dict(notebook)
    next(cell for cell in notebook.cells if grade_id(cell) == name).source = source
    return nbformat.writes(notebook)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("mean", "def mean(x):\n    return x.mean()"),
        ("mean", "def mean(x):\n    return x.mean()\n    # YOUR CODE HERE\n    # raise NotImplementedError()"),
        ("mean", "def mean(x):\n    # YOUR CODE HERE\n    y = x.sum()\n    raise NotImplementedError()"),
        ("experiment", "mean(torch.ones(2))"),
        ("why", "Because it is linear."),
        ("why", "YOUR ANSWER HERE\n\nBecause it is linear."),
        (None, None),
    ],
    ids=["code", "commented", "half", "experiment", "text", "below", "damaged"],
)
def test_answers_are_overwritten_only_when_told(name, source, handed_out, tmp_path, exercises):
    written = handed_out.read_text()
    mine = answered(read(handed_out), name, source) if name else written[:-200]
    handed_out.write_text(mine)
    for options in ([], ["--check"]):
        status, text = exercises(tmp_path, *options)
        assert status == 1
        assert len(text.splitlines()) == 1 and "basics.ipynb holds answers" in text
        assert "copy it to work/" in text and "make exercises FORCE=1" in text
        assert "edit solutions/start/basics.ipynb" in text
        assert handed_out.read_text() == mine
    assert exercises(tmp_path, "--force") == (0, "")
    assert handed_out.read_text() == written


def test_no_notebook_is_deleted_and_only_what_git_tracks_needs_a_source(handed_out, tmp_path, exercises):
    other = handed_out.with_name("old.ipynb")
    shutil.copy(handed_out, other)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert exercises(tmp_path, "--check") == (0, ""), "a reader's own notebook"
    subprocess.run(["git", "add", "--", other], cwd=tmp_path, check=True)
    for options in ([], ["--check"], ["--force"]):
        status, text = exercises(tmp_path, *options)
        assert status == 1
        assert "old.ipynb has no source in solutions/; remove it with: git rm book/exercises/start/old.ipynb" in text
        assert other.exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("### END SOLUTION", "### SOLUTION", "end solution"),
        ('"grade_id": "mean"', '"grade_id": "centred"', "duplicate grade id"),
    ],
)
def test_a_solution_that_nbgrader_refuses_is_named(tmp_path, exercises, old, new, said):
    root = make(tmp_path)
    path = root / "solutions/start/basics.ipynb"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    shutil.copy(path, path.with_name("last.ipynb"))
    with pytest.raises(GradingError, match=rf"(?i)\Asolutions/start: basics\.ipynb: .*{said}"):
        exercises(root)


def test_a_chapter_in_no_folder_of_a_part_is_released_beside_the_others(tmp_path, exercises):
    root = make(tmp_path)
    shutil.copy(root / "solutions/start/basics.ipynb", root / "solutions/page.ipynb")
    assert exercises(root)[0] == 0
    beside = root / "book/exercises/page.ipynb"
    assert beside.read_bytes() == (root / "book/exercises/start/basics.ipynb").read_bytes()
    assert exercises(root, "--check") == (0, "")
    course = Course.at(root)
    assert [str(chapter) for chapter in release(course)] == ["page", "start/basics"] and is_current(course)
    page = course.chapters()[0]
    assert (course.solution(page), course.released(page).exists()) == (root / "solutions/page.ipynb", True)
    assert not list(course.grading.glob("source-*"))
