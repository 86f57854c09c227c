"""A small course, and the sandbox where the machine has one."""

import functools
import os
import shutil

import fixture_course
import pytest

from course.grading import layout, release, sandbox
from course.grading.submissions import read


def pytest_runtest_setup(item):
    """Tests of the sandbox need bubblewrap; in continuous integration they must not be skipped."""
    if item.get_closest_marker("sandbox") and shutil.which("bwrap") is None:
        text = "bubblewrap is not installed"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)


@pytest.fixture(scope="session")
def released_course(tmp_path_factory) -> layout.Course:
    """The small course with its gradebook; not to be changed."""
    root = fixture_course.make(tmp_path_factory.mktemp("course"))
    course = layout.Course.at(root)
    release.release(course)
    return course


@pytest.fixture
def course(released_course, tmp_path) -> layout.Course:
    """A copy of the small course to grade in."""
    root = tmp_path / "course"
    shutil.copytree(released_course.root, root)
    return layout.Course.at(root)


@pytest.fixture(scope="session")
def chapter(released_course) -> layout.Chapter:
    return released_course.chapters()[0]


@pytest.fixture(scope="session")
def released(released_course, chapter):
    """The student's notebook."""
    return read(released_course.released(chapter))


@pytest.fixture(scope="session")
def solution(released_course, chapter):
    return read(released_course.solution(chapter))


@pytest.fixture
def grade(course):
    """``course grade …`` on the copy."""
    return functools.partial(fixture_course.course_grade, course)


@pytest.fixture
def limits():
    return sandbox.Limits(cell_seconds=20, total_seconds=60, memory_mib=2048)
