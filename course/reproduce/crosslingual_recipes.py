"""Recipes ``emoji-crosslingual`` and ``umsab-crosslingual``: texts in a language without labels, or few.

Languages are left out in four groups. A frozen multilingual encoder makes vectors; what is learned stands upon it:
linear heads from English or from all other languages, prototypes, a meta-learned metric, a head by MAML, a head that
stays near another one. Each has four trials, on two source languages that play the new one; heads of one language are
chosen in it. The head on sources and target has the penalty of the all-source head, and what stays near that head has
four trials more. The interval is over target languages, of which each is a mean over the seeds. The languages share
their sources and, among emoji, the things that are named, so that they are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course.applications import language_texts
from course.applications.language_heads import Head, fit_head
from course.applications.language_protocol import best, few, folds, macro_f1, pretenders
from course.applications.language_tasks import LanguageEpisodes, train_metric, train_starting_head
from course.applications.language_texts import SHIFTED, Parts, limited, some_items, with_shifted
from course.applications.language_vectors import centred, language_means, text_vectors
from course.data import Episode
from course.meta_learning.heads import nearest_mean
from course.reproduce.runner import Recipe

ONE_CLASS = "always the same class"
ENGLISH, ENGLISH_BALANCED, ENGLISH_CENTRED = (
    f"English head{more}" for more in ("", ", balanced", ", balanced, centred")
)
ALL, ALL_BALANCED, ALL_CENTRED = (f"all-source head{more}" for more in ("", ", balanced", ", balanced, centred"))
WRONG = "all-source head, balanced, centred by another language"
UNTRAINED = "all-source head, balanced, centred, untrained encoder"
ORACLE, JOINED = "head on all labels of the target", "head on all labels of sources and target"
ALONE = "head on the few labels alone"
PROTOTYPES, BEGUN, METRIC = "prototypes", "metric as it begins", "meta-learned metric"
MAML_NONE, MAML_FIVE = "MAML head, no step", "MAML head, five steps"
SHUFFLED_NONE, SHUFFLED_FIVE = "MAML head, shuffled labels, no step", "MAML head, shuffled labels, five steps"
ANCHORED = "all-source head, moved by the few labels"

SHOTS = {"no label": 0, "1 label a class": 1, "5 labels a class": 5, "20 labels a class": 20}
NONE, ONE, FIVE, TWENTY = SHOTS
SINGLE = "one source language"
F1 = "macro-F1"
WITHOUT_LABELS = (
    ONE_CLASS, UNTRAINED, ENGLISH, ENGLISH_BALANCED, ENGLISH_CENTRED, ALL, ALL_BALANCED, ALL_CENTRED, WRONG, MAML_NONE,
    ORACLE, JOINED,
)  # fmt: skip
WITH_FEW = (ALL, ALL_CENTRED, ALONE, PROTOTYPES, BEGUN, METRIC, MAML_NONE, MAML_FIVE, ANCHORED)

PENALTIES = (3e-4, 1e-3, 3e-3, 1e-2)
ANCHORS = (3e-3, 1e-2, 3e-2, 1e-1)
COMPARED = tuple(product((False, True), ("none", "length 1")))  # centred; how vectors are compared
METRICS = tuple(product((1e-3, 1e-2), (3.0, 6.0)))  # rate; scale
HEADS = tuple(product((1.0, 5.0), (0.01, 0.1)))  # inner rate; rate
HEAD_OPTIONS = {  # sources, balanced, centred
    ENGLISH: ("english", False, False), ENGLISH_BALANCED: ("english", True, False),
    ENGLISH_CENTRED: ("english", True, True), ALL: ("all", False, False), ALL_BALANCED: ("all", True, False),
    ALL_CENTRED: ("all", True, True), WRONG: ("all", True, True), UNTRAINED: ("all", True, True),
}  # fmt: skip
TRIALS = (
    dict.fromkeys((*HEAD_OPTIONS, ORACLE, ALONE), PENALTIES)
    | {
        PROTOTYPES: COMPARED,
        BEGUN: (METRICS[0],),
        METRIC: METRICS,
        ANCHORED: ANCHORS,
        ONE_CLASS: (None,),
        JOINED: (None,),
    }
    | dict.fromkeys((MAML_NONE, MAML_FIVE, SHUFFLED_NONE, SHUFFLED_FIVE), HEADS)
)


@dataclass(frozen=True)
class CrosslingualConfig:
    """How much is read, and how long is learned.

    Attributes:
        pool: training texts of a language and class that are read (UMSAB; ``None``: all).
        drawn: of these, how many a seed draws.
        concepts: emoji for training that a seed draws; all their names are read.
        validation: validation texts of a language and class (UMSAB).
        untrained: texts of a language and class and part that the untrained encoder reads.
        metric_steps, head_steps: of the two meta-learners.
        seeds: each draws training texts, the few labels and first weights; among emoji the parts, too.
    """

    pool: int | None = None
    drawn: int | None = None
    concepts: int | None = None
    validation: int | None = None
    untrained: int = 200
    metric_steps: int = 100
    head_steps: int = 60
    seeds: tuple[int, ...] = (10, 11, 12, 13, 14)

    @classmethod
    def quick(cls) -> "CrosslingualConfig":
        """A third of UMSAB's training tweets, half of the emoji, and five seeds: about six minutes on one core."""
        return cls(pool=200, drawn=150, concepts=500, validation=80, untrained=30)

    @classmethod
    def full(cls) -> "CrosslingualConfig":
        """All training texts."""
        return cls()


