"""`course reproduce`: what it refuses, and what it hands to the recipe."""

import pytest

from course import cli, runtime
from course.reproduce import mnist_cca, omniglot_maml
from course.reproduce.commands import RECIPES
from course.reproduce.results import RESULTS

MODULES = {"mnist-cca": mnist_cca, "omniglot-maml": omniglot_maml}


@pytest.mark.parametrize("recipe", RECIPES)
def test_without_data_the_remedy_is_named_and_nothing_is_written(recipe, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "empty"))
    assert cli.main(["reproduce", recipe, "--output", str(tmp_path / "out"), "--device", "cpu"]) == 1
    name = recipe.split("-")[0]
    assert f"course data fetch {name}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "hint"),
    [("omniglot", "did you mean 'omniglot-maml'? "), ("mnist-cac", "did you mean 'mnist-cca'? "), ("fly", "")],
)
def test_an_unknown_recipe_is_one_line_with_a_hint(recipe, hint, capsys):
    assert cli.main(["reproduce", recipe]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"course: there is no recipe {recipe!r}; {hint}there are: omniglot-maml, mnist-cca\n"


@pytest.mark.parametrize("arguments", [[], ["mnist-cca", "--preset", "huge"]])
def test_what_is_not_offered_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["reproduce", *arguments])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["toaster", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device, capsys):
    assert cli.main(["reproduce", "mnist-cca", "--device", device]) == 1
    assert device in capsys.readouterr().err


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_recipe_gets_what_was_asked_for(recipe, monkeypatch, tmp_path, capsys):
    calls = []

    def run(preset, *, folder, device):
        calls.append((preset, folder, device.type))
        return folder / "result.json"

    monkeypatch.setattr(MODULES[recipe], "run", run)
    assert cli.main(["reproduce", recipe]) == 0
    assert calls.pop() == ("quick", RESULTS, runtime.device().type)
    monkeypatch.setenv("COURSE_DEVICE", "cuda:99")  # --device goes before it
    assert cli.main(["reproduce", recipe, "--preset", "full", "--device", "cpu", "--output", str(tmp_path)]) == 0
    assert calls.pop() == ("full", tmp_path, "cpu")
    assert str(tmp_path / "result.json") in capsys.readouterr().out
