"""Neighbours and analogies against their definitions; the files against gensim's, bit for bit."""

import warnings

import numpy as np
import pytest
import torch
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st

from course.data import DataError
from course.representation.word_vectors import UnknownWordError, WordVectors


def vectors(n=30, d=7, seed=0):
    matrix = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return WordVectors((*(f"word{i}" for i in range(n - 1)), "żółw"), matrix)


def peer_of(own):
    peer = KeyedVectors(own.matrix.shape[1])
    peer.add_vectors(list(own.words), own.matrix.numpy())
    return peer


def test_similarity_and_neighbours_are_those_of_gensim():
    own = vectors()
    peer = peer_of(own)
    assert own.similarity("word3", "word8") == pytest.approx(peer.similarity("word3", "word8"), abs=1e-6)
    found, expected = own.most_similar("word5", n=6), peer.most_similar("word5", topn=6)
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected], abs=1e-6)


def test_analogies_are_those_of_gensim():
    own = vectors()
    peer = peer_of(own)
    question = {"positive": ["word2", "word3"], "negative": ["word1"]}
    names = [word for word, _ in peer.most_similar(**question, topn=5)]
    assert [word for word, _ in own.analogy("word1", "word2", "word3", n=5)] == names
    with warnings.catch_warnings():  # gensim calls what it deprecates
        warnings.simplefilter("ignore", DeprecationWarning)
        names = [word for word, _ in peer.most_similar_cosmul(**question, topn=5)]
    assert [word for word, _ in own.analogy("word1", "word2", "word3", n=5, method="3CosMul")] == names


def test_a_vector_finds_its_word_first_and_a_word_not_itself():
    own = vectors()
    assert own.most_similar(own["word4"], n=1)[0][0] == "word4"
    assert "word4" not in dict(own.most_similar("word4", n=100))
    assert len(own.most_similar("word4", n=100)) == len(own) - 1


def test_without_the_trick_the_answer_is_often_a_word_of_the_question():
    directions = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, 0.2]])
    own = WordVectors(("a", "b", "c", "d"), directions)
    assert own.analogy("a", "b", "c", leave_out=False)[0][0] == "c"
    assert own.analogy("a", "b", "c")[0][0] == "d"


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 100), st.integers(0, 99))
def test_neighbours_do_not_depend_on_lengths_or_a_rotation(scale, seed):
    own = vectors(seed=seed)
    rotation = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(seed))).Q
    other = WordVectors(own.words, scale * own.matrix @ rotation)
    assert own.similarity("word0", "word1") == pytest.approx(other.similarity("word0", "word1"), abs=1e-5)
    assert own.most_similar("word0", 3)[0][0] == other.most_similar("word0", 3)[0][0]


# --- files


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_what_the_course_writes_bit_for_bit_and_back(tmp_path, binary):
    own = vectors()
    own.matrix[0] *= 1e-38  # subnormal numbers, too
    peer = KeyedVectors.load_word2vec_format(str(own.save(tmp_path / "own", binary=binary)), binary=binary)
    assert tuple(peer.index_to_key) == own.words
    assert peer.vectors.tobytes() == own.matrix.numpy().tobytes()
    peer.save_word2vec_format(str(tmp_path / "peer"), binary=binary)
    again = WordVectors.load(tmp_path / "peer", binary=binary)
    assert set(again.words) == set(own.words)
    assert all(torch.equal(again[word], own[word]) for word in own.words)
    assert torch.equal(WordVectors.load(tmp_path / "own", binary=binary).matrix, own.matrix)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.text(st.characters(blacklist_categories=("Z", "C")), min_size=1), min_size=1, max_size=5, unique=True),
    st.booleans(),
)
def test_any_words_survive_a_file(tmp_path_factory, words, binary):
    own = WordVectors(tuple(words), torch.randn(len(words), 3, generator=torch.Generator().manual_seed(0)))
    again = WordVectors.load(own.save(tmp_path_factory.mktemp("words") / "file", binary=binary), binary=binary)
    assert again.words == own.words
    assert torch.equal(again.matrix, own.matrix)


