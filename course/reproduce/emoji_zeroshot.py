"""Recipes ``emoji-zeroshot``, ``noto-zeroshot`` and ``emoji-zeroshot-cuts``: name pictures of 200 classes never seen.

A class is an emoji, its description a name (and keywords). What each method finds among the unseen classes, among all
classes, and whether it notices a class that nobody described; and for whom the best of the simple methods works: by
group, by language of the description, and by whether ImageNet, on which the picture encoder was trained, has the class.
Splits are drawn anew for each seed, and only among emoji without a look-alike; they share emoji, so that the interval
over splits is not one over independent sets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save
from torch import Tensor

from course import data, runtime
from course.applications.attributes import words
from course.applications.described import ClassSplit, Described, Scorer, measured, turned
from course.applications.scorers import ALIGNED, ATTRIBUTES, BACK, CONTRAST, NEIGHBOURS, RIDGE, START, chosen
from course.data import Emoji
from course.data.emoji import LANGUAGES
from course.data.emoji_groups import GROUPS
from course.data.noto import SIDE
from course.data.openmoji import look_alikes
from course.files import write_whole
from course.reproduce import emoji_contrastive
from course.reproduce.emoji_contrastive import MINILM
from course.reproduce.runner import Recipe

BLIND, DEAF = "CCA, untrained picture encoder", "CCA, untrained text encoder"
PLAIN, CSLS, INVERTED, TOGETHER = (
    "200-way", "200-way, CSLS", "200-way, inverted softmax", "200-way, all questions at once",
)  # fmt: skip
SKEW, REPAIRED = "skewness of N₁₀", "skewness, repaired"
UNSEEN, SEEN, HARMONIC = "unseen, stacked", "seen, stacked", "harmonic mean, stacked"
RAW_UNSEEN, RAW_SEEN, RAW_HARMONIC = "unseen", "seen", "harmonic mean"
REFUSAL = "AUROC of refusal"
QUANTITIES = {  # of `measured`, in the order of the table
    "plain": PLAIN, "csls": CSLS, "inverted": INVERTED, "together": TOGETHER, "skewness": SKEW, "repaired": REPAIRED,
    "unseen_raw": RAW_UNSEEN, "seen_raw": RAW_SEEN, "harmonic_raw": RAW_HARMONIC,
    "unseen": UNSEEN, "seen": SEEN, "harmonic": HARMONIC, "refusal": REFUSAL,
}  # fmt: skip
UNITS = {name: "" if name in (SKEW, REPAIRED) else "%" for name in QUANTITIES.values()}
NAMES, SMALL, TONGUES = "names by e5", "names by MiniLM", "described in all 14, averaged"
ENGLISH, JOINED, BY_BOTH = "name, MiniLM", "name and keywords, MiniLM", "name and keywords, MiniLM beside e5"
ALIKE_GROUPS = ("Animals & Nature", "Food & Drink", "Objects", "Travel & Places")  # ImageNet has classes of these
KNOWN, UNKNOWN = "named as a class of ImageNet is", "not named so, same groups"


@dataclass(frozen=True)
class EmojiZeroShotConfig:
    """What is split, and how it is seen.

    Attributes:
        size: side of the pictures, in pixels.
        test, validation: classes of a split that training does not see.
        seeds: each draws a split, first weights and batches.
    """

    size: int = 224
    test: int = 200
    validation: int = 150
    seeds: tuple[int, ...] = tuple(range(10, 20))

    @classmethod
    def quick(cls) -> "EmojiZeroShotConfig":
        """Five splits, smaller pictures: about twenty minutes of one core."""
        return cls(size=128, seeds=tuple(range(10, 15)))

    @classmethod
    def full(cls) -> "EmojiZeroShotConfig":
        """Ten splits, with pictures as large as ImageNet's."""
        return cls()


@dataclass(frozen=True)
class NotoZeroShotConfig(EmojiZeroShotConfig):
    """The same, with somewhat larger pictures."""

    @classmethod
    def quick(cls) -> "NotoZeroShotConfig":
        """Five splits: about eight minutes of one core."""
        return cls(size=160, seeds=tuple(range(10, 15)))


