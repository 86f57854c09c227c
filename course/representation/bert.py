r"""BERT: an encoder of text in which every token's vector depends on the whole sentence, left and right.

A token enters as the sum of three vectors: what it is, where it stands, and which of two sentences it belongs to. The
blocks of :mod:`course.representation.transformer` do the rest.

Source: Devlin et al., *BERT: Pre-training of deep bidirectional transformers for language understanding* (2019).
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.arguments import require_whole
from course.representation.transformer import Encoder, Trace, initialise, key_mask


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT. Without arguments: the paper's base model.

    Attributes:
        vocabulary: number of different tokens.
        width: of a token's vector.
        layers: number of encoder blocks.
        heads: attention heads of a block.
        hidden: width of the hidden layer of a block's network.
        positions: number of position vectors; a longer text is refused.
        segments: number of segments, 2 in the paper: the first and the second sentence.
        padding: the id of the token that fills short rows.
        after_padding: number the positions of a text from ``padding + 1`` on, and give the padding the position
            ``padding``, as RoBERTa and XLM-R do. Otherwise positions are numbered from 0.
        pooler: whether there is the layer over the first token that the paper trained to tell the next sentence.
        pre_norm, dropout, eps: as in :class:`~course.representation.transformer.EncoderBlock`.
    """

    vocabulary: int = 30_522
    width: int = 768
    layers: int = 12
    heads: int = 12
    hidden: int = 3072
    positions: int = 512
    segments: int = 2
    padding: int = 0
    after_padding: bool = False
    pooler: bool = False
    pre_norm: bool = False
    dropout: float = 0.0
    eps: float = 1e-12

    def __post_init__(self):
        for name in ("vocabulary", "width", "layers", "heads", "hidden", "positions", "segments"):
            require_whole(name, getattr(self, name))
        require_whole("padding", self.padding, 0, self.vocabulary - 1)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to below 1, got {self.dropout}")

    @classmethod
    def quick(cls, vocabulary: int) -> "BertConfig":
        """Two narrow layers: learns from some hundred thousand words in seconds on a laptop."""
        return cls(vocabulary, width=128, layers=2, heads=4, hidden=512, positions=64)

    @classmethod
    def full(cls) -> "BertConfig":
        """BERT base: 110 million numbers."""
        return cls(pooler=True, dropout=0.1)

    @property
    def initial_scale(self) -> float:
        """The standard deviation of the initial weights: 0.02, as in the paper, at the paper's width of 768."""
        return 0.02 * (768 / self.width) ** 0.5

    @property
    def longest(self) -> int:
        """The most tokens that a text may have."""
        return self.positions - (self.padding + 1 if self.after_padding else 0)


