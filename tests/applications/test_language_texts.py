"""Parts share neither an item nor a text; tables are read or refused by name and line."""

import pytest
import torch

from course.applications import language_texts
from course.applications.language_texts import (
    PARTS,
    SHIFTED,
    LanguageTexts,
    dealt,
    emoji_names,
    from_table,
    limited,
    read_parts,
    some_items,
    with_shifted,
    without_twins,
)
from course.data import DataError, LabelledTexts
from course.data.emoji import load_emoji


def table(path, rows, head="text,label,language"):
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def emoji():
    return emoji_names(3, test=100, validation=60)


def test_no_emoji_and_no_name_is_in_two_parts(emoji):
    items = [set(emoji[part].items) for part in PARTS]
    texts = [{text.casefold() for text in emoji[part].texts} for part in PARTS]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not items[one] & items[other] and not texts[one] & texts[other]
    assert (len(items[1]), len(items[2])) == (60, 100)
    assert emoji["test"].language.bincount().tolist() == [100] * 14
    again, other = emoji_names(3, test=100, validation=60), emoji_names(4, test=100, validation=60)
    assert again["test"].texts == emoji["test"].texts != other["test"].texts


def test_the_fixed_parts_are_those_of_the_pictures():
    pictures = load_emoji("test", size=8)
    names = emoji_names()["test"]
    own = names.select(names.language == names.languages.index("de"))
    assert sorted(own.items) == sorted(pictures.characters)
    assert set(own.texts) == set(pictures.names["de"])
    group = dict(zip(pictures.characters, pictures.y.tolist(), strict=True))
    assert [group[item] for item in own.items] == own.y.tolist()


def test_a_table_is_dealt_by_item_whatever_stands_beside_it(tmp_path):
    rows = [f"word {n} {tongue},{'ab'[n % 2]},{tongue},{n}" for n in range(60) for tongue in ("de", "fr")]
    parts = from_table(table(tmp_path / "mine.csv", rows, "text,label,language,item"))
    assert sum(map(len, parts.values())) == 120
    for name, part in parts.items():
        assert {dealt(item) for item in part.items} == {name}
        assert part.language.bincount().tolist() == [len(part) // 2] * 2
    fewer = from_table(table(tmp_path / "fewer.csv", rows[:40], "text,label,language,item"))
    assert set(fewer["test"].texts) <= set(parts["test"].texts)
    assert parts["train"].classes == ("a", "b") and parts["train"].languages == ("de", "fr")


def test_the_same_text_twice_is_an_item_of_its_own_and_no_twin(tmp_path):
    rows = [f"Word {n % 30},{'ab'[n % 2]},{('de', 'fr')[n % 2]}" for n in range(60)]
    parts = from_table(table(tmp_path / "mine.csv", rows))
    assert {len([t for t in part.texts if t == text]) for part in parts.values() for text in part.texts} == {2}


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        (["x,a"], "text,label", r"has no column 'language': it needs text, label, language"),
        (["x,a,de", ",b,fr"], "text,label,language", r"line 3: the column 'text' is empty"),
        (["x,a,de", "y,a,fr"], "text,label,language", r"the column 'label' names \['a'\], expected at least two"),
        (["x,a,de", "y,b,de"], "text,label,language", r"the column 'language' names \['de'\]"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(rows, head, said, tmp_path):
    with pytest.raises(DataError, match=said):
        read_parts(table(tmp_path / "mine.csv", rows, head))


def test_tweets_are_the_first_of_each_class_and_in_no_later_part(monkeypatch):
    def load(name, split):
        texts = {"train": ["a", "b", "Same", "d"], "validation": ["v", "w", "x", "y"], "test": ["same", "t", "u", "z"]}
        return {"hindi": LabelledTexts(tuple(texts[split]), torch.tensor([0, 0, 1, 1]), ("no", "yes"), "tiny")}

    monkeypatch.setattr(language_texts.data, "load", load)
    parts = language_texts.tweets(train=2, validation=1)
    assert parts["train"].texts == ("a", "b", "d")
    assert parts["validation"].texts == ("v", "x")
    assert len(parts["test"]) == 4


def test_limits_are_by_language_and_class_and_items_stay_whole(emoji):
    train = emoji["train"]
    for seed in (None, 5):
        few = limited(train, 7, seed)
        assert (few.language * 8 + few.y).bincount().tolist() == [7] * 112
    assert limited(train, 7).texts != limited(train, 7, 5).texts
    assert limited(train, None) is train
    some = some_items(train, 20, 1)
    assert len(set(some.items)) == 20
    assert 20 * 13 <= len(some) <= 20 * 14


def test_a_shifted_text_is_read_by_shifting_it_again(emoji):
    test = with_shifted(emoji["test"])
    shifted = test.select(test.language == test.languages.index(SHIFTED))
    english = test.select(test.language == test.languages.index("en"))
    assert language_texts.codecs.encode(shifted.texts[5], "rot13") == english.texts[5] != shifted.texts[5]
    assert torch.equal(shifted.y, english.y) and shifted.items == english.items


def test_what_does_not_fit_is_refused(emoji):
    y = torch.tensor([0])
    with pytest.raises(ValueError, match="1 texts, but 2 items"):
        LanguageTexts(("x",), y, y, ("1", "2"), ("a",), ("de",), "bad")
    with pytest.raises(ValueError, match=r"language must be \[1\] int64 from 0 to 0"):
        LanguageTexts(("x",), y, y + 1, ("1",), ("a",), ("de",), "bad")
    assert without_twins(emoji)["train"].texts == emoji["train"].texts
