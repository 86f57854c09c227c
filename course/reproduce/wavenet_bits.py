"""Recipes ``voices-wavenet`` and ``fsdd-wavenet``: bits a sample of a small WaveNet, and what it says by itself.

The first one learns vowels that four simulated speakers hold, whose pitch and formants are known: is what it says at
the pitch of the speaker, with the formants of the vowel? And how many samples must it see for that? The second one
learns recordings of spoken digits.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course import data, runtime
from course.data.speakers import HeldVowels, held_vowels
from course.representation.generation import generate
from course.representation.linear_prediction import LinearPredictor
from course.representation.mulaw import decode
from course.representation.spoken_codes import CodeSet, bits_per_sample, heard, near, train
from course.representation.wavenet import WaveNet, receptive_field
from course.reproduce.runner import Recipe, saved_in

BITS, PITCH, FORMANTS = "bits a sample", "pitch within a semitone", "formants within 10 %"
HISTOGRAM, SHORT, LONG = "shares of the codes", "linear, 16 samples", "linear, as many samples as WaveNet"
UNTRAINED, WAVENET, QUIET = "WaveNet, untrained", "WaveNet", "WaveNet, soft waves not scaled"
REACHES = {"WaveNet that sees 3 samples": (1,), "WaveNet that sees 9": (1, 3), "WaveNet that sees 27": (1, 3, 9)}
SEMITONE = 2 ** (1 / 12)
VOWELS, SPEAKERS, TAKES = ("heed", "head", "hod", "who'd"), (0, 1, 2, 3), 10
SAID, SKIPPED = 2800, 400  # samples of what is said, and those at its beginning that are not judged
SOFT = 0.01  # of the level of the set, whose peaks are about 0.2


@dataclass(frozen=True)
class WaveNetConfig:
    """What is trained.

    Attributes:
        dilations, width, skip: of the model, whose kernels have 3 taps.
        steps, batch, length: of the training.
        rates: learning rates, of which validation chooses.
        ridges: of linear prediction, of which validation chooses; as many.
        said: utterances of each vowel by each speaker that are generated.
        seeds: of weights, crops and draws.
    """

    dilations: tuple[int, ...] = (1, 3, 9, 27, 81)
    width: int = 32
    skip: int = 64
    steps: int = 1_000
    batch: int = 4
    length: int = 400
    rates: tuple[float, ...] = (0.003, 0.01, 0.02)
    ridges: tuple[float, ...] = (1e-8, 1e-6, 1e-4)
    said: int = 4
    seeds: tuple[int, ...] = (0, 1, 2)

    @classmethod
    def quick(cls) -> "WaveNetConfig":
        """Less than 40 s a model on a laptop; the chapter trains one before the reader's eyes."""
        return cls()

    @classmethod
    def full(cls) -> "WaveNetConfig":
        """A wider model with a reach of 0.2 s, ten times as long, and five seeds: for a GPU."""
        dilations = tuple(3**power for _ in range(3) for power in range(6))
        return cls(dilations=dilations, width=64, skip=128, steps=10_000, batch=8, length=2_000, seeds=(0, 1, 2, 3, 4))


def held() -> HeldVowels:
    """The vowels of ``voices-wavenet``: the last take is for the test, the one before it for validation."""
    return held_vowels(VOWELS, SPEAKERS, TAKES)


def split(vowels: HeldVowels, peak: float | None = 0.9, level: float = 1.0) -> dict[str, CodeSet]:
    """The codes of the held vowels, conditioned on vowel and speaker, by split."""
    lengths = torch.full((len(vowels),), vowels.x.shape[1])
    given = (vowels.vowels, vowels.speakers)
    codes = CodeSet.from_waves(level * vowels.x, lengths, vowels.rate, given, peak=peak)
    last = int(vowels.takes.max())
    kept = {"train": vowels.takes < last - 1, "validation": vowels.takes == last - 1, "test": vowels.takes == last}
    return {name: codes.select(mask) for name, mask in kept.items()}


