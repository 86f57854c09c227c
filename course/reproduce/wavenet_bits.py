"""Recipes ``voices-wavenet`` and ``fsdd-wavenet``: bits a sample of a small WaveNet, and what it says by itself.

The first one learns vowels that four simulated speakers hold, whose pitch and formants are known: is what it says at
the pitch of the speaker, with the formants of the vowel? How much does it need to be told, how many samples must it
see, and what has linear prediction that is told the same? The second one learns recordings of spoken digits.
"""

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course import data, runtime
from course.data.speakers import HeldVowels, held_vowels
from course.files import write_json
from course.representation.generation import generate
from course.representation.linear_prediction import LinearPredictor, ToldPredictor
from course.representation.mulaw import decode
from course.representation.spoken_codes import CodeSet, bits_per_sample, heard, near, train
from course.representation.wavenet import WaveNet, receptive_field
from course.reproduce.runner import Recipe, saved_in

BITS, PITCH, FORMANTS = "bits a sample", "pitch within a semitone", "formants within 10 %"
RECORDINGS, SOFT_RECORDINGS = "the test takes themselves", "the soft test takes themselves"
HISTOGRAM, SHORT, LONG = "shares of the codes", "linear, 16 samples", "linear, as many samples as WaveNet"
TOLD_SHORT, TOLD_LONG = "linear, 16 samples, told", "linear, as many samples, told"
TOLD_MIDDLE = "linear, 100 samples, told"
UNTRAINED, WAVENET, QUIET = "WaveNet, untrained", "WaveNet", "WaveNet, soft waves not scaled"
UNTOLD, UNTOLD_NEAR = "WaveNet, told nothing", "WaveNet that sees 27, told nothing"
LAYER, NEAR, MIDDLE = "WaveNet of one layer, sees 3", "WaveNet that sees 11", "WaveNet that sees 27"
LONGER, WIDE = "WaveNet, three times the steps", "WaveNet of seven layers, sees 243"
CLOSE = (1, 1, 3, 3, 5)
REACHES = {LAYER: (1,), NEAR: (1,) * 5, MIDDLE: CLOSE, UNTOLD_NEAR: CLOSE, WIDE: (*CLOSE, 27, 81)}  # dilations
ORDERS = {HISTOGRAM: 0, SHORT: 16, TOLD_SHORT: 16, TOLD_MIDDLE: 100, LONG: None, TOLD_LONG: None}  # None: as WaveNet
SEMITONE = 2 ** (1 / 12)
VOWELS, TAKES = ("heed", "head", "hawed", "hood"), 16
SPEAKERS = (12, 1, 9, 11)  # chosen because pitch and formants of every take are measured right
SAID, SKIPPED = 2800, 400  # samples of what is said, and those at its beginning that are not judged
SOFT = 0.01  # of the level of the set, whose peaks are about 0.2


