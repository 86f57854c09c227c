"""What was measured while training, as numbers that can be saved, compared and drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

BEST = {"loss": min, "accuracy": max}


class Curve(NamedTuple):
    """One loss over the steps: ``values[i]`` was measured at ``steps[i]``, before that step changed the weights."""

    steps: list[int]
    values: list[float]


@dataclass
class History:
    """The losses and validations of a run.

    It survives JSON: ``History(**json.loads(json.dumps(asdict(history))))`` equals ``history``.

    Attributes:
        train: the curve of each loss, by its name; a loss that came without a name is called ``"loss"``.
        validation_steps: after how many steps each validation took place.
        validation: what each validation returned.
    """

    train: dict[str, Curve] = field(default_factory=dict)
    validation_steps: list[int] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self):
        self.train = {name: Curve(*curve) for name, curve in self.train.items()}  # JSON made lists of them

    def note(self, step: int, losses: Mapping[str, float]) -> None:
        """Add the losses of one step to their curves."""
        for name, value in losses.items():
            curve = self.train.setdefault(name, Curve([], []))
            curve.steps.append(step)
            curve.values.append(value)

    @property
    def train_loss(self) -> list[float]:
        """The values of the curve ``"loss"``, or of the only one.

        Raises:
            ValueError: if there are several, and none is called so.
        """
        return self._loss.values

    @property
    def steps(self) -> list[int]:
        """The number of steps taken before each entry of ``train_loss``: 0, 1, 2, ..."""
        return self._loss.steps

    @property
    def _loss(self) -> Curve:
        names = {"loss"} & self.train.keys() or self.train.keys()
        if len(names) > 1:
            raise ValueError(f"there are several losses: take history.train[name] of {', '.join(map(repr, names))}")
        return self.train[next(iter(names))] if names else Curve([], [])

    @property
    def best(self) -> int:
        """The position of the best validation: the earliest with the lowest loss or the highest accuracy.

        Raises:
            ValueError: if there was no validation, or its first number is called neither loss nor accuracy.
        """
        if not self.validation:
            raise ValueError("no validation took place: give fit validate= and validate_every=")
        name = next(iter(self.validation[0]))
        if name not in BEST:
            raise ValueError(f"is a high {name!r} good or bad? Let validate() return 'loss' or 'accuracy' first")
        values = [numbers[name] for numbers in self.validation]
        return values.index(BEST[name](values))
