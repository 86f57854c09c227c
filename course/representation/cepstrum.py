r"""Source and filter told apart: the cepstrum, its smooth part as envelope, pitch, and formants by linear prediction.

Source: Bogert, Healy and Tukey, *The quefrency alanysis of time series for echoes* (1963); Noll, *Cepstrum pitch
determination* (1967); Makhoul, *Linear prediction: a tutorial review* (1975).
"""

import math

import torch
from torch import Tensor

from course.arguments import require_whole
from course.representation.sampling import pre_emphasis
from course.representation.spectra import frames, window


def cepstrum(parts: Tensor, n_fft: int | None = None, floor: float = 1e-10) -> Tensor:
    r"""The real cepstrum of frames, ``[..., n_fft]``, by quefrency in samples: :eq:`mfcc-cepstrum`.

    .. math:: c_q = \frac1M \sum_{k=0}^{M-1} \ln|X_k|\, e^{2\pi i kq/M}

    Args:
        parts: windowed frames ``[..., length]``.
        n_fft: M, at least the length of a frame.
        floor: of the magnitudes.
    """
    n_fft = n_fft or parts.shape[-1]
    return torch.fft.irfft(torch.fft.rfft(parts, n_fft).abs().clamp(min=floor).log(), n_fft)


def envelope(cepstra: Tensor, kept: int) -> Tensor:
    """The smooth part of log magnitudes, ``[..., n_fft // 2 + 1]``: only quefrencies below ``kept`` samples.

    Args:
        cepstra: as from :func:`cepstrum`.
        kept: from 1 to half the length; shorter than a period of the voice, so that its harmonics are left out.
    """
    n_fft = cepstra.shape[-1]
    require_whole("kept", kept, most=n_fft // 2)
    low = cepstra.clone()
    low[..., kept : n_fft - kept + 1] = 0
    return torch.fft.rfft(low).real


def pitch(
    waves: Tensor, rate: int, *, low: float = 60.0, high: float = 500.0, frame: float = 0.05, hop: float = 0.01
) -> tuple[Tensor, Tensor]:
    r"""The fundamental frequency of frames by their autocorrelation: :eq:`mfcc-pitch`.

    .. math:: r_\tau = \frac{\sum_n w_n x_n\, w_{n+\tau} x_{n+\tau}}{\sum_n w_n^2 x_n^2} \Big/
              \frac{\sum_n w_n w_{n+\tau}}{\sum_n w_n^2}

    The lag of the first peak that reaches 90 % of the highest one is the period; a parabola through its neighbours
    makes it finer than a sample.

    Args:
        waves: ``[..., samples]``.
        rate: samples a second.
        low, high: where the pitch is searched, in Hz. A frame must hold two periods of ``low``.
        frame, hop: length of a frame and the distance of frames in seconds.

    Returns:
        Frequencies in Hz ``[..., frames]``, and how periodic each frame is, from 0 to 1 (below 0.5 there is hardly a
        voice). Silence has 0 for both.

    Raises:
        ValueError: if a frame is too short, the range is empty, or a wave is shorter than a frame.
    """
    length, least, most = round(frame * rate), math.floor(rate / high), math.ceil(rate / low)
    if not 1 < least < most or 2 * most > length:
        raise ValueError(
            f"pitch between {low:g} and {high:g} Hz cannot be found in frames of {frame:g} s at {rate:,} Hz: "
            "they must hold two periods, and a period more than a sample"
        )
    taper = window("hann", length).to(waves)
    n_fft = 1 << (2 * length - 1).bit_length()

    def autocorrelation(parts: Tensor) -> Tensor:
        """Up to one lag beyond the longest period, 1 at lag 0, or 0 of silence."""
        power = torch.fft.irfft(torch.fft.rfft(parts, n_fft).abs().square(), n_fft)[..., : most + 2]
        return power / power[..., :1].clamp(min=1e-12)

    parts = frames(waves, length, round(hop * rate))
    parts = parts - parts.mean(-1, keepdim=True)
    r = autocorrelation(parts * taper) / autocorrelation(taper)
    inner = r[..., least : most + 1]
    peak = (inner >= r[..., least - 1 : most]) & (inner > r[..., least + 1 : most + 2])
    heights = inner.masked_fill(~peak, 0)
    best = heights.amax(-1, keepdim=True)
    lag = least + (peak & (heights >= 0.9 * best)).to(torch.uint8).argmax(-1)  # the first one, or 0 without a peak
    before, here, after = (r.gather(-1, (lag + k)[..., None])[..., 0] for k in (-1, 0, 1))
    bend = 2 * here - before - after
    shift = torch.where(bend > 0, (after - before) / (2 * bend.clamp(min=1e-12)), 0).clamp(-0.5, 0.5)
    strength = best[..., 0].clamp(0, 1)
    return torch.where(strength > 0, rate / (lag + shift), 0), strength


def lpc(parts: Tensor, order: int) -> Tensor:
    r"""Linear prediction: weights with which the last samples foretell the next one best: :eq:`mfcc-lpc`.

    .. math:: \min_a \sum_n \Bigl(x_n - \sum_{i=1}^{p} a_i x_{n-i}\Bigr)^2 \quad\Longrightarrow\quad R a = r,
              \qquad R_{ij} = r_{|i-j|}

    with the autocorrelation r of the frame, zero outside of it.

    Args:
        parts: windowed frames ``[..., length]``.
        order: p; about two for each resonance, and two more.

    Returns:
        a, ``[..., order]``. All poles of the filter :math:`1/(1-\sum_i a_i z^{-i})` lie inside the unit circle.
    """
    require_whole("order", order, most=parts.shape[-1] - 1)
    n_fft = 1 << (2 * parts.shape[-1] - 1).bit_length()
    r = torch.fft.irfft(torch.fft.rfft(parts.double(), n_fft).abs().square(), n_fft)[..., : order + 1]
    r = r / r[..., :1].clamp(min=1e-12)
    lags = (torch.arange(order)[:, None] - torch.arange(order)).abs()
    matrix = r[..., lags] + 1e-9 * torch.eye(order, dtype=torch.float64, device=r.device)  # silence has a solution: 0
    return torch.linalg.solve(matrix, r[..., 1:]).to(parts.dtype)


def formants(parts: Tensor, rate: int, count: int = 3, *, order: int | None = None, widest: float = 600.0) -> Tensor:
    r"""Resonance frequencies in Hz, ``[..., count]``, ascending: :eq:`mfcc-formants`.

    They are the angles of the poles of :func:`lpc`, :math:`F = f_s\theta/2\pi`, of those with a bandwidth
    :math:`-f_s\ln r/\pi` below ``widest`` and a frequency between 90 Hz and 90 Hz below half the rate.

    Args:
        parts: frames ``[..., length]`` without a window, 30 to 50 ms long; a steep fall towards high frequencies is
            taken out first, and a Hamming window applied.
        rate: samples a second.
        count: how many are wanted, from the lowest on; missing ones are NaN.
        order: of the prediction; by default two for each 1000 Hz of the band (a man's tract has a resonance there), and
            two more.
    """
    order = order or 2 * round(rate / 2000) + 2
    weights = lpc(pre_emphasis(parts) * window("hamming", parts.shape[-1]).to(parts), order).double()
    companion = torch.zeros(*weights.shape[:-1], order, order, dtype=torch.float64, device=weights.device)
    companion[..., 0, :] = weights
    companion[..., 1:, :-1] = torch.eye(order - 1, dtype=torch.float64, device=weights.device)
    poles = torch.linalg.eigvals(companion)
    frequency, bandwidth = poles.angle() * rate / (2 * math.pi), -poles.abs().clamp(min=1e-12).log() * rate / math.pi
    resonance = (frequency > 90) & (frequency < rate / 2 - 90) & (bandwidth < widest)
    found = frequency.masked_fill(~resonance, torch.inf).sort(-1).values[..., :count]
    return found.masked_fill(found.isinf(), torch.nan).to(parts.dtype)
