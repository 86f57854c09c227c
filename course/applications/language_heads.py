r"""A linear head that stays near another one: from many labels, from few, or from none.

One objective covers three ways to classify in a new language. Anchored at zero it is an ordinary classifier; anchored
at a head from other languages it moves only as far as a few labels insist; with no label it *is* that head.

Sources: Xuhong, Grandvalet and Davoine, *Explicit inductive bias for transfer learning* (2018) for the anchor; Saerens,
Latinne and Decaestecker, *Adjusting the outputs of a classifier to new a priori probabilities* (2002).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

STEPS = 100  # of L-BFGS, at most


@dataclass(frozen=True, eq=False)
class Head:
    """A linear classifier.

    Attributes:
        weight: ``[N, d + 1]``; the last column is the bias.

    Example:
        >>> head = Head(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.5]]))
        >>> head.scores(torch.tensor([[2.0, 1.0]]))
        tensor([[2.0000, 1.5000]])
    """

    weight: Tensor

    def scores(self, x: Tensor) -> Tensor:
        """Scores ``[m, N]`` of vectors ``[m, d]``."""
        return with_one(x) @ self.weight.T


def with_one(x: Tensor) -> Tensor:
    """Vectors ``[n, d]`` with a further number 1, whose weight is the bias: ``[n, d + 1]``."""
    return torch.cat([x, torch.ones_like(x[:, :1])], 1)


def class_weights(y: Tensor, n_way: int, *, balanced: bool) -> Tensor:
    r"""The weight of each example, :eq:`crosslingual-weights`: every class has the same weight in all, or none has.

    .. math:: w_i = \frac{1}{N\,n_{y_i}}

    Args:
        y: class numbers ``int64 [n]``.
        n_way: the number of classes N. A class without an example has no weight.
        balanced: False gives each example :math:`1/n`.

    Returns:
        ``[n]``, with the sum 1 if each class has an example.
    """
    if not balanced:
        return torch.full((len(y),), 1 / len(y), device=y.device)
    return 1 / (n_way * y.bincount(minlength=n_way)[y].float())


def head_loss(weight: Tensor, x: Tensor, y: Tensor, weights: Tensor, penalty: float, anchor: Tensor) -> Tensor:
    r"""What a head costs: surprise at the labels, and the way from the anchor: :eq:`crosslingual-head`.

    .. math:: J(W) = -\sum_i w_i \ln p_W(y_i \mid x_i) + \tfrac\lambda2 \lVert W - W_0\rVert^2

    Args:
        weight: W, ``[N, d + 1]``.
        x, y, weights: vectors with a one ``[n, d + 1]``, class numbers and weights ``[n]``.
        penalty: λ.
        anchor: :math:`W_0`, ``[N, d + 1]``.

    Returns:
        A scalar. It is strictly convex in W for λ > 0, so it has one minimum.
    """
    surprise = F.cross_entropy(x @ weight.T, y, reduction="none")
    return (weights * surprise).sum() + penalty / 2 * (weight - anchor).square().sum()


def fit_head(
    x: Tensor,
    y: Tensor,
    n_way: int,
    penalty: float,
    *,
    balanced: bool = True,
    anchor: Head | None = None,
    steps: int = STEPS,
) -> Head:
    """The head with the least :func:`head_loss`, by L-BFGS from the anchor.

    Args:
        x, y: vectors ``[n, d]`` and class numbers ``int64 [n]``; with n = 0 the result is the anchor.
        n_way: the number of classes.
        penalty: λ > 0.
        balanced: whether all classes weigh the same.
        anchor: the head to stay near; ``None`` is that of zeros, an ordinary penalised logistic regression.
        steps: at most so many.

    Raises:
        ValueError: if λ is not positive, or the shapes do not fit.
    """
    if not penalty > 0:
        raise ValueError(f"penalty must be positive, got {penalty}: without it, separable data have no best head")
    if x.dim() != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"x must be [n, d] and y [n], got {list(x.shape)} and {list(y.shape)}")
    start = x.new_zeros(n_way, x.shape[1] + 1) if anchor is None else anchor.weight
    if start.shape != (n_way, x.shape[1] + 1):
        raise ValueError(f"the anchor is {list(start.shape)}, and must be {[n_way, x.shape[1] + 1]}")
    if not len(y):
        return Head(start)
    given = with_one(x), y, class_weights(y, n_way, balanced=balanced).to(x.dtype), penalty, start
    weight = start.clone().requires_grad_()
    exact = {"tolerance_grad": 1e-7, "tolerance_change": 1e-10, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([weight], max_iter=steps, **exact)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = head_loss(weight, *given)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return Head(weight.detach())


def corrected(scores: Tensor, before: Tensor, after: Tensor) -> Tensor:
    r"""Scores of a classifier for other shares of the classes than it was trained with: :eq:`crosslingual-prior`.

    .. math:: s'_c = s_c + \ln\frac{\pi'_c}{\pi_c}

    Args:
        scores: log probabilities up to a constant, ``[m, N]``.
        before, after: shares :math:`\pi` in training and :math:`\pi'` where it is used, ``[N]``, all positive.

    Raises:
        ValueError: if a share is not positive.
    """
    if not (before > 0).all() or not (after > 0).all():
        raise ValueError(f"shares must be positive, got {before.tolist()} and {after.tolist()}")
    return scores + (after / before).log()
