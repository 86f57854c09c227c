"""Recipes ``glyphs-zeroshot`` and ``glyphs-zeroshot-shots``: name characters never seen by their Unicode names.

``LATIN SMALL LETTER E WITH ACUTE`` says of what a character is made, and each part stands in the names of others:
letters held out can be put together from parts. ``CYRILLIC SMALL LETTER ZHE`` says nothing that was seen elsewhere.
Both are measured, and how many pictures a name is worth. Three of the twelve typefaces are asked about; training sees
the other nine, and of training letters that are not asked about all twelve.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from course import runtime
from course.applications.attributes import indicators, vocabulary, words
from course.applications.described import ClassSplit, Described, measured
from course.applications.scorers import ALIGNED, ATTRIBUTES, CONTRAST, NEIGHBOURS, RIDGE, START, chosen
from course.applications.shots import best_worth, mixed_prototypes, named
from course.data.glyphs import drawings, faces, script_of
from course.data.renderings import FACES
from course.data.typefaces import letters
from course.reproduce import emoji_contrastive
from course.reproduce.emoji_zeroshot import UNITS, in_percent, kept
from course.reproduce.runner import Recipe

LETTERS, WORDS, SCRIPT = "letters held out, names by e5", "letters held out, words of names", "scripts held out, e5"
SCRIPTS = {"train": ("Latin",), "validation": ("Greek",), "test": ("Cyrillic", "Armenian", "Georgian")}
BOTH, TEXT, PICTURES = "name and pictures", "name alone", "pictures alone"
SHOTS = (0, 1, 2, 3, 4, 5)
WORTHS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
RIGHT = "200-way"


@dataclass(frozen=True)
class GlyphsZeroShotConfig:
    """What is split, and how it is seen.

    Attributes:
        size: side of the pictures, in pixels.
        test, validation: characters of a split that training does not see.
        seeds: each draws a split, first weights and batches.
    """

    size: int = 128
    test: int = 200
    validation: int = 150
    seeds: tuple[int, ...] = tuple(range(10, 20))

    @classmethod
    def quick(cls) -> "GlyphsZeroShotConfig":
        """Five splits, small pictures: a quarter of an hour on one core."""
        return cls(size=64, seeds=tuple(range(10, 15)))

    @classmethod
    def full(cls) -> "GlyphsZeroShotConfig":
        """Ten splits, larger pictures."""
        return cls()


@cache
def alphabet() -> tuple[str, ...]:
    """The letters of five scripts, each shape once."""
    wanted = {script for scripts in SCRIPTS.values() for script in scripts}
    return tuple(each for each in letters() if script_of(each) in wanted)


def pictures(size: int) -> Tensor:
    """Each letter of :func:`alphabet` in all twelve typefaces, black on white: ``[C, 12, 3, size, size]``."""
    drawn = torch.stack([drawings(file, list(alphabet())) for family in faces() for file in family], 1)
    paper = 1 - drawn.flatten(0, 1)[:, None].float() / 255
    return F.interpolate(paper, size, mode="bilinear", antialias=True).expand(-1, 3, -1, -1).unflatten(0, (-1, 12))


class GlyphsZeroShot(Recipe):
    """Letters never seen, by names that can be taken apart, and by names that cannot."""

    name = "glyphs-zeroshot"
    presets = GlyphsZeroShotConfig
    settings: tuple[str, ...] = (LETTERS, WORDS, SCRIPT)
    methods: tuple[str, ...] = (START, ATTRIBUTES, NEIGHBOURS, RIDGE, ALIGNED, CONTRAST)
    only: ClassVar = {WORDS: (ALIGNED,), SCRIPT: (ATTRIBUTES, NEIGHBOURS, ALIGNED)}
    differences: ClassVar = (
        (ALIGNED, NEIGHBOURS), (ALIGNED, RIDGE), (CONTRAST, ALIGNED), (ALIGNED, ATTRIBUTES),
    )  # fmt: skip
    units = UNITS

    def load(self) -> None:
        """The names of the characters."""
        self.names = [unicodedata.name(each).lower() for each in alphabet()]
        self.words = [words(name) for name in self.names]
        self.vectors = cache(self.vectors)

    def vectors(self, folder: Path) -> dict[str, Tensor]:
        """The vectors of all pictures and names, computed once for all seeds."""
        return kept(folder, self.make)

    def make(self) -> dict[str, Tensor]:
        """What :meth:`vectors` keeps."""
        drawn = pictures(self.config.size)
        found = [emoji_contrastive.picture_vectors(part.to(self.device)) for part in drawn.flatten(0, 1).split(1024)]
        read = emoji_contrastive.text_vectors(self.names, self.device)
        return {"pictures": torch.cat(found).unflatten(0, drawn.shape[:2]), "names": read}

    def described(self, setting: str, folder: Path) -> Described:
        """Nine typefaces to learn from, three that are asked about, and the names as a setting reads them."""
        known, asked = self.vectors(folder.parent), list(FACES["test"])
        seen = [face for face in range(12) if face not in asked]
        texts = indicators(self.words, vocabulary(self.words, 1)) if setting == WORDS else known["names"]
        return Described(known["pictures"][:, seen], known["pictures"][:, asked], texts, self.words)

    def split(self, seed: int, setting: str) -> ClassSplit:
        """Letters at random, or whole scripts: Latin is seen, Greek for choices, the others are asked about."""
        generator, sizes = runtime.generator(seed), (self.config.test, self.config.validation)
        if setting != SCRIPT:
            options = dict(zip(("test", "validation"), sizes, strict=True))
            rows = torch.arange(len(alphabet()))
            return ClassSplit.drawn(rows, rows[:0], **options, generator=generator)
        scripts = [script_of(each) for each in alphabet()]
        parts = {}
        for name, chosen_scripts in SCRIPTS.items():
            rows = torch.tensor([row for row, script in enumerate(scripts) if script in chosen_scripts])
            parts[name] = rows[torch.randperm(len(rows), generator=generator)]
        train, (test, validation) = parts["train"], sizes
        third = len(train) // 3
        watched, kept_rows = train[third:][: min(validation, third)], train[: min(test, third)]
        return ClassSplit(train, parts["validation"][:validation], parts["test"][:test], watched, kept_rows)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Everything that a scorer is asked."""
        of, split = self.described(setting, folder), self.split(seed, setting)
        return in_percent(measured(chosen(method, of, split, seed=seed), of, split))


