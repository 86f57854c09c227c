"""Attention against its definition and torch's fused form, and what a transformer can and cannot tell."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course.representation.transformer import (
    Encoder,
    EncoderBlock,
    SelfAttention,
    attention,
    initialise,
    key_mask,
    sinusoidal_positions,
    warmed_up_adamw,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def encoder(seed=0, scale=0.3, **options):
    sizes = {"layers": 2, "width": 12, "heads": 3, "hidden": 20}
    model = Encoder(**sizes | options).double()
    initialise(model, generator(seed), scale)
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator(seed))
    return model


# --- attention


def test_three_tokens_by_hand():
    """One query that agrees with the first key by ln 2 more than with the others: shares 2 : 1 : 1."""
    query, key = torch.tensor([[math.log(2.0)]]), torch.tensor([[1.0], [0.0], [0.0]])
    value = torch.tensor([[4.0, 0.0], [0.0, 4.0], [0.0, 8.0]])
    mixed, weights = attention(query, key, value)
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.25, 0.25]]))
    torch.testing.assert_close(mixed, torch.tensor([[2.0, 3.0]]))


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 5), m=st.integers(1, 6), d=st.integers(1, 7), seed=st.integers(0, 1000), hide=st.booleans())
def test_attention_is_its_definition_entry_by_entry(n, m, d, seed, hide):
    query, key, value = numbers(n, d, seed=seed), numbers(m, d, seed=seed + 1), numbers(m, 3, seed=seed + 2)
    mask = torch.rand(n, m, generator=generator(seed)) < 0.5 if hide else torch.ones(n, m, dtype=torch.bool)
    mask[:, seed % m] = True
    mixed, weights = attention(query, key, value, mask)
    for i in range(n):
        seen = [j for j in range(m) if mask[i, j]]
        shares = {j: math.exp(sum(a * b for a, b in zip(query[i], key[j], strict=True)) / math.sqrt(d)) for j in seen}
        for j in range(m):
            assert weights[i, j].item() == pytest.approx(shares.get(j, 0) / sum(shares.values()), abs=1e-12)
        expected = sum(shares[j] * value[j] for j in seen) / sum(shares.values())
        torch.testing.assert_close(mixed[i], expected)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("pre_norm", [False, True])
def test_fused_and_explicit_attention_agree_in_values_and_gradients(masked, pre_norm):
    model, x = encoder(pre_norm=pre_norm), numbers(4, 6, 12).requires_grad_()
    mask = key_mask(torch.arange(6) < torch.tensor([[6], [1], [3], [5]])) if masked else None
    fused, explicit = model(x, mask), model.trace(x, mask).hidden[-1]
    torch.testing.assert_close(fused, explicit, rtol=0, atol=1e-12)
    inputs = [x, *model.parameters()]
    for mine, other in zip(*(torch.autograd.grad(out.sin().sum(), inputs) for out in (fused, explicit)), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-11)


def test_it_is_torch_s_own_multi_head_attention():
    own, torchs = SelfAttention(12, 3).double(), nn.MultiheadAttention(12, 3, batch_first=True).double()
    with torch.no_grad():
        for mine, theirs in (
            (own.project.weight, torchs.in_proj_weight), (own.project.bias, torchs.in_proj_bias),
            (own.output.weight, torchs.out_proj.weight), (own.output.bias, torchs.out_proj.bias),
        ):  # fmt: skip
            mine.copy_(theirs.normal_(generator=generator(mine.numel())))
    x, real = numbers(2, 5, 12), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]).bool()
    expected, weights = torchs(x, x, x, key_padding_mask=~real, average_attn_weights=False)
    found = own(x, key_mask(real), explicit=True)
    torch.testing.assert_close(found[0], expected)
    torch.testing.assert_close(found[1], weights)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_block_is_torch_s_own_encoder_layer(norm_first):
    own = EncoderBlock(12, 3, 20, pre_norm=norm_first).double()
    options = {"norm_first": norm_first, "activation": "gelu", "layer_norm_eps": 1e-12, "dropout": 0.0}
    torchs = nn.TransformerEncoderLayer(12, 3, 20, batch_first=True, **options).double().train()
    pairs = {
        own.attention.output: torchs.self_attn.out_proj, own.network[0]: torchs.linear1, own.network[2]: torchs.linear2,
        own.attention_norm: torchs.norm1, own.network_norm: torchs.norm2,
    }  # fmt: skip
    with torch.no_grad():
        for mine, theirs in pairs.items():
            for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
                a.copy_(b.add_(0.1 * torch.randn(b.shape, generator=generator(b.numel()), dtype=b.dtype)))
        own.attention.project.weight.copy_(torchs.self_attn.in_proj_weight)
        own.attention.project.bias.copy_(torchs.self_attn.in_proj_bias)
    x = numbers(2, 5, 12)
    torch.testing.assert_close(own(x)[0], torchs(x))


def test_weights_are_shares_and_hidden_tokens_get_none():
    trace = encoder().trace(numbers(2, 5, 12), key_mask(torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 0]]).bool()))
    for weights in trace.weights:
        assert weights.shape == (2, 3, 5, 5)
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5).double())
        assert not weights[1, :, :, [1, 3, 4]].any()


# --- what order does


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 8), seed=st.integers(0, 1000), pre_norm=st.booleans())
def test_without_positions_the_encoder_does_not_see_the_order(length, seed, pre_norm):
    model, x = encoder(seed, pre_norm=pre_norm), numbers(2, length, 12, seed=seed)
    order = torch.randperm(length, generator=generator(seed))
    torch.testing.assert_close(model(x[:, order]), model(x)[:, order], rtol=0, atol=1e-12)


def test_with_positions_it_does():
    model, x, order = encoder(), numbers(1, 5, 12), torch.tensor([1, 0, 2, 3, 4])
    positions = sinusoidal_positions(5, 12).double()
    assert (model(x[:, order] + positions) - model(x + positions)[:, order]).abs().max() > 0.1


def test_sinusoids_turn_by_the_same_angle_wherever_one_starts():
    positions = sinusoidal_positions(50, 16).double().unflatten(1, (8, 2))
    assert torch.equal(positions[0, :, 1], torch.ones(8).double())
    for step in (1, 7):
        here, there = positions[:-step], positions[step:]
        cosine, sine = (here * there).sum(-1), here[..., 1] * there[..., 0] - here[..., 0] * there[..., 1]
        torch.testing.assert_close(cosine, cosine[:1].expand_as(cosine), rtol=0, atol=1e-6)
        torch.testing.assert_close(sine, sine[:1].expand_as(sine), rtol=0, atol=1e-6)
    torch.testing.assert_close(positions[3, 0, 0].item(), math.sin(3), rtol=0, atol=1e-7)
    torch.testing.assert_close(positions[3, 1, 1].item(), math.cos(3 * 10_000 ** (-2 / 16)), rtol=0, atol=1e-7)


# --- why the square root, why the norms


@pytest.mark.parametrize("d", [1, 16, 256])
def test_the_square_root_keeps_the_variance_of_scores_at_one(d):
    query, key = numbers(20_000, d), numbers(20_000, d, seed=1)
    raw = (query * key).sum(1)
    assert raw.var().item() == pytest.approx(d, rel=0.05)
    assert (raw / math.sqrt(d)).var().item() == pytest.approx(1, rel=0.05)


def test_without_the_square_root_the_softmax_saturates_and_its_gradient_vanishes():
    """The derivative of the softmax is diag(a) - a a^T; its largest entries tell how much a score still matters."""

    def slope(scale):
        scores = numbers(200, 8, 256) @ numbers(200, 256, 8, seed=1) * scale
        weights = scores.softmax(-1)
        return (weights * (1 - weights)).mean()

    assert slope(256**-0.5) > 3 * slope(1.0)


def last_gradient(pre_norm, layers):
    """The norm of the loss's gradient with respect to the last block's weights, untrained."""
    model = Encoder(layers, width=64, heads=4, hidden=256, pre_norm=pre_norm).double()
    initialise(model, generator(), 0.2)
    (model(numbers(8, 10, 64)) * numbers(8, 10, 64, seed=1)).mean().backward()
    return torch.cat([p.grad.flatten() for p in model.blocks[-1].parameters()]).norm().item()


def test_at_the_start_depth_shrinks_the_last_gradient_of_pre_norm_and_not_that_of_post_norm():
    """Xiong et al., On layer normalization in the transformer architecture (2020): by the square root of the depth."""
    shallow, deep = ([last_gradient(pre_norm, layers) for pre_norm in (False, True)] for layers in (2, 18))
    assert deep[0] / shallow[0] > 0.55
    assert deep[1] / shallow[1] == pytest.approx(1 / 3, abs=0.15)


# --- bad input, modes, devices


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 5}, "5 heads cannot share a width of 12"),
        ({"heads": 0}, "heads must be a whole number of at least 1, got 0"),
        ({"layers": 0}, "layers must be a whole number of at least 1, got 0"),
        ({"hidden": 2.5}, "hidden must be a whole number of at least 1, got 2.5"),
    ],
)
def test_sizes_that_make_no_encoder_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        encoder(**options)


@pytest.mark.parametrize(("arguments", "message"), [((0, 4), "length"), ((3, 0), "width"), ((3, 5), "even, got 5")])
def test_sizes_that_make_no_positions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        sinusoidal_positions(*arguments)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_dropout_acts_in_training_mode_only(pre_norm):
    model, plain, x = encoder(dropout=0.5, pre_norm=pre_norm), encoder(pre_norm=pre_norm), numbers(2, 5, 12)
    torch.testing.assert_close(model.eval()(x), plain(x))
    model.train()
    assert not torch.allclose(model(x), plain(x))
    model(x.requires_grad_()).sum().backward()
    assert x.grad.isfinite().all()


def test_initial_weights_are_normal_and_biases_zero():
    model = nn.ModuleList([nn.Linear(300, 200), nn.Embedding(500, 100)])
    initialise(model, generator(), 0.02)
    for layer in model:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
        assert abs(layer.weight.mean().item()) < 1e-3
    assert not model[0].bias.any()


@pytest.mark.gpu
def test_a_gpu_computes_the_same():
    model, x = encoder(), numbers(3, 6, 12)
    mask = key_mask(torch.arange(6) < torch.tensor([[6], [2], [4]]))
    expected = model(x, mask)
    model.cuda()
    torch.testing.assert_close(model(x.cuda(), mask.cuda()).cpu(), expected)
    torch.testing.assert_close(model.trace(x.cuda(), mask.cuda()).hidden[-1].cpu(), expected)


@pytest.mark.parametrize("pre_norm", [True, False])
@pytest.mark.parametrize("masked", ["all", "padding", "by row"])
def test_the_first_token_alone_is_the_first_of_all(pre_norm, masked):
    encoder, x = Encoder(3, 8, 2, 16, pre_norm=pre_norm).double(), torch.randn(2, 5, 8, dtype=torch.float64)
    mask = {
        "all": None,
        "padding": key_mask(torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()),
        "by row": torch.ones(5, 5).tril().bool() | torch.eye(5).flip(0).bool(),
    }[masked]
    torch.testing.assert_close(encoder.first(x, mask), encoder(x, mask)[:, 0])


def test_the_rate_rises_and_falls_and_only_matrices_decay():
    model = torch.nn.Linear(3, 2)
    optimizer, scheduler = warmed_up_adamw(model, steps=10, rate=2.0, weight_decay=0.1, warm_up=0.2)
    rates = []
    for _ in range(10):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:2] == [1.0, 2.0] and rates == [1.0, *sorted(rates[1:], reverse=True)] and 0 < rates[-1] < 0.3
    decays = {p: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {model.weight: 0.1, model.bias: 0.0}
