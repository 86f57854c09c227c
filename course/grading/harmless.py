"""Make a stranger's texts and outputs harmless to look at: Formgrader shows them within JupyterLab's rights.

What a browser would take for a tag, or for a script in a link, is changed so little that a human reads the same.
"""

import base64
import binascii
import re
from collections.abc import Iterable

from nbformat import NotebookNode

IMAGES = ("image/png", "image/jpeg")
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # "<" followed by anything else begins no tag
ENTITY = re.compile(r"&(?=#|colon;|Tab;|NewLine;)")  # could spell the scheme of a link
SCRIPT = re.compile(r"((?:java|vb)script)\s*\\?:", re.IGNORECASE)


def harmless_text(text: str, attached: Iterable[str] = ()) -> str:
    """Markdown without raw HTML, links to scripts, and images that are not `attached` (a link to them stays).

    ``$a<b$`` becomes ``$a< b$``, the same formula. An image from elsewhere would be asked for; nbconvert refuses the
    whole notebook when it does not find an attachment.

    It looks at characters, not at Markdown's structure: no two renderers agree on that.
    """
    names = "|".join(map(re.escape, attached)) or "(?!)"  # no name at all
    text = ENTITY.sub("& ", TAG.sub("< ", text))
    text = re.sub(rf"!(?=\[(?![^\[\]\n]*\]\(attachment:(?:{names})\)))", "! ", text)
    return SCRIPT.sub(r"\1 -", text)


def is_base64(data: object) -> bool:
    """Is this an image as a notebook holds it? A template may write it into a page as it is."""
    try:
        return bool(base64.b64decode("".join(str(data).split()), validate=True))
    except (binascii.Error, ValueError):
        return False


def harmless_attachments(attachments: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The images among the attachments of a written answer, by name."""
    kept = {
        name: {kind: data for kind, data in kinds.items() if kind in IMAGES and is_base64(data)}
        for name, kinds in attachments.items()
    }
    return {name: kinds for name, kinds in kept.items() if kinds}


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
