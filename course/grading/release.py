"""From ``solutions/`` to the students' notebooks, through nbgrader, which keeps the tests in its gradebook."""

import json
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from traitlets.config import Config
from traitlets.log import get_logger

from course.files import write_json

from .layout import PAGES, Chapter, Course, GradingError, configure, digest


@contextmanager
def nbgrader_ready() -> Iterator[list[str]]:
    """Let nbgrader find its helper `alembic`, and collect its error messages instead of printing its log."""
    errors: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            errors.append(record.getMessage())

    logger = get_logger()
    handlers, level, spread = logger.handlers[:], logger.level, logger.propagate
    path = os.environ.get("PATH", os.defpath)
    logger.handlers, logger.propagate = [Collector(logging.ERROR)], False
    logger.setLevel(logging.WARNING)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{path}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of nbgrader's own use of SQLAlchemy and Python; nothing that we could change
            yield errors
    finally:
        os.environ["PATH"] = path
        logger.handlers, logger.propagate = handlers, spread
        logger.setLevel(level)


def reason(errors: list[str], error: BaseException) -> str:
    """The line of nbgrader's log that says what went wrong: the last of its first traceback."""
    told = [text for text in errors if "Traceback" in text] or errors or [str(error)]
    return told[0].strip().splitlines()[-1]


def convert(converter: type, config: Config, what: str) -> None:
    """Let one of nbgrader's converters work on the folder `what`.

    Raises:
        GradingError: with its reason, and the notebook that it was at, when it fails.
    """
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    with nbgrader_ready() as errors:
        working = converter(coursedir=CourseDirectory(config=config), config=config, force=True)
        convert_one, place = working.convert_single_notebook, what

        def noted(notebook: str) -> None:
            nonlocal place
            place = f"{what}: {Path(notebook).name}"
            convert_one(notebook)

        working.convert_single_notebook = noted  # its own messages do not name the notebook
        try:
            working.start()
        except (NbGraderException, SystemExit) as error:
            raise GradingError(f"{place}: {reason(errors, error)}") from error


def generate(course: Course, release: Path) -> None:
    """Write the students' notebooks into the folder `release`, and points and hidden tests into the gradebook."""
    from nbgrader.converters import GenerateAssignment

    course.grading.mkdir(parents=True, exist_ok=True)
    for part in sorted({chapter.part for chapter in course.chapters()}):
        config = configure(Config(), course.root, course.grading, release)
        config.CourseDirectory.assignment_id = part
        if part != PAGES:
            convert(GenerateAssignment, config, f"solutions/{part}")
            continue
        with tempfile.TemporaryDirectory(dir=course.grading, prefix="source-") as source:  # a folder for an assignment
            (Path(source) / part).mkdir()
            for chapter in course.chapters():
                if chapter.part == part:
                    shutil.copyfile(course.solution(chapter), Path(source) / part / chapter.file)
            config.CourseDirectory.source_directory = os.path.relpath(source, course.root)
            convert(GenerateAssignment, config, "solutions")


def stamp(course: Course) -> Path:
    """The file that says from which solutions the gradebook was made."""
    return course.grading / "release.json"


def is_current(course: Course) -> bool:
    """Was the gradebook made from the solutions as they are now?"""
    if not stamp(course).exists() or not (course.grading / "gradebook.db").exists():
        return False
    held = json.loads(stamp(course).read_text(encoding="utf8"))
    now = {str(chapter): digest(course.solution(chapter)) for chapter in course.chapters()}
    return held == now and all(course.released(chapter).exists() for chapter in course.chapters())


def release(course: Course) -> list[Chapter]:
    """Bring gradebook and release folder up to date with the solutions; the chapters that are in them."""
    chapters = course.chapters()
    if not chapters:
        raise GradingError(f"{course.root / 'solutions'} holds no notebook <part>/<chapter>.ipynb or <chapter>.ipynb")
    if not is_current(course):
        generate(course, course.grading / "release")
        write_json(stamp(course), {str(chapter): digest(course.solution(chapter)) for chapter in chapters})
    return chapters
