"""The runner: what it stores, what it measures again, and that neither kills nor processes change a result."""

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import tiny_recipes
import torch
from scipy import stats

from course import runtime
from course.reproduce import RECIPES, recipe_class, runner
from course.reproduce.results import Result, load_result
from course.reproduce.runner import Clock, Recipe, measured_on


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...]
    throws: int = 20

    @classmethod
    def quick(cls):
        return cls(seeds=(0, 1, 2))

    @classmethod
    def full(cls):
        return cls(seeds=(7,))


class Dice(Recipe):
    """Both methods throw with torch's global generator; the log says what was asked for."""

    name = "mnist-cca"  # of a recipe that there is, so that its file can be read
    presets = Config
    methods = ("fair", "loaded")
    settings = ("by day", "by night")
    units: ClassVar = {"points": "", "sixes": "%"}
    over = "throws"
    paper: ClassVar = {("fair", "points", "by day"): (3.5, 0.1)}
    log: ClassVar = []

    def load(self):
        self.log[:] = ["load"]

    def measure(self, seed, setting, method, folder):
        self.log.append((seed, setting, method))
        points = torch.randint(1, 7, (self.config.throws,)).double() + (method == "loaded")
        return {"points": points.tolist(), "sixes": (100 * (points == 6)).tolist()}


def run(folder, preset="quick") -> Result:
    path = runner.run(Dice, preset, output=folder / "out", runs=folder / "runs", device="cpu")
    assert path == folder / "out" / f"mnist-cca-{preset}.json"
    return load_result("mnist-cca", preset, folder / "out")


@pytest.mark.parametrize(("preset", "n", "over"), [("quick", 3, "seeds"), ("full", 20, "throws")])
def test_intervals_are_students_over_seeds_or_over_the_repetitions_of_the_only_one(preset, n, over, tmp_path):
    result = run(tmp_path, preset)
    keys = [(s, m, q) for s in Dice.settings for m in Dice.methods for q in Dice.units]
    assert [(metric.setting, metric.method, metric.quantity) for metric in result.metrics] == keys
    stored = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/seed-*/measured.json")]
    for (setting, method, quantity), metric in zip(keys, result.metrics, strict=True):
        values = np.array([seed[setting][method][quantity] for seed in stored])  # [seeds, throws]
        values = values.mean(1) if len(values) > 1 else values[0]
        low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
        assert (metric.mean, metric.interval95) == pytest.approx(((low + high) / 2, (high - low) / 2))
        assert (metric.n, metric.over, metric.unit) == (n, over, Dice.units[quantity])
        published = Dice.paper.get((method, quantity, setting), (None, None))
        assert (metric.paper, metric.paper_interval95) == published
    assert (result.seeds, result.config["throws"]) == (list(getattr(Config, preset)().seeds), 20)


def test_a_setting_may_have_some_of_the_methods_and_only_differences_of_those(tmp_path, monkeypatch):
    monkeypatch.setattr(Dice, "only", {"by night": ("loaded",)})
    monkeypatch.setattr(Dice, "differences", (("loaded", "fair"),))
    found = {(metric.setting, metric.method) for metric in run(tmp_path).metrics}
    assert found == {("by day", name) for name in ("fair", "loaded", "loaded minus fair")} | {("by night", "loaded")}
    assert {cell[1:] for cell in Dice.log[1:]} == set(Dice.cells())


def test_of_items_that_every_seed_has_the_interval_is_over_their_means(tmp_path, monkeypatch):
    monkeypatch.setattr(Dice, "items", {"points": "dice"})
    metrics = run(tmp_path).metrics
    stored = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("runs/*/seed-*/measured.json"))]
    values = np.mean([seed["by day"]["fair"]["points"] for seed in stored], axis=0)  # [throws]
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    assert (metrics[0].mean, metrics[0].interval95) == pytest.approx(((low + high) / 2, (high - low) / 2))
    assert [(m.n, m.over) for m in metrics[:2]] == [(20, "dice"), (3, "seeds")]


def test_a_broken_run_goes_on_and_ends_as_if_nothing_had_happened(tmp_path, monkeypatch):
    state = torch.get_rng_state()
    whole = run(tmp_path / "whole").metrics
    assert torch.equal(torch.get_rng_state(), state)
    measure = Dice.measure
    with monkeypatch.context() as patch:
        patch.setattr(Dice, "measure", lambda self, *cell: {}[cell] if len(self.log) == 6 else measure(self, *cell))
        with pytest.raises(KeyError):
            run(tmp_path)
    torch.rand(1)
    assert run(tmp_path).metrics == whole
    assert Dice.log[:2] == ["load", (1, "by day", "loaded")]
    assert run(tmp_path).metrics == whole
    assert Dice.log == ["load"]  # a finished run is not measured again


