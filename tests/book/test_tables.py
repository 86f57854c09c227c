"""The book's generated tables show what the result files hold, and say what has not been run."""

import json
import sys
from dataclasses import replace

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
def save_all(tmp_path):
    def save_all(preset: str, metrics: list[Metric], seeds: list[int]):
        environment = {"cpu": "C", "gpu": None, "torch": "2"}
        how = {"config": {}, "seeds": seeds, "seconds": 780, "environment": environment}
        save_result("r", preset, metrics, folder=tmp_path, **how)
        return tmp_path

    return save_all


@pytest.fixture
def save(save_all):
    def save(preset: str, **metric):
        return save_all(preset, [Metric("5-way", 96.72, 0.4, 600, "episodes", "%", **metric)], [0])

    return save


def test_published_numbers_stand_beside_measured_ones(save):
    text = result_markdown("r", save("quick", paper=98.7, paper_interval95=0.4))
    assert cells(text) == [
        ["preset", "measured", "here (mean ± 95 %)", "over", "published"],
        ["`quick`", "5-way", "96.7 ± 0.4 %", "600 episodes", "98.7 ± 0.4 %"],
        ["`full`", "", "not yet run", "", ""],
    ]
    assert "13 min on C, PyTorch 2, seed 0; again with `course reproduce r --preset quick`" in text
    assert "`full`: not yet run; to run it: `course reproduce r --preset full`" in text


def test_without_published_numbers_there_is_no_column_for_them(save):
    save("quick")
    assert {len(row) for row in cells(result_markdown("r", save("full")))} == {4}


def grid() -> list[Metric]:
    """Two methods with two quantities each, in the order of the quantities."""
    return [
        Metric(f"{method}: {quantity}", mean + shift, 0.04, 3, "seeds", unit)
        for quantity, mean, unit in (("sum of correlations, training", 10.0, ""), ("accuracy: all", 60.0, "%"))
        for method, shift in (("PCA", 1.0), ("CCA, shuffled", 2.0))
    ]


def test_methods_are_rows_and_their_quantities_columns_in_a_table_for_each_preset(save_all):
    save_all("quick", grid(), [0, 1, 2])
    text = result_markdown("r", save_all("full", grid()[::-1], [0, 1, 2]))
    quick, full = text.split("`full`, mean")
    assert quick.startswith("`quick`, mean ± 95 % over 3 seeds:\n\n|")
    assert cells(quick) == [
        ["method", "sum of correlations, training", "accuracy: all"],
        ["PCA", "11.00 ± 0.04", "61.00 ± 0.04 %"],
        ["CCA, shuffled", "12.00 ± 0.04", "62.00 ± 0.04 %"],
    ]
    assert cells(full)[:2] == [
        ["method", "accuracy: all", "sum of correlations, training"],
        ["CCA, shuffled", "62.00 ± 0.04 %", "12.00 ± 0.04"],
    ]
    assert full.count("PyTorch 2, seeds 0, 1, 2; again with") == 2


def test_a_preset_of_methods_that_was_not_run_has_no_table(save_all):
    text = result_markdown("r", save_all("quick", grid(), [0]))
    assert len(cells(text)) == 3
    assert text.rstrip().endswith("`full`: not yet run; to run it: `course reproduce r --preset full`")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda metrics: metrics[:-1],  # a hole
        lambda metrics: metrics[::2],  # one method
        lambda metrics: [*metrics, Metric("PCA", 1.0, 0.1, 3, "seeds")],  # a quantity without a name
        lambda metrics: [*metrics[:-1], replace(metrics[-1], n=4)],  # over other seeds
        lambda metrics: [*metrics[:-1], replace(metrics[-1], paper=63.0)],  # a published number
        lambda metrics: [replace(metric, name=metric.name.replace(":", ",")) for metric in metrics],
        lambda metrics: [*metrics, metrics[-1]],  # measured twice
    ],
)
def test_what_is_no_grid_of_methods_is_a_list_that_shows_everything(save_all, spoil):
    metrics = spoil(grid())
    text = result_markdown("r", save_all("quick", metrics, [0]))
    assert cells(text)[0][:2] == ["preset", "measured"]
    assert [row[1] for row in cells(text)[1:-1]] == [metric.name for metric in metrics]


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
