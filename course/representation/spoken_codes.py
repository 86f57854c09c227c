"""Sounds as rows of codes, and what training a model of them needs: crops with their past, and bits a sample."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from course.arguments import require_whole
from course.data.sets import OnDevice
from course.history import History
from course.representation.cepstrum import formants, pitch
from course.representation.mulaw import CODES, encode
from course.representation.wavenet import WaveNet
from course.runtime import step_generator
from course.training import fit


@dataclass(frozen=True, eq=False)
class CodeSet(OnDevice):
    """Waveforms as codes.

    Attributes:
        codes: ``int64 [n, longest]``; after its end an utterance has the code of silence.
        lengths: samples of each utterance, ``int64 [n]``.
        conditions: what is known of each, ``int64 [n, c]``, such as the numbers of its vowel and its speaker.
        rate: samples a second (Hz).
    """

    codes: Tensor
    lengths: Tensor
    conditions: Tensor
    rate: int

    @classmethod
    def from_waves(
        cls,
        x: Tensor,
        lengths: Tensor,
        rate: int,
        conditions: Sequence[Tensor] = (),
        *,
        peak: float | None = 0.9,
        codes: int = CODES,
    ) -> "CodeSet":
        """The codes of waves.

        Args:
            x: samples from -1 to 1, ``[n, longest]``, with 0 after the end of each.
            lengths: samples of each, ``int64 [n]``.
            rate: samples a second (Hz).
            conditions: numbers ``int64 [n]``, one tensor for each thing that is to be given to the model.
            peak: each utterance is scaled to this largest sample, so that all codes are used; ``None`` leaves it.
            codes: how many there are.

        Raises:
            ValueError: if an utterance is silent and cannot be scaled, or ``peak`` is not from 0 to 1.
        """
        if peak is not None and not 0 < peak <= 1:
            raise ValueError(f"peak must be above 0 and at most 1, or None, got {peak!r}")
        largest = x.abs().amax(1, keepdim=True)
        if peak is not None and not largest.min() > 0:
            raise ValueError(f"utterance {int(largest.argmin())} is silent, and cannot be scaled: leave it out")
        x = x if peak is None else x * (peak / largest)
        columns = torch.stack([*conditions], 1) if conditions else torch.zeros(len(x), 0, dtype=torch.int64)
        return cls(encode(x, codes), lengths, columns, rate)

    def select(self, chosen: Tensor) -> "CodeSet":
        """The set of the ``chosen`` utterances, whole numbers or a mask ``bool [n]``."""
        return CodeSet(self.codes[chosen], self.lengths[chosen], self.conditions[chosen], self.rate)

    @property
    def real(self) -> Tensor:
        """Which positions are not padding, ``bool [n, longest]``."""
        return torch.arange(self.codes.shape[1], device=self.codes.device) < self.lengths[:, None]


def bits_per_sample(model: WaveNet, data: CodeSet, batch: int = 20) -> float:
    r"""What the model needs on average to write down a sample, in bits: :eq:`wavenet-bits`.

    .. math:: -\frac1T \sum_t \log_2 p(x_t \mid x_{<t}, c)

    It is the length of the shortest code by Shannon's theorem, up to two bits an utterance; 8 are without a model.
    """
    return mean_bits(surprise(model, data, batch), data)


@torch.no_grad()
def surprise(model: WaveNet, data: CodeSet, batch: int = 20) -> Tensor:
    """The bits of every sample, ``[n, longest]``; 0 after the end of an utterance.

    Args:
        model, data: a model, and what it is to write down.
        batch: utterances at a time.
    """
    bits = torch.zeros(data.codes.shape, device=data.codes.device)
    for part in data.lengths.argsort().split(batch):  # utterances of about one length, cut to the longest of them
        some = data.select(part)
        some = replace(some, codes=some.codes[:, : int(some.lengths.max())])
        scores, real = model(some.codes, some.conditions), some.real
        nats = torch.zeros(some.codes.shape, device=bits.device)
        nats[real] = F.cross_entropy(scores[real], some.codes[real], reduction="none")
        bits[part, : nats.shape[1]] = nats / math.log(2)
    return bits


def mean_bits(bits: Tensor, data: CodeSet) -> float:
    """The mean of bits ``[n, longest]`` over the real samples."""
    return bits.sum(dtype=torch.float64).item() / int(data.lengths.sum())


def train(
    model: WaveNet,
    data: CodeSet,
    validation: CodeSet,
    *,
    steps: int,
    rate: float = 0.01,
    batch: int = 4,
    length: int = 600,
    seed: int = 0,
    validate_every: int = 0,
    **saved,
) -> History:
    """Fit a model to crops of utterances, by Adam with a learning rate that rises for 5 % of the steps and then falls.

    A crop has ``length`` samples that are counted, and before them as many as the model sees, so that each counted one
    has its whole past.

    Args:
        data, validation: codes with conditions that fit the model.
        steps, rate, batch: number of steps, largest learning rate, crops in a step.
        length: samples of a crop that are counted.
        seed: of the choice of crops.
        validate_every: steps between two validations, besides that after the last step; 0 for no others.
        saved: options of :func:`course.training.fit` for checkpoints.

    Returns:
        The losses in nats, the validations in bits a sample.
    """
    require_whole("length", length)
    longest = data.codes.shape[1]
    length = min(length, longest)
    window = torch.arange(-model.reach, length, device=data.codes.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=max(steps, 2), pct_start=0.05, cycle_momentum=False
    )

    def loss(step: int) -> Tensor:
        random = step_generator(seed, step)
        rows = torch.from_numpy(random.integers(len(data), size=batch)).to(window.device)
        begins = torch.from_numpy(random.random(batch)).to(window.device) * data.lengths[rows].sub(length).clamp(min=1)
        where = begins.long()[:, None] + window
        inside = (where >= 0) & (where < data.lengths[rows][:, None])  # before the beginning there is silence
        codes = data.codes[rows[:, None], where.clamp(0, longest - 1)].where(inside, model.silence)
        scores = model.scores(codes[:, :-1], data.conditions[rows], last=length)
        counted = inside[:, -length:]
        return F.cross_entropy(scores[counted], codes[:, -length:][counted])

    def validate() -> dict[str, float]:
        model.eval()
        return {"loss": bits_per_sample(model, validation)}

    return fit(
        model, loss, optimizer, steps=steps, scheduler=scheduler, clip_norm=1.0, validate=validate,
        validate_every=validate_every, **{"label": "wavenet"} | saved,
    )  # fmt: skip


def heard(waves: Tensor, rate: int) -> tuple[Tensor, Tensor]:
    """Pitch and first three formants of held vowels, ``[n]`` and ``[n, 3]`` in Hz: medians over frames.

    Args:
        waves: ``[n, samples]``, at least 50 ms.
        rate: samples a second.

    Returns:
        0 for a pitch and NaN for a formant that is not there.
    """
    frequency, _ = pitch(waves, rate)
    resonances = formants(waves.unfold(1, round(0.04 * rate), round(0.02 * rate)), rate)
    return frequency.median(1).values, resonances.nanmedian(1).values


def near(found: Tensor, asked: Tensor, factor: float) -> Tensor:
    """Which of ``found`` differ from ``asked`` by less than a factor, upwards or downwards; what is missing does not.

    >>> near(torch.tensor([100.0, 200.0, 0.0, torch.nan]), torch.tensor([105.0, 100.0, 100.0, 100.0]), 1.06)
    tensor([ True, False, False, False])
    """
    return (found / asked).log().abs() < math.log(factor)
