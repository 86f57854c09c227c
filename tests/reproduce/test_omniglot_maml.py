"""The recipe omniglot-maml, run whole on a small stand-in: its table, its competitors, and its second life."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_omniglot
import torch

from course.meta_learning.maml import MAMLConfig
from course.reproduce import omniglot_maml
from course.reproduce.omniglot_maml import OmniglotMAMLConfig, metric
from course.reproduce.results import load_result

QUICK = OmniglotMAMLConfig.quick()  # before a test puts something smaller in its place
METHODS = ("MAML", "nearest in pixels", "pretrained, nearest", "pretrained, fine-tuned")


def run(folder: Path) -> dict:
    path = omniglot_maml.run("quick", folder=folder, device="cpu", runs=folder / "runs")
    assert path == folder / "omniglot-maml-quick.json"
    return load_result("omniglot-maml", "quick", folder)


@pytest.fixture(scope="module")
def tiny():
    with pytest.MonkeyPatch.context() as patch:
        tiny_omniglot.install(patch.setattr)
        yield patch


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """The folder and the result of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(folder)


def test_the_result_has_every_method_for_both_numbers_of_classes(whole):
    _, result = whole
    metrics = {metric["name"]: metric for metric in result["metrics"]}
    assert list(metrics) == [f"{n_way}-way 1-shot, {method}" for n_way in (5, 20) for method in METHODS]
    for name, found in metrics.items():
        assert 0 <= found["mean"] <= 100 and found["interval95"] >= 0
        assert (found["n"], found["over"], found["unit"]) == (20, "episodes", "%")
        assert found["paper"] == {"5-way 1-shot, MAML": 98.7, "20-way 1-shot, MAML": 95.8}.get(name)
    assert metrics["5-way 1-shot, nearest in pixels"]["mean"] > 99  # the noise is weak
    assert result["seeds"] == [0] and result["config"]["five_way"]["filters"] == 4
    assert result["environment"]["device"] == "cpu" and result["environment"]["gpu"] is None
    assert result["seconds"] > 0


def test_a_killed_run_ends_as_if_nothing_had_happened(whole, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    child = subprocess.run([sys.executable, tiny_omniglot.__file__, tmp_path], env=environment, check=False)
    assert child.returncode == -signal.SIGKILL
    assert load_result("omniglot-maml", "quick", tmp_path) is None
    trained = [path.parent.name for path in (tmp_path / "runs").rglob("state.json")]
    assert sorted(trained) == ["maml-5-way-seed-0", "naming-4-filters-seed-0"]  # killed amid the second training
    assert run(tmp_path)["metrics"] == whole[1]["metrics"]


def test_a_finished_run_is_measured_again_but_not_trained_again(whole, tiny, capsys):
    def trains(*_):
        raise AssertionError("an optimizer takes a step")

    folder, first = whole
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.Adam, "step", trains)
        again = run(folder)
    assert again["metrics"] == first["metrics"]
    [named] = re.findall(r"checkpoints: (\S+) ", capsys.readouterr().out)
    assert 0 < json.loads((Path(named) / "clock.json").read_text())["before"] < first["seconds"]


def test_other_settings_never_continue_a_run(whole, tiny):
    folder, _ = whole
    config = replace(tiny_omniglot.CONFIG, queries=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmniglotMAMLConfig, "quick", lambda: config)
        run(folder)
    assert len(list((folder / "runs").glob("omniglot-maml-quick-*"))) == 2


def test_processes_that_do_not_divide_the_tasks_are_refused(tmp_path):
    three = type("Three", (), {"num_processes": 3})
    splits = {"train": tiny_omniglot.load("omniglot", split="train", rotations=True)}
    recipe = omniglot_maml.Recipe(tiny_omniglot.CONFIG, splits, tmp_path, three)
    with pytest.raises(ValueError, match="2 tasks an outer step cannot be dealt out evenly to 3 processes"):
        recipe.meta_learn(5, tiny_omniglot.MAML, 0)


def test_full_is_the_papers_setting():
    config = OmniglotMAMLConfig.full()
    assert config.rows == {5: MAMLConfig.full(5), 20: MAMLConfig.full(20)}
    assert {maml.iterations for maml in config.rows.values()} == {60_000}
    assert {maml.filters for maml in config.rows.values()} == {64}
    assert config.queries == 1 and not config.decay and config.episodes >= 600 and len(config.seeds) > 1
    assert QUICK.episodes >= 600


def test_the_interval_is_over_tasks_for_one_seed_and_over_seeds_for_more():
    generator = torch.Generator().manual_seed(0)
    runs = [torch.rand(50, generator=generator) for _ in range(3)]
    one = metric("m", runs[:1], (98.7, 0.4))
    assert (one.n, one.over, one.paper, one.paper_interval95) == (50, "episodes", 98.7, 0.4)
    assert one.mean == pytest.approx(100 * runs[0].mean().item())
    assert one.interval95 == pytest.approx(196 * runs[0].std().item() / 50**0.5, rel=1e-3)
    more = metric("m", runs, (None, None))
    assert (more.n, more.over, more.paper) == (3, "seeds", None)
    assert more.mean == pytest.approx(100 * torch.stack(runs).mean().item())
