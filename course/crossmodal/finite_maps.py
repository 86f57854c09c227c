r"""Maps between finite sets: one to one or not, onto or not, invertible or not, and how many bits they forget.

On a finite set a map is a table, so that every promise a function can make is checked by counting.

Sources: Lawvere and Schanuel, *Conceptual mathematics* (2009), for maps as arrows; Shannon, *A mathematical theory of
communication* (1948), for the bits.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Self


@dataclass(frozen=True)
class FiniteMap:
    """A map of a finite set into another.

    Attributes:
        table: the value of each element of the domain.
        codomain: where the values lie; without, the values themselves, so that the map is onto.

    Raises:
        ValueError: if the domain is empty, or a value lies outside the codomain.

    Example:
        >>> vowel = FiniteMap({"bee": "i", "key": "i", "cat": "a"}, frozenset("aiu"))
        >>> vowel.injective, vowel.surjective, sorted(vowel.fibre("i"))
        (False, False, ['bee', 'key'])
    """

    table: Mapping[Hashable, Hashable]
    codomain: frozenset = frozenset()

    def __post_init__(self):
        if not self.table:
            raise ValueError("the domain is empty: a map needs an element to start from")
        object.__setattr__(self, "codomain", frozenset(self.codomain) or self.image)
        if outside := self.image - self.codomain:
            raise ValueError(f"the value {next(iter(outside))!r} is not in the codomain")

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[Hashable, Hashable]], codomain: Iterable = ()) -> Self:
        """The map that consists of these pairs of an element and its value; a pair may occur twice.

        Raises:
            ValueError: if an element has two values: then the pairs are a relation, and no map.
        """
        table: dict = {}
        for element, value in pairs:
            if table.setdefault(element, value) != value:
                raise ValueError(f"{element!r} has two values, {table[element]!r} and {value!r}: a relation, no map")
        return cls(table, frozenset(codomain))

    def __call__(self, element: Hashable) -> Hashable:
        """The value of an element; KeyError if it is not in the domain."""
        return self.table[element]

    @property
    def image(self) -> frozenset:
        """The values that occur."""
        return frozenset(self.table.values())

    def fibre(self, value: Hashable) -> frozenset:
        """All elements with this value: what the value leaves open."""
        return frozenset(element for element, own in self.table.items() if own == value)

    @property
    def injective(self) -> bool:
        """Do different elements have different values? Then nothing is lost."""
        return len(self.image) == len(self.table)

    @property
    def surjective(self) -> bool:
        """Does every element of the codomain occur as a value? Then nothing there is out of reach."""
        return self.image == self.codomain

    def then(self, second: "FiniteMap") -> "FiniteMap":
        r"""First this map, then the second one: :math:`(g \circ f)(x) = g(f(x))`, :eq:`concepts-composition`.

        Raises:
            ValueError: if a value of this map is not in the domain of the second.
        """
        if outside := self.image - second.table.keys():
            raise ValueError(f"the second map has no value for {next(iter(outside))!r}")
        return FiniteMap({x: second(y) for x, y in self.table.items()}, second.codomain)

    def inverse(self) -> "FiniteMap":
        """The map back.

        Raises:
            ValueError: if two elements share a value, or a value is out of reach; the message names one.
        """
        for value, count in Counter(self.table.values()).items():
            if count > 1:
                raise ValueError(f"no inverse: {count} elements have the value {value!r}")
        if missed := self.codomain - self.image:
            raise ValueError(f"no inverse: nothing has the value {next(iter(missed))!r}")
        return FiniteMap({value: element for element, value in self.table.items()}, frozenset(self.table))

    def bits_lost(self) -> float:
        r"""What is left open about an element, drawn uniformly, once its value is known: :eq:`concepts-bits-lost`.

        .. math:: H(x \mid f(x)) = \frac1n \sum_y n_y \log_2 n_y, \qquad n_y = \lvert f^{-1}(y) \rvert

        From 0 bits, if the map is injective, to :math:`\log_2 n`, if it is constant.
        """
        sizes = Counter(self.table.values()).values()
        return sum(size * log2(size) for size in sizes) / len(self.table)
