r"""Word2Vec: a word is mapped to a vector from which its neighbours in text can be guessed.

Three models, one interface: the full softmax over all words, exact and slow; negative sampling, which asks
a logistic classifier to tell neighbours from noise; and CBOW, which guesses the word from the mean of its neighbours.
The step of each is the gradient written out by hand, a few matrix products, in place.

Source: Mikolov et al., *Efficient estimation of word representations in vector space* and *Distributed representations
of words and phrases and their compositionality* (2013). The band of windows scored in one product, and noise words
that several words share, follow Ji et al., *Parallelizing Word2Vec in shared and distributed memory* (2016).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from course import runtime
from course.arguments import require_whole
from course.data import Corpus
from course.history import History
from course.representation.windows import LENGTH, Step, Windows, keep_probability, noise_distribution, word_counts
from course.representation.word_vectors import WordVectors

NOTES = 50  # losses noted in a pass


class DivergedError(ArithmeticError):
    """The training ran away; the message says what to change.

    Example:
        >>> corpus = Corpus.from_texts(["one two three four"] * 50, str.split, name="numbers")
        >>> try:
        ...     SGNS(dimension=3, epochs=9, learning_rate=1e6, shared_noise=1).fit(corpus)
        ... except DivergedError as error:
        ...     print(str(error).split(": ")[1].split(";")[0])
        a noise word has the weight of about 6000 pairs of a step
    """


def softmax_gradient(v: Tensor, contexts: Tensor, observed: int) -> tuple[Tensor, Tensor]:
    r"""The gradient of :math:`\log p(o \mid v)`, "observed minus expected": :eq:`w2v-softmax-gradient`.

    .. math::
        \nabla_v = u_o - \sum_w p_w u_w, \qquad \nabla_{u_w} = ([w = o] - p_w)\, v, \qquad
        p_w = \frac{e^{u_w^\top v}}{\sum_{w'} e^{u_{w'}^\top v}}

    Args:
        v: the vector of the centre word, ``[d]``.
        contexts: :math:`u_w` in rows, ``[V, d]``.
        observed: the number o of the word that stood in the window.

    Returns:
        The gradients by v ``[d]`` and by all context vectors ``[V, d]``; they cost O(V d).
    """
    surprise = -(contexts @ v).softmax(0)
    surprise[observed] += 1
    return contexts.T @ surprise, torch.outer(surprise, v)


def negative_sampling_gradient(v: Tensor, u: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""The gradient of the objective :eq:`w2v-negative-sampling` of one pair and its k noise words.

    .. math::
        \nabla_v = (1 - \sigma(u^\top v))\, u - \sum_i \sigma(n_i^\top v)\, n_i, \qquad
        \nabla_u = (1 - \sigma(u^\top v))\, v, \qquad \nabla_{n_i} = -\sigma(n_i^\top v)\, v

    This is :eq:`w2v-sgns-gradient`; it costs O(k d), whatever the vocabulary.

    Args:
        v, u: vectors of the centre word and of the word in its window, ``[d]``.
        noise: context vectors of the noise words, ``[k, d]``.
    """
    missing, false = torch.sigmoid(-u @ v), torch.sigmoid(noise @ v)
    return missing * u - false @ noise, missing * v, -torch.outer(false, v)


