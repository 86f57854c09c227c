"""Recipe ``fsdd-mfcc``: spoken digits from features, for recordings and for speakers that were never heard.

Each recording of FSDD becomes a vector of fixed length, and a support vector machine tells the ten digits apart. Four
questions: other recordings of known speakers, an unknown speaker, the same through a telephone, and five digits of an
unknown speaker from one example each. The unit of every interval is the speaker; there are six.
"""

from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from course import data, runtime
from course.data import EpisodeSampler, LabelledSet
from course.meta_learning.baselines import nearest_neighbour
from course.meta_learning.evaluation import evaluate
from course.representation.mfcc import Conventions, log_mel, mel_energies, mfcc
from course.representation.over_time import cmvn_of_owners, deltas, pcen, segment_means
from course.representation.sampling import telephone
from course.reproduce.runner import Recipe

KNOWN, UNKNOWN = "unseen recordings", "unseen speaker"
LINE, FEW = "unseen speaker by telephone", "unseen speaker, 5-way 1-shot"
ACCURACY, GAIN = "accuracy", "above MFCC"
MFCC, DELTAS = "MFCC", "MFCC and deltas"
TESTED = 5  # takes of each digit and speaker, the first ones, as the owners of FSDD split


@dataclass(frozen=True)
class FsddMfccConfig:
    """What is compared.

    Attributes:
        takes: of each digit and speaker, the first ones, at least 11; FSDD has 50.
        n_mels, n_mfcc: filters and coefficients.
        segments: equally long parts of a recording, whose means make its vector.
        penalties: values of the machine's constant C, from which validation chooses.
        episodes: 5-way 1-shot tasks for each speaker.
        seeds: of the episodes and of the random filters.
    """

    takes: int = 50
    n_mels: int = 30
    n_mfcc: int = 13
    segments: int = 8
    penalties: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0)
    episodes: int = 2_000
    seeds: tuple[int, ...] = (0,)

    @classmethod
    def quick(cls) -> "FsddMfccConfig":
        """Fewer episodes: some minutes on a core."""
        return cls(episodes=400)

    @classmethod
    def full(cls) -> "FsddMfccConfig":
        """More episodes."""
        return cls()


