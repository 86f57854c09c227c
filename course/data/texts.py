"""Texts: strings with labels, corpora of token ids, dictionaries of word pairs; and the files that they are read from.

Files are in UTF-8; tables are in the CSV format of RFC 4180.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.data.sets import DataError, LabelledSet, OnDevice, require_numbers


@dataclass(frozen=True, repr=False)
class Texts(OnDevice):
    """Texts without labels, such as the documents that word vectors are trained on.

    Attributes:
        texts: the n texts.
        names: where each comes from, such as a file or a title.
        name: the name of the data set, for messages.

    Example:
        >>> tales = Texts(("Once upon a time", "Long ago"), ("first.txt", "second.txt"), "tales")
        >>> tales
        Texts('tales', 2 texts)
        >>> Corpus.from_texts(tales.texts, str.split, name=tales.name)
        Corpus('tales', 6 tokens in 2 documents, 6 in the vocabulary)
    """

    texts: tuple[str, ...]
    names: tuple[str, ...]
    name: str

    def __post_init__(self):
        if len(self.texts) != len(self.names):
            raise ValueError(f"{self.name}: {len(self.texts)} texts, but {len(self.names)} names")

    def __repr__(self) -> str:
        return f"Texts({self.name!r}, {len(self):,} texts)"


@dataclass(frozen=True, eq=False, repr=False)
class LabelledTexts(OnDevice):
    """Texts with class numbers. An encoder makes a :class:`~course.data.LabelledSet` of them.

    Attributes:
        texts: the n texts, none of them empty.
        y: class numbers, ``int64 [n]``.
        classes: the name of each class.
        name: the name of the data set, for messages.

    Example:
        >>> reviews = LabelledTexts(("good film", "bad", "good"), torch.tensor([1, 0, 1]), ("no", "yes"), "reviews")
        >>> reviews
        LabelledTexts('reviews', 3 texts, 2 classes)
        >>> reviews.encoded(lambda texts: padded([[len(word) for word in text.split()] for text in texts], padding=0))
        LabelledSet('reviews', x=[3, 2] int64, 2 classes)
    """

    texts: tuple[str, ...]
    y: Tensor
    classes: tuple[str, ...]
    name: str

    def __post_init__(self):
        require_numbers(f"{self.name}: y (class numbers)", self.y, len(self.texts), 0, len(self.classes) - 1)
        if empty := [number for number, text in enumerate(self.texts) if not text.strip()]:
            raise ValueError(f"{self.name}: text {empty[0]} is empty: leave it and its label out")

    def __repr__(self) -> str:
        return f"LabelledTexts({self.name!r}, {len(self):,} texts, {len(self.classes):,} classes)"

    def select(self, chosen: Tensor) -> Self:
        """The set of the ``chosen`` texts, whole numbers or a mask ``bool [n]``; classes keep their numbers."""
        rows = torch.arange(len(self))[chosen.cpu()].tolist()
        return replace(self, texts=tuple(self.texts[row] for row in rows), y=self.y[chosen])

    def encoded(self, encoder: Callable[[tuple[str, ...]], Tensor]) -> LabelledSet:
        """The set whose examples are ``encoder(texts)``, ``[n, ...]``: token ids (see :func:`padded`) or vectors."""
        x = torch.as_tensor(encoder(self.texts))
        return LabelledSet(x, self.y.to(x.device), self.classes, self.classes, self.name)


def padded(rows: Iterable[Sequence[int]], padding: int) -> Tensor:
    """Token ids of different lengths as one tensor ``int64 [n, longest]``, each row filled up with ``padding``.

    Raises:
        ValueError: if a row is empty, or holds anything but whole numbers.
    """
    arrays = [np.asarray(row) for row in rows]
    for number, array in enumerate(arrays):
        if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iu":
            raise ValueError(f"row {number} must be token ids, whole numbers, at least one; got {array.tolist()!r:.60}")
    ids = [torch.from_numpy(array.astype(np.int64)) for array in arrays]
    return nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=padding)


@dataclass(frozen=True, eq=False, repr=False)
class Corpus(OnDevice):
    """Documents as token ids, one after another in one tensor, so that a batch is an index.

    Attributes:
        tokens: token ids, ``int64 [N]``, from 0 to ``len(vocabulary) - 1``.
        offsets: where each document begins in ``tokens``, and after them N: ``int64 [documents + 1]``.
        vocabulary: the token with each id.
        name: the name of the corpus, for messages.

    Example:
        >>> corpus = Corpus.from_texts(["to be or not to be", "to do"], str.split, name="small")
        >>> corpus
        Corpus('small', 8 tokens in 2 documents, 5 in the vocabulary)
        >>> corpus.vocabulary, corpus[1]
        (('to', 'be', 'do', 'not', 'or'), tensor([0, 2]))
    """

    tokens: Tensor
    offsets: Tensor
    vocabulary: tuple[str, ...]
    name: str

    def __post_init__(self):
        n, documents = len(self.tokens), len(self.offsets)
        require_numbers(f"{self.name}: tokens", self.tokens, n, 0, len(self.vocabulary) - 1)
        require_numbers(f"{self.name}: offsets", self.offsets, documents, 0, n)
        if documents < 2 or self.offsets[0] != 0 or self.offsets[-1] != n or (self.offsets.diff() < 0).any():
            raise ValueError(f"{self.name}: the {documents} offsets must rise from 0 to the {n} tokens")
        if twice := [word for word, count in Counter(self.vocabulary).items() if count > 1]:
            raise ValueError(f"{self.name}: {twice[0]!r} is in the vocabulary more than once")

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        tokenizer: Callable[[str], Sequence[str]],
        vocabulary: Sequence[str] | None = None,
        *,
        min_count: int = 1,
        name: str = "corpus",
    ) -> Self:
        """The corpus of some texts, a document each; words that are not in the vocabulary are left out.

        Args:
            texts: such as :func:`from_lines` reads.
            tokenizer: what divides a text into words, such as ``str.split``.
            vocabulary: the words to keep, such as those of the training corpus; ``None`` takes those that occur at
                least ``min_count`` times, frequent ones first, equally frequent ones in alphabetical order.
            min_count: how often a word must occur when no vocabulary is given.
            name: the name of the corpus.

        Raises:
            ValueError: if nothing is left, or both ``vocabulary`` and ``min_count`` are given.
        """
        require_whole("min_count", min_count)
        documents = [tokenizer(text) for text in texts]
        if vocabulary is None:
            counts = Counter(chain.from_iterable(documents))
            kept = (word for word, count in counts.items() if count >= min_count)
            vocabulary = sorted(kept, key=lambda word: (-counts[word], word))
        elif min_count > 1:
            raise ValueError(f"min_count={min_count} chooses a vocabulary, but one is given: leave one of them out")
        number = {word: i for i, word in enumerate(vocabulary)}
        ends = np.cumsum([0, *map(len, documents)])
        ids = np.fromiter(map(number.get, chain.from_iterable(documents), repeat(-1)), np.int64, ends[-1])
        kept = ids >= 0
        if not kept.any():
            raise ValueError(
                f"{name}: none of {len(documents)} texts has a word that is kept: lower min_count ({min_count})"
            )
        offsets = np.concatenate([[0], np.cumsum(kept)])[ends]  # how many are kept before each end
        return cls(torch.from_numpy(ids[kept]), torch.from_numpy(offsets), tuple(vocabulary), name)

    def select(self, documents: Tensor) -> Self:
        """The corpus of the chosen ``documents`` (whole numbers or a mask, at least one), with the same vocabulary."""
        offsets, lengths = self.offsets[:-1][documents], self.offsets.diff()[documents]
        ends = nn.functional.pad(lengths.cumsum(0), (1, 0))
        within = torch.arange(int(ends[-1]), device=self.tokens.device) - ends[:-1].repeat_interleave(lengths)
        return replace(self, tokens=self.tokens[offsets.repeat_interleave(lengths) + within], offsets=ends)

    def counts(self) -> Tensor:
        """How often each word of the vocabulary occurs, ``int64 [len(vocabulary)]``."""
        return self.tokens.bincount(minlength=len(self.vocabulary))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> Tensor:
        """The token ids of document ``number``, from 0 on."""
        if not 0 <= number < len(self):
            raise IndexError(f"{self.name} has the documents 0 to {len(self) - 1}, got {number}")
        return self.tokens[self.offsets[number] : self.offsets[number + 1]]

    def __repr__(self) -> str:
        counts = f"{len(self.tokens):,} tokens in {len(self):,} documents, {len(self.vocabulary):,} in the vocabulary"
        return f"Corpus({self.name!r}, {counts})"


@dataclass(frozen=True, repr=False)
class WordPairs(OnDevice):
    """A dictionary of two languages. A word with several translations stands in several pairs.

    Attributes:
        x: words of the first language.
        y: words of the second one; ``y[i]`` is a translation of ``x[i]``.
        languages: the two languages.
        name: the name of the dictionary, for messages.

    Example:
        >>> words = WordPairs(("cat", "bank", "bank"), ("Katze", "Bank", "Ufer"), ("en", "de"), "animals and money")
        >>> words
        WordPairs('animals and money', 3 pairs, en to de)
        >>> words.translations()["bank"]
        ('Bank', 'Ufer')
    """

    x: tuple[str, ...]
    y: tuple[str, ...]
    languages: tuple[str, str]
    name: str

    def __post_init__(self):
        if len(self.x) != len(self.y):
            raise ValueError(f"{self.name}: {len(self.x)} words and {len(self.y)} translations, expected pairs")

    def __repr__(self) -> str:
        return f"WordPairs({self.name!r}, {len(self):,} pairs, {' to '.join(self.languages)})"

    def translations(self) -> dict[str, tuple[str, ...]]:
        """All translations of each word, each once, in the order of the pairs."""
        found: dict[str, dict[str, None]] = {}
        for word, translation in zip(self.x, self.y, strict=True):
            found.setdefault(word, {})[translation] = None
        return {word: tuple(translations) for word, translations in found.items()}


def read_word_pairs(path: str | Path, languages: tuple[str, str]) -> WordPairs:
    """Read a dictionary with a pair on each line: a word, a tabulator, a translation.

    Raises:
        DataError: if the file is missing or not UTF-8, or a line does not hold two words.
    """
    pairs = [line.split("\t") for line in from_lines(path)]
    for number, pair in enumerate(pairs, 1):
        if len(pair) != 2 or not all(map(str.strip, pair)):
            raise DataError(f"{path}, line {number}: expected a word, a tabulator and a word, got {pair}: correct it")
    return WordPairs(*zip(*pairs, strict=True), languages, Path(path).stem)


def from_csv(path: str | Path, *, text: str, label: str, delimiter: str = ",") -> LabelledTexts:
    """Read labelled texts from a table whose first line names the columns.

    Args:
        path: the file, in UTF-8 (with or without a byte order mark).
        text: the name of the column with the texts, which may run over several lines within quotation marks.
        label: that of the column with the class names. Blanks around a class name do not count.
        delimiter: what separates the columns, such as ``"\\t"`` or ``";"``.

    Returns:
        The texts in the order of the file; classes in the order of their names.

    Raises:
        DataError: if the file is missing, not UTF-8 or not CSV, has no such column, a row of another length, an empty
            text or label, or fewer than two classes. The message names the line.
    """
    rows = numbered_rows(path, delimiter)
    _, head = next(rows)
    for name in (text, label):
        if head.count(name) != 1:
            state = "several columns" if name in head else "no column"
            raise DataError(f"{path} has {state} {name!r}; there are: {', '.join(map(repr, head))}")
    found = []
    for line, row in rows:
        if len(row) != len(head):
            raise DataError(
                f"{path}, line {line}: {len(row)} columns, but the first line has {len(head)}: "
                f"put text that contains {delimiter!r} or a line break into quotation marks"
            )
        cells = dict(zip(head, row, strict=True))
        if empty := [name for name in (text, label) if not cells[name].strip()]:
            raise DataError(f"{path}, line {line}: the column {empty[0]!r} is empty: fill it, or remove the line")
        found.append((cells[text], cells[label].strip()))
    numbers = {name: number for number, name in enumerate(sorted({name for _, name in found}))}
    if len(numbers) < 2:
        raise DataError(f"{path}: the column {label!r} names {list(numbers)}, expected at least two classes")
    y = torch.tensor([numbers[name] for _, name in found])
    return LabelledTexts(tuple(example for example, _ in found), y, tuple(numbers), Path(path).stem)


def numbered_rows(path: str | Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with the line on which it begins."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: not CSV ({error}): correct its quotation marks") from error


def from_lines(path: str | Path) -> tuple[str, ...]:
    """Read the lines of a file in UTF-8, one text each; an empty line is an empty text, so that numbers stay in step.

    Raises:
        DataError: if the file is missing, empty or not UTF-8.
    """
    lines = read_text(path).removesuffix("\n").split("\n")  # splitlines would also break at rarer characters
    return tuple(line.removesuffix("\r") for line in lines)


def read_text(path: str | Path) -> str:
    """The content of a file in UTF-8, without its byte order mark and with its own line breaks."""
    try:
        content = Path(path).expanduser().read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): name a file with text") from error
    except UnicodeDecodeError as error:
        line, byte = error.object[: error.start].count(b"\n") + 1, error.object[error.start]
        raise DataError(
            f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8 (the file may be Latin-1): save it again in UTF-8"
        ) from error
    if not content or content.isspace():
        raise DataError(f"{path} is empty, expected text")
    return content
