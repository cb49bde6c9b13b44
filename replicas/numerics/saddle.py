r"""Saddle points of a derived functional: batches of parameters, starts, branches, verdicts.

A batch is a flat list of (alpha, kappa, beta); a scalar is a batch of one. Points are visited in the order of
(kappa, beta, alpha), each warm-started from its neighbour, and accepted on the undamped residual of its own equations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from .. import progress
from ..models import Discrete, Likelihood, Model, Perceptron, Spherical, Tree, check_beta, check_kappa
from ..stochastic import StochasticPerceptron
from .codegen import load

CONVERGED = -3  # column of Solution.info; the last two are errors of the replicon and of the mean log-likelihood
MAX_LEVEL = 3  # refinements of the quadrature before a point is given up
ROUNDING = 1.5e-15  # relative error of a term, as in the driver
NEGLIGIBLE = 1e-17  # an equation whose terms are all smaller is solved, as in the driver
LOOSE = 1e-15  # q that such equations cannot tell from 0
RESIDUAL_LIMIT = 1e-10  # relative residual above which nothing is returned
WIDE_MULTIPLIER = 2e3  # |lam| between which a self-overlap is matched
SMALLEST = 1e-200  # floor of a self-overlap on its way to zero
COARSE_START = -3  # level of the grids of tree machines, for starts
NO_OVERLAP = -600.0  # logit and log of an overlap that is exactly zero: e^-600 stays a normal double
STARTS = (0.0, -3.0, 3.0, -6.0, 6.0, 9.0, -12.0, -19.0, -26.0, -33.0)  # logit(q) tried in turn when a point has no good neighbour
FOLDING_MARGIN, LOW_START = -2.5, -5.0  # below about -2.85 several q > 0 coexist on the sphere
RAMP = 0.7  # ratio of successive loads when a branch is followed from small alpha
RAMP_FROM = 0.05
FAINT = 1e-6  # load below which a student's overlap is proportional to it


@dataclass(frozen=True)
class Batch:
    """Parameters of B points of one model, ready for the generated code."""

    model: Model
    shape: tuple[int, ...]
    alpha: np.ndarray
    kappa: np.ndarray
    beta: np.ndarray | None
    levels: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def size(self) -> int:
        return self.alpha.size

    @property
    def values(self) -> np.ndarray:
        w = self.model.weights
        return np.array(w.values if isinstance(w, Discrete) else (0.0, 0.0))

    @property
    def log_measure(self) -> np.ndarray:
        w = self.model.weights
        return np.array(w.log_measure if isinstance(w, Discrete) else (0.0, 0.0))

    def take(self, index: Any) -> Batch:
        """The sub-batch at ``index``."""
        beta = None if self.beta is None else self.beta[index]
        a = self.alpha[index]
        return replace(
            self,
            shape=a.shape,
            alpha=a,
            kappa=self.kappa[index],
            beta=beta,
            levels=self.levels[index],
            low=self.low[index],
            high=self.high[index],
        )

    def with_alpha(self, alpha: Any) -> Batch:
        return replace(
            self,
            alpha=np.ascontiguousarray(np.broadcast_to(np.asarray(alpha, dtype=float), self.alpha.shape)),
        )

    def out(self, values: np.ndarray) -> Any:
        """A flat array in the shape the question was asked in: a scalar for a scalar."""
        if self.shape:
            return values.reshape(self.shape)
        return values[0].item() if isinstance(values[0], np.generic) else values[0]


def numbers(name: str, value: Any, takes: str, low: float = -np.inf) -> np.ndarray:
    """``value`` as a float array, or a one-line ValueError naming the argument."""
    try:
        if np.asarray(value).dtype.kind == "b":  # True is no number
            raise TypeError
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {value!r}; takes {takes}") from None
    bad = ~(np.isfinite(array) & (array >= low))
    if bad.any() or array.size == 0:
        got = array[bad].flat[0] if bad.any() else "an empty array"
        raise ValueError(f"{name}: got {got}; takes {takes}")
    return array


def check_alpha(alpha: Any) -> np.ndarray:
    """Loads: finite and >= 0."""
    return numbers("alpha", alpha, "a finite load >= 0", 0.0)


def check_model(model: Any) -> None:
    """Anything but a model is refused by name."""
    if not isinstance(model, Model):
        raise ValueError(f"model: got {model!r}; takes a model such as rp.Perceptron(weights='binary')")
    if isinstance(model, StochasticPerceptron):
        raise ValueError(f"model: got {model.describe()}; takes another model (of this one: solve, stability, derive)")


def make_batch(model: Model, alpha: Any = 1.0, kappa: Any = None, beta: Any = None) -> Batch:
    """Broadcast alpha, kappa and beta (the model's own where None) against each other."""
    check_model(model)
    if not isinstance(model, Perceptron):
        check_units(model, kappa, beta)
    if kappa is None and beta is None and model.beta is None and isinstance(alpha, float) and 0.0 <= alpha < np.inf:
        single = _constant_pieces(model)
        if single is not None:  # one point: nothing to broadcast
            return Batch(model, (), np.array([alpha]), *single)
    a = check_alpha(alpha)
    if (kappa is not None or beta is not None) and isinstance(model.likelihood, Likelihood):
        raise ValueError("kappa, beta: a user-defined likelihood takes neither")
    if kappa is not None and model.teacher and np.any(np.asarray(kappa) != 0):
        wrong = np.ravel(np.asarray(kappa, dtype=float))
        raise ValueError(f"kappa: got {wrong[wrong != 0][0]:g} with a noise-free teacher; takes 0")
    if beta is not None and model.beta is None:
        raise ValueError(f"beta: got {beta!r} for a model with hard constraints; takes a model made with beta")
    k = np.asarray(model.kappa if kappa is None else _array(check_kappa, kappa, model.likelihood), dtype=float)
    b = (
        None
        if model.beta is None
        else np.asarray(model.beta if beta is None else _array(check_beta, beta), dtype=float)
    )
    try:
        shape = np.broadcast_shapes(a.shape, k.shape, () if b is None else b.shape)
    except ValueError:
        raise ValueError(
            f"alpha, kappa, beta: got shapes {a.shape}, {k.shape}{'' if b is None else f', {b.shape}'}; takes arrays that broadcast"
        ) from None
    flat = [np.broadcast_to(x, shape).reshape(-1).copy() for x in (a, k)]
    fb = None if b is None else np.broadcast_to(b, shape).reshape(-1).copy()
    levels, low, high = _pieces(model, flat[1], fb)
    return Batch(model, shape, flat[0], flat[1], fb, levels, low, high)


MOST_UNITS = 9  # whose fields are averaged over a grid of multisets


def check_units(model: Model, kappa: Any, beta: Any, most: int | None = MOST_UNITS) -> None:
    """What a tree machine can be asked for: no margins, no noise, and for a saddle point not more than ``most`` units."""
    for name, value in (("kappa", kappa), ("beta", beta)):
        if value is not None:
            raise ValueError(
                f"{name}: got {value!r} with a {model.to_dict()['name']}; takes None (its units have no margin and no noise)"
            )
    if most is not None and model.fields > most:
        raise ValueError(
            f"K: got {model.K} for a saddle point, an average over K fields; takes up to {most} "
            "(the replica-symmetric capacity of spherical weights takes any K)"
        )


@lru_cache(maxsize=256)
def _constant_pieces(model: Model) -> tuple[Any, ...] | None:
    """kappa, beta, levels, low, high of a model with one margin and hard constraints."""
    if isinstance(model.kappa, tuple):
        return None
    kappa = np.array([model.kappa])
    return kappa, None, *_pieces(model, kappa, None)


def _array(check: Any, value: Any, *args: Any) -> np.ndarray:
    array = np.asarray(value, dtype=float) if not isinstance(value, str) else value
    check(np.ravel(array).tolist() if getattr(array, "ndim", 0) else value, *args)
    return np.asarray(array)


def _pieces(model: Model, kappa: np.ndarray, beta: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """levels, low, high of the likelihood's pieces, (B, pieces); for a smooth one its kinks stand in ``low``."""
    size = kappa.size
    if isinstance(model, Tree):
        return np.zeros((size, 1)), np.zeros((size, 1)), np.full((size, 1), np.inf)
    if isinstance(model.likelihood, Likelihood):
        if model.likelihood.smooth:
            low = np.tile(np.array(model.likelihood.kinks, dtype=float), (size, 1))
            return np.zeros((size, max(1, low.shape[1]))), low, np.full_like(low, np.inf)
        p = model.likelihood.pieces or ()
        rows = np.array([[x.log_level for x in p], [x.low for x in p], [x.high for x in p]])
        levels, low, high = (np.tile(r, (size, 1)) for r in rows)
        return levels, low, high
    inf = np.full(size, np.inf)
    zero = np.zeros(size)
    inside = [(zero, kappa, inf)] if model.likelihood == "threshold" else [(zero, -kappa, kappa)]
    if beta is not None:
        outside = [(-inf, kappa)] if model.likelihood == "threshold" else [(-inf, -kappa), (kappa, inf)]
        inside += [(-beta, a, b) for a, b in outside]
    levels, low, high = (np.ascontiguousarray(np.stack([p[i] for p in inside], axis=1)) for i in range(3))
    return levels, low, high


@dataclass
class Solution:
    """Flat arrays of solved points: unconstrained unknowns, load, averages on the fine grid, errors, convergence."""

    batch: Batch
    module: Any
    x: np.ndarray
    alpha: np.ndarray
    results: np.ndarray
    info: np.ndarray
    last_phi: np.ndarray | None = None  # of the last point before a followed branch was lost

    @property
    def converged(self) -> np.ndarray:
        return self.info[:, CONVERGED] == 1.0

    @property
    def nu(self) -> int:
        return int(self.module.NU)

    def extra(self, name: str) -> np.ndarray:
        """A named observable (replicon, loglik, q_hat, lam, breaking_rise, breaking_fall)."""
        return self.results[:, self.module.AT_ALPHA + 1 + self.module.EXTRAS.index(name)]

    @property
    def phi(self) -> np.ndarray:
        return self.results[:, 0]

    @property
    def dphi_dalpha(self) -> np.ndarray:
        return self.results[:, self.module.AT_ALPHA]

    @property
    def hessian(self) -> np.ndarray:
        """(B, nu, nu) derivative of the saddle equations with respect to the unconstrained unknowns."""
        n = self.nu
        return self.results[:, 2 + 2 * n : 2 + 2 * n + n * (n + 1)].reshape(-1, n, n + 1)[:, :, :n]

    @property
    def alpha_column(self) -> np.ndarray:
        n = self.nu
        return self.results[:, 2 + 2 * n : 2 + 2 * n + n * (n + 1)].reshape(-1, n, n + 1)[:, :, n]

    @property
    def entropy(self) -> np.ndarray:
        """phi - alpha <log Theta>: the free entropy itself for hard constraints."""
        return self.phi - self.extra("loglik")

    @property
    def norm(self) -> np.ndarray:
        names = self.module.UNKNOWNS
        if "Q" in names:
            return np.exp(self.x[:, names.index("Q")])
        return np.full(self.alpha.size, fixed_norm(self.batch.model))

    def overlaps(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """q, Q - q without subtracting, and the error of both from that of the logit."""
        norm = self.norm
        with np.errstate(over="ignore", divide="ignore"):
            growth = np.exp(-self.x[:, 0])
            q = norm / (1 + growth)
            gap = norm / (1 + 1 / growth)
        return q, gap, q * gap / norm * self.info[:, 0] + 2e-16 * q

    @property
    def q(self) -> np.ndarray:
        return self.overlaps()[0]

    @property
    def gap(self) -> np.ndarray:
        return self.overlaps()[1]

    def pick(self, index: Any) -> Solution:
        """The points at ``index``."""
        return Solution(
            self.batch.take(index), self.module, self.x[index], self.alpha[index], self.results[index], self.info[index]
        )

    def put(self, index: Any, other: Solution) -> None:
        """Overwrite the points at ``index``."""
        self.x[index], self.alpha[index], self.results[index], self.info[index] = (
            other.x,
            other.alpha,
            other.results,
            other.info,
        )


def fixed_norm(model: Model) -> float:
    """Q when it is not an unknown."""
    w = model.weights
    if not isinstance(w, Discrete):
        return 1.0
    return float(w.fixed_norm if w.fixed_norm is not None else np.mean(np.square(w.values)))


def newton(
    batch: Batch, x0: np.ndarray, zero: bool = False, cold: np.ndarray | None = None, rough: bool = False
) -> Solution:
    """Newton from ``x0``, each point warm-started from the one before it unless ``cold``.

    ``rough``: on coarse grids where the fields are several, to see where solutions are.
    """
    progress.evaluated()
    module = load(batch.model)
    size = batch.size
    xs, found = np.empty((size, module.NU)), np.empty(size)
    results, info = np.empty((size, module.NOUT)), np.empty((size, module.NU + 8))
    cold = np.ones(size, dtype=bool) if cold is None else cold
    module.solve_batch(
        np.ascontiguousarray(x0),
        batch.alpha,
        zero,
        batch.levels,
        batch.low,
        batch.high,
        batch.values,
        batch.log_measure,
        True,
        MAX_LEVEL,
        xs,
        found,
        results,
        info,
        cold,
        rough,
    )
    return Solution(batch, module, xs, found, results, info)


def evaluate(batch: Batch, x: np.ndarray, level: int = 1) -> Solution:
    """The functional and its averages at given unknowns, not solved."""
    progress.evaluated()
    module = load(batch.model)
    results = np.empty((batch.size, module.NOUT))
    module.evaluate_batch(
        np.ascontiguousarray(x),
        batch.alpha,
        batch.levels,
        batch.low,
        batch.high,
        batch.values,
        batch.log_measure,
        level,
        results,
    )
    info = np.full((batch.size, module.NU + 8), np.nan)
    return Solution(batch, module, np.array(x), batch.alpha.copy(), results, info)


def start(batch: Batch, logit: float, shrink: float = 1.0) -> np.ndarray:
    """Unknowns with q/Q given by its logit, Q a share of its free value, conjugates from their explicit equations."""
    module = load(batch.model)
    names = module.UNKNOWNS
    x = np.zeros((batch.size, module.NU))
    x[:, 0] = logit
    if "Q" in names:
        w = batch.model.weights
        assert isinstance(w, Discrete)
        x[:, names.index("Q")] = np.log(shrink * np.mean(np.square(w.values)))
    if module.NU == 1:
        return x
    out = evaluate(batch, x, level=0 if batch.model.fields == 1 else COARSE_START).results
    sign = -1.0 if batch.model.teacher else 1.0
    q_hat = 1.0 - sign * 2 * out[:, 2]  # d phi/dq = +-(q_hat - alpha <f'^2>)/2, evaluated at q_hat = 1
    x[:, 1] = np.log(np.maximum(q_hat, 1e-12))
    if "lambda" in names:
        x[:, 2] = -2 * (out[:, 2] + out[:, 2 + names.index("Q")])  # d phi/dq + d phi/dQ = (lam + alpha <f''>)/2
    return x


def follow(batch: Batch, zero: bool = False) -> Solution:
    """The branch that starts at alpha = 0, at every point of the batch; not converged where it has ended.

    Points are ordered by (kappa, beta, alpha); those without a neighbour try several starts, and a teacher-student
    branch, which coexists with others, is followed from small load.
    """
    if (
        isinstance(batch.model, Tree)
        and isinstance(batch.model.weights, Spherical)
        and batch.model.teacher
        and not zero
    ):
        learnt = newton(batch, learning_start(batch))
        if learnt.converged.all():
            return learnt
    if batch.size == 1 and not (batch.model.teacher and not zero) and batch.kappa[0] >= FOLDING_MARGIN:
        single = newton(batch, start(batch, STARTS[0]), zero)
        if single.converged[0]:
            return single
    keys = (batch.alpha, batch.kappa) if batch.beta is None else (batch.alpha, batch.beta, batch.kappa)
    order = np.lexsort(keys)
    sorted_batch = batch.take(order)
    if batch.model.teacher and not zero:
        solution = _ramped(sorted_batch)
    else:
        cold = np.ones(batch.size, dtype=bool)
        cold[1:] = np.diff(sorted_batch.kappa) != 0
        if sorted_batch.beta is not None:
            cold[1:] |= np.diff(sorted_batch.beta) != 0
        if zero:
            cold[1:] = False
        first = start(sorted_batch, STARTS[0])
        low = sorted_batch.kappa < FOLDING_MARGIN  # alpha(q) may fold: begin on the side of alpha = 0
        if low.any():
            first[low] = start(sorted_batch.take(np.flatnonzero(low)), LOW_START)
        solution = newton(sorted_batch, first, zero, cold)
    for logit in STARTS[1:] if not batch.model.teacher or zero else ():
        bad = np.flatnonzero(~solution.converged)
        if bad.size == 0:
            break
        part = sorted_batch.take(bad)
        solution.put(bad, newton(part, start(part, logit), zero))
    bad = np.flatnonzero(~solution.converged)
    if bad.size and symmetric(batch.model) and not zero:
        # constraints so loose that q is below rounding: the q = 0 point solves every equation
        loose = zero_overlap(sorted_batch.take(bad))
        solved = loose.converged & (np.abs(loose.results[:, 2]) < NEGLIGIBLE)
        loose.info[:, 0] = LOOSE / np.maximum(loose.q, np.finfo(float).tiny)
        solution.put(bad[solved], loose.pick(solved))
    inverse = np.argsort(order)
    return Solution(
        batch,
        solution.module,
        solution.x[inverse],
        solution.alpha[inverse],
        solution.results[inverse],
        solution.info[inverse],
        solution.last_phi,
    )


def learning_start(batch: Batch) -> np.ndarray:
    """R of the order alpha at small loads, 1 - R of the order alpha^-2 at large ones: logit(R) between them."""
    x = start(batch, 0.0)
    with np.errstate(divide="ignore"):
        x[:, 0] = np.log(np.maximum(batch.alpha, SMALLEST)) + np.log1p(batch.alpha)
    return x


LEARNT = (0.0, 1.5, 3.0, 5.0)  # added to the logit of R from which a branch with R > 0 is sought
OVERLAPPING = 1e-6  # R that counts as learnt


def learnt(batch: Batch, rough: bool = False) -> Solution:
    """A student with R > 0 where R = 0 is a solution too: no branch leads to it from small loads."""
    first = learning_start(batch)
    near = newton(batch, first, rough=True)
    for shift in LEARNT[1:]:
        near.info[near.q < OVERLAPPING, CONVERGED] = 0.0
        bad = np.flatnonzero(~near.converged)
        if not bad.size:
            break
        x = first[bad].copy()
        x[:, 0] += shift
        near.put(bad, newton(batch.take(bad), x, rough=True))
    near.info[near.q < OVERLAPPING, CONVERGED] = 0.0
    if rough:
        return near
    solution = polished(near)
    solution.info[solution.q < OVERLAPPING, CONVERGED] = 0.0
    bad = np.flatnonzero(~solution.converged)
    if bad.size:  # R > 0 is certain where R = 0 is unstable, but coarse grids put the instability elsewhere
        bad = bad[zero_overlap(batch.take(bad)).extra("replicon") < 0]
        for shift in LEARNT if bad.size else ():
            x = first[bad].copy()
            x[:, 0] += shift
            solution.put(bad, newton(batch.take(bad), x))
            solution.info[solution.q < OVERLAPPING, CONVERGED] = 0.0
            bad = bad[~solution.converged[bad]]
            if not bad.size:
                break
    return solution


def polished(near: Solution) -> Solution:
    """The points of a rough solution, solved; those that it has not reached are not converged."""
    if near.batch.model.fields == 1:
        return near
    found = np.flatnonzero(near.converged)
    if found.size:
        near.put(found, newton(near.batch.take(found), near.x[found]))
    return near


def _ramped(batch: Batch) -> Solution:
    """Follow the branch from small load up to every point (one group: teacher-student has no other parameter)."""
    faint = batch.alpha < FAINT
    if faint.any():
        return _faint(batch, faint)
    top, ramp = float(batch.alpha.max()), [min(RAMP_FROM, float(batch.alpha.min()))]
    while ramp[-1] < top:
        ramp.append(min(ramp[-1] / RAMP, ramp[-1] + 0.25 * max(1.0, ramp[-1] / 4)))
    loads = np.unique(np.concatenate([np.array(ramp), batch.alpha]))
    loads = loads[loads <= top]
    path = make_batch(batch.model, loads)
    logit = float(np.log(max(loads[0], 1e-12)))
    solution = _stretch(path, start(path, logit))
    # at small load q is proportional to alpha: a jump is one of logit(q) beyond that
    jump = np.diff(solution.x[:, 0] - np.log(loads), prepend=solution.x[0, 0] - np.log(loads[0]))
    good = solution.converged & (np.abs(jump) < 3.0)
    ended = np.maximum.accumulate(~good)  # once the branch has ended nothing beyond is on it
    solution.info[ended, CONVERGED] = 0.0
    last = max(int(np.argmax(ended)) - 1, 0) if ended.any() else loads.size - 1
    last_phi = np.full(batch.size, solution.phi[last] if good[last] else np.nan)
    asked = polished(solution.pick(np.searchsorted(loads, batch.alpha)))
    asked.batch, asked.last_phi = batch, last_phi
    return asked


def _faint(batch: Batch, faint: np.ndarray) -> Solution:
    """Points of which some have so few patterns that q and its conjugate are proportional to the load."""
    rest = np.flatnonzero(~faint)
    first = _ramped(make_batch(batch.model, np.array([FAINT])))
    part = batch.take(np.flatnonzero(faint))
    x = np.tile(first.x[0], (part.size, 1))
    shift = np.log(np.maximum(part.alpha, SMALLEST) / FAINT)
    x[:, 0] += shift
    if "qhat" in first.module.UNKNOWNS:
        x[:, first.module.UNKNOWNS.index("qhat")] += shift
    found = newton(part, x)
    if not rest.size:
        return Solution(batch, found.module, found.x, found.alpha, found.results, found.info, first.last_phi)
    others = _ramped(batch.take(rest))
    order = np.argsort(np.concatenate([np.flatnonzero(faint), rest]))

    def both(name: str) -> np.ndarray:
        return np.asarray(np.concatenate([getattr(found, name), getattr(others, name)])[order])

    last = np.full(batch.size, np.nan)
    last[rest] = np.nan if others.last_phi is None else others.last_phi
    return Solution(batch, found.module, both("x"), both("alpha"), both("results"), both("info"), last)


STRETCH = 8  # loads solved at a time: beyond the end of a branch there is nothing to solve


def _stretch(path: Batch, x0: np.ndarray) -> Solution:
    """Solve a path of loads one after the other, up to a stretch in which a point failed; the rest is not converged.

    Roughly where the fields are several, but for a point at which that fails.
    """
    parts: list[Solution] = []
    size = STRETCH if path.model.fields == 1 else 1
    for first in range(0, path.size, size):
        part = path.take(np.arange(first, min(first + size, path.size)))
        begin = x0[first : first + size] if not parts else np.tile(parts[-1].x[-1], (part.size, 1))
        cold = np.zeros(part.size, dtype=bool)
        cold[0] = True
        found = newton(part, begin, cold=cold, rough=True)
        if path.model.fields > 1 and not found.converged.all():
            found = newton(part, begin, cold=cold)
        parts.append(found)
        if not found.converged.all():
            break
    done = sum(p.alpha.size for p in parts)
    module, rest = parts[0].module, path.size - done
    columns = [np.concatenate([getattr(p, name) for p in parts]) for name in ("x", "alpha", "results", "info")]
    if rest:
        empty = np.full((rest, module.NU + 8), np.nan)
        empty[:, CONVERGED] = 0.0
        fill = [np.zeros((rest, module.NU)), path.alpha[done:], np.full((rest, module.NOUT), np.nan), empty]
        columns = [np.concatenate(pair) for pair in zip(columns, fill)]
    return Solution(path, module, *columns)


def symmetric(model: Model) -> bool:
    """Whether the weight measure is invariant under w -> -w."""
    return not isinstance(model.weights, Discrete) or model.weights.symmetric


def has_zero_overlap(model: Model) -> bool:
    """Whether q = 0 solves the saddle-point equations: even likelihood and symmetric weights."""
    return model.even and symmetric(model)


def multiplier(weights: Discrete, norm: float) -> float:
    """lam at which the free measure exp(-lam w^2/2) has mean square ``norm``."""
    from scipy.optimize import brentq

    squares, logs = np.square(weights.values), np.array(weights.log_measure)

    def excess(lam: float) -> float:
        exponent = logs - lam * squares / 2
        p = np.exp(exponent - exponent.max())
        return float(p @ squares / p.sum() - norm)

    return float(brentq(excess, -WIDE_MULTIPLIER, WIDE_MULTIPLIER))


def zero_overlap(batch: Batch, zero: bool = False, shrink: float = 1.0) -> Solution:
    """The q = q_hat = 0 solution: annealed averages; Newton in lam and Q where they are free (and alpha if ``zero``).

    ``shrink`` < 1 starts from that share of the free self-overlap, in search of a saddle of sparse weights.
    """
    module = load(batch.model)
    x = np.full((batch.size, module.NU), NO_OVERLAP)
    names = module.UNKNOWNS
    alpha = batch.alpha.copy()
    free = [i for i, name in enumerate(names) if name in ("lambda", "Q")]
    if free:
        assert isinstance(batch.model.weights, Discrete)
        norm = shrink * float(np.mean(np.square(batch.model.weights.values)))
        x[:, 2], x[:, 3] = (0.0 if shrink == 1.0 else multiplier(batch.model.weights, norm)), np.log(norm)
    size_last = np.inf
    for step_number in range(100):
        solution = evaluate(batch.with_alpha(alpha), x)
        if (
            free and shrink == 1.0 and step_number < 20
        ):  # damped start: lam from its explicit equation, Q from d phi/d lam
            x[:, 2] -= solution.results[:, 2 + 3]
            x[:, 3] = np.log(np.maximum(solution.norm - 2 * solution.results[:, 2 + 2], SMALLEST))
            continue
        n = len(free) + zero
        matrix, rhs = np.zeros((batch.size, n, n)), np.zeros((batch.size, n))
        for r, i in enumerate(free):
            matrix[:, r, : len(free)] = solution.hessian[:, i, free]
            rhs[:, r] = -solution.results[:, 2 + i]
            if zero:
                matrix[:, r, -1] = solution.alpha_column[:, i]
        if zero:
            matrix[:, -1, -1] = solution.dphi_dalpha
            rhs[:, -1] = -solution.phi
        if n == 0:
            break
        lost = (
            ~np.isfinite(matrix).all(axis=(1, 2))
            | ~np.isfinite(rhs).all(axis=1)
            | (np.linalg.cond(np.where(np.isfinite(matrix), matrix, 0.0)) > 1e14)
        )
        matrix[lost], rhs[lost] = np.eye(n), 0.0  # such a point stays where it is and fails its residual below
        step = np.linalg.solve(matrix, rhs[..., None])[..., 0]
        damp = np.minimum(1.0, 1.0 / np.maximum(np.abs(step[:, : len(free)]).max(axis=1, initial=0.0), 1e-300))
        x[:, free] += damp[:, None] * step[:, : len(free)]
        if zero:
            alpha = np.maximum(alpha + damp * step[:, -1], 1e-3 * alpha)
        size = np.abs(step).max()
        if size < 1e-15 * max(1.0, float(alpha.max())) or (size < 1e-12 and size >= 0.5 * size_last):
            break
        size_last = size
    coarse = evaluate(batch.with_alpha(alpha), x, level=0)
    solution = evaluate(batch.with_alpha(alpha), x)
    nu = module.NU
    solution.info[:] = 0.0
    solution.info[:, :nu] = ROUNDING
    if free:  # what a rounding of each equation does to lam and Q
        inverse = np.abs(np.linalg.pinv(np.nan_to_num(solution.hessian[:, free][:, :, free])))
        magnitude = solution.results[:, 2 + nu : 2 + 2 * nu][:, free]
        solution.info[:, free] += ROUNDING * (inverse @ magnitude[..., None])[..., 0]
    rounding = np.abs(solution.phi - coarse.phi) + ROUNDING * np.maximum(1.0, solution.results[:, 1])
    solution.info[:, nu + 1] = rounding
    solution.info[:, nu] = rounding / np.abs(solution.dphi_dalpha) if zero else 0.0
    gradient = np.abs(solution.results[:, 2 : 2 + nu][:, free]).max(axis=1, initial=0.0)
    residual = np.maximum(gradient, np.abs(solution.phi) / np.maximum(1.0, solution.results[:, 1]) if zero else 0.0)
    if free and zero:  # the threshold carries its own error to them
        drift = np.abs(inverse @ np.nan_to_num(solution.alpha_column[:, free])[..., None])[..., 0]
        solution.info[:, free] += drift * solution.info[:, nu : nu + 1]
    for column, name in ((-2, "replicon"), (-1, "loglik")):
        solution.info[:, column] = sensitivity(solution, partial(_extra, name)) if free else 0.0
    solution.info[:, nu + 2] = residual
    solution.info[:, CONVERGED] = residual < RESIDUAL_LIMIT
    return solution


CHUNK = 10  # loads scanned at a time
Observable = Callable[[Solution], np.ndarray]


def _extra(name: str, solution: Solution) -> np.ndarray:
    return solution.extra(name)


def sensitivity(solution: Solution, observable: Observable) -> np.ndarray:
    """Error of an observable that the errors of the unknowns make, by its change under a shift along them."""
    error = solution.info[:, : solution.nu]
    scale = np.maximum(np.abs(error).max(axis=1), 1e-300)
    shift = 1e-6
    moved = evaluate(solution.batch.with_alpha(solution.alpha), solution.x + shift * error / scale[:, None])
    return np.abs(observable(moved) - observable(solution)) / shift * scale


def first_crossing(point: Batch, loads: np.ndarray, observable: Observable) -> tuple[float, float, Solution] | None:
    """First load at which an observable of one point's branch turns negative: (alpha, error, saddle there), or None.

    The branch is the one that starts at alpha = 0 (q = 0 for an even problem): a scan of ``loads``, then a bracketed secant.
    Raises ArithmeticError where the branch could not be followed.
    """

    def branch(at: Any) -> Solution:
        at = np.atleast_1d(np.asarray(at, dtype=float))
        many = point.take(np.zeros(at.size, dtype=int)).with_alpha(at)
        return zero_overlap(many) if has_zero_overlap(point.model) else follow(many)

    value = np.empty(0)
    best = None
    for part in np.array_split(loads, max(1, loads.size // CHUNK)):
        best = branch(part)
        value = np.concatenate([value, np.where(best.converged, observable(best), np.nan)])
        if np.isnan(observable(best)[best.converged]).any():
            raise ArithmeticError("the observable could not be evaluated on the branch")
        if (value < 0).any():
            break
    negative = np.flatnonzero(value < 0)
    if not negative.size:
        return None
    k = int(negative[0])
    if k == 0 or not np.isfinite(value[k - 1]):
        raise ArithmeticError(f"the branch was lost before its first crossing, near load {loads[k]:.6g}")
    lo, hi, f_lo, f_hi = float(loads[k - 1]), float(loads[k]), float(value[k - 1]), float(value[k])
    for step in range(80):
        new = hi - f_hi * (hi - lo) / (f_hi - f_lo)
        if step % 3 == 2 or not lo < new < hi:
            new = 0.5 * (lo + hi)
        best = branch(new)
        if not best.converged[0]:
            raise ArithmeticError(f"the branch was lost near load {new:.6g}")
        f = float(observable(best)[0])
        if f > 0:
            lo, f_lo = new, f
        else:
            hi, f_hi = new, f
        if hi - lo < 4e-16 * hi or abs(f) < 2e-16:
            break
    assert best is not None
    alpha = float(best.alpha[0])
    pair = observable(branch([alpha * (1 - 1e-4), alpha * (1 + 1e-4)]))
    slope = (pair[1] - pair[0]) / (2e-4 * alpha)
    # the observable at a given load is known to what its saddle's error, rounding and the bracket leave
    terms = 1 + float(best.results[0, 1]) + abs(float(best.extra("loglik")[0]))  # what its rounding is relative to
    noise = float(sensitivity(best, observable)[0]) + ROUNDING * terms + abs(float(observable(best)[0]))
    if point.model.fields > 1 and not has_zero_overlap(point.model):  # what the last refinement of dear grids has changed
        coarser = evaluate(best.batch.with_alpha(best.alpha), best.x, int(best.info[0, best.nu + 4]))
        noise += float(np.abs(observable(best) - observable(coarser))[0])
    return alpha, noise / abs(float(slope)) + 4e-16 * alpha, best
