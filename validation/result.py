"""What an experiment gives back: rows with a verdict each, curves to draw, the raw table, notes on the
method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import replicas as rp


@dataclass(frozen=True)
class Row:
    """One prediction against one measurement. `verdict` is in words, with the pull in standard errors.

    side : "above" or "below" the bound that the prediction is, where anything agrees; empty for what is no bound.
    """

    label: str
    predicted: float
    measured: float
    stderr: float
    pull: float
    verdict: str
    agrees: bool
    side: str = ""


def confront(label: str, predicted: float, measured: float, stderr: float) -> Row:
    """The row of a comparison, judged by `replicas.compare`."""
    verdict = rp.compare(float(predicted), float(measured), float(stderr))
    pull = float(verdict.pull)
    return Row(label, float(predicted), float(measured), float(stderr), pull, verdict.text, verdict.agrees)


def bounded(label: str, end: Any, curve: Any) -> Row:
    """The row of an algorithm's threshold against the load where solutions end, which it may not pass."""
    verdict = rp.compare(end, curve)
    predicted, measured, stderr, pull = (float(v) for v in (verdict.predicted, verdict.measured, verdict.stderr, verdict.pull))
    return Row(label, predicted, measured, stderr, pull, verdict.text, verdict.agrees, "below" if verdict.agrees and pull < 0 else "")


def at_least(label: str, bound: float, measured: float, stderr: float) -> Row:
    """The row of a measurement that theory bounds from below: anything above the bound agrees."""
    return _one_sided(label, bound, measured, stderr, "above")


def at_most(label: str, bound: float, measured: float, stderr: float) -> Row:
    """The row of a measurement that theory bounds from above: anything below the bound agrees."""
    return _one_sided(label, bound, measured, stderr, "below")


def _one_sided(label: str, bound: float, measured: float, stderr: float, side: str) -> Row:
    row = confront(label, bound, measured, stderr)
    allowed = row.pull > 0 if side == "above" else row.pull < 0
    return replace(row, verdict=f"agrees ({side} the bound, pull {row.pull:.1f})", agrees=True, side=side) if allowed else row


@dataclass(frozen=True)
class Series:
    """Measured points with error bars, and the curve of the theory to draw beside them."""

    label: str
    xlabel: str
    ylabel: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    yerr: tuple[float, ...]
    theory_x: tuple[float, ...]
    theory_y: tuple[float, ...]


def series(
    label: str,
    axes: tuple[str, str],
    points: tuple[ArrayLike, ArrayLike, ArrayLike],
    theory: tuple[ArrayLike, ArrayLike],
) -> Series:
    """A `Series` from arrays: axes (xlabel, ylabel), points (x, y, yerr), theory (x, y)."""
    x, y, yerr, theory_x, theory_y = (
        tuple(np.asarray(values, dtype=float).tolist()) for values in (*points, *theory)
    )
    return Series(label, *axes, x, y, yerr, theory_x, theory_y)


@dataclass(frozen=True)
class ExperimentResult:
    """The outcome of one experiment.

    data : columns of the raw table, of equal length;  notes : form and quality of the fits, samples set aside
    interrupted : whether it was stopped: rows and table are those completed until then
    """

    name: str
    question: str
    rows: tuple[Row, ...]
    series: tuple[Series, ...]
    notes: tuple[str, ...]
    seed: int
    quick: bool
    seconds: float
    data: Mapping[str, Sequence[int | float | str]] = field(default_factory=dict)
    interrupted: bool = False

    @property
    def agrees(self) -> bool:
        """No row disagrees."""
        return all(row.agrees for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: floating-point numbers as decimal strings, counts and seeds as integers."""
        names = [name for name in self.__dataclass_fields__ if name not in ("rows", "series")]
        plain = {name: decimals(getattr(self, name)) for name in names}
        rows = [decimals(vars(row)) for row in self.rows]
        curves = [decimals(vars(curve)) for curve in self.series]
        return plain | {"agrees": self.agrees, "rows": rows, "series": curves}


def decimals(value: Any) -> Any:
    """`value` with every floating-point number in it replaced by its decimal string."""
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    if isinstance(value, Mapping):
        return {key: decimals(part) for key, part in value.items()}
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [decimals(part) for part in value]
    return value
