r"""What is asked of word vectors: do they rank similarity as people do, solve analogies, carry a bias, or a hub?

Source: Finkelstein et al., *Placing search in context* (2002), for WordSim-353; Mikolov et al. (2013) for analogies;
Caliskan et al., *Semantics derived automatically from language corpora contain human-like biases* (2017), for WEAT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import torch
import torch.nn.functional as F

from course.representation.word_vectors import WordVectors


def similarity_test(
    vectors: WordVectors, pairs: Sequence[tuple[str, str]], ratings: Sequence[float]
) -> tuple[float, int]:
    """Spearman's correlation between cosines and the ratings of people.

    Args:
        pairs: two words each; a pair with a word that has no vector is left out.
        ratings: of each pair; only their order counts.

    Returns:
        The correlation, and the number of pairs that it is over.

    Raises:
        ValueError: if fewer than three pairs are left.
    """
    from scipy.stats import spearmanr

    known = [i for i, pair in enumerate(pairs) if all(word in vectors for word in pair)]
    if len(known) < 3:
        raise ValueError(f"only {len(known)} of {len(pairs)} pairs have vectors: a correlation needs three")
    cosines = [vectors.similarity(*pairs[i]) for i in known]
    return float(spearmanr(cosines, [ratings[i] for i in known]).statistic), len(known)


def analogy_test(
    vectors: WordVectors, questions: Sequence[Sequence[str]], *, method: str = "3CosAdd", leave_out: bool = True
) -> tuple[float, int]:
    """Share of the questions (a, b, c, d) whose best answer to ``analogy(a, b, c)`` is d.

    Returns:
        The share, and the number of questions that it is over: those whose four words have vectors.

    Raises:
        ValueError: if none has.
    """
    known = [words for words in questions if all(word in vectors for word in words)]
    if not known:
        raise ValueError(f"none of {len(questions)} questions has vectors for all four words")
    right = [vectors.analogy(*words[:3], method=method, leave_out=leave_out)[0][0] == words[3] for words in known]
    return sum(right) / len(right), len(known)


def neighbour_counts(vectors: WordVectors, k: int = 10) -> torch.Tensor:
    """How often each word is among the k nearest neighbours of another one, ``int64 [V]``; a *hub* often is.

    The mean is k, whatever the vectors.
    """
    unit, found = F.normalize(vectors.matrix, dim=1), []
    for rows in torch.arange(len(vectors), device=unit.device).split(1024):
        cosines = unit[rows] @ unit.T
        cosines[torch.arange(len(rows)), rows] = -torch.inf
        found.append(cosines.topk(k).indices.flatten())
    return torch.bincount(torch.cat(found), minlength=len(vectors))


@dataclass(frozen=True)
class Association:
    """The result of :func:`weat`.

    Attributes:
        effect: d, in standard deviations, from -2 to 2.
        p_value: share of the divisions of the targets with at least this difference, one-sided.
        divisions: how many were looked at; all there are when ``exact``.
        exact: whether these are all.
    """

    effect: float
    p_value: float
    divisions: int
    exact: bool


def weat(
    vectors: WordVectors, x: Sequence[str], y: Sequence[str], a: Sequence[str], b: Sequence[str], *, seed: int = 0
) -> Association:
    r"""Word embedding association test: are words x nearer to a than to b, more so than words y? :eq:`w2v-weat`.

    .. math::
        s(w) = \operatorname{mean}_{a} \cos(w, a) - \operatorname{mean}_{b} \cos(w, b), \qquad
        d = \frac{\operatorname{mean}_x s - \operatorname{mean}_y s}{\operatorname{std}_{x \cup y} s}

    The p-value comes from dividing x and y anew into two halves: in all ways when there are at most 20 000,
    otherwise in 9 999 random ones beside the given one.

    Args:
        x, y: target words, equally many, at least two each.
        a, b: attribute words.
        seed: of the random divisions.

    Raises:
        UnknownWordError: if a word has no vector.
        ValueError: if x and y are not equally many, or a set is too small.
    """
    if len(x) != len(y) or len(x) < 2 or not a or not b:
        raise ValueError(
            f"expected x and y of the same size, at least 2, and a and b; got {list(map(len, (x, y, a, b)))}"
        )
    unit = F.normalize(vectors.matrix.double(), dim=1)
    targets, one, other = (unit[vectors.numbers(list(words))] for words in ([*x, *y], a, b))
    s = ((targets @ one.T).mean(1) - (targets @ other.T).mean(1)).cpu().numpy()
    n, total = len(x), s.sum()
    if exact := comb(2 * n, n) <= 20_000:
        sums = np.array([s[list(half)].sum() for half in combinations(range(2 * n), n)])
    else:
        rng = np.random.default_rng(seed)
        sums = np.array([s[:n].sum(), *(rng.permutation(s)[:n].sum() for _ in range(9_999))])
    effect = (2 * s[:n].sum() - total) / n / s.std(ddof=1)
    return Association(float(effect), float((sums >= s[:n].sum() - 1e-12).mean()), len(sums), exact)
