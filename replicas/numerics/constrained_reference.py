r"""Local entropy around a reference that is a solution itself, with a margin kappa_ref of its own; binary weights.

n references W~ with y solutions W each, n -> 0. Overlaps: q~ of two references, t of a reference with the solutions of
another one, p = 1 - 2d with its own, q1 and q0 of solutions of one and of two references; conjugates likewise:

.. math:: \phi(y) = -\tfrac12 \hat{\tilde q}(1 - \tilde q) + y(\hat t t - \hat p p) - \tfrac{y(y-1)}2 \hat q_1 q_1
    + \tfrac{y^2}2 \hat q_0 q_0 - \tfrac y2 \hat q_1 + W + \alpha G

    W = E_{\tilde x, x} \log \sum_{\tilde w = \pm1} e^{\tilde x \tilde w}
        E_\eta [2\cosh(x + \sqrt{\hat q_1 - \hat q_0}\,\eta + (\hat p - \hat t)\tilde w)]^y, \qquad
        (\tilde x, x) \sim N(0, [[\hat{\tilde q}, \hat t], [\hat t, \hat q_0]])

    G = E_{\tilde h, h} \log E_z\, H\!\left(\frac{\tilde\kappa - \tilde h - b z}{\sqrt{1 - \tilde q - b^2}}\right)
        e^{y f(h + \sqrt{q_1 - q_0}\, z,\, 1 - q_1)}, \qquad b = \frac{p - t}{\sqrt{q_1 - q_0}},
        \quad (\tilde h, h) \sim N(0, [[\tilde q, t], [t, q_0]])

With the scores r~ of the reference and f' of a solution, < > the tilted average at given outer fields,
q~_hat = alpha E<r~>^2, t_hat = alpha E<r~><f'>, q0_hat = alpha E<f'>^2, q1_hat = alpha E<f'^2>, and the overlaps are the same
averages of w~ and tanh. The unknowns are conjugates: what the weights answer lies inside the cone of possible overlaps.
At y = inf (`constrained_limit`) S_E is -inf, like -(alpha/2) P log y, P the share of patterns that hold a reference at its margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from . import constrained_limit as limit
from .constrained_kernels import PATTERN, SITE, pattern, site
from .local_system import NoValue, Path, Saddle, Values, newton
from .saddle import Batch, follow

LARGE = 200.0  # y from which the limit y -> inf is entered
LARGEST = 300.0  # logarithm beyond which a conjugate is none
SMALLEST = 1e-30  # rest of q~_hat that stands for none
CONE = 1e-9  # part of its cone by which quadrature may leave it: at the edge q~ - t^2/q0 vanishes
OPPOSITE = 0.9  # correlation of a solution with its reference, given the others, below which no guess is made
DAMPED, SETTLED = 80, 0.02  # most damped iterations, and the residual from which Newton takes over


@dataclass(frozen=True)
class Conjugates:
    """q0_hat, gap = q1_hat - q0_hat, t_hat, rest = q~_hat - t_hat^2/q0_hat, shift = p_hat - t_hat."""

    q0: float
    gap: float
    t: float
    rest: float
    shift: float

    @property
    def q_ref(self) -> float:
        return self.rest + self.t**2 / self.q0


@dataclass(frozen=True)
class Overlaps:
    """1 - q~, p - t, q1 - q0, 1 - q1, d, q~, t, q0: each from what it is small with."""

    free_ref: float
    cross: float
    gap: float
    free: float
    d: float
    q_ref: float
    t: float
    q0: float

    @property
    def p(self) -> float:
        return self.t + self.cross

    @property
    def q1(self) -> float:
        return self.q0 + self.gap


@dataclass(frozen=True)
class Weights:
    """W, E<log 2cosh> and the overlaps that the conjugates give."""

    value: float
    level: float
    overlaps: Overlaps


@dataclass(frozen=True)
class Patterns:
    """G, E<f>, and E<f'>^2, E Var f', E<r~><f'>, E<r~>^2, E Cov(r~, f'), E(<r~> - mu <f'>)^2 with mu their regression.

    At y = inf all are scaled by powers of y (`constrained_limit`), and the last is the probability of references at their margin;
    else it is the mass of the outer nodes, 1.
    """

    value: float
    level: float
    square: float
    spread: float
    product: float
    square_ref: float
    cross: float
    rest_ref: float
    mass: float


def weights(y: float, c: Conjugates, quality: float = 1.0) -> Weights:
    """The weight side at given conjugates."""
    out = np.empty(SITE)
    if not (c.q0 > 0 and c.gap > 0 and c.rest > 0):
        raise NoValue("conjugates outside their cone")
    if math.isinf(y):
        out = limit.site(c.q0, c.gap, c.t / c.q0, math.sqrt(c.rest), c.shift, quality)
        return Weights(float(out[0]), float(out[1]), Overlaps(*map(float, out[2:])))
    if not site(y, c.q0, c.gap, c.t / c.q0, math.sqrt(c.rest), c.shift, quality, out):
        raise NoValue("conjugates too large for the nodes")
    return Weights(float(out[0]), float(out[1]), Overlaps(*map(float, out[2:])))


def check_cone(o: Overlaps) -> None:
    """Overlaps of which none exist are refused by name."""
    for name, value in (("1-q~", o.free_ref), ("q1-q0", o.gap), ("1-q1", o.free), ("q~", o.q_ref), ("q0", o.q0)):
        if not value > 0:
            raise NoValue(f"{name}: got {value:g}; takes a positive number")
    if not o.cross**2 < o.free_ref * o.gap:
        raise NoValue(f"p-t: got {o.cross:g}; takes (p-t)^2 < (1-q~)(q1-q0) = {o.free_ref * o.gap:g}")
    if not o.t**2 <= o.q_ref * o.q0 * (1 + CONE):
        raise NoValue(f"t: got {o.t:g}; takes t^2 <= q~ q0 = {o.q_ref * o.q0:g}")


def patterns(y: float, kappa: float, kappa_ref: float, o: Overlaps, quality: float = 1.0) -> Patterns:
    """The pattern side at given overlaps."""
    check_cone(o)
    out = np.empty(PATTERN)
    if math.isinf(y):
        return Patterns(*map(float, limit.pattern(kappa, kappa_ref, o.free_ref, o.cross, o.gap, o.free, o.t, o.q0, quality)))
    if not pattern(y, kappa, kappa_ref, o.free_ref, o.cross, o.gap, o.free, o.q_ref, o.t, o.q0, quality, out):
        raise NoValue("overlaps too close to 1 for the nodes")
    return Patterns(*map(float, out))


def algebra(y: float, c: Conjugates, o: Overlaps, p: float) -> list[float]:
    """The terms of phi apart from W and G, p prescribed; differences of overlaps near 1 do not occur."""
    return [
        -0.5 * c.q_ref * o.free_ref,
        -y * (c.t * (p - o.t) + c.shift * p),
        -0.5 * y * y * (c.q0 * o.gap + c.gap * o.q1),
        -0.5 * y * (c.q0 + c.gap) * o.free,
    ]


class Constrained:
    """Equations of the local entropy of one point of a binary threshold model, references of margin ``kappa_ref``.

    ``infinite``: at y = inf, where q1_hat - q0_hat is scaled by y, t_hat by 1/y, q~_hat by 1/y^2, phi is lim phi/y.

    Unknowns: log q0_hat, log(q1_hat - q0_hat), arsinh(t_hat/q0_hat), arsinh(q~_hat - t_hat^2/q0_hat), p_hat - t_hat. The third and
    the fourth vanish where the reference does not touch its margin, the fourth also at y = 1 with kappa_ref = kappa, where
    reference and solution change places.
    """

    names = ("q0_hat", "gap_hat", "t_hat", "q_ref_hat", "shift")
    enter = LARGE

    def __init__(self, point: Batch, kappa_ref: float | None = None, infinite: bool = False):
        model = point.model
        if model.teacher or point.levels.shape[1] > 1 or not np.isposinf(point.high[0, 0]) or point.beta is not None:
            raise ValueError(f"model: got {model!r}; takes a threshold likelihood without teacher or temperature")
        self.infinite = infinite
        self.point, self.alpha, self.kappa = point, float(point.alpha[0]), float(point.low[0, 0])
        self.kappa_ref = self.kappa if kappa_ref is None else float(kappa_ref)
        if not math.isfinite(self.kappa_ref):
            raise ValueError(f"reference_kappa: got {kappa_ref}; takes a finite margin (-inf: the unconstrained reference)")

    def conjugates(self, x: np.ndarray) -> Conjugates:
        if not np.all(np.abs(x) < LARGEST):
            raise NoValue("conjugates at their ends")
        q0, gap = math.exp(x[0]), math.exp(x[1])
        return Conjugates(q0, gap, math.sinh(x[2]) * q0, max(math.sinh(abs(x[3])), SMALLEST), float(x[4]))

    def explicit(self, P: Patterns, shift: float) -> Conjugates:
        """The conjugates that the patterns give."""
        return Conjugates(
            self.alpha * P.square, self.alpha * P.spread, self.alpha * P.product, self.alpha * P.rest_ref, shift
        )

    def pack(self, c: Conjugates) -> np.ndarray:
        return np.array([math.log(c.q0), math.log(c.gap), math.asinh(c.t / c.q0), math.asinh(c.rest), c.shift])

    def evaluate(self, x: np.ndarray, y: float, d: float, quality: float = 1.0) -> Values:
        """Everything at the unknowns x."""
        if not y > 0 or math.isinf(y) != self.infinite:
            raise ValueError(f"y: got {y}; takes {'inf' if self.infinite else 'a finite number > 0'} in this system")
        c = self.conjugates(np.asarray(x, dtype=float))
        W = weights(y, c, quality)
        o = W.overlaps
        P = patterns(y, self.kappa, self.kappa_ref, o, quality)
        if not (P.square > 0 and P.spread > 0):
            raise NoValue("scores without spread")
        new = self.pack(self.explicit(P, c.shift))
        residual = new - x
        residual[4] = math.log(o.d / d) - math.log((1 - o.d) / (1 - d))
        p = 1 - 2 * d
        pairs = c.q0 * o.gap + c.gap * (o.q0 if self.infinite else o.q1)
        cross = c.shift if self.infinite else c.t + c.shift
        if self.infinite:
            terms = [-0.5 * c.q_ref * o.free_ref, -c.t * o.cross, -c.shift * p, -0.5 * pairs, -0.5 * c.q0 * o.free]
            terms += [W.value, self.alpha * P.value]
            phi = inner = math.fsum(terms)
            external = -math.inf
        else:
            terms = [*algebra(y, c, o, p), W.value, self.alpha * P.value]
            phi = math.fsum(terms)
            inner = -c.t * (p - o.t) - c.shift * p - y * pairs - 0.5 * (c.q0 + c.gap) * o.free
            inner += W.level + self.alpha * P.level
            external = -0.5 * c.q_ref * o.free_ref + 0.5 * y * y * pairs
            external += (W.value - y * W.level) + self.alpha * (P.value - y * P.level)
        slope = 2 * (c.shift - self.alpha * P.cross)
        if not self.infinite:
            slope += 2 * (c.t - self.alpha * P.product)
        shown = {
            "q1": o.q0 if self.infinite else o.q1,
            "q0": o.q0,
            "q_ref": o.q_ref,
            "t": o.t,
            "q1_hat": c.q0 if self.infinite else c.q0 + c.gap,
            "q0_hat": c.q0,
        }
        if not self.infinite:  # those of the reference grow with y
            shown |= {"p_hat": cross, "q_ref_hat": c.q_ref, "t_hat": c.t}
        size = math.fsum(abs(t) for t in terms)
        return Values(residual, phi, inner, external, slope, shown, size)

    def typical(self, y: float, d: float) -> np.ndarray:
        """A saddle at moderate y and d: damped iteration from solutions that are typical apart from their distance."""
        p = 1 - 2 * d
        saddle = follow(self.point)
        if not saddle.converged[0]:
            raise NoValue("no replica-symmetric saddle")
        q = float(1 / (1 + math.exp(-saddle.x[0, 0])))
        # as at y = 1, where q~ = t = q0, but within the cone
        share = max((p - q) / (1 - q), -OPPOSITE)
        gap = 0.5 * (1 - q) * (1 + share * share)
        guess = Overlaps(1 - q, share * (1 - q), gap, 1 - q - gap, d, q, q, q)
        x = self.pack(self.explicit(patterns(y, self.kappa, self.kappa_ref, guess), math.atanh(p)))
        for _ in range(DAMPED):
            residual = self.evaluate(x, y, d).residual
            residual[4] *= 0.5  # 1 - 2d = tanh(shift) without patterns: shift is half the logarithm of the odds
            if np.max(np.abs(residual)) < SETTLED:
                break
            x = x + np.array([0.5, 0.5, 0.5, 0.5, 1.0]) * np.clip(residual, -1.0, 1.0)
        found = newton(self, x, y, d)
        if not found.ok:
            raise NoValue("no saddle to start from")
        return found.x

    def raised(self, x: np.ndarray, y: float, d: float, at: float = 1.0) -> np.ndarray:
        """The saddle at y = ``at`` followed to y."""
        path = Path(lambda _: self, "y", Saddle(x, at, d, self.evaluate(x, at, d), 0.0, self.alpha))
        found, reached = path.advance(newton(self, x, at, d), y)
        if not reached:
            raise NoValue(f"the branch of typical references ends at y = {found.y:.4g}")
        return found.x

    def start(self, y: float, d: float) -> np.ndarray:
        """The branch of typical references (y = 1) followed to y; at y = inf, entered from LARGE."""
        if not self.infinite:
            return self.raised(self.typical(1.0, d), y, d)
        finite = Constrained(self.point, self.kappa_ref)
        at = newton(finite, finite.start(LARGE, d), LARGE, d)
        return newton(self, self.entered(finite, at), math.inf, d).x

    def entered(self, finite: Constrained, saddle: Saddle) -> np.ndarray:
        """Unknowns at y = inf from a saddle at large y."""
        c, y = finite.conjugates(saddle.x), saddle.y
        return self.pack(Conjugates(c.q0, y * c.gap, c.t / y, c.rest / y**2, c.shift))
