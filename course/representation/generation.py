r"""Let a WaveNet speak: sample by sample, with all that it has computed before kept at hand.

The definition costs a whole receptive field for every sample. But of each layer's inputs only the newest is new: the
others were computed before. A layer that keeps its last (k - 1) d inputs has one position to compute for a sample.

Source: Paine et al., *Fast WaveNet generation algorithm* (2016).
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from course.arguments import require_whole
from course.representation.wavenet import WaveNet

CHUNK = 1000  # samples that are drawn before they are handed on


class Steps(Protocol):
    """Something that is told one code of each utterance, and answers with the scores of the next one."""

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        """Codes ``int64 [n]`` to scores ``[n, codes]``."""


class Naive:
    """The definition: all layers over the last R codes, for every sample.

    Args:
        model: in any precision, on any device.
        conditions: as the model takes them, ``int64 [n, c]``, or None.
        n: number of utterances.
    """

    def __init__(self, model: WaveNet, conditions: Tensor | None, n: int):
        self.model, self.conditions = model, conditions
        self.past = torch.full((n, model.reach), model.silence, device=model.embedding.weight.device)

    @torch.no_grad()
    def __call__(self, codes: np.ndarray) -> np.ndarray:
        newest = torch.from_numpy(codes).to(self.past.device)[:, None]
        self.past = torch.cat([self.past[:, 1:], newest], 1)
        return self.model.scores(self.past, self.conditions, last=1)[:, 0].cpu().numpy()


class Cached:
    r"""One position for each layer, in NumPy, whose calls cost less than torch's: for a sample they cost most.

    A layer keeps its last (k - 1) d inputs in a ring. Before the first sample all of them are what endless silence
    makes of them. The sigmoid is :math:`\sigma(x)=\frac12(1+\tanh\frac x2)`, so that one tanh serves content and gate.

    Args:
        model, conditions, n: as for :class:`Naive`; the weights are copied.
    """

    def __init__(self, model: WaveNet, conditions: Tensor | None, n: int):
        def array(tensor: Tensor) -> np.ndarray:
            return tensor.detach().cpu().numpy()

        self.embedding = array(model.embedding.weight)
        width = self.embedding.shape[1]
        halves = np.ones(2 * width, self.embedding.dtype)
        halves[width:] = 0.5
        self.layers = []
        h = np.repeat(self.embedding[model.silence][None], n, 0)
        for layer, condition in zip(model.layers, model.condition_vectors(conditions, n), strict=True):
            kernel, dilation = layer.dilated.kernel_size[0], layer.dilated.dilation[0]
            taps = array(layer.dilated.weight).transpose(2, 1, 0).reshape(kernel * width, 2 * width) * halves
            bias = (array(layer.dilated.bias) + array(condition)) * halves
            split, split_bias = array(layer.split.weight)[..., 0].T.copy(), array(layer.split.bias)
            ring = np.repeat(h[None], (kernel - 1) * dilation, 0)  # [positions, n, width]
            self.layers.append((ring, dilation, np.ascontiguousarray(taps), bias, split, split_bias))
            h, _ = self.after(np.concatenate([h] * kernel, 1), h, self.layers[-1])
        first, last = model.head[1], model.head[3]
        self.head = [array(each) for each in (first.weight[..., 0].T, first.bias, last.weight[..., 0].T, last.bias)]
        self.position = 0

    @staticmethod
    def after(seen: np.ndarray, h: np.ndarray, layer: tuple) -> tuple[np.ndarray, np.ndarray]:
        """What a layer makes of the inputs that it sees, ``[n, k width]``, the newest of which is h."""
        _, _, taps, bias, split, split_bias = layer
        width = h.shape[1]
        gates = np.tanh(seen @ taps + bias)
        out = (0.5 * gates[:, :width] * (1 + gates[:, width:])) @ split + split_bias
        return h + out[:, :width], out[:, width:]

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        h, total = self.embedding[codes], 0
        for layer in self.layers:
            ring, dilation = layer[:2]
            size = len(ring)
            place = self.position % size
            seen = [ring[(place + back) % size] for back in range(0, size, dilation)]  # the oldest first
            h_next, skipped = self.after(np.concatenate([*seen, h], 1), h, layer)
            ring[place] = h
            h, total = h_next, total + skipped
        self.position += 1
        weight, bias, last_weight, last_bias = self.head
        hidden = np.maximum(np.maximum(total, 0) @ weight + bias, 0)
        return hidden @ last_weight + last_bias


def drawn(scores: np.ndarray, uniform: np.ndarray, temperature: float) -> np.ndarray:
    r"""Codes with the probabilities :math:`\propto e^{s/\tau}`: :eq:`wavenet-temperature`.

    The code is the first whose cumulated probability reaches the random number, so that two ways to compute the same
    scores draw the same codes.

    Args:
        scores: s, ``[n, codes]``.
        uniform: random numbers from 0 to 1, ``[n]``.
        temperature: :math:`\tau`; 0 takes the likeliest code.
    """
    if temperature == 0:
        return scores.argmax(1)
    weights = np.exp((scores - scores.max(1, keepdims=True)) / temperature)
    reached = np.cumsum(weights, 1)
    return np.minimum((reached < uniform[:, None] * reached[:, -1:]).sum(1), scores.shape[1] - 1)


def stream(
    model: WaveNet,
    *,
    n: int = 1,
    conditions: Tensor | None = None,
    prompt: Tensor | None = None,
    temperature: float = 1.0,
    seed: int = 0,
    cache: bool = True,
    chunk: int = CHUNK,
) -> Iterator[Tensor]:
    """Codes without end, ``int64 [n, chunk]`` at a time; whoever has enough stops asking. The memory does not grow.

    Args:
        model: a trained model; computes in its precision.
        n: utterances side by side; with ``conditions`` or a ``prompt``, as many as these have.
        conditions: what is to be said, ``int64 [n, c]``.
        prompt: codes ``int64 [n, length]`` that were said before; they are not repeated in what comes out.
        temperature: below 1 the likely is made likelier; 0 always takes the likeliest.
        seed: the same seed draws the same codes, whatever the size of the chunks.
        cache: False recomputes everything for each sample, by definition.
        chunk: samples at a time.

    Raises:
        ValueError: if an argument is out of its range, or the scores of the model are not finite.
    """
    for given in (conditions, prompt):
        n = n if given is None else len(given)
    require_whole("n", n)
    require_whole("chunk", chunk)
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature must be 0 or positive, got {temperature!r}")
    if prompt is not None and not (prompt.ndim == 2 and ((prompt >= 0) & (prompt < model.codes)).all()):
        raise ValueError(f"prompt must be codes [n, length] from 0 to {model.codes - 1}, got {list(prompt.shape)}")
    steps = (Cached if cache else Naive)(model, conditions, n)
    return drawing(model, steps, n, prompt, temperature, np.random.default_rng(seed), chunk)


def drawing(model, steps: Steps, n: int, prompt, temperature, random: np.random.Generator, chunk) -> Iterator[Tensor]:
    """The loop of :func:`stream`, whose arguments are checked."""
    codes = np.full(n, model.silence)
    for said in () if prompt is None else prompt.cpu().numpy().T:
        steps(codes)
        codes = said
    while True:
        out = np.empty((chunk, n), np.int64)
        for place, uniform in enumerate(random.random((chunk, n))):
            scores = steps(codes)
            codes = out[place] = drawn(scores, uniform, temperature)
        if not np.isfinite(scores).all():
            raise ValueError("the scores of the model are not finite: train it again at a lower rate")
        yield torch.from_numpy(out.T.copy())


def generate(model: WaveNet, samples: int, **options) -> Tensor:
    """The first ``samples`` codes of :func:`stream`, ``int64 [n, samples]``.

    Example:
        >>> model = WaveNet([1, 2, 4], conditions=(10,), generator=torch.Generator().manual_seed(0))
        >>> fast = generate(model, 50, conditions=torch.tensor([[3], [7]]), seed=1)
        >>> fast.shape, torch.equal(fast, generate(model, 50, conditions=torch.tensor([[3], [7]]), seed=1, cache=False))
        (torch.Size([2, 50]), True)
    """
    require_whole("samples", samples)
    options["chunk"] = min(options.get("chunk", CHUNK), samples)
    parts, count = [], 0
    for part in stream(model, **options):
        parts.append(part)
        count += part.shape[1]
        if count >= samples:
            return torch.cat(parts, 1)[:, :samples]
