"""Parameters that know the number they were typed as: a float, with its exact value beside it."""

from __future__ import annotations

from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

MAX_DECIMALS = 400  # of a parameter echoed as a decimal; a longer one is echoed as a ratio


class Exact(float):
    """A float that stands for a rational it cannot hold; arithmetic to any precision uses ``exact``."""

    exact: Fraction

    def __new__(cls, value: Fraction) -> Exact:
        out = super().__new__(cls, value)
        out.exact = value
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        return Exact, (self.exact,)


def rational(value: Any) -> Fraction:
    """The number a parameter stands for, exactly: a float is the decimal it prints as (0.3 is 3/10)."""
    if isinstance(value, Exact):
        return value.exact
    if hasattr(value, "_mpf_"):
        sign, man, exponent, _ = value._mpf_
        return (-1 if sign else 1) * Fraction(int(man)) * Fraction(2) ** int(exponent)
    if isinstance(value, (Fraction, int, Decimal, str)):
        return Fraction(value)
    return Fraction(repr(float(value)))


def shown(value: float) -> float | str:
    """A parameter as it is echoed: a float, or what was given where a float cannot hold it."""
    if not isinstance(value, Exact):
        return float(value)
    digits, power = 0, Fraction(1)
    while digits < MAX_DECIMALS and (value.exact * power).denominator != 1:
        digits, power = digits + 1, power * 10
    scaled = value.exact * power
    if scaled.denominator != 1:
        return str(value.exact)
    return str(Decimal(scaled.numerator).scaleb(-digits, Context(prec=len(str(scaled.numerator)) + 1)))


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
        if not value._mpf_[1]:
            return number
        exact = rational(value)
    else:
        return number
    return number if Fraction(repr(number)) == exact else Exact(exact)
