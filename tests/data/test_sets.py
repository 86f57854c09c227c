"""What a data set shows of itself: a line with shapes and types, never its numbers."""

import torch

from course.data import EpisodeSampler, LabelledSet, load

CLASSES = tuple(f"class {number}" for number in range(1295))


def test_a_labelled_set_shows_one_line():
    data = LabelledSet(
        torch.zeros(25_900, 1, 2, 2, dtype=torch.uint8), torch.zeros(25_900).long(), CLASSES, CLASSES, "glyphs (train)"
    )
    assert repr(data) == "LabelledSet('glyphs (train)', x=[25900, 1, 2, 2] uint8, 1,295 classes)"


def test_an_episode_shows_one_line():
    data = LabelledSet(torch.zeros(8, 5), torch.arange(2).repeat_interleave(4), ("a", "b"), ("a", "b"), "small")
    episode = EpisodeSampler(data, n_way=2, k_shot=1, n_query=3, tasks=4)[0]
    assert repr(episode) == (
        "Episode(support_x=[4, 2, 5] float32, support_y=[4, 2] int64, query_x=[4, 6, 5] float32, query_y=[4, 6] int64)"
    )


def test_paired_views_show_one_line():
    assert repr(load("multiview", n=9, p=3, q=4, correlations=[0.25, 0.5])) == (
        "PairedViews(x=[9, 3] float64, y=[9, 4] float64, correlations 0.5, 0.25, 0)"
    )
    assert repr(load("multiview")).endswith("correlations 0.9, 0.7, 0.5, …)")
