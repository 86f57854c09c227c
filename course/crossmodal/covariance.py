r"""Means and covariances of several views at once, in one pass and in memory that does not grow with the rows.

All that linear CCA asks of its data is in their first two moments. They are added up block by block of rows, and
what was learned from different rows is merged exactly; so data that do not fit into memory can be streamed.

Source: Chan, Golub and LeVeque, *Algorithms for computing the sample variance* (1983).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor

Array = np.ndarray | Tensor
BLOCK_BYTES = {"cpu": 2**21, "cuda": 2**28}  # a block that stays in the cache of a CPU, or fills a GPU
LEAST_ROWS = 512  # of a block: with fewer, adding to the result takes longer than the product


@dataclass(frozen=True)
class Moments:
    """The first two moments of rows of P columns: all views side by side.

    Attributes:
        count: number of rows n.
        mean: ``[P]``.
        scatter: ``[P, P]``, the sum over rows of the outer product of the centred row with itself.
        rounding: relative rounding error of the data themselves (the machine epsilon of their type).
    """

    count: int
    mean: Tensor
    scatter: Tensor
    rounding: float

    def covariance(self) -> Tensor:
        r"""The sample covariance of all views, ``[P, P]``: :math:`\text{scatter} / (n - 1)`.

        Its blocks are :math:`\Sigma_{xx}`, :math:`\Sigma_{xy}` and :math:`\Sigma_{yy}` of :eq:`cca-covariances`. The
        rows and columns of a constant variable are exactly zero, not the rounding errors of its mean.

        Raises:
            ValueError: for fewer than two rows, which have no covariance.
        """
        if self.count < 2:
            raise ValueError(f"a covariance needs at least 2 rows, got {self.count}")
        covariance = self.scatter / (self.count - 1)
        rounding = 16 * torch.finfo(covariance.dtype).eps * self.mean
        varies = (covariance.diagonal() > rounding.square()).to(covariance)
        return covariance * varies[:, None] * varies


def merge(a: Moments, b: Moments) -> Moments:
    r"""The moments of the rows of ``a`` and ``b`` together, as :eq:`cca-streaming` says.

    .. math::
        \delta = \bar z_b - \bar z_a, \qquad
        \bar z = \bar z_a + \frac{n_b}{n_a + n_b}\,\delta, \qquad
        S = S_a + S_b + \frac{n_a n_b}{n_a + n_b}\,\delta\delta^\top

    Nothing cancels, unlike in the textbook :math:`\sum zz^\top - n\bar z\bar z^\top`, which loses all digits when the
    mean is large beside the spread.
    """
    count = a.count + b.count
    delta = b.mean - a.mean
    scatter = (a.scatter + b.scatter).addr_(delta, delta, alpha=a.count * b.count / count)
    return Moments(count, a.mean + delta * (b.count / count), scatter, max(a.rounding, b.rounding))


def moments(*views: Array) -> Moments:
    r"""The moments of views ``[n, p], [n, q], ...`` with the same rows, beside each other (P = p + q + ...).

    Rows are shifted by the mean c of the first block and get a one appended, so that one product per block adds up
    everything, :math:`\sum (z - c)(z - c)^\top` and :math:`s = \sum (z - c)`; then
    :math:`\bar z = c + s / n`, and :math:`s s^\top / n` is taken off, which is small as a rule, c being near the mean.

    Products are added in float64 whatever the type of the data (a covariance squares their condition number); on
    devices without float64 in float32. No intermediate result is larger than one block of rows, and none is waited for.
    """
    check_views(*views)
    n, widths = len(views[0]), [view.shape[1] for view in views]
    total = sum(widths)
    device, dtype = working_type(views[0])
    rows = min(n, max(LEAST_ROWS, BLOCK_BYTES.get(device.type, 2**24) // (8 * total)))
    rounding = max(torch.finfo(as_tensor(view[:0]).dtype).eps for view in views)
    shift = [as_tensor(view[:rows]).mean(0, dtype=dtype) for view in views]
    buffer = torch.ones(rows, total + 1, dtype=dtype, device=device)  # the last column stays 1
    products = torch.zeros(total + 1, total + 1, dtype=dtype, device=device)
    for start in range(0, n, rows):
        block = buffer[: n - start]
        for view, c, part in zip(views, shift, block[:, :total].split(widths, 1), strict=True):
            torch.sub(as_tensor(view[start : start + rows]), c, out=part)
        add_gram(products, block)
    lower = products[:total, :total].tril()
    s = products[total, :total]
    scatter = (lower + lower.tril(-1).T).addr_(s, s, alpha=-1 / n)
    return Moments(n, torch.cat(shift) + s / n, scatter, rounding)


def add_gram(products: Tensor, z: Tensor) -> None:
    """Add ``z.T @ z`` to the lower triangle of ``products``, in place and in one BLAS call.

    On a CPU this is ``dsyrk``, which computes only the triangle; PyTorch does not offer it.
    """
    if z.device.type == "cpu":
        dsyrk(1.0, z.numpy().T, beta=1.0, c=products.numpy().T, overwrite_c=True)
    else:
        products.addmm_(z.T, z)


def check_views(*views: Array) -> None:
    """Raise TypeError or ValueError unless ``views`` are floating-point matrices with the same rows."""
    for view in views:
        if not isinstance(view, np.ndarray | Tensor):
            raise TypeError(f"a view must be a NumPy array or a tensor, got {type(view).__name__}")
        if str(view.dtype).removeprefix("torch.") not in ("float32", "float64"):
            raise TypeError(f"a view must be float32 or float64, got {view.dtype}; convert it first")
        if view.ndim != 2:
            raise ValueError(
                f"a view must be a matrix [rows, columns], got shape {tuple(view.shape)}; "
                "a single variable is a matrix of one column: x[:, None]"
            )
        if 0 in view.shape:
            raise ValueError(f"a view must have rows and columns, got shape {tuple(view.shape)}")
    if len({len(view) for view in views}) > 1:
        shapes = " and ".join(str(tuple(view.shape)) for view in views)
        raise ValueError(f"row i of every view must describe the same thing, but the shapes are {shapes}")
    if len({device_of(view) for view in views}) > 1:
        raise ValueError(f"the views are on different devices: {', '.join(str(device_of(view)) for view in views)}")


def device_of(view: Array) -> torch.device:
    """Where the data are; arrays are on the CPU."""
    return view.device if isinstance(view, Tensor) else torch.device("cpu")


def working_type(view: Array) -> tuple[torch.device, torch.dtype]:
    """The device of ``view`` and the most exact floating-point type of that device."""
    device = device_of(view)
    return device, torch.float32 if device.type == "mps" else torch.float64


def as_tensor(view: Array) -> Tensor:
    """``view`` as a tensor without gradient, sharing its memory where that can be done."""
    if isinstance(view, Tensor):
        return view.detach()
    if not view.flags.writeable or any(stride < 0 for stride in view.strides):
        view = view.copy()  # torch cannot share such memory
    return torch.from_numpy(view)


def like(result: Tensor, view: Array) -> Array:
    """``result`` as what ``view`` is: tensor or array, with its type and device."""
    if isinstance(view, Tensor):
        return result.to(view)
    return result.cpu().numpy().astype(view.dtype, copy=False)


def split_blocks(covariance: Tensor, widths: Sequence[int]) -> list[tuple[Tensor, ...]]:
    """The blocks of a covariance of views with these widths: ``blocks[i][j]`` is ``[widths[i], widths[j]]``."""
    return [rows.split(list(widths), 1) for rows in covariance.split(list(widths), 0)]
