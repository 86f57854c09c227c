r"""Fusions that decide for each example whom to listen to: gates for scores or for hidden units, and attention.

Sources: Arevalo et al., *Gated multimodal units for information fusion* (2017); Vaswani et al., *Attention is all you
need* (2017).
"""

import torch
from torch import Tensor, nn

from course.crossmodal.fusion import HEADS, Fusion, Late
from course.crossmodal.nonlinear_cca import network
from course.representation.transformer import Encoder, key_mask


def gates(logits: Tensor, present: Tensor) -> Tensor:
    """Shares of the present modalities: a softmax along the last axis but one, 0 for what is missing.

    Args:
        logits: ``[n, M, units]``.
        present: ``bool [n, M]``.

    Example:
        >>> gates(torch.zeros(1, 3, 1), torch.tensor([[True, False, True]])).flatten().tolist()
        [0.5, 0.0, 0.5]
    """
    lowest = torch.finfo(logits.dtype).min  # not -inf: where nothing is present the softmax would be NaN
    return logits.masked_fill(~present[..., None], lowest).softmax(-2) * present[..., None]


class GatedLate(Late):
    r"""Late fusion whose scores are weighed by a gate that reads all vectors: :eq:`fusion-gated-late`.

    .. math:: s = \sum_m g_m(x)\, s_m(x_m), \qquad g(x) = \operatorname{softmax}(f([x_1; \dots; x_M]))

    Example:
        >>> fusion = GatedLate({"image": 3, "sound": 2}, classes=10, width=8)
        >>> x = {"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}
        >>> fusion(x).shape, fusion.gate(*fusion.checked(x, None)).sum(1).flatten().round(decimals=4).tolist()
        (torch.Size([5, 10]), [1.0, 1.0, 1.0, 1.0, 1.0])
    """

    def build(self) -> None:
        super().build()
        self.judge = network(sum(self.sizes.values()), (self.width,), len(self.sizes))

    def gate(self, x: list[Tensor], present: Tensor) -> Tensor:
        """How much each modality counts, ``[n, M, 1]``."""
        return gates(self.judge(torch.cat(x, 1))[..., None], present)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        return (self.scores(x) * self.gate(x, present)).sum(1)


class GatedUnits(Fusion):
    r"""A gate for every hidden unit says from which modality it comes; then a linear layer: :eq:`fusion-gated-units`.

    .. math:: s = V \sum_m z_m(x) \odot \tanh(W_m x_m + b_m), \qquad z(x) = \operatorname{softmax}_m(U[x_1;\dots;x_M])

    Example:
        >>> fusion = GatedUnits({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        self.own = nn.ModuleList(nn.Linear(size, self.width) for size in self.sizes.values())
        self.judge = nn.Linear(sum(self.sizes.values()), len(self.sizes) * self.width)
        self.head = nn.Linear(self.width, self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        hidden = torch.stack([layer(each).tanh() for layer, each in zip(self.own, x, strict=True)], 1)
        logits = self.judge(torch.cat(x, 1)).unflatten(1, (len(x), self.width))
        return self.head((gates(logits, present) * hidden).sum(1))


class Attention(Fusion):
    r"""Each modality is a token; a class token looks at those that are present: :eq:`fusion-attention`.

    .. math:: s = V\operatorname{Encoder}\bigl([c;\; W_1 x_1 + b_1;\; \dots;\; W_M x_M + b_M]\bigr)_0

    Two blocks of :mod:`course.representation.transformer`. The biases :math:`b_m` say which modality a token is.

    Example:
        >>> fusion = Attention({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": None, "sound": torch.rand(5, 2)}).shape
        torch.Size([5, 10])
    """

    def build(self) -> None:
        self.own = nn.ModuleList(nn.Linear(size, self.width) for size in self.sizes.values())
        self.token = nn.Parameter(torch.zeros(self.width))
        self.encoder = Encoder(2, self.width, HEADS, 2 * self.width, pre_norm=True)
        self.head = nn.Linear(self.width, self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        own = [layer(each) for layer, each in zip(self.own, x, strict=True)]
        tokens = torch.stack([self.token.expand(len(present), -1), *own], 1)
        seen = torch.cat([torch.ones_like(present[:, :1]), present], 1)  # the class token is always there
        return self.head(self.encoder.first(tokens, key_mask(seen)))
