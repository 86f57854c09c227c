r"""Words with a vector each: neighbours, analogies, and the two file formats that every word-vector program reads.

A word is found by the cosine between directions, so that lengths do not count.

Source: Mikolov et al., *Efficient estimation of word representations in vector space* (2013); Levy and Goldberg,
*Linguistic regularities in sparse and explicit word representations* (2014).
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.data import DataError
from course.files import write_whole


class UnknownWordError(KeyError):
    """A word without a vector; the message names words of similar spelling."""

    def __str__(self) -> str:
        return self.args[0]


class WordVectors:
    """A vocabulary and a matrix with a row for each word.

    Args:
        words: the V words, all different.
        matrix: ``float [V, d]``, finite.

    Raises:
        ValueError: if words and rows do not match, a word stands twice, or a number is not finite.

    Example:
        >>> vectors = WordVectors(("up", "down", "left"), torch.tensor([[0.0, 1.0], [0.0, -1.0], [-1.0, 0.1]]))
        >>> vectors
        WordVectors(3 words, 2 dimensions)
        >>> vectors.most_similar("up", n=1)[0][0]
        'left'
    """

    def __init__(self, words: tuple[str, ...], matrix: Tensor):
        if matrix.dim() != 2 or 0 in matrix.shape or not matrix.is_floating_point():
            raise ValueError(
                f"expected a matrix of floats [words, dimensions], got {list(matrix.shape)} {matrix.dtype}"
            )
        if len(words) != len(matrix):
            raise ValueError(f"{len(words)} words and a matrix of {len(matrix)} rows: expected one row a word")
        if not matrix.isfinite().all():
            raise ValueError("the matrix holds NaN or infinite values: train with a smaller learning rate")
        self.words, self.matrix = tuple(words), matrix
        self.number = {word: number for number, word in enumerate(self.words)}
        if len(self.number) < len(self.words):
            twice = next(word for i, word in enumerate(self.words) if self.number[word] != i)
            raise ValueError(f"the word {twice!r} stands in the vocabulary twice")
        self._unit = F.normalize(matrix, dim=1)

    def __repr__(self) -> str:
        return f"WordVectors({len(self):,} words, {self.matrix.shape[1]:,} dimensions)"

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.number

    def __getitem__(self, word: str) -> Tensor:
        """The vector of a word, ``[d]``."""
        return self.matrix[self.numbers([word])[0]]

    def numbers(self, words: list[str] | tuple[str, ...]) -> list[int]:
        """The row of each word.

        Raises:
            UnknownWordError: for the first word that has none, with the nearest spellings.
        """
        for word in words:
            if word not in self.number:
                near = get_close_matches(str(word), self.words, n=3)
                meant = f"did you mean {', '.join(map(repr, near))}?" if near else "no word is spelt like it"
                raise UnknownWordError(f"{word!r} has no vector among {len(self):,} words; {meant}")
        return [self.number[word] for word in words]

    def similarity(self, one: str, other: str) -> float:
        """The cosine of the angle between two words, from -1 to 1."""
        a, b = self._unit[self.numbers([one, other])]
        return (a @ b).item()

    def most_similar(self, query: str | Tensor, n: int = 10) -> list[tuple[str, float]]:
        """The n words with the largest cosine to ``query``, best first; a word is not its own neighbour.

        Args:
            query: a word, or a vector ``[d]`` that is not zero.
            n: how many; all when there are fewer.
        """
        if isinstance(query, str):
            own = self.numbers([query])
            return self._best(self._unit @ self._unit[own[0]], n, leave_out=own)
        if query.shape != self.matrix.shape[1:]:
            raise ValueError(f"the query has shape {list(query.shape)}, the vectors have {list(self.matrix.shape[1:])}")
        if not query.isfinite().all() or not query.any():
            raise ValueError("the query must be finite and not zero: it needs a direction")
        return self._best(self._unit @ F.normalize(query.to(self._unit), dim=0), n, leave_out=[])

    def analogy(
        self, a: str, b: str, c: str, n: int = 1, *, method: str = "3CosAdd", leave_out: bool = True
    ) -> list[tuple[str, float]]:
        r"""The words that are to c as b is to a, best first.

        ``"3CosAdd"`` is :eq:`w2v-cosadd`, ``"3CosMul"`` is :eq:`w2v-cosmul` with cosines mapped to [0, 1].

        Args:
            a, b, c: such as ``"man", "woman", "king"``.
            n: how many.
            method: how three cosines become one score.
            leave_out: whether a, b and c are no answers. Without it the answer is often c or b (see the chapter).
        """
        if method not in ("3CosAdd", "3CosMul"):
            raise ValueError(f"method must be '3CosAdd' or '3CosMul', got {method!r}")
        rows = self.numbers([a, b, c])
        to_a, to_b, to_c = self._unit[rows] @ self._unit.T
        if method == "3CosAdd":
            score = to_b - to_a + to_c
        else:
            to_a, to_b, to_c = (1 + to_a) / 2, (1 + to_b) / 2, (1 + to_c) / 2
            score = to_b * to_c / (to_a + 0.001)
        return self._best(score, n, leave_out=rows if leave_out else [])

    def _best(self, score: Tensor, n: int, leave_out: list[int]) -> list[tuple[str, float]]:
        """The n words with the highest scores ``[V]``."""
        require_whole("n", n)
        score[leave_out] = -torch.inf
        values, order = score.topk(min(n, len(self) - len(set(leave_out))))
        return [(self.words[i], value) for i, value in zip(order.tolist(), values.tolist(), strict=True)]

    def save(self, path: str | Path, *, binary: bool = False) -> Path:
        """Write the word2vec format, text or binary, in float32: the file is read again bit for bit.

        Raises:
            ValueError: if a word has a blank or a line break, which the format cannot hold.
        """
        if bad := [word for word in self.words if not word or word.split() != [word]]:
            raise ValueError(f"the word {bad[0]!r} has blanks, which the word2vec format cannot hold: join or drop it")
        matrix = self.matrix.detach().float().cpu().numpy()
        head = f"{len(self)} {matrix.shape[1]}\n".encode()
        if binary:
            rows = (
                word.encode() + b" " + row.tobytes() for word, row in zip(self.words, matrix.astype("<f4"), strict=True)
            )
        else:
            rows = (
                f"{word} {' '.join(map(str, row))}\n".encode() for word, row in zip(self.words, matrix, strict=True)
            )
        return write_whole(Path(path), head + b"".join(rows))

    @classmethod
    def load(cls, path: str | Path, *, binary: bool = False) -> Self:
        """Read a file in the word2vec format, of this course, gensim or the original program.

        Raises:
            DataError: if the file is missing, cut short, too long, or of another format.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}): name a file of word vectors") from error
        head, _, body = content.partition(b"\n")
        try:
            n, d = map(int, head.split())
            if min(n, d) < 1:
                raise ValueError
        except ValueError as error:
            raise DataError(
                f"{path} is no word2vec file: its first line must be two numbers, is {head[:40]!r}"
            ) from error
        try:
            words, matrix = (_binary_rows if binary else _text_rows)(body, n, d)
            return cls(words, torch.from_numpy(matrix))
        except ValueError as error:
            kind = "binary" if binary else "text"
            hint = f"is it damaged, or should binary be {not binary}?"
            raise DataError(f"{path}, read as {kind}: {n} words of {d} numbers expected; {error}; {hint}") from error


