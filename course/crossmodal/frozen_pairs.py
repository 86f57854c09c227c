"""Frozen encoders, aligned by linear maps: ridge regression, CCA and contrastive heads, with equal trials for each.

Pictures and texts become vectors once. What is learned is a matrix for each side. Every method here takes training
pairs and one setting, and returns a map for either side; :func:`best_of` tries the settings of a method in validation.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product

import torch
from torch import Tensor

from course.crossmodal.cca import CCA
from course.crossmodal.dual_encoder import DualEncoder, Shift, linear_heads, train_pairs
from course.metrics import accuracy_of_ways, better_candidates

Map = Callable[[Tensor], Tensor]
Maps = tuple[Map, Map]  # from vectors [n, p] and [n, q] to vectors [n, d] of one space
Fit = Callable[[Tensor, Tensor], Maps]

PENALTIES = (1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2, 3e-2, 5e-2, 1e-1, 3e-1)
COMPONENTS, RIDGES = (64, 128, 256), (1e-4, 1e-3, 3e-3, 1e-2)
TEMPERATURES, RATES = (0.03, 0.07, 0.15, 0.3), (1e-3, 3e-3, 1e-2)


def centred(view: Tensor) -> Shift:
    """Subtracts the mean of the training vectors, and divides by the root of their mean squared length."""
    mean = view.mean(0)
    return Shift(mean, (view - mean).square().sum(1).mean().sqrt())


def ridge_maps(x: Tensor, y: Tensor, penalty: float) -> Maps:
    r"""Predict the vectors of y from those of x by ridge regression, and compare in the space of y.

    .. math:: B = (X^\top X + n\lambda I)^{-1} X^\top Y

    Args:
        x, y: training vectors ``[n, p]`` and ``[n, q]``; they are centred and scaled here.
        penalty: :math:`\lambda`, relative to a mean squared length of 1.
    """
    from_x, from_y = centred(x), centred(y)
    x, y = from_x(x).double(), from_y(y).double()
    ridge = len(x) * penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weights = torch.linalg.solve(x.T @ x + ridge, x.T @ y).float()
    return lambda new: from_x(new) @ weights, from_y


def cca_maps(x: Tensor, y: Tensor, components: int, ridge: float) -> Maps:
    """Canonical variates, each weighted by its correlation, so that pairs that hardly correlate hardly count.

    Args:
        x, y: training vectors ``[n, p]`` and ``[n, q]``.
        components: the number of pairs, or all that there are.
        ridge: of :class:`~course.crossmodal.cca.CCA`, relative to a mean squared length of 1.
    """
    from_x, from_y = centred(x), centred(y)
    least = min(x.shape[1], y.shape[1])
    model = CCA(min(components, least), ridge / least).fit(from_x(x), from_y(y))
    weights = [part * model.correlations for part in (model.x_weights, model.y_weights)]
    return lambda new: from_x(new) @ weights[0], lambda new: from_y(new) @ weights[1]


def contrastive_maps(
    x: Tensor,
    y: Tensor,
    temperature: float,
    rate: float,
    *,
    steps: int = 150,
    dimension: int = 256,
    bias: float | None = None,
    seed: int = 0,
    **options,
) -> Maps:
    """Linear heads trained by a contrastive loss, all training pairs in one batch.

    Args:
        x, y: training vectors ``[n, p]`` and ``[n, q]``.
        temperature: where the learned temperature begins.
        rate, steps: of AdamW.
        dimension: of the shared space.
        bias: ``None`` for the softmax loss; a number for SigLIP's, where its bias begins.
        seed: of the first weights.
        options: handed to :func:`~course.crossmodal.dual_encoder.train_pairs`.
    """
    heads = linear_heads(x, y, dimension, generator=torch.Generator(x.device).manual_seed(seed))
    model = DualEncoder(*heads, temperature=temperature, bias=bias).to(x.device)
    if steps:
        train_pairs(model, x, y, steps=steps, batch_size=len(x), rate=rate, weight_decay=0.1, **options)
    model.requires_grad_(False)
    return model.x_tower, model.y_tower


def trials(method: Callable[..., Maps], *grids: Iterable, **options) -> list[Fit]:
    """One fit for each combination of settings."""
    return [partial(_with, method, setting, options) for setting in product(*grids)]


def _with(method: Callable[..., Maps], setting: tuple, options: dict, x: Tensor, y: Tensor) -> Maps:
    return method(x, y, *setting, **options)


METHODS: dict[str, list[Fit]] = {  # twelve trials each
    "ridge regression": trials(ridge_maps, PENALTIES),
    "CCA": trials(cca_maps, COMPONENTS, RIDGES),
    "contrastive heads": trials(contrastive_maps, TEMPERATURES, RATES),
    "contrastive heads, sigmoid loss": trials(contrastive_maps, TEMPERATURES, RATES, bias=-5.0),
}


def ways(maps: Maps, x: Tensor, y: Tensor, count: int = 20) -> float:
    """How often a y finds its x among ``count`` candidates of those given, in the mean over all draws of the others."""
    better = better_candidates(maps[1](y), maps[0](x))
    return accuracy_of_ways(better, len(x), min(count, len(x)))


def best_of(fits: Sequence[Fit], train: tuple[Tensor, Tensor], validation: tuple[Tensor, Tensor]) -> tuple[Maps, int]:
    """The maps of the setting that finds the most in validation, 20-way, and its number; of equal ones the first."""
    found = [fit(*train) for fit in fits]
    scores = [ways(maps, *validation) for maps in found]
    best = scores.index(max(scores))
    return found[best], best
