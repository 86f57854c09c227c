"""Tasks with fixed class numbers are what they say, a network solves them without support, and shuffling cures."""

import pytest
import torch
from torch import nn

from course.data import DataError, EpisodeSampler, LabelledSet
from course.meta_learning.maml import MAML, MAMLConfig
from course.meta_learning.memorisation import FixedLabels, Memory, memory
from course.representation.cnn import initialise


def clouds(classes=6, each=20, d=8, seed=0):
    draw = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(classes, 1, d, generator=draw) + 0.5 * torch.randn(classes, each, d, generator=draw)
    names = tuple(map(str, range(classes)))
    return LabelledSet(x.flatten(0, 1), torch.arange(classes).repeat_interleave(each), names, names, "clouds")


def numbered(classes=7, each=5):
    y = torch.arange(classes).repeat_interleave(each)
    names = tuple(map(str, range(classes)))
    x = torch.stack([y, torch.arange(len(y))], 1).float()
    return LabelledSet(x, y, names, names, "numbers")


@pytest.mark.parametrize("n_way", [2, 3])
def test_a_class_always_has_the_number_of_its_place(n_way):
    sampler = FixedLabels(numbered(), n_way, 2, 3, tasks=4, seed=1)
    seen = set()
    for number in range(20):
        episode = sampler[number]
        assert episode.support_x.shape == (4, 2 * n_way, 2) and episode.query_x.shape == (4, 3 * n_way, 2)
        for x, y in ((episode.support_x, episode.support_y), (episode.query_x, episode.query_y)):
            assert torch.equal(x[..., 0].long() % n_way, y)
        seen |= set(episode.query_x[..., 0].long().flatten().tolist())
        for support, query in zip(episode.support_x[..., 1], episode.query_x[..., 1], strict=True):
            assert not set(support.tolist()) & set(query.tolist())
    assert seen == set(range(7))


def test_the_same_seed_has_the_same_episodes_and_another_one_others():
    first, again, other = (FixedLabels(numbered(), 3, 1, 2, tasks=9, seed=s)[3].support_x for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_classes_of_different_numbers_are_drawn_independently():
    """Were they not, a task would be told by any one of its classes."""
    episode = FixedLabels(numbered(6), 2, 1, 1, tasks=600)[0]
    pairs = (episode.support_x[:, :, 0] // 2).long()
    counts = torch.bincount(3 * pairs[:, 0] + pairs[:, 1], minlength=9)
    assert counts.min() > 600 / 9 - 4 * (600 / 9) ** 0.5


@pytest.mark.parametrize(
    ("sizes", "error"),
    [((1, 1, 1), ValueError), ((8, 1, 1), DataError), ((2, 4, 3), DataError), ((2, 0, 1), ValueError)],
)
def test_what_cannot_be_drawn_is_refused(sizes, error):
    with pytest.raises(error):
        FixedLabels(numbered(), *sizes)


def trained(sampler):
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
    initialise(network, torch.Generator().manual_seed(0))
    learner = MAML(network, MAMLConfig(inner_lr=0.03, inner_steps=1, test_steps=1, outer_lr=1e-2))
    learner.train(sampler, steps=200)
    return learner


def test_fixed_numbers_are_learned_by_heart_and_shuffled_ones_cannot_be():
    data = clouds()
    by_heart = memory(trained(FixedLabels(data, 3, 2, 4, tasks=8)), FixedLabels(data, 3, 2, 4, tasks=20, seed=9))
    cured = memory(trained(EpisodeSampler(data, 3, 2, 4, tasks=8)), EpisodeSampler(data, 3, 2, 4, tasks=20, seed=9))
    assert by_heart.before > 0.9 and by_heart.learned < 0.1
    assert cured.before == pytest.approx(1 / 3, abs=0.06) and cured.learned > 0.4


def test_what_the_support_set_was_worth_is_a_difference():
    assert Memory(before=0.25, after=0.75).learned == 0.5
