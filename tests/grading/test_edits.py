"""Answers that are edits of the solution: each edit has one place, and every answer is code of its own."""

import pytest
from edits import solutions, written_out
from fixture_course import LAST, MEAN, SQUARE

HALF = {"half": "def half(x):\n    '''x / 2.'''\n    return x / 2  # exact"}
TWICE = "def half(x):\n    return x * 2"


def test_edits_are_made_one_after_the_other_and_full_answers_stay():
    tables = {
        "wrong": {"half": {"twice": TWICE, "of y": {"(x)": "(y)", "return x": "return y"}, "third": {"2  #": "3  #"}}},
        "right": {"half": {"times": {"return x / 2": "return x * 0.5"}}},
    }
    full, problems = written_out("start/basics", HALF, tables)
    assert problems == []
    assert full["wrong"]["half"]["twice"] == TWICE
    space = {}
    for kind, label, expected in (("wrong", "of y", 3), ("wrong", "third", 2), ("right", "times", 3)):
        exec(full[kind]["half"][label], space)
        assert space["half"](6) == expected


def test_the_solution_to_edit_is_the_cell_of_the_task(released, solution):
    assert solutions(released, solution) == {"mean": MEAN, "centred": SQUARE, "last": LAST}


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({"x / 3": "x"}, "'x / 3' must stand exactly once in the solution, not 0 times"),
        ({"x": "y"}, "'x' must stand exactly once in the solution, not 4 times"),
        ({"": "y"}, "'' must stand exactly once"),
        ({"return x": "y = x\n    return y", "y = x": "y = 2 * x", "y": "z"}, "'y' must stand exactly once"),
        ({"/ 2  #": "/ 2  #", "return x": "return -x"}, "'/ 2  #' is not changed"),
        ({"# exact": "# rounded", "'''x": "'''One half of x"}, "this is the same code as the solution"),
        ({"return x / 2": "return (x * 2)"}, "this is the same code as the wrong answer 'twice'"),
        ("def half(x):\n    return x / 2", "this is the same code as the solution"),
        ({"return": "return return"}, "invalid syntax"),
    ],
)
@pytest.mark.parametrize("kind", ["wrong", "right"])
def test_an_answer_that_is_not_well_written_is_named_and_left_out(kind, answer, problem):
    tables = {"wrong": {"half": {"twice": TWICE}}, "right": {"half": {}}}
    tables[kind]["half"]["bad"] = answer
    full, (told,) = written_out("start/basics", HALF, tables)
    assert told.startswith(f"start/basics, half, the {kind} answer 'bad': {problem}")
    assert full == {"wrong": {"half": {"twice": TWICE}}, "right": {"half": {}}}


def test_an_answer_to_a_task_that_does_not_exist_is_named():
    full, problems = written_out("start/basics", HALF, {"wrong": {"third": {"a": TWICE, "b": {"x": "y"}}}})
    assert full == {"wrong": {"third": {}}}
    assert problems == [
        f"start/basics, third, the wrong answer '{label}': the solution does not define this name" for label in "ab"
    ]
