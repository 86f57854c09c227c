"""Judging a map without pairs: partners, counts of different outputs, and maps that learn little or nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal.translation_test import (
    cropped,
    different,
    distance_to_partner,
    linear_translation,
    partner_found,
    sheared,
    translated,
    unpaired,
)
from course.data import Pairs


def test_no_two_unpaired_examples_show_the_same_thing():
    numbers = torch.arange(11)
    x, y = unpaired(Pairs(numbers, numbers, "numbers"), seed=3)
    assert sorted(x.tolist() + y.tolist()) == list(range(11))
    assert abs(len(x) - len(y)) == 1
    assert not torch.equal(unpaired(Pairs(numbers, numbers, "numbers"), seed=4)[0], x)


def test_partners_are_found_in_the_definition():
    partners = torch.rand(6, 1, 4, 4)
    assert partner_found(partners + 0.01, partners) == 1
    assert partner_found(partners.roll(1, 0), partners) == 0
    mixed = torch.cat([partners[:3], partners[3:].roll(1, 0)])
    assert partner_found(mixed, partners) == 0.5
    torch.testing.assert_close(distance_to_partner(partners + 0.25, partners), torch.full((6,), 0.25))
    for form in (partner_found, distance_to_partner):
        with pytest.raises(ValueError, match="each picture needs its partner"):
            form(partners, partners[:5])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_different_counts_values_and_no_permutation_of_pixels_changes_it(values):
    pictures = torch.tensor(values, dtype=torch.float64)[:, None].expand(-1, 5)
    assert different(pictures, 0.5) == len(set(values))
    assert different(pictures, 10) == 1
    with pytest.raises(ValueError, match="tolerance is a distance"):
        different(pictures, -1)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 6), st.integers(0, 6))
def test_a_crop_forgets_where_the_ink_was(height, width, down, across):
    ink = torch.rand(height, width, generator=torch.Generator().manual_seed(height), dtype=torch.float64) * 0.5 + 0.5
    here, there = torch.zeros(2, 1, 1, 16, 16, dtype=torch.float64)
    here[0, 0, :height, :width] = ink
    there[0, 0, down : down + height, across : across + width] = ink
    for keep_shape in (True, False):
        torch.testing.assert_close(cropped(here, 12, keep_shape=keep_shape), cropped(there, 12, keep_shape=keep_shape))


def test_a_crop_fills_the_picture_and_keeps_the_shape_if_asked():
    picture = torch.zeros(1, 1, 20, 20)
    picture[0, 0, 4:14, 9:13] = 1  # 10 high, 4 wide
    filled = cropped(picture, 10, keep_shape=False)
    assert torch.equal(filled.round(), torch.ones(1, 1, 10, 10))
    kept = cropped(picture, 10)[0, 0]
    assert torch.equal(kept.round().amin(0), torch.tensor([0, 0, 0, 1, 1, 1, 1, 0, 0, 0]).float())
    framed = cropped(picture, 10, keep_shape=False, margin=2)[0, 0].round()
    assert framed[2:8, 2:8].all()
    assert framed.sum() == 36
    empty = torch.zeros(1, 1, 8, 8)
    assert torch.equal(cropped(empty, 8), empty)
    with pytest.raises(ValueError, match=r"pictures must be \[n, 1, h, w\]"):
        cropped(picture[0], 8)


def test_a_shear_moves_the_upper_edge_to_the_right_and_none_is_the_identity():
    picture = torch.zeros(1, 1, 16, 16)
    picture[0, 0, :, 7:9] = 1
    torch.testing.assert_close(sheared(picture, 0.0), picture)
    places = torch.arange(16).float()
    middles = (sheared(picture, 0.5)[0, 0] * places).sum(1) / sheared(picture, 0.5)[0, 0].sum(1)
    torch.testing.assert_close(middles[0] - middles[15], torch.tensor(7.5), atol=0.05, rtol=0)


def test_a_linear_translation_has_the_targets_mean_and_stays_in_range():
    draw = torch.Generator().manual_seed(0)
    x, y = 0.3 + 0.1 * torch.rand(2, 200, 1, 4, 4, generator=draw)
    move = linear_translation(x, 1 - y)
    torch.testing.assert_close(move(x).mean(0), (1 - y).mean(0), atol=1e-4, rtol=0)
    assert ((move(5 * x) >= 0) & (move(5 * x) <= 1)).all()


def test_many_pictures_come_out_as_one_by_one():
    x = torch.rand(7, 1, 4, 4, requires_grad=True)
    made = translated(lambda part: 2 * part, x, at_once=3)
    torch.testing.assert_close(made, 2 * x.detach())
    assert not made.requires_grad
