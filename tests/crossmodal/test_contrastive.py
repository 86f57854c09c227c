"""Contrastive losses: as defined, by hand, by finite differences, in tiles, on two processes."""

import json
import math
import subprocess
import sys
from pathlib import Path

import launched_contrastive
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from course.crossmodal.contrastive import (
    cosine_scores,
    info_nce,
    score_gradient,
    sigmoid_loss,
    symmetric_loss,
    tiled_loss,
    without_twins,
)
from course.meta_learning.prototypical import linear_classifier, negative_squared_distances, prototypical_loss
from course.representation.sentences import contrastive_loss


def numbers(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def by_definition(x, y, temperature):
    """The symmetric loss, pair by pair, in plain Python."""
    x, y = x.tolist(), y.tolist()

    def cosine(a, b):
        return sum(p * q for p, q in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    total = 0.0
    for i in range(len(x)):
        row = [math.exp(cosine(x[i], other) / temperature) for other in y]
        column = [math.exp(cosine(other, y[i]) / temperature) for other in x]
        total -= (math.log(row[i] / sum(row)) + math.log(column[i] / sum(column))) / 2
    return total / len(x)


def slope_by_differences(function, at, step=1e-6):
    """The gradient of a scalar function in float64, by central differences."""
    slope = torch.zeros_like(at)
    for place in np.ndindex(*at.shape):
        up, down = at.clone(), at.clone()
        up[place] += step
        down[place] -= step
        slope[place] = (function(up) - function(down)) / (2 * step)
    return slope


def test_the_symmetric_loss_is_its_definition():
    x, y = numbers(5, 3), numbers(5, 3, seed=1)
    assert symmetric_loss(cosine_scores(x, y, 0.3)).item() == pytest.approx(by_definition(x, y, 0.3), rel=1e-12)


def test_the_symmetric_loss_is_the_mean_of_two_directions_of_the_sentence_loss():
    x, y = numbers(6, 4), numbers(6, 4, seed=1)
    expected = (contrastive_loss(x, y, 0.2) + contrastive_loss(y, x, 0.2)) / 2
    torch.testing.assert_close(symmetric_loss(cosine_scores(x, y, 0.2)), expected)


def test_two_pairs_by_hand():
    scores = torch.tensor([[2.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-1))) / 2
    assert info_nce(scores).item() == pytest.approx(expected)
    columns = (math.log(1 + math.exp(-2)) + math.log(1 + 1)) / 2
    assert info_nce(scores.T).item() == pytest.approx(columns)


def test_guessing_costs_log_n_and_a_constant_in_a_row_changes_nothing():
    assert info_nce(torch.full((7, 7), 3.0)).item() == pytest.approx(math.log(7), rel=1e-6)
    scores = numbers(6, 6)
    torch.testing.assert_close(info_nce(scores + numbers(6, 1, seed=2)), info_nce(scores))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_gradient_in_closed_form_is_that_of_finite_differences(n):
    scores = numbers(n, n)
    expected = slope_by_differences(symmetric_loss, scores)
    torch.testing.assert_close(score_gradient(scores), expected, rtol=0, atol=1e-9)
    assert score_gradient(scores).sum().item() == pytest.approx(0, abs=1e-14)


@given(n=st.integers(1, 9), d=st.integers(1, 5), tile=st.integers(1, 12), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_tiles_of_any_size_give_loss_and_gradients_of_the_whole(n, d, tile, seed):
    x, y = numbers(n, d, seed=seed), numbers(n, d, seed=seed + 1)
    temperature = torch.tensor(0.2, dtype=torch.float64)
    leaves = [each.clone().requires_grad_() for each in (x, y, temperature)]
    found = torch.autograd.grad(tiled := tiled_loss(*leaves, tile=tile), leaves)
    expected = torch.autograd.grad(whole := symmetric_loss(cosine_scores(*leaves)), leaves)
    torch.testing.assert_close(tiled, whole)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


def test_tiles_never_hold_more_scores_than_a_tile(monkeypatch):
    seen, product = [], torch.Tensor.__matmul__

    def counted(a, b):
        out = product(a, b)
        seen.append(out.numel())
        return out

    monkeypatch.setattr(torch.Tensor, "__matmul__", counted)
    x, y = (numbers(50, 3, seed=seed).requires_grad_() for seed in (0, 1))
    tiled_loss(x, y, 0.1, tile=8).backward()
    assert max(seen) == 64
    assert sum(seen) == 4 * 2500  # rows and columns, and both again in the backward pass


def test_half_precision_vectors_are_compared_in_single():
    x, y = numbers(30, 4, dtype=torch.float32), numbers(30, 4, seed=1, dtype=torch.float32)
    half = [each.bfloat16().requires_grad_() for each in (x, y)]
    loss = tiled_loss(*half, 0.05, tile=7)
    loss.backward()
    expected = symmetric_loss(cosine_scores(*(each.detach().float() for each in half), 0.05))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.detach(), expected)
    assert half[0].grad.dtype == torch.bfloat16


def test_a_vanishing_temperature_leaves_tiles_finite():
    x = F.normalize(numbers(20, 3), dim=1).requires_grad_()
    loss = tiled_loss(x, x.detach(), 1e-4, tile=6)
    loss.backward()
    assert loss.isfinite()
    assert x.grad.isfinite().all()


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """What two processes computed (launched_contrastive.py)."""
    folder = tmp_path_factory.mktemp("launched")
    command = [sys.executable, Path(launched_contrastive.__file__), folder]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stderr
    return [json.loads((folder / f"{process}.json").read_text()) for process in range(2)]


def test_the_loss_of_two_processes_is_that_of_one_with_all_pairs(launched):
    x, y, towers, temperature = launched_contrastive.problem()
    loss = symmetric_loss(cosine_scores(x @ towers[0], y @ towers[1], temperature))
    assert sum(each["loss"] for each in launched) / 2 == pytest.approx(loss.item(), rel=1e-12)
    assert launched[0]["loss"] != launched[1]["loss"]


def test_the_mean_of_the_gradients_of_two_processes_is_that_of_one(launched):
    x, y, towers, temperature = launched_contrastive.problem()
    leaves = [each.requires_grad_() for each in (*towers, temperature)]
    expected = torch.autograd.grad(symmetric_loss(cosine_scores(x @ towers[0], y @ towers[1], temperature)), leaves)
    for number, each in enumerate(expected):
        mean = sum(torch.tensor(process["gradients"][number], dtype=torch.float64) for process in launched) / 2
        torch.testing.assert_close(mean, each, rtol=1e-9, atol=1e-12)


def test_training_on_two_processes_ends_as_on_one_with_the_joint_batches(launched):
    expected = launched_contrastive.trained_alone()
    for process in launched:
        for name, value in expected.items():
            torch.testing.assert_close(torch.tensor(process["trained"][name]), value, rtol=0, atol=1e-6, msg=name)


def test_twins_are_no_negatives():
    scores, groups = numbers(4, 4), torch.tensor([0, 1, 0, 2])
    left = without_twins(scores, groups)
    assert left[0, 2] == left[2, 0] == -torch.inf
    assert left.isinf().sum() == 2
    small = scores[[0, 1, 3]][:, [0, 1, 3]]
    rows = [
        -(scores[i, i] - scores[i, keep].logsumexp(0))
        for i, keep in enumerate(([0, 1, 3], [0, 1, 2, 3], [1, 2, 3], [0, 1, 2, 3]))
    ]
    torch.testing.assert_close(info_nce(left), torch.stack(rows).mean())
    torch.testing.assert_close(without_twins(small, torch.arange(3)), small)
    torch.testing.assert_close(
        without_twins(scores, torch.zeros(4, dtype=torch.int64)).exp().sum(), scores.diagonal().exp().sum()
    )


def test_twins_have_no_gradient():
    scores = numbers(4, 4).requires_grad_()
    groups = torch.tensor([0, 1, 0, 2])
    for loss in (symmetric_loss, lambda s: sigmoid_loss(s, -1.0)):
        slope = torch.autograd.grad(loss(without_twins(scores, groups)), scores)[0]
        assert slope.isfinite().all()
        assert slope[0, 2] == slope[2, 0] == 0
        assert (slope != 0).sum() == 14


def test_the_sigmoid_loss_is_its_definition_cell_by_cell():
    scores, bias = numbers(4, 4), -1.5
    total = 0.0
    for i in range(4):
        for j in range(4):
            sign = 1 if i == j else -1
            total += math.log(1 + math.exp(-sign * (scores[i, j].item() + bias)))
    assert sigmoid_loss(scores, bias).item() == pytest.approx(total / 4)


def test_the_sigmoid_loss_is_a_sum_over_cells_and_the_softmax_loss_is_not():
    scores = numbers(5, 5)
    moved = scores.clone()
    moved[0, 1] += 1  # one cell: only its own slope may change
    for loss, own in ((lambda s: sigmoid_loss(s, -1.0), True), (symmetric_loss, False)):
        slopes = [torch.func.grad(loss)(each) for each in (scores, moved)]
        changed = (slopes[0] - slopes[1]).abs() > 1e-12
        assert (changed.sum().item() == 1) == own


def test_a_one_shot_prototypical_loss_is_info_nce_of_squared_distances():
    support, query, labels = numbers(6, 3), numbers(6, 3, seed=1), torch.arange(6)
    expected = prototypical_loss(support[None], labels[None], query[None], labels[None], 6)
    torch.testing.assert_close(info_nce(negative_squared_distances(query, support)), expected)


def test_on_the_sphere_distances_and_cosines_are_the_same_classifier():
    x, y = F.normalize(numbers(5, 3), dim=1), F.normalize(numbers(5, 3, seed=1), dim=1)
    by_distance = info_nce(negative_squared_distances(x, y) / (2 * 0.1))
    torch.testing.assert_close(by_distance, info_nce(cosine_scores(x, y, 0.1)))
    weight, bias = linear_classifier(y)
    assert bias.tolist() == pytest.approx([-1.0] * 5)
    torch.testing.assert_close((x @ weight.T / 2) / 0.1, cosine_scores(x, y, 0.1))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cosine_scores(numbers(2, 3), numbers(2, 4), 0.1), r"\[n, d\] and \[m, d\], got \[2, 3\]"),
        (lambda: cosine_scores(numbers(2, 3), numbers(2, 3), 0.0), "temperature must be positive and finite, got 0.0"),
        (lambda: cosine_scores(numbers(2, 3), numbers(2, 3), math.nan), "temperature must be positive"),
        (lambda: info_nce(numbers(2, 3)), r"scores must be \[n, n\].*got \[2, 3\]"),
        (lambda: sigmoid_loss(numbers(2, 3), 0.0), r"scores must be \[n, n\]"),
        (lambda: score_gradient(numbers(3)), r"scores must be \[n, n\]"),
        (lambda: info_nce(numbers(0, 0)), r"scores must be \[n, n\]"),
        (lambda: without_twins(numbers(3, 3), torch.arange(2)), r"3 pairs, but groups are \[2\]"),
        (lambda: tiled_loss(numbers(3, 2), numbers(2, 2), 0.1), r"must both be \[n, d\]"),
        (lambda: tiled_loss(numbers(3, 2), numbers(3, 2), 0.1, tile=0), "tile must be a whole number of at least 1"),
        (lambda: tiled_loss(numbers(3, 2), numbers(3, 2), -1.0), "temperature must be positive"),
    ],
)
def test_bad_input_is_refused_with_what_came(call, said):
    with pytest.raises(ValueError, match=said):
        call()
