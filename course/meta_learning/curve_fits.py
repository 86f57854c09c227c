"""Curves through a few points without any meta-training: what a learner of curves has to beat.

One fit knows only that curves are smooth, one knows the family of waves, and the last also how its waves are drawn.
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


def wave_posterior(
    x: Tensor, y: Tensor, query_x: Tensor, *, amplitude: tuple[float, float], phase: tuple[float, float], noise: float,
    grid: int = 200,
) -> Tensor:  # fmt: skip
    r"""The mean of the posterior over waves, whose prior is uniform: what a perfect learner of the family answers.

    .. math:: \hat y(x) = \frac{\sum_{A,\phi} p(S\mid A,\phi)\,A\sin(x-\phi)}{\sum_{A,\phi} p(S\mid A,\phi)}

    Args:
        x, y, query_x: shapes as for :func:`kernel_ridge`.
        amplitude, phase: the ranges of A and φ.
        noise: standard deviation of the noise.
        grid: values of A, and of φ, that are summed: midpoints of equal parts.

    Returns:
        ``[T, m, 1]``.

    Raises:
        ValueError: if ``noise`` is not positive.
    """
    if not noise > 0:
        raise ValueError(f"noise must be positive, got {noise}")
    middles = (torch.arange(grid).to(x) + 0.5) / grid
    sizes, phases = (low + (high - low) * middles for low, high in (amplitude, phase))
    waves, asked = (each - phases for each in (x, query_x))  # [T, n, grid], [T, m, grid]
    waves, asked = waves.sin(), asked.sin()
    # |y - A s|² less |y|², for each A (rows) and φ (columns): [T, grid, grid]
    misfit = sizes[:, None] ** 2 * waves.square().sum(1)[:, None] - 2 * sizes[:, None] * (y * waves).sum(1)[:, None]
    weight = (-misfit / (2 * noise**2)).flatten(1).softmax(1).unflatten(1, (grid, grid))
    return asked @ (sizes[:, None] * weight).sum(1)[..., None]
