"""Questions with instant answers: a choice is opened, and says at once whether it is right and why.

    ```{question}
    What happens to the correlation of $Xa$ and $Yb$ when $a$ is multiplied by 3?

    - [ ] It is multiplied by 3, too.
      > The numerator is. This tempts who forgets that the root in the denominator grows by the same factor.
    - [x] Nothing.
      > Numerator and denominator grow by the same factor.
    ```

Every choice is the browser's own `<details>`: it works without a script, by keyboard and with a screen reader, and on
paper it is open. The script, on pages with questions only, remembers in the browser which choices the reader
opened; what a link or a search has opened is not chosen.
"""

import hashlib
from collections import Counter

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

REMEMBER = """addEventListener("DOMContentLoaded", () => {
  const page = "questions:" + location.pathname;
  let chosen = new Set();
  try { chosen = new Set(JSON.parse(localStorage.getItem(page))); }
  catch {}  // a browser that refuses to remember, or remembers something else
  for (const choice of document.querySelectorAll(".question > details")) {
    const name = choice.parentElement.id + " " + [...choice.parentElement.children].indexOf(choice);
    choice.open = chosen.has(name);
    choice.firstElementChild.addEventListener("click", (event) => {
      if (event.target.closest("a")) return;  // a link is followed, and the choice stays as it is
      choice.open ? chosen.delete(name) : chosen.add(name);  // before it changes
      try { localStorage.setItem(page, JSON.stringify([...chosen])); } catch {}
    });
  }
});"""


class question(nodes.General, nodes.Element):
    """The text of a question and its choices."""


class choice(nodes.General, nodes.Element):
    """The words of a choice and the reason, which is shown when the choice is opened."""


class words(nodes.General, nodes.TextElement):
    """What is chosen."""


class Question(SphinxDirective):
    has_content = True

    def run(self) -> list[nodes.Node]:
        content = self.parse_content_to_nodes()
        if len(content) < 2 or not isinstance(content[-1], nodes.bullet_list):
            raise self.error("question: wanted a text and then a list of choices")
        *text, listed = content
        choices = [self.choice(item) for item in listed]
        if len(choices) < 2 or not any("right" in each["classes"] for each in choices):
            raise self.error("question: wanted two or more choices, one of them right: [x]")
        name = "question-" + hashlib.sha256("\n".join(self.content).encode()).hexdigest()[:8]  # its text is its name
        asked = self.env.temp_data.setdefault("questions", Counter())
        asked[name] += 1
        return [question("", *text, *choices, ids=[name if asked[name] == 1 else f"{name}-{asked[name]}"])]

    def choice(self, item: nodes.list_item) -> choice:
        """`- [x] words`, then a quotation: the reason."""
        match item.children:
            case [nodes.paragraph() as said, nodes.block_quote() as reason] if "task-list-item" in item["classes"]:
                box, *said = said.children  # the box is what the task list made of [ ]
                right = "checked=" in box.astext()
                reason[0][:0] = [nodes.strong("", "Right." if right else "No."), nodes.Text(" ")]
                return choice("", words("", "", *said), *reason, classes=["right" if right else "wrong"])
        raise self.error(f"question: wanted '- [ ] words' and below it '> reason', got {item.astext()!r}")


def element(tag: str, **attributes):
    """The functions that write a node as an HTML element."""

    def visit(translator, node: nodes.Element) -> None:
        translator.body.append(translator.starttag(node, tag, "", **attributes))
        if isinstance(node, words) and next(node.findall(nodes.math), None):
            # A formula alone is no name by the rules; a label would be read instead of it.
            translator.body.append('<span class="visually-hidden">Choice: </span>')

    return visit, lambda translator, node: translator.body.append(f"</{tag}>")


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    if doctree and next(doctree.findall(question), None):
        app.add_js_file(None, body=REMEMBER)


def setup(app: Sphinx) -> dict:
    app.add_directive("question", Question)
    app.add_node(question, html=element("div", CLASS="question", role="group", **{"aria-label": "Question"}))
    app.add_node(choice, html=element("details"))
    app.add_node(words, html=element("summary"))
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True}
