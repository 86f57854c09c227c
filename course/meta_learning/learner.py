"""A meta-learner is a map from small data sets to models, and it improves over many tasks.

Every learner of the course is trained, evaluated and used in the same way; what differs is how it learns one task.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.data import Episode
from course.history import History
from course.meta_learning.adaptation import Loss
from course.meta_learning.evaluation import Evaluation, evaluate
from course.meta_learning.ways import require_episode, tasks_of
from course.training import fit, modes_kept


class MetaLearner(ABC):
    """The base of all learners. A subclass writes :meth:`adapt`, how it learns one task.

    That is enough if the result of :meth:`adapt` is differentiable with respect to what is learned. A learner that
    runs many tasks at once, or computes its gradient itself, replaces :meth:`predictions` and :meth:`episode_loss`.

    Args:
        model: the module that is learned; it stays on its device. What has ``requires_grad=False`` is not trained.
        config: settings with ``iterations``, the number of outer steps, and ``outer_lr``, the step size.
        loss: maps predictions and targets to a scalar; cross-entropy for classes, ``F.mse_loss`` for curves.

    Attributes:
        learned: the module whose parameters are trained and kept in checkpoints; ``model``, unless a subclass
            learns more than that.

    Example:
        >>> class NearestMean(MetaLearner):
        ...     def adapt(self, x, y):
        ...         means = torch.stack([self.model(x)[y == c].mean(0) for c in range(int(y.max()) + 1)])
        ...         return lambda new_x: -torch.cdist(self.model(new_x), means)
        >>> from types import SimpleNamespace
        >>> learner = NearestMean(nn.Linear(4, 2), SimpleNamespace(iterations=1000, outer_lr=1e-3))
        >>> classify = learner.adapt(torch.rand(6, 4), torch.arange(3).repeat(2))
        >>> classify(torch.rand(5, 4)).shape
        torch.Size([5, 3])
    """

    def __init__(self, model: nn.Module, config, *, loss: Loss = F.cross_entropy):
        self.model, self.config, self.loss = model, config, loss
        self.learned = model

    @abstractmethod
    def adapt(self, x: Tensor, y: Tensor, **options) -> Callable[[Tensor], Tensor]:
        """Map a small data set to a model.

        Args:
            x, y: the support set of one task, ``[n, ...]`` and ``[n, ...]``.

        Returns:
            The function from examples ``[m, ...]`` to predictions ``[m, ...]``.
        """

    def episode_loss(self, episode: Episode) -> Tensor:
        """The loss of an outer step, a scalar: the mean over tasks of the query loss after :meth:`adapt`.

        Its derivative with respect to the parameters of ``learned`` is what the outer optimiser follows.
        """
        require_episode(episode)
        losses = [self.loss(self.adapt(x, y)(query_x), query_y) for x, y, query_x, query_y in tasks_of(episode)]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def predictions(self, episode: Episode, **options) -> Tensor:
        """Adapt to each task and predict its queries: ``[T, queries, ...]``; ``options`` go to :meth:`adapt`."""
        require_episode(episode)
        return torch.stack([self.adapt(x, y, **options)(query_x) for x, y, query_x, _ in tasks_of(episode)])

    def optimizer(self) -> torch.optim.Optimizer:
        """The outer optimiser: Adam over what is learned."""
        return torch.optim.Adam(self.learned.parameters(), lr=self.config.outer_lr)

    def train(
        self, sampler, *, steps: int | None = None, validation=None, validation_tasks: int = 100, **options
    ) -> History:
        """Improve what is learned; outer step number i sees ``sampler[i]``.

        Args:
            sampler: episodes by number, such as :class:`course.data.EpisodeSampler`.
            steps: outer steps; ``None`` takes ``config.iterations``.
            validation: a second sampler, of other classes, watched every ``validate_every`` steps.
            validation_tasks: how many of its tasks to average over.
            options: passed to :func:`course.training.fit` (``validate_every``, ``patience``, ``checkpoint``, ...);
                ``optimizer`` replaces :meth:`optimizer`.
        """

        def validate() -> dict[str, float]:
            result = self.evaluate(validation, validation_tasks)
            return {result.metric: result.mean}

        options.setdefault("optimizer", self.optimizer())
        options.setdefault("steps", self.config.iterations if steps is None else steps)
        options.setdefault("validate", None if validation is None else validate)
        return fit(self.learned, lambda step: self.episode_loss(sampler[step]), **options)

    def evaluate(self, sampler, tasks: int = 600, **options) -> Evaluation:
        """Adapt to the first ``tasks`` tasks of ``sampler`` and score their queries.

        The score of a task is its accuracy where the targets are class numbers, otherwise its loss, as in
        :func:`course.meta_learning.evaluation.evaluate`; ``options`` go to :meth:`predictions`. Meanwhile all modules
        are in evaluation mode: no dropout, and running averages stay as they are.
        """
        with modes_kept(self.learned):
            self.learned.eval()
            return evaluate(partial(self.predictions, **options), sampler, tasks, loss=self.loss)


class KnownGradient(torch.autograd.Function):
    """A loss whose gradient has been computed already: ``backward`` hands it on."""

    # The docstrings stand for those of torch, which refer to pages of its manual.

    @staticmethod
    def forward(context, loss: Tensor, gradients: Iterable[Tensor], *variables: Tensor) -> Tensor:
        """The loss, attached to the variables that the gradients belong to."""
        context.gradients = gradients
        return loss.clone()

    @staticmethod
    def backward(context, factor: Tensor) -> tuple:
        """The gradients, times the factor that arrives."""
        return None, None, *(factor * gradient for gradient in context.gradients)
