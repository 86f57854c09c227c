"""Simulated voices: pitch, formants and spectrum are those that were asked for, to the sample."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.data.voices import EMOTIONS, LIMITS, VOWELS, Voice, buzz, formants, gain, resonators, say, spoken
from course.runtime import step_generator

STEADY = {"melody": 0, "slope": 0, "jitter": 0, "breath": 0}
# Averages over 28 women, in the order of VOWELS (Peterson and Barney 1952).
WOMEN = [(310, 2790, 3310), (430, 2480, 3070), (610, 2330, 2990), (860, 2050, 2850), (850, 1220, 2810),
         (590, 920, 2710), (470, 1160, 2680), (370, 950, 2670), (760, 1400, 2780), (500, 1640, 1960)]  # fmt: skip


def middle(said) -> np.ndarray:
    """The steady middle half of the first syllable."""
    begin, end = said.syllables[0].tolist()
    quarter = (end - begin) // 4
    return said.wave[begin + quarter : end - quarter].double().numpy()


def amplitudes(wave: np.ndarray, rate: int, pitch: float, count: int) -> np.ndarray:
    """The amplitude of each harmonic, by least squares: no window, no leakage."""
    time = np.arange(len(wave)) / rate
    columns = [f(2 * np.pi * h * pitch * time) for h in range(1, count + 1) for f in (np.sin, np.cos)]
    weights = np.linalg.lstsq(np.stack(columns, 1), wave, rcond=None)[0]
    return np.hypot(weights[::2], weights[1::2])


def predicted(wave: np.ndarray, order: int) -> np.ndarray:
    """Coefficients of the best linear prediction (covariance method), ``[1, -a_1, ...]``: an all-pole model."""
    past = np.stack([wave[order - k : len(wave) - k] for k in range(1, order + 1)], 1)
    return np.r_[1, -np.linalg.lstsq(past, wave[order:], rcond=None)[0]]


@pytest.mark.parametrize("vowel", VOWELS)
@pytest.mark.parametrize("tilt", [6, 12])
def test_each_harmonic_is_source_times_filter(vowel, tilt):
    said = say(vowel, pitch=125, tilt=tilt, tempo=1, rate=16_000, **STEADY)
    count = 30
    found = amplitudes(middle(said), 16_000, 125, count)
    harmonics = np.arange(1, count + 1)
    expected = gain(said.formants[0], 125 * harmonics) * harmonics ** (-tilt / 6.0206)
    difference = 20 * np.log10(found / found[0]) - 20 * np.log10(expected / expected[0])
    assert np.abs(difference).max() < 0.2  # dB


@pytest.mark.parametrize("vowel", VOWELS)
def test_the_filter_peaks_at_the_formants(vowel):
    frequencies = np.arange(100.0, 5000)
    curve = np.log(gain(formants(vowel), frequencies))
    peaks = frequencies[1:-1][(curve[1:-1] > curve[:-2]) & (curve[1:-1] > curve[2:])]
    for asked in formants(vowel)[1:]:
        near = np.abs(peaks - asked).min()
        assert near < 60 or vowel in ("hod", "hawed", "heard"), vowel  # two near ones may make one peak
    poles = np.concatenate([np.roots(row[3:]) for row in resonators(formants(vowel))])
    angles = np.sort(np.abs(np.angle(poles)))[::2] * 16_000 / (2 * np.pi)
    np.testing.assert_allclose(angles, formants(vowel), rtol=1e-9)
    assert np.abs(poles).max() < 1


def test_linear_prediction_finds_the_formants_in_the_wave():
    said = say("head", pitch=100, tempo=1, rate=16_000, **STEADY | {"breath": 3, "tilt": 0})
    roots = np.roots(predicted(middle(said), 10))
    found = np.sort(np.angle(roots[np.imag(roots) > 0]) * 16_000 / (2 * np.pi))
    np.testing.assert_allclose(found[:3], said.formants[0, :3], rtol=0.06)


@pytest.mark.parametrize("pitch", [80, 120, 231.7, 400])
def test_the_wave_repeats_with_the_pitch(pitch):
    wave = middle(say("hud", pitch=pitch, tempo=1, rate=16_000, **STEADY))
    lags = np.arange(20, 400)
    similar = [np.corrcoef(wave[:-lag], wave[lag:])[0, 1] for lag in lags]
    near = int(np.argmax(np.array(similar) > 0.95 * max(similar)))  # not a multiple of the period
    best = lags[near : near + 12][np.argmax(similar[near : near + 12])]
    assert 16_000 / best == pytest.approx(pitch, rel=0.02)


def test_a_glide_is_told_sample_by_sample():
    said = say("hud hud", pitch=150, melody=3, slope=-4, jitter=0, tempo=2)
    cents = 1200 * (said.pitch / 150).log2()
    assert said.pitch.shape == said.wave.shape
    assert 200 < cents.max() < 400 and -450 < cents.min() < -250
    assert abs(cents[: said.syllables[1, 1]].mean()) < 30


def test_the_source_holds_no_folded_harmonics():
    pitch = np.full(16_000, 430.0)
    spectrum = np.abs(np.fft.rfft(buzz(pitch, 6.0) * np.hanning(16_000)))  # one bin a Hz
    inside = np.zeros(8001, dtype=bool)
    for harmonic in range(1, int(7200 / 430) + 1):
        inside[430 * harmonic - 3 : 430 * harmonic + 4] = True
    assert spectrum[~inside].max() < 1e-3 * spectrum.max()
    assert np.mean(buzz(pitch, 6.0) ** 2) == pytest.approx(1, abs=0.01)


def test_the_same_arguments_give_the_same_samples_and_another_seed_others():
    first, again, other = say("had", seed=3), say("had", seed=3), say("had", seed=4)
    assert torch.equal(first.wave, again.wave) and not torch.equal(first.wave, other.wave)
    assert first.wave.dtype == torch.float32


def test_the_samples_are_those_that_results_were_measured_with():
    wave = say("heed hod", rate=16_000).wave
    # No checksum: processors round sines differently in the last bit.
    assert len(wave) == 8800
    picked = [round(1000 * value, 2) for value in wave[1000:5000:800].tolist()]
    assert picked == pytest.approx([-23.19, 42.07, 3.36, -0.64, -0.07], abs=0.02)


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000])
def test_length_level_and_syllables(rate):
    said = say("heed hod who'd", tempo=5, loudness=-30, rate=rate)
    assert len(said.wave) == pytest.approx((3 / 5 + 0.05) * rate, abs=1)
    assert 10 * said.wave.double().square().mean().log10() == pytest.approx(-30, abs=0.1)
    assert said.syllables.shape == (3, 2) and said.syllables[-1, 1] <= len(said.wave)
    after = said.wave[said.syllables[0, 1] + rate // 50 : said.syllables[1, 0]]
    assert after.abs().max() < 0.1 * said.wave.abs().max()  # a pause


def test_a_long_tract_has_low_formants_and_men_and_women_differ_as_published():
    said = say("heed", tract=1.25)
    np.testing.assert_allclose(said.formants[0, :3], np.array(VOWELS["heed"]) / 1.25)
    ratio = np.array(WOMEN) / np.array([*VOWELS.values()])
    assert ratio.mean() == pytest.approx(1.16, abs=0.01) and ratio.min() > 1 and ratio.max() < 1.31


def test_an_emotion_moves_the_voice_by_its_strength():
    calm = Voice(pitch=200)
    assert calm.feeling("neutral", 2) == calm == calm.feeling("anger", 0)
    angry, half = calm.feeling("anger"), calm.feeling("anger", 0.5)
    assert angry.pitch == pytest.approx(200 * 2 ** (4 / 12)) and half.pitch == pytest.approx(200 * 2 ** (2 / 12))
    assert (angry.loudness, half.tempo) == (-19, 4.4)
    assert angry.tract == calm.tract  # nobody grows
    assert calm.feeling("sadness").pitch < 200 < calm.feeling("fear").pitch
    assert Voice(melody=1.0).feeling("fear", 1).melody == -1.0


@settings(max_examples=40, deadline=None)
@given(
    vowels=st.lists(st.sampled_from([*VOWELS]), min_size=1, max_size=3),
    voice=st.fixed_dictionaries({name: st.floats(*limits) for name, limits in LIMITS.items()}),
    emotion=st.sampled_from([*EMOTIONS]),
    strength=st.floats(0, 2),
)
def test_every_voice_within_the_limits_speaks_finitely_or_is_too_loud(vowels, voice, emotion, strength):
    voice = Voice(**voice).feeling(emotion, strength)
    try:
        said = spoken(vowels, voice, rate=8000, generator=step_generator(0, 0))
    except ValueError as error:
        assert "leaves the range" in str(error) and voice.loudness > -24
        return
    assert said.wave.isfinite().all() and 0 < said.wave.abs().max() <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vowels": ""}, "nothing to say"),
        ({"vowels": []}, "nothing to say"),
        ({"vowels": "heed hodd"}, "there is no vowel 'hodd'; did you mean 'hod'"),
        ({"emotion": "angry"}, "there is no emotion 'angry'; did you mean 'anger'"),
        ({"strength": -0.1}, "strength must be from 0 to 2, got -0.1"),
        ({"strength": float("nan")}, "strength must be from 0 to 2, got nan"),
        ({"pitch": 20}, "pitch must be from 50 to 500, got 20"),
        ({"tract": float("nan")}, "tract must be from 0.7 to 1.3, got nan"),
        ({"picht": 100}, "a voice has no 'picht'; did you mean 'pitch'"),
        ({"rate": 44_100}, "rate must be a whole number from 1000 to 16,000, got 44100"),
        ({"rate": 8000.0}, "rate must be a whole number"),
        ({"loudness": -12, "pitch": 50, "tempo": 1}, "leaves the range from -1 to 1: lower the loudness of -12.0 dB"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        say(**{"vowels": "had"} | arguments)
