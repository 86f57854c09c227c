r"""What a contrastive loss says about mutual information, where the truth is known: Gaussian views.

The loss of N-way classification bounds the information that two views share from below, and can never say more than the
logarithm of N. For Gaussian views the best score is a quadratic function that we can write down, and its mixed part has
the directions of canonical correlation analysis.

Sources: van den Oord, Li and Vinyals (2018); Poole et al., *On variational bounds of mutual information* (2019);
Gelfand and Yaglom, *Calculation of the amount of information about a random function contained in another* (1959).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from course.arguments import require_whole
from course.crossmodal.contrastive import info_nce, symmetric_loss
from course.crossmodal.covariance import check_views


def information_bound(scores: Tensor) -> Tensor:
    r"""The lower bound of the mutual information from the scores of N pairs, in nats: :eq:`contrastive-bound`.

    .. math:: I(x; y) \;\ge\; \ln N - \mathbb E\,\mathcal L_{x\to y}, \qquad \text{at most } \ln N

    It holds for the mean over batches of *new* pairs: a single batch may be above by chance, training pairs by fitting.

    Args:
        scores: ``[N, N]``, partners on the diagonal.
    """
    return math.log(len(scores)) - info_nce(scores)


def gaussian_information(correlations: Tensor) -> Tensor:
    r"""The mutual information of Gaussian views with canonical correlations :math:`\rho_k`, in nats.

    .. math:: I = -\tfrac12\sum_k\ln(1-\rho_k^2)

    This is :eq:`contrastive-gaussian-information`.

    Args:
        correlations: ``[k]``, each at least 0 and below 1.

    Raises:
        ValueError: if a correlation is outside: at 1 the information is infinite.

    Example:
        >>> gaussian_information(torch.tensor([0.6, 0.8])).exp()  # 1 / (0.8 · 0.6)
        tensor(2.0833)
    """
    if not ((correlations >= 0) & (correlations < 1)).all():
        raise ValueError(f"canonical correlations must be at least 0 and below 1, got {correlations.tolist()}")
    return -torch.log1p(-correlations.square()).sum() / 2


def log_ratio(u: Tensor, v: Tensor, correlations: Tensor) -> Tensor:
    r"""The best scores of Gaussian views, :math:`\ln\frac{p(v\mid u)}{p(v)}`, in canonical coordinates.

    .. math:: s^*(u, v) = \sum_k \frac{\rho_k u_k v_k}{1-\rho_k^2}
        - \frac{\rho_k^2\,(u_k^2 + v_k^2)}{2\,(1-\rho_k^2)} - \frac12\ln(1-\rho_k^2)

    This is :eq:`contrastive-log-ratio`.

    Args:
        u, v: canonical variates of variance one, ``[n, k]`` and ``[m, k]``.
        correlations: ``[k]``, below 1.

    Returns:
        ``[n, m]``.
    """
    rest = 1 - correlations.square()
    lengths = [(part.square() * correlations.square() / rest).sum(1) / 2 for part in (u, v)]
    return u * correlations / rest @ v.T - lengths[0][:, None] - lengths[1] - rest.log().sum() / 2


class QuadraticScores(NamedTuple):
    r"""The scores :math:`s(x, y) = x^\top M y - \frac12 x^\top Q_x x - \frac12 y^\top Q_y y`.

    Attributes:
        mixed: M, ``[p, q]``.
        x_square, y_square: symmetric, ``[p, p]`` and ``[q, q]``.

    Example:
        >>> scores = QuadraticScores(torch.eye(2), torch.zeros(2, 2), torch.zeros(2, 2))
        >>> scores(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        tensor([[3., 2.]])
    """

    mixed: Tensor
    x_square: Tensor
    y_square: Tensor

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The scores ``[n, m]`` of ``x [n, p]`` with ``y [m, q]``."""
        squares = [(view @ part * view).sum(1) / 2 for view, part in ((x, self.x_square), (y, self.y_square))]
        return x @ self.mixed @ y.T - squares[0][:, None] - squares[1]


def fit_quadratic(x: Tensor, y: Tensor, *, iterations: int = 40) -> QuadraticScores:
    r"""The quadratic scores with the smallest symmetric loss on all pairs at once, a convex problem.

    The loss is a log-sum-exp of functions that are linear in the entries of M, :math:`Q_x` and :math:`Q_y`, less one of
    them; so L-BFGS finds the minimum from any start, and it starts at 0.

    Args:
        x, y: centred views ``[n, p]`` and ``[n, q]`` of the same n things, n well above p + q.
        iterations: of L-BFGS, at most.

    Raises:
        ValueError: if the views are not two finite matrices of the same rows.
        FloatingPointError: if the minimum is not finite, as with fewer rows than columns, where the loss has none.
    """
    check_views(x, y)
    require_whole("iterations", iterations)
    p, q = x.shape[1], y.shape[1]
    parts = [x.new_zeros(shape, requires_grad=True) for shape in ((p, q), (p, p), (q, q))]
    optimizer = torch.optim.LBFGS(parts, max_iter=iterations, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = symmetric_loss(symmetric(*parts)(x, y))
        loss.backward()
        return loss

    optimizer.step(closure)
    found = symmetric(*(part.detach() for part in parts))
    if not all(part.isfinite().all() for part in found):
        raise FloatingPointError("the scores are not finite: take more pairs than the views have columns together")
    return found


def symmetric(mixed: Tensor, x_square: Tensor, y_square: Tensor) -> QuadraticScores:
    """Scores whose square parts are symmetric."""
    return QuadraticScores(mixed, (x_square + x_square.T) / 2, (y_square + y_square.T) / 2)


def read_correlations(mixed: Tensor, xx: Tensor, yy: Tensor) -> Tensor:
    r"""The canonical correlations that a bilinear score implies: :eq:`contrastive-strengths`.

    The singular values of :math:`\Sigma_{xx}^{1/2} M\,\Sigma_{yy}^{1/2}` are :math:`d_k = \rho_k/(1-\rho_k^2)`, so
    :math:`\rho_k = \bigl(\sqrt{1+4d_k^2}-1\bigr)/(2d_k)`.

    Args:
        mixed: M, ``[p, q]``.
        xx, yy: covariances of the views, ``[p, p]`` and ``[q, q]``.

    Returns:
        ``[min(p, q)]``, descending.
    """
    left, right = torch.linalg.cholesky(xx), torch.linalg.cholesky(yy)  # any root has the same singular values
    strengths = torch.linalg.svdvals(left.T @ mixed @ right)
    return 2 * strengths / (1 + (1 + 4 * strengths.square()).sqrt())
