"""Noto emoji: Google's pictures of the same things that ``emoji`` shows, with names and keywords in 18 languages.

Another artist's hand, in the same groups and the same splits: what a network has learnt from one set can be asked about
the other. Pictures: Noto Emoji (Apache License 2.0). Names: Unicode CLDR (Unicode License v3).
"""

import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from course.arguments import require_whole
from course.data.checked import files_in
from course.data.emoji import SPLITS, Emoji, splits
from course.data.emoji_groups import GROUPS
from course.data.location import locate
from course.data.omniglot import BROKEN
from course.data.pictures import on_paper
from course.data.sets import Damaged

LANGUAGES = (
    "en", "ar", "de", "es", "fi", "fr", "hi", "id", "it", "ja", "ko", "pt", "ru", "sw", "tr", "uk", "ur", "zh",
)  # fmt: skip
SIDE = 72  # pixels of an original picture, in both directions
PICTURE = re.compile(r"png72/emoji_u([0-9a-f]{4,5}(?:_[0-9a-f]{4,5})*)\.png")  # the code points, without U+FE0F
ANNOTATIONS = re.compile(rf"cldr/annotations/({'|'.join(LANGUAGES)})\.json")
PICTURES = 1_562  # of one or more signs, the first of them in GROUPS
NAMES = "5057e4b70d3835aba56ebcd4750adf26321cff531e14273d579c99449508a601"  # the SHA-256 of the names and keywords


def load_noto(split: str | None = None, *, size: int = 32) -> Emoji:
    """The emoji that Google draws, without flags, skin tones and key caps, in the order of Unicode.

    1,378 of them are a single code point, and the set ``emoji`` has all of these, too. The others are sequences: a
    person, a joiner and a rocket make an astronaut. A sequence has the group and the split of its first sign, so an
    emoji of the test is in the training of neither set. (Unicode has two of the sequences in other groups: the brown
    mushroom and the eye in a speech bubble.) Google draws other things alike than OpenMoji does, and here such pictures
    are not kept together: 11 % of the test have a look-alike in training, where a split by chance would leave 24 %.

    Args:
        split: ``train``, ``validation``, ``test``, or ``None`` for all; that of :func:`course.data.emoji.load_emoji`.
        size: side of a picture in pixels, from 8 to 72; smaller ones are exact averages over areas.

    Returns:
        Pictures ``uint8 [n, 3, size, size]``, 255 for white paper; 8 groups; names and keywords.

    Raises:
        Damaged: if files are missing, damaged, or not those that the course knows.
        ValueError: if ``size`` is out of its range, or there is no such split.
    """
    require_whole("size", size, 8, SIDE)
    if split is not None and split not in SPLITS:
        raise ValueError(f"noto_emoji has the splits {', '.join(SPLITS)}, not {split!r}")
    folder = locate("noto_emoji")
    annotations = read_annotations(one_of(folder / "cldr_18langs.zip", folder / "cldr"))
    path = one_of(folder / "noto_emoji_72px.zip", folder / "png72")
    files = picture_files(path, annotations)
    group = {character: number for number, members in enumerate(GROUPS.values()) for character in members}
    chosen = sorted(emoji for emoji in files if split in (None, splits()[emoji[0]]))
    return Emoji(
        x=torch.from_numpy(np.stack([picture(path, *files[emoji], size) for emoji in chosen])),
        y=torch.tensor([group[emoji[0]] for emoji in chosen]),
        classes=tuple(GROUPS),
        groups=tuple(GROUPS),
        name="noto_emoji" if split is None else f"noto_emoji ({split})",
        full=255,
        characters=tuple(chosen),
        names={language: tuple(of[emoji]["tts"][0] for emoji in chosen) for language, of in annotations.items()},
        keywords={
            language: tuple(tuple(of[emoji]["default"]) for emoji in chosen) for language, of in annotations.items()
        },
    )


def one_of(archive: Path, unpacked: Path) -> Path:
    """The zip file, or the folder if only that is there."""
    return unpacked if unpacked.is_dir() and not archive.exists() else archive


def read_annotations(path: Path) -> dict[str, dict[str, Any]]:
    """By language, what CLDR says of each character: its name (``tts``) and its keywords (``default``)."""
    found = {ANNOTATIONS.fullmatch(name)[1]: content for name, content in files_in(path, ANNOTATIONS).items()}
    digest = hashlib.sha256(b"".join(found.get(language, b"") + b"\0" for language in LANGUAGES)).hexdigest()
    if digest != NAMES:
        raise Damaged(
            f"{path} holds cldr/annotations/<language>.json of {len(found)} languages with the SHA-256 {digest}, "
            f"expected {len(LANGUAGES)} with {NAMES}"
        )
    return {language: json.loads(found[language])["annotations"]["annotations"] for language in LANGUAGES}


def picture_files(path: Path, annotations: dict[str, dict[str, Any]]) -> dict[str, tuple[str, bytes]]:
    """By emoji, the name and content of the file with its picture; those that have a group and a name."""
    found = {}
    for name, content in files_in(path, PICTURE).items():
        emoji = "".join(chr(int(point, 16)) for point in PICTURE.fullmatch(name)[1].split("_"))
        if emoji[0] in splits() and all(emoji in of for of in annotations.values()):
            found[emoji] = name, content
    if len(found) != PICTURES:
        raise Damaged(
            f"{path} holds {len(found):,} pictures png72/emoji_u<code points>.png of emoji with a group and names, "
            f"expected {PICTURES:,}"
        )
    return found


def picture(path: Path, name: str, content: bytes, size: int) -> np.ndarray:
    """One picture on white paper, ``uint8 [3, size, size]``."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
            image = on_paper(opened, 255).convert("RGB")
    except BROKEN as error:
        raise Damaged(f"{path}: the picture {name} cannot be read ({error})") from error
    if image.size != (SIDE, SIDE):
        raise Damaged(f"{path}: the picture {name} has {image.width} × {image.height} pixels, expected {SIDE} × {SIDE}")
    return np.asarray(image.resize((size, size), Image.Resampling.BOX)).transpose(2, 0, 1)
