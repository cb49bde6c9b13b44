r"""The saddle-point equations of the Franz-Parisi entropy, and their curves in the distance.

.. math:: S = -\tfrac{\hat q}{2}(1 - q) - \hat p p + \hat t t - D(1 - 2d) + G_S + \alpha G_E

The conjugates are explicit averages over a pattern (`coupled`), the unknowns t, log(gamma/sqrt(1 - q)), artanh(b/sqrt(Q~ - q~)),
arsinh D, so that no Newton step leaves the cone of possible overlaps. Near the typical distance gamma vanishes with D: equations are
divided by what they vanish with.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .coupled import Patterns, Reference, patterns, sites
from .parisi import LeafTable, TooNarrow

TOLERANCE = 1e-11  # of the undamped residual, relative: quadratic convergence leaves rounding below it
ROUNDING = 4 * float(np.finfo(float).eps)  # of a sum of averages of order one
STEPS = 12  # Jacobians that a root may take
FEW = 3  # the same of a root on a curve, whose neighbour is known
DIFFERENCE = 1e-6  # of the unknowns, which are of order one, for the Jacobian
CENTRAL = 1e-5  # the same of a central one, whose inverse gives slopes and errors
SLOW = 0.3  # share of the residual that a step leaves when its Jacobian is renewed
LOST = 30.0  # residual from which no root is sought
HALVINGS = 5  # of a step that does not lower the residual
LONGEST = 0.8  # Newton step of an unknown
COARSENESS = 0.05  # of the unknowns on coarse grids
COARSE = 0.6  # the same of a root that is only passed on the way to one that is asked for
FINER = 1.5  # density of nodes of the refinement
STRIDE = 0.35  # first of a continuation, in the logit of d between the ends of the curve
WIDEST = 1.4  # stride, where the last ones went well
SHORTEST = 1e-4  # stride at which a branch counts as ended
POINTLESS = 0.02  # the same where there are no solutions: as they are fewer and fewer q grows to 1, D and -S to infinity
SAME = 1e-9  # difference of two distances in that measure that is none
SURPRISE = 0.25  # deviation from the trapezoid rule over the slopes at both ends of a stride, in units of their difference
SHARE = 0.02  # the same in units of the change itself, where the slopes at both ends happen to agree
EDGE = 1e-5  # of v, under which it has an equation of its own: where patterns are hardly felt W is p W~ and independent noise
FAINT = 1e-4  # such a deviation that is no jump, whatever the slopes


@dataclass(frozen=True)
class Factors:
    """t = sqrt(q~) tau, q = tau^2 + gamma^2, p = t + b gamma, V = 1 - q, v = Q~ - q~ - b^2, and the multiplier D."""

    t: float
    tau: float
    gamma: float
    b: float
    V: float
    v: float
    D: float

    @property
    def p(self) -> float:
        return self.t + self.b * self.gamma


@dataclass(frozen=True)
class State:
    """The equations at given unknowns: relative residuals and what rounding makes of them, entropy, D and overlaps;
    ``size`` sums the entropy's terms."""

    x: np.ndarray
    residual: np.ndarray
    rounding: np.ndarray
    entropy: float
    size: float
    multiplier: float
    q: float
    t: float
    p: float
    lost: float

    @property
    def solved(self) -> bool:
        return bool(np.all(np.abs(self.residual) < TOLERANCE + self.rounding))

    @property
    def shown(self) -> np.ndarray:
        return np.array([self.q, self.t, self.p, self.multiplier])


@dataclass(frozen=True)
class Root:
    """A saddle: the state, and errors of entropy, multiplier and overlaps from a refinement of every average."""

    state: State
    distance: float
    entropy_error: float
    multiplier_error: float
    order_error: np.ndarray
    converged: bool
    slope: np.ndarray  # of the unknowns with the distance
    matrix: np.ndarray

    @property
    def residual(self) -> float:
        return float(np.abs(self.state.residual).max())


