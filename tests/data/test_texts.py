"""Own texts: what stands in the file comes out, what is wrong has a line number, and tokens know their words."""

import csv
import io
from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course.data import Corpus, DataError, EpisodeSampler, from_csv, from_lines, padded, read_word_pairs

fuzzed = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
characters = st.characters(codec="utf-8", exclude_characters="\n\r")
texts = st.text(characters | st.sampled_from("\n\r"), min_size=1).filter(str.strip)
words = st.lists(st.lists(st.sampled_from("abcde"), max_size=5), min_size=1, max_size=9).filter(any)


@fuzzed
@given(
    st.lists(st.tuples(texts, st.sampled_from(["no", "yes", "ja, ja"])), min_size=2).filter(lambda r: len(dict(r)) > 1),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_a_table_is_read_as_it_was_written(tmp_path, rows, delimiter, encoding):
    rows = [*rows, ("last", "no"), ("last", "yes")]
    stream = io.StringIO(newline="")
    table = [["text", "id", "label"], *([text, 0, f" {label}"] for text, label in rows)]
    csv.writer(stream, delimiter=delimiter).writerows(table)
    (tmp_path / "mine.csv").write_bytes(stream.getvalue().encode(encoding))
    data = from_csv(tmp_path / "mine.csv", text="text", label="label", delimiter=delimiter)
    assert (data.texts, data.name) == (tuple(text for text, _ in rows), "mine")
    assert [data.classes[y] for y in data.y] == [label for _, label in rows]
    assert data.classes == tuple(sorted({label for _, label in rows}))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty, expected text"),
        (b"text,mood\na,b\n", r"has no column 'label'; there are: 'text', 'mood'"),
        (b"text,label,text\na,b,c\n", "has several columns 'text'"),
        (b"text,label\n", "the column 'label' names \\[\\], expected at least two classes"),
        (b"text,label\na,b\nc,b\n", "the column 'label' names \\['b'\\], expected at least two classes"),
        (b'text,label\n"a\nb",c\n\n ,d\n', "line 5: the column 'text' is empty: fill it, or remove the line"),
        (b"text,label\na,b\nc, \n", "line 3: the column 'label' is empty"),
        (b"text,label\na, dear,b\n", "line 2: 3 columns, but the first line has 2: put text that contains ',' or"),
        (b"text,label\na,b\nc\n", "line 3: 1 columns, but the first line has 2"),
        (b'text,label\n"a\nb"c,d\n', "line 2: not CSV .*: correct its quotation marks"),
        (b'text,label\na,b\n"c,d\ne,f\n', "line 3: not CSV .unexpected end of data"),
        (
            "text,label\na,b\nn\u00e9e,c\n".encode("latin-1"),
            r"line 3: byte 0xe9 is not UTF-8 \(the file may be Latin-1",
        ),
        ("\ufefftext,label\n".encode() + b"\xff", "line 2: byte 0xff is not UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, content, message):
    (tmp_path / "mine.csv").write_bytes(content)
    with pytest.raises(DataError, match=f"mine.csv.*{message}"):
        from_csv(tmp_path / "mine.csv", text="text", label="label")


@fuzzed
@given(st.lists(st.text(characters), min_size=1).filter(lambda lines: "".join(lines).strip()))
def test_every_line_is_a_text(tmp_path, lines):
    for line_break in ("\n", "\r\n"):
        for end in ("", line_break) if lines[-1] else (line_break,):
            (tmp_path / "lines.txt").write_bytes((line_break.join(lines) + end).encode())
            assert from_lines(tmp_path / "lines.txt") == tuple(lines)


def test_a_file_that_is_not_there_or_no_file(tmp_path):
    with pytest.raises(
        DataError, match=r"none\.txt cannot be read \(No such file or directory\): name a file with text"
    ):
        from_lines(tmp_path / "none.txt")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory\)"):
        from_lines(tmp_path)


def test_texts_become_token_ids_and_episodes(tmp_path):
    (tmp_path / "mine.csv").write_text("text,label\nto be,1\nor not,0\nto be or,1\nnot,0\n", encoding="utf8")
    texts = from_csv(tmp_path / "mine.csv", text="text", label="label")
    corpus = Corpus.from_texts(texts.texts, str.split)
    data = texts.encoded(lambda texts: padded(Corpus.from_texts(texts, str.split, corpus.vocabulary), padding=4))
    assert corpus.vocabulary == ("be", "not", "or", "to")
    assert data.x.tolist() == [[3, 0, 4], [2, 1, 4], [3, 0, 2], [1, 4, 4]]
    assert (data.classes, data.y.tolist()) == (("0", "1"), [1, 0, 1, 0])
    episode = EpisodeSampler(data, n_way=2, k_shot=1, n_query=1)[0]
    assert (episode.support_x.dtype, episode.support_x.shape) == (torch.int64, (1, 2, 3))
    assert texts.encoded(lambda texts: [[len(text) / 2] for text in texts]).x.dtype == torch.float32


@pytest.mark.parametrize("row", [[], torch.tensor([], dtype=torch.int64), ["to", "be"], [0.5], [[1]], "text"])
def test_what_is_no_row_of_token_ids(row):
    with pytest.raises(ValueError, match="row 1 must be token ids, whole numbers, at least one; got "):
        padded([[1, 2], row], padding=0)


@given(words, words, st.integers(1, 3))
def test_a_corpus_knows_its_words_in_order(documents, others, min_count):
    counts = Counter(word for document in documents for word in document)
    kept = {word for word in counts if counts[word] >= min_count}
    lines = [" ".join(document) for document in documents]
    if not kept:
        with pytest.raises(ValueError, match=rf"none of {len(lines)} texts has a word that is kept: lower min_count"):
            Corpus.from_texts(lines, str.split, min_count=min_count)
        return
    corpus = Corpus.from_texts(lines, str.split, min_count=min_count)
    assert set(corpus.vocabulary) == kept
    assert [counts[word] for word in corpus.vocabulary] == sorted((counts[word] for word in kept), reverse=True)
    assert Corpus.from_texts(lines[::-1], str.split, min_count=min_count).vocabulary == corpus.vocabulary
    read = [[corpus.vocabulary[token] for token in document] for document in corpus]
    assert read == [[word for word in document if word in kept] for document in documents]
    if kept & {word for document in others for word in document}:
        held_out = Corpus.from_texts(map(" ".join, others), str.split, corpus.vocabulary)
        assert held_out.vocabulary == corpus.vocabulary and len(held_out) == len(others)
        assert [held_out.vocabulary[i] for i in held_out.tokens] == [w for words in others for w in words if w in kept]


def test_documents_are_numbered_from_zero_and_a_vocabulary_is_chosen_once():
    corpus = Corpus.from_texts(["a b", ""], str.split)
    assert corpus[1].shape == (0,)
    with pytest.raises(IndexError, match="corpus has the documents 0 to 1, got -1"):
        corpus[-1]
    with pytest.raises(ValueError, match="min_count=2 chooses a vocabulary, but one is given"):
        Corpus.from_texts(["a"], str.split, ["a"], min_count=2)


def test_a_dictionary_with_several_translations(tmp_path):
    path = tmp_path / "en-de.tsv"
    path.write_text("ice cream\tEis\nbank\tBank\nbank\tUfer\nbank\tBank\n", encoding="utf8")
    pairs = read_word_pairs(path, ("en", "de"))
    assert (pairs.languages, pairs.name, len(pairs)) == (("en", "de"), "en-de", 4)
    assert pairs.translations() == {"ice cream": ("Eis",), "bank": ("Bank", "Ufer")}


@pytest.mark.parametrize("line", ["bank", "bank\t", " \tBank", "bank\tBank\tUfer", ""])
def test_a_line_without_two_words(tmp_path, line):
    (tmp_path / "en-de.tsv").write_text(f"cat\tKatze\n{line}\ndog\tHund\n", encoding="utf8")
    with pytest.raises(DataError, match=r"en-de\.tsv, line 2: expected a word, a tabulator and a word, got \["):
        read_word_pairs(tmp_path / "en-de.tsv", ("en", "de"))


@given(words, st.data())
def test_a_selection_of_documents_and_how_often_each_word_occurs(documents, data):
    corpus = Corpus.from_texts([" ".join(document) for document in documents], str.split)
    chosen = torch.tensor(data.draw(st.lists(st.integers(0, len(corpus) - 1), min_size=1)))
    part = corpus.select(chosen)
    assert [part[i].tolist() for i in range(len(part))] == [corpus[i].tolist() for i in chosen.tolist()]
    mask = torch.zeros(len(corpus), dtype=torch.bool).index_fill_(0, chosen, True)
    assert torch.equal(corpus.select(mask).tokens, corpus.select(mask.nonzero().flatten()).tokens)
    counts = Counter(word for document in documents for word in document)
    assert corpus.counts().tolist() == [counts[word] for word in corpus.vocabulary]
    assert part.counts().shape == corpus.counts().shape


@pytest.mark.gpu
def test_a_selection_stays_on_a_gpu():
    corpus = Corpus.from_texts(["a b", "b c", "c"], str.split).to("cuda")
    part = corpus.select(torch.tensor([2, 0], device="cuda"))
    assert part.tokens.is_cuda and part.counts().is_cuda
    assert [part.vocabulary[i] for i in part.tokens.tolist()] == ["c", "a", "b"]
