"""Scores by hand, and how many tasks an evaluation takes."""

import pytest
import torch
import torch.nn.functional as F
from meta_problems import blobs, normal, waves

from course.meta_learning.evaluation import evaluate, task_scores


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
