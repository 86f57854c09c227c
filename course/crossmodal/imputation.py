r"""A missing modality is predicted from the one that is there: the best linear guess, through canonical pairs.

The canonical correlations are all that two views share linearly, so what one tells about the other passes through
them: with all pairs the guess is the ridge regression, with fewer it has a lower rank.

Source: Izenman, *Reduced-rank regression for the multivariate linear model* (1975).
"""

from typing import Self

from torch import Tensor

from course.crossmodal.cca import CCA


class Imputer:
    r"""Predicts each of two views from the other by :class:`course.crossmodal.cca.CCA`: :eq:`fusion-imputation`.

    .. math:: \hat x = \bar x + (\Sigma_{xx} + \lambda I)\, A \operatorname{diag}(\rho)\, B^\top (y - \bar y)

    Args:
        n_components: pairs k; with all of them :math:`\hat x` is the ridge regression of x on y, with the penalty
            :math:`(n-1)\lambda` in the usual form.
        regularization: the ridge :math:`\lambda` of both views, in squared units of the data.

    Example:
        >>> import torch
        >>> y = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
        >>> x = y @ torch.tensor([[1.0, 2.0], [0.0, 1.0]])
        >>> guess = Imputer(n_components=2).fit(x, y).first_from(y)
        >>> torch.allclose(guess, x, atol=1e-4)
        True
    """

    def __init__(self, n_components: int, regularization: float = 0.0):
        self.cca = CCA(n_components, regularization)

    def fit(self, x: Tensor, y: Tensor) -> Self:
        """Learn from complete rows ``x [n, p]`` and ``y [n, q]``; the errors are those of CCA."""
        self.cca.fit(x, y)
        variates = self.cca.transform(x, y)
        shrinkage, weights = self.cca.regularization, (self.cca.x_weights, self.cca.y_weights)
        self.loadings = [  # (covariance + ridge) times weights
            (view - view.mean(0)).T @ variate / (len(view) - 1) + shrinkage * weight
            for view, variate, weight in zip((x, y), variates, weights, strict=True)
        ]
        return self

    def first_from(self, y: Tensor) -> Tensor:
        """The first view ``[m, p]`` as the second one, ``[m, q]``, suggests it."""
        variates = (y - self.cca.y_mean) @ self.cca.y_weights
        return self.cca.x_mean + variates * self.cca.correlations @ self.loadings[0].T

    def second_from(self, x: Tensor) -> Tensor:
        """The second view ``[m, q]`` as the first one, ``[m, p]``, suggests it."""
        variates = (x - self.cca.x_mean) @ self.cca.x_weights
        return self.cca.y_mean + variates * self.cca.correlations @ self.loadings[1].T
