"""Maps of finite sets: every statement of the page on small sets, exhaustively."""

from itertools import product
from math import log2

import numpy as np
import pytest
from scipy.stats import entropy

from course.crossmodal.finite_maps import FiniteMap


def all_maps(n: int, m: int):
    """All maps of n elements to m."""
    for values in product(range(m), repeat=n):
        yield FiniteMap(dict(enumerate(values)), frozenset(range(m)))


def test_of_all_maps_as_many_are_one_to_one_and_onto_as_are_counted():
    maps = list(all_maps(3, 4))
    assert (len(maps), sum(each.injective for each in maps)) == (4**3, 4 * 3 * 2)
    onto = list(all_maps(4, 3))
    assert sum(each.surjective for each in onto) == 36  # 3! times the 6 ways to split 4 into 3 parts


def test_fibres_are_a_partition():
    for each in all_maps(4, 3):
        parts = [each.fibre(value) for value in range(3)]
        assert sum(map(len, parts)) == 4 and frozenset().union(*parts) == frozenset(range(4))


def test_bits_lost_are_all_less_those_told():
    for each in all_maps(4, 3):
        sizes = np.array([len(each.fibre(value)) for value in each.image])
        assert each.bits_lost() == pytest.approx(log2(4) - entropy(sizes, base=2), abs=1e-12)
    assert FiniteMap({x: x for x in "abc"}).bits_lost() == 0
    assert FiniteMap(dict.fromkeys("abcd", 0)).bits_lost() == 2


def test_what_is_lost_stays_lost_with_equality_where_the_second_is_one_to_one_on_the_image():
    for first in all_maps(3, 3):
        for second in all_maps(3, 2):
            both = first.then(second)
            kept = len({second(value) for value in first.image}) == len(first.image)
            assert both.bits_lost() >= first.bits_lost() - 1e-12
            assert (abs(both.bits_lost() - first.bits_lost()) < 1e-12) == kept


def test_composition_is_associative_and_keeps_the_codomain():
    for f, g, h in zip(all_maps(3, 3), all_maps(3, 3), reversed(list(all_maps(3, 3))), strict=True):
        assert f.then(g).then(h) == f.then(g.then(h))
        assert f.then(g).codomain == g.codomain


def test_an_inverse_is_there_exactly_for_bijections_and_leads_back():
    for each in all_maps(3, 3):
        if each.injective and each.surjective:
            assert all(each.inverse()(each(x)) == x for x in range(3))
            assert all(each(each.inverse()(y)) == y for y in range(3))
        else:
            with pytest.raises(ValueError, match=r"no inverse: [23] elements"):
                each.inverse()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: FiniteMap({}), "domain is empty"),
        (lambda: FiniteMap({1: 2}, frozenset({3})), "2 is not in the codomain"),
        (lambda: FiniteMap.of_pairs([(1, 2), (1, 2), (1, 3)]), "1 has two values, 2 and 3: a relation"),
        (lambda: FiniteMap({1: 2}).then(FiniteMap({1: 2})), "no value for 2"),
        (lambda: FiniteMap({1: 2}, frozenset({2, 3})).inverse(), "nothing has the value 3"),
    ],
)
def test_what_is_no_map_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_an_element_outside_the_domain_has_no_value():
    with pytest.raises(KeyError):
        FiniteMap({1: 2})(3)
