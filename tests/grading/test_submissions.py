"""Submissions are collected from the layouts in which they come."""

import os

import nbformat
import pytest
from fixture_course import submission

from course.files import write_whole
from course.grading import submissions
from course.grading.layout import GradingError
from course.grading.submissions import chapter_of, collect, find, owner_of, read, signatures, student_name


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
        "ada (1).ipynb",
        "ada_basics (2).ipynb",
        "ada-Copy1.ipynb",
        "ada/basics (1).IPYNB",
    ],
)
def test_a_folder_in_every_layout(name, course, chapter, notebook, tmp_path):
    put(notebook, tmp_path / "all" / name)
    assert collect(course, [tmp_path / "all"]).submissions == [("ada", chapter)]


@pytest.mark.parametrize("name", ["ada.ipynb", "ada/basics.ipynb", "ada/basics (1).ipynb"])
def test_one_file(name, course, chapter, notebook, tmp_path):
    assert collect(course, [put(notebook, tmp_path / name)]).submissions == [("ada", chapter)]


@pytest.mark.parametrize("given", ["start/basics.ipynb", "."])
def test_a_part_of_the_book_is_no_student(given, course, chapter, notebook, tmp_path):
    put(notebook, tmp_path / "all" / "start" / "basics.ipynb")
    result = collect(course, [tmp_path / "all" / given])
    assert result.submissions == []
    assert "no student is named" in result.problems[0]
    assert "--student" in result.problems[0]
    assert collect(course, [tmp_path / "all" / given], "ada").submissions == [("ada", chapter)]


def test_one_name_in_two_spellings_is_one_student(course, chapter, notebook, tmp_path):
    put(notebook, tmp_path / "a" / "Zo\u00eb.ipynb")
    put(notebook, tmp_path / "b" / "Zoe\u0308.ipynb")
    result = collect(course, [tmp_path / "a", tmp_path / "b"])
    assert result.submissions == [("Zo\u00eb", chapter)]
    assert result.problems == []


