r"""Hubs: descriptions that are the answer to far too many pictures, how to count them, and how to quieten them.

In many dimensions some points are near neighbours of very many others. Where the answer is the nearest description,
a hub takes the pictures of its neighbours. Both repairs subtract from a description what it gets from everybody.

Sources: Radovanović, Nanopoulos and Ivanović, *Hubs in space* (2010); Conneau et al., *Word translation without
parallel data* (2018); Smith et al., *Offline bilingual word vectors, orthogonal transformations and the inverted
softmax* (2017).
"""

import math

import torch
from torch import Tensor

from course.arguments import require_whole
from course.data.sets import described


def occurrences(scores: Tensor, k: int) -> Tensor:
    r"""How often each class is among the k best of a picture: :eq:`zeroshot-occurrences`.

    .. math:: N_k(c)=\#\{i: c\text{ is among the k largest of }s_{i1},\dots,s_{iC}\}

    Args:
        scores: ``[n, C]`` of pictures and classes.
        k: at most C.

    Returns:
        ``int64 [C]``; the sum is n k.

    Example:
        >>> occurrences(torch.tensor([[3.0, 2.0, 1.0], [3.0, 1.0, 2.0]]), 1).tolist()
        [2, 0, 0]
    """
    require_matrix(scores)
    require_whole("k", k, most=scores.shape[1])
    return torch.bincount(scores.topk(k, dim=1).indices.flatten(), minlength=scores.shape[1])


def skewness(counts: Tensor) -> float:
    r"""The skewness of some numbers: :eq:`zeroshot-skewness`; 0 where they are symmetric, large where there are hubs.

    .. math:: \frac{\frac1C\sum_c(N_c-\bar N)^3}{\bigl(\frac1C\sum_c(N_c-\bar N)^2\bigr)^{3/2}}

    Returns:
        The number; 0 if all are equal.

    Example:
        >>> skewness(torch.tensor([1, 1, 1, 1])), round(skewness(torch.tensor([0, 0, 0, 4])), 4)
        (0.0, 1.1547)
    """
    off = counts.double() - counts.double().mean()
    spread = off.square().mean()
    return float(off.pow(3).mean() / spread.pow(1.5)) if spread > 0 else 0.0


def csls(scores: Tensor, references: Tensor, k: int) -> Tensor:
    r"""Scores less half of what a class gets from the k pictures that like it most: :eq:`zeroshot-csls`.

    .. math:: s'_{ic}=s_{ic}-\tfrac12r_c,\qquad r_c=\frac1k\sum_{\text{k largest }j}s^{\text{ref}}_{jc}

    This is *cross-domain similarity local scaling*, halved and without the term of the picture, which changes no
    answer.

    Args:
        scores: ``[n, C]`` of new pictures.
        references: ``[m, C]`` of the pictures by which a hub is recognised; with training pictures an answer depends on
            no other new picture.
        k: at most m.

    Returns:
        ``[n, C]``.
    """
    require_references(scores, references)
    require_whole("k", k, most=len(references))
    return scores - references.topk(k, dim=0).values.mean(0) / 2


def inverted_softmax(scores: Tensor, references: Tensor, temperature: float) -> Tensor:
    r"""By which class is a picture wanted most, compared with all others: :eq:`zeroshot-inverted`.

    .. math:: s'_{ic}=s_{ic}-\tau\ln\frac1m\sum_je^{s^{\text{ref}}_{jc}/\tau}

    Args:
        scores: ``[n, C]`` of new pictures.
        references: ``[m, C]``, as of :func:`csls`.
        temperature: :math:`\tau`; as it goes to 0, the largest reference is subtracted, as it grows, their mean.

    Returns:
        ``[n, C]``.
    """
    require_references(scores, references)
    if not temperature > 0:
        raise ValueError(f"the temperature must be positive, got {temperature!r}")
    return scores - temperature * ((references / temperature).logsumexp(0) - math.log(len(references)))


def require_matrix(scores: Tensor) -> None:
    """Raise ValueError unless scores are ``[n, C]`` with at least one of each."""
    if scores.dim() != 2 or 0 in scores.shape:
        raise ValueError(f"scores must be [pictures, classes], got {described(scores)}")


def require_references(scores: Tensor, references: Tensor) -> None:
    """Raise ValueError unless both are of the same classes."""
    require_matrix(scores)
    require_matrix(references)
    if scores.shape[1] != references.shape[1]:
        raise ValueError(
            f"scores and references must have the same classes, got {described(scores)} and {described(references)}"
        )