class GlyphsZeroShotShots(GlyphsZeroShot):
    """A name and K pictures of a new letter in as many typefaces, in the space of CCA."""

    name = "glyphs-zeroshot-shots"
    settings: tuple[str, ...] = tuple(f"K = {shots}" for shots in SHOTS)
    methods: tuple[str, ...] = (TEXT, PICTURES, BOTH)
    only: ClassVar = {settings[0]: (TEXT,)}
    differences: ClassVar = ((BOTH, PICTURES),)
    units: ClassVar = {RIGHT: "%", "worth of the name": ""}

    def load(self) -> None:
        """The names, and the fit of a seed once."""
        super().load()
        self.placed = cache(self.placed)

    def placed(self, seed: int, folder: Path) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """Names, support and query pictures of validation and test classes as unit vectors in CCA's space."""
        of, split = self.described(LETTERS, folder), self.split(seed, LETTERS)
        maps = chosen(ALIGNED, of, split, seed=seed).keywords["maps"]
        return {
            part: tuple(
                F.normalize(side(each[rows]), dim=-1)
                for side, each in ((maps[1], of.texts), (maps[0], of.support), (maps[0], of.query))
            )
            for part, rows in (("validation", split.validation), ("test", split.test))
        }

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The share of test pictures that are nearest to their own class; the worth is chosen in validation."""
        shots = int(setting.removeprefix("K = "))
        drawn = torch.randperm(9, generator=runtime.generator(seed))[:shots]
        found = self.placed(seed, folder.parent / "fitted")
        worth = {TEXT: 1e9, PICTURES: 0.0}.get(method)
        if worth is None:
            text, support, query = found["validation"]
            worth = best_worth(text, support[:, drawn], query, WORTHS)
        text, support, query = found["test"]
        right = named(mixed_prototypes(text, support[:, drawn], worth), query)
        return {RIGHT: 100 * right, "worth of the name": worth if method == BOTH else 0.0}
