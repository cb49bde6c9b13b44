r"""Saddle points of k-step functionals: unknowns, residuals and Newton, for every weight measure and for the two limits.

Unknowns are logarithms of gaps (q_0, c_j = q_j - q_{j-1}, Q - q_k; the same for the Parisi parameters), so that no order can
be violated. The equations are ratios of what the two sides of a saddle-point equation *add* at a level,

    log( alpha E_{j-1} Var_j f_j' / (q_hat_j - q_hat_{j-1}) ) = 0,        (d phi/d m_j)/(c_j (q_hat_j - q_hat_{j-1})) = 0,

which has the trivial root q_j = q_{j-1} divided out: there the ratio is the de Almeida-Thouless eigenvalue, not 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..models import Model
from ..wide import Wide
from .leaf_tables import envelope, numeric_stretches, pattern_table, weight_table
from .parisi import TooNarrow, Tower, tower
from .saddle import Batch

FINER = 1.25  # refinement of the lattices whose effect is the error
DIFFERENCE = 1e-5  # step of the Jacobian, in logarithms; smaller ones drown in rounding where overlaps split by little
STEPS = 40
LONGEST = 1.0  # Newton step in logarithms
ACCEPTED = 1e-8  # undamped residual of an accepted saddle, and its change under finer lattices
MARGIN = 2.0  # finer lattices have an error, too
CONVERGED = 1e-13  # residual below which Newton has no more to gain
ROUNDING = 4e-15  # relative rounding of a term
FORBIDDEN = 1e9  # phi where a descent must not go
MERGED = (
    1e-7  # gap of neighbouring overlaps at which a descent has lost a level: lattices as narrow as that only cost time
)
FROZEN = 1e-6  # Q - q_k, of Q, of a finite set below which its states count as single configurations
SMALL = 1e-4  # argument under which log(1+u) - u/(1+u) is a series


@dataclass(frozen=True)
class Spread:
    """Overlaps as seen by the fields: variances C(q_j) - C(q_{j-1}), what is left C(Q) - C(q_k), and slopes C'(q_j).

    The pattern side of a saddle-point equation is alpha C'(q_j) E_j f_j'^2; the fields of ordinary models have C(q) = q.
    """

    c: np.ndarray
    V: float
    slope: np.ndarray
    bend: np.ndarray

    def square(self, T: Tower) -> np.ndarray:
        """C'(q_j) E_j f_j'^2."""
        return np.asarray(self.slope[: T.square.size] * T.square)

    def growth(self, T: Tower) -> np.ndarray:
        """What these add at every level, without the cancellation of a difference."""
        slope, n = self.slope, T.growth.size
        out = slope[:n] * T.growth
        out[1:] += (slope[1:n] - slope[: n - 1]) * T.square[:-1]
        return np.asarray(out)

    def fluctuations(self, T: Tower) -> np.ndarray:
        """C'(q_j)^2 E_j f_j''^2 + C''(q_j) E_j f_j'^2."""
        n = T.square.size
        with np.errstate(invalid="ignore"):
            return np.asarray(self.slope[:n] ** 2 * T.curvature_square + self.bend[:n] * T.square)


def spread(model: Model, c: np.ndarray, V: float, jammed: bool = False) -> Spread:
    """The fields of overlaps with increments ``c`` and last gap ``V``; ``jammed``: in units of sqrt(C'(1)), q_k = 1."""
    if not isinstance(model, Wide):
        return Spread(c, V, np.ones(c.size), np.zeros(c.size))
    Q, kernel = model.norm, model.kernel
    gap = V + np.append(np.cumsum(c[:0:-1])[::-1], 0.0)
    here, rest, slope, bend, _ = kernel.values(np.minimum(np.cumsum(c) / Q, 1.0), gap / Q)
    unit = kernel.slope if jammed else 1.0
    steps = np.append(here[0], rest[:-1] - rest[1:])
    return Spread(steps / unit, float(rest[-1]) / unit, slope / (Q * unit), bend / (Q * Q * unit))


@dataclass(frozen=True)
class Point:
    """A functional evaluated at given order parameters.

    q : q_0..q_k;  c : their increments;  m : 0, m_1..m_k;  q_hat : conjugates;  residual : of each equation
    phi : the functional (free entropy; -energy at T = 0; the load at q_k -> 1);  magnitude : sum of |terms|
    rate : d phi/d m_j (entry 0 unused);  patterns, weights : towers (weights None on the sphere)
    """

    c: np.ndarray
    m: np.ndarray
    q_hat: np.ndarray
    phi: float
    magnitude: float
    rate: np.ndarray
    gradient: np.ndarray
    residual: np.ndarray
    patterns: Tower
    seen: Spread
    weights: Tower | None
    Q: float
    V: float
    lam: float
    alpha: float
    values: dict[str, float] = field(default_factory=dict)

    @property
    def q(self) -> np.ndarray:
        return np.cumsum(self.c)


def gaps(y: np.ndarray, total: float) -> np.ndarray:
    """Positive parts of ``total`` in the ratio exp(y_1) : ... : exp(y_n) : 1."""
    top = max(0.0, float(y.max(initial=0.0)))
    parts = np.exp(np.append(y, 0.0) - top)
    return np.asarray(total * parts / parts.sum())


def logs(parts: np.ndarray) -> np.ndarray:
    """The inverse of `gaps`; a part that is zero, as an overlap may be, stays so."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(parts[:-1] / parts[-1]))


class System:
    """Equations of a k-step saddle.

    point : one point of a model (its alpha, kappa, beta);  k : steps;  m : given Parisi parameters, None if unknown
    zero : an even problem, whose q_0 is 0
    """

    def __init__(self, point: Batch, k: int, m: np.ndarray | None = None, zero: bool = False, **other: Any):
        self.point, self.k, self.zero = point, k, zero
        self.given = None if m is None else np.concatenate([[0.0], np.asarray(m, dtype=float)])
        self.alpha = float(point.alpha[0])

    @property
    def outer(self) -> int:
        """Unknown overlaps, which stand before the Parisi parameters."""
        return self.k + 1 - self.zero

    # unknowns: logs of gaps of the overlaps, then of the Parisi parameters, then others
    def overlaps(self, y: np.ndarray) -> tuple[np.ndarray, float]:
        """Increments c_0..c_k and the last gap."""
        parts = gaps(y[: self.outer], self.norm(y))
        c = np.concatenate([[0.0] * self.zero, parts[:-1]])
        return c, float(parts[-1])

    def norm(self, y: np.ndarray) -> float:
        return 1.0

    def parisi(self, y: np.ndarray) -> np.ndarray:
        """0, m_1, ..., m_k."""
        if self.given is not None:
            return self.given
        return np.concatenate([[0.0], np.cumsum(self.between(y[self.outer : self.outer + self.k]))])

    def between(self, y: np.ndarray) -> np.ndarray:
        """Gaps of the Parisi parameters, which stay below 1."""
        return gaps(y, 1.0)[:-1]

    def unknown_gaps(self, m: np.ndarray) -> np.ndarray:
        """The inverse of `between`."""
        return logs(np.diff(np.concatenate([[0.0], m, [1.0]])))

    def packed_parisi(self, m: np.ndarray) -> list[np.ndarray]:
        if self.given is not None:
            return []
        return [self.unknown_gaps(m)]

    def pack(self, c: np.ndarray, V: float, m: np.ndarray, **other: float) -> np.ndarray:
        """Unknowns of given order parameters (m without its leading 0)."""
        return np.concatenate([logs(np.append(c[1:] if self.zero else c, V)), *self.packed_parisi(m)])

    def parisi_residual(self, rate: np.ndarray, scale: np.ndarray) -> list[float]:
        """(d phi/d m_j)/(c_j (q_hat_j - q_hat_{j-1})) of the free Parisi parameters."""
        return [] if self.given is not None else [float(r / s) for r, s in zip(rate[1:], scale[1:])]

    def evaluate(self, y: np.ndarray, quality: float = 1.0) -> Point:
        raise NotImplementedError


class Sphere(System):
    """Spherical weights: their tower is Gaussian, the conjugates are q_hat_j - q_hat_{j-1} = c_j/(L_j L_{j-1})."""

    def patterns(self, c: np.ndarray, V: float, m: np.ndarray, quality: float) -> Tower:
        """The tower of the patterns."""
        return tower(pattern_table(self.point, V), c, m, quality)

    def evaluate(self, y: np.ndarray, quality: float = 1.0) -> Point:
        c, V = self.overlaps(y)
        m = self.parisi(y)
        seen = spread(self.point.model, c, V)
        T = self.patterns(seen.c, seen.V, m, quality)
        entropy, q_hat, rise, dm = sphere_entropy(c, m, V)
        entropy += 0.5 * math.log(V)
        rate = dm + self.alpha * T.slope
        growth = self.alpha * seen.growth(T)
        residual = [_log_ratio(growth[j], rise[j]) for j in range(self.zero, self.k + 1)]
        residual += self.parisi_residual(rate, c * rise)
        # d phi/d q_j = (m_{j+1} - m_j)(q_hat_j - alpha C'(q_j) E f_j'^2)/2
        by_q = 0.5 * np.diff(np.append(m, 1.0)) * (q_hat - self.alpha * seen.square(T))
        by_c = np.cumsum(by_q[::-1])[::-1]
        phi = entropy + self.alpha * T.value
        size = abs(entropy) + self.alpha * T.magnitude
        return Point(
            c,
            m,
            q_hat,
            phi,
            size,
            rate,
            self._gradient(c, V, m, by_c, rate),
            np.array(residual),
            T,
            seen,
            None,
            1.0,
            V,
            1 / V,
            self.alpha,
        )

    def _gradient(self, c: np.ndarray, V: float, m: np.ndarray, by_c: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """Chain rule to the logarithms of the gaps: parts p_i = S e^{y_i}/sum, last one independent."""
        parts = np.append(c, V)[self.zero :]
        slope = np.append(by_c, 0.0)[self.zero :]
        out = parts[:-1] * (slope[:-1] - parts @ slope / parts.sum())
        if self.given is not None:
            return out
        steps = np.diff(np.append(m, 1.0))
        by_step = np.append(np.cumsum(rate[:0:-1])[::-1], 0.0)
        return np.concatenate([out, steps[:-1] * (by_step[:-1] - steps @ by_step)])


def eigenvalues(c: np.ndarray, m: np.ndarray, last: float) -> np.ndarray:
    """L_k = last, L_{j-1} = L_j + m_j c_j: eigenvalues of the overlap matrix, and g_j'' of the sphere."""
    return np.asarray(last + np.append(np.cumsum((m * c)[:0:-1])[::-1], 0.0))


def sphere_entropy(c: np.ndarray, m: np.ndarray, last: float) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """(1/2)[sum_j log(L_{j-1}/L_j)/m_j + q_0/L_0], L_k = last: value, q_hat_j, their increments, derivatives in m_j."""
    k = c.size - 1
    L = eigenvalues(c, m, last)
    rise = np.append(c[0] / L[0] ** 2, c[1:] / (L[1:] * L[:-1]))
    q_hat = np.cumsum(rise)
    value = 0.5 * c[0] / L[0]
    dm = np.zeros(k + 1)
    for j in range(1, k + 1):
        u = m[j] * c[j] / L[j]
        value += 0.5 * c[j] / L[j] * (math.log1p(u) / u if u else 1.0)
        dm[j] = -0.5 * (_bend(u) * (c[j] / L[j]) ** 2 + c[j] * q_hat[j - 1])
    return value, q_hat, rise, dm


def _bend(u: float) -> float:
    """(log(1+u) - u/(1+u))/u^2."""
    if abs(u) < SMALL:
        return 0.5 - u * (2 / 3 - u * (0.75 - 0.8 * u))
    return (math.log1p(u) - u / (1 + u)) / (u * u)


def _log_ratio(a: float, b: float) -> float:
    return math.log(a / b) if a > 0 and b > 0 else -50.0


class Jamming(Sphere):
    """q_k -> 1 on the sphere with m_j/(1 - q_k) fixed: phi is the load at which solutions cease to exist.

    The overlaps sum to 1 and L_k = 1; the Parisi parameters are any increasing positive numbers.
    """

    ceiling = False

    def __init__(self, point: Batch, k: int, *, stretches: np.ndarray | None = None, **other: Any):
        super().__init__(point, k, **other)
        self.stretches = numeric_stretches(point) if stretches is None else stretches

    @property
    def outer(self) -> int:
        return self.k - self.zero

    def overlaps(self, y: np.ndarray) -> tuple[np.ndarray, float]:
        return np.concatenate([[0.0] * self.zero, gaps(y[: self.outer], 1.0)]), 0.0

    def between(self, y: np.ndarray) -> np.ndarray:
        return np.exp(y)

    def unknown_gaps(self, m: np.ndarray) -> np.ndarray:
        return np.log(np.diff(np.concatenate([[0.0], m])))

    def pack(self, c: np.ndarray, V: float, m: np.ndarray, **other: float) -> np.ndarray:
        return np.concatenate([logs(c[1:] if self.zero else c), *self.packed_parisi(m)])

    def stiffness(self, y: np.ndarray) -> float:
        return 1.0

    def evaluate(self, y: np.ndarray, quality: float = 1.0) -> Point:
        c, _ = self.overlaps(y)
        m, x, k = self.parisi(y), self.stiffness(y), self.k
        seen = spread(self.point.model, c, 0.0, jammed=True)
        T = tower(envelope(self.stretches, seen.c[k], m[k], x, self.ceiling), seen.c[:k], m[:k], quality)
        entropy, q_hat, rise, dm = sphere_entropy(c, m, x)
        alpha = self.alpha if self.ceiling else -entropy / T.value
        rate = dm + alpha * np.append(T.slope, T.extra[0])
        growth = alpha * seen.growth(T)
        residual = [_log_ratio(growth[j], rise[j]) for j in range(self.zero, k)]
        residual += self.parisi_residual(rate, c * rise)
        by_q = 0.5 * np.diff(m) * (q_hat[:k] - alpha * seen.square(T))
        by_c = np.append(np.cumsum(by_q[::-1])[::-1], 0.0)
        parts = c[self.zero :]
        slope = by_c[self.zero :]
        gradient = parts[:-1] * (slope[:-1] - parts @ slope / parts.sum())
        if self.given is None:
            steps = np.diff(m)
            gradient = np.concatenate([gradient, steps * np.cumsum(rate[:0:-1])[::-1]])
        values = {"violated": float(T.extra[2]), "x": x}
        if self.ceiling:
            phi, size = entropy + alpha * T.value, abs(entropy) + alpha * T.magnitude
            by_x = -0.5 * q_hat[k] + alpha * T.extra[1]
            residual.append(_log_ratio(alpha * T.extra[1], 0.5 * q_hat[k]))
            gradient = np.append(gradient, x * by_x)
        else:
            phi, size = alpha, alpha
            gradient = gradient / -T.value
        return Point(
            c, m, q_hat, phi, size, rate, gradient, np.array(residual), T, seen, None, 1.0, 0.0, math.inf, alpha, values
        )


class GroundState(Jamming):
    """T -> 0 on the sphere with x = beta (1 - q_k) and w_j = beta m_j fixed: phi is minus the energy per weight."""

    ceiling = True

    def pack(self, c: np.ndarray, V: float, m: np.ndarray, **other: float) -> np.ndarray:
        return np.append(super().pack(c, V, m), math.log(other["x"]))

    def stiffness(self, y: np.ndarray) -> float:
        return math.exp(y[-1])


class Finite(System):
    """Finite weight sets: both sides are towers; the conjugates are explicit, q_hat_j = alpha E_j f_j'^2.

    With a free self-overlap the gaps need not add up to a given Q, and lam = -alpha E_k f''.
    """

    def __init__(self, point: Batch, k: int, *, norm: float | None = None, **other: Any):
        super().__init__(point, k, **other)
        self.fixed = norm

    def overlaps(self, y: np.ndarray) -> tuple[np.ndarray, float]:
        if self.fixed is not None:
            return super().overlaps(y)
        parts = np.exp(np.append(y[: self.outer], y[-1]))
        return np.concatenate([[0.0] * self.zero, parts[:-1]]), float(parts[-1])

    def norm(self, y: np.ndarray) -> float:
        return self.fixed or 0.0

    def pack(self, c: np.ndarray, V: float, m: np.ndarray, **other: float) -> np.ndarray:
        packed = super().pack(c, V, m)
        if self.fixed is not None:
            return packed
        packed[: self.outer] += math.log(V)
        return np.append(packed, math.log(V))

    def evaluate(self, y: np.ndarray, quality: float = 1.0) -> Point:
        c, V = self.overlaps(y)
        m = self.parisi(y)
        Q = float(c.sum() + V)
        if V < FROZEN * Q:
            raise TooNarrow("states freeze into single configurations")
        seen = spread(self.point.model, c, V)
        T = tower(pattern_table(self.point, seen.V), seen.c, m, quality)
        q_hat, rise = self.alpha * seen.square(T), self.alpha * seen.growth(T)
        lam = 0.0 if self.fixed is not None else -self.alpha * float(T.curvature[-1])
        W = tower(weight_table(self.point.model, lam), rise, m, quality)
        q = np.cumsum(c)
        jumps = q_hat * q
        rate = np.zeros(self.k + 1)
        rate[1:] = -0.5 * np.diff(jumps)
        rate += W.slope + self.alpha * T.slope
        residual = [_log_ratio(W.growth[j], c[j]) for j in range(self.zero, self.k + 1)]
        residual += self.parisi_residual(rate, c * rise)
        if self.fixed is None:
            residual.append(_log_ratio(float(W.curvature[-1]), V))
        algebra = [lam * Q / 2, -q_hat[-1] * V / 2, *(-0.5 * m[1:] * np.diff(jumps))]
        phi = sum(algebra) + W.value + self.alpha * T.value
        size = sum(map(abs, algebra)) + W.magnitude + self.alpha * T.magnitude
        residuals = np.array(residual)
        return Point(
            c, m, q_hat, float(phi), float(size), rate, np.empty(0), residuals, T, seen, W, Q, V, lam, self.alpha
        )


@dataclass(frozen=True)
class Root:
    """A saddle with the errors of its unknowns; ``converged`` on the undamped residual and a refinement of the lattices."""

    y: np.ndarray
    at: Point
    finer: Point
    d_y: np.ndarray
    inverse: np.ndarray
    converged: bool

    @property
    def residual(self) -> float:
        return float(np.abs(self.at.residual).max(initial=0.0))


def newton(system: System, y: np.ndarray, steps: int = STEPS, quality: float = 1.0) -> Root | None:
    """The root near ``y``; None when Newton leaves or stalls."""
    with np.errstate(all="ignore"):
        return _newton(system, np.array(y, dtype=float), steps, quality)


def _newton(system: System, y: np.ndarray, steps: int, quality: float) -> Root | None:
    try:
        at = system.evaluate(y, quality)
    except (ArithmeticError, ValueError):
        return None
    size = float(np.abs(at.residual).max(initial=0.0))
    inverse = np.eye(y.size)
    for _ in range(steps):
        if not np.isfinite(size):
            return None
        try:
            inverse = np.linalg.inv(jacobian(system, y, at, quality))
        except (np.linalg.LinAlgError, ArithmeticError, ValueError):
            return None
        step = -inverse @ at.residual
        step *= min(1.0, LONGEST / max(float(np.abs(step).max(initial=0.0)), 1e-300))
        scale = 1.0
        while True:
            try:
                new = system.evaluate(y + scale * step, quality)
                new_size = float(np.abs(new.residual).max(initial=0.0))
            except (ArithmeticError, ValueError):
                new_size = math.inf
            if new_size < size * (1 - 0.1 * scale) or new_size < CONVERGED:
                break
            scale /= 2
            if scale < 1e-3:
                break
        if scale < 1e-3:
            break
        y, at, size = y + scale * step, new, new_size
        if size < CONVERGED:
            break
    return _finished(system, y, at, inverse, quality) if size < ACCEPTED else None


def _finished(system: System, y: np.ndarray, at: Point, inverse: np.ndarray, quality: float) -> Root:
    """One more undamped step, then the change that finer lattices make."""
    last = system.evaluate(y - inverse @ at.residual, quality)
    if np.abs(last.residual).max(initial=0.0) <= np.abs(at.residual).max(initial=0.0):
        y, at = y - inverse @ at.residual, last
    finer = system.evaluate(y, FINER * quality)
    noise = ROUNDING * (1 + np.abs(inverse) * rounding(system, at)).sum(axis=1)
    d_y = MARGIN * np.abs(inverse @ finer.residual) + np.abs(inverse @ at.residual) + noise
    drift = float(np.abs(finer.residual - at.residual).max(initial=0.0))
    return Root(y, at, finer, d_y, inverse, drift < ACCEPTED)


def rounding(system: System, at: Point) -> np.ndarray:
    """Terms of every residual, which its rounding is relative to: d phi/d m_j is a difference of terms of first order in c_j."""
    sizes = np.ones(at.residual.size)
    if system.given is None and at.patterns.slope.size == system.k + 1:
        terms = 2 * at.alpha * np.abs(at.patterns.slope[1:])
        sizes[system.outer : system.outer + system.k] += terms / np.abs(at.c[1:] * np.diff(at.q_hat))
    return sizes


def jacobian(system: System, y: np.ndarray, at: Point, quality: float = 1.0) -> np.ndarray:
    """Forward differences; the functions are known to rounding, so that seven digits of it are right."""
    J = np.empty((y.size, y.size))
    for i in range(y.size):
        moved = y.copy()
        moved[i] += DIFFERENCE
        J[:, i] = (system.evaluate(moved, quality).residual - at.residual) / DIFFERENCE
    return J


def descend(
    system: System, y: np.ndarray, steps: int = 200, tolerance: float = 1e-7, quality: float = 1.0
) -> np.ndarray:
    """Lower phi of a spherical system by BFGS: its saddle is a minimum over overlaps and Parisi parameters."""
    from scipy.optimize import minimize

    def value(z: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            if merged(z):
                return FORBIDDEN, np.zeros(z.size)
            with np.errstate(all="ignore"):  # a line search tries anything
                at = system.evaluate(z, quality)
        except (ArithmeticError, ValueError):
            return FORBIDDEN, np.zeros(z.size)
        if not (np.isfinite(at.phi) and np.isfinite(at.gradient).all()):
            return FORBIDDEN, np.zeros(z.size)
        return at.phi, at.gradient

    def merged(z: np.ndarray) -> bool:
        return bool(system.overlaps(z)[0][1:].min(initial=1.0) < MERGED)

    def watch(intermediate_result: Any) -> None:
        if system.overlaps(intermediate_result.x)[0][1:].min(initial=1.0) < 10 * MERGED:
            raise StopIteration

    found = minimize(value, y, jac=True, method="BFGS", callback=watch, options={"maxiter": steps, "gtol": tolerance})
    return np.asarray(found.x)


def error_of(root: Root, quantity: Callable[[Point], Any], system: System) -> Any:
    """Error of a function of the saddle: that of the lattices, and that of the root moved within the errors of y."""
    here = np.asarray(quantity(root.at))
    with np.errstate(invalid="ignore"):  # a replicon may be minus infinity
        total = np.abs(np.asarray(quantity(root.finer)) - here)
        for i in range(root.y.size):
            moved = root.y.copy()
            moved[i] += DIFFERENCE
            total = total + np.abs(np.asarray(quantity(system.evaluate(moved))) - here) / DIFFERENCE * root.d_y[i]
    return total
