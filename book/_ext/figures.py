"""Figures that follow the theme, and keep a readable size on a phone, where they scroll inside a frame and say so.

The notebooks of the build draw SVGs with a light and a dark face, because COURSE_SVG is set. The width of such a file
is handed to the style sheet, which does the rest.
"""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from course.svg import framed


def frame(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put every SVG with a known width into a frame. The theme gives frames that scroll to the keyboard, too."""
    for image in list(doctree.findall(nodes.image)):
        path = Path(app.srcdir) / image["uri"]
        if app.builder.format == "html" and path.suffix == ".svg" and path.is_file():
            before, after = framed(path.read_text(encoding="utf8"), "|").split("|")
            image.parent.replace(
                image, [nodes.raw("", before, format="html"), image, nodes.raw("", after, format="html")]
            )


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", frame)
    return {"version": "1", "parallel_read_safe": True}
