"""Equations and code name each other: no equation that claims code without it, no docstring that points nowhere."""

import ast
import inspect
import pkgutil
import re
from itertools import chain
from pathlib import Path

import pytest
from book_files import BOOK, ROOT, chapters, read, sources

NAMED = re.compile(r":eq:`([^`<]*<)?([\w-]+)>?`")
LABEL = re.compile(r"^:label:\s*([\w-]+)\s*$|^\$\$\s*\(([\w-]+)\)\s*$")
MARK = re.compile(r"^In code:")
OBJECT = re.compile(r"\{py:\w+\}`(?:[^`<]*<)?~?(course\.[\w.]+)>?`")
EQUATION = re.compile(r"^`{3,}\{math\}|^:{3,}\{math\}|^\$\$")


def labels_and_marks(text: str) -> tuple[set[str], set[tuple[str, str]], list[str]]:
    """The equation labels of a Markdown text, the pairs (label, object) that it marks, and marks that mark nothing.

    A mark is a paragraph that begins with "In code:". It belongs to the equation before it.
    """
    labels, pairs, loose = set(), set(), []
    current, in_equation, mark = None, False, ""
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        if mark and stripped:
            mark += " " + stripped
        elif MARK.match(stripped):
            mark = stripped
        elif mark:
            objects = OBJECT.findall(mark)
            pairs |= {(current, name) for name in objects if current}
            if not objects or not current:
                loose.append(mark)
            mark = ""
        if EQUATION.match(stripped):
            in_equation = not in_equation if stripped.startswith("$$") else True
            current = current if stripped.startswith("$$") and not in_equation else None
        if label := LABEL.match(stripped):
            if label[2] or in_equation:
                current = label[1] or label[2]
                labels.add(current)
        elif in_equation and stripped.startswith(("```", ":::")) and "{" not in stripped:
            in_equation = False
    return labels, pairs, loose


def named_labels(source: str) -> set[str]:
    """The labels that the docstrings of a Python source name."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docs = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, owners)]
    return {label for doc in docs for _, label in NAMED.findall(doc)}


def silent(pairs: set[tuple[str, str]]) -> list[str]:
    """Marked equations that the docstring of their object does not name."""
    return [
        f"{name} does not name :eq:`{label}`"
        for label, name in sorted(pairs)
        if label not in {found for _, found in NAMED.findall(inspect.getdoc(pkgutil.resolve_name(name)) or "")}
    ]


def markdown(path: Path) -> str:
    """The prose of a page, cell after cell, so that a mark may not reach over a code cell."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf8")
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


@pytest.fixture(scope="module")
def book() -> tuple[set[str], set[tuple[str, str]], list[str]]:
    found = [labels_and_marks(markdown(path)) for path in [*chapters(), *sources(BOOK, ".md")]]
    labels, pairs, loose = zip(*found, strict=True)
    return set().union(*labels), set().union(*pairs), [*chain(*loose)]


MODULES = [path for path in sources(ROOT / "course", ".py") if NAMED.search(path.read_text(encoding="utf8"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
class TestEveryModule:
    def test_names_equations_that_exist(self, path, book):
        assert not named_labels(path.read_text(encoding="utf8")) - book[0]

    def test_names_equations_that_the_book_marks(self, path, book):
        """Code for an equation is announced beside it, so that the reader finds it."""
        marked = {label for label, _ in book[1]}
        assert not (named_labels(path.read_text(encoding="utf8")) & book[0]) - marked


def test_every_mark_belongs_to_an_equation_and_names_an_object_whose_docstring_names_it(book):
    labels, pairs, loose = book
    assert not loose
    assert not silent(pairs)
    assert {"cca-correlation", "maml-k-steps"} <= labels
    assert ("maml-k-steps", "course.meta_learning.maml.meta_gradient") in pairs
    assert len(MODULES) >= 5


# --- The checks see what they are for.

PAGE = """
```{math}
:label: one
a
```

In code: {py:func}`course.crossmodal.cca.whitening` and {py:func}`~course.crossmodal.cca.canonical_pairs`
with `regularization`.

$$
b
$$ (two)

In code: {py:class}`the class <course.crossmodal.cca.CCA>`.

```{figure} x.svg
:label: not-an-equation
```
"""


def test_labels_and_marks_are_read():
    labels, pairs, loose = labels_and_marks(PAGE)
    assert labels == {"one", "two"}
    names = {("one", "whitening"), ("one", "canonical_pairs"), ("two", "CCA")}
    assert pairs == {(label, "course.crossmodal.cca." + name) for label, name in names}
    assert not loose


@pytest.mark.parametrize(
    "text", ["In code: {py:func}`course.runtime.device`.", PAGE + "$$\nc\n$$\n\nIn code: {py:func}`course.x`.",
             "```{math}\n:label: one\na\n```\n\nIn code: `whitening`."]
)  # fmt: skip
def test_a_mark_without_label_or_object_is_seen(text):
    assert labels_and_marks(text)[2]


def test_a_docstring_that_does_not_name_its_equation_is_seen_and_a_mark_that_names_nothing_in_the_package():
    pair = ("no-such-equation", "course.crossmodal.cca.canonical_pairs")
    assert silent({pair}) == ["course.crossmodal.cca.canonical_pairs does not name :eq:`no-such-equation`"]
    assert not silent({("cca-whitened-svd", pair[1])})
    with pytest.raises(AttributeError, match="no_such"):
        silent({("one", "course.crossmodal.cca.no_such")})


def test_labels_in_docstrings_are_found_at_any_depth():
    source = 'class A:\n    """:eq:`a`"""\n    def f(self):\n        r""":eq:`that <b-2>`."""\n# :eq:`c`\n'
    assert named_labels(source) == {"a", "b-2"}
