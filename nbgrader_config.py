"""nbgrader's settings for JupyterLab (Validate, Formgrader) and for its command line, when started in this folder.

`course grade` uses the same folders, but not these settings; see the page "For instructors" of the book.
"""

import os
from pathlib import Path

from course.grading import layout

c = get_config()  # noqa: F821  (nbgrader provides it)
root = Path(__file__).resolve().parent
layout.configure(c, root, root / "grading", root / "book" / "exercises")
c.Execute.timeout = 120  # seconds for one cell in Validate
c.Autograde.exporter_class = "course.grading.formgrader.NoAutograde"  # it would run submissions without the sandbox
# Formgrader's formulas without a network: its template finds a part of ours here, before nbconvert's.
own = str(Path(layout.__file__).with_name("jupyter"))
paths = os.environ.get("JUPYTER_PATH", "").split(os.pathsep)
os.environ["JUPYTER_PATH"] = os.pathsep.join([own, *(path for path in paths if path not in ("", own))])
c.HTMLExporter.sanitize_html = True  # Formgrader shows strangers' texts within JupyterLab's rights
