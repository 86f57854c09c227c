r"""MAML learns the weights from which a few gradient steps on a small data set lead to a good model.

The inner loop adapts the weights to the *support* set of a task; the outer loop improves the starting point by the
adapted model's loss on the task's *query* set, and differentiates through the inner loop to do so.

Source: Finn, Abbeel and Levine, *Model-agnostic meta-learning for fast adaptation of deep networks* (2017);
Nichol, Achiam and Schulman, *On first-order meta-learning algorithms* (2018) for Reptile.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from course import training
from course.data import Episode
from course.meta_learning.stacked import Loss, Params, stackable, stacked_adapt, stacked_call, summed_loss

CHUNK = 128  # tasks computed at once by the batched way: its memory grows with this, not with the number of tasks
Z95 = 1.959964  # 97.5 % quantile of the standard normal distribution


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
        ValueError: if a batch normalisation in training mode keeps running averages, which would mix the tasks.
    """
    require_stateless(model)

    def support_loss(params: Params) -> Tensor:
        return loss(functional_call(model, params, (x,)), y)

    for _ in range(steps):
        gradients = grad(support_loss)(params)
        if first_order:
            gradients = {name: gradient.detach() for name, gradient in gradients.items()}
        params = {name: value - lr * gradients[name] for name, value in params.items()}
    return params


def require_stateless(model: nn.Module) -> None:
    """Raise ValueError if ``model`` would change its own buffers while it adapts."""
    for name, module in model.named_modules():
        if module.training and getattr(module, "track_running_stats", False):
            raise ValueError(
                f"layer {name!r} ({type(module).__name__}) keeps running averages over the batches of all tasks; "
                "build it with track_running_stats=False, or call model.eval() to use its averages as they are"
            )


def trainable(model: nn.Module) -> Params:
    """The parameters of ``model`` that training changes, by name."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


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
    inner = {"loss": loss, "lr": lr, "steps": steps, "first_order": first_order}
    return torch.stack([query_loss(model, params, *task, **inner) for task in tasks_of(episode)]).mean()


def query_loss(
    model: nn.Module, params: Params, x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor, *, loss: Loss, **inner
) -> Tensor:
    """One term of :func:`meta_loss`: adapt to the support set, return the loss on the query set."""
    adapted = adapt(model, params, x, y, loss=loss, **inner)
    return loss(functional_call(model, adapted, (query_x,)), query_y)


def tasks_of(episode: Episode) -> Iterator[tuple[Tensor, ...]]:
    """The tasks of an episode one by one, as (support x, support y, query x, query y)."""
    return zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y, strict=True)


def chunks_of(episode: Episode, size: int) -> Iterator[tuple[Tensor, ...]]:
    """The tasks of an episode, ``size`` at a time, as (support x, support y, query x, query y)."""
    parts = (episode.support_x, episode.support_y, episode.query_x, episode.query_y)
    return zip(*(part.split(size) for part in parts), strict=True)


def way_to_run(model: nn.Module, params: Params, tasks: str = "auto") -> str:
    """How the tasks of an episode are run: ``"loop"``, ``"stacked"`` or ``"vmap"`` (the two batched ways).

    ``"auto"`` batches on an accelerator, where a loop waits for the launch of each small operator, and for models
    without convolutions; convolutions on a CPU are faster task by task.
    """
    if tasks not in ("auto", "loop", "batched"):
        raise ValueError(f'tasks must be "auto", "loop" or "batched", got {tasks!r}')
    if tasks == "auto":
        on_cpu = next(iter(params.values())).device.type == "cpu"
        slow = not stackable(model) or any(isinstance(layer, nn.Conv2d) for layer in model.modules())
        tasks = "loop" if on_cpu and slow else "batched"
    if tasks == "loop":
        return "loop"
    return "stacked" if stackable(model) and params.keys() == dict(model.named_parameters()).keys() else "vmap"


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
        \Bigl[\prod_{k=0}^{K-1} \bigl(I - \alpha \nabla^2 \mathcal{L}_{S_i}(\theta_k)\bigr)\Bigr]
        \nabla \mathcal{L}_{Q_i}(\theta_K)

    This is :eq:`maml-meta-gradient` for one step and :eq:`maml-k-steps` for several; reverse-mode differentiation
    multiplies from right to left, so that only the Hessian-vector products of :eq:`maml-hvp` are ever computed.

    Args:
        tasks: ``"loop"`` adds up the gradient task by task; ``"batched"`` computes ``chunk`` tasks at once;
            ``"auto"`` chooses by model and device. The results are equal up to rounding.
        chunk: how many tasks the batched way computes at once.

    The other arguments are those of :func:`meta_loss`.

    Returns:
        The loss, a scalar, and the gradient by parameter name; neither is attached to a graph.
    """
    require_stateless(model)
    inner = {"loss": loss, "lr": lr, "steps": steps, "first_order": first_order}
    params = {name: value.detach().requires_grad_() for name, value in params.items()}
    way = way_to_run(model, params, tasks)
    total, gradients = 0.0, None
    for part in tasks_of(episode) if way == "loop" else chunks_of(episode, chunk):
        if way == "vmap":
            part_loss, part_gradients = vmapped_gradient(model, params, part, **inner)
        else:
            term = query_loss if way == "loop" else stacked_query_loss
            part_loss = term(model, params, *part, **inner)
            part_gradients = torch.autograd.grad(part_loss, tuple(params.values()))
        total = total + part_loss.detach()
        gradients = part_gradients if gradients is None else torch._foreach_add(gradients, part_gradients)
    count = episode.tasks
    return total / count, {name: gradient / count for name, gradient in zip(params, gradients, strict=True)}


