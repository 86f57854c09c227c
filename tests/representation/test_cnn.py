"""Conv4 against the textbook's network, its sizes, layout, randomness and refusals."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course.representation.cnn import ChannelsLast, Conv4, block, initialise


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(*shape, seed=0):
    return torch.rand(*shape, generator=generator(seed), dtype=torch.float64)


def textbook(model, x):
    """Conv4 as Vinyals et al. describe it, from functions: convolution, normalisation by the batch, ReLU, pooling."""
    for each in (model.block1, model.block2, model.block3, model.block4):
        x = F.conv2d(x, each[0].weight, padding=1)
        mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
        x = (x - mean) / (variance + 1e-5).sqrt()
        x = x * each[1].weight.view(-1, 1, 1) + each[1].bias.view(-1, 1, 1)
        x = F.max_pool2d(x.relu(), 2)
    return x.flatten(1)


@pytest.mark.parametrize(("channels", "filters", "size"), [(1, 4, 28), (3, 2, 16), (2, 3, 37), (1, 2, 84)])
def test_it_is_the_textbook_s_network(channels, filters, size):
    model = Conv4(5, channels, filters, size, generator=generator()).double()
    with torch.no_grad():
        for each in model.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.weight.uniform_(-1, 1, generator=generator(1))  # negative too: the order of pooling and ReLU holds
                each.bias.uniform_(-1, 1, generator=generator(2))
    x = images(6, channels, size, size)
    expected = textbook(model, x)
    torch.testing.assert_close(model.embed(x), expected)
    torch.testing.assert_close(model(x), expected @ model.head.weight.T + model.head.bias)


@settings(max_examples=15, deadline=None)
@given(
    n_way=st.integers(1, 6), channels=st.integers(1, 3), filters=st.integers(1, 4), size=st.integers(16, 50),
    n=st.integers(2, 4),
)  # fmt: skip
def test_shapes(n_way, channels, filters, size, n):
    model = Conv4(n_way, channels, filters, size, generator=generator())
    x = torch.rand(n, channels, size, size, generator=generator())
    side = size // 2 // 2 // 2 // 2
    assert model(x).shape == (n, n_way)
    assert model.embed(x).shape == (n, filters * side * side)


@pytest.mark.parametrize("size", [15, 1, 0])
def test_an_image_too_small_to_halve_four_times_is_refused(size):
    with pytest.raises(ValueError, match=f"at least 16 pixels, got {size}"):
        Conv4(5, size=size)


def test_the_paper_s_sizes():
    model = Conv4(5)
    count = {name: value.numel() for name, value in model.named_parameters()}
    assert model.embed(torch.zeros(2, 1, 28, 28)).shape == (2, 64)
    assert sum(count.values()) == 64 * 9 + 3 * 64 * 64 * 9 + 4 * 2 * 64 + 64 * 5 + 5
    assert sum(p.numel() for p in Conv4(5, filters=16).parameters()) == 7269  # the number that the chapter gives


# --- randomness


def test_the_generator_decides_the_weights_and_nothing_else_is_touched():
    state = torch.get_rng_state()
    first, again, other = (Conv4(5, filters=4, generator=generator(seed)) for seed in (3, 3, 4))
    Conv4(5, filters=4, generator=generator())
    for (name, value), same, different in zip(
        first.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(value, same), name
        random = value.dim() > 1
        assert torch.equal(value, different) is not random, name
    assert torch.equal(torch.get_rng_state(), state)


def test_without_a_generator_the_global_one_decides():
    def weights(seed):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return Conv4(5, filters=4).block2[0].weight

    assert torch.equal(weights(0), weights(0)) and not torch.equal(weights(0), weights(1))


def test_initial_weights_are_uniform_on_torch_s_interval():
    model = nn.Sequential(nn.Conv2d(3, 200, 4), nn.Linear(400, 300))
    initialise(model, generator())
    for layer, inputs in zip(model, (48, 400), strict=True):
        scaled = layer.weight.detach() * inputs**0.5
        assert scaled.abs().max() <= 1
        assert scaled.std().item() == pytest.approx(3**-0.5, rel=0.05)
        assert not layer.bias.any()


# --- layout


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_lie_side_by_side_and_the_values_stay(channels):
    x = images(2, channels, 5, 7).requires_grad_()
    out = ChannelsLast()(x)
    assert torch.equal(out, x)
    assert out.stride() == (5 * 7 * channels, 1, 7 * channels, channels)
    out.square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())


def test_the_layout_is_handed_on_to_the_last_block():
    model = Conv4(5, filters=4, generator=generator())
    x = torch.rand(3, 1, 28, 28, generator=generator())
    for name, layer in list(model.named_children())[:-2]:
        x = layer(x)
        assert x.stride(1) == 1, name  # neighbouring channels are neighbours in memory


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (2, 5, 1, 28, 28)])
def test_something_else_than_a_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match=r"\[n, channels, height, width\], got"):
        Conv4(5, filters=2)(torch.zeros(shape))


# --- blocks


def test_pooling_before_relu_changes_no_value_and_no_gradient():
    x = images(3, 2, 9, 9).sub(0.5).requires_grad_()
    ours = block(2, 4).double()
    theirs = nn.Sequential(ours[0], ours[1], ours[3], ours[2])
    inputs = (x, *ours.parameters())
    torch.testing.assert_close(ours(x), theirs(x))
    for mine, other in zip(*(torch.autograd.grad(f(x).sin().sum(), inputs) for f in (ours, theirs)), strict=True):
        torch.testing.assert_close(mine, other)


def test_a_block_keeps_no_averages_and_ignores_the_mode():
    layers, x = block(1, 3).double(), images(4, 1, 8, 8)
    training = layers(x)
    assert not list(layers.buffers())
    torch.testing.assert_close(layers.eval()(x), training)


def test_with_averages_evaluation_mode_uses_them_and_training_mode_is_as_before():
    own, plain = (Conv4(5, filters=3, averages=kept, generator=generator()).double() for kept in (True, False))
    x = images(4, 1, 28, 28)
    torch.testing.assert_close(own(x), plain(x))
    own.eval()
    torch.testing.assert_close(own(x)[1:2], own(x[1:2]))
    assert not torch.allclose(own(x), plain(x))


@pytest.mark.gpu
def test_a_gpu_computes_the_same():
    model, x = Conv4(5, filters=4, generator=generator()).double(), images(4, 1, 28, 28)
    expected = model(x)
    torch.testing.assert_close(model.cuda()(x.cuda()).cpu(), expected)
