"""Counting maps between finite sets, and small networks side by side."""

from itertools import permutations
from math import factorial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course.crossmodal.rearrangements import (
    CORNERS,
    SideBySide,
    blobs,
    corner_maps,
    cycles,
    kinds_of,
    pushforwards,
    turned,
)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5))
def test_between_equal_points_there_are_all_orders_and_cycles_leave_them_all(n):
    equal = [1 / n] * n
    maps = pushforwards(equal, equal)
    assert sorted(maps) == sorted(permutations(range(n)))
    if n < 5:
        found = cycles(equal, equal)
        assert len(found) == factorial(n)
        assert all(f[g[i]] == i for g, f in found for i in range(n))


def test_unequal_shares_leave_fewer_maps_and_lost_points_leave_no_cycle():
    assert pushforwards([0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4]) == [(3, 2, 1, 0)]
    pairs = [0.3, 0.3, 0.2, 0.2]
    assert len(pushforwards(pairs, pairs)) == 4
    assert len(pushforwards([0.25] * 4, [0.5, 0.5])) == 6
    assert cycles([0.25] * 4, [0.5, 0.5]) == []
    assert pushforwards([0.5, 0.25, 0.25], [0.5, 0.5]) == [(0, 1, 1), (1, 0, 0)]


def test_what_cannot_be_listed_is_refused():
    with pytest.raises(ValueError, match="p must be positive shares that add up to 1"):
        pushforwards([0.5, 0.6], [1.0])
    with pytest.raises(ValueError, match="q must be positive shares"):
        pushforwards([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="too many to list"):
        pushforwards([1 / 8] * 8, [1 / 8] * 8)


def test_every_run_is_a_network_of_its_own():
    nets, x = SideBySide(3, 2, 5, 1, generator=torch.Generator().manual_seed(0)), torch.randn(7, 3, 2)
    for run in range(3):
        h = x[:, run]
        for number, (weight, bias) in enumerate(zip(nets.weights, nets.biases, strict=True)):
            h = nn.functional.linear(h.relu() if number else h, weight[run].T, bias[run, 0])
        torch.testing.assert_close(nets(x)[:, run], h)
    slopes = torch.autograd.grad(nets(x)[:, 1].sum(), list(nets.parameters()))
    assert all((slope[[0, 2]] == 0).all() for slope in slopes)
    assert any((slope[1] != 0).any() for slope in slopes)


def test_side_by_side_is_alone_under_adam():
    """Two runs together end as each does alone, though the mean over runs halves the slopes."""
    x = torch.randn(16, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def trained(nets, x):
        optimizer = torch.optim.Adam(nets.parameters(), lr=0.01, eps=1e-30)
        for _ in range(20):
            optimizer.zero_grad()
            (nets(x) - x.sin()).square().mean().backward()
            optimizer.step()
        return nets(x)

    def start():
        return SideBySide(2, 2, 4, 2, generator=torch.Generator().manual_seed(0)).double()

    together = trained(start(), x)
    alone = start()
    for parameters in (alone.weights, alone.biases):
        for weight in parameters:
            weight.data = weight.data[1:]
    torch.testing.assert_close(together[:, 1:], trained(alone, x[:, 1:]))


def test_blobs_lie_around_their_centres_and_runs_differ():
    cloud = blobs(CORNERS, 4000, 2, spread=0.1, seed=0)
    assert cloud.shape == (4000, 2, 2)
    nearest = torch.cdist(cloud, CORNERS).min(-1)
    assert torch.bincount(nearest.indices.flatten(), minlength=4).min() > 1800
    assert nearest.values.square().mean().item() == pytest.approx(2 * 0.01, rel=0.05)
    assert not torch.equal(cloud[:, 0], cloud[:, 1])


def test_a_quarter_turn_leads_each_corner_to_the_next():
    torch.testing.assert_close(turned(CORNERS, 90), CORNERS.roll(-1, 0))
    torch.testing.assert_close(turned(turned(CORNERS, 20), -20), CORNERS)
    maps = corner_maps(lambda x: turned(x, 90), CORNERS, CORNERS, runs=3)
    assert maps.tolist() == [[1, 2, 3, 0]] * 3


def test_all_maps_of_the_corners_are_of_one_kind():
    every = torch.cartesian_prod(*[torch.arange(4)] * 4)
    found = kinds_of(every)
    assert found == {"no turn": 1, "turns": 4, "reflections": 4, "other orders": 16, "not one to one": 256 - 24}
