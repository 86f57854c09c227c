r"""How long a page takes, by one rule: its core, and all of it.

    **Time:** {minutes}`core` to read, {minutes}`all` with everything that is folded; half a minute to run.

The core is what stands open: not the folds, not hidden code, and of a question not the reasons. References are looked
up, not read, and count in neither. Two hundred words a minute is a little slower than people read easy prose (238,
Brysbaert 2019, doi:10.1016/j.jml.2019.104047). The other numbers are a convention, for a reader who follows each step;
they give the three to five hours that the first readers of two chapters took with all proofs.
"""

from docutils import nodes
from folds import fold
from questions import choice, question, words
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

WORDS_A_MINUTE = 200
FORMULA, LINE_OF_FORMULA, LINE_OF_CODE, FIGURE, QUESTION = 10, 60, 6, 45, 30  # seconds, besides the words
NOT_READ = (nodes.citation, nodes.comment)


class duration(nodes.inline):
    """A time that is known when the page is complete; its `path` is `core` or `all`."""


def outside_the_core(node: nodes.Node) -> bool:
    parent = node.parent
    is_reason = isinstance(parent, choice) and not isinstance(node, words)
    is_source = isinstance(node, nodes.Element) and node.get("nb_element") == "cell_code_source"
    return is_reason or isinstance(node, fold) or (is_source and is_hidden(parent))


def is_hidden(node: nodes.Node | None) -> bool:
    """Is it in a cell whose code is hidden? What is shown in its place stands between the two."""
    return node is not None and (node.get("hide_mode") in ("input", "all") or is_hidden(node.parent))


def seconds(node: nodes.Node, path: str) -> float:
    """What a node takes to read, with all that is in it."""
    if isinstance(node, NOT_READ) or (path == "core" and outside_the_core(node)):
        return 0
    if isinstance(node, nodes.Text):
        return len(node.split()) * 60 / WORDS_A_MINUTE
    if isinstance(node, nodes.math):
        return FORMULA
    if isinstance(node, nodes.math_block):
        return LINE_OF_FORMULA * (node.astext().count(r"\\") + 1)
    if isinstance(node, nodes.literal_block):
        return LINE_OF_CODE * sum(bool(line.strip()) for line in node.astext().splitlines())
    if isinstance(node, nodes.raw):
        return FIGURE * any(f'class="{shown}"' in node.astext() for shown in ("moving", "player"))
    own = FIGURE * isinstance(node, nodes.image) + QUESTION * isinstance(node, question)
    return own + sum(seconds(child, path) for child in node.children)


def spelled(time: float) -> str:
    """Seconds as people say them: `25 minutes`, from a hundred minutes on `2½ hours`."""
    if time < 6000:
        return f"{max(5 * round(time / 300), 5)} minutes"
    halves = round(time / 1800)
    return f"{halves // 2}{'½' * (halves % 2)} hours"


class Minutes(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in ("core", "all"):
            message = self.inliner.reporter.error(f"minutes: wanted core or all, got {self.text!r}", line=self.lineno)
            return [], [message]
        return [duration("", "?", path=self.text)], []


def fill_in(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in doctree.findall(duration):
        node[:] = [nodes.Text(spelled(seconds(doctree, node["path"])))]


def setup(app: Sphinx) -> dict:
    app.add_role("minutes", Minutes())
    app.add_node(duration, html=(lambda *_: None, lambda *_: None))
    app.connect("doctree-resolved", fill_in)
    return {"version": "1", "parallel_read_safe": True}
