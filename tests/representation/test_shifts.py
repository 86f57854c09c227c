"""Maps and shifts: convolutions commute with them, strides do not, and a blur before the stride helps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course.representation.cnn import Conv4
from course.representation.shifts import (
    BlurPool,
    centred,
    circulant,
    consistency,
    moved_at_random,
    nearest_circulant,
    shifted,
    with_blur,
)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shift_matrix(n):
    return torch.eye(n, dtype=torch.float64).roll(1, 0)


# --- the circle


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 9), seed=st.integers(0, 100))
def test_a_circulant_matrix_is_a_convolution_and_commutes_with_the_shift(n, seed):
    w, x = numbers(n, seed=seed), numbers(n, seed=seed + 1)
    c, s = circulant(w), shift_matrix(n)
    torch.testing.assert_close(c @ x, torch.fft.ifft(torch.fft.fft(w) * torch.fft.fft(x)).real)
    torch.testing.assert_close(c @ s, s @ c)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 8), seed=st.integers(0, 100))
def test_the_mean_over_all_shifts_is_the_nearest_convolution(n, seed):
    a = numbers(n, n, seed=seed)
    mean = nearest_circulant(a)
    torch.testing.assert_close(mean, circulant(mean[:, 0]))
    torch.testing.assert_close(nearest_circulant(mean), mean)
    for other in range(3):  # what is left is orthogonal to every convolution
        assert ((a - mean) * circulant(numbers(n, seed=seed + other))).sum().abs() < 1e-10


def test_three_places_by_hand():
    expected = torch.tensor([[5, 7, 6], [6, 5, 7], [7, 6, 5]])
    assert torch.equal(circulant(torch.tensor([5, 6, 7])), expected)


# --- moving images


@settings(max_examples=40, deadline=None)
@given(down=st.integers(-8, 8), right=st.integers(-8, 8), h=st.integers(1, 6), w=st.integers(1, 6))
def test_what_comes_in_is_zero_and_the_rest_moves(down, right, h, w):
    x = numbers(2, h, w)
    found = shifted(x, down, right)
    for i in range(h):
        for j in range(w):
            inside = 0 <= i - down < h and 0 <= j - right < w
            expected = x[:, i - down, j - right] if inside else torch.zeros(2, dtype=x.dtype)
            assert torch.equal(found[:, i, j], expected)


def test_a_cyclic_shift_loses_nothing_and_the_input_stays():
    x = numbers(1, 4, 5)
    kept = x.clone()
    assert torch.equal(shifted(shifted(x, 3, -2, cyclic=True), -3, 2, cyclic=True), x)
    shifted(x, 1, 1)
    assert torch.equal(x, kept)


def test_a_cyclic_convolution_commutes_with_shifts_and_with_stride_only_with_multiples_of_it():
    layer = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular").double()
    strided = nn.Conv2d(1, 3, 3, stride=2, padding=1, padding_mode="circular").double()
    x = numbers(2, 1, 8, 8)
    torch.testing.assert_close(layer(shifted(x, 3, 1, cyclic=True)), shifted(layer(x), 3, 1, cyclic=True))
    torch.testing.assert_close(strided(shifted(x, 2, 4, cyclic=True)), shifted(strided(x), 1, 2, cyclic=True))
    assert (strided(shifted(x, 1, 0, cyclic=True)) - strided(x)).abs().max() > 0.1


def test_consistency_counts_the_images_whose_class_stays():
    """The class is the column of the brightest pixel: every move to the right changes it, none downwards does."""

    def classify(x):
        return x.amax((1, 2))

    x = torch.zeros(3, 1, 6, 6)
    for number, (row, column) in enumerate(((1, 1), (2, 3), (3, 4))):
        x[number, 0, row, column] = 1
    found = consistency(classify, x, [(0, 0), (2, 0), (0, 1), (-1, 0)])
    assert found.tolist() == [1, 1, 0, 1]


def test_centred_ink_has_its_centre_in_the_middle_whatever_the_shift():
    x = torch.zeros(3, 1, 9, 9)
    x[0, 0, 1:4, 2] = 1
    x[1, 0, 6, 5:9] = 2
    expected = torch.zeros(3, 1, 9, 9)
    expected[0, 0, 3:6, 4] = 1
    expected[1, 0, 4, 3:7] = 2  # its centre lay at 6.5, which is moved by 2.5, rounded to an even number
    found = centred(x)
    assert torch.equal(found, expected)
    assert torch.equal(centred(shifted(found, 2, -1))[0], expected[0])


@settings(max_examples=20, deadline=None)
@given(most=st.integers(0, 3), seed=st.integers(0, 100))
def test_images_moved_at_random_are_shifted_ones(most, seed):
    x = numbers(6, 2, 5, 4)
    found = moved_at_random(x, most, np.random.default_rng(seed))
    for image, moved in zip(x, found, strict=True):
        shifts = range(-most, most + 1)
        assert any(torch.equal(moved, shifted(image, a, b)) for a in shifts for b in shifts)


def test_every_move_is_equally_likely():
    x = torch.zeros(9000, 1, 3, 3)
    x[:, :, 1, 1] = 1
    share = moved_at_random(x, 1, np.random.default_rng(0)).mean(0)[0]
    torch.testing.assert_close(share, torch.full((3, 3), 1 / 9), atol=0.02, rtol=0)


# --- blur


def test_the_kernel_is_binomial():
    assert (BlurPool(5).kernel[0, 0, 2] * 16 * 16 / 6).tolist() == [1, 4, 6, 4, 1]
    assert BlurPool(1).kernel.tolist() == [[[[1.0]]]]


@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("cyclic", [False, True])
def test_a_constant_image_stays_constant(taps, cyclic):
    x = torch.full((2, 3, 8, 8), 2.5)
    torch.testing.assert_close(BlurPool(taps, cyclic=cyclic)(x), torch.full((2, 3, 4, 4), 2.5))


def test_channels_do_not_mix():
    x = numbers(1, 2, 6, 6)
    pool = BlurPool().double()
    torch.testing.assert_close(pool(x)[:, 1:], pool(x[:, 1:]))


def test_stripes_pose_as_something_else_without_a_blur():
    """A wave of period 2, taken at every second pixel, is all 0 or all 1, as the first pixel has it."""
    stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 1, 8, 8)
    moved = shifted(stripes, 0, 1, cyclic=True)
    plain, blurred = BlurPool(1), BlurPool(3, cyclic=True)
    assert (plain(stripes).unique().item(), plain(moved).unique().item()) == (0.0, 1.0)
    assert torch.equal(blurred(stripes), blurred(moved))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 100))
def test_a_blur_brings_strided_pooling_nearer_to_equivariance(seed):
    """Move by one pixel: the smaller part of the energy is changed when the maxima are blurred before the stride."""
    x = numbers(4, 2, 16, 16, seed=seed)
    changed = []
    for pool in (nn.MaxPool2d(2), *with_blur(nn.Sequential(nn.MaxPool2d(2)), cyclic=True).double()):
        still, moved = pool(x), pool(shifted(x, 0, 1, cyclic=True))
        changed.append(((moved - still).norm() / (still - still.mean()).norm()).item())
    assert changed[1] < 0.8 * changed[0]


@pytest.mark.parametrize("size", [28, 27, 16])
def test_a_network_with_blur_has_the_same_sizes_and_weights(size):
    model = Conv4(5, filters=3, size=size, averages=True, generator=torch.Generator().manual_seed(0))
    before, weights = model(torch.rand(2, 1, size, size)).shape, {k: v.clone() for k, v in model.state_dict().items()}
    model = with_blur(model)
    assert model(torch.rand(2, 1, size, size)).shape == before
    assert not any(isinstance(each, nn.MaxPool2d) and each.stride > 1 for each in model.modules())
    for name, value in weights.items():
        assert name in model.state_dict()
        assert model.state_dict()[name].shape == value.shape


@pytest.mark.parametrize(("taps", "stride"), [(0, 2), (3, 0), (1.5, 2)])
def test_a_blur_without_taps_or_stride_is_refused(taps, stride):
    with pytest.raises(ValueError, match="must be a whole number"):
        BlurPool(taps, stride)
