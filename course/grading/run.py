"""Grade what was collected: one submission after another or several at once, each finished for good before the next.

A run that is killed is simply started again. A submission counts as graded once its record is written, which is the
last step and happens at once; what was under way is graded anew.
"""

import ctypes
import fcntl
import hashlib
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path

import nbformat
from traitlets.config import Config

from course.files import write_json, write_whole

from .answers import assemble
from .layout import Chapter, Course, GradingError, configure, digest
from .release import convert, nbgrader_ready
from .sandbox import Limits
from .submissions import Unreadable, one_line, read

GRADER = [
    Path(__file__).with_name(f"{name}.py")
    for name in ("answers", "decisions", "desk", "execute", "harmless", "judge", "parcels", "processes", "wire")
]


@dataclass
class Record:
    """What became of one submission; `notes` are for the instructor's eyes."""

    student: str
    chapter: str
    state: str  # graded or failed
    key: str
    score: float | None = None
    max_score: float | None = None
    to_grade_by_hand: int = 0
    seconds: float = 0.0
    sandboxed: bool = True
    limits: dict[str, int] = field(default_factory=dict)
    lost: int = 0  # cells that ran into a limit
    notes: list[str] = field(default_factory=list)


def key_of(course: Course, student: str, chapter: Chapter) -> str:
    """Changes when the submission, the solution or the grader changes: then it must be graded again."""
    return digest(course.of_student("collected", student, chapter), course.solution(chapter), *GRADER)


def draw_of(course: Course, student: str, chapter: Chapter) -> int:
    """The number that hidden tests draw their inputs with: one for each submission, and the same when graded again.

    It is made of the submission and of a secret of this gradebook.
    """
    secret = course.grading / "secret"
    if not secret.exists():
        write_whole(secret, secrets.token_hex(32))
    submission = digest(secret, course.of_student("collected", student, chapter))
    return 1 + int(hashlib.sha256(f"{submission} {student} {chapter}".encode()).hexdigest()[:12], 16)


def record_of(course: Course, student: str, chapter: Chapter) -> Record | None:
    """How a student's chapter was graded; None when it was not."""
    path = course.of_student("records", student, chapter, ".json")
    try:
        return Record(**json.loads(path.read_text(encoding="utf8"))) if path.exists() else None
    except (ValueError, TypeError):  # damaged, or written by another version: it is graded again
        return None


def is_due(course: Course, student: str, chapter: Chapter, limits: Limits) -> bool:
    """Must a submission be graded: for the first time, after a change, or with a larger limit that it ran into?"""
    record = record_of(course, student, chapter)
    if record is None or record.state != "graded" or record.key != key_of(course, student, chapter):
        return True
    return record.lost > 0 and any(value > record.limits.get(name, 0) for name, value in asdict(limits).items())


def autograde(course: Course, student: str, chapter: Chapter, limits: Limits, sandboxed: bool) -> tuple[list[str], int]:
    """Run nbgrader on the assembled notebook; notes for the instructor, and how many cells ran into a limit."""
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import CheckCellMetadata, LimitOutput

    from .decisions import SaveGrades, answers_of
    from .execute import RunSubmission

    config = configure(Config(), course.root, course.grading, course.grading / "release")
    config.CourseDirectory.assignment_id = chapter.part
    config.CourseDirectory.student_id = student
    config.CourseDirectory.notebook_id = chapter.name
    config.Autograde.autograde_preprocessors = [RunSubmission, LimitOutput, SaveGrades, CheckCellMetadata]
    config.RunSubmission.limits = limits
    config.RunSubmission.sandboxed = sandboxed
    config.RunSubmission.draw = draw_of(course, student, chapter)
    before = course.of_student("autograded", student, chapter)
    config.SaveGrades.answers_before = answers_of(read(before)) if before.exists() else {}
    convert(Autograde, config, "nbgrader")
    graded = read(course.of_student("autograded", student, chapter))
    told = graded.metadata["course"]
    return list(told["notes"]), int(told["lost"])


def scores(course: Course, student: str, chapter: Chapter) -> tuple[float, float, list[str]]:
    """Score, maximum, and the tasks that wait for a human."""
    from nbgrader.api import Gradebook

    with nbgrader_ready(), Gradebook(f"sqlite:///{course.grading}/gradebook.db") as gradebook:
        notebook = gradebook.find_submission_notebook(chapter.name, chapter.part, student)
        waiting = sorted(grade.name for grade in notebook.grades if grade.needs_manual_grade)
        return float(notebook.score), float(notebook.max_score), waiting


def grade(course: Course, student: str, chapter: Chapter, limits: Limits, sandboxed: bool) -> Record:
    """Grade one submission; its record says how it went, and a failure is told there, not raised."""
    start = time.monotonic()
    # While it is graded anew it does not count as graded: a kill must not leave half a result behind an old record.
    course.of_student("records", student, chapter, ".json").unlink(missing_ok=True)
    record = Record(student, str(chapter), "graded", "", sandboxed=sandboxed, limits=asdict(limits))
    try:
        record.key = key_of(course, student, chapter)
        submitted = read(course.of_student("collected", student, chapter))
        released, solution = read(course.released(chapter)), read(course.solution(chapter))
        assembled = assemble(released, solution, submitted)
        write_whole(course.of_student("submitted", student, chapter), nbformat.writes(assembled))
        record.notes, record.lost = autograde(course, student, chapter, limits, sandboxed)
        record.score, record.max_score, waiting = scores(course, student, chapter)
        record.to_grade_by_hand = len(waiting)
    except Unreadable as error:
        record.state, record.notes = "failed", [str(error)]
    except Exception as error:  # a stranger's file: whatever it breaks, the others are graded
        record.state, record.notes = "failed", [f"{type(error).__name__}: {error}"]
    record.notes = [one_line(note) for note in record.notes]
    record.seconds = round(time.monotonic() - start, 1)
    write_json(course.of_student("records", student, chapter, ".json"), asdict(record))
    return record


def end_with_parent(parent: int) -> None:
    """A worker must not outlive a killed run: two of them would write to one gradebook."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already (the parent of a run in a container may itself be process 1)
        os._exit(1)


@contextmanager
def locked(course: Course) -> Iterator[None]:
    """Hold the gradebook; a :class:`GradingError` when another run holds it. The lock ends with the process."""
    course.grading.mkdir(parents=True, exist_ok=True)
    with (course.grading / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise GradingError(
                f"another run is using {course.grading}; wait for it, or use another folder (--grading)"
            ) from None
        yield


def grade_all(
    course: Course, todo: list[tuple[str, Chapter]], limits: Limits, sandboxed: bool, jobs: int
) -> Iterator[Record]:
    """Grade submissions, `jobs` at a time, and yield their records as they come."""
    if jobs == 1:
        for student, chapter in todo:
            yield grade(course, student, chapter, limits, sandboxed)
        return
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=end_with_parent, initargs=(os.getpid(),)
    ) as pool:
        waiting = [pool.submit(grade, course, student, chapter, limits, sandboxed) for student, chapter in todo]
        try:
            for done in as_completed(waiting):
                yield done.result()
        except BrokenProcessPool as error:
            raise GradingError(
                "a grading process was ended from outside (too little memory for so many --jobs?); "
                "call the command again: it continues"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
