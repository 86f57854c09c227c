"""Corpora that others collected: four of NLTK's English ones, and the captions of Multi30k in four languages.

Sources: Bird, Klein and Loper, *Natural language processing with Python* (2009), whose data NLTK gives out; Elliott,
Frank, Sima'an and Specia, *Multi30K: multilingual English-German image descriptions* (2016).
"""

import gzip
import io
import re
from collections.abc import Callable, Sequence
from zipfile import ZipFile

from course.data.checked import owners_files
from course.data.texts import Texts

TAGGED = re.compile(r"(\S+)/\S+")
CAPTIONS = {"train": "train", "validation": "val", "test": "test_2016_flickr"}  # split to the owner's name of it
LANGUAGES = ("en", "de", "fr", "cs")


def untagged(text: str) -> str:
    """The Brown corpus without its parts of speech, one sentence on each line.

    Example:
        >>> untagged("The/at jury/nn and/or/cc ./.\\n\\n\\nNo/at")
        'The jury and/or .\\nNo'
    """
    return "\n".join(" ".join(TAGGED.findall(line)) for line in text.splitlines() if line.strip())


# What names a text within each zip file, and how it is read.
CORPORA: dict[str, tuple[str, Callable[[str], str]]] = {
    "brown": (r"c[a-r]\d\d", untagged),
    "movie_reviews": (r"(neg|pos)/cv\d{3}_\d+\.txt", str),
    "state_union": (r"\d{4}-\w+(-\d)?\.txt", str),
    "inaugural": (r"\d{4}-\w+\.txt", str),
}


def load_nltk(*, corpora: Sequence[str] = tuple(CORPORA)) -> Texts:
    """English corpora that NLTK gives out; a document is a text of the Brown corpus, a film review, or a speech.

    Args:
        corpora: which of ``brown`` (500 texts of 15 kinds, printed in 1961; its tags are taken off), ``movie_reviews``
            (1,000 against and 1,000 in favour of a film, in lower case), ``state_union`` and ``inaugural`` (speeches of
            American presidents), in this order. A line is a sentence in the first two, a paragraph in the speeches.

    Returns:
        The texts; their names begin with the name of the corpus, such as ``movie_reviews/pos/cv000_29590.txt``.

    Raises:
        Damaged: if files are missing or not NLTK's.
        ValueError: if there is no corpus of this name.
    """
    if unknown := [name for name in corpora if name not in CORPORA]:
        raise ValueError(f"nltk_corpora has {', '.join(CORPORA)}, not {unknown[0]!r}")
    files = owners_files("nltk_corpora")
    found: dict[str, str] = {}
    for corpus in corpora:
        pattern, read = CORPORA[corpus]
        with ZipFile(io.BytesIO(files[f"{corpus}.zip"])) as archive:
            names = sorted(name for name in archive.namelist() if re.fullmatch(f"{corpus}/{pattern}", name))
            found |= {name: read(decoded(archive.read(name))) for name in names}
    return Texts(tuple(found.values()), tuple(found), "nltk_corpora")


def decoded(content: bytes) -> str:
    """A text in UTF-8, or else in Big5, in which a few of the speeches came to have their quotation marks."""
    try:
        return content.decode("utf8")
    except UnicodeDecodeError:
        return content.decode("big5")


def load_multi30k(split: str | None = None) -> dict[str, Texts]:
    """Captions of the same photographs (which are not included) in English, German, French and Czech.

    The German, French and Czech ones are translations of the English ones.

    Args:
        split: ``train`` (29,000 captions), ``validation`` (1,014), ``test`` (1,000, of 2016), or ``None`` for all.

    Returns:
        The captions by language, ``en``, ``de``, ``fr`` and ``cs``; number i of each language is of the same picture.

    Raises:
        Damaged: if files are missing or not Multi30k's.
        ValueError: if there is no such split.
    """
    if split not in (None, *CAPTIONS):
        raise ValueError(f"multi30k has the splits {', '.join(CAPTIONS)}, not {split!r}")
    files = owners_files("multi30k")
    parts = [name for part, name in CAPTIONS.items() if split in (None, part)]
    captions = {}
    for language in LANGUAGES:
        lines = {part: gzip.decompress(files[f"raw/{part}.{language}.gz"]).decode().split("\n")[:-1] for part in parts}
        names = tuple(f"{part}:{number}" for part in parts for number in range(len(lines[part])))
        texts = tuple(line for part in parts for line in lines[part])
        captions[language] = Texts(texts, names, f"multi30k ({', '.join(filter(None, (split, language)))})")
    return captions
