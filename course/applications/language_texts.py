"""Labelled texts in several languages, divided so that no item, and no text, is both learned from and asked for.

An *item* is one thing that may be said in many languages, such as an emoji with its names. If its French name is in the
test, its German one must not be in training: else the test would ask for what was learned.
"""

import codecs
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from course import data
from course.data import DataError
from course.data.emoji import names_of, splits
from course.data.emoji_groups import GROUPS
from course.data.openmoji import look_alikes
from course.data.sets import OnDevice, require_numbers
from course.data.texts import Texts, numbered_rows
from course.runtime import generator

PARTS = ("train", "validation", "test")
SHARES = (70, 85)  # of 100: where validation begins, and the test
COLUMNS = ("text", "label", "language")
SHIFTED = "shifted"  # English with each letter 13 places on: a language that no encoder has read


@dataclass(frozen=True, eq=False, repr=False)
class LanguageTexts(OnDevice):
    """Texts with a class, a language and an item each.

    Attributes:
        texts: the n texts.
        y: class numbers, ``int64 [n]``.
        language: numbers of languages, ``int64 [n]``.
        items: what says the same has the same item.
        classes, languages: their names.
        name: of the data set, for messages.

    Example:
        >>> names = LanguageTexts(("bear", "ours"), torch.tensor([0, 0]), torch.tensor([0, 1]), ("🐻", "🐻"),
        ...     ("animal", "food"), ("en", "fr"), "small")
        >>> names
        LanguageTexts('small', 2 texts of 1 item, 2 classes, 2 languages)
        >>> names.select(names.language == 1).texts
        ('ours',)
    """

    texts: tuple[str, ...]
    y: Tensor
    language: Tensor
    items: tuple[str, ...]
    classes: tuple[str, ...]
    languages: tuple[str, ...]
    name: str

    def __post_init__(self):
        require_numbers(f"{self.name}: y (class numbers)", self.y, len(self.texts), 0, len(self.classes) - 1)
        require_numbers(f"{self.name}: language", self.language, len(self.texts), 0, len(self.languages) - 1)
        if len(self.items) != len(self.texts):
            raise ValueError(f"{self.name}: {len(self.texts)} texts, but {len(self.items)} items")

    def __repr__(self) -> str:
        items = len(set(self.items))
        counts = f"{len(self):,} texts of {items:,} item{'s' * (items != 1)}"
        return f"LanguageTexts({self.name!r}, {counts}, {len(self.classes)} classes, {len(self.languages)} languages)"

    def select(self, chosen: Tensor) -> Self:
        """The ``chosen`` texts, whole numbers or a mask ``bool [n]``; classes and languages keep their numbers."""
        rows = torch.arange(len(self))[chosen.cpu()].tolist()
        texts, items = (tuple(values[row] for row in rows) for values in (self.texts, self.items))
        return replace(self, texts=texts, items=items, y=self.y[chosen], language=self.language[chosen])


Parts = dict[str, LanguageTexts]


def emoji_names(
    seed: int | None = None, *, test: int = 200, validation: int = 150, more: Mapping[str, Texts] | None = None
) -> Parts:
    """The names of emoji in 14 languages, with Unicode's group as the class; an emoji belongs to one part.

    Args:
        seed: draws the parts anew, validation and test among the emoji that look like no other one. ``None`` takes
            those of :func:`course.data.emoji.load_emoji`.
        test, validation: emoji in each, where they are drawn.
        more: names in further languages, such as :func:`course.data.cldr.load_cldr_names` has.
    """
    place = {character: number for number, members in enumerate(GROUPS.values()) for character in members}
    characters = sorted(place)
    part = splits()
    if seed is not None:
        alike = {character for family in look_alikes() for character in family}
        alone = [character for character in characters if character not in alike]
        order = [alone[row] for row in torch.randperm(len(alone), generator=generator(seed)).tolist()]
        part = dict.fromkeys(characters, "train") | dict.fromkeys(order[:test], "test")
        part |= dict.fromkeys(order[test : test + validation], "validation")
    names = names_of(characters)
    rows = [
        (names[language][row], place[character], language, character)
        for language in names
        for row, character in enumerate(characters)
        if part.get(character)
    ]
    for language, own in (more or {}).items():
        named = zip(own.texts, own.names, strict=True)
        rows += [(text, place[character], language, character) for text, character in named if part.get(character)]
    whole = of_rows(rows, tuple(GROUPS), (*names, *(more or ())), "emoji names")
    return without_twins(divided(whole, part.__getitem__))


def tweets(train: int | None = None, validation: int | None = None, test: int | None = None) -> Parts:
    """UMSAB in its own parts; of each language and class the first so many tweets, or all."""
    found = {}
    for part, most in zip(PARTS, (train, validation, test), strict=True):
        rows, by_language = [], data.load("umsab", split=part)
        for language, own in by_language.items():
            count = [0] * len(own.classes)
            for number, (text, label) in enumerate(zip(own.texts, own.y.tolist(), strict=True)):
                if most is None or count[label] < most:
                    rows.append((text, label, language, f"{part} {language} {number}"))
                count[label] += 1
        found[part] = of_rows(rows, own.classes, tuple(by_language), f"umsab ({part})")
    return without_twins(found)


