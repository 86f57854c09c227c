"""Your own pictures or recordings as a data set: one sub-folder for each class.

Nothing is skipped in silence: a file that cannot be used is named, with what to do about it.
"""

from pathlib import Path
from typing import Any

import torch

from course.data.pictures import FORMATS, read_pictures
from course.data.registry import require_options
from course.data.sets import DataError, LabelledSet
from course.data.sounds import SOUNDS, Sounds, read_sounds

OF_THE_SYSTEM = {"thumbs.db", "desktop.ini"}
EXPECTED = f"pictures ({', '.join(FORMATS)}) or recordings ({', '.join(SOUNDS)})"


def from_folder(path: str | Path, **options: Any) -> LabelledSet:
    """Read a folder with one sub-folder for each class, which hold either pictures or recordings.

    Args:
        path: the folder.
        options: for pictures ``size``, ``channels`` and ``invert`` of :func:`~course.data.pictures.read_pictures`; for
            recordings ``rate``, ``mono`` and ``speaker`` of :func:`~course.data.sounds.read_sounds`.

    Returns:
        A :class:`~course.data.LabelledSet` of pictures, or :class:`~course.data.Sounds`; classes and files in the order
        of their names.

    Raises:
        DataError: if the folder is missing or empty, holds fewer than two classes, a class without files, a file
            of another kind, both kinds, or a file that cannot be used.
        ValueError: if an option is not one for files of this kind, or out of its range.
    """
    folder = Path(path).expanduser()
    of_class = {class_folder.name: files_of(class_folder) for class_folder in class_folders(folder)}
    files = [file for members in of_class.values() for file in members]
    sounds = [file for file in files if file.suffix.lower() in SOUNDS]
    pictures = [file for file in files if file.suffix.lower() in FORMATS]
    if sounds and pictures:
        raise DataError(
            f"{folder} holds both pictures ({named(pictures)}) and recordings ({named(sounds)}): keep one kind"
        )
    kind, reader = (Sounds, read_sounds) if sounds else (LabelledSet, read_pictures)
    owner = "from_folder for recordings" if sounds else "from_folder for pictures"
    require_options(owner, options, list(reader.__kwdefaults__))
    y = torch.arange(len(of_class)).repeat_interleave(torch.tensor([len(members) for members in of_class.values()]))
    classes = tuple(of_class)
    return kind(y=y, classes=classes, groups=classes, name=folder.resolve().name, **reader(files, **options))


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
            "move each file into the folder of its class, and anything else out"
        )
    if len(inside) < 2:
        found = f"only the class {inside[0].name!r}" if inside else "nothing"
        raise DataError(f"{folder} holds {found}: make one sub-folder for each class, at least two")
    return inside


def files_of(folder: Path) -> list[Path]:
    """The pictures or recordings of a class."""
    inside = visible(folder)
    if not inside:
        raise DataError(f"the class folder {folder} is empty: add {EXPECTED}, or delete it")
    strange = [path for path in inside if path.is_dir() or path.suffix.lower() not in (*FORMATS, *SOUNDS)]
    if strange:
        raise DataError(f"{folder} holds {named(strange)}, expected {EXPECTED} only: convert or move what is neither")
    return inside


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden files and those that operating systems leave behind."""
    return sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".") and path.name.lower() not in OF_THE_SYSTEM),
        key=lambda path: path.name,
    )


def named(paths: list[Path]) -> str:
    """The first three names, and how many more."""
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(path.name for path in paths[:3]) + more
