"""The glossary and the chapters know each other: each of its terms is linked from a chapter, where it first appears."""

import re

import pytest
from book_files import BOOK, chapters, read

TERM = re.compile(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`")


def defined(text: str) -> list[str]:
    """The terms of a glossary: unindented lines of its directive, the last names of an entry followed by its text."""
    body = text.split("```{glossary}\n", 1)[1].split("\n```", 1)[0]
    return [line for line in body.splitlines() if line and not line.startswith(" ")]


GLOSSARY = defined((BOOK / "glossary.md").read_text(encoding="utf8"))
LINKED = {
    name
    for path in chapters()
    for cell in read(path).cells
    if cell.cell_type == "markdown"
    for name in TERM.findall(cell.source)
}


@pytest.mark.parametrize("term", GLOSSARY)
def test_a_term_of_the_glossary_is_linked_from_a_chapter(term):
    assert term in LINKED, f"link {term!r} where it first appears, as {{term}}`{term}`"


def test_terms_and_links_are_found():
    assert defined("# G\n\n```{glossary}\nhub\n  A text.\n\nridge\nshrinkage\n  Another.\n```\n") == [
        "hub",
        "ridge",
        "shrinkage",
    ]
    assert TERM.findall("{term}`hub` and {term}`hubs <hub>`") == ["hub", "hub"]
