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


RATES = """def meta_sgd_gradient(model, params, rates, episode, *, loss, steps):
    total = 0.0
    for x, y, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y):
        now = params
        for k in range(steps):
            slopes = grad(lambda p: loss(functional_call(model, p, (x,)), y))(now)
            now = {n: p - rates[n][k] * slopes[n] for n, p in now.items()}
        total = total + loss(functional_call(model, now, (qx,)), qy)
    value = total / episode.tasks
    found = torch.autograd.grad(value, [*params.values(), *rates.values()])
    return value, dict(zip(params, found[: len(params)])), dict(zip(rates, found[len(params) :]))"""


def test_validate_takes_a_value_that_still_requires_gradients(tmp_path):
    """nbgrader counts a warning on standard error as a failure, and PyTorch warns when such a value becomes a float."""
    notebook = nbformat.read(ROOT / "book/exercises/meta_learning/maml.ipynb", as_version=4)
    cells = {cell.metadata.get("nbgrader", {}).get("grade_id"): cell for cell in notebook.cells}
    setup = [cell for cell in notebook.cells if cell.cell_type == "code" and "nbgrader" not in cell.metadata]
    answer, tests = cells["meta_sgd_gradient"], cells["meta_sgd_gradient-test"]
    answer.source = RATES
    notebook.cells = [*setup, answer, tests]
    path = tmp_path / "maml.ipynb"
    nbformat.write(notebook, path)
    assert "Success! Your notebook passes all the tests." in validate(path)
    answer.source = RATES.replace("return value", "return 2 * value")
    nbformat.write(notebook, path)
    assert "VALIDATION FAILED ON 1 CELL(S)" in validate(path)


def test_the_top_level_settings_name_the_folders_of_the_house():
    show = (
        "from traitlets.config import PyFileConfigLoader\n"
        f"c = PyFileConfigLoader('nbgrader_config.py', path={str(ROOT)!r}).load_config()\n"
        "d = c.CourseDirectory\n"
        "print(d.source_directory, d.release_directory, d.submitted_directory, d.feedback_directory)"
    )
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True)
    assert done.stdout.split() == ["solutions", "book/exercises", "grading/submitted", "grading/feedback"], done.stderr
