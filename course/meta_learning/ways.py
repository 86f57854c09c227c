r"""How the tasks of an episode are run: one by one, or many at once. The algorithm and its results are the same.

A loop pays for every small operator of every task: dear for small networks, and on an accelerator for all. Batched,
the tasks go through an operator together. On a CPU that loses time for most convolutions, though not for all: with 16
filters and 20 images a task it was 1.4 times as fast, with 64 filters slower. So model and device decide.
"""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from course.data import Episode
from course.meta_learning.adaptation import Loss, Params, Rates, adapt, learnable, query_loss, require_adaptable
from course.meta_learning.stacked import stackable, stacked_adapt, stacked_call, stacked_copies, stacked_query_loss

CHUNK = 128  # tasks computed at once by the batched ways: their memory grows with this, not with the number of tasks
Part = tuple[Tensor, ...]  # support x, support y, query x, query y of T tasks, each [T, n, ...]
Gradients = tuple[Tensor, ...]
WAYS = ("auto", "loop", "batched", "stacked", "vmap")


class Way:
    """One way to run T tasks on a model. Each of the three classes below has three methods:

    ``gradient(params, part, lr=..., **inner)`` is the sum over the tasks of a part of
    :func:`~course.meta_learning.adaptation.query_loss`, and its gradient with respect to ``params`` and then to the
    rates that are tensors, without a graph; ``adapt(params, x, y, **inner)`` adapts from one start to each task, with
    data ``[T, n, ...]`` and adapted parameters ``[T, ...]``; ``call(params, x)`` has the predictions ``[T, n, ...]`` of
    T models, each on its own data.
    """

    batched = True

    def __init__(self, model: nn.Module):
        self.model = model

    def parts(self, episode: Episode, chunk: int) -> Iterator[Part]:
        """The tasks of an episode, ``chunk`` at a time, or one at a time in a loop."""
        sets = (episode.support_x, episode.support_y, episode.query_x, episode.query_y)
        return zip(*(each.split(chunk if self.batched else 1) for each in sets), strict=True)


class Loop(Way):
    """One task after the other: the least memory, and as fast as any where the arithmetic takes the time."""

    batched = False

    def gradient(self, params: Params, part: Part, *, lr: Rates, **inner) -> tuple[Tensor, Gradients]:
        losses = [query_loss(self.model, params, *task, lr=lr, **inner) for task in zip(*part, strict=True)]
        return differentiated(sum(losses), params, lr)

    def adapt(self, params: Params, x: Tensor, y: Tensor, **inner) -> Params:
        each = [adapt(self.model, params, *task, **inner) for task in zip(x, y, strict=True)]
        return {name: torch.stack([adapted[name] for adapted in each]) for name in params}

    def call(self, params: Params, x: Tensor) -> Tensor:
        of_tasks = [{name: each[task] for name, each in params.items()} for task in range(len(x))]
        return torch.stack([functional_call(self.model, *pair) for pair in zip(of_tasks, x, strict=True)])


class Stacked(Way):
    """Layers with the weights of all tasks, :mod:`course.meta_learning.stacked`: the fastest for small networks."""

    def gradient(self, params: Params, part: Part, *, lr: Rates, **inner) -> tuple[Tensor, Gradients]:
        return differentiated(stacked_query_loss(self.model, params, *part, lr=lr, **inner), params, lr)

    def adapt(self, params: Params, x: Tensor, y: Tensor, **inner) -> Params:
        return stacked_adapt(self.model, stacked_copies(params, len(x)), x, y, **inner)

    def call(self, params: Params, x: Tensor) -> Tensor:
        return stacked_call(self.model, params, x)


class Vmap(Way):
    """The functions of one task, mapped over the tasks by ``torch.func.vmap``: for any model."""

    @torch.no_grad()  # for what surrounds this function: grad inside vmap works on, and leaves no graph behind
    def gradient(self, params: Params, part: Part, *, lr: Rates, **inner) -> tuple[Tensor, Gradients]:
        """Map the *whole* gradient.

        The other order, the gradient of a mapped loss, would be the same in exact arithmetic. But torch 2.11 silently
        returns a wrong second derivative of a mapped batch normalisation, whereas ``vmap(grad(...))`` is right.
        """

        def task_loss(variables: tuple[Params, Params], *task: Tensor) -> Tensor:
            return query_loss(self.model, variables[0], *task, lr=lr | variables[1], **inner)

        mapped = vmap(grad_and_value(task_loss), in_dims=(None, 0, 0, 0, 0), randomness="different")
        gradients, losses = mapped((params, learnable(lr)), *part)
        return losses.sum(), tuple(each.sum(0) for by_name in gradients for each in by_name.values())

    def adapt(self, params: Params, x: Tensor, y: Tensor, **inner) -> Params:
        of_one_task = partial(adapt, self.model, **inner)
        return vmap(of_one_task, in_dims=(None, 0, 0), randomness="different")(params, x, y)

    def call(self, params: Params, x: Tensor) -> Tensor:
        return vmap(partial(functional_call, self.model), randomness="different")(params, x)


