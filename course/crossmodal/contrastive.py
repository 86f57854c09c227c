r"""Contrastive learning: two encoders are right when each thing finds its own partner among the partners of others.

A batch of N pairs has N² scores; those on the diagonal belong together. The losses here differ in what they ask of the
scores. One of them never holds the scores at once, whatever the size of the batch and on however many processes.

Sources: van den Oord, Li and Vinyals, *Representation learning with contrastive predictive coding* (2018); Radford et
al., *Learning transferable visual models from natural language supervision* (2021); Zhai et al., *Sigmoid loss for
language image pre-training* (2023).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from course.arguments import require_whole
from course.data.sets import described
from course.processes import Processes

Gather = Callable[[Tensor], Tensor]  # the rows of this process to those of all processes


def cosine_scores(x: Tensor, y: Tensor, temperature: float | Tensor) -> Tensor:
    r"""The score of each x with each y: :eq:`contrastive-scores`.

    .. math:: s_{ij} = \frac{1}{\tau}\,\frac{x_i^\top y_j}{\|x_i\|\,\|y_j\|}

    Args:
        x, y: vectors ``[n, d]`` and ``[m, d]``.
        temperature: :math:`\tau > 0`.

    Returns:
        ``[n, m]``.

    Raises:
        ValueError: if the shapes do not fit, or the temperature is not positive.

    Example:
        >>> cosine_scores(torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 1.0]]), temperature=0.5)
        tensor([[2., 0.]])
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"x and y must be [n, d] and [m, d], got {described(x)} and {described(y)}")
    require_temperature(temperature)
    return F.normalize(x, dim=1) @ F.normalize(y, dim=1).T / temperature


def require_temperature(temperature: float | Tensor) -> None:
    """Raise ValueError unless a number is positive; a tensor, which may lie on another device, is not waited for."""
    if not isinstance(temperature, Tensor) and not 0 < temperature < float("inf"):
        raise ValueError(f"a temperature must be positive and finite, got {temperature!r}")


def require_square(scores: Tensor) -> None:
    """Raise ValueError unless scores are ``[n, n]``: row i and column i belong together."""
    if scores.dim() != 2 or scores.shape[0] != scores.shape[1] or not len(scores):
        raise ValueError(f"scores must be [n, n], with partners on the diagonal, got {described(scores)}")


def info_nce(scores: Tensor) -> Tensor:
    r"""How badly each row finds its own column, a scalar: :eq:`contrastive-info-nce`.

    .. math:: \mathcal L_{x\to y} = -\frac1N\sum_{i=1}^N \ln\frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}

    Args:
        scores: ``[N, N]``; ``scores.T`` asks the other way round. An entry of minus infinity takes no part.

    Raises:
        ValueError: if the scores are not square.

    Example:
        >>> info_nce(torch.zeros(4, 4)).exp()  # guessing among four
        tensor(4.)
    """
    require_square(scores)
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))


def symmetric_loss(scores: Tensor) -> Tensor:
    r"""The mean of both directions, :math:`\frac12(\mathcal L_{x\to y}+\mathcal L_{y\to x})`:
    :eq:`contrastive-symmetric`.
    """
    return (info_nce(scores) + info_nce(scores.T)) / 2


def score_gradient(scores: Tensor) -> Tensor:
    r"""The derivative of :func:`symmetric_loss` by the scores, in closed form: :eq:`contrastive-gradient`.

    .. math:: \frac{\partial\mathcal L}{\partial s_{ij}}
        = \frac1{2N}\bigl(p_{j\mid i}+q_{i\mid j}\bigr)-\frac1N[i=j]

    where :math:`p_{j\mid i}` is the softmax of row i, and :math:`q_{i\mid j}` that of column j.

    Args:
        scores: ``[N, N]``.
    """
    require_square(scores)
    own = torch.eye(len(scores), dtype=scores.dtype, device=scores.device)
    return ((scores.softmax(1) + scores.softmax(0)) / 2 - own) / len(scores)


def without_twins(scores: Tensor, groups: Tensor) -> Tensor:
    r"""Scores in which strangers of one group are no negatives of each other: :eq:`contrastive-twins`.

    .. math:: s_{ij} \leftarrow -\infty \quad\text{where } g_i = g_j \text{ and } i\ne j

    Two pictures of a seven are *false negatives*: the loss would push apart what belongs together.

    Args:
        scores: ``[N, N]``.
        groups: what each pair shows, ``int64 [N]``.

    Raises:
        ValueError: if the shapes do not fit.
    """
    require_square(scores)
    if groups.shape != scores.shape[:1]:
        raise ValueError(f"there are {len(scores)} pairs, but groups are {described(groups)}")
    twins = groups[:, None] == groups
    return scores.masked_fill(twins.fill_diagonal_(False), -torch.inf)


