r"""Local entropy of spherical weights: y replicas of one mutual overlap q_1 = 1 - V, with no reference but their centre.

.. math:: \frac{\phi}{y} = \frac12 \left[\log V + \frac1y \log\frac LV + \frac{q_0}{L}\right] + \frac{\alpha}{y} E \log E_z H^y,
    \qquad L = V + y (q_1 - q_0),

extremised over q_0: the 1RSB free entropy at Parisi parameter y and an overlap q_1 that is given. The local entropy is S_I = d phi/dy, the external one
S_E = phi - y S_I; both are of volumes, so that neither sign of S_E excludes anything. At y = 1 q_0 is the replica-symmetric overlap, and at q_1 = q_RS
all replicas are typical: q_0 = q_1, S_I = S_RS, S_E = 0.

At y = inf, q_1 - q_0 = dq/y and L = V + dq; with M(omega) = max_w { f(w, V) - (w - omega)^2/(2 dq) } and f the leaf of the patterns,

.. math:: S_I = \frac12 \left[\log V + \frac{q_1}L\right] + \alpha E M(\sqrt{q_1} t), \qquad
    S_E = \frac12 \left[\log \frac LV - \frac{dq}L\right] - \frac\alpha2 E\left[dq\, M'' + \log(1 - dq\, f'')\right].
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..local_results import LocalEntropy
from ..models import Perceptron, Spherical
from ..numerics.kernels import RANGE, gaussian_rule
from ..numerics.leaf_tables import pattern_table
from ..numerics.local_reference import SMOOTH, envelope
from ..numerics.parisi import TooNarrow, tower
from ..numerics.rsb import sphere_entropy
from ..numerics.saddle import Batch, has_zero_overlap, make_batch, numbers
from .branches import thermodynamic

FINEST = 150.0  # refinement of the lattices that a power y may need: |e^{y f}| grows off the real axis with y and with y (q_1 - q_0)/(1 - q_1)
FINER = 1.25  # refinement of the lattices whose effect is the error
MARGIN = 2.0  # finer lattices have an error, too
ROUNDING = 4e-15  # of the sum of the magnitudes of the terms
FIRST, STEP, MOST = -1.0, 1.0, 60  # log(y (q_1 - q_0)/(1 - q_1)) from which a root is looked for, in steps
TYPICAL = 1e-12  # relative distance from the replica-symmetric overlap at which the replicas are typical
STEEP = 0.7  # change of log((q_1 - q_0)/(1 - q_1)) between neighbours of a curve above which it is refined
HALVINGS = 7  # of a stretch of overlaps before its change counts as a jump
NODES = 16384  # room for an outer rule
NO_FIELD = math.inf  # log((q_1 - q_0)/(1 - q_1)) that stands for q_0 = 0
SEED = 1e-6  # q_0/q_1, small enough to be linear and large beside rounding
ACCEPTED = 1e-8  # change of the local entropy under finer lattices
NAMES = ("local_entropy", "external_entropy", "q0", "residual")


@dataclass(frozen=True)
class Here:
    """Values at one q_1 - q_0 (y = inf: times y)."""

    local: float
    external: float
    q0: float
    residual: float
    size: float


@dataclass(frozen=True)
class Point:
    """One answer with errors; ``gap`` is log((q_1 - q_0)/(1 - q_1)), y = inf: with dq, nan where there is none."""

    status: str = "converged"
    message: str = ""
    numbers: tuple[float, ...] = (math.nan,) * 4
    errors: tuple[float, ...] = (math.nan,) * 4
    gap: float = math.nan
    stable: bool | None = None


def spherical_local_entropy(model: Perceptron, alpha: Any, overlap: Any, y: Any, *, kappa: Any = None) -> LocalEntropy:
    """Local entropy of the solutions of a spherical perceptron around the centre of y of them.

    Parameters
    ----------
    model : spherical weights, hard constraints (threshold of any sign, window), storage.
    alpha : load(s) >= 0.
    overlap : mutual overlap(s) of the replicas, from the replica-symmetric one up, below 1.
    y : number(s) of replicas, > 0, or inf (threshold only). Arrays broadcast, also against the model's kappa.
    kappa : overrides the model's own.

    Returns
    -------
    LocalEntropy : overlap, local_entropy, external_entropy and q0 with errors; at overlaps below the typical one the status is
        no-solution. ``jump`` marks points between which, and a neighbour in overlap, q0 jumps.

    Raises
    ------
    ValueError : naming the argument; y "star", for the entropy of continuous weights has no zero that selects y.
    """
    check_supported(model)
    counts, overlaps = _check_y(y), _check_overlap(overlap)
    batch = make_batch(model, alpha, kappa)
    try:
        shape = np.broadcast_shapes(batch.shape, overlaps.shape, counts.shape)
    except ValueError:
        raise ValueError(
            f"alpha, overlap, y: got shapes {batch.shape}, {overlaps.shape}, {counts.shape}; takes arrays that broadcast"
        ) from None
    index = np.broadcast_to(np.arange(batch.size).reshape(batch.shape), shape).ravel()
    flat, many = (np.broadcast_to(v, shape).ravel() for v in (overlaps, counts))
    points: list[Point] = [Point()] * flat.size
    jumps = np.zeros(flat.size, dtype=bool)
    typical = thermodynamic(batch)
    for i, n in dict.fromkeys(zip(index.tolist(), many.tolist())):
        where = np.flatnonzero((index == i) & (many == n))
        where = where[np.argsort(flat[where], kind="stable")]
        curve = Curve(batch.take(slice(i, i + 1)), n, str(typical.status[i]), str(typical.message[i]), _symmetric(typical, i))
        for k in where:
            points[k] = curve.at(float(flat[k]))
        for a, b in itertools.pairwise(where):
            if curve.jumps(float(flat[a]), float(flat[b])):
                jumps[[a, b]] = True
    return _result(model, batch, index, flat, many, shape, points, jumps)


def check_supported(model: Any) -> None:
    """Spherical weights that satisfy hard constraints of random patterns, or a one-line ValueError."""
    if not isinstance(model, Perceptron) or not isinstance(model.weights, Spherical):
        name = model.weights.name if isinstance(model, Perceptron) else type(model).__name__
        raise ValueError(f"model: got {name}; takes a perceptron of spherical weights (replicas at a mutual overlap)")
    if model.teacher:
        raise ValueError("task: got teacher-student; takes storage for the local entropy of spherical weights")
    if not model.hard:
        raise ValueError("model: got soft constraints; takes hard ones for the local entropy (volumes of solutions)")


def _check_y(y: Any) -> np.ndarray:
    takes = "number(s) > 0, or inf"
    if "star" in np.asarray(y, dtype=object).ravel().tolist():
        raise ValueError(f"y: got 'star' with spherical weights, whose entropy has no zero that selects y; takes {takes}")
    try:
        out = np.asarray([[math.inf if v == "inf" else v] for v in np.asarray(y, dtype=object).ravel()], dtype=object)
        if any(isinstance(v, str) for v in out.ravel()):
            raise ValueError
        out = out.astype(float).reshape(np.shape(y))
    except (TypeError, ValueError):
        raise ValueError(f"y: got {y!r}; takes {takes}") from None
    if out.size == 0 or not np.all(out > 0):
        raise ValueError(f"y: got {y!r}; takes {takes}")
    return out


def _check_overlap(overlap: Any) -> np.ndarray:
    if overlap is None:
        raise ValueError("overlap: got None with spherical weights; takes overlap(s) in [0, 1)")
    out = numbers("overlap", overlap, "overlap(s) in [0, 1)", 0.0)
    if np.any(out >= 1):
        raise ValueError(f"overlap: got {overlap!r}; takes overlap(s) in [0, 1)")
    return out


def _symmetric(columns: Any, i: int) -> tuple[float, float, float, float]:
    """Overlap and entropy of typical solutions with their errors."""
    n, e = columns.number, columns.error
    return float(n["q"][i]), float(e["q"][i]), float(n["entropy"][i]), float(e["entropy"][i])


class Curve:
    """The local entropy of one load and margin at one y against the overlap."""

    def __init__(self, batch: Batch, y: float, status: str, message: str, typical: tuple[float, float, float, float]):
        self.batch, self.y, self.alpha = batch, y, float(batch.alpha[0])
        self.status, self.message, self.typical = status, message, typical
        self.even = has_zero_overlap(batch.model) or self.alpha == 0
        self.known: dict[float, Point] = {}

    def at(self, q1: float) -> Point:
        if q1 not in self.known:
            self.known[q1] = self._at(q1)
        return self.known[q1]

    def jumps(self, a: float, b: float, halvings: int = HALVINGS) -> bool:
        """Whether q_0 jumps between two overlaps: its change does not shrink with their distance."""
        change = abs(self.at(a).gap - self.at(b).gap)
        if not change > STEEP:  # or one of them without an answer
            return False
        middle = 0.5 * (a + b)
        return halvings == 0 or self.jumps(a, middle, halvings - 1) or self.jumps(middle, b, halvings - 1)

    def _at(self, q1: float) -> Point:
        if self.status != "converged":
            return Point(self.status, self.message)
        q, d_q, S, d_S = self.typical
        if abs(q1 - q) <= max(TYPICAL, 2 * d_q):
            return Point("converged", "the typical overlap", (S, 0.0, q, 0.0), (d_S, 0.0, d_q, 0.0))
        if q1 < q:
            text = f"the overlap is below that of typical solutions, {q:.10g}: replicas share at least that much"
            return Point("no-solution", text)
        if math.isinf(self.y) and (self.even or self.batch.model.likelihood != "threshold"):
            return Point("unsupported", "y = inf takes patterns (alpha > 0) and the threshold likelihood")
        if self.even:
            stable = self._no_field(q1)
            if stable is None:
                return Point("not-converged", "the lattices for this overlap and y are too large")
            if stable:
                return replace(self._answer(q1, NO_FIELD, NO_FIELD, self.finite), stable=True)
        value = self.infinite if math.isinf(self.y) else self.finite
        return self._solved(q1, value)

    def _no_field(self, q1: float) -> bool | None:
        """Whether q_0 = 0 is stable: a small q_0 shrinks. None where the lattices cannot tell."""
        if self.alpha == 0:
            return True
        try:
            return self.finite(q1, math.log(q1 / (SEED * (1 - q1))), 0.0).residual < 0
        except ArithmeticError:
            return None

    def _solved(self, q1: float, value: Callable[[float, float, float], Here]) -> Point:
        """The extremum over q_0."""
        near = self._bracketed(lambda x: value(q1, x, 0.0).residual)
        if near is None:
            return Point("not-converged", "no extremum over q0 was found: the overlap is too close to 1, or y too large, for the lattices")
        pair = []
        for quality in (1.0, FINER):
            x = _polished(lambda x, quality=quality: value(q1, x, quality).residual, near)  # type: ignore[misc]
            if x is None:
                return Point("not-converged", "the lattices for this overlap and y are too large")
            pair.append(x)
        return self._answer(q1, pair[0], pair[1], value)

    def _answer(self, q1: float, x: float, finer: float, value: Callable[[float, float, float], Here]) -> Point:
        """Numbers at a root x, errors from the root on finer lattices."""
        try:
            here, there = value(q1, x, 1.0), value(q1, finer, FINER)
        except ArithmeticError as error:
            return Point("not-converged", str(error))
        noise = ROUNDING * here.size
        changes = [abs(getattr(here, name) - getattr(there, name)) for name in ("local", "external", "q0")]
        errors = [MARGIN * c + n for c, n in zip(changes, (noise, noise * max(1.0, self.y if math.isfinite(self.y) else 1.0), ROUNDING))]
        numbers = (here.local, here.external, here.q0, abs(here.residual))
        if changes[0] > ACCEPTED * max(1.0, here.size):
            return Point("not-converged", "finer lattices change the entropy", numbers, (*errors, 0.0), x)
        return Point("converged", "", numbers, (*errors, 0.0), x)

    def _bracketed(self, residual: Callable[[float], float]) -> float | None:
        """Where the residual, negative as q_0 -> q_1 and at last positive, changes sign, from q_1 - q_0 of order (1 - q_1)/y up or down."""
        from scipy.optimize import brentq

        x = FIRST - (math.log(max(self.y, 1.0)) if math.isfinite(self.y) else 0.0)
        try:
            here = residual(x)
            up = here < 0
            for _ in range(MOST):
                new = x + STEP if up else x - STEP
                there = residual(new)
                if (here < 0) != (there < 0):
                    return float(brentq(residual, *sorted((x, new)), xtol=1e-6))
                x, here = new, there
        except ArithmeticError:
            pass
        return None

    def finite(self, q1: float, x: float, quality: float) -> Here:
        """The functional at log((q_1 - q_0)/(1 - q_1)) = x, as a share of q_1 that is never above it; `NO_FIELD`: at q_0 = 0."""
        V, y = 1 - q1, self.y
        gap, q0 = (q1, 0.0) if x == NO_FIELD else _parts(q1, x, V)
        m = np.array([0.0, y])
        entropy, q_hat, _, by_m = sphere_entropy(np.array([q0, gap]), m, V)
        value = entropy + 0.5 * math.log(V)
        rate, size, residual = float(by_m[1]), abs(value), 0.0
        if self.alpha:
            fine = min(math.sqrt(1 + y), math.sqrt(1 + y * gap / V)) * quality if quality else 1.0
            if fine > FINEST:
                raise TooNarrow("lattices for that many replicas at this overlap are too large")
            T = tower(pattern_table(self.batch, V), np.array([q0, gap]), m, fine)
            value += self.alpha * T.value
            rate += self.alpha * float(T.slope[1])
            size += self.alpha * T.magnitude
            if q0 > 0:
                residual = math.log(self.alpha * float(T.square[0]) / float(q_hat[0]))
        return Here(value + y * rate, -y * y * rate, q0, residual, size)

    def infinite(self, q1: float, x: float, quality: float) -> Here:
        """The functional at log(dq/(1 - q_1)) = x."""
        V = 1 - q1
        dq, root = V * math.exp(x), math.sqrt(q1)
        L = V + dq
        leaf = pattern_table(self.batch, V)
        edges = [e / root for e in (*self.batch.low[0], *self.batch.high[0]) if abs(e) < RANGE * root]
        z, weight = np.empty(NODES), np.empty(NODES)
        near = min(leaf.pole / root, SMOOTH)
        n = gaussian_rule(near, np.array(sorted({*edges, 0.0})), 1.0 if quality <= 1 else 2.0, False, z, weight)
        E = envelope(leaf, root * z[:n], dq)
        weight = weight[:n]
        stiff = 1 - dq * E.second
        unsolved = np.max(np.abs(E.at - root * z[:n] - dq * E.first) / (1 + np.abs(E.at)))
        if not unsolved < 1e-9:
            raise TooNarrow("the maximum over the centre's field was not found")
        local = 0.5 * (math.log(V) + q1 / L) + self.alpha * float(weight @ E.value)
        external = 0.5 * (math.log1p(dq / V) - dq / L)
        external -= 0.5 * self.alpha * float(weight @ (dq * E.second / stiff + np.log(stiff)))
        residual = math.log(self.alpha * float(weight @ E.first**2) * L * L / q1)
        size = 0.5 * (abs(math.log(V)) + q1 / L) + self.alpha * float(weight @ np.abs(E.value))
        return Here(local, external, q1, residual, size)


def _parts(q1: float, x: float, V: float) -> tuple[float, float]:
    """q_1 - q_0 and q_0, with (q_1 - q_0)/V = e^x as long as that is small against q_1/V."""
    ratio = V * math.exp(x) / q1  # (q_1 - q_0)/q_0
    return q1 * ratio / (1 + ratio), q1 / (1 + ratio)


def _polished(residual: Callable[[float], float], x: float) -> float | None:
    """The root near x by secants; None where they do not converge."""
    try:
        before, r_before = x - 1e-4, residual(x - 1e-4)
        here = residual(x)
        for _ in range(12):
            if here == r_before or here == 0.0:
                break
            step = -here * (x - before) / (here - r_before)
            before, r_before = x, here
            x += step
            here = residual(x)
            if abs(step) < 1e-14 * max(1.0, abs(x)):
                break
    except ArithmeticError:
        return None
    return x if abs(here) < 1e-9 else None


def _result(
    model: Perceptron,
    batch: Batch,
    index: np.ndarray,
    overlap: np.ndarray,
    y: np.ndarray,
    shape: tuple[int, ...],
    points: list[Point],
    jumps: np.ndarray,
) -> LocalEntropy:
    def shaped(values: Any, kind: Any = float) -> Any:
        array = np.array(values, dtype=kind).reshape(shape)
        return array if shape else array.reshape(1).tolist()[0]

    columns = {name: shaped([p.numbers[i] for p in points]) for i, name in enumerate(NAMES)}
    errors = {name: shaped([p.errors[i] for p in points]) for i, name in enumerate(NAMES[:3])}
    return LocalEntropy(
        model=model,
        alpha=shaped(batch.alpha[index]),
        kappa=shaped(batch.kappa[index]) if model.margin else None,
        overlap=shaped(overlap),
        reference=None,
        y=shaped(y),
        local_entropy=columns["local_entropy"],
        external_entropy=columns["external_entropy"],
        order_parameters={"q0": columns["q0"]},
        residual=columns["residual"],
        error=errors["local_entropy"],
        errors=errors,
        status=shaped([p.status for p in points], object),
        message=shaped([p.message for p in points], object),
        branch=shaped(["replicas"] * len(points), object),
        stable=shaped([p.stable for p in points], object),
        jump=shaped(jumps, bool),
    )
