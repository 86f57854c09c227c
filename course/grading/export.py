"""The gradebook as a table: one line for each student, chapter and task, or the totals of each student and chapter."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import groupby

from .layout import Course, GradingError
from .release import nbgrader_ready
from .run import record_of
from .submissions import read

COLUMNS = ("student", "part", "chapter", "task", "score", "max_score", "by_hand", "sandboxed")
TOTALS = ("student", "part", "chapter", "score", "max_score", "waiting", "state")


def rows(course: Course) -> Iterator[dict[str, object]]:
    """The graded tasks of every submission; ``by_hand`` says "waiting" or "done" where a human decides.

    A submission that could not be graded is one row without a task: its ``by_hand`` says "not graded".

    Raises:
        GradingError: nothing has been graded.
    """
    from nbgrader.api import Gradebook, MissingEntry

    graded = [(student, chapter, record_of(course, student, chapter)) for student, chapter in course.collected()]
    if not any(record and record.state == "graded" for _, _, record in graded):
        raise GradingError(f"nothing graded yet in {course.grading}: run `course grade run` first")
    with nbgrader_ready(), Gradebook(f"sqlite:///{course.grading}/gradebook.db") as gradebook:
        for student, chapter, record in graded:
            whose = (student, chapter.part, chapter.name)
            if record is None or record.state != "graded":
                yield dict(zip(COLUMNS, (*whose, "", "", "", "not graded", ""), strict=True))
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
                by_hand = "waiting" if grade.needs_manual_grade else "done" if grade.manual_score is not None else ""
                line = (*whose, grade.name, grade.score, grade.max_score, by_hand, record.sandboxed)
                yield dict(zip(COLUMNS, line, strict=True))


def totals(tasks: Iterable[dict[str, object]]) -> Iterator[dict[str, object]]:
    """The sums over the tasks of each submission; ``waiting`` counts those that a human has still to decide."""
    for key, group in groupby(tasks, key=lambda row: (row["student"], row["part"], row["chapter"])):
        lines = list(group)
        if lines[0]["by_hand"] == "not graded":
            sums = ("", "", "", "not graded")
        else:
            waiting = sum(row["by_hand"] == "waiting" for row in lines)
            score, most = (sum(row[column] for row in lines) for column in ("score", "max_score"))
            sums = (score, most, waiting, "waiting" if waiting else "complete")
        yield dict(zip(TOTALS, (*key, *sums), strict=True))


def table(course: Course, only_totals: bool = False) -> str:
    """The rows, or their totals, as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, TOTALS if only_totals else COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(totals(rows(course)) if only_totals else rows(course))
    return text.getvalue()