def kept(folder: Path, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Vectors that are made once for all seeds of a run, and stored in the folder of the seed that came first."""
    there = sorted(folder.parent.glob("seed-*/vectors.safetensors"))
    path = there[0] if there else folder / "vectors.safetensors"
    if not there:
        write_whole(path, save({name: each.cpu().contiguous() for name, each in make().items()}))
    return load_file(path)


def in_percent(found: dict[str, float]) -> dict[str, float]:
    """What :func:`course.applications.described.measured` found, under the names of the table."""
    return {name: (100 if UNITS[name] else 1) * found[key] for key, name in QUANTITIES.items()}


class EmojiZeroShot(Recipe):
    """OpenMoji's pictures. Training sees a turned copy of each; the drawings themselves are asked about."""

    name = "emoji-zeroshot"
    presets = EmojiZeroShotConfig
    settings: tuple[str, ...] = (NAMES, SMALL)
    methods: tuple[str, ...] = (START, BLIND, DEAF, ATTRIBUTES, NEIGHBOURS, RIDGE, BACK, ALIGNED, CONTRAST)
    only: ClassVar = {SMALL: (RIDGE, ALIGNED)}
    differences = (
        (BACK, RIDGE), (ALIGNED, NEIGHBOURS), (ALIGNED, RIDGE), (CONTRAST, ALIGNED), (ALIGNED, ATTRIBUTES),
    )  # fmt: skip
    units = UNITS

    def load(self) -> None:
        """The emoji, and which of them look like another."""
        self.emoji = self.read()
        alike = {character for family in look_alikes() for character in family}
        single = torch.tensor([each not in alike for each in self.emoji.characters])
        self.alone, self.others = single.nonzero().flatten(), (~single).nonzero().flatten()
        self.words = [words(text) for text in self.texts()]
        self.vectors = cache(self.vectors)

    def read(self) -> Emoji:
        """All emoji with their pictures."""
        return data.load("emoji", size=self.config.size)

    def texts(self) -> list[str]:
        """What stands for an emoji in English."""
        return list(self.emoji.names["en"])

    def split(self, seed: int) -> ClassSplit:
        """The classes of a seed."""
        sizes = {"test": self.config.test, "validation": self.config.validation}
        return ClassSplit.drawn(self.alone, self.others, **sizes, generator=runtime.generator(seed))

    def vectors(self, folder: Path) -> dict[str, Tensor]:
        """The vectors of all pictures and texts, computed once for all seeds."""
        return kept(folder, self.make)

    def make(self) -> dict[str, Tensor]:
        """What :meth:`vectors` keeps."""
        x = self.emoji.examples().to(self.device)
        drawings = {"support": turned(x, runtime.generator(0)), "query": x}
        found = {}
        for name, pictures in drawings.items():
            for pretrained in (True, False):
                found[f"{name} {pretrained}"] = emoji_contrastive.picture_vectors(pictures, pretrained)
        read = emoji_contrastive.text_vectors
        found[NAMES] = read(self.texts(), self.device)
        found[DEAF] = read(self.texts(), self.device, pretrained=False)
        return found | {SMALL: read(self.texts(), self.device, MINILM)}

    def described(self, setting: str, method: str, folder: Path) -> Described:
        """What a method is given."""
        known = self.vectors(folder.parent)
        pictures = [known[f"{name} {method != BLIND}"][:, None] for name in ("support", "query")]
        return Described(*pictures, known[DEAF if method == DEAF else setting], self.words)

    def scorer(self, seed: int, setting: str, method: str, folder: Path) -> Scorer:
        """The best trial of a method in validation."""
        of = self.described(setting, method, folder)
        return chosen(ALIGNED if method in (BLIND, DEAF) else method, of, self.split(seed), seed=seed)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Everything that a scorer is asked."""
        scorer = self.scorer(seed, setting, method, folder)
        return in_percent(measured(scorer, self.described(setting, method, folder), self.split(seed)))


class NotoZeroShot(EmojiZeroShot):
    """Two artists: training sees OpenMoji's picture of a class, Google's is asked about; and richer descriptions."""

    name = "noto-zeroshot"
    presets = NotoZeroShotConfig
    settings: tuple[str, ...] = (JOINED, ENGLISH, BY_BOTH)
    methods: tuple[str, ...] = (START, ATTRIBUTES, NEIGHBOURS, RIDGE, BACK, ALIGNED, CONTRAST)
    only: ClassVar = dict.fromkeys(settings[1:], (ALIGNED,))

    def read(self) -> Emoji:
        """The emoji that both have, with OpenMoji's pictures, and Google's names and keywords."""
        self.google = data.load("noto_emoji", size=self.side)  # which may not be there
        drawn = data.load("emoji", size=self.config.size)
        here, there = drawn.in_common(self.google)
        self.google, drawn = self.google.select(there), drawn.select(here)
        self.openmoji = drawn
        return self.google

    @property
    def side(self) -> int:
        """Google's pictures have 72 pixels, and are enlarged."""
        return min(self.config.size, SIDE)

    def texts(self) -> list[str]:
        """A name and its keywords, in English."""
        named = zip(self.emoji.names["en"], self.emoji.keywords["en"], strict=True)
        return [", ".join([name, *more]) for name, more in named]

    def make(self) -> dict[str, Tensor]:
        """What :meth:`vectors` keeps."""
        size, ours = self.config.size, self.openmoji.examples().to(self.device)
        theirs = F.interpolate(self.google.examples().to(self.device), size, mode="bicubic", antialias=True).clamp(0, 1)
        found = {
            "support True": emoji_contrastive.picture_vectors(ours),
            "query True": emoji_contrastive.picture_vectors(theirs),
        }
        read = emoji_contrastive.text_vectors
        found[JOINED], other = read(self.texts(), self.device, MINILM), read(self.texts(), self.device)
        found[ENGLISH] = read(self.emoji.names["en"], self.device, MINILM)
        both = [each - each.mean(0) for each in (found[JOINED], other)]
        found[BY_BOTH] = torch.cat([F.normalize(part, dim=1) for part in both], 1)
        return found


class EmojiZeroShotCuts(EmojiZeroShot):
    """CCA from English names, cut by group of the picture, language of the description, and ImageNet's classes."""

    name = "emoji-zeroshot-cuts"
    settings: tuple[str, ...] = (
        *(f"group: {group}" for group in GROUPS),
        *(f"described in {language}" for language in LANGUAGES),
        TONGUES,
        KNOWN,
        UNKNOWN,
    )
    methods: tuple[str, ...] = (ALIGNED,)
    only: ClassVar = {}
    differences = ()
    units: ClassVar = {PLAIN: "%"}

    def load(self) -> None:
        """The emoji, their languages, and which are named as a class of ImageNet."""
        super().load()
        self.known = torch.tensor([like_imagenet(name) for name in self.emoji.names["en"]])
        self.scorer = cache(self.scorer)

    def make(self) -> dict[str, Tensor]:
        """What :meth:`vectors` keeps."""
        x = self.emoji.examples().to(self.device)
        drawings = {"support True": turned(x, runtime.generator(0)), "query True": x}
        found = {name: emoji_contrastive.picture_vectors(pictures) for name, pictures in drawings.items()}
        for language, texts in self.emoji.names.items():
            found[language] = emoji_contrastive.text_vectors(texts, self.device)
        languages = [F.normalize(found[language], dim=1) for language in self.emoji.names]
        return found | {TONGUES.removeprefix("described in "): torch.stack(languages).mean(0)}

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """The share of test pictures that are named rightly: those of a group, or all in a language."""
        scorer, split = self.scorer(seed, "en", method, folder.parent / method), self.split(seed)
        language = setting.removeprefix("described in ") if setting.startswith("described in ") else "en"
        of, maps = self.described(language, method, folder.parent / method), scorer.keywords["maps"]
        x, test = of.query[split.test, 0], split.test
        scores = F.normalize(maps[0](x), dim=1) @ F.normalize(maps[1](of.texts[test]), dim=1).T
        right = (scores.argmax(1) == torch.arange(len(test))).double()
        return {PLAIN: 100 * right[self.chosen_rows(setting, test)].mean().item()}

    def chosen_rows(self, setting: str, test: Tensor) -> Tensor:
        """Which of the test classes a setting is about, ``bool``; all, if it has none of its own."""
        chosen = torch.ones(len(test), dtype=torch.bool)
        groups = self.emoji.y[test]
        if setting.startswith("group: "):
            chosen = groups == self.emoji.classes.index(setting.removeprefix("group: "))
        elif setting in (KNOWN, UNKNOWN):
            of_these = [number for number, name in enumerate(self.emoji.classes) if name in ALIKE_GROUPS]
            chosen = torch.isin(groups, torch.tensor(of_these)) & (self.known[test] == (setting == KNOWN))
        if not chosen.any():
            raise ValueError(f"no test class of this split belongs to {setting!r}: take more test classes")
        return chosen


@cache
def imagenet_names() -> tuple[str, ...]:
    """The names of ImageNet's 1,000 classes, in lower case."""
    from torchvision.models import ResNet18_Weights

    return tuple(name.lower() for name in ResNet18_Weights.IMAGENET1K_V1.meta["categories"])


def like_imagenet(name: str) -> bool:
    """Whether the name of a class of ImageNet stands in a name as whole words.

    ImageNet names kinds (*tabby*), emoji the whole (*cat*), so this counts too few.

    Example:
        >>> like_imagenet("hot pizza"), like_imagenet("pizzas"), like_imagenet("grinning face")
        (True, False, False)
    """
    return any(re.search(rf"\b{re.escape(each)}\b", name.lower()) for each in imagenet_names())
