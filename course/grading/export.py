"""The gradebook as a table: one line for each student, chapter and task."""

import csv
import io
from collections.abc import Iterator

from .layout import Course, GradingError
from .release import nbgrader_ready
from .run import record_of
from .submissions import read

COLUMNS = ("student", "part", "chapter", "task", "score", "max_score", "by_hand", "sandboxed")


def rows(course: Course) -> Iterator[dict[str, object]]:
    """The graded tasks of every submission; ``by_hand`` says "waiting" or "done" where a human decides.

    Raises:
        GradingError: nothing has been graded.
    """
    from nbgrader.api import Gradebook, MissingEntry

    graded = [
        (student, chapter, record_of(course, student, chapter)) for student, chapter in course.collected()
    ]
    if not any(record and record.state == "graded" for _, _, record in graded):
        raise GradingError(f"nothing graded yet in {course.grading}: run `course grade run` first")
    with nbgrader_ready(), Gradebook(f"sqlite:///{course.grading}/gradebook.db") as gradebook:
        for student, chapter, record in graded:
            if record is None or record.state != "graded":
                continue
            try:
                notebook = gradebook.find_submission_notebook(chapter.name, chapter.part, student)
            except MissingEntry as error:
                raise GradingError(
                    f"the gradebook does not know {student} {chapter}: bring its copy back, or grade again with "
                    "course grade run --force"
                ) from error
            cells = read(course.released(chapter)).cells
            order = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in cells]
            for grade in sorted(notebook.grades, key=lambda grade: order.index(grade.name)):
                by_hand = (
                    "waiting"
                    if grade.needs_manual_grade
                    else "done"
                    if grade.manual_score is not None
                    else ""
                )
                line = (
                    student,
                    chapter.part,
                    chapter.name,
                    grade.name,
                    grade.score,
                    grade.max_score,
                    by_hand,
                )
                yield dict(zip(COLUMNS, (*line, record.sandboxed), strict=True))


def table(course: Course) -> str:
    """The rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(course))
    return text.getvalue()
