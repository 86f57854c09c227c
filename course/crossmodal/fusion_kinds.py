"""All kinds of fusion by name, and how they are made equally large: without that a comparison would be one of sizes."""

from collections.abc import Mapping

import torch
from torch import nn

from course.crossmodal.fusion import HEADS, Early, Fusion, Hybrid, Intermediate, Late
from course.crossmodal.fusion_products import LowRank, TensorFusion
from course.crossmodal.fusion_weights import Attention, GatedLate, GatedUnits

KINDS = {
    "early": Early,
    "intermediate": Intermediate,
    "late": Late,
    "hybrid": Hybrid,
    "gated late": GatedLate,
    "gated units": GatedUnits,
    "attention": Attention,
    "tensor": TensorFusion,
    "low rank": LowRank,
}


def weights_of(model: nn.Module) -> int:
    """How many numbers a network learns."""
    return sum(parameter.numel() for parameter in model.parameters())


def widest(
    kind: type[Fusion],
    sizes: Mapping[str, int],
    classes: int,
    weights: int,
    *,
    generator: torch.Generator | None = None,
) -> Fusion:
    """The fusion of a kind with the largest width that needs at most so many weights.

    Raises:
        ValueError: if not even the least width does.

    Example:
        >>> sizes = {"image": 32, "sound": 32}
        >>> [(model.width, weights_of(model)) for model in (widest(kind, sizes, 10, 9_000) for kind in (Early, Late))]
        [(64, 8970), (48, 8852)]
    """

    def needed(width: int) -> int:
        return weights_of(kind(sizes, classes, width, generator=torch.Generator()))

    width = 0
    while needed(width + HEADS) <= weights:
        width += HEADS
    if not width:
        least = needed(HEADS)
        raise ValueError(f"{kind.__name__} needs {least:,} weights at least, got {weights:,}")
    return kind(sizes, classes, width, generator=generator)
