r"""A transformer encoder: each token asks all the others, weighs their answers, and adds the mixture to itself.

The same blocks read words here and patches of images elsewhere. Attention stands here twice, written out and in torch's
fused form; both give the same numbers.

Source: Vaswani et al., *Attention is all you need* (2017).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.arguments import require_whole


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Scaled dot-product attention, written out: :eq:`bert-attention`.

    .. math:: A = \operatorname{softmax}\bigl(Q K^\top / \sqrt d\bigr), \qquad Z = A V

    Args:
        query: Q, ``[..., n, d]``.
        key: K, ``[..., m, d]``.
        value: V, ``[..., m, e]``.
        mask: which keys a query may see, ``bool``, broadcast to ``[..., n, m]``; at least one for each query.

    Returns:
        The mixtures Z ``[..., n, e]`` and the weights A ``[..., n, m]``, whose rows sum to 1.
    """
    scores = query @ key.mT * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return weights @ value, weights


def turned(x: Tensor, angles: Tensor) -> Tensor:
    r"""Rotary positions: each pair of columns, read as a point of the plane, turned by an angle: :eq:`vit-rotary`.

    .. math:: (x_{2i},\, x_{2i+1}) \mapsto (x_{2i}\cos a_i - x_{2i+1}\sin a_i,\; x_{2i}\sin a_i + x_{2i+1}\cos a_i)

    If queries and keys are turned so, their product depends on the difference of their angles alone.

    Args:
        x: queries or keys, ``[..., length, d]``, d even.
        angles: of each token, ``[length, d / 2]``.
    """
    pairs, sin, cos = x.unflatten(-1, (-1, 2)), angles.sin(), angles.cos()
    first, second = pairs.unbind(-1)
    return torch.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2)


class SelfAttention(nn.Module):
    r"""h attentions side by side, each with queries, keys and values of its own: :eq:`bert-heads`.

    .. math:: \operatorname{SelfAttention}(X) = [Z_1 \cdots Z_h]\, W_O + b_O, \qquad
              Z_i = \operatorname{Attention}(X W_Q^i, X W_K^i, X W_V^i)

    Args:
        width: of a token's vector, a multiple of ``heads``.
        heads: h; a head has vectors of length d = width / h.

    Example:
        >>> mixed, weights = SelfAttention(width=8, heads=2)(torch.rand(3, 5, 8), explicit=True)
        >>> mixed.shape, weights.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 2, 5, 5]))
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads cannot share a width of {width}: let the width be a multiple of the heads")
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)  # queries of all heads, then keys, then values
        self.output = nn.Linear(width, width)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        explicit: bool = False,
        angles: Tensor | None = None,
        first: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens ``x [n, length, width]`` to tokens of the same shape.

        Args:
            mask: which tokens may be seen, ``bool``, broadcast to ``[n, heads, length, length]``; ``None``: all.
            explicit: compute with :func:`attention`, and return the weights ``[n, heads, length, length]`` too. In
                place of them the fused form has None; it never holds such a matrix.
            angles: rotary positions, by which queries and keys are :func:`turned`, ``[length, d / 2]``.
            first: compute the first token alone, ``[n, 1, width]``; the others are only looked at.
        """
        query, key, value = self.project(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if angles is not None:
            query, key = turned(query, angles), turned(key, angles)
        if first:
            query, mask = query[:, :, :1], None if mask is None else mask[..., :1, :]
        if explicit:
            mixed, weights = attention(query, key, value, mask)
        else:
            mixed, weights = F.scaled_dot_product_attention(query, key, value, mask), None
        return self.output(mixed.transpose(1, 2).flatten(2)), weights


class EncoderBlock(nn.Module):
    r"""Attention, then a network for each token; both add to what was there: :eq:`bert-block`.

    After each addition the sum is normalised (*post-norm*, BERT); with ``pre_norm`` the input of each part is, and the
    sum is left as it is (ViT): :eq:`bert-pre-norm`.

    Args:
        width, heads: as in :class:`SelfAttention`.
        hidden: width of the hidden layer of the network, 4 · width in the papers.
        pre_norm: where to normalise.
        dropout: share of the numbers that are set to zero in what each part adds, in training mode.
        eps: added to the variances of the normalisation.

    Example:
        >>> EncoderBlock(width=8, heads=2, hidden=32, pre_norm=True)(torch.rand(3, 5, 8))[0].shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self, width: int, heads: int, hidden: int, *, pre_norm: bool = False, dropout: float = 0.0, eps: float = 1e-12
    ):
        super().__init__()
        self.pre_norm = pre_norm
        self.attention = SelfAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.network = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.network_norm = nn.LayerNorm(width, eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        explicit: bool = False,
        angles: Tensor | None = None,
        first: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As :meth:`SelfAttention.forward`."""
        kept = x[:, :1] if first else x
        if self.pre_norm:
            seen, weights = self.attention(self.attention_norm(x), mask, explicit, angles, first)
            x = self.dropout(seen).add_(kept)  # in place: what the parts return is needed by nothing else
            return self.dropout(self.network(self.network_norm(x))).add_(x), weights
        seen, weights = self.attention(x, mask, explicit, angles, first)
        x = self.attention_norm(self.dropout(seen).add_(kept))
        return self.network_norm(self.dropout(self.network(x)).add_(x)), weights


class Trace(NamedTuple):
    """What every layer of an encoder computed.

    Attributes:
        hidden: the input of the first block, then the output of each, all ``[n, length, width]``.
        weights: the attention of each block, ``[n, heads, length, length]``; row i says where token i looked.
    """

    hidden: list[Tensor]
    weights: list[Tensor]


class Encoder(nn.Module):
    """A stack of encoder blocks; after pre-norm blocks there is one more normalisation, as nothing else scales the sum.

    Args:
        layers: number of blocks.
        options: as for :class:`EncoderBlock`.

    Example:
        >>> encoder = Encoder(layers=2, width=8, heads=2, hidden=32)
        >>> tokens = torch.rand(3, 5, 8)
        >>> encoder(tokens).shape, encoder.trace(tokens).weights[0].shape
        (torch.Size([3, 5, 8]), torch.Size([3, 2, 5, 5]))
    """

    def __init__(self, layers: int, width: int, heads: int, hidden: int, **options):
        super().__init__()
        for name, value in {"layers": layers, "width": width, "heads": heads, "hidden": hidden}.items():
            require_whole(name, value)
        self.blocks = nn.ModuleList(EncoderBlock(width, heads, hidden, **options) for _ in range(layers))
        self.norm = nn.LayerNorm(width, self.blocks[0].network_norm.eps) if self.blocks[0].pre_norm else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None, angles: Tensor | None = None) -> Tensor:
        """Tokens ``x [n, length, width]`` to tokens in context; the others as in :meth:`SelfAttention.forward`."""
        for block in self.blocks:
            x, _ = block(x, mask, angles=angles)
        return self.norm(x)

    def first(self, x: Tensor, mask: Tensor | None = None, angles: Tensor | None = None) -> Tensor:
        """The first token of what :meth:`forward` returns, ``[n, width]``; the last block computes no other."""
        for block in self.blocks[:-1]:
            x, _ = block(x, mask, angles=angles)
        return self.norm(self.blocks[-1](x, mask, angles=angles, first=True)[0][:, 0])

    def trace(self, x: Tensor, mask: Tensor | None = None, angles: Tensor | None = None) -> Trace:
        """All that happens on the way, by explicit attention; the last hidden state is what the encoder returns."""
        trace = Trace([x], [])
        for block in self.blocks:
            x, weights = block(x, mask, explicit=True, angles=angles)
            trace.hidden.append(x)
            trace.weights.append(weights)
        trace.hidden[-1] = self.norm(x)
        return trace


