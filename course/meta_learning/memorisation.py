r"""The memorisation problem: tasks that one function can solve without looking at their support sets.

If a class has the same number in every training task, a network can learn the numbers by heart, and no task teaches it
to adapt. Tasks are *mutually exclusive* if no single function solves them all; numbers that are drawn anew for every
task make them so.

Source: Yin, Tucker, Zhou, Levine and Finn, *Meta-learning without memorization* (2020).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course.arguments import require_whole
from course.data import Episode, EpisodeSampler, LabelledSet
from course.meta_learning.evaluation import evaluate
from course.meta_learning.maml import MAML


class FixedLabels:
    """Endless N-way episodes by number in which a class always has the same number: that of its place, modulo N.

    So class number c of a task is one of the classes c, c + N, c + 2N, ... of the set. All else is as in
    :class:`course.data.EpisodeSampler`, whose arguments these are.

    Raises:
        ValueError: if ``n_way`` is not a whole number above 1.
        DataError: if the set has fewer than ``n_way`` classes, or a class too few examples.

    Example:
        >>> names, y = tuple("abcd"), torch.arange(4).repeat_interleave(3)
        >>> letters = LabelledSet(y[:, None].float(), y, names, names, "letters")
        >>> episode = FixedLabels(letters, n_way=2, k_shot=1, n_query=2, tasks=3)[0]
        >>> bool((episode.support_x[..., 0] % 2 == episode.support_y).all())
        True
    """

    def __init__(self, data: LabelledSet, n_way: int, k_shot: int, n_query: int, tasks: int = 1, *, seed: int = 0):
        require_whole("n_way", n_way, 2)
        EpisodeSampler(data, n_way, k_shot, n_query, tasks)  # for its checks of what was given
        self.samplers = [
            EpisodeSampler(data.of_classes(data.classes[c::n_way]), 1, k_shot, n_query, tasks, seed=n_way * seed + c)
            for c in range(n_way)
        ]

    def __getitem__(self, number: int) -> Episode:
        parts = [sampler[number] for sampler in self.samplers]
        for c, part in enumerate(parts):
            part.support_y += c
            part.query_y += c
        return Episode(*(torch.cat(same, 1) for same in zip(*map(parts_of, parts), strict=True)))


def parts_of(episode: Episode) -> tuple[Tensor, ...]:
    """The four tensors of an episode."""
    return episode.support_x, episode.support_y, episode.query_x, episode.query_y


@dataclass(frozen=True)
class Memory:
    """What a learner knows of a task before it has seen the support set, and after.

    Attributes:
        before, after: accuracy on the queries with no inner step, and with the learner's usual ones.
    """

    before: float
    after: float

    @property
    def learned(self) -> float:
        """What the support set was worth: :eq:`transfer-memory`."""
        return self.after - self.before


def memory(learner: MAML, sampler, tasks: int = 100) -> Memory:
    r"""How much of a learner's accuracy comes from the support set, and how much it brought along.

    .. math:: \Delta = \text{accuracy}(\theta_K) - \text{accuracy}(\theta_0)

    This is :eq:`transfer-memory`. Where tasks are mutually exclusive,
    :prf:ref:`prp-maml-no-single-model` says that the accuracy before is 1/N.

    Args:
        learner: with inner steps; it is not changed.
        sampler, tasks: as for :func:`course.meta_learning.evaluation.evaluate`.
    """
    before = evaluate(lambda episode: learner.predictions(episode, steps=0), sampler, tasks)
    return Memory(before.mean, evaluate(learner.predictions, sampler, tasks).mean)
