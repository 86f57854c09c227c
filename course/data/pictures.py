"""Pictures of any format and size as one tensor of squares."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps

from course.arguments import require_whole
from course.data.sets import DataError

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".gif": "GIF", ".bmp": "BMP", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read_pictures(files: Sequence[Path], *, size: int = 28, channels: int = 1, invert: bool = False) -> dict[str, Any]:
    """Read pictures as squares.

    Every picture is scaled to fit into a square and padded with 0 to fill it, so that its proportions stay. Its format
    is found by the content, whatever the name ends with. What becomes of each kind:

    * Palettes and 1, 2 or 4 bits a pixel: the colours that they stand for. 16 bits: the upper 8. 32 bits are refused.
    * CMYK, YCbCr and L*a*b*: converted to RGB. A colour profile is not applied.
    * Transparent parts (by an alpha channel, in a palette, or of one colour that counts as transparent) are background;
      half-transparent ones are mixed with it. Background is what becomes 0.
    * A photograph is turned upright, as its EXIF orientation says.
    * Of several frames (GIF, APNG, WebP) or pages (TIFF, JPEG of two lenses) the first one is taken.
    * Grey becomes three equal colours with ``channels=3``, and colours become grey with ``channels=1``: 0.299 of red,
      0.587 of green and 0.114 of blue.
    * Refused by name: what is cut short, empty, no picture of a known format, or has more than 179 million pixels
      (twice ``PIL.Image.MAX_IMAGE_PIXELS``; from that number on Pillow warns). Also TIFF files without compression that
      are to be turned by 90 degrees, which Pillow 13.0 garbles.

    Args:
        files: the pictures.
        size: side of the square in pixels.
        channels: 1 for grey values, 3 for red, green and blue.
        invert: exchange dark and light. Use it for dark drawings on white paper, so that ink is high and paper 0 as in
            the other sets.

    Returns:
        ``x``, ``uint8 [n, channels, size, size]``, and ``full`` of :class:`~course.data.LabelledSet`.

    Raises:
        DataError: if a picture is broken; the message names the file.
        ValueError: if ``size`` or ``channels`` is out of its range.
    """
    require_whole("size", size)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels!r}")
    squares = np.stack([read_square(file, size, channels, invert) for file in files])
    return {"x": torch.from_numpy(squares), "full": 255}


def read_square(path: Path, size: int, channels: int, invert: bool) -> np.ndarray:
    """One picture as ``uint8 [channels, size, size]``."""
    try:
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as opened:
            require_readable(opened)
            image = flat(ImageOps.exif_transpose(opened), channels, paper=255 if invert else 0)
            scale = size / max(image.size)
            image = image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.LANCZOS)
    except BROKEN as error:
        raise DataError(
            f"the picture {path} cannot be read ({error}): open it in a picture program and save it again, or remove it"
        ) from error
    pixels = np.asarray(image).reshape(image.height, image.width, channels)
    square = np.zeros((size, size, channels), dtype=np.uint8)
    top, left = (size - image.height) // 2, (size - image.width) // 2
    square[top : top + image.height, left : left + image.width] = 255 - pixels if invert else pixels
    return square.transpose(2, 0, 1)


def require_readable(opened: Image.Image) -> None:
    """Raise ValueError for a kind of picture that Pillow would read wrongly."""
    on_its_side = opened.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    if opened.format == "TIFF" and opened.info.get("compression") == "raw" and on_its_side:
        raise ValueError("it is a TIFF file without compression that is to be turned by 90 degrees")


def flat(image: Image.Image, channels: int, paper: int) -> Image.Image:
    """The picture in 8 bits a channel, its transparent parts replaced by ``paper``."""
    if image.mode.startswith("I;16"):
        image = upper_bits(image)
    elif image.mode in ("I", "F"):
        raise ValueError("it has 32 bits a pixel, expected 8 or 16")
    colours = on_paper(image, paper).convert("RGB")  # not at once to L, to which not every mode can be converted
    return colours.convert("L") if channels == 1 else colours


def upper_bits(image: Image.Image) -> Image.Image:
    """A grey picture of 16 bits a pixel in 8 bits; the value that counts as transparent becomes an alpha channel."""
    values = np.asarray(image).astype(np.uint16)
    grey, clear = (values >> 8).astype(np.uint8), image.info.get("transparency")
    if clear is None:
        return Image.fromarray(grey)
    return Image.fromarray(np.stack([grey, np.where(values == clear, 0, 255).astype(np.uint8)], -1))


def on_paper(image: Image.Image, paper: int) -> Image.Image:
    """The picture laid on paper of a grey value, which shows where the picture is transparent."""
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (paper, paper, paper, 255)), image)
