r"""Many tasks at once: every layer carries one copy of its weights for each task, stacked along a first axis.

A linear layer becomes one batched matrix product and a convolution one grouped convolution, so that the number of
operators no longer depends on the number of tasks. The losses of different tasks share no weights once these are
stacked, hence one backward pass through their *sum* yields every task's own gradient.

Shapes: T tasks, B examples a task. Weights ``[T, ...]``, data ``[T, B, ...]``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.meta_learning.adaptation import Loss, Params, Rates, rates_by_name
from course.representation.cnn import ChannelsLast

ELEMENTWISE = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Softplus, nn.Tanh, nn.Sigmoid, nn.Identity)
CHANNELWISE = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
MEANS_OVER_EXAMPLES = (F.cross_entropy, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits)


def stackable(model: nn.Module) -> bool:
    """Whether ``model`` is a sequence of layers that this module knows how to stack.

    Layers count by their exact class, since a subclass may compute something else. A parameter that two layers share
    has one name only, hooks would be passed over, and both are left to the other ways of running.
    """
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    shared = len(names) != len(list(model.parameters()))
    return not shared and all(known(layer) for layer in model.modules())


def known(layer: nn.Module) -> bool:
    """Whether :func:`stacked_call` computes what this one layer computes, its children aside."""
    if any((layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)):
        return False
    kind = type(layer)
    if isinstance(layer, nn.Sequential):
        return kind.forward is nn.Sequential.forward
    if kind is nn.Conv2d:
        return layer.padding_mode == "zeros"
    if kind in NORMS:
        return not layer.track_running_stats
    if kind is nn.Flatten:
        return layer.start_dim == 1 and layer.end_dim == -1
    if kind is nn.MaxPool2d:
        return not layer.return_indices
    return kind in (nn.Linear, ChannelsLast, *ELEMENTWISE, *CHANNELWISE)


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
        for name, layer in model._modules.items():  # named_children() would skip a layer that is used twice
            x = stacked_call(layer, params, x, f"{prefix}{name}.")
        return x
    tasks = len(x)
    weight, bias = params.get(prefix + "weight"), params.get(prefix + "bias")
    if isinstance(model, nn.Linear):
        rows = x.flatten(1, -2)
        out = rows @ weight.mT if bias is None else torch.baddbmm(bias.unsqueeze(1), rows, weight.mT)
        return out if x.dim() == 3 else out.unflatten(1, x.shape[1:-1])
    if isinstance(model, nn.Conv2d):
        options = (model.stride, model.padding, model.dilation, tasks * model.groups)
        bias = None if bias is None else bias.flatten()
        return unfold(F.conv2d(fold(x), weight.flatten(0, 1), bias, *options), tasks)
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

    Raises:
        ValueError: if a loss that compares value by value gets different shapes, which it would broadcast over tasks.
    """
    if loss not in MEANS_OVER_EXAMPLES:
        return torch.func.vmap(loss)(predictions, targets).sum()
    if loss is not F.cross_entropy and predictions.shape != targets.shape:
        raise ValueError(
            f"{loss.__name__} compares value by value: predictions {list(predictions.shape)} and "
            f"targets {list(targets.shape)} must have the same shape"
        )
    if loss is F.cross_entropy and not targets.is_floating_point():
        each = loss(predictions.flatten(0, 1), targets.flatten(0, 1), reduction="none").view(targets.shape)
        counted = (targets != -100).flatten(1).sum(1)  # torch leaves targets of -100 out of the average
        return (each.flatten(1).sum(1) / counted).sum()
    return len(predictions) * loss(predictions.flatten(0, 1), targets.flatten(0, 1))


def stacked_copies(params: Params, tasks: int) -> Params:
    """The same weights for each of ``tasks`` tasks, ``[T, ...]``, without a copy in memory."""
    return {name: value.expand(tasks, *value.shape) for name, value in params.items()}


def stacked_adapt(
    model: nn.Module,
    params: Params,
    x: Tensor,
    y: Tensor,
    *,
    loss: Loss,
    lr: Rates,
    steps: int,
    first_order: bool = False,
) -> Params:
    """:func:`course.meta_learning.adaptation.adapt` for T tasks at once: stacked weights in, adapted ones out.

    Differentiable with respect to ``params`` and rates where gradients are switched on; with ``first_order`` the inner
    gradients count as constants. The rates are those of one task.
    """
    rates, differentiable = rates_by_name(lr, params), torch.is_grad_enabled()
    adapted = {name: params[name] for name in rates}
    for _ in range(steps):
        with torch.enable_grad():
            adapted = {
                name: value if differentiable and value.requires_grad else value.detach().requires_grad_()
                for name, value in adapted.items()
            }
            total = summed_loss(loss, stacked_call(model, params | adapted, x), y)
            second_order = differentiable and not first_order
            gradients = torch.autograd.grad(total, tuple(adapted.values()), create_graph=second_order)
        with torch.set_grad_enabled(differentiable):
            steps_down = map(stepped, adapted.values(), gradients, rates.values())
            adapted = dict(zip(adapted, steps_down, strict=True))
    return params | adapted


def stepped(value: Tensor, gradient: Tensor, rate: float | Tensor) -> Tensor:
    """``value - rate * gradient``, in one operation where the rate is a number."""
    return value - rate * gradient if isinstance(rate, Tensor) else value.sub(gradient, alpha=rate)


def stacked_query_loss(
    model: nn.Module, params: Params, x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor, *, loss: Loss, **inner
) -> Tensor:
    """The sum of :func:`course.meta_learning.adaptation.query_loss` over tasks stacked along the data's first axis."""
    adapted = stacked_adapt(model, stacked_copies(params, len(x)), x, y, loss=loss, **inner)
    return summed_loss(loss, stacked_call(model, adapted, query_x), query_y)