def _text_rows(body: bytes, n: int, d: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Words and matrix ``[n, d]`` of the text format without its first line."""
    rows = [line.rstrip(b" \r").split(b" ") for line in body.removesuffix(b"\n").split(b"\n")]
    if len(rows) != n or any(len(row) != d + 1 for row in rows):
        wrong = next((i for i, row in enumerate(rows, 2) if len(row) != d + 1), len(rows) + 1)
        raise ValueError(f"{len(rows)} lines came, and line {wrong} is the first that does not fit")
    matrix = np.array([row[1:] for row in rows]).astype(np.float32)
    return tuple(row[0].decode() for row in rows), matrix


def _binary_rows(body: bytes, n: int, d: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Words and matrix ``[n, d]`` of the binary format: word, blank, d float32; some programs add a line break."""
    words, matrix, start = [], np.empty((n, d), np.float32), 0
    for row in range(n):
        blank = body.find(b" ", start)
        end = blank + 1 + 4 * d
        if blank < 0 or end > len(body):
            raise ValueError(f"the file ends in word {row + 1}")
        words.append(body[start:blank].lstrip(b"\n").decode())
        matrix[row] = np.frombuffer(body, "<f4", d, blank + 1)
        start = end
    if body[start:].strip(b"\n"):
        raise ValueError(f"{len(body) - start} bytes follow the last word")
    return tuple(words), matrix
