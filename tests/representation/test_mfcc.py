"""MFCCs against torchaudio, librosa, their definition and finite differences; streams; unusual recordings."""

import math
from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch
import torchaudio
from hypothesis import given, settings
from hypothesis import strategies as st

from course.representation import mfcc as module
from course.representation.mfcc import Conventions, log_mel, mel_energies, mfcc, stream


def speechlike(samples, rate=16000, *batch, seed=0):
    """Noise and a falling tone that swell and fade: a range of 90 dB and more."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(samples) / rate
    tone = torch.sin(2 * math.pi * (400 * time - 50 * time**2))
    return (tone + 0.1 * torch.randn(*batch, samples, generator=generator)) * torch.sin(9 * time) ** 8 / 2


def noise(samples):
    return 0.1 * torch.randn(samples, generator=torch.Generator().manual_seed(3))


def torchaudio_s(wave, c):
    options = {
        "n_fft": c.n_fft,
        "win_length": c.frame,
        "hop_length": c.hop,
        "n_mels": c.n_mels,
        "power": float(c.power),
    }
    options |= {"f_min": c.low, "f_max": c.high, "mel_scale": c.scale, "norm": c.norm, "pad_mode": c.pad}
    return torchaudio.transforms.MFCC(c.rate, c.n_mfcc, melkwargs=options)(wave).mT


TORCHAUDIO = Conventions.torchaudio()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"n_mfcc": 13, "frame": 300, "hop": 160, "n_fft": 512},
        {"scale": "slaney", "norm": "slaney", "power": 1},
        {"pad": "constant", "low": 60.0, "high": 7000.0, "n_mels": 26, "n_mfcc": 20, "hop": 77},
    ],
)
def test_torchaudio_s_coefficients_are_equal_to_a_ten_thousandth_of_their_range(changed):
    conventions = replace(TORCHAUDIO, **changed)
    wave = speechlike(16000)
    theirs = torchaudio_s(wave, conventions)
    assert torch.aminmax(theirs).max - torch.aminmax(theirs).min > 80
    found = mfcc(wave, 16000, conventions)
    assert found.shape == theirs.shape
    assert (found - theirs).abs().max() < 1e-4 * (theirs.max() - theirs.min())


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        ({}, {}),
        ({"norm": None, "scale": "htk"}, {"norm": None, "htk": True}),
        ({"frame": 551, "hop": 220, "power": 1}, {"win_length": 551, "hop_length": 220, "power": 1.0}),
    ],
)
def test_librosa_s_coefficients_are_equal_to_a_ten_thousandth_of_their_range(changed, options):
    wave = speechlike(22050, 22050)
    mels = librosa.feature.melspectrogram(y=wave.numpy(), sr=22050, **options)  # "norm" of mfcc is that of the cosines
    theirs = librosa.feature.mfcc(S=librosa.power_to_db(mels)).T
    found = mfcc(wave, 22050, Conventions.librosa(**changed)).numpy()
    assert found.shape == theirs.shape
    assert np.abs(found - theirs).max() < 1e-4 * np.ptp(theirs)


def test_the_chain_is_its_definition():
    wave, c = speechlike(1000, 8000).double(), Conventions.speech(8000, window="hamming", low=50.0, high=3900.0)
    window, bank, cosines = (each.double().numpy() for each in (c.taper, c.bank, c.cosines))
    rows = []
    for begin in range(0, 1000 - c.frame + 1, c.hop):
        power = np.abs(np.fft.rfft(wave.numpy()[begin : begin + c.frame] * window, c.n_fft)) ** 2
        rows.append(10 * np.log10(np.maximum(power @ bank, c.floor)) @ cosines)
    np.testing.assert_allclose(mfcc(wave, 8000, c), np.stack(rows), atol=1e-9)
    logs = np.log(np.maximum(mel_energies(wave, 8000, c).numpy(), c.floor))
    np.testing.assert_allclose(log_mel(wave, 8000, replace(c, log="ln")), logs, atol=1e-12)


def test_a_batch_is_its_recordings_and_chunks_change_nothing(monkeypatch):
    waves, c = speechlike(9000, 16000, 2, 3), replace(TORCHAUDIO, n_mfcc=13)
    whole = mfcc(waves, 16000, c)
    assert whole.shape == (2, 3, 46, 13)
    torch.testing.assert_close(whole[1, 2], mfcc(waves[1, 2], 16000, c), atol=1e-4, rtol=1e-5)
    monkeypatch.setattr(module, "CHUNK", 7)
    torch.testing.assert_close(mfcc(waves, 16000, c), whole, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    "changed", [{}, {"pad": "reflect"}, {"range_db": 20.0, "pad": "constant"}, {"power": 1, "log": "ln"}]
)
def test_gradients_are_those_of_finite_differences(changed):
    c = Conventions(8000, frame=32, hop=16, n_fft=64, n_mels=6, n_mfcc=4, **changed)
    wave = torch.rand(2, 80, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    bank = c.bank.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, b: mfcc(x, 8000, c, b), (wave, bank))


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 3000), max_size=6), pad=st.sampled_from([None, "reflect", "constant"]),
    samples=st.integers(300, 3000), hop=st.sampled_from([1, 80, 200, 333]),
)  # fmt: skip
def test_a_stream_is_the_whole_recording(cuts, pad, samples, hop):
    if hop == 1:
        samples = min(samples, 500)
    c = Conventions.speech(8000, pad=pad, hop=hop, n_mels=20)
    waves = speechlike(samples, 8000, 2)
    blocks = waves.tensor_split(sorted(min(cut, samples) for cut in cuts), -1)
    found = list(stream(blocks, 8000, c))
    torch.testing.assert_close(torch.cat(found, -2), mfcc(waves, 8000, c), atol=1e-3, rtol=1e-4)


def test_a_stream_keeps_less_than_a_frame_and_a_reflection():
    kept = []
    c = Conventions.speech(8000, pad="reflect")

    def blocks():
        for _ in range(50):
            yield torch.rand(1000)

    with pytest.MonkeyPatch.context() as patch:
        cat = torch.cat
        patch.setattr(torch, "cat", lambda *parts, **rest: kept.append(cat(*parts, **rest)) or kept[-1])
        sum(1 for _ in stream(blocks(), 8000, c))
    assert max(each.shape[-1] for each in kept if each.dim() == 1) <= 1000 + c.frame + c.n_fft


@pytest.mark.parametrize("pad", [None, "constant", "reflect"])
def test_frames_are_as_many_as_the_conventions_say(pad):
    c = Conventions.speech(8000, pad=pad)
    for samples in (200, 201, 279, 280, 281, 4000):
        assert len(mfcc(torch.zeros(samples), 8000, c)) == c.n_frames(samples)
    assert Conventions.speech(8000).n_frames(10) == 0
    assert Conventions.speech(8000).n_frames(torch.tensor([10, 200, 280])).tolist() == [0, 1, 2]


def test_silence_is_the_logarithm_of_the_floor():
    c = Conventions.speech(8000)
    found = mfcc(torch.zeros(1000), 8000, c)
    assert found[:, 0].tolist() == pytest.approx([-100 * math.sqrt(c.n_mels)] * len(found))
    assert found[:, 1:].abs().max() < 1e-3
    wave = torch.zeros(1000, requires_grad=True)
    mfcc(wave, 8000, replace(c, power=1)).sum().backward()
    assert wave.grad.isfinite().all()


def test_a_gain_moves_only_the_first_coefficient():
    wave, c = noise(4000), Conventions.speech(8000)
    change = mfcc(wave / 2, 8000, c) - mfcc(wave, 8000, c)
    torch.testing.assert_close(change[:, 0], torch.full_like(change[:, 0], -20 * math.log10(2) * math.sqrt(40)))
    assert change[:, 1:].abs().max() < 1e-3


def test_a_constant_reaches_the_lowest_filters_only():
    wave, c = noise(4000), Conventions.speech(8000)
    change = (mel_energies(wave + 0.3, 8000, c) / mel_energies(wave, 8000, c) - 1).abs().amax(0)
    beyond = c.bank[torch.arange(129) * 8000 / 256 < 100].sum(0) == 0  # filters that see nothing below 100 Hz
    assert change[~beyond].max() > 1 and change[beyond].median() < 0.1


def test_the_range_is_taken_for_each_recording():
    c = Conventions.speech(8000, range_db=30.0)
    waves = torch.stack([speechlike(2000, 8000), 1e-3 * speechlike(2000, 8000)])
    levels = log_mel(waves, 8000, c)
    torch.testing.assert_close(levels[1], log_mel(waves[1], 8000, c), atol=1e-4, rtol=0)
    assert (levels.amax((1, 2)) - levels.amin((1, 2))).tolist() == pytest.approx([30, 30], abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    wave, c = speechlike(2000, 8000).to(dtype), Conventions.speech(8000)
    found = mfcc(wave, 8000, c)
    assert found.dtype == torch.float32
    assert torch.equal(found, mfcc(wave.float(), 8000, c))


def test_stereo_is_two_recordings():
    stereo, c = speechlike(1000, 8000, 2), Conventions.speech(8000)
    torch.testing.assert_close(mfcc(stereo, 8000, c)[1], mfcc(stereo[1], 8000, c))


@pytest.mark.parametrize(
    ("error", "message", "wave", "rate", "changed"),
    [
        (ValueError, "16,000 Hz and the conventions 8,000 Hz: resample", torch.zeros(900), 16000, {}),
        (TypeError, "the samples are torch.int16: divide by", torch.zeros(900, dtype=torch.int16), 8000, {}),
        (ValueError, "2 samples are NaN or infinite", torch.tensor([math.nan, math.inf] + [0.0] * 900), 8000, {}),
        (ValueError, "100 samples are shorter than a frame of 200", torch.zeros(100), 8000, {}),
        (ValueError, "100 samples cannot be reflected by 100", torch.zeros(100), 8000, {"pad": "reflect"}),
    ],
)
def test_what_cannot_be_analysed_is_named(error, message, wave, rate, changed):
    c = Conventions.speech(8000, **changed)
    for function in (mfcc, log_mel, mel_energies):
        with pytest.raises(error, match=message):
            function(wave, rate, c)
    with pytest.raises(error, match=message):
        list(stream([wave], rate, c))


def test_padded_with_zeros_a_wave_may_be_shorter_than_a_frame():
    assert mfcc(torch.rand(30), 8000, Conventions.speech(8000, pad="constant")).shape == (1, 13)


@pytest.mark.parametrize(
    ("message", "changed"),
    [
        ("n_fft must be a whole number of at least 200", {"n_fft": 128}),
        ("n_fft must be even", {"n_fft": 301}),
        ("n_mfcc must be a whole number from 1 to 40", {"n_mfcc": 41}),
        ("pad must be one of None, 'reflect', 'constant', got 'zeros'", {"pad": "zeros"}),
        ("power must be one of 1, 2, got 3", {"power": 3}),
        ("log must be one of 'dB', 'ln', got 'log10'", {"log": "log10"}),
        ("floor must be positive", {"floor": 0.0}),
        ("range_db must be positive, and needs log='dB'", {"range_db": 80.0, "log": "ln"}),
    ],
)
def test_conventions_that_contradict_themselves_are_refused(message, changed):
    with pytest.raises(ValueError, match=message):
        Conventions.speech(8000, **changed)


def test_a_stream_refuses_what_needs_the_whole_and_what_is_nothing():
    with pytest.raises(ValueError, match="range_db needs the loudest frame of the whole recording"):
        list(stream([torch.zeros(900)], 8000, Conventions.speech(8000, range_db=80.0)))
    with pytest.raises(ValueError, match="there was no block"):
        list(stream([], 8000, Conventions.speech(8000)))
