"""Attention rollout against its definition, and where it must be exact."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.representation.rollout import attention_rollout


def maps(blocks, n=2, heads=3, length=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(n, heads, length, length, generator=generator).double().softmax(-1) for _ in range(blocks)]


@given(blocks=st.integers(1, 4), residual=st.floats(0, 1))
def test_it_is_the_product_of_the_mixed_maps_and_rows_sum_to_one(blocks, residual):
    weights = maps(blocks)
    expected = torch.eye(4).double().expand(2, 4, 4)
    for each in weights:
        expected = (residual * torch.eye(4).double() + (1 - residual) * each.mean(1)) @ expected
    found = attention_rollout(weights, residual)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 4).double())


def test_a_chain_of_looks_is_followed_back():
    """Token 2 looks at 1 in the last block, which had looked at 0 in the first: all comes from 0."""
    first, last = torch.eye(3), torch.eye(3)
    first[1], last[2] = torch.tensor([1.0, 0, 0]), torch.tensor([0, 1.0, 0])
    found = attention_rollout([first.view(1, 1, 3, 3), last.view(1, 1, 3, 3)], residual=0)
    assert found[0, 2].tolist() == [1, 0, 0]


def test_of_a_linear_encoder_it_is_the_gradient():
    """Where values pass unchanged and nothing else acts, the rollout is the derivative of the end by the start."""
    weights = maps(3, n=1, heads=1, length=5, seed=1)

    def encoder(x):
        for each in weights:
            x = 0.5 * x + 0.5 * each[0, 0] @ x
        return x

    slope = torch.autograd.functional.jacobian(encoder, torch.zeros(5).double())
    torch.testing.assert_close(attention_rollout(weights)[0], slope)


@pytest.mark.parametrize(
    "weights", [[], [torch.zeros(4, 4)], [torch.zeros(1, 1, 3, 4)], [*maps(1), *maps(1, length=5)]]
)
def test_what_is_no_list_of_maps_is_refused(weights):
    with pytest.raises(ValueError, match="one map"):
        attention_rollout(weights)


@pytest.mark.parametrize("residual", [-0.1, 1.1, float("nan")])
def test_the_residual_is_a_share(residual):
    with pytest.raises(ValueError, match="share from 0 to 1"):
        attention_rollout(maps(1), residual)
