r"""Local entropy around an unconstrained binary reference: y replicas of solutions at distance d from W~ in {+-1}^N.

.. math:: \phi(y) = -y\hat p p - \tfrac{y(y-1)}2 \hat q_1 q_1 + \tfrac{y^2}2 \hat q_0 q_0 - \tfrac y2 \hat q_1 - y \hat R R
    + W(y; \hat q_0, \hat q_1, \hat p, \hat R) + \alpha\, E_{z_0} \log E_{z_1} e^{y f(\omega, 1-q_1)}, \qquad p = 1 - 2d

W is the weight side (`replicas.numerics.local_weights`), the pattern side is a Parisi tower of one step with power y. The
conjugates are explicit, q1_hat = alpha E<f'^2>, q0_hat = alpha E<f'>^2, and with a teacher, outer weight
2 H(-R z0/sqrt(q0 - R^2)), R_hat = alpha sqrt(2/pi) E f_0'(sqrt(q0 - R^2) z), f_0 = (1/y) log E e^{y f}. What is left is
q1 = E<t^2>, q0 = E<t>^2, p = E<w~ t>, R = E<t> with t = tanh. At y -> inf, q1 - q0 = dq/y and inner averages become maxima.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr

from .kernels import RANGE, gaussian_rule
from .leaf_tables import pattern_table
from .local_system import NoValue, Path, Saddle, Values, newton
from .local_weights import weight_side
from .parisi import DIGITS, LeafTable, Outer, TooNarrow, step_for, tower
from .saddle import Batch, follow

STRIP = 1.2  # refinement of the inner lattice
OUTER = 1.2  # and of the outer one
LARGEST = 600.0  # exponent beyond which an overlap is none
NODES = 16384  # room for an outer rule
SMOOTH = 0.3  # distance of the poles of an envelope, in units of the outer deviation, unless the leaf's are nearer
SCANNED = 400  # fields among which the maximum is sought where there may be several
STEPS = 60
FLIPS = 0.8  # y (q1 - q0) max f'' from which the tilted Gaussian of a pattern may have two maxima; they appear at 1
JUMP = 1.0  # of the maximiser between neighbouring nodes, in units of sqrt(dq)
SEED = 1e-6  # of q1, an overlap between references small enough to be linear and large beside rounding
LARGE = 100.0  # y from which the limit y -> inf is entered
SHIFT = 0.5 * math.log(2 / math.pi)


@dataclass(frozen=True)
class PatternSide:
    """(1/y) log E e^{y f} averaged, with its averages.

    At y = inf ``by_y`` is the next term, -E[log(1 - dq f'') + dq (f'' + f'^2)]/2: fluctuations, and 1 - q1 = 1 - q0 - dq/y.

    square : E<f'>^2;  spread : E Var f' (y = inf: times y);  overlap : R_hat/alpha;  magnitude : E |f_0|
    """

    value: float
    by_y: float
    square: float
    spread: float
    overlap: float
    magnitude: float


@dataclass(frozen=True)
class Envelope:
    """sup_w { f(w) - (w - omega)^2/(2 dq) }: value, maximiser, f' and f'' there."""

    value: np.ndarray
    at: np.ndarray
    first: np.ndarray
    second: np.ndarray


def envelope(leaf: LeafTable, omega: np.ndarray, dq: float) -> Envelope:
    """The maxima by Newton within brackets: the largest of those found from a scan where the leaf is not concave."""
    slope = leaf.values(omega)[1]
    low, high = omega + dq * np.minimum(slope, 0.0), omega + dq * np.maximum(slope, 0.0)
    if not leaf.concave:
        reach = dq * float(np.max(np.abs(slope), initial=1.0)) + 4 * math.sqrt(dq)
        grid = omega[:, None] + np.linspace(-reach, reach, SCANNED)[None, :]
        f = leaf.values(grid.ravel())[0].reshape(grid.shape) - (grid - omega[:, None]) ** 2 / (2 * dq)
        best = np.argmax(f, axis=1)
        step = 2 * reach / (SCANNED - 1)
        at = grid[np.arange(omega.size), best]
        low, high = at - step, at + step
    w = 0.5 * (low + high)
    for _ in range(STEPS):
        table = leaf.values(w)
        r = w - omega - dq * table[1]
        high, low = np.where(r > 0, w, high), np.where(r > 0, low, w)
        new = w - r / (1 - dq * table[2])
        new = np.where((new >= low) & (new <= high), new, 0.5 * (low + high))
        done = np.max(np.abs(new - w) / (1 + np.abs(w))) < 1e-15
        w = new
        if done:
            break
    table = leaf.values(w)
    return Envelope(table[0] - (w - omega) ** 2 / (2 * dq), w, table[1], table[2])


def inner_step(y: float, c: float, V: float, pole: float) -> float:
    """Trapezoid step for N(u; 0, c) exp(y f(u, V)): |e^{y f}| grows off the real axis, at most as exp(y theta^2/2V)."""
    return min(step_for(math.sqrt(c), pole), 2 * math.pi / math.sqrt(2 * DIGITS * (1 / c + y / V)))


def flipping(leaf: LeafTable, y: float, gap: float, q1: float) -> LeafTable:
    """The leaf with a pole as near as that of the averages over a level whose maximiser jumps: pi/(2 y slope)."""
    reach = RANGE * math.sqrt(q1) + leaf.reach
    table = leaf.values(np.linspace(-reach, reach, SCANNED))
    if y * gap * float(table[2].max()) < FLIPS:
        return leaf
    return replace(leaf, pole=min(leaf.pole, math.pi / (2 * y * float(np.abs(table[1]).max()))))


class Unconstrained:
    """Equations of the local entropy of one point of a binary model.

    Unknowns: log(q0/(1 - q1)) (absent for an even likelihood at finite y as long as it is ``symmetric``, q0 = 0),
    log((q1 - q0)/(1 - q1)) (y = inf: log of y (q1 - q0)), p_hat, and with a teacher the logit of R^2/q0.
    """

    enter = LARGE

    def __init__(self, point: Batch, infinite: bool = False, symmetric: bool = True):
        self.point, self.alpha = point, float(point.alpha[0])
        self.teacher = point.model.teacher
        self.infinite = infinite
        self.zero = symmetric and bool(point.model.even) and not self.teacher and not infinite
        self.names: tuple[str, ...] = (
            *(() if self.zero else ("q0",)),
            "q1",
            "p_hat",
            *(("R",) if self.teacher else ()),
        )

    def overlaps(self, x: np.ndarray) -> tuple[float, float, float, float, float]:
        """q0, q1 - q0 (y = inf: times y), 1 - q1, p_hat, R^2/q0."""
        if not np.all(np.abs(x) < LARGEST):
            raise NoValue("overlaps at their ends")
        a, b = (-math.inf, x[0]) if self.zero else (x[0], x[1])
        p_hat = float(x[1 if self.zero else 2])
        share = 1.0 / (1.0 + math.exp(-x[3])) if self.teacher else 0.0
        if self.infinite:
            V = 1.0 / (1.0 + math.exp(a))
            return math.exp(a) * V, math.exp(b), V, p_hat, share
        parts = np.array([math.exp(a), math.exp(b), 1.0])
        q0, gap, V = (parts / parts.sum()).tolist()
        return q0, gap, V, p_hat, share

    def pack(self, q0: float, gap: float, V: float, p_hat: float, R: float = 0.0) -> np.ndarray:
        """Unknowns of given order parameters; ``gap`` as in `overlaps`."""
        out = [] if self.zero else [math.log(q0 / V)]
        out += [math.log(gap) if self.infinite else math.log(gap / V), p_hat]
        if self.teacher:
            out.append(math.log(R * R / (q0 - R * R)))
        return np.array(out)

    def evaluate(self, x: np.ndarray, y: float, d: float, quality: float = 1.0) -> Values:
        """Everything at the unknowns x; at y = inf phi is the limit of phi/y, which is the local entropy."""
        if math.isinf(y) != self.infinite:
            raise ValueError(f"y: got {y}; takes {'inf' if self.infinite else 'a finite number'} in this system")
        q0, gap, V, p_hat, share = self.overlaps(np.asarray(x, dtype=float))
        P = self.patterns(y, q0, gap, V, share, quality)
        q0_hat, gap_hat = self.alpha * P.square, self.alpha * P.spread
        R_hat = self.alpha * P.overlap
        R = math.sqrt(q0 * share)
        W = weight_side(y, q0_hat, gap_hat, abs(p_hat), R_hat, quality)
        far = W.far if p_hat >= 0 else 2.0 - W.far
        residual = [] if self.zero else [math.log(W.rest / V)]
        residual += [math.log(W.spread / gap) if not self.zero else math.log(W.spread / gap * V / W.rest)]
        residual += [math.log(far / (2 * d))]
        if self.teacher:
            residual.append(math.log(W.overlap / R) if W.overlap > 0 else -LARGEST)
        p = 1 - 2 * d
        if self.infinite:
            terms = [-p_hat * p, -0.5 * q0_hat * V, -0.5 * (gap_hat * q0 + q0_hat * gap), -R_hat * R]
            terms += [W.value, self.alpha * P.value]
            phi = inner = math.fsum(terms)
            external = 0.5 * (gap_hat * q0 + q0_hat * gap - gap_hat * gap - gap_hat) + W.by_y + self.alpha * P.by_y
            q1, q1_hat = q0, q0_hat
        else:
            q1, q1_hat = q0 + gap, q0_hat + gap_hat
            terms = [-y * p_hat * p, -0.5 * y * q1_hat * V, -y * R_hat * R, W.value, y * self.alpha * P.value]
            terms += [-0.5 * y * y * gap_hat * q1, -0.5 * y * y * q0_hat * gap]
            phi = math.fsum(terms)
            slope = [-p_hat * p, -0.5 * q1_hat * V, -R_hat * R, W.by_y, self.alpha * P.by_y]
            slope += [-y * gap_hat * q1, -y * q0_hat * gap]
            inner = math.fsum(slope)
            external = W.value - y * W.by_y + self.alpha * y * (P.value - P.by_y)
            external += 0.5 * y * y * (gap_hat * q1 + q0_hat * gap)
        shown = {"q1": q1, "q0": q0, "p_hat": p_hat, "q1_hat": q1_hat, "q0_hat": q0_hat}
        if self.teacher:
            shown |= {"R": R, "R_hat": R_hat, "R_reference": W.reference}
        size = math.fsum(abs(t) for t in terms)
        return Values(np.array(residual), phi, inner, external, 2 * p_hat, shown, size)

    def growth(self, x: np.ndarray, y: float) -> float:
        """Factor by which an infinitesimal q0 grows in an iteration of the equations at q0 = 0: unstable above 1.

        It is alpha phi''(0)^2 gamma''(0)^2 with phi, gamma the logarithms of the inner averages, over y.
        """
        _, q1, V, p_hat, _ = self.overlaps(x)
        q0 = SEED * q1
        P = self.patterns(y, q0, q1 - q0, V, 0.0, 1.0)
        W = weight_side(y, self.alpha * P.square, self.alpha * P.spread, abs(p_hat), 0.0, 1.0)
        return (1.0 - W.rest - W.spread) / q0

    def patterns(self, y: float, q0: float, gap: float, V: float, share: float, quality: float) -> PatternSide:
        """The pattern side at given overlaps."""
        leaf = pattern_table(self.point, V)
        if not leaf.concave and not self.infinite:
            leaf = flipping(leaf, y, gap, q0 + gap)
        v = q0 * (1 - share)  # q0 - R^2
        if self.infinite:
            return self._envelope(leaf, q0, gap, v, share, quality)
        fine = np.array([OUTER, STRIP * step_for(math.sqrt(gap), leaf.pole) / inner_step(y, gap, V, leaf.pole)]) * quality
        outer = None
        if self.teacher:
            tilt = math.sqrt(share / v)
            outer = Outer(lambda x: np.exp(-x * x / (2 * q0) + log_ndtr(tilt * x)), math.sqrt(v))
        try:
            T = tower(leaf, np.array([q0, gap]), np.array([0.0, y]), fine, outer)
        except TooNarrow as error:
            raise NoValue(str(error)) from None
        overlap = 0.0
        if self.teacher:  # E phi_0'(sqrt(v) z) by parts: E omega phi_0/v
            x = T.fields[0]
            near = np.exp(-x * x / (2 * v))
            overlap = math.exp(SHIFT) * float((near * x) @ (T.phi[0] - T.phi[0][x.size // 2])) / (v * float(near.sum()))
        return PatternSide(
            T.value, T.value + y * float(T.slope[1]), float(T.square[0]), float(T.growth[1]), overlap, T.magnitude
        )

    def _envelope(
        self, leaf: LeafTable, q0: float, dq: float, v: float, share: float, quality: float
    ) -> PatternSide:
        """sup_w { f(w, V) - (w - omega)^2/(2 dq) } on the nodes of an outer rule."""
        root, tilt = math.sqrt(q0), math.sqrt(share / (1 - share))
        edges = [e / root for e in (*self.point.low[0], *self.point.high[0]) if abs(e) < RANGE * root]
        near = min([leaf.pole / root, SMOOTH] + ([SMOOTH / tilt] if self.teacher else []))
        z, plain = np.empty(NODES), np.empty(NODES)
        n = gaussian_rule(near, np.array(sorted({*edges, 0.0})), math.log2(quality), False, z, plain)
        z, plain = z[:n], plain[:n]
        weight = 2 * plain * np.exp(log_ndtr(tilt * z)) if self.teacher else plain
        E = envelope(leaf, root * z, dq)
        stiff = 1 - dq * E.second
        if not np.all(stiff > 0):
            raise NoValue("no maximum")
        if not leaf.concave and np.any(np.abs(np.diff(E.at)) > JUMP * math.sqrt(dq)):
            raise NoValue("the maximum jumps")
        overlap = math.exp(SHIFT) * float(plain @ envelope(leaf, math.sqrt(v) * z, dq).first) if self.teacher else 0.0
        return PatternSide(
            float(weight @ E.value),
            float(-0.5 * weight @ (np.log(stiff) + dq * (E.second + E.first**2))),
            float(weight @ E.first**2),
            float(weight @ (E.second**2 * dq / stiff)),
            overlap,
            float(weight @ np.abs(E.value)),
        )

    def start(self, y: float, d: float) -> np.ndarray:
        """The branch of typical references (y = 1) followed to y; needs a replica-symmetric saddle and d away from 0 and 1/2."""
        finite = Unconstrained(self.point)
        x = finite.typical(d)
        first = Saddle(x, 1.0, d, finite.evaluate(x, 1.0, d), 0.0, self.alpha)
        found, reached = Path(lambda _: finite, "y", first).advance(first, LARGE if self.infinite else y)
        if not reached:
            raise NoValue(f"the branch of typical references ends at y = {found.y:.4g}")
        return self.entered(finite, found) if self.infinite else found.x

    def entered(self, finite: Unconstrained, saddle: Saddle) -> np.ndarray:
        """Unknowns at y = inf from a saddle at large y."""
        if finite.zero:
            raise NoValue("no y -> inf of a problem without an average field")
        q0, gap, V, p_hat, share = finite.overlaps(saddle.x)
        return self.pack(q0, saddle.y * gap, V, p_hat, math.sqrt(q0 * share))

    def typical(self, d: float) -> np.ndarray:
        """The saddle at y = 1, where q0 is that of the replica-symmetric state and p = tanh p_hat."""
        p = 1 - 2 * d
        q, _ = replica_symmetric(self.point)
        q1 = q + (1 - q) * p * p
        x = self.pack(q, q1 - q, 1 - q1, math.atanh(p), q)
        return newton(self, x, 1.0, d).x


def replica_symmetric(point: Batch) -> tuple[float, float]:
    """Overlap of typical solutions, and the distance (1 - E|<w>|)/2 from one of them to the sign of their mean."""
    saddle = follow(point)
    if not saddle.converged[0]:
        raise NoValue("no replica-symmetric saddle")
    q = float(1 / (1 + math.exp(-saddle.x[0, 0])))
    q_hat = math.exp(float(saddle.x[0, 1]))
    z, weight = np.empty(NODES), np.empty(NODES)
    n = gaussian_rule(0.0 if q_hat > 1e12 else 0.1, np.zeros(1), 0.0, False, z, weight)
    field = math.sqrt(q_hat) * z[:n] + (q_hat if point.model.teacher else 0.0)
    return q, 0.5 * (1 - float(weight[:n] @ np.abs(np.tanh(field))))
