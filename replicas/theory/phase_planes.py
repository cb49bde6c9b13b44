"""Which planes have a phase diagram, and for each its lines, the questions that they are answers to, and the rule of its regions.

`PLANES` is the one table; everything else in it is refused by name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..models import Discrete, Model, Perceptron, Spherical, Tree, TreeCommittee, TreeParity
from ..wide import Wide
from . import phase_regions as regions
from .boundaries import HERE, INFINITE, LOST, NONE, UNASKED, Sample, absent, sample
from .capacity import capacity
from .discontinuous import transitions_at_one
from .local_entropy_threshold import local_entropy_threshold
from .stability import at_line
from .transitions import transitions

POINTS, FEW = 9, 5  # first samples of a line, and of one whose points take seconds
INTERVALS = 8  # of x(q) along a traced line of full breaking: its load to 7e-5 or better
NEAR = 1e-3  # relative distance below the AT load at which other states are looked for
STARTS = (0.95, 0.8, 0.7, 0.6, 0.5)  # of the 1RSB capacity, where states are looked for if the AT load is none or beyond it
# margins between which capacities are found: from -5.2 (1RSB -5.8), and to 10 or more with weights of one size; of windows up to 6 (1RSB) and 30
SPHERE_LIMITS, SPHERE_WINDOWS = (-5.0, math.inf), (0.0, 6.0)
SET_LIMITS, SET_WINDOWS = (-5.0, 10.0), (0.0, 30.0)
MOST_BROKEN = 9  # units up to which one step of breaking is computed

Ask = Callable[[np.ndarray], Iterable[Sample]]


@dataclass(frozen=True)
class Line:
    """A line to trace.

    ask : abscissae -> samples, in order, one by one
    companion : a line known before, whose ratio is smoother;  within : a line known before, traced only where that one has broken symmetry
    first : samples to begin with;  slow : only on demand;  usual : whether a number of units is asked for without demand
    places : ends and kinks known before, in increasing order, between which it is traced;  exact : known between its points, too
    """

    name: str
    label: str
    kind: str
    ask: Ask
    companion: str = ""
    within: str = ""
    first: int = POINTS
    slow: bool = False
    places: tuple[float, ...] = ()
    exact: bool = False
    usual: Callable[[float], bool] = lambda K: True


@dataclass(frozen=True)
class Plane:
    """A plane of a model: its axes, where it is looked at, its lines in the order in which they are traced, and its regions.

    limits : of x, outside which nothing is traced: no capacity is found there in double precision
    """

    x: str
    y: str
    between: tuple[float, float]
    lines: tuple[Line, ...]
    rule: regions.Rule
    headline: str
    whole: tuple[float, ...] = ()  # the numbers of units, where x is one
    ansatz: str = "rs"  # the best that is asked about
    statement: str = ""
    thresholds: tuple[Line, ...] = ()  # on the axis x, each with one sample
    limits: tuple[float, float] = (-math.inf, math.inf)


# --- questions as samples ------------------------------------------------------------------------------------------


def _each(values: np.ndarray, ask: Callable[[float], Sample]) -> Iterator[Sample]:
    for v in values:
        try:
            with np.errstate(all="ignore"):
                yield ask(float(v))
        except ArithmeticError as reason:
            yield absent(LOST, str(reason))


def _stable(found: Any) -> bool:
    return bool(found.stable)


# --- margin and load -----------------------------------------------------------------------------------------------


class Sphere:
    """Spherical weights at a margin, or at a temperature: AT line, and the discontinuous transition that may come before it."""

    def __init__(self, at: Callable[[float], tuple[Perceptron, float]]):
        self.at = at  # abscissa -> model and margin
        self.at_line = cache(self._at_line)
        self.pair = cache(self._pair)

    def _at_line(self, x: float) -> Sample:
        model, kappa = self.at(x)
        with np.errstate(all="ignore"):
            found = at_line(model, kappa=kappa)
        return sample(found, bool(found.physical))

    def _pair(self, x: float) -> tuple[Sample, Sample]:
        model, kappa = self.at(x)
        line = self.at_line(x)
        if line.physical or (line.status == NONE and model.hard and _stable(capacity(model, kappa=kappa))):
            return absent(), absent()
        starts = [line.y, line.y * (1 - NEAR)] if line.status == HERE else []
        if model.hard:
            limit = capacity(model, "1rsb", kappa=kappa)
            if limit.status == HERE:
                starts = [s for s in starts if s < limit.value] + [share * limit.value for share in STARTS]
        for start in starts:
            found = transitions_at_one(model, kappa, start)
            if found is not None:
                return Sample(found[0].alpha, found[0].error, True), Sample(found[1].alpha, found[1].error, True)
        return absent(), absent()

    def lines(self, companion: str) -> tuple[Line, ...]:
        """AT, dynamical and condensation line."""
        common = {"companion": companion, "first": POINTS}
        return (
            Line("at_line", "AT line", "instability", lambda xs: _each(xs, self.at_line), **common),  # type: ignore[arg-type]
            Line("dynamical", "dynamical transition", "transition", lambda xs: _each(xs, lambda x: self.pair(x)[0]), **common),  # type: ignore[arg-type]
            Line("condensation", "condensation", "transition", lambda xs: _each(xs, lambda x: self.pair(x)[1]), **common),  # type: ignore[arg-type]
        )


def _margin_sphere(model: Perceptron, k: int | None, traced: bool) -> Plane:
    base = _hard(model)
    intervals = INTERVALS if traced and k is None else k

    def symmetric(xs: np.ndarray) -> Iterator[Sample]:
        found = capacity(base, kappa=xs)
        return (sample(found[i], _stable(found[i])) for i in range(xs.size))

    def broken(ansatz: str) -> Ask:
        def one(kappa: float) -> Sample:
            found = capacity(base, ansatz, kappa=kappa, k=intervals if ansatz == "frsb" else None)
            return sample(found, ansatz == "frsb" and found.ansatz != "rs", str(found.ansatz))

        return lambda xs: _each(xs, one)

    lines = (
        Line("capacity_rs", "capacity, RS", "capacity", symmetric),
        *Sphere(lambda kappa: (base, kappa)).lines("capacity_rs"),
        Line("capacity_1rsb", "capacity, 1RSB", "bound", broken("1rsb"), companion="capacity_rs"),
        Line("capacity_frsb", "capacity, full RSB", "capacity", broken("frsb"), companion="capacity_1rsb", within="capacity_1rsb", first=FEW),
    )
    where, limits = ((-3.0, 1.0), SPHERE_LIMITS) if base.likelihood == "threshold" else ((0.05, 2.0), SPHERE_WINDOWS)
    return Plane("kappa", "alpha", where, lines, regions.sphere, "capacity_frsb", ansatz="frsb", limits=limits)


def _margin_set(model: Perceptron, k: int | None, traced: bool) -> Plane:
    base = _hard(model)
    if isinstance(base.weights, Discrete) and base.weights.probabilities is not None:
        raise ValueError("weights: got given probabilities, under which nothing is counted; takes a set of values (rp.Discrete without probabilities)")
    threshold = base.likelihood == "threshold"

    @cache
    def limit(kappa: float) -> Sample:
        found = capacity(base, "1rsb", kappa=kappa)
        return sample(found, True, str(found.ansatz))

    def below(ask: Callable[[float], Sample]) -> Ask:
        """Nothing is asked where every load is stored."""
        return lambda xs: _each(xs, lambda kappa: absent() if limit(kappa).status == INFINITE else ask(kappa))

    def naive(kappa: float) -> Sample:
        return sample(capacity(base, criterion="q-to-1", kappa=kappa), False)

    def unstable(kappa: float) -> Sample:
        found = at_line(base, kappa=kappa)
        return sample(found, bool(found.physical))

    def dense(kappa: float) -> Sample:
        return sample(local_entropy_threshold(dataclasses.replace(base, kappa=kappa)), True)

    lines = [
        Line("capacity", "capacity (zero entropy)", "capacity", lambda xs: _each(xs, limit)),
        Line("at_line", "AT line", "instability", below(unstable), companion="capacity"),
    ]
    if threshold:
        lines.append(Line("q_to_1", r"naive limit q → 1", "bound", below(naive), companion="capacity"))
    if threshold and base.weights.name == "binary":
        lines.append(
            Line("alpha_u", "dense clusters reach d → 0", "transition", lambda xs: _each(xs, dense), companion="capacity", first=FEW, slow=True)
        )
    where, limits = ((-1.0, 1.0), SET_LIMITS) if threshold else ((0.05, 2.0), SET_WINDOWS)
    return Plane("kappa", "alpha", where, tuple(lines), regions.finite_set, "capacity", limits=limits)


def _hard(model: Perceptron) -> Perceptron:
    """The model at one margin, which the question replaces."""
    window = model.likelihood == "window"
    return Perceptron(model.weights, 1.0 if window else 0.0, model.likelihood)


# --- temperature and load ------------------------------------------------------------------------------------------


def _thermal(x: str, model: Perceptron) -> Plane:
    """Error counting against beta, T = 1/beta or, at the model's beta, the margin."""
    name, fixed = ("beta", model.beta) if x == "kappa" else ("kappa", model.kappa)
    if isinstance(fixed, tuple):
        raise ValueError(f"{name}: got a sweep; takes one value beside {x}")

    def at(v: float) -> tuple[Perceptron, float]:
        margin, beta = (v, fixed) if x == "kappa" else (fixed, 1 / v if x == "T" else v)
        return Perceptron(model.weights, margin, model.likelihood, beta), float(margin)  # type: ignore[arg-type]

    where = {"beta": (1.0, 20.0), "T": (0.05, 1.0), "kappa": (-1.0, 1.0) if model.likelihood == "threshold" else (0.05, 2.0)}[x]
    if isinstance(model.weights, Spherical):
        return Plane(x, "alpha", where, Sphere(at).lines(""), regions.thermal, "at_line")
    if model.weights.probabilities is not None:
        raise ValueError("weights: got given probabilities, under which nothing is counted; takes a set of values (rp.Discrete without probabilities)")

    def freezing(v: float) -> Sample:
        found = capacity(at(v)[0])
        return sample(found, _stable(found))

    def unstable(v: float) -> Sample:
        found = at_line(at(v)[0])
        return sample(found, bool(found.physical))

    lines = (
        Line("freezing", "freezing (zero entropy)", "transition", lambda xs: _each(xs, freezing)),
        Line("at_line", "AT line", "instability", lambda xs: _each(xs, unstable)),
    )
    return Plane(x, "alpha", where, lines, regions.thermal, "freezing")


