r"""Volume of the solutions of a spherical perceptron, relative to the sphere, by thermodynamic integration.

    V(kappa) = fraction of {|W|^2 = N} with u_mu >= kappa for all mu,   entropy = (1/N) log V

"collisions": the walls that the sampler hits measure -d log V/d kappa = N p(kappa) (`reflections`, observable "pressure"), and

    log V(kappa) = sum_mu log P(u_mu >= kappa) - int_{kappa_0}^{kappa} [N p(k) - sum_mu f(u_mu = k)/P(u_mu >= k)] dk + O(eps)

P and f those of a single pattern on the whole sphere, (1 + u/|xi|)/2 a beta variable, which are exact; kappa_0 is where single
patterns are violated with probabilities that sum up to eps. The difference is smooth; it is integrated in
log(kappa_max - k), where even the last bit of the volume, V ~ (kappa_max - kappa)^(N-1), is, by two Gauss-Legendre rules with
runs of their own: half their difference beyond the noise enters the error.

"ladder": V is the product of the ratios V(kappa_j+1)/V(kappa_j) = P(min_mu u_mu >= kappa_j+1 | kappa_j), each near `RATIO`, from
the whole sphere on. Slower by a factor of the order of N, but with no integral and valid in any dimension, N = 2 included.
"""

from __future__ import annotations

import math
import time as clock
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import betainc, betaln

from .._checks import check_choice, check_integer
from ..display.results import Columns, Rows, Series, known
from ..problems import Problem
from ..seeding import task_generator
from .autocorrelation import Observable, observe
from .chains import Progress, Stop, check_problem, check_run, run_chains
from .reflections import Billiard, Polytope, check_time, find_start, fitting_time

Array = NDArray[np.float64]
METHODS = ("collisions", "ladder")
NODES = (8, 11)
"""Nodes of the two rules: at alpha = 1.8 and N = 20 they differ by less than 1e-4 in the entropy."""
TAIL = 1e-6
"""eps: probability, summed over patterns, of what lies below the first margin."""
CLOSEST = 1e-9
"""Distance to the largest stability that is told from none."""
RATIO = 0.3
"""Share of the volume that a step of the ladder keeps, about the one of least error at given work."""


@dataclass(frozen=True, eq=False, repr=False)
class SphericalVolume(Series):
    """Volume of the solutions of one instance.

    log_volume, log_volume_error : log V, relative to the sphere, and its standard error with autocorrelations and quadrature
    margins : (nodes,), increasing, at which the sampler ran;  observables : its "pressure" there, or the share kept by each step
    quadrature : difference of the two rules, in log V, and `quadrature_noise` what chance gives it (nan for the ladder)
    status : "equilibrated", "not-equilibrated", "interrupted" (then log V is nan);  seconds : of the processor
    """

    quantity = "volume"
    inputs = ("method", "N", "P", "kappa")
    computed = ("entropy", "stderr", "log_volume", "log_volume_error", "quadrature", "quadrature_noise", "seconds")
    drawn = ("mean", "stderr")

    method: str
    N: int
    P: int
    kappa: float
    log_volume: float
    log_volume_error: float
    margins: Array
    observables: tuple[Observable, ...]
    quadrature: float
    quadrature_noise: float
    status: str
    seconds: float

    @property
    def entropy(self) -> float:
        """(1/N) log V."""
        return self.log_volume / self.N

    @property
    def stderr(self) -> float:
        """Standard error of the entropy."""
        return self.log_volume_error / self.N

    @property
    def ess(self) -> float:
        """Least effective sample size of a margin, of those where something was counted."""
        return min((o.ess for o in self.observables if o.ess > 0), default=0.0)

    @property
    def tau(self) -> float:
        """Longest autocorrelation time of a margin, likewise, in records."""
        return max((o.tau for o in self.observables if o.ess > 0), default=math.inf)

    def rows(self) -> Rows:
        """Names and values."""
        both = f"{self.quadrature:.2g} (noise {self.quadrature_noise:.2g})"
        return [], [
            ["log V", f"{known(self.log_volume, '.6g')} ± {known(self.log_volume_error, '.2g')}"],
            ["entropy per weight", f"{known(self.entropy, '.6g')} ± {known(self.stderr, '.2g')}"],
            ["margins", f"{len(self.margins)} from {min(self.margins, default=math.nan):.3g} to {max(self.margins, default=math.nan):.3g}"],
            *([] if math.isnan(self.quadrature) else [["difference of the two rules", both]]),
            ["least ess, longest tau of a margin", f"{self.ess:.0f}, {self.tau:.2f} records"],
        ]

    @property
    def title(self) -> str:
        """Of which problem, how, and how it ended."""
        return f"volume of the sphere, N = {self.N}, P = {self.P}, kappa = {self.kappa:g}, by {self.method}: {self.status}"

    @property
    def axes(self) -> tuple[str, str]:  # type: ignore[override]
        """Margin, and what was measured at it."""
        return r"margin $\kappa$", self.observables[0].name if self.observables else ""

    def columns(self) -> Columns:
        """By margin."""
        numbers = np.array([[o.mean, o.stderr, o.tau, o.ess] for o in self.observables]).reshape(-1, 4).T
        return {"kappa": np.asarray(self.margins), **dict(zip(("mean", "stderr", "tau", "ess"), numbers))}


