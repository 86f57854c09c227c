"""How sure is a mean of a few runs? Its 95 % interval by Student's t.

Many hundred tasks have the normal interval instead, :py:func:`course.meta_learning.evaluation.interval95`.
"""

import math

import torch
from torch import Tensor


def t_interval95(values) -> tuple[Tensor, Tensor]:
    r"""Mean and half width of the 95 % interval of n independent values, :math:`t_{n-1,\,0.975}\, s/\sqrt n`.

    Args:
        values: ``[n, ...]``, a tensor, an array or a list; each row is one run, n at least 2.

    Returns:
        Mean and half width, ``[...]`` in float64, with s the sample standard deviation (denominator n - 1).

    Raises:
        ValueError: for fewer than two values, which have no interval.
    """
    from scipy.stats import t

    values = torch.as_tensor(values, dtype=torch.float64)
    n = len(values) if values.dim() else 1
    if n < 2:
        raise ValueError(f"an interval needs at least 2 independent values along the first axis, got {n}")
    return values.mean(0), float(t.ppf(0.975, n - 1)) / math.sqrt(n) * values.std(0)
