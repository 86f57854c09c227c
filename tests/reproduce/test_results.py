"""Result files: written whole, read back, refused when they are something else; and the tables made from them."""

from itertools import product

import pytest

from course.errors import CourseError
from course.reproduce import RECIPES
from course.reproduce.results import PRESETS, Metric, Result, load_result, result_path, show, with_interval

MAML = Metric("MAML", "accuracy", "5-way", 96.72, 0.4, 600, "episodes", "%", 98.7, 0.3)
NEAREST = Metric("nearest | pixels", "accuracy", "5-way", 50.54, 0.93, 600, "episodes", "%")
OLD = '{"recipe": "r", "preset": "quick", "metrics": [{"name": "MAML: accuracy", "mean": 1.0}]}'


@pytest.fixture(autouse=True)
def a_recipe_r(monkeypatch):
    monkeypatch.setattr("course.reproduce.RECIPES", {"r": ("", "")})


def save(folder, *metrics, preset="quick", seconds=780.0, seeds=(0, 1), gpu=None):
    environment = {"cpu": "C", "gpu": gpu, "torch": "2"}
    command = f"course reproduce r --preset {preset}"
    return Result("r", preset, command, "2026-01-02", seconds, list(seeds), {}, environment, metrics).save(folder)


def test_a_result_comes_back_as_it_was_saved(tmp_path):
    path = save(tmp_path, MAML, NEAREST, Metric("MAML", "loss", "", 1.0, 0.1, 600, "episodes"))
    assert list(tmp_path.iterdir()) == [path]
    result = load_result("r", "quick", tmp_path)
    assert result.by_method("accuracy", "5-way") == {"MAML": MAML, "nearest | pixels": NEAREST}
    assert result.by_method("accuracy") == {}
    assert result.save(tmp_path / "again").read_bytes() == path.read_bytes()
    with pytest.raises(ValueError):
        save(tmp_path, MAML, seconds=float("nan"))
    assert load_result("r", "quick", tmp_path) == result


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"metrics": []}', OLD])
def test_what_is_no_result_is_refused_with_the_command_that_makes_one(tmp_path, text):
    result_path("r", "quick", tmp_path).write_text(text)
    with pytest.raises(ValueError, match="make it again with: course reproduce r --preset quick"):
        load_result("r", "quick", tmp_path)


def test_what_is_another_result_or_no_recipe_is_refused(tmp_path):
    save(tmp_path, MAML).rename(result_path("r", "full", tmp_path))
    with pytest.raises(ValueError, match="it holds r-quick"):
        show("r", tmp_path)
    with pytest.raises(CourseError, match="there is no recipe 's'"):
        show("s", tmp_path)


def test_the_results_of_the_book_can_be_read(monkeypatch):
    monkeypatch.undo()
    for recipe, preset in product(RECIPES, PRESETS):
        result = load_result(recipe, preset)
        assert result is None or result.metrics


def test_settings_or_quantities_are_columns_and_published_numbers_stand_beside_theirs(tmp_path):
    save(tmp_path, MAML, NEAREST, Metric("MAML", "accuracy", "20-way", 86.45, 0.05, 600, "episodes", "%"), gpu="G")
    metrics = [Metric(m, q, "", x, 0.04, 3, "seeds") for m, x in (("PCA", 1), ("CCA", 2)) for q in ("sum", "hits")]
    save(tmp_path, *metrics, preset="full", seconds=8000, seeds=[0])
    assert show("r", tmp_path) == (
        "`quick`, accuracy, mean ± 95 % over 600 episodes:\n\n"
        "| method | 5-way | published | 20-way |\n"
        "| --- | --- | --- | --- |\n"
        "| MAML | 96.7 ± 0.4 % | 98.7 ± 0.3 % | 86.45 ± 0.05 % |\n"
        "| nearest \\| pixels | 50.5 ± 0.9 % |  |  |\n\n"
        "`full`, mean ± 95 % over 3 seeds:\n\n"
        "| method | sum | hits |\n"
        "| --- | --- | --- |\n"
        "| PCA | 1.00 ± 0.04 | 1.00 ± 0.04 |\n"
        "| CCA | 2.00 ± 0.04 | 2.00 ± 0.04 |\n\n"
        "- `quick`: 2026-01-02, 13 min on G, PyTorch 2, seeds 0, 1; again with `course reproduce r --preset quick`\n"
        "- `full`: 2026-01-02, 2.2 h on C, PyTorch 2, seed 0; again with `course reproduce r --preset full`\n"
    )


def test_quantities_and_settings_that_both_vary_name_their_columns_together(tmp_path):
    metrics = Metric("a", "q", "", 1, 0.2, 3, "seeds"), Metric("a", "p", "s", 2, 0.2, 1000, "words")
    save(tmp_path, *metrics, seconds=80)
    caption, _, head, _, row, _, when, _ = show("r", tmp_path).splitlines()
    assert "2026-01-02, 80 s on C" in when
    assert (caption, head) == ("`quick`, mean ± 95 %:", "| method | q | p, s |")
    assert row == "| a | 1.0 ± 0.2 (3 seeds) | 2.0 ± 0.2 (1,000 words) |"  # what differs stands in the cell


def test_a_recipe_that_was_not_run_says_how_to_run_it(tmp_path):
    shown = show("r", tmp_path)
    lines = [f"- `{preset}`: not yet run; to run it: `course reproduce r --preset {preset}`\n" for preset in PRESETS]
    assert shown._repr_markdown_() == repr(shown) == "".join(lines)


@pytest.mark.parametrize(
    ("mean", "interval", "unit", "text"),
    [
        (96.72, 0.4, "%", "96.7 ± 0.4 %"),
        (16.3125, 0.0124, "", "16.31 ± 0.01"),
        (16.3125, 0.0041, "", "16.312 ± 0.004"),
        (-0.0142, 0.2, "", "0.0 ± 0.2"),
        (57.963, 2.4e-14, "%", "58.0 ± 0.0 %"),  # equal values, but for rounding
        (0.134, 0.0, "", "0.13 ± 0.00"),
        (-0.26, 0.2, "", "-0.3 ± 0.2"),
        (98.7, None, "%", "98.7 %"),
    ],
)
def test_a_mean_has_the_decimals_of_its_interval(mean, interval, unit, text):
    assert with_interval(mean, interval, unit) == text


def test_one_quantity_is_shown_alone(tmp_path):
    save(tmp_path, MAML, Metric("MAML", "loss", "5-way", 1.0, 0.1, 600, "episodes"))
    shown = show("r", tmp_path, quantity="loss")
    assert "`quick`, loss, 5-way" in shown
    assert "1.0 ± 0.1" in shown and "96.7" not in shown
    with pytest.raises(ValueError, match="r has measured no 'speed'; there are accuracy, loss"):
        show("r", tmp_path, quantity="speed")


def test_some_settings_and_methods_are_shown_without_the_others(tmp_path):
    cells = product(("first", "second", "third"), ("easy", "hard"))
    save(tmp_path, *(Metric(method, "accuracy", setting, 1.0, 0.1, 5, "seeds") for method, setting in cells))
    shown = show("r", tmp_path, setting="hard", method=("first", "third"))
    assert "`quick`, accuracy, hard" in shown
    assert "| first |" in shown and "| third |" in shown and "second" not in shown and "easy" not in shown
    with pytest.raises(ValueError, match="no 'odd'; there are easy, hard"):
        show("r", tmp_path, setting="odd")
    with pytest.raises(ValueError, match="no 'fourth'"):
        show("r", tmp_path, method=("first", "fourth"))
