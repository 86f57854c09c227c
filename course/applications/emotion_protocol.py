"""How a way is measured: speakers left out in folds, options chosen on other speakers, one answer for each recording.

Every recording of every speaker is answered once, by a model that heard nobody of the test. With labelled recordings
of the speaker these come from one half of what is said, and the questions from the other.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from course.applications import speaker_scale
from course.applications.emotion_clips import Clips, support
from course.applications.emotion_methods import Answer, Given, Lesson, Way
from course.runtime import step_generator

SCALES = ("everybody", "speaker", "leaning", "labelled", "so far")


@dataclass(frozen=True)
class Trained:
    """A way after its training, with all that a new speaker's recordings need.

    Attributes:
        answer: of the way.
        mean, deviation: of the training vectors, ``[d]``.
        prior: of speakers, on vectors that these have scaled.
        scale: one of ``SCALES``.
        option: the one that was chosen.
    """

    answer: Answer
    mean: Tensor
    deviation: Tensor
    prior: speaker_scale.Prior
    scale: str
    option: object

    def scaled(self, x: Tensor, known: Tensor, basis: Tensor, seed: int) -> Tensor:
        """The vectors of one speaker, ``[n, d]``, on the way's scale.

        Args:
            x: all of the speaker.
            known: places of the labelled ones.
            basis: which ones ``"speaker"`` takes the scale from, ``bool [n]``.
            seed: of the order in which they come.
        """
        x = (x - self.mean) / self.deviation
        if self.scale == "everybody":
            return x
        if self.scale in ("speaker", "leaning"):
            weight = self.prior.weight() if self.scale == "leaning" else 0.0
            mean, variance = speaker_scale.statistics(x[basis], self.prior, weight)
            return (x - mean) / (variance + 1e-5).sqrt()
        if self.scale == "labelled":
            mean, variance = speaker_scale.statistics(x[known], self.prior, self.prior.weight())
            return (x - mean) / variance.sqrt()
        order = torch.from_numpy(step_generator(seed, 0).permutation(len(x)))
        result = torch.empty_like(x)
        result[order] = speaker_scale.as_they_come(x[order], self.prior, self.prior.weight())
        return result


def lesson_of(clips: Clips, train: Tensor, scale: str, shots: int, seed: int) -> tuple[Lesson, Tensor, Tensor]:
    """What is learned from, and mean and deviation of its vectors. People in training are known well: own scale."""
    part, halves = clips.select(train), clips.halves()[train]
    mean, deviation = part.x.mean(0), part.x.std(0).clamp(min=1e-8)
    x = (part.x - mean) / deviation
    if scale != "everybody":
        x = speaker_scale.scaled_by_owner(x, part.speakers)
    return Lesson(x, part.y, part.speakers, halves, len(clips.classes), shots, seed), mean, deviation


def learned(way: Way, clips: Clips, train: Tensor, option: object, shots: int, seed: int) -> Trained:
    """The way, trained on the recordings of a mask with an option."""
    lesson, mean, deviation = lesson_of(clips, train, way.scale, shots, seed)
    prior = speaker_scale.Prior.of((clips.x[train] - mean) / deviation, lesson.speakers)
    return Trained(way.learn(lesson, option), mean, deviation, prior, way.scale, option)


def answers(
    trained: Trained, clips: Clips, asked: Tensor, shots: int, seed: int, basis: Tensor | None = None
) -> Tensor:
    """The answers to the recordings of a mask, ``int64 [n]``, -1 elsewhere; speaker by speaker, half by half.

    ``basis`` is a mask of the recordings that a speaker's scale is taken from; ``None`` for all.
    """
    basis = torch.ones_like(asked) if basis is None else basis
    found, halves = torch.full_like(clips.y, -1), clips.halves()
    for speaker in clips.speakers[asked].unique().tolist():
        own = (clips.speakers == speaker).nonzero().flatten()
        y, half = clips.y[own], halves[own]
        for side in (0, 1) if shots else (None,):
            known = torch.zeros(0, dtype=torch.int64)
            question = torch.ones_like(y, dtype=torch.bool)
            if shots:
                known, question = support(y, half == 1 - side, shots, seed, 2 * speaker + side), half == side
            x = trained.scaled(clips.x[own], known, basis[own], seed)
            rest = torch.ones(len(own), dtype=torch.bool)
            rest[known] = False
            given = Given(x[rest], x[known], y[known])
            found[own[question]] = trained.answer(x[question], given).argmax(1)
    return found


def right_by_speaker(clips: Clips, found: Tensor, counted: Tensor | None = None) -> Tensor:
    """The share of right answers for each speaker, ``float64 [speakers]``, of those counted; NaN without any."""
    counted = torch.ones_like(clips.y, dtype=torch.bool) if counted is None else counted
    right = ((found == clips.y) & counted).double()
    zeros = torch.zeros(len(clips.speaker_names), dtype=torch.float64)
    return zeros.index_add(0, clips.speakers, right) / zeros.index_add(0, clips.speakers, counted.double())


def chosen(way: Way, clips: Clips, train: Tensor, validation: Tensor, shots: int, seed: int) -> object:
    """The option that names most recordings of the validation speakers; of equal ones the first."""

    def score(option: object) -> float:
        trained = learned(way, clips, train, option, shots, seed)
        found = answers(trained, clips, validation, shots, seed)
        return (found == clips.y)[validation].double().mean().item()

    return max(way.options, key=score)


def by_folds(
    way: Way,
    clips: Clips,
    shots: int,
    seed: int,
    folds: int = 6,
    asked: tuple[Clips, ...] = (),
    basis: Tensor | None = None,
) -> Tensor:
    """An answer to every recording, by people left out in folds: ``int64 [1 + len(asked), n]``.

    In each fold the option is chosen on the validation speakers, and the way then trained once more on all who are not
    tested.

    Args:
        way, clips: what is measured, and on what.
        shots: labelled recordings of each emotion that a tested speaker gives; 0 for none.
        seed: of folds, draws, and first weights.
        folds: how many.
        asked: the same recordings in other conditions, which are only asked.
        basis: recordings that the scale of a *tested* speaker is taken from, ``bool [n]``; ``None`` for all.
    """
    found = torch.full((1 + len(asked), len(clips)), -1)
    for train, validation, test in clips.folds(folds, seed):
        option = chosen(way, clips, train, validation, shots, seed)
        trained = learned(way, clips, train | validation, option, shots, seed)
        for row, each in enumerate((clips, *asked)):
            found[row, test] = answers(trained, each, test, shots, seed, basis)[test]
    return found


def by_recordings(way: Way, clips: Clips, seed: int, folds: int = 6) -> Tensor:
    """The flattering split: recordings are dealt out at random, so that everybody tested was heard in training.

    The answers ``int64 [n]``. All else is as in :func:`by_folds` without labelled recordings. With the speaker's scale
    this is taken from all of the speaker's recordings, as there.
    """
    order = torch.from_numpy(step_generator(seed, 1 << 20).permutation(len(clips)))
    group = torch.empty_like(order)
    group[order] = torch.arange(len(order)) % folds
    found = torch.full_like(clips.y, -1)
    if way.scale == "speaker":
        x = (clips.x - clips.x.mean(0)) / clips.x.std(0).clamp(min=1e-8)
        clips = replace(clips, x=speaker_scale.scaled_by_owner(x, clips.speakers))
        way = replace(way, scale="everybody")
    for fold in range(folds):
        test, validation = group == fold, group == (fold + 1) % folds
        option = chosen(way, clips, ~test & ~validation, validation, 0, seed)
        trained = learned(way, clips, ~test, option, 0, seed)
        found[test] = answers(trained, clips, test, 0, seed)[test]
    return found
