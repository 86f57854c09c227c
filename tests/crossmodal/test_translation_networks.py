"""Translators and critics of patches: shapes, what a score sees, and that an answer does not depend on its company."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course.crossmodal.translation_networks import PatchCritic, Translator


def made(kind, **options):
    return kind(**options, generator=torch.Generator().manual_seed(0)).double()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 2), st.integers(4, 12), st.integers(1, 3))
def test_a_translator_keeps_the_shape_and_the_range(channels, width, blocks, half, n):
    x = torch.rand(n, channels, 2 * half, 2 * half, dtype=torch.float64)
    y = made(Translator, channels=channels, width=width, blocks=blocks)(x)
    assert y.shape == x.shape
    assert ((y > 0) & (y < 1)).all()


@pytest.mark.parametrize("kind", [Translator, PatchCritic])
def test_an_answer_does_not_depend_on_the_company(kind):
    network, x = made(kind, width=4), torch.rand(3, 1, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(network(x)[1:2], network(x[1:2]))


@pytest.mark.parametrize("kind", [Translator, PatchCritic])
def test_the_same_generator_gives_the_same_weights_and_leaves_the_global_one_alone(kind):
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    one, other = made(kind).state_dict(), made(kind).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(("halvings", "size"), [(1, 8), (2, 18), (3, 38)])
def test_a_score_sees_the_patch_that_is_computed_and_nothing_else(halvings, size):
    critic = made(PatchCritic, width=2, halvings=halvings)
    for number, layer in enumerate(critic):
        if isinstance(layer, nn.InstanceNorm2d):  # which looks at the whole picture, so that it is left out here
            critic[number] = nn.Identity()
    side = 64
    x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    scores = critic(x)
    middle = scores.shape[-1] // 2
    [slope] = torch.autograd.grad(scores[0, 0, middle, middle], x)
    seen = slope[0, 0].abs().amax(0).nonzero().flatten().tolist()
    field = critic.field(side)
    assert field.size == size
    assert seen == list(field.pixels(middle))


def test_an_untrained_translator_is_far_from_the_identity():
    x = torch.rand(8, 1, 16, 16, dtype=torch.float64).round()
    assert (made(Translator)(x) - x).abs().mean() > 0.3


@pytest.mark.parametrize("options", [{"width": 0}, {"channels": -1}, {"blocks": 1.5}])
def test_sizes_that_make_no_network_are_refused(options):
    with pytest.raises(ValueError, match="must be a whole number"):
        Translator(**options)
    with pytest.raises(ValueError, match="halvings must be a whole number of at least 1, got 0"):
        PatchCritic(halvings=0)
