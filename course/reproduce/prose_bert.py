"""Recipe ``prose-bert``: how to hide tokens from a small BERT, and where it begins; after Devlin et al. (2019).

A BERT of two narrow layers learns from the docstrings of ``prose`` for a fixed number of steps. Test rows then ask two
things. How well is a hidden token named, against counts of neighbours on the same tokens? And what is a token's vector
worth when nothing is hidden, as later in any use: does it still name its own token?
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from course import data, runtime
from course.representation.bert import BertConfig, MaskedLM
from course.representation.masked_lm import (
    Masking,
    blocks,
    ngram_log_likelihoods,
    pseudo_log_likelihoods,
    start_from_counts,
    train_masked_lm,
    train_wordpiece,
)
from course.reproduce.runner import Recipe, saved_in

PERPLEXITY = "pseudo-perplexity"
BELOW_UNIGRAM = "bits below the unigram entropy"
BELOW_BIGRAM = "bits below the bigram entropy"
BELOW_BOTH = "bits below both neighbours"
READS = "names a token that it reads"
UNTRAINED, RANDOM_START = "untrained", "80/10/10, random start"
MASKINGS = {
    "80/10/10": {},
    "always [MASK]": {"masked": 1.0, "random": 0.0},
    "80/10/10, 15 % chosen": {"share": 0.15},
    RANDOM_START: {},
    UNTRAINED: {},
}


@dataclass(frozen=True)
class ProseBertConfig:
    """What is trained, on how much.

    Attributes:
        texts: docstrings that are read for training.
        vocabulary: of the WordPiece tokenizer.
        length: tokens of a row.
        width, layers: of the model; its heads are 4 and its hidden layers twice as wide.
        share: of the tokens that are chosen; more than the paper's 0.15, as a small model learns faster so.
        steps, batch_size, rate: of the training.
        test_rows: rows that each seed draws from the test split.
        seeds: each draws its own weights, batches, masks and test rows.

    Example:
        >>> ProseBertConfig.quick().model().width
        64
    """

    texts: int = 25_000
    vocabulary: int = 4_000
    length: int = 32
    width: int = 256
    layers: int = 4
    share: float = 0.4
    steps: int = 20_000
    batch_size: int = 128
    rate: float = 1e-3
    test_rows: int = 1_000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    @classmethod
    def quick(cls) -> "ProseBertConfig":
        """A quarter of a minute a model on a laptop; the chapter trains the first of them before the reader's eyes."""
        return cls(
            texts=6_000, vocabulary=1_000, length=16, width=64, layers=2, steps=1_200, batch_size=32, rate=5e-3,
            test_rows=150, seeds=(0, 1, 2),
        )  # fmt: skip

    @classmethod
    def full(cls) -> "ProseBertConfig":
        """Five seeds of a larger model: hours on a CPU, minutes on a GPU."""
        return cls()

    def model(self) -> BertConfig:
        """The sizes of the model."""
        width, hidden = self.width, 2 * self.width
        return BertConfig(self.vocabulary, width, self.layers, 4, hidden, positions=self.length, pre_norm=True)


class ProseBert(Recipe):
    """Ways to hide tokens; where to begin; and the untrained network."""

    name = "prose-bert"
    presets = ProseBertConfig
    methods = tuple(MASKINGS)
    units: ClassVar = {PERPLEXITY: "", BELOW_UNIGRAM: "", BELOW_BIGRAM: "", BELOW_BOTH: "", READS: "%"}

    def load(self) -> None:
        """The rows of both splits, and the tokenizer, which the training texts determine."""
        config = self.config
        texts = data.load("prose", split="train").texts[: config.texts]
        self.tokenizer = train_wordpiece(texts, config.vocabulary)
        self.rows = blocks(texts, self.tokenizer, config.length).to(self.device)
        self.test = blocks(data.load("prose", split="test").texts, self.tokenizer, config.length)

    def test_rows(self, seed: int) -> Tensor:
        """The test rows of a seed."""
        drawn = torch.randperm(len(self.test), generator=runtime.generator(seed))[: self.config.test_rows]
        return self.test[drawn].to(self.device)

    def measure(self, seed: int, setting: str, method: str, folder: Path) -> dict[str, float]:
        """Train a model, and compare it with counts on the test rows of the seed."""
        config = self.config
        masking = replace(Masking(config.vocabulary, share=config.share), **MASKINGS[method])
        model = MaskedLM(config.model(), generator=runtime.generator(seed)).to(self.device)
        if method not in (UNTRAINED, RANDOM_START):
            start_from_counts(model, self.rows)
        if method != UNTRAINED:
            options = {"steps": config.steps, "batch_size": config.batch_size, "rate": config.rate, "seed": seed}
            train_masked_lm(model, self.rows, masking, **options, **saved_in(folder))
        return self.judged(model.eval(), masking, self.test_rows(seed))

    def judged(self, model: MaskedLM, masking: Masking, test: Tensor) -> dict[str, float]:
        """What a model is worth on test rows."""
        nats = -pseudo_log_likelihoods(model, test, masking).double().mean().item()
        asked = masking.hideable(test[:, 1:-1])
        counts = ngram_log_likelihoods(self.rows, test, self.config.vocabulary)
        entropy = {name: -values[asked].mean().item() for name, values in counts.items()}
        asked = masking.hideable(test)
        with torch.no_grad():
            named = model(test, at=asked).argmax(-1) == test[asked]
        return {
            PERPLEXITY: math.exp(nats),
            BELOW_UNIGRAM: (entropy["unigram"] - nats) / math.log(2),
            BELOW_BIGRAM: (entropy["bigram"] - nats) / math.log(2),
            BELOW_BOTH: (entropy["both neighbours"] - nats) / math.log(2),
            READS: 100 * named.double().mean().item(),
        }
