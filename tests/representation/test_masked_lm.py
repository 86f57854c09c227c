"""Masking by its statistics, training, pseudo-perplexity by its definition, and the counting baselines."""

import json
import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation.bert import BertConfig, MaskedLM
from course.representation.masked_lm import (
    END,
    MASK,
    SPECIAL,
    START,
    Masking,
    blocks,
    fill_in,
    ngram_log_likelihoods,
    pseudo_log_likelihoods,
    train_masked_lm,
    train_wordpiece,
)

TEXTS = ["the cat sat on the mat", "a dog ran to the cat", "the bird sang", "The dogs, running: unhappily!"] * 5


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small(vocabulary=30, seed=0, dropout=0.0):
    config = BertConfig(vocabulary, width=16, layers=2, heads=2, hidden=32, positions=12, dropout=dropout)
    return MaskedLM(config, generator=generator(seed))


def rows(n=40, length=8, seed=0, vocabulary=30):
    tokens = torch.randint(5, vocabulary, (n, length), generator=generator(seed))
    tokens[:, 0], tokens[:, -1] = START, END
    return tokens


# --- tokens


def test_wordpiece_wraps_a_text_and_divides_rare_words():
    tokenizer = train_wordpiece(TEXTS, 60)
    encoded = tokenizer.encode("The cat ran")
    assert encoded.tokens == ["[CLS]", "the", "cat", "ran", "[SEP]"]
    assert [tokenizer.token_to_id(word) for word in SPECIAL] == [0, 1, 2, 3, 4]
    assert tokenizer.encode("catdog").tokens[1].startswith("cat") and tokenizer.encode("catdog").tokens[2][:2] == "##"
    assert tokenizer.encode("cat [MASK]").ids[2] == MASK
    assert tokenizer.encode("猫").tokens == ["[CLS]", "[UNK]", "[SEP]"]
    assert tokenizer.encode("Thé CÀT").tokens == ["[CLS]", "the", "cat", "[SEP]"]
    assert tokenizer.get_vocab_size() == 60
    assert train_wordpiece(TEXTS, 60, letters=10).encode("pat:").tokens[1] == "[UNK]", "p and : are too rare"


def test_the_same_texts_give_the_same_vocabulary_in_another_process():
    code = (
        "import sys, json; from course.representation.masked_lm import train_wordpiece; "
        "print(json.dumps(train_wordpiece(json.load(sys.stdin), 60).get_vocab()))"
    )
    given_texts = json.dumps(TEXTS)
    done = subprocess.run([sys.executable, "-c", code], input=given_texts, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == train_wordpiece(TEXTS, 60).get_vocab()


@settings(max_examples=30, deadline=None)
@given(length=st.integers(3, 12), count=st.integers(1, 8))
def test_blocks_hold_the_texts_one_after_another(length, count):
    tokenizer = train_wordpiece(TEXTS, 60)
    chosen = (TEXTS * 2)[:count]
    stream = [token for text in chosen for token in [*tokenizer.encode(text).ids[1:-1], END]]
    if len(stream) < length - 2:
        with pytest.raises(ValueError, match=f"the texts have {len(stream)} tokens, one row needs {length - 2}"):
            blocks(chosen, tokenizer, length)
        return
    found = blocks(chosen, tokenizer, length)
    assert found.shape == (len(stream) // (length - 2), length)
    assert (found[:, 0] == START).all() and (found[:, -1] == END).all()
    assert found[:, 1:-1].flatten().tolist() == stream[: found[:, 1:-1].numel()]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train_wordpiece(TEXTS, 20), "vocabulary must be a whole number of at least 47, got 20"),
        (lambda: train_wordpiece("the cat", 60), "several strings, got one"),
        (lambda: blocks(TEXTS, train_wordpiece(TEXTS, 60), 2), "length must be a whole number of at least 3, got 2"),
        (lambda: blocks([], train_wordpiece(TEXTS, 60), 8), "the texts have 0 tokens, one row needs 6"),
    ],
)
def test_texts_that_make_no_rows_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- masking


