"""Where the student's cells answer which task, what of the notebook is run, and what an instructor sees."""

import time

import nbformat
import pytest
from fixture_course import ANSWERS, submission
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.grading.answers import Submission, assemble, grade_id, names_bound, tasks


def cell_of(notebook, name):
    return next(cell for cell in notebook.cells if grade_id(cell) == name)


def position_of(notebook, name):
    return next(number for number, cell in enumerate(notebook.cells) if grade_id(cell) == name)


@pytest.fixture
def put_together(released, solution):
    def call(submitted):
        return assemble(released, solution, submitted)

    return call


@pytest.fixture
def submitted(released):
    return submission(released)


@pytest.fixture
def steps(released):
    def call(submitted):
        return [*Submission(released, submitted).steps()]

    return call


def test_the_tasks_of_the_fixture(released, solution):
    assert [(task.names, task.tests) for task in tasks(released, solution)] == [
        (("mean",), ("mean-tests",)),
        (("centred",), ("centred-tests",)),
        (("last",), ("last-tests",)),
        ((), ()),
    ]


def test_an_ordinary_submission(put_together, submitted):
    assembled = put_together(submitted)
    for name, source in ANSWERS.items():
        assert cell_of(assembled, name).source == source
        assert cell_of(assembled, name).metadata.course == {"cells": [position_of(submitted, name)]}
        assert cell_of(assembled, f"{name}-tests").metadata.course == {"asked": [name]}
    assert cell_of(assembled, "why").source == "Because the mean is linear."


def test_an_untouched_notebook_stays_untouched(put_together, released):
    assembled = put_together(released)
    for name in (*ANSWERS, "why"):
        assert cell_of(assembled, name).source == cell_of(released, name).source
        assert cell_of(assembled, name).metadata.get("course", {}).get("cells", []) == []


def test_reordered_cells(put_together, submitted):
    submitted.cells.reverse()
    assembled = put_together(submitted)
    assert [cell_of(assembled, name).source for name in ANSWERS] == list(ANSWERS.values())
    assert cell_of(assembled, "why").source == "Because the mean is linear."


def test_deleted_cells_and_lost_metadata(put_together, submitted):
    submitted.cells = [cell for cell in submitted.cells if not str(grade_id(cell)).endswith("tests")]
    for cell in submitted.cells:
        cell.metadata = nbformat.from_dict({})
    assembled = put_together(submitted)
    assert [cell_of(assembled, name).source for name in ANSWERS] == list(ANSWERS.values())
    assert cell_of(assembled, "why").source == "Because the mean is linear."
    assert cell_of(assembled, "mean-tests").source.startswith("assert")


def test_edited_tests_and_points_are_not_taken_over(put_together, released, submitted):
    tests = cell_of(submitted, "mean-tests")
    tests.source, tests.metadata.nbgrader.points = "pass", 100
    kept = cell_of(put_together(submitted), "mean-tests")
    assert (kept.source, kept.metadata.nbgrader.points) == (cell_of(released, "mean-tests").source, 2)


def test_every_cell_is_run_as_it_is_in_its_order(steps, submitted):
    position = position_of(submitted, "mean")
    submitted.cells.insert(position, new_code_cell("%time half = 0.5\nunused = 1 / 0"))
    submitted.cells.insert(position + 2, new_code_cell("this is no Python"))
    run = [step.source for step in steps(submitted)]
    assert run == [cell.source for cell in submitted.cells if cell.cell_type == "code"]


def test_an_answer_that_became_text_is_run(steps, submitted):
    cell_of(submitted, "mean").cell_type = "markdown"
    assert ANSWERS["mean"] in [step.source for step in steps(submitted)]
    cell_of(submitted, "why").source = "def why():\n    return 1"
    assert "def why" not in " ".join(step.source for step in steps(submitted))


def test_tests_are_passed_over_unless_a_later_cell_needs_them(steps, released, submitted):
    def passed_over(notebook):
        return {step.test: step.passed_over for step in steps(notebook) if step.test}

    assert passed_over(submitted) == {f"{name}-tests": True for name in ANSWERS}
    cell_of(submitted, "last-tests").source = "print('my own check')"
    assert passed_over(submitted) == {"mean-tests": True, "centred-tests": True, "last-tests": False}
    original = nbformat.from_dict(released)
    cell_of(original, "mean-tests").source = "toy = mean(torch.ones(2))"
    mine = nbformat.from_dict(original)
    mine.cells.append(new_code_cell("print(toy + 1)"))
    found = {step.test: step.passed_over for step in Submission(original, mine).steps() if step.test}
    assert found == {"mean-tests": False, "centred-tests": True, "last-tests": True}


