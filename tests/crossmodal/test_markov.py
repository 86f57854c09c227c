"""Markov kernels: functions among them, composition, and the bits that chance decides."""

import pytest
import torch
from scipy.stats import entropy

from course.crossmodal import markov


def kernel(n, m, seed=0):
    rows = torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return rows / rows.sum(1, keepdim=True)


def test_functions_compose_as_functions():
    f, g = [2, 0, 1, 2], [1, 1, 0]
    both = markov.then(markov.kernel_of_function(f, 3), markov.kernel_of_function(g, 2))
    assert both.equal(markov.kernel_of_function([g[y] for y in f], 2))


def test_composition_is_associative_with_the_unit_matrix_as_identity():
    a, b, c = kernel(3, 4), kernel(4, 2, 1), kernel(2, 5, 2)
    torch.testing.assert_close(markov.then(markov.then(a, b), c), markov.then(a, markov.then(b, c)))
    torch.testing.assert_close(markov.then(torch.eye(3), a), a)


def test_counting_finds_the_kernel_that_the_pairs_were_drawn_from():
    truth, seeded = kernel(3, 4), torch.Generator().manual_seed(3)
    drawn = torch.multinomial(truth, 20_000, replacement=True, generator=seeded)
    pairs = [(x, y) for x, row in enumerate(drawn.tolist()) for y in row]
    torch.testing.assert_close(markov.kernel_of_pairs(pairs, 3, 4), truth, atol=0.02, rtol=0)


def test_bits_open_are_scipys_entropies_weighted():
    k, weights = kernel(3, 4), torch.tensor([0.5, 0.3, 0.2])
    rows = [entropy(row, base=2) for row in k.numpy()]
    assert markov.bits_open(k) == pytest.approx(sum(rows) / 3)
    assert markov.bits_open(k, weights) == pytest.approx(0.5 * rows[0] + 0.3 * rows[1] + 0.2 * rows[2], abs=1e-6)
    assert markov.bits_open(torch.full((2, 8), 1 / 8)) == pytest.approx(3)


def test_no_bits_are_open_exactly_for_functions():
    assert markov.bits_open(markov.kernel_of_function([0, 2, 1], 3)) == 0
    assert markov.bits_open(torch.tensor([[1.0, 0.0], [0.9, 0.1]])) > 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: markov.kernel_of_pairs([(0, 0)], 2, 1), "element 1 has no value"),
        (lambda: markov.then(kernel(2, 3), kernel(2, 3)), "ends in 3 values, the second begins with 2"),
        (lambda: markov.then(torch.ones(2, 2), kernel(2, 3)), "sum to 1"),
        (lambda: markov.bits_open(torch.tensor([[2.0, -1.0]])), "sum to 1"),
        (lambda: markov.bits_open(kernel(2, 2), torch.tensor([0.5, 0.6])), "sum to 1"),
    ],
)
def test_what_is_no_kernel_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