class BitsRecipe(Recipe):
    """What the two recipes share: a network or a baseline for each method."""

    presets = WaveNetConfig
    methods = (HISTOGRAM, SHORT, LONG, UNTRAINED, WAVENET)
    counts: tuple[int, ...]  # how many values each condition has
    sets: dict[str, CodeSet]

    def fitted(self, seed: int, method: str, sets: dict[str, CodeSet], folder: Path) -> WaveNet | LinearPredictor:
        """The best by validation of three settings of a method; a predictor from 0 samples knows shares only."""
        config = self.config
        dilations = REACHES.get(method, config.dilations)
        reach = receptive_field(dilations, 3)
        if method in (HISTOGRAM, SHORT, LONG):
            order = {HISTOGRAM: 0, SHORT: 16, LONG: reach}[method]
            predictors = [LinearPredictor(order, ridge).fit(sets["train"]) for ridge in config.ridges]
            return min(predictors, key=lambda each: each.bits(sets["validation"]))
        tried = []
        for rate in config.rates[: 1 if method == UNTRAINED else None]:
            options = {"conditions": self.counts, "generator": runtime.generator(seed)}
            model = WaveNet(dilations, width=config.width, skip=config.skip, **options).to(self.device)
            if method == UNTRAINED:
                return model
            options = {"steps": config.steps, "batch": config.batch, "length": config.length, "rate": rate}
            options |= saved_in(folder / f"rate {rate:g}")
            history = train(model, sets["train"], sets["validation"], seed=seed, **options)
            tried.append((history.validation[-1]["loss"], len(tried), model.eval()))
        return min(tried)[2]

    def bits(self, model: WaveNet | LinearPredictor, test: CodeSet) -> float:
        """Bits a sample."""
        return model.bits(test) if isinstance(model, LinearPredictor) else bits_per_sample(model, test)


class VoicesWaveNet(BitsRecipe):
    """Held vowels of four simulated speakers."""

    name = "voices-wavenet"
    methods = (*BitsRecipe.methods, *REACHES, QUIET)
    units: ClassVar = {BITS: "", PITCH: "%", FORMANTS: "%"}
    counts = (len(VOWELS), len(SPEAKERS))

    def load(self) -> None:
        """The vowels, once at full scale and once as soft as they might have been recorded."""
        self.held = held()
        move = lambda sets: {name: codes.to(self.device) for name, codes in sets.items()}  # noqa: E731
        self.sets, self.soft = move(split(self.held)), move(split(self.held, peak=None, level=SOFT))

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Fit a method, ask for its bits, let it speak and listen."""
        sets = self.soft if method == QUIET else self.sets
        model = self.fitted(seed, method, sets, folder)
        return {BITS: self.bits(model, sets["test"])} | self.spoken(model, seed)

    def spoken(self, model: WaveNet | LinearPredictor, seed: int) -> dict[str, float]:
        """How much of what it says has the pitch and the formants that were asked for."""
        asked = torch.cartesian_prod(*map(torch.arange, self.counts)).repeat_interleave(self.config.said, 0)
        if isinstance(model, LinearPredictor):
            codes = model.generate(len(asked), SAID, seed)
        else:
            codes = generate(model, SAID, conditions=asked.to(self.device), seed=seed)
        return judged(decode(codes), asked, self.held)


class FsddWaveNet(BitsRecipe):
    """Recordings of digits by six speakers."""

    name = "fsdd-wavenet"
    units: ClassVar = {BITS: ""}
    counts = (10, 6)

    def load(self) -> None:
        """FSDD by its owners' split, conditioned on digit and speaker."""
        self.sets = {}
        for name in ("train", "validation", "test"):
            found = data.load("fsdd", split=name)
            given = (found.y, found.speakers)
            self.sets[name] = CodeSet.from_waves(found.x, found.lengths, found.rate, given).to(self.device)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Fit a method and ask for its bits."""
        return {BITS: self.bits(self.fitted(seed, method, self.sets, folder), self.sets["test"])}


def judged(waves: Tensor, asked: Tensor, vowels: HeldVowels) -> dict[str, float]:
    """Per cent of waves ``[n, samples]`` with the pitch and with all three formants of the vowel and speaker ``asked``.

    The first 0.05 s are left out, in which a voice begins. What was asked for is what the synthesiser was told: for the
    formants exactly, for the pitch its geometric mean over the takes of the speaker.
    """
    frequency, resonances = heard(waves[:, SKIPPED:], vowels.rate)
    match = ((vowels.vowels == vowel) & (vowels.speakers == speaker) for vowel, speaker in asked.tolist())
    truth = [(vowels.pitch[one].log().mean().exp(), vowels.formants[one][0, :3]) for one in match]
    pitches, tubes = (torch.stack(column).float() for column in zip(*truth, strict=True))
    right = near(frequency, pitches, SEMITONE), near(resonances, tubes, 1.1).all(1)
    return {name: 100 * share.double().mean().item() for name, share in zip((PITCH, FORMANTS), right, strict=True)}
