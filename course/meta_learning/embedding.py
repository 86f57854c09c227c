"""The vectors of a whole data set, computed once: then episodes of any number of ways and shots cost next to nothing.

This is exact for an encoder in evaluation mode that keeps its averages, as the vector of an example then depends on
nothing else. Two things that every table needs go with it: rules on vectors as learners, and an untrained encoder that
is at least normalised.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from course.data import Episode, EpisodeSampler, LabelledSet
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


def accuracy_by_class(predict: Predict, sampler: EpisodeSampler, episodes: int) -> Tensor:
    """The share that is right of the queries of each class of the data set, ``[classes]``.

    Where a set has few classes, they are the unit of an interval: more tasks would only show the same classes again.

    Args:
        predict: maps an episode to scores ``[T, queries, N]``.
        sampler: draws the tasks.
        episodes: how many of its episodes are judged.

    Raises:
        ValueError: if a class was never asked for.
    """
    right, asked = torch.zeros(2, len(sampler.data.classes))
    for number in range(episodes):
        episode, (_, query) = sampler[number], sampler.indices(number)
        hits = predict(episode).argmax(-1) == episode.query_y
        classes = sampler.data.y[query].flatten().cpu()
        right.index_add_(0, classes, hits.flatten().float().cpu())
        asked.index_add_(0, classes, torch.ones(len(classes)))
    if not asked.all():
        raise ValueError(f"{int((asked == 0).sum())} of {len(asked)} classes were never asked for: take more episodes")
    return right / asked
