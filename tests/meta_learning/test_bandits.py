"""Policy gradients on bandits: estimates against what is counted exactly, and finite differences."""

import pytest
import torch

from course.meta_learning.bandits import (
    adapted_reward,
    expected_reward,
    log_chance,
    meta_objective,
    outcomes,
    policy_gradient,
    sampled_meta_gradients,
)

ARMS = torch.tensor([[0.9, 0.1, 0.6], [0.1, 0.9, 0.6]], dtype=torch.float64)
START = torch.tensor([0.3, -0.5, 0.4], dtype=torch.float64)


def test_the_estimate_is_unbiased_by_counting():
    logits = START.clone().requires_grad_()
    (exact,) = torch.autograd.grad(expected_reward(logits, ARMS[0]), logits)
    pulls, rewards = outcomes(3, 3)
    chance = log_chance(START, ARMS[0], pulls, rewards).exp()
    estimate = (chance[:, None] * policy_gradient(START, pulls, rewards)).sum(0)
    torch.testing.assert_close(estimate, exact)


def test_all_outcomes_together_are_certain():
    pulls, rewards = outcomes(3, 2)
    assert len(pulls) == 36 and len(torch.unique(torch.cat([pulls, rewards], 1), dim=0)) == 36
    torch.testing.assert_close(log_chance(START, ARMS[1], pulls, rewards).exp().sum().item(), 1.0)


def test_the_meta_gradient_is_that_of_finite_differences():
    logits = START.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: meta_objective(t, ARMS, pulls=2, rate=3.0), logits)


def test_without_a_step_the_objective_is_the_expected_reward():
    found = meta_objective(START, ARMS, pulls=2, rate=0.0)
    torch.testing.assert_close(found, expected_reward(START, ARMS).mean())


def test_both_parts_together_are_right_and_one_alone_is_not():
    logits = START.clone().requires_grad_()
    (exact,) = torch.autograd.grad(meta_objective(logits, ARMS, pulls=3, rate=4.0), logits)
    step, through_data = sampled_meta_gradients(
        START, ARMS, pulls=3, rate=4.0, draws=100_000, generator=torch.Generator().manual_seed(0)
    )
    both = step + through_data
    error = both.std(0) / len(both) ** 0.5
    assert ((both.mean(0) - exact).abs() < 4 * error).all()
    assert ((step.mean(0) - exact).abs() > 10 * step.std(0) / len(step) ** 0.5).any()
    assert both.std(0).max() > step.std(0).max()  # the price


def test_the_baseline_of_the_others_does_not_bias():
    """With two draws, what a draw is compared to is independent of it: the mean over many such pairs is right."""
    generator = torch.Generator().manual_seed(1)
    found = torch.stack([
        sum(sampled_meta_gradients(START, ARMS, pulls=1, rate=2.0, draws=2, generator=generator)).mean(0)
        for _ in range(4_000)
    ])  # fmt: skip
    logits = START.clone().requires_grad_()
    (exact,) = torch.autograd.grad(meta_objective(logits, ARMS, pulls=1, rate=2.0), logits)
    assert ((found.mean(0) - exact).abs() < 4 * found.std(0) / len(found) ** 0.5).all()


def test_a_step_on_rewards_of_one_arm_prefers_it():
    pulls = torch.tensor([1, 1, 1])
    assert adapted_reward(START, ARMS[1], pulls, torch.ones(3).double(), 2.0) > expected_reward(START, ARMS[1])


def test_too_many_outcomes_are_refused():
    with pytest.raises(ValueError, match="take fewer"):
        outcomes(10, 5)
