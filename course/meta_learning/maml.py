r"""MAML learns the weights from which a few gradient steps on a small data set lead to a good model.

The inner loop adapts the weights to the *support* set of a task; the outer loop improves the starting point by the
adapted model's loss on the task's *query* set, and differentiates through the inner loop to do so.

Source: Finn, Abbeel and Levine, *Model-agnostic meta-learning for fast adaptation of deep networks* (2017);
Nichol, Achiam and Schulman, *On first-order meta-learning algorithms* (2018) for Reptile.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from course.arguments import require_whole
from course.data import Episode
from course.meta_learning.adaptation import (
    Loss,
    Params,
    Rates,
    adapt,
    learnable,
    query_loss,
    rates_by_name,
    require_adaptable,
)
from course.meta_learning.learner import KnownGradient, MetaLearner
from course.meta_learning.ways import CHUNK, adapted_predictions, require_episode, tasks_of, way_to_run


@dataclass(frozen=True)
class MAMLConfig:
    """Settings of MAML and of its training run; see :meth:`quick` and :meth:`full` for two sets that work.

    Attributes:
        inner_lr: step size α of the inner loop.
        inner_steps: inner steps K while training; 0 makes it training on all tasks jointly.
        test_steps: inner steps when a finished model meets a new task.
        outer_lr: step size of the outer optimiser.
        meta_batch: tasks per outer step.
        iterations: outer steps.
        first_order: drop the second derivatives.
        filters: filters of each convolution of :class:`course.representation.cnn.Conv4`.

    Raises:
        ValueError: if a rate is not positive, or a number of steps, tasks or filters is not a whole number in range.

    Example:
        >>> MAMLConfig.full(n_way=20).inner_steps, MAMLConfig(inner_lr=0.1, meta_batch=8).inner_steps
        (5, 1)
    """

    inner_lr: float = 0.4
    inner_steps: int = 1
    test_steps: int = 3
    outer_lr: float = 1e-3
    meta_batch: int = 32
    iterations: int = 60_000
    first_order: bool = False
    filters: int = 64

    def __post_init__(self):
        for name in ("inner_lr", "outer_lr"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(f"{name} is a step size and must be positive and finite, got {value!r}")
        least = {"inner_steps": 0, "test_steps": 0, "meta_batch": 1, "iterations": 1, "filters": 1}
        for name, low in least.items():
            require_whole(name, getattr(self, name), low)

    @classmethod
    def quick(cls) -> "MAMLConfig":
        """One or two minutes on a laptop's CPU: fewer filters, tasks and iterations, a larger outer rate."""
        return cls(test_steps=1, outer_lr=3e-3, meta_batch=4, iterations=1_000, filters=16)

    @classmethod
    def full(cls, n_way: int = 5) -> "MAMLConfig":
        """The paper's setting for Omniglot, for 5-way or 20-way tasks.

        Raises:
            ValueError: for any other number of classes.
        """
        if n_way == 5:
            return cls()
        if n_way == 20:
            return cls(inner_lr=0.1, inner_steps=5, test_steps=5, meta_batch=16)
        raise ValueError(f"the paper has settings for 5-way and 20-way tasks, not for {n_way}-way: use MAMLConfig(...)")


def meta_loss(
    model: nn.Module, params: Params, episode: Episode, *, loss: Loss, lr: Rates, steps: int, first_order: bool = False
) -> Tensor:
    r"""The outer objective, as it is written: the mean query loss of the adapted models.

    .. math:: J(\theta) = \frac1T \sum_{i=1}^{T} \mathcal{L}_{Q_i}\bigl(\theta_K(\theta, S_i)\bigr)

    This is :eq:`maml-objective`; :func:`meta_gradient` is its gradient in less memory.

    Args:
        episode: T tasks, each with a support set :math:`S_i` and a query set :math:`Q_i`.

    The other arguments are those of :func:`adapt`. Returns a scalar, differentiable with respect to ``params``.
    """
    require_episode(episode)
    inner = {"loss": loss, "lr": lr, "steps": steps, "first_order": first_order}
    return torch.stack([query_loss(model, params, *task, **inner) for task in tasks_of(episode)]).mean()


def meta_gradient(
    model: nn.Module,
    params: Params,
    episode: Episode,
    *,
    loss: Loss,
    lr: Rates,
    steps: int,
    first_order: bool = False,
    tasks: str = "auto",
    chunk: int = CHUNK,
) -> tuple[Tensor, Params] | tuple[Tensor, Params, Params]:
    r"""The meta-objective :math:`J(\theta)` and its gradient, in memory that does not grow with the number of tasks.

    .. math::
        \nabla J(\theta) = \frac1T \sum_{i=1}^{T}
        (I - \alpha H_{i,0}) \cdots (I - \alpha H_{i,K-1})\,
        \nabla \mathcal{L}_{Q_i}(\theta_{i,K}),
        \qquad H_{i,k} = \nabla^2 \mathcal{L}_{S_i}(\theta_{i,k})

    This is :eq:`maml-meta-gradient` for one step and :eq:`maml-k-steps` for several; reverse-mode differentiation
    multiplies from right to left, so that only the Hessian-vector products of :eq:`maml-hvp` are ever computed.

    Args:
        tasks: ``"loop"`` adds up the gradient task by task; ``"batched"`` computes ``chunk`` tasks at once;
            ``"auto"`` chooses by model and device (:func:`course.meta_learning.ways.way_to_run`). The results are
            equal up to rounding.
        chunk: how many tasks the batched ways compute at once.

    The other arguments are those of :func:`meta_loss`.

    Returns:
        The loss, a scalar, and the gradient by parameter name; if ``lr`` is a dict, the gradient with respect to its
        tensors follows, by name, too. Nothing is attached to a graph.
    """
    require_adaptable(model, params, lr, steps)
    require_episode(episode)
    way = way_to_run(model, params, tasks)
    rates = rates_by_name(lr, params)
    params, learned = leaves(params), leaves(learnable(rates))
    inner = {"loss": loss, "lr": rates | learned, "steps": steps, "first_order": first_order}
    sums = None
    for part in way.parts(episode, chunk):
        loss_of_part, gradients = way.gradient(params, part, **inner)
        sums = [loss_of_part, *gradients] if sums is None else torch._foreach_add(sums, [loss_of_part, *gradients])
    value, *means = (each / episode.tasks for each in sums)
    gradient = dict(zip(params, means, strict=False))
    if not isinstance(lr, dict):
        return value, gradient
    return value, gradient, dict(zip(learned, means[len(params) :], strict=True))


def leaves(tensors: Params) -> Params:
    """The same tensors as the variables of a differentiation that begins here."""
    return {name: value.detach().requires_grad_() for name, value in tensors.items()}


class MAML(MetaLearner):
    """Model-agnostic meta-learning: train a starting point, then adapt it to a new task and predict.

    Args:
        model: any module without state of its own; its parameters are the starting point. Those with
            ``requires_grad=False`` are neither trained nor adapted.
        config, loss: as for :class:`~course.meta_learning.learner.MetaLearner`.
        tasks: how the tasks of an episode are run, see :func:`meta_gradient`.

    Raises:
        ValueError: if the model cannot be adapted, see :func:`course.meta_learning.adaptation.adapt`, or cannot be run
            in the way that is asked for.

    Example:
        >>> from course.data import SinusoidTasks
        >>> maml = MAML(nn.Linear(1, 1), MAMLConfig(inner_lr=0.01), loss=F.mse_loss)
        >>> history = maml.train(SinusoidTasks().sampler(k_shot=10, n_query=10, tasks=4), steps=5)
        >>> predict = maml.adapt(torch.rand(10, 1), torch.rand(10, 1))
        >>> len(history.train_loss), predict(torch.rand(7, 1)).shape
        (5, torch.Size([7, 1]))
    """

    def __init__(self, model: nn.Module, config: MAMLConfig, *, loss: Loss = F.cross_entropy, tasks: str = "auto"):
        super().__init__(model, config, loss=loss)
        self.tasks = tasks
        require_adaptable(model, self.start, config.inner_lr, config.inner_steps)
        way_to_run(model, self.start, tasks)

    @property
    def start(self) -> Params:
        """The starting point: the parameters of the model that training changes, by name."""
        return {name: value for name, value in self.model.named_parameters() if value.requires_grad}

    @property
    def inner_lr(self) -> Rates:
        """The inner rate, as :func:`~course.meta_learning.adaptation.adapt` takes it.

        A subclass may name fewer parameters here, so that the others are not adapted (ANIL), or return tensors that it
        learns (Meta-SGD); ``learned`` is then a module with the model's parameters and the rates.
        """
        return self.config.inner_lr

    def inner(self, steps: int) -> dict:
        """The arguments of the inner loop."""
        return {"loss": self.loss, "lr": self.inner_lr, "steps": steps}

    def gradient(self, episode: Episode) -> tuple[Tensor, Params] | tuple[Tensor, Params, Params]:
        """Loss and outer gradient for one episode: :func:`meta_gradient` at the current parameters."""
        options = self.inner(self.config.inner_steps) | {"first_order": self.config.first_order, "tasks": self.tasks}
        return meta_gradient(self.model, self.start, episode, **options)

    def episode_loss(self, episode: Episode) -> Tensor:
        """The loss of :meth:`gradient`, a scalar whose derivative is that gradient."""
        loss, *gradients = self.gradient(episode)
        known = [gradient for by_name in gradients for gradient in by_name.values()]
        variables = [*self.start.values(), *learnable(rates_by_name(self.inner_lr, self.start)).values()]
        if not set(variables) <= set(self.learned.parameters()):
            raise ValueError(
                "inner rates that are tensors are trained: let self.learned be a module that has them, too"
            )
        return KnownGradient.apply(loss, known, *variables[: len(known)])

    def predictions(self, episode: Episode, *, steps: int | None = None) -> Tensor:
        """Predictions ``[T, queries, ...]`` after ``steps`` inner steps on each task, or ``config.test_steps``."""
        options = self.inner(self.config.test_steps if steps is None else steps)
        return adapted_predictions(self.model, self.start, episode, tasks=self.tasks, **options)

    @torch.no_grad()
    def adapt(self, x: Tensor, y: Tensor, *, steps: int | None = None) -> Callable[[Tensor], Tensor]:
        """Map a small data set to a model: adapt to ``x`` and ``y`` and return the function that predicts.

        Example: ``classify = maml.adapt(images, labels)``, then ``classify(new_images).argmax(-1)``.
        """
        options = self.inner(self.config.test_steps if steps is None else steps)
        start = {name: value.clone() for name, value in self.start.items()}  # with 0 steps, not the live weights
        return partial(functional_call, self.model, adapt(self.model, start, x, y, **options))


class Reptile(MAML):
    r"""Reptile: move the starting point towards the weights that the tasks lead to, without second derivatives.

    .. math:: \theta \leftarrow \theta + \frac\varepsilon T \sum_{i=1}^T \bigl(\theta_K(\theta, D_i) - \theta\bigr)

    with all the data :math:`D_i = S_i \cup Q_i` of a task.
    This is :eq:`maml-reptile`; ε is ``config.outer_lr``. With one inner step it is training on all tasks jointly, so
    ``config.inner_steps`` should be at least 2; with 0 nothing would move, which is a ValueError.
    The arguments are those of :class:`MAML`.

    Example:
        >>> episode = Episode(*torch.rand(4, 3, 10, 1))  # 3 tasks
        >>> reptile = Reptile(nn.Linear(1, 1), MAMLConfig(inner_steps=5), loss=F.mse_loss)
        >>> reptile.predictions(episode).shape
        torch.Size([3, 10, 1])
    """

    def __init__(self, model: nn.Module, config: MAMLConfig, *, loss: Loss = F.cross_entropy, tasks: str = "auto"):
        if config.inner_steps < 1:
            raise ValueError("Reptile moves towards where the inner steps lead: config.inner_steps must be at least 1")
        super().__init__(model, config, loss=loss, tasks=tasks)

    @torch.no_grad()
    def gradient(self, episode: Episode) -> tuple[Tensor, Params]:
        """The mean loss of the adapted weights and the way from them back to the start, which descent then walks."""
        require_episode(episode)
        start, way = self.start, way_to_run(self.model, self.start, self.tasks)
        total, moves = 0.0, [torch.zeros_like(value) for value in start.values()]
        for x, y, query_x, query_y in way.parts(episode, CHUNK):
            x, y = torch.cat([x, query_x], 1), torch.cat([y, query_y], 1)
            adapted = way.adapt(start, x, y, **self.inner(self.config.inner_steps))
            predictions = way.call(adapted, x)
            total = total + torch.stack([self.loss(*task) for task in zip(predictions, y, strict=True)]).sum()
            moves = [move + (start[name] - adapted[name]).sum(0) for move, name in zip(moves, start, strict=True)]
        count = episode.tasks
        return total / count, {name: move / count for name, move in zip(start, moves, strict=True)}

    def optimizer(self) -> torch.optim.Optimizer:
        """Plain gradient descent with step size ε, which makes the update above."""
        return torch.optim.SGD(self.start.values(), lr=self.config.outer_lr)
