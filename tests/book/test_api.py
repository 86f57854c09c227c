"""Every public name of the package has a place in the book."""

import ast
import re
from pathlib import Path

import pytest
from book_files import BOOK, ROOT, sources, toc
from sphinx.util.inventory import InventoryFile

COURSE = ROOT / "course"
AUTOMODULE = re.compile(r"^\.\. automodule:: (course[\w.]*)\n((?:   :[\w-]+:.*\n)*)", re.MULTILINE)
BARE = {"course.__main__"}  # `python -m course`, one line
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def empty_package(path: Path) -> bool:
    """A folder's ``__init__.py`` that holds nothing but a docstring: its modules have pages of their own."""
    return path.name == "__init__.py" and len(ast.parse(path.read_text(encoding="utf8")).body) <= 1


def described(page: str) -> dict[str, bool]:
    """The modules that a page describes, and whether with all their members."""
    return {name: ":members:" in options for name, options in AUTOMODULE.findall(page)}


def public(body: list[ast.stmt]) -> list[Definition]:
    return [node for node in body if isinstance(node, Definition) and not node.name.startswith("_")]


def public_names(source: str, prefix: str) -> set[str]:
    """The functions and classes that a module defines, and the documented methods of its classes."""
    names = set()
    for node in public(ast.parse(source).body):
        methods = public(node.body) if isinstance(node, ast.ClassDef) else []
        names |= {f"{prefix}.{node.name}", *(f"{prefix}.{node.name}.{m.name}" for m in methods if ast.get_docstring(m))}
    return names


def undocumented(source: str) -> list[str]:
    """Public functions and classes without a docstring; autodoc leaves them out without a word."""
    return [node.name for node in public(ast.parse(source).body) if not ast.get_docstring(node)]


MODULES = {module_name(path): path for path in sources(COURSE, ".py")}
PAGES = {path: described(path.read_text(encoding="utf8")) for path in sources(BOOK / "api", ".md")}


@pytest.mark.parametrize("name", sorted(MODULES.keys() - BARE))
def test_every_module_has_a_page_with_its_members(name):
    pages = [path for path, modules in PAGES.items() if name in modules]
    if empty_package(MODULES[name]) and not pages:
        return
    assert len(pages) == 1, f"describe {name} on one page of book/api: {pages}"
    defines = public_names(MODULES[name].read_text(encoding="utf8"), name)
    assert PAGES[pages[0]][name] or not defines, f"add :members: to {pages[0]}"
    assert pages[0].relative_to(BOOK).with_suffix("").as_posix() in toc()


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_public_name_has_a_docstring(name):
    assert not undocumented(MODULES[name].read_text(encoding="utf8"))


def test_no_page_describes_a_module_that_is_gone():
    assert set().union(*PAGES.values()) <= MODULES.keys()


@pytest.mark.book
def test_every_public_name_is_in_the_built_book(site):
    with (site / "objects.inv").open("rb") as stream:
        inventory = InventoryFile.load(stream, "", lambda base, uri: uri)
    found = {name for kind, entries in inventory.items() if kind.startswith("py:") for name in entries}
    names = set().union(*(public_names(path.read_text(encoding="utf8"), name) for name, path in MODULES.items()))
    assert not names - found


# --- The checks see what they are for.


def test_members_are_read_from_a_page():
    page = ".. automodule:: course.a\n   :members:\n   :no-index:\n\n.. automodule:: course.b\n"
    assert described(page) == {"course.a": True, "course.b": False}


def test_public_names_are_found_and_those_without_docstring():
    of_a = "  x = 1\n  def h(self):\n    'H.'\n  def i(self): ...\n  def _j(self): 'J.'\n"
    source = f"def f(): 'F.'\ndef _g(): ...\nclass A:\n{of_a}"
    assert public_names(source, "m") == {"m.f", "m.A", "m.A.h"}
    assert undocumented(source) == ["A"]
