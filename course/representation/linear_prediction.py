r"""What a model of sound has to beat: the shares of the codes, and the best weighted sum of the samples before.

All say how many bits a sample needs and can be let go, so that they can be compared with a network on the same codes.
A network that is told the vowel and the speaker is compared with sums that are told the same.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.linalg import solve_toeplitz
from torch import Tensor

from course.arguments import require_whole
from course.representation.mulaw import CODES, decode, encode
from course.representation.spoken_codes import CodeSet, mean_bits

SMOOTHING = 0.02  # is added to every count
ROWS = 100  # utterances at a time
BINS = 32  # predicted codes that share a table of errors


@dataclass
class LinearPredictor:
    r"""The next sample as a weighted sum of the last p, and a table of how far off the code is: :eq:`wavenet-linear`.

    .. math:: \hat x_t = \sum_{i=1}^{p} a_i\, x_{t-i}, \qquad (r_{|i-j|} + \lambda r_0 \delta_{ij})\, a = (r_1, \dots,
              r_p)

    with the autocorrelation r of the training waves. The error in codes has a table of frequencies for each of 32
    ranges of the predicted code, since the error is smaller where the wave is.

    Args:
        order: p; with 0 nothing is predicted, and the table holds the shares of the codes.
        ridge: :math:`\lambda`, a small share of the power that is treated as noise.

    Example:
        >>> tone = torch.sin(0.3 * torch.arange(400.0)).expand(2, -1)
        >>> data = CodeSet.from_waves(tone, torch.tensor([400, 400]), rate=8000)
        >>> model = LinearPredictor(order=2).fit(data)
        >>> [round(weight, 1) for weight in model.weights.tolist()], model.bits(data) < 5
        ([1.9, -1.0], True)
    """

    order: int
    ridge: float = 1e-6

    def fit(self, data: CodeSet) -> "LinearPredictor":
        """Find the weights and count the errors."""
        require_whole("order", self.order, 0)
        waves = self.waves(data)
        n_fft = 1 << (waves.shape[1] + self.order).bit_length()
        power = sum(torch.fft.rfft(some, n_fft).abs().square().sum(0) for some in waves.split(ROWS))
        r = torch.fft.irfft(power, n_fft)[: self.order + 1].numpy()
        r[0] *= 1 + self.ridge
        self.weights = torch.from_numpy(solve_toeplitz(r[:-1], r[1:]) if self.order else r[:0])
        self.table = normal(self.counts(data) + SMOOTHING)
        return self

    def counts(self, data: CodeSet) -> Tensor:
        """How often each error occurs in each range of the predicted code, ``[BINS, 2 CODES - 1]``."""
        ranges, errors = self.errors(data)
        return torch.zeros(BINS, 2 * CODES - 1).index_put_((ranges, errors), torch.ones(len(errors)), accumulate=True)

    def surprise(self, data: CodeSet) -> Tensor:
        """The bits of every sample, ``[n, longest]``; 0 after the end of an utterance."""
        bits, real = torch.zeros(data.codes.shape), data.real.cpu()
        bits[real] = -self.table[self.errors(data)].log2()
        return bits

    def bits(self, data: CodeSet) -> float:
        """Bits a sample."""
        return mean_bits(self.surprise(data), data)

    def predict(self, data: CodeSet) -> Tensor:
        """The sum for every sample, ``float64 [n, longest]``; before the beginning all samples are 0."""
        waves = self.waves(data)
        n_fft = 1 << (waves.shape[1] + self.order).bit_length()
        delayed = torch.fft.rfft(F.pad(self.weights, (1, 0)), n_fft)  # weight i belongs to i samples ago
        sums = [torch.fft.irfft(torch.fft.rfft(some, n_fft) * delayed, n_fft) for some in waves.split(ROWS)]
        return torch.cat(sums)[:, : waves.shape[1]]

    def errors(self, data: CodeSet) -> tuple[Tensor, Tensor]:
        """For each real sample, the range of its predicted code, and by how many codes that is off, from 0 on."""
        data = data.to("cpu")
        predicted = encode(self.predict(data)[data.real])
        return predicted * BINS // CODES, data.codes[data.real] - predicted + CODES - 1

    def generate(self, n: int, samples: int, seed: int) -> Tensor:
        """Codes ``int64 [n, samples]``: each the predicted one and an error drawn from the table."""
        return let_go(self.weights.expand(n, -1), self.table.expand(n, -1, -1), samples, seed)

    @staticmethod
    def waves(data: CodeSet) -> Tensor:
        data = data.to("cpu")
        return decode(data.codes, dtype=torch.float64) * data.real


@dataclass
class ToldPredictor:
    """A :class:`LinearPredictor` for each combination of what is told, such as each vowel of each speaker.

    One combination has few samples for its table of errors, so each leans on the table that all have together: a small
    probability for *every* error instead would draw a click now and then, and what is said would lose its formants.

    Args:
        order, ridge: of all of them.
        shared: weight of the common table, in samples for each range of the predicted code.

    Example:
        >>> tones = torch.stack([torch.sin(0.3 * torch.arange(400.0)), torch.sin(0.7 * torch.arange(400.0))])
        >>> data = CodeSet.from_waves(tones, torch.tensor([400, 400]), 8000, [torch.tensor([0, 1])])
        >>> told, untold = ToldPredictor(order=2).fit(data), LinearPredictor(order=2).fit(data)
        >>> told.bits(data) < untold.bits(data), told.generate(torch.tensor([[1], [0], [1]]), 50, seed=0).shape
        (True, torch.Size([3, 50]))
    """

    order: int
    ridge: float = 1e-6
    shared: float = 400.0

    def fit(self, data: CodeSet) -> "ToldPredictor":
        """Fit each to the utterances of its combination.

        Raises:
            ValueError: if ``shared`` is not positive: a range that one sound never visits would have no table.
        """
        if not 0 < self.shared < float("inf"):
            raise ValueError(f"shared must be positive and finite, got {self.shared!r}")
        parts = {told: data.select(rows) for told, rows in by_conditions(data.conditions)}
        self.each = {told: LinearPredictor(self.order, self.ridge).fit(part) for told, part in parts.items()}
        counts = {told: self.each[told].counts(part) for told, part in parts.items()}
        common = normal(sum(counts.values()) + SMOOTHING)
        for told, one in self.each.items():
            one.table = normal(counts[told] + self.shared * common)
        return self

    def surprise(self, data: CodeSet) -> Tensor:
        """The bits of every sample, ``[n, longest]``; 0 after the end of an utterance."""
        bits = torch.zeros(data.codes.shape)
        for told, rows in by_conditions(data.conditions):
            bits[rows.cpu()] = self.fitted_to(told).surprise(data.select(rows))
        return bits

    def bits(self, data: CodeSet) -> float:
        """Bits a sample."""
        return mean_bits(self.surprise(data), data)

    def generate(self, conditions: Tensor, samples: int, seed: int) -> Tensor:
        """Codes ``int64 [n, samples]`` for ``conditions [n, c]``, each by the predictor of its combination."""
        chosen = [self.fitted_to(tuple(told)) for told in conditions.tolist()]
        weights, tables = (torch.stack([getattr(one, name) for one in chosen]) for name in ("weights", "table"))
        return let_go(weights, tables, samples, seed)

    def fitted_to(self, told: tuple[int, ...]) -> LinearPredictor:
        """The predictor of a combination.

        Raises:
            ValueError: if it was in no training utterance.
        """
        if told not in self.each:
            raise ValueError(f"no training utterance has the conditions {list(told)}: fit to a set that has them all")
        return self.each[told]


def normal(counts: Tensor) -> Tensor:
    """Frequencies: each row divided by its sum."""
    return counts / counts.sum(1, keepdim=True)


def by_conditions(conditions: Tensor) -> list[tuple[tuple[int, ...], Tensor]]:
    """Each combination in ``conditions [n, c]``, and the rows that have it."""
    found, which = conditions.unique(dim=0, return_inverse=True)
    return [(tuple(told), (which == place).nonzero()[:, 0]) for place, told in enumerate(found.tolist())]


def let_go(weights: Tensor, tables: Tensor, samples: int, seed: int) -> Tensor:
    """Codes ``int64 [n, samples]``: each is the predicted one, and an error that is drawn from a table.

    Args:
        weights: of each utterance, ``float64 [n, p]``.
        tables: of each utterance, ``[n, BINS, 2 CODES - 1]``.
        samples, seed: how many, and of the draws.
    """
    (n, order), random = weights.shape, torch.Generator().manual_seed(seed)
    codes, rows = torch.full((n, order + samples), CODES // 2), torch.arange(n)
    waves, oldest_first = decode(codes, dtype=torch.float64), weights.flip(1)
    for now in range(order, order + samples):
        predicted = encode((waves[:, now - order : now] * oldest_first).sum(1))
        errors = torch.multinomial(tables[rows, predicted * BINS // CODES], 1, generator=random)[:, 0] - CODES + 1
        codes[:, now] = (predicted + errors).clamp(0, CODES - 1)
        waves[:, now] = decode(codes[:, now], dtype=torch.float64)
    return codes[:, order:]
