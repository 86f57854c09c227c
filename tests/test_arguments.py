"""Arguments out of range are named, with what came and what was expected."""

import re

import numpy as np
import pytest
import torch

from course.arguments import require_whole

IN_RANGE = [(1, 1, None), (10**9, 1, None), (0, 0, 0), (3, 2, 4), (np.int64(3), 1, 3), (torch.tensor(3), 1, 3)]


@pytest.mark.parametrize(("value", "least", "most"), IN_RANGE)
def test_in_range(value, least, most):
    require_whole("n", value, least, most)


@pytest.mark.parametrize("value", [0, 1.0, np.float64(2), True, np.True_, "2", None, 5])
def test_out_of_range(value):
    with pytest.raises(ValueError, match=re.escape(f"n must be a whole number from 1 to 4, got {value!r}")):
        require_whole("n", value, 1, 4)
    if value != 5:
        with pytest.raises(ValueError, match=re.escape(f"n must be a whole number of at least 1, got {value!r}")):
            require_whole("n", value)
