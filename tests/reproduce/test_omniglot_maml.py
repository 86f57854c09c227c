"""The recipe omniglot-maml on a small stand-in: its table, its settings, and what its methods share."""

from dataclasses import replace

import tiny_recipes
import torch

from course.meta_learning.maml import MAMLConfig
from course.reproduce.omniglot_maml import OmniglotMAML, OmniglotMAMLConfig
from course.reproduce.results import load_result


def test_every_method_is_measured_for_both_numbers_of_classes_and_pretraining_happens_once(monkeypatch, tmp_path):
    tiny_recipes.install(monkeypatch.setattr)
    monkeypatch.setattr(OmniglotMAMLConfig, "quick", lambda: replace(tiny_recipes.OMNIGLOT, seeds=(0,)))
    tiny_recipes.start("omniglot-maml", tmp_path)
    result = load_result("omniglot-maml", "quick", tmp_path)
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
    [seed] = tmp_path.glob("runs/*/seed-0")
    (seed / "measured.json").unlink()
    names = sorted(path.name for path in seed.iterdir())
    assert names == ["20-way 1-shot MAML", "5-way 1-shot MAML", "naming-4-filters"]
    monkeypatch.delattr(torch.optim.Adam, "step")  # all that is trained is there
    tiny_recipes.start("omniglot-maml", tmp_path)
    assert load_result("omniglot-maml", "quick", tmp_path).metrics == result.metrics


def test_full_is_the_papers_setting():
    config = OmniglotMAMLConfig.full()
    assert config.ways == {5: MAMLConfig.full(5), 20: MAMLConfig.full(20)}
    assert {maml.iterations for maml in config.ways.values()} == {60_000}
    assert {maml.filters for maml in config.ways.values()} == {64}
    assert config.queries == 1 and not config.decay and config.episodes >= 600 and len(config.seeds) > 1
    assert OmniglotMAMLConfig.quick().episodes >= 600
