r"""Pointwise mutual information: what negative sampling factorises, counted and decomposed without any training.

The counts of word pairs in windows are divided by what independence would give; the logarithm of the quotient is a
matrix, and its best approximation of low rank gives vectors.

Source: Church and Hanks, *Word association norms, mutual information, and lexicography* (1990); Levy and Goldberg,
*Neural word embedding as implicit matrix factorization* (2014).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch

from course.arguments import require_whole
from course.data import Corpus
from course.representation.word_vectors import WordVectors


def pair_counts(corpus: Corpus, window: int, *, dynamic: bool = True) -> scipy.sparse.csr_array:
    r"""How often word c stands in the window of word w, :math:`\#(w, c)`, symmetric ``[V, V]``.

    Args:
        corpus: windows do not reach over the ends of its documents.
        window: the largest distance.
        dynamic: count a pair at distance d by :math:`(window + 1 - d) / window`, the probability that a window of
            random size 1, ..., window reaches it; otherwise by 1.

    Raises:
        ValueError: if no document has two words.
    """
    require_whole("window", window)
    tokens = corpus.tokens.cpu().numpy()
    document = np.repeat(np.arange(len(corpus)), corpus.offsets.diff().cpu())
    size = (len(corpus.vocabulary),) * 2
    total = scipy.sparse.csr_array(size)
    for distance in range(1, min(window, len(tokens) - 1) + 1):
        same = document[distance:] == document[:-distance]
        weight = (window + 1 - distance) / window if dynamic else 1.0
        pairs = tokens[:-distance][same], tokens[distance:][same]
        total += scipy.sparse.coo_array((np.full(len(pairs[0]), weight), pairs), size).tocsr()
    if not total.nnz:
        raise ValueError(f"{corpus.name}: no document has two words of the vocabulary, so there is nothing to count")
    return total + total.T


def pmi(counts: scipy.sparse.csr_array, *, power: float = 1.0) -> scipy.sparse.csr_array:
    r"""Pointwise mutual information :eq:`w2v-pmi-definition` of each pair that was counted.

    .. math::
        \mathrm{PMI}(w, c) = \ln \frac{\#(w, c)}{\#(w)\, P_n(c)}, \qquad P_n(c) \propto \#(c)^{power}

    Pairs that never met have minus infinity; they are left out of the result.

    Args:
        counts: :math:`\#(w, c)`, ``[V, V]``, none negative.
        power: 1 for PMI as it is defined; 3/4 for the noise of word2vec.
    """
    row, column = counts.sum(1), counts.sum(0)
    noise = np.where(column > 0, column, 1) ** power * (column > 0)
    pairs = counts.tocoo()
    w, c = pairs.coords
    values = np.log(pairs.data / (row[w] * noise[c] / noise.sum()))
    return scipy.sparse.coo_array((values, (w, c)), counts.shape).tocsr()


@dataclass(kw_only=True)
class PMISVD:
    r"""Vectors from counts: positive PMI less :math:`\ln k`, then a singular value decomposition, :eq:`w2v-pmi-svd`.

    What negative sampling converges to, :eq:`w2v-pmi`, is the matrix that is decomposed.

    .. math::
        M = \max(\mathrm{PMI} - \ln k, 0) \approx U_d \Sigma_d V_d^\top, \qquad
        v_w = (U_d \Sigma_d^{p})_w, \quad u_c = (V_d \Sigma_d^{1 - p})_c

    Attributes:
        dimension: d, below the size of the vocabulary.
        window, dynamic: as in :func:`pair_counts`.
        shift: k of the shift; 1 for none.
        exponent: p; 1/2 as a rule finds better neighbours than 1.
        noise_power: as ``power`` in :func:`pmi`.

    After :meth:`fit`: ``vectors``, ``contexts`` and ``singular_values``.

    Example:
        >>> corpus = Corpus.from_texts(["one two three four"] * 50, str.split, name="numbers")
        >>> PMISVD(dimension=3, window=1).fit(corpus).vectors
        WordVectors(4 words, 3 dimensions)
    """

    dimension: int = 100
    window: int = 5
    dynamic: bool = True
    shift: float = 1.0
    exponent: float = 0.5
    noise_power: float = 0.75

    def __post_init__(self):
        require_whole("dimension", self.dimension)
        require_whole("window", self.window)
        if not 0 < self.shift < float("inf"):
            raise ValueError(f"shift must be a number above 0, got {self.shift!r}")

    def fit(self, corpus: Corpus) -> Self:
        """Count and decompose; of the two signs of a component that one whose largest entry is positive.

        Raises:
            ValueError: if ``dimension`` is not below the size of the vocabulary, or no pair is left above the shift.
        """
        if self.dimension >= len(corpus.vocabulary):
            raise ValueError(
                f"dimension={self.dimension}, but the decomposition needs fewer than the {len(corpus.vocabulary)} words"
            )
        matrix = pmi(pair_counts(corpus, self.window, dynamic=self.dynamic), power=self.noise_power)
        matrix.data = np.maximum(matrix.data - np.log(self.shift), 0)
        matrix.eliminate_zeros()
        if not matrix.nnz:
            raise ValueError(f"no pair of words has a PMI above ln {self.shift}: lower shift")
        start = np.ones(matrix.shape[0])  # svds would start from numbers of its own
        u, s, vt = scipy.sparse.linalg.svds(matrix, self.dimension, v0=start)
        u, s, v = u[:, ::-1], s[::-1], vt[::-1].T
        sign = np.where(u[abs(u).argmax(0), range(len(s))] < 0, -1.0, 1.0)
        sides = (u * sign * s**self.exponent, v * sign * s ** (1 - self.exponent))
        self.vectors, self.contexts = (
            WordVectors(corpus.vocabulary, torch.from_numpy(np.ascontiguousarray(side, np.float32))) for side in sides
        )
        self.singular_values = s.copy()
        return self
