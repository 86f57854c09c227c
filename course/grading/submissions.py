"""Collect submissions: find out whose they are and which chapter they answer, and copy them to one folder."""

import os
import re
import stat
import unicodedata
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course.files import write_whole

from .answers import grade_id, tasks
from .layout import Chapter, Course, GradingError

LARGEST_MIB = 50
LONGEST = 300_000  # characters of code and text, five times a solution's; to read one may take Python 0.8 kB
DEFINED = re.compile(r"^(?:(?:async +)?def|class) +(\w+)", re.MULTILINE)
Signatures = dict[Chapter, tuple[set[str], set[str]]]  # the cell ids of each solution, and the names that it asks for


class Unreadable(GradingError):
    """A submitted file is no notebook."""


def one_line(text: object) -> str:
    """A text as one line: what a terminal does not show, or would obey, is escaped (a newline in a file's name)."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in str(text))


def text_of(path: Path) -> str:
    """What a file says, in UTF-8 or UTF-16, with or without a mark at its beginning."""
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return content.decode(encoding, errors="replace")


def whole_signs(text: str) -> str:
    """The text with a question mark in place of half of a pair that stands for one sign: files cannot hold it."""
    return text.encode("utf8", "replace").decode("utf8")


def read(path: Path) -> NotebookNode:
    """A notebook of any format version; :class:`Unreadable` with the reason when it is none."""
    try:
        text = text_of(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old notebooks have no cell ids, and the grader needs none
            notebook = nbformat.reads(text, as_version=4)
        for number, cell in enumerate(notebook.cells):
            cell.source, cell.cell_type = whole_signs(str(cell.source)), str(cell.cell_type)
            if not cell.metadata.get("nbgrader", True):  # null: the student's own cell
                del cell.metadata["nbgrader"]
            entry = cell.metadata.get("nbgrader", {})
            if not isinstance(entry, dict) or not isinstance(entry.get("grade_id"), str | None):
                raise ValueError(f"cell {number}: nbgrader's entry is {entry!r}")
        if (length := sum(len(cell.source) for cell in notebook.cells)) > LONGEST:
            raise ValueError(f"it holds {length} characters of code and text, more than {LONGEST}")
    except Exception as error:  # nbformat raises many kinds; the file is a stranger's
        raise Unreadable(f"{path.name} is no readable notebook ({type(error).__name__}: {str(error)[:120]})") from error
    return notebook


def student_name(text: str) -> str:
    """A name that is safe as a folder, as a file pattern and in a spreadsheet; one name for one way of writing it."""
    name = re.sub(r"[^\w.@+-]", "_", unicodedata.normalize("NFC", text)).strip(".")
    return name if name[:1].isalnum() else f"_{name}"


def find(folder: Path) -> tuple[list[Path], list[Path]]:
    """The notebooks below a folder, and the files that are none.

    Hidden files and folders (checkpoints) are passed over. Links, which may lead anywhere, count as no notebooks.
    """
    notebooks, others = [], []
    for top, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        others += [path for name in folders if (path := Path(top, name)).is_symlink()]
        for name in sorted(name for name in files if not name.startswith(".")):
            path = Path(top, name)
            is_notebook = path.suffix.lower() == ".ipynb" and not path.is_symlink()
            (notebooks if is_notebook else others).append(path)
    return notebooks, others


def found_at(given: Path) -> tuple[list[Path], list[Path]]:
    """The notebooks at a path of the command line, and the other files; a :class:`GradingError` without a notebook."""
    if not given.exists():
        raise GradingError(f"{given} does not exist")
    notebooks, others = find(given) if given.is_dir() else ([given], [])
    if not notebooks:
        raise GradingError(f"{given} holds no notebook (.ipynb)")
    return notebooks, others


def signatures(course: Course) -> Signatures:
    """What each chapter's notebook is recognised by."""
    found = {}
    for chapter in course.chapters():
        solution = read(course.solution(chapter))
        asked = {name for task in tasks(solution, solution) for name in task.names}
        found[chapter] = ({grade_id(cell) for cell in solution.cells} - {None}, asked)
    return found


def recognise(notebook: NotebookNode, known: Signatures) -> Chapter | None:
    """The chapter that a notebook answers: the one with most of its cell ids, or of its functions' names."""
    ids = {grade_id(cell) for cell in notebook.cells}
    names = {name for cell in notebook.cells for name in DEFINED.findall(cell.source)}
    scores = {chapter: (len(ids & own), len(names & asked)) for chapter, (own, asked) in known.items()}
    best = max(scores, key=scores.get, default=None)
    return best if best and scores[best] > (0, 0) else None


def stem_of(path: Path) -> str:
    """A file's name without its suffix and without what browsers and JupyterLab add to a copy: `` (1)``, ``-Copy1``."""
    return re.sub(r"(\s*\(\d+\)|-Copy\d+)+$", "", path.stem)


