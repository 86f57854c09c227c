"""The recipes of emotions: what a cut counts, what a condition changes, and what a table compares."""

import pytest
import tiny_recipes
import torch

from course.applications.emotion_methods import ANYBODY, LABELLED, PICTURED
from course.data import Sounds
from course.reproduce import speech_emotion
from course.reproduce.speech_emotion import EmotionConfig, RavdessEmotion, VoicesEmotion, noisy


@pytest.fixture
def recipe(monkeypatch):
    tiny_recipes.install_emotion(monkeypatch.setattr)
    made = VoicesEmotion(EmotionConfig(folds=3), torch.device("cpu"))
    made.load()
    return made


def test_noise_has_the_level_that_was_asked_for_and_leaves_the_padding():
    generator = torch.Generator().manual_seed(0)
    x = 0.05 * torch.randn(2, 20_000, generator=generator)
    x[1, 15_000:] = 0
    names = {"speakers": torch.zeros(2, dtype=torch.int64), "speaker_names": ("a",)}
    lengths = torch.tensor([20_000, 15_000])
    sounds = Sounds(x, torch.zeros(2, dtype=torch.int64), ("a",), ("a",), "small", lengths=lengths, rate=8000, **names)
    for decibels in (20.0, 0.0):
        added = noisy(sounds, decibels).x - x
        for row, length in enumerate(lengths.tolist()):
            ratio = x[row, :length].square().mean() / added[row, :length].square().mean()
            assert abs(10 * ratio.log10() - decibels) < 0.2 and (added[row, length:] == 0).all()


def test_cuts_are_parts_of_the_same_answers(recipe):
    whole = recipe.shares(0, speech_emotion.NOTHING, speech_emotion.GAUSSIAN)
    women, men = (recipe.shares(0, cut, speech_emotion.GAUSSIAN) for cut in (speech_emotion.WOMEN, speech_emotion.MEN))
    assert torch.equal(women, whole[0::2]) and torch.equal(men, whole[1::2])
    difference = recipe.shares(0, speech_emotion.SEXES, speech_emotion.GAUSSIAN)
    assert torch.equal(difference, women - men)
    parts = [recipe.shares(0, f"recall of {name}", speech_emotion.GAUSSIAN) for name in recipe.clips.classes]
    torch.testing.assert_close(torch.stack(parts).mean(0), whole)
    coarse = recipe.shares(0, speech_emotion.AROUSAL, speech_emotion.GAUSSIAN)
    assert (coarse >= whole - 1e-9).all()  # who names the emotion names its side


def test_the_random_split_is_less_the_speakers_left_out(recipe):
    way = speech_emotion.SCALED
    parts = [recipe.shares(0, name, way) for name in (speech_emotion.RANDOM, speech_emotion.NOTHING)]
    assert torch.equal(recipe.shares(0, speech_emotion.FLATTERED, way), parts[0] - parts[1])


def test_one_mood_moves_the_scale_and_labels_help(recipe):
    low, plain = (recipe.shares(0, name, speech_emotion.GAUSSIAN).mean() for name in
                  (speech_emotion.LOW, speech_emotion.NOTHING))  # fmt: skip
    assert low < plain
    assert len(recipe.measure(0, speech_emotion.TWO, "prototypes", None)[speech_emotion.ACCURACY]) == 6


def test_every_cell_of_the_tables_can_be_measured_and_every_setting_has_the_untrained_or_plain_way():
    for kind in (VoicesEmotion, RavdessEmotion):
        known = {*ANYBODY, *PICTURED, *LABELLED} | set(kind.methods)
        assert all(method in known for _, method in kind.cells())
        assert {"most frequent emotion", "CNN as it begins"} <= set(kind.only[speech_emotion.NOTHING])
        assert "MAML as it begins" in kind.only[speech_emotion.TWO]
        assert (
            all(setting in kind.settings for setting in kind.only if "recall" not in setting) or kind is VoicesEmotion
        )
    assert all(len(way.options) == 4 for way in (ANYBODY | PICTURED | LABELLED).values())
