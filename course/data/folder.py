"""Your own pictures as a data set: one sub-folder for each class, any picture format and size.

Nothing is skipped in silence: a file that cannot be used is named, with what to do about it.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from course.arguments import require_whole
from course.data.sets import DataError, LabelledSet

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".gif": "GIF", ".bmp": "BMP", ".webp": "WEBP",
    ".tif": "TIFF", ".tiff": "TIFF",
}  # fmt: skip
OF_THE_SYSTEM = {"thumbs.db", "desktop.ini"}
BROKEN = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def from_folder(path: str | Path, *, size: int = 28, channels: int = 1, invert: bool = False) -> LabelledSet:
    """Read a folder with one sub-folder for each class.

    Every picture is scaled to fit into a square and padded with 0 to fill it, so that its proportions stay. Of a moving
    picture the first frame is taken; a photograph is turned upright; what is transparent counts as background.

    Args:
        path: the folder.
        size: side of the square in pixels.
        channels: 1 for grey values, 3 for red, green and blue.
        invert: exchange dark and light. Use it for dark drawings on white paper, so that ink is high and paper 0 as in
            the other sets.

    Returns:
        Examples ``uint8 [n, channels, size, size]``; classes and pictures in the order of their names.

    Raises:
        DataError: if the folder is missing or empty, holds fewer than two classes, a class without pictures, a file
            that is no picture, or a broken picture.
        ValueError: if ``size`` or ``channels`` is out of its range.
    """
    require_whole("size", size)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), got {channels!r}")
    folder = Path(path).expanduser()
    pictures = {class_folder.name: pictures_of(class_folder) for class_folder in class_folders(folder)}
    squares = [read_square(file, size, channels, invert) for files in pictures.values() for file in files]
    y = torch.arange(len(pictures)).repeat_interleave(torch.tensor([len(files) for files in pictures.values()]))
    classes = tuple(pictures)
    return LabelledSet(torch.from_numpy(np.stack(squares)), y, classes, classes, folder.resolve().name)


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files and those that operating systems leave behind."""
    return sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".") and path.name.lower() not in OF_THE_SYSTEM),
        key=lambda path: path.name,
    )


def class_folders(folder: Path) -> list[Path]:
    """The sub-folders, one for each class."""
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "is missing"
        raise DataError(f"{folder} {state}: name a folder with one sub-folder for each class")
    inside = visible(folder)
    files = [path for path in inside if not path.is_dir()]
    if files:
        raise DataError(
            f"{folder} holds {named(files)} beside the folders of the classes: "
            "move pictures into the folder of their class, and anything else out"
        )
    if len(inside) < 2:
        found = f"only the class {inside[0].name!r}" if inside else "nothing"
        raise DataError(f"{folder} holds {found}: make one sub-folder for each class, at least two")
    return inside


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a class."""
    inside = visible(folder)
    if not inside:
        raise DataError(f"the class folder {folder} holds no picture: add some ({', '.join(FORMATS)}), or delete it")
    strange = [path for path in inside if path.is_dir() or path.suffix.lower() not in FORMATS]
    sounds = [path for path in strange if path.suffix.lower() == ".wav"]
    if sounds:
        raise DataError(
            f"{folder} holds sound ({named(sounds)}), but from_folder reads pictures only: "
            "sound comes in a later release of the course"
        )
    if strange:
        raise DataError(
            f"{folder} holds {named(strange)}, expected pictures only ({', '.join(FORMATS)}): "
            "convert or move what is none"
        )
    return inside


def named(paths: list[Path]) -> str:
    """The first three names, and how many more."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(path.name for path in paths[:3]) + more


def read_square(path: Path, size: int, channels: int, invert: bool) -> np.ndarray:
    """One picture as ``uint8 [channels, size, size]``."""
    try:
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as opened:
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


def flat(image: Image.Image, channels: int, paper: int) -> Image.Image:
    """The picture in 8 bits a channel, its transparent parts replaced by ``paper``."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError("it has 32 bits a pixel, expected 8 or 16")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (paper, paper, paper, 255)), image)
    return image.convert("L" if channels == 1 else "RGB")
