"""Glyphs: characters of many scripts as small images, drawn from the typefaces that matplotlib ships.

A stand-in for Omniglot that needs no download: a class is a character, a group is a script, an example is one of
twelve faces (three families, bold and slanted) after a random rotation, shear, change of size and shift.
Characters that cannot be told apart at this size, such as Latin A and Greek Α, are kept once.
"""

import math
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib
import torch
import torch.nn.functional as F
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageFont
from torch import Tensor

from course import runtime
from course.data.sets import DataError, LabelledSet

FAMILIES = ("DejaVuSans", "DejaVuSansMono", "DejaVuSerif")
SCRIPTS = {
    "train": ("Latin", "modifier letters", "mathematics", "symbols", "punctuation and digits"),
    "validation": ("Greek",),
    "test": ("Cyrillic", "Armenian", "Georgian"),
}
EXAMPLES = 20  # of each character, as in Omniglot
SIZE = 28
CANVAS = 2 * SIZE  # drawn at twice the size, then averaged
BOX = 40  # the longer side of a character on the canvas
FONT_SIZE = 60
ALIKE = 0.010  # mean squared difference, in units of full ink, below which two characters count as the same


def load_glyphs(split: str | None = None) -> LabelledSet:
    """The characters of one split, 20 images each; ``None`` loads all.

    Args:
        split: ``"train"`` (Latin letters and symbols), ``"validation"`` (Greek) or ``"test"`` (Cyrillic, Armenian and
            Georgian). The scripts of different splits are different, as the alphabets of Omniglot are.

    Returns:
        Images ``uint8 [n, 1, 28, 28]``, 255 for full ink; classes are named after the Unicode names of the characters.

    Raises:
        DataError: if the installed matplotlib lacks the typefaces.
        ValueError: if there is no such split.
    """
    if split is not None and split not in SCRIPTS:
        raise ValueError(f"glyphs has the splits {', '.join(SCRIPTS)}, not {split!r}")
    wanted = [script for name, scripts in SCRIPTS.items() if split in (None, name) for script in scripts]
    kept = characters()
    rows = [row for row, character in enumerate(kept) if script_of(character) in wanted]
    # All splits share one stream of random numbers, so that a character looks the same whatever else is loaded.
    generator = torch.Generator().manual_seed(0)
    face, warp = poses(len(kept), generator)
    files = [path for family in faces() for path in family]
    text = [kept[row] for row in rows]
    drawn = [drawings(path, text) for path in runtime.progress(files, desc="glyphs: typefaces", delay=1)]
    drawn = torch.stack(drawn, 1)  # [characters, 12, 56, 56]
    with one_thread():
        bar = runtime.progress(rows, desc="glyphs: characters", delay=1)
        images = torch.cat([warped(drawn[i][face[row]], warp[row]) for i, row in enumerate(bar)])  # 20 images at a time
    return LabelledSet(
        x=images.unsqueeze(1),
        y=torch.arange(len(rows)).repeat_interleave(EXAMPLES),
        classes=tuple(unicodedata.name(character) for character in text),
        groups=tuple(script_of(character) for character in text),
        name="glyphs" if split is None else f"glyphs ({split})",
        full=255,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch work in one thread: for thousands of small calls, several threads mostly wait for one another.

    On two busy cores they took 90 s for what one thread does in 3 s; 2,000 images to a call still cost twice as much
    processor time as 20 images in one thread, which stay in the processor's cache.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def faces() -> list[list[Path]]:
    """The font files of each family, the upright face of normal weight first."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    families = []
    for family in FAMILIES:
        slanted = "Italic" if family.endswith("Serif") else "Oblique"
        files = [folder / f"{family}{style}.ttf" for style in ("", "-Bold", f"-{slanted}", f"-Bold{slanted}")]
        absent = [file.name for file in files if not file.exists()]
        if absent:
            raise DataError(
                f"glyphs: matplotlib {matplotlib.__version__} has no {', '.join(absent)} in {folder}: "
                "install matplotlib with its own fonts (pip install --force-reinstall matplotlib)"
            )
        families.append(files)
    return families


@cache
def characters() -> tuple[str, ...]:
    """The visible characters that all twelve faces have, in the order of Unicode, each shape once."""
    common = set.intersection(*(set(FT2Font(str(file)).get_charmap()) for family in faces() for file in family))
    fonts = [ImageFont.truetype(str(family[0]), FONT_SIZE) for family in faces()]
    visible = [
        character
        for character in map(chr, sorted(common))
        if unicodedata.category(character)[0] not in "ZCM"  # no spaces, controls, or marks without a letter
        and all(font.getmask(character).getbbox() for font in fonts)  # and no blanks among the symbols
    ]
    upright = torch.stack([drawings(family[0], visible) for family in faces()], 1).float() / 255
    shapes = F.avg_pool2d(upright, 2).flatten(1)  # as they look at the final size
    squares = shapes.square().sum(1)
    distance = (squares[:, None] + squares - 2 * shapes @ shapes.T) / shapes.shape[1]
    kept: list[int] = []
    for row, near in enumerate(distance < ALIKE):
        if not near[kept].any():
            kept.append(row)
    return tuple(visible[row] for row in kept)


def characters_of(*scripts: str) -> tuple[str, ...]:
    """Those of :func:`characters` that belong to one of the scripts, as :func:`script_of` names them.

    Raises:
        ValueError: if there is no such script.

    Example:
        >>> len(characters_of("Georgian")) < len(characters_of("Georgian", "Armenian"))
        True
    """
    kept = characters()
    script = [script_of(character) for character in kept]
    if unknown := set(scripts) - set(script):
        raise ValueError(f"no characters of {', '.join(sorted(unknown))}; choose of {', '.join(sorted(set(script)))}")
    return tuple(character for character, own in zip(kept, script, strict=True) if own in scripts)


def script_of(character: str) -> str:
    """The script of a letter, or the kind of another character."""
    name, category = unicodedata.name(character), unicodedata.category(character)
    first = name.split()[0].capitalize()
    if category in ("Lu", "Ll", "Lt", "Lo") and first in ("Latin", "Greek", "Cyrillic", "Armenian", "Georgian"):
        return first
    if category in ("Lm", "Sk"):
        return "modifier letters"
    if category == "Sm":
        return "mathematics"
    return "punctuation and digits" if category[0] in "PN" else "symbols"


def drawings(file: Path, text: list[str]) -> Tensor:
    """Each character in the middle of a canvas, its longer side ``BOX`` pixels: ``uint8 [characters, 56, 56]``."""
    font = ImageFont.truetype(str(file), FONT_SIZE)
    return torch.stack([drawing(font, character) for character in text])


def drawing(font: ImageFont.FreeTypeFont, character: str) -> Tensor:
    """One canvas of :func:`drawings`."""
    mask = font.getmask(character, mode="L")  # cut to the ink
    ink = Image.frombytes("L", mask.size, bytes(mask))
    scale = BOX / max(ink.size)
    width, height = (max(1, round(scale * side)) for side in ink.size)
    canvas = Image.new("L", (CANVAS, CANVAS))
    corner = ((CANVAS - width) // 2, (CANVAS - height) // 2)
    canvas.paste(ink.resize((width, height), Image.Resampling.BILINEAR), corner)
    return torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8).view(CANVAS, CANVAS)


def poses(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """For ``count`` characters, the face ``[count, 20]`` and the affine map ``[count, 20, 2, 3]`` of each image.

    Every face is used at least once.
    """
    face = torch.rand(count, 2, 12, generator=generator).argsort(-1).flatten(1)[:, :EXAMPLES]
    return face, affine_maps((count, EXAMPLES), generator)


def affine_maps(shape: tuple[int, ...], generator: torch.Generator, strength: float = 1.0) -> Tensor:
    """Random affine maps, ``[*shape, 2, 3]``, for :func:`warped`.

    Rotation up to 20 degrees, shear up to 0.2, size 75 to 105 %, shift up to 1.5 pixels of the final image; all of it
    around its middle, a size of 90 %, and ``strength`` times as far.
    """

    def uniform(low: float, high: float) -> Tensor:
        middle, half = (low + high) / 2, strength * (high - low) / 2
        return middle - half + 2 * half * torch.rand(shape, generator=generator)

    angle, shear, size = uniform(-20, 20) * math.pi / 180, uniform(-0.2, 0.2), uniform(0.75, 1.05)
    shift_x, shift_y = (uniform(-1.5, 1.5) * 2 / SIZE for _ in range(2))
    # grid_sample wants the map from the final image back to the drawing
    cos, sin = angle.cos() / size, angle.sin() / size
    rows = torch.stack([cos, shear * cos - sin, shift_x, sin, shear * sin + cos, shift_y], -1)
    return rows.unflatten(-1, (2, 3))


def warped(drawn: Tensor, maps: Tensor) -> Tensor:
    """Drawings ``uint8 [n, 56, 56]`` under affine maps ``[n, 2, 3]``, at the final size: ``uint8 [n, 28, 28]``."""
    grid = F.affine_grid(maps, [len(drawn), 1, CANVAS, CANVAS], align_corners=False)
    moved = F.grid_sample(drawn.unsqueeze(1).float(), grid, align_corners=False)
    return F.avg_pool2d(moved, 2).round().to(torch.uint8).squeeze(1)