def from_table(path: str) -> Parts:
    """A table of the reader's own: a CSV file with the columns ``text``, ``label`` and ``language``.

    A column ``item`` says which texts mean the same; without it a text is an item of its own. A checksum of the item
    deals it to training (70 %), validation or test.

    Raises:
        DataError: if a column is missing, a cell empty, or there are fewer than two classes or languages.
    """
    lines = numbered_rows(path, ",")
    _, head = next(lines)
    if absent := [name for name in COLUMNS if name not in head]:
        raise DataError(f"{path} has no column {absent[0]!r}: it needs {', '.join(COLUMNS)}, and may have item")
    rows = []
    for line, cells in lines:
        row = dict(zip(head, map(str.strip, cells), strict=False))
        if empty := [name for name in COLUMNS if not row.get(name)]:
            raise DataError(f"{path}, line {line}: the column {empty[0]!r} is empty: fill it, or remove the line")
        rows.append((row["text"], row["label"], row["language"], row.get("item") or row["text"].casefold()))
    classes, languages = (tuple(sorted({row[number] for row in rows})) for number in (1, 2))
    for what, names in (("label", classes), ("language", languages)):
        if len(names) < 2:
            raise DataError(f"{path}: the column {what!r} names {list(names)}, expected at least two")
    number = {name: place for place, name in enumerate(classes)}
    numbered = [(text, number[label], language, item) for text, label, language, item in rows]
    whole = of_rows(numbered, classes, languages, Path(path).stem)
    return without_twins(divided(whole, dealt))


def read_parts(name: str) -> Parts:
    """The parts of ``emoji``, of ``umsab``, or of a table of the reader's own."""
    known = {"emoji": emoji_names, "umsab": tweets}
    return known[name]() if name in known else from_table(name)


def dealt(item: str) -> str:
    """The part of an item by a checksum, so that it does not depend on the other items."""
    place = zlib.crc32(item.encode()) % 100
    return PARTS[sum(place >= end for end in SHARES)]


def of_rows(
    rows: Sequence[tuple[str, int, str, str]], classes: tuple[str, ...], languages: tuple[str, ...], name: str
) -> LanguageTexts:
    """From rows of text, class number, language and item."""
    number = {language: place for place, language in enumerate(languages)}
    texts, labels, said_in, items = zip(*rows, strict=True) if rows else ((),) * 4
    y, language = torch.tensor(labels, dtype=torch.int64), torch.tensor([number[each] for each in said_in]).long()
    return LanguageTexts(tuple(texts), y, language, tuple(items), classes, languages, name)


def divided(whole: LanguageTexts, part: Callable[[str], str]) -> Parts:
    """The texts by the part of their item."""
    own = [part(item) for item in whole.items]
    return {name: whole.select(torch.tensor([each == name for each in own], dtype=torch.bool)) for name in PARTS}


def without_twins(parts: Parts) -> Parts:
    """The parts without texts that a later part has, too, in any language and in any case of its letters."""
    later: set[str] = set()
    kept = {}
    for name in reversed(PARTS):
        folded = [text.casefold() for text in parts[name].texts]
        kept[name] = parts[name].select(torch.tensor([text not in later for text in folded], dtype=torch.bool))
        later |= set(folded)
    return {name: kept[name] for name in PARTS}


def limited(texts: LanguageTexts, most: int | None, seed: int | None = None) -> LanguageTexts:
    """At most so many texts of each language and class: the first, or random ones."""
    if most is None:
        return texts
    rows = torch.arange(len(texts)) if seed is None else torch.randperm(len(texts), generator=generator(seed))
    sort = (texts.language * len(texts.classes) + texts.y).cpu()[rows]
    return texts.select(torch.cat([rows[sort == each][:most] for each in sort.unique()]))


def some_items(texts: LanguageTexts, count: int | None, seed: int) -> LanguageTexts:
    """The texts of so many random items, or of all."""
    items = sorted(set(texts.items))
    order = torch.randperm(len(items), generator=generator(seed))[:count].tolist()
    chosen = {items[number] for number in order}
    return texts.select(torch.tensor([item in chosen for item in texts.items]))


def with_shifted(texts: LanguageTexts) -> LanguageTexts:
    """The texts, and after them the English ones in another alphabet, as a further language."""
    english = texts.select(texts.language == texts.languages.index("en"))
    return replace(
        texts,
        texts=texts.texts + tuple(codecs.encode(text, "rot13") for text in english.texts),
        items=texts.items + english.items,
        y=torch.cat([texts.y, english.y]),
        language=torch.cat([texts.language, torch.full_like(english.language, len(texts.languages))]),
        languages=(*texts.languages, SHIFTED),
    )
