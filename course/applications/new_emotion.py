r"""An emotion that training never heard, from one to five recordings: how often it is named, and what the others pay.

Each emotion of a set is left out in turn. The recordings of the new one come from other people, or from the speaker
who is asked; all else is as in :mod:`course.applications.emotion_protocol`.
"""

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from course.applications.adapted_gaussian import AdaptedGaussian
from course.applications.emotion_clips import Clips
from course.applications.speaker_scale import scaled_by_owner
from course.runtime import step_generator

OPTIONS = tuple(product((0.3, 0.5), (0.1, 1.0)))  # shrinkage, floor β
NO_EXAMPLE, ALL = "no example", "all recordings of the others"


@dataclass(frozen=True)
class Source:
    """Where the recordings of a new emotion come from.

    Attributes:
        shots: how many, K.
        own: from the speaker who is asked; otherwise each from another person.
        certain: take the mean of the K for the truth, as a prototype does.
    """

    shots: int
    own: bool
    certain: bool = False


SOURCES: dict[str, Source] = {
    "K = 1, others": Source(1, own=False),
    "K = 2, others": Source(2, own=False),
    "K = 5, others": Source(5, own=False),
    "K = 1, same speaker": Source(1, own=True),
    "K = 2, same speaker": Source(2, own=True),
    "K = 2, others, as prototype": Source(2, own=False, certain=True),
    "K = 2, same speaker, as prototype": Source(2, own=True, certain=True),
}


def measured(clips: Clips, seed: int, folds: int = 6) -> dict[str, tuple[Tensor, Tensor]]:
    """For each source, the share of the new emotion and of the seen ones that is named rightly, by speaker.

    Means over the emotions left out, ``float64 [speakers]`` each. Shrinkage and floor are chosen on the validation
    speakers by the mean of the two shares; people in training have the scale of their seen emotions, as they never
    said another; a new speaker has that of all recordings without labels.
    """
    counts = {name: torch.zeros(2, 2, len(clips.speaker_names)) for name in (NO_EXAMPLE, *SOURCES, ALL)}
    x = (clips.x - clips.x.mean(0)) / clips.x.std(0).clamp(min=1e-8)  # a matter of numbers only: scaled again below
    everything = scaled_by_owner(x, clips.speakers)
    halves = clips.halves()
    for fold, (train, validation, test) in enumerate(clips.folds(folds, seed)):
        for new in range(len(clips.classes)):
            seen = clips.y != new
            scaled = everything.clone()
            for part in (train | validation,):
                scaled[part & seen] = scaled_by_owner(x[part & seen], clips.speakers[part & seen])
            draw = 1 + fold * len(clips.classes) + new
            of = Left(clips, scaled, everything, halves, new, seed, draw)
            fits = {option: of.fitted(train & seen, option[0]) for option in OPTIONS}
            whole = {gamma: of.fitted((train | validation) & seen, gamma) for gamma in {each[0] for each in OPTIONS}}
            for name, source in {**SOURCES, NO_EXAMPLE: None, ALL: None}.items():
                if source is None:
                    found = of.bounds(train | validation, test, whole[OPTIONS[0][0]], name == ALL, OPTIONS[0][0])
                else:
                    score = {o: of.asked(fits[o], o[1], train, validation, source) for o in OPTIONS}
                    best = max(OPTIONS, key=lambda o, score=score: balanced(score[o]))
                    found = of.asked(whole[best[0]], best[1], train | validation, test, source)
                counts[name] += found
    return {name: tuple(100 * each[0] / each[1]) for name, each in counts.items()}


def balanced(found: Tensor) -> float:
    """The mean of the two shares over all who were asked."""
    right, all_of = found.sum(2)
    return (right / all_of.clamp(min=1)).mean().item()


@dataclass(frozen=True)
class Left:
    """One emotion left out.

    Attributes:
        clips: all recordings.
        scaled, everything: vectors on the scale of the seen emotions (people in training), and of all recordings.
        halves: of :meth:`~course.applications.emotion_clips.Clips.halves`.
        new: the class left out.
        seed, draw: of the recordings that are drawn.
    """

    clips: Clips
    scaled: Tensor
    everything: Tensor
    halves: Tensor
    new: int
    seed: int
    draw: int

    def fitted(self, part: Tensor, shrinkage: float) -> AdaptedGaussian:
        """A Gaussian for each emotion that was seen."""
        y = self.clips.y[part]
        return AdaptedGaussian.fit(self.scaled[part], y - (y > self.new).long(), len(self.clips.classes) - 1, shrinkage)

    def asked(self, fitted: AdaptedGaussian, floor: float, heard: Tensor, who: Tensor, source: Source) -> Tensor:
        """Right and all answers ``[2, 2, speakers]``: [right or all, new or seen, speaker]."""
        counts = torch.zeros(2, 2, len(self.clips.speaker_names))
        generator = step_generator(self.seed, self.draw)
        candidates = heard & (self.clips.y == self.new)
        people = generator.permutation(self.clips.speakers[candidates].unique().numpy())[: source.shots]
        pools = [(candidates & (self.clips.speakers == int(one))).nonzero().flatten() for one in people]
        others = torch.stack([pool[int(generator.integers(len(pool)))] for pool in pools])
        for speaker in self.clips.speakers[who].unique().tolist():
            own = who & (self.clips.speakers == speaker)
            for side in (0, 1):
                question = (own & (self.halves == side)).nonzero().flatten()
                if source.own:
                    pool = (own & (self.halves != side) & (self.clips.y == self.new)).nonzero().flatten().numpy()
                    given = self.everything[generator.permutation(pool)[: source.shots]]
                else:
                    given = self.everything[others]
                model = fitted.with_classes([given], floor)
                if source.certain:
                    model = certain(fitted, given)
                self.count(counts, question, model.scores(self.everything[question]), speaker)
        return counts

    def bounds(self, heard: Tensor, who: Tensor, fitted: AdaptedGaussian, every: bool, shrinkage: float) -> Tensor:
        """The same without any example of the new emotion, or with all that other people said."""
        counts = torch.zeros(2, 2, len(self.clips.speaker_names))
        if every:
            y = self.clips.y[heard]
            y = torch.where(y == self.new, len(self.clips.classes) - 1, y - (y > self.new).long())
            fitted = AdaptedGaussian.fit(self.everything[heard], y, len(self.clips.classes), shrinkage)
        for speaker in self.clips.speakers[who].unique().tolist():
            question = (who & (self.clips.speakers == speaker)).nonzero().flatten()
            self.count(counts, question, fitted.scores(self.everything[question]), speaker)
        return counts

    def count(self, counts: Tensor, question: Tensor, scores: Tensor, speaker: int) -> None:
        """Add right and all answers of a speaker; the new emotion is the last class of the scores."""
        y = self.clips.y[question]
        place = torch.where(y == self.new, len(self.clips.classes) - 1, y - (y > self.new).long())
        right = scores.argmax(1) == place
        for row, kind in enumerate((y == self.new, y != self.new)):
            counts[0, row, speaker] += right[kind].sum()
            counts[1, row, speaker] += kind.sum()


def certain(fitted: AdaptedGaussian, given: Tensor) -> AdaptedGaussian:
    """One more class whose mean counts as known: what a prototype assumes."""
    means = torch.cat([fitted.means, (given @ fitted.whitening).mean(0, keepdim=True)])
    return AdaptedGaussian(fitted.whitening, means, torch.ones_like(means))
