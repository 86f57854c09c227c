"""Digits that are seen and digits that are heard, their encoders, and the vectors that a fusion reads.

Four parts of each set share no picture and no recording: one for the encoders, three for the fusion. So the vectors
that a fusion learns from are as good as those that it will meet: an encoder's own training pictures have cleaner ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from course import data, runtime
from course.data import Sounds
from course.data.renderings import render
from course.data.sets import OnDevice
from course.data.speakers import held_vowels
from course.data.voices import VOWELS
from course.representation.classifier import train_classifier
from course.representation.cnn import Conv4, initialise
from course.representation.mfcc import Conventions, mfcc
from course.representation.over_time import segment_means

DIGITS = "0123456789"
PARTS = ("encoders", "train", "validation", "test")
SPEAKERS = dict(zip(PARTS, (range(6), range(6, 12), range(12, 16), range(16, 24)), strict=True))
FACES = {"encoders": "train", "train": "train", "validation": "validation", "test": "test"}
STANDING = 0.4, 5.0  # noise of the embedded digits: deviation in pixels, and dB that a recording is above it
MEL, CEPSTRA, SEGMENTS = 30, 13, 8


@dataclass(frozen=True, eq=False)
class Part(OnDevice):
    """Pictures of digits and recordings of digits; which picture goes with which recording is left open.

    Attributes:
        pictures: ``float32 [n, 1, 28, 28]``, 1 for full ink.
        seen: the digit on each, ``int64 [n]``.
        waves: recordings, 0 after the end of each, ``float32 [m, samples]``.
        lengths: samples of each, ``int64 [m]``.
        heard: the digit in each, ``int64 [m]``.
        rate: samples a second.
    """

    pictures: Tensor
    seen: Tensor
    waves: Tensor
    lengths: Tensor
    heard: Tensor
    rate: int

    @cached_property
    def features(self) -> Tensor:
        """The MFCC of each recording, averaged over eight parts of equal length: ``[m, 104]``."""
        agreed = Conventions.speech(self.rate, n_mels=MEL, n_mfcc=CEPSTRA, low=60.0, pad="constant")
        found = torch.cat([mfcc(some, self.rate, agreed) for some in self.waves.split(200)])
        return segment_means(found, agreed.n_frames(self.lengths), SEGMENTS)

    def noisy(self, deviation: float, decibels: float, *, seed: int = 0) -> "Part":
        """The same with Gaussian noise on every pixel, and white noise under every recording.

        Args:
            deviation: standard deviation of the noise in pixels.
            decibels: how far the mean square of a recording is above that of its noise.
            seed: of both.
        """
        generator = runtime.generator(seed)
        spots = torch.randn(self.pictures.shape, generator=generator).to(self.pictures)
        hiss = torch.randn(self.waves.shape, generator=generator).to(self.waves)
        power = self.waves.square().sum(1) / self.lengths
        inside = torch.arange(self.waves.shape[1], device=self.waves.device) < self.lengths[:, None]
        scale = (power / 10 ** (decibels / 10)).sqrt()[:, None] * inside
        return replace(self, pictures=self.pictures + deviation * spots, waves=self.waves + scale * hiss)


def glyphs_and_voices(examples: int = 200, takes: int = 20) -> dict[str, Part]:
    """Digits in matplotlib's typefaces, and as stand-ins for ten words the ten vowels of simulated speakers.

    Vowel number k of ``VOWELS`` stands for the digit k. The parts have different speakers; validation and test have
    typefaces that are in no other part (some are a training face at another slant). All pictures and recordings are
    noisy (``STANDING``), and the pictures turned and sheared half as far again as in `glyphs`; else the task is
    too easy to compare anything.

    Args:
        examples: pictures of each digit in each part.
        takes: of each vowel by each speaker in the first two parts; in the others half as many. With 20 the recordings
            are 1,200, 1,200, 400 and 800.

    Returns:
        The four parts by name.
    """
    parts = {}
    for number, name in enumerate(PARTS):
        drawn = render(DIGITS, examples, FACES[name], seed=number, strength=1.5)
        count = takes if number < 2 else (takes + 1) // 2
        said = held_vowels(tuple(VOWELS), SPEAKERS[name], count, seconds=0.25)
        lengths = torch.full((len(said.x),), said.x.shape[1])
        clean = Part(drawn.examples(), drawn.y, said.x, lengths, said.vowels, said.rate)
        parts[name] = clean.noisy(*STANDING, seed=number)
    return parts


def mnist_and_fsdd(examples: int = 2_000) -> dict[str, Part]:
    """Handwritten digits of MNIST, and spoken ones of FSDD; all parts have the same six speakers.

    Args:
        examples: pictures of each part. The recordings are 1,200, 1,200, 300 and 300: of each digit and speaker the
            takes 10 to 29, 30 to 49, 5 to 9 and 0 to 4.

    Returns:
        The four parts by name.

    Raises:
        DataError: if a set is not there.
    """
    train, test = (data.load("mnist", split=split) for split in ("train", "test"))
    spoken, *others = (data.load("fsdd", split=split) for split in ("train", "validation", "test"))
    take = take_of(spoken)
    early = take < (take.max() + 1) // 2
    recordings = spoken.select(early), spoken.select(~early), *others
    parts = {}
    for number, (name, sounds) in enumerate(zip(PARTS, recordings, strict=True)):
        source, begin = (test, 0) if name == "test" else (train, number * examples)
        chosen = source.select(torch.arange(begin, begin + examples))
        parts[name] = Part(chosen.examples(), chosen.y, sounds.x, sounds.lengths, sounds.y, sounds.rate)
    return parts


def take_of(sounds: Sounds) -> Tensor:
    """For each recording how many of the same digit and speaker stand before it, ``int64 [m]``."""
    groups = sounds.y * len(sounds.speaker_names) + sounds.speakers
    return torch.stack([(groups[:row] == groups[row]).sum() for row in range(len(sounds))])


def fresh_encoders(features: int, *, filters: int, width: int, seed: int) -> nn.ModuleDict:
    """Untrained maps: ``image``, pictures to ``[n, filters]``; ``sound``, features to ``[m, width]``."""
    generator = runtime.generator(seed)
    image = Conv4(1, filters=filters, averages=True, generator=generator)
    image.head = nn.Identity()
    with torch.random.fork_rng(devices=[]):
        layers = nn.BatchNorm1d(features), nn.Linear(features, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
    sound = nn.Sequential(*layers, nn.ReLU())
    initialise(sound, generator)
    return nn.ModuleDict({"image": image, "sound": sound})


def train_encoders(
    part: Part, *, filters: int = 32, width: int = 32, steps: int = 200, rate: float = 3e-3, seed: int = 0
) -> nn.ModuleDict:
    """Encoders that have learned to name the digits of a part, each for itself.

    Args:
        part: the one called ``encoders``.
        filters, width: as for :func:`fresh_encoders`.
        steps, rate, seed: as for :func:`course.representation.classifier.train_classifier`.

    Returns:
        Modules ``image`` and ``sound`` in evaluation mode, without the layer that named the digits.
    """
    encoders = fresh_encoders(part.features.shape[1], filters=filters, width=width, seed=seed).to(part.pictures.device)
    material = {"image": (part.pictures, part.seen), "sound": (part.features, part.heard)}
    for name, (x, y) in material.items():
        head = nn.Linear(filters if name == "image" else width, len(DIGITS)).to(x.device)
        for parameter in head.parameters():
            nn.init.zeros_(parameter)
        train_classifier(nn.Sequential(encoders[name], head), x, y, steps=steps, rate=rate, seed=seed)
    return encoders.eval()


@torch.no_grad()
def encode(encoders: nn.ModuleDict, part: Part) -> dict[str, Tensor]:
    """The vectors of a part's pictures and recordings, of the modalities that have an encoder; some at a time."""
    material = {"image": part.pictures, "sound": part.features}
    return {
        name: torch.cat([encoder(some) for some in material[name].split(200)]) for name, encoder in encoders.items()
    }


def standardised(vectors: Mapping[str, Tensor], reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Vectors less the mean of the reference's, divided by its standard deviation, number by number.

    A number that is constant in the reference is divided by the largest deviation, so that it stays small elsewhere.
    """
    result = {}
    for name, x in vectors.items():
        deviation = reference[name].std(0)
        scale = torch.where(deviation > 1e-3 * deviation.max(), deviation, deviation.max())
        result[name] = (x - reference[name].mean(0)) / scale
    return result


class EndToEnd(nn.Module):
    """Encoders and a fusion that are trained together: raw inputs to scores.

    Args:
        encoders: a module for each modality.
        fusion: reads what they return.
    """

    def __init__(self, encoders: nn.ModuleDict, fusion: nn.Module):
        super().__init__()
        self.encoders, self.fusion = encoders, fusion

    def forward(self, inputs: Mapping[str, Tensor], present: Tensor | None = None) -> Tensor:
        """As :meth:`course.crossmodal.fusion.Fusion.forward`, of pictures and features."""
        return self.fusion({name: self.encoders[name](x) for name, x in inputs.items()}, present)
