"""Marks that a human gave stand when a submission is graded again, as long as the answer is the same."""

from nbformat import NotebookNode
from nbgrader.preprocessors import SaveAutoGrades
from nbgrader.utils import is_grade, is_solution
from traitlets import Dict

from .answers import grade_id


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


class SaveGrades(SaveAutoGrades):
    """nbgrader's step "save the grades", which makes whatever a human decided wait again, without that where it can.

    A decision stands when neither the answer nor the mark of its tests is another than it was.
    """

    answers_before = Dict(help="what each graded cell judged the last time").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        self.answers = answers_of(nb)
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
            self.gradebook.db.commit()
