"""Lists of words that embeddings are tested with: similarity judged by people, analogies, bilingual dictionaries.

Sources: Finkelstein et al., *Placing search in context: the concept revisited* (2002), and the authors of the other
lists; Mikolov et al., *Efficient estimation of word representations in vector space* (2013); Glavaš et al., *How to
(properly) evaluate cross-lingual word embeddings* (2019).
"""

import hashlib
import re
from dataclasses import dataclass

from course.data.checked import files_in, owners_files
from course.data.location import locate
from course.data.sets import Damaged, OnDevice
from course.data.texts import WordPairs

# How many files, and the SHA-256 of their names and contents.
DICTIONARIES = (142, "5f9ce297dacab16c3cf3f8453c0ee3a0c0fd259fa383744689c65cd035eaa546")
DICTIONARY = re.compile(r"bli_datasets/\w\w-\w\w/yacle\.(train|test)\.freq\.(\w+)\.(\w\w)-(\w\w)\.tsv")


@dataclass(frozen=True, repr=False)
class ScoredPairs(OnDevice):
    """Pairs of words with the similarity that people gave them.

    Attributes:
        x, y: the two words of each pair.
        scores: their similarity; each list has its own scale.
        name: the name of the list.

    Example:
        >>> ScoredPairs(("tiger", "king"), ("cat", "cabbage"), (7.35, 0.23), "WS-353-ALL")
        ScoredPairs('WS-353-ALL', 2 pairs, scores 0.23 to 7.35)
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    scores: tuple[float, ...]
    name: str

    def __repr__(self) -> str:
        scores = f"scores {min(self.scores):g} to {max(self.scores):g}"
        return f"ScoredPairs({self.name!r}, {len(self):,} pairs, {scores})"


def load_wordsim() -> dict[str, ScoredPairs]:
    """Thirteen lists by name.

    WordSim-353 (``WS-353-ALL``; its pairs of similar words ``WS-353-SIM``, its related ones ``WS-353-REL``),
    ``SIMLEX-999``, ``MEN-TR-3k``, ``MTurk-287``, ``MTurk-771``, ``RG-65``, ``MC-30``, rare words (``RW-STANFORD``) and
    verbs (``SimVerb-3500``, ``YP-130``, ``VERB-143``).

    Raises:
        Damaged: if files are missing or not the owner's.
    """
    lists = {}
    for path, content in owners_files("wordsim").items():
        x, y, scores = zip(*(line.split() for line in content.decode().splitlines()), strict=True)
        name = path.removeprefix("EN-").removesuffix(".txt")
        lists[name] = ScoredPairs(x, y, tuple(map(float, scores)), name)
    return lists


def load_analogies() -> dict[str, tuple[tuple[str, str, str, str], ...]]:
    """The questions of each section, such as ``family``: a is to b as c is to d, ``("boy", "girl", "king", "queen")``.

    Raises:
        Damaged: if the file is missing or not the owner's.
    """
    sections: dict[str, list[tuple[str, ...]]] = {}
    for line in owners_files("analogies")["questions-words.txt"].decode().splitlines():
        if line.startswith(": "):
            questions = sections.setdefault(line[2:], [])
        else:
            questions.append(tuple(line.split()))
    return {section: tuple(questions) for section, questions in sections.items()}


def load_xling() -> dict[str, WordPairs]:
    """Dictionaries between eight languages by name, such as ``en-de train 5k`` and ``en-de test 2k``.

    The 28 pairs of Croatian, English, Finnish, French, German, Italian, Russian and Turkish have 500, 1,000, 3,000 and
    5,000 pairs of words for training and 2,000 other ones for the test; frequent words come first.

    Raises:
        Damaged: if the folder ``bli_datasets``, or a ``bli_datasets.zip`` of it, is missing or holds others.
    """
    folder = locate("xling_eval")
    archive, unpacked = folder / "bli_datasets.zip", folder / "bli_datasets"
    path = archive if archive.exists() or not unpacked.is_dir() else unpacked
    files = files_in(path, DICTIONARY)
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name] + b"\0")
    if (len(files), digest.hexdigest()) != DICTIONARIES:
        raise Damaged(
            f"{path} holds {len(files)} dictionaries with the SHA-256 {digest.hexdigest()}, "
            "expected {} with {}".format(*DICTIONARIES)
        )
    found = {}
    for name in sorted(files):
        split, size, *languages = DICTIONARY.fullmatch(name).groups()
        x, y = zip(*(line.split("\t") for line in files[name].decode().removesuffix("\n").split("\n")), strict=True)
        key = f"{'-'.join(languages)} {split} {size}"
        found[key] = WordPairs(x, y, tuple(languages), key)
    return found