def test_the_chapter_is_recognised_by_its_functions_too(course, chapter, notebook, tmp_path):
    (course.root / "solutions" / "start" / "other.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook()))
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    known = signatures(course)
    assert chapter_of(put(notebook, tmp_path / "ada.ipynb"), known) == chapter
    empty = put(nbformat.v4.new_notebook(), tmp_path / "bob.ipynb")
    with pytest.raises(GradingError, match="--chapter"):
        chapter_of(empty, known)
    assert owner_of(course, empty, None) == "bob"


def test_collect_takes_the_newer_and_says_so(course, chapter, notebook, tmp_path):
    old, new = put(notebook, tmp_path / "all/ada/a.ipynb"), put(notebook, tmp_path / "all/ada/b.ipynb")
    os.utime(old, (1, 1))
    new.write_text(new.read_text() + "\n")
    result = collect(course, [tmp_path / "all"])
    assert result.submissions == [("ada", chapter)]
    assert result.problems == []
    assert "a.ipynb: not used" in result.notes[0]
    assert result.notes[1] == f"ada {chapter}: {new} collected"
    assert course.of_student("collected", "ada", chapter).read_text() == new.read_text()


def test_an_older_file_never_replaces_a_newer_one(course, chapter, notebook, tmp_path):
    old, new = put(notebook, tmp_path / "old/ada.ipynb"), put(notebook, tmp_path / "new/ada.ipynb")
    new.write_text(new.read_text() + "\n")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    os.utime(new, (1_000_000_100, 1_000_000_100))
    held = course.of_student("collected", "ada", chapter)

    def note(path):
        (told,) = collect(course, [path]).notes
        return told

    assert note(new).endswith("collected")
    assert note(new).endswith("is as collected before")
    assert f"not used, the one collected before is newer (to take this one, remove {held})" in note(old)
    assert held.read_text() == new.read_text()
    held.unlink()
    assert note(old).endswith("collected")
    assert note(new).endswith("replaces the one collected before")
    assert held.read_text() == new.read_text()


def test_what_is_left_out_is_named(course, notebook, tmp_path):
    put(notebook, tmp_path / "all" / "ada.ipynb")
    put(notebook, tmp_path / "all" / "bob.ipynb.txt")
    result = collect(course, [tmp_path / "all"])
    assert [student for student, _ in result.submissions] == ["ada"]
    assert "bob.ipynb.txt: left out, it is no notebook" in result.notes[0]


def test_collect_by_name(course, chapter, tmp_path):
    file = tmp_path / "x.ipynb"
    file.write_text("no notebook")
    result = collect(course, [file], "Ada L.", chapter)
    assert result.submissions == [("Ada_L", chapter)]
    assert result.problems == []


def test_links_checkpoints_and_hidden_folders_are_left_out(notebook, tmp_path):
    for name in ("a.ipynb", ".ipynb_checkpoints/a-checkpoint.ipynb", ".hidden.ipynb", "text.txt"):
        put(notebook, tmp_path / "all" / name)
    (tmp_path / "all" / "link.ipynb").symlink_to("/etc/passwd")
    (tmp_path / "all" / "linked").symlink_to(tmp_path)
    put(notebook, tmp_path / "all" / "b.ipynb.txt")
    notebooks, others = find(tmp_path / "all")
    assert [path.name for path in notebooks] == ["a.ipynb"]
    assert [path.name for path in others] == ["linked", "b.ipynb.txt", "link.ipynb", "text.txt"]


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


def test_the_solutions_are_read_once_for_all_files(course, notebook, tmp_path, monkeypatch):
    for name in "abc":
        put(notebook, tmp_path / "all" / f"{name}.ipynb")
    opened = []
    monkeypatch.setattr(submissions, "read", lambda path: opened.append(path) or read(path))
    assert len(collect(course, [tmp_path / "all"]).submissions) == 3
    assert len(opened) == 3 + len(course.chapters())


@pytest.mark.parametrize(
    "entry", [None, {}, "text", ["list"], 3, {"grade_id": ["mean"]}, {"grade_id": {"a": 1}}], ids=str
)
def test_of_nbgraders_entries_null_is_none_and_a_damaged_one_is_told(entry, course, notebook, tmp_path):
    (course.root / "solutions" / "start" / "other.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook()))
    put(notebook, tmp_path / "all" / "ada.ipynb")
    notebook.cells[3].metadata["nbgrader"] = entry
    path = put(notebook, tmp_path / "all" / "bob.ipynb")
    (tmp_path / "all/zoe.ipynb").write_text("broken")
    result = collect(course, [tmp_path / "all"])
    assert [student for student, _ in result.submissions] == (["ada"] if entry else ["ada", "bob"])
    told = f"{path.name} is no readable notebook (ValueError: cell 3: nbgrader's entry is {entry!r})"
    assert result.problems[:-1] == ([told] if entry else [])
    assert "zoe.ipynb is no readable notebook" in result.problems[-1]


def test_a_notebook_longer_than_any_answer_is_not_read(notebook, tmp_path):
    notebook.cells[3].source = "a" + "[0]" * 100_000
    with pytest.raises(GradingError, match="characters of code and text, more than 300000"):
        read(put(notebook, tmp_path / "long.ipynb"))


def test_a_pipe_and_a_file_that_cannot_be_copied_stop_nothing(course, chapter, notebook, tmp_path):
    put(notebook, tmp_path / "all" / "ada.ipynb")
    os.mkfifo(tmp_path / "all" / "pipe.ipynb")
    put(notebook, tmp_path / "all" / "stuck.ipynb")
    write_whole(course.grading / "collected" / "stuck", "a file, where a folder is to be made")
    result = collect(course, [tmp_path / "all"])
    assert result.submissions == [("ada", chapter)]
    assert result.problems[0] == f"{tmp_path}/all/pipe.ipynb is no regular file"
    assert f"{tmp_path}/all/stuck.ipynb: NotADirectoryError: " in result.problems[1]


def test_a_name_of_any_bytes_is_told_on_one_line(course, chapter, notebook, tmp_path):
    put(notebook, tmp_path / "all" / os.fsdecode(b"Zo\xeb.ipynb"))
    put(notebook, tmp_path / "all" / "eve\nada  start/basics  6 of 6\u202e.ipynb".replace("/", "."))
    result = collect(course, [tmp_path / "all"])
    assert result.submissions == [("Zo_", chapter), ("eve_ada__start.basics__6_of_6_", chapter)]
    assert "Zo\\udceb.ipynb collected" in result.notes[0]
    assert "eve\\nada  start.basics  6 of 6\\u202e.ipynb collected" in result.notes[1]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}', "\x00\xff"])
def test_a_broken_file_is_named(text, tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text(text, encoding="latin1")
    with pytest.raises(GradingError, match=r"broken\.ipynb is no readable notebook"):
        read(path)
