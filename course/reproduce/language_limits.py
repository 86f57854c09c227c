"""Recipes ``emoji-unread`` and ``tweets-mixed``: languages that the encoder was not made for, and two in one text.

Both go on from :mod:`course.reproduce.crosslingual_recipes`. In the first, heads learn from 14 languages and are asked
in eight others. Settings are chosen on two of the 14; those of a head with all labels of the target, in its validation
texts. In the second they learn from tweets in eight languages, and are asked for English ones of which a share of the
words is said in another language. Penalties are chosen on validation tweets of the sources. The interval is over the
languages that are asked for, or mixed in. The latter share their tweets and the words that are replaced, so it says how
far another language to mix in might be off, not other tweets.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import Tensor

from course import data
from course.applications import language_texts
from course.applications.code_mixing import Dictionary, known_share, misled, mixed, other_words
from course.applications.language_heads import Head, fit_head
from course.applications.language_protocol import best, few, macro_f1
from course.applications.language_texts import LanguageTexts, Parts
from course.applications.language_vectors import centred
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
    TRIALS,
    TWENTY,
    UNTRAINED,
    WRONG,
    EmojiCrosslingual,
    UmsabCrosslingual,
)

EVEN = "head on all labels of sources and target, half of the weight on the target"
SPELLED, FEW_SPELLED = "character n-grams on all labels of the target", "character n-grams on the few labels alone"
STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # inverse penalties of the heads on n-grams
WITHOUT_LABELS = (
    ONE_CLASS, UNTRAINED, ENGLISH_BALANCED, ENGLISH_CENTRED, ALL_BALANCED, ALL_CENTRED, WRONG, SPELLED, ORACLE, JOINED,
    EVEN,
)  # fmt: skip
WITH_FEW = (ALL_CENTRED, FEW_SPELLED, ALONE, METRIC, MAML_FIVE, ANCHORED)


class EmojiUnread(EmojiCrosslingual):
    """The group of an emoji by its name in languages that the encoder was not made for; heads from 14 others."""

    name = "emoji-unread"
    extra = UNREAD
    trials: ClassVar = TRIALS | {EVEN: PENALTIES, SPELLED: STRENGTHS, FEW_SPELLED: STRENGTHS}
    by_target = (ORACLE, EVEN, SPELLED)
    settings = (NONE, FIVE, TWENTY)
    methods = (*WITHOUT_LABELS, *WITH_FEW[1:])
    only: ClassVar = {NONE: WITHOUT_LABELS, FIVE: WITH_FEW, TWENTY: WITH_FEW}
    units: ClassVar = dict.fromkeys((F1, *UNREAD), "%")
    differences = (
        (ALL_BALANCED, UNTRAINED), (ALL_CENTRED, UNTRAINED), (ENGLISH_CENTRED, ENGLISH_BALANCED),
        (ALL_CENTRED, ALL_BALANCED), (ALL_CENTRED, WRONG), (ORACLE, ALL_CENTRED), (JOINED, ALL_CENTRED),
        (JOINED, ORACLE), (EVEN, ORACLE), (SPELLED, ORACLE), (METRIC, ALL_CENTRED), (METRIC, ALONE),
        (MAML_FIVE, ALL_CENTRED), (ANCHORED, ALL_CENTRED), (ANCHORED, METRIC), (ANCHORED, ALONE), (FEW_SPELLED, ALONE),
    )  # fmt: skip

    def load(self) -> None:
        """The names in all languages."""
        self.more = data.load("cldr_names")
        super().load()
        self.folds, self.counted = [self.extra], list(self.extra)

    def names(self, seed: int) -> Parts:
        """The names of emoji in 22 languages."""
        return language_texts.emoji_names(seed, more=self.more)

    def asked(self, method: str, trial, sources: tuple[str, ...], target: str, k: int, part: str) -> float:
        """Macro-F1 of a method with one setting, in %, in a part of the target."""
        if method == EVEN:
            own, others = (self.now.rows("train", each, centre=True)[:2] for each in ([target], sources))
            times = len(others[1]) // len(own[1])
            learned = (torch.cat([*[mine] * times, theirs]) for mine, theirs in zip(own, others, strict=True))
            x, y, _ = self.now.rows(part, [target], centre=True)
            return 100 * macro_f1(y, fit_head(*learned, self.n_way, trial).scores(x).argmax(1), self.n_way)
        if method not in (SPELLED, FEW_SPELLED):
            return super().asked(method, trial, sources, target, k, part)
        number = self.languages.index(target)
        learned, test = (each.select(each.language == number) for each in (self.now.parts[p] for p in ("train", part)))
        if method == FEW_SPELLED:
            learned = learned.select(few(learned.y, self.n_way, k, 1000 * self.seed + number))
        reader = make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True),
            LogisticRegression(C=trial, class_weight="balanced", max_iter=1000),
        )
        reader.fit(learned.texts, learned.y.cpu().numpy())
        answers = torch.from_numpy(reader.predict(test.texts)).to(test.y.device)
        return 100 * macro_f1(test.y, answers, self.n_way)


MIXED_IN = ("de", "fi", "fr", "hr", "it", "ru", "tr")
SHARES = {"a quarter of the words": 0.25, "half of the words": 0.5, "all words": 1.0}  # of those that are known
AS_ENGLISH, BY_MIXED = f"{ALL_BALANCED}, centred as English", f"{ALL_BALANCED}, centred by mixed tweets"
CENTRED = (AS_ENGLISH, BY_MIXED)
UNMIXED, MISLED, LEFT_OUT = (
    f"{ALL_BALANCED}, {what}" for what in ("tweets as they are", "words of another meaning", "words left out")
)
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
        """A third of the training tweets, two thirds of the test: about half an hour on a busy core."""
        return cls(pool=200, drawn=150, validation=80, test=200)

    @classmethod
    def full(cls) -> "MixedConfig":
        """All tweets."""
        return cls()


class TweetsMixed(UmsabCrosslingual):
    """Sentiment of English tweets with words of another language, by heads that learned from no such mixtures."""

    name = "tweets-mixed"
    presets = MixedConfig
    settings = tuple(SHARES)
    methods = (ENGLISH_BALANCED, UNMIXED, ALL_BALANCED, AS_ENGLISH, BY_MIXED, MISLED, LEFT_OUT)
    units: ClassVar = dict.fromkeys((F1, KNOWN, *MIXED_IN), "%")
    differences = (
        (ALL_BALANCED, UNMIXED), (ALL_BALANCED, ENGLISH_BALANCED), (AS_ENGLISH, ALL_BALANCED), (BY_MIXED, AS_ENGLISH),
        (ALL_BALANCED, MISLED), (ALL_BALANCED, LEFT_OUT), (LEFT_OUT, UNMIXED),
    )  # fmt: skip
    paper: ClassVar = {}

    def load(self) -> None:
        """The tweets that are read, and the dictionaries."""
        self.pool = language_texts.tweets(self.config.pool, self.config.validation, self.config.test)
        pairs = data.load("xling_eval")
        self.dictionaries = {}
        for language in MIXED_IN:
            parts = (other_words(pairs[f"en-{language} {part}"]) for part in ("train 5k", "test 2k"))
            self.dictionaries[language] = {word: said for own in parts for word, said in own.items()}
        self.fitted = {}
        self.languages = self.pool["test"].languages
        self.n_way = len(self.pool["test"].classes)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float | list[float]]:
        """Macro-F1 with words of each language, and the share of the words that its dictionary knows."""
        self.seed, self.now, share = seed, self.world(seed, folder, False), SHARES[setting]
        sources = (self.english,) if method == ENGLISH_BALANCED else self.languages
        head = self.chosen_head(sources, centre=method in CENTRED)
        test, found, known = self.english_part("test"), {}, {}
        for language in MIXED_IN:
            dictionary = self.dictionaries[language]
            known[language] = 100 * known_share(test.texts, dictionary)
            if method == MISLED:
                dictionary = misled(dictionary)
            elif method == LEFT_OUT:
                dictionary = dict.fromkeys(dictionary, ("",))
            x = self.mixture(test, dictionary, 0.0 if method == UNMIXED else share, folder)
            if method == BY_MIXED:
                mean = self.mixture(self.english_part("validation"), dictionary, share, folder).mean(0, keepdim=True)
                x = centred(x, torch.zeros_like(test.y), mean)
            elif method == AS_ENGLISH:
                x = centred(x, torch.zeros_like(test.y), self.now.means[[self.languages.index(self.english)]])
            found[language] = 100 * macro_f1(test.y, head.scores(x).argmax(1), self.n_way)
        return {F1: list(found.values()), KNOWN: list(known.values())} | found

    def english_part(self, part: str) -> LanguageTexts:
        """The English tweets of a part."""
        own = self.now.parts[part]
        return own.select(own.language == self.languages.index(self.english))

    def mixture(self, texts: LanguageTexts, dictionary: Dictionary, share: float, folder: Path) -> Tensor:
        """The vectors of tweets with words from a dictionary."""
        return self.vectors([mixed(text, dictionary, share) for text in texts.texts], folder)

    def chosen_head(self, sources: tuple[str, ...], *, centre: bool) -> Head:
        """The balanced head of the sources with the penalty that is best in their own validation."""
        watched = [self.now.rows("validation", [each], centre=centre)[:2] for each in sources]
        method = ALL_CENTRED if centre else ALL_BALANCED

        def in_validation(penalty: float) -> float:
            head = self.head(method, penalty, sources)
            return sum(macro_f1(y, head.scores(x).argmax(1), self.n_way) for x, y in watched)

        return self.head(method, best(PENALTIES, in_validation), sources)
