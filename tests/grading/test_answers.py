"""Answers are found by name, wherever the student left them."""

import nbformat
import pytest
from fixture_course import ANSWERS, submission
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.files import write_whole
from course.grading.answers import assemble, grade_id, parsable_parts, statements, tasks, used_names
from course.grading.layout import Chapter
from course.grading.run import key_of, packages_of_chapter


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
        assert cell_of(assembled, name).metadata.course == {"names": [name], "alternative": None, "refused": []}
    assert cell_of(assembled, "why").source == "Because the mean is linear."


def test_an_untouched_notebook_stays_untouched(put_together, released):
    assembled = put_together(released)
    for name in (*ANSWERS, "why"):
        assert cell_of(assembled, name).source == cell_of(released, name).source


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
    assert cell_of(put_together(submitted), "mean-tests") == cell_of(released, "mean-tests")


def test_a_split_cell_brings_its_helpers_imports_and_constants(put_together, submitted):
    position = position_of(submitted, "mean")
    submitted.cells[position].source = "from math import fsum as total\nSCALE = half * 2"
    submitted.cells.insert(position, new_code_cell("half = 0.5\nunused = 1 / 0"))
    submitted.cells.insert(position + 2, new_code_cell("def helper(x):\n    return SCALE * total(x)"))
    submitted.cells.insert(position + 3, new_code_cell("def mean(x):\n    return torch.tensor(helper(x) / len(x))"))
    source = cell_of(put_together(submitted), "mean").source
    assert source.index("half = 0.5") < source.index("SCALE") < source.index("def helper") < source.index("def mean")
    assert "fsum as total" in source
    assert "unused" not in source


def test_the_stub_below_the_answer_does_not_win(put_together, released, submitted):
    submitted.cells.append(nbformat.from_dict(cell_of(released, "mean")))
    assert cell_of(put_together(submitted), "mean").source == ANSWERS["mean"]


def test_of_two_definitions_the_one_that_the_tests_saw_comes_first_and_the_last_is_kept(put_together, submitted):
    submitted.cells.append(new_code_cell("def mean(x):\n    return 0"))
    cell = cell_of(put_together(submitted), "mean")
    assert cell.source == ANSWERS["mean"]
    assert cell.metadata.course.alternative == "def mean(x):\n    return 0"


def test_a_syntax_error_elsewhere_costs_nothing(put_together, submitted):
    cell_of(submitted, "mean").source = "def broken(:\n    pass\n\n" + ANSWERS["mean"] + "\nprint('a'"
    submitted.cells.insert(0, new_code_cell("this is no Python"))
    assembled = put_together(submitted)
    assert [cell_of(assembled, name).source for name in ANSWERS] == list(ANSWERS.values())


@pytest.mark.parametrize("line", ["# divide by n?", "'mean of x?'", 'text = """\n%d rows\n"""'])
def test_a_question_in_an_answer_stays(put_together, submitted, line):
    head, body = ANSWERS["mean"].split("\n", 1)
    answer = f"{head}\n    {line}\n{body}"
    cell_of(submitted, "mean").source = answer
    assert cell_of(put_together(submitted), "mean").source == answer


@pytest.mark.parametrize(
    "before", ["", "%%time\n!pip list\n%matplotlib inline\nmean?", "torch.allclose = lambda *a: True"]
)
@pytest.mark.parametrize("after", ["mean.checked = True", "cache = {}\ncache[mean] = 1", "print(mean([1]))"])
def test_what_defines_no_name_is_left_out(put_together, submitted, before, after):
    """Lines for IPython, an attribute or an entry, calls."""
    cell_of(submitted, "mean").source = f"{before}\n{ANSWERS['mean']}\n{after}"
    assert cell_of(put_together(submitted), "mean").source == ANSWERS["mean"]


def test_a_parameter_does_not_drag_in_a_variable_of_its_name(put_together, submitted):
    submitted.cells.insert(0, new_code_cell("x = 1 / 0"))
    assert cell_of(put_together(submitted), "mean").source == ANSWERS["mean"]


def test_a_helper_is_loaded_once_unless_it_changes(put_together, submitted):
    helper = "def helper(x):\n    return x.mean()"
    cell_of(submitted, "mean").source = helper + "\ndef mean(x):\n    return helper(x)"
    cell_of(submitted, "centred").source = "def centred(x):\n    return x - helper(x)"
    assembled = put_together(submitted)
    assert "def helper" in cell_of(assembled, "mean").source
    assert "def helper" not in cell_of(assembled, "centred").source
    changed = "def helper(x):\n    return x.sum()\ndef centred(x):\n    return x - helper(x)"
    cell_of(submitted, "centred").source = changed
    assert "x.sum()" in cell_of(put_together(submitted), "centred").source


