r"""Fusions that multiply: a weight for every product of one number from each modality, or few products of all numbers.

Sources: Zadeh et al., *Tensor fusion network for multimodal sentiment analysis* (2017); Liu et al., *Efficient low-rank
multimodal fusion with modality-specific factors* (2018).
"""

import torch
from torch import Tensor, nn

from course.crossmodal.fusion import HEADS, Fusion
from course.crossmodal.nonlinear_cca import network


class Factors(Fusion):
    """What both fusions by products share: a short vector for each modality, with a one in front."""

    def build(self) -> None:
        self.short = self.width // HEADS
        self.own = nn.ModuleList(network(size, (self.width,), self.short) for size in self.sizes.values())

    def factors(self, x: list[Tensor], present: Tensor) -> list[Tensor]:
        """The vectors ``[n, 1 + width / 4]`` of each modality; ``[1, 0, ..., 0]`` where it is missing."""
        short = [layer(each) for layer, each in zip(self.own, x, strict=True)]
        masked = [torch.where(here[:, None], h, 0) for h, here in zip(short, present.unbind(1), strict=True)]
        return [torch.cat([torch.ones_like(h[:, :1]), h], 1) for h in masked]


class TensorFusion(Factors):
    r"""A weight for every product of an entry of each modality: :eq:`fusion-tensor`.

    .. math:: s = \mathcal W \cdot (\tilde h_1 \otimes \dots \otimes \tilde h_M), \qquad \tilde h_m = [1; h_m(x_m)]

    The ones keep the products of fewer modalities, so that a missing one (:math:`h_m = 0`) leaves what the others say
    alone. The vectors :math:`h_m` have a quarter of the width.

    Example:
        >>> fusion = TensorFusion({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape, fusion.head.in_features
        (torch.Size([5, 10]), 9)
    """

    def build(self) -> None:
        super().build()
        self.head = nn.Linear((1 + self.short) ** len(self.sizes), self.classes)

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        product, *others = self.factors(x, present)
        for factor in others:
            product = (product[:, :, None] * factor[:, None, :]).flatten(1)
        return self.head(product)


class LowRank(Factors):
    r"""The tensor of :class:`TensorFusion` as a sum of R products of vectors: :eq:`fusion-low-rank`.

    .. math:: s_k = b_k + \sum_{r=1}^R \prod_{m=1}^M \langle w_{m,r,k}, \tilde h_m \rangle, \qquad R = 4

    The tensor itself is never made: there are R (1 + d) weights for each class and modality, in place of
    :math:`(1+d)^M` for each class.

    Example:
        >>> fusion = LowRank({"image": 3, "sound": 2}, classes=10, width=8)
        >>> fusion({"image": torch.rand(5, 3), "sound": torch.rand(5, 2)}).shape, fusion.tensor().shape
        (torch.Size([5, 10]), torch.Size([10, 3, 3]))
    """

    rank = 4

    def build(self) -> None:
        super().build()
        heads = (nn.Linear(1 + self.short, self.rank * self.classes, bias=False) for _ in self.sizes)
        self.heads = nn.ModuleList(heads)
        self.bias = nn.Parameter(torch.zeros(self.classes))

    def fuse(self, x: list[Tensor], present: Tensor) -> Tensor:
        each = [head(factor) for head, factor in zip(self.heads, self.factors(x, present), strict=True)]
        product = torch.stack(each).prod(0)
        return product.unflatten(1, (self.rank, self.classes)).sum(1) + self.bias

    def tensor(self) -> Tensor:
        r"""The weights :math:`\mathcal W` that it stands for, ``[classes, 1 + d, ..., 1 + d]``."""
        product = torch.ones(self.rank, self.classes).to(self.bias)
        for number, head in enumerate(self.heads):
            factor = head.weight.unflatten(0, (self.rank, self.classes))
            product = product[..., None] * factor.view(self.rank, self.classes, *[1] * number, -1)
        return product.sum(0)
