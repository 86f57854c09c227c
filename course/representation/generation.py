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
from course.representation.recorded_generation import Recorded, require_finite
from course.representation.wavenet import GatedLayer, WaveNet

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


def array(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor."""
    return tensor.detach().cpu().numpy()


class Cached:
    r"""One position for each layer, in NumPy, whose calls cost less than torch's: for a sample they cost most.

    Args:
        model, conditions, n: as for :class:`Naive`; the weights are copied.
    """

    def __init__(self, model: WaveNet, conditions: Tensor | None, n: int):
        self.embedding, width = array(model.embedding.weight), model.embedding.weight.shape[1]
        self.layers, self.position = [], 0
        h, offset = self.embedding[np.full(n, model.silence)], np.zeros(width, self.embedding.dtype)
        self.outs = np.zeros((n, len(model.layers) * width), self.embedding.dtype)
        places = np.split(self.outs, len(model.layers), 1)
        given = array(model.condition_vectors(conditions, n))
        for layer, condition, out in zip(model.layers, given, places, strict=True):
            self.layers.append(LayerAtOnce(layer, condition, h, offset, out))
            h = self.layers[-1](h, 0)
            offset = offset + array(layer.split.bias)[:width]
        splits = [layer.split for layer in model.layers]
        self.skips = np.concatenate([array(split.weight)[width:, :, 0].T / 2 for split in splits])
        self.skip_bias = sum(array(split.bias)[width:] for split in splits)
        first, last = model.head[1], model.head[3]
        self.head = [array(each) for each in (first.weight[..., 0].T, first.bias, last.weight[..., 0].T, last.bias)]

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        h = self.embedding[codes]
        for layer in self.layers:
            h = layer(h, self.position)
        self.position += 1
        weight, bias, last_weight, last_bias = self.head
        read = np.maximum(self.outs.dot(self.skips) + self.skip_bias, 0)
        return np.maximum(read.dot(weight) + bias, 0).dot(last_weight) + last_bias


class LayerAtOnce:
    r"""A layer of :class:`Cached`: its last (k - 1) d inputs in a ring, and as few calls as possible.

    The sigmoid is :math:`\sigma(x)=\frac12(1+\tanh\frac x2)`, so that one tanh serves content and gate; the factor 1/2
    stands in the weights after it, and what the biases add to h in the bias of the next layer. Before the first sample
    the ring holds what endless silence puts there.

    Args:
        layer: of the model.
        condition: a and b of each utterance, ``[n, 2 width]`` (or ``[n, 1]`` of 0).
        silent: h in endless silence, ``[n, width]``, without ``offset [width]``, which the biases have added.
        out: where z is left, ``[n, width]``.
    """

    def __init__(
        self, layer: GatedLayer, condition: np.ndarray, silent: np.ndarray, offset: np.ndarray, out: np.ndarray
    ):
        (n, width), (kernel,), (dilation,) = silent.shape, layer.dilated.kernel_size, layer.dilated.dilation
        halves = np.repeat(np.array([1, 0.5], silent.dtype), width)
        self.taps = array(layer.dilated.weight).transpose(2, 1, 0).reshape(kernel * width, 2 * width) * halves
        self.bias = (array(layer.dilated.bias) + condition) * halves + np.tile(offset, kernel) @ self.taps
        self.residual = np.ascontiguousarray(array(layer.split.weight)[:width, :, 0].T) / 2
        self.ring = np.repeat(silent[None], (kernel - 1) * dilation, 0)
        self.back = range(0, len(self.ring), dilation)
        self.seen = np.empty((n, kernel * width), silent.dtype)
        self.gates = np.empty((n, 2 * width), silent.dtype)
        self.out = out
        self.slots = np.split(self.seen, kernel, 1)
        self.content, self.gate = np.split(self.gates, 2, 1)

    def __call__(self, h: np.ndarray, position: int) -> np.ndarray:
        """The input of the next layer at one position, ``[n, width]`` to ``[n, width]``."""
        ring, slots = self.ring, self.slots
        size = len(ring)
        place = position % size
        for slot, back in zip(slots, self.back, strict=False):  # the oldest first
            slot[...] = ring[(place + back) % size]
        slots[-1][...] = ring[place] = h
        gates = np.dot(self.seen, self.taps, self.gates)
        gates += self.bias
        np.tanh(gates, gates)
        self.gate += 1
        np.multiply(self.content, self.gate, self.out)
        return self.out.dot(self.residual) + h


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
        cache: False recomputes everything for each sample, by definition. On a GPU the cached way is that of
            :mod:`course.representation.recorded_generation`.
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
    random = np.random.default_rng(seed)
    if cache and model.embedding.weight.device.type != "cpu":
        return drawing_on_device(Recorded(model, conditions, n, temperature), n, prompt, random, chunk)
    steps = (Cached if cache else Naive)(model, conditions, n)
    return drawing(model, steps, n, prompt, temperature, random, chunk)


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
        require_finite(bool(np.isfinite(scores).all()))
        yield torch.from_numpy(out.T.copy())


def drawing_on_device(speaker: Recorded, n: int, prompt, random: np.random.Generator, chunk) -> Iterator[Tensor]:
    """The loop of :func:`stream` on a GPU; the same random numbers."""
    if prompt is not None:
        speaker.hear(prompt.T)
    while True:
        yield speaker.draw(torch.from_numpy(random.random((chunk, n)))).T.cpu()


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
