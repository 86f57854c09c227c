r"""Three views of one thing, two of the three pairs in training: what reaches the third pair, and what need not.

Source: Girdhar et al., *ImageBind: one embedding space to bind them all* (2023), where pictures are in the middle.
"""

from collections.abc import Mapping, Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.crossmodal.contrastive import cosine_scores, symmetric_loss
from course.data import Batches
from course.training import fit


def third_correlation(first: float, second: float) -> tuple[float, float]:
    r"""The least and the largest correlation of x and z, if x and y have one and y and z have another.

    .. math:: r_{xy} r_{yz} \pm \sqrt{(1 - r_{xy}^2)(1 - r_{yz}^2)}

    This is :eq:`outlook-triangle`: a matrix of correlations has no negative eigenvalue.

    Raises:
        ValueError: if a correlation is not between -1 and 1.

    Example:
        >>> [round(bound, 2) for bound in third_correlation(0.7, 0.7)]
        [-0.02, 1.0]
    """
    for value in (first, second):
        if not -1 <= value <= 1:
            raise ValueError(f"a correlation lies between -1 and 1, got {value}")
    middle, half = first * second, sqrt((1 - first**2) * (1 - second**2))
    return middle - half, middle + half


class Spaces(nn.Module):
    """A tower for each view into one space, and a temperature for all pairs.

    Args:
        towers: by the name of the view; each maps ``[n, p]`` to ``[n, d]``.
        temperature: where the learned temperature begins.
    """

    def __init__(self, towers: Mapping[str, nn.Module], temperature: float = 0.1):
        super().__init__()
        self.towers = nn.ModuleDict(towers)
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())

    def forward(self, view: str, x: Tensor) -> Tensor:
        """Unit vectors of a view, ``[n, d]``."""
        return F.normalize(self.towers[view](x), dim=-1)

    def loss(self, names: tuple[str, str], pair: tuple[Tensor, Tensor]) -> Tensor:
        """The symmetric InfoNCE of a batch of pairs of two views."""
        one, other = (self(name, x) for name, x in zip(names, pair, strict=True))
        return symmetric_loss(cosine_scores(one, other, self.log_temperature.exp()))


def train_spaces(
    model: Spaces,
    pairs: Sequence[tuple[tuple[str, str], tuple[Tensor, Tensor]]],
    *,
    steps: int,
    batch_size: int,
    rate: float,
    seed: int = 0,
    **options,
) -> None:
    """Train all towers; a step takes a batch of every sort of pair and adds the losses.

    Args:
        pairs: for each sort the names of its two views, and their rows ``[n, p]`` and ``[n, q]``.
        steps, batch_size, rate: of AdamW.
        seed: of the batches.
        options: handed to :func:`course.training.fit`.
    """
    device = model.log_temperature.device
    batches = [Batches(len(x), batch_size, seed=seed + i, device=device) for i, (_, (x, _)) in enumerate(pairs)]

    def loss(step: int) -> Tensor:
        parts = zip(pairs, (each[step] for each in batches), strict=True)
        return sum(model.loss(names, (x[rows], y[rows])) for (names, (x, y)), rows in parts)

    fit(model, loss, torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01), steps=steps, **options)
