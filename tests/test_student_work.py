"""What students write is theirs: `work/` is filled and never overwritten, and a notebook of theirs harms no build."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Three exercises and the script that hands them out."""
    for name in ("part/one", "part/two", "page"):
        exercise = tmp_path / "book" / "exercises" / f"{name}.ipynb"
        exercise.parent.mkdir(parents=True, exist_ok=True)
        exercise.write_text(name)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "work.py", tmp_path / "scripts")
    return tmp_path


def hand_out(checkout: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-P", str(checkout / "scripts" / "work.py")]
    return subprocess.run(command, capture_output=True, text=True)


def test_exercises_come_once_and_answers_stay(checkout):
    done = hand_out(checkout)
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()[:3]) == [
        f"new: work/{name}.ipynb" for name in ("page", "part/one", "part/two")
    ]
    assert f"Your answers live in {checkout / 'work'}" in done.stdout
    mine, thrown_away = checkout / "work" / "part" / "one.ipynb", checkout / "work" / "part" / "two.ipynb"
    mine.write_text("my answer")
    thrown_away.unlink()
    (checkout / "book" / "exercises" / "part" / "one.ipynb").write_text("a newer text")
    assert "one" not in hand_out(checkout).stdout
    assert mine.read_text() == "my answer"
    assert thrown_away.read_text() == "part/two"
    assert sorted(path.name for path in mine.parent.iterdir()) == ["one.ipynb", "two.ipynb"]


def test_a_folder_that_cannot_be_made_is_one_line(checkout):
    (checkout / "work").write_text("a file")
    done = hand_out(checkout)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and "work" in done.stderr


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_git_passes_over_the_folder():
    done = subprocess.run(["git", "check-ignore", "work/part/one.ipynb"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "work/part/one.ipynb", done.stderr


def strays_reported(folder: Path, settings: dict) -> str:
    """The warnings of Sphinx for a book of one page, with a notebook beside it that is not in the contents."""
    (folder / "_toc.yml").write_text("root: index\n")
    (folder / "index.md").write_text("# One page\n")
    (folder / "exercises").mkdir(exist_ok=True)
    (folder / "exercises" / "mine.md").write_text("# My own\n")
    (folder / "conf.py").write_text(
        f"extensions = ['myst_parser', 'sphinx_external_toc']\nexternal_toc_path = '_toc.yml'\n"
        f"external_toc_exclude_missing = {settings['external_toc_exclude_missing']}\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "dummy", str(folder), str(folder / "_out")]
    return subprocess.run(command, capture_output=True, text=True).stderr


def test_a_page_outside_the_contents_does_not_stop_the_book(tmp_path):
    from jupyter_book.config import get_final_config

    settings, _ = get_final_config(user_yaml=ROOT / "_config.yml", cli_config={"latex_individualpages": False})
    assert strays_reported(tmp_path, settings) == ""
    reported = strays_reported(tmp_path, {"external_toc_exclude_missing": False})
    assert "isn't included in any toctree" in reported, "the check sees nothing"
