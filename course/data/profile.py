r"""What a data set is as numbers, before anybody says what they mean: how many, how smooth, how many that count.

Pictures, names and sounds are recorded by different instruments. These few numbers say how differently, so that nobody
compares a distance between two sounds with one between two pictures.

Source of the effective dimension, there called participation ratio: Gao, Trautmann, Yu, Santhanam, Ryu, Shenoy and
Ganguli, *A theory of multineuronal dimensionality, dynamics and measurement* (2017).
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def effective_dimension(x: Tensor) -> float:
    r"""How many directions carry the variance: :eq:`background-effective-dimension`.

    .. math:: d = \frac{(\sum_i \lambda_i)^2}{\sum_i \lambda_i^2}
        = \frac{\lVert X_c \rVert_F^4}{\lVert X_c X_c^\top \rVert_F^2}

    with the eigenvalues :math:`\lambda_i` of the covariance; they need not be computed. It is k if k directions have
    equal variance and the others none, and it can be no more than n - 1: few rows look like few dimensions.

    Args:
        x: ``[n, p]``, one row an example.

    Raises:
        ValueError: if x is no matrix of at least two rows, or its rows are all equal.

    Example:
        >>> effective_dimension(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
        2.0
    """
    if x.dim() != 2 or len(x) < 2:
        raise ValueError(f"two rows or more are needed, [n, p], got {list(x.shape)}")
    centred = x.double() - x.double().mean(0)
    gram = centred @ centred.T if x.shape[0] <= x.shape[1] else centred.T @ centred
    if not gram.diagonal().sum() > 0:
        raise ValueError("all rows are equal: there is no variance to have a dimension")
    return (gram.diagonal().sum().square() / gram.square().sum()).item()


def next_correlation(x: Tensor) -> float:
    """The correlation of a number with the next one along the last axis, over all that x holds.

    Near 1 for a smooth recording, near 0 where neighbours have nothing to do with each other.

    Args:
        x: ``[..., length]``, length at least 2; NaN marks what is only padding.

    Raises:
        ValueError: if there are fewer than two pairs of neighbours that are no padding, or numbers that do not vary.

    Example:
        >>> round(next_correlation(torch.tensor([1.0, 2.0, 3.0, 4.0])), 6)
        1.0
    """
    one, two = x[..., :-1].double().flatten(), x[..., 1:].double().flatten()
    there = ~(one.isnan() | two.isnan())
    if there.sum() < 2:
        raise ValueError(f"two pairs of neighbours or more are needed, got {int(there.sum())} in {list(x.shape)}")
    pair = torch.stack([one[there], two[there]])
    if not (pair.std(1) > 0).all():
        raise ValueError("the numbers do not vary: a correlation needs numbers that do")
    return torch.corrcoef(pair)[0, 1].item()


def variance_within(x: Tensor, labels: Tensor) -> float:
    r"""The share of the variance that is left among recordings of one thing: :eq:`background-variance-within`.

    .. math:: \frac{\sum_i \lVert x_i - \bar x_{y_i} \rVert^2}{\sum_i \lVert x_i - \bar x \rVert^2}

    0: a recording says nothing but what it shows. 1: what it shows does not move the mean. With classes of m recordings
    each, numbers that know nothing of the classes have about 1 - 1/m.

    Args:
        x: ``[n, p]``.
        labels: what each row shows, ``int64 [n]``.

    Raises:
        ValueError: if the shapes do not fit, or the rows are all equal.

    Example:
        >>> x = torch.tensor([[0.0], [2.0], [10.0], [12.0]])
        >>> round(variance_within(x, torch.tensor([0, 0, 1, 1])), 4)  # 4 of 104
        0.0385
    """
    if x.dim() != 2 or labels.shape != x.shape[:1]:
        raise ValueError(f"x must be [n, p] and labels [n], got {list(x.shape)} and {list(labels.shape)}")
    x = x.double()
    total = (x - x.mean(0)).square().sum()
    if not total > 0:
        raise ValueError("all rows are equal: there is no variance to divide")
    _, own = labels.unique(return_inverse=True)
    sums = torch.zeros(int(own.max()) + 1, x.shape[1], dtype=x.dtype, device=x.device).index_add(0, own, x)
    means = sums / own.bincount()[:, None]
    return ((x - means[own]).square().sum() / total).item()


def letters(texts: Sequence[str]) -> Tensor:
    """The code points of texts, ``float32 [n, longest]``; NaN after the end of a text.

    Raises:
        ValueError: if there is no text, or all are empty.

    Example:
        >>> letters(["ab", "c"])
        tensor([[97., 98.],
                [99., nan]])
    """
    longest = max(map(len, texts), default=0)
    if not longest:
        raise ValueError("there are no letters: hand over a text that is not empty")
    codes = torch.full((len(texts), longest), float("nan"))
    for row, text in zip(codes, texts, strict=True):
        row[: len(text)] = torch.tensor([float(ord(letter)) for letter in text])
    return codes
