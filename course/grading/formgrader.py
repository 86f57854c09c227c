"""Formgrader is for reading answers and giving points. Its button "Autograde" would run them outside the sandbox."""

from typing import Any

from nbconvert.exporters import NotebookExporter
from nbgrader.converters.base import NbGraderException

REFUSAL = (
    "nothing was run: grade with `course grade run`, in the sandbox. Formgrader's Autograde and `nbgrader autograde` "
    "would run submissions with your rights"
)


class NoAutograde(NotebookExporter):
    """Stands in for the exporter of nbgrader's Autograde, which makes it before it touches any file."""

    def __init__(self, *_: Any, **options: Any) -> None:
        parent = options.get("parent")
        if parent is not None:
            parent.log.error(REFUSAL)  # what the button's window shows, and the command line
        raise NbGraderException(REFUSAL)