class Binary:
    """Binary W around a reference that is binarised by sign (a binary one is its own sign)."""

    counts = True  # the entropy is the logarithm of a number
    density = 1.0  # of the nodes of every average

    def coarse(self) -> Binary:
        """The same equations on grids that do for a guess."""
        rough = copy.copy(self)
        rough.density = COARSE
        return rough

    def __init__(self, alpha: float, reference: Reference, leaf: Callable[[float], LeafTable], kinks: tuple[float, ...]):
        self.alpha, self.reference, self.leaf, self.kinks = alpha, reference, leaf, kinks

    @cached_property
    def zero(self) -> bool:
        """References without common overlap: t = 0."""
        return self.reference.q == 0.0

    @property
    def size(self) -> int:
        return 4 - self.zero

    def unpack(self, x: np.ndarray) -> Factors:
        """The factors of the overlaps at given unknowns."""
        t = 0.0 if self.zero else float(x[0])
        share, cone = x[1 - self.zero], x[2 - self.zero]
        rest = self.reference.rest
        D = math.sinh(x[3 - self.zero]) if x.size == 4 - self.zero else 0.0
        tau = 0.0 if self.zero else t / math.sqrt(self.reference.q)
        free = 1.0 - tau * tau
        if not free > 0.0:
            raise TooNarrow("t leaves the cone of possible overlaps")
        # gamma^2 = free/(1 + e^-2x) and V = free - gamma^2 without a difference
        gamma, V = math.sqrt(free / (1 + math.exp(-2 * share))), free / (1 + math.exp(2 * share))
        return Factors(t, tau, gamma, math.sqrt(rest) * math.tanh(cone), V, rest / math.cosh(cone) ** 2, D)

    def pack(self, t: float, gamma: float, b: float, D: float) -> np.ndarray:
        free = 1.0 if self.zero else 1.0 - t * t / self.reference.q
        share = 0.5 * math.log(gamma * gamma / (free - gamma * gamma))
        x = [t, share, math.atanh(b / math.sqrt(self.reference.rest)), math.asinh(D)]
        return np.array(x[self.zero :][: self.size])

    def patterns(self, f: Factors, quality: float) -> Patterns:
        return patterns(self.reference, self.leaf, self.kinks, f.tau, f.gamma, f.b, f.V, f.v, quality * self.density)

    def evaluate(self, x: np.ndarray, d: float, quality: float = 1.0) -> State:
        ref = self.reference
        f = self.unpack(x)
        t, gamma, b, D, p, V = f.t, f.gamma, f.b, f.D, f.p, f.V
        at = self.patterns(f, quality)
        q_hat, t_hat, p_hat = (self.alpha * v for v in (at.square, at.other, at.cross))
        gamma_hat = math.sqrt(self.alpha * at.excess)
        slope = 0.0 if self.zero else t_hat / math.sqrt(ref.q_hat)
        ratio = 0.0 if self.zero else t / ref.q
        along = b * gamma / ref.rest
        site = sites(ref, slope, gamma_hat, p_hat - t_hat, D, ratio, quality * self.density, along)
        beside = (site.beside - b * gamma) / gamma
        blurred = ROUNDING / gamma
        if f.v < EDGE * ref.rest:  # excess - 2 k beside + k^2 rest, all of it small: no difference then
            small = gamma * gamma * f.v / ref.rest
            beside = math.log(site.across / small)
            blurred = ROUNDING / math.sqrt(small)
        residual = [site.other - t, math.log(site.excess) - 2 * math.log(gamma), beside, site.sign - (1 - 2 * d)]
        terms = (-q_hat / 2 * V, -p_hat * p, t_hat * t, -D * (1 - 2 * d), site.value, self.alpha * at.value)
        rounding = np.array([ROUNDING, ROUNDING, blurred, ROUNDING])
        return State(x, np.array(residual[self.zero :]), rounding[self.zero :], sum(terms), sum(map(abs, terms)), D, 1 - V, t, p, at.lost)

    def by_distance(self, x: np.ndarray) -> np.ndarray:
        """d residual/dd."""
        return np.array([0.0] * (self.size - 1) + [2.0])