def test_a_test_without_its_metadata_is_known_by_its_text(steps, submitted):
    for cell in submitted.cells:
        cell.metadata = nbformat.from_dict({})
    assert [step.test for step in steps(submitted) if step.test] == [f"{name}-tests" for name in ANSWERS]


def test_an_answer_in_several_cells_is_shown_whole(put_together, submitted):
    position = position_of(submitted, "mean")
    submitted.cells[position].source = "half = 0.5"
    submitted.cells.insert(position + 1, new_code_cell("def helper(x):\n    return half * x.sum()"))
    submitted.cells.append(new_code_cell("def mean(x):\n    return helper(x)"))
    cell = cell_of(put_together(submitted), "mean")
    assert cell.source.index("half = 0.5") < cell.source.index("def helper") < cell.source.index("def mean")
    assert cell.metadata.course.cells == [position, position + 1, len(submitted.cells) - 1]


def test_the_stub_below_the_answer_is_no_answer(put_together, released, submitted):
    submitted.cells.append(nbformat.from_dict(cell_of(released, "mean")))
    assert cell_of(put_together(submitted), "mean").source == ANSWERS["mean"]


def test_a_written_answer_in_cells_of_its_own(put_together, released):
    notebook = submission(released, why=None)
    position = position_of(notebook, "why")
    notebook.cells.insert(position + 1, new_markdown_cell("First."))
    notebook.cells.insert(position + 2, new_markdown_cell("Second."))
    assert cell_of(put_together(notebook), "why").source == "First.\n\nSecond."


def test_a_written_answer_in_a_copied_cell(put_together, submitted):
    copied = nbformat.from_dict(cell_of(submitted, "why"))
    copied.source = "And constants have mean themselves."
    submitted.cells.insert(position_of(submitted, "why") + 1, copied)
    text = cell_of(put_together(submitted), "why").source
    assert text == "Because the mean is linear.\n\nAnd constants have mean themselves."


def test_photographs_of_a_written_answer_are_kept_under_plain_names(put_together, submitted):
    first, name = cell_of(submitted, "why"), "My é (1).png"
    first.source = "See ![](attachment:My%20%C3%A9%20(1).png), ![](attachment:gone.png)"
    first.attachments = {name: {"image/png": "QUFB"}}
    second = new_markdown_cell(f"and ![](attachment:{name})", attachments={name: {"image/png": "QkJC"}})
    submitted.cells.insert(position_of(submitted, "why") + 1, second)
    cell = cell_of(put_together(submitted), "why")
    plain = "My____1_.png"
    assert cell.source == f"See ![](attachment:{plain}), ! [](attachment:gone.png)\n\nand ![](attachment:1-{plain})"
    assert cell.attachments == {plain: {"image/png": "QUFB"}, f"1-{plain}": {"image/png": "QkJC"}}


def test_nothing_at_all(put_together, released):
    assert cell_of(put_together(new_notebook()), "mean").source == cell_of(released, "mean").source


@pytest.mark.parametrize("source", ["def mean(x):\n    return x.mean(", "(" * 10**5, "not " * 10**5 + "x"])
def test_what_python_cannot_read_is_shown_and_run_as_it_is(source, put_together, steps, submitted):
    cell_of(submitted, "mean").source = source
    assert cell_of(put_together(submitted), "mean").source == source
    assert source in [step.source for step in steps(submitted)]


@pytest.mark.parametrize("same_id", [True, False])
def test_thousands_of_cells_are_laid_beside_the_original_at_once(same_id, put_together, submitted):
    answer = cell_of(submitted, "mean")
    more = [nbformat.from_dict(answer) if same_id else new_code_cell(f"x = {n}") for n in range(8_000)]
    submitted.cells[position_of(submitted, "mean") : 1] = more
    start = time.monotonic()
    put_together(submitted)
    assert time.monotonic() - start < 3


def test_the_names_that_code_binds():
    source = (
        "import a.b, c as d\nfrom e import f as g\nx, (y, *z) = 1, (2, 3)\nfor i in x: pass\nclass K: k = 1\nq.r = 1"
    )
    assert names_bound(source) == ["a", "d", "g", "x", "y", "z", "i", "K"]
