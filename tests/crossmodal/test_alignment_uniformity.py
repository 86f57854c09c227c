"""Alignment, uniformity and the modality gap: definitions, extremes, invariances."""

import math

import pytest
import torch

from course.crossmodal.alignment_uniformity import alignment, close_gap, modality_gap, uniformity
from course.crossmodal.contrastive import cosine_scores, info_nce


def sphere(n, d, seed=0):
    points = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(points, dim=1)


def test_alignment_is_two_less_twice_the_mean_cosine():
    x, y = sphere(7, 3), sphere(7, 3, seed=1)
    torch.testing.assert_close(alignment(x, y), 2 - 2 * (x * y).sum(1).mean())
    assert alignment(3 * x, x).item() == pytest.approx(0)


def test_uniformity_is_its_definition_over_different_pairs():
    x = sphere(5, 3)
    terms = [math.exp(-2 * (x[i] - x[j]).square().sum().item()) for i in range(5) for j in range(5) if i != j]
    assert uniformity(x).item() == pytest.approx(math.log(sum(terms) / 20))


def test_a_single_point_has_uniformity_zero_and_spread_points_have_less():
    assert uniformity(torch.ones(4, 3)).item() == pytest.approx(0)
    crowded = sphere(300, 8) + 3 * torch.eye(8, dtype=torch.float64)[0]
    assert uniformity(sphere(300, 8)) < uniformity(crowded) < 0


def test_the_gap_is_the_distance_of_the_centres_and_closing_it_leaves_none():
    poles = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    assert modality_gap(*poles).item() == pytest.approx(2)
    far = torch.eye(4, dtype=torch.float64)
    x, y = (torch.nn.functional.normalize(sphere(200, 4, seed=s) + 2 * far[s], dim=1) for s in (0, 1))
    closed = close_gap(x, y, x.mean(0), y.mean(0))
    assert modality_gap(*closed) < 0.15 < 1 < modality_gap(x, y)


def test_all_three_ignore_a_common_turn():
    x, y = sphere(20, 3), sphere(20, 3, seed=1)
    turn = torch.linalg.qr(sphere(3, 3, seed=2))[0]
    for measure in (alignment, modality_gap):
        torch.testing.assert_close(measure(x @ turn, y @ turn), measure(x, y))
    torch.testing.assert_close(uniformity(x @ turn), uniformity(x))


def test_with_many_negatives_the_loss_is_alignment_plus_a_push():
    """ln N less is −E s(x, y) + E ln E exp s(x, y')."""
    n, temperature = 4000, 0.5
    x = sphere(n, 3)
    y = torch.nn.functional.normalize(x + 0.3 * sphere(n, 3, seed=1), dim=1)
    others = sphere(20_000, 3, seed=2)
    pull = -(1 - alignment(x, y) / 2) / temperature
    push = ((x @ others.T / temperature).logsumexp(1) - math.log(len(others))).mean()
    found = info_nce(cosine_scores(x, y, temperature)) - math.log(n)
    assert found.item() == pytest.approx((pull + push).item(), abs=0.01)


def test_one_vector_has_no_uniformity():
    with pytest.raises(ValueError, match="two vectors or more"):
        uniformity(torch.ones(1, 3))
