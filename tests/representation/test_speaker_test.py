"""Accuracy by speaker: against counting, and the choice on validation data."""

from dataclasses import replace

import pytest
import torch

from course.data import Sounds
from course.representation.speaker_test import chosen_classifier, speaker_accuracies, unseen_speaker_accuracies


def sounds(speakers, y, names=("a", "b", "c")):
    n = len(speakers)
    return Sounds(
        torch.zeros(n, 5), torch.tensor(y), ("no", "yes"), ("no", "yes"), "small", lengths=torch.full((n,), 5), rate=10,
        speakers=torch.tensor(speakers), speaker_names=names,
    )  # fmt: skip


class Sign:
    def predict(self, x):
        return (x[:, 0] > 0).astype(int)


def test_the_accuracy_of_a_speaker_is_that_of_her_recordings():
    x = torch.tensor([[1.0], [-1.0], [1.0], [1.0], [-1.0], [1.0]])
    found = speaker_accuracies(Sign(), x, sounds([0, 0, 1, 2, 2, 2], [1, 1, 0, 1, 0, 0]))
    assert found.tolist() == pytest.approx([1 / 2, 0, 2 / 3])


def test_the_penalty_is_the_one_that_validation_prefers():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 20, generator=generator)
    y = (x[:, 0] + torch.randn(60, generator=generator) > 0).long()
    other = torch.randn(400, 20, generator=generator)
    truth = (other[:, 0] > 0).long()
    penalties = (1e-4, 1e-2, 1.0, 1e3)
    scores = [chosen_classifier((x, y), (x, y), [each]).score(other.numpy(), truth.numpy()) for each in penalties]
    chosen = chosen_classifier((x, y), (other, truth), penalties)
    assert len(set(scores)) > 1
    assert penalties[scores.index(max(scores))] == chosen[-1].C


def test_unknown_and_silent_speakers_are_refused():
    one = sounds([0, 1, 2], [0, 1, 1])
    for speakers in ([0, -1, 2], [0, 0, 2]):
        with pytest.raises(ValueError, match="every recording needs a speaker"):
            speaker_accuracies(Sign(), torch.zeros(3, 1), replace(one, speakers=torch.tensor(speakers)))


def test_a_speaker_is_judged_by_others_only():
    """Each speaker has her own code for yes and no: known, it is found without error; unknown, it is a guess."""
    generator = torch.Generator().manual_seed(0)
    speakers, y = torch.arange(6).repeat_interleave(40), torch.arange(240) % 2
    code = torch.randn(6, 50, generator=generator)
    x = code[speakers] * (2.0 * y[:, None] - 1) + 0.1 * torch.randn(240, 50, generator=generator)
    people = sounds(speakers.tolist(), y.tolist(), tuple("abcdef"))
    assert speaker_accuracies(chosen_classifier((x, y), (x, y)), x, people).min() > 0.95
    shared = x + 3 * (2.0 * y[:, None] - 1)
    found = unseen_speaker_accuracies(x, people, -x, shared, folds=6)
    assert found.shape == (3, 6)
    assert (found[0] + found[1] - 1).abs().max() < 0.1  # with the opposite sign what was right is wrong
    assert found[0].min() < 0.5
    assert unseen_speaker_accuracies(shared, people, folds=3).min() > 0.95


def test_the_number_of_groups_is_checked():
    with pytest.raises(ValueError, match="folds must be a whole number from 3 to 3"):
        unseen_speaker_accuracies(torch.zeros(3, 1), sounds([0, 1, 2], [0, 1, 1]), folds=4)
