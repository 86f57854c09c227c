"""What a human decides: an answer that Python cannot read waits for it, and what was decided stands.

It stands when a submission is graded again, as long as the answer is the same.
"""

from nbformat import NotebookNode
from nbgrader.preprocessors import SaveAutoGrades
from nbgrader.utils import is_grade, is_solution
from traitlets import Dict

from .answers import grade_id

UNREADABLE = ("SyntaxError", "IndentationError", "TabError", "RecursionError", "MemoryError")


def answers_of(notebook: NotebookNode) -> dict[str, str]:
    """What each graded cell judges: the cell itself when it is the answer, otherwise the answer that it tests."""
    answers: dict[str, str] = {}
    last = ""
    for cell in notebook.cells:
        if is_solution(cell):
            last = cell.source
        if is_grade(cell):
            answers[grade_id(cell)] = last
    return answers


def is_undecided(answer: NotebookNode) -> bool:
    """Could Python not read a coded answer? Then the zero of its tests says little about it."""
    return any(output.get("ename") in UNREADABLE for output in answer.get("outputs", ()))


class SaveGrades(SaveAutoGrades):
    """nbgrader's step "save the grades", which makes whatever a human decided wait again, without that where it can.

    A decision stands when neither the answer nor the mark of its tests is another than it was; without one, the tests
    of an undecided answer wait.
    """

    answers_before = Dict(help="what each graded cell judged the last time").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        self.answers = answers_of(nb)
        self.undecided = {cell.source for cell in nb.cells if is_solution(cell) and is_undecided(cell)}
        return super().preprocess(nb, resources)

    def _add_score(self, cell: NotebookNode, resources: dict) -> None:
        name = grade_id(cell)
        grade = self.gradebook.find_grade(name, self.notebook_id, self.assignment_id, self.student_id)
        decided = grade.manual_score is not None and not grade.needs_manual_grade
        mark = grade.auto_score
        super()._add_score(cell, resources)
        same = self.answers[name] == self.answers_before.get(name) and grade.auto_score == mark
        if decided and same:
            grade.needs_manual_grade = False
        elif self.answers[name] in self.undecided:
            grade.needs_manual_grade = True
        self.gradebook.db.commit()
