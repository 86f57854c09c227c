"""The recipe mnist-cca: its questions against their definitions, and the whole table on a small stand-in."""

from dataclasses import replace

import pytest
import torch

from course import data
from course.data import LabelledSet
from course.reproduce import mnist_cca
from course.reproduce.mnist_cca import (
    ACCURACY,
    CORRELATION,
    RETRIEVAL,
    TRAIN_CORRELATION,
    MnistCCAConfig,
    halves,
    principal_axes,
)
from course.reproduce.results import load_result

MEASURES = (TRAIN_CORRELATION, CORRELATION, ACCURACY, RETRIEVAL)
HEIGHT = 6  # pixels; enough, and quick
METHODS = ("PCA of each half", "linear CCA", "kernel CCA", "deep CCA", "linear CCA, shuffled pairs")
TINY = replace(MnistCCAConfig.quick(), components=3, pairs=400, seeds=(0, 1), random_features=200, hidden=(16,))


def load(name: str, *, split: str) -> LabelledSet:
    """Three-number things seen twice, once in each half, each time through many noisy pixels; the sign is the class."""
    assert name == "mnist"
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(2, 3, HEIGHT * 14, generator=generator)  # the same for both splits
    generator.manual_seed(len(split))
    hidden = torch.randn({"train": 500, "test": 300}[split], 3, generator=generator)
    views = [hidden @ weights + torch.randn(len(hidden), HEIGHT * 14, generator=generator) for weights in (left, right)]
    images = torch.cat([view.unflatten(1, (1, HEIGHT, 14)) for view in views], dim=-1)
    pixels = (127 + 40 * images).clamp(0, 255).to(torch.uint8)
    return LabelledSet(pixels, (hidden[:, 0] > 0).long(), ("-", "+"), ("-", "+"), "tiny mnist")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The result of two runs with the same settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "load", load)
        patch.setattr(MnistCCAConfig, "quick", lambda: TINY)
        folders = [tmp_path_factory.mktemp("result") for _ in range(2)]
        for folder in folders:
            torch.rand(1)  # the global generator is in another state each time
            assert mnist_cca.run("quick", folder=folder, device="cpu") == folder / "mnist-cca-quick.json"
    return [load_result("mnist-cca", "quick", folder) for folder in folders]


def test_the_result_answers_every_question_for_every_method(results):
    result = results[0]
    names = [f"{method}: {measure}" for measure in MEASURES for method in METHODS]
    assert [metric["name"] for metric in result["metrics"]] == names
    assert {metric["over"] for metric in result["metrics"]} == {"seeds"}
    assert {metric["n"] for metric in result["metrics"]} == {2}
    assert result["seeds"] == [0, 1] and result["config"]["pairs"] == 400
    assert result["environment"]["device"] == "cpu" and result["environment"]["gpu"] is None


def test_the_same_seeds_give_the_same_numbers(results):
    first, second = (result["metrics"] for result in results)
    assert first == second


def test_methods_that_see_pairs_find_what_the_halves_share_and_the_control_does_not(results):
    mean = {metric["name"]: metric["mean"] for metric in results[0]["metrics"]}
    for method in ("linear CCA", "kernel CCA", "deep CCA"):
        assert mean[f"{method}: {CORRELATION}"] > 2.2, method  # of 3
        assert mean[f"{method}: {ACCURACY}"] > 80, method
        assert mean[f"{method}: {RETRIEVAL}"] > 5, method  # chance is 0.3
    control = "linear CCA, shuffled pairs"
    assert mean[f"{control}: {TRAIN_CORRELATION}"] > 2  # 400 pairs of 84 pixels: correlation out of nothing
    assert abs(mean[f"{control}: {CORRELATION}"]) < 0.5
    assert 30 < mean[f"{control}: {ACCURACY}"] < 70


def test_the_halves_make_up_the_image():
    images = torch.arange(2 * 28 * 28).remainder(256).to(torch.uint8).reshape(2, 1, 28, 28)
    left, right = (half.unflatten(1, (1, 28, 14)) for half in halves(images))
    assert torch.equal(torch.cat([left, right], dim=-1), images / 255)


def test_principal_axes_are_those_of_the_singular_value_decomposition():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 8, generator=generator, dtype=torch.float64) + 3
    scores = principal_axes(x, 3)(x)
    u, s, _ = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    torch.testing.assert_close(scores.abs(), (u * s)[:, :3].abs())