def test_the_binary_form_of_the_original_program_has_line_breaks(tmp_path):
    own = vectors(3, 2)
    rows = [w.encode() + b" " + r.tobytes() + b"\n" for w, r in zip(own.words, own.matrix.numpy(), strict=True)]
    (tmp_path / "file").write_bytes(b"3 2\n" + b"".join(rows))
    assert torch.equal(WordVectors.load(tmp_path / "file", binary=True).matrix, own.matrix)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("cut", [1, 12, 60, 200])
def test_a_truncated_file_is_refused(tmp_path, binary, cut):
    path = vectors().save(tmp_path / "file", binary=binary)
    path.write_bytes(path.read_bytes()[:-cut] if binary or cut > 1 else path.read_bytes()[:-20])
    with pytest.raises(DataError, match="30 words of 7 numbers expected"):
        WordVectors.load(path, binary=binary)


@pytest.mark.parametrize(
    ("content", "binary", "message"),
    [
        (b"", False, "first line must be two numbers"),
        (b"%PDF-1.7\n...", True, "first line must be two numbers"),
        (b"0 3\n", False, "first line must be two numbers"),
        (b"1 2\na 1 x\n", False, "could not convert"),
        (b"1 2\na 1 nan\n", False, "NaN"),
        (b"2 1\na 1\na 2\n", False, "twice"),
        (b"1 1\na 1\nb 2\n", False, "2 lines came"),
        (b"1 1\na 1234extra", True, "5 bytes follow"),
        (b"1 1\n\xff 1\n", False, "utf-8"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, content, binary, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(DataError, match=message):
        WordVectors.load(tmp_path / "file", binary=binary)


def test_a_missing_file_and_the_wrong_form_are_said(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        WordVectors.load(tmp_path / "none")
    with pytest.raises(DataError, match="should binary be True"):
        WordVectors.load(vectors().save(tmp_path / "file", binary=True))
    with pytest.raises(DataError, match="should binary be False"):
        WordVectors.load(vectors().save(tmp_path / "text"), binary=True)


def test_a_word_that_the_format_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'new york' has blanks"):
        WordVectors(("new york",), torch.ones(1, 2)).save(tmp_path / "file")


# --- what is refused


def test_an_unknown_word_names_near_spellings():
    own = vectors()
    with pytest.raises(UnknownWordError, match=r"'wodr3' has no vector among 30 words; did you mean '.*word3'"):
        own["wodr3"]
    with pytest.raises(UnknownWordError, match="no word is spelt like it"):
        own.most_similar("qqqq")
    assert "wodr3" not in own


@pytest.mark.parametrize(
    ("words", "matrix", "message"),
    [
        (("a",), torch.ones(2, 2), "1 words and a matrix of 2 rows"),
        (("a", "a"), torch.ones(2, 2), "'a' stands in the vocabulary twice"),
        (("a",), torch.tensor([[np.nan]]), "NaN"),
        (("a",), torch.ones(1, 0), "expected a matrix"),
        (("a",), torch.ones(1, 1, dtype=torch.int64), "expected a matrix"),
        ((), torch.ones(0, 3), "expected a matrix"),
    ],
)
def test_words_and_matrices_that_do_not_fit_are_refused(words, matrix, message):
    with pytest.raises(ValueError, match=message):
        WordVectors(words, matrix)


def test_queries_without_a_direction_and_unknown_methods_are_refused():
    own = vectors()
    with pytest.raises(ValueError, match="not zero"):
        own.most_similar(torch.zeros(7))
    with pytest.raises(ValueError, match="shape"):
        own.most_similar(torch.ones(3))
    with pytest.raises(ValueError, match="3CosAdd"):
        own.analogy("word0", "word1", "word2", method="cosine")
    with pytest.raises(ValueError, match="n must be"):
        own.most_similar("word0", n=0)
