"""Windows, the short-time Fourier transform and its inverse: closed forms, torch's own, and perfect reconstruction."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation.spectra import WINDOWS, dirichlet, frames, griffin_lim, istft, overlap_added, stft, window


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("kind", ["hann", "hamming", "blackman"])
def test_windows_are_torch_s(kind, symmetric):
    theirs = getattr(torch, f"{kind}_window")(37, periodic=not symmetric)
    torch.testing.assert_close(window(kind, 37, symmetric), theirs, atol=1e-6, rtol=0)


def test_the_rectangular_window_is_one():
    assert window("rectangular", 5).tolist() == [1] * 5


@settings(max_examples=40, deadline=None)
@given(frequency=st.floats(-2, 2), length=st.integers(1, 40))
def test_the_dirichlet_kernel_is_the_sum_of_its_definition(frequency, length):
    n = torch.arange(length, dtype=torch.float64)
    total = torch.polar(torch.ones(length, dtype=torch.float64), -2 * math.pi * frequency * n).sum()
    found = dirichlet(torch.tensor(frequency, dtype=torch.float64), length)
    torch.testing.assert_close(found, total, atol=1e-9 * length, rtol=1e-9)


def test_hann_s_spectrum_is_three_shifted_kernels():
    length, f = 24, torch.linspace(-0.5, 0.5, 301, dtype=torch.float64)
    n = torch.arange(length, dtype=torch.float64)
    waves = torch.polar(torch.ones(301, length, dtype=torch.float64), -2 * math.pi * f[:, None] * n)
    direct = (waves * window("hann", length)).sum(1)
    kernels = 0.5 * dirichlet(f, length) - 0.25 * (
        dirichlet(f - 1 / length, length) + dirichlet(f + 1 / length, length)
    )
    torch.testing.assert_close(kernels, direct, atol=1e-6, rtol=0)


@settings(max_examples=30, deadline=None)
@given(length=st.integers(2, 20), hop=st.integers(1, 25), extra=st.integers(0, 9), kind=st.sampled_from([*WINDOWS]))
def test_the_transform_is_its_definition(length, hop, extra, kind):
    wave, analysis, n_fft = noise(3, 60), window(kind, length), length + extra
    found = stft(wave, analysis, hop, n_fft)
    k, n = torch.arange(n_fft // 2 + 1, dtype=torch.float64), torch.arange(length)
    angles = -2 * math.pi * k[:, None] * n / n_fft
    basis = torch.polar(torch.ones_like(angles), angles).to(torch.complex128)
    for t in range(found.shape[1]):
        part = wave[:, t * hop : t * hop + length] * analysis
        torch.testing.assert_close(found[:, t], part.to(torch.complex128) @ basis.T, atol=1e-5, rtol=0)
    assert found.shape == (3, 1 + (60 - length) // hop, n_fft // 2 + 1)


def test_the_transform_is_torch_s():
    wave, analysis = noise(2, 500), window("hann", 64).double()
    theirs = torch.stft(wave, 64, 16, window=analysis, center=False, return_complex=True).mT
    torch.testing.assert_close(stft(wave, analysis, 16), theirs)


@settings(max_examples=40, deadline=None)
@given(
    length=st.integers(4, 24), part=st.floats(0.05, 0.5), extra=st.integers(0, 8), kind=st.sampled_from([*WINDOWS]),
    count=st.integers(1, 12),
)  # fmt: skip
def test_overlap_add_gives_the_wave_back(length, part, extra, kind, count):
    hop = max(1, int(part * length))
    wave = noise(2, (count - 1) * hop + length)
    back = istft(stft(wave, window(kind, length), hop, 2 * (length + extra)), window(kind, length), hop)
    unseen = 0 if kind in ("rectangular", "hamming") else 1
    edge = slice(unseen, back.shape[-1] - unseen)
    torch.testing.assert_close(back[:, edge], wave[:, edge], atol=1e-4 if kind == "blackman" else 1e-6, rtol=0)


def test_the_inverse_is_the_nearest_wave_of_any_spectra():
    analysis, hop = window("hann", 16).double(), 4
    spectra = stft(noise(80), analysis, hop) + torch.complex(noise(17, 9, seed=1), noise(17, 9, seed=2))
    spectra[..., [0, -1]] = spectra[..., [0, -1]].real.to(spectra.dtype)
    wave = istft(spectra, analysis, hop).requires_grad_()
    parts = torch.fft.irfft(spectra, 16)
    ((frames(wave, 16, hop) * analysis - parts) ** 2).sum().backward()
    torch.testing.assert_close(wave.grad, torch.zeros_like(wave), atol=1e-10, rtol=0)


@pytest.mark.parametrize(("kind", "length", "hop"), [("hann", 8, 8), ("rectangular", 8, 9), ("blackman", 16, 16)])
def test_gaps_between_frames_are_refused(kind, length, hop):
    with pytest.raises(ValueError, match=f"windows of {length} samples every {hop} leave samples unseen"):
        istft(torch.ones(5, length // 2 + 1, dtype=torch.complex64), window(kind, length), hop)


def test_frames_add_up_where_they_lie():
    parts = torch.tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    assert overlap_added(parts, 2).tolist() == [1, 2, 13, 20, 30]
    assert overlap_added(parts.expand(2, 4, 2, 3), 2).shape == (2, 4, 5)


def test_griffin_and_lim_s_error_never_grows_and_comes_near():
    analysis, hop = window("hann", 64).double(), 16
    wave = torch.sin(torch.arange(1600, dtype=torch.float64) / 3) + 0.1 * noise(1600)
    magnitude = stft(wave, analysis, hop).abs()
    found, errors = griffin_lim(magnitude, analysis, hop, iterations=60, generator=torch.Generator().manual_seed(0))
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(errors))
    assert errors[-1] < 0.4 * errors[0] and len(errors) == 59
    again = (stft(found, analysis, hop).abs() - magnitude).norm() / magnitude.norm()
    assert again <= errors[-1] + 1e-9
    fast, _ = griffin_lim(magnitude, analysis, hop, momentum=0.9, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(fast, found)


def test_the_same_seed_gives_the_same_wave():
    magnitude = stft(noise(300), window("hann", 32), 8).abs()
    waves = [griffin_lim(magnitude, window("hann", 32), 8, iterations=3, generator=torch.Generator().manual_seed(s))[0]
             for s in (0, 0, 1)]  # fmt: skip
    assert torch.equal(waves[0], waves[1]) and not torch.equal(waves[0], waves[2])


def test_gradients_pass_through_the_transform_and_back():
    analysis = window("hann", 8).double()

    def there_and_back(wave):
        spectra = stft(wave, analysis, 2)
        return istft(spectra * spectra.abs().sqrt(), analysis, 2)

    assert torch.autograd.gradcheck(there_and_back, noise(2, 20).requires_grad_())


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="no window 'hanning'"):
        window("hanning", 5)
    with pytest.raises(ValueError, match="10 samples are shorter than a frame of 16"):
        frames(torch.zeros(2, 10), 16, 4)
    with pytest.raises(ValueError, match="hop must be a whole number"):
        frames(torch.zeros(2, 10), 4, 0)
    with pytest.raises(ValueError, match="n_fft must be a whole number of at least 8"):
        stft(torch.zeros(20), window("hann", 8), 4, n_fft=4)
