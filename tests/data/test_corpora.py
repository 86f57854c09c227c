"""Corpora: the texts of Wikipedia, NLTK and Multi30k, without tags and markup and in step."""

import bz2
import os
import re
from collections import Counter
from importlib.metadata import PackageNotFoundError, distribution
from types import SimpleNamespace

import pytest

from course.data import Corpus, DataError, load, sentences, words
from course.data import wiki as wiki_module
from course.data.registry import entry

there = pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")


def test_nltk_texts_come_out_without_tags_and_in_order(tiny):
    tiny("nltk_corpora")
    data = load("nltk_corpora")
    assert dict(zip(data.names, data.texts, strict=True)) == {
        "brown/ca01": "The jury and/or .\nNo .",
        "brown/cr09": "So ?",
        "movie_reviews/neg/cv000_29416.txt": "bad . \nso bad !\n",
        "movie_reviews/pos/cv001_18431.txt": "good film . \n",
        "state_union/1954-Eisenhower.txt": "It’s “time” — now.",
        "state_union/1963-Johnson-2.txt": "Mr. Speaker",
        "inaugural/1789-Washington.txt": "Fellow-Citizens — of the Senate",
    }
    names = load("nltk_corpora", corpora=("inaugural", "brown")).names
    assert names == ("inaugural/1789-Washington.txt", "brown/ca01", "brown/cr09")


def test_captions_of_all_languages_are_in_step(tiny):
    tiny("multi30k")
    for split, parts in (("train", {"train": 3}), (None, {"train": 3, "val": 2, "test_2016_flickr": 1})):
        captions = load("multi30k", split=split)
        assert list(captions) == ["en", "de", "fr", "cs"]
        for language, texts in captions.items():
            expected = [f"{language} {part} {number} é\x85" for part, count in parts.items() for number in range(count)]
            assert list(texts.texts) == expected
            assert texts.names == captions["en"].names
    assert captions["de"].name == "multi30k (de)" and load("multi30k", split="test")["fr"].name == "multi30k (test, fr)"


@pytest.fixture(scope="module")
def wiki():
    return load("wiki")


def test_wiki_is_plain_english(wiki):
    corpus = Corpus.from_texts(wiki.texts, words, min_count=5, name="wiki")
    assert (len(wiki), wiki.names[:2]) == (98, ("Anarchism", "Autism"))
    assert sum(len(words(text)) for text in wiki.texts) == 394_450
    assert corpus.vocabulary[:3] == ("the", "of", "and")
    assert len([name for name in wiki.names if not name.startswith("A")]) == 7  # as the book says
    assert not [text for text in wiki.texts if any(mark in text for mark in ("[[", "{{", "'''", "\n==", "\n*"))]
    assert len([sentence for text in wiki.texts for sentence in sentences(text)]) > 15_000


def test_without_gensim_or_its_sample_wiki_says_what_to_do(home, monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(wiki_module, "FILE", wiki_module.re.compile("none"))
    with pytest.raises(DataError, match=r"gensim is installed without its sample of Wikipedia: .* run make env"):
        load("wiki")
    monkeypatch.setattr("course.data.checked.version", absent)
    with pytest.raises(DataError, match="wiki is a part of gensim, which is not installed: run make env"):
        load("wiki")


def test_the_licence_of_wiki_is_that_of_its_date():
    """Wikipedia's text was under CC BY-SA 3.0 from June 2009 to June 2023."""
    path = next(path for path in distribution("gensim").files if wiki_module.FILE.fullmatch(path.name))
    with bz2.open(path.locate(), "rt", encoding="utf8") as stream:
        newest = max(re.findall("<timestamp>([0-9-]+)T", stream.read()))
    assert newest == "2016-05-01" and entry("wiki").licence == "CC BY-SA 3.0 (that of Wikipedia in May 2016)"


@pytest.mark.parametrize(("name", "package"), [("wiki", "gensim"), ("prose", "accelerate")])
def test_a_package_without_the_list_of_its_files_is_named(home, monkeypatch, name, package):
    monkeypatch.setattr("course.data.checked.distribution", lambda name: SimpleNamespace(files=None))
    with pytest.raises(DataError, match=rf"{package} is installed without the list of its files \(RECORD\): run make"):
        load(name)


@pytest.mark.real_data
@there
def test_the_real_nltk_corpora():
    data = load("nltk_corpora")
    counts = Counter(name.split("/")[0] for name in data.names)
    assert counts == {"brown": 500, "movie_reviews": 2000, "state_union": 65, "inaugural": 59}
    brown = load("nltk_corpora", corpora=("brown",))
    assert sum(len(text.split()) for text in brown.texts) == 1_161_192  # the number that NLTK's book gives


@pytest.mark.real_data
@there
def test_the_real_multi30k():
    for split, count in (("train", 29_000), ("validation", 1_014), ("test", 1_000)):
        captions = load("multi30k", split=split)
        assert {len(texts) for texts in captions.values()} == {count}
        assert all(text.strip() for texts in captions.values() for text in texts.texts)
    captions = load("multi30k", split="train")
    assert captions["en"].texts[0] == "Two young, White males are outside near many bushes."
    assert captions["de"].texts[0] == "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche."
