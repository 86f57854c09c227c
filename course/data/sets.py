"""What a data set is once it is loaded: one tensor of examples, one of class numbers, and their names."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course.errors import CourseError


def described(tensor: Tensor) -> str:
    """Shape and type of a tensor for a message or a ``repr``: ``[25900, 1, 28, 28] uint8``."""
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


class DataError(CourseError):
    """A data set is not to be had: missing, damaged, too small, or not agreed to. The message names the remedy."""


@dataclass(frozen=True)
class LabelledSet:
    """Examples with class numbers.

    Attributes:
        x: examples, ``[n, ...]``; images are ``uint8 [n, channels, height, width]`` with 255 for full ink or light.
        y: class numbers, ``int64 [n]``, from 0 to ``len(classes) - 1``.
        classes: the name of each class.
        groups: the group of each class, such as a script; a split keeps groups whole. Equal to ``classes`` without one.
        name: the name of the data set, for messages.
    """

    x: Tensor
    y: Tensor
    classes: tuple[str, ...]
    groups: tuple[str, ...]
    name: str

    def __post_init__(self):
        if self.y.dtype != torch.int64 or self.y.shape != self.x.shape[:1]:
            raise ValueError(
                f"{self.name}: y must be int64 with one class number for each of the {len(self.x)} examples, "
                f"got {self.y.dtype} {list(self.y.shape)}"
            )
        if len(self.groups) != len(self.classes):
            raise ValueError(f"{self.name}: {len(self.classes)} classes, but {len(self.groups)} groups")
        if len(self.y) and not 0 <= int(self.y.min()) <= int(self.y.max()) < len(self.classes):
            raise ValueError(
                f"{self.name}: class numbers run from {int(self.y.min())} to {int(self.y.max())}, "
                f"but there are {len(self.classes)} classes"
            )

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"LabelledSet({self.name!r}, x={described(self.x)}, {len(self.classes):,} classes)"

    def to(self, device: torch.device | str) -> "LabelledSet":
        """The same set with its tensors on ``device``."""
        return replace(self, x=self.x.to(device), y=self.y.to(device))


@dataclass(frozen=True)
class PairedViews:
    """Two views of the same n things, row by row, with the canonical correlations of the population they come from.

    Attributes:
        x: the first view, ``[n, p]``.
        y: the second view, ``[n, q]``; row i belongs to row i of ``x``.
        correlations: the true canonical correlations, ``[min(p, q)]``, descending.
        x_weights: the true canonical directions of the first view, ``[p, min(p, q)]``.
        y_weights: those of the second view, ``[q, min(p, q)]``.
    """

    x: Tensor
    y: Tensor
    correlations: Tensor
    x_weights: Tensor
    y_weights: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        largest = ", ".join(f"{rho:.3g}" for rho in self.correlations[:3].tolist())
        more = ", …" if len(self.correlations) > 3 else ""
        return f"PairedViews(x={described(self.x)}, y={described(self.y)}, correlations {largest}{more})"
