"""nbgrader's settings for JupyterLab (Validate, Formgrader) and for its command line, when started in this folder.

`course grade` uses the same folders, but not these settings; see the page "For instructors" of the book.
"""

from pathlib import Path

from course.grading.layout import configure

c = get_config()  # noqa: F821  (nbgrader provides it)
root = Path(__file__).resolve().parent
configure(c, root, root / "grading", root / "book" / "exercises")
c.Execute.timeout = 120  # seconds for one cell in Validate
c.Autograde.exporter_class = "course.grading.formgrader.NoAutograde"  # it would run submissions without the sandbox
c.HTMLExporter.sanitize_html = True  # Formgrader shows strangers' texts within JupyterLab's rights
