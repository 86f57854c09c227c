r"""Two nonlinear forms of CCA: fixed features of the data (kernel CCA) or learned ones (deep CCA), then linear CCA.

Kernel CCA replaces each view by the features of a kernel, exactly for small data and by random Fourier features for
large; deep CCA trains one network for each view so that the outputs correlate.

Source: Hardoon, Szedmak and Shawe-Taylor, *Canonical correlation analysis: an overview with application to learning
methods* (2004); Rahimi and Recht, *Random features for large-scale kernel machines* (2007); Lopez-Paz et al.,
*Randomized nonlinear component analysis* (2014); Andrew et al., *Deep canonical correlation analysis* (2013).
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from course import training
from course.crossmodal.cca import CCA
from course.crossmodal.covariance import Array, as_tensor, check_views, like, working_type
from course.data import Batches

BLOCK_ROWS = 2048  # rows mapped to features at once

Features = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # [n, p], [n, q] -> [n, d], [n, e]


def blocks(n: int) -> Iterator[slice]:
    """Slices of ``BLOCK_ROWS`` rows that cover n rows."""
    return (slice(start, start + BLOCK_ROWS) for start in range(0, n, BLOCK_ROWS))


def fit_features(cca: CCA, features: Features, x: Array, y: Array) -> CCA:
    """Fit ``cca`` to the features of ``x [n, p]`` and ``y [n, q]``, which are never held all at once."""
    x, y = as_tensor(x), as_tensor(y)
    for rows in blocks(len(x)):
        cca.partial_fit(*features(x[rows], y[rows]))
    return cca


def transform_features(cca: CCA, features: Features, x: Array, y: Array) -> tuple[Array, Array]:
    """The canonical variates of the features of ``x`` and ``y``, ``[n, k]``, in the kind and type of the views."""
    check_views(x, y)
    views = as_tensor(x), as_tensor(y)
    parts = [cca.transform(*features(views[0][rows], views[1][rows])) for rows in blocks(len(x))]
    zx, zy = (torch.cat(z) for z in zip(*parts, strict=True))
    return like(zx, x), like(zy, y)


def gaussian_kernel(x: Tensor, z: Tensor, width: float) -> Tensor:
    r"""The Gaussian kernel :math:`k(x, z) = \exp(-\|x - z\|^2 / 2\sigma^2)` of all rows: ``[n, p], [m, p] -> [n, m]``.

    Args:
        width: :math:`\sigma`, in units of the data.
    """
    return torch.exp(-torch.cdist(x, z).square() / (2 * width**2))


def median_distance(x: Tensor, generator: torch.Generator) -> float:
    """The median distance between two of at most 1,000 rows of ``x [n, p]``: the usual width of a Gaussian kernel."""
    sample = x[torch.randperm(len(x), generator=generator)[:1000].to(x.device)]
    if not sample.isfinite().all():
        raise ValueError("the data contain NaN or infinite values; remove or impute them")
    distance = float(torch.pdist(sample).median()) if len(sample) > 1 else 0.0
    if not distance > 0:
        raise ValueError("no width can be chosen: at least half of the pairs of rows are equal; give the width")
    return distance


def kernel_features(landmarks: Tensor, width: float) -> Callable[[Tensor], Tensor]:
    r"""Finitely many features that represent the Gaussian kernel *exactly* on the rows of ``landmarks [n, p]``.

    The centred Gram matrix is :math:`HKH = V \operatorname{diag}(s) V^\top`; row i of :math:`V \operatorname{diag}
    (\sqrt{s})` are features of row i with just these inner products. For any point, they are
    :math:`k(x, \cdot)\, H V \operatorname{diag}(1/\sqrt{s})` up to a constant, which CCA subtracts. Linear CCA with a
    ridge on these features is the dual problem :eq:`cca-kernel`.

    Returns:
        A function from rows ``[m, p]`` to features ``[m, r]``, r < n.
    """
    gram = gaussian_kernel(landmarks, landmarks, width)
    centred = gram - gram.mean(0) - gram.mean(1, keepdim=True) + gram.mean()
    eigenvalues, eigenvectors = torch.linalg.eigh(centred)
    kept = eigenvalues > len(gram) * torch.finfo(gram.dtype).eps * eigenvalues[-1]
    projection = eigenvectors[:, kept] * eigenvalues[kept].rsqrt()

    def features_of(x: Tensor) -> Tensor:
        k = gaussian_kernel(x.to(landmarks), landmarks, width)
        return (k - k.mean(1, keepdim=True)) @ projection

    return features_of


def random_fourier_features(
    columns: int, width: float, features: int, generator: torch.Generator
) -> Callable[[Tensor], Tensor]:
    r"""Random features whose inner products are the Gaussian kernel on average: :eq:`cca-random-features`.

    .. math::
        \phi(x) = \sqrt{\tfrac{2}{D}}\,\bigl(\cos \omega_1^\top x, \sin \omega_1^\top x, \dots\bigr), \qquad
        \omega \sim \mathcal N(0, \sigma^{-2} I), \qquad E\,\phi(x)^\top \phi(z) = k(x, z)

    Args:
        columns: p, the width of the data.
        width: :math:`\sigma`.
        features: D, even.

    Returns:
        A function from rows ``[n, p]`` to features ``[n, D]``.
    """
    if features < 2 or features % 2:
        raise ValueError(f"random features come in pairs of a cosine and a sine; got {features}")
    frequencies = torch.randn(columns, features // 2, generator=generator, dtype=torch.float64) / width

    def features_of(x: Tensor) -> Tensor:
        phase = x @ frequencies.to(x)
        return torch.cat([phase.cos(), phase.sin()], 1) * (2 / features) ** 0.5

    return features_of


class KernelCCA:
    r"""CCA of Gaussian-kernel features with a ridge, exact or with random Fourier features.

    Args:
        n_components: number of pairs k.
        regularization: ridge :math:`\lambda > 0` in feature space, where every point has norm one. Without it the
            features could fit any pairing of the rows.
        random_features: number of random features for each view; None for the exact kernel, whose cost grows with the
            cube of the number of rows.
        x_width, y_width: widths :math:`\sigma` of the kernels; None for the median distance of the training rows.
        seed: of the random features and of the rows that the median distance is taken from.

    Example:
        >>> t = torch.linspace(0, 6, 300)
        >>> x, y = torch.stack([t.cos(), t.sin()], 1), torch.stack([(2 * t).cos(), (2 * t).sin()], 1)
        >>> model = KernelCCA(n_components=2).fit(x, y)  # linear CCA finds next to nothing here
        >>> [f"{rho:.2f}" for rho in model.correlations], model.transform(x, y)[0].shape
        (['1.00', '1.00'], torch.Size([300, 2]))
    """

    def __init__(
        self,
        n_components: int,
        regularization: float = 1e-4,
        *,
        random_features: int | None = None,
        x_width: float | None = None,
        y_width: float | None = None,
        seed: int = 0,
    ):
        if not regularization > 0:
            raise ValueError(f"kernel CCA needs a regularization above 0, got {regularization}")
        for name, width in (("x_width", x_width), ("y_width", y_width)):
            if width is not None and not 0 < width < float("inf"):
                raise ValueError(f"{name} must be above 0 and finite, or None to choose it from the data, got {width}")
        self.n_components = n_components
        self.regularization = regularization
        self.random_features = random_features
        self.widths = (x_width, y_width)
        self.seed = seed
        self._cca = CCA(n_components, regularization)
        self._features: Features | None = None

    def fit(self, x: Array, y: Array) -> Self:
        """Learn from the rows of ``x [n, p]`` and ``y [n, q]``, mapped to features block by block."""
        check_views(x, y)
        generator = torch.Generator().manual_seed(self.seed)
        views = as_tensor(x), as_tensor(y)
        maps = []
        for view, width in zip(views, self.widths, strict=True):
            width = median_distance(view, generator) if width is None else width
            if self.random_features is None:
                maps.append(kernel_features(view.to(working_type(view)[1]), width))
            else:
                maps.append(random_fourier_features(view.shape[1], width, self.random_features, generator))
        map_x, map_y = maps

        def features(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            return map_x(x), map_y(y)

        # both at once, and only when nothing has failed: maps and pairs belong together
        self._cca, self._features = fit_features(CCA(self.n_components, self.regularization), features, x, y), features
        return self

    @property
    def correlations(self) -> Array:
        """The canonical correlations of the features, descending, ``[k]``; the ridge shrinks them."""
        return self._cca.correlations

    def transform(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The canonical variates of any rows, both ``[n, k]``."""
        if self._features is None:
            raise RuntimeError("this KernelCCA has seen no data; call fit(x, y) first")
        return transform_features(self._cca, self._features, x, y)

    score = CCA.score


