"""Every exercise is fair: its solution earns all marks, mistakes earn none, other right answers lose none.

The answers to try lie in ``answers/<chapter>.py``, in the tables ``WRONG`` and ``RIGHT`` that ``edits.py`` describes.
``HIDDEN_ONLY`` maps the name of a function to the labels of mistakes that a student must think of without help: the
visible tests find all others.
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from edits import solutions, written_out
from nbgrader.utils import is_grade, is_solution

from course.grading.answers import assemble, grade_id, is_test, tasks
from course.grading.execute import Run
from course.grading.layout import Course
from course.grading.sandbox import Limits
from course.grading.submissions import read

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COURSE = Course.at(ROOT)
CHAPTERS = {str(chapter): COURSE.solution(chapter) for chapter in COURSE.chapters()}
DRAWS = os.environ.get("COURSE_DRAWS", "1").split()  # of the inputs of hidden tests
TASKS = 4  # that are coded, once nothing is marked "To write:"
BEING_WRITTEN = {path for path in CHAPTERS.values() if "To write:" in path.read_text(encoding="utf8")}  # still empty


def answers(path: Path) -> dict:
    """The tables of one chapter as they are written; empty when it has none."""
    file = HERE / "answers" / f"{path.stem}.py"
    tables = runpy.run_path(str(file)) if file.exists() else {"WRONG": {}, "RIGHT": {}, "HIDDEN_ONLY": {}}
    return {"wrong": tables["WRONG"], "right": tables["RIGHT"], "hidden only": tables["HIDDEN_ONLY"]}


ANSWERS = {name: answers(path) for name, path in CHAPTERS.items()}
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, scope="module")


def every_answer(kind: str) -> pytest.MarkDecorator:
    cases = [
        pytest.param(chapter, name, label, id=f"{chapter}-{name}-{label}")
        for chapter, given in ANSWERS.items()
        for name, labelled in given[kind].items()
        for label in labelled
    ]
    return pytest.mark.parametrize(("chapter", "name", "label"), cases, scope="module")


@pytest.fixture(scope="module")
def notebooks(chapter) -> tuple:
    """What a student gets, and its solution."""
    return read(ROOT / "book/exercises" / f"{chapter}.ipynb"), read(CHAPTERS[chapter])


@pytest.fixture(scope="module")
def full_answers(chapter, notebooks) -> tuple[dict, list[str]]:
    tables = {kind: ANSWERS[chapter][kind] for kind in ("wrong", "right")}
    return written_out(chapter, solutions(*notebooks), tables)


def harness(solution: Path, released: Path, tried: dict, folder: Path) -> dict:
    """What the harness says of the answers in `tried`."""
    given = folder / "answers.json"
    given.write_text(json.dumps(tried), encoding="utf8")
    command = [sys.executable, HERE / "harness.py", solution, released, given, *DRAWS]
    settings = {"OMP_NUM_THREADS": "1", "COURSE_QUIET": "1", "COURSE_DEVICE": "cpu", "MPLBACKEND": "agg"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=os.environ | settings, timeout=500)
    if done.returncode:
        pytest.fail(f"harness.py {solution}:\n{done.stderr[-3000:]}", pytrace=False)  # for every test of the chapter
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def outcome(chapter, full_answers, tmp_path_factory) -> dict:
    """What the harness says of the answers to one chapter."""
    released = ROOT / "book/exercises" / f"{chapter}.ipynb"
    return harness(CHAPTERS[chapter], released, full_answers[0], tmp_path_factory.mktemp("chapter"))


def test_every_file_of_answers_belongs_to_a_chapter():
    files = {path.stem for path in (HERE / "answers").glob("*.py")}
    gone = files - {path.stem for path in CHAPTERS.values()}
    assert not gone, "tests/grading/answers has files without a notebook in solutions/: remove them with git rm"


@every_chapter
def test_every_task_has_answers_to_try_and_they_are_well_written(chapter, notebooks, full_answers):
    """Here an edit that does not fit the solution is named."""
    full, problems = full_answers
    assert not problems, "\n".join(problems)
    asked = [task.names[0] for task in tasks(*notebooks) if task.names]
    wanted = 1 if CHAPTERS[chapter] in BEING_WRITTEN else TASKS
    assert len(asked) >= wanted, f"solutions/{chapter}.ipynb: {wanted} coded tasks are wanted, and {len(asked)} found"
    few = [name for name in asked if len(full["wrong"].get(name, {})) < 3 or len(full["right"].get(name, {})) < 2]
    assert not few, f"tests/grading/answers/{Path(chapter).name}.py: three wrong and two right answers are needed"


@every_chapter
def test_the_solution_earns_every_mark(outcome):
    assert outcome["full"], "the notebook has no test cell"
    assert {test: said for test, said in outcome["full"].items() if any(flat(said))} == {}


@pytest.mark.sandbox
@pytest.mark.slow
@every_chapter
def test_the_solution_earns_every_mark_in_the_sandbox(notebooks):
    """The harness runs outside of it, with all the files, names and rights of the tester."""
    released, solution = notebooks
    notebook = assemble(released, solution, solution)
    sources = {grade_id(cell): cell.source for cell in solution.cells}
    tests = [cell for cell in notebook.cells if is_test(cell)]
    for cell in tests:
        cell.source = sources[grade_id(cell)]
    by_hand = {grade_id(cell) for cell in notebook.cells if is_solution(cell) and is_grade(cell)}
    steps = notebook.metadata["course"]["steps"]  # without those whose outputs a human looks at
    notebook.metadata["course"]["steps"] = [
        step for step in steps if grade_id(solution.cells[step["number"]]) not in by_hand
    ]
    run = Run(notebook, 0, Limits(), True)
    run.everything()
    errors = {
        f"{cell.id}: {output.ename}: {output.evalue}"
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    }
    assert (errors, run.notes) == (set(), [])
    assert all(cell.outputs for cell in tests)  # each prints the student's values: it did run


@pytest.mark.slow
@every_chapter
def test_the_solution_of_the_open_experiment_runs(notebooks, tmp_path):
    """Its cell has no tests, and may raise in a student's notebook: nothing else would see it fail."""
    program = "\n\n".join(cell.source for cell in notebooks[1].cells if cell.cell_type == "code" and not is_test(cell))
    settings = {"OMP_NUM_THREADS": "1", "COURSE_QUIET": "1", "COURSE_DEVICE": "cpu", "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | settings, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]


@every_chapter
def test_an_empty_submission_earns_nothing(outcome):
    assert [test for test, said in outcome["empty"].items() if not any(flat(said))] == []


def flat(said: list) -> list[str]:
    """What the visible part of a cell of tests says, and then its hidden part for each draw."""
    visible, hidden = said
    return [visible, *hidden]


def verdicts_of(outcome: dict, kind: str, name: str, label: str) -> dict:
    """What the test cells say of one answer."""
    if label not in outcome[kind].get(name, {}):
        pytest.fail(
            f"the {kind} answer {label!r} was left out: the test of well-written answers says why", pytrace=False
        )
    return outcome[kind][name][label]


@every_answer("wrong")
def test_the_hidden_tests_alone_find_a_wrong_answer(name, label, outcome):
    """The visible tests are known to whoever answers, so that an answer may be made to please them."""
    verdicts = verdicts_of(outcome, "wrong", name, label)
    passed = [test for test, (_, hidden) in verdicts.items() if not all(hidden)]
    assert verdicts
    assert not passed, f"{name} ({label}) passes the hidden part of {passed}"
    slips = [
        text for said in verdicts.values() for text in flat(said) if text.startswith(("NameError", "UnboundLocal"))
    ]
    assert not slips, f"{name} ({label}) does not make the mistake that it should show: {slips}"


@every_chapter
def test_the_visible_tests_find_every_plain_mistake(chapter, outcome):
    """A student who sees every visible check pass must not lose all points to a plain mistake."""
    passed = {
        (name, label)
        for name, labelled in outcome["wrong"].items()
        for label, verdicts in labelled.items()
        if not all(visible for visible, _ in verdicts.values())
    }
    listed = {(name, label) for name, labels in ANSWERS[chapter]["hidden only"].items() for label in labels}
    table = f"HIDDEN_ONLY of tests/grading/answers/{Path(chapter).name}.py"
    assert not passed - listed, f"add a visible check that finds these mistakes, or enter them in {table}"
    assert not listed - passed, f"the visible tests find these mistakes; take them out of {table}"


@every_answer("right")
def test_another_right_answer_earns_every_mark(name, label, outcome):
    verdicts = verdicts_of(outcome, "right", name, label)
    assert verdicts
    assert {test: said for test, said in verdicts.items() if any(flat(said))} == {}


def test_the_harness_tells_right_from_wrong(released_course, chapter, tmp_path):
    mean = {
        "half": "def mean(x):\n    return x.sum() / 2",
        "pleases": "def mean(x):\n    return x.sum() / 10",
        "right": "def mean(x):\n    return x.mean()",
        "patched": "def mean(x):\n    torch.allclose = lambda *a, **k: True\n    return x[0]",
        "agrees": "class Yes(torch.Tensor):\n    def __eq__(self, other): return True\ndef mean(x):\n    return Yes(x)",
    }
    files = [released_course.solution(chapter), released_course.released(chapter)]
    result = harness(*files, {"wrong": {"mean": mean}, "right": {}}, tmp_path)
    silent = ["", [""]]
    assert result["full"] == {"mean-tests": silent, "centred-tests": silent, "last-tests": silent}
    assert all(all(flat(said)) for said in result["empty"].values())
    visible, hidden = (
        {label: said["mean-tests"][i] for label, said in result["wrong"]["mean"].items()} for i in (0, 1)
    )
    assert (visible["right"], hidden["right"]) == ("", [""])
    assert visible["half"] == ""
    assert all("the mean of 1..10" in said for said in hidden["half"])
    assert visible["pleases"].startswith("AssertionError")
    assert hidden["pleases"] == [""]  # what the hidden tests do not look for, they let pass
    for label in ("patched", "agrees"):
        assert visible[label]
        assert all(hidden[label])
    assert result["right"] == {}
