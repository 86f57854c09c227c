"""Words and sentences: what the regular expressions promise, for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course.data import sentences, words
from course.data.words import is_prose


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat's well-known mat", ["the", "cat's", "well-known", "mat"]),
        ("Zwei weiße Männer; 3 Büsche, ÄRGER", ["zwei", "weiße", "männer", "büsche", "ärger"]),
        ("dvě žluté kočky, l’été", ["dvě", "žluté", "kočky", "l'été"]),
        ("Ma\u0308nner", ["männer"]),  # a letter and its accent apart
        ("1984 3d 2-d conv2d x_y", ["d", "conv2d", "x", "y"]),
        ("'quoted' -- rock-'n'-roll-", ["quoted", "rock", "n", "roll"]),
        ("Кот и собака", ["кот", "и", "собака"]),
        ("", []),
    ],
)
def test_words_of_a_text(text, expected):
    assert words(text) == expected


@given(st.text())
def test_a_word_is_lower_case_begins_with_a_letter_and_is_found_again(text):
    for word in words(text):
        assert word[0].isalpha() and word[-1].isalnum() and not any(map(str.isspace, word))
        assert words(word) == [word]


@given(st.text(st.sampled_from("aB.!? \n\"'1")))
def test_sentences_lose_nothing_but_blanks(text):
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
    assert not any("\n" in sentence or not sentence.strip() for sentence in sentences(text))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three? Four", 4),
        ('"One." (Two.) “Three!” Four', 4),
        ("e.g. this 3.5 one", 1),
        ("a line\nanother", 2),
        ("", 0),
    ],
)
def test_where_sentences_end(text, count):
    assert len(sentences(text)) == count


def test_what_looks_like_prose():
    assert is_prose("The sum is taken over all axes.")
    for other in ("Too short here.", "It has no end but five words", "f(x) = [1, 2, 3] + {4: 5} ."):
        assert not is_prose(other)
