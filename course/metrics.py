"""Numbers that say how good a map is, and how sure the number is: intervals, correlations, accuracy between views."""

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole

Z95 = 1.959964  # 97.5 % quantile of the standard normal distribution


def t_interval95(values) -> tuple[Tensor, Tensor]:
    r"""Mean and half width of the 95 % interval of a few independent runs, :math:`t_{n-1,\,0.975}\, s/\sqrt n`.

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
    return values.mean(0), float(t.ppf(0.975, n - 1)) / sqrt(n) * values.std(0)


def interval95(values: Tensor) -> tuple[float, float]:
    r"""Mean and half width of the 95 % interval over many tasks, :math:`\bar a \pm 1.96\, s / \sqrt n`.

    This is :eq:`maml-interval`, with the sample standard deviation s. A few runs have :func:`t_interval95` instead.

    Args:
        values: ``[n]``, one number for each independent task.

    Raises:
        ValueError: for fewer than two values, or more than one axis.
    """
    if values.dim() != 1 or len(values) < 2:
        raise ValueError(f"an interval needs one number for each of at least two tasks, got shape {list(values.shape)}")
    values = values.double()
    return values.mean().item(), Z95 * values.std().item() / sqrt(len(values))


def calibration_error(posteriors: Tensor, labels: Tensor, bins: int = 15) -> float:
    r"""How far the largest probability is from the share that is right, on average: :eq:`fusion-calibration`.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n}\,\bigl|\mathrm{right}_b - \mathrm{sure}_b\bigr|

    over bins of equal width, with :math:`\mathrm{right}_b` the share of right answers in a bin and
    :math:`\mathrm{sure}_b` the mean of the largest probabilities there. Few examples make it larger than it is.

    Args:
        posteriors: ``[n, classes]``, rows of probabilities.
        labels: ``int64 [n]``.
        bins: from 0 to 1.

    Raises:
        ValueError: if the shapes do not fit, or a row does not sum to 1.

    Example:
        >>> sure = torch.tensor([[0.9, 0.1]] * 4)
        >>> round(calibration_error(sure, torch.tensor([0, 0, 0, 1])), 4)  # three of four are right
        0.15
    """
    require_whole("bins", bins)
    sums = posteriors.sum(-1)
    if posteriors.dim() != 2 or labels.shape != posteriors.shape[:1] or not (sums - 1).abs().max() < 1e-3:
        raise ValueError(
            f"posteriors must be [n, classes] with rows that sum to 1, and labels [n]; got {list(posteriors.shape)}, "
            f"sums from {sums.min():.3g} to {sums.max():.3g}, and {list(labels.shape)}"
        )
    sure, answer = posteriors.double().max(1)
    excess = (answer == labels).double() - sure
    bin_of = (sure * bins).long().clamp(max=bins - 1)
    return torch.zeros(bins).to(excess).index_add(0, bin_of, excess).abs().sum().item() / len(labels)


def column_correlations(zx: Tensor, zy: Tensor) -> Tensor:
    """The Pearson correlation of column i of ``zx [n, k]`` with column i of ``zy [n, k]``, for each i: ``[k]``."""
    zx, zy = zx - zx.mean(0), zy - zy.mean(0)
    return (zx * zy).sum(0) / (zx.norm(dim=0) * zy.norm(dim=0))


def retrieval_at_1(zx: Tensor, zy: Tensor) -> float:
    """Share of the rows of ``zx [n, k]`` whose most similar row of ``zy [n, k]``, by cosine, is their own partner."""
    similarity = F.normalize(zx, dim=1) @ F.normalize(zy, dim=1).T
    return (similarity.argmax(1) == torch.arange(len(zx), device=zx.device)).double().mean().item()


def cross_view_accuracy(zx: Tensor, labels: Tensor, zy: Tensor, test_labels: Tensor) -> float:
    """Accuracy on one view of a classifier that was trained on the other: does the map speak one language?

    Args:
        zx, labels: training rows ``[n, k]`` of one view and their classes ``[n]``, for a logistic regression.
        zy, test_labels: test rows ``[m, k]`` of the other view and their classes ``[m]``.
    """
    from sklearn.linear_model import LogisticRegression

    scale = zx.std(0)  # regularisation acts alike on all components
    classifier = LogisticRegression(max_iter=1000).fit((zx / scale).cpu().numpy(), labels.cpu().numpy())
    return classifier.score((zy / scale).cpu().numpy(), test_labels.cpu().numpy())


def better_candidates(zx: Tensor, zy: Tensor) -> Tensor:
    """How many other rows of ``zy [n, k]`` are at least as similar to a row of ``zx [n, k]`` as its partner: ``[n]``.

    Similar by cosine; 0 is a hit. A tie counts against the partner, so that equal vectors find nobody.

    >>> x = torch.eye(3)
    >>> better_candidates(x, x).tolist(), better_candidates(torch.ones(3, 2), torch.ones(3, 2)).tolist()
    ([0, 0, 0], [2, 2, 2])
    """
    similarity = F.normalize(zx, dim=1) @ F.normalize(zy, dim=1).T
    return (similarity >= similarity.diagonal()[:, None]).sum(1) - 1


def accuracy_of_ways(better: Tensor, candidates: int, ways: int) -> float:
    r"""The accuracy if the others were drawn: the mean over all ways to draw ``ways - 1`` of the other candidates.

    .. math:: \frac1n\sum_i\binom{C-1-b_i}{w-1}\Big/\binom{C-1}{w-1}

    This is :eq:`contrastive-ways`: nothing is drawn, and nothing is left to chance.

    Args:
        better: :math:`b_i`, how many of the other candidates are better than the partner, ``[n]``.
        candidates: C, the partner included.
        ways: w, from 2 to C; with w = C the share of hits.

    Raises:
        ValueError: if ``ways`` is out of its range.

    Example:
        >>> accuracy_of_ways(torch.tensor([0, 1]), candidates=3, ways=2)  # a hit, and one of two others is worse
        0.75
    """
    require_whole("ways", ways, 2, candidates)
    drawn = torch.arange(ways - 1, dtype=torch.float64, device=better.device)
    left = (candidates - 1 - better[:, None] - drawn).clamp(min=0)
    return (left / (candidates - 1 - drawn)).prod(1).mean().item()
