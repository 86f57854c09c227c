r"""What stays the same when the world is changed: regression over environments, and correlation without a cause.

Empirical risk minimisation takes every correlation that helps on average. Invariant risk minimisation keeps a predictor
only where the *same* last layer is optimal in all environments. And CCA finds what two views share, whether one causes
the other or a third thing causes both.

Sources: Peters, Bühlmann and Meinshausen, *Causal inference by using invariant prediction* (2016); Arjovsky et al.,
*Invariant risk minimization* (2019), whose example this is; Rosenfeld et al., *The risks of IRM* (2021).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from course.arguments import require_whole


class Environment(NamedTuple):
    """Rows from one place or time: inputs ``[n, p]`` and targets ``[n]``."""

    x: Tensor
    y: Tensor


def cause_and_effect(noise: float, n: int, generator: torch.Generator, *, shift: float = 0.0) -> Environment:
    r"""One environment of :eq:`outlook-environments`: the first input causes the target, the second is its effect.

    .. math:: x_1 = s\,\varepsilon_1, \qquad y = x_1 + s\,\varepsilon_2, \qquad x_2 = y + \varepsilon_3 + \delta

    Args:
        noise: s, which differs between environments.
        n: rows.
        generator: source of the random numbers.
        shift: δ, an intervention on the effect.
    """
    require_whole("n", n, 2)
    if not noise > 0:
        raise ValueError(f"noise is a standard deviation and must be positive, got {noise}")
    first, second, third = torch.randn(3, n, generator=generator, dtype=torch.float64)
    cause = noise * first
    y = cause + noise * second
    return Environment(torch.stack([cause, y + third + shift], 1), y)


def least_squares(environments: Sequence[Environment], kept: Sequence[int] | None = None) -> Tensor:
    """The weights ``[p]`` of least squares without intercept on all rows; inputs that are not ``kept`` weigh 0."""
    x, y = torch.cat([each.x for each in environments]), torch.cat([each.y for each in environments])
    kept = list(range(x.shape[1])) if kept is None else list(kept)
    weights = torch.zeros(x.shape[1], dtype=x.dtype, device=x.device)
    if kept:
        weights[kept] = torch.linalg.lstsq(x[:, kept], y.unsqueeze(1)).solution.squeeze(1)
    return weights


def invariance_penalty(weights: Tensor, environment: Environment) -> Tensor:
    r"""How much an environment would gain by rescaling the prediction: :eq:`outlook-irm`.

    .. math:: \Bigl(\frac{\partial}{\partial c} \frac1n \sum_i (c\,w^\top x_i - y_i)^2 \Big|_{c = 1}\Bigr)^2
              = \Bigl(\frac2n \sum_i (w^\top x_i - y_i)\, w^\top x_i\Bigr)^2
    """
    predicted = environment.x @ weights
    return (2 * ((predicted - environment.y) * predicted).mean()) ** 2


def invariant_risk_minimum(
    environments: Sequence[Environment], *, penalty: float, steps: int = 2_000, rate: float = 0.01
) -> Tensor:
    """Linear weights ``[p]`` minimising mean risk plus ``penalty`` times :func:`invariance_penalty`: :eq:`outlook-irm`.

    The weights begin at the least-squares ones of all rows, and Adam goes on from there; the problem is not convex.

    Raises:
        ValueError: for fewer than two environments, in which nothing can be seen to vary.
    """
    if len(environments) < 2 or penalty < 0:
        raise ValueError(f"need two environments or more, and penalty >= 0; got {len(environments)} and {penalty}")
    weights = least_squares(environments).requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=rate)
    for _ in range(steps):
        risk = torch.stack([((each.x @ weights - each.y) ** 2).mean() for each in environments]).mean()
        price = torch.stack([invariance_penalty(weights, each) for each in environments]).mean()
        optimizer.zero_grad()
        ((risk + penalty * price) / max(1.0, penalty)).backward()
        optimizer.step()
    return weights.detach()


def invariant_inputs(environments: Sequence[Environment], *, level: float = 0.05) -> set[int]:
    r"""The inputs that every accepted set has in common: invariant causal prediction.

    A set of inputs is accepted if the regression on it has the same coefficients in all environments: each one's own
    are tested against those of all others together (Wald's statistic, the noise of each environment its own), and the
    level is divided by the number of environments. The size of the noise may differ; in Peters et al. it may not.

    Args:
        environments: at least two.
        level: of the test.

    Returns:
        The intersection of the accepted sets. If at least one input is a cause (the empty set is not tested), then with
        probability 1 - ``level`` only causes. Empty if none is accepted.
    """
    from scipy.stats import chi2

    if len(environments) < 2:
        raise ValueError(f"need two environments or more, got {len(environments)}")
    width = environments[0].x.shape[1]
    accepted = []
    for size in range(1, width + 1):
        for kept in combinations(range(width), size):
            chances = []
            for number, one in enumerate(environments):
                others = [each for i, each in enumerate(environments) if i != number]
                there = Environment(torch.cat([e.x for e in others]), torch.cat([e.y for e in others]))
                (w, v), (w2, v2) = (estimate(each.x[:, kept], each.y) for each in (one, there))
                distance = (w - w2) @ torch.linalg.solve(v + v2, w - w2)
                chances.append(float(chi2.sf(distance.item(), size)))
            if min(chances) * len(environments) > level:
                accepted.append(set(kept))
    return set.intersection(*accepted) if accepted else set()


def estimate(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Least-squares weights ``[k]`` and their covariance ``[k, k]``, right where the noise varies, too (White)."""
    inverse = torch.linalg.inv(x.T @ x)
    weights = inverse @ (x.T @ y)
    scores = x * (y - x @ weights).unsqueeze(1)
    return weights, inverse @ (scores.T @ scores) @ inverse


def confounded_views(
    n: int, generator: torch.Generator, *, confounder: float = 3.0, effect: float = 1.0, set_to: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""Two views, one of which acts on the other, while a third thing that nobody records acts on both more strongly.

    .. math:: x = (c\,z + \varepsilon_1,\; \varepsilon_2), \qquad y = (c\,z + \varepsilon_3,\; e\,x_2 + \varepsilon_4)

    Args:
        n: rows.
        generator: source of the random numbers.
        confounder, effect: c and e.
        set_to: ``[n, 2]``, to which x is set by hand (an intervention), whatever z is; ``None`` lets x be.

    Returns:
        x and y, ``[n, 2]`` each, float64.
    """
    require_whole("n", n, 2)
    z, *noise = torch.randn(5, n, generator=generator, dtype=torch.float64)
    x = torch.stack([confounder * z + noise[0], noise[1]], 1) if set_to is None else set_to
    return x, torch.stack([confounder * z + noise[2], effect * x[:, 1] + noise[3]], 1)
