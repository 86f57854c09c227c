r"""One Gaussian a class with a common covariance, whose means move to a new speaker: by labels, by unlabelled clips.

With the training means it is linear discriminant analysis. A few labelled recordings pull the means of their classes,
each as strongly as its prior allows; unlabelled ones pull by what they probably are; and a class that training never
saw gets a mean of its own.

Sources: Fisher, *The use of multiple measurements in taxonomic problems* (1936); Ledoit and Wolf, *A well-conditioned
estimator for large-dimensional covariance matrices* (2004), for the shrinkage; Dempster, Laird and Rubin, *Maximum
likelihood from incomplete data via the EM algorithm* (1977).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from course.meta_learning.prototype_variants import with_prior
from course.meta_learning.prototypical import class_means, negative_squared_distances


@dataclass(frozen=True)
class AdaptedGaussian:
    """Classes as points in a space where the common covariance is the identity.

    Attributes:
        whitening: from vectors to that space, ``[d, d]``.
        means: of the classes there, ``[N, d]``.
        variances: around the means, ``[N, d]``: 1, and more for a class whose mean is uncertain.

    Example:
        >>> x, y = torch.tensor([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]]), torch.tensor([0, 0, 1, 1])
        >>> model = AdaptedGaussian.fit(x, y, n_way=2, shrinkage=0.5)
        >>> model.scores(torch.tensor([[3.0, 0.0]])).argmax(1).tolist()
        [1]
        >>> model.with_classes([torch.tensor([[2.0, 8.0]])], floor=1.0).scores(torch.tensor([[2.0, 7.0]])).shape
        torch.Size([1, 3])
    """

    whitening: Tensor
    means: Tensor
    variances: Tensor

    @classmethod
    def fit(cls, x: Tensor, y: Tensor, n_way: int, shrinkage: float) -> Self:
        r"""Means and the common covariance of training vectors: :eq:`emotion-covariance`.

        .. math:: \Sigma = (1-\gamma)\,\frac1n\sum_i (x_i - m_{y_i})(x_i - m_{y_i})^\top
                  + \gamma\,\frac{\operatorname{tr}}{d}\,I

        Args:
            x, y: vectors ``[n, d]`` and classes ``[n]``; each class occurs.
            n_way: N.
            shrinkage: γ, above 0 and at most 1.

        Raises:
            ValueError: if γ is out of its range, or a class has no vectors.
        """
        if not 0 < shrinkage <= 1:
            raise ValueError(f"shrinkage must be above 0 and at most 1, got {shrinkage}: few vectors fill no space")
        if (missing := n_way - len(y.unique())) or y.max() >= n_way:
            raise ValueError(f"{missing} of {n_way} classes have no training vectors")
        means = torch.stack([x[y == label].mean(0) for label in range(n_way)])
        away = x - means[y]
        covariance = away.T @ away / len(x)
        size = covariance.diagonal().mean()
        covariance = (1 - shrinkage) * covariance + shrinkage * size * torch.eye(x.shape[1]).to(x)
        values, axes = torch.linalg.eigh(covariance)
        whitening = axes / values.clamp(min=1e-12 * values[-1]).sqrt()
        return cls(whitening, means @ whitening, torch.ones_like(means))

    def within(self) -> Self:
        """The same answers from the plane through the means: N - 1 numbers a vector in place of d."""
        centre = self.means.mean(0)
        axes = torch.linalg.svd(self.means - centre, full_matrices=False).Vh[: len(self.means) - 1].T
        return replace(
            self, whitening=self.whitening @ axes, means=self.means @ axes, variances=self.variances[:, : axes.shape[1]]
        )

    def scores(self, x: Tensor) -> Tensor:
        r"""Log posteriors up to a constant, all classes equally frequent, ``[m, N]``: :eq:`emotion-scores`."""
        away = (x @ self.whitening)[:, None] - self.means
        return -0.5 * (away.square() / self.variances + self.variances.log()).sum(2)

    def adapted(self, x: Tensor, y: Tensor, weight: float) -> Self:
        r"""The means after labelled vectors ``[n, d]`` of a speaker: :eq:`emotion-map`.

        .. math:: m_k' = \frac{\tau m_k + \sum_{i:\,y_i=k} x_i}{\tau + n_k}
        """
        return replace(self, means=with_prior(x @ self.whitening, y, self.means, weight))

    def with_unlabelled(
        self, unlabelled: Tensor, weight: float, steps: int, labelled: tuple[Tensor, Tensor] | None = None
    ) -> Self:
        r"""EM: unlabelled vectors pull each mean by their probability to belong there: :eq:`emotion-em`.

        Args:
            unlabelled: ``[m, d]``.
            weight: τ of the training means.
            steps: of EM; 0 leaves only the labels.
            labelled: vectors and classes that are known.
        """
        u, prior, n_way = unlabelled @ self.whitening, self.means, len(self.means)
        counts, sums = prior.new_zeros(n_way), torch.zeros_like(prior)
        if labelled is not None:
            counts = torch.bincount(labelled[1], minlength=n_way).to(prior)
            sums = sums.index_add(0, labelled[1], labelled[0] @ self.whitening)
        means = (weight * prior + sums) / (weight + counts)[:, None]
        for _ in range(steps):
            share = (negative_squared_distances(u, means) / 2).softmax(1)
            means = (weight * prior + sums + share.T @ u) / (weight + counts + share.sum(0))[:, None]
        return replace(self, means=means)

    def with_classes(self, new: Sequence[Tensor], floor: float) -> Self:
        r"""More classes, each from K vectors ``[K, d]``, whose means are uncertain: :eq:`emotion-new`.

        .. math:: b_j = \operatorname{Var}_k m_{kj} + \beta, \qquad
                  m_j = \bar m_j + \frac{K b_j}{1 + K b_j}(\bar x_j - \bar m_j), \qquad
                  v_j = 1 + \frac{b_j}{1 + K b_j}

        in axes along which the means of the known classes are uncorrelated.

        Args:
            new: of each new class, its vectors.
            floor: β, how far its mean may lie from the others in a direction in which they agree, above 0.

        Raises:
            ValueError: if a class has no vectors, β is not positive, or the model has uncertain classes already.
        """
        if not floor > 0 or not all(map(len, new)):
            found = ", ".join(str(len(x)) for x in new)
            raise ValueError(f"a new class needs at least one vector and a positive floor, got {found} and {floor}")
        if (self.variances != 1).any():
            raise ValueError(
                "this model has uncertain classes already: start without them, and add all new ones at once"
            )
        centre = self.means.mean(0)
        axes = torch.linalg.svd(self.means - centre, full_matrices=True).Vh.T
        means, whitening = self.means @ axes, self.whitening @ axes
        between, middle = means.var(0) + floor, centre @ axes
        n = torch.tensor([[len(x)] for x in new]).to(means)
        given = torch.stack([(x @ whitening).mean(0) for x in new])
        drawn = middle + n * between / (1 + n * between) * (given - middle)
        variances = torch.cat([torch.ones_like(means), 1 + between / (1 + n * between)])
        return replace(self, whitening=whitening, means=torch.cat([means, drawn]), variances=variances)


def prototypes(x: Tensor, y: Tensor, n_way: int, query: Tensor) -> Tensor:
    """The scores ``[m, N]`` of a speaker's own class means alone, without any training: the baseline of few shots."""
    return negative_squared_distances(query, class_means(x, y, n_way))
