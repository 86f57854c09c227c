"""Navigation: rewards and returns by hand, gradients against finite differences, and what each kind leaves out."""

import pytest
import torch

from course.meta_learning.navigation import (
    KINDS,
    Navigation,
    Walks,
    meta_step_loss,
    policy_network,
    returns_of_adapted,
    straight_returns,
)
from course.meta_learning.stacked import stacked_copies

TASK = Navigation(horizon=4, walks=3)


def policy_of(seed=0):
    torch.manual_seed(seed)
    return policy_network(6).double()


def walked(policy, places, seed=0):
    params = stacked_copies(dict(policy.named_parameters()), len(places))
    return params, TASK.walk(policy, params, places, torch.Generator().manual_seed(seed))


def test_returns_are_sums_of_distances():
    places = torch.tensor([[0.3, -0.2], [0.0, 0.1]], dtype=torch.float64)
    _, walks = walked(policy_of(), places)
    at = walks.seen[:, :, -1] + TASK.longest * walks.steps[:, :, -1].clamp(-1, 1)
    path = torch.cat([walks.seen[:, :, 1:], at[:, :, None]], 2)
    distances = (path - places[:, None, None]).norm(dim=-1)
    torch.testing.assert_close(walks.returns[..., 0], -distances.sum(-1))
    torch.testing.assert_close(walks.returns[..., -1], -distances[..., -1])
    assert (walks.seen[:, :, 0] == 0).all()


def test_an_advantage_compares_with_the_other_walks():
    returns = torch.tensor([[[1.0], [4.0], [7.0]]])
    assert Walks(None, None, returns).advantages.flatten().tolist() == [1 - 5.5, 0.0, 7 - 2.5]


def test_log_chances_are_those_of_a_normal_distribution_up_to_a_constant():
    policy, places = policy_of(), torch.rand(2, 2, dtype=torch.float64)
    params, walks = walked(policy, places)
    found = TASK.log_chances(policy, params, walks)
    normal = torch.distributions.Normal(policy(walks.seen), TASK.spread)
    difference = normal.log_prob(walks.steps).sum(-1) - found
    torch.testing.assert_close(difference, difference[0, 0, 0].expand_as(difference))


def test_the_inner_step_is_the_gradient_of_what_the_walks_promise():
    policy, places = policy_of(), torch.rand(2, 2, dtype=torch.float64)
    params, walks = walked(policy, places)
    adapted = TASK.adapted(policy, params, walks, 0.1, create_graph=False)
    name, eps = "0.bias", 1e-6

    def promised(shift):
        moved = {key: value.clone() for key, value in params.items()}
        moved[name][1, 2] += shift
        return (TASK.log_chances(policy, moved, walks) * walks.advantages).sum(-1).mean(1)[1]

    slope = (promised(eps) - promised(-eps)) / (2 * eps)
    torch.testing.assert_close((adapted[name] - params[name])[1, 2], 0.1 * slope, rtol=1e-6, atol=1e-9)


def gradient(kind, rate=0.1):
    policy, places = policy_of(), torch.rand(3, 2, generator=torch.Generator().manual_seed(5)).double()
    loss, _ = meta_step_loss(TASK, policy, places, torch.Generator().manual_seed(1), rate=rate, kind=kind)
    return torch.cat([each.flatten() for each in torch.autograd.grad(loss, list(policy.parameters()))])


def test_without_an_inner_step_first_and_second_order_agree():
    torch.testing.assert_close(gradient("first order", 0.0), gradient("through the step", 0.0))
    assert not torch.allclose(gradient("first order"), gradient("through the step"))
    assert not torch.allclose(gradient("both parts"), gradient("through the step"))


def test_the_gradient_through_the_step_is_that_of_finite_differences():
    """The walks before and after are held; what moves is where the step leads, and the chance of the later walks."""
    policy, places = policy_of(), torch.rand(2, 2, dtype=torch.float64)
    params, before = walked(policy, places)
    later = TASK.adapted(policy, params, before, 0.1, create_graph=False)
    after = TASK.walk(policy, later, places, torch.Generator().manual_seed(7))

    def promised(weight):
        own = dict(policy.named_parameters()) | {"2.weight": weight}
        adapted = TASK.adapted(policy, stacked_copies(own, 2), before, 0.1, create_graph=True)
        return (TASK.log_chances(policy, adapted, after) * after.advantages).sum(-1).mean()

    assert torch.autograd.gradcheck(promised, policy[2].weight.detach().requires_grad_(), atol=1e-6)


def test_walks_do_not_depend_on_each_others_tasks():
    policy, places = policy_of(), torch.rand(4, 2, dtype=torch.float64)
    found = returns_of_adapted(TASK, policy, places, torch.Generator().manual_seed(0), rate=0.1, steps=2)
    assert found.shape == (3, 4) and found.isfinite().all() and not found.requires_grad


def test_straight_walks_are_counted_by_hand():
    places = torch.tensor([[0.25, 0.0], [0.1, 0.1]])
    torch.testing.assert_close(straight_returns(Navigation(horizon=3), places), torch.tensor([-0.2, 0.0]))


def test_wrong_kinds_and_settings_are_refused():
    with pytest.raises(ValueError, match=KINDS[0]):
        meta_step_loss(TASK, policy_of(), torch.rand(1, 2).double(), torch.Generator(), rate=0.1, kind="third order")
    with pytest.raises(ValueError, match="walks"):
        Navigation(walks=1)
    with pytest.raises(ValueError, match="spread"):
        Navigation(spread=0.0)
