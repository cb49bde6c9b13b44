"""Argument checks shared by the simulations: one clear line naming the argument, what it got and what it
takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_integer(name: str, value: Any, at_least: int, at_most: int | None = None) -> int:
    """`value` as a Python integer within [at_least, at_most]."""
    bounds = f"an integer >= {at_least}" if at_most is None else f"an integer from {at_least} to {at_most}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name}: got {value!r}, takes {bounds}")
    if value < at_least or (at_most is not None and value > at_most):
        raise ValueError(f"{name}: got {value}, takes {bounds}")
    return int(value)


def check_finite(name: str, value: Any) -> float:
    """`value` as a finite float."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {value!r}, takes a finite real number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name}: got {number}, takes a finite real number")
    return number


def check_positive(name: str, value: Any) -> float:
    """`value` as a finite float > 0."""
    number = check_finite(name, value)
    if number <= 0:
        raise ValueError(f"{name}: got {value}, takes a number > 0")
    return number


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """`value`, one of the given words."""
    if value not in choices:
        raise ValueError(f"{name}: got {value!r}, takes one of {', '.join(choices)}")
    return str(value)


def _as_array(name: str, values: Any) -> NDArray[Any]:
    """An array of numbers."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name}: got rows of unequal lengths, takes an array of numbers") from None
    if array.dtype.kind not in "biuf":
        what = "no real numbers" if isinstance(values, (np.ndarray, list, tuple)) else f"a {type(values).__name__}"
        raise ValueError(f"{name}: got {what}, takes an array of numbers")
    return array


def check_patterns(patterns: ArrayLike) -> NDArray[np.float64]:
    """`patterns` as a finite (P, N) array of floats."""
    array = _as_array("patterns", patterns).astype(float)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"patterns: got an array of shape {array.shape}, takes shape (P, N) with N >= 1")
    if not np.all(np.isfinite(array)):
        raise ValueError("patterns: got values that are not finite, takes finite numbers")
    return array


def check_signs(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int8]:
    """`values` as an int8 array of +1 and -1 of the given shape; -1 in `shape` leaves that length free."""
    array = _as_array(name, values)
    wanted = "(" + ", ".join("any" if length < 0 else str(length) for length in shape) + ")"
    if array.ndim != len(shape) or any(n not in (-1, got) for n, got in zip(shape, array.shape)):
        raise ValueError(f"{name}: got an array of shape {array.shape}, takes shape {wanted}")
    # compared before any conversion: 1.5 must not be truncated to a valid 1
    wrong = array[(array != 1) & (array != -1)]
    if wrong.size:
        raise ValueError(f"{name}: got the value {wrong.flat[0]}, takes only +1 and -1")
    return array.astype(np.int8)