@dataclass(frozen=True, eq=False)
class World:
    """What one seed sees: vectors of each part, as they are and centred, and what belongs to them."""

    parts: Parts
    raw: dict[str, Tensor]
    means: Tensor

    def rows(self, part: str, languages: Sequence[str], *, centre: bool, means: Tensor | None = None):
        """Vectors, class numbers and numbers of languages of a part in some languages."""
        own = self.parts[part]
        wanted = torch.tensor([own.languages.index(each) for each in languages], device=own.language.device)
        chosen = torch.isin(own.language, wanted)
        x, language = self.raw[part][chosen], own.language[chosen]
        if centre:
            x = centred(x, language, self.means if means is None else means)
        return x, own.y[chosen], language


class Crosslingual(Recipe):
    """Targets in turn, methods with equal trials; a subclass says what is read."""

    presets = CrosslingualConfig
    settings: tuple[str, ...] = tuple(SHOTS)
    methods: tuple[str, ...] = (*WITHOUT_LABELS, *WITH_FEW[2:6], *WITH_FEW[7:])
    only: ClassVar = {NONE: WITHOUT_LABELS} | dict.fromkeys((ONE, FIVE, TWENTY), WITH_FEW)
    differences = (
        (ENGLISH_CENTRED, ENGLISH_BALANCED), (ALL_BALANCED, ALL), (ALL_CENTRED, ALL_BALANCED),
        (ALL_CENTRED, ENGLISH_CENTRED), (ALL_CENTRED, WRONG), (ORACLE, ALL_CENTRED), (JOINED, ALL_CENTRED),
        (METRIC, BEGUN), (METRIC, PROTOTYPES), (METRIC, ALL_CENTRED), (MAML_FIVE, MAML_NONE), (MAML_FIVE, ALL_CENTRED),
        (ANCHORED, ALL), (ANCHORED, ALL_CENTRED), (ANCHORED, METRIC),
    )  # fmt: skip
    items: ClassVar = {F1: "languages"}
    english: str
    left_out: int  # languages that are left out together
    extra: tuple[str, ...] = ()  # languages that are asked for, and never learned from
    trials: ClassVar = TRIALS
    by_target: tuple[str, ...] = (ORACLE,)  # methods that choose their setting in the target's validation texts

    def read(self, seed: int, untrained: bool) -> Parts:
        """The texts of each part that a seed sees."""
        raise NotImplementedError

    def texts(self, untrained: bool) -> list[str]:
        """All texts that any seed reads, so that they are read once."""
        raise NotImplementedError

    def load(self) -> None:
        """Check that the data are there."""
        self.fitted: dict[tuple, object] = {}
        self.languages = self.read(self.config.seeds[0], False)["test"].languages
        self.folds = folds([each for each in self.languages if each not in self.extra], self.left_out)
        self.folds[0] += self.extra
        self.counted = [each for each in self.languages if each not in (self.english, *self.extra)]
        self.n_way = len(self.read(self.config.seeds[0], False)["test"].classes)

    def world(self, seed: int, folder: Path, untrained: bool) -> World:
        """The texts of a seed as vectors."""
        key = "world", seed, untrained
        if key not in self.fitted:
            if all(kept[1] != seed for kept in self.fitted):
                self.fitted.clear()  # of the seed before
            parts = {name: part.to(self.device) for name, part in self.read(seed, untrained).items()}
            texts = self.texts(untrained)
            x = self.vectors(texts, folder, pretrained=not untrained)
            row = {text: number for number, text in enumerate(texts)}
            raw = {name: x[[row[text] for text in part.texts]] for name, part in parts.items()}
            train = parts["train"]
            means = language_means(raw["train"], train.language, len(train.languages))
            self.fitted[key] = World(parts, raw, means)
        return self.fitted[key]

    def vectors(self, texts: Sequence[str], folder: Path, *, pretrained: bool = True) -> Tensor:
        """The vectors of texts, stored in the first seed's folder that needs them."""
        own, others = folder.parent / "vectors", folder.parent.parent.glob("seed-*/vectors")
        return text_vectors(texts, self.device, own, pretrained=pretrained, stored=sorted(others))

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float | list[float]]:
        """Macro-F1 in each language that is left out once, and those that are counted in a list."""
        self.seed, self.now = seed, self.world(seed, folder, method == UNTRAINED)
        found = {}
        for fold, left_out in enumerate(self.folds):
            sources = tuple(each for each in self.languages if each not in (*left_out, *self.extra))
            for target in left_out:
                if setting == SINGLE:
                    found[target] = self.from_one(method.removeprefix("from "), target)
                else:
                    found[target] = self.scored(method, fold, sources, target, SHOTS[setting])
        return {F1: [found[each] for each in self.counted]} | found

    def scored(self, method: str, fold: int, sources: tuple[str, ...], target: str, k: int) -> float:
        """Macro-F1 in the test of a target, in %, with the setting that was best in validation."""
        self.fold = fold
        if method in HEAD_OPTIONS and HEAD_OPTIONS[method][0] == "english":
            sources = (self.english,)
        if method in (ANCHORED, JOINED):
            self.penalty = self.choice(ALL_CENTRED, sources, target, 0)
        trial = self.choice(method, sources, target, k)
        return self.asked(method, trial, sources, target, k, "test")

    def choice(self, method: str, sources: tuple[str, ...], target: str, k: int):
        """The best of a method's trials in validation: of pretenders, of the only source, or of an oracle's target."""
        if method in self.by_target or len(sources) == 1:
            learn, watched = sources, (target,) if method in self.by_target else sources
        else:
            watched = pretenders(sources, self.fold)
            learn = tuple(each for each in sources if each not in watched)
        key = "choice", self.seed, method, learn, watched, k

        def in_validation(trial) -> float:
            return sum(self.asked(method, trial, learn, each, k, "validation") for each in watched)

        if key not in self.fitted:
            self.fitted[key] = best(self.trials[method], in_validation)
        return self.fitted[key]

    def asked(self, method: str, trial, sources: tuple[str, ...], target: str, k: int, part: str) -> float:
        """Macro-F1 of a method with one setting, in %, in a part of the target."""
        compared = trial[0] if method == PROTOTYPES else True
        centre = HEAD_OPTIONS[method][2] if method in HEAD_OPTIONS else compared
        means = self.now.means.roll(1, 0) if method == WRONG else None
        x, y, _ = self.now.rows(part, [target], centre=centre, means=means)
        return 100 * macro_f1(y, self.answers(method, trial, sources, target, k, x, centre), self.n_way)

    def answers(self, method, trial, sources, target: str, k: int, x: Tensor, centre: bool) -> Tensor:
        """Class numbers of vectors ``[m, d]`` of the target."""
        if method == ONE_CLASS:
            return self.now.rows("train", sources, centre=False)[1].mode().values.expand(len(x))
        if method in HEAD_OPTIONS:
            return self.head(method, trial, sources).scores(x).argmax(1)
        if method in (ORACLE, JOINED):
            trial = self.penalty if method == JOINED else trial
            learned = self.now.rows("train", [target, *(sources if method == JOINED else ())], centre=True)
            return fit_head(*learned[:2], self.n_way, trial).scores(x).argmax(1)
        support = self.now.rows("train", [target], centre=centre)
        number = self.languages.index(target)
        chosen = few(support[1], self.n_way, k, 1000 * self.seed + number).to(x.device)
        support_x, support_y = support[0][chosen], support[1][chosen]
        if method == ALONE:
            return fit_head(support_x, support_y, self.n_way, trial).scores(x).argmax(1)
        if method == ANCHORED:
            start = self.head(ALL_CENTRED, self.penalty, sources)
            return fit_head(support_x, support_y, self.n_way, trial, anchor=start).scores(x).argmax(1)
        if method == PROTOTYPES:
            given = support_x[None], support_y[None], x[None]
            return nearest_mean(*given, self.n_way, how=trial[1])[0].argmax(1)
        learner = self.learner(method, trial, sources)
        if method in (BEGUN, METRIC):
            with torch.no_grad():
                return learner.adapt(support_x, support_y)(x).argmax(1)
        steps = 0 if method in (MAML_NONE, SHUFFLED_NONE) else None
        if not k:  # no step needs no label, but an episode has some
            support_x, support_y = x[:1], torch.zeros_like(x[:1, 0], dtype=torch.int64)
        episode = Episode(support_x[None], support_y[None], x[None], torch.zeros_like(x[None, :, 0]).long())
        return learner.predictions(episode, steps=steps)[0].argmax(1)

    def head(self, method: str, penalty: float, sources: tuple[str, ...]) -> Head:
        """A head from all labels of the sources."""
        _, balanced, centre = HEAD_OPTIONS[method]
        key = "head", self.seed, balanced, centre, method == UNTRAINED, penalty, sources
        if key not in self.fitted:
            x, y, _ = self.now.rows("train", sources, centre=centre)
            self.fitted[key] = fit_head(x, y, self.n_way, penalty, balanced=balanced)
        return self.fitted[key]

    def learner(self, method: str, trial, sources: tuple[str, ...]):
        """A meta-learner from the sources' languages."""
        metric, shuffled = method in (BEGUN, METRIC), method in (SHUFFLED_NONE, SHUFFLED_FIVE)
        key = "learner", self.seed, metric, method == BEGUN, shuffled, trial, sources
        if key not in self.fitted:
            x, y, language = self.now.rows("train", sources, centre=True)
            sampler = LanguageEpisodes(x, y, language, self.n_way, shuffled=shuffled, seed=self.seed)
            if metric:
                steps = 0 if method == BEGUN else self.config.metric_steps
                self.fitted[key] = train_metric(x, sampler, rate=trial[0], scale=trial[1], steps=steps)
            else:
                options = {"inner_rate": trial[0], "rate": trial[1], "steps": self.config.head_steps}
                self.fitted[key] = train_starting_head(sampler, **options)
        return self.fitted[key]

    def from_one(self, source: str, target: str) -> float:
        """Macro-F1 in the target of a balanced, centred head from one language, chosen in that language."""
        penalty = self.choice(ENGLISH_CENTRED, (source,), source, 0)
        return self.asked(ENGLISH_CENTRED, penalty, (source,), target, 0, "test")


