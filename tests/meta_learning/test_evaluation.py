"""Scores by hand, and how many tasks an evaluation takes."""

import pytest
import torch
import torch.nn.functional as F
from meta_problems import blobs, normal, waves

from course.data import EpisodeSampler, LabelledSet
from course.meta_learning.evaluation import class_accuracies, evaluate, task_scores


def test_scores_by_hand():
    scores = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]])
    labels = torch.tensor([[0, 1], [1, 0]])
    assert task_scores(scores, labels, F.cross_entropy).tolist() == [1.0, 0.5]
    predictions, targets = normal(3, 4, 1), normal(3, 4, 1, seed=1)
    expected = (predictions - targets).square().mean((1, 2))
    torch.testing.assert_close(task_scores(predictions, targets, F.mse_loss), expected)


def test_an_evaluation_takes_exactly_as_many_tasks_as_asked_in_order():
    seen = []

    class Sampler:
        def __getitem__(self, number):
            seen.append(number)
            return waves(tasks=50, seed=number)

    def predict(episode):
        return episode.query_y + torch.arange(50.0).view(-1, 1, 1) + 50 * (len(seen) - 1)  # error i² in task i

    result = evaluate(predict, Sampler(), 620, loss=F.mse_loss)
    assert seen == list(range(13))
    torch.testing.assert_close(result.values, torch.arange(620, dtype=torch.float64) ** 2)
    assert (result.metric, result.n) == ("loss", 620)
    assert result.mean == pytest.approx(result.values.mean().item())
    assert result.interval95 == pytest.approx(1.959964 * result.values.std().item() / 620**0.5)
    assert str(result) == f"loss {result.mean:.4f} ± {result.interval95:.4f} (620 tasks)"


def test_six_hundred_tasks_are_the_default_and_one_is_refused():
    episode = blobs(tasks=200)
    result = evaluate(lambda episode: F.one_hot(episode.query_y), [episode] * 3)
    assert (result.metric, result.mean, result.interval95, result.n) == ("accuracy", 1.0, 0.0, 600)

    for tasks in (1, 0, -5):
        with pytest.raises(ValueError, match=f"tasks={tasks}"):
            evaluate(lambda episode: F.one_hot(episode.query_y), [episode], tasks)


def numbers(classes=6, each=8):
    y = torch.arange(classes).repeat_interleave(each)
    names = tuple("abcdefgh"[:classes])
    return LabelledSet(y[:, None].float(), y, names, names, "numbers")


def test_the_accuracy_of_a_class_counts_its_own_queries():
    """A learner that knows classes 0 to 2 by heart and calls every other query class 0 of its task."""

    def predict(episode):
        known = episode.query_x[..., 0] < 3
        return F.one_hot(torch.where(known, episode.query_y, 0), 3).float()

    sampler = EpisodeSampler(numbers(), 3, 1, 2, tasks=7)
    found = class_accuracies(predict, sampler, 300)
    assert found[:3].tolist() == [1.0, 1.0, 1.0]
    assert all(0.2 < share < 0.47 for share in found[3:].tolist())  # where the class happened to be number 0


def test_a_class_that_was_never_asked_for_is_named():
    with pytest.raises(ValueError, match="was in none of 1 tasks: take more"):
        class_accuracies(lambda episode: torch.zeros(1, 2, 2), EpisodeSampler(numbers(), 2, 1, 1), 1)
