"""The system: texts of any language to classes, from labels in some languages and, if there are any, few of a new one.

A frozen encoder, the mean of each language, one linear head. It says of each answer how sure it is, and its card says
what it gets right in languages that it was *not* trained on: each one is left out once, on texts kept apart.

Sources: Wang et al., *Multilingual E5 text embeddings* (2024); Mitchell et al., *Model cards for model reporting*
(2019).
"""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from course import runtime
from course.applications.card import Card, Measured, Used
from course.applications.language_heads import Head, fit_head
from course.applications.language_protocol import best, f1_half_width, macro_f1
from course.applications.language_texts import LanguageTexts, Parts, limited, read_parts
from course.applications.language_vectors import E5, centred, language_means, text_vectors
from course.applications.saving import fingerprint, require_same_encoder
from course.applications.system import System
from course.checkpoints import Tree
from course.errors import CourseError

PENALTIES = (3e-4, 1e-3, 3e-3, 1e-2)
ANCHORS = (3e-3, 1e-2, 3e-2, 1e-1)
PROBE = "What is said in one language can be said in another."
REGISTERED = ("emoji", "umsab")


@dataclass(frozen=True)
class Settings:
    """What training may be told.

    Example:
        >>> Settings(most=50).balanced
        True
    """

    target: str = field(default="", metadata={"help": "a language with few labels, to which the head is moved at last"})
    most: int = field(default=200, metadata={"help": "training texts of a language and class; 0 takes all"})
    balanced: bool = field(default=True, metadata={"help": "whether all classes weigh the same"})

    def __post_init__(self):
        if self.most < 0:
            raise ValueError(f"most must be at least 0, got {self.most}")


@dataclass(frozen=True, eq=False)
class CrossLingual(System):
    """Texts to classes.

    Attributes:
        head: on centred vectors.
        means: of the languages, ``[languages, 384]``.
        languages, classes: their names.
        probe: what the encoder makes of a sentence, to notice another one.
        device: where it computes.

    Example:
        >>> head, means = Head(torch.zeros(2, 385)), torch.zeros(2, 384)
        >>> system = CrossLingual(head, means, ("de", "en"), ("good", "bad"), (), torch.device("cpu"))
        >>> system.spoken("de: sehr gut"), system.spoken("so: good")
        (('de', 'sehr gut'), ('', 'so: good'))
    """

    head: Head
    means: Tensor
    languages: tuple[str, ...]
    classes: tuple[str, ...]
    probe: tuple[float, ...]
    device: torch.device

    name = "crosslingual"
    Settings = Settings

    @classmethod
    def train(cls, data: str, settings: Settings, *, seed: int, device: torch.device, folder: Path):
        """From ``emoji``, ``umsab``, or a CSV file with the columns text, label and language (and perhaps item)."""
        started = time.monotonic()
        parts = read_parts(data)
        parts["train"] = limited(parts["train"], settings.most or None, seed)
        known = parts["train"].languages
        if settings.target and settings.target not in known:
            raise CourseError(
                f"no text of {data} is in the language {settings.target!r}: name one of {', '.join(known)}"
            )
        require_every_class(parts)
        vectors = read_vectors(parts, device, folder)
        means = means_of(parts, vectors)
        head = fitted(parts, vectors, means, settings)
        probe = tuple(fingerprint(text_vectors([PROBE], device)[0]))
        system = cls(head, means, known, parts["train"].classes, probe, device)
        results, cuts = measured(parts, vectors, means, settings, head)
        return system, card_of(data, settings, parts, results, cuts, seed, time.monotonic() - started)

    def tree(self) -> Tree:
        """Head, means, names and fingerprint."""
        names = {"languages": self.languages, "classes": self.classes, "probe": self.probe}
        return {"weight": self.head.weight.cpu(), "means": self.means.cpu()} | names

    @classmethod
    def from_tree(cls, tree: Tree, device: torch.device) -> Self:
        """The system, after a look whether the encoder is still the same."""
        require_same_encoder(E5, tree["probe"], text_vectors([PROBE], device)[0])
        names = (tuple(tree[name]) for name in ("languages", "classes", "probe"))
        return cls(Head(tree["weight"].to(device)), tree["means"].to(device), *names, device)

    def predict(self, inputs: list[str]) -> list[dict[str, object]]:
        """The class of each text. ``de:Katze`` says the language; without it the mean of all languages is taken away.

        Raises:
            CourseError: if a text is empty.
        """
        split = [self.spoken(text) for text in inputs]
        if blank := [number for number, (_, text) in enumerate(split) if not text.strip()]:
            raise CourseError(f"input {blank[0] + 1} has no text: leave it out")
        language = torch.tensor([self.languages.index(each) if each else len(self.languages) for each, _ in split])
        means = torch.cat([self.means, self.means.mean(0, keepdim=True)])
        x = centred(text_vectors([text for _, text in split], self.device), language.to(self.device), means)
        sure, label = self.head.scores(x).softmax(1).max(1)
        return [
            {"text": text, "language": spoken or "unknown", "label": self.classes[c], "probability": round(p, 3)}
            for (spoken, text), c, p in zip(split, label.tolist(), sure.tolist(), strict=True)
        ]

    def spoken(self, text: str) -> tuple[str, str]:
        """Language (or nothing) and text of ``language:text``."""
        before, colon, after = text.partition(":")
        return (before, after.strip()) if colon and before in self.languages else ("", text)

    def evaluate(self, data: str) -> list[Measured]:
        """Macro-F1 on the test part of a registered set, or on all texts of a CSV file.

        A language that training did not see is centred by its own texts, without their labels.

        Raises:
            CourseError: if the classes are others.
        """
        parts = read_parts(data)
        test = parts["test"] if data in REGISTERED else joined(parts)
        if absent := [name for name in test.classes if name not in self.classes]:
            raise CourseError(f"the system does not know the class {absent[0]!r}; it knows {', '.join(self.classes)}")
        y = torch.tensor([self.classes.index(name) for name in test.classes])[test.y].to(self.device)
        x, language = text_vectors(test.texts, self.device), test.language.to(self.device)
        means = language_means(x, language, len(test.languages))
        for number, name in enumerate(test.languages):
            if name in self.languages:
                means[number] = self.means[self.languages.index(name)]
        answers = self.head.scores(centred(x, language, means)).argmax(1)
        each = [
            measured_in(name, y[language == number], answers[language == number], len(self.classes))
            for number, name in enumerate(test.languages)
            if (language == number).any()
        ]
        return [Measured.over_all("macro-F1, all languages", [row.mean for row in each], "languages"), *each]


