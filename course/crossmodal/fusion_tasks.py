"""Three questions about a digit that is seen and a digit that is heard, from pure redundancy to pure synergy.

``same digit``: both are the same, and one would do. ``match``: are they the same? ``sum mod 10``: what is their sum,
without the ten? In the last two, one digit alone says nothing about the answer.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from course.arguments import require_whole

SAME, MATCH, SUM = "same digit", "match", "sum mod 10"
TASKS = {SAME: 10, MATCH: 2, SUM: 10}  # and the number of classes


class DrawnPairs(NamedTuple):
    """Pairs of a picture and a recording.

    Attributes:
        images, sounds: their rows in the lists from which they were drawn, ``int64 [n]``.
        labels: the answers, ``int64 [n]``.
    """

    images: Tensor
    sounds: Tensor
    labels: Tensor


def answers(task: str, seen: Tensor, heard: Tensor) -> Tensor:
    """The right answer for each pair of digits, ``int64 [n]``.

    Raises:
        ValueError: if there is no such task.

    Example:
        >>> seen, heard = torch.tensor([3, 7]), torch.tensor([3, 5])
        >>> answers("match", seen, heard).tolist(), answers("sum mod 10", seen, heard).tolist()
        ([1, 0], [6, 2])
    """
    require_task(task)
    if task == SAME:
        return seen
    return (seen == heard).long() if task == MATCH else (seen + heard) % 10


def draw_pairs(task: str, seen: Tensor, heard: Tensor, n: int, *, generator: torch.Generator) -> DrawnPairs:
    """Draw n pairs for a task, with replacement.

    The seen digit is uniform. The heard one is the same (``same digit``), the same in half of the pairs and else one of
    the nine others (``match``), or uniform and independent (``sum mod 10``). Among the pictures and the recordings of a
    digit each is equally likely.

    Args:
        task: a key of ``TASKS``.
        seen, heard: the digits of all pictures and of all recordings, ``int64``; each of the ten is in both.
        n: number of pairs.
        generator: of all draws, on the CPU.

    Raises:
        ValueError: if there is no such task, or a digit is missing.

    Example:
        >>> digits = torch.arange(10).repeat(3)
        >>> pairs = draw_pairs("match", digits, digits, 6, generator=torch.Generator().manual_seed(0))
        >>> torch.equal(pairs.labels, (digits[pairs.images] == digits[pairs.sounds]).long())
        True
    """
    require_task(task)
    require_whole("n", n)
    for name, digits in (("seen", seen), ("heard", heard)):
        absent = set(range(10)) - set(digits.unique().tolist())
        if absent:
            raise ValueError(f"no example of the {name} digits is a {min(absent)}: all of 0 to 9 are needed")
    first = torch.randint(10, (n,), generator=generator)
    other = (first + torch.randint(1, 10, (n,), generator=generator)) % 10
    second = {
        SAME: first,
        MATCH: torch.where(torch.rand(n, generator=generator) < 0.5, first, other),
        SUM: torch.randint(10, (n,), generator=generator),
    }[task]
    images, sounds = picked(seen, first, generator), picked(heard, second, generator)
    return DrawnPairs(images, sounds, answers(task, first, second).to(seen.device))


def picked(digits: Tensor, wanted: Tensor, generator: torch.Generator) -> Tensor:
    """For each wanted digit the row of an example of it, drawn evenly."""
    order = digits.cpu().sort(stable=True).indices
    counts = digits.cpu().bincount(minlength=10)
    place = (torch.rand(len(wanted), generator=generator, dtype=torch.float64) * counts[wanted]).long()
    return order[(counts.cumsum(0) - counts)[wanted] + place].to(digits.device)


def require_task(task: str) -> None:
    """Raise ValueError if there is no task of this name."""
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}; choose one of {', '.join(map(repr, TASKS))}")
