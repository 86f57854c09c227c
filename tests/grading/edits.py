"""Answers to try on an exercise: most are small edits of its solution, the others stand there in full.

A file ``answers/<chapter>.py`` has the tables WRONG and RIGHT, ``{function: {label: answer}}``. An answer is a source,
or edits ``{old: new}`` of the solution's cell: each `old` is a text that stands there exactly once.
"""

import ast

from nbformat import NotebookNode

from course.grading.answers import grade_id, tasks

Tables = dict[str, dict[str, dict[str, str | dict[str, str]]]]  # the first key is "wrong" or "right"


def solutions(released: NotebookNode, solution: NotebookNode) -> dict[str, str]:
    """The source of the cell that solves each task, by the names that the task asks for."""
    sources = {grade_id(cell): cell.source for cell in solution.cells}
    each = tasks(released, solution)
    return {name: sources[grade_id(released.cells[task.position])] for task in each for name in task.names}


def edited(source: str, edits: dict[str, str]) -> str:
    """The source after one edit after the other; ValueError when one has no place, or more than one."""
    for old, new in edits.items():
        if source.count(old) != 1:
            raise ValueError(f"{old!r} must stand exactly once in the solution, not {source.count(old)} times")
        if old == new:
            raise ValueError(f"{old!r} is not changed")
        source = source.replace(old, new)
    return source


def meaning(source: str) -> str:
    """The syntax tree without positions, comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


def written_out(chapter: str, solution: dict[str, str], tables: Tables) -> tuple[Tables, list[str]]:
    """Every answer in full, and what is wrong with those that are left out; no two may be the same code."""
    full: Tables = {kind: {name: {} for name in table} for kind, table in tables.items()}
    problems = []
    known = {name: {meaning(source): "the solution"} for name, source in solution.items()}
    for kind, table in tables.items():
        for name, label in [(name, label) for name, labelled in table.items() for label in labelled]:
            answer, here = table[name][label], f"the {kind} answer {label!r}"
            try:
                if name not in solution:
                    raise ValueError("the solution does not define this name")
                source = edited(solution[name], answer) if isinstance(answer, dict) else answer
                if (same := known[name].setdefault(meaning(source), here)) != here:
                    raise ValueError(f"this is the same code as {same}")
                full[kind][name][label] = source
            except (ValueError, SyntaxError) as error:
                problems.append(f"{chapter}, {name}, {here}: {error}")
    return full, problems
