r"""Maps whose values are chances: a row of probabilities for each element, called a Markov kernel.

Where one element has several values (a name with several pictures), a function must choose or give up. A kernel gives
each value its share. A function is the special case in which every row has a single 1.

Sources: Giry, *A categorical approach to probability theory* (1982); Fritz, *A synthetic approach to Markov kernels,
conditional independence and theorems on sufficient statistics* (2020).
"""

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor


def checked(kernel: Tensor) -> Tensor:
    """The kernel in float64; ValueError unless it is a matrix whose rows are probabilities."""
    kernel = kernel.double()
    if kernel.dim() != 2 or not ((kernel >= 0).all() and (kernel.sum(1) - 1).abs().max() < 1e-6):
        raise ValueError(f"a kernel must be [n, m] with rows of probabilities that sum to 1, got {list(kernel.shape)}")
    return kernel


def kernel_of_pairs(pairs: Sequence[tuple[int, int]], n: int, m: int) -> Tensor:
    r"""The shares of the values of each element, ``[n, m]``: :eq:`concepts-kernel`.

    .. math:: K_{xy} = \frac{\#(x, y)}{\sum_{y'} \#(x, y')}

    Args:
        pairs: element and value, as numbers below n and below m; a pair counts as often as it occurs.
        n, m: how many elements and values there are.

    Raises:
        ValueError: if an element has no value: nothing is known of it, not even chances.

    Example:
        >>> kernel_of_pairs([(0, 0), (0, 1), (1, 1)], 2, 2)
        tensor([[0.5000, 0.5000],
                [0.0000, 1.0000]], dtype=torch.float64)
    """
    counts = torch.zeros(n, m, dtype=torch.float64)
    for x, y in pairs:
        counts[x, y] += 1
    sums = counts.sum(1, keepdim=True)
    if not (sums > 0).all():
        raise ValueError(f"element {int((sums == 0).nonzero()[0, 0])} has no value: leave it out, or give it one")
    return counts / sums


def kernel_of_function(values: Sequence[int], m: int) -> Tensor:
    """A function as a kernel, ``[n, m]``: row x has its 1 at ``values[x]``."""
    return kernel_of_pairs(list(enumerate(values)), len(values), m)


def then(first: Tensor, second: Tensor) -> Tensor:
    r"""One kernel after another, ``[n, k]``: :eq:`concepts-chapman`.

    .. math:: (K \mathbin{;} L)_{xz} = \sum_y K_{xy} L_{yz}

    The chance draw of the second must depend on y alone, and not on what has led there.

    Args:
        first: ``[n, m]``.
        second: ``[m, k]``.

    Raises:
        ValueError: if the shapes do not fit, or rows are no probabilities.
    """
    first, second = checked(first), checked(second)
    if first.shape[1] != len(second):
        raise ValueError(f"the first ends in {first.shape[1]} values, the second begins with {len(second)}")
    return first @ second


def bits_open(kernel: Tensor, weights: Tensor | None = None) -> float:
    r"""The bits that chance still decides: :eq:`concepts-kernel-bits`.

    .. math:: H(y \mid x) = -\sum_x p(x) \sum_y K_{xy} \log_2 K_{xy}

    0 exactly for functions.

    Args:
        kernel: ``[n, m]``.
        weights: p, ``[n]``, summing to 1; without, every element alike.

    Raises:
        ValueError: if the rows or the weights are no probabilities.
    """
    kernel = checked(kernel)
    weights = torch.full((len(kernel),), 1 / len(kernel)) if weights is None else weights
    [weights] = checked(weights[None])
    surprise = -torch.special.xlogy(kernel, kernel).sum(1) / log(2)
    return (weights @ surprise).item() + 0.0  # no -0.0
