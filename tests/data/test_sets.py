"""What a loaded set is: how its examples are read, what it shows of itself, and which contradictions are refused."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.data import Corpus, EpisodeSampler, LabelledSet, LabelledTexts, Pairs, Sounds, Texts, WordPairs, load

NAMES = ("a", "b")
Y = torch.tensor([0, 0, 1, 1])
PICTURES = LabelledSet(torch.arange(64, dtype=torch.uint8).view(4, 1, 4, 4) * 4, Y, NAMES, NAMES, "pictures", full=255)
SOUNDS = Sounds(
    **{"x": torch.arange(20.0).view(4, 5), "y": Y, "classes": NAMES, "groups": NAMES, "name": "sounds", "rate": 8000},
    **{"lengths": torch.tensor([5, 4, 3, 1]), "speakers": torch.tensor([0, -1, 1, 0]), "speaker_names": ("A", "B")},
)
PAIRS = Pairs(PICTURES.x, SOUNDS.x, "pairs", x_full=255)
TALES = Texts(("a b", "c"), ("first.txt", "second.txt"), "tales")
TEXTS = LabelledTexts(("a b", "c", "d", "e"), Y, NAMES, "texts")
CORPUS = Corpus(torch.tensor([0, 1, 0]), torch.tensor([0, 2, 2, 3]), ("the", "cat"), "corpus")
WORDS = WordPairs(("bank", "bank"), ("Bank", "Ufer"), ("en", "de"), "words")
ALL = (PICTURES, SOUNDS, PAIRS, load("multiview", n=4, p=3, q=4, correlations=[0.5]), TEXTS, CORPUS, WORDS)


@given(st.lists(st.integers(1, 3), max_size=3), st.data())
def test_pictures_come_out_between_0_and_1_and_everything_else_as_it_is(shape, data):
    positions = data.draw(st.lists(st.integers(0, 3), min_size=torch.Size(shape).numel(), max_size=27))
    positions = torch.tensor(positions[: torch.Size(shape).numel()]).view(shape)
    assert torch.equal(PICTURES.examples(positions), PICTURES.x[positions] / 255)
    codes = replace(PICTURES, full=None)  # such as µ-law codes or bytes of text
    assert codes.examples(positions).dtype == torch.uint8
    assert torch.equal(codes.examples(positions), PICTURES.x[positions])
    pictures, sounds = PAIRS.examples(positions)
    assert torch.equal(pictures, PICTURES.examples(positions)) and torch.equal(sounds, SOUNDS.x[positions])


def test_reading_changes_nothing_and_an_episode_reads_in_the_same_way():
    loud = replace(SOUNDS, full=2)
    assert torch.equal(loud.examples(), SOUNDS.x / 2) and loud.x.max() == 19
    sampler = EpisodeSampler(PICTURES, 2, 1, 1)
    assert torch.equal(sampler[3].query_x, PICTURES.examples(sampler.indices(3)[1]))


def test_a_selection_keeps_what_belongs_together():
    chosen = SOUNDS.select(SOUNDS.speakers == 0)
    assert torch.equal(chosen.x, SOUNDS.x[[0, 3]])
    assert (chosen.y.tolist(), chosen.lengths.tolist(), chosen.speakers.tolist()) == ([0, 1], [5, 1], [0, 0])
    assert (chosen.classes, chosen.rate) == (NAMES, 8000)
    for rows in (torch.tensor([2, 0]), torch.tensor([True, False, True, False])):
        texts = TEXTS.select(rows)
        assert sorted(zip(texts.texts, texts.y.tolist(), strict=True)) == [("a b", 0), ("d", 1)]
    assert TEXTS.select(torch.tensor([2, 0])).texts == ("d", "a b")
    pairs = PAIRS.select(torch.tensor([2, 0]))
    assert torch.equal(pairs.x, PICTURES.x[[2, 0]]) and torch.equal(pairs.y, SOUNDS.x[[2, 0]])


@pytest.mark.parametrize(
    ("data", "length", "shown"),
    [
        (PICTURES, 4, "LabelledSet('pictures', x=[4, 1, 4, 4] uint8, 2 classes)"),
        (SOUNDS, 4, "Sounds('sounds', x=[4, 5] float32, 2 classes, 2 speakers, 8,000 Hz)"),
        (PAIRS, 4, "Pairs('pairs', x=[4, 1, 4, 4] uint8, y=[4, 5] float32)"),
        (TALES, 2, "Texts('tales', 2 texts)"),
        (TEXTS, 4, "LabelledTexts('texts', 4 texts, 2 classes)"),
        (CORPUS, 3, "Corpus('corpus', 3 tokens in 3 documents, 2 in the vocabulary)"),
        (WORDS, 2, "WordPairs('words', 2 pairs, en to de)"),
    ],
)
def test_a_set_has_a_length_and_shows_one_line_with_shapes(data, length, shown):
    assert (len(data), repr(data)) == (length, shown)


def test_an_episode_shows_one_line():
    assert repr(EpisodeSampler(PICTURES, 2, 1, 1)[0]) == (
        "Episode(support_x=[1, 2, 1, 4, 4] float32, support_y=[1, 2] int64, "
        "query_x=[1, 2, 1, 4, 4] float32, query_y=[1, 2] int64)"
    )


def test_gaussian_pairs_show_the_first_correlations():
    assert repr(load("multiview", n=9, p=3, q=4, correlations=[0.25, 0.5])) == (
        "GaussianPairs('multiview', x=[9, 3] float64, y=[9, 4] float64, correlations 0.5, 0.25, 0)"
    )
    assert repr(load("multiview")).endswith("correlations 0.9, 0.7, 0.5, …)")


def test_all_tensors_move_together():
    there = load("multiview", n=4, p=3, q=4, correlations=[0.5]).to("meta")
    assert {name for name, tensor in there.tensors().items() if tensor.is_meta} == {
        "x", "y", "correlations", "x_weights", "y_weights"
    }  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("data", ALL, ids=lambda data: data.name)
def test_all_tensors_move_to_a_gpu(data):
    there = data.to("cuda")
    assert type(there) is type(data)
    for name, tensor in there.tensors().items():
        assert tensor.is_cuda and torch.equal(tensor.cpu(), data.tensors()[name])


@pytest.mark.parametrize(
    ("data", "change", "message"),
    [
        (PICTURES, {"y": Y + 1}, r"y \(class numbers\) must be \[4\] int64 from 0 to 1, got \[4\] int64 from 1 to 2"),
        (PICTURES, {"y": Y.float()}, r"pictures: y .* must be \[4\] int64 from 0 to 1, got \[4\] float32"),
        (PICTURES, {"y": Y[:3]}, r"y .* must be \[4\] int64 from 0 to 1, got \[3\] int64"),
        (PICTURES, {"groups": ("a",)}, "2 classes, but 1 groups"),
        (SOUNDS, {"x": PICTURES.x}, r"x must be waveforms \[n, longest\], got \[4, 1, 4, 4\]"),
        (SOUNDS, {"lengths": torch.tensor([6, 4, 3, 1])}, "lengths .* from 1 to 5, got .* from 1 to 6"),
        (SOUNDS, {"lengths": torch.tensor([0, 4, 3, 1])}, "lengths .* from 1 to 5, got .* from 0 to 4"),
        (SOUNDS, {"speaker_names": ("A",)}, "speakers .* from -1 to 0, got .* from -1 to 1"),
        (SOUNDS, {"rate": 8000.0}, "sounds: rate must be a whole number"),
        (PAIRS, {"y": SOUNDS.x[:3]}, "pairs: x has 4 rows and y 3, expected pairs"),
        (TALES, {"names": ("first.txt",)}, "tales: 2 texts, but 1 names"),
        (TEXTS, {"y": Y[:3]}, r"y .* must be \[4\] int64"),
        (TEXTS, {"texts": ("a", " ", "c", "d")}, "texts: text 1 is empty"),
        (CORPUS, {"vocabulary": ("the",)}, r"corpus: tokens must be \[3\] int64 from 0 to 0, got .* from 0 to 1"),
        (CORPUS, {"offsets": torch.tensor([0, 2, 1, 3])}, "offsets must rise from 0 to the 3 tokens"),
        (CORPUS, {"offsets": torch.tensor([0, 2])}, "the 2 offsets must rise from 0 to the 3 tokens"),
        (CORPUS, {"vocabulary": ("the", "the")}, "'the' is in the vocabulary more than once"),
        (WORDS, {"y": ("Bank",)}, "words: 2 words and 1 translations, expected pairs"),
    ],
)
def test_a_set_that_contradicts_itself_is_refused(data, change, message):
    with pytest.raises(ValueError, match=message):
        replace(data, **change)


def test_arrays_and_texts_are_refused_with_what_to_do():
    with pytest.raises(TypeError, match=r"pictures: x must be a tensor, got ndarray: use torch\.as_tensor"):
        replace(PICTURES, x=PICTURES.x.numpy())
    with pytest.raises(TypeError, match="pairs: y must be a tensor, got list"):
        replace(PAIRS, y=[1, 2])
    with pytest.raises(TypeError, match=r"from a LabelledSet, got LabelledTexts; texts have \.encoded"):
        EpisodeSampler(TEXTS, 2, 1, 1)


def test_some_classes_are_numbered_anew_in_the_order_given():
    y = torch.tensor([2, 0, 1, 2, 1])
    data = LabelledSet(torch.arange(5), y, ("a", "b", "c"), ("A", "A", "C"), "letters")
    part = data.of_classes(["c", "a"])
    assert (part.x.tolist(), part.y.tolist(), part.classes, part.groups) == (
        [0, 1, 3],
        [0, 1, 0],
        ("c", "a"),
        ("C", "A"),
    )
    sounds = SOUNDS.of_classes([SOUNDS.classes[1]])
    assert type(sounds) is type(SOUNDS) and torch.equal(sounds.lengths, SOUNDS.lengths[SOUNDS.y == 1])
    with pytest.raises(ValueError, match="letters has no class 'd'; there are: a, b, c"):
        data.of_classes(["a", "d"])
    with pytest.raises(ValueError, match="letters: a class is named twice: a, a"):
        data.of_classes(["a", "a"])