def test_the_shares_of_the_paper():
    tokens, masking = rows(4000, 20, vocabulary=1000), Masking(1000)
    read, chosen = masking(tokens, np.random.default_rng(0))
    ordinary = tokens[:, 1:-1].numel()
    n = int(chosen.sum())
    assert abs(n / ordinary - 0.15) < 4 * math.sqrt(0.15 * 0.85 / ordinary)
    masked, kept = read[chosen] == MASK, read[chosen] == tokens[chosen]
    changed = ~masked & ~kept
    # a random token is the old one with probability 1 / 995
    expected = {0.8: masked, 0.1 + 0.1 / 995: kept, 0.1 - 0.1 / 995: changed}
    for share, found in expected.items():
        assert abs(found.double().mean().item() - share) < 4 * math.sqrt(share * (1 - share) / n), share
    assert torch.equal(read[~chosen], tokens[~chosen])
    drawn = torch.bincount(read[chosen][changed], minlength=1000)
    assert not drawn[:5].any()
    statistic = ((drawn[5:] - drawn.sum() / 995).square() / (drawn.sum() / 995)).sum().item()
    assert abs(statistic - 994) < 5 * math.sqrt(2 * 994), "random tokens are uniform"


@settings(max_examples=40, deadline=None)
@given(
    share=st.floats(0.01, 1), masked=st.floats(0, 1), random=st.floats(0, 1), seed=st.integers(0, 100),
    n=st.integers(1, 9),
)  # fmt: skip
def test_special_tokens_are_never_chosen_and_the_others_may_all_be(share, masked, random, seed, n):
    if masked + random > 1:
        masked, random = masked / 2, random / 2
    tokens, masking = rows(n, seed=seed), Masking(30, share=share, masked=masked, random=random)
    tokens[:, -2] = 0
    before = tokens.clone()
    read, chosen = masking(tokens, np.random.default_rng(seed))
    again, same = masking(tokens, np.random.default_rng(seed))
    assert torch.equal(read, again) and torch.equal(chosen, same) and torch.equal(tokens, before)
    assert not chosen[tokens < 5].any()
    assert torch.equal(masking.hideable(tokens), tokens >= 5)
    if share == 1:
        assert torch.equal(chosen, tokens >= 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0.0}, "share=0.0 must be positive"),
        ({"share": 1.2}, "share is a probability, got 1.2"),
        ({"masked": -0.1}, "masked is a probability, got -0.1"),
        ({"masked": 0.8, "random": 0.3}, "at most 1 in all"),
        ({"vocabulary": 5}, "all 5 tokens are special"),
    ],
)
def test_maskings_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Masking(**{"vocabulary": 30} | options)


# --- training


def test_a_model_learns_a_text_that_determines_itself():
    """Every row counts upwards from a random number: the neighbours name the token."""
    start = torch.randint(5, 20, (200, 1), generator=generator())
    tokens = torch.cat([torch.full((200, 1), START), start + torch.arange(6), torch.full((200, 1), END)], 1)
    model, masking = small(), Masking(30)
    before = pseudo_log_likelihoods(model, tokens[:20], masking).mean()
    history = train_masked_lm(model, tokens, masking, steps=250, batch_size=64, rate=2e-2)
    after = pseudo_log_likelihoods(model, tokens[:20], masking).mean()
    assert before < -3 and after > -0.4
    assert len(history.train_loss) == 250


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    def weights(seed):
        model = small()
        train_masked_lm(model, rows(), Masking(30), steps=3, batch_size=8, seed=seed)
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(weights(0), weights(0)) and not torch.equal(weights(0), weights(1))


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    whole, parts = small(), small()
    options = {"steps": 6, "batch_size": 8, "seed": 1}
    train_masked_lm(whole, rows(), Masking(30), **options)

    class Killed(Exception):
        pass

    def kill():
        raise Killed

    with pytest.raises(Killed):
        train_masked_lm(
            parts, rows(), Masking(30), **options, checkpoint=tmp_path, checkpoint_every=3,
            validate=kill, validate_every=4,
        )  # fmt: skip
    parts = small(seed=5)
    train_masked_lm(
        parts, rows(), Masking(30), **options, checkpoint=tmp_path, checkpoint_every=3, resume=True,
        validate=lambda: {"loss": 0.0}, validate_every=4,
    )  # fmt: skip
    for mine, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(mine, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps must be a whole number"),
        ({"rate": 0.0}, "rate=0.0 must be positive"),
        ({"warm_up": 1.0}, "warm_up=1.0 a share below 1"),
        ({"batch_size": 41}, "size must be a whole number from 1 to 40, got 41"),
    ],
)
def test_options_that_cannot_train_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        train_masked_lm(small(), rows(), Masking(30), **{"steps": 2} | options)


