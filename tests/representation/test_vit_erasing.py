"""Erasing patches, and the maps that ask the network: against their definitions."""

import pytest
import torch
from torch import nn

from course.representation.erasing import erased, gradient_times_input, left_out
from course.representation.vit import VisionTransformer, ViTConfig, patches

SMALL = ViTConfig(size=12, patch=4, channels=2, width=16, layers=2, heads=2, hidden=24, classes=5)


def images(n=3):
    return torch.randn(n, 2, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def model():
    return VisionTransformer(SMALL, generator=torch.Generator().manual_seed(0)).double().eval()


def answer(model, x):
    """The log-probability of the class that the network names for each whole image."""
    with torch.no_grad():
        shares = model(x).log_softmax(1)
    return shares, shares.argmax(1)


def test_the_chosen_patches_are_blank_and_the_others_untouched():
    x, chosen = images(), torch.tensor([[0, 4], [8, 2], [1, 1]])
    before, after = patches(x, 4), patches(erased(x, 4, chosen), 4)
    for number, row in enumerate(chosen.tolist()):
        for place in range(9):
            expected = torch.zeros_like(before[number, place]) if place in row else before[number, place]
            assert after[number, place].equal(expected)


@pytest.mark.parametrize("chosen", [[0, 1, 2], [[0], [1]], [[0], [1], [9]], [[0], [-1], [2]]])
def test_what_names_no_patch_of_each_image_is_refused(chosen):
    with pytest.raises(ValueError, match=r"chosen must be \[3, k\] with numbers from 0 to 8"):
        erased(images(), 4, torch.tensor(chosen))


def test_gradient_times_input_is_the_slope_when_a_patch_is_made_stronger():
    net, x, step = model(), images(), 1e-6
    found = gradient_times_input(net, x, 4)
    _, named = answer(net, x)
    for place in range(9):
        only = x - erased(x, 4, torch.full((3, 1), place))
        up, down = (answer(net, x + sign * step * only)[0].gather(1, named[:, None])[:, 0] for sign in (1, -1))
        torch.testing.assert_close(found[:, place], (up - down) / (2 * step), rtol=1e-5, atol=1e-8)


def test_leaving_out_is_what_the_answer_loses():
    net, x = model(), images()
    found, (whole, named) = left_out(net, x, 4), answer(net, x)
    for number in range(3):
        for place in range(9):
            without, _ = answer(net, erased(x[number : number + 1], 4, torch.tensor([[place]])))
            expected = whole[number, named[number]] - without[0, named[number]]
            assert found[number, place].item() == pytest.approx(expected.item(), abs=1e-12)


def test_of_two_classes_told_apart_by_a_linear_map_both_rank_the_patches_alike():
    """ln p falls with the score, and a score is the sum of what patches add: so the order is that of w · x."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(2 * 144, 2)).double()
    x = images()
    added = (linear[1].weight[0] - linear[1].weight[1]).detach() * x.flatten(1)
    sign = torch.where(answer(linear, x)[1] == 0, 1, -1)[:, None]
    expected = (sign * patches(added.view_as(x), 4).sum(2)).argsort(1)
    assert gradient_times_input(linear, x, 4).argsort(1).equal(expected)
    assert left_out(linear, x, 4).argsort(1).equal(expected)


def test_weights_need_no_gradient_and_get_none():
    net = model().requires_grad_(False)
    gradient_times_input(net, images(), 4)
    assert all(parameter.grad is None for parameter in net.parameters())
