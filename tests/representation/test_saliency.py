"""Grad-CAM against its formula by finite differences, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course.representation.saliency import activations, as_pictures, grad_cam


class Net(nn.Module):
    """Two convolutions and a head that sees where things are; the first layer can be called twice."""

    def __init__(self, twice=False):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first, self.second = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 3, 3, stride=2)
        self.head, self.aside, self.twice = nn.Linear(3 * 9, 4), nn.Conv2d(2, 3, 1), twice
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def forward(self, x):
        self.aside(x)
        x = self.first(x).relu()
        if self.twice:
            x = self.first(x)
        self.maps = self.second(x)
        return self.head(self.maps.relu().flatten(1))


def images(n=3):
    return torch.randn(n, 2, 7, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_it_is_the_formula_with_slopes_by_finite_differences():
    model, x, classes = Net().double(), images(), torch.tensor([2, 0, 3])
    maps = activations(model, model.second, x)
    found = grad_cam(model, model.second, x, classes)
    step = 1e-6

    def score(a, number):
        return model.head(a.relu().flatten()[None])[0, classes[number]].item()

    for number in range(len(x)):
        weights = []
        for f in range(3):
            slopes = []
            for place in range(9):
                e = torch.zeros_like(maps[number])
                e[f].view(-1)[place] = step
                slopes.append((score(maps[number] + e, number) - score(maps[number] - e, number)) / (2 * step))
            weights.append(sum(slopes) / 9)
        expected = sum(w * a for w, a in zip(weights, maps[number], strict=True)).relu()
        expected = F.interpolate(expected[None, None], size=(7, 7), mode="bilinear")[0, 0]
        torch.testing.assert_close(found[number], expected.detach(), rtol=1e-5, atol=1e-7)


def test_activations_are_what_the_layer_computed():
    model, x = Net().double(), images()
    found = activations(model, model.second, x)
    assert torch.equal(found, model.maps)
    assert not found.requires_grad


def test_frozen_weights_and_no_grad_are_no_hindrance_and_nothing_is_left_behind():
    model, x, classes = Net().double(), images(), torch.tensor([0, 1, 2])
    expected = grad_cam(model, model.second, x, classes)
    with torch.no_grad():
        torch.testing.assert_close(grad_cam(model.requires_grad_(False), model.second, x, classes), expected)
    assert not x.requires_grad
    assert not model.second._forward_hooks


def test_a_layer_that_is_called_twice_or_never_or_in_vain_is_refused():
    x, classes = images(), torch.tensor([0, 1, 2])
    twice = Net(twice=True).double()
    with pytest.raises(ValueError, match="called the layer 2 times"):
        grad_cam(twice, twice.first, x, classes)
    with pytest.raises(ValueError, match="called the layer 0 times"):
        activations(twice, nn.Conv2d(1, 1, 1), x)
    with pytest.raises(ValueError, match="do not depend on what Conv2d computes"):
        grad_cam(twice, twice.aside, x, classes)


def test_pictures_reach_from_0_to_1_each_on_its_own_and_a_constant_is_black():
    found = as_pictures(torch.tensor([[[-1.0, 3.0]], [[10.0, 30.0]], [[5.0, 5.0]]]))
    assert found.tolist() == [[[0.0, 1.0]], [[0.0, 1.0]], [[0.0, 0.0]]]
