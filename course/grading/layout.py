"""Where things lie: ``solutions/<part>/<chapter>.ipynb``, and everything about grades in one folder beside them.

An assignment of nbgrader is a part of the book; a notebook in it is a chapter. The chapters of the parts without a
folder, ``solutions/<chapter>.ipynb``, are an assignment together.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from traitlets.config import Config

from course.errors import CourseError

PAGES = "pages"  # the assignment of the chapters that lie in no folder of a part


class GradingError(CourseError):
    """Something that the instructor can put right; the message says how."""

    exit_status = 2


@dataclass(frozen=True, order=True)
class Chapter:
    """A part of the book and a chapter in it, such as ``crossmodal/cca``; ``outlook`` lies in no folder of a part."""

    part: str
    name: str

    @classmethod
    def at(cls, path: Path) -> "Chapter":
        """The chapter of a notebook by its path below ``solutions/``."""
        return cls(path.parent.name or PAGES, path.stem)

    def __str__(self) -> str:
        return self.name if self.part == PAGES else f"{self.part}/{self.name}"

    @property
    def file(self) -> str:
        return f"{self}.ipynb"


@dataclass(frozen=True)
class Course:
    """The checkout (`root`, with ``solutions/`` in it) and the folder of submissions, gradebook and feedback."""

    root: Path
    grading: Path

    @classmethod
    def at(cls, root: Path, grading: Path | None = None) -> "Course":
        """The course in folder `root`; a :class:`GradingError` when it holds no solutions."""
        root = Path(root).resolve()
        if not (root / "solutions").is_dir():
            raise GradingError(
                f"{root} holds no folder solutions/: run the command in the checkout, or name it with --course"
            )
        return cls(root, Path(grading).resolve() if grading else root / "grading")

    def chapters(self) -> list[Chapter]:
        """Every chapter that has a solutions notebook."""
        folder = self.root / "solutions"
        files = sorted([*folder.glob("*/*.ipynb"), *folder.glob("*.ipynb")])
        return [Chapter.at(file.relative_to(folder)) for file in files]

    def solution(self, chapter: Chapter) -> Path:
        return self.root / "solutions" / chapter.file

    def page(self, chapter: Chapter) -> Path:
        """The chapter in the book."""
        return self.root / "book" / chapter.file

    def released(self, chapter: Chapter) -> Path:
        """The student's notebook as the gradebook knows it."""
        return self.grading / "release" / chapter.part / f"{chapter.name}.ipynb"

    def of_student(self, step: str, student: str, chapter: Chapter, suffix: str = ".ipynb") -> Path:
        """The file of one submission in one step: collected, submitted (assembled), autograded, feedback or records."""
        return self.grading / step / student / chapter.part / (chapter.name + suffix)

    def collected(self) -> list[tuple[str, Chapter]]:
        """The submissions that wait in the folder ``collected``: pairs of student and chapter."""
        files = sorted((self.grading / "collected").glob("*/*/*.ipynb"))
        found = [(file.parent.parent.name, Chapter(file.parent.name, file.stem)) for file in files]
        gone = {str(chapter) for _, chapter in found} - {str(chapter) for chapter in self.chapters()}
        if gone:
            raise GradingError(
                f"{self.grading / 'collected'} holds submissions for {', '.join(sorted(gone))}, "
                "which solutions/ no longer has: move them away, or bring the solution back"
            )
        return found


def configure(config: Config, root: Path, grading: Path, release: Path) -> Config:
    """Tell nbgrader where things lie; used by the commands and by ``nbgrader_config.py`` (JupyterLab's Formgrader)."""
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{grading}/gradebook.db"
    config.CourseDirectory.source_directory = "solutions"
    config.CourseDirectory.release_directory = os.path.relpath(release, root)
    for step in ("submitted", "autograded", "feedback"):
        config.CourseDirectory[f"{step}_directory"] = os.path.relpath(grading / step, root)
    return config


def digest(*files: Path) -> str:
    """One checksum of several files."""
    return hashlib.sha256(b"\0".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
