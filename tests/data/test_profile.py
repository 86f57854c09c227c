"""Profiles of raw data against eigenvalues, loops and limits."""

import numpy as np
import pytest
import torch

from course.data.profile import effective_dimension, letters, next_correlation, variance_within


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestEffectiveDimension:
    @pytest.mark.parametrize("shape", [(30, 5), (5, 30)])
    def test_is_that_of_the_eigenvalues(self, shape):
        x = normal(*shape)
        values = np.linalg.eigvalsh(np.cov(x.numpy().T))
        assert effective_dimension(x) == pytest.approx(values.sum() ** 2 / (values**2).sum())

    def test_counts_equal_directions_and_one_alone(self):
        axes = torch.eye(4)[:3]
        assert effective_dimension(torch.cat([axes, -axes])) == pytest.approx(3)
        assert effective_dimension(normal(9, 1) @ normal(1, 6, seed=1)) == pytest.approx(1)

    def test_does_not_see_shifts_turns_and_scale(self):
        x, (turn, _) = normal(20, 4), torch.linalg.qr(normal(4, 4, seed=1))
        assert effective_dimension(7 * x @ turn + 3) == pytest.approx(effective_dimension(x))

    def test_cannot_exceed_the_rows_less_one(self):
        assert 8 < effective_dimension(normal(10, 5000)) <= 9

    @pytest.mark.parametrize("x", [torch.zeros(4), torch.zeros(1, 3), torch.ones(3, 2)])
    def test_refuses_what_has_none(self, x):
        with pytest.raises(ValueError, match=r"rows"):
            effective_dimension(x)


class TestNextCorrelation:
    def test_is_numpys_over_all_neighbours(self):
        x = normal(3, 7).cumsum(1)
        expected = np.corrcoef(x[:, :-1].flatten(), x[:, 1:].flatten())[0, 1]
        assert next_correlation(x) == pytest.approx(expected)

    def test_padding_does_not_count(self):
        x = normal(2, 6)
        padded = torch.cat([x, torch.full((2, 4), float("nan"))], 1)
        assert next_correlation(padded) == pytest.approx(next_correlation(x))

    @pytest.mark.parametrize("x", [torch.tensor([1.0, 2.0]), torch.ones(5), torch.full((2, 3), float("nan"))])
    def test_refuses_what_has_none(self, x):
        with pytest.raises(ValueError, match=r"neighbours|vary"):
            next_correlation(x)


class TestVarianceWithin:
    def test_is_the_definition(self):
        x, labels = normal(12, 3), torch.tensor([5, 5, 0, 0, 0, 9] * 2)
        within = sum(((x[labels == k] - x[labels == k].mean(0)) ** 2).sum() for k in (0, 5, 9))
        assert variance_within(x, labels) == pytest.approx(float(within / ((x - x.mean(0)) ** 2).sum()))

    def test_ends_at_nothing_and_everything(self):
        x = normal(6, 2)
        assert variance_within(x, torch.arange(6)) == pytest.approx(0)
        assert variance_within(x, torch.zeros(6, dtype=torch.long)) == pytest.approx(1)

    def test_classes_that_mean_nothing_have_one_less_one_over_m(self):
        labels = torch.arange(100).repeat_interleave(5)
        assert variance_within(normal(500, 200), labels) == pytest.approx(1 - 1 / 5, abs=0.01)

    def test_refuses_other_shapes_and_equal_rows(self):
        with pytest.raises(ValueError, match=r"\[n, p\]"):
            variance_within(normal(4, 2), torch.zeros(3, dtype=torch.long))
        with pytest.raises(ValueError, match="equal"):
            variance_within(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))


def test_letters_are_code_points_and_padding_is_none():
    codes = letters(["aé", "語"])
    assert codes[0].tolist() == [97, 233] and codes[1, 0] == ord("語") and codes[1, 1].isnan()
    with pytest.raises(ValueError, match="no letters"):
        letters([""])
