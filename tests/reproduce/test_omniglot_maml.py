"""The recipe omniglot-maml on a small stand-in: its table, its settings, and what its methods share."""

from dataclasses import replace

import pytest
import tiny_recipes
import torch

from course.meta_learning.maml import MAMLConfig
from course.reproduce.omniglot_maml import OmniglotMAML, OmniglotMAMLConfig
from course.reproduce.results import Result, load_result

QUICK = OmniglotMAMLConfig.quick()  # before a test puts something smaller in its place


@pytest.fixture(scope="module")
def tiny():
    with pytest.MonkeyPatch.context() as patch:
        tiny_recipes.install(patch.setattr)
        patch.setattr(OmniglotMAMLConfig, "quick", lambda: replace(tiny_recipes.OMNIGLOT, seeds=(0,)))
        yield


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """The folder and the result of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    tiny_recipes.start("omniglot-maml", folder)
    return folder, load_result("omniglot-maml", "quick", folder)


def test_the_result_has_every_method_for_both_numbers_of_classes(whole):
    result: Result = whole[1]
    assert len(result.metrics) == 8
    for setting, paper in (("5-way 1-shot", (98.7, 0.4)), ("20-way 1-shot", (95.8, 0.3))):
        found = result.by_method("accuracy", setting)
        assert tuple(found) == OmniglotMAML.methods
        for method, metric in found.items():
            assert 0 <= metric.mean <= 100 and metric.interval95 >= 0
            assert (metric.n, metric.over, metric.unit) == (20, "episodes", "%")
            assert (metric.paper, metric.paper_interval95) == (paper if method == "MAML" else (None, None))
    assert result.by_method("accuracy", "5-way 1-shot")["nearest in pixels"].mean > 99  # the noise is weak
    assert result.seeds == [0] and result.config["five_way"]["filters"] == 4


def test_the_pretrained_network_is_trained_once_for_all_who_use_it(whole, tiny, monkeypatch):
    folder, result = whole
    [seed] = folder.glob("runs/*/seed-0")
    (seed / "measured.json").unlink()
    assert sorted(path.name for path in seed.iterdir()) == ["maml-20-way", "maml-5-way", "naming-4-filters"]
    monkeypatch.delattr(torch.optim.Adam, "step")
    tiny_recipes.start("omniglot-maml", folder)
    assert load_result("omniglot-maml", "quick", folder).metrics == result.metrics


def test_full_is_the_papers_setting():
    config = OmniglotMAMLConfig.full()
    assert config.ways == {5: MAMLConfig.full(5), 20: MAMLConfig.full(20)}
    assert {maml.iterations for maml in config.ways.values()} == {60_000}
    assert {maml.filters for maml in config.ways.values()} == {64}
    assert config.queries == 1 and not config.decay and config.episodes >= 600 and len(config.seeds) > 1
    assert QUICK.episodes >= 600
