"""Which modules and tests belong to which chapter.

A module in the folder of a part belongs to the first chapter of that part, in reading order, that needs it, itself or
for the recipes that it names; if none does, to the first one of any part. Its tests are
`tests/<part>/test_<module>*.py`.
"""

from pathlib import Path

import nbformat
from chapters import Chapter, chapters
from dependencies import ROOT, UNREAD, imported

from course.reproduce import RECIPES

NOT_NEEDED = UNREAD | {"course.applications"}  # whose strings name all systems, of which a chapter is about one


def part(chapter: Chapter) -> str:
    """The folder of its part; practice has none."""
    return chapter.name.rpartition("/")[0]


def notebooks_of(chapter: Chapter) -> list[Path]:
    """Its page and, where there are any, the students' notebook and the solution."""
    return [path for path in (chapter.page, chapter.exercise, chapter.solution) if path.exists()]


def own_modules() -> dict[str, list[str]]:
    """The modules of each chapter, such as ``course.crossmodal.cca``."""
    needed, folders = [], tuple(f"course.{part(chapter)}." for chapter in chapters() if part(chapter))
    for chapter in chapters():
        cells = [cell for path in notebooks_of(chapter) for cell in nbformat.read(path, as_version=4).cells]
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        shown = [each.path.partition(":")[0] for name, each in RECIPES.items() if f'"{name}"' in "".join(code)]
        names = imported([*code, *(f"import {module}" for module in shown)], unread=NOT_NEEDED)
        needed.append((chapter, [name for name in names if name.startswith(folders)]))
    owner: dict[str, str] = {}
    for of_own_part in (True, False):
        for chapter, names in needed:
            for name in names:
                if name.startswith(f"course.{part(chapter)}.") or not of_own_part:
                    owner.setdefault(name, chapter.name)
    return {chapter.name: sorted(name for name in owner if owner[name] == chapter.name) for chapter, _ in needed}


def own_tests() -> dict[str, list[Path]]:
    """The test files of each chapter; those that belong to none are listed under an empty name."""
    owners = {name: chapter for chapter, names in own_modules().items() for name in names}
    found: dict[str, list[Path]] = {chapter.name: [] for chapter in chapters()} | {"": []}
    for folder in sorted({part(chapter) for chapter in chapters()} - {""}):
        known = {name.split(".")[-1]: owner for name, owner in owners.items() if name.startswith(f"course.{folder}.")}
        for path in sorted((ROOT / "tests" / folder).glob("test_*.py")):
            tested = [module for module in known if path.stem.startswith(f"test_{module}")]
            found[known[max(tested, key=len)] if tested else ""].append(path)
    return found
