"""The README: its example runs and its shapes are true, its links lead somewhere, its commands exist."""

import json
import re
from pathlib import Path

import pytest
import torch

from course.cli import COMMANDS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf8")


def test_the_example_runs_and_its_shapes_are_true(capsys):
    [example] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert "steps=350" in example
    names: dict = {}
    exec(example.replace("steps=350", "steps=2"), names)
    characters = names["characters"]
    assert list(names["zx"].shape) == [1000, 4] and "each [1000, 4]" in example
    assert f"images {list(characters.x.shape)}, {len(characters.classes):,} classes" in example
    assert capsys.readouterr().out.strip() == "torch.Size([15, 5])" and "# [15, 5]" in example
    assert torch.isfinite(names["classify"](names["task"].query_x[0])).all()


def test_the_example_comes_with_the_way_to_run_it():
    before = README[: README.index("```python")].rpartition("\n## ")[2]
    assert "source .venv/bin/activate" in before and "`python`" in before


@pytest.mark.parametrize(("title", "page"), re.findall(r"\[(.+?)\]\((book/(?!exercises)\S+\.ipynb)\)", README))
def test_chapters_have_the_titles_of_the_book(title, page):
    first = json.loads((ROOT / page).read_text(encoding="utf8"))["cells"][0]["source"]
    assert f"# {title}" == "".join(first).splitlines()[0]


def test_the_chapters_are_found():
    assert len(re.findall(r"\(book/(?!exercises)\S+\.ipynb\)", README)) >= 3


def test_the_time_of_a_recipe_is_that_of_the_stored_results():
    [(least, most)] = re.findall(r"a recipe with its quick preset \| (\d+) to (\d+) min", README)
    files = sorted((ROOT / "book" / "results").glob("*-quick.json"))
    minutes = [round(json.loads(path.read_text(encoding="utf8"))["seconds"] / 60) for path in files]
    assert (min(minutes), max(minutes)) == (int(least), int(most))


def test_the_answer_about_presets_is_true():
    """The questions and answers say that a long run is still to come: until its result lies beside the others."""
    answers = " ".join((ROOT / "book" / "faq.md").read_text(encoding="utf8").split())
    run = (ROOT / "book" / "results" / "omniglot-maml-full.json").exists()
    assert ("with the paper's settings, has not been run yet" in answers) != run, "mend book/faq.md"


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_lead_to_files(target):
    assert (ROOT / target).exists()


def test_no_placeholder_is_left():
    assert not re.findall(r"^[A-Z]{4,}$", README, re.MULTILINE)


def test_the_two_commands_come_early_and_every_command_exists():
    lines = README.splitlines()
    first = next(number for number, line in enumerate(lines, 1) if "make book" in line)
    assert first <= 25 and any("make test" in line for line in lines[:25])
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b", README)) <= targets
    assert set(re.findall(r"`course ([a-z]+)", README)) <= set(COMMANDS)
