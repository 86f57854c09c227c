"""Environments: closed forms where they are known, the penalty's derivative, and what interventions do."""

import pytest
import torch

from course.crossmodal.cca import CCA
from course.crossmodal.invariance import (
    Environment,
    cause_and_effect,
    confounded_views,
    estimate,
    invariance_penalty,
    invariant_inputs,
    invariant_risk_minimum,
    least_squares,
)

NOISES = (0.3, 1.0, 3.0)


def environments(n=4_000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [cause_and_effect(noise, n, generator) for noise in NOISES]


def test_least_squares_has_its_closed_form():
    """With noise s the weights are 1 / (s² + 1) of the cause and s² / (s² + 1) of the effect."""
    for noise in NOISES:
        found = least_squares([cause_and_effect(noise, 200_000, torch.Generator().manual_seed(1))])
        expected = torch.tensor([1.0, noise**2], dtype=torch.float64) / (noise**2 + 1)
        torch.testing.assert_close(found, expected, rtol=0, atol=0.02)


def test_inputs_that_are_not_kept_weigh_nothing():
    found = least_squares(environments(), [0])
    assert found[1] == 0 and abs(found[0] - 1) < 0.05
    assert (least_squares(environments(), []) == 0).all()


def test_the_penalty_is_the_squared_slope_of_the_scale():
    environment, weights = environments(50)[1], torch.tensor([0.4, 0.7], dtype=torch.float64)
    eps = 1e-6
    risk = [((environment.x @ (s * weights) - environment.y) ** 2).mean() for s in (1 + eps, 1 - eps)]
    torch.testing.assert_close(invariance_penalty(weights, environment), ((risk[0] - risk[1]) / (2 * eps)) ** 2,
                               rtol=1e-6, atol=1e-9)  # fmt: skip


def test_the_cause_alone_has_no_penalty_and_least_squares_has():
    found = environments(100_000)
    prices = [max(invariance_penalty(w, each).item() for each in found)
              for w in (torch.tensor([1.0, 0.0]).double(), least_squares(found))]  # fmt: skip
    assert prices[0] < 0.05 < prices[1]


def test_without_a_penalty_it_is_the_mean_risk_over_environments():
    found = environments(500)
    torch.testing.assert_close(invariant_risk_minimum(found, penalty=0.0), least_squares(found), rtol=0, atol=1e-3)


def test_a_penalty_moves_weight_from_the_effect_to_the_cause():
    found = environments(1_000)
    before, after = least_squares(found), invariant_risk_minimum(found, penalty=100.0)
    assert after[0] > before[0] + 0.5 and after[1] < before[1] - 0.4


def test_only_the_cause_is_invariant():
    found = [invariant_inputs(environments(1_000, seed)) for seed in range(20)]
    assert sum(each == {0} for each in found) >= 17  # the level is 5 %


def test_environments_that_do_not_differ_show_nothing():
    same = [cause_and_effect(1.0, 1_000, torch.Generator().manual_seed(seed)) for seed in (1, 2, 3)]
    assert invariant_inputs(same) == set()


def test_estimate_agrees_with_the_spread_of_many_samples():
    generator = torch.Generator().manual_seed(0)
    found, variances = [], []
    for _ in range(300):
        weights, variance = estimate(*cause_and_effect(1.0, 200, generator))
        found.append(weights)
        variances.append(variance)
    torch.testing.assert_close(torch.stack(found).T.cov(), torch.stack(variances).mean(0), rtol=0.25, atol=2e-4)


def test_cca_takes_the_confounder_and_an_intervention_shows_it():
    generator = torch.Generator().manual_seed(0)
    x, y = confounded_views(20_000, generator)
    model = CCA(2).fit(x, y)
    torch.testing.assert_close(model.correlations, torch.tensor([0.9, 0.5**0.5]).double(), rtol=0, atol=0.02)
    drawn = torch.randn(20_000, 2, generator=generator, dtype=torch.float64) * x.std(0)
    a, b = model.transform(*confounded_views(20_000, generator, set_to=drawn))
    kept = [torch.corrcoef(torch.stack([a[:, i], b[:, i]]))[0, 1].item() for i in range(2)]
    assert abs(kept[0]) < 0.03 and abs(kept[1] - 0.5**0.5) < 0.03


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="noise"):
        cause_and_effect(0.0, 10, torch.Generator())
    with pytest.raises(ValueError, match="two environments"):
        invariant_risk_minimum(environments(10)[:1], penalty=1.0)
    with pytest.raises(ValueError, match="two environments"):
        invariant_inputs([Environment(torch.rand(4, 2), torch.rand(4))])
