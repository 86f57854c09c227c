r"""From a wave to its spectrum over time, and back: frames, windows, short-time Fourier transform, overlap-add.

A frame is short enough for the sound to stand still in it, a window lets it begin and end gently. When frames overlap,
the wave comes back exactly; when only magnitudes are left, it is guessed by going back and forth.

Source: Harris, *On the use of windows for harmonic analysis with the discrete Fourier transform* (1978); Griffin and
Lim, *Signal estimation from modified short-time Fourier transform* (1984).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole

WINDOWS = {"rectangular": (1.0,), "hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08)}


def window(kind: str, length: int, symmetric: bool = False) -> Tensor:
    r"""A window made of cosines, ``[length]``; "hann" is :eq:`mfcc-hann`.

    .. math:: w_n = a_0 - a_1\cos(2\pi n/N) + a_2\cos(4\pi n/N), \qquad n = 0, \dots, N-1

    Args:
        kind: ``rectangular``, ``hann``, ``hamming`` or ``blackman``.
        length: N in samples.
        symmetric: N - 1 in place of N in the cosines, so that the last value equals the first (HTK's way). Without it
            shifted Hann windows add up to a constant.

    Example:
        >>> window("hann", 4)
        tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    if kind not in WINDOWS:
        raise ValueError(f"there is no window {kind!r}; there are {', '.join(WINDOWS)}")
    require_whole("length", length, least=1 + symmetric)
    angle = 2 * math.pi * torch.arange(length, dtype=torch.float64) / (length - symmetric)
    return sum((-1) ** k * a * (k * angle).cos() for k, a in enumerate(WINDOWS[kind])).float()


def dirichlet(frequency: Tensor, length: int) -> Tensor:
    r"""The spectrum of N ones, the kernel that smears every spectrum of N samples: :eq:`mfcc-dirichlet`.

    .. math:: D_N(f) = \sum_{n=0}^{N-1} e^{-2\pi i f n} = e^{-\pi i f (N-1)}\,\frac{\sin \pi N f}{\sin \pi f}

    Args:
        frequency: f in cycles a sample, ``float64`` of any shape.
        length: N.

    Returns:
        Complex numbers of the same shape; N where f is a whole number.
    """
    frequency = frequency - frequency.round()
    bottom = (math.pi * frequency).sin()
    whole = bottom == 0
    ratio = (math.pi * length * frequency).sin() / bottom.masked_fill(whole, 1)
    return torch.polar(ratio.masked_fill(whole, length), torch.zeros_like(frequency)) * torch.polar(
        torch.ones_like(frequency), -math.pi * frequency * (length - 1)
    )


def frames(waves: Tensor, length: int, hop: int) -> Tensor:
    """The frames of ``length`` samples that begin every ``hop`` samples, ``[..., frames, length]``; a view.

    What is left at the end, less than a hop, belongs to no frame.

    Args:
        waves: ``[..., samples]``.

    Raises:
        ValueError: if a wave is shorter than one frame.
    """
    require_whole("length", length)
    require_whole("hop", hop)
    if waves.shape[-1] < length:
        raise ValueError(
            f"{waves.shape[-1]} samples are shorter than a frame of {length}: pad the wave, or take shorter frames"
        )
    return waves.unfold(-1, length, hop)


def stft(waves: Tensor, analysis: Tensor, hop: int, n_fft: int | None = None) -> Tensor:
    r"""The short-time Fourier transform :eq:`mfcc-stft`, ``[..., frames, n_fft // 2 + 1]`` complex.

    .. math:: X_{t,k} = \sum_{n=0}^{N-1} w_n\, x_{th+n}\, e^{-2\pi i kn/M}

    Args:
        waves: x, ``[..., samples]``.
        analysis: the window w, ``[N]``.
        hop: h in samples.
        n_fft: M, at least N (zeros follow the frame: a finer grid, not a finer resolution); by default N.
    """
    n_fft = n_fft or len(analysis)
    require_whole("n_fft", n_fft, least=len(analysis))
    return torch.fft.rfft(frames(waves, len(analysis), hop) * analysis.to(waves), n_fft)


def istft(spectra: Tensor, analysis: Tensor, hop: int) -> Tensor:
    r"""The wave whose transform is nearest to ``spectra`` in the sense of least squares: :eq:`mfcc-overlap-add`.

    .. math:: x_n = \frac{\sum_t w_{n-th}\, y_{t,n-th}}{\sum_t w_{n-th}^2}

    with the inverse transforms :math:`y_t`. Of an unchanged transform it is the wave itself.

    Args:
        spectra: ``[..., frames, bins]``, as from :func:`stft`.
        analysis, hop: as there.

    Returns:
        ``[..., samples]``, from the first sample that a window sees to the last. Where no window sees a sample (its
        weight is 0, as the first one's of a Hann window) it is 0.

    Raises:
        ValueError: if the windows leave gaps between the frames.
    """
    length, count = len(analysis), spectra.shape[-2]
    analysis = analysis.to(spectra.real)
    parts = torch.fft.irfft(spectra, 2 * (spectra.shape[-1] - 1))[..., :length] * analysis
    weights = overlap_added(analysis.square().expand(count, length), hop)
    seen = weights > 1e-8 * weights.max()
    inside = seen[length - 1 : len(seen) - length + 1] if count > 1 else seen[1:-1]
    if hop > length or not inside.all():
        raise ValueError(f"windows of {length} samples every {hop} leave samples unseen: take a smaller hop")
    return overlap_added(parts, hop).div(weights.masked_fill(~seen, 1)).masked_fill(~seen, 0)


def overlap_added(parts: Tensor, hop: int) -> Tensor:
    """Frames ``[..., frames, length]`` laid ``hop`` samples apart and added up: ``[..., samples]``."""
    *batch, count, length = parts.shape
    samples = (count - 1) * hop + length
    columns = parts.reshape(-1, count, length).mT  # [batch, length, frames]
    added = F.fold(columns, (1, samples), (1, length), stride=(1, hop))
    return added.view(*batch, samples)


def griffin_lim(
    magnitude: Tensor,
    analysis: Tensor,
    hop: int,
    *,
    iterations: int = 60,
    momentum: float = 0.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, list[float]]:
    r"""A wave whose spectra have nearly these magnitudes, by alternating projections: :eq:`mfcc-griffin-lim`.

    .. math:: x^{(i+1)} = \operatorname{istft}\bigl(A\, X^{(i)}/|X^{(i)}|\bigr), \qquad
              X^{(i)} = \operatorname{stft}(x^{(i)})

    Args:
        magnitude: A, ``[..., frames, bins]``.
        analysis, hop: as for :func:`stft`.
        iterations: at least 1.
        momentum: 0 for the paper's algorithm, whose error never grows; about 0.99 is often better and may grow.
        generator: of the random phases of the start; ``None`` is torch's global one.

    Returns:
        The wave ``[..., samples]``, and the error :math:`\||X^{(i)}|-A\|/\|A\|` before each iteration but the first.
    """
    require_whole("iterations", iterations)
    n_fft = 2 * (magnitude.shape[-1] - 1)
    angles = 2 * math.pi * torch.rand(magnitude.shape, generator=generator, dtype=magnitude.dtype)
    phases, before, errors = torch.polar(torch.ones_like(magnitude), angles.to(magnitude.device)), 0, []
    for iteration in range(iterations):
        wave = istft(magnitude * phases, analysis, hop)
        if iteration < iterations - 1:
            spectra = stft(wave, analysis, hop, n_fft)
            errors.append((spectra.abs() - magnitude).norm() / magnitude.norm())
            ahead = spectra + momentum * (spectra - before)
            phases, before = ahead / ahead.abs().clamp(min=1e-12), spectra
    return wave, torch.stack(errors).tolist() if errors else []
