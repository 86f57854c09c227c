r"""Two Gaussian views with one hidden cause: pairs whose canonical correlations are known because we choose them.

Source: the latent-variable model of Bach and Jordan, *A probabilistic interpretation of canonical correlation
analysis* (2005).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from course.arguments import require_whole
from course.data.sets import PairedViews


def multiview(
    n: int = 1000,
    p: int = 20,
    q: int = 15,
    correlations: Sequence[float] = (0.9, 0.7, 0.5, 0.3),
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> PairedViews:
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
    weights = (torch.linalg.inv(mix)[:, :k] for mix in (mix_x, mix_y))
    return PairedViews(*(part.to(dtype) for part in (u @ mix_x, v @ mix_y, rho, *weights)))


def mixing(size: int, generator: torch.Generator) -> Tensor:
    """A random invertible matrix ``[size, size]`` with singular values between 1/2 and 2."""
    left, right = (
        torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0] for _ in range(2)
    )
    stretch = 2 ** (2 * torch.rand(size, generator=generator, dtype=torch.float64) - 1)
    return left * stretch @ right
