r"""How an error falls with the size of what was learned from: a power law, its floor, and where it bends.

Source: Hestness et al., *Deep learning scaling is predictable, empirically* (2017); Kaplan et al., *Scaling laws for
neural language models* (2020).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class PowerLaw(NamedTuple):
    r"""The law :math:`e(n) = c + a\,n^{-b}` (:eq:`outlook-power-law`): factor a, exponent b, floor c."""

    factor: float
    exponent: float
    floor: float

    def __call__(self, size: float | np.ndarray) -> float | np.ndarray:
        """The error at a size."""
        return self.floor + self.factor * np.asarray(size, float) ** -self.exponent


def power_law(sizes: Sequence[float], errors: Sequence[float], *, floor: bool = True) -> PowerLaw:
    r"""The law :eq:`outlook-power-law` with the least sum of squared *relative* errors,
    :math:`\sum_i (\log e(n_i) - \log e_i)^2`.

    Args:
        sizes: different and positive, at least two, or three with a floor.
        errors: positive, one for each size.
        floor: whether c is fitted (at least 0); otherwise c = 0, and the fit is a straight line in logarithms.

    Raises:
        ValueError: if sizes and errors do not fit, are too few, or are not positive and finite.

    Example:
        >>> [round(value, 3) for value in power_law([1, 10, 100], [1.1, 0.2, 0.11])]
        [1.0, 1.0, 0.1]
    """
    from scipy.optimize import least_squares

    n, e = np.asarray(sizes, float), np.asarray(errors, float)
    needed = 3 if floor else 2
    if n.ndim != 1 or n.shape != e.shape or len(np.unique(n)) < max(needed, len(n)):
        raise ValueError(f"need {needed} different sizes or more, with an error each; got {sizes} and {errors}")
    if not (np.isfinite(n).all() and np.isfinite(e).all() and (n > 0).all() and (e > 0).all()):
        raise ValueError(f"sizes and errors must be positive and finite, got {sizes} and {errors}")
    slope, start = np.polyfit(np.log(n), np.log(e), 1)
    if not floor:
        return PowerLaw(float(np.exp(start)), float(-slope), 0.0)

    def misses(values: np.ndarray) -> np.ndarray:
        log_factor, exponent, floor = values
        return np.log(floor + np.exp(log_factor - exponent * np.log(n))) - np.log(e)

    # The sum has more than one valley: begin with several floors, and the line that is right for each of them.
    found = []
    for share in (0.0, 0.5, 0.9, 0.99):
        least = share * e.min()
        slope, start = np.polyfit(np.log(n), np.log(e - least), 1)
        bounds = ([-np.inf, -np.inf, 0.0], [np.inf, np.inf, np.inf])
        found.append(least_squares(misses, [start, -slope, least], bounds=bounds, x_scale=[1, 1, e.min()], xtol=1e-12))
    log_factor, exponent, least = min(found, key=lambda each: each.cost).x
    return PowerLaw(float(np.exp(log_factor)), float(exponent), float(least))


def local_exponents(sizes: Sequence[float], errors: np.ndarray) -> np.ndarray:
    r"""The exponent between neighbouring sizes, :math:`-\Delta\log e / \Delta\log n`: where it changes, the law bends.

    Args:
        sizes: ``[k]``, ascending.
        errors: ``[..., k]``, positive.

    Returns:
        ``[..., k - 1]``.

    Raises:
        ValueError: if the sizes do not ascend, or a number is not positive.

    Example:
        >>> local_exponents([1, 10, 100], np.array([1.0, 0.1, 0.1])).round(2).tolist()
        [1.0, -0.0]
    """
    n, e = np.asarray(sizes, float), np.asarray(errors, float)
    if e.shape[-1:] != n.shape or not (np.diff(n) > 0).all() or not ((n > 0).all() and (e > 0).all()):
        raise ValueError(f"need ascending positive sizes and as many positive errors, got {sizes} and {list(e.shape)}")
    return -np.diff(np.log(e)) / np.diff(np.log(n))
