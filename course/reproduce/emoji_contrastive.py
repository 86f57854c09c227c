"""Recipes ``emoji-contrastive`` and ``noto-contrastive``: find a picture by its name, among 200 that were never seen.

Two frozen encoders, EfficientNet-Lite0 for pictures and multilingual-e5-small for names, are aligned by linear maps:
ridge regression, CCA, contrastive heads. Each method has eight trials in validation. Beside them stand heads that were
not trained, pairs in random order, encoders that were not trained, and two small towers that see nothing but the
training pairs. The splits are drawn anew for each seed among the emoji that have no look-alike; they share emoji, so
that the interval over splits is not one over independent sets.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from course import data, runtime
from course.crossmodal.dual_encoder import DualEncoder, class_vectors, in_chunks, train_pairs
from course.crossmodal.frozen_pairs import METHODS, Maps, best_of, contrastive_maps, ways
from course.crossmodal.nonlinear_cca import network
from course.data import Emoji
from course.data.noto import SIDE
from course.data.openmoji import look_alikes
from course.files import write_whole
from course.metrics import accuracy_of_ways, better_candidates
from course.representation.bert import Bert
from course.representation.cnn import Conv4
from course.representation.imagenet import load_imagenet
from course.representation.sentences import SentenceEncoder
from course.reproduce.runner import Recipe

E5, MINILM = "intfloat/multilingual-e5-small", "sentence-transformers/all-MiniLM-L6-v2"
BY_E5, BY_MINILM = "texts by multilingual-e5-small", "texts by MiniLM"
RIDGE, ALIGNED, CONTRAST, LOCKED, SIGMOID = METHODS
BEGUN, SHUFFLED = "contrastive heads as they begin", "contrastive heads, shuffled pairs"
BLIND, DEAF = "contrastive heads, untrained picture encoder", "contrastive heads, untrained text encoder"
SCRATCH = "two small towers from scratch"
MANY, TWENTY, TRAINED, OTHERS = "200-way", "20-way", "200-way, training pairs", "200-way, other languages"
BARE, PROMPTED = "8 groups by bare name", "8 groups by five prompts"
PROMPTS = ("{}", "a picture of {}", "an emoji of {}", "a small drawing of {}", "a sign for {}")
SCRATCH_TRIALS = ((1e-3, 0.07), (3e-3, 0.07), (1e-2, 0.07))  # rates and first temperatures; each takes a while


@dataclass(frozen=True)
class EmojiContrastiveConfig:
    """What is split, and how it is seen.

    Attributes:
        size: side of the pictures for the frozen encoder, in pixels.
        test, validation: emoji of a split that have no look-alike; all others are for training.
        small: side of the pictures for the towers from scratch, in pixels.
        steps, batch_size: of their training.
        filters: of their convolutions.
        seeds: each draws a split, first weights and batches.
    """

    size: int = 224
    test: int = 200
    validation: int = 150
    small: int = 32
    steps: int = 2_000
    batch_size: int = 256
    filters: int = 64
    seeds: tuple[int, ...] = tuple(range(10, 20))

    @classmethod
    def quick(cls) -> "EmojiContrastiveConfig":
        """Ten splits with narrow towers from scratch: twenty minutes on one core."""
        return cls(steps=100, batch_size=128, filters=16)

    @classmethod
    def full(cls) -> "EmojiContrastiveConfig":
        """Ten splits, with pictures as large as ImageNet's."""
        return cls()


def picture_vectors(x: Tensor, pretrained: bool = True) -> Tensor:
    """Pictures ``[n, 3, size, size]`` to EfficientNet's vectors ``[n, 1280]``."""
    return in_chunks(
        load_imagenet(x.shape[-1], pretrained=pretrained, generator=runtime.generator(0)).to(x.device), x, 64
    )


def text_vectors(texts: Sequence[str], device: torch.device, name: str = E5, *, pretrained: bool = True) -> Tensor:
    """Texts to the vectors ``[n, 384]`` of multilingual-e5-small, or of another encoder."""
    encoder = SentenceEncoder.pretrained(name, prefix="query: " if name == E5 else "", longest=64)
    if not pretrained:
        encoder.model = Bert(encoder.model.config, generator=runtime.generator(0))
    encoder.model.to(device)
    return encoder(texts).to(device)


def trigrams(texts: Sequence[str], buckets: int = 2048) -> Tensor:
    """How often each group of three letters occurs in a text, hashed to ``buckets`` numbers, ``[n, buckets]``."""
    counts = torch.zeros(len(texts), buckets)
    for row, text in zip(counts, texts, strict=True):
        whole = f"  {text.lower()}  "
        for start in range(len(whole) - 2):
            row[zlib.crc32(whole[start : start + 3].encode()) % buckets] += 1
    return counts / counts.norm(dim=1, keepdim=True)


