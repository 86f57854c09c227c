"""What the three applications have in common: a system is trained on data, saved, asked, and measured on other data."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import torch

from course.applications.card import Card, Measured
from course.checkpoints import Tree


class System(ABC):
    """A trained model with all that it needs to answer: the reader's data in, labels out.

    Attributes:
        name: as on the command line, and in ``course.applications.SYSTEMS``.
        Settings: a frozen dataclass of what training may be told. Each field has a default and, as its metadata, a
            ``help``; it becomes an option of the command. A value out of range is a ValueError.
    """

    name: ClassVar[str]
    Settings: ClassVar[type]

    @classmethod
    @abstractmethod
    def train(cls, data: str, settings, *, seed: int, device: torch.device, folder: Path) -> tuple[Self, Card]:
        """Train on data, and measure what was trained on data that training did not see.

        Args:
            data: the name of a registered data set, or the path of the reader's own.
            settings: of ``cls.Settings``.
            seed: decides all that is drawn.
            device: where to compute.
            folder: keeps what a killed run goes on from.

        Returns:
            The system, and its card.

        Raises:
            CourseError: if the data cannot be used; the message says what to do.
        """

    @abstractmethod
    def tree(self) -> Tree:
        """All that the system learned, as :func:`course.checkpoints.save` takes it."""

    @classmethod
    @abstractmethod
    def from_tree(cls, tree: Tree, device: torch.device) -> Self:
        """The system from what :meth:`tree` returned."""

    @abstractmethod
    def predict(self, inputs: list[str]) -> list[dict[str, object]]:
        """A row for each input; all rows have the same columns."""

    @abstractmethod
    def evaluate(self, data: str) -> list[Measured]:
        """What the system gets right on labelled data, with intervals over languages, splits or speakers."""
