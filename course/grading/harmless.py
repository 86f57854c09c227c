"""Make a stranger's texts and outputs harmless to look at: Formgrader shows them within JupyterLab's rights.

What a browser would take for a tag, or for a script in a link, is changed so little that a human reads the same.
"""

import base64
import binascii
import re

from nbformat import NotebookNode

IMAGES = ("image/png", "image/jpeg")
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # "<" followed by anything else begins no tag
ENTITY = re.compile(r"&(?=#|colon;|Tab;|NewLine;)")  # could spell the scheme of a link
SCRIPT = re.compile(r"((?:java|vb)script)\s*\\?:", re.IGNORECASE)


def harmless_text(text: str) -> str:
    """Markdown without raw HTML and without links to scripts: ``$a<b$`` becomes ``$a< b$``, the same formula.

    It looks at characters, not at Markdown's structure: no two renderers agree on that.
    """
    text = ENTITY.sub("& ", TAG.sub("< ", text))
    return SCRIPT.sub(r"\1 -", text)


def is_base64(data: object) -> bool:
    """Is this an image as a notebook holds it? A template may write it into a page as it is."""
    try:
        return bool(base64.b64decode("".join(str(data).split()), validate=True))
    except (binascii.Error, ValueError):
        return False


def harmless_output(output: NotebookNode) -> NotebookNode:
    """An output with its plain text and its images, without HTML, SVG, scripts, and whatever else a page would run."""
    if "data" not in output:
        return output
    kept = {
        kind: data for kind, data in output.data.items() if kind == "text/plain" or (kind in IMAGES and is_base64(data))
    }
    left_out = ", ".join(sorted(set(output.data) - set(kept)))
    output.data = NotebookNode(kept or {"text/plain": f"(not shown: {harmless_text(left_out)})"})
    output.metadata = NotebookNode()
    return output
