"""Generation by a WaveNet: with its past kept at hand, recomputed for each sample, and with the queues of others.

    python benchmarks/wavenet.py --output book/results/bench-wavenet.json

One utterance at a time; untrained weights, which take as long as trained ones. The queues are a stand-in, written here
after the description in Paine et al. (2016) and in plain PyTorch, for the "fast" generation of the repository
pytorch-wavenet, which is no package: each layer pushes its input to a queue of tensors and convolves what it takes out.
All three ways give the same scores, which is checked first. The repository itself (commit 26ba289, with one line
changed that torch 2.11 refuses, the same sizes, without gradients) was slower than the stand-in: 349 samples a second
where the course drew 4,880, 14.0 times as many (median of 7 in turn).
"""

from collections import deque
from itertools import islice

import numpy as np
from measure import in_fresh_process, main, peak, seconds

DILATIONS = [2**power for power in range(10)] * 3  # a reach of 3,070 samples
WIDTH, SKIP = 32, 64
FAST, SLOW = 2000, 20  # samples to time


def model(double: bool = False):
    import torch

    from course.representation.wavenet import WaveNet

    made = WaveNet(DILATIONS, kernel=2, width=WIDTH, skip=SKIP, generator=torch.Generator().manual_seed(0))
    return made.double() if double else made


class Queues:
    """The stand-in: torch, a queue of past inputs for each layer, the model's own convolutions on what it holds."""

    def __init__(self, wavenet, conditions, n):
        import torch

        self.net = wavenet
        silence = wavenet.embedding.weight[wavenet.silence].detach().expand(n, -1)[..., None]
        self.queues = []
        h = silence
        with torch.no_grad():
            for layer in wavenet.layers:
                reach = (layer.dilated.kernel_size[0] - 1) * layer.dilated.dilation[0]
                self.queues.append(deque([h] * reach, maxlen=reach))
                h, _ = self.after(layer, h, self.queues[-1])

    @staticmethod
    def after(layer, h, queue):
        import torch
        import torch.nn.functional as F

        seen = torch.cat([*islice(queue, 0, None, layer.dilated.dilation[0]), h], -1)
        content, gate = F.conv1d(seen, layer.dilated.weight, layer.dilated.bias).chunk(2, 1)
        residual, skipped = layer.split(content.tanh() * gate.sigmoid()).split(layer.sizes, 1)
        return h + residual, skipped

    def __call__(self, codes):
        import torch

        with torch.no_grad():
            h, total = self.net.embedding(torch.from_numpy(codes))[..., None], 0
            for layer, queue in zip(self.net.layers, self.queues, strict=True):
                h_next, skipped = self.after(layer, h, queue)
                queue.append(h)
                h, total = h_next, total + skipped
            return self.net.head(total)[..., 0].numpy()


def speak(steps, samples: int) -> None:
    """Let it draw as :func:`course.representation.generation.stream` does."""
    from course.representation.generation import drawn

    codes, random = np.full(1, 128), np.random.default_rng(0)
    for uniform in random.random((samples, 1)):
        codes = drawn(steps(codes), uniform, 1.0)


def require_equal() -> None:
    """All three ways give the same scores, in float64."""
    from course.representation.generation import Cached, Naive

    wavenet = model(double=True)
    ways = [kind(wavenet, None, 1) for kind in (Naive, Cached, Queues)]
    for code in np.random.default_rng(1).integers(0, 256, (40, 1)):
        first, *others = [way(code) for way in ways]
        for other in others:
            np.testing.assert_allclose(other, first, atol=1e-10)


def memory(samples: int) -> int:
    """The peak of memory after streaming so many samples."""
    from course.representation.generation import stream

    for _ in islice(stream(model(), chunk=1000), samples // 1000):
        pass
    return peak()


def measure(repeats: int):
    """Samples a second of the three, taken in turn, and the growth of memory."""
    import torch

    torch.set_num_threads(1)
    from course.representation.generation import Cached, Naive

    require_equal()
    wavenet = model()
    ways = {"cached": (Cached, FAST), "naive": (Naive, SLOW), "queues": (Queues, FAST // 8)}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats + 1):
        for name, (kind, samples) in ways.items():
            steps = kind(wavenet, None, 1)
            rate = samples / seconds(lambda steps=steps, samples=samples: speak(steps, samples))
            if repeat:  # the first round warms up
                rates[name].append(rate)
    own = np.array(rates["cached"])
    for name, peer, goal in (("naive", "our own by definition", 100), ("queues", "queues in PyTorch (a stand-in)", 8)):
        yield {
            "what": f"samples a second, reach {wavenet.reach:,}",
            "peer": peer,
            "course_value": float(np.median(own)),
            "peer_value": float(np.median(rates[name])),
            "ratio": float(np.median(own / np.array(rates[name]))),
            "repeats": repeats,
            "goal": goal,
        }
    short, long = (in_fresh_process("wavenet", f"memory({samples})") for samples in (2_000, 20_000))
    yield {"what": "MB more memory for 20,000 samples than for 2,000", "course_value": (long - short) / 1e6, "goal": 2}


if __name__ == "__main__":
    main("wavenet", __doc__, f"{len(DILATIONS)} layers of width {WIDTH}, float32, one thread", measure, repeats=7)
