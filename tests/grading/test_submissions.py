"""Submissions are collected from the layouts in which they come."""

import os

import nbformat
import pytest
from fixture_course import submission

from course.grading.layout import Chapter, GradingError
from course.grading.submissions import collect, find, owner_and_chapter, read, student_name


@pytest.fixture
def notebook(released):
    return submission(released)


def put(notebook, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "ada.ipynb",
        "ada/basics.ipynb",
        "ada/start/basics.ipynb",
        "ada/homework 3.ipynb",
        "ada_basics.ipynb",
        "ada-basics.ipynb",
    ],
)
def test_a_folder_in_every_layout(name, course, chapter, notebook, tmp_path):
    path = put(notebook, tmp_path / "all" / name)
    assert owner_and_chapter(course, path, tmp_path / "all") == ("ada", chapter)


@pytest.mark.parametrize("name", ["ada.ipynb", "ada/basics.ipynb"])
def test_one_file(name, course, chapter, notebook, tmp_path):
    assert owner_and_chapter(course, put(notebook, tmp_path / name), None) == ("ada", chapter)


def test_the_chapter_is_recognised_by_its_functions_too(course, chapter, notebook, tmp_path):
    (course.root / "solutions" / "start" / "other.ipynb").write_text(
        nbformat.writes(nbformat.v4.new_notebook())
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    assert owner_and_chapter(course, put(notebook, tmp_path / "ada.ipynb"), None) == ("ada", chapter)
    empty = put(nbformat.v4.new_notebook(), tmp_path / "bob.ipynb")
    with pytest.raises(GradingError, match="--chapter"):
        owner_and_chapter(course, empty, None)


def test_collect_takes_the_newer_and_says_so(course, chapter, notebook, tmp_path):
    old, new = put(notebook, tmp_path / "all/ada/a.ipynb"), put(notebook, tmp_path / "all/ada/b.ipynb")
    os.utime(old, (1, 1))
    new.write_text(new.read_text() + "\n")
    found, problems = collect(course, [tmp_path / "all"])
    assert found == [("ada", chapter)]
    assert len(problems) == 1
    assert "a.ipynb: not used" in problems[0]
    assert course.of_student("collected", "ada", chapter).read_text() == new.read_text()


def test_collect_by_name(course, chapter, tmp_path):
    file = tmp_path / "x.ipynb"
    file.write_text("no notebook")
    assert collect(course, [file], "Ada L.", chapter) == ([("Ada_L", chapter)], [])


def test_links_checkpoints_and_hidden_folders_are_left_out(notebook, tmp_path):
    for name in ("a.ipynb", ".ipynb_checkpoints/a-checkpoint.ipynb", ".hidden.ipynb", "text.txt"):
        put(notebook, tmp_path / "all" / name)
    (tmp_path / "all" / "link.ipynb").symlink_to("/etc/passwd")
    assert [path.name for path in find(tmp_path / "all")] == ["a.ipynb"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("ada", "ada"),
        ("Ada Lovelace", "Ada_Lovelace"),
        ("../../x", "__.._x"),
        ("*", "__"),
        ("=1+1", "__1+1"),
        ("a@b.c", "a@b.c"),
    ],
)
def test_names_are_safe(given, name):
    assert student_name(given) == name


def test_no_submissions_is_an_error(course, tmp_path):
    with pytest.raises(GradingError, match="does not exist"):
        collect(course, [tmp_path / "absent"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(GradingError, match="holds no notebook"):
        collect(course, [tmp_path / "empty"])


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}', "\x00\xff"]
)
def test_a_broken_file_is_named(text, tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text(text, encoding="latin1")
    with pytest.raises(GradingError, match=r"broken\.ipynb is no readable notebook"):
        read(path)


def test_an_unknown_file_is_a_problem_not_an_end(course, chapter, notebook, tmp_path):
    (course.root / "solutions" / "start" / "other.ipynb").write_text(
        nbformat.writes(nbformat.v4.new_notebook())
    )
    put(notebook, tmp_path / "all/ada.ipynb")
    (tmp_path / "all/zoe.ipynb").write_text("broken")
    found, problems = collect(course, [tmp_path / "all"])
    assert found == [("ada", Chapter("start", "basics"))]
    assert "zoe.ipynb" in problems[0]
