r"""What happens to a map when its input moves: shifts, maps that commute with them, and pooling that nearly does.

A map f is *equivariant* if moving the input moves the output, f(S x) = S f(x), and *invariant* if f(S x) = f(x).

Sources: Zhang, *Making convolutional networks shift-invariant again* (2019); Azulay and Weiss, *Why do deep
convolutional networks generalize so poorly to small image transformations?* (2019).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course.arguments import require_whole


def circulant(kernel: Tensor) -> Tensor:
    r"""The matrix of a convolution on a circle of n places, ``[n, n]``: :eq:`cnn-circulant`.

    .. math:: C_{ij} = w_{(i - j) \bmod n}

    Args:
        kernel: w, ``[n]``, the first column of the matrix.

    Example:
        >>> circulant(torch.tensor([1, 2, 3]))
        tensor([[1, 3, 2],
                [2, 1, 3],
                [3, 2, 1]])
    """
    place = torch.arange(len(kernel), device=kernel.device)
    return kernel[(place[:, None] - place) % len(kernel)]


def nearest_circulant(matrix: Tensor) -> Tensor:
    r"""The convolution nearest to a linear map, ``[n, n]``: the mean of the map over all shifts, :eq:`cnn-average`.

    .. math:: \bar A = \frac1n\sum_{t=0}^{n-1} S^{-t} A\,S^t

    Args:
        matrix: A, ``[n, n]``.
    """
    n = len(matrix)
    return torch.stack([matrix.roll((-t, -t), (0, 1)) for t in range(n)]).mean(0)


def shifted(x: Tensor, down: int, right: int, *, cyclic: bool = False) -> Tensor:
    """Images ``[..., height, width]``, moved by whole pixels; what leaves on one side comes in on the other if
    ``cyclic``, and zeros come in if not."""
    moved = torch.roll(x, (down, right), (-2, -1))
    if not cyclic:
        moved = moved.clone()
        for axis, steps in ((-2, down), (-1, right)):
            side = x.shape[axis]
            empty = min(abs(steps), side)
            moved.narrow(axis, 0 if steps >= 0 else side - empty, empty).zero_()
    return moved


def centred(x: Tensor) -> Tensor:
    """Images ``[n, channels, height, width]``, each moved by whole pixels so that its ink has its centre in the middle.

    An image without ink stays as it is.
    """
    moves = []
    for axis in (-2, -1):
        side = x.shape[axis]
        ink = x.sum(1).sum(-1 if axis == -2 else -2)  # [n, side]
        place = torch.arange(side, device=x.device, dtype=x.dtype) - (side - 1) / 2
        moves.append((-(ink @ place) / ink.sum(1)).nan_to_num(0).round().long().tolist())
    return torch.stack([shifted(image, *move) for image, move in zip(x, zip(*moves, strict=True), strict=True)])


def moved_at_random(x: Tensor, most: int, generator: np.random.Generator) -> Tensor:
    """Images ``[n, channels, height, width]``, each moved by up to ``most`` whole pixels down and to the right or back.

    Every shift is equally likely; zeros come in. The draw is made on the CPU, so that it is the same on every device.
    """
    require_whole("most", most, 0)
    n, _, height, width = x.shape
    start = torch.from_numpy(generator.integers(0, 2 * most + 1, (2, n, 1))).to(x.device)
    rows, columns = (start[a] + torch.arange(side, device=x.device) for a, side in enumerate((height, width)))
    image = torch.arange(n, device=x.device)[:, None, None]
    padded = F.pad(x, (most, most, most, most)).movedim(1, -1)
    return padded[image, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def consistency(classify: Callable[[Tensor], Tensor], x: Tensor, shifts: Sequence[tuple[int, int]]) -> Tensor:
    """For each shift, the share of the images whose class does not change when they move: ``[shifts]``.

    The images must have a margin that no shift uses up, else what is seen is changed, too, and not only moved.

    Args:
        classify: images ``[n, channels, height, width]`` to scores ``[n, classes]``.
        x: the images.
        shifts: pixels down and to the right.
    """
    with torch.no_grad():
        still = classify(x).argmax(1)
        moved = [classify(shifted(x, *shift)).argmax(1) == still for shift in shifts]
    return torch.stack(moved).double().mean(1)


class BlurPool(nn.Module):
    r"""Blur with a binomial kernel, then keep every second pixel: :eq:`cnn-blur`.

    .. math:: b = \tfrac1{2^m}\Bigl(\tbinom m0, \tbinom m1, \dots, \tbinom mm\Bigr) \quad\text{in each direction}

    What every second pixel cannot represent, waves shorter than four pixels, is damped before it can pose as
    something else. The edge is continued, so that a constant image stays constant.

    Args:
        taps: m + 1, the width of the kernel; 3 is (1, 2, 1) / 4.
        stride: pixels from one output to the next.
        cyclic: the image is a circle in both directions.

    Images ``[n, channels, height, width]`` become ``[n, channels, ⌈height / stride⌉, ⌈width / stride⌉]`` for odd
    ``taps``.

    Example:
        >>> stripes = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 1, 8, 8)
        >>> stripes[0, 0, 0, ::2], BlurPool(cyclic=True)(stripes)[0, 0, 0]
        (tensor([0., 0., 0., 0.]), tensor([0.5000, 0.5000, 0.5000, 0.5000]))
    """

    def __init__(self, taps: int = 3, stride: int = 2, *, cyclic: bool = False):
        require_whole("taps", taps)
        require_whole("stride", stride)
        super().__init__()
        row = torch.ones(1)
        for _ in range(taps - 1):
            row = F.pad(row, (1, 1)).unfold(0, 2, 1).sum(1)  # Pascal's triangle
        row = row / row.sum()
        self.register_buffer("kernel", (row[:, None] * row)[None, None])
        self.taps, self.stride, self.mode = taps, stride, "circular" if cyclic else "replicate"

    def forward(self, x: Tensor) -> Tensor:
        before, after = (self.taps - 1) // 2, self.taps // 2
        x = F.pad(x, (before, after, before, after), mode=self.mode)
        kernel = self.kernel.expand(x.shape[1], -1, -1, -1)
        return F.conv2d(x, kernel, stride=self.stride, groups=x.shape[1])


def with_blur(model: nn.Module, taps: int = 3, *, cyclic: bool = False) -> nn.Module:
    """Replace, in place, each max-pooling of stride s > 1 by one of stride 1 and a :class:`BlurPool` of stride s.

    The padding that keeps the size of the windows' output is put on the right and below.

    Args:
        model: changed in place; its weights stay as they are.
        taps, cyclic: as for :class:`BlurPool`.

    Returns:
        The model.
    """
    for parent in [*model.modules()]:
        for name, child in parent.named_children():
            if isinstance(child, nn.MaxPool2d) and child.stride > 1:
                setattr(parent, name, BlurredMaxPool(child.kernel_size, child.stride, taps, cyclic=cyclic))
    return model


class BlurredMaxPool(nn.Sequential):
    """Max-pooling at every place, then a :class:`BlurPool`: sides become ⌊side / stride⌋, as without the blur."""

    def __init__(self, kernel: int, stride: int, taps: int = 3, *, cyclic: bool = False):
        edge = nn.CircularPad2d if cyclic else nn.ReplicationPad2d
        grown = edge((0, kernel - 1, 0, kernel - 1))
        super().__init__(grown, nn.MaxPool2d(kernel, 1), BlurPool(taps, stride, cyclic=cyclic))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return super().forward(x)[..., : height // self.stride, : width // self.stride]
