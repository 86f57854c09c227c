r"""The inner loop: gradient descent on one small data set, as a differentiable function of its start and its rates.

Sources: Finn, Abbeel and Levine, *Model-agnostic meta-learning for fast adaptation of deep networks* (2017); Li et al.,
*Meta-SGD* (2017) for a rate of its own for each parameter; Raghu et al., *Rapid learning or feature reuse?* (2020) for
an inner loop that adapts the last layer only.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.func import functional_call, grad

Params = dict[str, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]
Rates = float | dict[str, float | Tensor]  # one for all parameters, or by name


def adapt(
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
    r"""The inner loop: ``steps`` steps of gradient descent on one small data set.

    .. math:: \theta_{k+1} = \theta_k - \alpha \nabla_\theta \mathcal{L}_S(\theta_k), \qquad \theta_0 = \theta

    This is :eq:`maml-inner-step`. The result is a differentiable function of ``params`` and of the rates.

    Args:
        model: any module without state of its own (see *Raises*).
        params: the starting point :math:`\theta`, by name; parameters not named keep the module's values.
        x, y: inputs and targets of the support set, ``[n, ...]`` and ``[n, ...]``.
        loss: maps predictions and targets to a scalar.
        lr: the inner learning rate :math:`\alpha`: a number, or a number or tensor for each parameter that is to be
            adapted, by name. A tensor is multiplied with the gradient, so it has one entry or broadcasts to it.
        steps: number of inner steps K; 0 returns ``params``.
        first_order: treat the inner gradients as constants, so that the outer derivative
            of the result is the identity (:eq:`maml-first-order`).

    Returns:
        The adapted parameters :math:`\theta_K`; ``params`` is left as it was.

    Raises:
        ValueError: if a batch normalisation in training mode keeps running averages, which would mix the tasks; if
            ``params`` or ``lr`` names what is not there; if a rate does not fit; if ``steps`` is negative.
    """
    require_adaptable(model, params, lr, steps)
    rates = rates_by_name(lr, params)
    adapted = {name: params[name] for name in rates}

    def support_loss(adapted: Params) -> Tensor:
        return loss(functional_call(model, params | adapted, (x,)), y)

    for _ in range(steps):
        gradients = grad(support_loss)(adapted)
        if first_order:
            gradients = {name: gradient.detach() for name, gradient in gradients.items()}
        adapted = {name: value - rates[name] * gradients[name] for name, value in adapted.items()}
    return params | adapted


def query_loss(
    model: nn.Module, params: Params, x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor, *, loss: Loss, **inner
) -> Tensor:
    """One term of :func:`course.meta_learning.maml.meta_loss`: :func:`adapt`, then the loss on the query set."""
    adapted = adapt(model, params, x, y, loss=loss, **inner)
    return loss(functional_call(model, adapted, (query_x,)), query_y)


def rates_by_name(lr: Rates, params: Params) -> dict[str, float | Tensor]:
    """The inner rate of each parameter that is adapted: a number is the rate of all."""
    return lr if isinstance(lr, dict) else dict.fromkeys(params, lr)


def learnable(rates: dict[str, float | Tensor]) -> Params:
    """The rates that are tensors, and so can be learned."""
    return {name: rate for name, rate in rates.items() if isinstance(rate, Tensor)}


def require_adaptable(model: nn.Module, params: Params, lr: Rates, steps: int) -> None:
    """Refuse what could not be adapted, or would silently adapt something else.

    Raises:
        ValueError: if a batch normalisation in training mode keeps running averages; if ``params`` is empty or names a
            parameter that ``model`` does not have; if ``lr`` is empty, names what is not in ``params``, or a rate does
            not broadcast to its parameter; if ``steps`` is negative.
    """
    if steps < 0:
        raise ValueError(f"the number of inner steps must be at least 0, got {steps}")
    own, rates = dict(model.named_parameters(remove_duplicate=False)), rates_by_name(lr, params)
    for what, given, known in (("params", params, own), ("lr", rates, params)):
        if not given or not given.keys() <= known.keys():
            names, owner = sorted(given.keys() - known.keys()), type(model).__name__ if known is own else "params"
            problem = f"names {names}, which {owner} does not have" if names else "is empty"
            raise ValueError(f"{what} {problem}: name one or more of {sorted(known)}")
    for name, rate in learnable(rates).items():
        shape = params[name].shape
        if rate.dim() > len(shape) or any(n not in (1, m) for n, m in zip(rate.shape[::-1], shape[::-1], strict=False)):
            raise ValueError(f"the rate of {name!r} has shape {list(rate.shape)}, which does not fit {list(shape)}")
    for name, module in model.named_modules():
        if module.training and getattr(module, "track_running_stats", False):
            raise ValueError(
                f"layer {name!r} ({type(module).__name__}) keeps running averages over the batches of all tasks: "
                "build it with track_running_stats=False, or call model.eval() to use its averages as they are"
            )