def correlation_objective(
    hx: Tensor, hy: Tensor, n_components: int | None = None, *, regularization: float = 1e-3
) -> Tensor:
    r"""The sum of the canonical correlations of two batches of outputs, differentiable: :eq:`cca-deep-objective`.

    .. math::
        \operatorname{corr}(H_x, H_y) = \sum_{i \le k} \sigma_i(T), \qquad
        T = L_x^{-1} \Sigma_{xy} L_y^{-\top}, \qquad L_x L_x^\top = \Sigma_{xx} + \lambda I

    Args:
        hx, hy: ``[n, d]`` and ``[n, e]``, outputs for the same n things.
        n_components: how many correlations k to add up; None for all.
        regularization: :math:`\lambda > 0`; without it small batches correlate perfectly.

    Returns:
        A scalar, at most k. It is computed in float64 where the device has it.

    Source: Andrew et al. (2013), section 3, whose symmetric roots of the covariances give the same singular values.
    """
    hx, hy = (h.to(working_type(h)[1]) for h in (hx, hy))
    hx, hy = hx - hx.mean(0), hy - hy.mean(0)
    freedom = len(hx) - 1

    def factor(h: Tensor) -> Tensor:
        ridge = regularization * torch.eye(h.shape[1], dtype=h.dtype, device=h.device)
        return torch.linalg.cholesky(h.T @ h / freedom + ridge)

    left = torch.linalg.solve_triangular(factor(hx), hx.T @ hy / freedom, upper=False)  # [d, e]
    whitened = torch.linalg.solve_triangular(factor(hy), left.T, upper=False)  # [e, d]
    return torch.linalg.svdvals(whitened)[:n_components].sum()


