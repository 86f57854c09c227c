"""Mixed texts: only known words change, a larger share holds the smaller one, and names of people stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course.applications.code_mixing import WORD, known_share, misled, mixed

DICTIONARY = {"good": ("bon", "bonne"), "film": ("film-fr",), "bad": ("mauvais",)}
WORDS = st.lists(st.sampled_from(["Good", "film", "bad", "sun", "@good", "12", "très"]), min_size=1, max_size=12)


@given(WORDS, st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_a_larger_share_replaces_the_same_words_and_more(words, one, other, seed):
    text, (less, more) = " ".join(words), sorted((one, other))
    few, many = (mixed(text, DICTIONARY, share, seed).split() for share in (less, more))
    for word, first, second in zip(words, few, many, strict=True):
        known = DICTIONARY.get(word.lower(), ())
        assert first in (word, *known)
        assert second == first or first == word
        assert known or second == word


def test_no_share_and_the_whole_one():
    text = "A Good film: bad, @good!"
    assert mixed(text, DICTIONARY, 0.0) == text
    assert mixed(text, DICTIONARY, 1.0) in {f"A {bon} film-fr: mauvais, @good!" for bon in DICTIONARY["good"]}
    assert mixed(text, dict.fromkeys(DICTIONARY, ("",)), 1.0) == "A  : , @good!"


def test_the_share_is_that_of_the_words_that_are_known():
    text = " ".join(["good", "sun"] * 2000)
    changed = [one != other for one, other in zip(text.split(), mixed(text, DICTIONARY, 0.3).split(), strict=True)]
    assert sum(changed) / 2000 == pytest.approx(0.3, abs=0.03)
    assert known_share([text], DICTIONARY) == 0.5
    assert mixed(text, DICTIONARY, 0.3, seed=1) != mixed(text, DICTIONARY, 0.3) == mixed(text, DICTIONARY, 0.3)


def test_what_misleads_has_the_same_translations_elsewhere():
    words = {f"word{n}": (f"Wort{n}",) for n in range(200)}
    other = misled(words)
    assert list(other) == list(words) and sorted(other.values()) == sorted(words.values())
    assert sum(other[word] == words[word] for word in words) < 6


def test_a_wrong_share_is_named():
    with pytest.raises(ValueError, match=r"share must be between 0 and 1, got 1\.5"):
        mixed("good", DICTIONARY, 1.5)


def test_words_are_found_in_other_alphabets():
    assert WORD.findall("ᏪᏌ кот_2 l'été") == ["ᏪᏌ", "кот", "l'été"]
