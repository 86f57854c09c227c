r"""What a model of sound has to beat: the shares of the codes, and the best weighted sum of the samples before.

Both say how many bits a sample needs and can be let go, so that they can be compared
with a network on the same codes.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from scipy.linalg import solve_toeplitz
from torch import Tensor

from course.arguments import require_whole
from course.representation.mulaw import CODES, decode, encode
from course.representation.spoken_codes import CodeSet

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
        ranges, errors = self.errors(data)
        self.table = torch.full((BINS, 2 * CODES - 1), SMOOTHING)
        self.table.index_put_((ranges, errors), torch.ones(len(errors)), accumulate=True)
        self.table /= self.table.sum(1, keepdim=True)
        return self

    def bits(self, data: CodeSet) -> float:
        """Bits a sample."""
        return -self.table[self.errors(data)].log2().mean().item()

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
        random = torch.Generator().manual_seed(seed)
        codes = torch.full((n, self.order + samples), CODES // 2)
        waves = decode(codes, dtype=torch.float64)
        for now in range(self.order, self.order + samples):
            predicted = encode(waves[:, now - self.order : now] @ self.weights.flip(0))
            errors = torch.multinomial(self.table[predicted * BINS // CODES], 1, generator=random)[:, 0] - CODES + 1
            codes[:, now] = (predicted + errors).clamp(0, CODES - 1)
            waves[:, now] = decode(codes[:, now], dtype=torch.float64)
        return codes[:, self.order :]

    @staticmethod
    def waves(data: CodeSet) -> Tensor:
        data = data.to("cpu")
        return decode(data.codes, dtype=torch.float64) * data.real
