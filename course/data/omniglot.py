"""Omniglot: 1,623 characters of 50 alphabets, each drawn once by 20 people; the test bench of few-shot learning.

Source: Lake, Salakhutdinov and Tenenbaum, *Human-level concept learning through probabilistic program induction*
(2015). The files are the owners' ``images_background.zip`` and ``images_evaluation.zip``, or the same unpacked.
"""

import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from PIL import Image

from course import runtime
from course.arguments import require_whole
from course.data.location import locate
from course.data.pictures import BROKEN as BROKEN_PICTURE
from course.data.sets import Damaged, LabelledSet

SIDE = 105  # pixels of an original drawing, in both directions
DRAWERS = 20
PARTS = {"images_background": (30, 964), "images_evaluation": (20, 659)}  # alphabets, characters
BY_CHARACTER = {"train": (0, 1100), "validation": (1100, 1200), "test": (1200, 1623)}
TRAIN_ALPHABETS = 25  # of the 30 background alphabets; the other 5 are for validation
# What a damaged zip file or picture in it makes zipfile and Pillow raise; RuntimeError: a flag that says `encrypted`.
BROKEN = (*BROKEN_PICTURE, RuntimeError, zlib.error, BadZipFile)


@dataclass(frozen=True)
class Character:
    """Where the drawings of a character lie: a part of the set and the names of its 20 files, one for each drawer."""

    part: "Part"
    alphabet: str
    name: str
    files: tuple[str, ...]


class Part:
    """One of the two halves of the set: a zip file, or the folder that it unpacks to.

    Args:
        folder: where the half lies.
        name: ``images_background`` or ``images_evaluation``.
    """

    def __init__(self, folder: Path, name: str):
        self.name, archive, unpacked = name, folder / f"{name}.zip", folder / name
        if not archive.exists() and not unpacked.is_dir():
            raise Damaged(f"{archive} is missing, and so is the unpacked folder {unpacked}")
        self.path = archive if archive.exists() else unpacked
        self.archive: ZipFile | None = None
        if self.path == archive:
            try:
                self.archive = ZipFile(archive)
            except BROKEN as error:
                raise Damaged(f"{archive} is damaged or cut short ({error})") from error

    def files(self) -> list[str]:
        """The names of its pictures, ``images_background/<alphabet>/<character>/<file>.png``."""
        if self.archive is not None:
            names = self.archive.namelist()
        else:
            names = [path.relative_to(self.path.parent).as_posix() for path in self.path.rglob("*.png")]
        visible = (name for name in names if not any(part.startswith((".", "__")) for part in name.split("/")))
        return sorted(name for name in visible if name.endswith(".png"))

    def characters(self) -> list[Character]:
        """The characters of this half in alphabetical order; the names alone are read, and counted."""
        found: dict[tuple[str, str], list[str]] = {}
        for file in self.files():
            parts = file.split("/")
            if len(parts) != 4 or parts[0] != self.name:
                raise Damaged(f"{self.path} holds {file}; expected {self.name}/<alphabet>/<character>/<file>.png")
            found.setdefault((parts[1], parts[2]), []).append(file)
        alphabets, characters = PARTS[self.name]
        counts = (len({alphabet for alphabet, _ in found}), len(found), sum(map(len, found.values())))
        expected = (alphabets, characters, characters * DRAWERS)
        uneven = [f"{'/'.join(key)} with {len(files)}" for key, files in found.items() if len(files) != DRAWERS]
        if counts != expected or uneven:
            detail = f" ({', '.join(uneven[:3])}{', …' if len(uneven) > 3 else ''})" if uneven else ""
            raise Damaged(
                "{} holds {:,} alphabets, {:,} characters and {:,} pictures{}; ".format(self.path, *counts, detail)
                + "expected {:,}, {:,} and {:,}, 20 of each character".format(*expected)
            )
        return [Character(self, *key, tuple(files)) for key, files in found.items()]

    def ink(self, file: str) -> np.ndarray:
        """One drawing, ``bool [105, 105]``, true where there is ink (black in the file)."""
        try:
            data = self.archive.read(file) if self.archive is not None else (self.path.parent / file).read_bytes()
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                pixels = np.asarray(image.convert("1"))
        except BROKEN as error:
            raise Damaged(f"{self.path}: the picture {file} cannot be read ({error})") from error
        if pixels.shape != (SIDE, SIDE):
            raise Damaged(
                f"{self.path}: the picture {file} has {pixels.shape[1]} × {pixels.shape[0]} pixels, "
                f"expected {SIDE} × {SIDE}"
            )
        return ~pixels