@dataclass(frozen=True)
class WaveNetConfig:
    """What is trained.

    Attributes:
        dilations, width, skip: of the model, whose kernels have 3 taps.
        steps, batch, length: of the training.
        longer: times as many steps in the row that says so.
        rates: learning rates, of which validation chooses with the first seed.
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
    longer: int = 3
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
    """The vowels of ``voices-wavenet``, 16 takes of each by each speaker; :func:`split` says which are for what."""
    return held_vowels(VOWELS, SPEAKERS, TAKES)


def split(vowels: HeldVowels, peak: float | None = 0.9, level: float = 1.0) -> dict[str, CodeSet]:
    """The codes of the held vowels, conditioned on vowel and speaker.

    The first half of the takes is for training, the next quarter for validation, the last for the test.
    """
    lengths = torch.full((len(vowels),), vowels.x.shape[1])
    given = (vowels.vowels, vowels.speakers)
    codes = CodeSet.from_waves(level * vowels.x, lengths, vowels.rate, given, peak=peak)
    quarter = vowels.takes * 4 // (int(vowels.takes.max()) + 1)
    kept = {"train": quarter < 2, "validation": quarter == 2, "test": quarter == 3}
    return {name: codes.select(mask) for name, mask in kept.items()}


class BitsRecipe(Recipe):
    """What the two recipes share: a network or a baseline for each method."""

    presets = WaveNetConfig
    methods = (HISTOGRAM, SHORT, LONG, TOLD_SHORT, TOLD_LONG, UNTRAINED, WAVENET)
    counts: tuple[int, ...]  # how many values each condition has
    sets: dict[str, CodeSet]

    def fitted(self, seed: int, method: str, folder: Path) -> WaveNet | LinearPredictor | ToldPredictor:
        """The best by validation of three settings of a method; a predictor from 0 samples knows shares only."""
        if method in ORDERS:
            return self.linear(method)
        if method == UNTRAINED:
            return self.network(seed, method)
        return self.trained(seed, method, self.rate(method, folder), folder)[0]

    @cache  # noqa: B019, a recipe lives as long as its process
    def linear(self, method: str) -> LinearPredictor | ToldPredictor:
        """The best of three ridges, whatever the seed."""
        order = receptive_field(self.config.dilations, 3) if ORDERS[method] is None else ORDERS[method]
        kind = ToldPredictor if method in (TOLD_SHORT, TOLD_MIDDLE, TOLD_LONG) else LinearPredictor
        predictors = [kind(order, ridge).fit(self.sets["train"]) for ridge in self.config.ridges]
        return min(predictors, key=lambda each: each.bits(self.sets["validation"]))

    def sets_of(self, method: str) -> dict[str, CodeSet]:
        """What a method is given; one that is told nothing, without the conditions."""
        if method not in (UNTOLD, UNTOLD_NEAR):
            return self.sets
        return {name: replace(codes, conditions=codes.conditions[:, :0]) for name, codes in self.sets.items()}

    def network(self, seed: int, method: str) -> WaveNet:
        """A network before its training."""
        told = () if method in (UNTOLD, UNTOLD_NEAR) else self.counts
        options = {"width": self.config.width, "skip": self.config.skip, "generator": runtime.generator(seed)}
        return WaveNet(REACHES.get(method, self.config.dilations), conditions=told, **options).to(self.device)

    def trained(self, seed: int, method: str, rate: float, folder: Path) -> tuple[WaveNet, float]:
        """A network after its training, and its bits on the validation takes."""
        config, model, sets = self.config, self.network(seed, method), self.sets_of(method)
        steps = config.steps * (config.longer if method == LONGER else 1)
        options = {"steps": steps, "batch": config.batch, "length": config.length, "rate": rate}
        options |= saved_in(folder / f"seed {seed}, rate {rate:g}")
        history = train(model, sets["train"], sets["validation"], seed=seed, **options)
        return model.eval(), history.validation[-1]["loss"]

    def rate(self, method: str, folder: Path) -> float:
        """The rate that validation chooses with the first seed; the others keep it.

        It is noted beside the checkpoints. A process that measures other seeds only may find no note: two processes
        never write into one folder, so that it makes its own.
        """
        first = self.config.seeds[0]
        notes = [where / "rate.json" for where in (folder.parent.with_name(f"seed-{first}") / folder.name, folder)]
        for note in notes:
            if note.exists():
                return json.loads(note.read_text(encoding="utf8"))
        tried = {rate: self.trained(first, method, rate, folder)[1] for rate in self.config.rates}
        best = min(tried, key=tried.get)
        write_json(notes[1], best)
        return best

    def bits(self, model: WaveNet | LinearPredictor | ToldPredictor, test: CodeSet) -> float:
        """Bits a sample."""
        return bits_per_sample(model, test) if isinstance(model, WaveNet) else model.bits(test)


class VoicesWaveNet(BitsRecipe):
    """Held vowels of four simulated speakers."""

    name = "voices-wavenet"
    methods = (RECORDINGS, *BitsRecipe.methods, TOLD_MIDDLE, UNTOLD, *REACHES, QUIET, SOFT_RECORDINGS)
    differences = (
        (UNTOLD, LONG), (WAVENET, TOLD_LONG), (MIDDLE, TOLD_LONG), (WAVENET, UNTOLD), (LAYER, NEAR), (NEAR, MIDDLE),
        (NEAR, WAVENET), (MIDDLE, WAVENET), (WIDE, WAVENET), (WIDE, MIDDLE), (UNTOLD_NEAR, UNTOLD), (QUIET, WAVENET),
        (QUIET, SOFT_RECORDINGS), (WAVENET, TOLD_MIDDLE),
    )  # fmt: skip
    units: ClassVar = {BITS: "", PITCH: "%", FORMANTS: "%"}
    counts = (len(VOWELS), len(SPEAKERS))

    def load(self) -> None:
        """The vowels, once at full scale and once as soft as they might have been recorded."""
        self.held = held()
        move = lambda sets: {name: codes.to(self.device) for name, codes in sets.items()}  # noqa: E731
        self.sets, self.soft = move(split(self.held)), move(split(self.held, peak=None, level=SOFT))

    def sets_of(self, method: str) -> dict[str, CodeSet]:
        """What a method is given."""
        return self.soft if method in (QUIET, SOFT_RECORDINGS) else super().sets_of(method)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Fit a method, ask for its bits, let it speak and listen; the takes themselves have 8 bits a sample."""
        test = self.sets_of(method)["test"]
        if method in (RECORDINGS, SOFT_RECORDINGS):
            return {BITS: 8.0} | judged(decode(test.codes.cpu()), test.conditions.cpu(), self.held)
        model = self.fitted(seed, method, folder)
        return {BITS: self.bits(model, test)} | self.spoken(model, seed)

    def spoken(self, model: WaveNet | LinearPredictor | ToldPredictor, seed: int) -> dict[str, float]:
        """How much of what it says has the pitch and the formants that were asked for."""
        asked = torch.cartesian_prod(*map(torch.arange, self.counts)).repeat_interleave(self.config.said, 0)
        if isinstance(model, LinearPredictor):
            codes = model.generate(len(asked), SAID, seed)
        elif isinstance(model, ToldPredictor):
            codes = model.generate(asked, SAID, seed)
        else:
            told = asked.to(self.device)[:, : len(model.conditions)]
            codes = generate(model, SAID, conditions=told, seed=seed)
        return judged(decode(codes), asked, self.held)


