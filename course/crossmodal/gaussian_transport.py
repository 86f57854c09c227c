r"""Linear maps that turn one Gaussian into another: infinitely many, and two rules that choose one of them.

Whiten, turn by any orthogonal Q, and colour: :math:`A = \Sigma_y^{1/2} Q\,\Sigma_x^{-1/2}`. Every choice of Q makes the
same distribution. Pairs choose Q as canonical correlation analysis does; optimal transport needs none, and chooses the
map that moves least. Each choice is the polar factor of a matrix.

Sources: Dowson and Landau, *The Fréchet distance between multivariate normal distributions* (1982); Knott and Smith,
*On the optimal mapping of distributions* (1984); Peyré and Cuturi, *Computational optimal transport* (2019).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course.crossmodal.covariance import moments


@dataclass(frozen=True, eq=False)
class AffineMap:
    r"""The map :math:`x \mapsto \mu_y + A\,(x - \mu_x)`.

    Attributes:
        matrix: A, ``[d, d]``.
        before, after: :math:`\mu_x` and :math:`\mu_y`, ``[d]``.

    Example:
        >>> double = AffineMap(2 * torch.eye(2), torch.zeros(2), torch.tensor([1.0, 0.0]))
        >>> double(torch.tensor([[1.0, 1.0]]))
        tensor([[3., 2.]])
    """

    matrix: Tensor
    before: Tensor
    after: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Rows ``[n, d]`` to rows ``[n, d]``, of the type of ``x``."""
        matrix, before, after = (each.to(x) for each in (self.matrix, self.before, self.after))
        return after + (x - before) @ matrix.T


def power(covariance: Tensor, exponent: float) -> Tensor:
    r"""The symmetric power :math:`\Sigma^r = U \Lambda^r U^\top` of a covariance, ``[d, d]``.

    Raises:
        ValueError: if it is not symmetric and positive definite to rounding.

    Example:
        >>> power(torch.diag(torch.tensor([4.0, 9.0])), 0.5)
        tensor([[2., 0.],
                [0., 3.]])
    """
    if covariance.dim() != 2 or not torch.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-12):
        raise ValueError(f"a covariance is a symmetric matrix, got shape {list(covariance.shape)}")
    values, vectors = torch.linalg.eigh(covariance)
    if not values[0] > torch.finfo(values.dtype).eps * values[-1]:
        raise ValueError(
            f"the covariance has eigenvalues from {values[0]:.2g} to {values[-1]:.2g}, so it has no inverse: "
            "add a ridge, or leave out directions in which nothing varies"
        )
    return vectors * values**exponent @ vectors.T


def polar(matrix: Tensor) -> Tensor:
    r"""The orthogonal Q with the largest :math:`\operatorname{tr}(Q M)`: :math:`Q = V U^\top` from
    :math:`M = U D V^\top`.

    Example:
        >>> polar(torch.tensor([[0.0, 2.0], [-1.0, 0.0]]))
        tensor([[ 0., -1.],
                [ 1.,  0.]])
    """
    u, _, vt = torch.linalg.svd(matrix)
    return (u @ vt).T


def rearranged(cov_x: Tensor, cov_y: Tensor, rotation: Tensor) -> Tensor:
    r"""The matrix :math:`A = \Sigma_y^{1/2} Q\,\Sigma_x^{-1/2}`, with :math:`A \Sigma_x A^\top = \Sigma_y`:
    :eq:`cyclegan-linear-family`.

    Args:
        cov_x, cov_y: covariances, ``[d, d]``.
        rotation: Q, orthogonal.

    Raises:
        ValueError: if a covariance is not positive definite, or Q is not orthogonal.
    """
    one = torch.eye(len(rotation), dtype=rotation.dtype, device=rotation.device)
    if not torch.allclose(rotation @ rotation.T, one, atol=1e-5):
        raise ValueError("Q must be orthogonal: Q times its transpose is not the identity")
    return power(cov_y, 0.5) @ rotation @ power(cov_x, -0.5)


def transport_rotation(cov_x: Tensor, cov_y: Tensor) -> Tensor:
    r"""The Q of optimal transport, which minimises :math:`\mathbb E\lVert Ax - x\rVert^2`: :eq:`cyclegan-transport`.

    :math:`Q` is the polar factor of :math:`\Sigma_x^{1/2}\Sigma_y^{1/2}`; with it A is symmetric and positive definite.
    """
    return polar(power(cov_x, 0.5) @ power(cov_y, 0.5))


def paired_rotation(cov_x: Tensor, cov_y: Tensor, cov_xy: Tensor) -> Tensor:
    r"""The Q that pairs choose: :math:`Q = V U^\top` from CCA's
    :math:`\Sigma_x^{-1/2}\Sigma_{xy}\Sigma_y^{-1/2} = U D V^\top`: :eq:`cyclegan-paired-rotation`.

    Among all Q it has the largest sum of the correlations of :math:`Q\,\Sigma_x^{-1/2}x` with
    :math:`\Sigma_y^{-1/2}y`, coordinate by coordinate: the sum of the canonical correlations.

    Args:
        cov_x, cov_y, cov_xy: covariances, ``[d, d]``; row i of the last is x's.
    """
    return polar(power(cov_x, -0.5) @ cov_xy @ power(cov_y, -0.5))


def gaussian_map(x: Tensor, y: Tensor, *, ridge: float = 0.0) -> AffineMap:
    r"""Optimal transport between the Gaussians of two samples without pairs.

    Args:
        x, y: ``[n, d]`` and ``[m, d]``, of the same d.
        ridge: added to both covariances, as a share of their mean variance; with fewer rows than columns one is needed.

    Raises:
        ValueError: if the columns differ in number, or a covariance has no inverse.

    Example:
        >>> x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        >>> torch.allclose(gaussian_map(x, 3 * x.flip(0) + 1).matrix, 3 * torch.eye(2, dtype=torch.float64))
        True
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"expected two matrices with the same columns, got {list(x.shape)} and {list(y.shape)}")
    if not ridge >= 0:
        raise ValueError(f"the ridge cannot be negative, got {ridge}")
    found = [moments(each) for each in (x, y)]
    covariances = []
    for each in found:
        covariance = each.covariance()
        size = ridge * covariance.diagonal().mean()
        covariances.append(covariance + size * torch.eye(len(covariance), dtype=size.dtype, device=size.device))
    matrix = rearranged(*covariances, transport_rotation(*covariances))
    return AffineMap(matrix, found[0].mean, found[1].mean)


def bures(mean_x: Tensor, cov_x: Tensor, mean_y: Tensor, cov_y: Tensor) -> Tensor:
    r"""The squared Wasserstein distance of two Gaussians, the least mean squared way: :eq:`cyclegan-bures`.

    .. math:: W_2^2 = \lVert\mu_x - \mu_y\rVert^2 + \operatorname{tr}\Sigma_x + \operatorname{tr}\Sigma_y
              - 2\operatorname{tr}\bigl(\Sigma_x^{1/2}\Sigma_y\Sigma_x^{1/2}\bigr)^{1/2}

    Args:
        mean_x, mean_y: ``[d]``.
        cov_x, cov_y: ``[d, d]``.

    Example:
        >>> one, mean = torch.eye(2), torch.zeros(2)
        >>> bures(mean, one, mean + 3, 4 * one)  # a way of 3 along both axes, and a spread of 2 for one of 1
        tensor(20.)
    """
    shared = torch.linalg.svdvals(power(cov_x, 0.5) @ power(cov_y, 0.5)).sum()
    return (mean_x - mean_y).square().sum() + cov_x.trace() + cov_y.trace() - 2 * shared
