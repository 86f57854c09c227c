"""The data set ``voices``: 24 simulated speakers say every vowel in every emotion; no one of them exists.

What differs between speakers, and from one utterance to the next, is drawn once and for all. How hard it is to tell
emotions apart is set by ``strength``; at 0.5 a simple classifier finds it about as hard as the acted emotions of
RAVDESS, a set of recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from course import runtime
from course.arguments import require_whole
from course.data.sets import OnDevice
from course.data.sounds import Sounds
from course.data.voices import EDGE, EMOTIONS, VOWELS, Utterance, Voice, spoken
from course.runtime import step_generator

SPEAKERS = {"train": range(12), "validation": range(12, 16), "test": range(16, 24)}  # half of each are women
LABELS = ("vowel", "speaker", "emotion")
SCATTER = 10.0  # per cent, of the formants of one vowel; in recordings neighbouring vowels overlap
# Standard deviations: between the speakers of one sex, and between the utterances of one speaker.
BETWEEN = {"pitch": 2.0, "tract": 0.04, "tilt": 1.0, "tempo": 8.0, "melody": 0.6, "loudness": 2.0}
WITHIN = {"pitch": 0.8, "tilt": 0.5, "tempo": 5.0, "melody": 0.8, "slope": 1.2, "loudness": 1.2}


def load_voices(
    split: str | None = None, *, label: str = "vowel", strength: float = 0.5, rate: int = 8000, syllables: int = 3
) -> Sounds:
    """Utterances of simulated speakers: each says one vowel ``syllables`` times, in an emotion.

    A speaker says each of the 10 vowels in three of the 6 emotions, so that vowels and emotions are independent: 30
    utterances. The speakers of different splits are different.

    Args:
        split: ``"train"`` (12 speakers), ``"validation"`` (4), ``"test"`` (8); ``None`` is all 24.
        label: what ``y`` tells: ``"vowel"``, ``"speaker"`` or ``"emotion"``. The utterances are the same, in the same
            order. Speakers are numbered within the split.
        strength: size of the emotions, from 0 (none, whatever the label says) to 2.
        rate: samples a second, at most 16,000 Hz.
        syllables: how often the vowel is said.

    Returns:
        Waveforms, loud and soft as they were said: an emotion changes the level.

    Raises:
        ValueError: if an argument is unknown or out of its range.
    """
    if split is not None and split not in SPEAKERS:
        raise ValueError(f"voices has the splits {', '.join(SPEAKERS)}, not {split!r}")
    if label not in LABELS:
        raise ValueError(f"label must be one of {', '.join(LABELS)}, got {label!r}")
    require_whole("syllables", syllables)
    speakers = [speaker for name, members in SPEAKERS.items() if split in (None, name) for speaker in members]
    plan = [(speaker, *each) for speaker in speakers for each in said_by(speaker)]
    bar = runtime.progress(plan, desc="voices", delay=1)
    waves = [utterance(*each, strength=strength, rate=rate, syllables=syllables).wave for each in bar]
    names = {
        "vowel": tuple(VOWELS),
        "speaker": tuple(f"simulated {'man' if speaker % 2 else 'woman'} {speaker:02}" for speaker in speakers),
        "emotion": tuple(EMOTIONS),
    }
    numbers = {
        "vowel": torch.tensor([list(VOWELS).index(vowel) for _, vowel, _ in plan]),
        "speaker": torch.tensor([speakers.index(speaker) for speaker, _, _ in plan]),
        "emotion": torch.tensor([list(EMOTIONS).index(emotion) for _, _, emotion in plan]),
    }
    return Sounds(
        x=nn.utils.rnn.pad_sequence(waves, batch_first=True),
        y=numbers[label],
        classes=names[label],
        groups=names[label],
        name="voices, simulated" if split is None else f"voices, simulated ({split})",
        lengths=torch.tensor([len(wave) for wave in waves]),
        rate=rate,
        speakers=numbers["speaker"],
        speaker_names=names["speaker"],
    )


def said_by(speaker: int) -> list[tuple[str, str]]:
    """The 30 pairs of a vowel and an emotion that a speaker says: every other one of the 60."""
    pairs = [(v, e) for v in range(len(VOWELS)) for e in range(len(EMOTIONS)) if (v + e + speaker // 2) % 2 == 0]
    return [(list(VOWELS)[v], list(EMOTIONS)[e]) for v, e in pairs]


def speaker_voice(speaker: int) -> Voice:
    """How a speaker speaks on average: even numbers are women, odd ones men.

    Peterson and Barney's men have a mean pitch of about 130 Hz, their women of about 220 Hz with formants 16 % higher.
    """
    average = Voice(pitch=130, scatter=SCATTER) if speaker % 2 else Voice(pitch=220, tract=1 / 1.16, scatter=SCATTER)
    return average.shifted(drawn(BETWEEN, step_generator(1, speaker)))


def utterance(speaker: int, vowel: str, emotion: str, *, strength: float, rate: int, syllables: int) -> Utterance:
    """One utterance of the set, whatever else is loaded; no two are alike."""
    number = (speaker * len(VOWELS) + list(VOWELS).index(vowel)) * len(EMOTIONS) + list(EMOTIONS).index(emotion)
    generator = step_generator(2, number)
    voice = speaker_voice(speaker).shifted(drawn(WITHIN, generator)).feeling(emotion, strength)
    return spoken([vowel] * syllables, voice, rate=rate, generator=generator)


def drawn(deviations: dict[str, float], generator: np.random.Generator) -> dict[str, float]:
    """A random shift of a voice with these standard deviations."""
    sizes = generator.standard_normal(len(deviations))
    return {name: deviation * size for (name, deviation), size in zip(deviations.items(), sizes, strict=True)}


@dataclass(frozen=True, eq=False)
class HeldVowels(OnDevice):
    """Vowels that simulated speakers hold, without beginning and end, and the truth about each.

    Attributes:
        x: waves of one length, ``float32 [n, samples]``.
        vowels, speakers: their numbers in ``vowel_names`` and among the speakers that were asked for, ``int64 [n]``.
        takes: the number of the take, from 0 on, ``int64 [n]``.
        pitch: the mean fundamental frequency in Hz, ``float64 [n]``.
        formants: the resonances in Hz, ``float64 [n, 5]``.
        vowel_names: words of ``VOWELS`` in :mod:`course.data.voices`.
        rate: samples a second.
    """

    x: Tensor
    vowels: Tensor
    speakers: Tensor
    takes: Tensor
    pitch: Tensor
    formants: Tensor
    vowel_names: tuple[str, ...]
    rate: int


def held_vowels(
    vowels: Sequence[str], speakers: Sequence[int], takes: int, *, seconds: float = 0.4, rate: int = 8000
) -> HeldVowels:
    """Simulated speakers of ``voices`` hold vowels at a steady pitch, which varies a little from take to take.

    The voices are breathier than those of ``voices``: the noise is 20 dB below the buzz.

    Args:
        vowels: words of ``VOWELS``.
        speakers: numbers of speakers of ``voices``, 0 to 23; even ones are women.
        takes: of each vowel by each speaker.
        seconds: length of each take, at most 0.7.
        rate: samples a second, at most 16,000 Hz.

    Raises:
        ValueError: if an argument is unknown or out of its range.

    Example:
        >>> held = held_vowels(["heed", "hod"], speakers=[0, 1], takes=3)
        >>> held.x.shape, held.pitch[[0, 3]].round().tolist()
        (torch.Size([12, 3200]), [252.0, 139.0])
    """
    require_whole("takes", takes)
    if unknown := [speaker for speaker in speakers if speaker not in range(24)]:
        raise ValueError(f"speakers of voices are numbered from 0 to 23, got {unknown[0]!r}")
    if not 0.01 <= seconds <= 0.7:
        raise ValueError(f"seconds must be from 0.01 to 0.7, got {seconds!r}")
    said, labels = [], []
    begin, samples = round(2 * EDGE * rate), round(seconds * rate)
    for number, vowel in enumerate(vowels):
        for place, speaker in enumerate(speakers):
            for take in range(takes):
                generator = step_generator(3, (speaker * takes + take) * len(VOWELS) + list(VOWELS).index(vowel))
                voice = replace(speaker_voice(speaker), tempo=1.0, melody=0.0, slope=0.0, scatter=0.0, breath=0.1)
                voice = voice.shifted({"pitch": 0.3 * generator.standard_normal()})
                said.append(spoken(vowel, voice, rate=rate, generator=generator))
                labels.append((number, place, take))
    numbers = torch.tensor(labels)
    return HeldVowels(
        x=torch.stack([each.wave[begin : begin + samples] for each in said]),
        vowels=numbers[:, 0],
        speakers=numbers[:, 1],
        takes=numbers[:, 2],
        pitch=torch.stack([each.pitch[begin : begin + samples].mean() for each in said]),
        formants=torch.cat([each.formants for each in said]),
        vowel_names=tuple(vowels),
        rate=rate,
    )