def stacked_query_loss(
    model: nn.Module, params: Params, x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor, *, loss: Loss, **inner
) -> Tensor:
    """The sum of :func:`query_loss` over tasks stacked along the first axis of the data."""
    stack = {name: value.expand(len(x), *value.shape) for name, value in params.items()}
    adapted = stacked_adapt(model, stack, x, y, loss=loss, **inner)
    return summed_loss(loss, stacked_call(model, adapted, query_x), query_y)


def vmapped_gradient(
    model: nn.Module, params: Params, part: tuple[Tensor, ...], **inner
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Sum of the query losses and its gradient for any module, by mapping the *whole* gradient over the tasks.

    The other order, the gradient of a mapped loss, would be the same in exact arithmetic. But torch 2.11 silently
    returns a wrong second derivative of a mapped batch normalisation, whereas ``vmap(grad(...))`` is right.
    """

    def task_loss(params: Params, *task: Tensor) -> Tensor:
        return query_loss(model, params, *task, **inner)

    task_gradient = torch.func.grad_and_value(task_loss)
    in_dims = (None, 0, 0, 0, 0)
    gradients, losses = vmap(task_gradient, in_dims=in_dims, randomness="different")(params, *part)
    return losses.sum(), tuple(gradient.sum(0) for gradient in gradients.values())


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
    require_stateless(model)
    inner = {"loss": loss, "lr": lr, "steps": steps}

    def predict(params: Params, x: Tensor, y: Tensor, query_x: Tensor) -> Tensor:
        return functional_call(model, adapt(model, params, x, y, **inner), (query_x,))

    def predict_stacked(x: Tensor, y: Tensor, query_x: Tensor) -> Tensor:
        stack = {name: value.expand(len(x), *value.shape) for name, value in params.items()}
        return stacked_call(model, stacked_adapt(model, stack, x, y, **inner), query_x)

    way = way_to_run(model, params, tasks)
    if way == "loop":
        return torch.stack([predict(params, *task[:3]) for task in tasks_of(episode)])
    if way == "stacked":
        return torch.cat([predict_stacked(*part[:3]) for part in chunks_of(episode, chunk)])
    mapped = vmap(predict, in_dims=(None, 0, 0, 0), randomness="different")
    return torch.cat([mapped(params, *part[:3]) for part in chunks_of(episode, chunk)])


@dataclass(frozen=True)
class MAMLConfig:
    """Settings of MAML and of its training run; see :meth:`quick` and :meth:`full` for two sets that work.

    Attributes:
        inner_lr: step size α of the inner loop.
        inner_steps: inner steps K while training.
        test_steps: inner steps when a finished model meets a new task.
        outer_lr: step size of the outer optimiser.
        meta_batch: tasks per outer step.
        iterations: outer steps.
        first_order: drop the second derivatives.
        filters: filters of each convolution of :class:`course.representation.cnn.Conv4`.
    """

    inner_lr: float = 0.4
    inner_steps: int = 1
    test_steps: int = 3
    outer_lr: float = 1e-3
    meta_batch: int = 32
    iterations: int = 60_000
    first_order: bool = False
    filters: int = 64

    @classmethod
    def quick(cls) -> "MAMLConfig":
        """One or two minutes on a laptop's CPU: fewer filters, tasks and iterations, a larger outer rate."""
        return cls(test_steps=1, outer_lr=3e-3, meta_batch=4, iterations=1_000, filters=16)

    @classmethod
    def full(cls, n_way: int = 5) -> "MAMLConfig":
        """The paper's setting for Omniglot (its appendix A.1), for 5-way or 20-way tasks."""
        if n_way == 5:
            return cls()
        if n_way == 20:
            return cls(inner_lr=0.1, inner_steps=5, test_steps=5, meta_batch=16)
        raise ValueError(f"the paper gives settings for 5-way and 20-way tasks, not for {n_way}-way; build MAMLConfig(...)")


@dataclass(frozen=True)
class Evaluation:
    """A mean over tasks and half the width of its 95 % interval; ``values`` holds one number for each task."""

    metric: str
    mean: float
    interval95: float
    n: int
    values: Tensor = field(repr=False)

    def __str__(self) -> str:
        return f"{self.metric} {self.mean:.4f} ± {self.interval95:.4f} ({self.n} tasks)"


def interval95(values: Tensor) -> tuple[float, float]:
    r"""Mean and half-width of the 95 % interval, :math:`\bar a \pm 1.96\, s / \sqrt n`, of n independent values.

    This is :eq:`maml-interval`, with the sample standard deviation s. Raises ValueError for fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two values, got {len(values)}")
    values = values.double()
    return values.mean().item(), Z95 * values.std().item() / sqrt(len(values))


class MAML:
    """Model-agnostic meta-learning: train a starting point, then adapt it to a new task and predict.

    Args:
        model: any module without state of its own; its parameters are the starting point. It stays on its device.
        config: the settings.
        loss: maps predictions and targets to a scalar; cross-entropy for classes, ``F.mse_loss`` for curves.
        tasks: ``"auto"``, ``"loop"`` or ``"batched"``, see :func:`meta_gradient`.
    """

    def __init__(
        self, model: nn.Module, config: MAMLConfig, *, loss: Loss = F.cross_entropy, tasks: str = "auto"
    ):
        require_stateless(model)
        self.model, self.config, self.loss, self.tasks = model, config, loss, tasks

    def gradient(self, episode: Episode) -> tuple[Tensor, Params]:
        """Loss and outer gradient for one episode: :func:`meta_gradient` at the current parameters."""
        config = self.config
        return meta_gradient(
            self.model,
            trainable(self.model),
            episode,
            loss=self.loss,
            lr=config.inner_lr,
            steps=config.inner_steps,
            first_order=config.first_order,
            tasks=self.tasks,
        )

    def optimizer(self) -> torch.optim.Optimizer:
        """The outer optimiser: Adam, as in the paper."""
        return torch.optim.Adam(trainable(self.model).values(), lr=self.config.outer_lr)

    def train(
        self, sampler, *, steps: int | None = None, validation=None, validation_tasks: int = 100, **options
    ) -> "training.History":
        """Improve the starting point; outer step number i sees ``sampler[i]``.

        Args:
            sampler: episodes by number, such as :class:`course.data.EpisodeSampler`.
            steps: outer steps; ``None`` takes ``config.iterations``.
            validation: a second sampler, of other classes, watched every ``validate_every`` steps.
            validation_tasks: how many of its tasks to average over.
            options: passed to :func:`course.training.fit` (``validate_every``, ``patience``, ``checkpoint``, ...).
        """
        params = trainable(self.model)

        def closure(step: int) -> Tensor:
            loss, gradients = self.gradient(sampler[step])
            for name, value in params.items():
                value.grad = gradients[name]
            return loss

        def validate() -> dict[str, float]:
            result = self.evaluate(validation, validation_tasks)
            return {result.metric: result.mean}

        options.setdefault("optimizer", self.optimizer())
        steps = self.config.iterations if steps is None else steps
        return training.fit(
            self.model,
            closure,
            options.pop("optimizer"),
            steps=steps,
            validate=None if validation is None else validate,
            **options,
        )

    def evaluate(self, sampler, tasks: int = 600, *, steps: int | None = None) -> Evaluation:
        """Adapt to the first ``tasks`` tasks of ``sampler`` and score their queries.

        The score of a task is its accuracy where the targets are class numbers, otherwise its loss.

        Args:
            sampler: episodes by number; the tasks of one episode must be independent.
            tasks: how many tasks to average over; the papers take 600 or more.
            steps: inner steps; ``None`` takes ``config.test_steps``.
        """
        scores, count, index = [], 0, 0
        while count < tasks:
            episode = sampler[index]
            scores.append(self.scores(episode, self.predictions(episode, steps=steps)))
            count, index = count + episode.tasks, index + 1
        values = torch.cat(scores)[:tasks].cpu()
        metric = "loss" if episode.query_y.is_floating_point() else "accuracy"
        mean, half_width = interval95(values)
        return Evaluation(metric, mean, half_width, len(values), values)

    def predictions(self, episode: Episode, *, steps: int | None = None) -> Tensor:
        """Predictions ``[T, queries, ...]`` after adapting to each task: :func:`adapted_predictions`."""
        return adapted_predictions(
            self.model,
            trainable(self.model),
            episode,
            loss=self.loss,
            lr=self.config.inner_lr,
            steps=self.config.test_steps if steps is None else steps,
            tasks=self.tasks,
        )

    def scores(self, episode: Episode, predictions: Tensor) -> Tensor:
        """One number for each task, ``[T]``: accuracy for class numbers, otherwise the loss."""
        if episode.query_y.is_floating_point():
            return torch.stack([self.loss(p, y) for p, y in zip(predictions, episode.query_y, strict=True)])
        return (predictions.argmax(-1) == episode.query_y).float().flatten(1).mean(1)

    @torch.no_grad()
    def adapt(self, x: Tensor, y: Tensor, *, steps: int | None = None) -> Callable[[Tensor], Tensor]:
        """Map a small data set to a model: adapt to ``x`` and ``y`` and return the function that predicts.

        Example: ``classify = maml.adapt(images, labels)``, then ``classify(new_images).argmax(-1)``.
        """
        steps = self.config.test_steps if steps is None else steps
        start = trainable(self.model)
        adapted = adapt(self.model, start, x, y, loss=self.loss, lr=self.config.inner_lr, steps=steps)

        @torch.no_grad()
        def predict(new_x: Tensor) -> Tensor:
            return functional_call(self.model, adapted, (new_x,))

        return predict


class Reptile(MAML):
    r"""Reptile: move the starting point towards the weights that the tasks lead to; no second derivatives, no query set.

    .. math:: \theta \leftarrow \theta + \varepsilon \, \frac1T \sum_{i=1}^{T} \bigl(\theta_K(\theta, S_i \cup Q_i) - \theta\bigr)

    This is :eq:`maml-reptile`; ε is ``config.outer_lr``. With one inner step it is training on all tasks jointly, so
    ``config.inner_steps`` should be at least 2.
    """

    def gradient(self, episode: Episode) -> tuple[Tensor, Params]:
        """The mean loss of the adapted weights and the way from them back to the start, which descent then walks."""
        config, start = self.config, trainable(self.model)
        inner = {"loss": self.loss, "lr": config.inner_lr, "steps": config.inner_steps}
        total, moves = 0.0, [torch.zeros_like(value) for value in start.values()]
        with torch.no_grad():
            for x, y, query_x, query_y in tasks_of(episode):
                x, y = torch.cat([x, query_x]), torch.cat([y, query_y])
                adapted = adapt(self.model, start, x, y, **inner)
                total = total + self.loss(functional_call(self.model, adapted, (x,)), y)
                torch._foreach_add_(moves, torch._foreach_sub(tuple(start.values()), tuple(adapted.values())))
        count = episode.tasks
        return total / count, {name: move / count for name, move in zip(start, moves, strict=True)}

    def optimizer(self) -> torch.optim.Optimizer:
        """Plain gradient descent with step size ε, which makes the update above."""
        return torch.optim.SGD(trainable(self.model).values(), lr=self.config.outer_lr)