class Sphere(Binary):
    """Spherical W around a spherical reference: p = 1 - 2d itself is given, the sites are Gaussian and eliminated.

    With delta = p - t the conjugates of the sphere are t_hat = (t - delta q~/(1 - q~))/((1 - q~)(1 - q)) and
    q_hat - t_hat^2/q~_hat = gamma^2 (1 - q~ - b^2)/((1 - q~)(1 - q)^2).
    """

    counts = False

    @property
    def size(self) -> int:
        return 3 - self.zero

    def evaluate(self, x: np.ndarray, d: float, quality: float = 1.0) -> State:
        ref = self.reference
        f = self.unpack(x)
        t, gamma, V, rest = f.t, f.gamma, f.V, ref.rest
        delta = f.b * gamma
        at = self.patterns(f, quality)
        bend = (1 - 2 * ref.q) / rest
        within = (2 * t * delta + bend * delta**2) / rest  # length of W along the references
        t_hat = (t - delta * ref.q / rest) / (rest * V)
        residual = [
            t_hat - self.alpha * at.other,
            math.log(self.alpha * at.excess * V * V * rest / f.v) - 2 * math.log(gamma),
            (t + delta - (1 - 2 * d)) / gamma,
        ]
        D = (t + bend * delta) / (rest * V) - self.alpha * at.cross
        terms = (math.log(V) / 2, (1 - V - within) / (2 * V), self.alpha * at.value)
        rounding = np.array([ROUNDING, ROUNDING, ROUNDING / gamma])
        return State(x, np.array(residual[self.zero :]), rounding[self.zero :], sum(terms), sum(map(abs, terms)), D, 1 - V, t, f.p, at.lost)


    def by_distance(self, x: np.ndarray) -> np.ndarray:
        return np.array([0.0] * (self.size - 1) + [2.0 / self.unpack(x).gamma])


def jacobian(system: Binary, at: State, d: float) -> np.ndarray:
    """Derivatives of the residual by the unknowns, by forward differences: good enough for a step."""
    columns = [system.evaluate(at.x + DIFFERENCE * axis, d).residual - at.residual for axis in np.eye(at.x.size)]
    return np.array(columns).T / DIFFERENCE


