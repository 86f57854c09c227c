"""The list of chapters: all that follows from it is written by machine, and an empty chapter passes every check."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NAME = "applications/imaginary"
# What a new chapter consists of, and where it is entered.
MADE = {
    "book/applications/imaginary.ipynb", "book/exercises/applications/imaginary.ipynb",
    "course/applications/imaginary.py", "solutions/applications/imaginary.ipynb",
    "tests/applications/test_imaginary.py", "tests/grading/answers/imaginary.py",
}  # fmt: skip
ENTERED = {
    "README.md", "book/_toc.yml", "book/api/applications.md", "book/chapters.toml", "book/figures/map.svg",
    "book/index.md",
}  # fmt: skip
SAYS = 'says = "a published MAML listing that never ran, repaired one defect at a time."'
# The checks that need no built book and no sandbox: those of this chapter, and those of all of them together.
FOR_ALL = (
    "test_every_mark_belongs", "test_no_page_describes", "test_the_chapters_are", "test_the_table_of_contents_has",
)  # fmt: skip
CHECKS = (
    "applications/test_imaginary.py", "book/test_api.py", "book/test_equations.py", "book/test_notebooks.py",
    "grading/test_exercises.py", "grading/test_solutions.py", "test_architecture.py", "test_examples.py",
    "test_readme.py",
)  # fmt: skip


@pytest.fixture(scope="module")
def scripts():
    """The folder of the scripts on the path: they import each other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        yield


@pytest.fixture(scope="module")
def new_chapter(scripts):
    return importlib.import_module("new_chapter")


@pytest.fixture(scope="module")
def checkout(new_chapter, tmp_path_factory) -> Path:
    """A copy of the checkout."""
    folder = tmp_path_factory.mktemp("copy") / "checkout"
    new_chapter.copy(folder)
    return folder


def run(checkout: Path, *arguments) -> subprocess.CompletedProcess:
    """Python in the copy, with the package of the copy."""
    settings = os.environ | {"PYTHONPATH": str(checkout), "COURSE_QUIET": "1", "COURSE_DEVICE": "cpu"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=checkout, env=settings, capture_output=True, text=True, timeout=300)


def contents(checkout: Path) -> dict[str, bytes]:
    paths = [path for path in checkout.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {path.relative_to(checkout).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def laid_out(checkout) -> tuple[Path, set[str], set[str]]:
    """The copy with an imaginary chapter; which files are new, and which have changed."""
    before = contents(checkout)
    done = run(checkout, "scripts/new_chapter.py", NAME)
    assert done.returncode == 0, done.stderr
    after = contents(checkout)
    changed = {name for name, content in before.items() if after.get(name) != content}
    return checkout, after.keys() - before.keys(), changed


@pytest.mark.slow
class TestAnEmptyChapter:
    def test_is_entered_everywhere_and_changes_nothing_else(self, laid_out):
        assert laid_out[1:] == (MADE, ENTERED)
        for name in sorted(ENTERED - {"book/api/applications.md", "book/chapters.toml"}):
            assert NAME in (laid_out[0] / name).read_text(encoding="utf8"), name

    def test_passes_the_checks_of_style(self, laid_out):
        notebooks = sorted(name for name in MADE if name.endswith(".ipynb"))
        for command in (
            ["-m", "ruff", "check", "--no-cache", "."],
            ["-m", "ruff", "format", "--check", "--no-cache", "."],
            ["scripts/notebooks.py", "check", *notebooks],
            ["scripts/generate.py", "--check"],
            ["scripts/exercises.py", "--check"],
        ):
            done = run(laid_out[0], *command)
            assert done.returncode == 0, done.stdout + done.stderr

    def test_passes_its_tests_and_those_of_every_chapter(self, laid_out):
        chosen = f"(imaginary or {' or '.join(FOR_ALL)}) and not sandbox"
        paths = [f"tests/{name}" for name in CHECKS]
        done = run(laid_out[0], "-m", "pytest", "-v", "-p", "no:cacheprovider", "-k", chosen, *paths)
        assert done.returncode == 0, done.stdout[-3000:]
        passed = {line.split("::")[-1] for line in done.stdout.splitlines() if " PASSED" in line}
        examples = "test_the_examples_of_a_module_run[course.applications.imaginary]"
        for check in (*FOR_ALL, examples, f"test_an_empty_submission_earns_nothing[{NAME}]"):
            assert any(name.startswith(check) for name in passed), check

    def test_is_not_laid_out_over_itself(self, laid_out):
        done = run(laid_out[0], "scripts/new_chapter.py", NAME)
        assert done.returncode == 1 and "there already: book/applications/imaginary.ipynb" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "The parts are representation, meta_learning, crossmodal, applications"),
        ("fusion", "must be part/chapter"),
        ("nowhere/fusion", "The parts are representation"),
        ("crossmodal/", "lower-case letters"),
        ("crossmodal/2d", "lower-case letters"),
        ("crossmodal/Fusion", "lower-case letters"),
        ("crossmodal/class", "no word of Python"),
        ("crossmodal/a/b", "lower-case letters"),
        ("crossmodal/cca", "there already: book/crossmodal/cca.ipynb, book/exercises/crossmodal/cca.ipynb, course/"),
        ("representation/pmi", "there already: course/representation/pmi.py, tests/representation/test_pmi.py"),
        ("representation/pmi", "mv course/representation/pmi.py.kept course/representation/pmi.py; mv tests"),
        ("background", "is a page without module. Write book/background.ipynb, and exercises"),
        ("crossmodal/episodes", "there already: tests/data/test_episodes.py"),
    ],
)
def test_a_name_that_will_not_do_is_refused(new_chapter, name, said):
    with pytest.raises(SystemExit, match=r"\Amake: ") as refused:
        new_chapter.require_new(name)
    assert said in str(refused.value)