# --- machines of several units -------------------------------------------------------------------------------------


def machine(model: Any) -> Callable[[float], Model]:
    """The machine of K units like a given one."""
    kind = TreeParity if isinstance(model, TreeParity) else TreeCommittee
    return lambda K: kind(int(K) if math.isfinite(K) and K == int(K) else K, model.weights, "sign", model.task)


def _refusable(ask: Callable[[float], Sample]) -> Ask:
    """A question that machines of too many units are not asked."""

    def one(K: float) -> Sample:
        try:
            return ask(K)
        except ValueError as refusal:
            if str(refusal).startswith("K: "):
                return absent(UNASKED, str(refusal))
            raise

    return lambda xs: _each(xs, one)


def _units_storage(model: Tree | Wide, k: int | None, traced: bool) -> Plane:
    make, parity = machine(model), isinstance(model, TreeParity)

    def symmetric(K: float) -> Sample:
        found = capacity(make(K))
        return sample(found, _stable(found))

    def broken(K: float) -> Sample:
        if math.isfinite(K) and K > MOST_BROKEN:
            return absent(UNASKED, f"one step of breaking takes up to {MOST_BROKEN} units")
        found = capacity(make(K), "1rsb")
        return sample(found, found.ansatz != "rs", str(found.ansatz))

    def unstable(K: float) -> Sample:
        found = at_line(make(K))
        return sample(found, bool(found.physical))

    cheap: Callable[[float], bool] = (lambda K: True) if parity else (lambda K: K <= 3 or math.isinf(K))  # seconds; K = 5 takes a minute
    lines: tuple[Line, ...]
    whole: tuple[float, ...]
    if isinstance(model.weights, Spherical):
        lines = (
            Line("capacity_rs", "capacity, RS", "bound", _refusable(symmetric)),
            Line("at_line", "AT line", "instability", _refusable(unstable), usual=cheap),
            Line("capacity_1rsb", "capacity, 1RSB", "capacity", _refusable(broken)),
        )
        whole = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0) if parity else (1.0, 3.0, 5.0, 7.0, 9.0, math.inf)
        said = "The 1RSB capacity is an upper bound, lowered by further steps."
        return Plane("K", "alpha", (1.0, 9.0), lines, regions.sphere_units, "capacity_1rsb", whole, "1rsb", said)
    lines = (
        Line("capacity", "capacity (zero entropy)", "capacity", _refusable(lambda K: dataclasses.replace(symmetric(K), physical=True))),
        Line("at_line", "AT line", "instability", _refusable(unstable), usual=cheap),
    )
    whole = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0) if parity else (1.0, 3.0, 5.0, math.inf)
    return Plane("K", "alpha", (1.0, 9.0), lines, regions.finite_set, "capacity", whole)


