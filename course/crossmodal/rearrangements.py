"""Everything that a map between two sets of blobs can be, counted, and what training without pairs makes of it.

On finitely many points, all maps with the right distribution can be listed. On blobs around such points, many small
networks are trained side by side, each from weights of its own, and we look which map each has become.
"""

import math
from collections.abc import Sequence
from itertools import pairwise, permutations, product

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.crossmodal.cyclegan import CycleGAN, CycleGANConfig

CORNERS = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])  # of a square, one after the other


def pushforwards(p: Sequence[float], q: Sequence[float]) -> list[tuple[int, ...]]:
    r"""All maps g from points with shares p to points with shares q that make q of p: :eq:`cyclegan-pushforward`.

    .. math:: \sum_{i:\,g(i) = j} p_i = q_j \qquad\text{for all } j

    Returns:
        A tuple ``(g(0), g(1), ...)`` for each.

    Example:
        >>> pushforwards([0.5, 0.5], [0.5, 0.5])
        [(0, 1), (1, 0)]
        >>> len(pushforwards([0.25] * 4, [0.5, 0.5])), pushforwards([0.5, 0.5], [0.25] * 4)
        (6, [])
    """
    for name, shares in {"p": p, "q": q}.items():
        if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
            raise ValueError(f"{name} must be positive shares that add up to 1, got {list(shares)}")
    if len(q) ** len(p) > 100_000:
        raise ValueError(f"{len(q)}^{len(p)} maps are too many to list")
    found = []
    for g in product(range(len(q)), repeat=len(p)):
        sums = [sum(share for share, to in zip(p, g, strict=True) if to == j) for j in range(len(q))]
        if all(math.isclose(*pair, abs_tol=1e-9) for pair in zip(sums, q, strict=True)):
            found.append(g)
    return found


def cycles(p: Sequence[float], q: Sequence[float]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """All pairs of maps (g, f), there and back, that make q of p and p of q and lead every point back to itself."""
    return [
        (g, f)
        for g, f in product(pushforwards(p, q), pushforwards(q, p))
        if all(f[g[i]] == i for i in range(len(p))) and all(g[f[j]] == j for j in range(len(q)))
    ]


def turned(points: Tensor, degrees: float) -> Tensor:
    """Points of the plane, ``[..., 2]``, turned to the left around the origin."""
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ torch.tensor([[cos, sin], [-sin, cos]]).to(points)


def blobs(
    centres: Tensor, n: int, runs: int, *, shares: Sequence[float] | None = None, spread: float = 0.15, seed: int = 0
) -> Tensor:
    """For each of many runs n points around the centres: ``[n, runs, 2]``.

    Args:
        centres: ``[k, 2]``.
        n, runs: number of points of a run, and of runs.
        shares: how likely each centre is; ``None``: all alike.
        spread: standard deviation of a blob in each direction.
        seed: of the draw.
    """
    draw = torch.Generator().manual_seed(seed)
    likely = torch.ones(len(centres)) if shares is None else torch.tensor(shares)
    chosen = torch.multinomial(likely, n * runs, replacement=True, generator=draw).view(n, runs)
    return centres[chosen] + spread * torch.randn(n, runs, 2, generator=draw)


class SideBySide(nn.Module):
    r"""Many networks with two hidden layers, one for each run: ``[n, runs, inputs]`` to ``[n, runs, outputs]``.

    Run r sees column r only, and no weight is shared. A mean over all runs has, for the weights of one, the slope of
    its own mean divided by the number of runs, which Adam takes out again.

    Args:
        runs: number of networks.
        inputs, hidden, outputs: their sizes.
        generator: source of the random initial weights; ``None`` is torch's global one.

    Example:
        >>> SideBySide(5, 2, 8, 1)(torch.zeros(7, 5, 2)).shape
        torch.Size([7, 5, 1])
    """

    def __init__(self, runs: int, inputs: int, hidden: int, outputs: int, *, generator: torch.Generator | None = None):
        for name, value in {"runs": runs, "inputs": inputs, "hidden": hidden, "outputs": outputs}.items():
            require_whole(name, value)
        super().__init__()
        sizes = [inputs, hidden, hidden, outputs]
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for before, after in pairwise(sizes):
            weight = torch.randn(runs, before, after, generator=generator) * math.sqrt(2 / before)
            self.weights.append(nn.Parameter(weight))
            self.biases.append(nn.Parameter(torch.zeros(runs, 1, after)))

    def forward(self, x: Tensor) -> Tensor:
        h = x.transpose(0, 1)  # [runs, n, inputs]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, torch.relu(h) if number else h, weight)
        return h.transpose(0, 1)


def translators_of_the_plane(runs: int, config: CycleGANConfig, hidden: int = 32, *, seed: int = 0) -> CycleGAN:
    """As many CycleGANs of the plane side by side as there are runs, each from weights of its own."""
    draw = torch.Generator().manual_seed(seed)
    parts = [SideBySide(runs, 2, hidden, outputs, generator=draw) for outputs in (2, 2, 1, 1)]
    return CycleGAN(*parts, config, (runs, 2), (runs, 2))


def corner_maps(translate: nn.Module, centres: Tensor, targets: Tensor, runs: int) -> Tensor:
    """To which target each run leads each centre, by the nearest: ``int64 [runs, centres]``."""
    with torch.no_grad():
        made = translate(centres[:, None].expand(-1, runs, -1))  # [centres, runs, 2]
    return torch.cdist(made.transpose(0, 1), targets).argmin(-1)


def kinds_of(maps: Tensor) -> dict[str, int]:
    """How many maps of the corners of a square are one of its 4 turns, of its 4 reflections, of the other 16 orders.

    Corners are numbered around the square. ``"not one to one"`` are maps that leave out a corner; ``"no turn"`` are
    those turns that lead each corner to its own, a part of ``"turns"``.

    Example:
        >>> kinds_of(torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0], [0, 3, 2, 1], [1, 0, 2, 3], [0, 0, 2, 2]]))
        {'no turn': 1, 'turns': 2, 'reflections': 1, 'other orders': 1, 'not one to one': 1}
    """
    turns = {tuple((i + k) % 4 for i in range(4)) for k in range(4)}
    reflections = {tuple((k - i) % 4 for i in range(4)) for k in range(4)}
    others = set(permutations(range(4))) - turns - reflections
    rows = [tuple(row) for row in maps.tolist()]
    counts = {
        "turns": sum(row in turns for row in rows),
        "reflections": sum(row in reflections for row in rows),
        "other orders": sum(row in others for row in rows),
    }
    return {"no turn": rows.count((0, 1, 2, 3)), **counts, "not one to one": len(rows) - sum(counts.values())}
