"""Codes of sounds: bits by their definition, crops with their whole past, and what is heard."""

import math

import pytest
import torch

from course.data.speakers import held_vowels
from course.representation import spoken_codes
from course.representation.mulaw import decode
from course.representation.spoken_codes import CodeSet, bits_per_sample, heard, near, surprise, train
from course.representation.wavenet import WaveNet


def tones(n=6, length=400):
    time = torch.arange(length) / 8000
    frequency = torch.tensor([200.0, 400.0])[torch.arange(n) % 2]
    x = 0.2 * (2 * math.pi * frequency[:, None] * time + torch.arange(n)[:, None]).sin()
    lengths = torch.tensor([length, length - 100] * (n // 2))
    x = x * (torch.arange(length) < lengths[:, None])
    return CodeSet.from_waves(x, lengths, 8000, (torch.arange(n) % 2,))


def wavenet(seed=0):
    return WaveNet([1, 2, 4], width=8, skip=16, conditions=(2,), generator=torch.Generator().manual_seed(seed))


def test_utterances_are_scaled_to_one_peak_and_padding_is_no_sample():
    data = tones()
    assert len(data) == 6 and data.real.sum() == data.lengths.sum()
    assert torch.allclose(decode(data.codes).abs().amax(1), torch.tensor(0.9), atol=0.03)
    assert (data.codes[~data.real] == 128).all()
    soft = CodeSet.from_waves(0.01 * decode(data.codes), data.lengths, 8000, peak=None)
    assert soft.codes.sub(128).abs().max() < 128 * 0.25 and soft.conditions.shape == (6, 0)
    assert len(data.select(data.conditions[:, 0] == 1)) == 3


def test_bits_are_their_definition_and_an_untrained_model_needs_about_8():
    data, model = tones(), wavenet()
    bits = torch.zeros(data.codes.shape)
    for row in range(6):
        scores = model(data.codes[row : row + 1], data.conditions[row : row + 1])[0]
        for t in range(int(data.lengths[row])):
            bits[row, t] = -scores[t].log_softmax(0)[data.codes[row, t]].item() / math.log(2)
    assert torch.allclose(surprise(model, data, batch=4), bits, atol=1e-4)  # and 0 after the end
    expected = bits.sum().item() / int(data.lengths.sum())
    assert bits_per_sample(model, data, batch=4) == pytest.approx(expected, abs=1e-4)
    assert expected == pytest.approx(8, abs=0.3)


def test_training_learns_and_is_repeatable(monkeypatch):
    data, steps = tones(), 60
    losses = [train(wavenet(), data, data, steps=steps, length=100, seed=seed).train_loss for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]
    model = wavenet()
    history = train(model, data, data, steps=steps, length=100, validate_every=30)
    assert history.validation_steps == [30, 60]
    assert history.validation[-1]["loss"] == pytest.approx(bits_per_sample(model, data))
    assert history.validation[-1]["loss"] < 5


def test_a_crop_is_scored_as_the_whole_utterance_is(monkeypatch):
    """The loss of a step is the mean over its crops of what the whole utterances say at the same places."""
    data, model, asked = tones(), wavenet(), []
    whole = model(data.codes, data.conditions).log_softmax(-1).gather(2, data.codes[..., None])[..., 0]
    true_scores = model.scores

    def watched(inputs, conditions, *, last):
        asked.append(inputs)
        return true_scores(inputs, conditions, last=last)

    monkeypatch.setattr(model, "scores", watched)
    monkeypatch.setattr(spoken_codes, "fit", lambda model, loss, *_, **__: [loss(step).item() for step in range(5)])
    losses = train(model, data, data, steps=5, batch=1, length=50)
    for inputs, loss in zip(asked, losses, strict=True):
        assert inputs.shape == (1, model.reach + 49)
        match = [
            -whole[row, begin : begin + 50].mean().item()
            for row in range(6)
            for begin in range(350)
            if torch.equal(data.codes[row, begin : begin + 49], inputs[0, model.reach :])
        ]
        assert any(loss == pytest.approx(one, rel=1e-5) for one in match)


def test_of_an_utterance_shorter_than_a_crop_all_samples_count_and_nothing_else(monkeypatch):
    data, model = tones(length=160), wavenet()  # with utterances of 60 samples, too
    whole = model(data.codes, data.conditions).log_softmax(-1).gather(2, data.codes[..., None])[..., 0]
    means = [-row[:n].mean().item() for row, n in zip(whole, data.lengths.tolist(), strict=True)]
    monkeypatch.setattr(spoken_codes, "fit", lambda model, loss, *_, **__: [loss(step).item() for step in range(6)])
    for loss in train(model, data, data, steps=6, batch=1, length=500):
        assert any(loss == pytest.approx(mean, rel=1e-5) for mean in means)


def test_held_vowels_are_steady_and_heard_as_they_were_asked_for():
    held = held_vowels(["heed", "hod"], speakers=[0, 1], takes=4)
    assert len(held) == 16 and held.x.shape == (16, 3200)
    frequency, resonances = heard(held.x, held.rate)
    assert near(frequency, held.pitch, 1.02).all()
    assert near(resonances, held.formants[:, :3], 1.15).double().mean() > 0.9
    cells = held.pitch.view(2, 2, 4)
    assert (cells.std(-1) / cells.mean(-1)).max() < 0.05 and cells.std(-1).min() > 0
    level = held.x.view(16, 8, 400).square().mean(-1)
    assert (level.amax(1) / level.amin(1)).max() < 1.5  # neither beginning nor end


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: CodeSet.from_waves(torch.zeros(2, 9), torch.tensor([9, 9]), 8000), "utterance 0 is silent"),
        (lambda: CodeSet.from_waves(torch.ones(2, 9), torch.tensor([9, 9]), 8000, peak=2.0), "peak must be above 0"),
        (lambda: held_vowels(["heed"], [24], 1), "numbered from 0 to 23, got 24"),
        (lambda: held_vowels(["heed"], [0], 0), "takes must be a whole number"),
        (lambda: held_vowels(["heed"], [0], 1, seconds=2), "seconds must be from 0.01 to 0.7, got 2"),
        (lambda: train(wavenet(), tones(), tones(), steps=1, length=0), "length must be a whole number"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
