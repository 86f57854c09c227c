"""Recipes ``voices-emotion`` and ``ravdess-emotion``: emotions of speakers who were never heard.

Every speaker is left out of training once. A speaker gives nothing, recordings without labels, or one or two labelled
recordings of each emotion, from one half of the sentences; the questions are the other half. Each way has four trials
on validation speakers. All numbers are means over three seeds for each speaker, and every interval is over speakers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course.applications import emotion_methods as ways
from course.applications import new_emotion
from course.applications.emotion_clips import Clips, clips_of, ravdess_intensity, registered
from course.applications.emotion_protocol import by_folds, by_recordings, right_by_speaker
from course.applications.prosody import picture, places, vectors
from course.data import Sounds
from course.representation.sampling import telephone
from course.reproduce.runner import Recipe

ACCURACY = "accuracy"
NOTHING, ONE, TWO = "no labels", "K = 1", "K = 2"
RANDOM, FLATTERED = "recordings dealt at random", "how much that flatters"
NOISES = {"noise, 20 dB": 20.0, "noise, 10 dB": 10.0, "noise, 0 dB": 0.0}
LINE, LOW = "telephone", "scale from calm moments only"
WOMEN, MEN, SEXES = "women", "men", "women less men"
MILD, STRONG, FORCE = "normal intensity", "strong intensity", "strong less normal"
AROUSAL, VALENCE = "high or low arousal", "pleasant or not"
NEW, SEEN = "new emotion named", "seen emotions named"
PLAIN, SCALED = "logistic regression", "logistic regression, speaker's scale"
GAUSSIAN, EM = "Gaussian, speaker's scale", "Gaussian with EM, speaker's scale"
TUNED, TUNED_RAW = "fine-tuning, speaker's scale", "fine-tuning"
MAML, PROTO_MAML = "MAML, speaker's scale", "ProtoMAML, speaker's scale"
MOVED = "moved means with EM, speaker's scale"
SLOW = (MAML, PROTO_MAML, "MAML as it begins")
FEW_WAYS = (PLAIN, SCALED, GAUSSIAN, TUNED)
HIGH = {"anger", "angry", "fear", "fearful", "happiness", "happy", "surprised"}
LOW_AROUSAL = {"neutral", "calm", "sad", "sadness", "tenderness"}
PLEASANT = {"happy", "happiness", "calm", "tenderness", "surprised"}  # surprise may be either; RAVDESS's sounds glad


@dataclass(frozen=True)
class EmotionConfig:
    """How it is measured.

    Attributes:
        folds: of speakers.
        seeds: of folds, draws, and first weights.
    """

    folds: int = 6
    seeds: tuple[int, ...] = (0, 1, 2)

    @classmethod
    def quick(cls) -> "EmotionConfig":
        """Three seeds: minutes on a core."""
        return cls()

    @classmethod
    def full(cls) -> "EmotionConfig":
        """Ten seeds, and more people to learn from."""
        return cls(folds=12, seeds=tuple(range(10)))


def noisy(sounds: Sounds, decibels: float) -> Sounds:
    """White noise at so many dB below the mean power of each recording, the padding left as it is."""
    generator = torch.Generator().manual_seed(0)
    real = torch.arange(sounds.x.shape[1]) < sounds.lengths[:, None]
    power = (sounds.x.square() * real).sum(1, keepdim=True) / sounds.lengths[:, None]
    noise = torch.randn(sounds.x.shape, generator=generator) * (power * 10 ** (-decibels / 10)).sqrt()
    return replace(sounds, x=(sounds.x + noise).clamp(-1, 1) * real)


class VoicesEmotion(Recipe):
    """Simulated emotions of simulated speakers."""

    name = "voices-emotion"
    presets = EmotionConfig
    source = "voices"
    emotions: tuple[str, ...] = ("neutral", "anger", "fear", "happiness", "sadness", "tenderness")
    methods = (
        *ways.ANYBODY,
        *ways.PICTURED,
        *ways.LABELLED,
        new_emotion.NO_EXAMPLE,
        *new_emotion.SOURCES,
        new_emotion.ALL,
    )
    settings = (
        NOTHING, ONE, TWO, RANDOM, FLATTERED, *NOISES, LINE, LOW, WOMEN, MEN, SEXES, AROUSAL, VALENCE,
        *(f"without {group}" for group in places()), NEW, SEEN, *(f"recall of {emotion}" for emotion in emotions),
    )  # fmt: skip
    only: ClassVar = {
        NOTHING: (*ways.ANYBODY, *ways.PICTURED),
        ONE: (SCALED, GAUSSIAN, EM, *(name for name in ways.LABELLED if name not in SLOW)),
        TWO: (SCALED, GAUSSIAN, EM, *ways.LABELLED),
        **dict.fromkeys((RANDOM, FLATTERED), (PLAIN, SCALED)),
        **dict.fromkeys((*NOISES, LINE, LOW), FEW_WAYS),
        **dict.fromkeys((WOMEN, MEN, SEXES, MILD, STRONG, FORCE, AROUSAL, VALENCE), FEW_WAYS),
        **{f"without {group}": (GAUSSIAN, TUNED) for group in places()},
        **dict.fromkeys((NEW, SEEN), (new_emotion.NO_EXAMPLE, *new_emotion.SOURCES, new_emotion.ALL)),
        **{f"recall of {emotion}": FEW_WAYS for emotion in emotions},
    }
    differences = (
        (SCALED, PLAIN),
        (GAUSSIAN, "Gaussian"),
        (GAUSSIAN, "Gaussian, scale so far"),
        (EM, GAUSSIAN),
        (TUNED, SCALED),
        (TUNED, TUNED_RAW),
        (MOVED, EM),
        (TUNED, MOVED),
        (TUNED, MAML),
        (TUNED, PROTO_MAML),
        (MAML, "MAML as it begins"),
        ("support vectors, speaker's scale", "support vectors"),
        (new_emotion.NO_EXAMPLE, "K = 2, others"),
        ("K = 2, same speaker", "K = 2, others"),
        ("K = 2, others", "K = 2, others, as prototype"),
    )
    units: ClassVar = {ACCURACY: "%"}
    items: ClassVar = {ACCURACY: "speakers"}
    women_first = True

    def load(self) -> None:
        """The vectors of all recordings; those in other conditions when they are asked for."""
        self.sounds, self.content = registered(self.source)
        self.clips = clips_of(self.sounds, self.content)
        self.answers, self.other, self.new = cache(self.answered), cache(self.in_condition), cache(self.new_emotions)
        self.women = (self.clips.speakers % 2 == 0) == self.women_first

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, list[float]]:
        """The share of right answers for each speaker who counts, in per cent."""
        return {ACCURACY: self.shares(seed, setting, method).tolist()}

    def shares(self, seed: int, setting: str, method: str) -> Tensor:
        """Of each speaker, in per cent."""
        if setting in (NEW, SEEN):
            return self.new(seed)[method][0 if setting == NEW else 1]
        if setting == RANDOM:
            found = by_recordings(ways.ANYBODY[method], self.clips, seed, self.config.folds)
            return 100 * right_by_speaker(self.clips, found)
        if setting == FLATTERED:
            return self.shares(seed, RANDOM, method) - self.shares(seed, NOTHING, method)
        if setting in (SEXES, FORCE):
            one, other = (WOMEN, MEN) if setting == SEXES else (STRONG, MILD)
            return self.shares(seed, one, method) - self.shares(seed, other, method)
        if setting in (AROUSAL, VALENCE):
            high = HIGH if setting == AROUSAL else PLEASANT
            side = torch.tensor([name in high for name in self.clips.classes])
            found = self.answers(seed, method, NOTHING)
            return 100 * right_by_speaker(replace(self.clips, y=side[self.clips.y].long()), side[found].long())
        if setting in (NOTHING, ONE, TWO, LINE, LOW, *NOISES) or setting.startswith("without "):
            return 100 * right_by_speaker(self.clips, self.answers(seed, method, setting))
        counted = self.counted(setting)
        shares = 100 * right_by_speaker(self.clips, self.answers(seed, method, NOTHING), counted)
        return shares[~shares.isnan()]

    def counted(self, setting: str) -> Tensor:
        """The recordings of a cut."""
        if setting in (WOMEN, MEN):
            return self.women == (setting == WOMEN)
        return self.clips.y == self.clips.classes.index(setting.removeprefix("recall of "))

    def answered(self, seed: int, method: str, setting: str) -> Tensor:
        """An answer for each recording; a way with labelled recordings has two of each emotion, unless K is 1."""
        way = (ways.ANYBODY | ways.PICTURED | ways.LABELLED)[method]
        shots = 0 if method not in ways.LABELLED else 1 if setting == ONE else 2
        clips, folds = self.pictured() if method in ways.PICTURED else self.clips, self.config.folds
        if setting in (*NOISES, LINE):
            return by_folds(way, clips, shots, seed, folds, (self.other(setting),))[1]
        if setting == LOW:
            calm = torch.tensor([name in LOW_AROUSAL for name in clips.classes])[clips.y]
            return by_folds(way, clips, shots, seed, folds, basis=calm)[0]
        if setting.startswith("without "):
            kept = torch.ones(clips.x.shape[1], dtype=torch.bool)
            kept[places()[setting.removeprefix("without ")]] = False
            return by_folds(way, replace(clips, x=clips.x[:, kept]), shots, seed, folds)[0]
        if setting != ONE or method not in ways.LABELLED:
            setting = TWO if method in ways.LABELLED else NOTHING
        return self.plain(way, method, clips, shots, seed)

    def plain(self, way: ways.Way, method: str, clips: Clips, shots: int, seed: int) -> Tensor:
        """The answers in the condition of the training, which several settings count."""
        known = self.__dict__.setdefault("known", {})
        if (method, shots, seed) not in known:
            known[method, shots, seed] = by_folds(way, clips, shots, seed, self.config.folds)[0]
        return known[method, shots, seed]

    def pictured(self) -> Clips:
        """The recordings as small pictures in place of vectors."""
        if "pictures" not in self.__dict__:
            size = self.sounds.rate, ways.HEIGHT, ways.WIDTH
            rows = zip(self.sounds.x, self.sounds.lengths, strict=True)
            self.pictures = replace(self.clips, x=torch.stack([picture(wave[:n], *size) for wave, n in rows]))
        return self.pictures

    def in_condition(self, setting: str) -> Clips:
        """The same recordings with noise, or through a telephone."""
        if setting == LINE:
            sounds = replace(self.sounds, x=telephone(self.sounds.x, self.sounds.rate))
        else:
            sounds = noisy(self.sounds, NOISES[setting])
        return replace(self.clips, x=vectors(sounds))

    def new_emotions(self, seed: int) -> dict[str, Sequence[Tensor]]:
        """What is found of emotions left out in turn."""
        return new_emotion.measured(self.clips, seed, self.config.folds)


class RavdessEmotion(VoicesEmotion):
    """Acted emotions of 24 actors, who say two sentences."""

    name = "ravdess-emotion"
    source = "ravdess"
    emotions: tuple[str, ...] = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
    settings = (
        *(name for name in VoicesEmotion.settings if not name.startswith("recall of ")),
        *(f"recall of {emotion}" for emotion in emotions), MILD, STRONG, FORCE,
    )  # fmt: skip
    only: ClassVar = VoicesEmotion.only | {f"recall of {emotion}": FEW_WAYS for emotion in emotions}
    women_first = False

    def counted(self, setting: str) -> Tensor:
        """The recordings of a cut; the normal ones without *neutral*, which has no strong form."""
        if setting in (MILD, STRONG):
            strong = ravdess_intensity() == 1
            return strong if setting == STRONG else ~strong & (self.clips.y != self.clips.classes.index("neutral"))
        return super().counted(setting)
