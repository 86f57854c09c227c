r"""Mel-frequency cepstral coefficients: what the vocal tract does to a sound, in a dozen numbers every 10 ms.

Frames, spectra, triangles on the mel scale, logarithms, cosines: each step is a differentiable function of torch on
batches, and all steps run on a thousand frames at a time, so that long recordings need no memory of their own.

Source: Davis and Mermelstein, *Comparison of parametric representations for monosyllabic word recognition* (1980).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.representation.mel import dct_matrix, filter_bank
from course.representation.spectra import frames, window

CHUNK = 1024  # frames that are transformed at a time: what they need stays in the cache of a processor


@dataclass(frozen=True)
class Conventions:
    """Everything that must be agreed upon before two people's MFCCs can be compared.

    Attributes:
        rate: samples a second (Hz).
        frame, hop, n_fft: samples of a frame, from one frame to the next, and of the Fourier transform.
        window, symmetric: as for :func:`course.representation.spectra.window`.
        pad: ``None`` begins with the first whole frame; ``"reflect"`` or ``"constant"`` (zeros) puts the middle of
            frame t at sample t · hop, for which the wave is continued at both ends.
        power: 2 for energies, 1 for magnitudes.
        n_mels, low, high, scale, norm, warp: as for :func:`course.representation.mel.filter_bank`.
        log: ``"dB"`` for :math:`10\\log_{10}` or ``"ln"``.
        floor: what is smaller counts as this, so that silence has a logarithm.
        range_db: nothing is further than this below the loudest number of a recording; ``None``: no limit. It needs the
            whole recording.
        n_mfcc: coefficients kept, the one of order 0 included.

    Example:
        >>> agreed = Conventions.speech(8000)
        >>> agreed.frame, agreed.hop, agreed.n_fft
        (200, 80, 256)
    """

    rate: int
    frame: int
    hop: int
    n_fft: int
    window: str = "hann"
    symmetric: bool = False
    pad: str | None = None
    power: float = 2.0
    n_mels: int = 40
    low: float = 0.0
    high: float | None = None
    scale: str = "htk"
    norm: str | None = None
    warp: float = 1.0
    log: str = "dB"
    floor: float = 1e-10
    range_db: float | None = None
    n_mfcc: int = 13

    def __post_init__(self):
        for name in ("rate", "frame", "hop"):
            require_whole(name, getattr(self, name))
        require_whole("n_fft", self.n_fft, least=self.frame)
        if self.n_fft % 2:
            raise ValueError(f"n_fft must be even, so that the last bin is half the rate; got {self.n_fft}")
        require_whole("n_mfcc", self.n_mfcc, most=self.n_mels)
        for name, known in {"pad": (None, "reflect", "constant"), "power": (1, 2), "log": ("dB", "ln")}.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {getattr(self, name)!r}")
        if not self.floor > 0:
            raise ValueError(f"floor must be positive, as the logarithm of silence is not finite; got {self.floor}")
        if self.range_db is not None and not (self.range_db > 0 and self.log == "dB"):
            raise ValueError(f"range_db must be positive, and needs log='dB'; got {self.range_db} with {self.log!r}")

    @classmethod
    def speech(cls, rate: int, **changed) -> Self:
        """Frames of 25 ms every 10 ms, the next power of two for the transform; ``changed`` has what is to differ."""
        frame = round(0.025 * rate)
        sizes = {"frame": frame, "hop": round(0.010 * rate), "n_fft": 1 << (frame - 1).bit_length()}
        return cls(rate, **sizes | changed)

    @classmethod
    def torchaudio(cls, rate: int = 16_000, **changed) -> Self:
        """What ``torchaudio.transforms.MFCC`` does unless told otherwise, but 40 filters: some of its 128 are empty."""
        sizes = {"frame": 400, "hop": 200, "n_fft": 400, "pad": "reflect", "range_db": 80.0, "n_mfcc": 40}
        return cls(rate, **sizes | changed)

    @classmethod
    def librosa(cls, rate: int = 22_050, **changed) -> Self:
        """What ``librosa.feature.mfcc`` does unless told otherwise."""
        sizes = {"frame": 2048, "hop": 512, "n_fft": 2048, "pad": "constant", "range_db": 80.0, "n_mfcc": 20}
        return cls(rate, **sizes | {"n_mels": 128, "scale": "slaney", "norm": "slaney"} | changed)

    @cached_property
    def taper(self) -> Tensor:
        """The window ``[frame]``."""
        return window(self.window, self.frame, self.symmetric)

    @cached_property
    def bank(self) -> Tensor:
        """The filters ``[n_fft // 2 + 1, n_mels]``."""
        band = {"low": self.low, "high": self.high, "scale": self.scale, "norm": self.norm, "warp": self.warp}
        return filter_bank(self.n_mels, self.n_fft, self.rate, **band)

    @cached_property
    def cosines(self) -> Tensor:
        """The cosine transform ``[n_mels, n_mfcc]``."""
        return dct_matrix(self.n_mels, self.n_mfcc)

    @property
    def margins(self) -> tuple[int, int]:
        """Samples by which a wave is continued at its beginning and at its end."""
        if self.pad is None:
            return 0, 0
        before = self.n_fft // 2 - (self.n_fft - self.frame) // 2  # as if the window stood in the middle of n_fft
        return before, self.frame - before

    def n_frames(self, samples: int | Tensor) -> int | Tensor:
        """How many frames a wave of so many samples has; of several lengths, for each."""
        count = 1 + (samples + sum(self.margins) - self.frame) // self.hop
        return count * (count > 0)


def mel_energies(waves: Tensor, rate: int, conventions: Conventions, bank: Tensor | None = None) -> Tensor:
    r"""Energy in each band of the mel scale, ``[..., frames, n_mels]``: :eq:`mfcc-energies`.

    .. math:: E_{tm} = \sum_k |X_{t,k}|^2 B_{km}

    The arguments are those of :func:`log_mel`.
    """
    return in_chunks(waves, rate, conventions, bank, lambda found: found)


def log_mel(waves: Tensor, rate: int, conventions: Conventions, bank: Tensor | None = None) -> Tensor:
    r"""Logarithms of the energies, ``[..., frames, n_mels]``: :eq:`mfcc-log`.

    Args:
        waves: samples from -1 to 1, ``[..., samples]``; what stands before the last axis is a batch. Two channels are
            two waves. Half precision is computed in single precision, as squares need its range.
        rate: of the waves, in Hz; it must be that of the conventions.
        conventions: how.
        bank: other filters ``[n_fft // 2 + 1, n_mels]`` in place of the conventions' own, such as learned ones.

    Raises:
        ValueError: if the rate is another one, a wave is shorter than a frame, or a sample is NaN or infinite.
        TypeError: if the samples are whole numbers.
    """
    levels = in_chunks(waves, rate, conventions, bank, lambda found: logarithm(found, conventions))
    if conventions.range_db is None:
        return levels
    return levels.maximum(levels.amax((-2, -1), keepdim=True) - conventions.range_db)


def mfcc(waves: Tensor, rate: int, conventions: Conventions, bank: Tensor | None = None) -> Tensor:
    r"""Mel-frequency cepstral coefficients, ``[..., frames, n_mfcc]``: :eq:`mfcc-definition`.

    .. math:: c_{tj} = \sum_m C_{mj} \log E_{tm}

    Silence gives finite numbers (the logarithm of the floor). A constant added to the wave changes the lowest filters
    only. Clipped samples are samples: see :func:`course.representation.sampling.clipped_share`.

    The arguments and errors are those of :func:`log_mel`.

    Example:
        >>> wave = torch.sin(torch.arange(8000) / 5)
        >>> mfcc(wave, 8000, Conventions.speech(8000)).shape
        torch.Size([98, 13])
    """
    if conventions.range_db is not None:
        levels = log_mel(waves, rate, conventions, bank)
        return levels @ conventions.cosines.to(levels)
    cosines = conventions.cosines
    return in_chunks(waves, rate, conventions, bank, lambda found: logarithm(found, conventions) @ cosines.to(found))


def in_chunks(waves: Tensor, rate: int, conventions: Conventions, bank: Tensor | None, after) -> Tensor:
    """The energies of ``CHUNK`` frames at a time, each chunk followed by the function ``after``."""
    waves = checked(waves, rate, conventions)
    bank = (conventions.bank if bank is None else bank).to(waves)
    parts = frames(continued(waves, conventions), conventions.frame, conventions.hop)
    taper, size = conventions.taper.to(waves), max(1, CHUNK // max(1, parts[..., 0, 0].numel()))
    done = [after(energies(part, taper, bank, conventions)) for part in parts.split(size, dim=-2)]
    return torch.cat(done, dim=-2)


def energies(parts: Tensor, taper: Tensor, bank: Tensor, conventions: Conventions) -> Tensor:
    """The energies ``[..., frames, n_mels]`` of frames ``[..., frames, frame]``."""
    spectra = torch.fft.rfft(parts * taper, conventions.n_fft)
    if conventions.power == 1:
        return spectra.abs() @ bank
    return torch.addcmul(spectra.real.square(), spectra.imag, spectra.imag) @ bank


def logarithm(energies: Tensor, conventions: Conventions) -> Tensor:
    """The logarithm in the conventions' unit, of the floor where an energy is below it."""
    energies = energies.clamp(min=conventions.floor)
    return 10 * energies.log10() if conventions.log == "dB" else energies.log()


def checked(waves: Tensor, rate: int, conventions: Conventions) -> Tensor:
    """The waves in a precision that squares need; an error if they cannot be analysed."""
    if rate != conventions.rate:
        raise ValueError(
            f"the waves have {rate:,} Hz and the conventions {conventions.rate:,} Hz: resample the waves, or take "
            "conventions for their rate"
        )
    if not waves.is_floating_point():
        raise TypeError(f"the samples are {waves.dtype}: divide by the largest value, so that they are from -1 to 1")
    if not waves.sum().isfinite() and not waves.isfinite().all():  # a sum is 30 times as fast, and needs no memory
        raise ValueError(f"{int((~waves.isfinite()).sum())} samples are NaN or infinite: repair or drop the recording")
    return waves.float() if waves.dtype in (torch.float16, torch.bfloat16) else waves


def continued(waves: Tensor, conventions: Conventions, before: bool = True, after: bool = True) -> Tensor:
    """The waves with the conventions' margins, at the ends that are asked for."""
    left, right = conventions.margins
    if conventions.pad is None:
        return waves
    if conventions.pad == "reflect" and waves.shape[-1] <= max(left, right):
        raise ValueError(
            f"{waves.shape[-1]} samples cannot be reflected by {max(left, right)}: pad the wave, or take pad='constant'"
        )
    flat = waves.reshape(-1, waves.shape[-1])  # torch reflects no wave without a batch
    return F.pad(flat, (left * before, right * after), conventions.pad).reshape(*waves.shape[:-1], -1)


def stream(blocks: Iterable[Tensor], rate: int, conventions: Conventions) -> Iterator[Tensor]:
    """The coefficients of a recording that comes in blocks, ``[..., frames, n_mfcc]`` whenever a frame is complete.

    Put together they are :func:`mfcc` of the whole. Only the samples of unfinished frames are kept.

    Args:
        blocks: ``[..., samples]`` of any lengths.
        rate, conventions: as for :func:`mfcc`; without ``range_db``, which would need the end before the beginning.

    Raises:
        ValueError: as :func:`mfcc`, if the conventions have a ``range_db``, or if the recording ends before it has a
            frame.

    Example:
        >>> wave, agreed = torch.rand(4000), Conventions.speech(8000)
        >>> parts = list(stream(wave.split(700), 8000, agreed))
        >>> torch.allclose(torch.cat(parts), mfcc(wave, 8000, agreed), atol=1e-3)
        True
    """
    if conventions.range_db is not None:
        raise ValueError("range_db needs the loudest frame of the whole recording: stream with range_db=None")
    bare, reach = replace(conventions, pad=None), max(conventions.margins) + 1  # samples that a reflection needs
    kept, start, begun, found = None, 0, False, False  # samples, and where in them the next frame begins

    def finished() -> Iterator[Tensor]:
        nonlocal start, found
        count = bare.n_frames(kept.shape[-1] - start)
        if count:
            end = start + (count - 1) * bare.hop + bare.frame
            yield mfcc(kept[..., start:end], rate, bare)
            start, found = start + count * bare.hop, True

    for block in blocks:
        kept = block if kept is None else torch.cat([kept, block], -1)
        if not begun and kept.shape[-1] >= reach:
            kept, begun = continued(kept, conventions, after=False), True
        if begun:
            yield from finished()
            unneeded = min(start, max(0, kept.shape[-1] - reach))
            kept, start = kept[..., unneeded:], start - unneeded
    if kept is None:
        raise ValueError("there was no block: a recording has at least one")
    kept = continued(kept, conventions, before=not begun)
    yield from finished()
    if not found:
        frames(kept, bare.frame, bare.hop)  # says that the recording is shorter than a frame
