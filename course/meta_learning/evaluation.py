r"""A meta-learner is judged on many new tasks, and the uncertainty of the verdict is that over tasks.

The queries of one task share its support set and are not independent of each other; the tasks are. So a task counts as
*one* value, and the interval narrows with the number of tasks, however many queries each has.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from course.data import Episode
from course.meta_learning.adaptation import Loss
from course.metrics import interval95

Predict = Callable[[Episode], Tensor]  # a learner: from an episode to the predictions for its queries [T, queries, ...]


@dataclass(frozen=True)
class Evaluation:
    """A mean over tasks with its 95 % interval.

    Attributes:
        metric: ``"accuracy"``, from 0 to 1, or ``"loss"``.
        mean: the mean over the tasks.
        interval95: half the width of the interval, :eq:`maml-interval`.
        n: the number of tasks.
        values: one number for each task, ``[n]`` on the CPU, for paired comparisons of two learners.

    Example:
        >>> from course.data import SinusoidTasks
        >>> waves = SinusoidTasks(amplitude=(2, 2)).sampler(k_shot=10, n_query=10, tasks=50)
        >>> result = evaluate(lambda episode: torch.zeros_like(episode.query_y), waves, tasks=200, loss=F.mse_loss)
        >>> result.metric, round(result.mean), result.n, result.values.shape
        ('loss', 2, 200, torch.Size([200]))
    """

    metric: str
    mean: float
    interval95: float
    n: int
    values: Tensor = field(repr=False)

    def __str__(self) -> str:
        return f"{self.metric} {self.mean:.4f} ± {self.interval95:.4f} ({self.n} tasks)"


def task_scores(predictions: Tensor, targets: Tensor, loss: Loss) -> Tensor:
    """One number for each task, ``[T]``: the accuracy where the targets are class numbers, otherwise the loss.

    Args:
        predictions: scores of the N classes, ``[T, queries, N]``, or predicted values.
        targets: class numbers ``[T, queries]``, or values.
        loss: maps predictions and targets of *one* task to a scalar.
    """
    if targets.is_floating_point():
        return torch.stack([loss(*task) for task in zip(predictions, targets, strict=True)])
    return (predictions.argmax(-1) == targets).float().flatten(1).mean(1)


def evaluate(predict: Predict, sampler, tasks: int = 600, *, loss: Loss = F.cross_entropy) -> Evaluation:
    """Score any meta-learner on the first ``tasks`` tasks of ``sampler``.

    Args:
        predict: maps an episode to the predictions for its queries, ``[T, queries, ...]``.
        sampler: episodes by number, such as :class:`course.data.EpisodeSampler`; their tasks must be independent.
        tasks: how many tasks to average over; the papers take 600 or more.
        loss: scores a task whose targets are no class numbers, see :func:`task_scores`.

    Raises:
        ValueError: for fewer than two tasks.
    """
    if tasks < 2:
        raise ValueError(f"an interval needs at least two tasks, got tasks={tasks}")
    scores, count = [], 0
    while count < tasks:
        episode = sampler[len(scores)]
        scores.append(task_scores(predict(episode), episode.query_y, loss))
        count += episode.tasks
    values = torch.cat(scores)[:tasks].cpu()
    metric = "loss" if episode.query_y.is_floating_point() else "accuracy"
    return Evaluation(metric, *interval95(values), len(values), values)
