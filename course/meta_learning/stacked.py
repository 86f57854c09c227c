r"""Many tasks at once: every layer carries one copy of its weights for each task, stacked along a first axis.

A linear layer becomes one batched matrix product and a convolution one grouped convolution, so that the number of
operators no longer depends on the number of tasks. The losses of different tasks share no weights once these are
stacked, hence one backward pass through their *sum* yields every task's own gradient.

Shapes: T tasks, B examples a task. Weights ``[T, ...]``, data ``[T, B, ...]``.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.representation.cnn import ChannelsLast

Params = dict[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]

ELEMENTWISE = (
    nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.Sigmoid, nn.Identity,
)  # fmt: skip
CHANNELWISE = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
MEANS_OVER_EXAMPLES = (F.cross_entropy, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits)


def stackable(model: nn.Module) -> bool:
    """Whether ``model`` is a sequence of layers that this module knows how to stack."""
    if isinstance(model, nn.Sequential):
        return type(model).forward is nn.Sequential.forward and all(stackable(layer) for layer in model)
    if isinstance(model, nn.Conv2d):
        return model.padding_mode == "zeros"
    if isinstance(model, NORMS):
        return not model.track_running_stats
    if isinstance(model, nn.Flatten):
        return model.start_dim == 1 and model.end_dim == -1
    return isinstance(model, (nn.Linear, ChannelsLast, *ELEMENTWISE, *CHANNELWISE))


def fold(x: Tensor) -> Tensor:
    """``[T, B, C, ...]`` to ``[B, T * C, ...]``: the tasks become groups of channels."""
    return x.transpose(0, 1).flatten(1, 2)


def unfold(x: Tensor, tasks: int) -> Tensor:
    """``[B, T * C, ...]`` to ``[T, B, C, ...]``, the inverse of :func:`fold`."""
    return x.unflatten(1, (tasks, -1)).transpose(0, 1)


def stacked_call(model: nn.Module, params: Params, x: Tensor, prefix: str = "") -> Tensor:
    """Apply ``model`` to each task's data with each task's weights.

    Args:
        model: a module for which :func:`stackable` holds.
        params: the parameters by name, each ``[T, ...]``.
        x: ``[T, B, ...]``.
        prefix: what the names of this module's parameters start with.

    Returns:
        ``[T, B, ...]``, equal to calling ``model`` task by task.
    """
    if isinstance(model, nn.Sequential):
        for name, layer in model.named_children():
            x = stacked_call(layer, params, x, f"{prefix}{name}.")
        return x
    tasks = len(x)
    weight, bias = params.get(prefix + "weight"), params.get(prefix + "bias")
    if isinstance(model, nn.Linear):
        if bias is None:
            return torch.bmm(x, weight.transpose(1, 2))
        return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
    if isinstance(model, nn.Conv2d):
        out = F.conv2d(
            fold(x),
            weight.flatten(0, 1),
            None if bias is None else bias.flatten(),
            model.stride,
            model.padding,
            model.dilation,
            groups=tasks * model.groups,
        )
        return unfold(out, tasks)
    if isinstance(model, NORMS):
        affine = (None, None) if weight is None else (weight.flatten(), bias.flatten())
        return unfold(F.batch_norm(fold(x), None, None, *affine, training=True, eps=model.eps), tasks)
    if isinstance(model, CHANNELWISE):
        return unfold(model(fold(x)), tasks)
    if isinstance(model, nn.Flatten):
        return x.flatten(2)
    return x if isinstance(model, ChannelsLast) else model(x)


def summed_loss(loss: Loss, predictions: Tensor, targets: Tensor) -> Tensor:
    """The sum of the tasks' losses; ``predictions`` and ``targets`` are ``[T, B, ...]``.

    Torch's own losses average over the examples, so that T times the average over all tasks is the sum of the
    averages; any other loss is mapped over the tasks.
    """
    if loss in MEANS_OVER_EXAMPLES:
        return len(predictions) * loss(predictions.flatten(0, 1), targets.flatten(0, 1))
    return torch.func.vmap(loss)(predictions, targets).sum()


def stacked_adapt(
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
    """:func:`course.meta_learning.maml.adapt` for T tasks at once: stacked weights in, adapted stacked weights out.

    Differentiable with respect to ``params`` unless gradients are switched off; with ``first_order`` the inner
    gradients count as constants.
    """
    differentiable = torch.is_grad_enabled()
    second_order = differentiable and not first_order
    for _ in range(steps):
        with torch.enable_grad():
            if not differentiable:
                params = {name: value.detach().requires_grad_() for name, value in params.items()}
            total = summed_loss(loss, stacked_call(model, params, x), y)
            gradients = torch.autograd.grad(total, tuple(params.values()), create_graph=second_order)
        params = {
            name: value - lr * gradient for (name, value), gradient in zip(params.items(), gradients, strict=True)
        }
    return params
