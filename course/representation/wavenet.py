r"""WaveNet: a network that is given all samples so far and says how likely each value of the next one is.

Causal convolutions with growing gaps (dilations) see thousands of samples with a dozen layers. Training is as quick as
a classification of every sample at once; generation has to go sample by sample (:py:mod:`.generation`).

Source: van den Oord et al., *WaveNet: a generative model for raw audio* (2016).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.arguments import require_whole
from course.representation.mulaw import CODES


def causal(conv: nn.Conv1d, x: Tensor) -> Tensor:
    r"""A convolution that looks back only, ``[n, channels, length]`` to as many positions: :eq:`wavenet-dilated`.

    .. math:: y_t = b + \sum_{i=0}^{k-1} W_i\, x_{t-(k-1-i)d}, \qquad x_t = 0 \text{ for } t < 0

    Zeros are put before the beginning, as many as the kernel reaches back: (k - 1) d.
    """
    return conv(F.pad(x, ((conv.kernel_size[0] - 1) * conv.dilation[0], 0)))


def receptive_field(dilations: Sequence[int], kernel: int) -> int:
    r"""How many samples back a stack of causal convolutions sees: :math:`1 + (k-1)\sum_l d_l`, :eq:`wavenet-reach`.

    >>> receptive_field([1, 2, 4, 8], kernel=2), receptive_field([1, 1, 1, 1], kernel=2)
    (16, 5)
    """
    return 1 + (kernel - 1) * sum(dilations)


class GatedLayer(nn.Module):
    r"""A causal convolution with a gate; it adds to what goes on, and to what is read out: :eq:`wavenet-gate`.

    .. math:: z = \tanh(A * h + a_c) \odot \sigma(B * h + b_c), \qquad h' = h + U z + u, \qquad s = V z + v

    A and B are kernels, U and V matrices, u and v biases; a and b hold what is told, see :class:`WaveNet`.

    Args:
        width: channels of h.
        skip: channels of s.
        kernel, dilation: k and d of :func:`causal`.

    Example:
        >>> h, skipped = GatedLayer(width=8, skip=16, kernel=2, dilation=4)(torch.randn(3, 8, 100))
        >>> h.shape, skipped.shape
        (torch.Size([3, 8, 100]), torch.Size([3, 16, 100]))
    """

    def __init__(self, width: int, skip: int, kernel: int, dilation: int):
        super().__init__()
        self.dilated = nn.Conv1d(width, 2 * width, kernel, dilation=dilation)
        self.split = nn.Conv1d(width, width + skip, 1)
        self.sizes = (width, skip)

    def forward(self, h: Tensor, condition: Tensor | float = 0.0) -> tuple[Tensor, Tensor]:
        """``h [n, width, length]`` and ``condition [n, 2 width, 1]`` (a and b) to the next h and s."""
        content, gate = (causal(self.dilated, h) + condition).chunk(2, 1)
        residual, skipped = self.split(content.tanh() * gate.sigmoid()).split(self.sizes, 1)
        return h + residual, skipped


class WaveNet(nn.Module):
    r"""Scores for the next code, given the codes before it and what is to be said: :eq:`wavenet-chain`.

    .. math:: p(x_1, \dots, x_T \mid c) = \prod_{t=1}^{T} p(x_t \mid x_{t-R}, \dots, x_{t-1}, c)

    Args:
        dilations: of the layers, such as ``[1, 2, 4, 8, 1, 2, 4, 8]``.
        kernel: k, how many positions each convolution sees.
        width: channels within a layer.
        skip: channels that are read out.
        codes: values of a sample.
        conditions: for each thing that the whole utterance has one of, how many there are: ``(10, 12)`` for ten vowels
            and twelve speakers. Each value has a vector that is added inside every gate.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Raises:
        ValueError: if a size is not a positive whole number.

    Example:
        >>> model = WaveNet([1, 2, 4, 8], kernel=2, conditions=(10,))
        >>> codes = torch.randint(256, (3, 100))
        >>> model(codes, torch.tensor([[7], [0], [7]])).shape, model.reach
        (torch.Size([3, 100, 256]), 16)
    """

    def __init__(
        self,
        dilations: Sequence[int],
        *,
        kernel: int = 3,
        width: int = 32,
        skip: int = 64,
        codes: int = CODES,
        conditions: Sequence[int] = (),
        generator: torch.Generator | None = None,
    ):
        super().__init__()
        for name, value, least in (("kernel", kernel, 2), ("width", width, 1), ("skip", skip, 1), ("codes", codes, 2)):
            require_whole(name, value, least)
        for dilation in dilations:
            require_whole("a dilation", dilation)
        for count in conditions:
            require_whole("a number of conditions", count)
        if not len(dilations):
            raise ValueError("a WaveNet needs at least one layer: pass dilations such as [1, 2, 4, 8]")
        self.codes, self.silence, self.reach = codes, codes // 2, receptive_field(dilations, kernel)
        with torch.random.fork_rng(devices=[], enabled=generator is not None):  # the layers draw weights of their own
            self.embedding = nn.Embedding(codes, width)
            self.layers = nn.ModuleList(GatedLayer(width, skip, kernel, dilation) for dilation in dilations)
            self.conditions = nn.ModuleList(nn.Embedding(count, len(dilations) * 2 * width) for count in conditions)
            self.head = nn.Sequential(nn.ReLU(), nn.Conv1d(skip, skip, 1), nn.ReLU(), nn.Conv1d(skip, codes, 1))
        initialise(self, generator)

    def forward(self, codes: Tensor, conditions: Tensor | None = None) -> Tensor:
        """Scores for every sample of ``codes [n, length]`` from those before it, ``[n, length, codes]``.

        Position t is scored from positions below t; before the first one there is silence. The scores are logarithms of
        probabilities up to a constant. ``conditions``: ``int64 [n, c]``, a number for each thing that is given.
        """
        before = F.pad(codes, (self.reach, 0), value=self.silence)[:, :-1]
        return self.scores(before, conditions, last=codes.shape[1])

    def scores(self, inputs: Tensor, conditions: Tensor | None = None, *, last: int) -> Tensor:
        """Scores for the code that follows each of the ``last`` of the ``inputs [n, length]``, ``[n, last, codes]``.

        They are right if there are at least ``reach + last - 1`` inputs, so that all of the past is there.
        """
        h, total = self.embedding(inputs).mT, 0.0
        for layer, condition in zip(self.layers, self.condition_vectors(conditions, len(inputs)), strict=True):
            h, skipped = layer(h, condition[..., None])
            total = total + skipped[..., -last:]
        return self.head(total).mT

    def condition_vectors(self, conditions: Tensor | None, n: int) -> Tensor:
        """What is added in the gates of each layer, ``[layers, n, 2 width]``: the sum of the vectors of what is given.

        Raises:
            ValueError: if what is given does not fit the model.
        """
        if not self.conditions and (conditions is None or conditions.shape == (n, 0)):
            return self.embedding.weight.new_zeros(len(self.layers), n, 1)
        if conditions is None or conditions.shape != (n, len(self.conditions)):
            found = "none" if conditions is None else list(conditions.shape)
            raise ValueError(f"the model needs conditions [{n}, {len(self.conditions)}], got {found}")
        for place, table in enumerate(self.conditions):
            least, most = int(conditions[:, place].min()), int(conditions[:, place].max())
            if not 0 <= least <= most < table.num_embeddings:
                raise ValueError(
                    f"condition {place} must be from 0 to {table.num_embeddings - 1}, got {least} to {most}"
                )
        vectors = sum(table(conditions[:, place]) for place, table in enumerate(self.conditions))
        return vectors.unflatten(1, (len(self.layers), -1)).transpose(0, 1)


def initialise(model: WaveNet, generator: torch.Generator | None) -> None:
    r"""Draw the weights: convolutions uniform on :math:`\pm1/\sqrt{\text{inputs}}` without biases, conditions small.

    The vectors of neighbouring codes begin near each other, as waves of random frequency over the codes: training need
    not find out first which codes sound alike.
    """
    table = model.embedding.weight
    for layer in model.modules():
        if isinstance(layer, nn.Conv1d):
            bound = layer.weight[0].numel() ** -0.5
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.zeros_(layer.bias)
    for each in model.conditions:
        nn.init.normal_(each.weight, std=0.1, generator=generator)
    with torch.no_grad():
        frequency = 3 * torch.randn(table.shape[1], generator=generator)
        phase = 2 * math.pi * torch.rand(table.shape[1], generator=generator)
        table.copy_((torch.linspace(-1, 1, len(table))[:, None] * frequency + phase).cos())
