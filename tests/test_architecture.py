"""The floors of the house: a module of `course` imports only from the floors below its own."""

import ast
from pathlib import Path

import pytest

COURSE = Path(__file__).parent.parent / "course"

# From the top floor down. Names on one line are neighbours and know each other only where IMPORTS_BESIDE says so.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"reproduce", "grading", "check"},
    {"applications"},
    {"crossmodal", "meta_learning"},
    {"representation"},
    {"training", "data", "checkpoints"},
    {"player"},
    {"plotting", "moving"},
    {"runtime", "processes", "history", "metrics", "svg"},
    {"arguments", "files", "errors", "judging"},
]
LEVEL = {name: len(FLOORS) - position for position, floor in enumerate(FLOORS) for name in floor}
IMPORTS_BESIDE = {("training", "checkpoints"), ("check", "grading")}


def room(module: str) -> str | None:
    """The top-level part of ``course`` that a dotted module name belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "course" and len(parts) > 1 else None


def imported_rooms(source: str) -> set[str]:
    """The rooms of ``course`` that a source text imports from, at any depth of nesting."""
    rooms = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            modules = [node.module] if node.module != "course" else [f"course.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        else:
            continue
        rooms |= {room(module) for module in modules if module and room(module)}
    return rooms


def upward_imports(own: str, source: str) -> set[str]:
    """The imports of a module in room ``own`` that do not point downwards."""
    unknown = imported_rooms(source) - LEVEL.keys() - {"__version__"}
    others = imported_rooms(source) & LEVEL.keys() - {own}
    return unknown | {name for name in others if LEVEL[name] >= LEVEL[own] and (own, name) not in IMPORTS_BESIDE}


MODULES = sorted(path for path in COURSE.rglob("*.py") if path != COURSE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(COURSE)))
def test_imports_point_downwards(path):
    own = path.relative_to(COURSE).parts[0].removesuffix(".py")
    assert own in LEVEL, f"course/{own} has no floor yet: give it one in FLOORS"
    assert not upward_imports(own, path.read_text(encoding="utf8"))


@pytest.mark.parametrize("path", sorted((COURSE / "grading").rglob("*.py")), ids=lambda path: path.name)
def test_grading_knows_nothing_of_the_floors(path):
    assert imported_rooms(path.read_text(encoding="utf8")) <= {"grading", "files", "errors", "judging"}


def test_the_check_sees_an_upward_import():
    assert upward_imports("data", "def f():\n    from course.meta_learning import maml") == {"meta_learning"}
    assert upward_imports("crossmodal", "import course.meta_learning.maml") == {"meta_learning"}
    assert upward_imports("data", "from course import runtime") == set()
