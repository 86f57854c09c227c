"""Our BERT: what padding, segments and positions do, its gradients, its randomness, and what it refuses."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation.bert import Bert, BertConfig, MaskedLM
from course.representation.transformer import initialise

SMALL = {"vocabulary": 40, "width": 12, "layers": 2, "heads": 3, "hidden": 16, "positions": 12, "pooler": True}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(kind=Bert, seed=0, **options):
    model = kind(BertConfig(**SMALL | options), generator=generator(seed)).double().eval()
    initialise(model, generator(seed), 0.3)
    return model


def texts(n, length, seed=0, least=2):
    return torch.randint(least, 40, (n, length), generator=generator(seed))


# --- padding


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(1, 5), padding=st.integers(1, 5), seed=st.integers(0, 1000), pre_norm=st.booleans(),
    after_padding=st.booleans(), kind=st.sampled_from([Bert, MaskedLM]),
)  # fmt: skip
def test_padding_changes_no_output(length, padding, seed, pre_norm, after_padding, kind):
    model = small(kind, seed, pre_norm=pre_norm, after_padding=after_padding, padding=1)
    tokens = texts(3, length, seed)
    filled = F.pad(tokens, (0, padding), value=1)
    filled = torch.cat([filled, texts(1, length + padding, seed + 1)])  # a longer text beside them
    torch.testing.assert_close(model(filled)[:3, :length], model(tokens), rtol=0, atol=1e-12)


def test_what_the_mask_hides_changes_no_output_whatever_it_is():
    model, tokens = small(), texts(2, 6)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 0]]).bool()
    other = torch.where(mask, tokens, texts(2, 6, seed=9))
    assert not torch.equal(other, tokens)
    torch.testing.assert_close(model(other, mask)[mask], model(tokens, mask)[mask], rtol=0, atol=0)


def test_no_gradient_flows_into_padding():
    model, tokens = small(), torch.tensor([[5, 6, 7, 0, 0]])
    model(tokens)[0, :3].sum().backward()
    assert not model.tokens.weight.grad[0].any()
    assert model.tokens.weight.grad[5].any()


# --- what a token's vector depends on


def test_the_same_token_has_another_vector_in_another_sentence_and_all_others_have_a_say():
    model, tokens = small(), texts(1, 6)
    before = model(tokens)
    for position in range(6):
        changed = tokens.clone()
        changed[0, position] = (tokens[0, position] + 1 - 2) % 38 + 2
        assert ((model(changed) - before).abs().amax(2) > 1e-6).all()


@pytest.mark.parametrize("after_padding", [False, True])
def test_an_embedding_is_the_normed_sum_of_token_segment_and_position(after_padding):
    model = small(after_padding=after_padding, padding=1)
    tokens, segments = torch.tensor([[5, 6, 1]]), torch.tensor([[0, 1, 1]])
    where = torch.tensor([2, 3, 1] if after_padding else [0, 1, 2])
    total = model.tokens.weight[tokens[0]] + model.segments.weight[segments[0]] + model.positions.weight[where]
    torch.testing.assert_close(model.embed(tokens, segments)[0], F.layer_norm(total, (12,), eps=1e-12))
    assert torch.equal(model.embed(tokens), model.embed(tokens, torch.zeros_like(tokens)))


def test_a_trace_holds_every_layer_and_ends_with_the_output():
    model, tokens = small(), torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
    trace = model.trace(tokens)
    assert len(trace.hidden) == 3 and len(trace.weights) == 2
    torch.testing.assert_close(trace.hidden[0], model.embed(tokens))
    torch.testing.assert_close(trace.hidden[-1], model(tokens), rtol=0, atol=1e-12)


def test_the_pooler_is_a_layer_over_the_first_token():
    model = small()
    hidden = model(texts(2, 4))
    expected = (hidden[:, 0] @ model.pooler.weight.T + model.pooler.bias).tanh()
    torch.testing.assert_close(model.pooled(hidden), expected)
    with pytest.raises(ValueError, match="no pooler"):
        small(pooler=False).pooled(hidden)


# --- the head


def test_the_head_is_its_formula_and_shares_the_table_of_tokens():
    model, tokens = small(MaskedLM), texts(2, 5)
    hidden = model.bert(tokens)
    inner = F.layer_norm(F.gelu(hidden @ model.dense.weight.T + model.dense.bias), (12,), eps=1e-12)
    torch.testing.assert_close(model(tokens), inner @ model.bert.tokens.weight.T + model.bias)
    assert (
        sum(p.numel() for p in model.parameters())
        == sum(p.numel() for p in model.bert.parameters()) + 13 * 12 + 24 + 40
    )


def test_scores_at_chosen_positions_are_those_of_all_positions():
    model, tokens = small(MaskedLM), texts(3, 5)
    at = torch.rand(3, 5, generator=generator()) < 0.4
    torch.testing.assert_close(model(tokens, at=at), model(tokens)[at])


@pytest.mark.parametrize("pre_norm", [False, True])
def test_gradients_equal_central_differences(pre_norm):
    model, tokens = small(MaskedLM, pre_norm=pre_norm), torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
    at = torch.tensor([[0, 1, 0, 1], [1, 0, 0, 0]]).bool()

    def loss():
        return F.cross_entropy(model(tokens, at=at), tokens[at])

    parameters = [p for p in model.parameters() if p.requires_grad and p is not model.bert.pooler.weight]
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    for seed, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
        if gradient is None:  # the pooler has no part in this loss
            continue
        direction = torch.randn(parameter.shape, generator=generator(seed), dtype=torch.float64)
        values = []
        for step in (1e-5, -2e-5):
            parameter.data += step * direction
            values.append(loss().item())
        parameter.data += 1e-5 * direction
        assert (gradient * direction).sum().item() == pytest.approx((values[0] - values[1]) / 2e-5, abs=2e-9, rel=1e-6)


# --- randomness and sizes


@pytest.mark.parametrize("kind", [Bert, MaskedLM])
def test_the_generator_decides_the_weights_and_nothing_else_is_touched(kind):
    state = torch.get_rng_state()
    first, again, other = (kind(BertConfig(**SMALL), generator=generator(seed)) for seed in (3, 3, 4))
    for (name, value), same, different in zip(
        first.named_parameters(), again.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(value, same), name
        assert torch.equal(value, different) is (value.dim() == 1), name
    assert torch.equal(torch.get_rng_state(), state)


def test_the_paper_s_sizes():
    with torch.device("meta"):
        model = Bert(BertConfig.full())
    assert sum(p.numel() for p in model.parameters()) == 109_482_240
    assert BertConfig.quick(500).vocabulary == 500


# --- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary": 0}, "vocabulary must be a whole number of at least 1, got 0"),
        ({"segments": 1.5}, "segments must be a whole number"),
        ({"padding": 40}, "padding must be a whole number from 0 to 39, got 40"),
        ({"dropout": 1.0}, "dropout is a share from 0 to below 1, got 1.0"),
        ({"heads": 5}, "5 heads cannot share a width of 12"),
    ],
)
def test_sizes_that_make_no_bert_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


@pytest.mark.parametrize(
    ("tokens", "options", "message"),
    [
        (torch.zeros(2, 3), {}, r"int64 \[n, length\], got torch.float32 \[2, 3\]"),
        (torch.tensor([1, 2]), {}, r"got torch.int64 \[2\]"),
        (torch.zeros(0, 3, dtype=torch.int64), {}, r"got torch.int64 \[0, 3\]"),
        (torch.full((1, 13), 5), {}, "has 13 tokens, this BERT reads 12: cut the text"),
        (torch.tensor([[5, 40]]), {}, "from 0 to 39, got 5 to 40: is the tokenizer this model's own"),
        (torch.tensor([[-1, 4]]), {}, "got -1 to 4"),
        (torch.tensor([[5, 6], [0, 0]]), {}, "row 1 has nothing to read"),
        (torch.tensor([[5, 6]]), {"mask": torch.ones(1, 2)}, r"the mask must be bool \[1, 2\], got torch.float32"),
        (torch.tensor([[5, 6]]), {"mask": torch.ones(2, dtype=torch.bool)}, r"got torch.bool \[2\]"),
        (torch.tensor([[5, 6]]), {"segments": torch.tensor([0, 1])}, r"segments must have the shape of the tokens"),
    ],
)
def test_what_is_no_batch_of_texts_is_refused(tokens, options, message):
    with pytest.raises(ValueError, match=message):
        small()(tokens, **options)
    with pytest.raises(ValueError, match=message):
        small().trace(tokens, **options)


def test_positions_after_the_padding_leave_room_for_fewer_tokens():
    model = small(after_padding=True, padding=1)
    assert model.config.longest == 10
    assert model(texts(1, 10)).shape == (1, 10, 12)
    with pytest.raises(ValueError, match="has 11 tokens, this BERT reads 10"):
        model(texts(1, 11))


@pytest.mark.gpu
def test_a_gpu_computes_the_same():
    model, tokens = small(MaskedLM), torch.tensor([[5, 6, 7, 8], [9, 10, 0, 0]])
    expected = model(tokens)[:, :2]
    torch.testing.assert_close(model.cuda()(tokens.cuda())[:, :2].cpu(), expected)