class FsddMfcc(Recipe):
    """Features with one part taken away or added at a time, and simple baselines."""

    name = "fsdd-mfcc"
    presets = FsddMfccConfig
    methods = (
        "waveform",
        "mean spectrum",
        "random filters",
        "log-mel",
        "log-mel, CMVN by speaker",
        "PCEN",
        MFCC,
        DELTAS,
        "MFCC, CMN by recording",
        "MFCC, CMVN by recording",
        "MFCC, CMVN by speaker",
    )
    settings = (KNOWN, UNKNOWN, LINE, FEW)
    units: ClassVar = {ACCURACY: "%", GAIN: "%"}
    over = "speakers"

    def load(self) -> None:
        """The recordings, as they are and through a telephone, and which take each is."""
        whole = data.load("fsdd")
        groups = whole.y * len(whole.speaker_names) + whole.speakers
        take = torch.stack([(groups[:i] == groups[i]).sum() for i in range(len(whole))])
        few = take < self.config.takes
        self.sounds, self.take = whole.select(few), take[few].numpy()
        self.y, self.speaker = self.sounds.y.numpy(), self.sounds.speakers.numpy()
        self.conventions = Conventions.speech(
            whole.rate, n_mels=self.config.n_mels, n_mfcc=self.config.n_mfcc, low=60.0, pad="constant"
        )
        self.by_telephone = replace(self.sounds, x=telephone(self.sounds.x, whole.rate))
        self.vectors = cache(self.vectors_of)
        self.scores = cache(self.scores_of)
        self.machines = cache(self.machine_for)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, list[float]]:
        """The accuracy for each speaker, and how much it is above that of MFCC for the same speaker."""
        found, plain = (self.scores(seed, setting, each) for each in (method, MFCC))
        return {ACCURACY: (100 * found).tolist(), GAIN: (100 * (found - plain)).tolist()}

    def scores_of(self, seed: int, setting: str, method: str) -> np.ndarray:
        """The accuracy for each speaker, ``[speakers]``."""
        speakers, x = range(len(self.sounds.speaker_names)), self.vectors(method, seed, setting == LINE)
        if setting == FEW:
            return np.array([self.few_shot(x, who, seed) for who in speakers])
        scores = []
        for who in speakers:
            asked = (self.speaker == who) & ((self.take < TESTED) if setting == KNOWN else True)
            machine = self.machines(method, seed, None if setting == KNOWN else who)
            scores.append(machine.score(x[asked], self.y[asked]))
        return np.array(scores)

    def machine_for(self, method: str, seed: int, unknown: int | None):
        """A machine that has not heard the speaker ``unknown``, or else (``None``) not the takes of the test.

        Its constant C has the best mean over validations, for which each of the other speakers is left out in turn,
        or the first takes of the training.
        """
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVC

        x, heard = self.vectors(method, seed, False), self.speaker != unknown
        held_out = [self.speaker == other for other in np.unique(self.speaker[heard])]
        if unknown is None:
            heard = self.take >= TESTED
            held_out = [heard & (self.take < 2 * TESTED)]

        def machine(penalty: float, learn: np.ndarray):
            return make_pipeline(StandardScaler(), SVC(C=penalty)).fit(x[learn], self.y[learn])

        def validated(penalty: float) -> float:
            return np.mean([machine(penalty, heard & ~held).score(x[held], self.y[held]) for held in held_out])

        return machine(max(self.config.penalties, key=validated), heard)

    def few_shot(self, x: np.ndarray, who: int, seed: int) -> float:
        """5-way 1-shot accuracy among the recordings of a speaker; the others only set the scale of each number."""
        others, own = x[self.speaker != who], x[self.speaker == who]
        scaled = torch.from_numpy((own - others.mean(0)) / (others.std(0) + 1e-6)).float()
        digits = self.sounds.classes
        vectors = LabelledSet(scaled, torch.from_numpy(self.y[self.speaker == who]), digits, digits, "digits")
        episodes = EpisodeSampler(vectors, n_way=5, k_shot=1, n_query=5, tasks=20, seed=seed)
        return evaluate(partial(nearest_neighbour, embed=lambda x: x), episodes, self.config.episodes).mean

    def vectors_of(self, method: str, seed: int, by_telephone: bool) -> np.ndarray:
        """The vectors ``[n, d]`` of all recordings by one method."""
        sounds = self.by_telephone if by_telephone else self.sounds
        if method == "waveform":
            return segment_means(sounds.x[..., None], sounds.lengths, 200).numpy()
        counts = self.conventions.n_frames(sounds.lengths)
        features = torch.cat([self.features(x, method, seed) for x in sounds.x.to(self.device).split(100)]).cpu()
        real = torch.arange(features.shape[1]) < counts[:, None]
        if method == DELTAS:
            last = features[torch.arange(len(features)), counts - 1]
            held = torch.where(real[..., None], features, last[:, None])  # no difference to the padding
            features = torch.cat([held, deltas(held)], -1)
        if "CM" in method:
            owners = sounds.speakers if "by speaker" in method else torch.arange(len(sounds))
            features = cmvn_of_owners(features, real, owners, variance="CMVN" in method)
        return segment_means(features, counts, 1 if method == "mean spectrum" else self.config.segments).numpy()

    def features(self, x: Tensor, method: str, seed: int) -> Tensor:
        """What a method sees in each frame of waveforms, before any normalisation."""
        rate, conventions = self.sounds.rate, self.conventions
        if method == "mean spectrum":
            return log_mel(x, rate, conventions, torch.eye(conventions.n_fft // 2 + 1))
        if method == "random filters":
            random = torch.rand(conventions.bank.shape, generator=runtime.generator(seed))
            return log_mel(x, rate, conventions, random)
        if method == "PCEN":
            return pcen(mel_energies(x, rate, conventions))
        if method.startswith("log-mel"):
            return log_mel(x, rate, conventions)
        return mfcc(x, rate, conventions)