class EmojiContrastive(Recipe):
    """Linear maps between frozen encoders, and what each part is worth; OpenMoji's pictures and Unicode's names."""

    name = "emoji-contrastive"
    presets = EmojiContrastiveConfig
    methods: tuple[str, ...] = (BEGUN, SHUFFLED, BLIND, DEAF, SCRATCH, RIDGE, ALIGNED, CONTRAST, LOCKED, SIGMOID)
    differences = (
        (CONTRAST, RIDGE),
        (CONTRAST, ALIGNED),
        (LOCKED, CONTRAST),
        (LOCKED, ALIGNED),
        (SIGMOID, CONTRAST),
        (CONTRAST, SCRATCH),
    )
    units: ClassVar = dict.fromkeys((MANY, TWENTY, TRAINED, OTHERS, BARE, PROMPTED), "%")
    encoders: ClassVar[dict[str, str]] = {}  # of the English texts, in the settings that do not take the first

    def load(self) -> None:
        """The emoji, and which of them look like another."""
        self.emoji = self.read().to(self.device)
        alike = {character for family in look_alikes() for character in family}
        self.alone = torch.tensor([row for row, each in enumerate(self.emoji.characters) if each not in alike])
        self.vectors = cache(self.vectors)

    def read(self) -> Emoji:
        """All emoji with their pictures."""
        return data.load("emoji", size=self.config.size)

    def pictures(self) -> Tensor:
        """The pictures for the frozen encoder."""
        return self.emoji.examples()

    def texts(self) -> dict[str, Sequence[str]]:
        """What stands for an emoji, by language."""
        return dict(self.emoji.names)

    def split(self, seed: int) -> dict[str, Tensor]:
        """Rows for training, validation and test."""
        order = self.alone[torch.randperm(len(self.alone), generator=runtime.generator(seed))]
        test, validation = order[: self.config.test], order[self.config.test :][: self.config.validation]
        rest = torch.ones(len(self.emoji), dtype=torch.bool)
        rest[torch.cat([test, validation])] = False
        return {"train": rest.nonzero().flatten(), "validation": validation, "test": test}

    def vectors(self, folder: Path) -> dict[str, Tensor]:
        """The vectors of all pictures and texts by the frozen encoders, computed once and kept in a seed's folder."""
        kept = sorted(folder.parent.glob("seed-*/vectors.safetensors"))
        path = kept[0] if kept else folder / "vectors.safetensors"
        if not kept:
            pictures = self.pictures()
            found = {"pictures": picture_vectors(pictures), "untrained pictures": picture_vectors(pictures, False)}
            for language, texts in self.texts().items():
                found[language] = text_vectors(texts, self.device)
            for setting, encoder in self.encoders.items():
                found[setting] = text_vectors(self.texts()["en"], self.device, encoder)
            found["untrained texts"] = text_vectors(self.texts()["en"], self.device, pretrained=False)
            groups = [template.replace("{}", name) for template in PROMPTS for name in self.groups()]
            found["groups"] = text_vectors(groups, self.device)
            write_whole(path, save({name: each.cpu().contiguous() for name, each in found.items()}))
        return {name: each.to(self.device) for name, each in load_file(path).items()}

    def groups(self) -> list[str]:
        """The names of the groups as words."""
        return [name.lower().replace("&", "and") for name in self.emoji.classes]

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """What is found of the test emoji of a split."""
        rows, (pictures, texts) = self.split(seed), self.sides(setting, method, folder)
        maps = self.maps(seed, method, pictures, texts)
        test, seen = rows["test"], rows["train"][torch.randperm(len(rows["train"]), generator=runtime.generator(seed))]
        seen = seen[: len(test)]
        zx, zy = maps[0](pictures[test]), maps[1](texts[test])
        better = better_candidates(zy, zx)
        found = {
            MANY: 100 * accuracy_of_ways(better, len(test), len(test)),
            TWENTY: 100 * accuracy_of_ways(better, len(test), min(20, len(test))),
            TRAINED: 100 * ways(maps, pictures[seen], texts[seen], len(seen)),
        }
        if OTHERS not in self.units:
            return found
        return found | {
            OTHERS: self.other_languages(method, maps, pictures[test], test, folder),
            BARE: self.zero_shot(method, maps, zx, test, folder, PROMPTS[:1]),
            PROMPTED: self.zero_shot(method, maps, zx, test, folder, PROMPTS),
        }

    def sides(self, setting: str, method: str, folder: Path) -> tuple[Tensor, Tensor]:
        """What a method is given of pictures and English texts."""
        if method == SCRATCH:
            return self.small_pictures(), trigrams(self.texts()["en"]).to(self.device)
        known = self.vectors(folder.parent)
        english = setting if setting in self.encoders else "en"
        return (
            known["untrained pictures" if method == BLIND else "pictures"],
            known["untrained texts" if method == DEAF else english],
        )

    def small_pictures(self) -> Tensor:
        """The pictures at the size that the towers from scratch see."""
        return nn.functional.interpolate(self.emoji.examples(), self.config.small, mode="area")

    def maps(self, seed: int, method: str, x: Tensor, y: Tensor) -> Maps:
        """The maps of the best trial in validation, from all pictures and all texts."""
        rows = self.split(seed)
        train, validation = ((x[rows[part]], y[rows[part]]) for part in ("train", "validation"))
        if method == BEGUN:
            return contrastive_maps(*train, 0.0, 0.1, 1e-3, steps=0, seed=seed)
        if method == SHUFFLED:
            order = torch.randperm(len(train[0]), generator=runtime.generator(seed)).to(self.device)
            train = train[0], train[1][order]
        if method == SCRATCH:
            fits = [lambda x, y, o=options: self.from_scratch(x, y, *o, seed) for options in SCRATCH_TRIALS]
        else:
            fits = METHODS[method if method in METHODS else CONTRAST]
        return best_of(fits, train, validation)[0]

    def from_scratch(self, x: Tensor, y: Tensor, rate: float, temperature: float, seed: int) -> Maps:
        """Two small towers, trained together on the pairs of the split alone."""
        generator = runtime.generator(seed)
        eye = Conv4(64, 3, self.config.filters, self.config.small, averages=True, generator=generator)
        torch.manual_seed(seed)
        ear = network(y.shape[1], (128,), 64)
        model = DualEncoder(eye, ear, temperature=temperature).to(x.device)
        size = min(self.config.batch_size, len(x))
        train_pairs(model, x, y, steps=self.config.steps, batch_size=size, rate=rate, seed=seed)
        model.requires_grad_(False).eval()
        return lambda new: in_chunks(model.x_tower, new), lambda new: in_chunks(model.y_tower, new)

    def other_languages(self, method: str, maps: Maps, pictures: Tensor, test: Tensor, folder: Path) -> float:
        """The mean over the languages in which no name was in the training."""
        found, named = [], self.texts()
        for language in named:
            if language == "en":
                continue
            if method == SCRATCH:
                texts = trigrams([named[language][row] for row in test.tolist()]).to(self.device)
            else:
                texts = self.vectors(folder.parent)[language][test]
            found.append(ways(maps, pictures, texts, len(test)))
        return 100 * sum(found) / len(found)

    def zero_shot(
        self, method: str, maps: Maps, zx: Tensor, test: Tensor, folder: Path, templates: Sequence[str]
    ) -> float:
        """The mean over the groups of the share of their test pictures that are nearest to the group's own text."""
        names = self.groups()
        given = [template.replace("{}", name) for template in PROMPTS for name in names]
        vectors = trigrams(given).to(self.device) if method == SCRATCH else self.vectors(folder.parent)["groups"]
        place = {text: row for row, text in enumerate(given)}
        prototypes = class_vectors(lambda texts: maps[1](vectors[[place[text] for text in texts]]), names, templates)
        named = (nn.functional.normalize(zx, dim=1) @ prototypes.T).argmax(1)
        asked = self.emoji.y[test.to(self.device)]
        right = [(named[asked == group] == group).double().mean() for group in asked.unique()]
        return 100 * torch.stack(right).mean().item()


