"""Sampling, rounding and the telephone: closed forms, and what their docstrings promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation.sampling import clipped_share, folded, pre_emphasis, quantised, snr, telephone


def tone(frequency, rate, seconds=0.5):
    return torch.sin(2 * math.pi * frequency * torch.arange(round(seconds * rate), dtype=torch.float64) / rate)


@settings(max_examples=50, deadline=None)
@given(frequency=st.floats(0, 1e5), rate=st.sampled_from([8000, 16000, 44100]))
def test_a_tone_and_its_alias_have_the_same_samples(frequency, rate):
    n = torch.arange(50, dtype=torch.float64)
    alias = folded(torch.tensor(frequency, dtype=torch.float64), rate).double()
    assert 0 <= alias <= rate / 2
    wrong = abs(frequency - rate * round(frequency / rate))
    assert alias == pytest.approx(wrong, abs=0.02)
    cosines = [(2 * math.pi * each / rate * n).cos() for each in (wrong, frequency)]
    torch.testing.assert_close(*cosines, atol=1e-6, rtol=0)


@pytest.mark.parametrize("bits", [4, 8, 12])
def test_each_bit_of_a_uniform_signal_is_worth_six_decibels(bits):
    wave = 2 * torch.rand(200_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 1
    inside = wave.clamp(-1, 1 - 2.0 ** (1 - bits))
    assert snr(inside, quantised(inside, bits)).item() == pytest.approx(20 * math.log10(2) * bits, abs=0.3)


def test_rounding_has_as_many_levels_as_it_says_and_clips_what_is_louder():
    values = quantised(torch.linspace(-3, 3, 10_001), bits=3)
    assert values.unique().tolist() == [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75]


def test_clipped_samples_are_counted():
    assert clipped_share(torch.tensor([[1.0, -1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.9]])).tolist() == [0.5, 0]


def test_pre_emphasis_removes_what_is_constant_and_keeps_its_first_sample_small():
    constant = torch.full((2, 5), 3.0)
    torch.testing.assert_close(pre_emphasis(constant, 1.0), torch.zeros(2, 5))
    wave = torch.rand(2, 30, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pre_emphasis(wave)[:, 1:], wave[:, 1:] - 0.97 * wave[:, :-1])


@pytest.mark.parametrize(
    ("frequency", "expected"), [(300, -3.01), (3400, -3.01), (1000, 0), (75, -48.2), (6800, -24.1)]
)
def test_the_telephone_has_the_amplitude_of_its_formula(frequency, expected):
    rate = 32_000
    wave = tone(frequency, rate)
    passed = telephone(wave, rate)[rate // 8 : -rate // 8]  # away from the ends
    level = 10 * torch.log10(passed.square().mean() / wave.square().mean()).item()
    assert level == pytest.approx(expected, abs=0.1)


def test_the_telephone_is_linear_and_keeps_a_batch_apart():
    a, b = torch.rand(2, 3, 400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(telephone(2 * a - b, 8000), 2 * telephone(a, 8000) - telephone(b, 8000))
    torch.testing.assert_close(telephone(a, 8000)[1], telephone(a[1], 8000))


def test_the_sound_at_the_end_does_not_come_back_at_the_beginning():
    click = torch.zeros(4000, dtype=torch.float64)
    click[-1] = 1
    assert telephone(click, 8000)[:2000].abs().max() < 1e-4


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="bits must be a whole number"):
        quantised(torch.zeros(3), 0)
    with pytest.raises(ValueError, match="0 < low < high, got 500 and 300 Hz"):
        telephone(torch.zeros(30), 8000, low=500, high=300)