EMOJI = ("en", "ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
TWEETS = ("arabic", "english", "french", "german", "hindi", "italian", "portuguese", "spanish")


class EmojiCrosslingual(Crosslingual):
    """The group of an emoji by its name; no emoji of the test was named in training, in any language."""

    name = "emoji-crosslingual"
    english, left_out = "en", 4
    extra = (SHIFTED,)
    units: ClassVar = dict.fromkeys((F1, *EMOJI, SHIFTED), "%")

    def read(self, seed: int, untrained: bool) -> Parts:
        """Parts drawn anew by a seed; the untrained encoder reads less, and the same for every seed."""
        if untrained:
            names = self.names(self.config.seeds[0])
            return {name: limited(part, self.config.untrained) for name, part in names.items()}
        if ("parts", seed) not in self.fitted:
            parts = self.names(seed)
            parts["train"] = some_items(parts["train"], self.config.concepts, seed)
            self.fitted["parts", seed] = parts
        return self.fitted["parts", seed]

    def texts(self, untrained: bool) -> list[str]:
        """The names of all emoji, or of those that the untrained encoder reads."""
        drawn = [self.read(0, True)] if untrained else map(self.names, self.config.seeds)
        return sorted({text for parts in drawn for part in parts.values() for text in part.texts})

    def names(self, seed: int) -> Parts:
        """The names of emoji in 14 languages and in another alphabet."""
        return {name: with_shifted(part) for name, part in language_texts.emoji_names(seed).items()}


class UmsabCrosslingual(Crosslingual):
    """Sentiment of tweets in eight languages; also from each single language to each other one."""

    name = "umsab-crosslingual"
    english, left_out = "english", 2
    units: ClassVar = dict.fromkeys((F1, *TWEETS), "%")
    settings = (*SHOTS, SINGLE)
    methods = (*Crosslingual.methods, SHUFFLED_NONE, SHUFFLED_FIVE, *(f"from {each}" for each in TWEETS))
    only: ClassVar = Crosslingual.only | {
        FIVE: (*WITH_FEW, SHUFFLED_NONE, SHUFFLED_FIVE),
        SINGLE: tuple(f"from {each}" for each in TWEETS),
    }
    differences = (*Crosslingual.differences, (SHUFFLED_FIVE, SHUFFLED_NONE), (SHUFFLED_FIVE, MAML_FIVE))
    # Fine-tuned XLM-RoBERTa, trained and tested in one language: the owner's table (Barbieri et al., 2022).
    paper: ClassVar = {
        (ORACLE, language, NONE): (value, None)
        for language, value in zip(TWEETS, (63.6, 68.2, 72.0, 73.6, 36.6, 71.5, 67.1, 65.9), strict=True)
    }

    def load(self) -> None:
        """The tweets that are read."""
        self.pool = language_texts.tweets(self.config.pool, self.config.validation)
        super().load()

    def read(self, seed: int, untrained: bool) -> Parts:
        """The pool of tweets; of the training part, those that a seed draws."""
        pool = self.pool
        if untrained:
            return {name: limited(part, self.config.untrained) for name, part in pool.items()}
        return pool | {"train": limited(pool["train"], self.config.drawn, seed)}

    def texts(self, untrained: bool) -> list[str]:
        """The texts of the pool."""
        parts = self.read(0, True) if untrained else self.pool
        return sorted({text for part in parts.values() for text in part.texts})
