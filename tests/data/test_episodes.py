"""Episodes: what a task is made of, that it never repeats an example, and that a seed fixes it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.data import DataError, EpisodeSampler, LabelledSet


def labelled(counts, shape=()):
    """A set whose example number i holds the value i, so that an episode tells which examples it took."""
    y = torch.tensor([label for label, count in enumerate(counts) for _ in range(count)])
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    x = torch.arange(len(y), dtype=torch.float32).view(-1, *(1 for _ in shape)).expand(-1, *shape).contiguous()
    names = tuple(f"class {label}" for label in range(len(counts)))
    return LabelledSet(x, y, names, names, "numbers")


sizes = st.integers(1, 4)


@given(n_way=sizes, k_shot=sizes, n_query=sizes, tasks=sizes, seed=st.integers(0, 2**40), number=st.integers(0, 2**40))
def test_every_task_is_what_it_says(n_way, k_shot, n_query, tasks, seed, number):
    data = labelled([8, 9, 20, 8, 13])
    sampler = EpisodeSampler(data, n_way, k_shot, n_query, tasks, seed=seed)
    episode = sampler[number]
    assert episode.tasks == tasks
    assert episode.support_x.shape == episode.support_y.shape == (tasks, n_way * k_shot)
    assert episode.query_x.shape == episode.query_y.shape == (tasks, n_way * n_query)
    for sx, sy, qx, qy in zip(episode.support_x, episode.support_y, episode.query_x, episode.query_y, strict=True):
        assert len(set(sx.tolist() + qx.tolist())) == n_way * (k_shot + n_query)  # no example twice
        assert torch.bincount(sy, minlength=n_way).tolist() == [k_shot] * n_way
        assert torch.bincount(qy, minlength=n_way).tolist() == [n_query] * n_way
        originals = {int(y): set() for y in sy}
        for x, y in zip(torch.cat([sx, qx]), torch.cat([sy, qy]), strict=True):
            originals[int(y)].add(int(data.y[int(x)]))
        assert all(len(classes) == 1 for classes in originals.values())  # a number stands for one class
        assert len(set.union(*originals.values())) == n_way  # and different numbers for different classes


def test_the_same_seed_gives_the_same_episodes_and_another_gives_others():
    data = labelled([20] * 30)
    first, again = (EpisodeSampler(data, 5, 1, 3, tasks=4, seed=7) for _ in range(2))
    other = EpisodeSampler(data, 5, 1, 3, tasks=4, seed=8)
    assert torch.equal(first[3].support_x, again[3].support_x) and torch.equal(first[3].query_x, again[3].query_x)
    assert not torch.equal(first[3].support_x, first[4].support_x)
    assert not torch.equal(first[3].support_x, other[3].support_x)
    assert not torch.equal(first[1].support_x, EpisodeSampler(data, 5, 1, 3, tasks=4, seed=6)[2].support_x)


@pytest.mark.gpu
def test_the_same_seed_gives_the_same_episodes_on_a_gpu():
    data = labelled([20] * 30, shape=(2, 3))
    here, there = (EpisodeSampler(data, 5, 2, 3, tasks=4, seed=1, device=device)[5] for device in ("cpu", "cuda"))
    for part in ("support_x", "support_y", "query_x", "query_y"):
        assert getattr(there, part).is_cuda
        assert torch.equal(getattr(here, part), getattr(there, part).cpu())


def test_classes_and_examples_are_drawn_uniformly():
    data = labelled([4] * 6)
    episode = EpisodeSampler(data, 2, 1, 1, tasks=12_000, seed=0)[0]
    examples = torch.bincount(episode.support_x.flatten().long(), minlength=24) / 24_000
    # 24 counts, each binomial with standard deviation sqrt(p (1 - p) / n) = 0.0013
    assert (examples - 1 / 24).abs().max() < 5 * 0.0013
    first = data.y[episode.support_x[:, 0].long()]
    assert (torch.bincount(first, minlength=6) / 12_000 - 1 / 6).abs().max() < 5 * 0.0034


def test_changing_an_episode_changes_nothing_else():
    sampler = EpisodeSampler(labelled([5, 5]), 2, 1, 1, seed=0)
    before = sampler[0].support_y.clone()
    sampler[0].support_y.zero_()
    sampler[0].support_x.zero_()
    assert torch.equal(sampler[0].support_y, before)
    assert torch.equal(sampler.data.x.sort().values, torch.arange(10.0))


def test_too_few_classes_or_examples_are_named_with_the_remedy():
    with pytest.raises(DataError, match="numbers has 2 classes, 5-way tasks need at least 5: lower n_way"):
        EpisodeSampler(labelled([9, 9]), 5, 1, 1)
    with pytest.raises(DataError, match=r"need 6 .* of each class; too few in 'class 1' \(4\), 'class 2' \(5\): lower"):
        EpisodeSampler(labelled([9, 4, 5]), 2, 1, 5)
    with pytest.raises(DataError, match="and 2 more"):
        EpisodeSampler(labelled([1] * 7), 2, 1, 5)


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, "5"])
def test_sizes_are_positive_whole_numbers(bad):
    for name in ("n_way", "k_shot", "n_query", "tasks"):
        arguments = {"n_way": 1, "k_shot": 1, "n_query": 1, "tasks": 1} | {name: bad}
        with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got {bad!r}"):
            EpisodeSampler(labelled([5, 5]), **arguments)


def test_episodes_are_numbered_from_zero():
    with pytest.raises(IndexError, match="from 0 on without end, got -1"):
        EpisodeSampler(labelled([5, 5]), 2, 1, 1)[-1]


def test_an_empty_class_counts_as_too_small():
    names = ("class 0", "class 1", "class 2")
    data = LabelledSet(torch.zeros(4), torch.tensor([0, 0, 2, 2]), names, names, "gap")
    with pytest.raises(DataError, match=r"'class 1' \(0\)"):
        EpisodeSampler(data, 2, 1, 1)
