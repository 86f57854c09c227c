r"""A product of experts: posteriors from different senses multiply, if the senses are independent given the class.

Sources: Hinton, *Training products of experts by minimizing contrastive divergence* (2002); Ernst and Banks, *Humans
integrate visual and haptic information in a statistically optimal fashion* (2002), for Gaussian experts; Guo et al.,
*On calibration of modern neural networks* (2017), for the temperature.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

HALVINGS = 60  # of the interval that holds the temperature


def product_of_experts(posteriors: Sequence[Tensor], prior: Tensor) -> Tensor:
    r"""The posterior of several independent senses from the posterior of each: :eq:`fusion-experts`.

    .. math:: p(y \mid x_1,\dots,x_M) \propto p(y)^{1-M} \prod_m p(y \mid x_m)

    A sense that is missing is left out; without any, the result is the prior.

    Args:
        posteriors: logarithms of :math:`p(y \mid x_m)`, ``[n, classes]`` of each sense that is there.
        prior: logarithms of :math:`p(y)`, ``[classes]``; every class has a positive probability.

    Returns:
        Logarithms of the posterior, ``[n, classes]``, or ``[1, classes]`` without any sense.

    Raises:
        ValueError: if the prior is not finite, or a shape does not fit.

    Example:
        >>> sees, hears = torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.8, 0.2]]).log()
        >>> product_of_experts([sees, hears], torch.tensor([0.5, 0.5]).log()).exp()[0, 0].round(decimals=3)
        tensor(0.9410)
    """
    if prior.dim() != 1 or not prior.isfinite().all():
        raise ValueError(f"the prior must be [classes] finite logarithms, got {list(prior.shape)}: {prior.tolist()}")
    for each in posteriors:
        if each.dim() != 2 or each.shape != posteriors[0].shape or each.shape[1] != len(prior):
            raise ValueError(
                f"every sense has [n, {len(prior)}] logarithms of one n, got {[list(e.shape) for e in posteriors]}"
            )
    evidence = sum((each - prior for each in posteriors), torch.zeros_like(prior)[None])
    return (prior + evidence).log_softmax(1)


def gaussian_product(means: Sequence[float], deviations: Sequence[float]) -> tuple[float, float]:
    r"""Mean and standard deviation of the normalised product of Gaussian densities: :eq:`fusion-gaussians`.

    .. math:: \frac1{\sigma^2} = \sum_m \frac1{\sigma_m^2}, \qquad
              \mu = \sigma^2 \sum_m \frac{\mu_m}{\sigma_m^2}

    Raises:
        ValueError: for no Gaussian, different numbers of means and deviations, or a deviation that is not positive.

    Example:
        >>> gaussian_product([2.0, 5.0], [1.0, 1.0])
        (3.5, 0.7071067811865476)
    """
    if not len(means) or len(means) != len(deviations) or not min(deviations) > 0:
        raise ValueError(f"as many positive deviations as means are needed, got {means!r} and {deviations!r}")
    precisions = [deviation**-2 for deviation in deviations]
    precision = sum(precisions)
    mean = sum(weight * mean for weight, mean in zip(precisions, means, strict=True)) / precision
    return mean, precision**-0.5


def temperature(scores: Tensor, labels: Tensor) -> float:
    r"""The number by which scores are divided so that the cross-entropy is least: :eq:`fusion-temperature`.

    .. math:: \tau = \operatorname{argmin}_{\tau > 0} -\frac1n \sum_i \ln\operatorname{softmax}(s_i / \tau)_{y_i}

    The mean surprise is convex in :math:`1/\tau`, so its slope is brought to 0 by halving; the result lies in
    :math:`[10^{-3}, 10^3]`. The decisions stay as they are.

    Args:
        scores: ``[n, classes]``, of examples that the training has not seen.
        labels: ``int64 [n]``.

    Raises:
        ValueError: if a score is not finite.

    Example:
        >>> scores = torch.tensor([[4.0, 0.0]] * 4)  # sure to 98 %, right in three of four
        >>> round(4 / temperature(scores, torch.tensor([0, 0, 0, 1])), 4)  # the logarithm of 3
        1.0986
    """
    if not scores.isfinite().all():
        raise ValueError("some scores are NaN or infinite: no temperature repairs them")
    scores = scores.double()
    own = scores.gather(1, labels[:, None]).mean()
    low, high = -3.0, 3.0  # decimal logarithms of the inverse temperature
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        expected = ((10**middle * scores).softmax(1) * scores).sum(1).mean()
        low, high = (low, middle) if expected > own else (middle, high)
    return 10 ** -((low + high) / 2)
