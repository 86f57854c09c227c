"""The arithmetic of receptive fields against the pixels that have a gradient."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from course.representation.cnn import Conv4
from course.representation.receptive_field import Field, Window, gradient_map, receptive_fields, windows_of


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def linear(layers):
    """A network of positive kernels: no slope can cancel another."""
    model = nn.Sequential(*(nn.Conv2d(1, 1, k, s, p, d, bias=False) for k, s, p, d in layers)).double()
    for layer in model:
        nn.init.constant_(layer.weight, 1.0)
    return model


window = st.builds(Window, st.integers(1, 3), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2))


@settings(max_examples=60, deadline=None)
@given(layers=st.lists(window, min_size=1, max_size=4), size=st.integers(8, 24), data=st.data())
def test_the_pixels_with_a_gradient_are_those_of_the_arithmetic(layers, size, data):
    try:
        field = receptive_fields(layers, size)[-1]
    except ValueError:
        assume(False)
    place = data.draw(st.integers(0, field.outputs - 1))
    found = gradient_map(linear(layers), images(1, 1, size, size), (place, place))
    # the arithmetic names the ends; dilation and stride may leave holes between them
    inside = [pixel for pixel in field.pixels(place) if 0 <= pixel < size]
    seen = [pixel for pixel in range(size) if found[:, pixel].any()]
    assert set(seen) <= set(inside)
    assert seen == reachable(layers, size, place)


def reachable(layers, size, place):
    """The pixels behind one output, followed from layer to layer backwards."""
    counts = [size]
    for k, s, p, d in layers:
        counts.append((counts[-1] + 2 * p - d * (k - 1) - 1) // s + 1)
    seen = {place}
    for (k, s, p, d), count in zip(reversed(layers), reversed(counts[:-1]), strict=True):
        seen = {s * i + d * m - p for i in seen for m in range(k)}
        seen = {pixel for pixel in seen if 0 <= pixel < count}
    return sorted(seen)


@settings(max_examples=40, deadline=None)
@given(
    layers=st.lists(st.builds(lambda k, s: Window(k, s), st.integers(1, 4), st.integers(1, 2)), min_size=1, max_size=4),
    place=st.integers(0, 3),
)
def test_without_padding_the_ends_are_exact(layers, place):
    try:
        field = receptive_fields(layers, 60)[-1]
    except ValueError:
        assume(False)
    assume(place < field.outputs)
    reached = reachable(layers, 60, place)
    assert (reached[0], reached[-1]) == (field.pixels(place)[0], field.pixels(place)[-1])


def test_two_layers_by_hand():
    """A 3 × 3 convolution sees 3 pixels; a second one with stride 2 after it sees 5, two pixels apart."""
    fields = receptive_fields([Window(3), Window(3, stride=2)], 9)
    assert fields[1:] == [Field(3, 1, 1.0, 7), Field(5, 2, 2.0, 3)]
    assert list(fields[2].pixels(1)) == [2, 3, 4, 5, 6]


def test_the_windows_of_conv4():
    found = windows_of(Conv4(5, filters=2))
    assert found == [Window(3, 1, 1), Window(2, 2)] * 4
    assert receptive_fields(found, 28)[-1] == Field(46, 16, 7.5, 1)


def test_through_max_pooling_the_field_of_conv4_s_first_blocks_is_the_arithmetic_s():
    model = Conv4(5, filters=4, averages=True, generator=torch.Generator().manual_seed(0)).double().eval()
    two = nn.Sequential(model.block1, model.block2)
    field = receptive_fields(windows_of(two), 28)[-1]
    found = gradient_map(two, images(200, 1, 28, 28), (3, 4))
    for axis, place in ((1, 3), (0, 4)):
        assert found.sum(axis).nonzero().flatten().tolist() == list(field.pixels(place))


def test_the_statistics_of_a_batch_let_every_output_see_every_pixel():
    model = Conv4(5, filters=4, generator=torch.Generator().manual_seed(0)).double()
    found = gradient_map(nn.Sequential(model.block1), images(8, 1, 28, 28), (3, 4))
    assert found.min() > 0


def test_windows_that_have_no_single_side_are_refused():
    with pytest.raises(ValueError, match="not square"):
        windows_of(nn.Sequential(nn.Conv2d(1, 1, (3, 1))))
    with pytest.raises(ValueError, match="adaptive"):
        windows_of(nn.Sequential(nn.AdaptiveAvgPool2d(1)))


def test_a_window_larger_than_what_is_left_is_refused():
    with pytest.raises(ValueError, match="spans 3 pixels, the padded image has 2"):
        receptive_fields([Window(2, 2), Window(3)], 4)
