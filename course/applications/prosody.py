r"""A recording as one vector that tells how something is said: timbre, melody, loudness, and their course in time.

Numbers of frames (10 ms apart) become means, deviations and percentiles over the speech alone, so that neither the
length of a recording nor the silence around it matters. Nothing here is learned.

Source: the choice follows Eyben et al., *The Geneva minimalistic acoustic parameter set* (2016), in spirit; it is not
that set.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from course import runtime
from course.data import Sounds
from course.data.sets import DataError
from course.representation.cepstrum import pitch
from course.representation.mel import dct_matrix
from course.representation.mfcc import Conventions, log_mel
from course.representation.over_time import deltas

MELS, COEFFICIENTS = 40, 20
QUIET = 40.0  # dB below the loudest frame: silence before and after
VOICED, LOUD = 0.6, 30.0  # periodicity of a voiced frame, and dB below the loudest that it may have
FEWEST = 5  # voiced frames; with fewer the most periodic ones count
SHORTEST = 0.2  # seconds of a recording
PITCHES, LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95), (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)  # percentiles
SEGMENTS, PER_SEGMENT = 4, 6  # equal parts in time, and coefficients kept of each


@dataclass(frozen=True)
class Frames:
    """What is known of each frame of the speech in a recording.

    Attributes:
        mel: levels of the bands, ``[frames, 40]`` in dB.
        energy: of all bands together, ``[frames]`` in dB.
        semitones: pitch in semitones above 100 Hz, ``[frames]``; without a voice it means nothing.
        periodic: how periodic a frame is, from 0 to 1, ``[frames]``.
        voiced: the frames that count as voiced, ``bool [frames]``.
    """

    mel: Tensor
    energy: Tensor
    semitones: Tensor
    periodic: Tensor
    voiced: Tensor


@cache
def conventions(rate: int) -> Conventions:
    """How frames are cut: 25 ms every 10 ms, 40 bands from 60 Hz on."""
    return Conventions.speech(rate, n_mels=MELS, low=60.0)


def frames_of(wave: Tensor, rate: int) -> Frames:
    """The frames from the first to the last one within 40 dB of the loudest.

    Args:
        wave: samples from -1 to 1, ``[n]``.
        rate: samples a second, 8,000 Hz or more.

    Raises:
        DataError: if the recording is shorter than 0.2 s, or silent throughout.
        ValueError: if the rate is lower.
    """
    if rate < 8000:
        raise ValueError(f"speech needs at least 8,000 samples a second, got {rate:,}")
    if len(wave) < SHORTEST * rate:
        raise DataError(f"a recording has {len(wave) / rate:.2f} s and needs at least {SHORTEST} s: leave it out")
    mel = log_mel(wave, rate, conventions(rate))
    hertz, periodic = pitch(wave, rate)
    count = min(len(mel), len(hertz))
    mel, hertz, periodic = mel[:count], hertz[:count], periodic[:count]
    energy = 10 * (10 ** (mel / 10)).sum(1).log10()
    if energy.max() - energy.min() < 1e-6:
        raise DataError("a recording is silent or has the same level throughout: leave it out")
    speech = (energy > energy.max() - QUIET).nonzero().flatten()
    part = slice(int(speech[0]), int(speech[-1]) + 1)
    mel, energy, hertz, periodic = mel[part], energy[part], hertz[part], periodic[part]
    voiced = (periodic > VOICED) & (energy > energy.max() - LOUD)
    if voiced.sum() < FEWEST:
        voiced = periodic >= periodic.topk(min(FEWEST, len(periodic))).values[-1]
    return Frames(mel, energy, 12 * (hertz.clamp(min=50) / 100).log2(), periodic, voiced)


def timbre(f: Frames) -> list[Tensor]:
    """Means and deviations of the MFCCs, and deviations of their slopes: :eq:`emotion-pooling`."""
    c = f.mel @ dct_matrix(MELS, COEFFICIENTS).to(f.mel)
    return [c.mean(0), spread(c), spread(deltas(c))]


def melody(f: Frames) -> list[Tensor]:
    """Percentiles, mean, deviation and slope of the voiced pitch, how fast it moves, and how periodic the voice is."""
    p, moves = f.semitones[f.voiced], deltas(f.semitones[:, None])[f.voiced, 0]
    time = torch.linspace(-1, 1, len(p), dtype=p.dtype)
    slope = (p * time).mean() / time.square().mean()
    rest = [p.mean(), spread(p), slope, moves.abs().mean(), spread(moves)]
    rest += [f.periodic[f.voiced].mean(), f.periodic.mean(), spread(f.periodic)]
    return [percentiles(p, PITCHES), torch.stack(rest)]


def loudness(f: Frames) -> list[Tensor]:
    """Percentiles, mean and deviation of the level, how fast it moves, the voiced share, and lengths in time."""
    moves = deltas(f.energy[:, None])[:, 0]
    lengths = [torch.tensor(float(len(f.energy))).log(), f.voiced.sum().to(f.energy).log()]
    rest = [f.energy.mean(), spread(f.energy), spread(moves), moves.abs().mean(), f.voiced.to(f.energy).mean()]
    return [percentiles(f.energy, LEVELS), torch.stack([*rest, *(each.to(f.energy) for each in lengths)])]


def contrast(f: Frames) -> list[Tensor]:
    """Height of the loudest over the softest band in six groups of the voiced frames; fall towards high bands."""
    groups = f.mel[f.voiced][:, :36].unflatten(1, (6, 6))
    heights = groups.amax(2) - groups.amin(2)
    place = torch.arange(MELS, dtype=f.mel.dtype) - (MELS - 1) / 2
    fall = f.mel @ place / place.square().sum()
    high = f.mel[f.voiced, MELS // 2 :].mean()
    return [heights.mean(0), spread(heights), torch.stack([fall[f.voiced].mean(), spread(fall[f.voiced]), high])]


def course_in_time(f: Frames) -> list[Tensor]:
    """Means over quarters of the speech: the first coefficients, the level, and the pitch."""
    c = (f.mel @ dct_matrix(MELS, COEFFICIENTS).to(f.mel))[:, :PER_SEGMENT]
    mean = f.semitones[f.voiced].mean()
    parts = torch.arange(len(c)).tensor_split(SEGMENTS)
    parts = [part if len(part) else torch.tensor([len(c) - 1]) for part in parts]
    tones = [f.semitones[part][f.voiced[part]] for part in parts]
    levels = torch.stack([f.energy[part].mean() for part in parts])
    pitches = torch.stack([tone.mean() if len(tone) else mean for tone in tones])
    return [torch.cat([c[part].mean(0) for part in parts]), levels, pitches]


GROUPS = {
    "timbre": timbre,
    "melody": melody,
    "loudness": loudness,
    "contrast": contrast,
    "course in time": course_in_time,
}


def spread(x: Tensor) -> Tensor:
    """The standard deviation along the first axis, 0 of a single row."""
    return x.std(0, correction=0)


def percentiles(x: Tensor, shares: tuple[float, ...]) -> Tensor:
    """The percentiles ``[len(shares)]`` of numbers ``[n]``."""
    return x.quantile(torch.tensor(shares, dtype=x.dtype))


def vector(wave: Tensor, rate: int) -> Tensor:
    """All groups of a recording one after the other, ``float64 [133]``. Arguments and errors: :func:`frames_of`.

    Example:
        >>> from course.data.voices import say
        >>> said = say("heed hod", pitch=200)
        >>> vector(said.wave, said.rate).shape
        torch.Size([133])
    """
    found = frames_of(wave.double(), rate)
    return torch.cat([part for group in GROUPS.values() for part in group(found)])


@cache
def places() -> dict[str, slice]:
    """Where each group stands in a vector."""
    found = frames_of(torch.sin(torch.arange(8000) / 5).double() * torch.linspace(0.1, 1, 8000).double(), 8000)
    begin, slices = 0, {}
    for name, group in GROUPS.items():
        size = sum(len(part) for part in group(found))
        slices[name], begin = slice(begin, begin + size), begin + size
    return slices


def picture(wave: Tensor, rate: int, height: int, width: int) -> Tensor:
    """The levels of the speech as a small picture, ``float64 [height * width]``: bands and time are averaged."""
    mel = log_mel(wave.double(), rate, conventions(rate))
    energy = 10 * (10 ** (mel / 10)).sum(1).log10()
    speech = (energy > energy.max() - QUIET).nonzero().flatten()
    mel = mel[int(speech[0]) : int(speech[-1]) + 1]
    return nn.functional.adaptive_avg_pool2d(mel.T[None], (height, width)).flatten()


def vectors(sounds: Sounds) -> Tensor:
    """A vector for each recording, ``float64 [n, 133]``.

    Raises:
        DataError: as :func:`frames_of`; the message names the place of the recording in the set.
    """
    rows = []
    for place in runtime.progress(range(len(sounds)), desc="features", delay=1):
        try:
            rows.append(vector(sounds.x[place, : sounds.lengths[place]], sounds.rate))
        except DataError as error:
            raise DataError(f"{sounds.name}, recording {place + 1}: {error}") from error
    return torch.stack(rows)
