"""Splits of a reader's own classes, whose numbers of pictures differ: what the system of zero-shot naming measures on.

A picture has a turned copy. Training sees the copies of all training classes, and the pictures themselves of half of
them; the pictures of the other half ask about classes that were seen.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course import runtime
from course.applications.generalised import accuracy_of_both, auroc, best_constant, stacked
from course.crossmodal.frozen_pairs import METHODS, Fit

ENOUGH = 130  # training pictures from which on CCA is tried beside ridge regression


class Split:
    """Classes held out from training, a fifth for the test, a fifth for choices; half of the others keep back pictures.

    Args:
        classes: how many have pictures.
        labels: of the pictures.
        seed: of the draw.
    """

    def __init__(self, classes: int, labels: Tensor, seed: int):
        order = torch.randperm(classes, generator=runtime.generator(seed)).to(labels.device)
        fifth = max(2, classes // 5)
        self.test, self.validation, self.train = order[:fifth], order[fifth : 2 * fifth], order[2 * fifth :]
        self.labels, self.kept = labels, self.train[: len(self.train) // 2]
        self.watched = self.kept[: max(1, len(self.kept) // 2)]
        self.asked = self.kept[len(self.watched) :] if len(self.kept) > 1 else self.kept

    def rows(self, classes: Tensor) -> Tensor:
        """Which pictures are of some classes."""
        return torch.isin(self.labels, classes)

    def measured(self, support: Tensor, query: Tensor, texts: Tensor, refuse: float) -> dict:
        """Validation accuracies of all trials, and what the best of them gets right in the test, in per cent."""
        free = self.rows(self.train) & ~self.rows(self.kept)
        x = torch.cat([support[self.rows(self.train)], query[free]])
        y = texts[torch.cat([self.labels[self.rows(self.train)], self.labels[free]])]
        found = [fit(x, y) for fit in trials(len(self.labels))]

        def ask(maps, asked: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
            rows = self.rows(asked)
            place = torch.full((len(texts),), -1, device=texts.device)
            place[among] = torch.arange(len(among), device=texts.device)
            zx, zy = F.normalize(maps[0](query[rows]), dim=1), F.normalize(maps[1](texts[among]), dim=1)
            return zx @ zy.T, place[self.labels[rows]]

        def right(maps, asked: Tensor) -> float:
            scores, own = ask(maps, asked, asked)
            return (scores.argmax(1) == own).double().mean().item()

        scores = [right(maps, self.validation) for maps in found]
        maps = found[scores.index(max(scores))]
        all_of = {
            name: torch.cat([new, self.train]) for name, new in (("choice", self.validation), ("test", self.test))
        }
        sides = {}
        for name, new, old in (("choice", self.validation, self.watched), ("test", self.test, self.asked)):
            seen = torch.arange(len(all_of[name]), device=texts.device) >= len(new)
            sides[name] = (*ask(maps, torch.cat([new, old]), all_of[name]), seen)
        constant = best_constant(*sides["choice"])
        given, own, seen = sides["test"]
        both = accuracy_of_both(stacked(given, seen, constant), own, seen)
        raw = accuracy_of_both(given, own, seen)
        inside, outside = self.test[: len(self.test) // 2], self.test[len(self.test) // 2 :]
        judged = [ask(maps, part, inside)[0].amax(1) for part in (inside, outside)]
        sure = stacked(*(sides["choice"][part] for part in (0, 2)), constant).amax(1)
        answers, own_test = ask(maps, self.test, self.test)
        return {
            "trials": scores, "constant": constant, "threshold": sure.quantile(refuse).item(),
            "plain": 100 * right(maps, self.test), "raw": 100 * raw.harmonic, "unseen": 100 * both.unseen,
            "seen": 100 * both.seen, "harmonic": 100 * both.harmonic, "refusal": 100 * auroc(*judged),
            "right": (answers.argmax(1) == own_test).double().tolist(),
            "of": self.labels[self.rows(self.test)].tolist(),
        }  # fmt: skip


def trials(pictures: int) -> list[Fit]:
    """The settings that are tried: those of ridge regression, and of CCA where there are enough pictures."""
    ridge, aligned = METHODS["ridge regression"], METHODS["CCA"]
    return [*ridge, *aligned] if pictures >= ENOUGH else ridge
