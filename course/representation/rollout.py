r"""Attention rollout: follow attention through all blocks of an encoder, from its last tokens back to its patches.

One block's map says where that block looked, at tokens which are mixtures by then. The product of the maps, each mixed
with what the residual connection carries on, is a guess of how much of each *input* token arrives. It leaves out the
values, the networks and the sign: it is no proof of what the model uses.

Source: Abnar and Zuidema, *Quantifying attention flow in transformers* (2020).
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def attention_rollout(weights: Sequence[Tensor], residual: float = 0.5) -> Tensor:
    r"""The product of the mixed attention maps: :eq:`vit-rollout`.

    .. math:: R = \bar A_L \cdots \bar A_1, \qquad
              \bar A_l = \rho\, I + (1 - \rho)\, \tfrac1h \textstyle\sum_{i=1}^h A_{l,i}

    Args:
        weights: attention of each block, the first one first, ``[n, heads, length, length]``, as in
            :class:`~course.representation.transformer.Trace`.
        residual: the share :math:`\rho` of the token itself, 0.5 in the paper.

    Returns:
        ``[n, length, length]``; row i, which sums to 1, says how much of each input token is in token i at the end.

    Raises:
        ValueError: if there is no block, a map is not square or of another shape, or the share is not within 0 to 1.

    Example:
        >>> looks_left = torch.tensor([[1.0, 0.0], [1.0, 0.0]]).view(1, 1, 2, 2)
        >>> attention_rollout([looks_left, looks_left])[0]
        tensor([[1.0000, 0.0000],
                [0.7500, 0.2500]])
    """
    if not 0 <= residual <= 1:
        raise ValueError(f"residual is a share from 0 to 1, got {residual}")
    shapes = {tuple(each.shape) for each in weights}
    if len(shapes) != 1 or len(shape := next(iter(shapes))) != 4 or shape[2] != shape[3]:
        raise ValueError(f"weights must be one map [n, heads, length, length] for each block, got {sorted(shapes)}")
    product = torch.eye(shape[2], dtype=weights[0].dtype, device=weights[0].device)
    for each in weights:
        product = residual * product + (1 - residual) * each.mean(1) @ product
    return product
