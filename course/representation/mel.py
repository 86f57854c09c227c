r"""Frequencies as the ear divides them: the mel scale, triangles on it, and cosines that decorrelate their logarithms.

Source: Stevens, Volkmann and Newman, *A scale for the measurement of the psychological magnitude pitch* (1937); Davis
and Mermelstein, *Comparison of parametric representations for monosyllabic word recognition* (1980).
"""

import math

import torch
from torch import Tensor

from course.arguments import require_whole

SCALES = ("htk", "slaney")
KNEE, BELOW, STEP = 1000.0, 3 / 200, 27 / math.log(6.4)  # Slaney's scale: linear up to the knee, logarithmic above


def mel(hertz: Tensor | float, scale: str = "htk") -> Tensor:
    r"""Frequency in Hz to the mel scale; "htk" is :eq:`mfcc-mel`.

    .. math:: m = 2595 \log_{10}(1 + f/700)

    Args:
        hertz: f, at least 0, of any shape.
        scale: ``htk``, or ``slaney``, which is linear up to 1 kHz and has other units (15 at 1 kHz in place of 1000).

    Example:
        >>> mel(torch.tensor([0.0, 1000.0, 4000.0])).round()
        tensor([   0., 1000., 2146.])
    """
    require_scale(scale)
    hertz = torch.as_tensor(hertz, dtype=torch.get_default_dtype()) if not isinstance(hertz, Tensor) else hertz
    if scale == "htk":
        return 2595 * (1 + hertz / 700).log10()
    return torch.where(hertz < KNEE, BELOW * hertz, BELOW * KNEE + STEP * (hertz.clamp(min=KNEE) / KNEE).log())


def hertz(mels: Tensor | float, scale: str = "htk") -> Tensor:
    """The mel scale to frequency in Hz, the inverse of :func:`mel`."""
    require_scale(scale)
    mels = torch.as_tensor(mels, dtype=torch.get_default_dtype()) if not isinstance(mels, Tensor) else mels
    if scale == "htk":
        return 700 * (10 ** (mels / 2595) - 1)
    knee = BELOW * KNEE
    return torch.where(mels < knee, mels / BELOW, KNEE * ((mels.clamp(min=knee) - knee) / STEP).exp())


def require_scale(scale: str) -> None:
    """Raise ValueError if there is no such scale."""
    if scale not in SCALES:
        raise ValueError(f"there is no scale {scale!r}; there are {', '.join(SCALES)}")


def warped(frequency: Tensor, warp: float, high: float, bend: float = 0.85) -> Tensor:
    r"""Frequencies of one vocal tract as those of another one: :eq:`mfcc-warp`.

    .. math:: g(f) = \alpha f \text{ up to } f_0 = b\,F\min(1, 1/\alpha), \text{ then straight on to } g(F) = F

    Args:
        frequency: f in Hz, from 0 to ``high``.
        warp: :math:`\alpha`; above 1 if the tract is shorter than the one compared with.
        high: F, which stays where it is.
        bend: b, where the line bends.
    """
    if not 0.5 <= warp <= 2:
        raise ValueError(f"warp must be from 0.5 to 2, got {warp!r}")
    knee = bend * high * min(1, 1 / warp)
    rest = (high - warp * knee) / (high - knee)
    return torch.where(frequency <= knee, warp * frequency, high + rest * (frequency - high))


def filter_bank(
    n_mels: int,
    n_fft: int,
    rate: int,
    *,
    low: float = 0.0,
    high: float | None = None,
    scale: str = "htk",
    norm: str | None = None,
    warp: float = 1.0,
) -> Tensor:
    r"""Triangles that are equally wide on the mel scale: :eq:`mfcc-bank`.

    .. math:: B_{km} = \max\Bigl(0, \min\Bigl(\frac{f_k - \varphi_{m-1}}{\varphi_m - \varphi_{m-1}},
              \frac{\varphi_{m+1} - f_k}{\varphi_{m+1} - \varphi_m}\Bigr)\Bigr)

    Args:
        n_mels: number of filters.
        n_fft: length of the Fourier transform, whose bins are :math:`f_k = k f_s/n_{fft}`.
        rate: samples a second.
        low, high: the band in Hz; ``high`` is by default half the rate.
        scale: on which the corners :math:`\varphi_m` are equally spaced.
        norm: ``"slaney"`` gives each triangle the area 1 (divides by half its width in Hz); ``None`` the height 1.
        warp: of the speaker's vocal tract, see :func:`warped`: the corners go where this speaker has what a speaker
            with warp 1 has there.

    Returns:
        ``float32 [n_fft // 2 + 1, n_mels]``.

    Raises:
        ValueError: if the band is empty or beyond half the rate, or a filter is so narrow that no bin lies in it.

    Example:
        >>> filter_bank(3, n_fft=16, rate=8000).shape
        torch.Size([9, 3])
    """
    require_whole("n_mels", n_mels)
    require_whole("n_fft", n_fft, least=2)
    high = rate / 2 if high is None else high
    if not 0 <= low < high <= rate / 2:
        raise ValueError(f"the band must be 0 <= low < high <= {rate / 2:g} Hz, got {low:g} to {high:g}")
    if norm not in (None, "slaney"):
        raise ValueError(f"norm must be None or 'slaney', got {norm!r}")
    ends = mel(torch.tensor([low, high], dtype=torch.float64), scale).tolist()
    corners = hertz(torch.linspace(*ends, n_mels + 2, dtype=torch.float64), scale)
    corners = warped(corners, warp, rate / 2)
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64)[:, None] * rate / n_fft
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    bank = torch.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)).clamp(min=0)
    empty = (bank.sum(0) == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(
            f"filter {empty[0]} of {n_mels} lies between two bins of {rate / n_fft:.1f} Hz and would always be silent: "
            "take fewer filters or a longer transform"
        )
    return (bank if norm is None else bank * 2 / (right - left)).float()


def dct_matrix(n_in: int, n_out: int) -> Tensor:
    r"""The first columns of the orthonormal cosine transform of type II, ``float32 [n_in, n_out]``: :eq:`mfcc-dct`.

    .. math:: C_{mj} = s_j \cos\bigl(\pi j (m + \tfrac12)/n\bigr), \qquad s_0 = \sqrt{1/n},\; s_j = \sqrt{2/n}

    Example:
        >>> c = dct_matrix(4, 4)
        >>> torch.allclose(c.T @ c, torch.eye(4), atol=1e-6)
        True
    """
    require_whole("n_in", n_in)
    require_whole("n_out", n_out, most=n_in)
    m, j = torch.arange(n_in, dtype=torch.float64)[:, None], torch.arange(n_out)
    matrix = (math.pi * j * (m + 0.5) / n_in).cos() * math.sqrt(2 / n_in)
    matrix[:, 0] /= math.sqrt(2)
    return matrix.float()
