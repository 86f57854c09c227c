r"""How the tasks of an episode are run: one by one, or many at once. The algorithm and its results are the same.

A loop pays for every small operator of every task: dear for small networks, and on an accelerator for all. Batched,
the tasks go through an operator together. On a CPU that loses time for most convolutions, though not for all: with 16
filters and 20 images a task it was 1.4 times as fast, with 64 filters slower. So model and device decide.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from course.data import Episode
from course.meta_learning.stacked import Params, stackable

CHUNK = 128  # tasks computed at once by the batched ways: their memory grows with this, not with the number of tasks
WAYS = ("auto", "loop", "batched", "stacked", "vmap")


def way_to_run(model: nn.Module, params: Params, tasks: str = "auto") -> str:
    """Which of the three ways the argument ``tasks`` of :func:`course.meta_learning.maml.meta_gradient` stands for.

    Args:
        model: the module that is adapted.
        params: the parameters that are adapted, by name.
        tasks: ``"loop"``, ``"stacked"`` or ``"vmap"`` mean themselves. ``"batched"`` is ``"stacked"`` for models made
            of the layers that :mod:`course.meta_learning.stacked` knows, and ``"vmap"`` for all others. ``"auto"``
            is batched on an accelerator and for stackable models without convolutions, otherwise the loop.

    Returns:
        ``"loop"``, ``"stacked"`` or ``"vmap"``.

    Raises:
        ValueError: if ``tasks`` is none of these, or ``"stacked"`` where the model cannot be stacked.
    """
    if tasks not in WAYS:
        raise ValueError(f"tasks must be one of {', '.join(map(repr, WAYS))}, got {tasks!r}")
    if tasks in ("loop", "vmap"):
        return tasks
    can_stack = stackable(model) and params.keys() == dict(model.named_parameters()).keys()
    if tasks == "stacked" and not can_stack:
        raise ValueError(
            "tasks='stacked' needs a Sequential of known layers, no parameter of which is shared or left out: "
            "take 'batched', which finds the way that fits"
        )
    on_cpu = next(iter(params.values())).device.type == "cpu"
    if tasks == "auto" and on_cpu and (not can_stack or has_convolution(model)):
        return "loop"
    return "stacked" if can_stack else "vmap"


def has_convolution(model: nn.Module) -> bool:
    """Whether a convolution of any dimension is among the layers of ``model``."""
    return any(isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) for layer in model.modules())


def tasks_of(episode: Episode) -> Iterator[tuple[Tensor, ...]]:
    """The tasks of an episode one by one, as (support x, support y, query x, query y)."""
    return zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y, strict=True)


def parts_of(episode: Episode, size: int) -> Iterator[tuple[Tensor, ...]]:
    """The tasks of an episode, ``size`` at a time, as (support x, support y, query x, query y)."""
    sets = (episode.support_x, episode.support_y, episode.query_x, episode.query_y)
    return zip(*(each.split(size) for each in sets), strict=True)


@torch.no_grad()  # for what surrounds this function: grad inside vmap works on, and leaves no graph behind
def mapped_gradient(
    task_loss: Callable[..., Tensor], params: Params, part: tuple[Tensor, ...]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The sum over tasks of ``task_loss(params, *task)`` and its gradient, by mapping the *whole* gradient.

    The other order, the gradient of a mapped loss, would be the same in exact arithmetic. But torch 2.11 silently
    returns a wrong second derivative of a mapped batch normalisation, whereas ``vmap(grad(...))`` is right.

    Args:
        task_loss: a scalar, for any module inside.
        params: by name, the same for all tasks.
        part: what differs between tasks, each ``[T, ...]``.

    Returns:
        The sum of the losses, and of the gradients in the order of ``params``; neither is attached to a graph.
    """
    in_dims = (None, *(0 for _ in part))
    of_one_task = torch.func.grad_and_value(task_loss)
    gradients, losses = torch.func.vmap(of_one_task, in_dims=in_dims, randomness="different")(params, *part)
    return losses.sum(), tuple(gradient.sum(0) for gradient in gradients.values())


def require_adaptable(model: nn.Module, params: Params, steps: int) -> None:
    """Refuse what could not be adapted, or would silently adapt something else.

    Raises:
        ValueError: if a batch normalisation in training mode keeps running averages, if ``params`` is empty or names a
            parameter that ``model`` does not have, or if ``steps`` is negative.
    """
    if steps < 0:
        raise ValueError(f"the number of inner steps must be at least 0, got {steps}")
    known = dict(model.named_parameters(remove_duplicate=False)).keys()
    if not params or not params.keys() <= known:
        wrong = sorted(params.keys() - known)
        raise ValueError(
            f"params must name parameters of the {type(model).__name__}, got {wrong or 'none'}; it has {sorted(known)}"
        )
    for name, module in model.named_modules():
        if module.training and getattr(module, "track_running_stats", False):
            raise ValueError(
                f"layer {name!r} ({type(module).__name__}) keeps running averages over the batches of all tasks: "
                "build it with track_running_stats=False, or call model.eval() to use its averages as they are"
            )


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
