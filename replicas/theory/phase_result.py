"""A phase diagram as data: its lines as traced and as columns, the phase of a point, and the phases as areas."""

from __future__ import annotations

import dataclasses
import html
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from ..numerics.saddle import numbers
from ..results import Result, bound, decimal, describe
from .boundaries import HERE, Boundary, abscissa
from .phase_regions import MEANINGS, UNKNOWN, Levels, Rule, Spot

SHOWN = 17  # abscissae in the table for a reader
DENSE = 401  # abscissae at which regions are laid out


@dataclass(frozen=True, eq=False, kw_only=True)
class PhaseDiagram(Result):
    """Lines and regions of a plane.

    x, y : names of the axes ("alpha" and "R" where the phases lie along the load)
    boundaries : every line as traced (`replicas.theory.boundaries.Boundary`);  thresholds : loads on the axis x, where it is the load
    tolerance : to which lines are interpolated, relative in loads; None at given abscissae;  between : the ends of the axis x

    The same lines are columns on one axis, attributes by their names (``diagram.kappa``, ``diagram.capacity_rs``, ...): a line is
    interpolated where another one was sampled, nan where it does not exist; so are thresholds, as numbers. Of an AT line ``at_physical``
    says where it separates phases. ``region(x, y)`` names the phase of a point, ``regions()`` lays them out, ``plot()`` draws them.
    """

    quantity: ClassVar[str] = "phase-diagram"

    x: str
    y: str
    boundaries: tuple[Boundary, ...] = ()
    thresholds: tuple[Boundary, ...] = ()
    grid: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float | None = None
    between: tuple[float, float] = (0.0, 1.0)
    main: str = ""
    whole: bool = False
    complete: bool = True
    rule: Rule = field(repr=False, default=lambda at: [(UNKNOWN, math.inf)])

    @property
    def apart(self) -> bool:
        """Whether abscissae were given, or are numbers of units: then nothing is known between them."""
        return self.tolerance is None

    # --- columns ---------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.x,)

    @property
    def computed(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(b.name for b in self.boundaries)

    @property
    def labels(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("at_physical",) if "at_physical" in self.columns else ()

    @property
    def headline(self) -> str:  # type: ignore[override]
        return self.main

    def __getattr__(self, name: str) -> Any:
        known = self.__dict__
        if name == known.get("x"):
            return known["grid"]
        if name in known.get("columns", {}):
            return known["columns"][name]
        marks = {b.name: float(b.x[0]) for b in known.get("thresholds", ())}
        if name in marks:
            return marks[name]
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join((known.get('x', ''), *known.get('columns', ()), *marks))}")

    def boundary(self, name: str) -> Boundary:
        """A line, or a threshold, by its name."""
        for b in (*self.boundaries, *self.thresholds):
            if b.name == name:
                return b
        raise ValueError(f"name: got {name!r}; takes {', '.join(b.name for b in (*self.boundaries, *self.thresholds))}")

    # --- regions ---------------------------------------------------------------------------------------------------

    def region(self, x: Any, y: Any = None) -> Any:
        """The phase at a point, or at arrays of points: a key of ``meanings``.

        x, y : a point of the plane; of a diagram along the load only x. Exact but for the errors of the lines: beside one, closer than
        their tolerance, either phase may be named. Where abscissae were given, x is one of them: nothing is known between.
        """
        many = np.ndim(x) > 0 or np.ndim(y if y is not None else 0.0) > 0
        takes = "finite numbers" if not self.whole else "numbers of units"
        px = units(x) if self.whole else numbers(self.x, x, takes)
        if self.thresholds:
            if y is not None:
                raise ValueError(f"y: got {y!r} in a diagram along {self.x}; takes None")
            py = px
        elif y is None:
            raise ValueError(f"y: missing; takes the ordinate {self.y}, a finite load >= 0")
        else:
            py = numbers(self.y, y, "a finite load >= 0", 0.0)
        try:
            px, py = np.broadcast_arrays(px, py)
        except ValueError:
            raise ValueError(f"x, y: got arrays of shapes {px.shape} and {py.shape}; takes shapes that can be combined") from None
        flat = px.reshape(-1)
        outside = ~np.isin(flat, self.grid) if self.apart else (flat < self.between[0]) | (flat > self.between[1])
        if outside.any():
            raise ValueError(f"{self.x}: got {flat[outside][0]:g}; takes {self._known()}")
        found = [_pick(levels, load) for levels, load in zip(self.levels(flat), py.reshape(-1))]
        return np.array(found, dtype=object).reshape(px.shape) if many else found[0]

    def _known(self) -> str:
        """The abscissae at which phases are known, in words."""
        if not self.apart:
            return f"{self.between[0]:g} to {self.between[1]:g}"
        grid = np.atleast_1d(self.grid)
        few = ", ".join(f"{v:g}" for v in grid[:SHOWN])
        given = few if grid.size <= SHOWN else f"one of the {grid.size} values given, {few}, ..."
        return given if self.whole else f"{given} (without values for {self.x} the lines are traced, and phases known in between)"

    def levels(self, x: np.ndarray) -> list[Levels]:
        """At each abscissa the phases from small loads to large ones, with the upper end of each."""
        if self.thresholds:
            return [self.rule({b.name: Spot(float(b.x[0]), True, HERE) for b in self.thresholds})] * x.size
        values = {b.name: (b.at(x), b.about(x)) for b in self.boundaries}
        return [
            self.rule({name: Spot(float(y[i]), bool(physical[i]), str(status[i])) for name, (y, (status, physical, _)) in values.items()})
            for i in range(x.size)
        ]

    @property
    def meanings(self) -> dict[str, str]:
        """What the labels of this diagram mean."""
        if self.thresholds:
            seen = dict.fromkeys(r["label"] for r in self.regions())
        else:
            seen = dict.fromkeys(label for levels in self.levels(self._dense()) for label, _ in levels)
        return {label: MEANINGS[label] for label in MEANINGS if label in seen}

    def regions(self) -> list[dict[str, Any]]:
        """The phases as areas between curves: label, x, lower, upper (inf: no end); along the load, an interval in ``x``.

        One entry for each stretch of abscissae over which a phase exists.
        """
        if self.thresholds:
            levels = self.levels(np.zeros(1))[0]
            ends = pairwise(np.clip([-math.inf, *(top for _, top in levels)], *self.between))
            return [{"label": label, "x": np.array(pair), "lower": None, "upper": None} for (label, _), pair in zip(levels, ends) if pair[0] < pair[1]]
        x = self._dense()
        out: list[dict[str, Any]] = []
        stretches: dict[str, list[tuple[float, float, float]]] = {}
        for i, levels in enumerate(self.levels(x)):
            low, here = 0.0, {}
            for label, top in levels:
                here[label] = (float(x[i]), low, top)
                low = top
            # where a phase begins or ends is known no better than to lie between two abscissae
            middle = float(0.5 * (x[i - 1] + x[i])) if i and not self.apart else None
            for label in [k for k in stretches if k not in here or self.apart]:
                points = stretches.pop(label)
                out.append(_area(label, points if middle is None else [*points, (middle, *points[-1][1:])]))
            for label, point in here.items():
                if label not in stretches:
                    stretches[label] = [] if middle is None else [(middle, *point[1:])]
                stretches[label].append(point)
        return out + [_area(label, points) for label, points in stretches.items()]

    def _dense(self) -> np.ndarray:
        grid = np.atleast_1d(self.grid)
        if self.apart or self.thresholds or not grid.size:
            return np.asarray(grid)
        return np.unique(np.concatenate([grid, np.linspace(grid[0], grid[-1], DENSE)]))

    # --- output ----------------------------------------------------------------------------------------------------

    def _point(self) -> dict[str, Any]:
        out = super()._point()
        if self.whole:
            out[self.x] = "inf" if math.isinf(self.grid) else int(self.grid)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary: axes, lines as traced, regions, and all lines at every abscissa in ``points``."""
        whole = super().to_dict()
        regions = [
            {
                "label": r["label"],
                "meaning": MEANINGS[r["label"]],
                "x": [abscissa(v) for v in r["x"]],
                **({} if r["lower"] is None else {"lower": decimal(r["lower"]), "upper": decimal(r["upper"])}),
            }
            for r in self.regions()
        ]
        points = {k: whole.pop(k) for k in ("points",) if k in whole}
        extra = {
            "x": self.x,
            "y": self.y,
            "tolerance": bound(self.tolerance),
            "complete": self.complete,
            "boundaries": [b.to_dict() for b in self.boundaries],
            "thresholds": [{"name": b.name, "label": b.label, "kind": b.kind, "value": decimal(b.x[0]), "error": bound(b.error[0])} for b in self.thresholds],
            "regions": regions,
        }
        return {**whole, **extra, **points}

    def lines(self) -> list[dict[str, Any]]:
        """The lines in long form, one row for each point asked for: what a figure, or a CSV file, is made of."""
        marks = [
            {**row, "x": float(b.x[0]), "y": math.nan, "error": float(b.error[0]), "physical": True}
            for b in self.thresholds
            for row in b.rows()
        ]
        return [row for b in self.boundaries for row in b.rows()] + marks

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """A table of a few abscissae where there are many."""
        if self.shape == (0,):
            return ["status"], [["nothing was traced"]]
        if self.shape and self.shape[0] > SHOWN and self.tolerance is not None:
            even = np.linspace(self.grid[0], self.grid[-1], SHOWN)
            near = np.unique([int(np.abs(self.grid - x).argmin()) for x in even])
            return dataclasses.replace(self[near], tolerance=None).rows()
        return super().rows()

    def __str__(self) -> str:
        marks = [f"  {b.name} = {b.x[0]:.10g} ± {b.error[0]:.1e}" for b in self.thresholds]
        traced = [] if self.tolerance is None else [f"  lines traced to {self.tolerance:g}, {sum(b.exists.sum() for b in self.boundaries)} points"]
        troubles = [f"  {b.name}: {b.message}" for b in self.boundaries if b.message and b.tolerance != self.tolerance]
        phases = [f"  {label}: {meaning}" for label, meaning in self.meanings.items()]
        first, *table = super().__str__().split("\n")
        title = first.replace(describe(self.model), self._model())
        return "\n".join([title, *table, *marks, *traced, *troubles, *phases])

    def _repr_html_(self) -> str:
        phases = "".join(f"<li><b>{html.escape(label)}</b>: {html.escape(meaning)}</li>" for label, meaning in self.meanings.items())
        marks = "".join(f"<p>{b.name} = {b.x[0]:.10g}</p>" for b in self.thresholds)
        table = super()._repr_html_().replace(html.escape(describe(self.model)), html.escape(self._model()))
        return f"{table}{marks}<ul>{phases}</ul>"

    def _model(self) -> str:
        """One line naming the model, without the parameter on the axis."""
        axes = {self.x, "beta"} if self.x == "T" else {self.x}
        return re.sub(r",? (kappa|beta|K)(=[^,]*| sweep)(?=,|$)", lambda m: "" if m[1] in axes else m[0], describe(self.model))

    def to_xarray(self) -> Any:
        """The columns as an ``xarray.Dataset`` over x with their errors (extra: xarray)."""
        try:
            import xarray as xr
        except ImportError as error:
            raise ImportError("to_xarray needs the extra 'xarray': pip install replicas[xarray]") from error
        data: dict[str, Any] = {name: (self.x, np.asarray(self.columns[name])) for name in self.computed}
        data |= {f"{name}_error": (self.x, np.asarray(self.errors[name])) for name in self.computed}
        data |= {f"{b.name}_physical": (self.x, b.about(self.grid)[1]) for b in self.boundaries}
        data["status"] = (self.x, np.asarray(self.status, dtype=str))
        told = {"model": describe(self.model), "x": self.x, "y": self.y, "tolerance": math.nan if self.tolerance is None else self.tolerance}
        told |= {b.name: float(b.x[0]) for b in self.thresholds}
        return xr.Dataset(data, coords={self.x: np.asarray(self.grid)}, attrs=told)

    def plot(self, ax: Any = None) -> Any:
        """Draw lines and regions. Returns the axes."""
        from ..plotting import phase_axes

        return phase_axes(self, ax)

    def save(self, path: Any) -> tuple[Any, Any]:
        """Write the figure (svg, pdf or png by the suffix) and, beside it, the lines as CSV. Returns both paths."""
        from ..figures.phases import save

        return save(self, path)


def units(given: Any) -> np.ndarray:
    """Numbers of units, one of which may be infinite, or a one-line ValueError."""
    try:
        return np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"K: got {given!r}; takes numbers of units, or inf") from None


def _pick(levels: Levels, load: float) -> str:
    return next((label for label, top in levels if load < top), levels[-1][0])


def _area(label: str, points: list[tuple[float, float, float]]) -> dict[str, Any]:
    x, lower, upper = (np.array(v) for v in zip(*points))
    return {"label": label, "x": x, "lower": lower, "upper": upper}