@dataclass(kw_only=True)
class Word2Vec(ABC):
    """What the three models share: the corpus, the windows, and the loop over the steps.

    Attributes:
        dimension: d.
        window: the largest distance between a word and another one of its window; it ends with the document.
        epochs: passes over the corpus.
        learning_rate: at the start; it falls linearly to a 250th of it.
        subsample: threshold t of :func:`~course.representation.windows.keep_probability`, or ``None``.
        dynamic: whether the size of each window is drawn from 1, ..., window.
        words_per_step: words whose gradients are added up before the vectors change, a multiple of 25.
        seed: of the start and of everything drawn. The same seed gives the same vectors on one thread of a CPU.
        device: where to compute; ``None`` is the CPU.

    After :meth:`fit`: ``vectors`` (v of each word), ``contexts`` (u of each word) and ``history``.
    """

    dimension: int = 100
    window: int = 5
    epochs: int = 5
    learning_rate: float = 0.025
    subsample: float | None = 1e-3
    dynamic: bool = True
    words_per_step: int = 200
    seed: int = 0
    device: str | torch.device | None = None
    shared_noise = 0
    noise_power = 0.75

    def __post_init__(self):
        for name in ("dimension", "window", "epochs", "words_per_step"):
            require_whole(name, getattr(self, name))
        require_whole("seed", self.seed, 0)
        if self.words_per_step % LENGTH:
            raise ValueError(f"words_per_step must be a multiple of {LENGTH}, got {self.words_per_step}")
        for name in ("learning_rate", "subsample"):
            value = getattr(self, name)
            if not (name == "subsample" and value is None) and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be a number above 0, got {value!r}")

    def start(self, vocabulary: int) -> tuple[Tensor, Tensor]:
        """The untrained vectors, ``[V, d]`` each: v uniform within 1 / (2 d), u zero, as in the published program."""
        shape, generator = (vocabulary, self.dimension), runtime.generator(self.seed)
        return (torch.rand(shape, generator=generator) - 0.5) / self.dimension, torch.zeros(shape)

    def fit(self, corpus: Corpus) -> Self:
        """Train on a corpus.

        Raises:
            ValueError: if no word has another one in its window.
            DivergedError: if the loss becomes NaN, or twice that of vectors that know nothing.
        """
        device = torch.device(self.device or "cpu")
        corpus, counts = corpus.to("cpu"), word_counts(corpus).cpu()
        if int(corpus.offsets.diff().max()) < 2:
            raise ValueError(
                f"{corpus.name}: no document has two words of the vocabulary, so there is nothing to learn"
            )
        keep = keep_probability(counts, self.subsample)
        noise = noise_distribution(counts, self.noise_power)
        blocks = self.words_per_step // LENGTH
        windows = Windows(corpus, self.window, self.dynamic, keep, noise, blocks, self.shared_noise)
        self._v, self._u = (each.to(device) for each in self.start(len(corpus.vocabulary)))
        self._prepare(blocks, LENGTH + 2 * self.window, windows.masks().to(device))
        self.history, taken = History(), 0
        generator = runtime.generator(self.seed + 1)  # the start has used those of the seed
        for epoch in range(self.epochs):
            noted, losses = [], []
            steps = [*windows.steps(generator, device, epoch, self.epochs)]
            for number, step in enumerate(steps):
                if number % -(-len(steps) // NOTES) == 0:
                    noted.append(taken + number)
                    losses.append(self.loss(step))
                self.step(step, self.learning_rate * (1 - 0.996 * step.progress))
            taken += len(steps)
            self._note(epoch, noted, torch.stack(losses).tolist() if losses else [])
        self.vectors = WordVectors(corpus.vocabulary, self._v)
        self.contexts = WordVectors(corpus.vocabulary, self._u)
        return self

    def _note(self, epoch: int, noted: list[int], losses: list[float]) -> None:
        """Keep the losses of a pass, unless they say that it ran away."""
        for step, loss in zip(noted, losses, strict=True):
            if not isfinite(loss) or loss > 2 * self.untrained_loss():
                raise DivergedError(f"the loss is {loss:.3g} in pass {epoch + 1}, step {step}: {self.remedy()}")
            self.history.note(step, {"loss": loss})
        if not self._v.isfinite().all():
            raise DivergedError(f"vectors became NaN in pass {epoch + 1}: {self.remedy()}")

    def _prepare(self, blocks: int, reach: int, masks: Tensor) -> None:
        """Room for what a step computes, so that no step asks for memory.

        ``reach`` is R, the words that a block of L words meets.
        """
        words, others, d = blocks * LENGTH, blocks * reach + self.shared_noise, self.dimension
        empty = masks.new_empty
        self._masks, self._mask = masks, empty(words, reach)
        self._words, self._words_change = empty(words, d), empty(words, d)
        self._others, self._others_change = empty(others, d), empty(others, d)
        self._score, self._noise_score = empty(blocks, LENGTH, reach), empty(words, self.shared_noise)

    def _blocks(self, matrix: Tensor) -> Tensor:
        """Rows of words ``[S, ...]`` or of their surroundings ``[blocks * R, ...]`` by block."""
        blocks = len(self._score)
        return matrix[: matrix.shape[0] // blocks * blocks].unflatten(0, (blocks, -1))

    def _split(self, others: Tensor) -> tuple[Tensor, Tensor]:
        """The surroundings by block ``[blocks, R, d]`` and the noise words ``[K, d]``."""
        end = len(others) - self.shared_noise
        return self._blocks(others[:end]), others[end:]

    @abstractmethod
    def step(self, step: Step, rate: float) -> None:
        """Add ``rate`` times the negative gradient of the sum of the losses of a step to the vectors, in place."""

    @abstractmethod
    def loss(self, step: Step) -> Tensor:
        """The mean loss of a pair in a step, by its definition; a scalar on the device."""

    @abstractmethod
    def untrained_loss(self) -> float:
        """The mean loss of vectors that know nothing: all scores are zero."""

    def remedy(self) -> str:
        """What to do when the training runs away."""
        return f"lower learning_rate ({self.learning_rate}) or words_per_step ({self.words_per_step})"


@dataclass(kw_only=True)
class Softmax(Word2Vec):
    r"""Skip-gram with the full softmax, :eq:`w2v-skipgram`: exact, and each step costs O(V).

    For a vocabulary of a few thousand words. Its learning rate may be larger, as expected counts change slowly.

    Example:
        >>> corpus = Corpus.from_texts(["one two three four"] * 50, str.split, name="numbers")
        >>> Softmax(dimension=3, window=1, epochs=2).fit(corpus).vectors
        WordVectors(4 words, 3 dimensions)
    """

    def step(self, step: Step, rate: float) -> None:
        """Observed minus expected, :eq:`w2v-softmax-gradient`, for all pairs of the step."""
        torch.index_select(self._v, 0, step.words, out=self._words)
        torch.index_select(self._u, 0, step.others, out=self._others)
        torch.index_select(self._masks, 0, step.mask, out=self._mask)
        mask, around = self._blocks(self._mask), self._split(self._others)[0]
        expected = (self._words @ self._u.T).softmax(1).mul_(step.pairs)
        torch.bmm(mask, around, out=self._blocks(self._words_change))
        self._words_change.addmm_(expected, self._u, alpha=-1)
        torch.bmm(mask.mT, self._blocks(self._words), out=self._split(self._others_change)[0])
        self._u.addmm_(expected.T, self._words, alpha=-rate).index_add_(0, step.others, self._others_change, alpha=rate)
        self._v.index_add_(0, step.words, self._words_change, alpha=rate)

    def loss(self, step: Step) -> Tensor:
        r"""The mean of :math:`-\log p(o \mid c)` over the pairs."""
        around = self._blocks(step.others)
        logits = (self._v[step.words] @ self._u.T).log_softmax(1)
        each = self._blocks(logits).gather(2, around[:, None].expand(-1, LENGTH, -1))
        return -(each.flatten(0, 1) * self._masks[step.mask]).sum() / step.pairs.sum().clamp(min=1)

    def untrained_loss(self) -> float:
        return float(torch.tensor(float(len(self._u))).log())


@dataclass(kw_only=True)
class SGNS(Word2Vec):
    r"""Skip-gram with negative sampling, :eq:`w2v-negative-sampling`, with noise words that a step shares.

    The published program draws k noise words for each pair. Here a step draws ``shared_noise`` of them, K, for all of
    its S words, and each pair weighs each of them by k / K: the expected gradient is the same, and the scores are one
    matrix product. A noise word has the weight of about S (window + 1) k / K pairs, on which the stability depends
    (:meth:`remedy`).

    Attributes:
        negatives: noise words k for each pair.
        shared_noise: noise words K that a step draws.
        noise_power: the power of the counts in the noise distribution.

    Example:
        >>> corpus = Corpus.from_texts(["one two three four"] * 50, str.split, name="numbers")
        >>> SGNS(dimension=3, window=1, epochs=2).fit(corpus).vectors
        WordVectors(4 words, 3 dimensions)
    """

    negatives: int = 5
    shared_noise: int = 64
    noise_power: float = 0.75

    def __post_init__(self):
        super().__post_init__()
        require_whole("negatives", self.negatives)
        require_whole("shared_noise", self.shared_noise)
        if not 0 <= self.noise_power <= 2:
            raise ValueError(f"noise_power must be a number from 0 to 2, got {self.noise_power!r}")

    def step(self, step: Step, rate: float) -> None:
        """The gradient :eq:`w2v-sgns-gradient` of all pairs at once; five matrix products."""
        torch.index_select(self._v, 0, step.words, out=self._words)
        torch.index_select(self._u, 0, step.others, out=self._others)
        torch.index_select(self._masks, 0, step.mask, out=self._mask)
        words = self._blocks(self._words)
        around, noise = self._split(self._others)
        # 1 - sigma(u v) for pairs in a window, zero elsewhere; sigma(n v) times the pairs that the noise word serves
        score = torch.baddbmm(self._score, words, around.mT, beta=0, alpha=-1, out=self._score).sigmoid_()
        score.mul_(self._blocks(self._mask))
        false = torch.mm(self._words, noise.T, out=self._noise_score).sigmoid_()
        false.mul_(step.pairs * (self.negatives / self.shared_noise))
        around_change, noise_change = self._split(self._others_change)
        torch.bmm(score, around, out=self._blocks(self._words_change))
        self._words_change.addmm_(false, noise, alpha=-1)
        torch.bmm(score.mT, words, out=around_change)
        torch.addmm(noise_change, false.T, self._words, beta=0, alpha=-1, out=noise_change)
        self._v.index_add_(0, step.words, self._words_change, alpha=rate)
        self._u.index_add_(0, step.others, self._others_change, alpha=rate)

    def loss(self, step: Step) -> Tensor:
        r"""The mean of :math:`-\log\sigma(u^\top v) - \sum_i \log\sigma(-n_i^\top v)` over the pairs."""
        words, (around, noise) = self._v[step.words], self._split(self._u[step.others])
        pairs = (F.logsigmoid(self._blocks(words) @ around.mT).flatten(0, 1) * self._masks[step.mask]).sum()
        weight = step.pairs * (self.negatives / self.shared_noise)
        return -(pairs + (F.logsigmoid(-words @ noise.T) * weight).sum()) / step.pairs.sum().clamp(min=1)

    def untrained_loss(self) -> float:
        return (1 + self.negatives) * 0.6931

    def served(self) -> float:
        """About the total weight of a noise word in a step: its pairs times k / K."""
        pairs = self.window + 1 if self.dynamic else 2 * self.window
        return self.words_per_step * pairs * self.negatives / self.shared_noise

    def remedy(self) -> str:
        return (
            f"a noise word has the weight of about {self.served():.0f} pairs of a step; raise shared_noise "
            f"({self.shared_noise}), or lower words_per_step ({self.words_per_step}) "
            f"or learning_rate ({self.learning_rate})"
        )


@dataclass(kw_only=True)
class CBOW(SGNS):
    r"""Continuous bag of words, :eq:`w2v-cbow`, with negative sampling: the mean of a window guesses its centre.

    ``vectors`` are those of the words in the window, ``contexts`` those of the word that is guessed. A word counts
    as one example, not one for each word of its window; the usual learning rate is twice that of skip-gram.

    Example:
        >>> corpus = Corpus.from_texts(["one two three four"] * 50, str.split, name="numbers")
        >>> CBOW(dimension=3, window=1, epochs=2).fit(corpus).vectors
        WordVectors(4 words, 3 dimensions)
    """

    learning_rate: float = 0.05

    def step(self, step: Step, rate: float) -> None:
        """The gradient of all words at once."""
        end = len(step.others) - self.shared_noise
        torch.index_select(self._v, 0, step.others[:end], out=self._others[:end])
        torch.index_select(self._u, 0, step.words, out=self._words)
        torch.index_select(self._masks, 0, step.mask, out=self._mask)
        self._mask.div_(step.pairs.clamp(min=1))
        around, noise = self._split(self._others)[0], self._u[step.others[end:]]
        mean = torch.bmm(self._blocks(self._mask), around).flatten(0, 1)
        counts = step.pairs > 0
        missing = torch.sigmoid(-(mean * self._words).sum(1, keepdim=True)) * counts
        false = torch.sigmoid(mean @ noise.T) * counts * (self.negatives / self.shared_noise)
        change = missing * self._words - false @ noise
        self._u.index_add_(0, step.words, missing * mean, alpha=rate)
        self._u.index_add_(0, step.others[end:], false.T @ mean, alpha=-rate)
        spread = torch.bmm(self._blocks(self._mask).mT, self._blocks(change)).flatten(0, 1)
        self._v.index_add_(0, step.others[:end], spread, alpha=rate)

    def loss(self, step: Step) -> Tensor:
        """The mean loss of a word that has a window."""
        end = len(step.others) - self.shared_noise
        weight = self._masks[step.mask] / step.pairs.clamp(min=1)
        mean = (self._blocks(weight) @ self._blocks(self._v[step.others[:end]])).flatten(0, 1)
        words, noise, counts = self._u[step.words], self._u[step.others[end:]], step.pairs > 0
        right = F.logsigmoid((mean * words).sum(1, keepdim=True))
        wrong = F.logsigmoid(-mean @ noise.T).sum(1, keepdim=True) * (self.negatives / self.shared_noise)
        return -((right + wrong) * counts).sum() / counts.sum().clamp(min=1)

    def served(self) -> float:
        """The total weight of a noise word in a step: its words times k / K."""
        return self.words_per_step * self.negatives / self.shared_noise
