"""Classes with pictures and descriptions, split so that some have no picture in training, and how answers are counted.

One protocol for every set: a class has *support* pictures, which training may see, and *query* pictures, which it is
asked about. Those of a training class may be seen as well, but for two lots of training classes, whose queries are kept
for questions about classes that were seen: one lot for choices, one for the test.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from course.applications.generalised import accuracy_of_both, auroc, best_constant, stacked
from course.applications.hubs import csls, inverted_softmax, occurrences, skewness
from course.data.glyphs import affine_maps

Scorer = Callable[[Tensor, Tensor], Tensor]  # pictures [n, p] and the numbers of classes [C] to scores [n, C]

NEIGHBOURS, TEMPERATURES = (5, 10, 20, 50), (0.02, 0.05, 0.1, 0.2)  # the choices of the repairs


@dataclass(frozen=True)
class Described:
    """Classes with pictures and descriptions as vectors.

    Attributes:
        support, query: pictures, ``[C, P, p]`` and ``[C, Q, p]``.
        texts: descriptions ``[C, q]``.
        words: those of each class, for methods with attributes.

    Example:
        >>> x, y = torch.rand(4, 1, 8), torch.rand(4, 6)
        >>> Described(x, x, y, [frozenset({"red"})] * 4).texts.shape
        torch.Size([4, 6])
    """

    support: Tensor
    query: Tensor
    texts: Tensor
    words: Sequence[frozenset[str]]

    def __post_init__(self):
        count, width = len(self.texts), self.support.shape[-1]
        fits = self.support.dim() == self.query.dim() == 3 and self.query.shape[2] == width
        if not fits or {len(self.support), len(self.query), len(self.words)} != {count}:
            raise ValueError(
                f"pictures must be [C, P, p] and [C, Q, p] for {count} classes with texts and words, got "
                f"{list(self.support.shape)}, {list(self.query.shape)} and {len(self.words)} sets of words"
            )


@dataclass(frozen=True)
class ClassSplit:
    """Numbers of classes.

    Attributes:
        train, validation, test: no class is in two of them.
        watched, kept: parts of ``train`` whose query pictures training does not see: for choices, and for the test.

    Example:
        >>> seeded = torch.Generator().manual_seed(0)
        >>> split = ClassSplit.drawn(torch.arange(40), torch.arange(40, 50), test=8, validation=6, generator=seeded)
        >>> len(split.test), len(split.train), len(split.kept)
        (8, 36, 8)
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    watched: Tensor
    kept: Tensor

    @classmethod
    def drawn(
        cls, candidates: Tensor, others: Tensor, *, test: int, validation: int, generator: torch.Generator
    ) -> "ClassSplit":
        """Classes for test and validation from the ``candidates``; all that is left, and the others, for training.

        As many training classes as there are test and validation classes are kept for questions about seen classes,
        or a third of all training classes each, if there are fewer.

        Raises:
            ValueError: if there are too few candidates, or fewer than three classes for training.
        """
        order = candidates[torch.randperm(len(candidates), generator=generator)]
        train = torch.cat([order[test + validation :], others])
        if len(order) < test + validation or len(train) < 3 or test < 1 or validation < 1:
            raise ValueError(
                f"{len(candidates)} candidates and {len(others)} other classes are too few for {test} test classes, "
                f"{validation} validation classes and three for training"
            )
        mixed = train[torch.randperm(len(train), generator=generator)]
        third = len(train) // 3
        kept, watched = mixed[: min(test, third)], mixed[third:][: min(validation, third)]
        return cls(train, order[test:][:validation], order[:test], watched, kept)


def training_pictures(of: Described, split: ClassSplit) -> tuple[Tensor, Tensor]:
    """The pictures that training may see ``[n, p]``, and the numbers of their classes ``[n]``."""
    asked = torch.cat([split.watched, split.kept])
    free = split.train[~torch.isin(split.train, asked)]
    parts = [(of.support, split.train), (of.query, free)]
    x = torch.cat([pictures[rows].flatten(0, 1) for pictures, rows in parts])
    labels = torch.cat([rows.repeat_interleave(pictures.shape[1]) for pictures, rows in parts])
    return x, labels


