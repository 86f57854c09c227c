"""`make chapter` and the budget that each chapter is held to."""

import importlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
JUNIT = "<testsuites><testsuite>{}</testsuite></testsuites>"
CASE = '<testcase classname="{}" name="{}" time="{}" />'


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    return importlib.import_module


@pytest.mark.parametrize("name", ["", "cca", "crossmodal/nothing"])
def test_a_wrong_name_says_which_there_are(name):
    command = [sys.executable, ROOT / "scripts" / "chapter.py", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("make: " + (f"there is no chapter '{name}'" if name else "which chapter?"))
    assert "crossmodal/cca" in done.stderr and "practice" in done.stderr and "make chapter NAME=" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "applications/zeroshot",
            "applications/zeroshot is planned and has no page yet; lay it out: make new-chapter NAME=",
        ),
        ("crossmodal/ccca", "did you mean crossmodal/cca?"),
        ("maml", "did you mean meta_learning/maml?"),
    ],
)
def test_a_wrong_name_is_told_what_to_do(script, monkeypatch, name, said):
    chapter = script("chapter")
    there = [each for each in chapter.chapters() if each.name != "applications/zeroshot"]
    monkeypatch.setattr(chapter, "chapters", lambda: there)  # a listed chapter without a page
    with pytest.raises(SystemExit) as refused:
        chapter.wanted(name)
    assert said in str(refused.value)


def test_a_chapter_over_its_budget_fails(script, monkeypatch, capsys, tmp_path):
    chapter = script("chapter")
    for step in ("run", "test", "show"):
        monkeypatch.setattr(chapter, step, lambda given: True)
    monkeypatch.setattr(chapter, "TIMES", tmp_path)
    for seconds, status in ((89, 0), (91, 1)):
        row = {"practice": {"page": seconds}}
        monkeypatch.setattr(chapter.budget, "measured", lambda recorded, listed, row=row: row)
        assert chapter.main("practice") == status
        said = capsys.readouterr()
        assert ("(rm _build/executed/practice.ipynb; make chapter NAME=practice)" in said.err) == status
        assert f"{seconds}.0" in said.out and ("its page took 91 s, and 60 s are meant" in said.err) == status


def test_what_is_left_early_is_stopped_with_all_that_it_started(script):
    chapter, (pipe, end) = script("chapter"), os.pipe()
    command = ["sh", "-c", "sleep 60; true"]
    with pytest.raises(KeyboardInterrupt), chapter.started(command, pass_fds=[end]) as process:
        os.close(end)
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGTERM
    assert os.read(pipe, 1) == b"", "the sleep holds the other end until it is gone, too"
    os.close(pipe)


def test_every_test_of_a_part_belongs_to_one_chapter(script):
    owned = script("ownership").own_tests()
    assert owned.pop("") == [], "name it after a module that a chapter needs: test_<module>….py"
    files = [file for own in owned.values() for file in own]
    folders = {file.parent for file in files}
    assert sorted(files) == sorted(file for folder in folders for file in folder.glob("test_*.py"))
    assert {"test_cca.py", "test_nonlinear_cca.py"} <= {file.name for file in owned["crossmodal/cca"]}
    assert owned["practice"] == []


def test_a_module_belongs_to_the_first_chapter_of_its_part_that_needs_it(script, monkeypatch):
    ownership = script("ownership")
    first, second = (SimpleNamespace(name=name, page=name) for name in ("part/one", "part/two"))
    needs = {"part/one": {"course.part.both", "course.other.x"}, "part/two": {"course.part.both", "course.part.two"}}
    monkeypatch.setattr(ownership, "chapters", lambda: [first, second])
    monkeypatch.setattr(ownership, "notebooks_of", lambda chapter: [chapter.page])
    monkeypatch.setattr(
        ownership.nbformat,
        "read",
        lambda path, as_version: SimpleNamespace(cells=[SimpleNamespace(cell_type="code", source=path)]),
    )
    monkeypatch.setattr(ownership, "imported", lambda cells, unread: needs[next(iter(cells))])
    assert ownership.own_modules() == {"part/one": ["course.part.both"], "part/two": ["course.part.two"]}


def test_only_what_the_chapter_has_is_run(script):
    chapter = script("chapter")
    assert chapter.tests_of(chapter.wanted("practice")) is None
    tests = chapter.tests_of(chapter.wanted("crossmodal/cca"))
    assert "tests/crossmodal/test_nonlinear_cca.py" in tests and "maml" not in tests
    assert tests.endswith("or [crossmodal/cca] or [crossmodal/cca-'")  # and not [crossmodal/cca_of_others
    commands = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *shlex.split(tests)]
    found = subprocess.run(commands, cwd=ROOT, capture_output=True, text=True, timeout=120).stdout.splitlines()
    answers = [line for line in found if "test_solutions" in line]
    assert len(answers) > 10 and all("[crossmodal/cca" in line for line in answers)
    assert len([line for line in found if line.startswith("tests/crossmodal/test_cca.py::")]) > 10


