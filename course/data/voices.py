r"""Simulated voices: a buzz of known pitch, heard through resonances of known frequency.

The source–filter model of speech: the vocal folds make a periodic sound (the source), and the tube from the larynx to
the lips amplifies the neighbourhood of its resonances, the *formants* (the filter). The wave of syllable k is
:math:`x_k = h_k * (e_k \cdot s)` with the source s, an envelope e and the response h of the formants; an utterance is
the sum of its syllables. Nobody spoke here: pitch, formants and speakers are known because they were asked for.

Sources: Fant, *Acoustic theory of speech production* (1960), for the model; Peterson and Barney, *Control methods used
in a study of the vowels* (1952), for the vowels; Klatt, *Software for a cascade/parallel formant synthesizer* (1980),
for the resonators; Juslin and Laukka, *Communication of emotions in vocal expression and music performance* (2003), for
the directions in which emotions change the voice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from course.arguments import require_whole
from course.data.registry import suggestion
from course.data.sounds import resampled
from course.runtime import step_generator

# First three formants in Hz, averages over 33 men, by the words that they read aloud (Peterson and Barney 1952).
VOWELS = {
    "heed": (270, 2290, 3010),
    "hid": (390, 1990, 2550),
    "head": (530, 1840, 2480),
    "had": (660, 1720, 2410),
    "hod": (730, 1090, 2440),
    "hawed": (570, 840, 2410),
    "hood": (440, 1020, 2240),
    "who'd": (300, 870, 2240),
    "hud": (640, 1190, 2390),
    "heard": (490, 1350, 1690),
}
HIGHER = (3500, 4500)  # Hz, the fourth and fifth resonance of an even tube of 17.5 cm, whatever the vowel
BANDWIDTHS = np.array([60, 90, 150, 200, 250])  # Hz
RATE = 16_000  # Hz, at which everything is computed; other rates are resampled
HIGHEST = 7200  # Hz, the source has no harmonics above
TABLE = 4096  # points of a period of the source
EDGE = 0.03  # s, in which a syllable swells and fades
RINGING = 0.05  # s, after which a resonance has died away
PAUSE = 0.15  # share of a syllable that is silent


@dataclass(frozen=True)
class Voice:
    """How somebody speaks.

    Attributes:
        pitch: mean of the fundamental frequency, in Hz (a geometric mean), 50 to 500.
        tract: length of the vocal tract in units of an average man's, 0.7 to 1.3; all formants are divided by it.
        tilt: fall of the harmonics in dB an octave, 0 to 24: harmonic h has the amplitude :math:`h^{-tilt/6.02}`.
        tempo: syllables a second, 1 to 10.
        melody: rise of the pitch in the middle of each syllable, in semitones, -24 to 24.
        slope: rise of the pitch from the beginning to the end of the utterance, in semitones, -24 to 24.
        jitter: standard deviation of an irregular motion of the pitch, in semitones, 0 to 3.
        breath: standard deviation of noise in the source, which has the standard deviation 1 without it, 0 to 10.
        scatter: standard deviation of the first three formants around those of the vowel, drawn for each syllable, in
            per cent; 0 to 20.
        loudness: level of the whole wave in dB, where a mean square of 1 has 0 dB; -90 to -12.
    """

    pitch: float = 120.0
    tract: float = 1.0
    tilt: float = 6.0
    tempo: float = 4.0
    melody: float = 2.0
    slope: float = -2.0
    jitter: float = 0.1
    breath: float = 0.02
    scatter: float = 0.0
    loudness: float = -26.0

    def __post_init__(self):
        for name, (least, most) in LIMITS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} must be from {least} to {most}, got {value!r}")

    def feeling(self, emotion: str, strength: float = 1.0) -> "Voice":
        """The same voice in an emotion, of which ``strength`` is the size: 0 changes nothing, 1 is plain to hear.

        Raises:
            ValueError: if the emotion is not in ``EMOTIONS``, or the strength not from 0 to 2.
        """
        if emotion not in EMOTIONS:
            raise ValueError(f"there is no emotion {emotion!r}; {suggestion(emotion, list(EMOTIONS))}")
        if not 0 <= strength <= 2:
            raise ValueError(f"strength must be from 0 to 2, got {strength!r}")
        return self.shifted({name: strength * size for name, size in EMOTIONS[emotion].items()})

    def shifted(self, shift: dict[str, float]) -> "Voice":
        """The voice after a shift: pitch in semitones and tempo in per cent, the others in their own units.

        What would leave its limits stays there.
        """
        moved = {name: getattr(self, name) + size for name, size in shift.items()}
        if "pitch" in shift:
            moved["pitch"] = self.pitch * 2 ** (shift["pitch"] / 12)
        if "tempo" in shift:
            moved["tempo"] = self.tempo * (1 + shift["tempo"] / 100)
        return replace(self, **{name: float(np.clip(value, *LIMITS[name])) for name, value in moved.items()})


LIMITS = {"pitch": (50, 500), "tract": (0.7, 1.3), "tilt": (0, 24), "tempo": (1, 10), "melody": (-24, 24),
          "slope": (-24, 24), "jitter": (0, 3), "breath": (0, 10), "scatter": (0, 20),
          "loudness": (-90, -12)}  # fmt: skip

# What an emotion does to a voice at strength 1. The signs are those of the review of 104 studies by Juslin and Laukka
# (2003): level, variability and contour of the pitch, speech rate, intensity, energy at high frequencies (the opposite
# of tilt), irregularity. The sizes are chosen here: the review gives none.
EMOTIONS: dict[str, dict[str, float]] = {
    "neutral": {},
    "anger": {"pitch": 4, "melody": 3, "slope": 4, "tempo": 20, "loudness": 7, "tilt": -2.5, "jitter": 0.2},
    "fear": {"pitch": 6, "melody": -2, "slope": 5, "tempo": 25, "loudness": -2, "tilt": 2, "jitter": 0.5},
    "happiness": {"pitch": 5, "melody": 6, "slope": 5, "tempo": 15, "loudness": 4, "tilt": -1, "jitter": -0.1},
    "sadness": {"pitch": -3, "melody": -2, "slope": -4, "tempo": -30, "loudness": -6, "tilt": 3, "jitter": 0.3},
    "tenderness": {"pitch": -1, "melody": -1, "slope": -3, "tempo": -15, "loudness": -4, "tilt": 2, "jitter": -0.1},
}


@dataclass(frozen=True)
class Utterance:
    """A simulated utterance, and what was asked for.

    Attributes:
        wave: samples from -1 to 1, ``float32 [n]``.
        rate: samples a second (Hz).
        pitch: the fundamental frequency at each sample in Hz, ``float64 [n]``.
        formants: the resonances of each syllable in Hz, ``float64 [syllables, 5]``.
        syllables: first sample of each syllable and the one after its last, ``int64 [syllables, 2]``.
    """

    wave: Tensor
    rate: int
    pitch: Tensor
    formants: Tensor
    syllables: Tensor


def formants(vowel: str, tract: float = 1.0) -> np.ndarray:
    """The five resonances of a vowel in Hz, ``[5]``, in a vocal tract of ``tract`` times a man's length.

    Real voices are not scaled so evenly: in Peterson and Barney's averages women's first three formants are 2 to 30 %
    above men's, and 16 % in the mean.

    Raises:
        ValueError: if the vowel is not in ``VOWELS``.
    """
    if vowel not in VOWELS:
        raise ValueError(f"there is no vowel {vowel!r}; {suggestion(vowel, list(VOWELS))}")
    return np.array([*VOWELS[vowel], *HIGHER]) / tract


def resonators(resonances: np.ndarray) -> np.ndarray:
    r"""The filter of a vocal tract as second-order sections ``[resonances, 6]`` of scipy, at 16,000 Hz.

    A resonance at F with the bandwidth B is :math:`H(z) = (1-2r\cos\theta+r^2)/(1-2r\cos\theta\,z^{-1}+r^2z^{-2})` with
    :math:`r=e^{-\pi B/f_s}`, :math:`\theta=2\pi F/f_s`: a gain of 1 at 0 Hz, and a peak near F.
    """
    radius, angle = np.exp(-np.pi * BANDWIDTHS / RATE), 2 * np.pi * resonances / RATE
    one, zero, first, second = np.ones(5), np.zeros(5), -2 * radius * np.cos(angle), radius**2
    return np.stack([1 + first + second, zero, zero, one, first, second], 1)


def gain(resonances: Tensor | np.ndarray, frequencies: Tensor | np.ndarray) -> np.ndarray:
    """The filter's amplitude ``|H|`` at frequencies in Hz, ``[m]``: what a harmonic is multiplied by.

    Args:
        resonances: five formants in Hz, ``[5]``, such as a row of ``Utterance.formants``.
        frequencies: ``[m]``, below 8,000 Hz.
    """
    from scipy.signal import sosfreqz

    return np.abs(sosfreqz(resonators(np.asarray(resonances)), np.asarray(frequencies, dtype=float), fs=RATE)[1])


def say(
    vowels: str | Sequence[str],
    *,
    emotion: str = "neutral",
    strength: float = 1.0,
    rate: int = 8000,
    seed: int = 0,
    **voice: float,
) -> Utterance:
    """Say some syllables, each a vowel; the same arguments give the same samples.

    Args:
        vowels: by the words of ``VOWELS``, such as ``"heed hod who'd"`` or ``["heed", "hod"]``.
        emotion, strength: as for :meth:`Voice.feeling`.
        rate: samples a second, at most 16,000 Hz.
        seed: of jitter, breath and scatter; nothing else is random.
        voice: attributes of :class:`Voice`; ``melody=0, slope=0, jitter=0`` keeps the pitch constant.

    Raises:
        ValueError: if there are no vowels, or an argument is unknown or out of its range.

    Example:
        >>> said = say("heed hod", pitch=200, tract=0.86)
        >>> said.wave.shape, said.formants[:, :3].round().tolist()
        (torch.Size([4400]), [[314.0, 2663.0, 3500.0], [849.0, 1267.0, 2837.0]])
    """
    for name in voice:
        if name not in LIMITS:
            raise ValueError(f"a voice has no {name!r}; {suggestion(name, list(LIMITS))}")
    return spoken(vowels, Voice(**voice).feeling(emotion, strength), rate=rate, generator=step_generator(seed, 0))


def spoken(vowels: str | Sequence[str], voice: Voice, *, rate: int, generator: np.random.Generator) -> Utterance:
    """:func:`say` with a voice that is there already, and numbers from a generator."""
    from scipy.signal import sosfilt

    require_whole("rate", rate, 1000, RATE)
    vowels = vowels.split() if isinstance(vowels, str) else list(vowels)
    if not vowels:
        raise ValueError("there is nothing to say: name at least one vowel, such as say('heed')")
    tubes = np.stack([formants(vowel, voice.tract) for vowel in vowels])
    tubes[:, :3] *= np.exp(voice.scatter / 100 * generator.standard_normal((len(vowels), 3)))
    length = round(RATE / voice.tempo)  # of a syllable, the pause after it included
    sounding, ringing = round((1 - PAUSE) * length), round(RINGING * RATE)
    time = np.arange(len(vowels) * length + ringing)
    pitch = contour(voice, time / length, len(vowels), generator)
    source = buzz(pitch, voice.tilt) + voice.breath * generator.standard_normal(len(time))
    edges = np.minimum(1, np.arange(1, sounding + 1) / (EDGE * RATE))
    envelope = np.sin(np.pi / 2 * edges * edges[::-1]) ** 2
    wave = np.zeros(len(time))
    for begin, tube in zip(range(0, len(time) - ringing, length), tubes, strict=True):
        excited = np.zeros(min(length + ringing, len(time) - begin))
        excited[:sounding] = envelope * source[begin : begin + sounding]
        wave[begin : begin + len(excited)] += sosfilt(resonators(tube), excited)
    wave *= 10 ** (voice.loudness / 20) / np.sqrt(np.mean(wave**2))
    begins = np.arange(len(vowels)) * length
    wave = resampled(wave, RATE, rate)
    if np.abs(wave).max() > 1:
        raise ValueError(f"the wave leaves the range from -1 to 1: lower the loudness of {voice.loudness:.1f} dB")
    return Utterance(
        wave=torch.from_numpy(wave).float(),
        rate=rate,
        pitch=torch.from_numpy(np.interp(np.arange(len(wave)) * RATE / rate, time, pitch)),
        formants=torch.from_numpy(tubes),
        syllables=torch.from_numpy(np.rint(np.stack([begins, begins + sounding], 1) * rate / RATE).astype(np.int64)),
    )


def contour(voice: Voice, syllable: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """The pitch in Hz at the times ``syllable`` (in syllables since the beginning, ``[n]``), ``[n]``.

    In semitones around the voice's pitch: a sine arch over each syllable, a straight line over the utterance, and
    jitter, which is drawn 100 times a second and interpolated. The arch and the line have the mean 0.
    """
    arch = np.sin(np.pi * np.clip((syllable % 1) / (1 - PAUSE), 0, 1)) - 2 / np.pi * (1 - PAUSE)
    line = np.clip(syllable / count, 0, 1) - 0.5
    ticks = np.arange(0, syllable[-1] + 1, voice.tempo / 100)
    jitter = np.interp(syllable, ticks, generator.standard_normal(len(ticks)))
    return voice.pitch * 2 ** ((voice.melody * arch + voice.slope * line + voice.jitter * jitter) / 12)


def buzz(pitch: np.ndarray, tilt: float) -> np.ndarray:
    """The source without breath, ``[n]``: harmonics of a changing pitch in Hz ``[n]``, mean square about 1.

    It is read from a table of one period, whose harmonics all stay below 7,200 Hz, so that none is folded back. With
    6 dB an octave it is a sawtooth without its highest harmonics: the pulses of the vocal folds fall by 12 dB an
    octave, and the radiation from the lips gives 6 back.
    """
    harmonics = np.arange(1, int(HIGHEST / pitch.max()) + 1)
    amplitudes = harmonics ** (-tilt / (20 * np.log10(2)))
    spectrum = np.zeros(TABLE // 2 + 1, dtype=complex)
    spectrum[harmonics] = -0.5j * TABLE * amplitudes
    period = np.fft.irfft(spectrum) / np.sqrt(np.sum(amplitudes**2) / 2)  # sum of amplitude times sine
    phase = np.cumsum(pitch) / RATE % 1
    return np.interp(phase * TABLE, np.arange(TABLE + 1), np.append(period, period[0]))