def load_omniglot(
    split: str | None = None, *, size: int = 28, rotations: bool = False, split_by: str = "character"
) -> LabelledSet:
    """Omniglot as one tensor.

    A drawing is scaled down by exact area averaging, so that the share of ink stays the same.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all 1,623 characters.
        size: side of a picture in pixels, 1 to 105; the papers use 28.
        rotations: add every character turned by 90, 180 and 270 degrees as three more classes, as the papers do.
        split_by: ``character`` draws 1,100 / 100 / 423 of all characters by a fixed permutation (the papers train on
            1,200 random ones and test on 423). ``alphabet`` keeps alphabets whole, which is harder: 25 / 5 of the 30
            background alphabets, and the 20 evaluation alphabets for testing.

    Returns:
        Examples ``uint8 [20 * classes, 1, size, size]`` with 255 for full ink, 20 in a row for each class; the group of
        a class is its alphabet.

    Raises:
        Damaged: if files are missing, damaged, or not what Omniglot consists of.
        ValueError: if an argument is out of its range.
    """
    require_whole("size", size, 1, SIDE)
    if split is not None and split not in BY_CHARACTER:
        raise ValueError(f"omniglot has the splits {', '.join(BY_CHARACTER)}, not {split!r}")
    if split_by not in ("character", "alphabet"):
        raise ValueError(f"split_by must be 'character' or 'alphabet', got {split_by!r}")
    chosen = selected(locate("omniglot"), split, split_by)
    weights = area_weights(SIDE, size)
    x = np.empty((len(chosen), DRAWERS, size, size), dtype=np.uint8)
    for position, character in enumerate(runtime.progress(chosen, desc="omniglot: characters", delay=1)):
        ink = np.stack([character.part.ink(file) for file in character.files]).astype(np.float32)
        narrowed = np.tensordot(ink, weights, (2, 1))  # [drawer, y, new x]
        x[position] = np.rint(255 * np.tensordot(narrowed, weights, (1, 1)).swapaxes(1, 2))
    classes = [f"{character.alphabet}/{character.name}" for character in chosen]
    groups = [character.alphabet for character in chosen]
    pictures = torch.from_numpy(x)
    if rotations:
        pictures = torch.cat([pictures.rot90(turns, (-2, -1)) for turns in range(4)])
        classes = [name + turned for turned in ("", " turned 90", " turned 180", " turned 270") for name in classes]
        groups *= 4
    y = torch.arange(len(classes)).repeat_interleave(DRAWERS)
    name = "omniglot" if split is None else f"omniglot ({split})"
    return LabelledSet(pictures.reshape(-1, 1, size, size), y, tuple(classes), tuple(groups), name, full=255)


def selected(folder: Path, split: str | None, split_by: str) -> list[Character]:
    """The characters of a split, in alphabetical order; only the halves that it needs are opened."""
    if split_by == "alphabet" and split is not None:
        part = "images_evaluation" if split == "test" else "images_background"
        characters = Part(folder, part).characters()
        if split == "test":
            return characters
        alphabets = sorted({character.alphabet for character in characters})
        order = permutation(len(alphabets))
        kept = order[:TRAIN_ALPHABETS] if split == "train" else order[TRAIN_ALPHABETS:]
        names = {alphabets[number] for number in kept}
        return [character for character in characters if character.alphabet in names]
    characters = [character for name in PARTS for character in Part(folder, name).characters()]
    characters.sort(key=lambda character: (character.alphabet, character.name))
    if split is None:
        return characters
    first, last = BY_CHARACTER[split]
    return [characters[number] for number in sorted(permutation(len(characters))[first:last])]


def permutation(length: int) -> list[int]:
    """A fixed random order: the same on every machine."""
    return torch.randperm(length, generator=torch.Generator().manual_seed(0)).tolist()


def area_weights(source: int, target: int) -> np.ndarray:
    """Matrix ``[target, source]`` that averages ``source`` pixels in a row over ``target`` equal stretches.

    A pixel that lies across a border counts for both sides by the share of it that lies there; every row sums to 1.
    """
    borders = np.arange(target + 1) * source / target
    pixels = np.arange(source)
    overlap = np.minimum(borders[1:, None], pixels + 1) - np.maximum(borders[:-1, None], pixels)
    return (overlap.clip(0) * target / source).astype(np.float32)
