"""The system behind ``course apply emotion``: from recordings of speakers to the emotion that a recording sounds like.

It measures what is said on the scale of the speaker, as far as the speaker is known; then a logistic regression
answers, which a few labelled recordings tune. An emotion that only the speaker's own folder has becomes a new class.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Self

import torch
from torch import Tensor

from course import runtime
from course.applications import speaker_scale
from course.applications.adapted_gaussian import AdaptedGaussian
from course.applications.card import Card, Measured, Used
from course.applications.emotion_clips import RATE, REGISTERED, Clips, read_clips
from course.applications.emotion_methods import TUNINGS, Given, Way, fine_tuned, logistic_weights, tuned
from course.applications.emotion_protocol import Trained, answers, chosen, learned, lesson_of, right_by_speaker
from course.applications.prosody import places, vector
from course.applications.system import System
from course.arguments import require_whole
from course.checkpoints import Tree
from course.data.sets import DataError
from course.data.sounds import SOUNDS, read_sounds
from course.files import write_json

SHRINKAGE, FLOOR = 0.3, 0.1  # of the Gaussians that a new emotion joins
WAY = Way(fine_tuned, TUNINGS, "leaning")
NOT_FOR = (
    "decisions about people: hiring, grading, policing, credit, insurance, diagnosis",
    "inferring emotions at work or in schools, which the EU's AI Act prohibits but for medical or safety reasons",
    "anybody who was not asked, or cannot say no",
    "finding out what somebody feels: the labels say how a recording was meant to sound",
)


@dataclass(frozen=True)
class Settings:
    """What training may be told.

    Example:
        >>> Settings(folds=3).shots
        2
    """

    folds: int = field(default=6, metadata={"help": "groups of speakers that are left out in turn, to measure"})
    shots: int = field(default=2, metadata={"help": "labelled recordings of each emotion, of those measurements"})

    def __post_init__(self):
        require_whole("folds", self.folds, 3)
        require_whole("shots", self.shots)


class Emotions(System):
    """A logistic regression on the speaker's scale, tuned by what the speaker labels.

    Args:
        classes: emotions.
        mean, deviation: of the training vectors, ``[d]``.
        prior: of speakers.
        weight, bias: of the logistic regression, ``[N, d]`` and ``[N]``.
        gaussian: of the same classes, for new ones.
        steps: of tuning.
        prints: fingerprints of the recordings that it learned from.

    Example:
        >>> one, eye = torch.ones(2), torch.eye(2)
        >>> parts = 0 * one, one, speaker_scale.Prior(0 * one, one, one), eye, 0 * one
        >>> gaussian = AdaptedGaussian(eye, eye, torch.ones(2, 2))
        >>> system = Emotions(("calm", "angry"), *parts, gaussian, steps=3, prints=())
        >>> names, scores = system.named(torch.rand(5, 2), torch.zeros(0, 2), [])
        >>> names, scores.shape
        (('calm', 'angry'), torch.Size([5, 2]))
    """

    name = "emotion"
    Settings = Settings

    def __init__(
        self,
        classes: tuple[str, ...],
        mean: Tensor,
        deviation: Tensor,
        prior: speaker_scale.Prior,
        weight: Tensor,
        bias: Tensor,
        gaussian: AdaptedGaussian,
        steps: int,
        prints: tuple[str, ...],
    ):
        self.classes, self.mean, self.deviation, self.prior = classes, mean, deviation, prior
        self.weight, self.bias, self.gaussian, self.steps, self.prints = weight, bias, gaussian, steps, prints

    @classmethod
    def train(
        cls, data: str, settings: Settings, *, seed: int, device: torch.device, folder: Path
    ) -> tuple[Self, Card]:
        """See :class:`~course.applications.system.System`; ``device`` is not used, as a CPU needs seconds."""
        begin = perf_counter()
        clips = read_clips(data, folder / "vectors.safetensors")
        require_enough(clips, settings)
        none, few, options = measured(clips, settings, seed, folder)
        option = Counter(options).most_common(1)[0][0]
        everybody = torch.ones(len(clips), dtype=torch.bool)
        lesson, mean, deviation = lesson_of(clips, everybody, WAY.scale, settings.shots, seed)
        prior = speaker_scale.Prior.of((clips.x - mean) / deviation, clips.speakers)
        weight, bias = logistic_weights(lesson, option[0])
        gaussian = AdaptedGaussian.fit(lesson.x, lesson.y, lesson.n_way, SHRINKAGE)
        system = cls(clips.classes, mean, deviation, prior, weight, bias, gaussian, option[1], clips.prints)
        count = f"{len(clips):,} recordings of {len(clips.speaker_names)} speakers in {len(clips.classes)} emotions"
        used = Used.registered(data, "training", count) if data in REGISTERED else Used(data, "training", count)
        frequent = torch.bincount(clips.y).max().item() / len(clips)
        card = Card(
            system=cls.name,
            purpose="To say which of the trained emotions a recording sounds like, for exercises and research.",
            not_for=NOT_FOR,
            data=(used,),
            protocol=(
                f"Every speaker was left out once ({settings.folds} folds); constants were chosen on other speakers. "
                "The labelled recordings come from one half of what a speaker says, the questions from the other. "
                f"The most frequent emotion makes {100 * frequent:.1f} % of all recordings."
            ),
            results=tuple(in_all(clips, none, few, settings.shots)),
            cuts=tuple(by_emotion(clips, none)),
            limits=(
                "Other languages, rooms, microphones and ages than those of the training were not tried.",
                "The speaker's scale assumes that the speaker's recordings show several moods: from one mood alone, it "
                "takes this mood for neutral.",
                "Acted or simulated emotions are plainer than others.",
            ),
            settings={"folds": settings.folds, "shots": settings.shots, "penalty": option[0], "steps": option[1]},
            seed=seed,
            seconds=perf_counter() - begin,
            environment=runtime.environment(),
        )
        return system, card

    def tree(self) -> Tree:
        """See :class:`~course.applications.system.System`."""
        tensors = {
            "mean": self.mean,
            "deviation": self.deviation,
            "prior": {name: getattr(self.prior, name) for name in ("mean", "variance", "between")},
            "weight": self.weight,
            "bias": self.bias,
            "gaussian": {name: getattr(self.gaussian, name) for name in ("whitening", "means", "variances")},
        }
        return tensors | {"classes": self.classes, "steps": self.steps, "prints": self.prints}

    @classmethod
    def from_tree(cls, tree: Tree, device: torch.device) -> Self:
        """See :class:`~course.applications.system.System`."""
        parts = {"prior": speaker_scale.Prior(**tree["prior"]), "gaussian": AdaptedGaussian(**tree["gaussian"])}
        tuples = {name: tuple(tree[name]) for name in ("classes", "prints")}
        return cls(**tree | parts | tuples)

    def predict(self, inputs: list[str]) -> list[dict[str, object]]:
        """A row for each recording that is asked for.

        Args:
            inputs: each a recording, or the folder of a speaker. In a folder, recordings beside each other are asked;
                those in sub-folders are labelled by the sub-folder's name, which may be an emotion that training never
                heard. Beside such a one, the labels of known emotions help the speaker's scale only.

        Raises:
            DataError: if nothing is there, or it cannot be read.
        """
        rows = []
        for each in inputs:
            path = Path(each).expanduser()
            asked, known = [path], []
            if path.is_dir():
                asked = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SOUNDS]
                known = [file for file in sorted(path.glob("*/*")) if file.suffix.lower() in SOUNDS]
            if not asked or not asked[0].is_file():
                raise DataError(f"{path} is no recording, nor a folder with recordings to be named: give one")
            names, scores = self.named(vectors_of(asked), vectors_of(known), [file.parent.name for file in known])
            for file, row in zip(asked, scores.softmax(1), strict=True):
                best = int(row.argmax())
                rows.append(
                    {
                        "recording": str(file),
                        "emotion": names[best],
                        "probability": f"{row[best]:.2f}",
                        "unlabelled": len(asked),
                        "labelled": len(known),
                    }
                )
        return rows

    def named(self, asked: Tensor, known: Tensor, labels: Sequence[str]) -> tuple[tuple[str, ...], Tensor]:
        """The names of the classes, and the scores ``[m, N]`` of a speaker's recordings."""
        x = (torch.cat([asked, known]) - self.mean) / self.deviation
        mean, variance = speaker_scale.statistics(x, self.prior, self.prior.weight())
        x = (x - mean) / (variance + 1e-5).sqrt()
        asked, known = x[: len(asked)], x[len(asked) :]
        strange = sorted(set(labels) - set(self.classes))
        if strange:
            new = [known[[label == name for label in labels]] for name in strange]
            return (*self.classes, *strange), self.gaussian.with_classes(new, FLOOR).scores(asked)
        y = torch.tensor([self.classes.index(label) for label in labels], dtype=torch.int64)
        given = Given(asked, known, y)
        return self.classes, tuned(self.weight, self.bias, given, self.steps if len(y) else 0)(asked)

    def evaluate(self, data: str) -> list[Measured]:
        """Accuracy on labelled recordings of other speakers, without and with labelled ones, over speakers.

        Raises:
            DataError: if a recording was in the training, or an emotion was not.
        """
        clips = read_clips(data)
        if common := len(set(clips.prints) & set(self.prints)):
            raise DataError(f"{common} of {len(clips)} recordings of {data} were in the training: measure on others")
        if strange := sorted(set(clips.classes) - set(self.classes)):
            raise DataError(f"{data} has the emotion {strange[0]!r}; trained were {', '.join(self.classes)}")
        numbers = torch.tensor([self.classes.index(name) for name in clips.classes])
        clips = replace(clips, y=numbers[clips.y], classes=self.classes)
        system = replace_way(self)
        none, few = (answers(system, clips, torch.ones_like(clips.y, dtype=torch.bool), k, 0) for k in (0, 2))
        return in_all(clips, none, few, 2)


