r"""Where a patch lies: position vectors for a grid of patches, added to tokens or turning queries and keys.

Fixed ones are waves along each axis of the image: half of the columns tell the row, the other half the column.

Sources: Dosovitskiy et al., *An image is worth 16x16 words* (2021), for learned positions and their interpolation;
Su et al., *RoFormer* (2021), for turning; Heo et al., *Rotary position embedding for vision transformer* (2024), for
two axes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.representation.transformer import sinusoidal_positions

ROTARY_BASE = 100  # images have tens of rows; texts have thousands of tokens, and 10,000


def interpolate_positions(positions: Tensor, grid: tuple[int, int], to: tuple[int, int]) -> Tensor:
    """Position vectors of a grid of patches for a grid of another size, by bicubic interpolation.

    Args:
        positions: ``[rows * columns, width]``.
        grid: its rows and columns.
        to: the rows and columns that are wanted.

    Returns:
        ``[to[0] * to[1], width]``; for the same grid the very same tensor.

    Raises:
        ValueError: if the positions do not fill the grid, or a grid is empty.
    """
    for name, count in zip(("rows", "columns"), to, strict=True):
        require_whole(name, count)
    if positions.dim() != 2 or len(positions) != grid[0] * grid[1]:
        raise ValueError(f"a grid of {grid[0]} × {grid[1]} has {grid[0] * grid[1]} rows, got {list(positions.shape)}")
    if tuple(to) == tuple(grid):
        return positions
    picture = positions.T.unflatten(1, grid)[None]  # a channel for each column
    return F.interpolate(picture, size=tuple(to), mode="bicubic", align_corners=False)[0].flatten(1).T


def sinusoidal_positions_2d(rows: int, columns: int, width: int) -> Tensor:
    r"""Fixed waves for a grid, ``[rows * columns, width]``: :eq:`vit-waves`.

    .. math:: \pi_{(r,s)} = [\,\pi_r;\; \pi_s\,]

    with the waves of :eq:`bert-sinusoids`, half as wide, along each axis.

    Raises:
        ValueError: if a number is not whole, or the width no multiple of 4.
    """
    require_four(width, "the width")
    down, across = sinusoidal_positions(rows, width // 2), sinusoidal_positions(columns, width // 2)
    return torch.cat([down.repeat_interleave(columns, 0), across.repeat(rows, 1)], 1)


def rotary_angles_2d(rows: int, columns: int, d: int) -> Tensor:
    r"""Angles that turn the queries and keys of one head, ``[rows * columns, d / 2]``: :eq:`vit-rotary-angles`.

    .. math:: a_{(r,s)} = [\,r\,\omega;\; s\,\omega\,], \qquad \omega_i = 100^{-4i/d}, \quad i = 0, \dots, d/4 - 1

    Raises:
        ValueError: if a number is not whole, or d no multiple of 4.
    """
    for name, count in (("rows", rows), ("columns", columns)):
        require_whole(name, count)
    require_four(d, "the width of a head")
    frequencies = ROTARY_BASE ** (-4 * torch.arange(d // 4, dtype=torch.float64) / d)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.cat([row.reshape(-1, 1) * frequencies, column.reshape(-1, 1) * frequencies], 1)


def require_four(width: int, name: str) -> None:
    """Raise ValueError unless the width is a whole multiple of 4: sines and cosines of two axes."""
    require_whole(name, width)
    if width % 4:
        raise ValueError(f"two axes have a sine and a cosine each: {name} must be a multiple of 4, got {width}")
