"""The examples in the docstrings run, and every class that a page of the book shows has one."""

import ast
import doctest
import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "course").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf8")
]
REFERENCE = re.compile(r"\{py:class\}`~?(course[\w.]*)\.(\w+)`")


def shown(cells: list[dict]) -> set[tuple[str, str]]:
    """The names from `course` that a page imports in a cell or refers to as a class, each after its module."""
    found = set()
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] != "code":
            found |= set(REFERENCE.findall(source))
            continue
        code = "\n".join(line for line in source.split("\n") if not line.startswith("%"))
        imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
        found |= {(n.module, alias.name) for n in imports if n.module.startswith("course.") for alias in n.names}
    return found


PAGES = [path for path in sorted((ROOT / "book").rglob("*.ipynb")) if "exercises" not in path.parts]
NAMES = set().union(*(shown(json.loads(path.read_text(encoding="utf8"))["cells"]) for path in PAGES))
# A name may be a module, which nobody needs to have imported before: resolve_name does
OBJECTS = [pkgutil.resolve_name(f"{module}.{name}") for module, name in NAMES if module != "course"]
CLASSES = sorted(set(filter(inspect.isclass, OBJECTS)), key=lambda each: each.__name__)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_run(module):
    outcome = doctest.testmod(importlib.import_module(module))
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parametrize("shown_class", CLASSES, ids=lambda each: each.__name__)
def test_a_class_that_a_page_shows_has_an_example(shown_class):
    assert ">>> " in (shown_class.__doc__ or ""), f"give {shown_class.__name__} a short example with shapes"


def test_imports_and_references_of_a_page_are_found():
    code = {"cell_type": "code", "source": ["%time\n", "from course.a import (\n", "    B,\n", "    c,\n", ")"]}
    text = {"cell_type": "markdown", "source": ["see {py:class}`~course.d.E`, {py:func}`course.d.f`"]}
    assert shown([code, text]) == {("course.a", "B"), ("course.a", "c"), ("course.d", "E")}