def differentiated(total: Tensor, params: Params, rates: Rates) -> tuple[Tensor, Gradients]:
    """A scalar and its gradient with respect to ``params`` and the rates that are tensors; their graph is freed."""
    variables = (*params.values(), *learnable(rates).values())
    return total.detach(), torch.autograd.grad(total, variables, materialize_grads=True)


def way_to_run(model: nn.Module, params: Params, tasks: str = "auto") -> Way:
    """Which of the three ways the argument ``tasks`` of :func:`course.meta_learning.maml.meta_gradient` stands for.

    Args:
        model: the module that is adapted.
        params: the parameters that it is adapted from, by name.
        tasks: ``"loop"``, ``"stacked"`` or ``"vmap"`` mean themselves. ``"batched"`` is ``"stacked"`` for models made
            of the layers that :mod:`course.meta_learning.stacked` knows, and ``"vmap"`` for all others. ``"auto"``
            is batched on an accelerator and for stackable models without convolutions, otherwise the loop.

    Raises:
        ValueError: if ``tasks`` is none of these, or ``"stacked"`` where the model cannot be stacked.
    """
    if tasks not in WAYS:
        raise ValueError(f"tasks must be one of {', '.join(map(repr, WAYS))}, got {tasks!r}")
    if tasks in ("loop", "vmap"):
        return Loop(model) if tasks == "loop" else Vmap(model)
    can_stack = stackable(model) and params.keys() == dict(model.named_parameters()).keys()
    if tasks == "stacked" and not can_stack:
        raise ValueError(
            "tasks='stacked' needs a Sequential of known layers, no parameter of which is shared or left out: "
            "take 'batched', which finds the way that fits"
        )
    on_cpu = next(iter(params.values())).device.type == "cpu"
    convolves = any(isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) for layer in model.modules())
    if tasks == "auto" and on_cpu and (not can_stack or convolves):
        return Loop(model)
    return Stacked(model) if can_stack else Vmap(model)


@torch.no_grad()
def adapted_predictions(
    model: nn.Module,
    params: Params,
    episode: Episode,
    *,
    loss: Loss,
    lr: Rates,
    steps: int,
    tasks: str = "auto",
    chunk: int = CHUNK,
) -> Tensor:
    """Adapt to the support set of each task and predict its queries: ``[T, queries, ...]``, no gradient attached.

    The arguments are those of :func:`course.meta_learning.maml.meta_gradient`.
    """
    require_adaptable(model, params, lr, steps)
    require_episode(episode)
    way = way_to_run(model, params, tasks)
    inner, parts = {"loss": loss, "lr": lr, "steps": steps}, way.parts(episode, chunk)
    return torch.cat([way.call(way.adapt(params, x, y, **inner), query_x) for x, y, query_x, _ in parts])


def tasks_of(episode: Episode) -> Iterator[Part]:
    """The tasks of an episode one by one, as (support x, support y, query x, query y)."""
    return zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y, strict=True)


def require_episode(episode: Episode) -> None:
    """Raise ValueError unless the four parts hold the same tasks, with one target for each example."""
    shapes = {name: tuple(getattr(episode, name).shape) for name in ("support_x", "support_y", "query_x", "query_y")}
    lengths = {shape[:1] for shape in shapes.values()}
    paired = all(shapes[f"{part}_x"][:2] == shapes[f"{part}_y"][:2] for part in ("support", "query"))
    enough = all(len(shape) >= 2 and 0 not in shape[:2] for shape in shapes.values())
    if len(lengths) != 1 or not paired or not enough:
        listed = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise ValueError(
            "an episode needs at least one task, x and y of shape [tasks, examples, ...], and the same number of "
            f"examples in x and y; got {listed}. For a single task add the first axis with x[None]"
        )