def joined(parts: Parts) -> LanguageTexts:
    """All texts of a table."""
    first = parts["train"]
    texts, items = (tuple(text for part in parts.values() for text in getattr(part, of)) for of in ("texts", "items"))
    y, language = (torch.cat([getattr(part, of) for part in parts.values()]) for of in ("y", "language"))
    return LanguageTexts(texts, y, language, items, first.classes, first.languages, first.name)


def require_every_class(parts: Parts) -> None:
    """Raise CourseError where a part or the training texts of a language have too little to learn or to judge by."""
    for name, part in parts.items():
        counts = part.y.bincount(minlength=len(part.classes))
        if not counts.all():
            absent = part.classes[int((counts == 0).nonzero()[0])]
            raise CourseError(
                f"the {name} part has no text of the class {absent!r}: add some, each with an item of its own"
            )


def read_vectors(parts: Parts, device: torch.device, folder: Path) -> dict[str, Tensor]:
    """The vectors of each part; a killed run finds what it has stored."""
    texts = [text for part in parts.values() for text in part.texts]
    x = text_vectors(texts, device, folder / "vectors")
    return dict(zip(parts, x.split([len(part) for part in parts.values()]), strict=True))


def means_of(parts: Parts, vectors: dict[str, Tensor]) -> Tensor:
    """The mean of each language over its training texts, of which no label is used."""
    train = parts["train"]
    return language_means(vectors["train"], train.language.to(vectors["train"].device), len(train.languages))


