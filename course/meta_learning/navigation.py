r"""MAML by policy gradients on 2-D navigation: walk to a place that only the reward tells.

A task is a place in the plane. A policy sees where it stands and steps; each step costs the distance to the place.
After some walks it takes one step of gradient ascent, and then has to know the way.

Source: Finn, Abbeel and Levine, *Model-agnostic meta-learning* (2017), section 5.3; Rothfuss et al., *ProMP: proximal
meta-policy search* (2019) for the two parts of the meta-gradient.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course.arguments import require_whole
from course.meta_learning.adaptation import Params
from course.meta_learning.stacked import stacked_call, stacked_copies

KINDS = ("both parts", "through the step", "first order", "jointly")


@dataclass(frozen=True)
class Walks:
    """What T tasks' policies did: W walks of H steps for each.

    Attributes:
        seen: where they stood before each step, ``[T, W, H, 2]``.
        steps: what they did, before it was cut to the longest step, ``[T, W, H, 2]``.
        returns: the sum of the rewards from each step on, ``[T, W, H]``.
    """

    seen: Tensor
    steps: Tensor
    returns: Tensor

    @property
    def advantages(self) -> Tensor:
        """Returns minus their mean over the *other* walks of the same task at the same moment, ``[T, W, H]``."""
        count = self.returns.shape[1]
        return (self.returns - self.returns.mean(1, keepdim=True)) * count / (count - 1)


@dataclass(frozen=True)
class Navigation:
    """The family of tasks: a place in a square around the start.

    Attributes:
        reach: half the side of the square.
        longest: of a step, in each direction.
        horizon: steps of a walk.
        walks: of each task, before and after the gradient step.
        spread: standard deviation of the policy's steps, in units of ``longest``.
    """

    reach: float = 0.5
    longest: float = 0.1
    horizon: int = 15
    walks: int = 20
    spread: float = 0.5

    def __post_init__(self):
        for name, least in (("horizon", 1), ("walks", 2)):
            require_whole(name, getattr(self, name), least)
        for name in ("reach", "longest", "spread"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def places(self, count: int, generator: torch.Generator) -> Tensor:
        """Places to be found, ``[count, 2]``."""
        return (2 * torch.rand(count, 2, generator=generator) - 1) * self.reach

    @torch.no_grad()
    def walk(self, policy: nn.Module, params: Params, places: Tensor, generator: torch.Generator) -> Walks:
        """Walk from the middle; ``params`` holds one policy a task, each parameter ``[T, ...]``."""
        at = torch.zeros(len(places), self.walks, 2).to(places)
        seen, steps, rewards = [], [], []
        for _ in range(self.horizon):
            noise = torch.randn(at.shape, generator=generator).to(places)
            step = stacked_call(policy, params, at) + self.spread * noise
            seen.append(at)
            steps.append(step)
            at = at + self.longest * step.clamp(-1, 1)
            rewards.append(-(at - places[:, None]).norm(dim=-1))
        returns = torch.stack(rewards, -1).flip(-1).cumsum(-1).flip(-1)
        return Walks(torch.stack(seen, 2), torch.stack(steps, 2), returns)

    def log_chances(self, policy: nn.Module, params: Params, walks: Walks) -> Tensor:
        r""":math:`\log \pi_\theta` of each step, up to a constant, ``[T, W, H]``."""
        wanted = stacked_call(policy, params, walks.seen.flatten(1, 2)).view_as(walks.steps)
        return -0.5 * (((walks.steps - wanted) / self.spread) ** 2).sum(-1)

    def adapted(self, policy: nn.Module, params: Params, walks: Walks, rate: float, create_graph: bool) -> Params:
        """One step of ascent on the reward that the walks promise, task by task."""
        promised = (self.log_chances(policy, params, walks) * walks.advantages).sum(-1).mean(1).sum()
        gradients = torch.autograd.grad(promised, list(params.values()), create_graph=create_graph)
        return {name: value + rate * each for (name, value), each in zip(params.items(), gradients, strict=True)}


def meta_step_loss(
    task: Navigation,
    policy: nn.Module,
    places: Tensor,
    generator: torch.Generator,
    *,
    rate: float,
    kind: str = KINDS[0],
) -> tuple[Tensor, float]:
    """A scalar whose gradient estimates minus the meta-gradient, and the mean return after the step.

    Args:
        task, policy, places: what is walked, by whom, and where to, ``[T, 2]``.
        generator: source of the steps' noise.
        rate: of the inner step.
        kind: ``"both parts"`` of :eq:`outlook-two-parts`; ``"through the step"`` alone, as in the paper of MAML;
            ``"first order"``, without second derivatives; ``"jointly"``, with no inner step while training.

    Raises:
        ValueError: for another kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    own = dict(policy.named_parameters())
    params = stacked_copies(own, len(places))
    if kind == "jointly":
        after = task.walk(policy, params, places, generator)
        adapted, data = params, 0.0
    else:
        before = task.walk(policy, params, places, generator)
        adapted = task.adapted(policy, params, before, rate, create_graph=kind != "first order")
        after = task.walk(policy, adapted, places, generator)
        data = 0.0
        if kind == "both parts":  # walks that led to a better policy become more likely
            earned = after.returns[..., 0].mean(1)
            better = earned - (earned.sum() - earned) / max(1, len(earned) - 1)
            data = (task.log_chances(policy, params, before).sum((1, 2)) * better).mean()
    promised = (task.log_chances(policy, adapted, after) * after.advantages).sum(-1).mean()
    return -(promised + data), after.returns[..., 0].mean().item()


@torch.no_grad()
def returns_of_adapted(
    task: Navigation, policy: nn.Module, places: Tensor, generator: torch.Generator, *, rate: float, steps: int
) -> Tensor:
    """The mean return on each task after 0, 1, ..., ``steps`` inner steps, ``[1 + steps, T]``."""
    params = stacked_copies({name: value.detach() for name, value in policy.named_parameters()}, len(places))
    found = []
    for number in range(steps + 1):
        walks = task.walk(policy, params, places, generator)
        found.append(walks.returns[..., 0].mean(1))
        if number < steps:
            with torch.enable_grad():
                params = {name: value.clone().requires_grad_() for name, value in params.items()}
                params = task.adapted(policy, params, walks, rate, create_graph=False)
            params = {name: value.detach() for name, value in params.items()}
    return torch.stack(found)


def policy_network(hidden: int = 32) -> nn.Sequential:
    """From a place in the plane to the middle of the next step; the first policy steps nowhere in particular."""
    return nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2))


def straight_returns(task: Navigation, places: Tensor) -> Tensor:
    """The returns ``[T]`` of somebody who knows the place and steps towards it as fast as the rules allow."""
    at, total = torch.zeros_like(places), torch.zeros(len(places)).to(places)
    for _ in range(task.horizon):
        at = at + (places - at).clamp(-task.longest, task.longest)
        total = total - (at - places).norm(dim=-1)
    return total
