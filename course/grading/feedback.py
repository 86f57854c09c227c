"""One HTML page for each submission: answers, marks, comments. It needs no network and runs no student's code."""

import base64
import hashlib
import html
import importlib.util
import re
from pathlib import Path

from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets.config import Config

from course.files import write_whole

from .answers import grade_id
from .layout import Chapter, Course, configure
from .release import convert
from .run import scores
from .submissions import read

# The backslashes are doubled: in a string of JavaScript '\(' is '(', and every parenthesis would begin a formula.
MATHS_SETTINGS = r"window.MathJax = {tex: {inlineMath: [['$', '$'], ['\\(', '\\)']]}, options: {enableMenu: false}};"


class HideTests(NbGraderPreprocessor):
    """Keep the hidden tests hidden, so that the exercise can be set again: of a failure, only its last line is told."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, cell_index: int) -> tuple[NotebookNode, dict]:
        told = cell.metadata.pop("course", {})
        if cell.cell_type == "code" and is_grade(cell) and not is_solution(cell):
            for output in cell.outputs:
                if output.output_type == "error" and told.get("hidden"):
                    # What the answer raised itself may tell what it was given.
                    what = "the answer raised it" if told.get("answers") else output.evalue
                    output.traceback = [
                        f"The visible checks pass; a check on other data fails.\n{output.ename}: {what}"
                    ]
                elif output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
            cell.source = without_hidden_tests(cell.source)
        elif is_solution(cell) and not cell.get("outputs", True) and "raise NotImplementedError()" in cell.source:
            cell.outputs = [new_output("stream", name="stdout", text="not answered\n")]
        return cell, resources


def without_hidden_tests(source: str) -> str:
    """A test cell with one line in place of its hidden part."""
    pattern = r"^[^\n]*BEGIN HIDDEN TESTS[^\n]*$.*?^[^\n]*END HIDDEN TESTS[^\n]*$"
    return re.sub(pattern, "# (hidden tests)", source, flags=re.MULTILINE | re.DOTALL)


def mathjax() -> str | None:
    """The text of MathJax, from the package that serves the book too; None when it is not installed."""
    found = importlib.util.find_spec("sphinx-mathjax-offline")
    if found is None or not found.submodule_search_locations:
        return None
    script = Path(found.submodule_search_locations[0]) / "static" / "mathjax" / "tex-svg.js"
    return script.read_text(encoding="utf8") if script.exists() else None


def titles(notebook: NotebookNode) -> dict[str, str]:
    """The heading above each graded cell, without its points; a second cell below it is named, too."""
    found: dict[str, str] = {}
    heading = ""
    for cell in notebook.cells:
        first = cell.source.strip().partition("\n")[0]
        if cell.cell_type == "markdown" and first.startswith("#"):
            heading = re.sub(r"\s*\([^()]*\bpoints?\b[^()]*\)\s*$", "", first.lstrip("# "))
        if is_grade(cell):
            name = grade_id(cell)
            found[name] = f"{heading} · {name.replace('_', ' ')}" if heading in found.values() else heading or name
    return found


def named(page: str, title_of: dict[str, str]) -> str:
    """nbgrader's list of cells ("Test cell", "Written response") under the names that a student knows."""

    def link(match: re.Match) -> str:
        return f"{match[1]}{html.escape(title_of.get(match[2], match[3]))}</a>"

    page = re.sub(r'(<li><a href="#([\w-]+)">)(Test cell|Coding free-response|Written response)</a>', link, page)
    return page.replace("<ol>", '<ol style="list-style: none">', 1)  # the headings have numbers of their own


def banner(course: Course, student: str, chapter: Chapter, title_of: dict[str, str]) -> str:
    """Whose page it is, and which tasks still wait for a human's points."""
    _, _, waiting = scores(course, student, chapter)
    text = f"<strong>{html.escape(student)}</strong>, {html.escape(str(chapter))}."
    if waiting:
        tasks = "; ".join(html.escape(title) for name, title in title_of.items() if name in waiting)
        text += f"<br>Not graded yet: {tasks}. The score below does not count them."
    return f'<div class="container"><p class="alert alert-{"warning" if waiting else "info"}">{text}</p></div>'


def offline(page: str) -> str:
    """The page without any script but MathJax, and with a policy that lets a browser load nothing from outside."""
    page = re.sub(r"<script\b.*?</script\s*>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<link\b[^>]*>", "", page, flags=re.IGNORECASE)
    library = mathjax() if re.search(r"\$|\\\(|\\\[|\\begin\{", page) else None
    scripts = [MATHS_SETTINGS, library.replace("</script", "<\\/script")] if library else []
    sums = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    policy = "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; script-src " + (
        sums or "'none'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=True)}">'
    head += "".join(f"<script>{script}</script>" for script in scripts)
    return page.replace("<head>", "<head>\n" + head, 1)


def feedback(course: Course, student: str, chapter: Chapter) -> Path:
    """Write the page of one graded submission; its path."""
    from nbgrader.converters import GenerateFeedback

    config = configure(Config(), course.root, course.grading, course.grading / "release")
    config.CourseDirectory.assignment_id = chapter.part
    config.CourseDirectory.student_id = student
    config.CourseDirectory.notebook_id = chapter.name
    config.GenerateFeedback.preprocessors = [GetGrades, HideTests, CSSHTMLHeaderPreprocessor]
    config.HTMLExporter.sanitize_html = True
    convert(GenerateFeedback, config, f"{student} {chapter}")
    path = course.of_student("feedback", student, chapter, ".html")
    title_of = titles(read(course.released(chapter)))
    page = named(path.read_text(encoding="utf8"), title_of)
    page = page.replace("<body>", "<body>\n" + banner(course, student, chapter, title_of), 1)
    write_whole(path, offline(page))
    return path