def sigmoid_loss(scores: Tensor, bias: float | Tensor) -> Tensor:
    r"""SigLIP's loss: each of the N² cells is a question of its own, partners or not: :eq:`contrastive-sigmoid`.

    .. math:: \mathcal L_\sigma = -\frac1N\sum_{i,j}\ln\sigma\bigl(z_{ij}(s_{ij}+b)\bigr),
        \qquad z_{ij} = \begin{cases}+1 & i=j\\ -1 & i\ne j\end{cases}

    Args:
        scores: ``[N, N]``. An entry of minus infinity off the diagonal takes no part.
        bias: b, negative at first, since nearly all cells are "no".

    Example:
        >>> sigmoid_loss(torch.tensor([[9.0, -9.0], [-9.0, 9.0]]), bias=0.0) < 1e-3
        tensor(True)
    """
    require_square(scores)
    shifted = scores + bias
    own = shifted.diagonal()
    return (F.softplus(shifted).sum() - F.softplus(own).sum() + F.softplus(-own).sum()) / len(scores)


def tiled_loss(
    x: Tensor, y: Tensor, temperature: float | Tensor, *, tile: int = 1024, processes: Processes | None = None
) -> Tensor:
    r""":func:`symmetric_loss` of :func:`cosine_scores` without the N × N matrix: :eq:`contrastive-tiles`.

    Beside the vectors there are never more scores than the square of ``tile``. The forward pass keeps the logarithms of
    the sums of rows and columns; the backward pass computes the scores a second time. On P processes each one compares
    its own N / P pairs with all, and no process holds the gradients of others.

    Args:
        x, y: vectors ``[n, d]``, as many in every process; row i of both belongs together.
        temperature: a number, or a tensor that is learned, on the device of x.
        tile: side of the squares in which scores are computed.
        processes: whose pairs are each other's negatives; ``None``: only this one's.

    Returns:
        The mean over the own pairs. The mean over all processes is the loss of the whole batch, and the mean over all
        processes of the gradients is its gradient, which is what :func:`course.training.fit` takes.

    Raises:
        ValueError: if shapes do not fit, the temperature is not positive or the tile no positive whole number.

    Source: Chen et al., *DisCo-CLIP* (2023), for the exchange; Cheng et al., *Breaking the memory barrier* (2024).
    """
    if x.dim() != 2 or x.shape != y.shape or not len(x):
        raise ValueError(f"x and y must both be [n, d], got {described(x)} and {described(y)}")
    require_whole("tile", tile)
    require_temperature(temperature)
    scale = 1 / torch.as_tensor(temperature, device=x.device)
    gather = processes.gather_rows if processes else lambda rows: rows
    with torch.autocast(x.device.type, enabled=False):
        units = [F.normalize(each.float() if each.element_size() < 4 else each, dim=1) for each in (x, y)]
        return _TiledLoss.apply(*units, scale.to(units[0].dtype), tile, gather)


class _TiledLoss(torch.autograd.Function):
    """Vectors of length one and a scale to the mean of the own pairs' losses."""

    @staticmethod
    def forward(ctx, x: Tensor, y: Tensor, scale: Tensor, tile: int, gather: Gather) -> Tensor:
        all_x, all_y = gather(x), gather(y)
        sums_x, sums_y = log_sums(scale * x, all_y, tile), log_sums(scale * y, all_x, tile)
        ctx.save_for_backward(x, y, scale, all_x, all_y, sums_x, sums_y, gather(sums_x), gather(sums_y))
        ctx.tile = tile
        return ((sums_x + sums_y) / 2 - scale * (x * y).sum(1)).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx, slope: Tensor):
        x, y, scale, all_x, all_y, sums_x, sums_y, all_sums_x, all_sums_y = ctx.saved_tensors
        by_x = scale / len(x) * (mixtures(scale * x, all_y, sums_x, all_sums_y, ctx.tile) - y)
        by_y = scale / len(y) * (mixtures(scale * y, all_x, sums_y, all_sums_x, ctx.tile) - x)
        by_scale = (x * by_x).sum() / scale  # scores are linear in x and in the scale alike
        return slope * by_x, slope * by_y, slope * by_scale, None, None


def log_sums(queries: Tensor, keys: Tensor, tile: int) -> Tensor:
    """The logarithm of the sum over all keys of exp(query · key), for each query, ``[n]``."""
    sums = [
        torch.stack([(some @ part.T).logsumexp(1) for part in keys.split(tile)]).logsumexp(0)
        for some in queries.split(tile)
    ]
    return torch.cat(sums)


def mixtures(queries: Tensor, keys: Tensor, sums: Tensor, key_sums: Tensor, tile: int) -> Tensor:
    """For each query the keys mixed by the mean of two softmaxes, that of its row and those of the columns, ``[n, d]``.

    Args:
        queries, keys: ``[n, d]``, with the scale in them, and ``[m, d]``.
        sums, key_sums: :func:`log_sums` of the queries ``[n]`` and of the keys ``[m]``.
    """
    mixed = torch.zeros_like(queries)
    for some, total, out in zip(queries.split(tile), sums.split(tile), mixed.split(tile), strict=True):
        for part, part_total in zip(keys.split(tile), key_sums.split(tile), strict=True):
            scores = some @ part.T
            weights = (scores - total[:, None]).exp_().add_((scores - part_total).exp_())
            out.addmm_(weights, part, alpha=0.5)
    return mixed
