"""Episodes: small tasks from a large labelled set, each with a support set to learn from and a query set to judge by.

The data set stays on the device as one tensor, and an episode is an index into it. So images, sounds and texts reach
every meta-learner in the same form.

Source: Vinyals et al., *Matching networks for one shot learning* (2016), section 2.2.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.data.sets import DataError, LabelledSet, described
from course.runtime import step_generator


@dataclass
class Episode:
    """T tasks, each with its support and its query set (:eq:`maml-task`).

    Attributes:
        support_x: examples to learn from, ``[T, N * K, ...]``.
        support_y: their targets, ``[T, N * K]`` class numbers 0 to N - 1, or ``[T, K, ...]`` values.
        query_x: examples to be judged by, ``[T, queries, ...]``.
        query_y: their targets.

    Example:
        >>> x, y = torch.zeros(2, 5, 1), torch.zeros(2, 5, 1)  # 2 tasks with 5 points each: 3 to learn from
        >>> episode = Episode(x[:, :3], y[:, :3], x[:, 3:], y[:, 3:])
        >>> episode.tasks, episode.query_x.shape
        (2, torch.Size([2, 2, 1]))
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor

    @property
    def tasks(self) -> int:
        """The number of tasks T."""
        return len(self.support_x)

    def __repr__(self) -> str:
        return f"Episode({', '.join(f'{f.name}={described(getattr(self, f.name))}' for f in fields(self))})"


class EpisodeSampler:
    r"""Endless N-way K-shot episodes by number: ``sampler[i]`` is always the same :class:`Episode` for the same seed.

    Each task draws N classes without replacement and in random order, numbers them 0 to N - 1, and draws K + n_query
    different examples of each: the first K are its support set, the others its query set.

    Args:
        data: the labelled set; it is moved to ``device`` once and stays there.
        n_way: classes N of a task.
        k_shot: support examples K of each class (M in the chapters, where K counts inner steps).
        n_query: query examples of each class.
        tasks: tasks T of an episode.
        seed: the seed of the whole sequence. The choice is made on the CPU, so that it is the same on every device.
        device: where the episodes lie; ``None`` leaves the data where they are.

    Raises:
        DataError: if the set has fewer than ``n_way`` classes, or a class fewer than ``k_shot + n_query`` examples.
        ValueError: if a size is not a positive whole number.

    Example:
        >>> names, y = ("a", "b", "c"), torch.arange(3).repeat_interleave(4)
        >>> data = LabelledSet(torch.rand(12, 8000), y, names, names, "sounds of one second")
        >>> episode = EpisodeSampler(data, n_way=2, k_shot=1, n_query=3, tasks=5)[0]
        >>> episode.support_x.shape, episode.query_y.shape
        (torch.Size([5, 2, 8000]), torch.Size([5, 6]))
    """

    def __init__(
        self,
        data: LabelledSet,
        n_way: int,
        k_shot: int,
        n_query: int,
        tasks: int = 1,
        *,
        seed: int = 0,
        device: torch.device | str | None = None,
    ):
        if not isinstance(data, LabelledSet):
            raise TypeError(
                f"episodes are drawn from a LabelledSet, got {type(data).__name__}; texts have .encoded(...)"
            )
        sizes = {"n_way": n_way, "k_shot": k_shot, "n_query": n_query, "tasks": tasks}
        for name, value in sizes.items():
            require_whole(name, value)
        self.n_way, self.k_shot, self.n_query, self.tasks, self.seed = n_way, k_shot, n_query, tasks, seed
        self.data = data if device is None else data.to(device)
        labels = data.y.cpu()
        self.counts = torch.bincount(labels, minlength=len(data.classes))
        self.require_enough(data)
        by_class = labels.argsort(stable=True).split(self.counts.tolist())
        self.members = nn.utils.rnn.pad_sequence(by_class, batch_first=True, padding_value=-1)  # [classes, largest]
        one_of_each = torch.arange(n_way)
        self.support_y = one_of_each.repeat_interleave(k_shot).expand(tasks, -1).to(self.data.x.device)
        self.query_y = one_of_each.repeat_interleave(n_query).expand(tasks, -1).to(self.data.x.device)

    def require_enough(self, data: LabelledSet) -> None:
        """Raise DataError if no task, or not every task, can be drawn."""
        needed = self.k_shot + self.n_query
        if len(data.classes) < self.n_way:
            raise DataError(
                f"{data.name} has {len(data.classes)} classes, {self.n_way}-way tasks need at least {self.n_way}: "
                "lower n_way or add classes"
            )
        short = (self.counts < needed).nonzero().flatten().tolist()
        if short:
            named = ", ".join(f"{data.classes[label]!r} ({int(self.counts[label])})" for label in short[:5])
            more = f" and {len(short) - 5} more" if len(short) > 5 else ""
            raise DataError(
                f"{data.name}: {self.k_shot} shots and {self.n_query} queries need {needed} examples of each class; "
                f"too few in {named}{more}: lower k_shot or n_query, add examples, or leave these classes out"
            )

    def __getitem__(self, number: int) -> Episode:
        """Episode ``number``, from 0 on."""
        if number < 0:
            raise IndexError(f"episodes are numbered from 0 on without end, got {number}")
        support, query = self.indices(number)
        support_x, query_x = self.data.examples(support), self.data.examples(query)
        return Episode(support_x, self.support_y.clone(), query_x, self.query_y.clone())

    def indices(self, number: int) -> tuple[Tensor, Tensor]:
        """Positions in the data set of an episode's support ``[T, N * K]`` and query ``[T, N * n_query]`` examples."""
        generator = step_generator(self.seed, number)

        def keys(*shape: int) -> Tensor:  # the largest of random keys are a random choice
            return torch.from_numpy(generator.random(shape, dtype=np.float32))

        labels = keys(self.tasks, len(self.members)).topk(self.n_way).indices  # [T, N]
        members = self.members[labels]
        of_members = keys(*members.shape).masked_fill_(members < 0, -1)  # no example: never on top
        chosen = of_members.topk(self.k_shot + self.n_query).indices
        support, query = members.gather(-1, chosen).split([self.k_shot, self.n_query], dim=-1)
        return support.flatten(1), query.flatten(1)
