r"""Two routes from one place to another: a square of maps commutes if they agree, and data say by how much they do not.

From an English name to a picture one can go straight, or by way of German. In theory both arrive at the same point; in
practice the distance of the two arrivals is measured, in units of the distance of two arrivals that are no pair.
"""

import torch
from torch import Tensor


def commuting_defect(one: Tensor, other: Tensor) -> float:
    r"""How far two routes differ: :eq:`concepts-defect`.

    .. math:: \delta = \frac{\frac1n \sum_i \lVert u_i - v_i \rVert^2}
        {\frac1{n(n-1)} \sum_{i \ne j} \lVert u_i - v_j \rVert^2}

    0: the square commutes on these elements. 1: the routes agree no better than those of two different elements, which
    is also the mean over all ways to shuffle one route (a little less than 1, for the shuffles that leave some pair in
    its place). Shifts, turns and changes of unit that both routes share do not matter. It says nothing about whether
    the place of arrival is right.

    Args:
        one, other: where each element arrives by either route, ``[n, d]``, n at least 2.

    Raises:
        ValueError: if the shapes differ, there is one row only, or everything arrives at one point: such a square
            commutes, and says nothing.

    Example:
        >>> one = torch.tensor([[0.0], [2.0]])
        >>> commuting_defect(one, one), commuting_defect(one, torch.tensor([[0.0], [0.0]]))
        (0.0, 1.0)
    """
    if one.dim() != 2 or one.shape != other.shape or len(one) < 2:
        raise ValueError(
            f"both routes must be [n, d] with n of at least 2, got {list(one.shape)} and {list(other.shape)}"
        )
    u, v = one.double(), other.double()
    squared = torch.cdist(u, v, compute_mode="donot_use_mm_for_euclid_dist").square()
    own, n = squared.diagonal().sum(), len(u)
    others = (squared.sum() - own) / (n * (n - 1))
    if not others > 0:
        raise ValueError("every element arrives at one point: such a square commutes, whatever the maps are")
    return (own / n / others).item()
