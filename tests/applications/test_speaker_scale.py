"""The speaker's scale: its limits, its equality with the definition, and that the future has no influence."""

import pytest
import torch
from sklearn.preprocessing import StandardScaler

from course.applications import speaker_scale
from course.applications.speaker_scale import Prior


@pytest.fixture
def x():
    return 3 + 2 * torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def prior():
    one = torch.ones(4, dtype=torch.float64)
    return Prior(0 * one, 1.5 * one, 0.5 * one)


def test_by_owner_it_is_what_scikit_learn_does_for_each(x):
    owners = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1, 0])
    found = speaker_scale.scaled_by_owner(x, owners)
    for owner in (0, 1):
        expected = torch.from_numpy(StandardScaler().fit_transform(x[owners == owner].numpy()))
        torch.testing.assert_close(found[owners == owner], expected, atol=1e-4, rtol=1e-4)


def test_what_a_speaker_adds_or_multiplies_is_gone(x):
    owners = torch.zeros(9, dtype=torch.int64)
    moved = x * torch.tensor([1.0, 2.0, 0.5, 3.0]) + torch.tensor([5.0, -1.0, 0.0, 2.0])
    one, other = (speaker_scale.scaled_by_owner(each, owners) for each in (x, moved))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_the_limits_of_the_weight(x, prior):
    free = speaker_scale.with_prior(x, prior, 0.0)
    torch.testing.assert_close(free, (x - x.mean(0)) / x.std(0, correction=0))
    fixed = (x - prior.mean) / prior.variance.sqrt()
    torch.testing.assert_close(speaker_scale.with_prior(x, prior, float("inf")), fixed)
    torch.testing.assert_close(speaker_scale.with_prior(x, prior, 1e12), fixed, atol=1e-6, rtol=1e-6)


def test_as_they_come_is_the_last_row_of_each_beginning(x, prior):
    found = speaker_scale.as_they_come(x, prior, 2.5)
    for n in range(1, len(x) + 1):
        torch.testing.assert_close(found[n - 1], speaker_scale.with_prior(x[:n], prior, 2.5)[-1])


def test_no_later_recording_has_influence(x, prior):
    other = x.clone()
    other[5:] += 100
    one, two = (speaker_scale.as_they_come(each, prior, 1.0) for each in (x, other))
    assert torch.equal(one[:5], two[:5])


def test_the_prior_is_found_and_its_weight_is_the_ratio_of_variances():
    generator = torch.Generator().manual_seed(1)
    owners = torch.arange(300).repeat_interleave(40)
    centres = 2 * torch.randn(300, 3, generator=generator, dtype=torch.float64)
    x = centres[owners] + 3 * torch.randn(len(owners), 3, generator=generator, dtype=torch.float64)
    prior = Prior.of(x, owners)
    assert abs(prior.variance.mean() - 9 * 39 / 40) < 0.3
    assert abs(prior.between.mean() - (4 + 9 / 40)) < 0.7
    assert abs(prior.weight() - 9 / 4) < 0.5


def test_the_ratio_is_the_best_weight_for_a_mean():
    """The expected squared error over many speakers is least at κ = w / b."""
    generator = torch.Generator().manual_seed(2)
    truth = torch.randn(20_000, generator=generator, dtype=torch.float64)  # b = 1
    sums = 4 * truth + 2 * 2 * torch.randn(20_000, generator=generator, dtype=torch.float64)  # n = 4, w = 4
    errors = {kappa: (sums / (kappa + 4) - truth).square().mean() for kappa in (1.0, 2.0, 4.0, 8.0, 16.0)}
    assert min(errors, key=errors.get) == 4.0
    assert abs(errors[4.0] - 1 * 4 / (4 + 4 * 1)) < 0.02  # b w / (w + n b)


def test_bad_weights_and_a_single_speaker_are_refused(x, prior):
    for weight in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="weight of the prior must be positive"):
            speaker_scale.with_prior(x, prior, weight)
    with pytest.raises(ValueError, match="two recordings or more"):
        speaker_scale.with_prior(x[:1], prior, 0.0)
    with pytest.raises(ValueError, match="first recording is scaled by the prior"):
        speaker_scale.as_they_come(x, prior, 0.0)
    with pytest.raises(ValueError, match="at least two speakers"):
        Prior.of(x, torch.zeros(9, dtype=torch.int64))
