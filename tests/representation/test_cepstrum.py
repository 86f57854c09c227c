"""The cepstrum, pitch and formants: closed forms, and sounds whose pitch and resonances are known."""

import math

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from course.representation.cepstrum import cepstrum, envelope, formants, lpc, pitch


def resonator(resonances, rate, bandwidth=80.0):
    """The denominator of a cascade of resonances."""
    a = np.ones(1)
    for frequency in resonances:
        radius, angle = math.exp(-math.pi * bandwidth / rate), 2 * math.pi * frequency / rate
        a = np.convolve(a, [1, -2 * radius * math.cos(angle), radius**2])
    return a


def voiced(f0, resonances=(), rate=16000, seconds=0.4):
    """Pulses through resonances, as float64."""
    time = np.arange(round(seconds * rate)) / rate
    pulses = (np.diff(np.floor(f0 * time), prepend=-1.0) > 0).astype(float)
    return torch.from_numpy(lfilter([1], resonator(resonances, rate), pulses))


def test_a_convolution_is_a_sum_of_cepstra():
    a, b = torch.rand(2, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = torch.from_numpy(np.convolve(a, b))
    torch.testing.assert_close(cepstrum(both, 64), cepstrum(a, 64) + cepstrum(b, 64))


def test_the_cepstrum_of_one_pole_is_a_geometric_series():
    pole, n = 0.6, torch.arange(512, dtype=torch.float64)
    found = cepstrum(pole**n)[1:30]
    torch.testing.assert_close(found, pole ** n[1:30] / (2 * n[1:30]))  # halved, as the real cepstrum is even


def test_the_envelope_is_the_filter_without_the_pulses():
    rate, resonances = 16000, (600, 1200, 2500)
    wave = voiced(100, resonances)[1600:2624]
    smooth = envelope(cepstrum(wave * torch.hann_window(1024, dtype=torch.float64), 1024), 100)
    response = -np.log(np.abs(np.fft.rfft(resonator(resonances, rate, 80.0), 1024)))
    band = slice(10, 250)  # 150 to 4000 Hz
    assert np.corrcoef(smooth[band].numpy(), response[band])[0, 1] > 0.97
    rough = torch.fft.rfft(wave * torch.hann_window(1024, dtype=torch.float64)).abs().log()
    assert np.corrcoef(rough[band].numpy(), response[band])[0, 1] < 0.8


def test_the_envelope_of_a_smooth_spectrum_is_the_spectrum():
    part = 0.6 ** torch.arange(512, dtype=torch.float64)
    torch.testing.assert_close(envelope(cepstrum(part), 100), torch.fft.rfft(part).abs().log())


@settings(max_examples=30, deadline=None)
@given(f0=st.floats(70, 400))
def test_the_pitch_of_a_buzz_is_found(f0):
    found, strength = pitch(voiced(f0, (500, 1500)), 16000)
    assert found.median().item() == pytest.approx(f0, rel=0.003)
    assert strength.median() > 0.8


def test_the_pitch_of_a_batch_is_that_of_its_recordings_and_agrees_with_yin():
    waves = torch.stack([voiced(f0, (500, 1500)) for f0 in (90.0, 233.0)])
    found, _ = pitch(waves, 16000)
    assert found.median(1).values.tolist() == pytest.approx([90, 233], rel=0.01)
    yin = librosa.yin(waves.numpy(), fmin=60, fmax=500, sr=16000, frame_length=1024)
    assert found.median(1).values.tolist() == pytest.approx(np.median(yin, 1), rel=0.02)
    torch.testing.assert_close(found[1], pitch(waves[1], 16000)[0])


def test_noise_is_hardly_periodic_and_silence_has_no_pitch():
    noise = torch.randn(16000, generator=torch.Generator().manual_seed(0))
    assert pitch(noise, 16000)[1].median() < 0.5
    found, strength = pitch(torch.zeros(2000), 16000)
    assert found.abs().max() == 0 and strength.abs().max() == 0


def test_linear_prediction_is_least_squares_and_its_poles_are_inside_the_circle():
    part = torch.randn(3, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(-1)
    weights = lpc(part * torch.hann_window(300, dtype=torch.float64), 6)
    for row, found in zip(part, weights, strict=True):
        x = np.pad(row.numpy() * torch.hann_window(300, dtype=torch.float64).numpy(), 6)
        past = np.stack([x[6 - i : len(x) - i] for i in range(1, 7)], 1)
        np.testing.assert_allclose(found, np.linalg.lstsq(past, x[6:], rcond=None)[0], atol=1e-4)
        assert np.abs(np.roots([1, *-found.numpy()])).max() < 1


@pytest.mark.parametrize("resonances", [(300, 2300, 3000), (700, 1100, 2450), (500, 1500, 2500)])
def test_the_resonances_are_found(resonances):
    wave = torch.from_numpy(lfilter([1], [1, -0.97], voiced(110, (*resonances, 3500), rate=10_000)))  # 6 dB an octave
    parts = wave[1000:3000].unfold(0, 400, 200)
    found = formants(parts, 10_000)
    assert found.median(0).values.tolist() == pytest.approx(resonances, rel=0.08)


def test_what_is_not_found_is_nan():
    assert formants(torch.zeros(2, 400), 8000).isnan().all()


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="they must hold two periods"):
        pitch(torch.zeros(8000), 8000, low=30)
    with pytest.raises(ValueError, match="kept must be a whole number from 1 to 32"):
        envelope(torch.zeros(64), 33)
    with pytest.raises(ValueError, match="order must be a whole number from 1 to 9"):
        lpc(torch.zeros(10), 10)
