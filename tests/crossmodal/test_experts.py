"""The product of experts is Bayes' rule, Gaussians multiply, and a temperature repairs what it can."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal.experts import gaussian_product, product_of_experts, temperature
from course.metrics import calibration_error


def distribution(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.05


@given(st.integers(1, 4), st.integers(2, 5), st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_the_product_is_bayes_rule_where_the_senses_are_independent_given_the_class(senses, classes, seed):
    prior = distribution(classes, seed=seed)
    prior /= prior.sum()
    likelihood = distribution(senses, 3, classes, seed=seed + 1)  # [sense, value, class]
    likelihood /= likelihood.sum(1, keepdim=True)
    values = torch.cartesian_prod(*[torch.arange(3)] * senses).view(-1, senses)
    joint = prior * torch.stack([likelihood[m, values[:, m]] for m in range(senses)]).prod(0)  # [combination, class]
    alone = likelihood * prior / (likelihood * prior).sum(-1, keepdim=True)  # p(y | x_m)
    posteriors = [alone[m, values[:, m]].log() for m in range(senses)]
    found = product_of_experts(posteriors, prior.log()).exp()
    torch.testing.assert_close(found, joint / joint.sum(1, keepdim=True))


def test_where_they_are_not_independent_the_product_counts_evidence_twice():
    sees = torch.tensor([[0.8, 0.2]], dtype=torch.float64).log()
    twice = product_of_experts([sees, sees], torch.tensor([0.5, 0.5], dtype=torch.float64).log()).exp()
    torch.testing.assert_close(twice, torch.tensor([[16 / 17, 1 / 17]], dtype=torch.float64))


def test_without_any_sense_the_prior_is_left():
    prior = torch.tensor([0.2, 0.8])
    torch.testing.assert_close(product_of_experts([], prior.log()).exp(), prior[None])


@pytest.mark.parametrize(
    ("posteriors", "prior", "message"),
    [
        ([torch.zeros(3, 2)], torch.tensor([1.0, 0.0]).log(), "finite logarithms"),
        ([torch.zeros(3, 2)], torch.zeros(1, 2), "finite logarithms"),
        ([torch.zeros(3, 2), torch.zeros(4, 2)], torch.zeros(2), r"\[3, 2\], \[4, 2\]"),
        ([torch.zeros(3, 4)], torch.zeros(2), r"\[n, 2\]"),
    ],
)
def test_experts_that_do_not_fit_are_refused(posteriors, prior, message):
    with pytest.raises(ValueError, match=message):
        product_of_experts(posteriors, prior)


@given(st.lists(st.tuples(st.floats(-3, 3), st.floats(0.2, 2)), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_the_product_of_gaussians_is_the_product_of_their_densities(experts):
    means, deviations = zip(*experts, strict=True)
    mean, deviation = gaussian_product(means, deviations)
    x = torch.linspace(-25, 25, 200_001, dtype=torch.float64)
    logs = sum(-((x - m) ** 2) / (2 * s**2) for m, s in experts)
    shares = (logs - logs.max()).exp()
    shares /= shares.sum()
    assert mean == pytest.approx((shares * x).sum().item(), abs=1e-6)
    assert deviation == pytest.approx(math.sqrt((shares * (x - mean) ** 2).sum().item()), rel=1e-5)


@pytest.mark.parametrize(("means", "deviations"), [([], []), ([1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, 0.0])])
def test_gaussians_without_a_product_are_refused(means, deviations):
    with pytest.raises(ValueError, match="positive deviations"):
        gaussian_product(means, deviations)


@pytest.mark.parametrize("factor", [0.2, 1.0, 7.0])
def test_the_temperature_undoes_a_factor(factor):
    generator = torch.Generator().manual_seed(0)
    scores = 2 * torch.randn(20_000, 4, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(scores.softmax(1), 1, generator=generator)[:, 0]
    assert temperature(factor * scores, labels) == pytest.approx(factor, rel=0.05)


def test_the_temperature_is_the_best_one():
    generator = torch.Generator().manual_seed(1)
    scores, labels = torch.randn(50, 3, generator=generator), torch.randint(3, (50,), generator=generator)
    labels[:30] = scores[:30].argmax(1)
    best = temperature(scores, labels)
    losses = [F.cross_entropy(scores / (best * factor), labels).item() for factor in (0.97, 1.0, 1.03)]
    assert losses[1] == min(losses)


def test_scores_that_are_not_finite_have_no_temperature():
    with pytest.raises(ValueError, match="NaN or infinite"):
        temperature(torch.tensor([[float("nan"), 0.0]]), torch.tensor([0]))


def test_probabilities_that_are_true_have_no_calibration_error_and_twice_the_scores_have_one():
    generator = torch.Generator().manual_seed(2)
    scores = torch.randn(100_000, 5, generator=generator)
    labels = torch.multinomial(scores.softmax(1), 1, generator=generator)[:, 0]
    assert calibration_error(scores.softmax(1), labels) < 0.01
    assert calibration_error((2 * scores).softmax(1), labels) > 0.1


def test_a_calibration_error_is_its_definition_bin_by_bin():
    posteriors = distribution(300, 3, seed=4)
    posteriors /= posteriors.sum(1, keepdim=True)
    labels = torch.randint(3, (300,), generator=torch.Generator().manual_seed(5))
    sure, answer = posteriors.max(1)
    expected = 0.0
    for lower in range(10):
        inside = (sure >= lower / 10) & (sure < (lower + 1) / 10)
        if inside.any():
            right = (answer == labels)[inside].double().mean()
            expected += inside.double().mean() * (right - sure[inside].mean()).abs()
    assert calibration_error(posteriors, labels, bins=10) == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("posteriors", "labels"), [(torch.rand(4, 3), torch.zeros(4)), (torch.eye(3), torch.zeros(4)), (torch.ones(3), 0)]
)
def test_posteriors_that_are_none_are_refused(posteriors, labels):
    with pytest.raises(ValueError, match="rows that sum to 1"):
        calibration_error(posteriors, torch.as_tensor(labels))
