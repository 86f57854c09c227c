"""Every exercise is fair: its solution earns all marks, mistakes earn none, other right answers lose none.

The answers to try lie in ``answers/<chapter>.py``: ``WRONG`` and ``RIGHT`` map the name of a function to a list of
pairs (label, source). ``HIDDEN_ONLY`` maps it to the labels of mistakes that a student must think of without help: the
visible tests find all others.
"""

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import is_grade

from course.grading.answers import assemble, grade_id
from course.grading.execute import ANSWER, TEST, Run, kind_of
from course.grading.kernel import Session
from course.grading.sandbox import Limits
from course.grading.submissions import read

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NOTEBOOKS = sorted((ROOT / "solutions").glob("*/*.ipynb"))
CHAPTERS = {f"{path.parent.name}/{path.stem}": path for path in NOTEBOOKS}


def answers(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """The wrong and right answers kept for one chapter, by function and label; empty when there are none."""
    file = HERE / "answers" / f"{path.stem}.py"
    if not file.exists():
        return {"wrong": {}, "right": {}, "hidden only": {}}
    spec = importlib.util.spec_from_file_location(f"answers_{path.stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tables = {"wrong": module.WRONG, "right": module.RIGHT}
    given = {kind: {name: dict(pairs) for name, pairs in table.items()} for kind, table in tables.items()}
    return given | {"hidden only": module.HIDDEN_ONLY}


ANSWERS = {name: answers(path) for name, path in CHAPTERS.items()}


def cases(kind: str) -> list:
    return [
        pytest.param(chapter, name, label, id=f"{chapter}-{name}-{label}")
        for chapter, given in ANSWERS.items()
        for name, labelled in given[kind].items()
        for label in labelled
    ]


def run_harness(chapter: str, solution: Path, tried: dict, folder: Path) -> dict:
    """What the harness says of the answers in `tried`, with the tests of `solution`."""
    given = folder / f"{solution.stem}.json"
    given.write_text(json.dumps(tried), encoding="utf8")
    command = [
        sys.executable,
        str(HERE / "harness.py"),
        str(solution),
        str(ROOT / "book/exercises" / f"{chapter}.ipynb"),
        str(given),
    ]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "COURSE_QUIET": "1",
        "COURSE_DEVICE": "cpu",
        "MPLBACKEND": "agg",
    }
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def outcome(chapter: str, folder: Path) -> dict:
    """Run the harness on one chapter."""
    return run_harness(chapter, CHAPTERS[chapter], ANSWERS[chapter], folder)


def seen_outcome(chapter: str, folder: Path) -> dict:
    """What the visible tests alone say of the wrong answers, by function and label."""
    notebook = read(CHAPTERS[chapter])
    for cell in notebook.cells:
        cell.source = re.sub(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n", "", cell.source, flags=re.DOTALL)
    solution = folder / f"{CHAPTERS[chapter].stem}.ipynb"
    nbformat.write(notebook, solution)
    tried = {"wrong": {}, "right": ANSWERS[chapter]["wrong"]}  # each is run once when it is called right
    return run_harness(chapter, solution, tried, folder)["right"]


def on_every_chapter(work, tmp_path_factory) -> dict[str, Future]:
    """Work on every chapter, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        yield {chapter: pool.submit(work, chapter, tmp_path_factory.mktemp("chapter")) for chapter in CHAPTERS}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, Future]:
    """The harness on every chapter."""
    yield from on_every_chapter(outcome, tmp_path_factory)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict[str, Future]:
    """The visible tests of every chapter on its wrong answers."""
    yield from on_every_chapter(seen_outcome, tmp_path_factory)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_solution_earns_every_mark(chapter, outcomes):
    result = outcomes[chapter].result()
    assert result["refusals"] == []
    assert result["full"], "the notebook has no test cell"
    assert {test: verdict for test, verdict in result["full"].items() if verdict} == {}


@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_solution_earns_every_mark_in_the_sandbox(chapter):
    """The harness runs outside of it, with all the files, names and rights of the tester."""
    solution, released = read(CHAPTERS[chapter]), read(ROOT / "book/exercises" / f"{chapter}.ipynb")
    notebook = assemble(released, solution, solution)
    sources = {grade_id(cell): cell.source for cell in solution.cells}
    tests = [cell for cell in notebook.cells if kind_of(cell) == TEST]
    for cell in tests:
        cell.source = sources[grade_id(cell)]
    by_hand = [cell for cell in notebook.cells if kind_of(cell) == ANSWER and is_grade(cell)]
    notebook.cells = [cell for cell in notebook.cells if cell not in by_hand]  # nothing there that could fail

    async def main() -> list[str]:
        session = Session(Limits())
        run = Run(notebook, session)
        try:
            await run.everything()
        finally:
            await session.stop()
        return run.notes

    notes = asyncio.run(main())
    errors = {
        f"{cell.id}: {output.ename}: {output.evalue}"
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    }
    assert (errors, notes) == (set(), [])
    assert all(cell.outputs for cell in tests)  # each prints the student's values: it did run


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_an_empty_submission_earns_nothing(chapter, outcomes):
    passed = [test for test, verdict in outcomes[chapter].result()["empty"].items() if not verdict]
    assert passed == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_task_has_answers_to_try(chapter, outcomes):
    asked, given = outcomes[chapter].result()["names"], ANSWERS[chapter]
    assert len(asked) >= 4
    few = {name for name in asked if len(given["wrong"].get(name, {})) < 3 or len(given["right"].get(name, {})) < 2}
    assert not few, f"tests/grading/answers/{Path(chapter).name}.py: three wrong and two right answers are needed"
    assert given["wrong"].keys() | given["right"].keys() <= set(outcomes[chapter].result()["asked"])


@pytest.mark.parametrize(("chapter", "name", "label"), cases("wrong"))
def test_a_wrong_answer_earns_nothing(chapter, name, label, outcomes):
    verdicts = outcomes[chapter].result()["wrong"][name][label]
    assert verdicts, f"no task asks for {name}"
    assert all(verdicts.values()), f"{name} ({label}) passes {[test for test, text in verdicts.items() if not text]}"


@pytest.mark.parametrize(("chapter", "name", "label"), cases("wrong"))
def test_the_hidden_tests_alone_find_a_wrong_answer(chapter, name, label, outcomes):
    """The visible tests are known to whoever answers, so that an answer may be made to please them."""
    verdicts = outcomes[chapter].result()["hidden"][name][label]
    assert verdicts, f"no task asks for {name}"
    assert all(verdicts.values()), (
        f"{name} ({label}) passes the hidden part of {[test for test, text in verdicts.items() if not text]}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_visible_tests_find_every_plain_mistake(chapter, seen):
    """A student who sees every visible check pass must not lose all points to a plain mistake."""
    passed = {
        (name, label)
        for name, labelled in seen[chapter].result().items()
        for label, verdicts in labelled.items()
        if not all(verdicts.values())
    }
    hidden_only = ANSWERS[chapter]["hidden only"]
    assert passed == {(name, label) for name, labels in hidden_only.items() for label in labels}


@pytest.mark.parametrize(("chapter", "name", "label"), cases("right"))
def test_another_right_answer_earns_every_mark(chapter, name, label, outcomes):
    verdicts = outcomes[chapter].result()["right"][name][label]
    assert verdicts, f"no task asks for {name}"
    assert {test: text for test, text in verdicts.items() if text} == {}


def test_the_harness_tells_right_from_wrong(released_course, chapter, tmp_path):
    given = tmp_path / "answers.json"
    mean = {
        "half": "def mean(x):\n    return x.sum() / 2",
        "pleases": "def mean(x):\n    return x.sum() / 10",
        "right": "def mean(x):\n    return x.mean()",
    }
    patched = {"patched": "def mean(x):\n    t = [torch][0]\n    t.allclose = lambda *a, **k: True\n    return x[0]"}
    given.write_text(json.dumps({"wrong": {"mean": mean | patched}, "right": {"unasked": {"a": ""}}}), encoding="utf8")
    files = [released_course.solution(chapter), released_course.released(chapter), given]
    command = [sys.executable, HERE / "harness.py", *files]
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert result["asked"] == ["mean", "centred", "last"]
    assert set(result["full"].values()) == {""}
    assert all(result["empty"].values())
    verdicts = {label: verdict["mean-tests"] for label, verdict in result["wrong"]["mean"].items()}
    assert verdicts["right"] == ""
    assert "the mean of 1..10" in verdicts["half"]
    assert "may not replace" in verdicts["patched"]
    hidden = {label: verdict["mean-tests"] for label, verdict in result["hidden"]["mean"].items()}
    assert hidden["right"] == ""
    assert hidden["pleases"] == ""  # what the hidden tests do not look for, they let pass
    assert "the mean of 1..10" in hidden["half"]
    assert verdicts["pleases"].startswith("AssertionError")
    assert result["right"] == {}
