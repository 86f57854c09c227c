r"""Heads on vectors that stay as they are: a linear probe by a formula, nearest means, and a cosine classifier.

Each maps the support vectors of T tasks to the scores of their queries, all tasks at once.

Sources: Bertinetto et al., *Meta-learning with differentiable closed-form solvers* (2019) for ridge regression as a
head; Wang et al., *SimpleShot* (2019) for normalised nearest means; Chen et al., *A closer look at few-shot
classification* (2019) for the cosine.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.meta_learning.prototype_variants import by_prototypes
from course.meta_learning.prototypical import class_means, cosine_scores

SCALE = 10.0  # of a cosine, so that a softmax of it can be sure
HEAD_STEPS = 100  # of gradient descent on a head alone, as in Chen et al.


def ridge_head(support: Tensor, support_y: Tensor, query: Tensor, n_way: int, *, ridge: float) -> Tensor:
    r"""A linear probe by a formula: ridge regression on one-hot targets, :eq:`transfer-ridge`.

    .. math::
        W = \bigl(\tilde X^\top \tilde X + \lambda\,\tfrac{\operatorname{tr}\tilde X^\top\tilde X}{d}\, I\bigr)^{-1}
        \tilde X^\top \tilde Y

    with the support vectors :math:`\tilde X` and targets :math:`\tilde Y` centred. The trace makes λ a number without a
    unit: it does not depend on the length of the vectors.

    Args:
        support, support_y: vectors ``[T, n, d]`` and class numbers ``[T, n]``.
        query: vectors ``[T, m, d]``.
        n_way: number of classes N.
        ridge: λ, above 0.

    Returns:
        The scores ``[T, m, N]``.

    Raises:
        ValueError: if λ is not positive.
    """
    if not ridge > 0:
        raise ValueError(f"ridge must be positive, got {ridge}: with few examples the system has no unique solution")
    centre = support.mean(-2, keepdim=True)
    x, y = support - centre, F.one_hot(support_y, n_way).to(support.dtype)
    share = y.mean(-2, keepdim=True)
    n, d = x.shape[-2:]
    least = torch.finfo(x.dtype).tiny
    weight = (ridge * x.square().sum((-2, -1)) / d).clamp_min(least)[..., None, None]
    one = torch.eye(min(n, d), dtype=x.dtype, device=x.device)
    if n < d:  # the same by the smaller system, since (XᵀX + wI) Xᵀ = Xᵀ (XXᵀ + wI)
        weights = x.mT @ torch.linalg.solve(x @ x.mT + weight * one, y - share)
    else:
        weights = torch.linalg.solve(x.mT @ x + weight * one, x.mT @ (y - share))
    return (query - centre) @ weights + share


NORMALISATIONS = ("none", "length 1", "centred, length 1")


def normalised(support: Tensor, query: Tensor, how: str) -> tuple[Tensor, Tensor]:
    """Vectors before they are compared: as they are; at length 1; or first minus the mean of the task's support.

    Raises:
        ValueError: if ``how`` is none of :data:`NORMALISATIONS`.
    """
    if how not in NORMALISATIONS:
        raise ValueError(f"choose one of {', '.join(map(repr, NORMALISATIONS))}, got {how!r}")
    if how.startswith("centred"):
        centre = support.mean(-2, keepdim=True)
        support, query = support - centre, query - centre
    return (support, query) if how == "none" else (F.normalize(support, dim=-1), F.normalize(query, dim=-1))


def nearest_mean(support: Tensor, support_y: Tensor, query: Tensor, n_way: int, *, how: str = "none") -> Tensor:
    """The prototypes of vectors that nobody trained for it: scores ``[T, m, N]`` by the distance to the class means."""
    support, query = normalised(support, query, how)
    return by_prototypes(support, support_y, query, n_way)


class CosineHead(nn.Module):
    r"""A last layer that compares directions: :math:`s_c(x) = \gamma \cos(w_c, x)`, :eq:`transfer-cosine`.

    Vectors ``[n, d]`` in, scores ``[n, classes]`` out.

    Args:
        d, classes: length of a vector, and number of classes.
        scale: γ.
        generator: of the first weights; ``None`` is torch's global one.

    Example:
        >>> head, x = CosineHead(4, 3), torch.rand(2, 4)
        >>> head(x).shape, torch.allclose(head(x), head(5 * x))
        (torch.Size([2, 3]), True)
    """

    def __init__(self, d: int, classes: int, *, scale: float = SCALE, generator: torch.Generator | None = None):
        super().__init__()
        self.scale, self.weight = scale, nn.Parameter(torch.randn(classes, d, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return cosine_scores(x, self.weight, self.scale)


def cosine_head(
    support: Tensor,
    support_y: Tensor,
    query: Tensor,
    n_way: int,
    *,
    rate: float,
    steps: int = HEAD_STEPS,
    scale: float = SCALE,
) -> Tensor:
    """The adaptation of Baseline++: a cosine classifier on fixed vectors, trained on the support set.

    It starts from the means of the classes and takes steps of gradient descent on the cross-entropy of each task; the
    tasks run side by side. With 0 steps it is the nearest mean by cosine.

    Args:
        support, support_y, query, n_way: as for :func:`ridge_head`.
        rate, steps: of the descent.
        scale: γ of :class:`CosineHead`.

    Returns:
        The scores ``[T, m, N]``.
    """
    support = F.normalize(support, dim=-1)
    weight = F.normalize(class_means(support, support_y, n_way), dim=-1)
    for _ in range(steps):
        with torch.enable_grad():
            weight = weight.detach().requires_grad_()
            scores = cosine_scores(support, weight, scale)
            loss = F.cross_entropy(scores.flatten(0, 1), support_y.flatten(), reduction="sum") / support_y.shape[1]
            weight = weight - rate * torch.autograd.grad(loss, weight)[0]
    return cosine_scores(query, weight.detach(), scale)
