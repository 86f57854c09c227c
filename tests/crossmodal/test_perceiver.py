"""Latent queries read any number of tokens, in any order, of any modalities."""

import pytest
import torch

from course.crossmodal.fusion_kinds import weights_of
from course.crossmodal.perceiver import Perceiver
from course.representation.transformer import attention

SIZES = {"image": 3, "sound": 2, "text": 4}


def model(latents=4):
    return Perceiver(SIZES, 5, 8, latents, generator=torch.Generator().manual_seed(0)).double()


def tokens(**counts):
    generator = torch.Generator().manual_seed(1)
    return {
        name: torch.randn(6, count, SIZES[name], generator=generator, dtype=torch.float64)
        for name, count in counts.items()
    }


def test_any_modalities_in_any_numbers_are_read_by_the_same_weights():
    perceiver = model()
    for counts in ({"image": 1}, {"image": 7, "text": 2}, {"image": 1, "sound": 40, "text": 3}):
        assert perceiver(tokens(**counts)).shape == (6, 5)
    one, more = (weights_of(Perceiver(SIZES, 5, 8, latents)) for latents in (1, 4))
    assert more - one == 3 * 8


def test_neither_the_order_of_the_tokens_nor_of_the_modalities_matters():
    perceiver, x = model(), tokens(image=5, sound=3)
    turned = {"sound": x["sound"].flip(1), "image": x["image"].roll(2, 1)}
    torch.testing.assert_close(perceiver(x), perceiver(turned))


def test_it_is_the_formula_with_attention_written_out():
    perceiver, x = model(), tokens(image=5, sound=3)
    rows = torch.cat([perceiver.own[name](each) for name, each in x.items()], 1)
    keys, values = perceiver.keys_and_values(rows).chunk(2, -1)
    heads = [
        attention(perceiver.queries[:, h : h + 2], keys[..., h : h + 2], values[..., h : h + 2])[0]
        for h in range(0, 8, 2)
    ]
    latents = perceiver.encoder(perceiver.queries + torch.cat(heads, -1))
    torch.testing.assert_close(perceiver(x), perceiver.head(latents.mean(1)))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "got none"),
        ({"smell": torch.zeros(6, 1, 3)}, "are needed, got smell"),
        ({"image": torch.zeros(6, 3)}, r"image must be \[n, tokens, 3\]"),
        ({"image": torch.zeros(6, 2, 2)}, r"got \[6, 2, 2\]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        model()(inputs)


@pytest.mark.parametrize("width", [6, 0])
def test_a_width_that_four_heads_cannot_share_is_refused(width):
    with pytest.raises(ValueError, match="width"):
        Perceiver(SIZES, 5, width)
