r"""A description and a few pictures of a class, mixed: how many pictures is a text worth?

If the true centre of a class lies around the place that its description predicts, and pictures around the centre, the
best guess of the centre is a weighted mean. The only unknown is the ratio of the two variances.

Source: the posterior mean of a Gaussian with a Gaussian prior, as in any textbook.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from course.data.sets import described


def mixed_prototypes(text: Tensor, shots: Tensor, worth: float) -> Tensor:
    r"""Class vectors from a description and K pictures of each class: :eq:`zeroshot-mixed`.

    .. math:: m_c=\frac{\kappa\,t_c+\sum_{k=1}^Kx_{ck}}{\kappa+K}

    Args:
        text: where the descriptions lie, ``[C, d]``.
        shots: where the pictures lie, ``[C, K, d]``; K may be 0.
        worth: :math:`\kappa`, how many pictures a text counts for; 0 forgets it, and then K must be at least 1.

    Returns:
        ``[C, d]``.

    Raises:
        ValueError: if the shapes do not fit, the worth is negative, or nothing is left to be mixed.

    Example:
        >>> mixed_prototypes(torch.tensor([[0.0, 3.0]]), torch.tensor([[[3.0, 0.0], [3.0, 3.0]]]), worth=1.0).tolist()
        [[2.0, 2.0]]
    """
    if shots.dim() != 3 or text.shape != (shots.shape[0], shots.shape[2]):
        raise ValueError(f"text must be [C, d] and shots [C, K, d], got {described(text)} and {described(shots)}")
    if not worth >= 0 or worth + shots.shape[1] == 0:
        raise ValueError(f"a worth of {worth!r} with {shots.shape[1]} pictures leaves nothing to be mixed")
    return (worth * text + shots.sum(1)) / (worth + shots.shape[1])


def best_worth(text: Tensor, shots: Tensor, queries: Tensor, worths: Sequence[float]) -> float:
    """The worth with which the most queries find their class, by cosine; of equal ones the first.

    Args:
        text, shots: as of :func:`mixed_prototypes`.
        queries: other pictures of the same classes, ``[C, Q, d]``.
        worths: those to try.
    """
    found = [named(mixed_prototypes(text, shots, worth), queries) for worth in worths]
    return worths[found.index(max(found))]


def named(prototypes: Tensor, queries: Tensor) -> float:
    """The share of queries ``[C, Q, d]`` whose nearest prototype of ``[C, d]``, by cosine, is their own."""
    scores = F.normalize(queries, dim=2) @ F.normalize(prototypes, dim=1).T
    own = torch.arange(len(prototypes), device=prototypes.device)[:, None]
    return (scores.argmax(2) == own).double().mean().item()
