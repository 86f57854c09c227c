"""Positions on a grid: interpolated, waves along two axes, and angles that turn queries and keys."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.representation.positions import interpolate_positions, rotary_angles_2d, sinusoidal_positions_2d
from course.representation.transformer import SelfAttention, sinusoidal_positions, turned


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(rows=st.integers(1, 5), columns=st.integers(1, 5), width=st.integers(1, 4))
def test_the_same_grid_keeps_the_positions(rows, columns, width):
    table = random(rows * columns, width)
    assert interpolate_positions(table, (rows, columns), (rows, columns)) is table


def test_a_constant_stays_and_a_slope_is_a_slope_inside():
    table = torch.stack([torch.ones(64), torch.arange(8.0).repeat(8)], 1).double()
    found = interpolate_positions(table, (8, 8), (8, 16)).view(8, 16, 2)
    torch.testing.assert_close(found[..., 0], torch.ones(8, 16).double())
    inside = found[3, 4:12, 1]
    torch.testing.assert_close(inside[2:] - inside[:-2], torch.ones(6).double())


def test_rows_and_columns_are_not_exchanged():
    row = torch.arange(3.0).repeat_interleave(4)[:, None]
    found = interpolate_positions(row, (3, 4), (6, 4)).view(6, 4)
    assert found.diff(dim=1).abs().max() < 1e-6 and (found.diff(dim=0) > 0).all()


@pytest.mark.parametrize(("table", "grid", "to"), [((9, 2), (2, 4), (3, 3)), ((9,), (3, 3), (3, 4))])
def test_positions_that_do_not_fill_the_grid_are_refused(table, grid, to):
    with pytest.raises(ValueError, match=r"has .* rows, got"):
        interpolate_positions(torch.zeros(table), grid, to)


def test_an_empty_grid_is_refused():
    with pytest.raises(ValueError, match="columns must be a whole number"):
        interpolate_positions(torch.zeros(9, 2), (3, 3), (3, 0))


def test_waves_of_a_grid_are_those_of_its_row_and_its_column():
    found = sinusoidal_positions_2d(3, 5, 12).view(3, 5, 12)
    for row in range(3):
        for column in range(5):
            assert found[row, column, :6].equal(sinusoidal_positions(3, 6)[row])
            assert found[row, column, 6:].equal(sinusoidal_positions(5, 6)[column])


def test_angles_are_the_definition():
    found = rotary_angles_2d(3, 4, 12)
    frequencies = [100 ** (-4 * i / 12) for i in range(3)]
    for row in range(3):
        for column in range(4):
            expected = [row * f for f in frequencies] + [column * f for f in frequencies]
            assert found[4 * row + column].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("width", [0, 2, 6, 7, 1.5])
@pytest.mark.parametrize("make", [sinusoidal_positions_2d, rotary_angles_2d])
def test_two_axes_need_a_multiple_of_four(make, width):
    with pytest.raises(ValueError, match=r"multiple of 4|whole number"):
        make(2, 2, width)


def test_turning_keeps_lengths_and_turns_by_the_angle():
    x, angles = random(5, 6), random(5, 3, seed=1)
    found = turned(x, angles)
    torch.testing.assert_close(found.norm(dim=1), x.norm(dim=1))
    as_complex = torch.view_as_complex(x.view(5, 3, 2)) * torch.polar(torch.ones_like(angles), angles)
    torch.testing.assert_close(found, torch.view_as_real(as_complex).flatten(1))


def test_the_product_of_turned_vectors_depends_on_the_difference_alone():
    q, k, angles = random(1, 8), random(1, 8, seed=1), random(3, 1, 4, seed=2)
    products = [(turned(q, angles[i] + shift) @ turned(k, angles[j] + shift).T).item()
                for i, j in ((0, 1), (2, 0)) for shift in (0, 0.4, math.pi)]  # fmt: skip
    assert products[:3] == pytest.approx([products[0]] * 3) and products[3:] == pytest.approx([products[3]] * 3)
    assert products[0] != pytest.approx(products[3])


def test_attention_turns_queries_and_keys_and_no_values():
    layer, x = SelfAttention(8, 2).double(), random(2, 5, 8)
    angles = random(5, 2, seed=3)
    query, key, value = layer.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
    shares = (turned(query, angles) @ turned(key, angles).mT / 2).softmax(-1)
    expected = layer.output((shares @ value).transpose(1, 2).flatten(2))
    for explicit in (False, True):
        found, weights = layer(x, explicit=explicit, angles=angles)
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(weights, shares)
