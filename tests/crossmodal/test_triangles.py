"""Three views: the bound on the third correlation, and a space that two sorts of pairs hold together."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course.crossmodal.triangles import Spaces, third_correlation, train_spaces
from course.metrics import retrieval_at_1


@given(first=st.floats(-1, 1), second=st.floats(-1, 1))
def test_the_bounds_are_where_the_matrix_stops_being_one_of_correlations(first, second):
    for bound, outwards in zip(third_correlation(first, second), (-1, 1), strict=True):
        matrix = np.array([[1, first, bound], [first, 1, second], [bound, second, 1]])
        assert np.linalg.eigvalsh(matrix)[0] == pytest.approx(0, abs=1e-6)
        matrix[0, 2] = matrix[2, 0] = bound + outwards * 0.01
        assert np.linalg.eigvalsh(matrix)[0] < -1e-9


def test_a_correlation_beyond_one_is_refused():
    with pytest.raises(ValueError, match="between -1 and 1"):
        third_correlation(1.2, 0.0)


def test_two_sorts_of_pairs_make_the_third():
    """Three turned copies of the same points: only two sorts of pairs are trained, and the third is found."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(600, 4, generator=generator)
    views = {name: points @ torch.linalg.qr(torch.randn(4, 4, generator=generator))[0] for name in "abc"}
    torch.manual_seed(0)
    model = Spaces({name: nn.Linear(4, 4) for name in "abc"})
    test = {name: x[500:] for name, x in views.items()}

    def third():
        with torch.no_grad():
            return retrieval_at_1(model("a", test["a"]), model("c", test["c"]))

    before = third()
    sorts = [
        (("a", "b"), (views["a"][:250], views["b"][:250])),
        (("b", "c"), (views["b"][250:500], views["c"][250:500])),
    ]
    train_spaces(model, sorts, steps=300, batch_size=64, rate=1e-2)
    assert before < 0.2 and third() > 0.9
