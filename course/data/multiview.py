r"""Two Gaussian views with one hidden cause: pairs whose canonical correlations are known because we choose them.

Source: the latent-variable model of Bach and Jordan, *A probabilistic interpretation of canonical correlation
analysis* (2005).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course.arguments import require_whole
from course.data.sets import Pairs


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class GaussianPairs(Pairs):
    """Pairs of vectors, with the truth about the population that they were drawn from.

    Attributes:
        correlations: the true canonical correlations, ``[min(p, q)]``, descending.
        x_weights: the true canonical directions of x ``[n, p]``: ``[p, min(p, q)]``.
        y_weights: those of y ``[n, q]``: ``[q, min(p, q)]``.

    Example:
        >>> multiview(n=500, p=3, q=4, correlations=[0.5, 0.25])
        GaussianPairs('multiview', x=[500, 3] float64, y=[500, 4] float64, correlations 0.5, 0.25, 0)
    """

    correlations: Tensor
    x_weights: Tensor
    y_weights: Tensor

    def __repr__(self) -> str:
        largest = ", ".join(f"{rho:.3g}" for rho in self.correlations[:3].tolist())
        more = ", …" if len(self.correlations) > 3 else ""
        return f"{super().__repr__()[:-1]}, correlations {largest}{more})"


def multiview(
    n: int = 1000,
    p: int = 20,
    q: int = 15,
    correlations: Sequence[float] = (0.9, 0.7, 0.5, 0.3),
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> GaussianPairs:
    r"""Draw ``n`` pairs from a population with the given canonical correlations.

    .. math:: x = A^\top u, \quad y = B^\top v, \qquad u \sim \mathcal N(0, I_p), \quad v \sim \mathcal N(0, I_q), \quad
        \mathbb E\, u v^\top = \operatorname{diag}(\rho_1, \dots, \rho_k)

    The invertible mixing matrices A and B depend on the seed only; their condition number is at most 4. Canonical
    correlations do not change under invertible maps, so those of x and y are the ρ.

    Args:
        n: rows.
        p, q: columns of the two views.
        correlations: the k ≤ min(p, q) correlations ρ that are not 0, each in [0, 1], in any order.
        seed: of the mixing matrices and of the rows.
        dtype: of the result.

    Raises:
        ValueError: if a size is not positive, a correlation is outside [0, 1], or there are more than min(p, q).
    """
    for name, value in (("n", n), ("p", p), ("q", q)):
        require_whole(name, value)
    if len(correlations) > min(p, q):
        raise ValueError(f"{len(correlations)} correlations are given, views of {p} and {q} columns have {min(p, q)}")
    if not all(0 <= rho <= 1 for rho in correlations):
        raise ValueError(f"canonical correlations lie between 0 and 1, got {list(correlations)}")
    generator = torch.Generator().manual_seed(seed)
    rho = torch.zeros(min(p, q), dtype=torch.float64)
    rho[: len(correlations)] = torch.tensor(sorted(correlations, reverse=True), dtype=torch.float64)
    mix_x, mix_y = mixing(p, generator), mixing(q, generator)
    u = torch.randn(n, p, generator=generator, dtype=torch.float64)
    v = torch.randn(n, q, generator=generator, dtype=torch.float64)
    k = len(rho)
    v[:, :k] = rho * u[:, :k] + (1 - rho**2).sqrt() * v[:, :k]
    parts = {"x": u @ mix_x, "y": v @ mix_y, "correlations": rho}
    parts |= {"x_weights": torch.linalg.inv(mix_x)[:, :k], "y_weights": torch.linalg.inv(mix_y)[:, :k]}
    return GaussianPairs(name="multiview", **{part: tensor.to(dtype) for part, tensor in parts.items()})


def mixing(size: int, generator: torch.Generator) -> Tensor:
    """A random invertible matrix ``[size, size]`` with singular values between 1/2 and 2."""
    left, right = (
        torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0] for _ in range(2)
    )
    stretch = 2 ** (2 * torch.rand(size, generator=generator, dtype=torch.float64) - 1)
    return left * stretch @ right
