"""Curves through a few points without any meta-training: what a learner of curves has to beat.

One fit knows only that curves are smooth, the other knows the family of waves.
"""

import torch
from torch import Tensor


def kernel_ridge(x: Tensor, y: Tensor, query_x: Tensor, *, length: float, ridge: float) -> Tensor:
    r"""The mean of a Gaussian process with a Gaussian kernel, for many small data sets at once.

    .. math:: \hat y(x) = k(x, X)\,(K + \lambda I)^{-1} y, \qquad k(x, x') = \exp\bigl(-(x - x')^2 / 2\ell^2\bigr)

    Args:
        x, y: supports, ``[T, n, 1]`` each.
        query_x: ``[T, m, 1]``.
        length: ℓ, in units of x.
        ridge: λ, the variance of the noise as a share of that of the curves.

    Returns:
        ``[T, m, 1]``.

    Raises:
        ValueError: if ``length`` or ``ridge`` is not positive.
    """
    if not (length > 0 and ridge > 0):
        raise ValueError(f"length and ridge must be positive, got {length} and {ridge}")

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (-0.5 * ((a - b.mT) / length) ** 2).exp()

    gram = kernel(x, x) + ridge * torch.eye(x.shape[1]).to(x)
    return kernel(query_x, x) @ torch.linalg.solve(gram, y)


def wave_fit(x: Tensor, y: Tensor, query_x: Tensor) -> Tensor:
    r"""Least squares among the waves of frequency 1: :math:`A\sin(x - \phi) = a\sin x + b\cos x` is linear in a and b.

    Shapes as for :func:`kernel_ridge`; at least two points are needed.
    """

    def waves(x: Tensor) -> Tensor:
        return torch.cat([x.sin(), x.cos()], -1)

    return waves(query_x) @ torch.linalg.lstsq(waves(x), y).solution
