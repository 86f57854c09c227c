"""Three forms of a convolution, and its gradients, against torch, by hand, and over random strides and groups."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import correlate2d

from course.representation.convolution import (
    conv2d_by_definition,
    conv2d_by_fft,
    conv2d_by_im2col,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    im2col,
    output_size,
    spread,
)

FORMS = [conv2d_by_definition, conv2d_by_im2col, conv2d_by_fft]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@st.composite
def layers(draw):
    """Images, weights, bias and options of a layer that has an output."""
    groups, per_group, filters = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    sides, kernel = ([draw(st.integers(1, most)) for _ in range(2)] for most in (7, 3))
    options = {
        name: (draw(st.integers(least, most)), draw(st.integers(least, most)))
        for name, least, most in (("stride", 1, 3), ("padding", 0, 2), ("dilation", 1, 2))
    }
    spans = [d * (k - 1) + 1 for d, k in zip(options["dilation"], kernel, strict=True)]
    assume(all(n + 2 * p >= span for n, p, span in zip(sides, options["padding"], spans, strict=True)))
    seed, n = draw(st.integers(0, 100)), draw(st.integers(1, 2))
    x = numbers(n, groups * per_group, *sides, seed=seed)
    weight, bias = (
        numbers(groups * filters, per_group, *kernel, seed=seed + 1),
        numbers(groups * filters, seed=seed + 2),
    )
    return x, weight, draw(st.sampled_from([bias, None])), options | {"groups": groups}


@every_form
@settings(max_examples=40, deadline=None)
@given(layer=layers())
def test_each_form_is_torch_s_in_value_and_gradients(form, layer):
    x, weight, bias, options = layer
    inputs = [each.requires_grad_() for each in (x, weight, bias) if each is not None]
    found, expected = form(x, weight, bias, **options), F.conv2d(x, weight, bias, **options)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    slope = numbers(*expected.shape, seed=7)
    for mine, theirs in zip(*(torch.autograd.grad(h, inputs, slope) for h in (found, expected)), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(layer=layers())
def test_the_derived_gradients_are_those_of_autograd(layer):
    x, weight, _, options = layer
    x.requires_grad_(), weight.requires_grad_()
    out = F.conv2d(x, weight, **options)
    slope = numbers(*out.shape, seed=7)
    of_x, of_weight = torch.autograd.grad(out, (x, weight), slope)
    mine = conv2d_input_gradient(slope, weight.detach(), x.shape[2:], **options)
    torch.testing.assert_close(mine, of_x, rtol=1e-10, atol=1e-10)
    mine = conv2d_weight_gradient(x.detach(), slope, weight.shape[2:], **options)
    torch.testing.assert_close(mine, of_weight, rtol=1e-10, atol=1e-10)


@every_form
def test_by_hand_and_it_is_a_cross_correlation(form):
    """The kernel (1, 2) over the row 1, 0, 3: windows (1, 0) and (0, 3). A convolution would turn the kernel around."""
    row, kernel = torch.tensor([[[[1.0, 0.0, 3.0]]]]), torch.tensor([[[[1.0, 2.0]]]])
    torch.testing.assert_close(form(row, kernel), torch.tensor([[[[1.0, 6.0]]]]))


@every_form
def test_scipy_s_correlation_is_the_same(form):
    x, weight = numbers(9, 8), numbers(3, 4, seed=1)
    expected = correlate2d(x.numpy(), weight.numpy(), mode="valid")
    torch.testing.assert_close(form(x[None, None], weight[None, None])[0, 0], torch.from_numpy(expected))


@every_form
def test_the_type_is_kept(form):
    assert form(torch.rand(1, 1, 5, 5), torch.rand(1, 1, 3, 3), torch.rand(1)).dtype == torch.float32


def test_im2col_is_torch_s_unfold():
    x, options = numbers(2, 3, 8, 9), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}
    torch.testing.assert_close(im2col(x, (3, 2), **options), F.unfold(x, (3, 2), **options))


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 30), kernel=st.integers(1, 5), stride=st.integers(1, 4), padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)  # fmt: skip
def test_the_output_size_counts_the_places_where_the_kernel_fits(size, kernel, stride, padding, dilation):
    last = size + 2 * padding - dilation * (kernel - 1)  # the places where its first weight may lie are below
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    if last > 0:
        assert output_size(size, kernel, **options) == len(range(0, last, stride))
    else:
        with pytest.raises(ValueError, match="spans"):
            output_size(size, kernel, **options)


@pytest.mark.parametrize("name", ["kernel", "stride", "padding", "dilation", "size"])
@pytest.mark.parametrize("value", [-1, 1.5, True])
def test_what_is_no_size_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        output_size(**{"size": 5, "kernel": 3} | {name: value})


def test_zeros_between():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    expected = torch.tensor([[1.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 4.0]])
    torch.testing.assert_close(spread(x, (2, 3)), expected)


@every_form
@pytest.mark.parametrize(
    ("x", "weight", "options", "said"),
    [
        ((5, 5), (1, 1, 3, 3), {}, r"got images \[5, 5\]"),
        ((1, 1, 5, 5), (3, 3), {}, r"weights \[3, 3\]"),
        ((0, 1, 5, 5), (1, 1, 3, 3), {}, "at least one of each"),
        ((1, 2, 5, 5), (1, 1, 3, 3), {}, "in 1 groups do not fit"),
        ((1, 2, 5, 5), (3, 1, 3, 3), {"groups": 2}, "multiple of the groups"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"groups": 0}, "groups must be"),
        ((1, 1, 2, 5), (1, 1, 3, 3), {}, "spans 3 pixels, the padded image has 2"),
        ((1, 1, 5, 5), (1, 1, 3, 3), {"stride": 0}, "stride must be"),
    ],
)
def test_what_does_not_fit_is_refused(form, x, weight, options, said):
    with pytest.raises(ValueError, match=said):
        form(torch.zeros(x), torch.zeros(weight), **options)


@every_form
def test_a_bias_of_another_length_is_refused(form):
    with pytest.raises(ValueError, match=r"bias must be \[2\]"):
        form(torch.zeros(1, 1, 5, 5), torch.zeros(2, 1, 3, 3), torch.zeros(3))


@pytest.mark.gpu
@every_form
def test_a_gpu_computes_the_same(form):
    x, weight = numbers(2, 2, 6, 6), numbers(3, 2, 3, 3, seed=1)
    torch.testing.assert_close(form(x.cuda(), weight.cuda(), padding=1).cpu(), form(x, weight, padding=1))
