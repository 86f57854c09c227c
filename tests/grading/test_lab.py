"""JupyterLab offers nbgrader's buttons, and Validate tells the student how the visible tests go."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from fixture_course import ANSWERS, submission

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent


@pytest.mark.parametrize("kind", [["server", "extension"], ["labextension"]], ids=" ".join)
def test_the_extensions_are_there(kind):
    done = subprocess.run([BIN / "jupyter", *kind, "list"], capture_output=True, text=True, cwd=ROOT)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "nbgrader" in line]
    assert any("enabled" in line or "OK" in line for line in lines), done.stdout + done.stderr


def validate(path: Path) -> str:
    done = subprocess.run([BIN / "nbgrader", "validate", str(path)], capture_output=True, text=True, cwd=ROOT)
    return done.stdout + done.stderr


def test_validate(released, tmp_path):
    path = tmp_path / "basics.ipynb"
    nbformat.write(submission(released, experiment="mean(torch.ones(2))"), path)
    assert "Success! Your notebook passes all the tests." in validate(path)
    wrong = ANSWERS | {"last": "def last(items):\n    return items[0]"}
    nbformat.write(submission(released, wrong, experiment="1"), path)
    assert "VALIDATION FAILED ON 1 CELL(S)" in validate(path)


def test_the_top_level_settings_name_the_folders_of_the_house():
    show = (
        "from traitlets.config import PyFileConfigLoader\n"
        f"c = PyFileConfigLoader('nbgrader_config.py', path={str(ROOT)!r}).load_config()\n"
        "d = c.CourseDirectory\n"
        "print(d.source_directory, d.release_directory, d.submitted_directory, d.feedback_directory)"
    )
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True)
    assert done.stdout.split() == ["solutions", "book/exercises", "grading/submitted", "grading/feedback"], (
        done.stderr
    )
