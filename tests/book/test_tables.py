"""The book's generated tables show what the result files hold, and say what has not been run."""

import json
import sys

import pytest
from book_files import BOOK

from course.reproduce.results import Metric, save_result

sys.path.insert(0, str(BOOK / "_ext"))

from tables import benchmark_markdown, number, result_markdown, with_interval


def cells(markdown: str) -> list[list[str]]:
    """The rows of a Markdown table, without the rule below its head."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [lines[0], *lines[2:]]]


@pytest.mark.parametrize(
    ("mean", "interval", "unit", "text"),
    [
        (96.72, 0.4, "%", "96.7 ± 0.4 %"),
        (16.3125, 0.0124, "", "16.31 ± 0.01"),
        (-0.0142, 0.2, "", "0.0 ± 0.2"),
        (-0.26, 0.2, "", "-0.3 ± 0.2"),
        (98.7, None, "%", "98.7 %"),
    ],
)
def test_a_mean_has_the_decimals_of_its_interval(mean, interval, unit, text):
    assert with_interval(mean, interval, unit) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0.00"), (5.0912, "5.09"), (1234.5, "1,234"), (2.4e-15, "2.4e-15"), (112, "112")]
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


@pytest.fixture
def save(tmp_path):
    def save(preset: str, **metric):
        measured = Metric("5-way", 96.72, 0.4, 600, "episodes", "%", **metric)
        environment = {"cpu": "C", "gpu": None, "torch": "2"}
        how = {"config": {}, "seeds": [0], "seconds": 780, "environment": environment}
        save_result("r", preset, [measured], folder=tmp_path, **how)
        return tmp_path

    return save


def test_published_numbers_stand_beside_measured_ones(save):
    text = result_markdown("r", save("quick", paper=98.7, paper_interval95=0.4))
    assert cells(text) == [
        ["preset", "measured", "here (mean ± 95 %)", "over", "published"],
        ["`quick`", "5-way", "96.7 ± 0.4 %", "600 episodes", "98.7 ± 0.4 %"],
        ["`full`", "", "not yet run", "", ""],
    ]
    assert "13 min on C, PyTorch 2, seeds 0; again with `course reproduce r --preset quick`" in text
    assert "`full`: not yet run; to run it: `course reproduce r --preset full`" in text


def test_without_published_numbers_there_is_no_column_for_them(save):
    save("quick")
    assert {len(row) for row in cells(result_markdown("r", save("full")))} == {4}


def test_a_file_that_is_another_result_is_refused(save):
    folder = save("quick")
    (folder / "r-quick.json").rename(folder / "r-full.json")
    with pytest.raises(ValueError, match="r-full"):
        result_markdown("r", folder)


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
