"""A classifier whose classes come and go: a class is added by the mean of a few examples, and nothing is trained.

The sums and counts of the vectors are kept, so that later examples correct a mean, and the order of additions does not
matter.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course.meta_learning.prototypical import Scores, at_least_float32, negative_squared_distances


class OpenClassifier:
    """Prototypes by name, over an encoder that stays as it is.

    Args:
        embed: from examples ``[n, ...]`` to vectors ``[n, d]``; that of a
            :class:`~course.meta_learning.prototypical.PrototypicalNetwork` refuses vectors that are not finite.
        scores: how near a vector is to a prototype.

    Example:
        >>> known = OpenClassifier(lambda x: x)
        >>> known.add("small", torch.tensor([[0.0], [1.0]]))
        >>> known.add("large", torch.tensor([[9.0]]))
        >>> known.names(torch.tensor([[5.1], [100.0]]))
        ['large', 'large']
        >>> known.add("huge", torch.tensor([[90.0]]))  # from now on there are three
        >>> known.names(torch.tensor([[5.1], [100.0]]))
        ['large', 'huge']
    """

    def __init__(self, embed: Callable[[Tensor], Tensor], *, scores: Scores = negative_squared_distances):
        self.embed, self.scores = embed, scores
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order in which they came."""
        return tuple(self.sums)

    @property
    def prototypes(self) -> Tensor:
        """The mean of each class, ``[N, d]``.

        Raises:
            ValueError: if there are fewer than two classes, between which nothing is to be decided.
        """
        if len(self.sums) < 2:
            raise ValueError(f"a classifier needs two classes or more, there are {len(self.sums)}: add(name, examples)")
        return torch.stack([total / self.counts[name] for name, total in self.sums.items()])

    def add(self, name: str, x: Tensor) -> None:
        """A new class from its first examples ``[n, ...]``.

        Raises:
            ValueError: if there is a class of this name, no example, or if its vector is of another length.
        """
        if name in self.sums:
            raise ValueError(f"there is a class {name!r} already: extend() gives it more examples, remove() ends it")
        self.sums[name], self.counts[name] = self.summed(x), len(x)

    def extend(self, name: str, x: Tensor) -> None:
        """More examples ``[n, ...]`` of a class that is there; errors as for :meth:`add`."""
        self.require_known(name)
        self.sums[name] = self.sums[name] + self.summed(x)
        self.counts[name] += len(x)

    def remove(self, name: str) -> None:
        """Forget a class."""
        self.require_known(name)
        del self.sums[name], self.counts[name]

    def __call__(self, x: Tensor) -> Tensor:
        """The scores of examples ``[m, ...]``, ``[m, N]`` in the order of ``classes``."""
        with torch.no_grad():
            return self.scores(self.embed(x), self.prototypes)

    def names(self, x: Tensor) -> list[str]:
        """The most likely class of each example ``[m, ...]``."""
        return [self.classes[number] for number in self(x).argmax(-1).tolist()]

    def summed(self, x: Tensor) -> Tensor:
        """The sum ``[d]`` of the vectors of examples ``[n, ...]``."""
        if not len(x):
            raise ValueError("a class needs at least one example: no example has no mean")
        with torch.no_grad():
            total = at_least_float32(self.embed(x)).sum(0)
        lengths = {len(each) for each in self.sums.values()} | {total.numel()}
        if len(lengths) > 1:
            raise ValueError(f"all vectors need the same length, got {total.numel()} beside {sorted(lengths)}")
        return total

    def require_known(self, name: str) -> None:
        if name not in self.sums:
            raise ValueError(f"there is no class {name!r}; there are: {', '.join(self.sums) or 'none'}")
