"""The list of chapters, `book/chapters.toml`, and what follows from it: one name leads to all files of a chapter."""

import json
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "book" / "chapters.toml"
TO_WRITE = "To write:"  # what page and exercises hold until everything in them is written
PART, ENTRY = ("caption", "folder", "chapters"), ("name", "short", "says")  # the keys of the list


@dataclass(frozen=True)
class Chapter:
    """A chapter of the book by its name, ``crossmodal/cca``, or ``practice`` for one without a part.

    Attributes:
        name: the way to its files, in every folder.
        short: its name on the map and in lists.
        says: what follows its title on the landing page.
    """

    name: str
    short: str = ""
    says: str = ""

    @property
    def page(self) -> Path:
        return ROOT / "book" / f"{self.name}.ipynb"

    @property
    def module(self) -> Path:
        """What it teaches, as code; the chapters outside the parts have none."""
        return ROOT / "course" / f"{self.name}.py"

    @property
    def solution(self) -> Path:
        """What its exercises are made from; a page may have none."""
        return ROOT / "solutions" / f"{self.name}.ipynb"

    @property
    def exercise(self) -> Path:
        return ROOT / "book" / "exercises" / f"{self.name}.ipynb"

    @property
    def title(self) -> str:
        """The first heading of its page."""
        return source(cells(self.page)[0]).splitlines()[0].removeprefix("# ")

    @property
    def draft(self) -> bool:
        """Is something still to write, on its page or in its exercises?"""
        there = [path for path in (self.page, self.solution) if path.exists()]
        return any(TO_WRITE in source(cell) for path in there for cell in cells(path))

    @property
    def tasks(self) -> int:
        """How many coding tasks its exercises have, those apart that a person grades."""
        marks = [cell["metadata"].get("nbgrader", {}) for cell in cells(self.solution)]
        return sum(mark.get("solution", False) and not mark["grade"] for mark in marks)


@dataclass(frozen=True)
class Part:
    """A part of the book: its caption, its folder (empty: none), and its chapters, also those to come."""

    caption: str
    folder: str
    chapters: tuple[Chapter, ...]


def cells(notebook: Path) -> list[dict]:
    return json.loads(notebook.read_text(encoding="utf8"))["cells"]


def source(cell: dict) -> str:
    return "".join(cell["source"])


def refuse(reason: str) -> NoReturn:
    sys.exit(f"{LIST.relative_to(LIST.parent.parent)}: {reason}")


def require(given: dict, wanted: tuple[str, ...], known: tuple[str, ...], what: str) -> None:
    """The program ends unless a table of the list has the keys wanted, and none that is not known."""
    for key in wanted:
        if key not in given:
            refuse(f"{what} lacks {key!r}: {given}")
    if strange := sorted(given.keys() - set(known)):
        refuse(f"{what} has the unknown key {strange[0]!r}: {given}. Known are {', '.join(known)}")


def tables() -> list[dict]:
    """The list as it is written; the program ends when it is not in order."""
    try:
        listed = tomllib.loads(LIST.read_text(encoding="utf8"))
    except tomllib.TOMLDecodeError as error:
        refuse(str(error))
    require(listed, ("parts",), ("parts",), "the list")
    for part in listed["parts"]:
        require(part, PART, PART, "a part")
        for entry in part["chapters"]:
            require(entry, ENTRY[:2], ENTRY, "a chapter")
    return listed["parts"]


def parts() -> list[Part]:
    """The parts of the book in reading order."""
    found = []
    for part in tables():
        prefix = f"{part['folder']}/" if part["folder"] else ""
        listed = [Chapter(**entry | {"name": prefix + entry["name"]}) for entry in part["chapters"]]
        found.append(Part(part["caption"], part["folder"], tuple(listed)))
    return found


def chapters() -> list[Chapter]:
    """The chapters that are there, in reading order."""
    return [chapter for part in parts() for chapter in part.chapters if chapter.page.exists()]
