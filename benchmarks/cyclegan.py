"""CycleGAN: a training step against the usual way, networks side by side against a loop, transport against SciPy.

    python benchmarks/cyclegan.py --output book/results/bench-cyclegan.json

Equality first, then the CPU time of one thread. A is measured, then B, then A again; the ratio is the median of
neighbours' ratios. The usual way of a step is a stand-in in the manner of the paper's own code, in our own words: the
generators' loss and its step first, with the critics frozen, then each critic by itself; two optimisers, a pool of
single pictures with a coin for each. From the same weights its first step of the generators is ours.
"""

import random
from collections.abc import Callable, Iterator
from time import process_time

from measure import in_turn, main

BATCH, SIDE, WIDTH = 32, 16, 16
RUNS, HIDDEN, POINTS = 40, 32, 64
DIMENSION = 256


def milliseconds(own: Callable, other: Callable, repeats: int) -> dict:
    """Both in turn, by the time that the processor spent."""
    return in_turn(own, other, repeats, scale=1000, clock=process_time)


def require_equal(what: str, mine, other, tolerance: float) -> None:
    """Speed counts only where the numbers are the same."""
    difference = ((mine - other).abs().max() / other.abs().max()).item()
    if not difference <= tolerance:
        raise RuntimeError(f"{what}: the two differ by {difference:.1e} of the largest, more than {tolerance}")


def config():
    """Without an identity loss, which the paper uses for some data only."""
    from course.crossmodal.cyclegan import CycleGANConfig

    return CycleGANConfig.quick(width=WIDTH, critic_width=WIDTH, identity=0.0)


class Usual:
    """A training step as it is often written."""

    def __init__(self, model, x, y):
        import torch

        self.model, self.x, self.y = model, x, y
        groups = [group["params"] for group in model.parameter_groups()]
        self.makers, self.critics = (torch.optim.Adam(each, lr=1e-3, betas=(0.5, 0.999)) for each in groups)
        self.pools = [], []

    def generators(self):
        """Their loss, with pictures made anew."""
        m = self.model
        self.made = m.there(self.x), m.back(self.y)
        fooling = (m.critic_y(self.made[0]) - 1).square().mean() + (m.critic_x(self.made[1]) - 1).square().mean()
        cycles = (m.back(self.made[0]) - self.x).abs().mean() + (m.there(self.made[1]) - self.y).abs().mean()
        return fooling + m.config.cycle * cycles

    def shown(self, pool: list, made):
        """Old pictures for half of the new ones, one by one."""
        import torch

        shown = []
        for picture in made.detach():
            if len(pool) < 50:
                pool.append(picture)
                shown.append(picture)
            elif random.random() < 0.5:
                place = random.randrange(50)
                shown.append(pool[place].clone())
                pool[place] = picture
            else:
                shown.append(picture)
        return torch.stack(shown)

    def step(self):
        critics = self.model.critic_x, self.model.critic_y
        for critic in critics:
            critic.requires_grad_(False)
        self.makers.zero_grad()
        self.generators().backward()
        self.makers.step()
        self.critics.zero_grad()
        for critic, real, pool, made in zip(critics, (self.x, self.y), self.pools, self.made[::-1], strict=True):
            critic.requires_grad_(True)
            loss = (critic(real) - 1).square().mean() + critic(self.shown(pool, made)).square().mean()
            loss.backward()
        self.critics.step()


def steps(repeats: int) -> Iterator[dict]:
    """Milliseconds of a step of both sides."""
    import torch

    from course.crossmodal.cyclegan import CycleGAN, train_cyclegan

    draw = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, BATCH, 1, SIDE, SIDE, generator=draw)
    own, other = (CycleGAN.for_pictures((1, SIDE, SIDE), config(), seed=0) for _ in range(2))
    usual = Usual(other, x, y)
    mine, theirs = own.losses(x, y, 0)["generators"], usual.generators()
    require_equal("the generators' loss", mine.detach(), theirs.detach(), 1e-5)
    slopes = [torch.autograd.grad(*each)[0] for each in ((mine, own.there[0].weight), (theirs, other.there[0].weight))]
    require_equal("its slope", *slopes, 1e-4)

    def five_usual():
        for _ in range(5):
            usual.step()

    yield (
        {"what": f"ms for 5 steps of CycleGAN, width {WIDTH}, {BATCH} pictures of {SIDE} × {SIDE}, with history"}
        | {"peer": "generators, then critics, two optimisers"}
        | milliseconds(lambda: train_cyclegan(own, x, y, steps=5), five_usual, repeats)
    )


def side_by_side(repeats: int) -> Iterator[dict]:
    """Milliseconds for the gradient of many small networks."""
    import torch

    from course.crossmodal.rearrangements import SideBySide

    draw = torch.Generator().manual_seed(0)
    together, x = SideBySide(RUNS, 2, HIDDEN, 2, generator=draw), torch.randn(POINTS, RUNS, 2, generator=draw)
    singles = []
    for run in range(RUNS):
        layers = []
        for weight, bias in zip(together.weights, together.biases, strict=True):
            layer = torch.nn.Linear(*weight.shape[1:])
            layer.weight.data, layer.bias.data = weight[run].T.detach().clone(), bias[run, 0].detach().clone()
            layers += [layer, torch.nn.ReLU()]
        singles.append(torch.nn.Sequential(*layers[:-1]))
    mine, other = together(x), torch.stack([net(x[:, run]) for run, net in enumerate(singles)], 1)
    require_equal("side by side", mine.detach(), other.detach(), 1e-5)

    def loop():
        for run, net in enumerate(singles):
            net(x[:, run]).square().mean().backward()

    yield (
        {"what": f"ms for the gradients of {RUNS} networks with two hidden layers of {HIDDEN}, {POINTS} points each"}
        | {"peer": "a loop over networks"}
        | milliseconds(lambda: together(x).square().mean().backward(), loop, repeats)
        | {"goal": 4}
    )


def transport(repeats: int) -> Iterator[dict]:
    """Milliseconds for the linear transport map of two covariances."""
    import numpy as np
    import torch
    from scipy.linalg import inv, sqrtm

    from course.crossmodal.gaussian_transport import rearranged, transport_rotation

    draw = torch.Generator().manual_seed(0)
    one = torch.eye(DIMENSION, dtype=torch.float64)
    factors = torch.randn(2, DIMENSION, DIMENSION, generator=draw, dtype=torch.float64) / DIMENSION**0.5
    cov_x, cov_y = (each @ each.T + 0.1 * one for each in factors)

    def own():
        return rearranged(cov_x, cov_y, transport_rotation(cov_x, cov_y))

    def formula():
        half = sqrtm(cov_x.numpy())
        back = inv(half)
        return np.real(back @ sqrtm(half @ cov_y.numpy() @ half) @ back)

    require_equal("transport", own(), torch.from_numpy(formula()), 1e-6)
    yield (
        {"what": f"ms for the transport map between two covariances of {DIMENSION} variables"}
        | {"peer": "the textbook's formula with scipy.linalg.sqrtm"}
        | milliseconds(own, formula, repeats)
    )


def measure(repeats: int) -> Iterator[dict]:
    """All rows of the table; ``goal`` is the least ratio."""
    import torch

    torch.set_num_threads(1)
    random.seed(0)
    yield from steps(repeats)
    yield from side_by_side(repeats)
    yield from transport(max(3, repeats // 3))


if __name__ == "__main__":
    main("cyclegan", __doc__, "float32, the last row float64; CPU time of one thread", measure, repeats=15)