def test_the_planned_chapters_can_be_laid_out(new_chapter):
    later = [chapter for part in new_chapter.parts() for chapter in part.chapters if not chapter.page.exists()]
    names = {chapter.name for chapter in later if "/" in chapter.name and not chapter.module.exists()}
    for name in names:
        new_chapter.require_new(name)


@pytest.mark.slow
def test_a_failure_leaves_nothing_behind(new_chapter, tmp_path):
    checkout = tmp_path / "checkout"
    new_chapter.copy(checkout)
    template = checkout / "scripts" / "new_chapter" / "page.md"
    template.write_text(template.read_text(encoding="utf8").replace("import matplotlib", "1 / 0  #"), encoding="utf8")
    before = contents(checkout)
    done = run(checkout, "scripts/new_chapter.py", "crossmodal/imaginary")
    assert done.returncode == 1
    assert "make: nothing was written: notebooks.py failed." in done.stderr and "ZeroDivision" in done.stderr
    assert contents(checkout) == before


def test_when_one_file_cannot_be_written_none_is(new_chapter, monkeypatch, tmp_path):
    root, prepared = tmp_path / "root", tmp_path / "prepared"
    for folder in (root, prepared / "c"):
        folder.mkdir(parents=True)
    (root / "a").write_text("old")
    (root / "c").write_text("a file where a folder is wanted")
    for name in ("a", "b", "c/d"):
        (prepared / name).write_text("new")
    before = contents(root)
    monkeypatch.setattr(new_chapter, "ROOT", root)
    with pytest.raises(OSError):
        new_chapter.take_over(prepared, new_chapter.differences(prepared))
    assert contents(root) == before


# --- What follows from the list


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("README.md", "learning where to start]", "another title]"),
        ("book/index.md", "the meta-gradient, derived", "derived"),
        ("book/_toc.yml", "      - file: crossmodal/cca\n", ""),
        ("book/figures/map.svg", ">CycleGAN<", ">a GAN<"),
        ("book/api/crossmodal.md", "   :members:\n", ""),
        ("book/results.md", "{benchmark} episodes", "{benchmark} others"),
        ("book/chapters.toml", 'short = "Fusion"', 'short = "Melting"'),
        ("book/meta_learning/maml.ipynb", "# MAML: learning where to start", "# MAML: a start"),
    ],
)
def test_drift_is_found_and_repaired(checkout, file, old, new):
    """Also when the source has changed, and not what follows from it."""
    path, before = checkout / file, contents(checkout)
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf8")
    found = run(checkout, "scripts/generate.py", "--check")
    assert found.returncode == 1 and "run: make generate" in found.stderr
    if path.suffix in (".ipynb", ".toml"):
        path.write_text(text, encoding="utf8")
    else:
        assert run(checkout, "scripts/generate.py").returncode == 0
    assert contents(checkout) == before


def test_a_mark_in_the_exercises_makes_the_chapter_a_draft(scripts, monkeypatch, tmp_path):
    """Students would see it."""
    chapters = importlib.import_module("chapters")
    monkeypatch.setattr(chapters, "ROOT", tmp_path)
    chapter = chapters.Chapter("part/one")
    for path, text in ((chapter.page, "# One"), (chapter.solution, "To write: a task")):
        assert not chapter.page.exists() or not chapter.draft
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"cells": [{"source": [text]}]}))
    assert chapter.draft


def test_a_copy_in_a_hidden_folder_is_no_module(checkout):
    hidden = checkout / "course" / "crossmodal" / ".ipynb_checkpoints"
    hidden.mkdir()
    (hidden / "cca-checkpoint.py").write_text('"""A copy."""\n')
    done = run(checkout, "scripts/generate.py", "--check")
    (hidden / "cca-checkpoint.py").unlink()
    hidden.rmdir()
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("README.md", "<!-- end of chapters -->\n", "", "README.md has the marks of 'chapters' 0 times"),
        ("book/chapters.toml", SAYS, 'says = ""', "give practice a sentence"),
        ("book/chapters.toml", '{name = "fusion"', '{name = "melting"', "book/chapters.toml has no crossmodal/fusion"),
        ("book/chapters.toml", '{name = "fusion",', '{name = "fusion"', "book/chapters.toml: "),
        ("book/chapters.toml", "says =", "say =", "a chapter has the unknown key 'say'"),
        ("book/chapters.toml", 'short = "Outlook", ', "", "book/chapters.toml: a chapter lacks 'short'"),
        ("book/chapters.toml", "caption =", "title =", "book/chapters.toml: a part lacks 'caption'"),
        ("book/api/gone.md", None, "# `course.gone`\n", "book/api/gone.md describes nothing that is in course/"),
    ],
)
def test_what_does_not_fit_is_named(checkout, file, old, new, said):
    path = checkout / file
    text = path.read_text(encoding="utf8") if old else None
    path.write_text(text.replace(old, new) if old else new, encoding="utf8")
    done = run(checkout, "scripts/generate.py", "--check")
    path.write_text(text, encoding="utf8") if old else path.unlink()
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr
