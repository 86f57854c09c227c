r"""MAML learns the weights from which a few gradient steps on a small data set lead to a good model.

The inner loop adapts the weights to the *support* set of a task; the outer loop improves the starting point by the
adapted model's loss on the task's *query* set, and differentiates through the inner loop to do so.

Source: Finn, Abbeel and Levine, *Model-agnostic meta-learning for fast adaptation of deep networks* (2017);
Nichol, Achiam and Schulman, *On first-order meta-learning algorithms* (2018) for Reptile.
"""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from course import training
from course.data import Episode
from course.meta_learning.config import MAMLConfig
from course.meta_learning.evaluation import Evaluation, evaluate, task_scores
from course.meta_learning.stacked import Loss, Params, stacked_adapt, stacked_call, stacked_copies, stacked_query_loss
from course.meta_learning.ways import (
    CHUNK,
    mapped_gradient,
    parts_of,
    require_adaptable,
    require_episode,
    tasks_of,
    way_to_run,
)

__all__ = [
    "MAML", "Evaluation", "MAMLConfig", "Reptile", "adapt", "adapt_each", "adapted_predictions", "call_each",
    "meta_gradient", "meta_loss", "query_loss", "stacked_query_loss",
]  # fmt: skip


def adapt(
    model: nn.Module,
    params: Params,
    x: Tensor,
    y: Tensor,
    *,
    loss: Loss,
    lr: float,
    steps: int,
    first_order: bool = False,
) -> Params:
    r"""The inner loop: ``steps`` steps of gradient descent on one small data set.

    .. math:: \theta_{k+1} = \theta_k - \alpha \nabla_\theta \mathcal{L}_S(\theta_k), \qquad \theta_0 = \theta

    This is :eq:`maml-inner-step`. The result is a differentiable function of ``params``.

    Args:
        model: any module without state of its own (see *Raises*).
        params: the starting point :math:`\theta`, by name; parameters not named keep the module's values.
        x, y: the support set, ``[n, ...]`` and ``[n, ...]``.
        loss: maps predictions and targets to a scalar.
        lr: the inner learning rate :math:`\alpha`.
        steps: number of inner steps K; 0 returns ``params``.
        first_order: treat the inner gradients as constants, so that the outer derivative
            of the result is the identity (:eq:`maml-first-order`).

    Returns:
        The adapted parameters :math:`\theta_K`; ``params`` is left as it was.

    Raises:
        ValueError: if a batch normalisation in training mode keeps running averages, which would mix the tasks; if
            ``params`` names what the model does not have; if ``steps`` is negative.
    """
    require_adaptable(model, params, steps)

    def support_loss(params: Params) -> Tensor:
        return loss(functional_call(model, params, (x,)), y)

    for _ in range(steps):
        gradients = grad(support_loss)(params)
        if first_order:
            gradients = {name: gradient.detach() for name, gradient in gradients.items()}
        params = {name: value - lr * gradients[name] for name, value in params.items()}
    return params


def meta_loss(
    model: nn.Module,
    params: Params,
    episode: Episode,
    *,
    loss: Loss,
    lr: float,
    steps: int,
    first_order: bool = False,
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


def query_loss(
    model: nn.Module, params: Params, x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor, *, loss: Loss, **inner
) -> Tensor:
    """One term of :func:`meta_loss`: adapt to the support set, return the loss on the query set."""
    adapted = adapt(model, params, x, y, loss=loss, **inner)
    return loss(functional_call(model, adapted, (query_x,)), query_y)


def meta_gradient(
    model: nn.Module,
    params: Params,
    episode: Episode,
    *,
    loss: Loss,
    lr: float,
    steps: int,
    first_order: bool = False,
    tasks: str = "auto",
    chunk: int = CHUNK,
) -> tuple[Tensor, Params]:
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
        The loss, a scalar, and the gradient by parameter name; neither is attached to a graph.
    """
    require_adaptable(model, params, steps)
    require_episode(episode)
    inner = {"loss": loss, "lr": lr, "steps": steps, "first_order": first_order}
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    way = way_to_run(model, params, tasks)
    total, gradients = 0.0, None
    for part in tasks_of(episode) if way == "loop" else parts_of(episode, chunk):
        if way == "vmap":
            part_loss, part_gradients = mapped_gradient(partial(query_loss, model, **inner), params, part)
        else:
            term = query_loss if way == "loop" else stacked_query_loss
            part_loss = term(model, params, *part, **inner)
            part_gradients = torch.autograd.grad(part_loss, tuple(params.values()), materialize_grads=True)
        total = total + part_loss.detach()
        gradients = part_gradients if gradients is None else torch._foreach_add(gradients, part_gradients)
    count = episode.tasks
    return total / count, {name: gradient / count for name, gradient in zip(params, gradients, strict=True)}


def adapt_each(model: nn.Module, params: Params, x: Tensor, y: Tensor, way: str, **inner) -> Params:
    """:func:`adapt` from one start to each of T tasks: data ``[T, n, ...]``, adapted parameters ``[T, ...]``."""
    if way == "stacked":
        return stacked_adapt(model, stacked_copies(params, len(x)), x, y, **inner)
    if way == "vmap":
        return vmap(partial(adapt, model, **inner), in_dims=(None, 0, 0), randomness="different")(params, x, y)
    each = [adapt(model, params, *task, **inner) for task in zip(x, y, strict=True)]
    return {name: torch.stack([adapted[name] for adapted in each]) for name in params}


def call_each(model: nn.Module, params: Params, x: Tensor, way: str) -> Tensor:
    """The predictions ``[T, n, ...]`` of T models, each on its own: parameters ``[T, ...]``, data ``[T, n, ...]``."""
    if way == "stacked":
        return stacked_call(model, params, x)

    def call(params: Params, x: Tensor) -> Tensor:
        return functional_call(model, params, (x,))

    if way == "vmap":
        return vmap(call, randomness="different")(params, x)
    return torch.stack([call({name: each[task] for name, each in params.items()}, x[task]) for task in range(len(x))])


@torch.no_grad()
def adapted_predictions(
    model: nn.Module,
    params: Params,
    episode: Episode,
    *,
    loss: Loss,
    lr: float,
    steps: int,
    tasks: str = "auto",
    chunk: int = CHUNK,
) -> Tensor:
    """Adapt to the support set of each task and predict its queries: ``[T, queries, ...]``, no gradient attached.

    The arguments are those of :func:`meta_gradient`.
    """
    require_adaptable(model, params, steps)
    require_episode(episode)
    way = way_to_run(model, params, tasks)
    predictions = []
    for x, y, query_x, _ in parts_of(episode, 1 if way == "loop" else chunk):
        adapted = adapt_each(model, params, x, y, way, loss=loss, lr=lr, steps=steps)
        predictions.append(call_each(model, adapted, query_x, way))
    return torch.cat(predictions)


class MAML:
    """Model-agnostic meta-learning: train a starting point, then adapt it to a new task and predict.

    Args:
        model: any module without state of its own; its parameters are the starting point. It stays on its device.
            Parameters with ``requires_grad=False`` are neither trained nor adapted.
        config: the settings.
        loss: maps predictions and targets to a scalar; cross-entropy for classes, ``F.mse_loss`` for curves.
        tasks: how the tasks of an episode are run, see :func:`meta_gradient`.
    """

    def __init__(self, model: nn.Module, config: MAMLConfig, *, loss: Loss = F.cross_entropy, tasks: str = "auto"):
        self.model, self.config, self.loss, self.tasks = model, config, loss, tasks
        require_adaptable(model, self.start, config.inner_steps)
        way_to_run(model, self.start, tasks)

    @property
    def start(self) -> Params:
        """The starting point: the parameters of the model that training changes, by name."""
        return {name: value for name, value in self.model.named_parameters() if value.requires_grad}

    def inner(self, steps: int) -> dict:
        """The arguments of the inner loop."""
        return {"loss": self.loss, "lr": self.config.inner_lr, "steps": steps}

    def gradient(self, episode: Episode) -> tuple[Tensor, Params]:
        """Loss and outer gradient for one episode: :func:`meta_gradient` at the current parameters."""
        options = self.inner(self.config.inner_steps) | {"first_order": self.config.first_order, "tasks": self.tasks}
        return meta_gradient(self.model, self.start, episode, **options)

    def optimizer(self) -> torch.optim.Optimizer:
        """The outer optimiser: Adam, as in the paper."""
        return torch.optim.Adam(self.start.values(), lr=self.config.outer_lr)

    def train(
        self, sampler, *, steps: int | None = None, validation=None, validation_tasks: int = 100, **options
    ) -> "training.History":
        """Improve the starting point; outer step number i sees ``sampler[i]``.

        Args:
            sampler: episodes by number, such as :class:`course.data.EpisodeSampler`.
            steps: outer steps; ``None`` takes ``config.iterations``.
            validation: a second sampler, of other classes, watched every ``validate_every`` steps.
            validation_tasks: how many of its tasks to average over.
            options: passed to :func:`course.training.fit` (``validate_every``, ``patience``, ``checkpoint``, ...);
                ``optimizer`` replaces :meth:`optimizer`.
        """
        start = self.start

        def closure(step: int) -> Tensor:
            loss, gradients = self.gradient(sampler[step])
            for name, value in start.items():
                value.grad = gradients[name]
            return loss

        def validate() -> dict[str, float]:
            result = self.evaluate(validation, validation_tasks)
            return {result.metric: result.mean}

        options.setdefault("optimizer", self.optimizer())
        options.setdefault("steps", self.config.iterations if steps is None else steps)
        options.setdefault("validate", None if validation is None else validate)
        return training.fit(self.model, closure, **options)

    def evaluate(self, sampler, tasks: int = 600, *, steps: int | None = None) -> Evaluation:
        """Adapt to the first ``tasks`` tasks of ``sampler`` and score their queries.

        The score of a task is its accuracy where the targets are class numbers, otherwise its loss. ``steps`` is the
        number of inner steps; ``None`` takes ``config.test_steps``. The rest is as in
        :func:`course.meta_learning.evaluation.evaluate`.
        """
        return evaluate(partial(self.predictions, steps=steps), sampler, tasks, loss=self.loss)

    def predictions(self, episode: Episode, *, steps: int | None = None) -> Tensor:
        """Predictions ``[T, queries, ...]`` after adapting to each task: :func:`adapted_predictions`."""
        options = self.inner(self.config.test_steps if steps is None else steps)
        return adapted_predictions(self.model, self.start, episode, tasks=self.tasks, **options)

    def scores(self, episode: Episode, predictions: Tensor) -> Tensor:
        """One number for each task, ``[T]``: :func:`course.meta_learning.evaluation.task_scores`."""
        return task_scores(predictions, episode.query_y, self.loss)

    @torch.no_grad()
    def adapt(self, x: Tensor, y: Tensor, *, steps: int | None = None) -> Callable[[Tensor], Tensor]:
        """Map a small data set to a model: adapt to ``x`` and ``y`` and return the function that predicts.

        Example: ``classify = maml.adapt(images, labels)``, then ``classify(new_images).argmax(-1)``.
        """
        options = self.inner(self.config.test_steps if steps is None else steps)
        start = {name: value.clone() for name, value in self.start.items()}  # with 0 steps, not the live weights
        adapted = adapt(self.model, start, x, y, **options)

        @torch.no_grad()
        def predict(new_x: Tensor) -> Tensor:
            return functional_call(self.model, adapted, (new_x,))

        return predict


class Reptile(MAML):
    r"""Reptile: move the starting point towards the weights that the tasks lead to, without second derivatives.

    .. math:: \theta \leftarrow \theta + \frac\varepsilon T \sum_{i=1}^T \bigl(\theta_K(\theta, D_i) - \theta\bigr)

    with all the data :math:`D_i = S_i \cup Q_i` of a task.
    This is :eq:`maml-reptile`; ε is ``config.outer_lr``. With one inner step it is training on all tasks jointly, so
    ``config.inner_steps`` should be at least 2; with 0 nothing would move, which is a ValueError.
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
        for x, y, query_x, query_y in parts_of(episode, 1 if way == "loop" else CHUNK):
            x, y = torch.cat([x, query_x], 1), torch.cat([y, query_y], 1)
            adapted = adapt_each(self.model, start, x, y, way, **self.inner(self.config.inner_steps))
            predictions = call_each(self.model, adapted, x, way)
            total = total + torch.stack([self.loss(*task) for task in zip(predictions, y, strict=True)]).sum()
            moves = [move + (start[name] - adapted[name]).sum(0) for move, name in zip(moves, start, strict=True)]
        count = episode.tasks
        return total / count, {name: move / count for name, move in zip(start, moves, strict=True)}

    def optimizer(self) -> torch.optim.Optimizer:
        """Plain gradient descent with step size ε, which makes the update above."""
        return torch.optim.SGD(self.start.values(), lr=self.config.outer_lr)
