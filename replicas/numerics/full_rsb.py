r"""Full replica symmetry breaking on the sphere: x(q) on a grid of overlaps, by Newton's method on the Parisi functional.

On given overlaps the functional is convex in the values m_j of x(q) (the entropy through L(q) = int_q^1 x, the tower as a
control problem), so that its minimum is unique and Newton's method needs no luck. Between the ends of the support the
overlaps are equally spaced in log(1 - q), wider towards q = 1 where that is an end. Refining the grid is the continuous
limit. x(q) may not decrease: after a discontinuous transition it has a plateau, where that bound holds and not an equation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .leaf_tables import envelope, numeric_stretches, pattern_table
from .parisi import Tower
from .parisi_flow import flow
from .rsb import Spread, sphere_entropy, spread
from .saddle import Batch

QUALITY = 1.4  # refinement of the field grids: their errors add up over the intervals
STEP = 1e-4  # of the Hessian's forward differences: the gradient is known to 1e-8 or so
STEPS = 60
TOLERANCE = 3e-9  # predicted gain of phi, relative, at which Newton stops
DAMPING = 1e-3
LONGEST = 0.7
FLAT = 1e-9  # increment of log x that counts as none
RENEWED = 12  # steps after which the Hessian is computed again
BULK, END = 1.5, 1.8  # interval of log(1 - q): BULK/sqrt(k) + END/n, n from q = 1; measured at 3 to 6 free steps


@dataclass(frozen=True)
class Profile:
    """x(q) and what it gives: overlaps q_0..q_k, x between them, phi, its gradient in the unknowns, field distribution."""

    q: np.ndarray
    x: np.ndarray
    phi: float
    gradient: np.ndarray
    tower: Tower
    seen: Spread
    last: float
    alpha: float


class Full:
    """The functional of a spherical problem with x(q) constant on k intervals.

    kind : "finite" (a load below capacity, or finite temperature) or "jamming" (q_k -> 1: phi is the load where that happens)
    modes : Chebyshev modes of log x along the grid, which keep x(q) smooth; 0 leaves every interval free
    Unknowns: values or modes of log x, logit q_0, and log(1 - q_k) of a finite problem.
    """

    def __init__(self, point: Batch, k: int, kind: str, modes: int = 0, quality: float = QUALITY):
        self.point, self.k, self.kind, self.quality = point, k, kind, quality
        self.alpha, self.modes = float(point.alpha[0]), modes
        self.stretches = numeric_stretches(point) if kind == "jamming" else np.empty((0, 3))
        self.kinks = sorted({float(e) for e in (*point.low[0], *point.high[0]) if math.isfinite(e)})
        self.levels = sorted({abs(float(v)) for v in point.levels[0] if v})
        middle = (np.arange(k) + 0.5) / k
        self.basis = np.polynomial.chebyshev.chebvander(2 * middle - 1, modes - 1) if modes else np.eye(k)
        self.free = self.basis.shape[1]
        self.t = np.linspace(0.0, 1.0, k + 1) if kind == "finite" else np.zeros(k)
        self.depth = _depths(k)

    def log_gaps(self, z: np.ndarray) -> np.ndarray:
        """log(1 - q_j): j = 0..k of a finite problem, 0..k-1 where q_k is 1."""
        first = -math.log1p(math.exp(z[self.free]))
        return first + (z[-1] - first) * self.t if self.kind == "finite" else first - self.depth

    def pack(self, x: np.ndarray, q0: float, last: float = 0.0) -> np.ndarray:
        """Unknowns of an x-part, q_0, and the last gap of a finite problem."""
        z = [*x, math.log(q0 / (1 - q0))]
        return np.array([*z, math.log(last)] if self.kind == "finite" else z)

    def cumulative(self) -> tuple[np.ndarray, np.ndarray]:
        """(C, bounded): unknowns = C y, where the bounded y are the increments of log x and must not be negative."""
        n = self.free + 1 + (self.kind == "finite")
        C, bounded = np.eye(n), np.zeros(n, dtype=bool)
        if not self.modes:
            C[: self.k, : self.k] = np.tril(np.ones((self.k, self.k)))
            bounded[1 : self.k] = True
        return C, bounded

    def evaluate(self, z: np.ndarray) -> Profile:
        k, alpha = self.k, self.alpha
        logs = self.log_gaps(z)
        gap = np.exp(logs) if self.kind == "finite" else np.append(np.exp(logs), 0.0)
        m = np.append(0.0, np.exp(self.basis @ z[: self.free]))
        c = np.append(1.0 - gap[0], gap[:-1] - gap[1:])
        if self.kind == "finite":
            last = float(gap[-1])
            seen = spread(self.point.model, c, last)
            # violated and satisfied compete where the distance costs as much as the penalty
            away = [math.sqrt(2 * last * level) for level in self.levels]
            marks = sorted({*self.kinks, *(e + s * d for e in self.kinks for d in away for s in (1, -1))})
            T = flow(pattern_table(self.point, seen.V), marks, seen.c, m, seen.V, self.quality)
            entropy, q_hat, _, dm = sphere_entropy(c, m, last)
            rate = dm + alpha * T.slope
            phi = entropy + 0.5 * math.log(last) + alpha * T.value
            by_q = 0.5 * np.diff(np.append(m, 1.0)) * (q_hat - alpha * seen.square(T))
        else:
            last = 1.0
            seen = spread(self.point.model, c, 0.0, jammed=True)
            inside = envelope(self.stretches, seen.c[k], m[k], last, False)
            T = flow(inside, self.kinks, seen.c[:k], m[:k], float(seen.c[k]), self.quality)
            entropy, q_hat, _, dm = sphere_entropy(c, m, last)
            phi = alpha = -entropy / T.value
            rate = dm + alpha * np.append(T.slope, T.extra[0])
            by_q = 0.5 * np.diff(m) * (q_hat[:k] - alpha * seen.square(T))
        by_log = -by_q * np.exp(logs)
        ends = [float(by_log @ (1 - self.t)) * -float(1 - gap[0])]  # d log(1 - q_0)/d logit = -q_0
        ends += [float(by_log @ self.t)] if self.kind == "finite" else []
        gradient = np.concatenate([self.basis.T @ (rate[1:] * m[1:]), ends])
        if self.kind == "jamming":
            gradient = gradient / -T.value
        return Profile(1 - gap, m[1:], float(phi), gradient, T, seen, last, float(alpha))


def _depths(k: int) -> np.ndarray:
    """log((1-q_0)/(1-q_j)), j < k, where q reaches 1: intervals widen towards the last, as they do when all q_j are free."""
    last = np.arange(k - 1, 0, -1)
    return np.append(0.0, np.cumsum(BULK / math.sqrt(k) + END / last))


def minimise(
    full: Full, z: np.ndarray, report: Any = None, tolerance: float = TOLERANCE
) -> tuple[np.ndarray, Profile, float]:
    """Projected Newton from one Hessian of differences, kept good by BFGS updates; also the gain of one more step.

    Increments of log x that are zero and would become negative are held there; Newton acts on the others (Bertsekas 1982).
    """
    C, bounded = full.cumulative()
    y = np.linalg.solve(C, z)
    y[bounded] = np.maximum(y[bounded], 0.0)
    at = full.evaluate(C @ y)
    hessian, damping, gain, age = _hessian(full, C @ y, at), DAMPING, math.inf, 0
    for number in range(STEPS):
        slope = C.T @ at.gradient
        free = ~(bounded & (y <= FLAT) & (slope > 0))
        values, vectors = np.linalg.eigh((C.T @ hessian @ C)[np.ix_(free, free)])
        floor = np.maximum(np.abs(values), 1e-6 * damping * values[-1]) + 1e-4 * damping * values[-1]
        step = np.zeros(y.size)
        step[free] = -vectors @ ((vectors.T @ slope[free]) / floor)
        step *= min(1.0, LONGEST / float(np.abs(C @ step).max()))
        new_y = y + step
        new_y[bounded] = np.maximum(new_y[bounded], 0.0)
        gain = float(-slope @ (new_y - y))
        if report:
            report(number, at.phi, gain)
        if abs(gain) < tolerance * max(1.0, abs(at.phi)):
            break
        new = full.evaluate(C @ new_y)
        if np.isfinite(new.phi) and new.phi < at.phi + 1e-10 * abs(at.phi):
            change, moved = new.gradient - at.gradient, C @ (new_y - y)
            if change @ moved > 0:
                pushed = hessian @ moved
                hessian = (
                    hessian + np.outer(change, change) / (change @ moved) - np.outer(pushed, pushed) / (moved @ pushed)
                )
            y, at, age = new_y, new, age + 1
            damping = max(damping / 5, 1e-8)
        else:
            damping *= 20
            age += 3
            if damping > 1e8:
                break
        if age > RENEWED:
            hessian, age = _hessian(full, C @ y, at), 0
    return C @ y, at, gain


def _hessian(full: Full, z: np.ndarray, at: Profile) -> np.ndarray:
    H = np.empty((z.size, z.size))
    for i in range(z.size):
        moved = z.copy()
        moved[i] += STEP
        H[i] = (full.evaluate(moved).gradient - at.gradient) / STEP
    return 0.5 * (H + H.T)