def fitted(parts: Parts, vectors: dict[str, Tensor], means: Tensor, settings: Settings, without: int = -1) -> Head:
    """The head on all languages but one, or one and the target, moved to the target if one is named.

    Args:
        parts, vectors, means: what was read.
        settings: of the training.
        without: the number of a language that is left out.
    """
    train, watched = ((parts[name], centred_part(parts, vectors, means, name)) for name in ("train", "validation"))
    n_way, target = len(train[0].classes), -1
    if settings.target:
        target = train[0].languages.index(settings.target)

    def rows(part, chosen) -> tuple[Tensor, Tensor]:
        return part[1][chosen], part[0].y.to(part[1].device)[chosen]

    def score(head: Head, chosen) -> float:
        x, y = rows(watched, chosen)
        return macro_f1(y, head.scores(x).argmax(1), n_way)

    def others(part):
        return (part[0].language != without) & (part[0].language != target)

    def source_head(penalty: float) -> Head:
        return fit_head(*rows(train, others(train)), n_way, penalty, balanced=settings.balanced)

    penalty = best(PENALTIES, lambda penalty: score(source_head(penalty), others(watched)))
    head = source_head(penalty)
    few, asked = train[0].language == target, watched[0].language == target
    if target < 0 or target == without or not few.any():
        return head

    def moved(strength: float) -> Head:
        return fit_head(*rows(train, few), n_way, strength, balanced=settings.balanced, anchor=head)

    return moved(best(ANCHORS, lambda strength: score(moved(strength), asked)) if asked.any() else ANCHORS[1])


def centred_part(parts: Parts, vectors: dict[str, Tensor], means: Tensor, name: str) -> Tensor:
    """The centred vectors of a part."""
    return centred(vectors[name], parts[name].language.to(means.device), means)


def measured(parts: Parts, vectors: dict[str, Tensor], means: Tensor, settings: Settings, head: Head):
    """Macro-F1 over the languages of the test part: as trained, each language left out, and always the same class."""
    test, x = parts["test"], centred_part(parts, vectors, means, "test")
    n_way, rows = len(test.classes), {}
    for number, name in enumerate(test.languages):
        own = (test.language == number).to(x.device)
        if not own.any():
            continue
        y = test.y.to(x.device)[own]
        unseen = fitted(parts, vectors, means, settings, without=number)
        rows[name] = [
            (y, each.argmax(1)) for each in (head.scores(x[own]), unseen.scores(x[own]), torch.eye(n_way)[[0] * len(y)])
        ]
    kinds = ("languages seen in training", "each language left out of training", "always the same class")
    results = tuple(
        Measured.over_all(
            f"macro-F1, {kind}", [100 * macro_f1(*row[place], n_way) for row in rows.values()], "languages"
        )
        for place, kind in enumerate(kinds)
    )
    cuts = tuple(measured_in(f"{name}, left out", *row[1], n_way) for name, row in rows.items())
    return results, cuts


def measured_in(name: str, y: Tensor, answers: Tensor, n_way: int) -> Measured:
    """Macro-F1 in one language, with an interval over its texts."""
    half = 100 * f1_half_width(y, answers, n_way) if len(y) > 1 else None
    return Measured(f"macro-F1, {name}", 100 * macro_f1(y, answers, n_way), half, len(y), "texts")


def card_of(data: str, settings: Settings, parts: Parts, results, cuts, seed: int, seconds: float) -> Card:
    """The card of a training."""
    train = parts["train"]
    sizes = ", ".join(f"{len(part):,} for {name}" for name, part in parts.items())
    holds = f"texts in {len(train.languages)} languages: {sizes}"
    used = Used.registered(data, "all parts", holds) if data in REGISTERED else Used(train.name, "all parts", holds)
    return Card(
        system="crosslingual",
        purpose=f"To sort short texts into {', '.join(train.classes)}, in the languages {', '.join(train.languages)} "
        "and, less surely, in others that the encoder knows.",
        not_for=(
            "decisions about a single person, such as of a mood or of a character",
            "languages that the encoder was not trained on",
            "texts of another kind than those it was trained on",
        ),
        data=(
            used,
            Used(E5, "encoder, frozen", "118 million weights", "MIT (stated by its owners)", "Wang et al. (2024)"),
        ),
        protocol="No item, and no text, is in two parts. The penalty was chosen on the validation part. For the second "
        "row each language was left out of training once; its mean was known, its labels were not. Intervals are over "
        "languages, which share an encoder and are no random sample; in the second table over texts.",
        results=results,
        cuts=cuts,
        limits=(
            "The label of a text's language has to be right: the mean of another language costs accuracy.",
            "The mean of a language assumes that its classes are about as frequent as in the others.",
            "What the encoder has not read it does not know, and more languages for the head do not help.",
        ),
        settings=asdict(settings) | {"encoder": E5},
        seed=seed,
        seconds=seconds,
        environment=runtime.environment(),
    )
