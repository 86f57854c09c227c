"""Sine waves: every point lies on one wave of the family, and a seed fixes them."""

from math import pi

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.data import SinusoidTasks

sizes = st.integers(1, 5)


def wave_through(x, y):
    """Amplitude, phase and largest error of the least-squares wave a sin x + b cos x through points ``[n, 1]``."""
    x, y = x.double(), y.double()
    basis = torch.cat([x.sin(), x.cos()], 1)
    a, b = torch.linalg.lstsq(basis, y)[0].flatten()
    error = (basis @ torch.stack([a, b])[:, None] - y).abs().max()
    return torch.hypot(a, b).item(), torch.atan2(-b, a).item() % (2 * pi), error.item()


def test_support_and_query_lie_on_one_wave_of_the_family():
    episode = SinusoidTasks().sampler(k_shot=10, n_query=10, tasks=200, seed=0)[0]
    amplitudes, phases = [], []
    for task in range(200):
        x = torch.cat([episode.support_x[task], episode.query_x[task]])
        y = torch.cat([episode.support_y[task], episode.query_y[task]])
        amplitude, phase, error = wave_through(x, y)
        assert error < 1e-4
        amplitudes.append(amplitude)
        phases.append(phase)
    assert 0.1 - 1e-4 < min(amplitudes) < 0.4 and 4.7 < max(amplitudes) < 5 + 1e-4
    assert min(phases) > -1e-4 and 2.9 < max(phases) < pi + 1e-4
    inputs = torch.cat([episode.support_x, episode.query_x]).flatten()
    assert -5 <= inputs.min() < -4.9 and 4.9 < inputs.max() <= 5


@given(k_shot=sizes, n_query=sizes, tasks=sizes, seed=st.integers(0, 10**6), number=st.integers(0, 10**6))
def test_shapes_and_repetition(k_shot, n_query, tasks, seed, number):
    sampler = SinusoidTasks().sampler(k_shot, n_query, tasks, seed=seed)
    episode, again = sampler[number], sampler[number]
    assert episode.support_x.shape == episode.support_y.shape == (tasks, k_shot, 1)
    assert episode.query_x.shape == episode.query_y.shape == (tasks, n_query, 1)
    assert torch.equal(episode.query_y, again.query_y)
    assert not torch.equal(episode.support_x, sampler[number + 1].support_x)


def test_noise_has_the_standard_deviation_asked_for():
    clean, noisy = (SinusoidTasks(noise=noise).sampler(50, 50, 200, seed=3)[0] for noise in (0.0, 0.3))
    assert torch.equal(clean.support_x, noisy.support_x)
    assert (noisy.support_y - clean.support_y).std().item() == pytest.approx(0.3, rel=0.03)


def test_bad_ranges_and_sizes_are_refused():
    with pytest.raises(ValueError, match=r"phase must be a range \(low, high\), got \(2, 1\)"):
        SinusoidTasks(phase=(2, 1))
    with pytest.raises(ValueError, match=r"cannot be negative, got -1"):
        SinusoidTasks(noise=-1)
    with pytest.raises(ValueError, match="k_shot must be a whole number of at least 1, got 0"):
        SinusoidTasks().sampler(0, 1)
    with pytest.raises(IndexError, match="got -3"):
        SinusoidTasks().sampler(1, 1)[-3]
