"""Recipe ``word2vec-bilingual``: two languages whose vectors were trained apart, aligned by a dictionary.

English and German captions of Multi30k are two corpora; nothing tells the training which captions belong together. A
dictionary (xling-eval) gives pairs of words. A map learned from its training pairs is asked for the translations of
test words: is the nearest of all German words one of them? After Mikolov, Le and Sutskever, *Exploiting similarities
among languages for machine translation* (2013).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from course import data, runtime
from course.crossmodal.cca import CCA
from course.crossmodal.procrustes import procrustes
from course.data import Corpus, words
from course.representation.word2vec import SGNS
from course.reproduce.runner import Recipe

FOUND = "precision@1"


@dataclass(frozen=True)
class Word2VecBilingualConfig:
    """What is trained.

    Attributes:
        dimension, window, epochs: of the vectors.
        least: how often a word must occur.
        components, ridge: of CCA, on vectors of length 1.
        seeds: of the two trainings.
    """

    dimension: int = 100
    window: int = 5
    epochs: int = 60
    least: int = 5
    components: int = 60
    ridge: float = 1e-3
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "Word2VecBilingualConfig":
        """Three seeds of 15 passes."""
        return cls(epochs=15, seeds=(0, 1, 2))

    @classmethod
    def full(cls) -> "Word2VecBilingualConfig":
        """Five seeds of 60 passes."""
        return cls()


class Word2VecBilingual(Recipe):
    """Procrustes and CCA; and three controls: no map, pairs in random order, vectors that were never trained."""

    name = "word2vec-bilingual"
    presets = Word2VecBilingualConfig
    methods = ("no map", "untrained, Procrustes", "Procrustes, shuffled pairs", "Procrustes", "CCA")
    settings = ("English to German", "German to English")
    units: ClassVar = {FOUND: "%"}

    def load(self) -> None:
        """Both corpora, and the pairs of the dictionary whose words occur in them."""
        captions, dictionaries = data.load("multi30k", split="train"), data.load("xling_eval")
        self.corpora = [
            Corpus.from_texts(captions[code].texts, words, min_count=self.config.least, name=code)
            for code in ("en", "de")
        ]
        number = [{word: i for i, word in enumerate(corpus.vocabulary)} for corpus in self.corpora]
        self.pairs = {}
        for split, name in (("train", "en-de train 5k"), ("test", "en-de test 2k")):
            both = zip(dictionaries[name].x, dictionaries[name].y, strict=True)
            rows = [[number[0][x.lower()], number[1][y.lower()]] for x, y in both if self.known(number, x, y)]
            self.pairs[split] = torch.tensor(rows)
        self.trained: dict[int, list[Tensor]] = {}

    @staticmethod
    def known(number: list[dict[str, int]], x: str, y: str) -> bool:
        """Whether both words occur."""
        return x.lower() in number[0] and y.lower() in number[1]

    def vectors(self, seed: int, *, untrained: bool) -> list[Tensor]:
        """Centred vectors of length 1 of both languages, which start from different numbers."""
        config = self.config
        options = {
            "dimension": config.dimension,
            "window": config.window,
            "epochs": config.epochs,
            "device": self.device,
        }
        models = [SGNS(seed=10 * seed + language, **options) for language in (0, 1)]
        if untrained:
            both = [model.start(len(c.vocabulary))[0] for model, c in zip(models, self.corpora, strict=True)]
        else:
            if seed not in self.trained:
                fitted = [model.fit(corpus) for model, corpus in zip(models, self.corpora, strict=True)]
                self.trained = {seed: [model.vectors.matrix.cpu() for model in fitted]}
            both = self.trained[seed]
        unit = [F.normalize(each, dim=1) for each in both]
        return [F.normalize(each - each.mean(0), dim=1) for each in unit]

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Learn one map from the training pairs, and translate the test words."""
        x, y = self.vectors(seed, untrained=method.startswith("untrained"))
        train, test = self.pairs["train"], self.pairs["test"]
        if setting == "German to English":
            x, y, train, test = y, x, train.flip(1), test.flip(1)
        px, py = x[train[:, 0]], y[train[:, 1]]
        if "shuffled" in method:
            py = py[torch.randperm(len(py), generator=runtime.generator(seed))]
        if "Procrustes" in method:
            x = x @ procrustes(px, py)
        elif method == "CCA":
            model = CCA(self.config.components, self.config.ridge).fit(px, py)
            weight = model.correlations.sqrt()  # dimensions that agree count more
            x, y = (x - model.x_mean) @ model.x_weights * weight, (y - model.y_mean) @ model.y_weights * weight
        return {FOUND: 100 * precision_at_1(x, y, test)}


def precision_at_1(x: Tensor, y: Tensor, pairs: Tensor) -> float:
    """Share of the words in ``pairs [n, 2]`` whose nearest row of ``y [V, d]``, by cosine, is one of their partners."""
    sources = pairs[:, 0].unique()
    nearest = (F.normalize(x[sources], dim=1) @ F.normalize(y, dim=1).T).argmax(1)
    right = {tuple(pair) for pair in pairs.tolist()}
    return sum(pair in right for pair in zip(sources.tolist(), nearest.tolist(), strict=True)) / len(sources)
