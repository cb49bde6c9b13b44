"""Phase diagrams: the lines of a plane traced to a tolerance, and the phases between them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..models import Model
from ..numerics.saddle import numbers
from ..progress import counter
from ..results import describe
from .ansatz import check_steps
from .boundaries import HERE, INFINITE, LOST, NONE, UNASKED, Boundary, Tracing
from .phase_planes import PLANES, Line, Plane, machine
from .phase_result import PhaseDiagram, units

__all__ = ["PhaseDiagram", "PhaseDiagramInterrupted", "phase_diagram"]

TOLERANCE = 1e-3
TOLERANCES = (1e-6, 0.1)  # that make sense: below, the errors of full breaking; above, not even a sketch
MOST, FEWEST = 200, 5  # points of a line


class PhaseDiagramInterrupted(KeyboardInterrupt):
    """Ctrl-C while a diagram was traced; ``partial`` holds what there is."""

    partial: PhaseDiagram


def phase_diagram(
    model: Model,
    x: str | None = None,
    y: str | None = None,
    *,
    kappa: Any = None,
    beta: Any = None,
    T: Any = None,
    K: Any = None,
    k: int | None = None,
    between: Sequence[float] | None = None,
    tolerance: float = TOLERANCE,
    most: int = MOST,
    lines: str | Sequence[str] | None = None,
) -> PhaseDiagram:
    """Phase diagram: boundaries between phases traced to a tolerance, and the phases named.

    =====================================  ============================  ==============================================================
    model                                  plane (the usual one first)   phases
    =====================================  ============================  ==============================================================
    storage, spherical perceptron          kappa-alpha                   SAT-RS, SAT-clustered, SAT-RSB, UNSAT
    storage, finite weights                kappa-alpha                   SAT-frozen (dense clusters), SAT-RSB, SAT-trivial, UNSAT
    storage with errors                    T-alpha, beta-alpha; of a     RS, clustered, RSB, frozen
                                           model at beta kappa-alpha
    teacher, perceptron, finite weights    alpha-R                       impossible, hard, easy: along alpha
    storage, tree machines                 K-alpha                       SAT-RS, SAT-RSB, SAT, UNSAT; finite weights as above
    teacher, tree machines                 K-alpha                       impossible, hard, easy
    =====================================  ============================  ==============================================================

    ``diagram.meanings`` says what each label means. Where replica symmetry is broken, SAT ends at the full-RSB capacity of spherical
    perceptrons and at the 1RSB one, an upper bound, of machines.

    Parameters
    ----------
    model : its own kappa (beta, K) is replaced where that is the axis; in T-alpha and beta-alpha it stays.
    x, y : the plane; None for the usual one, or the one of the abscissae given.
    kappa, beta, T, K : values of x, distinct, in one dimension: the lines at these, nothing traced or known between. K: whole numbers, or inf for
        infinitely many units; always given values (None: those that take up to half a minute each; a committee of K = 5 that learns takes
        a minute).
    k : intervals of x(q) in the full-RSB capacity (8 to 96; None: 8 along a traced line, otherwise as many as the error needs).
    between : (low, high) of the axis x; None for the usual range. Margins within those at which capacities are found in double precision.
    tolerance : of interpolation along a line, relative in the load, and of the places of ends and kinks, in units of the range (1e-6 to 0.1).
    most : points of a line at which refinement stops.
    lines : names of the lines wanted; "all" for those, too, that take minutes (alpha_u: the dense clusters of binary weights, several
        seconds a point; at_line of committees of K = 5).

    Returns
    -------
    PhaseDiagram : ``boundaries`` with the error of the solver at each point, ``region(x, y)``, ``regions()``, ``plot()``, ``save(path)``.

    Raises
    ------
    ValueError : a model or a plane that is not in the table, naming what is taken.
    PhaseDiagramInterrupted : Ctrl-C; its ``partial`` is the diagram of what was traced.
    """
    given = {n: v for n, v in (("kappa", kappa), ("beta", beta), ("T", T), ("K", K)) if v is not None}
    make, (x, y) = _plane(model, x, y, given)
    check_steps("frsb", k)
    values = _values(x, given.get(x), model)
    with counter("phase diagram", "points") as bar:
        plane = make(model, k, values is None)  # of a student it asks for the thresholds
        if plane.whole and values is None:
            values = np.array(plane.whole)
        chosen = _chosen(plane, lines)
        low, high = _range(plane, between, values)
        takes = f"a number from {TOLERANCES[0]:g} to {TOLERANCES[1]:g}"
        checked = numbers("tolerance", tolerance, takes)
        if checked.ndim or not TOLERANCES[0] <= checked <= TOLERANCES[1]:
            raise ValueError(f"tolerance: got {tolerance if checked.ndim else f'{checked:g}'}; takes {takes}")
        if not isinstance(most, (int, np.integer)) or most < FEWEST:
            raise ValueError(f"most: got {most!r}; takes a whole number of points >= {FEWEST}")
        work = _Work(plane, chosen, values, (low, high), float(checked), int(most), lines is None, {})
        try:
            work.run(bar)
        except KeyboardInterrupt:
            points = sum(len(t.samples) for t in work.traces.values())
            stopped = PhaseDiagramInterrupted(f"phase diagram: interrupted; {points} points are kept in its partial")
            stopped.partial = _assembled(model, plane, work, complete=False)
            raise stopped from None
    return _assembled(model, plane, work)


def _plane(model: Model, x: str | None, y: str | None, given: Mapping[str, Any]) -> tuple[Callable[..., Plane], tuple[str, str]]:
    """The entry of the table, and the axes."""
    for entry in PLANES:
        if isinstance(model, Model) and entry.holds(model):
            break
    else:
        raise ValueError(f"model: got {describe(model) if isinstance(model, Model) else repr(model)}; takes {', '.join(e.words for e in PLANES)}")
    named = next(iter(given), None)
    usual = next(((a, b) for a, b in entry.planes if a == (x or named or a) and b == (y or b)), None)
    if usual is None:
        planes = ", ".join(f"x={a!r} with y={b!r}" for a, b in entry.planes)
        asked = f"x={x or named!r}, y={y or next(iter(entry.planes))[1]!r}"
        raise ValueError(f"x, y: got {asked} of {entry.words}; takes {planes}")
    for name in given:
        if name != usual[0]:
            raise ValueError(f"{name}: got {given[name]!r} in the plane of {' and '.join(usual)}; takes None")
    return entry.planes[usual], usual


def _values(x: str, given: Any, model: Model) -> np.ndarray | None:
    """Abscissae asked for, distinct, in the order given (numbers of units in increasing order)."""
    if given is None:
        return None
    if x == "K":
        values = np.sort(np.atleast_1d(units(given)))
    else:
        takes, low = {
            "kappa": ("finite margins", -np.inf),
            "beta": ("finite inverse temperatures > 0", np.finfo(float).tiny),
            "T": ("finite temperatures > 0", np.finfo(float).tiny),
        }[x]
        values = np.atleast_1d(numbers(x, given, takes, low))
    if values.ndim > 1:
        raise ValueError(f"{x}: got an array of {values.ndim} dimensions; takes one value or a list of values")
    if not values.size:
        raise ValueError(f"{x}: got no values; takes at least one")
    if np.unique(values).size < values.size:
        raise ValueError(f"{x}: got a value twice; takes distinct values")
    if x == "K":
        for v in values:
            machine(model)(float(v))  # refuses what is no number of units
    return values


def _chosen(plane: Plane, lines: str | Sequence[str] | None) -> tuple[Line, ...]:
    """The lines asked for, with those that they rest on."""
    if lines is None:
        return tuple(line for line in plane.lines if not line.slow)
    if isinstance(lines, str) and lines == "all":
        return plane.lines
    known = {line.name: line for line in plane.lines}
    wanted: list[Any] = [lines] if isinstance(lines, str) or not isinstance(lines, Iterable) else list(lines)
    for name in wanted or [lines]:
        if name not in list(known):  # a list, as what is asked for may be no word
            raise ValueError(f"lines: got {name!r}; takes {', '.join(known)}, or all")
    for name in wanted:  # grows while it is read
        wanted += [n for n in (known[name].companion, known[name].within) if n and n not in wanted]
    return tuple(line for line in plane.lines if line.name in wanted)


def _range(plane: Plane, between: Sequence[float] | None, values: np.ndarray | None) -> tuple[float, float]:
    """The ends of the axis."""
    if values is not None:
        if between is not None:
            raise ValueError(f"between: got {between!r} beside values of {plane.x}; takes None")
        return float(values.min()), float(values.max())
    if between is None:
        return plane.between
    got = tuple(between) if isinstance(between, Iterable) and not isinstance(between, str) else between
    positive = plane.x in ("beta", "T") or plane.between[0] > 0
    domain = ", both > 0" if positive else ", both >= 0" if plane.x == "alpha" else ""
    try:
        ends = np.asarray(got, dtype=float)
    except (TypeError, ValueError):
        ends = np.empty(0)
    fits = ends.shape == (2,) and np.isfinite(ends).all() and ends[0] < ends[1]
    if not fits or (domain and ends[0] < 0) or (positive and ends[0] == 0):
        raise ValueError(f"between: got {got!r}; takes two finite numbers, low < high{domain}")
    low, high = plane.limits
    if ends[0] < low or ends[1] > high:
        within = f"from {low:g} to {high:g}" if math.isfinite(high) else f">= {low:g}"
        raise ValueError(f"between: got {got!r}; takes numbers {within}: beyond, no capacity is found in double precision")
    return float(ends[0]), float(ends[1])


@dataclass
class _Work:
    """The lines of a plane, traced one after the other."""

    plane: Plane
    chosen: tuple[Line, ...]
    values: np.ndarray | None
    between: tuple[float, float]
    tolerance: float
    most: int
    usual: bool
    traces: dict[str, Tracing]

    @property
    def width(self) -> float:
        """How well ends and kinks are known: to the tolerance, or to the spacing of given abscissae."""
        if self.values is None:
            return self.tolerance * (self.between[1] - self.between[0])
        steps = np.diff(np.unique(self.values))
        return float(steps[np.isfinite(steps)].max(initial=0.0))

    def run(self, bar: Any) -> None:
        """Every line; what it rests on comes before it."""
        for line in self.chosen:
            self._one(line, bar)

    def _one(self, line: Line, bar: Any) -> None:
        bar.set_description_str(f"phase diagram: {line.name}")
        traced = self.values is None
        trace = Tracing(
            line.name,
            line.label,
            line.kind,
            line.ask,
            0.0 if line.exact else self.tolerance,
            self.width * (self.tolerance if line.places else 1.0),  # a fold in x is a square root in y
            self.most,
            log=self.plane.y == "alpha",
            joined=traced,
            companion=self._companion(line) if traced else None,
            progress=bar.update,
        )
        self.traces[line.name] = trace
        if self.values is not None:
            trace.add(v for v in self.values if not self.usual or line.usual(float(v)))
        else:
            for first in self._starts(line):
                trace.run(first)

    def _companion(self, line: Line) -> Boundary | None:
        """The line to interpolate beside, unless it has gaps or kinks of its own."""
        if not line.companion:
            return None
        other = self.traces[line.companion].boundary()
        here = other.status == HERE
        whole = LOST not in other.status and (line.within or len(set(other.ansatz[here])) == 1)
        return other if whole else None

    def _starts(self, line: Line) -> Iterable[np.ndarray]:
        """First samples, in one or more stretches of the axis."""
        low, high = self.between
        if line.places:
            begins, stops = max(low, line.places[0]), min(high, line.places[-1])
            if not begins < stops:  # it lies outside: the ends of the range say so
                return [np.array([low, high])]
            ends = [begins, *(p for p in line.places if begins < p < stops), stops]
            return [np.unique(np.concatenate([np.linspace(a, b, line.first) for a, b in pairwise(ends)]))]
        if not line.within:
            return [np.linspace(low, high, line.first)]
        other = self.traces[line.within].boundary()
        broken = [p for p in other.pieces() if other.status[p][0] == HERE and other.ansatz[p][0] != "rs"]
        return [np.linspace(other.x[p][0], other.x[p][-1], line.first) if p.stop - p.start > 1 else other.x[p] for p in broken]


def _assembled(model: Model, plane: Plane, work: _Work, complete: bool = True) -> PhaseDiagram:
    """The diagram of what was traced."""
    found: dict[str, Boundary] = {n: t.boundary() for n, t in work.traces.items() if t.samples}
    within = {line.name: found.get(line.within) for line in work.chosen}
    grid = work.values
    if grid is None:
        grid = np.unique(np.concatenate([b.x for b in found.values()])) if found else np.empty(0)
    columns: dict[str, Any] = {}
    errors: dict[str, Any] = {}
    status, message = np.full(grid.size, HERE, dtype=object), np.full(grid.size, "", dtype=object)
    for name, b in found.items():
        columns[name], errors[name] = _column(b, grid)
        whole = within[name]
        if whole is not None:  # where that line is symmetric, this one is the same
            same = np.isnan(columns[name]) & (whole.about(grid)[2] == "rs")
            columns[name][same], errors[name][same] = columns[whole.name][same], errors[whole.name][same]
        known, physical, _ = b.about(grid)
        if name == "at_line":
            columns["at_physical"] = np.array([bool(p) if np.isfinite(v) else None for p, v in zip(physical, columns[name])], dtype=object)
        for i in np.flatnonzero(known == LOST):
            reason = b.said(grid[i]) or "lost"
            status[i], message[i] = LOST, "; ".join(filter(None, (message[i], f"{name}: {reason}")))
    nowhere = ~np.any([np.isfinite(c) for n, c in columns.items() if n in found], axis=0) & (status == HERE) if found else np.empty(0, dtype=bool)
    for i in np.flatnonzero(nowhere):
        kinds = {str(b.about(grid[i])[0][0]): b for b in found.values()}
        status[i] = next((k for k in (INFINITE, NONE, UNASKED) if k in kinds), LOST)
        message[i] = kinds[status[i]].said(grid[i]) if status[i] in kinds else ""
    return PhaseDiagram(
        model=model,
        ansatz=plane.ansatz,
        x=plane.x,
        y=plane.y,
        boundaries=tuple(found.values()),
        thresholds=tuple(_mark(line) for line in plane.thresholds),
        grid=grid,
        columns=columns,
        errors=errors,
        error=errors.get(plane.headline),
        tolerance=work.tolerance if work.values is None else None,
        between=work.between,
        main=plane.headline,
        whole=bool(plane.whole),
        complete=complete,
        rule=plane.rule,
        status=status,
        message=message,
        statement=plane.statement,
    )


def _column(b: Boundary, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line at abscissae, with the error of the solver and, between traced points, that of interpolation."""
    y = b.at(grid)
    if not b.x.size:
        return y, np.full(grid.size, np.nan)
    near = np.clip(np.searchsorted(b.x, grid), 0, b.x.size - 1)
    exact = b.x[near] == grid
    size = np.abs(y) if b.log else np.ones(grid.size)
    around = np.fmax(b.error[near], b.error[np.maximum(near - 1, 0)])
    error = np.where(exact, b.error[near], around + (math.nan if b.tolerance is None else b.tolerance) * size)
    return y, np.where(np.isfinite(y), error, np.nan)


def _mark(line: Line) -> Boundary:
    """A threshold on the axis."""
    (one,) = line.ask(np.zeros(1))
    trace = Tracing(line.name, line.label, line.kind, line.ask, 0.0, 0.0, 1)
    trace.samples[one.y] = dataclasses.replace(one, y=math.nan)
    return trace.boundary()
