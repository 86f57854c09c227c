"""To write: the idea of the chapter in two sentences, and the paper.

An example to be replaced: the centroid, the simplest map from a small data set to a vector.
"""

from torch import Tensor


def centroid(x: Tensor) -> Tensor:
    r"""The mean :math:`m = \frac1n \sum_i x_i` of some vectors (:eq:`crosslingual-centroid`).

    Args:
        x: the vectors, ``[n, d]``.

    Returns:
        Their mean, ``[d]``.

    Raises:
        ValueError: if there are none, or if they do not form a matrix.

    Example:
        >>> import torch
        >>> centroid(torch.tensor([[0.0, 2.0], [4.0, 0.0]]))
        tensor([2., 1.])
    """
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"x is {list(x.shape)}, and must be [n, d] with at least one row")
    return x.mean(0)
