"""Episodes have one language, all classes and no example twice; what two meta-learners begin with and learn."""

import pytest
import torch

from course.applications.language_tasks import LanguageEpisodes, principal_directions, train_metric, train_starting_head
from course.data import DataError
from course.meta_learning.evaluation import evaluate
from course.meta_learning.memorisation import memory


def spoken(n=12, d=10, seed=0):
    """Three classes in four languages: rows by language, then class; the class is in three of the ten numbers."""
    draw = torch.Generator().manual_seed(seed)
    language, y = torch.arange(4).repeat_interleave(3 * n), torch.arange(3).repeat_interleave(n).repeat(4)
    x = 0.6 * torch.randn(12 * n, d, generator=draw) + torch.eye(3, d)[y]
    x[:, 5:] *= 3  # what varies most is not the class
    return x, y, language


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_task_is_in_one_language_and_has_each_class_and_no_row_twice(shuffled):
    _, y, language = spoken()
    rows = torch.arange(len(y))[:, None].float()
    sampler = LanguageEpisodes(rows, y, language, 3, k_shot=2, n_query=3, tasks=5, shuffled=shuffled, seed=1)
    relabelled = 0
    for number in range(6):
        episode = sampler[number]
        for task in range(5):
            support, query = (each[task, :, 0].long() for each in (episode.support_x, episode.query_x))
            both = torch.cat([support, query])
            assert len(both.unique()) == 15
            assert len(language[both].unique()) == 1
            named = torch.cat([episode.support_y[task], episode.query_y[task]])
            pairs = set(zip(y[both].tolist(), named.tolist(), strict=True))
            assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs}) == 3
            relabelled += any(a != b for a, b in pairs)
    assert (relabelled > 10) == shuffled
    assert torch.equal(sampler[2].support_x, sampler[2].support_x)


def test_languages_with_too_few_are_left_out_and_none_at_all_is_an_error():
    x, y, language = spoken(n=4)
    keep = ~((language == 2) & (y == 1)) | (torch.arange(len(y)) % 2 == 0)
    sampler = LanguageEpisodes(x[keep], y[keep], language[keep], 3, k_shot=2, n_query=2)
    assert len(sampler.members) == 3
    with pytest.raises(DataError, match="no language has 9 examples of each of 3 classes"):
        LanguageEpisodes(x, y, language, 3, k_shot=4, n_query=5)


def test_principal_directions_are_those_of_the_singular_values():
    x = spoken()[0].double()
    found = principal_directions(x, 3)
    right = torch.linalg.svd(x - x.mean(0)).Vh[:3]
    torch.testing.assert_close((found @ right.T).abs().flip(0), torch.eye(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_a_trained_metric_tells_a_new_language_better_than_it_began():
    x, y, language = spoken()
    new = LanguageEpisodes(*spoken(seed=7), 3, k_shot=2, n_query=5, tasks=10, seed=3)
    sampler = LanguageEpisodes(x, y, language, 3, k_shot=2, n_query=4)
    found = [
        evaluate(train_metric(x, sampler, rate=0.03, scale=1.0, steps=steps, dimension=3).predictions, new, 40).mean
        for steps in (0, 60)
    ]
    assert found[1] > found[0] + 0.2


def test_with_the_same_numbers_a_head_knows_before_it_is_told_and_with_shuffled_ones_it_does_not():
    x, y, language = spoken()
    known = {}
    for shuffled in (False, True):
        sampler = LanguageEpisodes(x, y, language, 3, k_shot=4, n_query=4, shuffled=shuffled)
        learner = train_starting_head(sampler, inner_rate=0.5, rate=0.05, steps=60)
        new = LanguageEpisodes(*spoken(seed=7), 3, k_shot=4, n_query=4, tasks=10, shuffled=shuffled, seed=3)
        known[shuffled] = memory(learner, new, 60)
    assert known[False].before > 0.6
    assert abs(known[True].before - 1 / 3) < 0.1 < known[True].learned
