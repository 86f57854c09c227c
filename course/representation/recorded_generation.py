r"""Let a WaveNet speak on a GPU: a sample, from codes to the next codes, is recorded once and then played back.

A sample costs hundreds of small operations. A GPU computes each in microseconds, and waits longer for the CPU to ask
for it. A CUDA graph is the list of all operations of one sample, which the GPU works off by itself: nothing is asked
for, and nothing is copied back, until a chunk of samples is there.

Sources: Paine et al., *Fast WaveNet generation algorithm* (2016); NVIDIA, *CUDA graphs*, in the manual of CUDA.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from course.representation.wavenet import GatedLayer, WaveNet

WARM_UP = 3  # samples before the recording, as the manual of torch asks for


class Ring:
    """The last (k - 1) d inputs of a layer, of each utterance, and its output at one position more.

    Args:
        layer: of the model.
        condition: a and b of each utterance, ``[n, 2 width]`` (or ``[n, 1]`` of 0).
        silent: the layer's input in endless silence, ``[n, width]``.
    """

    def __init__(self, layer: GatedLayer, condition: Tensor, silent: Tensor):
        (kernel,), (dilation,) = layer.dilated.kernel_size, layer.dilated.dilation
        self.layer, self.bias = layer, layer.dilated.bias + condition
        self.taps = layer.dilated.weight.permute(2, 1, 0).flatten(0, 1)  # [k width, 2 width]
        self.past = silent.repeat((kernel - 1) * dilation, 1, 1)
        self.offsets = torch.arange(0, len(self.past), dilation, device=silent.device)  # the oldest first

    def __call__(self, h: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """``h [n, width]`` at ``position [1]`` to the next layer's input and what is read out."""
        seen = self.past[(position + self.offsets) % len(self.past)]  # [k - 1, n, width]
        self.past[position % len(self.past)] = h
        seen = torch.cat([*seen, h], 1)
        content, gate = (seen @ self.taps + self.bias).chunk(2, 1)
        split = self.layer.split
        z = (content.tanh() * gate.sigmoid()) @ split.weight[..., 0].T + split.bias
        residual, skipped = z.split(self.layer.sizes, 1)
        return h + residual, skipped


class Recorded:
    r"""Samples on the device of the model, a chunk at a time; on a GPU as a CUDA graph.

    Args:
        model: in any precision, on any device.
        conditions: as the model takes them, ``int64 [n, c]``, or None.
        n: number of utterances.
        temperature: of the draws, see :func:`course.representation.generation.drawn`.
        record: False asks for each operation of each sample.

    Example:
        >>> speaker = Recorded(WaveNet([1, 2, 4]), None, n=2, temperature=1.0)
        >>> speaker.draw(torch.rand(100, 2)).shape
        torch.Size([100, 2])
    """

    @torch.no_grad()
    def __init__(self, model: WaveNet, conditions: Tensor | None, n: int, temperature: float, *, record: bool = True):
        self.model, self.temperature = model, temperature
        weight = model.embedding.weight
        self.codes = torch.full((n,), model.silence, device=weight.device)
        self.position = torch.zeros(1, dtype=torch.int64, device=weight.device)
        self.uniform = weight.new_zeros(n)
        self.scores = weight.new_zeros(n, model.codes)
        h, self.rings = model.embedding(self.codes), []
        for layer, condition in zip(model.layers, model.condition_vectors(conditions, n), strict=True):
            self.rings.append(Ring(layer, condition, h))
            h, _ = self.rings[-1](h, self.position)  # puts silence where silence is
        self.sample = self.recording() if record and weight.device.type == "cuda" else self.step

    @torch.no_grad()
    def step(self) -> None:
        """The next codes, in place; no value comes to the CPU."""
        h, total = self.model.embedding(self.codes), 0.0
        for ring in self.rings:
            h, skipped = ring(h, self.position)
            total = total + skipped
        self.position += 1
        self.scores.copy_(self.model.head(total[..., None])[..., 0])
        if self.temperature == 0:
            self.codes.copy_(self.scores.argmax(1))
            return
        weights = ((self.scores - self.scores.amax(1, keepdim=True)) / self.temperature).exp()
        reached = weights.cumsum(1)
        code = (reached < self.uniform[:, None] * reached[:, -1:]).sum(1)
        self.codes.copy_(code.clamp(max=self.model.codes - 1))

    def recording(self) -> Callable[[], None]:
        """:meth:`step` as a CUDA graph; what the samples before the recording changed is put back."""
        state = [self.codes, self.position, *(ring.past for ring in self.rings)]
        before = [each.clone() for each in state]
        side = torch.cuda.Stream(self.codes.device)
        side.wait_stream(torch.cuda.current_stream(self.codes.device))
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.step()
        torch.cuda.current_stream(self.codes.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        for now, then in zip(state, before, strict=True):
            now.copy_(then)
        return graph.replay

    def hear(self, codes: Tensor) -> None:
        """Take ``codes [length, n]`` as said, instead of drawing."""
        for said in codes:
            self.sample()
            self.codes.copy_(said)

    def draw(self, uniform: Tensor) -> Tensor:
        """Codes ``int64 [chunk, n]`` from random numbers ``[chunk, n]`` from 0 to 1.

        Raises:
            ValueError: if the scores of the model are not finite.
        """
        uniform = uniform.to(self.uniform)
        out = torch.empty(uniform.shape, dtype=torch.int64, device=self.codes.device)
        for numbers, codes in zip(uniform, out, strict=True):
            self.uniform.copy_(numbers)
            self.sample()
            codes.copy_(self.codes)
        require_finite(bool(self.scores.isfinite().all()))
        return out


def require_finite(finite: bool) -> None:
    """Raise ValueError unless the scores of a model are finite."""
    if not finite:
        raise ValueError("the scores of the model are not finite: train it again at a lower rate")
