r"""Does nearness mean anything? Whether the nearest neighbour shows the same, and whether two spaces agree.

Two questions to ask of any vectors before a map is learned from them. The second compares spaces that have no axis in
common: not their points, but the distances among them.

Sources: Cover and Hart, *Nearest neighbor pattern classification* (1967); Kriegeskorte, Mur and Bandettini,
*Representational similarity analysis* (2008).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def nearest_agrees(x: Tensor, labels: Tensor, owners: Tensor | None = None) -> Tensor:
    r"""Whether the nearest other row has the same label, ``bool [n]``: :eq:`background-nearest`.

    .. math:: a_i = [\,y_{j(i)} = y_i\,], \qquad j(i) = \arg\min_{j:\,o_j\ne o_i} \lVert x_i - x_j \rVert

    Args:
        x: ``[n, p]``; distances are Euclidean, so scale the rows to length 1 where only directions count.
        labels: what each row shows, ``int64 [n]``.
        owners: who made each row, such as the speaker, ``int64 [n]``; rows of the same owner are passed over. Without,
            only the row itself is.

    Raises:
        ValueError: if the shapes do not fit, or a row has nobody left to be near to.

    Example:
        >>> nearest_agrees(torch.tensor([[0.0], [1.0], [9.0]]), torch.tensor([0, 0, 1])).tolist()
        [True, True, False]
    """
    if x.dim() != 2 or labels.shape != x.shape[:1] or (owners is not None and owners.shape != labels.shape):
        raise ValueError(f"x must be [n, p], labels and owners [n]; got {list(x.shape)} and {list(labels.shape)}")
    owners = torch.arange(len(x), device=x.device) if owners is None else owners
    own = owners[:, None] == owners
    if own.all(1).any():
        raise ValueError("a row has no other to be near to: hand over rows of at least two owners")
    distances = torch.cdist(x.double(), x.double()).masked_fill(own, float("inf"))
    return labels[distances.argmin(1)] == labels


def distance_agreement(x: Tensor, y: Tensor) -> float:
    r"""Spearman's correlation of all distances in one space with those in another: :eq:`background-agreement`.

    .. math:: r_s\bigl(\{d(x_i, x_j)\}_{i<j},\ \{d(y_i, y_j)\}_{i<j}\bigr), \qquad d(u, v) = 1 - \cos(u, v)

    No map is needed, and the spaces may have different dimensions. 1: both order all pairs alike. The pairs share rows,
    so their number is not the size of a sample: take the interval over sets of things.

    Args:
        x, y: ``[n, p]`` and ``[n, q]``, n at least 3; row i of both belongs to one thing.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
        >>> round(distance_agreement(x, 3 * x.flip(1)), 6)  # turned and scaled: the same distances
        1.0
    """
    from scipy.stats import spearmanr

    if x.dim() != 2 or y.dim() != 2 or len(x) != len(y) or len(x) < 3:
        raise ValueError(f"expected [n, p] and [n, q] with n of at least 3, got {list(x.shape)} and {list(y.shape)}")
    above = torch.triu_indices(len(x), len(x), 1)
    cosines = []
    for side in (x, y):
        unit = F.normalize(side.double(), dim=1)
        cosines.append((unit @ unit.T)[above[0], above[1]].cpu().numpy())
    return float(spearmanr(*cosines).statistic)  # of distances as of cosines: both signs change
