"""The data set `voices`: balanced, split by speaker, the same every time, and neither trivial nor hopeless."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from course.data import EpisodeSampler, load
from course.data.speakers import SPEAKERS, load_voices, said_by, speaker_voice
from course.data.voices import EMOTIONS, VOWELS


@pytest.fixture(scope="module")
def validation():
    return load("voices", split="validation")


def test_an_utterance_has_a_vowel_a_speaker_and_an_emotion(validation):
    assert repr(validation).startswith("Sounds('voices, simulated (validation)', x=[120, ")
    assert (validation.rate, validation.x.dtype, validation.classes) == (8000, torch.float32, tuple(VOWELS))
    assert torch.bincount(validation.y).tolist() == [12] * 10
    assert torch.bincount(validation.speakers).tolist() == [30] * 4
    spoken = load("voices", split="validation", label="speaker")
    assert torch.equal(spoken.x, validation.x) and torch.equal(spoken.y, validation.speakers)
    assert spoken.classes == validation.speaker_names and all("simulated" in name for name in spoken.classes)
    felt = load("voices", split="validation", label="emotion")
    assert torch.equal(felt.x, validation.x) and felt.classes == tuple(EMOTIONS)
    table = torch.zeros(10, 6).index_put_((validation.y, felt.y), torch.ones(120), accumulate=True)
    assert table.unique().tolist() == [2]  # vowel and emotion are independent


def test_splits_share_no_speaker_and_hold_as_many_women_as_men():
    members = [set(speakers) for speakers in SPEAKERS.values()]
    assert set.union(*members) == set(range(24)) and sum(map(len, members)) == 24
    for speakers in members:
        assert sum(speaker % 2 for speaker in speakers) == len(speakers) / 2
    lengths = [sorted(speaker_voice(speaker).tract for speaker in range(first, 24, 2)) for first in (0, 1)]
    assert lengths[0][6] == pytest.approx(1 / 1.16, rel=0.05) and lengths[1][6] == pytest.approx(1, rel=0.05)
    names = [set(load_voices(split, syllables=1).speaker_names) for split in ("validation", "test")]
    assert not names[0] & names[1]
    assert len(said_by(5)) == len(set(said_by(5))) == 30 and not set(said_by(5)) & set(said_by(7))


def test_an_utterance_is_the_same_whatever_else_is_loaded(validation):
    whole = load("voices")
    length = validation.x.shape[1]
    assert torch.equal(whole.x[360:480, :length], validation.x)
    assert not whole.x[360:480, length:].any()
    assert len(whole) == 720 and whole.x.abs().max() < 1
    for x, length in zip(validation.x, validation.lengths, strict=True):
        assert x[: length // 4].any() and not x[length:].any()


def test_episodes_are_drawn_as_from_pictures(validation):
    episode = EpisodeSampler(validation, n_way=5, k_shot=1, n_query=2)[0]
    assert episode.support_x.shape == (1, 5, validation.x.shape[1])


def test_strength_0_moves_nothing_and_more_strength_moves_more():
    soft, strong, none = (load_voices("validation", strength=s, syllables=1) for s in (0.5, 1.0, 0.0))
    level = [data.x.square().sum(1).div(data.lengths).log10().mul(10) for data in (none, soft, strong)]
    angry = load_voices("validation", label="emotion", syllables=1).y == list(EMOTIONS).index("anger")
    gains = [(each - level[0])[angry].mean().item() for each in level]
    assert gains == pytest.approx([0, 3.5, 7], abs=0.1)


def spectra(data) -> torch.Tensor:
    """Mean logarithm of the power in 25 bands of 160 Hz: the simplest features."""
    windows = data.x.unfold(1, 400, 200) * torch.hann_window(400)
    power = torch.fft.rfft(windows).abs().square()[..., :200].unflatten(-1, (25, 8)).mean(-1)
    loud = power.sum(-1, keepdim=True) > 0.02 * power.sum(-1, keepdim=True).amax(1, keepdim=True)
    return (power.clamp_min(1e-6).log() * loud).sum(1) / loud.sum(1)


def test_vowels_and_emotions_of_unseen_speakers_are_neither_trivial_nor_hopeless():
    for label, least, most in (("vowel", 0.5, 0.95), ("emotion", 0.25, 0.7)):  # chance is 0.1 and 0.17
        train, test = (load_voices(split, label=label) for split in ("train", "test"))
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        model.fit(spectra(train).numpy(), train.y.numpy())
        assert least < model.score(spectra(test).numpy(), test.y.numpy()) < most


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "voices has the splits train, validation, test, not 'dev'"),
        ({"label": "word"}, "label must be one of vowel, speaker, emotion, got 'word'"),
        ({"strength": 3.0}, "strength must be from 0 to 2, got 3.0"),
        ({"rate": 0}, "rate must be a whole number from 1000 to 16,000"),
        ({"syllables": 0}, "syllables must be a whole number of at least 1"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        load_voices(**options)
