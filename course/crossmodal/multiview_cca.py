r"""CCA of more than two views: one set of variates per view, chosen so that all of them agree with each other.

Every view is whitened; the largest eigenvalues of the covariance of all whitened views side by side say how strongly
they agree, the eigenvectors where. With two views this is CCA.

Source: Kettenring, *Canonical analysis of several sets of variables* (1971), whose MAXVAR has these eigenvectors.
"""

from operator import index
from typing import Self

import torch
from torch import Tensor

from course.crossmodal.cca import whitening
from course.crossmodal.covariance import Array, Moments, as_tensor, check_views, like, merge, moments, split_blocks


class MultiviewCCA:
    r"""Maximise the covariance between the variates of m views, their average variance being one: :eq:`cca-mcca`.

    .. math::
        \max_{w_1, \dots, w_m} \frac{1}{m(m-1)} \sum_{i \ne j} w_i^\top \Sigma_{ij} w_j
        \quad\text{subject to}\quad \frac1m \sum_i w_i^\top (\Sigma_{ii} + \lambda I) w_i = 1

    The sum of all variates is also the variable that is nearest to all views: without a ridge, its first component
    maximises the sum of squared multiple correlations with the m views. Later components are the next eigenvectors: for
    more than two views, the variates of one view are uncorrelated only in the sum over the views.

    Args:
        n_components: number of variates k for each view.
        regularization: ridge :math:`\lambda` added to the variances of every view, in squared units of the data.

    Example:
        >>> views = torch.randn(3, 100, 4, generator=torch.Generator().manual_seed(0))
        >>> model = MultiviewCCA(n_components=2).fit(*views)
        >>> model.correlations.shape, [tuple(z.shape) for z in model.transform(*views)]
        (torch.Size([2]), [(100, 2), (100, 2), (100, 2)])
    """

    def __init__(self, n_components: int, regularization: float = 0.0):
        if index(n_components) < 1 or not 0 <= regularization < float("inf"):
            raise ValueError(f"need n_components >= 1 and regularization >= 0, got {n_components} and {regularization}")
        self.n_components = n_components
        self.regularization = regularization
        self._moments: Moments | None = None
        self._widths: list[int] = []
        self._solution: tuple[Tensor, list[Tensor]] | None = None

    def fit(self, *views: Array) -> Self:
        """Learn from views ``[n, p_1], ..., [n, p_m]`` of the same rows; what was learned before is forgotten."""
        self._moments = None
        self.partial_fit(*views)
        self._solve()
        return self

    def partial_fit(self, *views: Array) -> Self:
        """Learn from more rows; memory does not grow with their number."""
        check_views(*views)
        widths = [view.shape[1] for view in views]
        if len(views) < 2:
            raise ValueError(f"at least 2 views are needed, got {len(views)}")
        if self._moments is not None and widths != self._widths:
            raise ValueError(f"the rows so far had {self._widths} columns, these have {widths}")
        new = moments(*views)
        if not new.scatter.diagonal().isfinite().all():
            raise ValueError("the data contain NaN, infinite or huge values; remove, impute or scale them")
        self._moments = new if self._moments is None else merge(self._moments, new)
        self._widths, self._solution, self._example = widths, None, like(torch.empty(0), views[0])
        return self

    def _solve(self) -> tuple[Tensor, list[Tensor]]:
        """Correlations and weights of the rows so far, computed at most once."""
        if self._moments is None:
            raise RuntimeError("this MultiviewCCA has seen no data; call fit(...) or partial_fit(...) first")
        if self._solution is None:
            covariance, m = self._moments.covariance(), len(self._widths)
            ridged = covariance + self.regularization * torch.eye(len(covariance)).to(covariance)
            blocks = split_blocks(ridged, self._widths)
            white = [whitening(blocks[i][i], self._moments.rounding) for i in range(m)]
            ranks = [w.shape[1] for w in white]
            if self.n_components > min(ranks):
                raise ValueError(f"n_components={self.n_components}, but the ranks of the views are {ranks}")
            all_white = torch.block_diag(*white)
            within = torch.block_diag(*[torch.ones(w.shape[1], w.shape[1]) for w in white]).to(covariance)
            between = (all_white.T @ covariance @ all_white) * (1 - within)  # [sum of ranks, sum of ranks]
            eigenvalues, eigenvectors = torch.linalg.eigh(between)
            leading = eigenvectors[:, -self.n_components :].flip(1) * m**0.5
            weights = [w @ part for w, part in zip(white, leading.split(ranks), strict=True)]
            largest = weights[0].gather(0, weights[0].abs().argmax(0, keepdim=True))
            sign = torch.where(largest < 0, -1, 1)
            correlations = eigenvalues[-self.n_components :].flip(0) / (m - 1)
            self._solution = correlations, [weight * sign for weight in weights]
        return self._solution

    @property
    def correlations(self) -> Array:
        """The maximum of the objective for each component, descending, ``[k]``: with two views the correlations."""
        return like(self._solve()[0].clone(), self._example)

    @property
    def weights(self) -> list[Array]:
        """The weights of each view, ``[p_i, k]``."""
        return [like(weight.clone(), self._example) for weight in self._solve()[1]]

    def transform(self, *views: Array) -> list[Array]:
        """The variates of each view, ``[n, k]``, in the order of the views."""
        check_views(*views)
        weights = self._solve()[1]
        means = self._moments.mean.split(self._widths)
        if [view.shape[1] for view in views] != self._widths:
            raise ValueError(f"the model knows {self._widths} columns, got {[view.shape[1] for view in views]}")
        data = [as_tensor(view) for view in views]
        centred = [part - mean.to(part) for part, mean in zip(data, means, strict=True)]
        variates = [part @ weight.to(part) for part, weight in zip(centred, weights, strict=True)]
        return [like(z, view) for z, view in zip(variates, views, strict=True)]
