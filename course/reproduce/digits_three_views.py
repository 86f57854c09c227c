"""Recipe ``digits-three-views``: a word finds a recording, though no word was ever paired with one.

The views are words for digits in twelve languages (vectors of multilingual-e5-small), pictures of MNIST, and recordings
of FSDD. In training there are pairs of word and picture, and of picture and recording; no picture stands in both. Three
languages are kept for the test and two for validation, others with each seed, less the words that are spelled as in a
training language. Each method has four trials, judged in validation by the pairs that it was trained with, so that no
choice has seen a word beside a recording where the method had not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course import data, runtime
from course.crossmodal.dual_encoder import Centred
from course.crossmodal.frozen_pairs import cca_maps, ridge_maps
from course.crossmodal.multiview_cca import MultiviewCCA
from course.crossmodal.nonlinear_cca import network
from course.crossmodal.triangles import Spaces, train_spaces
from course.data.number_words import NUMBER_WORDS
from course.representation.mfcc import Conventions
from course.reproduce.digits_contrastive import RATES, RIDGES, as_vectors, by_cosine
from course.reproduce.emoji_contrastive import text_vectors
from course.reproduce.runner import Recipe, saved_in

UNTRAINED, SHUFFLED, CHAIN, MIDDLE, ALL, THREE_CCA, DIRECT = (
    "untrained networks", "contrast, pictures in the middle, their recordings shuffled", "chain of ridge and CCA",
    "contrast, pictures in the middle", "contrast, all three sorts of pairs", "three-view CCA, triples",
    "CCA of words and recordings",
)  # fmt: skip
VIEWS = WORDS, PICTURES, SOUNDS = "words", "pictures", "recordings"
SPLITS = ("train", "validation", "test")
WORD_SOUND, WORD_PICTURE, PICTURE_SOUND = "word finds recording", "word finds picture", "picture finds recording"
OF_TEN = "right among one of each digit"
ASKED = {WORD_SOUND: (WORDS, SOUNDS), WORD_PICTURE: (WORDS, PICTURES), PICTURE_SOUND: (PICTURES, SOUNDS)}
Embed = Callable[[tuple[str, str], str, Tensor], Tensor]  # asked of two views, the rows of one: vectors to compare
VALIDATION, TEST = 2, 3  # languages


@dataclass(frozen=True)
class DigitsThreeViewsConfig:
    """What is drawn, and how it is trained.

    Attributes:
        pairs: of each sort, drawn for each seed.
        hidden, dimension: of the networks, and of the shared space.
        steps, batch_size: of each training.
        judged: pictures and recordings of validation, and of the test.
        draws: how often ten things are drawn, one of each digit.
        seeds: each has languages, pairs and first weights of its own.
    """

    pairs: int = 20_000
    hidden: int = 256
    dimension: int = 32
    steps: int = 2_000
    batch_size: int = 256
    judged: int = 300
    draws: int = 20
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "DigitsThreeViewsConfig":
        """Five seeds of a short training: minutes on one core."""
        return cls(pairs=4_000, hidden=64, steps=300, batch_size=64)

    @classmethod
    def full(cls) -> "DigitsThreeViewsConfig":
        """Five seeds of a longer one."""
        return cls()


class DigitsThreeViews(Recipe):
    """A chain of maps, one space with pictures in its middle, and methods that have seen the third pair."""

    name = "digits-three-views"
    presets = DigitsThreeViewsConfig
    methods = (UNTRAINED, SHUFFLED, CHAIN, MIDDLE, ALL, THREE_CCA, DIRECT)
    settings = tuple(ASKED)
    only: ClassVar = dict.fromkeys((WORD_PICTURE, PICTURE_SOUND), methods[:-1])
    differences = ((MIDDLE, CHAIN), (ALL, MIDDLE), (MIDDLE, SHUFFLED), (THREE_CCA, CHAIN))
    units: ClassVar = {OF_TEN: "%"}

    def load(self) -> None:
        """The three views as vectors, scaled by the training's mean and deviation."""
        spoken = {split: data.load("fsdd", split=split) for split in ("train", "validation", "test")}
        agreed = Conventions.speech(spoken["train"].rate)
        self.sides = {SOUNDS: {split: (as_vectors(each, agreed), each.y) for split, each in spoken.items()}}
        written = {split: data.load("mnist", split=split, validation=1_000) for split in spoken}
        self.sides[PICTURES] = {split: self.some(each.examples().flatten(1), each.y) for split, each in written.items()}
        for side in self.sides.values():
            mean, deviation = side["train"][0].mean(0), side["train"][0].std(0).mean()
            for split, (x, y) in side.items():
                side[split] = ((x - mean) / deviation).to(self.device), y
        self.digits = len(written["test"].classes)
        self.spelled = [[word.casefold() for word in language[: self.digits]] for language in NUMBER_WORDS.values()]
        words = [word for language in NUMBER_WORDS.values() for word in language[: self.digits]]
        self.words = text_vectors(words, self.device).unflatten(0, (-1, self.digits))  # [languages, digits, width]

    def some(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """At most as many rows as pairs are drawn."""
        return x[: self.config.pairs], y[: self.config.pairs]

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """A question, asked of the map that is best in validation; the three questions share their networks."""
        saved = folder.parent / method
        fits = [lambda i=i: self.fitted(method, seed, i, saved / f"trial {i}") for i in range(len(RATES))]
        found = [each() for each in (fits[:1] if method == UNTRAINED else fits)]
        trained = (WORD_SOUND,) if method == DIRECT else (WORD_PICTURE, PICTURE_SOUND)
        right = [sum(self.right(embed, ASKED[each], seed, "validation") for each in trained) for embed in found]
        return {OF_TEN: 100 * self.right(found[right.index(max(right))], ASKED[setting], seed, "test")}

    def languages(self, seed: int, split: str) -> Tensor:
        """The numbers of the languages of a split."""
        order = torch.randperm(len(NUMBER_WORDS), generator=runtime.generator(seed))
        return order.split([len(order) - VALIDATION - TEST, VALIDATION, TEST])[SPLITS.index(split)]

    def side(self, view: str, seed: int, split: str) -> tuple[Tensor, Tensor]:
        """The rows of a view in a split, and their digits; words are scaled as the training languages' are."""
        if view != WORDS:
            return self.sides[view][split]
        trained, chosen = self.languages(seed, "train"), self.languages(seed, split)
        train = self.words[trained].flatten(0, 1)
        scaled = (self.words[chosen].flatten(0, 1) - train.mean(0)) / train.std(0).mean()
        digits = torch.arange(self.digits).repeat(len(chosen))
        if split == "train":
            return scaled, digits
        known = {word for language in trained.tolist() for word in self.spelled[language]}
        new = torch.tensor([word not in known for language in chosen.tolist() for word in self.spelled[language]])
        return scaled[new.to(scaled.device)], digits[new]

    def triples(self, seed: int) -> dict[str, Tensor]:
        """Rows of the three views that show the same digit, ``config.pairs`` of each; the halves share no picture."""
        generator, drawn = runtime.generator(seed), {}
        digits = torch.randint(self.digits, (self.config.pairs,), generator=generator)
        for view in (WORDS, PICTURES, SOUNDS):
            x, y = self.side(view, seed, "train")
            all_rows = torch.randperm(len(y), generator=generator)
            parts = all_rows.tensor_split(2) if view == PICTURES else (all_rows, all_rows)
            rows = []
            for part, half in zip(parts, digits.tensor_split(2), strict=True):
                members = [part[y[part] == digit] for digit in range(self.digits)]
                chosen = [members[d][torch.randint(len(members[d]), (1,), generator=generator)] for d in half.tolist()]
                rows.append(torch.cat(chosen))
            drawn[view] = x[torch.cat(rows).to(x.device)]
        return drawn

    def fitted(self, method: str, seed: int, trial: int, folder: Path) -> Embed:
        """One trial of a method. No picture stands in pairs of both sorts, except in triples."""
        rows, half = self.triples(seed), self.config.pairs // 2
        to_word = rows[WORDS][:half], rows[PICTURES][:half]
        to_sound = rows[PICTURES][half:], rows[SOUNDS][half:]
        if method == CHAIN:
            return chain(to_word, to_sound, RIDGES[trial])
        if method == THREE_CCA:
            model = MultiviewCCA(9, RIDGES[trial]).fit(*(rows[view] for view in VIEWS))
            middle = dict(zip(VIEWS, zip((rows[v].mean(0) for v in VIEWS), model.weights, strict=True), strict=True))
            return lambda asked, view, x: ((x - middle[view][0]) @ middle[view][1]) * model.correlations
        if method == DIRECT:
            maps = cca_maps(rows[WORDS][:half], rows[SOUNDS][:half], 9, RIDGES[trial])
            return lambda asked, view, x: maps[view == SOUNDS](x)
        if method == SHUFFLED:
            order = torch.randperm(half, generator=runtime.generator(seed)).to(self.device)
            to_sound = to_sound[0], to_sound[1][order]
        torch.manual_seed(seed)
        towers = {view: network(rows[view].shape[1], (self.config.hidden,), self.config.dimension) for view in VIEWS}
        model = Spaces(towers).to(self.device)
        sorts = [((WORDS, PICTURES), to_word), ((PICTURES, SOUNDS), to_sound)]
        if method == ALL:
            sorts.append(((WORDS, SOUNDS), (rows[WORDS][:half], rows[SOUNDS][:half])))
        if method != UNTRAINED:
            size = {"steps": self.config.steps, "batch_size": self.config.batch_size}
            train_spaces(model, sorts, rate=RATES[trial], seed=seed, **size, **saved_in(folder))
        model.requires_grad_(False)
        return lambda asked, view, x: model(view, x)

    def right(self, embed: Embed, views: tuple[str, str], seed: int, split: str) -> float:
        """How often a row of the first view finds its digit among ten of the second, one of each digit."""
        (x, digits), (y, others) = (self.side(view, seed, split) for view in views)
        x, digits, y, others = (each[: self.config.judged] for each in (x, digits, y, others))
        scores = by_cosine(embed(views, views[0], x), embed(views, views[1], y)).cpu()
        return share_of_ten(scores, digits, others, self.config.draws)


def chain(to_word: tuple[Tensor, Tensor], to_sound: tuple[Tensor, Tensor], ridge: float) -> Embed:
    """A word predicts a picture, as ridge regression does; a picture, real or predicted, meets recordings by CCA."""
    predict, centred = ridge_maps(*to_word, ridge / 10)  # to pictures less their mean, in units of their length
    picture = Centred(to_word[1])
    with_sound = cca_maps(*to_sound, 9, ridge)

    def embed(asked: tuple[str, str], view: str, x: Tensor) -> Tensor:
        if asked == (WORDS, PICTURES):
            return predict(x) if view == WORDS else centred(x)
        if view == WORDS:
            return with_sound[0](predict(x) * picture.scale + picture.centre)
        return with_sound[view == SOUNDS](x)

    return embed


def share_of_ten(scores: Tensor, digits: Tensor, others: Tensor, draws: int) -> float:
    """How often the best of ten, one of each digit, drawn again and again, is right; ``scores [n, m]``."""
    generator, hits = runtime.generator(0), []
    groups = [(others == digit).nonzero().flatten() for digit in others.unique()]
    for _ in range(draws):
        drawn = torch.stack([each[torch.randint(len(each), (1,), generator=generator)[0]] for each in groups])
        hits.append((scores[:, drawn].argmax(1) == digits).double().mean())
    return torch.stack(hits).mean().item()
