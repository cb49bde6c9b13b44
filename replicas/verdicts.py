"""Confront a prediction with a measurement: the pull, in standard errors, and a verdict in words.

    pull = (measured - predicted) / stderr

A single comparison agrees below 2 standard errors, is in tension up to 3 and disagrees beyond. Among n
comparisons the largest |pull| is judged, at limits widened so that the chance of a false alarm stays that of
a single comparison (Bonferroni: right for any correlation between the n measurements).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

AGREES_WITHIN, DISAGREES_BEYOND = 2.0, 3.0
"""Limits of |pull| for a single comparison, in standard errors."""

Number = float | NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """A prediction confronted with a measurement; arrays when several are judged together.

    text : "agrees (pull 0.8)", "tension (pull -2.4)", "disagrees (pull 5.1)"; the largest pull of arrays
    agrees : not a disagreement. A tension passes: one comparison in twenty ends there by chance.
    """

    predicted: Number
    measured: Number
    stderr: Number
    pull: Number
    text: str
    agrees: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain data, numbers as decimal strings."""
        names = ("predicted", "measured", "stderr", "pull")
        numbers = {name: _decimal(getattr(self, name)) for name in names}
        return numbers | {"text": self.text, "agrees": self.agrees}

    def to_json(self) -> str:
        """The same as one JSON object."""
        return json.dumps(self.to_dict())


def compare(predicted: Any, measured: Any, stderr: ArrayLike | None = None) -> Verdict:
    """Judge measurements of known standard errors against their predictions.

    Parameters
    ----------
    predicted, measured : finite numbers, or arrays that broadcast together
    stderr : standard error of measured - predicted, finite and > 0, likewise

    Without ``stderr``: the success curve of an algorithm (`simulation.success_curve`) against the load where solutions end
    (`capacity`, or a number), which no algorithm can pass. Its threshold below that load agrees; a threshold significantly above it
    disagrees.

    Raises
    ------
    ValueError : an argument outside these ranges, a curve without a threshold, or a capacity of another model than the curve's
    """
    if stderr is None:
        return _against_bound(predicted, measured)
    arrays = {"predicted": predicted, "measured": measured, "stderr": stderr}
    numbers = {name: _finite(name, value) for name, value in arrays.items()}
    if np.any(numbers["stderr"] <= 0):
        raise ValueError(f"stderr: got {numbers['stderr'].min()}, takes a standard error > 0")
    try:
        p, x, sigma = np.broadcast_arrays(*numbers.values())
    except ValueError:
        shapes = ", ".join(str(array.shape) for array in numbers.values())
        message = f"predicted, measured, stderr: got shapes {shapes}, takes shapes that broadcast"
        raise ValueError(message) from None
    if p.size == 0:
        raise ValueError("measured: got no values, takes at least one")
    pull = _exact_pull(predicted, measured, stderr) if _has_digits(predicted, measured) else (x - p) / sigma
    largest = float(pull.flat[np.argmax(np.abs(pull))])
    if abs(largest) <= _limit(AGREES_WITHIN, pull.size):
        word = "agrees"
    else:
        word = "tension" if abs(largest) <= _limit(DISAGREES_BEYOND, pull.size) else "disagrees"
    which = f"pull {largest:.1f}" if pull.ndim == 0 else f"largest pull {largest:.1f} of {pull.size}"
    text, agrees = f"{word} ({which})", word != "disagrees"
    return Verdict(_plain(p), _plain(x), _plain(sigma), _plain(pull), text, agrees)


def _against_bound(predicted: Any, measured: Any) -> Verdict:
    """An algorithm's threshold against the end of the solutions, at finite N both are smeared."""
    threshold = getattr(measured, "threshold", None)
    if threshold is None:
        raise ValueError("stderr: missing; takes a standard error > 0 (or, in place of measured, a success curve)")
    if threshold.value is None:
        raise ValueError(f"measured: got a success curve whose threshold is {threshold}; takes one that crosses 1/2 within its loads")
    _same_model(predicted, measured)
    end, error = getattr(predicted, "value", predicted), getattr(predicted, "error", None) or 0.0
    bound = float(_finite("predicted", end))
    value, sigma = threshold.value, float(np.hypot(threshold.error, error))
    pull = (value - bound) / sigma
    if pull > DISAGREES_BEYOND:
        word = "disagrees: above the load where solutions end"
    elif pull > AGREES_WITHIN:
        word = "tension: above the load where solutions end"
    else:
        word = "compatible with the end of the solutions" if pull >= -AGREES_WITHIN else f"agrees: ends at {value / bound:.1%} of the load where solutions end"
    below = f"{-pull:.1f} standard errors below it" if pull < -AGREES_WITHIN else f"pull {pull:.1f}"
    return Verdict(bound, value, sigma, pull, f"{word} ({below})", pull <= DISAGREES_BEYOND)


def _same_model(predicted: Any, curve: Any) -> None:
    """A bound holds for the machine, weights and margin that it was computed for; a bare number is taken as it is."""
    model, learnt = getattr(predicted, "model", None), getattr(curve, "model", None)
    if model is None or learnt is None:
        return
    told = model.to_dict()
    told = {"K": 1, "kappa": 0.0} | told | (getattr(predicted, "parameters", None) or {})
    for name in ("name", "K", "weights", "kappa", "task"):
        wrong = told[name] != learnt[name] if isinstance(learnt[name], str) else abs(float(told[name]) - learnt[name]) > 0
        if wrong:
            raise ValueError(f"predicted: got a capacity of {name} {told[name]}, takes that of the curve's {learnt[name]} (or a number)")


def _has_digits(*values: Any) -> bool:
    return any(hasattr(v, "_mpf_") for v in values)


def _exact_pull(predicted: Any, measured: Any, stderr: Any) -> NDArray[np.float64]:
    """The pull of numbers of many digits: their difference is taken before it becomes a float."""
    digits = predicted if hasattr(predicted, "_mpf_") else measured
    ctx = digits.context
    return np.asarray(float((ctx.convert(measured) - ctx.convert(predicted)) / ctx.convert(stderr)))


def _limit(single: float, n: int) -> float:
    """The limit of the largest |pull| of n with the false-alarm probability that `single` has for one."""
    if n == 1:
        return single
    normal = NormalDist()
    return -normal.inv_cdf(normal.cdf(-single) / n)


def _finite(name: str, value: ArrayLike) -> NDArray[np.float64]:
    try:
        numbers = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {value!r}, takes finite real numbers") from None
    wrong = numbers[~np.isfinite(numbers)]
    if wrong.size:
        raise ValueError(f"{name}: got {wrong.flat[0]}, takes finite real numbers")
    return numbers


def _plain(numbers: NDArray[np.float64]) -> Number:
    return float(numbers) if numbers.ndim == 0 else numbers.copy()


def _decimal(number: Number) -> Any:
    return repr(number) if isinstance(number, float) else [_decimal(part) for part in number.tolist()]
