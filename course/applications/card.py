"""Model cards: what a system was made from, what was measured and over what, and what it is not for.

A card is written by the run that made the system, so every number in it was measured there.

Source: Mitchell et al., *Model cards for model reporting* (2019).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from course.data.registry import entry
from course.metrics import t_interval95


@dataclass(frozen=True)
class Measured:
    """A number with its uncertainty.

    Attributes:
        what: what was measured, in words that stand alone: ``"accuracy, speakers never heard"``.
        mean: over the ``n`` repetitions, in ``unit``.
        interval95: half the width of the 95 % interval of the mean; None for a single repetition, which has none.
        n, over: the number of repetitions, and what they are: ``"speakers"``.
        unit: ``"%"`` or empty.

    Example:
        >>> Measured.over_all("accuracy", [50, 60, 70], "speakers").text
        '60.0 ± 24.8 %'
    """

    what: str
    mean: float
    interval95: float | None
    n: int
    over: str
    unit: str = "%"

    @classmethod
    def over_all(cls, what: str, values: Sequence[float], over: str, unit: str = "%") -> Self:
        """The mean of the values, with the t-interval of :func:`~course.metrics.t_interval95` if there are several."""
        if len(values) == 1:
            return cls(what, float(values[0]), None, 1, over, unit)
        mean, half = t_interval95(values)
        return cls(what, mean.item(), half.item(), len(values), over, unit)

    @property
    def text(self) -> str:
        """Mean and half width to one decimal place in per cent, to three otherwise."""
        places = 1 if self.unit == "%" else 3
        half = "" if self.interval95 is None else f" ± {self.interval95:.{places}f}"
        return f"{self.mean:.{places}f}{half} {self.unit}".rstrip()


@dataclass(frozen=True)
class Used:
    """Data that a system was made from or measured on.

    Attributes:
        name, role: of the data set, and what it was for: ``"training"``.
        count: what it holds: ``"1,200 texts in 7 languages"``.
        licence, source: as their owner states them; ``"yours"`` for the reader's own files.
    """

    name: str
    role: str
    count: str
    licence: str = "yours"
    source: str = "yours"

    @classmethod
    def registered(cls, name: str, role: str, count: str) -> Self:
        """Data of the course's registry, which knows licence and owner."""
        found = entry(name)
        return cls(name, role, count, found.licence, found.citation)


@dataclass(frozen=True)
class Card:
    """What whoever uses a system must know of it.

    Attributes:
        system: its name.
        purpose, not_for: what it is for, and uses that it must not be put to.
        data: what it was made from and measured on.
        protocol: how it was measured, in two or three sentences.
        results, cuts: what was measured in all, and for groups of languages, classes or speakers.
        limits: where it fails or was not tried.
        settings, seed: with which it was trained.
        seconds, environment: what training took, and on what (:func:`course.runtime.environment`).
    """

    system: str
    purpose: str
    not_for: tuple[str, ...]
    data: tuple[Used, ...]
    protocol: str
    results: tuple[Measured, ...]
    cuts: tuple[Measured, ...]
    limits: tuple[str, ...]
    settings: dict[str, object]
    seed: int
    seconds: float
    environment: dict[str, object]

    def markdown(self) -> str:
        """The card as a page of Markdown."""
        used = ((each.name, each.role, each.count, each.licence, each.source) for each in self.data)
        made = {"seed": self.seed, "seconds": f"{self.seconds:.0f}"} | self.settings | self.environment
        parts = [
            f"# Model card: {self.system}",
            self.purpose,
            "## Data",
            table(("data", "for", "holds", "licence", "source"), used),
            "## Measured",
            self.protocol,
            measured_table(self.results),
        ]
        if self.cuts:
            parts += ["### By group", measured_table(self.cuts)]
        parts += [
            "## Limits",
            bullets(self.limits),
            "## Not for",
            bullets(self.not_for),
            "## Made with",
            table(("setting", "value"), ((name, str(value)) for name, value in made.items())),
        ]
        return "\n\n".join(parts) + "\n"


def measured_table(rows: Iterable[Measured]) -> str:
    """A table of numbers with their 95 % intervals."""
    return table(("what", "mean ± 95 %", "over"), ((each.what, each.text, f"{each.n} {each.over}") for each in rows))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table; a bar within a cell is escaped."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    """A list of points."""
    return "\n".join(f"* {item}" for item in items)