class NotoContrastive(EmojiContrastive):
    """The same with Google's pictures, and with names *and* keywords: how far do richer texts and another reader go?"""

    name = "noto-contrastive"
    settings = (BY_E5, BY_MINILM)
    encoders: ClassVar = {BY_MINILM: MINILM}
    only: ClassVar = {BY_MINILM: (RIDGE, ALIGNED, CONTRAST, LOCKED)}
    methods: tuple[str, ...] = (BEGUN, SHUFFLED, RIDGE, ALIGNED, CONTRAST, LOCKED)
    differences = ((CONTRAST, RIDGE), (CONTRAST, ALIGNED), (LOCKED, CONTRAST), (LOCKED, ALIGNED))
    units: ClassVar = dict.fromkeys((MANY, TWENTY, TRAINED), "%")

    def read(self) -> Emoji:
        """The emoji that Google draws and that OpenMoji draws, too, as Google draws them, enlarged."""
        drawn = data.load("noto_emoji", size=min(self.config.size, SIDE))
        return drawn.select(data.load("emoji", size=8).in_common(drawn)[1])

    def pictures(self) -> Tensor:
        """The pictures at the size of the frozen encoder."""
        size = self.config.size
        return nn.functional.interpolate(self.emoji.examples(), size, mode="bicubic", antialias=True).clamp(0, 1)

    def texts(self) -> dict[str, Sequence[str]]:
        """A name and its keywords, in English."""
        named = zip(self.emoji.names["en"], self.emoji.keywords["en"], strict=True)
        return {"en": [", ".join([name, *words]) for name, words in named]}
