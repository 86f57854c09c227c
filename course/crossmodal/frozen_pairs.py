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
from course.crossmodal.dual_encoder import Centred, DualEncoder, linear_heads, train_pairs
from course.metrics import accuracy_of_ways, better_candidates

Map = Callable[[Tensor], Tensor]
Maps = tuple[Map, Map]  # from vectors [n, p] and [n, q] to vectors [n, d] of one space
Fit = Callable[[Tensor, Tensor], Maps]

PENALTIES = (3e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 3e-2, 1e-1)
COMPONENTS, RIDGES = (64, 128), (0.3, 1.0, 3.0, 10.0)
DROPOUTS, TEMPERATURES, RATES = (0.0, 0.5), (0.1, 0.3), (1e-3, 3e-3)


def ridge_maps(x: Tensor, y: Tensor, penalty: float) -> Maps:
    r"""Predict the vectors of y from those of x by ridge regression, and compare in the space of y.

    This is :eq:`background-ridge`.

    .. math:: B = (X^\top X + n\lambda I)^{-1} X^\top Y

    Args:
        x, y: training vectors ``[n, p]`` and ``[n, q]``; they are centred and scaled here.
        penalty: :math:`\lambda`, relative to a mean squared length of 1.
    """
    from_x, from_y = Centred(x), Centred(y)
    x, y = from_x(x).double(), from_y(y).double()
    ridge = len(x) * penalty * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weights = torch.linalg.solve(x.T @ x + ridge, x.T @ y).float()
    return lambda new: from_x(new) @ weights, from_y


def cca_maps(x: Tensor, y: Tensor, components: int, ridge: float) -> Maps:
    """Canonical variates, each weighted by its correlation, so that pairs that hardly correlate hardly count.

    Args:
        x, y: training vectors ``[n, p]`` and ``[n, q]``.
        components: the number of pairs, or all that there are.
        ridge: of :class:`~course.crossmodal.cca.CCA`, in units of the mean variance of a column of the narrower view.
    """
    from_x, from_y = Centred(x), Centred(y)
    least = min(x.shape[1], y.shape[1])
    model = CCA(min(components, least), ridge / least).fit(from_x(x), from_y(y))
    weights = [part * model.correlations for part in (model.x_weights, model.y_weights)]
    return lambda new: from_x(new) @ weights[0], lambda new: from_y(new) @ weights[1]


def contrastive_maps(
    x: Tensor,
    y: Tensor,
    dropout: float,
    temperature: float,
    rate: float,
    *,
    steps: int = 100,
    batch_size: int = 256,
    dimension: int = 128,
    locked: bool = False,
    bias: float | None = None,
    seed: int = 0,
    **options,
) -> Maps:
    """Linear heads trained by a contrastive loss.

    Args:
        x, y: training vectors ``[n, p]`` and ``[n, q]``.
        dropout: share of the numbers that are set to 0 in a training step, the regularisation of these maps.
        temperature: where the learned temperature begins.
        rate, steps, batch_size: of AdamW; a pair's negatives are the others of its batch.
        dimension: of the shared space.
        locked: y keeps its own space, and only x has a head, as in LiT.
        bias: ``None`` for the softmax loss; a number for SigLIP's, where its bias begins.
        seed: of the first weights.
        options: handed to :func:`~course.crossmodal.dual_encoder.train_pairs`.
    """
    generator = torch.Generator(x.device).manual_seed(seed)
    heads = linear_heads(x, y, y.shape[1] if locked else dimension, dropout=dropout, generator=generator)
    towers = heads[0], Centred(y) if locked else heads[1]
    model = DualEncoder(*towers, temperature=temperature, bias=bias).to(x.device)
    if steps:
        size = min(batch_size, len(x))
        train_pairs(model, x, y, steps=steps, batch_size=size, rate=rate, weight_decay=0.1, **options)
    model.requires_grad_(False).eval()
    return model.x_tower, model.y_tower


def trials(method: Callable[..., Maps], *grids: Iterable, **options) -> list[Fit]:
    """One fit for each combination of settings."""
    return [partial(_with, method, setting, options) for setting in product(*grids)]


def _with(method: Callable[..., Maps], setting: tuple, options: dict, x: Tensor, y: Tensor) -> Maps:
    return method(x, y, *setting, **options)


METHODS: dict[str, list[Fit]] = {  # eight trials each
    "ridge regression": trials(ridge_maps, PENALTIES),
    "CCA": trials(cca_maps, COMPONENTS, RIDGES),
    "contrastive heads": trials(contrastive_maps, DROPOUTS, TEMPERATURES, RATES),
    "contrastive picture head, texts locked": trials(contrastive_maps, DROPOUTS, TEMPERATURES, RATES, locked=True),
    "contrastive heads, sigmoid loss": trials(contrastive_maps, DROPOUTS, TEMPERATURES, RATES, bias=-5.0),
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
