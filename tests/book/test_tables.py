"""The book's generated tables of benchmarks show what the files hold, and say what has not been run."""

import json
import re
import sys
import tomllib

import pytest
from book_files import BOOK, ROOT

sys.path.insert(0, str(BOOK / "_ext"))

from tables import arrows_markdown, benchmark_markdown, names, number

from course.reproduce import RECIPES


def cells(markdown: str) -> list[list[str]]:
    """The rows of a Markdown table, without the rule below its head."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [lines[0], *lines[2:]]]


def test_every_recipe_and_every_benchmark_has_its_table_on_the_pages_of_results():
    pages = "\n".join((BOOK / name).read_text("utf8") for name in ("results.md", "scaling.md"))
    shown = set(re.findall(r"^```\{(result|benchmark)\} (\S+)$", pages, re.MULTILINE))
    written = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text("utf8")}
    assert shown == {("result", name) for name in RECIPES} | {("benchmark", name) for name in written}


def test_options_of_a_result_are_separated_by_semicolons():
    assert names("MAML; fine-tuning, by batch;  a; ") == ["MAML", "fine-tuning, by batch", "a"]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00"), (5.0912, "5.09"), (1234.5, "1,234"), (2.4e-15, "2.4e-15"), (112, "112")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_a_benchmark_names_its_goal_and_an_absent_one_its_command(tmp_path):
    assert "not yet run" in benchmark_markdown("b", tmp_path)
    rows = [
        {"what": "seconds", "peer": "p", "course_value": 0.5, "peer_value": 2.0, "ratio": 4.0, "goal": 3},
        {"what": "MB | in all", "course_value": 39.4, "goal": 100},
    ]
    content = {"rows": rows, "date": "2026-01-01", "environment": {"cpu": "C", "torch": "2"}}
    (tmp_path / "bench-b.json").write_text(json.dumps(content))
    text = benchmark_markdown("b", tmp_path)
    assert cells(text)[1] == ["seconds", "p", "0.500", "2.00", "4.00 ×", "≥ 3 ×"]
    assert "MB \\| in all" in text
    assert "≤ 100" in text
    assert text.rstrip().endswith("Measured 2026-01-01, C, PyTorch 2.")
    (tmp_path / "bench-b.json").write_text(json.dumps(content | {"rows": [{"what": "ms", "course_value": 2}]}))
    assert cells(benchmark_markdown("b", tmp_path)) == [["measured", "course"], ["ms", "2.00"]]  # no empty columns


def test_every_chapter_is_an_arrow_and_every_arrow_a_chapter():
    """A chapter that is still being written may lack one; the table then says so."""
    listed, arrows = (tomllib.loads((BOOK / name).read_text("utf8")) for name in ("chapters.toml", "arrows.toml"))
    named = {
        "/".join(filter(None, (part["folder"], chapter["name"]))): chapter.get("says")
        for part in listed["parts"]
        for chapter in part["chapters"]
    }
    assert not arrows.keys() - named.keys()
    assert not {name for name, says in named.items() if says} - arrows.keys()
    assert all(set(arrow) == {"from", "to", "keeps", "loses"} for arrow in arrows.values())
    assert len(cells(arrows_markdown(BOOK))) == 1 + len(named)


def test_a_chapter_without_an_arrow_or_a_page_is_shown_as_such(tmp_path):
    chapter = '[[parts]]\ncaption = "P"\nfolder = "part"\nchapters = [{name = "one", short = "One"}]\n'
    (tmp_path / "chapters.toml").write_text(chapter)
    (tmp_path / "arrows.toml").write_text("")
    assert cells(arrows_markdown(tmp_path))[1] == ["One", "to be said → to be said", "to be said", "to be said"]
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "one.ipynb").write_text("")
    (tmp_path / "arrows.toml").write_text('["part/one"]\nfrom = "a"\nto = "b"\nkeeps = "c"\nloses = "d"\n')
    assert cells(arrows_markdown(tmp_path))[1] == ["{doc}`One </part/one>`", "a → b", "c", "d"]