class SinglePatterns:
    """Fields of single patterns on the whole sphere: u = |y xi| t, t with density proportional to (1 - t^2)^((N-3)/2)."""

    def __init__(self, polytope: Polytope):
        self.N = polytope.N
        self.lengths = np.sqrt(self.N * np.diag(polytope.C))

    def log_above(self, kappa: float) -> Array:
        """log P(u_mu >= kappa) of every pattern."""
        t, half = np.clip(kappa / self.lengths, -1, 1), (self.N - 1) / 2
        above, below = betainc(half, half, (1 - t) / 2), betainc(half, half, (1 + t) / 2)
        return np.asarray(np.where(t > 0, np.log(np.maximum(above, 1e-300)), np.log1p(-below)))

    def below(self, kappa: float) -> float:
        """sum_mu P(u_mu < kappa)."""
        return float(-np.expm1(self.log_above(kappa)).sum())

    def hazard(self, kappa: float) -> float:
        """sum_mu f(u_mu = kappa)/P(u_mu >= kappa)."""
        t = kappa / self.lengths
        inside = np.abs(t) < 1
        safe = np.where(inside, t, 0.0)
        log_density = (self.N - 3) / 2 * np.log1p(-safe * safe) - betaln((self.N - 1) / 2, 0.5) - np.log(self.lengths)
        return float(np.sum(np.where(inside, np.exp(log_density - self.log_above(kappa)), 0.0)))

    def first_margin(self) -> float:
        """kappa_0, below which single patterns are hardly ever violated."""
        lowest = -float(self.lengths.max())
        return float(brentq(lambda k: self.below(k) - TAIL, lowest, 0.0))


