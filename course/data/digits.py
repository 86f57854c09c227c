"""What sets of handwritten digits share: their splits, of which the last training digits may be kept for validation."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.arguments import require_whole
from course.data.sets import LabelledSet

Part = tuple[Tensor, Tensor]  # examples and labels


def digit_set(
    name: str, split: str | None, validation: int, training: int, advised: int, read: Callable[[str], Part]
) -> LabelledSet:
    """A set of digits whose owners have a training and a test part.

    Args:
        name: of the set, in lower case.
        split: ``train``, ``validation``, ``test``, or ``None`` for all digits, the test digits last.
        validation: this many of the *last* training digits become the split ``validation``, and ``train`` is without
            them; 0 leaves all in ``train``.
        training: how many training digits there are.
        advised: a number for ``validation`` that the error names.
        read: reads the part ``train`` or ``test``; called when the arguments have been checked.

    Raises:
        ValueError: if ``validation`` is out of its range, or 0 when the split ``validation`` is wanted.
    """
    require_whole("validation", validation, 0, training - 1)
    if split == "validation" and validation == 0:
        raise ValueError(
            f"{name.upper()} has no validation digits of its own: pass validation={advised} to keep the last "
            f"{advised:,} training digits for it, and the same to the split 'train'"
        )
    parts = {"train": ["train"], "validation": ["train"], "test": ["test"], None: ["train", "test"]}
    if split not in parts:
        raise ValueError(f"{name} has the splits train, validation and test, not {split!r}")
    x, y = (torch.cat(tensors) for tensors in zip(*map(read, parts[split]), strict=True))
    border = training - validation
    if split == "train":
        x, y = x[:border], y[:border]
    elif split == "validation":
        x, y = x[border:], y[border:]
    digits = tuple("0123456789")
    return LabelledSet(x, y, digits, digits, name if split is None else f"{name} ({split})", full=255)
