"""Fold what only the deep path needs behind an idea of three lines.

Any directive with a class can be folded, a proof above all:

    ```{prf:proof}
    :class: folded

    **Idea.** This paragraph stays open: three lines, 60 words at most.

    All that follows is folded. It opens by a click, by a link to anything in it, by a search and on paper.
    ```

The fold is the browser's own `<details>`. The script is for links and searches, on the pages that have folds.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx_proof.nodes import proof_node

LONGEST_IDEA = 60  # words
REVEAL = """addEventListener("DOMContentLoaded", () => {
  const open = (element) => {
    for (let fold = element?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    return element?.closest("details") && element;
  };
  const follow = () => {
    try { open(document.getElementById(decodeURIComponent(location.hash.slice(1))))?.scrollIntoView(); }
    catch (error) { if (!(error instanceof URIError)) throw error; }  // an address that ends in #% leads nowhere
  };
  addEventListener("hashchange", follow);
  follow();
  SphinxHighlight.highlightSearchWords();  // the theme keeps Sphinx from doing it; the words are marked 10 ms later
  setTimeout(() => document.querySelectorAll("details .highlighted").forEach(
    (found) => open(found.closest(".question") ?? found)), 50);  // not the reasons: they give the answer away
});"""


class fold(nodes.General, nodes.Element):
    """What opens on demand; its `summary` is a plain text."""


class Fold(SphinxTransform):
    """Put all but the title and the first paragraph of what has the class `folded` into a fold."""

    default_priority = 500

    def apply(self, **kwargs) -> None:
        for node in [node for node in self.document.findall(nodes.Element) if "folded" in node["classes"]]:
            host = next((child for child in node if isinstance(child, nodes.section)), node)  # so do theorems
            idea, *rest = [child for child in host if not isinstance(child, nodes.title)] or [None]
            if not isinstance(idea, nodes.paragraph) or not rest or len(idea.astext().split()) > LONGEST_IDEA + 1:
                message = "folded: wanted an idea, one paragraph of at most %d words, and then what to fold"
                logging.getLogger(__name__).warning(message, LONGEST_IDEA, location=node)
                continue
            is_proof = isinstance(node.parent, proof_node)
            if is_proof:  # sphinx-proof forgets the names that were given to a proof
                rest[0]["ids"] += node.parent["ids"]
            host.children = host.children[: host.index(idea) + 1]
            host += fold("", *rest, summary="The proof in full" if is_proof else "In full")


def visit(translator, node: fold) -> None:
    translator.body.append(f'<details class="fold"><summary>{node["summary"]}</summary>')


def depart(translator, node: fold) -> None:
    translator.body.append("</details>")


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    if doctree and next(doctree.findall(fold), None):
        app.add_js_file(None, body=REVEAL)


def setup(app: Sphinx) -> dict:
    app.add_node(fold, html=(visit, depart))
    app.add_transform(Fold)
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True}