def replace_way(system: Emotions) -> Trained:
    """A saved system as a way that the protocol can ask."""

    def answer(query: Tensor, given: Given) -> Tensor:
        return tuned(system.weight, system.bias, given, system.steps if len(given.y) else 0)(query)

    return Trained(answer, system.mean, system.deviation, system.prior, WAY.scale, None)


def vectors_of(files: Sequence[Path]) -> Tensor:
    """A vector for each recording, ``[n, d]``; no rows for no files."""
    if not files:
        return torch.zeros(0, list(places().values())[-1].stop, dtype=torch.float64)
    read = read_sounds(files, rate=RATE, mono=True)
    return torch.stack([vector(wave[:length], RATE) for wave, length in zip(read["x"], read["lengths"], strict=True)])


def require_enough(clips: Clips, settings: Settings) -> None:
    """Raise DataError unless there are speakers enough, and each has several recordings of several emotions."""
    if len(clips.speaker_names) < settings.folds:
        raise DataError(
            f"{clips.name} has {len(clips.speaker_names)} speakers, fewer than the {settings.folds} folds: record more "
            "people, or pass --folds (at least 3)"
        )
    for number, name in enumerate(clips.speaker_names):
        labels = clips.y[clips.speakers == number]
        if len(labels) < 4 or len(labels.unique()) < 2:
            found = f"{len(labels)} recordings of {len(labels.unique())} emotions"
            raise DataError(f"speaker {name!r} has {found}: at least 4 of 2 are needed")


