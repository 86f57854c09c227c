"""He's initialisation: its variance, and that a signal keeps its size through the layers, as derived."""

import math

import pytest
import torch
from torch import nn

from course.representation.cnn import initialise
from course.representation.initialisation import he_normal, mean_squares


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def stack(depth, width, slope=0.0):
    layers = [each for _ in range(depth) for each in (nn.Linear(width, width), nn.LeakyReLU(slope))]
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
def test_the_variance_is_the_formula_s_and_biases_are_zero(slope):
    model = nn.Sequential(nn.Conv2d(6, 200, 3), nn.Linear(300, 400))
    he_normal(model, generator(), slope=slope)
    for layer, inputs in zip(model, (54, 300), strict=True):
        assert layer.weight.var().item() == pytest.approx(2 / (1 + slope**2) / inputs, rel=0.03)
        assert abs(layer.weight.mean().item()) < 0.01
        assert not layer.bias.any()


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_with_he_the_mean_square_doubles_once_and_stays(slope):
    """The first layer sees the input itself and no ReLU: its outputs have 2 / (1 + a²) times the mean square."""
    x = torch.randn(200, 400, generator=generator(9), dtype=torch.float64)
    found = []
    for seed in range(4):
        model = stack(8, 400, slope)
        he_normal(model, generator(seed), slope=slope)
        found.append(mean_squares(model, x))
    mean = torch.stack(found).mean(0)
    torch.testing.assert_close(mean[1:] / mean[0], torch.full((8,), 2 / (1 + slope**2)).double(), rtol=0.1, atol=0)


def test_with_torch_s_default_each_layer_with_a_relu_keeps_a_sixth():
    """Uniform weights on ± 1 / √n have variance 1 / (3 n), and a ReLU keeps half of the mean square."""
    x = torch.randn(200, 400, generator=generator(9), dtype=torch.float64)
    model = stack(6, 400)
    initialise(model, generator())
    found = mean_squares(model, x)
    assert (found[6] / found[1]).pow(1 / 5).item() == pytest.approx(1 / 6, rel=0.1)


def test_the_mean_square_is_taken_before_every_activation():
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, -2.0)
    found = mean_squares(nn.Sequential(layer, nn.ReLU(), layer), torch.tensor([[1.0], [-1.0]]))
    assert found.tolist() == [1.0, 4.0, 8.0]


def test_a_generator_decides():
    models = [nn.Linear(3, 3) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        he_normal(model, generator(seed))
    assert torch.equal(models[0].weight, models[1].weight)
    assert not torch.equal(models[0].weight, models[2].weight)
    assert math.isfinite(models[0].weight.sum().item())
