r"""From pressure to numbers: what is lost when a wave is sampled, rounded, or sent through a telephone.

Source: Shannon, *Communication in the presence of noise* (1949), for sampling; Widrow and Kollár, *Quantization noise*
(2008), for rounding.
"""

import torch
from torch import Tensor

from course.arguments import require_whole


def folded(frequency: Tensor | float, rate: float) -> Tensor:
    r"""The frequency in Hz that is heard when a tone is sampled too rarely: :eq:`mfcc-alias`.

    .. math:: f' = \min_{k\in\mathbb Z} |f - k f_s|

    Args:
        frequency: f in Hz, of any shape.
        rate: :math:`f_s`, samples a second.

    Example:
        >>> folded(torch.tensor([1000.0, 5000.0, 7000.0]), 8000)
        tensor([1000., 3000., 1000.])
    """
    frequency = torch.as_tensor(frequency, dtype=torch.get_default_dtype())
    return ((frequency + rate / 2) % rate - rate / 2).abs()


def quantised(waves: Tensor, bits: int) -> Tensor:
    r"""Samples rounded to :math:`2^b` levels, :math:`\Delta=2^{1-b}` apart from -1 on: :eq:`mfcc-round`.

    What is louder is clipped. The gradient is 0, that of a staircase.

    Args:
        waves: samples from -1 to 1, of any shape.
        bits: b, at least 1.

    Example:
        >>> quantised(torch.tensor([-2.0, -0.3, 0.1, 0.9]), bits=2)
        tensor([-1.0000, -0.5000,  0.0000,  0.5000])
    """
    require_whole("bits", bits)
    step = 2.0 ** (1 - bits)
    return (waves / step).round().mul(step).clamp(-1, 1 - step)


def snr(wave: Tensor, changed: Tensor) -> Tensor:
    r"""Signal-to-noise ratio in dB, :math:`10\log_{10}\bigl(\overline{x^2}/\overline{(y-x)^2}\bigr)`, by last axis."""
    return 10 * (wave.square().mean(-1) / (changed - wave).square().mean(-1)).log10()


def clipped_share(waves: Tensor, level: float = 0.999) -> Tensor:
    """The share of samples at the end of the scale, by last axis: far above 0.001 says that a recording is clipped."""
    return (waves.abs() >= level).double().mean(-1)


def pre_emphasis(waves: Tensor, coefficient: float = 0.97) -> Tensor:
    r"""Raise high frequencies and remove what is constant: :math:`y_n=x_n-a\,x_{n-1}`, with :math:`x_{-1}=x_0`.

    Args:
        waves: ``[..., samples]``.
        coefficient: a, from 0 (nothing changes) to 1 (differences).
    """
    before = torch.cat([waves[..., :1], waves[..., :-1]], -1)
    return waves - coefficient * before


def telephone(waves: Tensor, rate: int, low: float = 300.0, high: float = 3400.0, order: int = 4) -> Tensor:
    r"""What passes a telephone line, frequencies between ``low`` and ``high``, as a Butterworth filter has them.

    The amplitude of frequency f is multiplied by
    :math:`|H(f)|=\bigl[(1+(l/f)^{2n})(1+(f/h)^{2n})\bigr]^{-1/2}`; phases stay.

    Args:
        waves: ``[..., samples]``.
        rate: samples a second.
        low, high: l and h, where a side of the band has lost 3 dB, in Hz.
        order: n; each side falls by 6n dB an octave.

    Returns:
        ``[..., samples]``; linear in ``waves``, so it can be differentiated.
    """
    if not 0 < low < high:
        raise ValueError(f"the band must be 0 < low < high, got {low} and {high} Hz")
    samples = waves.shape[-1]
    length = samples + rate // 10  # zeros, so that what rings at the end does not come in at the beginning
    frequencies = torch.fft.rfftfreq(length, 1 / rate, dtype=waves.dtype, device=waves.device).clamp(min=1e-3)
    passed = ((1 + (low / frequencies) ** (2 * order)) * (1 + (frequencies / high) ** (2 * order))).rsqrt()
    return torch.fft.irfft(torch.fft.rfft(waves, length) * passed, length)[..., :samples]
