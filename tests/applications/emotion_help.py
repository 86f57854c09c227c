"""Small sets of recordings for the tests of emotions: points with a known truth, and files of simulated voices."""

from pathlib import Path

import soundfile
import torch

from course.applications.emotion_clips import Clips
from course.data.voices import say

EMOTIONS = ("anger", "happiness", "sadness")
VOWELS = ("heed", "had", "hod", "who'd")


def points(speakers: int = 6, each: int = 4, offset: float = 3.0, seed: int = 0, d: int = 6) -> Clips:
    """Three emotions as three directions, moved by what a speaker is; ``each`` recordings, half of each sentence."""
    generator = torch.Generator().manual_seed(seed)
    means = 2 * torch.eye(3, d, dtype=torch.float64)
    y = torch.arange(3).repeat_interleave(each).repeat(speakers)
    who = torch.arange(speakers).repeat_interleave(3 * each)
    moved = offset * torch.randn(speakers, d, generator=generator, dtype=torch.float64)
    x = means[y] + moved[who] + 0.4 * torch.randn(len(y), d, generator=generator, dtype=torch.float64)
    names = tuple(f"speaker {number}" for number in range(speakers))
    content = torch.arange(each).repeat(3 * speakers) % 2
    prints = tuple(f"{number:016x}" for number in range(len(y)))
    return Clips(x, y, EMOTIONS, who, names, content, "points", prints)


def wave(speaker: int, emotion: str, number: int, strength: float = 1.0):
    """What a simulated speaker says, at 16,000 Hz."""
    options = {"pitch": 100 + 40 * speaker, "tract": 1 - 0.05 * speaker, "seed": 100 * speaker + number, "jitter": 0.3}
    return say([VOWELS[number % 4]] * 2, emotion=emotion, strength=strength, rate=16_000, **options).wave.numpy()


def write(file: Path, samples) -> Path:
    """A WAV file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, 16_000)
    return file


def people(folder: Path, speakers=range(4), each: int = 4) -> Path:
    """Files ``speaker/emotion/number.wav``."""
    for speaker in speakers:
        for emotion in EMOTIONS:
            for number in range(each):
                write(folder / f"speaker {speaker}" / emotion / f"{number}.wav", wave(speaker, emotion, number))
    return folder
