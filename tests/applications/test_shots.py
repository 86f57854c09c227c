"""A text and a few pictures: the posterior mean, by regression and by its limits."""

import pytest
import torch

from course.applications.shots import best_worth, mixed_prototypes, named


def drawn(classes=30, shots=3, spread=1.0, noise=1.0, seed=0, width=20):
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(classes, width, generator=generator, dtype=torch.float64)
    centre = text + spread * torch.randn(classes, width, generator=generator, dtype=torch.float64)
    pictures = centre[:, None] + noise * torch.randn(
        classes, shots + 4, width, generator=generator, dtype=torch.float64
    )
    return text, pictures[:, :shots], pictures[:, shots:], centre


def test_with_the_ratio_of_variances_as_worth_it_is_the_posterior_mean():
    """Computed as a regression: the prior is an observation with another variance."""
    text, shots, _, _ = drawn(spread=0.5, noise=2.0)
    rows = torch.cat([text[:, None], shots], 1)
    precision = torch.tensor([1 / 0.25, 1 / 4, 1 / 4, 1 / 4]).double()
    expected = (precision[None, :, None] * rows).sum(1) / precision.sum()
    torch.testing.assert_close(mixed_prototypes(text, shots, worth=16.0), expected)


def test_no_other_worth_is_nearer_to_the_centres():
    text, shots, _, centre = drawn(classes=4000, spread=0.7, noise=1.4)
    errors = {
        worth: (mixed_prototypes(text, shots, worth) - centre).square().mean() for worth in (1.0, 2.0, 4.0, 8.0, 16.0)
    }
    assert min(errors, key=errors.get) == 4.0
    expected = 1 / (1 / 0.49 + 3 / 1.96)  # the variance of the posterior
    assert errors[4.0].item() == pytest.approx(expected, rel=0.02)


def test_limits():
    text, shots, _, _ = drawn()
    torch.testing.assert_close(mixed_prototypes(text, shots, 0.0), shots.mean(1))
    torch.testing.assert_close(mixed_prototypes(text, shots[:, :0], 3.0), text)
    torch.testing.assert_close(mixed_prototypes(text, shots, 1e12), text, atol=1e-8, rtol=0)


def test_the_worth_is_chosen_by_what_is_found():
    text, shots, queries, _ = drawn(spread=0.01, noise=3.0)
    assert best_worth(text, shots, queries, (0.0, 100.0)) == 100.0
    text, shots, queries, _ = drawn(spread=5.0, noise=0.1)
    assert best_worth(text, shots, queries, (100.0, 0.0)) == 0.0
    assert named(queries[:, 0], queries[:, :1]) == 1


def test_nothing_to_mix_is_refused():
    text, shots, _, _ = drawn()
    with pytest.raises(ValueError, match="leaves nothing"):
        mixed_prototypes(text, shots[:, :0], 0.0)
    with pytest.raises(ValueError, match="leaves nothing"):
        mixed_prototypes(text, shots, -1.0)
    with pytest.raises(ValueError, match=r"text must be \[C, d\]"):
        mixed_prototypes(text[1:], shots, 1.0)
