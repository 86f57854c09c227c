"""How good is a map that was learned without pairs? Judged with pairs that it never saw, or by a classifier.

Beside it stand maps that learn nothing, or only a linear thing, and a count of different outputs: a generator that has
collapsed answers everything with the same few pictures.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.crossmodal.gaussian_transport import gaussian_map
from course.data import Pairs

INK = 0.2  # what counts as ink when a picture is cut to it


def unpaired(pairs: Pairs, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Half of the pairs give their x only, the other half their y only: no two pictures show the same thing.

    Returns:
        Examples ``[n - n // 2, ...]`` and ``[n // 2, ...]``, as :meth:`course.data.Pairs.examples` reads them.
    """
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
    first, second = order.chunk(2)
    return pairs.examples(first)[0], pairs.examples(second)[1]


def distance_to_partner(made: Tensor, partners: Tensor) -> Tensor:
    """The mean absolute difference of each picture from its true partner, ``[n]``.

    Raises:
        ValueError: if the shapes differ.
    """
    if made.shape != partners.shape:
        raise ValueError(f"each picture needs its partner, got {list(made.shape)} and {list(partners.shape)}")
    return (made - partners).abs().flatten(1).mean(1)


def partner_found(made: Tensor, partners: Tensor) -> float:
    """The share of pictures whose nearest of all partners, by Euclidean distance, is their own."""
    if made.shape != partners.shape:
        raise ValueError(f"each picture needs its partner, got {list(made.shape)} and {list(partners.shape)}")
    nearest = torch.cdist(made.flatten(1), partners.flatten(1)).argmin(1)
    return (nearest == torch.arange(len(made), device=made.device)).double().mean().item()


def different(made: Tensor, tolerance: float) -> int:
    """How many different pictures there are: each counts that is farther than ``tolerance`` from all counted before.

    Args:
        made: ``[n, ...]``.
        tolerance: a mean absolute difference.

    Example:
        >>> different(torch.tensor([[0.0], [0.01], [0.5], [0.52], [1.0]]), tolerance=0.05)
        3
    """
    if not tolerance >= 0:
        raise ValueError(f"tolerance is a distance, got {tolerance}")
    flat = made.flatten(1)
    far = torch.cdist(flat, flat, p=1) > tolerance * flat.shape[1]
    counted: list[int] = []
    for row, others in enumerate(far.cpu()):
        if others[counted].all():
            counted.append(row)
    return len(counted)


def cropped(pictures: Tensor, size: int, *, keep_shape: bool = True, margin: int = 0) -> Tensor:
    """Cut each picture to its ink and scale the cut to the full side: a map for which nothing is learned.

    Args:
        pictures: ``[n, 1, h, w]`` from 0 to 1.
        size: side of the results in pixels.
        keep_shape: the longer side of the ink fills the picture; otherwise both sides do.
        margin: pixels that are left free at each edge.

    Returns:
        ``[n, 1, size, size]``, interpolated linearly; a picture without ink stays as it is.

    Example:
        >>> picture = torch.zeros(1, 1, 8, 8)
        >>> picture[0, 0, 2:6, 3:5] = 1
        >>> cropped(picture, 4)[0, 0].round()
        tensor([[0., 1., 1., 0.],
                [0., 1., 1., 0.],
                [0., 1., 1., 0.],
                [0., 1., 1., 0.]])
    """
    require_whole("size", size)
    require_whole("margin", margin, 0, (size - 1) // 2)
    if pictures.dim() != 4 or pictures.shape[1] != 1:
        raise ValueError(f"pictures must be [n, 1, h, w], got {list(pictures.shape)}")
    boxes = [edges(pictures.amax(side).squeeze(1) > INK) for side in (2, 3)]  # across, down: [n] each, from -1 to 1
    boxes = [(low.to(pictures), high.to(pictures)) for low, high in boxes]
    middles = [(low + high) / 2 for low, high in boxes]
    halves = [(high - low) / 2 for low, high in boxes]
    if keep_shape:
        h, w = pictures.shape[2:]
        longer = torch.maximum(halves[0] * w, halves[1] * h)
        halves = [longer / w, longer / h]
    halves = [half * size / (size - 2 * margin) for half in halves]
    zero = torch.zeros_like(middles[0])
    maps = torch.stack([halves[0], zero, middles[0], zero, halves[1], middles[1]], 1).view(-1, 2, 3)
    grid = F.affine_grid(maps, [len(pictures), 1, size, size], align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def edges(inked: Tensor) -> tuple[Tensor, Tensor]:
    """Where the ink begins and ends along an axis from -1 to 1, ``[n]`` each, from ``bool [n, side]``."""
    n, side = inked.shape
    places = torch.arange(side, device=inked.device).expand(n, side)
    first, last = torch.where(inked, places, side).amin(1), torch.where(inked, places, -1).amax(1)
    first, last = torch.where(last < 0, 0, first), torch.where(last < 0, side - 1, last)
    return 2 * first / side - 1, 2 * (last + 1) / side - 1


def sheared(pictures: Tensor, slant: float) -> Tensor:
    """Each picture slanted to the right around its middle: its upper edge moves by ``slant`` times half its height."""
    maps = torch.tensor([[1.0, slant, 0.0], [0.0, 1.0, 0.0]]).to(pictures).expand(len(pictures), 2, 3)
    grid = F.affine_grid(maps, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def linear_translation(x: Tensor, y: Tensor, *, ridge: float = 0.1) -> Callable[[Tensor], Tensor]:
    """Optimal transport between the Gaussians of two unpaired sets of pictures, cut to the range from 0 to 1."""
    shape = x.shape[1:]
    move = gaussian_map(x.flatten(1).double(), y.flatten(1).double(), ridge=ridge)
    return lambda pictures: move(pictures.flatten(1)).unflatten(1, shape).clamp(0, 1)


@torch.no_grad()
def translated(translator: Callable[[Tensor], Tensor], pictures: Tensor, at_once: int = 256) -> Tensor:
    """What a map makes of many pictures, some at a time."""
    return torch.cat([translator(part) for part in pictures.split(at_once)])
