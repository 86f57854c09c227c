"""Collect submissions: find out whose they are and which chapter they answer, and copy them to one place."""

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .answers import Submission, grade_id, tasks
from .layout import Chapter, Course, GradingError, write

LARGEST_MIB = 50


class Unreadable(GradingError):
    """A submitted file is no notebook."""


def read(path: Path) -> NotebookNode:
    """A notebook of any format version; :class:`Unreadable` with the reason when it is none."""
    try:
        text = path.read_text(encoding="utf8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old notebooks have no cell ids, and the grader needs none
            notebook = nbformat.reads(text, as_version=4)
        for cell in notebook.cells:
            cell.source, cell.metadata, cell.cell_type = str(cell.source), cell.metadata, str(cell.cell_type)
    except Exception as error:  # nbformat raises many kinds; the file is a stranger's
        raise Unreadable(
            f"{path.name} is no readable notebook ({type(error).__name__}: {str(error)[:80]})"
        ) from error
    return notebook


def student_name(text: str) -> str:
    """A name that is safe as a folder, as a file pattern and in a spreadsheet."""
    name = re.sub(r"[^\w.@+-]", "_", text).strip(".")
    return name if name[:1].isalnum() else f"_{name}"


def find(folder: Path) -> Iterator[Path]:
    """The notebooks below a folder, without checkpoints, hidden folders, and links (which may lead anywhere)."""
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(top, name)
            if name.endswith(".ipynb") and not name.startswith(".") and not path.is_symlink():
                yield path


def recognise(course: Course, path: Path) -> Chapter | None:
    """The chapter that a notebook answers: the one with most of its cell ids, or of its functions' names."""
    try:
        submitted = read(path)
    except Unreadable:
        return None
    ids = {grade_id(cell) for cell in submitted.cells}
    names = {name for statement in Submission(submitted).statements for name in statement.names}
    scores = {}
    for chapter in course.chapters():
        solution = read(course.solution(chapter))
        asked = {name for task in tasks(solution, solution) for name in task.names}
        own = {grade_id(cell) for cell in solution.cells} - {None}
        scores[chapter] = (len(ids & own), len(names & asked))
    best = max(scores, key=scores.get, default=None)
    return best if best and scores[best] > (0, 0) else None


def owner_and_chapter(course: Course, path: Path, inside: Path | None) -> tuple[str, Chapter]:
    """Whose submission a file is and for which chapter.

    Layouts: ``<student>.ipynb``, ``<student>/<chapter>.ipynb``, ``<student>/<part>/<chapter>.ipynb``, and
    ``<student>_<chapter>.ipynb``; `inside` is the folder that was given, None for a file given by itself.
    """
    chapters = course.chapters()
    by_content = recognise(course, path)
    named = [chapter for chapter in chapters if path.stem == chapter.name]
    suffixed = [chapter for chapter in chapters if re.search(rf"[-_ ]{re.escape(chapter.name)}$", path.stem)]
    chapter = (
        by_content or next(iter(named + suffixed), None) or (chapters[0] if len(chapters) == 1 else None)
    )
    if chapter is None:
        raise GradingError(f"{path}: no chapter is recognised; name it with --chapter part/chapter")
    below = path.relative_to(inside).parts[:-1] if inside else ()
    if below:
        student = below[0]
    elif named:
        student = path.resolve().parent.name
    else:
        student = path.stem[: -len(chapter.name) - 1] if chapter in suffixed else path.stem
    return student, chapter


def collect(
    course: Course, paths: list[Path], student: str | None = None, chapter: Chapter | None = None
) -> tuple[list[tuple[str, Chapter]], list[str]]:
    """Copy submissions into the folder ``collected``; the submissions and what could not be collected.

    Of two files for the same student and chapter the newer one counts.
    """
    chosen: dict[tuple[str, Chapter], Path] = {}
    names: dict[str, str] = {}  # the name as it came, by the safe one
    problems = []
    for given in paths:
        if not given.exists():
            raise GradingError(f"{given} does not exist")
        inside = given if given.is_dir() else None
        files = list(find(given)) if inside else [given]
        if not files:
            raise GradingError(f"{given} holds no notebook (.ipynb)")
        for path in files:
            try:
                if path.stat().st_size > LARGEST_MIB * 2**20:
                    raise GradingError(f"{path} is larger than {LARGEST_MIB} MiB; clear its outputs")
                found = (
                    owner_and_chapter(course, path, inside)
                    if not (student and chapter)
                    else (student, chapter)
                )
            except GradingError as error:
                problems.append(str(error))
                continue
            given_name = student or found[0]
            key = (student_name(given_name), chapter or found[1])
            if names.setdefault(key[0], given_name) != given_name:
                problems.append(
                    f"{path}: not used, {given_name!r} and {names[key[0]]!r} would both be called {key[0]!r}; "
                    "rename one, or collect it by itself with --student"
                )
                continue
            other = chosen.get(key)
            if other is not None:
                older, path = sorted([other, path], key=lambda file: file.stat().st_mtime)
                problems.append(
                    f"{older}: not used, {path.name} is newer and for the same student and chapter"
                )
            chosen[key] = path
    for (name, answered), path in chosen.items():
        target = course.of_student("collected", name, answered)
        write(target, path.read_bytes().decode("utf8", errors="replace"))
    return sorted(chosen), problems
