"""WaveNet: the formulas by loops, exactly the past that is claimed, and what is said conditions it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course.representation.wavenet import GatedLayer, WaveNet, causal, receptive_field


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def model(dilations=(1, 2, 4), **options):
    return WaveNet(dilations, **{"width": 5, "skip": 7, "codes": 16, "generator": generator()} | options).double()


def codes(n=2, length=30, most=16):
    return torch.randint(most, (n, length), generator=generator(1))


def test_a_causal_convolution_is_its_formula():
    conv = nn.Conv1d(2, 3, 3, dilation=4).double()
    x = torch.randn(1, 2, 20, generator=generator(), dtype=torch.float64)
    y = causal(conv, x)
    for t in range(20):
        expected = conv.bias.clone()
        for i in range(3):
            if t - (2 - i) * 4 >= 0:
                expected = expected + conv.weight[:, :, i] @ x[0, :, t - (2 - i) * 4]
        assert torch.allclose(y[0, :, t], expected)


def test_a_layer_is_its_formula():
    layer = GatedLayer(3, 4, 2, 1).double()
    h, condition = torch.randn(2, 3, 8).double(), torch.randn(2, 6, 1).double()
    out, skipped = layer(h, condition)
    before = torch.cat([torch.zeros(2, 3, 1).double(), h[..., :-1]], -1)
    both = torch.einsum("oc,nct->not", layer.dilated.weight[..., 0], before)
    both = both + torch.einsum("oc,nct->not", layer.dilated.weight[..., 1], h) + layer.dilated.bias[:, None] + condition
    z = both[:, :3].tanh() / (1 + (-both[:, 3:]).exp())
    split = torch.einsum("oc,nct->not", layer.split.weight[..., 0], z) + layer.split.bias[:, None]
    assert torch.allclose(out, h + split[:, :3]) and torch.allclose(skipped, split[:, 3:])


@settings(max_examples=15, deadline=None)
@given(dilations=st.lists(st.integers(1, 6), min_size=1, max_size=4), kernel=st.integers(2, 3))
def test_a_score_depends_on_exactly_as_many_samples_as_the_reach(dilations, kernel):
    wavenet = model(dilations, kernel=kernel, skip=64)  # with few channels every ReLU may be 0, whatever the input
    reach = receptive_field(dilations, kernel)
    assert wavenet.reach == reach
    length = reach + 5
    x = codes(1, length)
    last = wavenet(x)[0, -1]
    for back in (0, 1, reach, reach + 1):  # 0 is the sample itself
        other = x.clone()
        other[0, length - 1 - back] = (other[0, length - 1 - back] + 5) % 16
        assert torch.equal(wavenet(other)[0, -1], last) == (back in (0, reach + 1)), back


def test_before_the_beginning_there_is_silence_and_a_part_can_be_scored_alone():
    wavenet, x = model(), codes()
    whole = wavenet(x)
    silent = torch.cat([torch.full((2, 40), 8), x], 1)
    assert torch.allclose(wavenet(silent)[:, 40:], whole)
    inputs = silent[:, 40 - wavenet.reach : -1]
    assert torch.allclose(wavenet.scores(inputs, last=30), whole)
    assert torch.allclose(wavenet.scores(inputs, last=4), whole[:, -4:])


def test_a_condition_moves_the_scores_of_its_own_row_only():
    wavenet, x = model(conditions=(3, 2)), codes()
    first = wavenet(x, torch.tensor([[0, 1], [2, 0]]))
    second = wavenet(x, torch.tensor([[0, 1], [1, 0]]))
    assert torch.equal(first[0], second[0]) and not torch.allclose(first[1], second[1])


def test_weights_come_from_the_generator_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, other = model(), model(), model(generator=generator(9))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.embedding.weight, other.embedding.weight)
    near = first.embedding.weight.diff(dim=0).norm(dim=1).mean()
    assert near < 0.5 * torch.cdist(first.embedding.weight, first.embedding.weight).mean()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: WaveNet([]), "at least one layer"),
        (lambda: WaveNet([1, 0]), "a dilation must be a whole number of at least 1, got 0"),
        (lambda: WaveNet([1], kernel=1), "kernel must be a whole number of at least 2, got 1"),
        (lambda: WaveNet([1], conditions=(0,)), "a number of conditions must be a whole number"),
        (lambda: model(conditions=(3,))(codes()), r"needs conditions \[2, 1\], got none"),
        (lambda: model(conditions=(3,))(codes(), torch.zeros(2, 2).long()), r"needs conditions \[2, 1\], got \[2, 2\]"),
        (lambda: model()(codes(), torch.zeros(2, 1).long()), r"needs conditions \[2, 0\], got \[2, 1\]"),
        (
            lambda: model(conditions=(3,))(codes(), torch.tensor([[0], [3]])),
            "condition 0 must be from 0 to 2, got 0 to 3",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
