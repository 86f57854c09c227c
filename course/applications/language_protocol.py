r"""How a classifier is measured on languages that it was not trained on: folds, few labels, macro-F1, equal trials.

Languages are left out in groups. Settings are chosen on two of the languages that are *not* left out, which play the
new language meanwhile; so no label of the new language chooses anything but the few that a method is given.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course.arguments import require_whole
from course.data import DataError
from course.metrics import Z95
from course.runtime import generator

PRETENDERS = 2  # languages that play the new one while settings are chosen


def macro_f1(y: Tensor, predicted: Tensor, n_way: int) -> float:
    r"""The mean over the classes of the harmonic mean of precision and recall: :eq:`crosslingual-f1`.

    .. math:: F = \frac1N\sum_c\frac{2\,\mathrm{TP}_c}{2\,\mathrm{TP}_c + \mathrm{FP}_c + \mathrm{FN}_c}

    A class that occurs neither among the labels nor among the answers is left out, as in scikit-learn.

    Args:
        y, predicted: class numbers ``int64 [n]``.
        n_way: number of classes there are.

    Raises:
        ValueError: if the two are not equally long, or there is no text.

    Example:
        >>> round(macro_f1(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2), 4)
        0.6667
    """
    if y.shape != predicted.shape:
        raise ValueError(f"labels and answers must be equally long, got {list(y.shape)} and {list(predicted.shape)}")
    if not len(y):
        raise ValueError("there is no text to be judged by")
    right = y[y == predicted].bincount(minlength=n_way).double()
    sizes = (y.bincount(minlength=n_way) + predicted.bincount(minlength=n_way)).double()
    return (2 * right / sizes)[sizes > 0].mean().item()


def f1_half_width(y: Tensor, predicted: Tensor, n_way: int, *, draws: int = 200, seed: int = 0) -> float:
    """Half the width of the 95 % interval of :func:`macro_f1` over texts: 1.96 standard deviations of a bootstrap.

    The texts are drawn anew within each class. It says how far another sample of texts of the same language might be
    off, not another language.
    """
    random = generator(seed)
    rows = [
        own[torch.randint(len(own), (draws, len(own)), generator=random).to(y.device)]
        for own in ((y == c).nonzero().flatten() for c in range(n_way))
        if len(own)
    ]
    drawn = torch.cat(rows, 1)
    values = torch.tensor([macro_f1(y[each], predicted[each], n_way) for each in drawn], dtype=torch.float64)
    return Z95 * values.std().item()


def folds(languages: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """The languages in groups that are left out together: each language in one of them.

    Example:
        >>> folds(("ar", "de", "en"), 2)
        [('ar', 'de'), ('en',)]
    """
    require_whole("size", size)
    return [tuple(languages[start : start + size]) for start in range(0, len(languages), size)]


def pretenders(sources: Sequence[str], fold: int, count: int = PRETENDERS) -> tuple[str, ...]:
    """The source languages that play the new one while settings are chosen; other folds take others."""
    if len(sources) <= count:
        raise ValueError(f"{len(sources)} source languages leave none to learn from: at least {count + 1} are needed")
    return tuple(sources[(count * fold + place) % len(sources)] for place in range(count))


def few(y: Tensor, n_way: int, k: int, seed: int) -> Tensor:
    """Positions of ``k`` random examples of each class, ``int64 [n_way * k]``; with the same seed 1 are among the 5.

    Raises:
        DataError: if a class has fewer.
    """
    order = torch.randperm(len(y), generator=generator(seed))
    labels = y.cpu()[order]
    chosen = [order[labels == c][:k] for c in range(n_way)]
    if short := [c for c, own in enumerate(chosen) if len(own) < k]:
        raise DataError(f"class {short[0]} has {len(chosen[short[0]])} examples, {k} are asked for: lower the number")
    return torch.cat(chosen)


def best(settings: Sequence, score: Callable[[object], float]):
    """The setting with the highest score; of equal ones the first."""
    if len(settings) == 1:
        return settings[0]
    found = [score(setting) for setting in settings]
    return settings[found.index(max(found))]
