r"""LoRA: fine-tune a large matrix by an update of low rank, the product of two thin matrices.

Source: Hu et al., *LoRA: Low-rank adaptation of large language models* (2022).
"""

import torch
from torch import Tensor, nn

from course.arguments import require_whole


class LoRA(nn.Module):
    r"""A frozen linear layer plus a learned update of rank r: :eq:`bert-lora`.

    .. math:: y = W x + b + B A x, \qquad A \in \mathbb R^{r \times p},\; B \in \mathbb R^{q \times r}

    B is zero at first, so that training begins at the frozen layer.

    Example:
        >>> layer = LoRA(nn.Linear(100, 50), rank=2)
        >>> [tuple(p.shape) for p in layer.parameters() if p.requires_grad], layer(torch.rand(3, 100)).shape
        ([(2, 100), (50, 2)], torch.Size([3, 50]))
    """

    def __init__(self, base: nn.Linear, rank: int, generator: torch.Generator | None = None):
        super().__init__()
        require_whole("rank", rank, 1, min(base.weight.shape))
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(base.weight.new_empty(rank, base.in_features))
        self.b = nn.Parameter(base.weight.new_zeros(base.out_features, rank))
        nn.init.normal_(self.a, std=base.in_features**-0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """``[..., p]`` to ``[..., q]``, without ever computing the product BA."""
        return self.base(x) + x @ self.a.T @ self.b.T

    def merged(self) -> nn.Linear:
        """One linear layer that computes the same: W + BA; nothing is left to be paid for."""
        self.base.weight.data += self.b.data @ self.a.data
        return self.base


def add_lora(model: nn.Module, rank: int, generator: torch.Generator | None = None) -> nn.Module:
    """Freeze a model, and give each linear layer within it an update of this rank; in place. Its trainable parameters
    are the updates alone."""
    model.requires_grad_(False)
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.Linear):
                setattr(parent, name, LoRA(layer, rank, generator))
    return model


def merge_lora(model: nn.Module) -> nn.Module:
    """Put a plain linear layer in the place of each LoRA; in place, outputs stay the same."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, LoRA):
                setattr(parent, name, layer.merged())
    return model
