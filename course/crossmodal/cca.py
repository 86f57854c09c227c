r"""Canonical correlation analysis finds, in two views of the same things, the directions that agree most.

Both views are whitened, so that every direction in each has variance one; what is left of their cross-covariance is a
matrix whose singular values *are* the canonical correlations, and whose singular vectors are the directions.

Source: Hotelling, *Relations between two sets of variates* (1936); Björck and Golub, *Numerical methods for computing
angles between linear subspaces* (1973); Vinod, *Canonical ridge and econometrics of joint production* (1976).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Self

import numpy as np
import torch
from torch import Tensor

from course.crossmodal.covariance import Array, Moments, as_tensor, check_views, like, merge, moments, split_blocks
from course.metrics import column_correlations


def whitening(covariance: Tensor, rounding: float = 0.0) -> Tensor:
    r"""A matrix :math:`W` with :math:`W^\top \Sigma W = I`: new coordinates without correlation, of variance one.

    Columns of :math:`\Sigma` are first scaled to variance one, so that units do not matter. Then :math:`W = L^{-\top}`
    from the Cholesky factor :math:`\Sigma = L L^\top`. When :math:`\Sigma` is not positive definite up to rounding
    (constant or collinear columns, fewer rows than columns), :math:`W = V_r \Lambda_r^{-1/2}` from the r eigenvalues
    that are not zero up to rounding: the data have no variance in the other directions, so that nothing is lost.

    Args:
        covariance: :math:`\Sigma`, symmetric and positive semi-definite, ``[p, p]``.
        rounding: relative rounding error of the data from which the covariance was computed.

    Returns:
        ``[p, r]``, where r is the numerical rank; r = p on the Cholesky path.
    """
    p, variance = len(covariance), covariance.diagonal()
    scale = torch.where(variance > 0, variance, 1).rsqrt()
    scaled = scale[:, None] * covariance * scale
    tolerance = 10 * p * max(torch.finfo(covariance.dtype).eps, rounding**2)
    factor, failed = torch.linalg.cholesky_ex(scaled)
    smallest = torch.where(failed > 0, 0.0, factor.diagonal().square().amin())
    if smallest > 1000 * tolerance:
        identity = torch.eye(p, dtype=covariance.dtype, device=covariance.device)
        return scale[:, None] * torch.linalg.solve_triangular(factor.T, identity, upper=True)
    eigenvalues, eigenvectors = torch.linalg.eigh(scaled)
    kept = eigenvalues > tolerance * eigenvalues[-1].clamp(min=1)
    return scale[:, None] * eigenvectors[:, kept] * eigenvalues[kept].rsqrt()


def canonical_pairs(
    xx: Tensor, xy: Tensor, yy: Tensor, n_components: int, *, regularization: float = 0.0, rounding: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    r"""The first k canonical correlations and weights from three covariances: :eq:`cca-whitened-svd`.

    .. math::
        K = W_x^\top \Sigma_{xy} W_y = U \operatorname{diag}(\rho) V^\top, \qquad A = W_x U, \quad B = W_y V

    where :math:`W_x` and :math:`W_y` whiten :math:`\Sigma_{xx} + \lambda I` and :math:`\Sigma_{yy} + \lambda I`
    (:eq:`cca-ridge`). The pairs solve the generalised eigenproblem :eq:`cca-generalised-eigenproblem`, and the weights
    :eq:`cca-weights` have :math:`A^\top (\Sigma_{xx} + \lambda I) A = I`. Of the two signs of a pair that one is
    returned which makes the largest weight of x positive.

    Args:
        xx: :math:`\Sigma_{xx}`, ``[p, p]``.
        xy: :math:`\Sigma_{xy}`, ``[p, q]``.
        yy: :math:`\Sigma_{yy}`, ``[q, q]``.
        n_components: the number of pairs k.
        regularization: the ridge :math:`\lambda \ge 0`, in squared units of the data.
        rounding: relative rounding error of the data from which the covariances were computed.

    Returns:
        Correlations ``[k]``, descending; weights of x ``[p, k]`` and of y ``[q, k]``.

    Raises:
        ValueError: if there are fewer than k pairs, which is when a view has a lower rank.
    """
    if regularization:
        xx, yy = (s + regularization * torch.eye(len(s), dtype=s.dtype, device=s.device) for s in (xx, yy))
    white_x, white_y = whitening(xx, rounding), whitening(yy, rounding)
    ranks = white_x.shape[1], white_y.shape[1]
    if n_components > min(ranks):
        raise ValueError(
            f"n_components={n_components}, but the views have rank {ranks[0]} and {ranks[1]}, hence only {min(ranks)} "
            "pairs; ask for fewer, or set a regularization"
        )
    u, correlations, vt = torch.linalg.svd(white_x.T @ xy @ white_y, full_matrices=False)
    x_weights, y_weights = white_x @ u[:, :n_components], white_y @ vt[:n_components].T
    largest = x_weights.gather(0, x_weights.abs().argmax(0, keepdim=True))
    sign = torch.where(largest < 0, -1, 1)
    return correlations[:n_components].clamp(max=1), x_weights * sign, y_weights * sign


class CCA:
    r"""Canonical correlation analysis of two views, all at once or streamed.

    Pair i of weight vectors maximises the correlation :eq:`cca-correlation` of :math:`Xa_i` and :math:`Yb_i` among all
    directions that are uncorrelated with the pairs before it; see :func:`canonical_pairs`.

    Args:
        n_components: number of pairs k.
        regularization: ridge :math:`\lambda` added to the variances of both views (:eq:`cca-ridge`), in squared units
            of the data. Needed when there are fewer rows than columns, where as a rule every sample
            correlation is 1.

    Example:
        >>> import torch
        >>> generator = torch.Generator().manual_seed(0)
        >>> x = torch.randn(500, 4, generator=generator)
        >>> y = x[:, :2] + torch.randn(500, 2, generator=generator)
        >>> model = CCA(n_components=2).fit(x, y)
        >>> zx, zy = model.transform(x, y)
        >>> zx.shape, zy.shape, model.correlations.shape
        (torch.Size([500, 2]), torch.Size([500, 2]), torch.Size([2]))
    """

    def __init__(self, n_components: int, regularization: float = 0.0):
        if index(n_components) < 1:
            raise ValueError(f"n_components must be at least 1, got {n_components}")
        if not 0 <= regularization < float("inf"):
            raise ValueError(f"regularization must be a number of at least 0, got {regularization!r}")
        self.n_components = n_components
        self.regularization = regularization
        self._moments: Moments | None = None
        self._widths: tuple[int, int] | None = None
        self._example: Array | None = None  # empty; of the kind, type and device of the first data
        self._solution: tuple[Tensor, Tensor, Tensor] | None = None

    def fit(self, x: Array, y: Array) -> Self:
        """Learn from all rows of ``x [n, p]`` and ``y [n, q]``; what was learned before is forgotten.

        Raises:
            ValueError: for data that are not two finite matrices of the same rows, for too few rows, and for fewer
                than ``n_components`` pairs.
            TypeError: for data that are neither float32 nor float64.
        """
        self._moments = None
        self.partial_fit(x, y)
        self._solve()
        return self

    def partial_fit(self, x: Array, y: Array) -> Self:
        """Learn from more rows, ``x [m, p]`` and ``y [m, q]``: after all of them the same as one :meth:`fit`.

        Memory does not grow with the number of rows seen. The pairs are computed when they are first asked for. Rows
        that contain NaN are refused, and leave the model as it was.
        """
        check_views(x, y)
        widths = (x.shape[1], y.shape[1])
        if self.n_components > min(widths):
            raise ValueError(
                f"n_components={self.n_components}, but views of {widths[0]} and {widths[1]} columns have only "
                f"{min(widths)} pairs"
            )
        if self._moments is not None and widths != self._widths:
            raise ValueError(f"the rows so far had {self._widths} columns, these have {widths}")
        new = moments(x, y)
        if not new.scatter.diagonal().isfinite().all():
            raise ValueError("the data contain NaN, infinite or huge values; remove, impute or scale them")
        if self._moments is None:
            self._widths, self._example = widths, like(torch.empty(0), x)
        self._moments = new if self._moments is None else merge(self._moments, new)
        self._solution = None
        return self

    def _seen(self) -> Moments:
        """The moments of the rows so far."""
        if self._moments is None:
            raise RuntimeError("this CCA has seen no data; call fit(x, y) or partial_fit(x, y) first")
        return self._moments

    def _solve(self) -> tuple[Tensor, Tensor, Tensor]:
        """Correlations and weights of the rows so far, computed at most once."""
        seen = self._seen()
        if self._solution is None:
            (xx, xy), (_, yy) = split_blocks(seen.covariance(), self._widths)
            options = {"regularization": self.regularization, "rounding": seen.rounding}
            self._solution = canonical_pairs(xx, xy, yy, self.n_components, **options)
        return self._solution

    def _public(self, result: Tensor) -> Array:
        """A copy of a result, as what the data were."""
        return like(result.clone(), self._example)

    @property
    def correlations(self) -> Array:
        """The canonical correlations of the rows seen, descending, ``[k]``; with a ridge they are shrunk."""
        return self._public(self._solve()[0])

    @property
    def x_weights(self) -> Array:
        """Weights of x, one column a pair, ``[p, k]``."""
        return self._public(self._solve()[1])

    @property
    def y_weights(self) -> Array:
        """Weights of y, one column a pair, ``[q, k]``."""
        return self._public(self._solve()[2])

    @property
    def x_mean(self) -> Array:
        """The mean of x, ``[p]``."""
        return self._public(self._seen().mean[: self._widths[0]])

    @property
    def y_mean(self) -> Array:
        """The mean of y, ``[q]``."""
        return self._public(self._seen().mean[self._widths[0] :])

    def transform(self, x: Array, y: Array) -> tuple[Array, Array]:
        r"""The canonical variates :math:`(X - \bar x)A` and :math:`(Y - \bar y)B`, both ``[n, k]``."""
        check_views(x, y)
        means = self._seen().mean.split(list(self._widths))
        if (x.shape[1], y.shape[1]) != self._widths:
            raise ValueError(f"the model knows {self._widths} columns, the data have {(x.shape[1], y.shape[1])}")
        weights = self._solve()[1:]
        variates = []
        for view, mean, weight in zip((x, y), means, weights, strict=True):
            data = as_tensor(view)
            variates.append(like((data - mean.to(data)) @ weight.to(data), view))
        return tuple(variates)

    def score(self, x: Array, y: Array) -> Array:
        r"""The correlation :eq:`cca-correlation` of each pair on other data, ``[k]``; add them up for one number.

        On the rows of :meth:`fit` these are the canonical correlations (without a ridge). On new rows they are lower
        as a rule, and honest.
        """
        return like(column_correlations(*map(as_tensor, self.transform(x, y))), x)


@dataclass(frozen=True)
class WilksTest:
    r"""Entry i of each array ``[k]`` belongs to the hypothesis that no pair after the first i correlates.

    Attributes:
        wilks_lambda: the product of the remaining :math:`1 - \rho_j^2`; 1 says "nothing left".
        chi2: Bartlett's statistic.
        degrees: its degrees of freedom under the hypothesis.
        p_value: probability of a statistic at least as large if the hypothesis were true.
    """

    wilks_lambda: np.ndarray
    chi2: np.ndarray
    degrees: np.ndarray
    p_value: np.ndarray


def wilks_test(correlations: Array | Sequence[float], n: int, p: int, q: int) -> WilksTest:
    r"""Wilks' test with Bartlett's approximation: how many pairs are more than chance (:eq:`cca-wilks`)?

    .. math::
        \Lambda_i = \prod_{j > i} (1 - \rho_j^2), \qquad
        -\Bigl(n - 1 - \tfrac{p + q + 1}{2}\Bigr) \ln \Lambda_i \;\sim\; \chi^2_{(p-i)(q-i)}

    approximately, for normal data and large n, if exactly i = 0, 1, ... pairs correlate; with fewer it is smaller.

    Args:
        correlations: *all* min(p, q) sample correlations, computed without a ridge.
        n: number of rows.
        p, q: numbers of columns (their ranks, when columns are collinear).

    Raises:
        ValueError: if correlations are missing or n is not above p + q, where some correlation is 1 whatever the data.
    """
    from scipy.stats import chi2 as chi2_distribution

    rho = np.array([float(value) for value in correlations])
    if len(rho) != min(p, q):
        raise ValueError(f"the test needs all min(p, q) = {min(p, q)} correlations, got {len(rho)}")
    if n <= p + q:
        raise ValueError(f"the test needs more than p + q = {p + q} rows, got {n}; use permutation_test with a ridge")
    with np.errstate(divide="ignore"):  # a correlation of 1 has p-value 0
        tail = np.cumsum(np.log1p(-np.square(rho))[::-1])[::-1]
    i = np.arange(len(rho))
    statistic, degrees = -(n - 1 - (p + q + 1) / 2) * tail, (p - i) * (q - i)
    return WilksTest(np.exp(tail), statistic, degrees, chi2_distribution.sf(statistic, degrees))


@dataclass(frozen=True)
class PermutationTest:
    r"""Entry i of each array ``[k]`` belongs to the hypothesis that no pair after the first i correlates.

    Attributes:
        statistic: :math:`-\sum_{j>i} \ln(1 - \rho_j^2)` of the data.
        p_value: share of the permutations (the data counted as one of them) whose statistic is at least as large.
    """

    statistic: np.ndarray
    p_value: np.ndarray


def permutation_test(
    x: Array, y: Array, n_components: int = 1, *, permutations: int = 999, regularization: float = 0.0, seed: int = 0
) -> PermutationTest:
    r"""Test the first k pairs by breaking the pairing of rows: :eq:`cca-permutation`.

    No distribution is assumed. Exact for the first pair if the views are independent; approximate for the later ones.

    Shuffling the rows of y changes neither :math:`\Sigma_{xx}` nor :math:`\Sigma_{yy}`. So both views are whitened
    once, and a permutation costs one product and k small SVDs. To test pair i + 1, only the variates after the first i
    are shuffled, and a p-value is never below that of an earlier pair.

    Args:
        x, y: ``[n, p]`` and ``[n, q]``.
        n_components: number of pairs k to test.
        permutations: number of shuffles; the smallest possible p-value is 1 / (permutations + 1).
        regularization: as in :class:`CCA`.
        seed: of the shuffles.

    Raises:
        ValueError: for data or a ridge that :class:`CCA` refuses, fewer than one permutation, or fewer than k pairs.

    Source: Winkler et al., *Permutation inference for canonical correlation analysis* (2020).
    """
    if index(permutations) < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    seen, p = CCA(n_components, regularization).fit(x, y)._seen(), x.shape[1]
    covariance, shrunk = seen.covariance(), regularization * torch.eye(len(seen.mean)).to(seen.mean)
    parts = split_blocks(covariance + shrunk, (p, y.shape[1]))
    white_x, white_y = whitening(parts[0][0], seen.rounding), whitening(parts[1][1], seen.rounding)
    u, _, vt = torch.linalg.svd(white_x.T @ covariance[:p, p:] @ white_y)  # complete bases of both views
    zx = (as_tensor(x) - seen.mean[:p]) @ white_x @ u
    zy = (as_tensor(y) - seen.mean[p:]) @ white_y @ vt.T

    def statistics(shuffled: Tensor) -> Tensor:
        k = zx.T @ shuffled / (len(zx) - 1)
        remaining = [torch.linalg.svdvals(k[i:, i:]).square() for i in range(n_components)]
        return torch.stack([-(1 - squares).clamp(min=1e-12).log().sum() for squares in remaining])

    generator = torch.Generator().manual_seed(seed)
    observed = statistics(zy)
    at_least = torch.ones_like(observed)
    for _ in range(permutations):
        shuffle = torch.randperm(len(zy), generator=generator).to(zy.device)
        at_least += statistics(zy[shuffle]) >= observed
    p_value = (at_least / (permutations + 1)).cummax(0).values
    return PermutationTest(observed.cpu().numpy(), p_value.cpu().numpy())
