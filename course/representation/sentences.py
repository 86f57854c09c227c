r"""Sentence encoders: one vector for a sentence, the mean of its tokens' vectors, so that a dot product compares two.

A pretrained BERT becomes a good one by contrast: pairs that mean the same are pulled together, all others apart.

Sources: Reimers and Gurevych, *Sentence-BERT* (2019); Gao, Yao and Chen, *SimCSE* (2021); Ethayarajh, *How contextual
are contextualized word representations?* (2019) for the anisotropy.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from course.arguments import require_whole
from course.representation.bert import Bert
from course.representation.pretrained import load_pretrained, load_tokenizer


def mean_of_tokens(hidden: Tensor, mask: Tensor) -> Tensor:
    r"""The mean vector of the tokens that are read: :eq:`bert-mean-pooling`.

    ``hidden [n, length, width]`` and ``mask [n, length]``, True for what is read, to ``[n, width]``.
    """
    weight = mask[..., None].to(hidden)
    return (hidden * weight).sum(1) / weight.sum(1)


def by_length(lengths: Sequence[int], most: int = 4096) -> list[list[int]]:
    """Numbers of texts in batches of texts that are equally long, so that nothing is padded; the longest come first.

    Args:
        lengths: the number of tokens of each text.
        most: tokens of a batch; a longer text is a batch of its own.

    Example:
        >>> by_length([3, 5, 3, 3], most=6)
        [[1], [0, 2], [3]]
    """
    require_whole("most", most)
    groups: dict[int, list[int]] = {}
    for number, length in enumerate(lengths):
        groups.setdefault(length, []).append(number)
    batches = []
    for length in sorted(groups, reverse=True):
        members, size = groups[length], max(1, most // max(1, length))
        batches += [members[start : start + size] for start in range(0, len(members), size)]
    return batches


class SentenceEncoder:
    """Texts to vectors of length 1 by mean pooling; it can be handed to ``LabelledTexts.encoded``.

    Args:
        model: the encoder, on the device where it is to compute; it is used in evaluation mode.
        tokenizer: its own.
        prefix: put before each text, such as ``"query: "`` for multilingual-e5.
        longest: tokens that are read; what is beyond is cut off. ``None``: all that the model can read.

    Example:
        >>> encoder = SentenceEncoder.pretrained("sentence-transformers/all-MiniLM-L6-v2")
        >>> cat, kitten, bond = encoder(["A cat sleeps.", "The kitten is asleep.", "Bond prices fell."])
        >>> bool(cat @ kitten > 0.6 > 0.1 > cat @ bond)
        True
    """

    def __init__(self, model: Bert, tokenizer: Tokenizer, *, prefix: str = "", longest: int | None = None):
        if longest is not None:
            require_whole("longest", longest, 3, model.config.longest)
        if tokenizer.get_vocab_size() > model.config.vocabulary:
            raise ValueError(
                f"the tokenizer has {tokenizer.get_vocab_size()} tokens, the model {model.config.vocabulary}: "
                "take the tokenizer that the model was trained with"
            )
        self.model, self.tokenizer, self.prefix = model, tokenizer, prefix
        self.longest = longest or model.config.longest

    @classmethod
    def pretrained(cls, source: str | Path, **options) -> "SentenceEncoder":
        """From a checkpoint; see :func:`~course.representation.pretrained.load_pretrained` for names and errors."""
        return cls(load_pretrained(source), load_tokenizer(source), **options)

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, cut to ``longest``; the last one, which says that the text ends, is kept.

        Raises:
            ValueError: if the texts are one string, or one of them has no word.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts must be several strings, got one: put it into a list, [{texts[:20]!r}]")
        if blank := [number for number, text in enumerate(texts) if not text.strip()]:
            raise ValueError(f"text {blank[0]} is empty: leave it out")
        encoded = self.tokenizer.encode_batch([self.prefix + text for text in texts])
        rows = [text.ids for text in encoded]
        return [row if len(row) <= self.longest else [*row[: self.longest - 1], row[-1]] for row in rows]

    @torch.no_grad()
    def hidden(self, texts: Sequence[str], layer: int | None = None) -> list[Tensor]:
        """The vectors of all tokens of each text, ``[length, width]``; of hidden state ``layer``, or the last."""
        rows, training = self.tokens(texts), self.model.training
        found: list[Tensor] = [torch.empty(0)] * len(rows)
        device = next(self.model.parameters()).device
        self.model.eval()
        for batch in by_length([len(row) for row in rows]):
            tokens = torch.tensor([rows[number] for number in batch], device=device)
            vectors = self.model(tokens) if layer is None else self.model.trace(tokens).hidden[layer]
            for number, vector in zip(batch, vectors, strict=True):
                found[number] = vector
        self.model.train(training)
        return found

    def __call__(self, texts: Sequence[str], layer: int | None = None) -> Tensor:
        """The vector of each text, of length 1, ``[n, width]``."""
        means = [vectors.mean(0) for vectors in self.hidden(texts, layer)]
        if not means:
            raise ValueError("there are no texts to encode")
        return F.normalize(torch.stack(means), dim=1)


def contrastive_loss(a: Tensor, b: Tensor, temperature: float = 0.05) -> Tensor:
    r"""How badly each row of a finds its own partner among all rows of b: :eq:`bert-contrastive`.

    .. math:: L = -\frac1n \sum_i \log \frac{e^{\cos(a_i, b_i)/\tau}}{\sum_j e^{\cos(a_i, b_j)/\tau}}

    Args:
        a, b: ``[n, width]``; row i of both belongs together.
        temperature: :math:`\tau`; small ones make near misses count more.
    """
    if a.shape != b.shape or a.dim() != 2:
        raise ValueError(f"a and b must both be [n, width], got {list(a.shape)} and {list(b.shape)}")
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    similarity = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    return F.cross_entropy(similarity / temperature, torch.arange(len(a), device=a.device))


def anisotropy(vectors: Tensor) -> float:
    r"""The mean cosine of two different vectors, without computing the pairs: 0 if they point everywhere alike.

    .. math:: \frac{\|\sum_i u_i\|^2 - n}{n(n - 1)}, \qquad u_i = v_i / \|v_i\|

    Args:
        vectors: ``[n, width]``, n at least 2.
    """
    if vectors.dim() != 2 or len(vectors) < 2:
        raise ValueError(f"two different vectors are needed, [n, width], got {list(vectors.shape)}")
    n, unit = len(vectors), F.normalize(vectors.double(), dim=1)
    return ((unit.sum(0).square().sum() - n) / (n * (n - 1))).item()
