"""To write: what these tests prove of the module. Mathematics is tested as mathematics."""

import pytest
import torch

from course.applications.crosslingual import centroid


@pytest.fixture
def x():
    return torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_centroid_is_the_definition(x):
    assert torch.allclose(centroid(x), sum(x) / 7)


def test_no_other_point_is_nearer_to_all(x):
    """The slope of the sum of squared distances vanishes, and the sum is convex."""
    slope = torch.func.grad(lambda c: ((x - c) ** 2).sum())(centroid(x))
    assert torch.allclose(slope, torch.zeros(3, dtype=x.dtype))


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 2, 2)])
def test_what_is_no_list_of_vectors_is_refused(shape):
    with pytest.raises(ValueError, match=r"must be \[n, d\]"):
        centroid(torch.zeros(shape))
