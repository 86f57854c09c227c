"""A reader's own classes: a folder of pictures for each class that has some, and a file that describes all of them.

``descriptions.csv`` lies beside the folders of the classes and has the columns ``class`` and ``text``. A class may have
several lines, whose texts are averaged; a class without a folder has no pictures, and can be recognised all the same.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from course import data
from course.data.folder import files_of, named, visible
from course.data.pictures import FORMATS, read_pictures
from course.data.sets import DataError

DESCRIPTIONS = "descriptions.csv"


@dataclass(frozen=True)
class Source:
    """Pictures and descriptions as they come.

    Attributes:
        x: pictures ``uint8 [n, 3, size, size]`` on white.
        labels: the class of each, ``int64 [n]``.
        classes: names; the first ones have pictures, the others only descriptions.
        texts: one or more for each class.
        groups: of each class, for cuts of the results; empty if there are none.
        licence_of: the name in the registry of data sets, or empty for the reader's own.
    """

    x: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...] = ()
    licence_of: str = ""

    @property
    def shown(self) -> int:
        """How many classes have pictures."""
        return int(self.labels.max()) + 1


def read_source(name: str, size: int) -> Source:
    """The set ``emoji``, where each emoji is a class, or a folder as described above.

    Raises:
        DataError: if a class has no description, a line is no description, there are no pictures, or a file cannot be
            used; the message names it.
    """
    if name == "emoji":
        emoji = data.load("emoji", size=size)
        names = emoji.names["en"]
        groups = tuple(emoji.classes[number] for number in emoji.y.tolist())
        return Source(emoji.x, torch.arange(len(names)), names, tuple((each,) for each in names), groups, "emoji")
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise DataError(f"{name} is neither 'emoji' nor a folder: name a folder of class folders and {DESCRIPTIONS}")
    said = read_descriptions(folder / DESCRIPTIONS)
    inside = [path for path in visible(folder) if path.name != DESCRIPTIONS]
    if files := [path for path in inside if not path.is_dir()]:
        raise DataError(f"{folder} holds {named(files)} beside the folders of the classes: move each into its class")
    if absent := [path.name for path in inside if path.name not in said]:
        raise DataError(f"{folder / DESCRIPTIONS} describes no class {absent[0]!r}: add a line for its folder")
    if not inside:
        raise DataError(f"{folder} holds no folder of a class: make one for each class that has pictures")
    of_class = {path.name: files_of(path) for path in inside}
    classes = (*of_class, *(name for name in said if name not in of_class))
    labels = torch.arange(len(of_class)).repeat_interleave(torch.tensor([len(each) for each in of_class.values()]))
    x = read_on_white([file for files in of_class.values() for file in files], size)
    return Source(x, labels, classes, tuple(said[name] for name in classes))


def read_descriptions(path: Path) -> dict[str, tuple[str, ...]]:
    """The texts of each class, in the order of the file.

    Raises:
        DataError: if the file is missing, has other columns, or a line without class or text.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: write a CSV file with the columns class and text, a line a description")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or not {"class", "text"} <= set(reader.fieldnames):
            raise DataError(f"{path} has the columns {reader.fieldnames}, expected class and text in its first line")
        found: dict[str, list[str]] = {}
        for row in reader:
            name, text = ((row[column] or "").strip() for column in ("class", "text"))
            if not name or not text:
                raise DataError(f"{path}, line {reader.line_num}: a description needs a class and a text, got {row}")
            found.setdefault(name, []).append(text)
    if len(found) < 2:
        raise DataError(f"{path} describes {len(found)} classes, expected two or more")
    return {name: tuple(texts) for name, texts in found.items()}


def read_on_white(files: list[Path], size: int) -> Tensor:
    """Pictures as squares on white paper, which shows through where they are transparent: ``uint8 [n, 3, …]``."""
    if strange := [file for file in files if file.suffix.lower() not in FORMATS]:
        raise DataError(f"{named(strange)}: expected pictures ({', '.join(FORMATS)})")
    return 255 - read_pictures(files, size=size, channels=3, invert=True)["x"]