class Bert(nn.Module):
    """The encoder: token ids ``[n, length]`` to vectors in context ``[n, length, width]``.

    Args:
        config: the sizes.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Example:
        >>> model = Bert(BertConfig.quick(vocabulary=100), generator=torch.Generator().manual_seed(0))
        >>> tokens = torch.tensor([[2, 17, 5, 3], [2, 17, 3, 0]])  # 0 is padding
        >>> model(tokens).shape
        torch.Size([2, 4, 128])
        >>> bool((model(tokens)[0, 1] == model(tokens)[1, 1]).all())  # the same token in another sentence
        False
    """

    def __init__(self, config: BertConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.config = config
        options = {name: asdict(config)[name] for name in ("pre_norm", "dropout", "eps")}
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            self.tokens = nn.Embedding(config.vocabulary, config.width)
            self.positions = nn.Embedding(config.positions, config.width)
            self.segments = nn.Embedding(config.segments, config.width)
            self.norm = nn.LayerNorm(config.width, config.eps)
            self.dropout = nn.Dropout(config.dropout)
            self.encoder = Encoder(config.layers, config.width, config.heads, config.hidden, **options)
            self.pooler = nn.Linear(config.width, config.width) if config.pooler else None
        initialise(self, generator, config.initial_scale)

    def embed(self, tokens: Tensor, segments: Tensor | None = None) -> Tensor:
        """The input of the first block, ``[n, length, width]``: :eq:`bert-embeddings`. Arguments as :meth:`forward`."""
        where = torch.arange(tokens.shape[1], device=tokens.device)
        if self.config.after_padding:
            real = self.real(tokens)
            where = real.cumsum(1) * real + self.config.padding
        of_segment = self.segments.weight[0] if segments is None else self.segments(segments)
        return self.dropout(self.norm(self.tokens(tokens) + of_segment + self.positions(where)))

    def forward(self, tokens: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Tensor:
        """Vectors in context, ``[n, length, width]``. Those of padding mean nothing.

        Args:
            tokens: token ids, ``int64 [n, length]``.
            mask: True for what is to be read, ``bool [n, length]``, at least one in each row; None: all but padding.
            segments: the segment of each token, ``int64 [n, length]``; ``None``: all 0.

        Raises:
            ValueError: if a shape or type is another one, a text is too long, or (on a CPU: a GPU would have to
                wait for the answer) an id is not in the vocabulary or a row has nothing to read.
        """
        mask = self.checked(tokens, mask, segments)
        return self.encoder(self.embed(tokens, segments), None if mask is None else key_mask(mask))

    def trace(self, tokens: Tensor, mask: Tensor | None = None, segments: Tensor | None = None) -> Trace:
        """The hidden states and attention weights of all layers; arguments and errors as :meth:`forward`."""
        mask = self.checked(tokens, mask, segments)
        return self.encoder.trace(self.embed(tokens, segments), None if mask is None else key_mask(mask))

    def pooled(self, hidden: Tensor) -> Tensor:
        """The vector of the first token through the pooler, ``[n, width]``, from hidden states ``[n, length, width]``.

        Raises:
            ValueError: if this BERT has no pooler.
        """
        if self.pooler is None:
            raise ValueError("this BERT has no pooler: build it from BertConfig(pooler=True), or take the mean")
        return self.pooler(hidden[:, 0]).tanh()

    def real(self, tokens: Tensor) -> Tensor:
        """True where ``tokens`` are no padding."""
        return tokens != self.config.padding

    def checked(self, tokens: Tensor, mask: Tensor | None, segments: Tensor | None) -> Tensor | None:
        """The mask to compute with: None if all tokens are known to be real."""
        config = self.config
        if tokens.dim() != 2 or tokens.dtype != torch.int64 or not tokens.numel():
            raise ValueError(f"tokens must be int64 [n, length], got {tokens.dtype} {list(tokens.shape)}")
        if tokens.shape[1] > config.longest:
            raise ValueError(f"a text has {tokens.shape[1]} tokens, this BERT reads {config.longest}: cut the text")
        if segments is not None and segments.shape != tokens.shape:
            raise ValueError(
                f"segments must have the shape of the tokens, {list(tokens.shape)}: {list(segments.shape)}"
            )
        if mask is None:
            mask = self.real(tokens)
        elif mask.dtype != torch.bool or mask.shape != tokens.shape:
            raise ValueError(f"the mask must be bool {list(tokens.shape)}, got {mask.dtype} {list(mask.shape)}")
        if tokens.device.type != "cpu":
            return mask
        if tokens.min() < 0 or tokens.max() >= config.vocabulary:
            raise ValueError(
                f"token ids must be from 0 to {config.vocabulary - 1}, got {tokens.min()} to {tokens.max()}: "
                "is the tokenizer this model's own?"
            )
        if not mask.any(1).all():
            raise ValueError(f"row {int(mask.any(1).logical_not().nonzero()[0])} has nothing to read, only padding")
        return None if mask.all() else mask


class MaskedLM(nn.Module):
    r"""BERT with a head that names the token at a position: :eq:`bert-mlm-head`.

    .. math:: P(\cdot \mid x) = \operatorname{softmax}\bigl(E \operatorname{LN}(\operatorname{GELU}(W h + b)) + c\bigr)

    where h is the vector of the position and E the table of token vectors, shared with the input.

    Args:
        config: the sizes.
        generator: as for :class:`Bert`.

    Example:
        >>> model, tokens = MaskedLM(BertConfig.quick(vocabulary=100)), torch.tensor([[2, 17, 4, 3]])
        >>> model(tokens).shape, model(tokens, at=tokens == 4).shape
        (torch.Size([1, 4, 100]), torch.Size([1, 100]))
    """

    def __init__(self, config: BertConfig, *, generator: torch.Generator | None = None):
        super().__init__()
        self.bert = Bert(config, generator=generator)
        with torch.random.fork_rng(devices=[], enabled=generator is not None):
            self.dense = nn.Linear(config.width, config.width)
        self.norm = nn.LayerNorm(config.width, config.eps)
        self.bias = nn.Parameter(torch.zeros(config.vocabulary))
        initialise(self.dense, generator, config.initial_scale)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, *, at: Tensor | None = None) -> Tensor:
        """Scores of all tokens of the vocabulary (logits).

        Args:
            tokens, mask: as in :meth:`Bert.forward`.
            at: the positions to score, ``bool [n, length]``; the others cost nothing here. ``None``: all.

        Returns:
            ``[k, vocabulary]`` for the k positions in the order of their rows, or ``[n, length, vocabulary]``.
        """
        hidden = self.bert(tokens, mask)
        if at is not None:
            hidden = hidden[at]
        return F.linear(self.norm(F.gelu(self.dense(hidden))), self.bert.tokens.weight, self.bias)
