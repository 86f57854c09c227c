"""Lay a submission beside the original notebook: what the student's cells are, and what answers which task.

Students split, copy, move and delete cells. So the submission is run as it is, cell by cell, and a task is judged where
the student's own check of it stands, by the *name* that it asks for. A written answer is found by its cell's id and its
neighbours. What an instructor sees is the original with the answers in it: text, tests and points are the original's.
"""

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import quote

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from .harmless import harmless_attachments, harmless_text

LONGEST_RENDERED = 20_000  # characters of a written answer; a longer one is shown as it was typed
WORD = re.compile(r"\w+")


def grade_id(cell: NotebookNode) -> str | None:
    """The name under which nbgrader knows a cell; None for a student's own cell."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def is_test(cell: NotebookNode) -> bool:
    """Is it a cell of tests?"""
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def names_bound(source: str) -> list[str]:
    """The names that code of the course's defines at its top level, in order."""
    found: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found += [(alias.asname or alias.name).split(".")[0] for alias in node.names]
        else:
            parts = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
            found += [part.id for part in parts if isinstance(part.ctx, ast.Store)]
    return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Task:
    """A cell to fill in, the names it must define, and the ids of the test cells that follow it."""

    position: int
    names: tuple[str, ...]
    tests: tuple[str, ...]


def tasks(released: NotebookNode, solution: NotebookNode) -> list[Task]:
    """The coded tasks of a notebook, in order: each asks for the names of its stub, or of its solution without one."""
    solutions = {grade_id(cell): cell for cell in solution.cells if grade_id(cell)}
    found: list[Task] = []
    for position, cell in enumerate(released.cells):
        if cell.cell_type == "code" and is_solution(cell):
            sources = () if is_grade(cell) else (cell.source, solutions[grade_id(cell)].source)
            names = next((names for source in sources if (names := names_bound(source))), [])
            found.append(Task(position, tuple(names), ()))
        elif is_test(cell) and found:
            found[-1] = replace(found[-1], tests=(*found[-1].tests, grade_id(cell)))
    return found


@dataclass(frozen=True)
class Step:
    """A cell of the submission as it is run.

    Attributes:
        number, source: its place in the notebook, and its code.
        own: has the student written something into it?
        test: the id of the cell of tests that it is, or None.
        passed_over: need it not be run?
    """

    number: int
    source: str
    own: bool
    test: str | None
    passed_over: bool


