r"""A transformer that reads a small data set and answers in the same pass: learning without a gradient step.

MAML writes the way from data to model down, as gradient descent, and learns where it starts. Here nothing is written
down: the whole map from a support set and a query to a prediction is one network, and it is learned.

Sources: Garg et al., *What can transformers learn in-context? A case study of simple function classes* (2022);
Müller et al., *Transformers can do Bayesian inference* (2022) for the mask without order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.arguments import require_whole
from course.data import Episode
from course.meta_learning.adaptation import Loss
from course.meta_learning.learner import MetaLearner
from course.meta_learning.ways import require_episode
from course.representation.transformer import Encoder


@dataclass(frozen=True)
class InContextConfig:
    """Settings of the training of an in-context learner.

    Attributes:
        outer_lr: the rate of Adam at its highest.
        iterations: training steps.
    """

    outer_lr: float = 1e-3
    iterations: int = 2_000

    def __post_init__(self):
        require_whole("iterations", self.iterations)
        if not 0 < self.outer_lr < float("inf"):
            raise ValueError(f"outer_lr is a step size and must be positive and finite, got {self.outer_lr!r}")


class InContextNetwork(nn.Module):
    r"""Support pairs and queries as tokens of one transformer: :eq:`outlook-in-context`.

    .. math:: \hat y(x \mid S) = w^\top \operatorname{Transformer}\bigl(\{(x_i, y_i)\}_{i \in S},\, x\bigr)_x

    A token looks at the support pairs, and a query besides at itself. There are no positions: the order of the support
    cannot matter, nor can other queries.

    Args:
        inputs, outputs: the widths of x and of y.
        layers, width, heads: of the transformer.
        scale: of inputs and targets, which are divided by it on the way in; the output is multiplied by it.

    Example:
        >>> network = InContextNetwork(width=16, heads=2, layers=1)
        >>> network(torch.rand(3, 5, 1), torch.rand(3, 5, 1), torch.rand(3, 7, 1)).shape
        torch.Size([3, 7, 1])
    """

    def __init__(
        self, inputs: int = 1, outputs: int = 1, *, layers: int = 3, width: int = 48, heads: int = 4, scale: float = 5.0
    ):
        super().__init__()
        self.scale = scale
        self.pair = nn.Linear(inputs + outputs, width)
        self.question = nn.Linear(inputs, width)
        self.encoder = Encoder(layers, width, heads, 4 * width, pre_norm=True)
        self.answer = nn.Linear(width, outputs)

    def forward(self, x: Tensor, y: Tensor, query_x: Tensor) -> Tensor:
        """Support ``x [T, n, inputs]``, ``y [T, n, outputs]``, queries ``[T, m, inputs]`` to ``[T, m, outputs]``."""
        if x.dim() != 3 or x.shape[:2] != y.shape[:2] or query_x.shape[::2] != x.shape[::2]:
            raise ValueError(
                f"expected x [T, n, inputs], y [T, n, outputs] and query_x [T, m, inputs]; got {list(x.shape)}, "
                f"{list(y.shape)} and {list(query_x.shape)}"
            )
        pairs = self.pair(torch.cat([x, y], -1) / self.scale)
        tokens = torch.cat([pairs, self.question(query_x / self.scale)], 1)
        seen = self.encoder(tokens, may_see(x.shape[1], query_x.shape[1]).to(x.device))
        return self.answer(seen[:, x.shape[1] :]) * self.scale


def may_see(pairs: int, queries: int) -> Tensor:
    """Which tokens (columns) a token (row) looks at: all pairs, and itself; ``bool [n + m, n + m]``.

    >>> may_see(1, 2).int().tolist()
    [[1, 0, 0], [1, 1, 0], [1, 0, 1]]
    """
    mask = torch.eye(pairs + queries, dtype=torch.bool)
    mask[:, :pairs] = True
    return mask


class InContextLearner(MetaLearner):
    """A meta-learner whose :meth:`adapt` computes nothing: the support set is kept, and read with each query.

    Args:
        model: an :class:`InContextNetwork`, or any module with its three arguments.
        config: as for :class:`~course.meta_learning.learner.MetaLearner`.

    Example:
        >>> from course.data import SinusoidTasks
        >>> learner = InContextLearner(InContextNetwork(width=16, heads=2, layers=1), InContextConfig())
        >>> history = learner.train(SinusoidTasks().sampler(k_shot=5, n_query=5, tasks=4), steps=3)
        >>> predict = learner.adapt(torch.rand(5, 1), torch.rand(5, 1))
        >>> predict(torch.rand(7, 1)).shape
        torch.Size([7, 1])
    """

    def __init__(self, model: nn.Module, config: InContextConfig, *, loss: Loss = F.mse_loss):
        super().__init__(model, config, loss=loss)

    def adapt(self, x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
        """The function that reads ``x [n, inputs]`` and ``y [n, outputs]`` anew for each batch of queries."""
        return partial(self._answer, x.clone(), y.clone())

    def _answer(self, x: Tensor, y: Tensor, query_x: Tensor) -> Tensor:
        return self.model(x[None], y[None], query_x[None])[0]

    def episode_loss(self, episode: Episode) -> Tensor:
        """The mean query loss of all tasks, which are computed at once."""
        require_episode(episode)
        answers = self.model(episode.support_x, episode.support_y, episode.query_x)
        return self.loss(answers, episode.query_y)

    @torch.no_grad()
    def predictions(self, episode: Episode) -> Tensor:
        """The answers ``[T, queries, outputs]``."""
        require_episode(episode)
        return self.model(episode.support_x, episode.support_y, episode.query_x)
