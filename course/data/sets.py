"""What a data set is once it is loaded: tensors of examples, what belongs to each, and how an example is read."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from course.errors import CourseError


class DataError(CourseError):
    """A data set is not to be had: missing, damaged, too small, or not agreed to. The message names the remedy."""


class Damaged(DataError):
    """Files of a real set are missing, damaged or not what it consists of: :func:`course.data.load` adds the remedy."""


def described(tensor: Tensor) -> str:
    """Shape and type of a tensor for a message or a ``repr``: ``[25900, 1, 28, 28] uint8``."""
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def require_numbers(what: str, numbers: Tensor, n: int, least: int, most: int) -> None:
    """Raise ValueError unless ``numbers`` is ``int64 [n]``, each from ``least`` to ``most``."""
    found, good = described(numbers), numbers.dtype == torch.int64 and numbers.shape == (n,)
    if good and n:
        lowest, highest = int(numbers.min()), int(numbers.max())
        found, good = f"{found} from {lowest} to {highest}", least <= lowest and highest <= most
    if not good:
        raise ValueError(f"{what} must be [{n}] int64 from {least} to {most}, got {found}")


def require_tensors(name: str, **given: object) -> None:
    """Raise TypeError, with the way to make one, unless all that is given are tensors."""
    for field, value in given.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: {field} must be a tensor, got {type(value).__name__}: use torch.as_tensor")


def read_rows(x: Tensor, full: int | None, positions: Tensor | None = None) -> Tensor:
    """Rows of ``x [n, ...]``, ``[*positions.shape, ...]``: as they are, or ``float32`` where ``full`` stands for 1."""
    if positions is not None:
        flat = positions.flatten().to(x.device, non_blocking=x.device.type != "cpu")
        x = x.index_select(0, flat).view(*positions.shape, *x.shape[1:])
    # not x / full: a division that also changes the type takes up to 20 times as long (6.8 ms for 2 million pixels)
    return x if full is None else x.to(torch.float32, copy=True).div_(full)


class OnDevice:
    """A frozen dataclass whose tensors move together and whose first field has an element for each example."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def tensors(self) -> dict[str, Tensor]:
        """Its fields that are tensors."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Tensor)}

    def to(self, device: torch.device | str) -> Self:
        """The same with its tensors on ``device``."""
        return replace(self, **{name: tensor.to(device) for name, tensor in self.tensors().items()})


@dataclass(frozen=True, eq=False, repr=False)
class LabelledSet(OnDevice):
    """Examples with class numbers.

    Attributes:
        x: examples, ``[n, ...]``; pictures are ``uint8 [n, channels, height, width]`` with 255 for full ink or light.
        y: class numbers, ``int64 [n]``, from 0 to ``len(classes) - 1``.
        classes: the name of each class.
        groups: the group of each class, such as a script; a split keeps groups whole. Equal to ``classes`` without one.
        name: the name of the data set, for messages.
        full: how an example is read: the value of ``x`` that stands for 1 (255 in pictures), so that it comes out as
            ``float32``; ``None`` lets it come out as it is, such as a waveform, the number of a word or a µ-law code.

    Example:
        >>> names, x = ("light", "dark"), torch.zeros(6, 1, 28, 28, dtype=torch.uint8)
        >>> data = LabelledSet(x, torch.tensor([0, 0, 0, 1, 1, 1]), names, names, "small", full=255)
        >>> data
        LabelledSet('small', x=[6, 1, 28, 28] uint8, 2 classes)
        >>> described(data.examples(torch.tensor([[0, 3], [1, 4]])))
        '[2, 2, 1, 28, 28] float32'
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    name: str
    full: int | None = None

    def __post_init__(self):
        require_tensors(self.name, x=self.x, y=self.y)
        require_numbers(f"{self.name}: y (class numbers)", self.y, len(self.x), 0, len(self.classes) - 1)
        if len(self.groups) != len(self.classes):
            raise ValueError(f"{self.name}: {len(self.classes)} classes, but {len(self.groups)} groups")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, x={described(self.x)}, {len(self.classes):,} classes)"

    def examples(self, positions: Tensor | None = None) -> Tensor:
        """The examples at ``positions`` (whole numbers of any shape), gathered where the data lie.

        ``None`` means all; without ``full`` that is ``x`` itself, not a copy.
        """
        return read_rows(self.x, self.full, positions)

    def select(self, chosen: Tensor) -> Self:
        """The set of the ``chosen`` examples, whole numbers or a mask ``bool [n]``; classes keep their numbers."""
        return replace(self, **{name: tensor[chosen] for name, tensor in self.tensors().items()})

    def of_classes(self, names: Sequence[str]) -> Self:
        """The examples of some classes, which get the numbers from 0 on in the order of ``names``.

        Raises:
            ValueError: if there is no such class, or one is named twice.
        """
        if absent := [name for name in names if name not in self.classes]:
            raise ValueError(f"{self.name} has no class {absent[0]!r}; there are: {', '.join(self.classes)}")
        if len(set(names)) < len(names):
            raise ValueError(f"{self.name}: a class is named twice: {', '.join(names)}")
        labels = [self.classes.index(name) for name in names]
        number = torch.full((len(self.classes),), -1, device=self.y.device)
        number[labels] = torch.arange(len(labels), device=self.y.device)
        part = self.select(number[self.y] >= 0)
        return replace(
            part, y=number[part.y], classes=tuple(names), groups=tuple(self.groups[label] for label in labels)
        )


@dataclass(frozen=True, eq=False, repr=False)
class Pairs(OnDevice):
    """Two modalities of the same n things.

    Attributes:
        x: the first modality, ``[n, ...]``.
        y: the second one, ``[n, ...]``; row i belongs to row i of ``x``.
        name: the name of the data set, for messages.
        x_full, y_full: the values that stand for 1, as ``full`` of a :class:`LabelledSet`.

    Example:
        >>> pairs = Pairs(torch.zeros(9, 3, 32, 32, dtype=torch.uint8), torch.zeros(9, 64), "captions", x_full=255)
        >>> [described(side) for side in pairs.examples(torch.arange(4))]
        ['[4, 3, 32, 32] float32', '[4, 64] float32']
    """

    x: Tensor
    y: Tensor
    name: str
    x_full: int | None = None
    y_full: int | None = None

    def __post_init__(self):
        require_tensors(self.name, x=self.x, y=self.y)
        if len(self.x) != len(self.y):
            raise ValueError(f"{self.name}: x has {len(self.x)} rows and y {len(self.y)}, expected pairs")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, x={described(self.x)}, y={described(self.y)})"

    def examples(self, positions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Both sides of the pairs at ``positions`` (whole numbers of any shape; ``None``: all)."""
        return read_rows(self.x, self.x_full, positions), read_rows(self.y, self.y_full, positions)

    def select(self, chosen: Tensor) -> Self:
        """The ``chosen`` pairs, whole numbers or a mask ``bool [n]``."""
        return replace(self, x=self.x[chosen], y=self.y[chosen])