def asked(of: Described, classes: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """The query pictures of some classes ``[n, p]``, and where each class stands in the candidates ``among``."""
    place = {number: position for position, number in enumerate(among.tolist())}
    labels = torch.tensor([place[number] for number in classes.tolist()])
    return of.query[classes].flatten(0, 1), labels.repeat_interleave(of.query.shape[1]).to(among.device)


def share_right(scorer: Scorer, of: Described, classes: Tensor) -> float:
    """The share of the query pictures of some classes that are named rightly among these classes."""
    x, labels = asked(of, classes, classes)
    return (scorer(x, classes).argmax(1) == labels).double().mean().item()


def best_scorer(scorers: Sequence[Scorer], of: Described, split: ClassSplit) -> Scorer:
    """The one that names most of the validation classes; of equal ones the first."""
    found = [share_right(scorer, of, split.validation) for scorer in scorers]
    return scorers[found.index(max(found))]


def measured(scorer: Scorer, of: Described, split: ClassSplit) -> dict[str, float]:
    """Everything that a scorer is asked, in shares from 0 to 1 but for the skewness.

    Choices, the number of neighbours, the temperature and the constant, are made on the validation classes and on
    watched training classes alone.

    Returns:
        ``plain``: unseen classes among themselves. ``csls``, ``inverted``: the same after a repair with training
        pictures as references. ``together``: the inverted softmax with the questions themselves as references.
        ``skewness``: of :math:`N_{10}` over the unseen classes, and ``repaired``, after the inverted softmax.
        ``unseen_raw``, ``seen_raw``, ``harmonic_raw``, ``unseen``, ``seen``, ``harmonic``: among unseen and all
        training classes, before and after calibrated stacking. ``refusal``: AUROC of the best score where half of the
        unseen classes are described.
    """
    x, labels = asked(of, split.test, split.test)
    known = training_pictures(of, split)[0]
    scores, references = scorer(x, split.test), scorer(known, split.test)
    neighbours, temperature, alone = chosen_repairs(scorer, of, split, known)
    k = min(10, len(split.test))
    repaired = inverted_softmax(scores, references, temperature)
    ways = {
        "plain": scores,
        "csls": csls(scores, references, min(neighbours, len(known))),
        "inverted": repaired,
        "together": inverted_softmax(scores, scores, alone),
    }
    found = {name: (each.argmax(1) == labels).double().mean().item() for name, each in ways.items()}
    found |= {"skewness": skewness(occurrences(scores, k)), "repaired": skewness(occurrences(repaired, k))}
    return found | generalised(scorer, of, split) | {"refusal": refusal(scorer, of, split)}


def chosen_repairs(scorer: Scorer, of: Described, split: ClassSplit, known: Tensor) -> tuple[int, float, float]:
    """The number of neighbours and the temperatures that name most of the validation classes: of :func:`csls`, and of
    :func:`inverted_softmax` with training pictures and with the questions themselves as references."""
    x, labels = asked(of, split.validation, split.validation)
    scores, references = scorer(x, split.validation), scorer(known, split.validation)

    def best(values: Sequence, repair: Callable) -> float:
        found = [(repair(value).argmax(1) == labels).double().mean().item() for value in values]
        return values[found.index(max(found))]

    return (
        best(NEIGHBOURS, lambda k: csls(scores, references, min(k, len(references)))),
        best(TEMPERATURES, lambda t: inverted_softmax(scores, references, t)),
        best(TEMPERATURES, lambda t: inverted_softmax(scores, scores, t)),
    )


def generalised(scorer: Scorer, of: Described, split: ClassSplit) -> dict[str, float]:
    """Unseen and seen classes together, before and after calibrated stacking; see :func:`measured`."""
    parts = {}
    for name, new, old in (("choice", split.validation, split.watched), ("test", split.test, split.kept)):
        among = torch.cat([new, split.train])
        x, labels = asked(of, torch.cat([new, old]), among)
        seen = torch.arange(len(among), device=among.device) >= len(new)
        parts[name] = scorer(x, among), labels, seen
    constant = best_constant(*parts["choice"])
    scores, labels, seen = parts["test"]
    raw = accuracy_of_both(scores, labels, seen)
    both = accuracy_of_both(stacked(scores, seen, constant), labels, seen)
    return {
        "unseen_raw": raw.unseen,
        "seen_raw": raw.seen,
        "harmonic_raw": raw.harmonic,
        "unseen": both.unseen,
        "seen": both.seen,
        "harmonic": both.harmonic,
    }


def refusal(scorer: Scorer, of: Described, split: ClassSplit) -> float:
    """The AUROC of the best score: pictures whose class is among the described ones, against pictures of others."""
    half = len(split.test) // 2
    if not half:
        raise ValueError("a refusal needs two test classes or more")
    inside, outside = split.test[:half], split.test[half:]
    best = [scorer(of.query[part].flatten(0, 1), inside).amax(1) for part in (inside, outside)]
    return auroc(*best)


def turned(x: Tensor, generator: torch.Generator, strength: float = 0.7) -> Tensor:
    """Coloured pictures on white ``[n, 3, side, side]``, 1 for white, each turned, sheared, scaled and shifted at
    random as the characters of :func:`course.data.glyphs.affine_maps` are, ``strength`` times as far."""
    grid = F.affine_grid(affine_maps((len(x),), generator, strength).to(x), list(x.shape), align_corners=False)
    return 1 - F.grid_sample(1 - x, grid, align_corners=False)