class DeepCCA(nn.Module):
    """One network for each view, trained so that the outputs correlate; then linear CCA of the outputs.

    Args:
        x_network, y_network: modules from ``[n, p]`` and ``[n, q]`` to ``[n, d]`` and ``[n, e]``.
        n_components: number of pairs k, at most d and e.
        regularization: ridge on the covariances of the outputs.

    Example:
        >>> x, y = torch.rand(2, 500, 3, generator=torch.Generator().manual_seed(0))
        >>> model = DeepCCA(network(3, (8,), 2), network(3, (8,), 2), n_components=2)
        >>> history = model.fit(x, y, steps=5, batch_size=100)
        >>> len(history.train_loss), model.transform(x, y)[0].shape
        (5, torch.Size([500, 2]))
    """

    def __init__(self, x_network: nn.Module, y_network: nn.Module, n_components: int, regularization: float = 1e-3):
        super().__init__()
        self.x_network, self.y_network = x_network, y_network
        self.n_components = n_components
        self.regularization = regularization
        self._cca = CCA(n_components, regularization)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The outputs of both networks, ``[n, d]`` and ``[n, e]``."""
        return self.x_network(x), self.y_network(y)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Minus the sum of the correlations of a batch, to be minimised."""
        return -correlation_objective(*self(x, y), self.n_components, regularization=self.regularization)

    def fit(
        self,
        x: Array,
        y: Array,
        *,
        steps: int,
        batch_size: int = 1000,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        validation: tuple[Array, Array] | None = None,
        seed: int = 0,
        **options,
    ) -> training.History:
        """Train both networks with AdamW, then align their outputs by linear CCA.

        Args:
            x, y: ``[n, p]`` and ``[n, q]``, on the device of the networks.
            steps: number of batches.
            batch_size: rows of a batch; covariances of few rows are too noisy to learn from.
            validation: a pair of views whose loss is measured every ``validate_every`` steps (see ``options``).
            seed: of the choice of batches; batch number i depends on nothing else, so that training can be resumed.
            options: handed to :func:`course.training.fit`: ``validate_every``, ``patience``, ``checkpoint``, ...
        """
        x, y = self._own(x, y)
        validation = None if validation is None else self._own(*validation)

        batches = Batches(len(x), min(batch_size, len(x)), seed=seed, device=x.device)

        def closure(step: int) -> Tensor:
            rows = batches[step]
            return self.loss(x[rows], y[rows])

        @torch.no_grad()
        def validate() -> dict[str, float]:
            self.eval()
            return {"loss": float(self.loss(*validation))}

        self.train()
        optimizer = torch.optim.AdamW(self.parameters(), lr=lr, weight_decay=weight_decay)
        options = {"label": "deep CCA"} | options
        history = training.fit(
            self, closure, optimizer, steps=steps, validate=validate if validation else None, **options
        )
        self.align(x, y)
        return history

    def _own(self, x: Array, y: Array) -> tuple[Tensor, Tensor]:
        """The views as tensors of the networks' type, on their device."""
        check_views(x, y)
        pairs = ((self.x_network, as_tensor(x)), (self.y_network, as_tensor(y)))
        return tuple(view.to(next(network.parameters(), view)) for network, view in pairs)

    @torch.no_grad()
    def align(self, x: Array, y: Array) -> Self:
        """Linear CCA of the outputs for ``x [n, p]`` and ``y [n, q]``: sorts them into canonical variates."""
        self.eval()
        self._cca = fit_features(CCA(self.n_components, self.regularization), self, *self._own(x, y))
        return self

    @property
    def correlations(self) -> Array:
        """The canonical correlations of the outputs on the training rows, descending, ``[k]``."""
        return self._cca.correlations

    @torch.no_grad()
    def transform(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The canonical variates of any rows, both ``[n, k]``."""
        self.eval()
        zx, zy = transform_features(self._cca, self, *self._own(x, y))
        return like(zx, x), like(zy, y)

    score = CCA.score


def network(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """A perceptron with ReLU between its layers: ``[n, inputs] -> [n, outputs]``, such as deep CCA is built from."""
    widths = (inputs, *hidden, outputs)
    layers = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