def ends_with(stem: str, chapter: Chapter) -> bool:
    """Is it ``<student>_<chapter>``?"""
    return bool(re.search(rf"[-_ ]{re.escape(chapter.name)}$", stem))


def chapter_of(path: Path, known: Signatures) -> Chapter:
    """The chapter that a file answers, by its content or else by its name; a :class:`GradingError` if neither tells."""
    stem = stem_of(path)
    named = [chapter for chapter in known if len(known) == 1 or stem == chapter.name or ends_with(stem, chapter)]
    try:
        chapter = recognise(read(path), known)
    except Unreadable:
        if not named:
            raise
        chapter = None
    if chapter is None and not named:
        raise GradingError(f"{path}: no chapter is recognised; name it with --chapter part/chapter")
    return chapter or named[0]


def owner_of(course: Course, path: Path, inside: Path | None) -> str:
    """Whose submission a file is; a :class:`GradingError` when its path names no student.

    Layouts: ``<student>.ipynb``, ``<student>/<chapter>.ipynb``, ``<student>/<part>/<chapter>.ipynb``, and
    ``<student>_<chapter>.ipynb``; `inside` is the folder that was given, None for a file given by itself.
    """
    chapters, stem = course.chapters(), stem_of(path)
    below = path.relative_to(inside).parts[:-1] if inside else ()
    suffixed = [chapter for chapter in chapters if ends_with(stem, chapter)]
    if below:
        student = below[0]
    elif any(stem == chapter.name for chapter in chapters):
        student = path.resolve().parent.name
    else:
        student = stem[: -len(suffixed[0].name) - 1] if suffixed else stem
    if student in {chapter.part for chapter in chapters}:
        raise GradingError(f"{path}: no student is named; put it into a folder <student>/, or say --student NAME")
    return student


@dataclass
class Collected:
    """What came of a collection: the submissions, what to know about them, and what could not be collected."""

    submissions: list[tuple[str, Chapter]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def told(path: Path, error: Exception) -> str:
    """What is wrong with one file: a stranger's, so that it may be anything."""
    return str(error) if isinstance(error, GradingError) else f"{path}: {type(error).__name__}: {error}"


def newest(
    course: Course, paths: list[Path], student: str | None, chapter: Chapter | None, result: Collected
) -> dict[tuple[str, Chapter], Path]:
    """The newest file of each student and chapter; what else was found goes into `result`."""
    chosen: dict[tuple[str, Chapter], Path] = {}
    names: dict[str, str] = {}  # the name as it came, by the safe one
    known = signatures(course)
    for given in paths:
        inside = given if given.is_dir() else None
        files, others = found_at(given)
        result.notes += [f"{path}: left out, it is no notebook (.ipynb)" for path in others]
        for path in files:
            try:
                status = path.stat()
                if not stat.S_ISREG(status.st_mode):
                    raise GradingError(f"{path} is no regular file")
                if status.st_size > LARGEST_MIB * 2**20:
                    raise GradingError(f"{path} is larger than {LARGEST_MIB} MiB; clear its outputs")
                given_name = unicodedata.normalize("NFC", student or owner_of(course, path, inside))
                key = (student_name(given_name), chapter or chapter_of(path, known))
                if names.setdefault(key[0], given_name) != given_name:
                    raise GradingError(
                        f"{path}: not used, {given_name!r} and {names[key[0]]!r} would both be called {key[0]!r}; "
                        "rename one, or collect it by itself with --student"
                    )
                older, newer = sorted([chosen.get(key, path), path], key=lambda file: file.stat().st_mtime)
            except Exception as error:  # whatever it breaks, the others are collected
                result.problems.append(told(path, error))
                continue
            if older != newer:
                result.notes.append(f"{older}: not used, {newer.name} is newer and for the same student and chapter")
            chosen[key] = newer
    return chosen


def collect(course: Course, paths: list[Path], student: str | None = None, chapter: Chapter | None = None) -> Collected:
    """Copy submissions into the folder ``collected``.

    Of several files for the same student and chapter the newest counts, also against one that was collected before.
    """
    result = Collected()
    chosen = newest(course, paths, student, chapter, result)
    for (name, answers), path in sorted(chosen.items()):
        try:
            how = put(path, course.of_student("collected", name, answers))
        except OSError as error:
            result.problems.append(told(path, error))
            continue
        result.submissions.append((name, answers))
        result.notes.append(f"{name} {answers}: {path} {how}")
    result.notes = [one_line(note) for note in result.notes]
    result.problems = [one_line(problem) for problem in result.problems]
    return result


def put(path: Path, target: Path) -> str:
    """Copy a submission to `target`, unless a newer one lies there; what became of it."""
    text = text_of(path)
    held = target.read_text(encoding="utf8") if target.exists() else None
    if held == text:
        return "is as collected before"
    if held is not None and target.stat().st_mtime > path.stat().st_mtime:
        return f"not used, the one collected before is newer (to take this one, remove {target})"
    write_whole(target, text, dated_as=path)
    return "replaces the one collected before" if held is not None else "collected"
