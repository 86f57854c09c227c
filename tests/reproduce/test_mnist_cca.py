"""The recipe mnist-cca: its questions against their definitions, and the whole table on a small stand-in."""

import tiny_recipes
import torch

from course.reproduce.mnist_cca import ACCURACY, CORRELATION, RETRIEVAL, MnistCCA, halves, principal_axes
from course.reproduce.results import load_result

TRAIN_CORRELATION = f"{CORRELATION}, training pairs"


def test_methods_that_see_pairs_find_what_the_halves_share_and_the_control_does_not(tmp_path, monkeypatch):
    tiny_recipes.install(monkeypatch.setattr)
    assert tiny_recipes.start("mnist-cca", tmp_path) == tmp_path / "mnist-cca-quick.json"
    result = load_result("mnist-cca", "quick", tmp_path)
    quantities = (TRAIN_CORRELATION, CORRELATION, ACCURACY, RETRIEVAL)
    assert [(m.method, m.quantity) for m in result.metrics] == [(m, q) for m in MnistCCA.methods for q in quantities]
    assert {(m.n, m.over, m.setting) for m in result.metrics} == {(2, "seeds", "")}
    assert result.config["pairs"] == 400
    mean = {(metric.method, metric.quantity): metric.mean for metric in result.metrics}
    for method in ("linear CCA", "kernel CCA", "deep CCA"):
        assert mean[method, CORRELATION] > 2.2, method  # of 3
        assert mean[method, ACCURACY] > 80, method
        assert mean[method, RETRIEVAL] > 5, method  # chance is 0.3
    control = "linear CCA, shuffled pairs"
    assert mean[control, TRAIN_CORRELATION] > 2  # 400 pairs of 84 pixels: correlation out of nothing
    assert abs(mean[control, CORRELATION]) < 0.5
    assert 30 < mean[control, ACCURACY] < 70


def test_the_halves_make_up_the_image():
    images = torch.arange(2.0 * 28 * 28).reshape(2, 1, 28, 28)
    left, right = (half.unflatten(1, (1, 28, 14)) for half in halves(images))
    assert torch.equal(torch.cat([left, right], dim=-1), images)


def test_principal_axes_are_those_of_the_singular_value_decomposition():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 8, generator=generator, dtype=torch.float64) + 3
    scores = principal_axes(x, 3)(x)
    u, s, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    torch.testing.assert_close(scores.abs(), (u * s)[:, :3].abs())