def derivatives(system: Binary, at: State, d: float) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives by the unknowns of the residual, and of overlaps and D, by central differences."""
    rows, shown = [], []
    for axis in np.eye(at.x.size):
        up, down = (system.evaluate(at.x + step * axis, d) for step in (CENTRAL, -CENTRAL))
        rows.append((up.residual - down.residual) / (2 * CENTRAL))
        shown.append((up.shown - down.shown) / (2 * CENTRAL))
    return np.array(rows).T, np.array(shown).T


def solve(system: Binary, x: np.ndarray, d: float, matrix: np.ndarray | None = None, most: int = STEPS) -> State | None:
    """The root near x, None when Newton leaves or stalls within ``most`` Jacobians; ``matrix`` is one from near by.

    Broyden's updates save Jacobians, which cost an evaluation for each unknown; a new one is made where they no longer
    converge quickly.
    """
    at = system.evaluate(x, d)
    fresh, made = matrix is None, 0
    for _ in range(4 * most):
        best = float(np.abs(at.residual).max())
        if not best < LOST or made > most:
            return None
        if at.solved:
            return at
        if matrix is None:
            matrix, made, fresh = jacobian(system, at, d), made + 1, True
        move = np.linalg.solve(matrix, -at.residual)
        new = _shortened(system, at, move * min(1.0, LONGEST / float(np.abs(move).max())), d, HALVINGS if fresh else 0)
        if new is None:
            if fresh:
                return None
            matrix = None
            continue
        dx = new.x - at.x
        matrix = matrix + np.outer(new.residual - at.residual - matrix @ dx, dx) / (dx @ dx)
        if float(np.abs(new.residual).max()) > SLOW * best:
            matrix = None
        at, fresh = new, False
    return None


def _shortened(system: Binary, at: State, move: np.ndarray, d: float, halvings: int) -> State | None:
    """The state a move away, or less far where the residual would grow."""
    size = float(np.abs(at.residual).max())
    for _ in range(halvings + 1):
        try:
            new = system.evaluate(at.x + move, d)
            if float(np.abs(new.residual).max()) < size:
                return new
        except UNREACHED:
            pass
        move = move / 2
    return None


def finished(system: Binary, at: State, d: float) -> Root:
    """The root with its errors: the residual and the change of every average on finer grids, through the Jacobian."""
    matrix, shown = derivatives(system, at, d)
    fine = system.evaluate(at.x, d, FINER)
    inverse = np.linalg.inv(matrix)
    shift = np.abs(inverse) @ (np.abs(fine.residual) + at.rounding)
    # what the averages miss directly, and through the unknowns
    moved = np.abs(fine.shown - at.shown) + np.abs(shown) @ shift + ROUNDING
    entropy_error = abs(fine.entropy - at.entropy) + ROUNDING * at.size
    return Root(at, d, entropy_error, float(moved[-1]), moved[:-1], at.solved, -inverse @ system.by_distance(at.x), matrix)


UNREACHED = (TooNarrow, OverflowError, np.linalg.LinAlgError, ValueError, ZeroDivisionError)


def root(system: Binary, x: np.ndarray, d: float, matrix: np.ndarray | None = None, most: int = STEPS) -> Root | None:
    """The root near x with its errors."""
    with np.errstate(all="ignore"):
        try:
            at = solve(system, x, d, matrix, most)
            new = None if at is None else finished(system, at, d)
        except UNREACHED:
            return None
    return new if new is not None and new.converged else None


@dataclass(frozen=True)
class Ended:
    """A branch that could not be continued, and the last root reached."""

    last: Root

    @property
    def distance(self) -> float:
        return self.last.distance


@dataclass(frozen=True)
class Span:
    """A curve between two ends, and what its strides are measured in: unknowns change with the logarithm of the distance
    to both, d = 0 or 1 and the point where gamma vanishes."""

    low: float = 0.0
    high: float = 1.0

    def measure(self, d: float) -> float:
        return math.log((d - self.low) / (self.high - d))

    def distance(self, u: float) -> float:
        return self.low + (self.high - self.low) / (1 + math.exp(-u))

    def per(self, d: float) -> float:
        """dd/du."""
        return (d - self.low) * (self.high - d) / (self.high - self.low)


def follow(system: Binary, start: Root, targets: np.ndarray, span: Span | None = None) -> Iterator[Root | Ended]:
    """Roots at ``targets``, which lead away from the start, each continued from the last; `Ended` from where the branch ends.

    A stride is accepted when unknowns and entropy change by what their slopes predict; otherwise it is halved: no branch is
    left for another.
    """
    span = span or Span()
    rough = system.coarse()
    # a curve is followed on coarse grids throughout: a change of grid looks like a jump where gamma or 1 - q is small
    here, ended, longest, before = root(rough, start.state.x, start.distance, start.matrix, FEW) or start, False, STRIDE, None
    for target in targets:
        while not ended and here.distance != target:
            u = span.measure(here.distance)
            gap = span.measure(target) - u
            new, tries, stride = None, 0, min(abs(gap), longest)
            shortest = POINTLESS if system.counts and here.state.entropy < 0 else SHORTEST
            while new is None and (tries == 0 or stride >= shortest):
                d = target if abs(gap) - stride < SAME else span.distance(u + math.copysign(stride, gap))
                new = _stride(rough, here, before, float(d), span)
                tries, longest, stride = tries + 1, stride if new is None or tries else max(longest, min(WIDEST, 2 * stride)), stride / 2
            if new is None:
                ended = True
            else:
                before, here = here, new
        found = None if ended else _refined(system, here)
        yield found or Ended(_refined(system, here) or here)


def _refined(system: Binary, rough: Root) -> Root | None:
    """A root found on coarse grids with all its digits, None where it turns out to be another one."""
    found = root(system, rough.state.x, rough.distance, rough.matrix)
    return found if found is not None and np.abs(found.state.x - rough.state.x).max() < COARSENESS else None


def _stride(system: Binary, here: Root, before: Root | None, d: float, span: Span) -> Root | None:
    """The root at d if it is the continuation of the one here."""
    step = span.measure(d) - span.measure(here.distance)
    first = here.slope * span.per(here.distance)
    bend = np.zeros_like(first)
    back = 0.0 if before is None else span.measure(here.distance) - span.measure(before.distance)
    if before is not None and abs(back) > SHORTEST:
        bend = (first - before.slope * span.per(before.distance)) / back
    new = root(system, here.state.x + first * step + bend * step**2 / 2, d, here.matrix, FEW)
    if new is None:
        return None
    # trapezoid rule over the slopes at both ends: on one branch the remainder is small beside the change of slope
    last = new.slope * span.per(d)
    surprise = np.abs(new.state.x - here.state.x - (first + last) / 2 * step)
    allowed = (SURPRISE * np.abs(last - first) + SHARE * (np.abs(first) + np.abs(last))) * abs(step) + FAINT
    rise = 2 * np.array([at.state.multiplier * span.per(at.distance) for at in (here, new)])
    entropy = abs(new.state.entropy - here.state.entropy - rise.mean() * step)
    noise = 10 * (here.entropy_error + new.entropy_error)
    smooth = entropy <= (SURPRISE * abs(rise[1] - rise[0]) + SHARE * np.abs(rise).sum() + FAINT) * abs(step) + noise
    return new if smooth and np.all(surprise <= allowed) else None