ONSET = "fold of the R > 0 branch"  # the criterion of a spinodal that begins, rather than ends, a metastable branch


def _units_teacher(model: Tree | Wide, k: int | None, traced: bool) -> Plane:
    make, parity = machine(model), isinstance(model, TreeParity)
    discrete = isinstance(model.weights, Discrete)
    ask = cache(lambda K: transitions(make(K)))

    def line(name: str) -> Ask:
        def one(K: float) -> Sample:
            found = ask(K)
            if found.status == LOST:
                return absent(LOST, found.message)
            if name == "alpha_it":
                return absent(NONE, found.message) if found.alpha_it is None else sample(found.alpha_it, True)
            begins = found.spinodal is not None and found.spinodal.criterion == ONSET
            if found.spinodal is None or begins != (name == "onset"):
                return absent(NONE, found.message)
            return sample(found.spinodal, name == "spinodal")

        return _refusable(one)

    lines = (
        Line("alpha_it", r"information-theoretic threshold", "capacity", line("alpha_it")),
        Line("spinodal", "spinodal: no metastable student above", "spinodal", line("spinodal")),
        *([Line("onset", "a student with R > 0 appears", "spinodal", line("onset"))] if parity and not discrete else []),
    )
    whole: tuple[float, ...] = (1.0, 2.0, 3.0)[not discrete :] if parity else (1.0, 3.0, math.inf)  # K = 5 takes a minute
    return Plane("K", "alpha", (1.0, 9.0), lines, regions.teacher, "alpha_it", whole)


