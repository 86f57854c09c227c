"""The µ-law: torchaudio's codes, errors as derived, and an error that follows the level."""

import math

import pytest
import torch
from torchaudio.functional import mu_law_decoding, mu_law_encoding

from course.representation.mulaw import compress, decode, encode, expand, step

X = torch.linspace(-1, 1, 100_001, dtype=torch.float64)


@pytest.mark.parametrize("codes", [2, 16, 256, 65_536])
def test_compress_and_expand_undo_each_other_and_keep_order_and_sign(codes):
    y = compress(X, codes)
    assert torch.allclose(expand(y, codes), X, atol=1e-12)
    assert (y.diff() > 0).all() and torch.allclose(y, -y.flip(0)) and y[-1] == 1


@pytest.mark.parametrize("codes", [16, 256])
def test_the_codes_are_those_of_torchaudio(codes):
    assert torch.equal(encode(X, codes), mu_law_encoding(X, codes))
    every = torch.arange(codes)
    assert torch.allclose(decode(every, codes), mu_law_decoding(every, codes), atol=1e-6)
    assert torch.equal(encode(decode(every, codes, torch.float64), codes), every)


def test_the_error_is_at_most_half_a_step_and_uniform_within_it():
    error = (decode(encode(X), dtype=torch.float64) - X) / step(X)
    assert error.abs().max() < 0.52  # the step changes within an interval
    inner = X.abs() > 0.05
    assert error[inner].square().mean() == pytest.approx(1 / 12, rel=0.01)


def test_a_soft_wave_keeps_its_quality_where_uniform_steps_lose_it():
    wave = torch.sin(torch.arange(20_000, dtype=torch.float64))

    def snr(error, x):
        return 10 * (x.square().mean() / error.square().mean()).log10().item()

    mu, uniform = [], []
    for level in (0.8, 0.08):
        x = level * wave
        mu.append(snr(decode(encode(x), dtype=torch.float64) - x, x))
        uniform.append(snr((x * 127.5).round() / 127.5 - x, x))
    assert mu[0] == pytest.approx(10 * math.log10(3 * 255**2 / math.log(256) ** 2), abs=0.5)
    assert mu[0] - mu[1] < 2.5 and uniform[0] - uniform[1] == pytest.approx(20, abs=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: encode(torch.tensor([0.0, torch.nan, torch.inf])), "2 of 3 samples are not finite"),
        (lambda: encode(X, 1), "codes must be a whole number from 2 to 65,536, got 1"),
        (lambda: decode(torch.tensor([3, 256])), "codes must be from 0 to 255, got 3 to 256"),
        (lambda: decode(torch.tensor([-1])), "codes must be from 0 to 255, got -1 to -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert encode(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]
