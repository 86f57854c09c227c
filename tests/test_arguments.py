"""Arguments out of range are named, with what came and what was expected."""

import re

import pytest

from course.arguments import require_whole


@pytest.mark.parametrize(("value", "least", "most"), [(1, 1, None), (10**9, 1, None), (0, 0, 0), (3, 2, 4)])
def test_in_range(value, least, most):
    require_whole("n", value, least, most)


@pytest.mark.parametrize("value", [0, 1.0, True, "2", None, 5])
def test_out_of_range(value):
    with pytest.raises(ValueError, match=re.escape(f"n must be a whole number from 1 to 4, got {value!r}")):
        require_whole("n", value, 1, 4)
    if value != 5:
        with pytest.raises(ValueError, match=re.escape(f"n must be a whole number of at least 1, got {value!r}")):
            require_whole("n", value)
