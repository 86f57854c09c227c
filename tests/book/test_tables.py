"""The book's generated tables of benchmarks show what the files hold, and say what has not been run."""

import json
import re
import sys

import pytest
from book_files import BOOK, ROOT

sys.path.insert(0, str(BOOK / "_ext"))

from tables import benchmark_markdown, names, number

from course.reproduce import RECIPES


def cells(markdown: str) -> list[list[str]]:
    """The rows of a Markdown table, without the rule below its head."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [lines[0], *lines[2:]]]


def test_every_recipe_and_every_benchmark_has_its_table_on_the_page_of_results():
    shown = set(re.findall(r"^```\{(result|benchmark)\} (\S+)$", (BOOK / "results.md").read_text("utf8"), re.MULTILINE))
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