class FsddWaveNet(BitsRecipe):
    """Recordings of digits by six speakers."""

    name = "fsdd-wavenet"
    methods = (*BitsRecipe.methods, LONGER)
    differences = ((WAVENET, TOLD_LONG), (LONGER, TOLD_LONG), (LONGER, WAVENET))
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
        return {BITS: self.bits(self.fitted(seed, method, folder), self.sets["test"])}


def right(waves: Tensor, asked: Tensor, vowels: HeldVowels) -> dict[str, Tensor]:
    """Which of the waves ``[n, samples]`` have the pitch, and which all three formants, of what was ``asked``.

    The first 0.05 s are left out, in which a voice begins. What was asked for, ``[n, 2]`` vowels and speakers, is what
    the synthesiser was told: for the formants exactly, for the pitch its geometric mean over the takes of the speaker.
    """
    frequency, resonances = heard(waves[:, SKIPPED:], vowels.rate)
    match = ((vowels.vowels == vowel) & (vowels.speakers == speaker) for vowel, speaker in asked.tolist())
    truth = [(vowels.pitch[one].log().mean().exp(), vowels.formants[one][0, :3]) for one in match]
    pitches, tubes = (torch.stack(column).float() for column in zip(*truth, strict=True))
    return {PITCH: near(frequency, pitches, SEMITONE), FORMANTS: near(resonances, tubes, 1.1).all(1)}


def judged(waves: Tensor, asked: Tensor, vowels: HeldVowels) -> dict[str, float]:
    """Per cent of the waves that are :func:`right`."""
    return {name: 100 * found.double().mean().item() for name, found in right(waves, asked, vowels).items()}
