r"""Which words are trained on which: subsampling, random windows and noise words, for a whole pass at once.

The words that are kept are cut into blocks of a fixed length. A block meets its surroundings (the block and a window on
either side) in one matrix product; a mask of zeros and ones says which of the scores are pairs of a window.

Source: Mikolov et al., *Distributed representations of words and phrases and their compositionality* (2013), section 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from course.data import Corpus

LENGTH = 25  # words in a block: shorter blocks score fewer pairs in vain, longer ones make faster products


def word_counts(corpus: Corpus) -> Tensor:
    """How often each word of the vocabulary occurs, ``int64 [V]``."""
    return torch.bincount(corpus.tokens, minlength=len(corpus.vocabulary))


def keep_probability(counts: Tensor, threshold: float | None) -> Tensor:
    r"""The probability that an occurrence of each word is kept, :eq:`w2v-subsampling`.

    .. math::
        \min\Bigl(1,\; \sqrt{t / f_w} + t / f_w\Bigr)

    with the relative frequency :math:`f_w`. This is the formula of the published program; the paper prints
    :math:`\sqrt{t / f_w}`.

    Args:
        counts: of each word, ``[V]``.
        threshold: t; ``None`` keeps everything.
    """
    if threshold is None:
        return torch.ones(len(counts), dtype=torch.float64, device=counts.device)
    ratio = threshold * counts.sum() / counts.double()  # infinite for a word that does not occur
    return (ratio.sqrt() + ratio).clamp(max=1)


def noise_distribution(counts: Tensor, power: float = 0.75) -> Tensor:
    r"""The probability of each word as noise, proportional to :math:`\#(w)^{power}`: :eq:`w2v-noise`, ``[V]``."""
    weights = torch.where(counts > 0, counts.double() ** power, 0)
    return weights / weights.sum()


class Step(NamedTuple):
    """The words of one step; S words in blocks of :data:`LENGTH`, R = LENGTH + 2 window around a block.

    Attributes:
        words: ``int64 [S]``.
        others: the surroundings of each block and then the noise words, ``int64 [S / LENGTH * R + K]``.
        mask: rows of :attr:`Windows.masks`, one for each word, ``int64 [S]``.
        pairs: the number of words in the window of each word, ``float [S, 1]``.
        progress: the share of the training that is done, from 0 to 1.
    """

    words: Tensor
    others: Tensor
    mask: Tensor
    pairs: Tensor
    progress: float


@dataclass(frozen=True)
class Windows:
    """What a pass over a corpus needs; made once, drawn from anew for each pass.

    Args:
        corpus: windows do not reach over the ends of its documents.
        window: the largest distance of a word from the centre.
        dynamic: draw each window's size from 1, ..., window, as word2vec does; otherwise always the largest.
        keep: of each word, ``[V]``.
        noise: of each word, ``[V]``.
        blocks: blocks in a step.
        noise_words: noise words K in a step; 0 for none.
    """

    corpus: Corpus
    window: int
    dynamic: bool
    keep: Tensor
    noise: Tensor
    blocks: int
    noise_words: int

    def masks(self) -> Tensor:
        """Every row that a mask can have, ``float [LENGTH * (window + 1)**2, R]``.

        Row ``(i * (window + 1) + left) * (window + 1) + right`` belongs to place i of a block, with ``left`` words in
        the window before it and ``right`` after it.
        """
        reach = torch.arange(self.window + 1)
        place = torch.arange(LENGTH + 2 * self.window) - self.window - torch.arange(LENGTH).view(-1, 1, 1, 1)
        inside = (place >= -reach.view(-1, 1, 1)) & (place <= reach.view(-1, 1)) & (place != 0)
        return inside.float().flatten(0, 2)

    def windows(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The words kept in one pass, and how many words of its window stand left and right of each: ``int64 [n]``."""
        tokens, offsets = self.corpus.tokens, self.corpus.offsets
        kept = torch.rand(len(tokens), generator=generator) < self.keep[tokens]
        before = F.pad(kept.cumsum(0), (1, 0))  # words kept before each place
        start, end = before[offsets[:-1]], before[offsets[1:]]
        lengths = end - start
        place = torch.arange(int(kept.sum()))
        sizes = torch.randint(1 if self.dynamic else self.window, self.window + 1, place.shape, generator=generator)
        left = torch.minimum(sizes, place - start.repeat_interleave(lengths))
        right = torch.minimum(sizes, end.repeat_interleave(lengths) - 1 - place)
        return tokens[kept], left, right

    def steps(self, generator: torch.Generator, device: torch.device, epoch: int, epochs: int) -> Iterator[Step]:
        """The steps of one pass. Everything is drawn and moved before the first: no step waits for the device."""
        words, left, right = self.windows(generator)
        size, n = LENGTH * self.blocks, len(words)
        steps = -(-n // size)
        fill = steps * size - n  # word 0 with an empty window, which changes nothing
        words, left, right = (F.pad(each, (0, fill)) for each in (words, left, right))
        reach = self.window + 1
        place = torch.arange(LENGTH).repeat(steps * self.blocks)
        masks = ((place * reach + left) * reach + right).view(steps, size)
        around = F.pad(words, (self.window, self.window)).unfold(0, LENGTH + 2 * self.window, LENGTH)
        uniform = torch.rand(steps, self.noise_words, generator=generator, dtype=torch.float64)
        noise = torch.searchsorted(self.noise.cumsum(0), uniform).clamp(max=len(self.noise) - 1)
        others = torch.cat([around.reshape(steps, -1), noise], dim=1)
        pairs = (left + right).view(steps, size, 1).float()
        drawn = [each.to(device) for each in (words.view(steps, size), others, masks, pairs)]
        for number, row in enumerate(zip(*drawn, strict=True)):
            yield Step(*row, (epoch + number / steps) / epochs)
