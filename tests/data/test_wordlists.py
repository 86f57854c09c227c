"""Word lists: the numbers that their authors give, and a folder of dictionaries read as the zip file."""

import os
import zipfile

import pytest

from course.data import DataError, WordPairs, load
from course.data.wordlists import ScoredPairs

real = pytest.mark.skipif(not os.environ.get("COURSE_DATA"), reason="COURSE_DATA is not set")


def test_lists_of_scored_pairs(tiny):
    tiny("wordsim")
    lists = load("wordsim")
    assert len(lists) == 13
    assert lists["WS-353-ALL"] == ScoredPairs(("car", "sun"), ("WS-353-ALL", "moon"), (3.5, 9.0), "WS-353-ALL")
    assert repr(lists["MC-30"]) == "ScoredPairs('MC-30', 2 pairs, scores 0 to 3.5)"


def test_questions_by_section(tiny):
    tiny("analogies")
    questions = {"family": (("boy", "girl", "king", "queen"), ("he", "she", "his", "her")), "gram": (tuple("abcd"),)}
    assert load("analogies") == questions


def test_dictionaries_from_the_zip_file_or_its_folder(tiny):
    folder = tiny("xling_eval")
    found = load("xling_eval")
    assert found == {
        "en-de test 2k": WordPairs(("cat",), ("Katze",), ("en", "de"), "en-de test 2k"),
        "fr-en train 5k": WordPairs(("été", "été"), ("summer", "been"), ("fr", "en"), "fr-en train 5k"),
    }
    with zipfile.ZipFile(folder / "bli_datasets.zip") as archive:
        archive.extractall(folder)
    (folder / "bli_datasets.zip").unlink()
    assert load("xling_eval") == found
    (folder / "bli_datasets/en-de/yacle.test.freq.2k.en-de.tsv").unlink()
    with pytest.raises(
        DataError, match=r"bli_datasets holds 1 dictionaries with the SHA-256 .*, expected 2 with .*: its"
    ):
        load("xling_eval")


@pytest.mark.real_data
@real
def test_the_real_lists_have_the_numbers_of_pairs_in_their_names():
    counts = {name: len(pairs) for name, pairs in load("wordsim").items()}
    assert counts == {
        "MC-30": 30, "MEN-TR-3k": 3000, "MTurk-287": 287, "MTurk-771": 771, "RG-65": 65, "RW-STANFORD": 2034,
        "SIMLEX-999": 999, "SimVerb-3500": 3500, "VERB-143": 144, "WS-353-ALL": 353, "WS-353-REL": 252,
        "WS-353-SIM": 203, "YP-130": 130,
    }  # fmt: skip
    found = load("wordsim")["WS-353-ALL"]
    assert (found.x[1], found.y[1], found.scores[1]) == ("tiger", "cat", 7.35)


@pytest.mark.real_data
@real
def test_the_real_analogies():
    sections = load("analogies")
    assert (len(sections), sum(map(len, sections.values())), len(sections["family"])) == (14, 19_544, 506)
    assert {len(question) for questions in sections.values() for question in questions} == {4}


@pytest.mark.real_data
@real
def test_the_real_dictionaries():
    found = load("xling_eval")
    assert len(found) == 142
    sizes = {"500": 500, "1k": 1000, "3k": 3000, "5k": 5000, "2k": 2000}
    assert all(len(pairs) == sizes[name.split()[-1]] for name, pairs in found.items())
    assert "Hund" in found["en-de train 5k"].translations()["dog"]
    train, test = (set(found[f"en-de {part}"].x) for part in ("train 5k", "test 2k"))
    assert not train & test
