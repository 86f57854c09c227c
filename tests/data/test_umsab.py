"""UMSAB: parts by language, and tweets of the test that are left out of the others."""

import os

import pytest

from course.data import load

real = pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")


def test_parts_have_their_labels_and_no_tweet_of_the_test(tiny):
    tiny("umsab")
    train, test, whole = (load("umsab", split=split)["french"] for split in ("train", "test", None))
    assert train.texts == ("un", "deux")
    assert train.y.tolist() == [0, 2]
    assert test.texts[1] == "french test é\u0085 1"
    assert test.y.tolist() == [0, 1, 2, 0, 1]
    assert len(whole) == len(train) + 4 + len(test)
    assert repr(test) == "LabelledTexts('umsab, french', 5 texts, 3 classes)"


@pytest.mark.real_data
@real
def test_the_real_tweets_are_balanced_and_in_no_two_parts():
    parts = {split: load("umsab", split=split) for split in ("train", "validation", "test")}
    assert list(parts["test"]) == ["arabic", "english", "french", "german", "hindi", "italian", "portuguese", "spanish"]
    for language, test in parts["test"].items():
        assert test.y.bincount().tolist() == [290, 290, 290]
        others = set(parts["train"][language].texts) | set(parts["validation"][language].texts)
        assert not others & set(test.texts)
    assert [len(each) for each in parts["train"].values()] == [1839, 1839, 1837, *[1839] * 5]
    hindi = parts["train"]["hindi"].texts
    assert sum(any("\u0900" <= letter <= "\u097f" for letter in text) for text in hindi) == 1
