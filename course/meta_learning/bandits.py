r"""Meta-learning from reward, where everything can be counted: a softmax policy, a few pulls, one step, and again.

A policy chooses an arm, sees a reward of 0 or 1, and after m pulls takes one step of gradient ascent. What the meta-
learner wants is a start from which that step pays. The start matters twice: it is where the step begins, and it decides
which arms are pulled, so which data there are. Differentiating through the step alone leaves the second part out.

Sources: Williams, *Simple statistical gradient-following algorithms* (1992); Finn et al. (2017), section 5.3; Stadie et
al., *Some considerations on learning to explore via meta-reinforcement learning* (2018) for the second part.
"""

from itertools import product

import torch
from torch import Tensor

from course.arguments import require_whole


def expected_reward(logits: Tensor, arms: Tensor) -> Tensor:
    r"""What a softmax policy earns in a pull, :math:`V(\theta) = \sum_a \pi_\theta(a)\, p_a`.

    Args:
        logits: θ, ``[..., A]``.
        arms: the chance p of a reward at each arm, ``[..., A]``.
    """
    return (logits.softmax(-1) * arms).sum(-1)


def policy_gradient(logits: Tensor, pulls: Tensor, rewards: Tensor) -> Tensor:
    r"""The estimate of :math:`\nabla V` from pulls, :eq:`outlook-policy-gradient`.

    .. math:: \hat g(\theta; D) = \frac1m \sum_{j=1}^m r_j\, \nabla \log \pi_\theta(a_j)
              = \frac1m \sum_j r_j\,(e_{a_j} - \pi_\theta)

    Args:
        logits: ``[..., A]``.
        pulls: arms that were pulled, ``int64 [..., m]``.
        rewards: what came back, ``[..., m]``.

    Returns:
        ``[..., A]``, differentiable with respect to ``logits``.
    """
    chosen = torch.nn.functional.one_hot(pulls, logits.shape[-1]).to(logits)
    return (rewards.unsqueeze(-1) * (chosen - logits.softmax(-1).unsqueeze(-2))).mean(-2)


def adapted_reward(logits: Tensor, arms: Tensor, pulls: Tensor, rewards: Tensor, rate: float) -> Tensor:
    r""":math:`V(\theta + \alpha\, \hat g(\theta; D))`: what is earned after one step on the pulls D."""
    return expected_reward(logits + rate * policy_gradient(logits, pulls, rewards), arms)


def log_chance(logits: Tensor, arms: Tensor, pulls: Tensor, rewards: Tensor) -> Tensor:
    r""":math:`\log p_\theta(D)`: the logarithm of the chance of these pulls with these rewards, ``[...]``."""
    chosen = logits.log_softmax(-1).expand(*pulls.shape[:-1], -1).gather(-1, pulls)
    chance = arms.expand(*pulls.shape[:-1], arms.shape[-1]).gather(-1, pulls)
    return (chosen + torch.where(rewards > 0, chance, 1 - chance).log()).sum(-1)


def outcomes(arms: int, pulls: int) -> tuple[Tensor, Tensor]:
    """All that can happen in a few pulls: which arms, ``int64 [(2A)^m, m]``, and rewards of 0 or 1 of the same shape.

    Raises:
        ValueError: if there are more than a million.
    """
    require_whole("arms", arms, 2)
    require_whole("pulls", pulls)
    if (2 * arms) ** pulls > 1_000_000:
        raise ValueError(f"{arms} arms and {pulls} pulls have {(2 * arms) ** pulls:,} outcomes: take fewer")
    every = torch.tensor(list(product(range(2 * arms), repeat=pulls)))
    return every // 2, (every % 2).double()


def meta_objective(logits: Tensor, tasks: Tensor, *, pulls: int, rate: float, through_data: bool = True) -> Tensor:
    r"""What is earned after the step, on average over tasks and over all that can happen: :eq:`outlook-meta-reward`.

    .. math:: J(\theta) = \frac1T \sum_\tau \sum_D p_\theta(D \mid \tau)\;
              V_\tau\bigl(\theta + \alpha \hat g(\theta; D)\bigr)

    Args:
        logits: θ, float64 ``[A]``.
        tasks: the arms of each task, ``[T, A]``, between 0 and 1 exclusively.
        pulls: m.
        rate: α.
        through_data: whether the gradient knows that the start decides which data there are.

    Returns:
        A scalar; its gradient is exact, or the part of :eq:`outlook-two-parts` that goes through the step.
    """
    arms_pulled, rewards = outcomes(tasks.shape[1], pulls)
    each = []
    for arms in tasks:
        chance = log_chance(logits if through_data else logits.detach(), arms, arms_pulled, rewards).exp()
        each.append((chance * adapted_reward(logits, arms, arms_pulled, rewards, rate)).sum())
    return torch.stack(each).mean()


def sampled_meta_gradients(
    logits: Tensor, tasks: Tensor, *, pulls: int, rate: float, draws: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    r"""The two parts of the meta-gradient, estimated from draws: :eq:`outlook-two-parts`.

    .. math:: \nabla J = \mathbb E\bigl[\underbrace{\nabla_\theta V(\theta')}_{\text{through the step}}
              + \underbrace{(V(\theta') - b)\,\nabla_\theta \log p_\theta(D)}_{\text{through the data}}\bigr],
              \qquad \theta' = \theta + \alpha\hat g(\theta; D)

    Every draw takes a task and m pulls. The baseline b is the mean over the *other* draws, so it does not bias.

    Args:
        draws: how many, at least 2.
        generator: source of the random numbers.

    Returns:
        For each draw the part through the step and the part through the data, ``[draws, A]`` each.
    """
    require_whole("draws", draws, 2)
    chosen = tasks[torch.randint(len(tasks), (draws,), generator=generator)]
    each = logits.detach().expand(draws, -1).clone().requires_grad_()
    arms_pulled = torch.multinomial(each.detach().softmax(-1), pulls, replacement=True, generator=generator)
    luck = torch.rand(draws, pulls, generator=generator, dtype=chosen.dtype)
    rewards = (luck < chosen.gather(1, arms_pulled)).to(chosen)
    earned = adapted_reward(each, chosen, arms_pulled, rewards, rate)
    (through_step,) = torch.autograd.grad(earned.sum(), each)
    (score,) = torch.autograd.grad(log_chance(each, chosen, arms_pulled, rewards).sum(), each)
    earned = earned.detach()
    others = (earned.sum() - earned) / (draws - 1)
    return through_step, (earned - others).unsqueeze(1) * score