def test_the_page_is_built_with_the_settings_of_the_book_but_for_what_it_must(script):
    import yaml

    book = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    own = yaml.safe_load(script("chapter").settings(["practice.ipynb"]))
    assert own["execute"].pop("exclude_patterns") == [*book["execute"].pop("exclude_patterns"), "practice.ipynb"]
    assert own.pop("sphinx") != book.pop("sphinx")
    assert own == book


def test_a_page_is_built_with_these_settings_without_a_warning(script, tmp_path):
    chapter, page = script("chapter"), tmp_path / "index.md"
    page.write_text("# A page\n")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "references.bib").write_text("")
    (tmp_path / "_config.yml").write_text(chapter.settings([]))
    paths = [tmp_path, tmp_path / "_build" / "html", tmp_path / "_config.yml", page]
    command = [sys.executable, "-P", "-c", chapter.SPHINX, *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<h1>A page" in (tmp_path / "_build" / "html" / "index.html").read_text(encoding="utf8")


def recorded(folder, **seconds):
    """A record of pytest in which the tests and exercises of CCA took so long."""
    files = ("cca", "covariance", "multiview_cca", "nonlinear_cca")
    cases = [(f"tests.crossmodal.test_{name}", "test_a[1]", seconds["tests"] / 4) for name in files]
    if "exercises" in seconds:
        harness = "tests.grading.test_solutions"
        cases += [
            (harness, "test_b[crossmodal/cca]", seconds["exercises"]),
            (harness, "test_b[crossmodal/cca-answer]", 0.5),
            (harness, "test_b[crossmodal/cca_of_others]", 99),
            (harness, "test_b[meta_learning/maml]", 99),
        ]
    (folder / "unit.xml").write_text(JUNIT.format("".join(CASE.format(*case) for case in cases)))
    return folder / "unit.xml"


@pytest.fixture
def budget(script, monkeypatch):
    """The script, for CCA alone, whose page took as long as `budget.page` says."""
    module = script("budget")
    listed = [chapter for chapter in module.chapters() if chapter.name == "crossmodal/cca"]
    monkeypatch.setattr(module, "chapters", lambda: listed)
    seconds = SimpleNamespace(page=24.0)
    executed = SimpleNamespace(metadata=SimpleNamespace(executed=SimpleNamespace(seconds=24.0)))
    monkeypatch.setattr(module.Notebook, "executed", lambda self: executed if seconds.page else None)
    module.page = seconds
    return module


def test_a_chapter_within_its_budget_passes(budget, tmp_path, capsys):
    recorded(tmp_path, tests=60, exercises=30)
    assert budget.main(tmp_path, 2) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].split() == ["crossmodal/cca", "24.0", "60.0", "30.5", "60", "/", "45", "/", "45"]
    assert said.err == ""


def test_a_chapter_that_takes_half_as_much_again_fails_and_is_told_what_to_do(budget, tmp_path, capsys):
    recorded(tmp_path, tests=68, exercises=30)
    assert budget.main(tmp_path, 2) == 1
    assert "its tests took 68 s, and 45 s are meant" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["page", "exercises", "tests", "record"])
def test_a_time_that_is_missing_fails(budget, tmp_path, capsys, missing):
    file = recorded(tmp_path, tests=20, **({} if missing == "exercises" else {"exercises": 30}))
    if missing == "page":
        budget.page.page = None
    if missing == "tests":  # of one file of four
        file.write_text(file.read_text().replace("test_covariance", "test_other"))
    if missing == "record":
        file.unlink()
    assert budget.main(tmp_path, 2) == 1
    said = capsys.readouterr()
    assert "missing" in said.out and "missing; run: make" in said.err


def test_the_projection_is_what_grows_times_the_chapters_and_the_rest(budget, monkeypatch):
    monkeypatch.setattr(
        budget, "parts", lambda: [SimpleNamespace(chapters=range(10)), SimpleNamespace(chapters=range(8))]
    )
    line, minutes = budget.projection(whole=600, growing=400, jobs=2, now=3)  # 400 s stay, 200 s become 1200 s
    assert "so far: 10.0 min. With 18 chapters about 27 min, within 35" in line
    assert minutes == pytest.approx(1600 / 60)
    assert "OVER 35" in budget.projection(whole=600, growing=700, jobs=2, now=3)[0]


@pytest.mark.parametrize(("minutes", "fails"), [(52, False), (53, True)])
def test_a_course_that_would_take_half_as_much_again_fails(budget, monkeypatch, tmp_path, capsys, minutes, fails):
    recorded(tmp_path, tests=20, exercises=30)
    (tmp_path / "start").touch()
    monkeypatch.setattr(budget, "projection", lambda *given: ("the line", minutes))
    assert budget.main(tmp_path, 2) == fails
    said = capsys.readouterr()
    assert said.out.endswith("the line\n") and ("would take 53 min, and 35 are meant" in said.err) == fails