# --- the table -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """Planes of a kind of model: ``x`` and ``y`` of each, and what makes them."""

    words: str
    holds: Callable[[Model], bool]
    planes: dict[tuple[str, str], Callable[[Any, int | None, bool], Plane]]


def _perceptron(model: Model) -> bool:
    return isinstance(model, Perceptron) and not model.teacher and isinstance(model.likelihood, str)


def _spherical(model: Model) -> bool:
    return isinstance(getattr(model, "weights", None), Spherical)


def _tree(model: Model) -> bool:
    wide = isinstance(model, Wide) and model.architecture == "tree" and model.activation.name == "sign"
    return isinstance(model, Tree) or wide


def _margin(model: Perceptron, k: int | None, traced: bool) -> Plane:
    if model.beta is not None:
        return _thermal("kappa", model)
    return (_margin_sphere if _spherical(model) else _margin_set)(model, k, traced)


def _learning(model: Perceptron, k: int | None, traced: bool) -> Plane:
    from .phase_learning import plane

    return plane(model)


PLANES = (
    Entry(
        "a perceptron that stores patterns, threshold or window",
        _perceptron,
        {
            ("kappa", "alpha"): _margin,
            ("T", "alpha"): lambda model, k, traced: _thermal("T", model),
            ("beta", "alpha"): lambda model, k, traced: _thermal("beta", model),
        },
    ),
    Entry(
        "a perceptron with a finite set of weights that learns from a teacher",
        lambda model: isinstance(model, Perceptron) and model.teacher and not _spherical(model),
        {("alpha", "R"): _learning},
    ),
    Entry("a tree machine of sign units that stores patterns", lambda model: _tree(model) and not model.teacher, {("K", "alpha"): _units_storage}),
    Entry("a tree machine of sign units that learns from a teacher", lambda model: _tree(model) and model.teacher, {("K", "alpha"): _units_teacher}),
)
"""Every model with a phase diagram and its planes, the usual one first."""