def measured(clips: Clips, settings: Settings, seed: int, folder: Path) -> tuple[Tensor, Tensor, list]:
    """Answers without and with labelled recordings, and the option that each fold chose; a killed run goes on."""
    none, few, options = torch.full_like(clips.y, -1), torch.full_like(clips.y, -1), []
    folds = list(clips.folds(settings.folds, seed))
    for number, (train, validation, test) in enumerate(runtime.progress(folds, desc="folds", delay=1)):
        file = folder / f"fold-{number}.json"
        if file.exists():
            kept = json.loads(file.read_text(encoding="utf8"))
        else:
            option = chosen(WAY, clips, train, validation, settings.shots, seed)
            system = learned(WAY, clips, train | validation, option, settings.shots, seed)
            rest = learned(replace(WAY, learn=without_labels), clips, train | validation, option, 0, seed)
            kept = {"option": option, "none": answers(rest, clips, test, 0, seed)[test].tolist()}
            kept["few"] = answers(system, clips, test, settings.shots, seed)[test].tolist()
            write_json(file, kept)
        none[test], few[test] = torch.tensor(kept["none"]), torch.tensor(kept["few"])
        options.append(tuple(kept["option"]))
    return none, few, options


def without_labels(lesson, option: tuple[float, int]):
    """The logistic regression of an option, not tuned."""
    weight, bias = logistic_weights(lesson, option[0])
    return lambda query, given: query @ weight.T + bias


def in_all(clips: Clips, none: Tensor, few: Tensor, shots: int) -> list[Measured]:
    """Accuracy over speakers, without and with labelled recordings, and the gain."""
    asked = few >= 0
    rows = [right_by_speaker(clips, none), right_by_speaker(clips, few, asked)]
    rows.append(rows[1] - right_by_speaker(clips, none, asked))
    names = ("accuracy, nothing labelled", f"accuracy, {shots} labelled of each emotion", "gain by the labels")
    kept = [row[~row.isnan()] for row in rows]
    return [Measured.over_all(name, (100 * row).tolist(), "speakers") for name, row in zip(names, kept, strict=True)]


def by_emotion(clips: Clips, none: Tensor) -> list[Measured]:
    """How often each emotion is named when it is meant, over speakers."""
    rows = []
    for number, name in enumerate(clips.classes):
        shares = right_by_speaker(clips, none, clips.y == number)
        shares = shares[~shares.isnan()]
        rows.append(Measured.over_all(f"named rightly: {name}", (100 * shares).tolist(), "speakers"))
    return rows
