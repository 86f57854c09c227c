"""Baselines in bits: the weights by least squares, the shares by counting, bits by their definition."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from course.representation.linear_prediction import SMOOTHING, LinearPredictor, ToldPredictor
from course.representation.mulaw import CODES, decode, step
from course.representation.spoken_codes import CodeSet

A = [1.6, -0.9]  # a resonance


def resonance(n=40, length=800, seed=0):
    noise = np.random.default_rng(seed).standard_normal((n, length))
    x = torch.from_numpy(lfilter([1.0], [1.0, *[-a for a in A]], noise)) / 20
    return CodeSet.from_waves(x.float(), torch.full((n,), length), 8000, peak=None)


def test_the_weights_of_an_autoregressive_wave_are_found():
    found = LinearPredictor(2).fit(resonance()).weights
    np.testing.assert_allclose(found, A, atol=0.02)


def test_the_prediction_is_its_sum_and_the_ridge_is_noise_on_the_diagonal():
    data = resonance(n=3, length=60)
    model = LinearPredictor(4, ridge=0.1).fit(data)
    waves = decode(data.codes, dtype=torch.float64).numpy()
    r = sum(np.correlate(wave, wave, "full")[59:64] for wave in waves)
    matrix = np.array([[r[abs(i - j)] for j in range(4)] for i in range(4)]) + 0.1 * r[0] * np.eye(4)
    np.testing.assert_allclose(model.weights, np.linalg.solve(matrix, r[1:]), rtol=1e-6)
    predicted = model.predict(data).numpy()
    for t in (0, 1, 3, 10, 59):
        past = [waves[1, t - i] if t >= i else 0.0 for i in range(1, 5)]
        assert predicted[1, t] == pytest.approx(model.weights.numpy() @ past)


def test_without_order_it_counts_shares_and_with_one_it_needs_fewer_bits():
    data, test = resonance(), resonance(seed=1)
    shares = torch.bincount(data.codes.flatten(), minlength=CODES) + 0.02
    shares = shares / (data.codes.numel() + 0.02 * (2 * CODES - 1))
    expected = -shares.log2()[test.codes].mean().item()
    assert LinearPredictor(0).fit(data).bits(test) == pytest.approx(expected, rel=1e-3)
    assert LinearPredictor(2).fit(data).bits(test) < expected - 1
    assert LinearPredictor(1).fit(data).bits(test) < expected


def test_bits_are_near_the_entropy_of_the_noise():
    data = resonance(n=200)
    model = LinearPredictor(2).fit(data)
    # the differential entropy of the noise, less the mean logarithm of the step that codes it
    noise = 0.5 * math.log2(2 * math.pi * math.e / 400)
    steps = step(decode(data.codes)).log2().mean().item()
    assert model.bits(resonance(seed=2)) == pytest.approx(noise - steps, abs=0.35)


def test_what_it_generates_resonates_as_what_it_was_fitted_to():
    model = LinearPredictor(2).fit(resonance())
    codes = model.generate(20, 800, seed=0)
    assert codes.shape == (20, 800) and torch.equal(codes, model.generate(20, 800, seed=0))
    again = CodeSet.from_waves(decode(codes), torch.full((20,), 800), 8000, peak=None)
    first, second = LinearPredictor(2).fit(again).weights.tolist()
    assert second < -0.6  # poles near the unit circle, and their angle:
    assert first / (2 * math.sqrt(-second)) == pytest.approx(A[0] / (2 * math.sqrt(-A[1])), abs=0.06)


def two_tones():
    """Two tones, each said three times with an end of its own; the condition tells which."""
    told, lengths = torch.tensor([0, 1, 0, 1, 1, 0]), torch.tensor([300, 400, 400, 350, 400, 320])
    time = torch.arange(400)
    x = (torch.tensor([0.3, 0.7])[told][:, None] * time + told[:, None]).sin() * (time < lengths[:, None])
    return CodeSet.from_waves(x, lengths, 8000, [told])


@pytest.mark.parametrize("kind", [LinearPredictor, ToldPredictor])
def test_bits_are_the_mean_surprise_of_the_real_samples(kind):
    data = two_tones()
    model = kind(3).fit(data)
    bits = model.surprise(data)
    assert bits.shape == data.codes.shape and (bits[data.real] > 0).all() and (bits[~data.real] == 0).all()
    assert model.bits(data) == pytest.approx(bits[data.real].double().mean().item())


def test_a_told_predictor_has_the_sum_of_its_combination_and_a_table_that_leans_on_all():
    data = two_tones()
    parts = [data.select(data.conditions[:, 0] == number) for number in (0, 1)]
    alone = [LinearPredictor(3).fit(part) for part in parts]
    counts = [one.counts(part) for one, part in zip(alone, parts, strict=True)]
    for shared in (1e-3, 50.0, 1e12):
        told = ToldPredictor(3, shared=shared).fit(data)
        common = sum(counts) + SMOOTHING
        common /= common.sum(1, keepdim=True)
        for number, part in enumerate(parts):
            own = told.each[number,]
            assert torch.equal(own.weights, alone[number].weights)
            expected = counts[number] + shared * common
            expected = common if shared > 1e9 else expected / expected.sum(1, keepdim=True)
            torch.testing.assert_close(own.table, expected, atol=1e-6, rtol=1e-5)
            assert torch.equal(told.surprise(data)[data.conditions[:, 0] == number], own.surprise(part))
            same = torch.full((4, 1), number)
            assert torch.equal(told.generate(same, 60, seed=5), own.generate(4, 60, seed=5))
    told = ToldPredictor(3).fit(data)
    assert told.bits(data) < LinearPredictor(3).fit(data).bits(data) - 0.5
    mixed = decode(told.generate(torch.tensor([[1], [0], [1]]), 400, seed=0))
    tones = torch.fft.rfft(mixed).abs().argmax(1) / 400 * 2 * math.pi
    np.testing.assert_allclose(tones, [0.7, 0.3, 0.7], atol=0.1)


def test_what_was_never_told_in_training_is_refused():
    data = two_tones()
    model = ToldPredictor(3).fit(data.select(data.conditions[:, 0] == 1))
    for call in (lambda: model.bits(data), lambda: model.generate(torch.tensor([[0]]), 9, seed=0)):
        with pytest.raises(ValueError, match=r"no training utterance has the conditions \[0\]"):
            call()


def test_a_table_without_a_share_of_the_others_is_refused():
    with pytest.raises(ValueError, match="shared must be positive and finite, got 0"):
        ToldPredictor(3, shared=0).fit(two_tones())


def test_a_negative_order_is_refused():
    with pytest.raises(ValueError, match="order must be a whole number of at least 0, got -1"):
        LinearPredictor(-1).fit(resonance(n=2))
