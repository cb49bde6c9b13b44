"""Numbers of the command line: values and ranges, Cartesian sweeps.

A range ``start:stop:step`` includes its end up to rounding and is evaluated in decimal, so ``0.1:0.8:0.05`` holds 0.15
and not 0.15000000000000002. Nothing that is typed is ever evaluated as code.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from typing import Any

from ..exact import Exact, as_float

NUMBERS = "finite numbers, or a range start:stop:step"
MAX_POINTS = 10**6  # a larger sweep is more likely a typing error
MAX_ECHO = 60  # characters of a wrong argument worth repeating


class Unanswered(Exception):
    """A command that ends without an answer: one line that says why, and what is kept."""


class Once(argparse.Action):
    """Store a value; a flag given twice is an error rather than a value silently lost."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        given = vars(namespace).setdefault("given", [])
        if self.dest in given:
            raise argparse.ArgumentError(
                None, f"{self.dest}: given twice; takes all its values after one {option_string}"
            )
        given.append(self.dest)
        setattr(namespace, self.dest, values)


INFINITE = ("K", "y")  # flags that may be infinite
STAR = "star"  # the y of vanishing external entropy, carried as nan


@dataclass(frozen=True)
class Values:
    """The numbers after one flag; ``swept`` when they are several, or a range."""

    numbers: tuple[float, ...]
    swept: bool


def parse_values(name: str, words: Sequence[str], takes: str = NUMBERS) -> Values:
    """Numbers and ranges as floats, or a one-line ValueError naming the argument."""
    numbers = [number for word in words for number in (_range if ":" in word else _number)(name, word, takes)]
    return Values(tuple(numbers), len(numbers) > 1 or any(":" in word for word in words))


def _number(name: str, word: str, takes: str) -> tuple[float]:
    if name in INFINITE:
        takes = f"{takes}, or inf"
        if word.lower() in ("inf", "infinity"):
            return (math.inf,)
    if name == "y":
        takes = f"{takes}, or {STAR}"
        if word == STAR:
            return (math.nan,)
    try:
        number = as_float(word)  # a decimal that a float cannot hold stays exact for --digits
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        listed = " (several are separated by spaces)" if "," in word else ""
        raise ValueError(f"{name}: got {word[:MAX_ECHO]!r}; takes {takes}{listed}")
    return (number,)


def _range(name: str, word: str, takes: str) -> tuple[float, ...]:
    try:
        start, stop, step = (Decimal(part) for part in word.split(":"))
        if not all(part.is_finite() for part in (start, stop, step)):
            raise ValueError
    except (ValueError, DecimalException):
        raise ValueError(f"{name}: got {word[:MAX_ECHO]!r}; takes {takes}") from None
    if step == 0 or (stop - start) * step < 0:
        raise ValueError(f"{name}: got {word[:MAX_ECHO]!r}; takes a range whose step leads from start to stop")
    rounding = Decimal("1e-9")
    ratio = (stop - start) / step
    if ratio >= MAX_POINTS:
        raise ValueError(f"{name}: got {word[:MAX_ECHO]!r}; takes a range of at most {MAX_POINTS} values")
    return tuple(as_float(start + i * step) for i in range(int(ratio + rounding) + 1))


@dataclass(frozen=True)
class Grid:
    """Parameters of a question as flat arrays: the Cartesian product of the swept ones, the last fastest."""

    parameters: dict[str, Any]
    swept: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.parameters[self.swept[0]]) if self.swept else 1

    def take(self, start: int, stop: int) -> Grid:
        """The points start, ..., stop - 1."""
        part = {k: v[start:stop] if k in self.swept else v for k, v in self.parameters.items()}
        return Grid(part, self.swept)


def make_grid(values: dict[str, Values]) -> Grid:
    """Grid of the given flags, in the order in which they were typed."""
    swept = tuple(name for name, value in values.items() if value.swept)
    size = math.prod(len(values[name].numbers) for name in swept)
    if size > MAX_POINTS:
        raise ValueError(f"{', '.join(swept)}: got {size} combinations; takes at most {MAX_POINTS}")
    parameters: dict[str, Any] = {name: value.numbers[0] for name, value in values.items() if not value.swept}
    if swept:
        import numpy as np

        def column(numbers: tuple[float, ...]) -> Any:
            return np.array(numbers, dtype=object if any(isinstance(v, Exact) for v in numbers) else float)

        axes = np.meshgrid(*(column(values[name].numbers) for name in swept), indexing="ij")
        parameters |= {name: axis.reshape(-1) for name, axis in zip(swept, axes)}
    return Grid({name: parameters[name] for name in values}, swept)


def whole_number(name: str, word: str | None, takes: str = "a whole number from 1 to 10000") -> int | None:
    """A whole number, or a one-line ValueError."""
    if word is None:
        return None
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{name}: got {word[:MAX_ECHO]!r}; takes {takes}") from None


def choice(name: str, value: str, options: Sequence[str]) -> str:
    """``value`` if it is one of ``options``, or a one-line ValueError."""
    if value not in options:
        raise ValueError(f"{name}: got {value[:MAX_ECHO]!r}; takes {', '.join(options)}")
    return value
