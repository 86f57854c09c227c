"""ResNet-12: the papers' numbers of weights, the textbook's order of layers, and refusals."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course.representation.resnet import ResidualBlock, ResNet12


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape, seed=0):
    return torch.rand(*shape, generator=generator(seed), dtype=torch.float64)


def textbook_block(block, x):
    """Activation before the pooling, and nothing in place."""
    inner = block.residual
    h = F.leaky_relu(inner[1](inner[0](x)), 0.1)
    h = F.leaky_relu(inner[4](inner[3](h)), 0.1)
    h = inner[7](inner[6](h)) + block.shortcut[1](block.shortcut[0](x))
    return F.max_pool2d(F.leaky_relu(h, 0.1), 2)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("size", [16, 21])
def test_it_is_the_textbook_s_network_in_value_and_gradients(training, size):
    model = ResNet12(5, widths=(3, 4, 5, 6), generator=generator()).double().train(training)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, -1.5, 1.5, generator=generator(1))
            nn.init.uniform_(layer.running_var, 0.5, 2, generator=generator(2))
            layer.momentum = 0.0  # so that two passes see the same averages
    x = images(4, 3, size, size)
    inputs = list(model.parameters())
    expected = x
    for block in model.blocks:
        expected = textbook_block(block, expected)
    expected = model.head(expected.mean((2, 3)))
    found = model(x)
    torch.testing.assert_close(found, expected)
    gradients = (torch.autograd.grad(out.sin().sum(), inputs) for out in (found, expected))
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


def weights(widths, channels=3):
    """3 × 3, 3 × 3, 3 × 3 and 1 × 1 in each block, and two numbers a filter for each of the four normalisations."""
    pairs = zip((channels, *widths), widths, strict=False)
    return sum(9 * (a * b + 2 * b * b) + a * b + 8 * b for a, b in pairs)


@pytest.mark.parametrize(("widths", "millions"), [((64, 160, 320, 640), 12.4), ((64, 128, 256, 512), 8.0)])
def test_the_papers_numbers_of_weights(widths, millions):
    with torch.device("meta"):
        model = ResNet12(5, widths=widths)
    own = sum(p.numel() for name, p in model.named_parameters() if not name.startswith("head"))
    assert own == weights(widths)
    assert own / 1e6 == pytest.approx(millions, abs=0.05)
    assert sum(isinstance(each, nn.Conv2d) and each.kernel_size == (3, 3) for each in model.modules()) == 12


def test_an_84_pixel_image_becomes_a_vector_of_the_last_width():
    model = ResNet12(5, widths=(2, 3, 4, 7), generator=generator()).eval()
    assert model.blocks(torch.rand(1, 3, 84, 84)).shape == (1, 7, 5, 5)
    assert model.embed(torch.rand(2, 3, 84, 84)).shape == (2, 7)


def test_in_evaluation_mode_an_image_does_not_depend_on_the_others():
    model, x = ResNet12(5, widths=(2, 3), generator=generator()).double().eval(), images(4, 3, 8, 8)
    torch.testing.assert_close(model(x)[1:2], model(x[1:2]))


def test_what_the_block_is_given_is_not_changed():
    x = images(2, 3, 8, 8)
    kept = x.clone()
    ResidualBlock(3, 4).double()(x)
    assert torch.equal(x, kept)


def test_the_generator_decides_the_weights_and_nothing_else_is_touched():
    state = torch.get_rng_state()
    first, again, other = (ResNet12(2, widths=(2, 3), generator=generator(seed)).head.weight for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_channels_stay_side_by_side_from_block_to_block():
    model, x = ResNet12(2, widths=(4, 6), generator=generator()), torch.rand(3, 3, 16, 16)
    x = model.layout(x)
    for block in model.blocks:
        x = block(x)
        assert x.stride(1) == 1


def test_an_image_too_small_for_the_blocks_is_refused():
    with pytest.raises(ValueError, match=r"at least 16 pixels, got \[2, 3, 15, 16\]"):
        ResNet12(5, widths=(2, 2, 2, 2))(torch.rand(2, 3, 15, 16))


@pytest.mark.parametrize("options", [{"classes": 0}, {"classes": 2, "widths": ()}, {"classes": 2, "channels": 0}])
def test_a_network_without_classes_channels_or_blocks_is_refused(options):
    with pytest.raises(ValueError, match="must be a whole number of at least 1"):
        ResNet12(**options)