def test_other_settings_and_other_devices_never_continue_a_run(tmp_path, monkeypatch):
    run(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Config, "quick", lambda: replace(Config.full(), throws=6))
        run(tmp_path)
    monkeypatch.setattr(runtime, "device", lambda _: torch.device("meta"))
    run(tmp_path)
    assert len(list(tmp_path.glob("runs/mnist-cca-quick-*"))) == 3


def test_what_cannot_be_is_known_before_the_work(tmp_path):
    with pytest.raises(ValueError, match="no preset 'huge'; choose quick or full"):
        runner.run(Dice, "huge", output=tmp_path)
    (tmp_path / "out").touch()
    with pytest.raises(FileExistsError):
        run(tmp_path)
    assert Dice.log == ["load"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_that_is_killed_again_and_again_and_one_of_two_processes_write_the_result_of_one(recipe, tmp_path):
    """The three runs of tiny_recipes.py. Its processes are forked, and a pool of threads does not survive a fork."""
    command, alone = [sys.executable, tiny_recipes.__file__, recipe, tmp_path], os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=alone)
    assert ended.returncode == 0, ended.stderr
    whole, killed, two = (asdict(load_result(recipe, "quick", tmp_path / name)) for name in ("whole", "killed", "two"))
    assert all(result.pop("seconds") > 0 for result in (whole, killed, two))
    assert int(ended.stdout.split()[-1]) > 2  # lives
    assert killed == whole
    written = (tmp_path / "two" / "written").read_text().split()
    assert [name for name in written if "quick" in name] == [f"{recipe}-quick.json"]
    methods = recipe_class(recipe).methods  # differences of methods are not measured
    cells = {(m["method"], m["setting"]) for m in whole["metrics"] if m["method"] in methods}
    units = len(whole["seeds"]) * len(cells)
    assert (written.count("clock.json"), written.count("measured.json")) == (1, units)
    assert two == whole


def test_the_clock_counts_a_killed_start_up_to_what_it_stored_last(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(runner.time, "time", lambda: now[0])
    first = Clock(tmp_path)
    now[0] = 1060.0
    assert first.seconds == 60
    for name, moment in (("a/state.json", 1010), ("b/c/state.json", 1050), ("b/measured.json", 1020)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (moment, moment))
    now[0] = 2000.0  # killed at 1060; what came after the checkpoint of 1050 is lost
    assert Clock(tmp_path).seconds == 50
    now[0] = 2003.0  # killed before it had written anything
    third = Clock(tmp_path)
    now[0] = 2010.0
    assert third.seconds == 57


def test_a_gpu_that_stood_idle_is_not_named(monkeypatch):
    monkeypatch.setattr(runtime, "gpu_name", lambda: "some GPU")
    for kind, name in (("cpu", None), ("cuda", "some GPU")):
        assert measured_on(torch.device(kind)).items() >= {"device": kind, "gpu": name}.items()


@pytest.mark.parametrize(
    ("found", "error", "message"),
    [
        ({"points": [1.0, 2.0]}, ValueError, "seed 7, fair by day: measured points, expected points, sixes"),
        ({"points": 1.0, "sixes": [1.0, 2.0]}, ValueError, "one points with one seed has no interval"),
        (
            {"points": [1.0, math.nan], "sixes": [1.0, 2.0]},
            FloatingPointError,
            r"mnist-cca, seed 7, fair by day: points is \[1.0, nan\]",
        ),
    ],
)
def test_what_makes_no_row_of_the_table_is_refused_at_once_and_not_stored(tmp_path, monkeypatch, found, error, message):
    monkeypatch.setattr(Dice, "measure", lambda *_: found)
    with pytest.raises(error, match=message):
        run(tmp_path, "full")
    assert not list(tmp_path.rglob("measured.json"))


def test_what_is_measured_may_be_a_tensor_and_has_a_folder_of_its_own(tmp_path, monkeypatch):
    folders = []

    def measure(self, seed, setting, method, folder):
        folders.append(folder)
        return {"points": torch.arange(3.0), "sixes": np.arange(2)}

    monkeypatch.setattr(Dice, "measure", measure)
    assert run(tmp_path, "full").by_method("points", "by day")["fair"].mean == 1
    assert len(set(folders)) == 4 and len({folder.parent for folder in folders}) == 1


def test_a_difference_is_taken_seed_by_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(Dice, "differences", (("loaded", "fair"),))
    folder = tmp_path / "runs"
    result = run(tmp_path)
    [note] = folder.glob("*")
    for setting in Dice.settings:
        seeds = [json.loads((note / f"seed-{seed}" / "measured.json").read_text())[setting] for seed in (0, 1, 2)]
        gaps = [np.mean(each["loaded"]["points"]) - np.mean(each["fair"]["points"]) for each in seeds]
        metric = result.by_method("points", setting)["loaded minus fair"]
        half = stats.t.ppf(0.975, 2) * np.std(gaps, ddof=1) / math.sqrt(3)
        assert (metric.mean, metric.interval95, metric.n) == (pytest.approx(np.mean(gaps)), pytest.approx(half), 3)