def test_a_step_that_hides_nothing_says_so():
    only_special = torch.full((4, 6), END)
    with pytest.raises(ValueError, match="step 0 hides none of 24 tokens"):
        train_masked_lm(small(), only_special, Masking(30), steps=1, batch_size=4)


# --- scoring


def test_pseudo_perplexity_is_its_definition():
    model, tokens = small().double(), rows(5)
    tokens[2, 5:] = torch.tensor([END, 0, 0])
    found = pseudo_log_likelihoods(model, tokens, Masking(30), batch_size=7)
    expected = []
    for row in tokens:
        for position, token in enumerate(row):
            if token >= 5:
                hidden = row.clone()
                hidden[position] = MASK
                expected.append(model(hidden[None])[0, position].log_softmax(0)[token])
    torch.testing.assert_close(found, torch.stack(expected))


def test_scoring_leaves_dropout_out_and_the_mode_as_it_was():
    model = small(dropout=0.5).train()
    first, again = (pseudo_log_likelihoods(model, rows(3), Masking(30)) for _ in range(2))
    assert torch.equal(first, again) and model.training


def test_fill_in_names_the_most_probable_tokens_of_each_gap():
    tokenizer = train_wordpiece(TEXTS, 60)
    model = small(tokenizer.get_vocab_size()).eval()
    found = fill_in(model, tokenizer, "the [MASK] sat on a [MASK]", count=3)
    assert len(found) == 2 and all(len(gap) == 3 for gap in found)
    tokens = torch.tensor([tokenizer.encode("the [MASK] sat on a [MASK]").ids])
    shares = model(tokens)[0, 2].softmax(0)
    name, share = found[0][0]
    assert tokenizer.token_to_id(name) == shares.argmax() and share == pytest.approx(shares.max().item(), rel=1e-5)
    with pytest.raises(ValueError, match=r"no \[MASK\] in 'the cat'"):
        fill_in(model, tokenizer, "the cat")


# --- counting


def test_the_baselines_are_their_formulas_entry_by_entry():
    train, test, vocabulary = rows(30, 7, 1, 9), rows(3, 6, 2, 9), 9
    found = ngram_log_likelihoods(train, test, vocabulary)
    n = train.numel()
    single = [((train == w).sum().item() + 1) / (n + vocabulary) for w in range(vocabulary)]
    pairs = [(a, b) for row in train.tolist() for a, b in pairwise(row)]

    def follow(before, word):
        count, kinds = sum(a == before for a, _ in pairs), max(1, len({b for a, b in pairs if a == before}))
        return (pairs.count((before, word)) + kinds * single[word]) / (count + kinds)

    for i, row in enumerate(test.tolist()):
        for j in range(1, 5):
            u, w, v = row[j - 1 : j + 2]
            assert found["unigram"][i, j - 1].item() == pytest.approx(math.log(single[w]))
            assert found["bigram"][i, j - 1].item() == pytest.approx(math.log(follow(u, w)))
            both = [follow(u, word) * follow(word, v) for word in range(vocabulary)]
            assert found["both neighbours"][i, j - 1].item() == pytest.approx(math.log(both[w] / sum(both)))
    for word in range(vocabulary):
        assert sum(follow(word, other) for other in range(vocabulary)) == pytest.approx(1)


@pytest.mark.gpu
def test_a_gpu_trains_and_scores_alike():
    losses, scores = [], []
    for device in ("cpu", "cuda"):
        model = small().double().to(device)
        history = train_masked_lm(model, rows(), Masking(30), steps=5, batch_size=8)
        losses.append(torch.tensor(history.train_loss))
        scores.append(pseudo_log_likelihoods(model, rows(4).to(device), Masking(30)).cpu())
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*scores)
