r"""A speaker's own zero and scale, from recordings without labels: from all of them, or from those heard so far.

Emotion moves a voice, but people differ more than emotions do. What is left when each number is measured from the
speaker's own mean, in units of the speaker's own deviation, is comparable between people.

Source: the mean with a prior is Gauvain and Lee, *Maximum a posteriori estimation for multivariate Gaussian mixture
observations of Markov chains* (1994); scaling by speaker is common practice in the field, see Schuller et al.,
*Cross-corpus acoustic emotion recognition* (2010).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from course.representation.over_time import cmvn_of_owners


def scaled_by_owner(x: Tensor, owners: Tensor) -> Tensor:
    r"""Each number less its mean over the owner's recordings, divided by their deviation: :eq:`emotion-znorm`.

    .. math:: z_{ij} = \frac{x_{ij} - m_{s(i)j}}{\sqrt{v_{s(i)j} + \epsilon}}

    Args:
        x: vectors ``[n, d]``, already of size about 1.
        owners: who speaks, ``int64 [n]``.
    """
    return cmvn_of_owners(x[:, None], torch.ones(len(x), 1, dtype=torch.bool, device=x.device), owners)[:, 0]


@dataclass(frozen=True)
class Prior:
    """What is known of a speaker before the first word.

    Attributes:
        mean: of all speakers, ``[d]``.
        variance: within a speaker, ``[d]``.
        between: variance of the speakers' own means, ``[d]``.

    Example:
        >>> prior = Prior.of(torch.tensor([[0.0], [2.0], [8.0], [10.0]]), torch.tensor([0, 0, 1, 1]))
        >>> prior.mean.tolist(), prior.variance.tolist(), prior.between.tolist()
        ([5.0], [1.0], [32.0])
    """

    mean: Tensor
    variance: Tensor
    between: Tensor

    @classmethod
    def of(cls, x: Tensor, owners: Tensor) -> "Prior":
        """From vectors ``[n, d]`` of several speakers: means, and variances within and between them.

        Raises:
            ValueError: if there is one speaker only.
        """
        means = torch.stack([x[owners == owner].mean(0) for owner in owners.unique()])
        if len(means) < 2:
            raise ValueError("a prior for new speakers needs at least two speakers")
        within = torch.stack([x[owners == owner].var(0, correction=0) for owner in owners.unique()]).mean(0)
        return cls(means.mean(0), within.clamp(min=1e-8), means.var(0))

    def weight(self) -> float:
        r"""How many recordings the prior should count as, :math:`w/b` in the median number: :eq:`emotion-weight`."""
        return (self.variance / self.between.clamp(min=1e-8)).median().item()


def with_prior(x: Tensor, prior: Prior, weight: float) -> Tensor:
    r"""The recordings of *one* speaker on a scale that leans on the prior: :eq:`emotion-leaning`.

    .. math::
        m = \frac{\kappa m_0 + \sum_i x_i}{\kappa + n}, \qquad
        v = \frac{\kappa v_0 + \sum_i (x_i - m)^2}{\kappa + n}, \qquad z_i = \frac{x_i - m}{\sqrt v}

    Args:
        x: ``[n, d]``.
        prior: :math:`m_0` and :math:`v_0`.
        weight: κ, 0 or more; 0 is :func:`scaled_by_owner`, and infinity the same scale for everybody.

    Raises:
        ValueError: if κ is negative, or 0 with a single recording, which has no deviation.
    """
    mean, variance = statistics(x, prior, weight)
    return (x - mean) / variance.sqrt()


def statistics(x: Tensor, prior: Prior, weight: float) -> tuple[Tensor, Tensor]:
    """Mean and variance ``[d]`` of :func:`with_prior`, to be kept for recordings that follow."""
    if not weight >= 0 or (weight == 0 and len(x) < 2):
        raise ValueError(f"the weight of the prior must be positive (or 0 with two recordings or more), got {weight}")
    if weight == float("inf"):
        return prior.mean, prior.variance
    count = weight + len(x)
    mean = (weight * prior.mean + x.sum(0)) / count
    return mean, ((weight * prior.variance + (x - mean).square().sum(0)) / count).clamp(min=1e-8)


def as_they_come(x: Tensor, prior: Prior, weight: float) -> Tensor:
    """The recordings of one speaker in order, ``[n, d]``, each scaled by those up to itself and by no later one.

    Row i is the last row of :func:`with_prior` of the first i + 1; nothing is kept but two sums.

    Raises:
        ValueError: if the weight is not positive.
    """
    if not 0 < weight < float("inf"):
        raise ValueError(f"the first recording is scaled by the prior: its weight must be positive, got {weight}")
    count = weight + torch.arange(1, len(x) + 1, dtype=x.dtype, device=x.device)[:, None]
    mean = (weight * prior.mean + x.cumsum(0)) / count
    number = count - weight
    squares = x.square().cumsum(0) - 2 * mean * x.cumsum(0) + number * mean.square()
    variance = (weight * prior.variance + squares.clamp(min=0)) / count
    return (x - mean) / variance.clamp(min=1e-8).sqrt()