def spherical_volume(
    problem: Problem,
    records: int = 500,
    seed: int = 0,
    *,
    method: str = "collisions",
    chains: int = 2,
    burn_in: int | None = None,
    time: float | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> SphericalVolume:
    r"""Fraction of the sphere that satisfies every pattern of one instance, and the entropy (1/N) log V.

    Parameters
    ----------
    problem : of a perceptron, with its kappa
    records : of each chain at each margin, one a trajectory, >= 4;  seed : >= 0
    method : "collisions" (thermodynamic integration, N >= 6) or "ladder" (product of ratios)
    chains, burn_in, time, progress, stop : as for `sample_sphere`, at each margin

    Raises
    ------
    ValueError : an argument outside these ranges, patterns without a solution or of which none was found, a problem beyond the memory
    """
    check_problem(problem)
    check_choice("method", method, METHODS)
    check_integer("seed", seed, at_least=0)
    check_integer("N", problem.N, at_least=6 if method == "collisions" else 2)
    dropped = check_run(problem.N, records, chains, 1, burn_in)
    check_time(time)
    polytope = Polytope(problem)
    kappa = float(problem.kappa)
    W, largest = find_start(problem, kappa)
    task = _Task(polytope, kappa, W, largest, records, seed, chains, dropped, time, stop, progress)
    begin = clock.thread_time()
    try:
        value, error, quadrature = (_collisions if method == "collisions" else _ladder)(task)
        status = "equilibrated" if all(o.equilibrated for o in task.found if o.ess > 0) else "not-equilibrated"
    except KeyboardInterrupt:
        value, error, quadrature, status = math.nan, math.nan, (math.nan, math.nan), "interrupted"
    order = np.argsort(task.margins)
    margins, found = np.array(task.margins)[order], tuple(task.found[k] for k in order)
    return SphericalVolume(method, problem.N, problem.P, kappa, value, error, margins, found, *quadrature, status, clock.thread_time() - begin)


@dataclass
class _Task:
    """What a run at one margin needs, and the margins done so far."""

    polytope: Polytope
    kappa: float
    W: Array
    largest: float
    records: int
    seed: int
    chains: int
    dropped: int
    time: float | None
    stop: Stop | None
    progress: Progress | None
    margins: list[float] = field(default_factory=list)
    found: list[Observable] = field(default_factory=list)

    def run(self, kappa: float, rule: str | int, number: int) -> dict[str, Array]:
        """Records at this margin; KeyboardInterrupt if they were interrupted."""
        team, time = [], fitting_time(kappa, self.largest) if self.time is None else self.time
        for chain in range(self.chains):
            rng = task_generator(self.seed, "volume", self.polytope.N, self.polytope.P, rule, number, chain)
            team.append(Billiard(self.polytope, self.W, self.W, kappa, time, rng))
        run = run_chains(team, self.records, 1, self.dropped, None, self.stop)
        if run.interrupted:
            raise KeyboardInterrupt
        return run.values

    def keep(self, kappa: float, name: str, values: NDArray[Any], done: int, total: int) -> Observable:
        """Note what was measured at this margin."""
        self.margins.append(kappa)
        self.found.append(observe(name, values))
        if self.progress is not None:
            self.progress(done, total)
        return self.found[-1]


def _collisions(task: _Task) -> tuple[float, float, tuple[float, float]]:
    """log V and its error; difference of the two rules and its noise."""
    single, N = SinglePatterns(task.polytope), task.polytope.N
    first, independent = single.first_margin(), float(single.log_above(task.kappa).sum())
    if task.kappa <= first:
        return independent, single.below(task.kappa), (0.0, 0.0)
    largest = max(task.largest, task.kappa + CLOSEST)
    ends = np.log(largest - np.array([task.kappa, first]))
    half = float(np.diff(ends)[0]) / 2
    totals, variances = [], []
    for rule in NODES:
        node, weight = np.polynomial.legendre.leggauss(rule)
        x = ends.mean() + half * node
        total, variance = independent, 0.0
        for j, (k, step) in enumerate(zip(largest - np.exp(x), half * weight * np.exp(x))):  # dk = (kappa_max - k) dx
            at = task.keep(float(k), "pressure", task.run(float(k), rule, j)["pressure"], len(task.found) + 1, sum(NODES))
            # far from the walls a run may see no collision: what it leaves open is of the order of one of them
            error = at.stderr if math.isfinite(at.stderr) else 2 / (N * task.records * task.chains)
            total -= step * (N * at.mean - single.hazard(float(k)))
            variance += (step * N * error) ** 2
        totals.append(total)
        variances.append(variance)
    shares = np.array(NODES) / sum(NODES)
    difference, noise = totals[1] - totals[0], math.sqrt(sum(variances))
    beyond = math.sqrt(max(difference**2 - noise**2, 0.0)) / 2
    error = math.sqrt(float(shares**2 @ variances) + beyond**2) + TAIL
    return float(shares @ totals), error, (difference, noise)


def _ladder(task: _Task) -> tuple[float, float, tuple[float, float]]:
    """log V and its error, and no quadrature."""
    lowest = -math.sqrt(task.polytope.N * float(np.diag(task.polytope.C).max()))
    kappa, total, variance = lowest, 0.0, 0.0
    while kappa < task.kappa:
        number = len(task.found)
        pilot = task.run(kappa, "pilot", number)["smallest field"]  # chooses the next margin: the records themselves would favour it
        further = min(float(np.quantile(pilot, 1 - RATIO)), task.kappa)
        fields = task.run(kappa, "ladder", number)["smallest field"]
        done = round(100 * (further - lowest) / (task.kappa - lowest))
        kept = task.keep(kappa, "share kept", fields >= further, done, 100)
        total += math.log(max(kept.mean, 0.5 / fields.size))
        variance += (kept.stderr / kept.mean) ** 2 if kept.mean > 0 and math.isfinite(kept.stderr) else 1.0 / fields.size
        kappa = further
    return total, math.sqrt(variance), (math.nan, math.nan)
