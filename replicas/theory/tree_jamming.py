r"""SAT/UNSAT capacity of trees of sign units with spherical weights and broken symmetry: q_k -> 1 with m_i/(1 - q_k) fixed.

One step, w = m/(1-q_1), L = 1 + w (1 - q_0), for any threshold on the number of positive fields and for parity:

.. math:: \alpha_c = \min_{q_0, w} \frac{-\frac12[\log L + w q_0/L]}{E_t \log I(\sqrt{q_0} t; 1 - q_0, w)},
    \qquad I(\omega; c, w) = E_{h \sim N(\omega, c)} e^{-w E(h)/2}

(E the cheapest squared change of fields, see `replicas.numerics.order_statistics`). At w -> 0 or q_0 -> 1 the ratio is the
replica-symmetric 1/E[E(h)], h ~ N(0, 1). A parity has a stationary point at q_0 = 0, where t drops out:
the minimum of three units and more, while that of two lies at q_0 > 0.

The outer average is a trapezoid sum on the lattice points of a ball. The minimum is found on coarse lattices and followed to
finer ones by Newton steps on the exact gradient of log alpha in y = (log q_0/(1-q_0), log w); what the order parameters
miss enters the value squared, so that only the value needs the finest lattice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import gammaln
from scipy.stats import chi2

from ..models import Tree
from ..numerics.order_statistics import Machine, averages, log_table, machine
from ..results import Estimate

POLE = 0.8  # distance of the nearest singularity of log I, in sqrt(1 - q_0 + 1/w)
EASY = 2.0  # digits that the smallness of its residue saves
BEYOND = 2.5  # digits more that the Gaussian outside the ball must have: log I grows as its radius squared
ROUGH = 4.0  # digits of the descent: its lattice has 13 nodes
SADDLE = 3.0  # digits less that the order parameters take: the value is of second order in what they miss
LEAST_DIGITS, MOST_DIGITS = 5.0, 12.0
AFFORDED = 2e6  # lattice points of the default accuracy: a second
MOST_POINTS = 1e8  # minutes
MOST_UNITS = 9  # half a minute
STARTS = ((0.64, 3.7), (0.4, 10.0), (0.85, 1.2))  # q_0, w/K^GROWTH
GROWTH = 1.6
NEWTON = 6  # steps on one lattice
DENSER = 1.3  # nodes of the rule over the last flipped field in one of the comparisons
DIFFERENCE = 1e-4  # step of the Hessian
ACCEPTED = 1e-7  # undamped residual of the gradient of log alpha
WORTH = 1e-9  # relative gain over replica symmetry from which a saddle counts
FLAT = 1e-4  # smallest w, 1 - q_0 of a saddle off the symmetric lines
FORBIDDEN = 1e3  # log alpha where a descent must not go
ROUNDING = 2e-14
CHECKED, ABOVE_ZERO = 4, (0.4, 0.7)  # units of a parity for which q_0 > 0 is tried, and from where
LOWER = 1e-5  # relative gain of q_0 > 0 that counts: more than the lattice's error there
SOFTEST = 1e-14  # w at which -2 log I/w is E[E(h)] to rounding
STIFFEST = 1e5  # w/K up to which the minimum of a parity is sought


@dataclass(frozen=True)
class Saddle:
    """A capacity. ansatz : "rs", "1rsb", "2rsb"; order_parameters : q0, r = m/(1-q_1) (q0, q1, r1, r2 for two steps)."""

    ansatz: str
    value: float
    error: float
    order_parameters: dict[str, float]
    errors: dict[str, float]
    residual: float
    message: str = ""


@dataclass(frozen=True)
class Lattice:
    """Multiples of ``step`` within a ball: nodes of one axis, weights, and the least weight of a point inside."""

    t: np.ndarray
    weight: np.ndarray
    least: float


@dataclass(frozen=True)
class Point:
    """alpha and the gradient of log alpha in y."""

    value: float
    gradient: np.ndarray = field(default_factory=lambda: np.empty(0))


def spacing(digits: float, q0: float, w: float) -> float:
    """Step of a trapezoid sum of N(t) log I(sqrt(q0) t; 1 - q0, w): aliases of the product of the two spectra."""
    pole = POLE * math.sqrt((1 - q0 + 1 / w) / q0)
    folds = (digits - EASY) * math.log(10)
    wide = math.sqrt(2 * digits * math.log(10) / (1 - q0))  # what the two Gaussians take, of a function with kinks
    return 2 * math.pi / max(wide, (folds + 0.5 * pole * pole) / pole if math.sqrt(2 * folds) > pole else wide)


def lattice(K: int, digits: float, q0: float, w: float) -> Lattice:
    step = spacing(digits, q0, w)
    square = float(chi2.isf(10 ** -(digits + BEYOND), K))
    most = int(math.sqrt(square) / step)
    t = step * np.arange(-most, most + 1)
    scale = step / math.sqrt(2 * math.pi)
    return Lattice(t, scale * np.exp(-0.5 * t * t), math.exp(-0.5 * square) * scale**K)


def points(K: int, digits: float, q0: float, w: float) -> float:
    """About how many multisets the lattice has inside the ball."""
    radius = math.sqrt(float(chi2.isf(10 ** -(digits + BEYOND), K))) / spacing(digits, q0, w)
    ball = 0.5 * K * math.log(math.pi) - gammaln(0.5 * K + 1) - gammaln(K + 1)
    return float(np.exp(ball + K * np.log(radius + 0.4 * K)))  # those with equal members count as a wider ball


def _accuracy(K: int, digits: float | None, q0: float, w: float) -> float:
    """Digits asked for, or those that are affordable."""
    if digits is None:
        for digits in np.arange(MOST_DIGITS, LEAST_DIGITS - 0.5, -0.5):
            if points(K, digits, q0, w) < AFFORDED:
                return float(digits)
        digits = LEAST_DIGITS
    if points(K, digits, q0, w) > MOST_POINTS:
        raise ArithmeticError(
            f"{digits:g} digits for K={K} take {points(K, digits, q0, w):.0e} lattice points; up to {MOST_POINTS:.0e} are "
            f"feasible: fewer digits (at least {LEAST_DIGITS:g}), or the limit of many units"
        )
    return float(digits)


def at(kind: Machine, q0: float, w: float, digits: float, gradient: bool = True, quality: float = 1.0) -> Point:
    """The ratio at any order parameters 0 < q0 < 1, w > 0."""
    c = 1 - q0
    L = 1 + w * c
    grid = lattice(kind.K, digits, q0, w)
    omega = math.sqrt(q0) * grid.t
    shift = omega / (2 * q0) if gradient else None
    mean = averages(kind, omega, grid.weight, c, w, shift, -1.0, grid.least, quality)
    top = 0.5 * (math.log1p(w * c) + w * q0 / L)
    if not gradient:
        return Point(-top / mean.value)
    by_q = 0.5 * w * w * q0 / L**2 / top - mean.along / mean.value
    by_w = 0.5 * (c / L + q0 / L**2) / top - mean.by_w / mean.value
    return Point(-top / mean.value, np.array([q0 * c * by_q, w * by_w]))


def _unpack(y: np.ndarray) -> tuple[float, float]:
    return 1 / (1 + math.exp(-y[0])), math.exp(y[1])


def symmetric(kind: Machine) -> float:
    """1/E[E(h)], the replica-symmetric capacity."""
    log_I = float(log_table(kind, np.zeros(1), 1.0, SOFTEST)[0, 0])
    return SOFTEST / (-2 * log_I)


def _descend(kind: Machine, digits: float, starts: tuple[tuple[float, float], ...]) -> np.ndarray | None:
    """The lowest point reached from the starts, in y."""

    def value(y: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            point = at(kind, *_unpack(y), digits)
        except (ArithmeticError, ValueError):
            return FORBIDDEN, np.zeros(2)
        return math.log(point.value), point.gradient

    best: tuple[float, np.ndarray] | None = None
    for q0, w in starts:
        start = np.array([math.log(q0 / (1 - q0)), math.log(w)])
        found = minimize(value, start, jac=True, method="BFGS", options={"maxiter": 40, "gtol": 1e-3})
        if best is not None and abs(found.fun - best[0]) < WORTH**0.5:
            break
        if best is None or found.fun < best[0]:
            best = float(found.fun), np.asarray(found.x)
    return None if best is None else best[1]


def one_step(accepted: tuple[bool, ...], digits: float | None = None) -> Saddle:
    """One-step capacity of the tree that accepts c positive fields where accepted[c]; digits of the value, or what is affordable."""
    kind = machine(accepted)
    rs = symmetric(kind)
    if not kind.parity and kind.rows == kind.K:
        return _symmetric(
            rs, "all fields must be positive, a convex set: replica symmetry is exact, the infimum is at r -> 0"
        )
    if kind.parity:
        return _parity_or_below(kind, rs, digits)
    starts = tuple((q0, w * kind.K**GROWTH) for q0, w in STARTS)
    _accuracy(kind.K, digits, *starts[0])
    y = _descend(kind, ROUGH, starts)
    if y is None or at(kind, *_unpack(y), ROUGH, False).value > rs * (1 - WORTH):
        return _symmetric(rs, "breaking the symmetry does not lower it: the infimum is at r -> 0")
    q0, w = _unpack(y)
    if w < FLAT or 1 - q0 < FLAT:
        raise ArithmeticError("the minimum runs off to the symmetric line without reaching the symmetric value")
    return _polished(kind, y, _accuracy(kind.K, digits, q0, w))


def hessian(kind: Machine, y: np.ndarray, digits: float) -> np.ndarray:
    """Of log alpha in y, by differences of its exact gradient."""
    up, down = (
        np.array([at(kind, *_unpack(y + s * d), digits).gradient for d in np.eye(2)]) for s in (DIFFERENCE, -DIFFERENCE)
    )
    H = (up - down) / (2 * DIFFERENCE)
    return np.asarray(0.5 * (H + H.T))


def _newton(kind: Machine, y: np.ndarray, inverse: np.ndarray, digits: float) -> tuple[np.ndarray, float, np.ndarray]:
    """Order parameters on one lattice, the undamped residual of the gradient there, and the last step."""
    for _ in range(NEWTON):
        gradient = at(kind, *_unpack(y), digits).gradient
        step, residual = inverse @ gradient, float(np.abs(gradient).max())
        if residual < ACCEPTED:
            return y, residual, step
        y = y - step
    raise ArithmeticError(f"the gradient of log alpha stays at {residual:.1e} on a lattice of {digits:g} digits")


def _polished(kind: Machine, y: np.ndarray, digits: float) -> Saddle:
    """Newton steps on finer and finer lattices, and what the last refinements change."""
    finest = max(ROUGH + 1, digits - SADDLE)
    H = hessian(kind, y, ROUGH)
    if np.linalg.eigvalsh(H).min() <= 0:
        raise ArithmeticError("the point reached is no minimum")
    inverse = np.linalg.inv(H)
    before, _, _ = _newton(kind, y, inverse, finest - 1)
    y, residual, step = _newton(kind, before, inverse, finest)
    moved = np.abs(y - before) + np.abs(step) + np.abs(inverse).sum(axis=1) * ROUNDING
    q0, w = _unpack(y)
    value = at(kind, q0, w, digits, False).value
    coarser = [at(kind, q0, w, digits - d, False, quality).value for d, quality in ((0.5, 1.0), (1.0, DENSER))]
    # the error falls by more than 10 from half a digit to the next; two differences, lest one vanish by accident
    drift = max(abs(value - coarser[0]), 0.05 * abs(value - coarser[1]))
    error = drift + value * (0.5 * moved @ np.abs(H) @ moved + ROUNDING)
    errors = {"q0": float(q0 * (1 - q0) * moved[0]), "r": float(w * moved[1])}
    return Saddle("1rsb", value, float(error), {"q0": q0, "r": w}, errors, residual)


def _symmetric(value: float, message: str) -> Saddle:
    return Saddle("rs", value, ROUNDING * value, {"q0": 1.0}, {"q0": 0.0}, 0.0, message)


def _parity_or_below(kind: Machine, rs: float, digits: float | None) -> Saddle:
    """The q_0 = 0 minimum, or one of q_0 > 0 that is lower: of two units, whose q_0 = 0 is unstable, and looked for up to CHECKED."""
    zero = _parity(kind, rs)
    if kind.K > CHECKED or zero.ansatz == "rs":
        return zero
    y = _descend(kind, ROUGH, tuple((q0, 1.5 * zero.order_parameters["r"]) for q0 in ABOVE_ZERO))
    if y is None or at(kind, *_unpack(y), ROUGH + 2, False).value > zero.value * (1 - LOWER):
        return zero
    return _polished(kind, y, _accuracy(kind.K, digits, *_unpack(y)))


def _parity(kind: Machine, rs: float) -> Saddle:
    """q_0 = 0: alpha = -log(1 + w)/(2 log I(0; 1, w)), one equation in log w."""

    def ratio(y: float, quality: float = 1.0) -> Point:
        w = math.exp(y)
        log_I, by_w, _ = log_table(kind, np.zeros(1), 1.0, w, np.zeros(1), 0.0, quality)[:, 0]
        top = 0.5 * math.log1p(w)
        return Point(float(-top / log_I), np.array([w * (0.5 / (1 + w) / top - by_w / log_I)]))

    def slope(y: float, quality: float = 1.0) -> float:
        return float(ratio(y, quality).gradient[0])

    grid = np.log(kind.K) + np.linspace(math.log(FLAT), math.log(STIFFEST), 60)
    values = [ratio(y).value for y in grid]
    i = int(np.argmin(values))
    if not 0 < i < grid.size - 1:
        if i == 0 and values[0] > rs * (1 - WORTH):
            return _symmetric(rs, "breaking the symmetry does not lower it: the infimum is at r -> 0")
        raise ArithmeticError("the minimum over r runs out of range")
    y, finer = (float(brentq(slope, grid[i - 1], grid[i + 1], args=(q,), xtol=1e-14, rtol=1e-14)) for q in (1.0, 1.4))
    value = ratio(y).value
    error = abs(ratio(finer, 1.4).value - value) + ROUNDING * value
    bend = (slope(y + DIFFERENCE) - slope(y - DIFFERENCE)) / (2 * DIFFERENCE)
    d_y = abs(finer - y) + (abs(slope(y)) + ROUNDING) / bend
    return Saddle(
        "1rsb",
        value,
        error,
        {"q0": 0.0, "r": math.exp(y)},
        {"q0": 0.0, "r": math.exp(y) * d_y},
        abs(slope(y)),
        "q0 = 0 by parity",
    )


# --- the answer of `capacity` ---------------------------------------------------------------------------------------------

ONE_STEP = (
    "One step of replica symmetry breaking, q1 -> 1 at fixed m/(1 - q1): an upper bound, lowered by further steps."
)


TWO_STEPS = (
    "Two steps of replica symmetry breaking, q2 -> 1 at fixed m/(1 - q2): an upper bound, lowered by further steps."
)


def estimate(model: Tree, steps: int = 1) -> Estimate:
    """The capacity of spherical weights with one or two steps as a result; the number of units that fit a minute at most."""
    from .tree_jamming_steps import fits, two_step

    name = "1rsb" if steps == 1 else "krsb"
    if model.K > MOST_UNITS:
        raise ValueError(
            f"K: got {model.K} with ansatz {name}, a minimum over averages of K fields; takes up to {MOST_UNITS} (rs takes any K)"
        )
    if steps > 2 or (steps == 2 and not fits(model.accepted)):
        raise ValueError(
            f"k: got {steps} with {model.describe()}; takes 1 (and 2 for the committee of three units, whose tables fit)"
        )
    common: dict[str, Any] = {"model": model, "question": "capacity", "criterion": "q-to-1"}
    common["statement"] = ONE_STEP if steps == 1 else TWO_STEPS
    try:
        found = (one_step if steps == 1 else two_step)(model.accepted)
    except ArithmeticError as reason:
        return Estimate(**common, ansatz=name, status="not-converged", message=str(reason))
    return Estimate(
        **common,
        ansatz=name if found.ansatz == "2rsb" else found.ansatz,
        value=found.value,
        error=found.error,
        errors={"value": found.error, **found.errors},
        order_parameters=found.order_parameters,
        stable=None,
        message=found.message,
    )