def key_mask(real: Tensor) -> Tensor:
    """The attention mask that hides padding: ``real [n, length]``, False for padding, to ``[n, 1, 1, length]``."""
    return real[:, None, None, :]


def sinusoidal_positions(length: int, width: int) -> Tensor:
    r"""The fixed positions of the first transformer, ``[length, width]``: :eq:`bert-sinusoids`.

    .. math:: P_{t,2i} = \sin(t\,\omega_i), \quad P_{t,2i+1} = \cos(t\,\omega_i), \qquad
              \omega_i = 10\,000^{-2i/\text{width}}

    Moving by k tokens turns each pair of columns by the angle :math:`k\omega_i`, wherever one starts.
    """
    require_whole("length", length)
    require_whole("width", width)
    if width % 2:
        raise ValueError(f"sines and cosines come in pairs: the width must be even, got {width}")
    frequencies = 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(length)[:, None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], -1).flatten(1).float()


def initialise(model: nn.Module, generator: torch.Generator | None, scale: float = 0.02) -> None:
    """Draw the weights of linear and embedding layers from a normal distribution around 0, as BERT does; biases are 0.

    Args:
        model: its layers are initialised in place.
        generator: source of the random numbers; ``None`` is torch's global one.
        scale: the standard deviation.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Embedding):
            nn.init.normal_(layer.weight, std=scale, generator=generator)
        if isinstance(layer, nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def warmed_up_adamw(
    model: nn.Module, steps: int, rate: float, weight_decay: float = 0.01, warm_up: float = 0.1
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW, whose rate rises for the first share ``warm_up`` of the steps and then falls to 0, both in a line.

    Matrices decay; biases, scales and other vectors do not.
    """
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    rise = max(1, round(warm_up * steps))

    def factor(step: int) -> float:
        return min((step + 1) / rise, (steps - step) / (steps - rise + 1))

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