class Submission:
    """A student's notebook beside the original.

    Args:
        released: the original, as students get it.
        submitted: what came back.
    """

    def __init__(self, released: NotebookNode, submitted: NotebookNode):
        self.released, self.cells = released, submitted.cells
        by_id = {grade_id(cell): number for number, cell in enumerate(released.cells) if grade_id(cell)}
        by_text = {cell.source.strip(): number for number, cell in enumerate(released.cells) if cell.source.strip()}
        found = ((by_id.get(grade_id(cell), by_text.get(cell.source.strip()))) for cell in self.cells)
        # From a cell of the submission to the cell of the original that it is.
        self.matches = {number: match for number, match in enumerate(found) if match is not None}

    def is_own(self, number: int) -> bool:
        """Has the student written something into this cell?"""
        match, source = self.matches.get(number), self.cells[number].source.strip()
        return bool(source) and (match is None or source != self.released.cells[match].source.strip())

    @cached_property
    def code(self) -> list[int]:
        """The numbers of the cells that are run; an answer that was turned into text by mistake is one of them."""
        return [
            number
            for number, cell in enumerate(self.cells)
            if cell.cell_type == "code" or (self.answers_code(number) and self.is_own(number))
        ]

    def answers_code(self, number: int) -> bool:
        """Does a cell stand in place of a coded answer?"""
        match = self.matches.get(number)
        return match is not None and self.released.cells[match].cell_type == "code"

    def steps(self) -> Iterator[Step]:
        """The cells that are run, in order.

        A cell of tests, if it is the original's and no later cell of the student's mentions what it defines, is passed
        over: the judge runs these tests.
        """
        mentioned: set[str] = set()  # by the student's cells after this one
        steps = []
        for number in reversed(self.code):
            match, source = self.matches.get(number), self.cells[number].source
            original = None if match is None else self.released.cells[match]
            test = grade_id(original) if original is not None and is_test(original) else None
            own, passed_over = self.is_own(number), False
            if own:
                mentioned |= set(WORD.findall(source))
            elif test is not None:
                passed_over = not mentioned & set(names_bound(original.source))
            steps.append(Step(number, source, own, test, passed_over))
        return reversed(steps)

    def answering(self, position: int, names: tuple[str, ...] = ()) -> list[int]:
        """The student's cells that answer cell ``position`` of the original; none when that is untouched or gone.

        Cells are matched by id and by equal text; what lies between the matches before and after it belongs to the
        answer. So does every cell that defines one of the ``names``.
        """
        original = self.released.cells[position]
        own = {number for number, match in self.matches.items() if match == position}
        before = [number for number, match in self.matches.items() if match < position]
        start = min(own) if own else max(before) + 1 if before else 0
        end = max(own) + 1 if own else start
        while end < len(self.cells) and end not in self.matches:
            end += 1
        near = own | {
            number
            for number in range(start, end)
            if self.matches.get(number, position) == position and self.cells[number].cell_type == original.cell_type
        }
        if names:
            defines = re.compile(rf"^(?:(?:async +)?def|class) +(?:{'|'.join(names)})\b", re.MULTILINE)
            near |= {number for number in self.code if defines.search(self.cells[number].source)}
        return [number for number in sorted(near) if self.is_own(number)]


def write_answer(cell: NotebookNode, parts: list[NotebookNode]) -> None:
    """Put a written answer into its cell: text and attached images (a photographed derivation), made harmless.

    An image gets a name without spaces and accents: a text writes them as ``%20``, which nbconvert does not decode.
    """
    attachments, texts = {}, []
    for part in parts:
        text = part.source.strip()
        for name, data in harmless_attachments(part.get("attachments", {})).items():
            plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
            unique = plain if attachments.get(plain, data) == data else f"{len(attachments)}-{plain}"
            for written in {name, quote(name, safe="~()*!.';/?:@&=+$,#")}:  # as JupyterLab writes it
                text = text.replace(f"(attachment:{written})", f"(attachment:{unique})")
            attachments[unique] = data
        texts.append(text)
    text = harmless_text("\n\n".join(texts), attachments)
    # What renders Markdown takes minutes for a hundred thousand brackets.
    cell.source = text if len(text) <= LONGEST_RENDERED else textwrap.indent(text, "    ")
    if attachments:
        cell.attachments = attachments


def assemble(released: NotebookNode, solution: NotebookNode, submitted: NotebookNode) -> NotebookNode:
    """The original notebook with the student's answers in it, and in its metadata, under ``course``, what is to be run.

    ``steps`` are the cells of the submission. A cell to fill in carries the numbers of those that answer it, ``cells``,
    a cell of tests the ``asked`` names of its task.
    """
    notebook, submission = nbformat.from_dict(released), Submission(released, submitted)
    for task in tasks(released, solution):
        cell, answering = notebook.cells[task.position], submission.answering(task.position, task.names)
        if answering:
            cell.source = "\n\n\n".join(submission.cells[number].source.strip("\n") for number in answering)
        cell.metadata["course"] = {"cells": answering}
        for other in notebook.cells:
            if grade_id(other) in task.tests:
                other.metadata["course"] = {"asked": list(task.names)}
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and is_solution(cell) and (answering := submission.answering(position)):
            write_answer(cell, [submission.cells[number] for number in answering])
    notebook.metadata["course"] = {"steps": [vars(step) for step in submission.steps()]}
    return notebook
