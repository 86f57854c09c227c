"""Result files: written whole, read back, and refused when they are something else."""

import json
import os

import numpy as np
import pytest
import torch
from scipy import stats

from course import runtime
from course.reproduce import results
from course.reproduce.results import (
    PRESETS,
    Clock,
    Metric,
    load_result,
    measured_on,
    metric_over_seeds,
    result_path,
    save_result,
    settings_of,
)


def save(folder, **changes):
    metric = Metric("accuracy", 98.0, 0.4, 600, "episodes", unit="%", paper=98.7)
    fields = {"config": {"steps": 3}, "seeds": [0], "seconds": 1.23, "environment": {"cpu": "x"}} | changes
    return save_result("recipe", "quick", [metric], folder=folder, **fields)


def test_round_trip(tmp_path):
    path = save(tmp_path)
    assert path == result_path("recipe", "quick", tmp_path)
    result = load_result("recipe", "quick", tmp_path)
    assert result["metrics"][0]["mean"] == 98.0
    assert result["command"] == "course reproduce recipe --preset quick"
    assert list(tmp_path.iterdir()) == [path]


def test_absent_result_is_none(tmp_path):
    assert load_result("recipe", "full", tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"recipe": "other", "preset": "quick", "metrics": []}'])
def test_what_is_no_result_is_refused_with_the_command_that_makes_one(tmp_path, text):
    result_path("recipe", "quick", tmp_path).write_text(text)
    with pytest.raises(ValueError, match="course reproduce recipe --preset quick"):
        load_result("recipe", "quick", tmp_path)


def test_not_a_number_is_never_written(tmp_path):
    save(tmp_path)
    with pytest.raises(ValueError):
        save(tmp_path, seconds=float("nan"))
    assert json.loads(result_path("recipe", "quick", tmp_path).read_text())["seconds"] == 1.2


def test_interval_over_seeds_is_students():
    values = [1.0, 2.0, 4.0]
    metric = metric_over_seeds("m", values)
    low, high = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert metric.mean == pytest.approx((low + high) / 2)
    assert metric.interval95 == pytest.approx((high - low) / 2)
    with pytest.raises(ValueError, match="at least 2 seeds"):
        metric_over_seeds("m", [1.0])


def test_a_gpu_that_stood_idle_is_not_named(monkeypatch):
    monkeypatch.setattr(runtime, "gpu_name", lambda: "some GPU")
    found = {kind: measured_on(torch.device(kind)) for kind in ("cpu", "cuda")}
    assert (found["cpu"]["device"], found["cpu"]["gpu"]) == ("cpu", None)
    assert (found["cuda"]["device"], found["cuda"]["gpu"]) == ("cuda", "some GPU")


def test_settings_of_a_preset_that_is_not_there():
    kind = type("Kind", (), {"quick": lambda: 1, "full": lambda: 2})
    assert [settings_of(kind, preset) for preset in PRESETS] == [1, 2]
    with pytest.raises(ValueError, match="no preset 'huge'; choose quick or full"):
        settings_of(kind, "huge")


def test_clock_counts_a_killed_start_up_to_its_last_checkpoint(tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(results.time, "time", lambda: now[0])
    first = Clock(tmp_path)
    now[0] = 1060.0
    assert first.seconds == 60
    for name, moment in (("a", 1010), ("b", 1050)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.json").touch()
        os.utime(tmp_path / name / "state.json", (moment, moment))
    now[0] = 2000.0  # killed at 1060; what came after the checkpoint of 1050 is lost
    second = Clock(tmp_path)
    assert second.seconds == 50
    now[0] = 2003.0  # killed before it had written anything
    third = Clock(tmp_path)
    now[0] = 2010.0
    assert third.seconds == 57


def test_clock_of_a_process_that_is_not_the_main_one_leaves_no_note(tmp_path):
    Clock(tmp_path / "run", keep=False)
    assert list(tmp_path.iterdir()) == []
