"""Recordings as one tensor: waveforms of different lengths, padded with 0, with labels and speakers.

Files are read by libsndfile (``soundfile``) and resampled by the library SoX (``soxr``).
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course import runtime
from course.arguments import require_whole
from course.data.sets import DataError, LabelledSet, require_numbers

SOUNDS = (".wav", ".flac")  # how the names of recordings end
STREAMED = 2**31 - 2**16  # bytes: a program that did not know the length wrote this, or more, into the header


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sounds(LabelledSet):
    """A labelled set of recordings; ``x`` holds waveforms ``float32 [n, longest]``, with 0 after the end of each.

    Attributes:
        lengths: samples of each recording before the padding, ``int64 [n]``.
        rate: samples a second (Hz).
        speakers: the speaker of each recording, ``int64 [n]``, a position in ``speaker_names``; -1 is unknown.
        speaker_names: the name of each speaker.

    Example:
        >>> x, y, lengths = torch.zeros(2, 8000), torch.tensor([0, 1]), torch.tensor([8000, 6000])
        >>> people = {"speakers": torch.tensor([1, 0]), "speaker_names": ("Ada", "Ben")}
        >>> Sounds(x, y, ("no", "yes"), ("no", "yes"), "small", lengths=lengths, rate=8000, **people)
        Sounds('small', x=[2, 8000] float32, 2 classes, 2 speakers, 8,000 Hz)
    """

    lengths: Tensor
    rate: int
    speakers: Tensor
    speaker_names: tuple[str, ...]

    def __post_init__(self):
        super().__post_init__()
        if self.x.ndim != 2:
            raise ValueError(f"{self.name}: x must be waveforms [n, longest], got {list(self.x.shape)}")
        require_whole(f"{self.name}: rate", self.rate)
        require_numbers(f"{self.name}: lengths", self.lengths, len(self), 1, self.x.shape[1])
        require_numbers(f"{self.name}: speakers", self.speakers, len(self), -1, len(self.speaker_names) - 1)

    def __repr__(self) -> str:
        speakers = f"{len(self.speaker_names)} speakers" if self.speaker_names else "speakers unknown"
        return f"{super().__repr__()[:-1]}, {speakers}, {self.rate:,} Hz)"


def read_sounds(
    files: Sequence[Path],
    *,
    rate: int | None = None,
    mono: bool = False,
    speaker: Callable[[Path], str | None] = lambda file: None,
) -> dict[str, Any]:
    """Read WAV and FLAC files.

    Args:
        files: the recordings, which may lie in a zip file (``zipfile.Path``).
        rate: samples a second of the result; ``None`` keeps those of the files, which then must be the same in all.
        mono: average the channels of a recording that has several.
        speaker: who speaks in a file, by name, such as ``lambda file: file.stem.split("_")[1]``; ``None`` is unknown.

    Returns:
        ``x``, ``lengths``, ``rate``, ``speakers`` and ``speaker_names`` of :class:`Sounds`.

    Raises:
        DataError: if a file is damaged, cut short or empty, has several channels or samples that are not finite, or
            the rates differ. The message names the file.
        ValueError: if ``rate`` is not a positive whole number.
    """
    if rate is not None:
        require_whole("rate", rate)
    who = [speaker(file) for file in files]
    names = sorted(set(who) - {None})
    waveforms, common_rate = [], rate
    for file in runtime.progress(files, desc="recordings", delay=1):
        samples, own_rate = decoded(file, mono)
        common_rate = common_rate or own_rate
        if rate is None and own_rate != common_rate:
            raise DataError(
                f"{file} has {own_rate:,} Hz, {files[0]} has {common_rate:,} Hz: "
                f"pass rate={min(own_rate, common_rate)} to resample all recordings to one rate"
            )
        waveforms.append(torch.from_numpy(resampled(samples, own_rate, common_rate)))
        if not len(waveforms[-1]):
            raise DataError(f"the recording {file} is shorter than a sample at {common_rate:,} Hz: remove it")
    return {
        "x": nn.utils.rnn.pad_sequence(waveforms, batch_first=True),
        "lengths": torch.tensor([len(waveform) for waveform in waveforms]),
        "rate": common_rate,
        "speakers": torch.tensor([-1 if name is None else names.index(name) for name in who]),
        "speaker_names": tuple(names),
    }


def decoded(file: Path, mono: bool) -> tuple[np.ndarray, int]:
    """The samples ``float32 [length]`` of a recording, from -1 to 1, and its rate in Hz."""
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(file.read_bytes())) as opened:
            samples, log = opened.read(dtype="float32", always_2d=True), opened.extra_info
            rate, frames = opened.samplerate, opened.frames
    except (OSError, soundfile.LibsndfileError) as error:
        reason = getattr(error, "error_string", error)
        raise DataError(f"the recording {file} cannot be read ({reason}): save it again, or remove it") from error
    # libsndfile reads what is there of a WAV file that was cut, and only its log tells
    cut = re.search(r"^data : (\d+) \(should be", log, re.MULTILINE)
    if len(samples) < frames or (cut and int(cut[1]) < STREAMED):
        raise DataError(f"the recording {file} is cut short: get the whole file, or remove it")
    if not len(samples):
        raise DataError(f"the recording {file} holds no samples: record it again, or remove it")
    if not np.isfinite(samples).all():
        raise DataError(f"the recording {file} holds samples that are not finite: save it again, or remove it")
    if samples.shape[1] > 1 and not mono:
        raise DataError(f"the recording {file} has {samples.shape[1]} channels: pass mono=True to average them")
    return samples.mean(1), rate


def resampled(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Samples of the rate ``source`` at the rate ``target``, with a low-pass filter between; the ratio is exact."""
    if source == target:
        return samples
    import soxr

    return soxr.resample(samples, source, target)
