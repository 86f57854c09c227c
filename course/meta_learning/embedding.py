"""The vectors of a whole data set, computed once: then episodes of any number of ways and shots cost next to nothing.

This is exact for an encoder in evaluation mode that keeps its averages, as the vector of an example then depends on
nothing else. Two things that every table needs go with it: rules on vectors as learners, and an untrained encoder that
is at least normalised.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from course.data import Episode, LabelledSet
from course.meta_learning.evaluation import Predict
from course.meta_learning.prototypical import require_classes
from course.meta_learning.ways import require_episode, tasks_of
from course.training import modes_kept

BATCH = 500  # examples that are embedded at a time

Rule = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""From support vectors [n, d], class numbers [n], query vectors [m, d] and N to scores [m, N]."""


@torch.no_grad()
def embedded(data: LabelledSet, embed: Callable[[Tensor], Tensor]) -> LabelledSet:
    """The same set with a vector in the place of each example.

    Args:
        data: the labelled set.
        embed: from examples ``[n, ...]`` to vectors ``[n, d]``, each for itself, such as
            :meth:`course.meta_learning.prototypical.PrototypicalNetwork.embed`.

    Example:
        >>> names, images = ("a", "b"), torch.zeros(8, 1, 28, 28, dtype=torch.uint8)
        >>> data = LabelledSet(images, torch.arange(2).repeat(4), names, names, "small", full=255)
        >>> embedded(data, nn.Flatten())
        LabelledSet('small', x=[8, 784] float32, 2 classes)
    """
    rows = torch.arange(len(data)).split(BATCH)
    return replace(data, x=torch.cat([embed(data.examples(part)) for part in rows]), full=None)


def by_rule(rule: Rule) -> Predict:
    """The learner that applies a rule to the vectors of each task: from an episode to scores ``[T, queries, N]``."""

    @torch.no_grad()
    def predict(episode: Episode) -> Tensor:
        require_episode(episode)
        n_way = require_classes(episode.support_y)
        return torch.stack([rule(x, y, new_x, n_way) for x, y, new_x, _ in tasks_of(episode)])

    return predict


@torch.no_grad()
def settle_averages(encoder: nn.Module, sampler, episodes: int = 50) -> None:
    """Let the normalisations of an encoder see the supports of some episodes; its weights stay as they are.

    An untrained encoder then has the averages of its own activations, as a trained one has; without them its row in a
    table would suffer from more than a lack of training.
    """
    with modes_kept(encoder):
        encoder.train()
        for number in range(episodes):
            encoder(sampler[number].support_x.flatten(0, 1))
