r"""What is done to features along time: differences, normalisation, an automatic gain, and a vector for a recording.

Source: Furui, *Speaker-independent isolated word recognition using dynamic features of speech spectrum* (1986), for
differences; Atal, *Effectiveness of linear prediction characteristics of the speech wave* (1974), for subtracted means;
Wang et al., *Trainable frontend for robust and far-field keyword spotting* (2017), for the gain.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole


def deltas(features: Tensor, reach: int = 2) -> Tensor:
    r"""The slope of each feature, by least squares over ``reach`` frames to both sides: :eq:`mfcc-delta`.

    .. math:: d_t = \frac{\sum_{n=1}^{R} n\,(c_{t+n} - c_{t-n})}{2\sum_{n=1}^{R} n^2}

    At the ends the first and the last frame are repeated.

    Args:
        features: c, ``[..., frames, d]``.
        reach: R.

    Returns:
        ``[..., frames, d]``, per frame.
    """
    require_whole("reach", reach)
    weights = torch.arange(-reach, reach + 1, dtype=features.dtype, device=features.device)
    first, last = features[..., :1, :], features[..., -1:, :]
    ends = [first.expand_as(features[..., :1, :])] * reach, [last] * reach
    around = torch.cat([*ends[0], features, *ends[1]], -2).unfold(-2, 2 * reach + 1, 1)  # [..., frames, d, 2R + 1]
    return around @ (weights / weights.square().sum())


def cmvn(features: Tensor, real: Tensor | None = None, *, variance: bool = True, eps: float = 1e-5) -> Tensor:
    r"""Each feature less its mean over time, divided by its standard deviation: :eq:`mfcc-cmvn`.

    Args:
        features: ``[..., frames, d]``; for the statistics of a speaker put the frames of all recordings one after the
            other.
        real: which frames count, ``bool [..., frames]``; the others come out as 0. ``None``: all.
        variance: divide, too; without it only the mean is subtracted (CMN).
        eps: added to the variance, so that a constant feature becomes 0.

    Example:
        >>> cmvn(torch.tensor([[1.0], [3.0]])).flatten().round(decimals=3)
        tensor([-1.,  1.])
    """
    weights = torch.ones_like(features[..., :1]) if real is None else real[..., None].to(features)
    count = weights.sum(-2, keepdim=True).clamp(min=1)
    centred = (features - (features * weights).sum(-2, keepdim=True) / count) * weights
    if not variance:
        return centred
    return centred * (centred.square().sum(-2, keepdim=True) / count + eps).rsqrt()


def cmvn_of_owners(features: Tensor, real: Tensor, owners: Tensor, *, variance: bool = True) -> Tensor:
    """:func:`cmvn` with the statistics of all recordings that have the same owner, such as a speaker or a telephone.

    No labels are used, but all recordings of an owner are, those of a test included.

    Args:
        features: ``[n, frames, d]``.
        real: which frames count, ``bool [n, frames]``.
        owners: a number for each recording, ``int64 [n]``.
        variance: as for :func:`cmvn`.
    """
    result = torch.zeros_like(features)
    for owner in owners.unique():
        mine = owners == owner
        joined = cmvn(features[mine].flatten(0, 1), real[mine].flatten(), variance=variance)
        result[mine] = joined.unflatten(0, (-1, features.shape[1]))
    return result


def pcen(
    energies: Tensor,
    *,
    smooth: float = 0.025,
    gain: float = 0.98,
    bias: float = 2.0,
    root: float = 0.5,
    eps: float = 1e-6,
) -> Tensor:
    r"""Per-channel energy normalisation, an automatic gain in place of the logarithm: :eq:`mfcc-pcen`.

    .. math:: M_t = (1-s) M_{t-1} + s E_t, \qquad
              \mathrm{PCEN}_t = \Bigl(\frac{E_t}{(\epsilon + M_t)^{\alpha}} + \delta\Bigr)^r - \delta^r

    with :math:`M_0=E_0`.

    Args:
        energies: E, ``[..., frames, n_mels]``, as from :func:`course.representation.mfcc.mel_energies`.
        smooth: s, from 0 (excluded) to 1; the memory is about 1/s frames.
        gain, bias, root: :math:`\alpha`, :math:`\delta` and r.
        eps: :math:`\epsilon`.
    """
    if not 0 < smooth <= 1:
        raise ValueError(f"smooth must be above 0 and at most 1, got {smooth!r}")
    mean, means = energies[..., 0, :], []
    for energy in energies.unbind(-2):
        mean = (1 - smooth) * mean + smooth * energy
        means.append(mean)
    return (energies / (eps + torch.stack(means, -2)) ** gain + bias) ** root - bias**root


def segment_means(features: Tensor, counts: Tensor, segments: int) -> Tensor:
    """A vector of fixed length for each recording: the means over so many equally long parts of it.

    Args:
        features: ``[n, frames, d]``.
        counts: frames of each recording, ``int64 [n]``, at least 1; what follows is padding and does not count.
        segments: parts. A part of a recording with fewer frames than parts is the frame where it lies.

    Returns:
        ``[n, segments * d]``.

    Example:
        >>> segment_means(torch.tensor([[[1.0], [3.0], [5.0], [7.0], [0.0]]]), torch.tensor([4]), 2)
        tensor([[2., 6.]])
    """
    require_whole("segments", segments)
    if counts.min() < 1 or counts.max() > features.shape[1]:
        raise ValueError(f"counts must be from 1 to {features.shape[1]} frames, got {counts.min()} to {counts.max()}")
    edges = torch.arange(segments + 1, device=counts.device) * counts[:, None] // segments  # [n, segments + 1]
    first, last = edges[:, :-1], edges[:, 1:].maximum(edges[:, :-1] + 1)
    sums = F.pad(features.double().cumsum(1), (0, 0, 1, 0))  # sums[:, t]: of the frames before t

    def until(place: Tensor) -> Tensor:
        return sums.gather(1, place[..., None].expand(-1, -1, features.shape[-1]))

    return ((until(last) - until(first)) / (last - first)[..., None]).to(features.dtype).flatten(1)
