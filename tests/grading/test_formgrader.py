"""Formgrader's Autograde, and nbgrader's, run nothing: only `course grade run` does, in the sandbox."""

import nbformat
import pytest
from fixture_course import ANSWERS, submission
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from course.grading.formgrader import REFUSAL
from course.grading.layout import configure, write


@pytest.fixture
def button(course, request):
    """Formgrader's interface to nbgrader, with the settings of the checkout and the small course's folders."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(request.config.rootpath)).load_config()
    configure(config, course.root, course.grading, course.grading / "release")
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def test_the_button_runs_nothing_and_leaves_what_was_graded(button, course, chapter, released, tmp_path):
    marker = tmp_path / "ran"
    answer = f"open({str(marker)!r}, 'w').write('x')\n" + ANSWERS["mean"]
    write(
        course.of_student("submitted", "ada", chapter),
        nbformat.writes(submission(released, ANSWERS | {"mean": answer})),
    )
    graded = course.of_student("autograded", "ada", chapter)
    write(graded, "graded before")
    result = button.autograde(chapter.part, "ada")
    assert not result["success"]
    assert REFUSAL in result["error"]
    assert REFUSAL in result["log"]
    assert not marker.exists()
    assert graded.read_text() == "graded before"


def test_formgrader_cleans_what_it_shows(button):
    assert button.config.HTMLExporter.sanitize_html