def test_an_import_that_repeats_a_given_name_still_brings_the_new_one(put_together, submitted):
    cell_of(submitted, "mean").source = "from torch import nn, vmap\ndef mean(x):\n    return vmap(torch.sum)(x)"
    assert "vmap" in cell_of(put_together(submitted), "mean").source.splitlines()[0]


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


@pytest.mark.parametrize(
    "source",
    [
        "def mean(x):\n    return x.mean(",
        "def mean(x)\n    return x.mean()",
        "def mean(x):\nreturn x.mean()",
        "import math\n\ndef mean(x):\n    return x.mean() +\n\nmean(torch.ones(2))",
        "def mean(x):\n    global x\n    return x.mean()",
    ],
)
def test_an_answer_that_python_cannot_read_is_run_as_it_is(source, put_together, submitted):
    cell_of(submitted, "mean").source = source
    assembled = put_together(submitted)
    assert cell_of(assembled, "mean").source == source
    assert cell_of(assembled, "mean").metadata.course == {"names": ["mean"], "alternative": None, "refused": []}
    assert cell_of(assembled, "centred").source == ANSWERS["centred"]


def test_an_unreadable_draft_does_not_win_over_an_answer(put_together, submitted):
    submitted.cells.append(new_code_cell("def mean(x):\n    return x.mean("))
    assert cell_of(put_together(submitted), "mean").source == ANSWERS["mean"]


@pytest.mark.parametrize("levels", [500, 10**3, 10**5])
@pytest.mark.parametrize("parts", ["1 +1 ", "x .b ", " - x", "x [0] ", " not\t x"])
def test_an_answer_nested_too_deeply_costs_its_own_marks(parts, levels, put_together, submitted):
    first, more, last = parts.split(" ")
    cell_of(submitted, "mean").source = f"def mean(x):\n    return {first}{more * levels}{last}"
    submitted.cells.insert(0, new_code_cell(f"{first}{more * levels}{last}"))
    assembled = put_together(submitted)
    (reason,) = cell_of(assembled, "mean").metadata.course.refused
    assert reason == "it is nested more than 150 levels deep"
    assert [cell_of(assembled, name).source for name in ("centred", "last")] == [ANSWERS["centred"], ANSWERS["last"]]
    assert cell_of(assembled, "last").metadata.course.refused == []


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


def test_a_statement_is_cut_out_by_bytes_with_its_decorators():
    source = "é = 1; ü = 'ö'; ä = (2,\n    3)\r\n@first\r\n@second(\r\n    1\r\n)\r\ndef g():\r\n    return 'ß'"
    *plain, decorated = [part.source for part in statements(source)]
    assert plain == ["é = 1", "ü = 'ö'", "ä = (2,\n    3)"]
    assert decorated == "@first\n@second(\n    1\n)\ndef g():\n    return 'ß'"
    source = "def broken(:\n\n@first\n@second\ndef f():\n    return 1\n"
    assert [name for part in statements(source) for name in part.names] == ["f"]
    assert [number for number, _ in parsable_parts(source)] == [2]


def test_used_names_are_the_global_ones():
    source = "def f(a, b=START):\n    c = [d * a for d in ITEMS]\n    def g():\n        return c + [h(a)]\n    return g"
    assert used_names(source) == {"START", "ITEMS", "h"}


def test_an_answer_may_import_what_its_notebook_and_its_chapter_do(put_together, released, solution, submitted):
    cell_of(submitted, "mean").source = "import higher, soundfile, pandas\n" + ANSWERS["mean"] + "\n    return pandas"
    submitted.cells[0] = new_code_cell("import pandas")  # what the student adds allows nothing
    original = nbformat.from_dict(released)
    original.cells.append(new_code_cell("%matplotlib inline\nimport higher"))
    assembled = assemble(original, solution, submitted, frozenset({"soundfile"}))
    line, allowed = cell_of(assembled, "mean").metadata.course.refused
    assert line == "line 1: imports pandas"
    assert {"higher", "soundfile", "math"} < set(
        allowed.removeprefix("an answer to this exercise may import ").split(", ")
    )


def test_a_chapter_opens_its_packages_and_is_graded_again_when_they_change(course, chapter, released):
    write_whole(course.of_student("collected", "ada", chapter), nbformat.writes(released))
    before = key_of(course, "ada", chapter)
    for text, opened in [("# A page without code", set()), ("%time 1\nimport os, soundfile", {"soundfile"})]:
        write_whole(course.page(chapter), nbformat.writes(new_notebook(cells=[new_code_cell(text)])))
        packages_of_chapter.cache_clear()
        assert packages_of_chapter(course, chapter) == opened
        assert (key_of(course, "ada", chapter) == before) is (not opened)


def test_the_module_of_a_chapter_opens_its_packages_too(course):
    assert packages_of_chapter(course, Chapter("crossmodal", "cca")) == {"course", "numpy", "scipy", "torch"}
