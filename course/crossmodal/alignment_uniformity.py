r"""What a contrastive loss pulls and pushes: partners together, everything else apart, and a gap that it leaves.

For many negatives the loss splits into an *alignment* of partners and a *uniformity* of all vectors on the sphere. Two
towers often stay on two sides of it, with a *modality gap* between them.

Sources: Wang and Isola, *Understanding contrastive representation learning through alignment and uniformity on the
hypersphere* (2020); Liang et al., *Mind the gap* (2022).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def alignment(x: Tensor, y: Tensor) -> Tensor:
    r"""The mean squared distance of partners on the sphere, 0 at best: :eq:`contrastive-alignment`.

    .. math:: \ell_{\text{align}} = \frac1N\sum_i\|x_i-y_i\|^2

    Args:
        x, y: vectors ``[N, d]``, scaled to length one here.
    """
    return (F.normalize(x, dim=1) - F.normalize(y, dim=1)).square().sum(1).mean()


def uniformity(x: Tensor, t: float = 2.0) -> Tensor:
    r"""How evenly vectors fill the sphere; low is even, 0 is a single point: :eq:`contrastive-uniformity`.

    .. math:: \ell_{\text{uniform}} = \ln\frac1{N(N-1)}\sum_{i\ne j}e^{-t\|x_i-x_j\|^2}

    Args:
        x: vectors ``[N, d]``, scaled to length one here, N at least 2.
        t: how near counts as near.
    """
    if x.dim() != 2 or len(x) < 2:
        raise ValueError(f"two vectors or more are needed, [n, d], got {list(x.shape)}")
    squared = torch.pdist(F.normalize(x, dim=1)).square()
    return torch.logsumexp(-t * squared, 0) - math.log(len(squared))


def modality_gap(x: Tensor, y: Tensor) -> Tensor:
    r"""The distance of the centres of the two modalities: :eq:`contrastive-gap`.

    .. math:: g = \Bigl\|\frac1N\sum_ix_i-\frac1N\sum_iy_i\Bigr\|, \qquad 0\le g\le2

    Args:
        x, y: vectors ``[N, d]`` and ``[M, d]``, scaled to length one here.
    """
    return (F.normalize(x, dim=1).mean(0) - F.normalize(y, dim=1).mean(0)).norm()


def close_gap(x: Tensor, y: Tensor, x_centre: Tensor, y_centre: Tensor) -> tuple[Tensor, Tensor]:
    """Both modalities moved so that their centres are 0, and back onto the sphere.

    Args:
        x, y: vectors ``[n, d]`` and ``[m, d]`` of length one.
        x_centre, y_centre: their means ``[d]`` over *training* pairs; those of a test set would be a glance at it.
    """
    return F.normalize(x - x_centre, dim=1), F.normalize(y - y_centre, dim=1)
