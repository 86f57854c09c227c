r"""Seen and unseen classes together, and pictures of neither: what a zero-shot classifier meets outside of a benchmark.

A classifier that was trained on some classes prefers them. Calibrated stacking takes a constant from their scores; the
harmonic mean is high only where both kinds are recognised.

Sources: Chao et al., *An empirical study and analysis of generalized zero-shot learning* (2016); Xian et al.,
*Zero-shot learning: a comprehensive evaluation* (2018).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from course.applications.hubs import require_matrix
from course.data.sets import described


class Both(NamedTuple):
    """Shares from 0 to 1 that are right among *all* classes: of pictures of unseen classes and of seen ones."""

    unseen: float
    seen: float

    @property
    def harmonic(self) -> float:
        """The harmonic mean of both."""
        return harmonic_mean(self.unseen, self.seen)


def harmonic_mean(a: float, b: float) -> float:
    r""":math:`\frac{2ab}{a+b}`, and 0 if both are: :eq:`zeroshot-harmonic`.

    Example:
        >>> harmonic_mean(0.5, 0.5), harmonic_mean(0.0, 1.0)
        (0.5, 0.0)
    """
    if a < 0 or b < 0:
        raise ValueError(f"shares cannot be negative, got {a} and {b}")
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def stacked(scores: Tensor, seen: Tensor, constant: float) -> Tensor:
    r"""Scores less a constant for the seen classes: :eq:`zeroshot-stacking`.

    .. math:: s'_{ic}=s_{ic}-\gamma\,[c\text{ was seen in training}]

    Args:
        scores: ``[n, C]``.
        seen: ``bool [C]``.
        constant: :math:`\gamma`.
    """
    require_kinds(scores, seen)
    return scores - constant * seen.to(scores)


def accuracy_of_both(scores: Tensor, labels: Tensor, seen: Tensor) -> Both:
    """What share of the pictures of either kind of class is named rightly among all of them.

    Args:
        scores: ``[n, C]``.
        labels: ``int64 [n]``; pictures of both kinds.
        seen: ``bool [C]``.

    Raises:
        ValueError: if the shapes do not fit, or there are no pictures of one kind.
    """
    require_kinds(scores, seen)
    of_seen = seen[labels]
    if of_seen.all() or not of_seen.any():
        raise ValueError("pictures of seen and of unseen classes are needed, got one kind only")
    right = (scores.argmax(1) == labels).double()
    return Both(right[~of_seen].mean().item(), right[of_seen].mean().item())


def best_constant(scores: Tensor, labels: Tensor, seen: Tensor) -> float:
    """The constant of :func:`stacked` with the largest harmonic mean; exact, since the mean changes at n places only.

    At :math:`g_i=\\max_{\\text{seen}}s_{ic}-\\max_{\\text{unseen}}s_{ic}` picture i goes from the seen classes to the
    unseen. Between two of these places nothing changes, so the middles are tried; of equal ones the smallest is taken.

    Args:
        scores: ``[n, C]`` of validation pictures.
        labels, seen: as of :func:`accuracy_of_both`.
    """
    accuracy_of_both(scores, labels, seen)  # for its errors
    best_seen, best_unseen = (scores[:, kind].max(1).values for kind in (seen, ~seen))
    kind = seen[labels]
    own = scores.gather(1, labels[:, None])[:, 0]
    right = torch.where(kind, own >= best_seen, own >= best_unseen).double()  # within the own kind
    gaps, order = (best_seen - best_unseen).double().sort()
    kind, right = kind[order], right[order]
    # with the constant above the first j gaps, these j pictures go to the unseen classes and all others to the seen
    zero = right.new_zeros(1)
    unseen = torch.cat([zero, (right * ~kind).cumsum(0)]) / (~kind).sum()
    lost = torch.cat([zero, (right * kind).cumsum(0)])
    of_seen = (lost[-1] - lost) / kind.sum()
    both = 2 * unseen * of_seen / (unseen + of_seen).clamp_min(1e-300)
    middles = torch.cat([gaps[:1] - 1, (gaps[1:] + gaps[:-1]) / 2, gaps[-1:] + 1])
    split = torch.cat([gaps.new_ones(1, dtype=torch.bool), gaps[1:] > gaps[:-1], gaps.new_ones(1, dtype=torch.bool)])
    return middles[both.masked_fill(~split, -1).argmax()].item()  # equal gaps go together


def auroc(inside: Tensor, outside: Tensor) -> float:
    r"""How often a score of ``inside`` is above one of ``outside``, over all pairs, ties by half: :eq:`zeroshot-auroc`.

    Args:
        inside, outside: ``[n]`` and ``[m]``, such as the best score of pictures whose class is described and of others.

    Raises:
        ValueError: if one is empty.

    Example:
        >>> auroc(torch.tensor([0.9, 0.8, 0.5]), torch.tensor([0.5, 0.1]))
        0.9166666666666666
    """
    if inside.dim() != 1 or outside.dim() != 1 or not len(inside) or not len(outside):
        raise ValueError(
            f"scores must be [n] and [m], at least one each, got {described(inside)}, {described(outside)}"
        )
    below, below_or_equal = (torch.searchsorted(outside.sort().values, inside, right=right) for right in (False, True))
    return ((below + below_or_equal).double() / 2).mean().item() / len(outside)


def require_kinds(scores: Tensor, seen: Tensor) -> None:
    """Raise ValueError unless ``seen`` says of each class of the scores whether it was seen, and both kinds occur."""
    require_matrix(scores)
    if seen.dtype != torch.bool or seen.shape != scores.shape[1:] or seen.all() or not seen.any():
        raise ValueError(f"seen must be bool [classes] with both kinds, got {described(seen)} for {described(scores)}")
