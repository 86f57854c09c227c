"""Repair what docutils and the theme write and a screen reader stumbles over.

Three things are rules of axe-core: a bibliography carries roles that ARIA has withdrawn; the corner of a table with row
names is a header that names nothing; the arrows that unfold the table of contents have no name. And every proof and
every theorem has the same id as the others, to which no link could lead.
"""

import re

from sphinx.application import Sphinx

REPAIRS = [
    (re.compile(r'(<div[^>]*class="citation"[^>]*) role="doc-biblioentry"'), r"\1"),
    (re.compile(r'<div role="list" class="citation-list">'), '<div class="citation-list">'),
    (re.compile(r'(<(?:div class="proof|section class="[\w-]+-content")[^>]*) id="proof(?:-content)?"'), r"\1"),
    (re.compile(r'<th class="head[^"]*">\s*(?:<p>\s*</p>)?\s*</th>'), "<td></td>"),
]
NAMELESS = "<summary>"
NAMED = '<summary aria-label="Show the pages below">'


def repaired(body: str) -> str:
    """The HTML of a page's text with all repairs."""
    for pattern, replacement in REPAIRS:
        body = pattern.sub(replacement, body)
    return body


def repair(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    """Repair the text of a page and name the arrows of its sidebar."""
    if "body" in context:
        context["body"] = repaired(context["body"])
    toctree_html = context.get("generate_toctree_html")
    if toctree_html is not None:

        def named(*arguments, **options):
            html = toctree_html(*arguments, **options)
            return str(html).replace(NAMELESS, NAMED) if options.get("kind") == "sidebar" else html

        context["generate_toctree_html"] = named


def setup(app: Sphinx) -> dict:
    # after the theme, whose handlers put the toctree functions there
    app.connect("html-page-context", repair, priority=900)
    return {"version": "1", "parallel_read_safe": True}
