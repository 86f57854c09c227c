"""Mel scale, filters and cosines against their definitions, torchaudio, librosa and scipy."""

import librosa
import numpy as np
import pytest
import scipy.fft
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation.mel import dct_matrix, filter_bank, hertz, mel, warped


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_the_scale_is_librosa_s_and_comes_back(scale):
    frequency = torch.linspace(0, 8000, 161, dtype=torch.float64)
    theirs = librosa.hz_to_mel(frequency.numpy(), htk=scale == "htk")
    np.testing.assert_allclose(mel(frequency, scale), theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(hertz(mel(frequency, scale), scale), frequency)


@pytest.mark.parametrize("norm", [None, "slaney"])
@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize(
    ("n_mels", "n_fft", "rate", "low", "high"), [(40, 512, 16000, 0, 8000), (26, 256, 8000, 100, 3800)]
)
def test_the_filters_are_torchaudio_s_and_librosa_s(n_mels, n_fft, rate, low, high, scale, norm):
    found = filter_bank(n_mels, n_fft, rate, low=low, high=high, scale=scale, norm=norm)
    theirs = torchaudio.functional.melscale_fbanks(n_fft // 2 + 1, low, high, n_mels, rate, norm, scale)
    torch.testing.assert_close(found, theirs, atol=2e-5, rtol=0)
    theirs = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=low, fmax=high, htk=scale == "htk", norm=norm
    )
    np.testing.assert_allclose(found.T, theirs, atol=1e-6)


def test_unnormalised_filters_add_up_to_one_between_the_outer_peaks():
    total = filter_bank(20, 512, 8000).sum(1)
    bins = torch.arange(257) * 8000 / 512
    corners = hertz(torch.linspace(0, float(mel(4000.0)), 22))
    inside = (bins >= corners[1]) & (bins <= corners[-2])
    torch.testing.assert_close(total[inside], torch.ones(int(inside.sum())), atol=1e-5, rtol=0)


def test_slaney_s_filters_have_the_area_one():
    area = filter_bank(10, 4096, 8000, low=200, norm="slaney").sum(0) * 8000 / 4096
    torch.testing.assert_close(area, torch.ones(10), atol=0.01, rtol=0)


@settings(max_examples=50, deadline=None)
@given(warp=st.floats(0.5, 2))
def test_warping_is_increasing_and_keeps_both_ends(warp):
    frequency = torch.linspace(0, 4000, 401, dtype=torch.float64)
    found = warped(frequency, warp, 4000)
    assert found[0] == 0 and found[-1] == pytest.approx(4000)
    assert (found.diff() > 0).all()
    low = frequency < 0.85 * 4000 * min(1, 1 / warp)
    torch.testing.assert_close(found[low], warp * frequency[low])


def test_the_filters_of_a_warped_bank_see_in_a_warped_spectrum_what_the_others_see():
    frequency = torch.arange(4097) * 4000 / 4096

    def spectrum(stretch):
        return sum(torch.exp(-(((frequency / stretch - f) / 150) ** 2)) for f in (500, 1500, 2500))

    plain, other = (filter_bank(20, 8192, 8000, warp=warp, norm="slaney") for warp in (1.0, 1.15))
    seen, moved, corrected = spectrum(1.0) @ plain, spectrum(1.15) @ plain, spectrum(1.15) @ other
    assert (corrected - seen).norm() < 0.05 * (moved - seen).norm()


@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (8, 3), (40, 13), (40, 40)])
def test_the_cosine_transform_is_scipy_s(n_in, n_out):
    x = np.random.default_rng(0).standard_normal((5, n_in))
    np.testing.assert_allclose(
        x @ dct_matrix(n_in, n_out).numpy(), scipy.fft.dct(x, norm="ortho")[:, :n_out], atol=1e-5
    )


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="no scale 'bark'; there are htk, slaney"):
        mel(100.0, "bark")
    with pytest.raises(ValueError, match="0 <= low < high <= 4000 Hz, got 100 to 5000"):
        filter_bank(20, 256, 8000, low=100, high=5000)
    with pytest.raises(ValueError, match=r"filter \d+ of 128 lies between two bins of 40.0 Hz"):
        filter_bank(128, 400, 16000)
    with pytest.raises(ValueError, match="norm must be None or 'slaney'"):
        filter_bank(20, 256, 8000, norm="htk")
    with pytest.raises(ValueError, match=r"warp must be from 0\.5 to 2, got 0"):
        warped(torch.ones(1), 0, 4000)
    with pytest.raises(ValueError, match="n_out must be a whole number from 1 to 5"):
        dct_matrix(5, 6)
