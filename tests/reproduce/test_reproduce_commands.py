"""`course reproduce`: what it refuses, and what it hands to the runner."""

from pathlib import Path

import pytest

from course import cli
from course.data.registry import entry
from course.reproduce import RECIPES, runner
from course.reproduce.results import RESULTS


@pytest.mark.parametrize("recipe", [name for name, listed in RECIPES.items() if listed.data])
def test_without_data_the_remedy_is_named_and_nothing_is_written(recipe, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "empty"))
    assert cli.main(["reproduce", recipe, "--output", str(tmp_path / "out"), "--device", "cpu"]) == 1
    name = RECIPES[recipe].data[0]  # what it reads first
    known = entry(name)
    assert (known.source or f"course data fetch {name}") in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "hint"),
    [("omniglot", "did you mean 'omniglot-maml'? "), ("mnist-cac", "did you mean 'mnist-cca'? "), ("fly", "")],
)
def test_an_unknown_recipe_is_one_line_with_a_hint(recipe, hint, capsys):
    assert cli.main(["reproduce", recipe]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"course: there is no recipe {recipe!r}; {hint}there are: {', '.join(RECIPES)}\n"


@pytest.mark.parametrize("arguments", [[], ["mnist-cca", "--preset", "huge"]])
def test_what_is_not_offered_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["reproduce", *arguments])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err
    for device in ("toaster", "cuda:99"):
        assert cli.main(["reproduce", "mnist-cca", "--device", device]) == 1
        assert device in capsys.readouterr().err


def test_the_runner_gets_what_was_asked_for(monkeypatch, tmp_path, capsys):
    calls = []

    def run(kind, preset, *, output, runs, device):
        calls.append((kind.name, preset, output, runs, device))
        return output / "result.json" if preset == "full" else None

    monkeypatch.setattr(runner, "run", run)
    assert cli.main(["reproduce", "mnist-cca"]) == 0
    assert calls.pop() == ("mnist-cca", "quick", RESULTS, Path("runs"), None)
    assert capsys.readouterr().out == ""  # not the main process
    folders = ["--output", str(tmp_path), "--runs", str(tmp_path / "there")]
    assert cli.main(["reproduce", "mnist-cca", "--preset", "full", "--device", "cpu", *folders]) == 0
    assert calls.pop() == ("mnist-cca", "full", tmp_path, tmp_path / "there", "cpu")
    assert capsys.readouterr().out == f"written: {tmp_path / 'result.json'}\n"
