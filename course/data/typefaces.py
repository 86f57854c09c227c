"""The same letters in two typefaces: pictures of two kinds whose true partners are known, though nobody need be told.

A map between two kinds of pictures that is learned *without* pairs can be tested with them here.
"""

from collections.abc import Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.data.glyphs import CANVAS, characters, drawings, faces
from course.data.sets import Pairs

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def load_typefaces(
    split: str | None = None, *, one: str = "DejaVuSans", other: str = "DejaVuSerif-Italic", size: int = 16
) -> Pairs:
    """Letters of five alphabets and digits in two of matplotlib's typefaces; row i of both is the same character.

    The characters are dealt to the splits at random, always in the same way. Of characters that cannot be told apart,
    such as Latin A and Greek Α, there is one.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all.
        one, other: file names of the typefaces without ``.ttf``.
        size: side of the pictures in pixels, up to 56.

    Returns:
        Pictures ``uint8 [n, 1, size, size]`` of both, 255 for full ink, the longer side of a letter 5/7 of the side.

    Raises:
        DataError: if the installed matplotlib lacks its typefaces.
        ValueError: if there is no such split or typeface, or the size is out of its range.

    Example:
        >>> load_typefaces("test", size=28)
        Pairs('DejaVuSans and DejaVuSerif-Italic (test)', x=[213, 1, 28, 28] uint8, y=[213, 1, 28, 28] uint8)
    """
    if split not in (None, *SHARES):
        raise ValueError(f"the typefaces have the splits {', '.join(SHARES)}, not {split!r}")
    require_whole("size", size, most=CANVAS)
    rows = torch.arange(len(letters())) if split is None else dealt()[split]
    text = [letters()[row] for row in rows.tolist()]
    x, y = (pictures(face, text, size) for face in (one, other))
    return Pairs(x, y, f"{one} and {other}" + (f" ({split})" if split else ""), x_full=255, y_full=255)


@cache
def letters() -> tuple[str, ...]:
    """The letters and digits of `glyphs`, each shape once."""
    return tuple(character for character in characters() if character.isalpha() or character in "0123456789")


def dealt() -> dict[str, Tensor]:
    """Which letters belong to which split, by position in :func:`letters`."""
    order = torch.randperm(len(letters()), generator=torch.Generator().manual_seed(0))
    ends = [round(len(order) * share) for share in (SHARES["train"], SHARES["train"] + SHARES["validation"])]
    return dict(zip(SHARES, order.tensor_split(ends), strict=True))


def pictures(face: str, text: list[str], size: int = 16) -> Tensor:
    """Each character in a typeface, ``uint8 [characters, 1, size, size]``, by averages over areas."""
    files = {path.stem: path for family in faces() for path in family}
    if face not in files:
        raise ValueError(f"there is no typeface {face!r}; there are: {', '.join(files)}")
    drawn = drawings(files[face], text).unsqueeze(1).float()
    return F.adaptive_avg_pool2d(drawn, size).round().to(torch.uint8)


def drawn(strokes: Sequence[Sequence[tuple[float, float]]], size: int = 16, *, width: float = 0.12) -> Tensor:
    """A picture of strokes that lead from point to point, such as a digit drawn by hand.

    Args:
        strokes: each a list of two or more points (across, down), from 0 to 1.
        size: side of the picture in pixels.
        width: of a stroke, as a share of the side.

    Returns:
        ``[1, 1, size, size]``, 1 for full ink, with soft edges of one pixel.

    Raises:
        ValueError: if a stroke has fewer than two points, or a point lies outside.

    Example:
        >>> drawn([[(0.1, 0.5), (0.9, 0.5)]], 4, width=0.5)[0, 0]
        tensor([[0., 0., 0., 0.],
                [1., 1., 1., 1.],
                [1., 1., 1., 1.],
                [0., 0., 0., 0.]])
    """
    require_whole("size", size)
    points = [torch.tensor(stroke, dtype=torch.float32) for stroke in strokes]
    if not points or not all(len(each) >= 2 and ((each >= 0) & (each <= 1)).all() for each in points):
        raise ValueError(f"strokes are lists of two or more points from 0 to 1, got {strokes}")
    starts, ends = torch.cat([each[:-1] for each in points]), torch.cat([each[1:] for each in points])
    middles = (torch.arange(size) + 0.5) / size
    pixels = torch.stack(torch.meshgrid(middles, middles, indexing="xy"), -1).unsqueeze(2)  # [size, size, 1, 2]
    ways = ends - starts
    along = (((pixels - starts) * ways).sum(-1) / ways.square().sum(-1).clamp(min=1e-12)).clamp(0, 1)
    distance = (pixels - starts - along.unsqueeze(-1) * ways).norm(dim=-1).amin(-1)
    return ((width / 2 - distance) * size + 0.5).clamp(0, 1)[None, None]
