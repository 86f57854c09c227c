r"""Bregman divergences: the distances for which the best centre of some points is their mean, whatever the points.

A strictly convex function φ lies above its tangents; the divergence is the gap between φ and the tangent at the centre.
The squared length gives the squared Euclidean distance, the negative entropy the Kullback-Leibler divergence.

Source: Banerjee, Merugu, Dhillon and Ghosh, *Clustering with Bregman divergences* (2005).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import grad

Convex = Callable[[Tensor], Tensor]  # from points [..., d] to numbers [...]


def squared_length(x: Tensor) -> Tensor:
    r""":math:`\sum_j x_j^2`: its divergence is :math:`\|x - m\|^2`."""
    return x.square().sum(-1)


def negative_entropy(x: Tensor) -> Tensor:
    r""":math:`\sum_j x_j \ln x_j` for positive x: its divergence is :math:`\sum_j x_j \ln(x_j / m_j) - x_j + m_j`."""
    return (x * x.log()).sum(-1)


def negative_log(x: Tensor) -> Tensor:
    r""":math:`-\sum_j \ln x_j` for positive x: :math:`\sum_j x_j / m_j - \ln(x_j / m_j) - 1` (Itakura-Saito)."""
    return -x.log().sum(-1)


def bregman(phi: Convex, x: Tensor, m: Tensor) -> Tensor:
    r"""The Bregman divergence of ``x`` from the centre ``m``.

    .. math:: D_\varphi(x, m) = \varphi(x) - \varphi(m) - \langle \nabla\varphi(m), x - m \rangle

    This is :eq:`prototypical-bregman`. It is at least 0, and 0 only for x = m. In general it is no metric: x and m are
    not interchangeable.

    Args:
        phi: strictly convex and differentiable; each point of a batch by itself.
        x, m: ``[..., d]``, shapes that broadcast, both where ``phi`` is defined.

    Returns:
        ``[...]``.

    Raises:
        ValueError: if a divergence is not finite, since a point lies where ``phi`` is not defined or has no slope.

    Example:
        >>> a, b = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
        >>> round(bregman(negative_entropy, a, b).item(), 4), round(bregman(negative_entropy, b, a).item(), 4)
        (0.1438, 0.1308)
    """
    slope = grad(lambda points: phi(points).sum())(m)
    divergence = phi(x) - phi(m) - (slope * (x - m)).sum(-1)
    if not divergence.isfinite().all():
        raise ValueError("a divergence is not finite: give points where the convex function is defined, such as x > 0")
    return divergence


def cosine_distance(x: Tensor, m: Tensor) -> Tensor:
    r""":math:`1 - \cos(x, m)` for ``[..., d]``: no Bregman divergence, as it does not see lengths."""
    return 1 - F.cosine_similarity(x, m, dim=-1)


def best_centre(distance: Callable[[Tensor, Tensor], Tensor], x: Tensor, steps: int = 200) -> Tensor:
    r"""The point :math:`\arg\min_m \sum_i d(x_i, m)` among all weighted means of the points, found by descent.

    It knows nothing of the answer: it starts from weights that are not equal, and follows the slope of the sum.

    Args:
        distance: maps ``[n, d]`` and ``[d]`` to ``[n]``.
        x: the points, ``[n, d]`` in float64.
        steps: the most steps of L-BFGS.
    """
    logits = torch.linspace(-1, 1, len(x), dtype=x.dtype, requires_grad=True)
    options = {"max_iter": steps, "tolerance_grad": 1e-12, "tolerance_change": 1e-16, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([logits], **options)

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = distance(x, logits.softmax(0) @ x).sum()
        total.backward()
        return total

    optimizer.step(closure)
    return (logits.softmax(0) @ x).detach()
