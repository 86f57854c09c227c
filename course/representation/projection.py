r"""What a linear map keeps and what it forgets: its rank, its null space, and the best map onto k numbers.

A matrix turns, stretches and turns again. Where it stretches by 0 it forgets, and no map after it remembers.

Source: Eckart and Young, *The approximation of one matrix by another of lower rank* (1936).
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from course.arguments import require_whole


def null_space(matrix: Tensor) -> Tensor:
    r"""An orthonormal basis of what the matrix maps to 0, in columns ``[p, p - r]``: :eq:`concepts-null-space`.

    .. math:: M = U \Sigma V^\top, \qquad \{v : Mv = 0\} = \operatorname{span}\{v_{r+1}, \dots, v_p\}

    A singular value counts as 0 below :math:`\max(q, p)\,\varepsilon\,\sigma_1`, with the rounding error
    :math:`\varepsilon` of the type.

    Args:
        matrix: ``[q, p]``.

    Raises:
        ValueError: if it is no matrix, or a number is not finite.

    Example:
        >>> null_space(torch.tensor([[1.0, 1.0]])).abs()
        tensor([[0.7071],
                [0.7071]])
    """
    if matrix.dim() != 2 or not matrix.isfinite().all():
        raise ValueError(f"a matrix of finite numbers is needed, got shape {list(matrix.shape)}")
    _, sigma, vt = torch.linalg.svd(matrix)
    least = max(matrix.shape) * torch.finfo(matrix.dtype).eps * sigma[:1].sum()
    return vt[int((sigma > least).sum()) :].T


@dataclass(frozen=True)
class Projection:
    r"""The map onto k numbers from which the training rows are restored best: :eq:`concepts-projection`.

    Attributes:
        mean: of the training rows, ``[p]``.
        axes: orthonormal columns ``[p, k]``, the first k right singular vectors of the centred rows.

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [2.0, 1.0], [4.0, 2.0]])  # on a line: one number says where
        >>> line = Projection.fit(x, 1)
        >>> line.down(x).shape, round(line.forgotten(x), 6)
        (torch.Size([3, 1]), 0.0)
    """

    mean: Tensor
    axes: Tensor

    @classmethod
    def fit(cls, x: Tensor, k: int) -> Self:
        """Learn from rows ``[n, p]``; k is at most the smaller of n - 1 and p.

        Raises:
            ValueError: if x is no matrix, or k out of its range.
        """
        if x.dim() != 2 or len(x) < 2:
            raise ValueError(f"two rows or more are needed, [n, p], got {list(x.shape)}")
        require_whole("k", k, most=min(len(x) - 1, x.shape[1]))
        mean = x.mean(0)
        _, _, vt = torch.linalg.svd(x - mean, full_matrices=False)
        return cls(mean, vt[:k].T)

    def down(self, x: Tensor) -> Tensor:
        r"""The k numbers of each row, ``[n, k]``: :math:`z = V_k^\top (x - \bar x)`."""
        return (x - self.mean) @ self.axes

    def up(self, z: Tensor) -> Tensor:
        r"""The row that k numbers stand for, ``[n, p]``: :math:`\hat x = \bar x + V_k z`."""
        return self.mean + z @ self.axes.T

    def forgotten(self, x: Tensor) -> float:
        r"""The share of the variance around the training mean that does not come back: :eq:`concepts-forgotten`.

        .. math:: \frac{\sum_i \lVert x_i - \hat x_i \rVert^2}{\sum_i \lVert x_i - \bar x \rVert^2}
        """
        lost = (x - self.up(self.down(x))).double().square().sum()
        return (lost / (x - self.mean).double().square().sum()).item()
