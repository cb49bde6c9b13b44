"""Parameters that know the number they were typed as: a float, with its exact value beside it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any


class Exact(float):
    """A float that stands for a rational it cannot hold; arithmetic to any precision uses ``exact``."""

    exact: Fraction

    def __new__(cls, value: Fraction) -> Exact:
        out = super().__new__(cls, value)
        out.exact = value
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        return Exact, (self.exact,)


def as_float(value: Any) -> float:
    """``value`` as a float; one that a float's shortest decimal does not reproduce keeps its exact value.

    Raises what ``float`` raises.
    """
    if isinstance(value, Exact):
        return value
    number = float(value)
    if isinstance(value, (str, Decimal, Fraction)):
        try:
            exact = Fraction(value)
        except (ValueError, OverflowError):  # inf and nan
            return number
    elif hasattr(value, "_mpf_"):
        sign, man, exponent, _ = value._mpf_
        if not man:
            return number
        exact = (-1 if sign else 1) * Fraction(int(man)) * Fraction(2) ** int(exponent)
    else:
        return number
    return number if Fraction(repr(number)) == exact else Exact(exact)
