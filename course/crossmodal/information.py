r"""What two modalities tell about a class: what both tell, what only one tells, and what neither tells alone.

Partial information decomposition splits :math:`I(Y; A, B)` into redundancy, two unique parts and synergy. Three
equations hold for four unknowns, so one part must be *defined*; two definitions stand here. Beside them stands a number
that needs no definition: the bits that the best late fusion loses. All is in bits, for discrete distributions
``p[a, b, y]``.

Sources: Williams and Beer, *Nonnegative decomposition of multivariate information* (2010); Bertschinger, Rauh, Olbrich,
Jost and Ay, *Quantifying unique information* (2014); Amari, *Information geometry on hierarchy of probability
distributions* (2001).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS = 100  # of Newton's method, far more than it needs


class Parts(NamedTuple):
    """The four parts of the information, in bits; they add up to :math:`I(Y; A, B)`."""

    redundancy: float
    unique_first: float
    unique_second: float
    synergy: float


def checked(p: ArrayLike) -> NDArray:
    """A joint distribution ``p[a, b, y]`` as float64; an error if it is none."""
    p = np.asarray(p, dtype=float)
    if p.ndim != 3 or not (np.isfinite(p).all() and (p >= 0).all() and abs(p.sum() - 1) < 1e-6):
        raise ValueError(
            f"p must be [a, b, y] probabilities that sum to 1, got shape {list(p.shape)} and sum {p.sum():.6g}: "
            "divide counts by their sum"
        )
    return p / p.sum()


def joint(first: ArrayLike, second: ArrayLike, y: ArrayLike) -> NDArray:
    """The shares ``p[a, b, y]`` of observed triples of whole numbers from 0 on.

    A share of few triples is noisy, and information computed from it is too high: by about
    (cells - 1) / (2 n ln 2) bits where all cells are possible.

    Example:
        >>> joint([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0])[0].tolist()
        [[0.25, 0.0], [0.0, 0.25]]
    """
    triples = [np.asarray(each, dtype=np.int64) for each in (first, second, y)]
    counts = np.zeros([each.max() + 1 for each in triples])
    np.add.at(counts, tuple(triples), 1)
    return counts / counts.sum()


def information(p: ArrayLike) -> float:
    r"""The mutual information of the two axes of ``p[x, y]`` in bits: :eq:`fusion-information`.

    .. math:: I(X; Y) = \sum_{x,y} p(x,y) \log_2 \frac{p(x,y)}{p(x)\,p(y)}

    Example:
        >>> information([[0.5, 0.0], [0.0, 0.5]])
        1.0
    """
    p = np.asarray(p, dtype=float)
    product = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    there = p > 0
    return float((p[there] * np.log2(p[there] / product[there])).sum())


def informations(p: NDArray) -> tuple[float, float, float]:
    """The bits that A, B and both together tell about Y."""
    return information(p.sum(1)), information(p.sum(0)), information(p.reshape(-1, p.shape[2]))


def shared_at_least(p: NDArray) -> float:
    r"""Williams and Beer's redundancy: for each class, what the less informative sense tells: :eq:`fusion-shared`.

    .. math:: R = \sum_y p(y) \min_{X \in \{A, B\}} \sum_x p(x \mid y) \log_2 \frac{p(y \mid x)}{p(y)}
    """
    told = []
    for pair in (p.sum(1), p.sum(0)):  # [x, y]
        ratio = np.divide(pair, pair.sum(1, keepdims=True) * pair.sum(0), out=np.ones_like(pair), where=pair > 0)
        told.append((pair * np.log2(ratio)).sum(0))  # p(y) times the information specific to y
    return float(np.minimum(*told).sum())


def shared_by_margins(p: NDArray) -> float:
    r"""The redundancy of Bertschinger and others, which depends on :math:`p(a,y)` and :math:`p(b,y)` alone.

    .. math:: R = I(Y; A) + I(Y; B) - \min_{q \in \Delta_p} I_q(Y; A, B)

    The minimum is over all q with these two margins: :eq:`fusion-margins`.
    """
    first, second, _ = informations(p)
    return first + second - least_information(p)


def least_information(p: NDArray) -> float:
    r"""The least :math:`I_q(Y; A, B)` in bits, to within 1e-7, over all q with the margins p(a, y) and p(b, y).

    A convex problem with linear equations: Newton's method on :math:`I_q - \mu \sum \ln q`, for ever smaller
    :math:`\mu`. At the minimum for one of them I is above the least by at most :math:`\mu` times the number of cells.

    Raises:
        ArithmeticError: if Newton's method does not settle.
    """
    pa, pb, py = p.sum(1), p.sum(0), p.sum((0, 1))
    a, b, y = np.nonzero((pa[:, None] > 0) & (pb[None] > 0))  # the cells that may be positive
    q = pa[a, y] * pb[b, y] / py[y]  # where A and B are independent given Y
    pair = a * len(pb) + b
    together = pair[:, None] == pair
    rows = np.concatenate([np.eye(pa.size)[a * len(py) + y], np.eye(pb.size)[b * len(py) + y]], 1).T
    rows = rows[rows.any(1)]
    for one in range(len(py)):  # for each class one equation follows from the others
        implied = np.flatnonzero(rows @ (y == one))[-1:]
        rows = np.delete(rows, implied, 0)

    def value(q: NDArray, weight: float) -> float:
        return (q * np.log(q / np.bincount(pair, q)[pair])).sum() - weight * np.log(q).sum()

    for weight in 1e-8 / len(q) * 10.0 ** np.arange(7, -1, -1):
        for _ in range(STEPS):
            total = np.bincount(pair, q)[pair]
            slope = q * np.log(q / total) - weight  # all by ln q, in whose units the cells are alike
            curvature = np.diag(q + weight) - together * np.outer(q, q) / total
            equations = rows * q
            zeros = np.zeros((len(rows), len(rows)))
            system = np.block([[curvature, equations.T], [equations, zeros]])
            move = np.linalg.solve(system, np.concatenate([-slope, zeros[0]]))[: len(q)]
            gain = -slope @ move
            if gain < 1e-3 * weight:
                break
            step = min(1.0, 0.9 / max(1e-300, -move.min()))
            while value(q * (1 + step * move), weight) > value(q, weight) - 0.1 * step * gain + 1e-15:
                step /= 2
            q = q * (1 + step * move)
        else:
            raise ArithmeticError(f"the least information has not settled after {STEPS} steps of Newton's method")
    found = np.zeros((len(pa) * len(pb), len(py)))
    found[pair, y] = q
    return information(found)


def decompose(p: ArrayLike, shared: Callable[[NDArray], float] = shared_by_margins) -> Parts:
    r"""Redundancy, unique parts and synergy: :eq:`fusion-parts`.

    Args:
        p: the distribution ``[a, b, y]``.
        shared: how redundancy is defined, :func:`shared_by_margins` or :func:`shared_at_least`.

    Raises:
        ValueError: if p is no distribution.

    Example:
        >>> [round(part, 3) + 0.0 for part in decompose(joint([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]))]  # XOR
        [0.0, 0.0, 0.0, 1.0]
    """
    p = checked(p)
    (first, second, both), redundancy = informations(p), shared(p)
    return Parts(redundancy, first - redundancy, second - redundancy, both - first - second + redundancy)


def lost_by_late_fusion(p: ArrayLike) -> float:
    r"""How much worse the best sum of scores predicts Y than :math:`p(y \mid a, b)` does: :eq:`fusion-lost`.

    .. math:: \min_{s,t} \sum_{a,b,y} p(a,b,y)
              \log_2 \frac{p(y \mid a,b)}{\operatorname{softmax}(s_a + t_b)_y}

    A convex problem, solved by L-BFGS; where the best scores are infinite the value is approached, to about 1e-4 bits.

    Raises:
        ValueError: if p is no distribution.

    Example:
        >>> round(lost_by_late_fusion(joint([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0])), 6)  # XOR
        1.0
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    p = checked(p)
    n_a, n_b, n_y = p.shape
    pairs = p.sum(2, keepdims=True)

    def loss(flat: NDArray) -> tuple[float, NDArray]:
        scores = flat.reshape(n_a + n_b, n_y)
        logs = log_softmax(scores[:n_a, None] + scores[None, n_a:], axis=2)
        slope = pairs * np.exp(logs) - p
        return -(p * logs).sum(), np.concatenate([slope.sum(1), slope.sum(0)]).ravel()

    options = {"maxiter": 2_000, "ftol": 1e-14, "gtol": 1e-8}
    found = minimize(loss, np.zeros((n_a + n_b) * n_y), jac=True, method="L-BFGS-B", options=options)
    there = p > 0
    unavoidable = -(p[there] * np.log((p / np.where(pairs > 0, pairs, 1))[there])).sum()
    return float((found.fun - unavoidable) / np.log(2))
