r"""The µ-law: 256 codes for a sample, fine where sounds are soft and coarse where they are loud.

A uniform step makes the same error for every sample, which drowns a soft one. The µ-law takes the step of the logarithm
of the sample instead, so that the error is nearly the same *share* of every sample.

Source: CCITT (now ITU-T), *Recommendation G.711* (1972), for telephones; van den Oord et al., *WaveNet* (2016), for
these formulas.
"""

import math

import torch
from torch import Tensor

from course.arguments import require_whole

CODES = 256


def compress(x: Tensor, codes: int = CODES) -> Tensor:
    r"""Samples from -1 to 1 on the scale of the codes, from -1 to 1, too: :eq:`wavenet-mulaw`.

    .. math:: F(x) = \operatorname{sign}(x)\,\frac{\ln(1+\mu|x|)}{\ln(1+\mu)}, \qquad \mu = \text{codes} - 1
    """
    return x.sign() * torch.log1p((codes - 1) * x.abs()) / math.log(codes)


def expand(y: Tensor, codes: int = CODES) -> Tensor:
    r"""The inverse of :func:`compress`: :math:`x = \operatorname{sign}(y)\,((1+\mu)^{|y|}-1)/\mu`."""
    return y.sign() * torch.expm1(y.abs() * math.log(codes)) / (codes - 1)


def encode(x: Tensor, codes: int = CODES) -> Tensor:
    """The code of each sample, ``int64`` from 0 to ``codes - 1``, in the shape of ``x``.

    Args:
        x: samples of any shape; beyond -1 and 1 they get the outermost codes.
        codes: how many there are, from 2 to 65,536.

    Raises:
        ValueError: if a sample is not finite, or the number of codes is out of its range.

    Example:
        >>> encode(torch.tensor([-1.0, -0.01, 0.0, 0.01, 1.0]))
        tensor([  0,  98, 128, 157, 255])
    """
    require_whole("codes", codes, 2, 65_536)
    if not x.isfinite().all():
        raise ValueError(
            f"{int((~x.isfinite()).sum()):,} of {x.numel():,} samples are not finite: repair the recording"
        )
    return ((compress(x.clamp(-1, 1), codes) + 1) / 2 * (codes - 1) + 0.5).to(torch.int64)


def decode(code: Tensor, codes: int = CODES, dtype: torch.dtype = torch.float32) -> Tensor:
    """The sample in the middle of each code's interval on the scale of the codes, in the shape of ``code``.

    Raises:
        ValueError: if there is no such code.
    """
    require_whole("codes", codes, 2, 65_536)
    if code.numel() and not 0 <= int(code.min()) <= int(code.max()) < codes:
        raise ValueError(f"codes must be from 0 to {codes - 1}, got {int(code.min())} to {int(code.max())}")
    return expand(2 * code.to(dtype) / (codes - 1) - 1, codes)


def step(x: Tensor, codes: int = CODES) -> Tensor:
    r"""The width of the interval around a sample, about: :eq:`wavenet-step`.

    .. math:: \Delta(x) = \frac{2}{\mu}\,\frac{1}{F'(x)} = \frac{2\ln(1+\mu)}{\mu^2}\,(1+\mu|x|)
    """
    mu = codes - 1
    return 2 * math.log(codes) / mu**2 * (1 + mu * x.abs())
