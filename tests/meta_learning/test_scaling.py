"""Power laws: laws that are known are found again, and what cannot be one is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course.meta_learning.scaling import PowerLaw, local_exponents, power_law

SIZES = 4.0 ** np.arange(7)


@given(factor=st.floats(0.1, 100), exponent=st.floats(0.2, 2), share=st.one_of(st.just(0.0), st.floats(0.1, 0.9)))
@settings(max_examples=40, deadline=None)
def test_a_law_without_noise_is_found_again(factor, exponent, share):
    law = PowerLaw(factor, exponent, share * factor * SIZES[-1] ** -exponent)
    found = power_law(SIZES, law(SIZES))
    np.testing.assert_allclose(found(SIZES), law(SIZES), rtol=1e-4)
    np.testing.assert_allclose(found.exponent, exponent, rtol=0.02)


def test_without_a_floor_it_is_a_line_in_logarithms():
    errors = np.array([3.0, 1.0, 0.7, 0.2])
    slope, start = np.polyfit(np.log([1, 2, 5, 9]), np.log(errors), 1)
    found = power_law([1, 2, 5, 9], errors, floor=False)
    np.testing.assert_allclose([found.exponent, np.log(found.factor)], [-slope, start])
    assert found.floor == 0


def test_a_floor_never_fits_worse():
    rng = np.random.default_rng(0)
    for _ in range(20):
        errors = np.exp(rng.normal(size=7)) * SIZES**-0.5
        misses = [np.square(np.log(power_law(SIZES, errors, floor=f)(SIZES) / errors)).sum() for f in (True, False)]
        assert misses[0] <= misses[1] + 1e-9


def test_units_of_the_error_do_not_matter():
    errors = 0.1 + SIZES**-0.7
    one, hundred = power_law(SIZES, errors), power_law(SIZES, 100 * errors)
    np.testing.assert_allclose([hundred.exponent, hundred.floor], [one.exponent, 100 * one.floor], rtol=1e-3)


def test_local_exponents_of_a_law_are_its_exponent():
    np.testing.assert_allclose(local_exponents(SIZES, 7 * SIZES**-0.3), np.full(6, 0.3))
    bent = np.minimum.accumulate(np.maximum(SIZES**-1.0, 1e-2))
    assert local_exponents(SIZES, np.stack([bent, bent])).shape == (2, 6)
    np.testing.assert_allclose(local_exponents(SIZES, bent)[[0, -1]], [1, 0])


@pytest.mark.parametrize(
    ("sizes", "errors"), [([1, 2], [1, 1]), ([1, 1, 2], [1, 1, 1]), ([1, 2, 3], [1, 0, 1]), ([0, 1, 2], [1, 1, 1]),
                          ([1, 2, 3], [1, float("nan"), 1]), ([1, 2, 3], [1, 2])],
)  # fmt: skip
def test_what_has_no_law_is_refused(sizes, errors):
    with pytest.raises(ValueError, match=r"sizes"):
        power_law(sizes, errors)


def test_local_exponents_want_ascending_sizes():
    with pytest.raises(ValueError, match="ascending"):
        local_exponents([1, 3, 2], np.ones(3))
