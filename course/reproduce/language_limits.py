"""Recipes ``emoji-unread`` and ``tweets-mixed``: languages that the encoder was not made for, and two in one text.

Both go on from :mod:`course.reproduce.crosslingual_recipes`. In the first, heads learn from 14 languages and are asked
in eight others; settings are chosen on two of the 14. In the second they learn from tweets in eight languages, and are
asked for English ones of which a share of the words is said in a ninth, or in one of the eight; penalties are chosen on
validation tweets of the sources. The interval is over the languages that are asked for, or mixed in. In the second
these share their tweets, so it says how far another language to mix in might be off, not other tweets.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course import data
from course.applications import language_texts
from course.applications.code_mixing import Dictionary, known_share, misled, mixed
from course.applications.language_heads import Head
from course.applications.language_protocol import best, macro_f1
from course.applications.language_texts import LanguageTexts, Parts
from course.applications.language_vectors import centred, text_vectors
from course.data.cldr import LANGUAGES as UNREAD
from course.reproduce.crosslingual_recipes import (
    ALL_BALANCED,
    ALL_CENTRED,
    ALONE,
    ANCHORED,
    ENGLISH_BALANCED,
    ENGLISH_CENTRED,
    F1,
    FIVE,
    JOINED,
    MAML_FIVE,
    METRIC,
    NONE,
    ONE_CLASS,
    ORACLE,
    PENALTIES,
    TWENTY,
    UNTRAINED,
    WRONG,
    EmojiCrosslingual,
    UmsabCrosslingual,
)

WITHOUT_LABELS = (
    ONE_CLASS, UNTRAINED, ENGLISH_BALANCED, ENGLISH_CENTRED, ALL_BALANCED, ALL_CENTRED, WRONG, ORACLE, JOINED,
)  # fmt: skip
WITH_FEW = (ALL_CENTRED, ALONE, METRIC, MAML_FIVE, ANCHORED)


class EmojiUnread(EmojiCrosslingual):
    """The group of an emoji by its name in languages that the encoder was not made for; heads from 14 others."""

    name = "emoji-unread"
    extra = UNREAD
    settings = (NONE, FIVE, TWENTY)
    methods = (*WITHOUT_LABELS, *WITH_FEW[1:])
    only: ClassVar = {NONE: WITHOUT_LABELS, FIVE: WITH_FEW, TWENTY: WITH_FEW}
    units: ClassVar = dict.fromkeys((F1, *UNREAD), "%")
    differences = (
        (ALL_BALANCED, UNTRAINED), (ALL_CENTRED, UNTRAINED), (ENGLISH_CENTRED, ENGLISH_BALANCED),
        (ALL_CENTRED, ALL_BALANCED), (ALL_CENTRED, WRONG), (ORACLE, ALL_CENTRED), (JOINED, ALL_CENTRED),
        (JOINED, ORACLE), (METRIC, ALL_CENTRED), (MAML_FIVE, ALL_CENTRED), (ANCHORED, ALL_CENTRED), (ANCHORED, METRIC),
        (ANCHORED, ALONE),
    )  # fmt: skip

    def load(self) -> None:
        """The names in all languages."""
        self.more = data.load("cldr_names")
        super().load()
        self.folds, self.counted = [self.extra], list(self.extra)

    def names(self, seed: int) -> Parts:
        """The names of emoji in 22 languages."""
        return language_texts.emoji_names(seed, more=self.more)


MIXED_IN = ("de", "fi", "fr", "hr", "it", "ru", "tr")
SHARES = {"no word mixed": 0.0, "a quarter of the words": 0.25, "half of the words": 0.5, "all words": 1.0}
AS_ENGLISH, BY_MIXED = f"{ALL_BALANCED}, centred as English", f"{ALL_BALANCED}, centred by mixed tweets"
MISLED, LEFT_OUT = f"{AS_ENGLISH}, words of another meaning", f"{AS_ENGLISH}, words left out"
KNOWN = "words that the dictionary knows"


@dataclass(frozen=True)
class MixedConfig:
    """How much is read.

    Attributes:
        pool, drawn: training tweets of a language and class that are read, and that a seed draws of these.
        validation, test: tweets of a language and class.
        seeds: each draws training tweets. The words that are replaced are the same for all.
    """

    pool: int | None = None
    drawn: int | None = None
    validation: int | None = None
    test: int | None = None
    seeds: tuple[int, ...] = (10, 11, 12, 13, 14)

    @classmethod
    def quick(cls) -> "MixedConfig":
        """A third of the training tweets, two thirds of the test: about fifteen minutes on one core."""
        return cls(pool=200, drawn=150, validation=80, test=200)

    @classmethod
    def full(cls) -> "MixedConfig":
        """All tweets."""
        return cls()


class TweetsMixed(UmsabCrosslingual):
    """Sentiment of English tweets with words of another language in them, by heads that never saw a mixture."""

    name = "tweets-mixed"
    presets = MixedConfig
    settings = tuple(SHARES)
    methods = (ENGLISH_BALANCED, ALL_BALANCED, AS_ENGLISH, BY_MIXED, MISLED, LEFT_OUT)
    only: ClassVar = {"no word mixed": (ENGLISH_BALANCED, ALL_BALANCED, AS_ENGLISH)}
    units: ClassVar = dict.fromkeys((F1, KNOWN, *MIXED_IN), "%")
    differences = (
        (ALL_BALANCED, ENGLISH_BALANCED), (AS_ENGLISH, ALL_BALANCED), (BY_MIXED, AS_ENGLISH), (AS_ENGLISH, MISLED),
        (AS_ENGLISH, LEFT_OUT),
    )  # fmt: skip
    paper: ClassVar = {}

    def load(self) -> None:
        """The tweets that are read, and the dictionaries."""
        pairs = data.load("xling_eval")
        self.dictionaries = {}
        for language in MIXED_IN:
            found: dict[str, tuple[str, ...]] = {}
            for part in ("train 5k", "test 2k"):
                found |= pairs[f"en-{language} {part}"].translations()
            self.dictionaries[language] = found
        self.pool = language_texts.tweets(self.config.pool, self.config.validation, self.config.test)
        self.fitted = {}
        self.languages = self.pool["test"].languages
        self.n_way = len(self.pool["test"].classes)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float | list[float]]:
        """Macro-F1 with words of each language, and the share of the words that its dictionary knows."""
        self.seed, self.now, share = seed, self.world(seed, folder, False), SHARES[setting]
        sources = (self.english,) if method == ENGLISH_BALANCED else self.languages
        head = self.chosen_head(sources, centre=method not in (ENGLISH_BALANCED, ALL_BALANCED))
        test, found, known = self.english_part("test"), {}, {}
        for language in MIXED_IN:
            own = self.dictionaries[language]
            known[language] = 100 * known_share(test.texts, own)
            said = {MISLED: misled(own), LEFT_OUT: dict.fromkeys(own, ("",))}.get(method, own)
            x = self.mixture(test, said, share, folder)
            if method == BY_MIXED:
                mean = self.mixture(self.english_part("validation"), own, share, folder).mean(0, keepdim=True)
            else:
                mean = self.now.means[[self.languages.index(self.english)]]
            if method not in (ENGLISH_BALANCED, ALL_BALANCED):
                x = centred(x, torch.zeros_like(test.y), mean)
            found[language] = 100 * macro_f1(test.y, head.scores(x).argmax(1), self.n_way)
        return {F1: list(found.values()), KNOWN: list(known.values())} | found

    def english_part(self, part: str) -> LanguageTexts:
        """The English tweets of a part."""
        own = self.now.parts[part]
        return own.select(own.language == self.languages.index(self.english))

    def mixture(self, texts: LanguageTexts, dictionary: Dictionary, share: float, folder: Path) -> Tensor:
        """The vectors of tweets with words from a dictionary, stored as those of the world are."""
        own, others = folder.parent / "vectors", folder.parent.parent.glob("seed-*/vectors")
        said = [mixed(text, dictionary, share) for text in texts.texts]
        return text_vectors(said, self.device, own, stored=sorted(others))

    def chosen_head(self, sources: tuple[str, ...], *, centre: bool) -> Head:
        """The balanced head of the sources with the penalty that is best in their own validation."""
        watched = [self.now.rows("validation", [each], centre=centre)[:2] for each in sources]
        method = ALL_CENTRED if centre else ALL_BALANCED

        def in_validation(penalty: float) -> float:
            head = self.head(method, penalty, sources)
            return sum(macro_f1(y, head.scores(x).argmax(1), self.n_way) for x, y in watched)

        return self.head(method, best(PENALTIES, in_validation), sources)
