r"""Uniform sampling of the solutions of a spherical perceptron: Hamiltonian Monte Carlo with reflections.

    |W|^2 = N,   u_mu = y_mu xi_mu . W/sqrt(N) >= kappa   for all mu

A trajectory starts with a Gaussian velocity v in the tangent space and follows the great circle W cos(s) + v sin(s) sqrt(N)/|v| over
the arc s = T |v|/sqrt(N). Fields go as u cos(s) + w sin(s), w = y xi.v/|v|, and a wall u = kappa is left at

    cot(s/2) = (-w + sqrt(w^2 + u^2 - kappa^2))/(u - kappa)          (the largest of all patterns is hit first)

There v is reflected, v <- v - 2 (v.n) n/|n|^2, n = y xi/sqrt(N) - kappa W/N the gradient of u on the sphere. Free motion and reflections
preserve the volume of phase space and can be reversed: no step is ever refused, and the uniform measure is exact, at any T. For
kappa >= 0 the solutions are a convex cone; at a negative margin they may be disconnected, and a chain sees the part it starts in.
All fields are followed through the matrix C of the patterns' overlaps, so that a reflection costs O(P + N).

The number of collisions measures the walls: a chain in equilibrium hits wall mu, per unit of length sqrt(N) s, at the rate
b S_mu/V, with V the volume, S_mu the area of the wall and b = E|v_1|/(2|v|) = Gamma(d/2)/(2 sqrt(pi) Gamma((d+1)/2)), d = N - 1. Hence

    - d log V/d kappa = sum_mu S_mu/(V |n_mu|) = sum over collisions 1/|n_mu| / (b length)

Source: A. Pakman and L. Paninski, Exact Hamiltonian Monte Carlo for truncated multivariate Gaussians, J. Comput. Graph. Stat. 23 (2014)
518, arXiv:1208.4118, on the sphere (a billiard) instead of a Gaussian.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from .._checks import check_finite, check_integer
from ..algorithms.max_stability import maximum_stability
from ..problems import Problem
from ..seeding import task_generator
from ..separability import is_separable
from .chains import Chain, Progress, Sampling, Stop, check_memory, check_problem, check_run, run_chains, summarise

Array = NDArray[np.float64]
TIME = 1.5
"""Length T of a trajectory in units of the radius: just below a quarter of a great circle, where W would be forgotten without walls."""
ON_SPHERE = 1e-6
"""Relative deviation of |W|^2 from N that a start may have: it is put on the sphere."""
SLACK = 1e-9
"""Violation of a field that a start may have: the rounding of whoever computed it."""
DESCENT = 5000
"""Steps of the descent to a start at a negative margin."""
ROOM = 0.02
"""What it aims at beyond the margin."""
NOT_ROUNDING = 1e-6
"""A largest stability this much below the margin proves that there is no solution."""


class Polytope:
    """The solutions of one problem on the sphere: patterns y xi/sqrt(N), their overlaps C, and |y xi|^2/N."""

    def __init__(self, problem: Problem):
        P, N = problem.P, problem.N
        check_memory(f"problem: got N = {N}, P = {P}", 8.0 * (2 * P * N + P * P))
        if N < 2:
            raise ValueError(f"N: got {N}, takes an integer >= 2")
        self.points = problem.gauged().astype(float) / math.sqrt(N)
        if not np.all(np.any(self.points, axis=1)):
            raise ValueError(f"patterns: got one of {P} that is zero, takes patterns with a direction")
        self.C = self.points @ self.points.T
        self.N, self.P = N, P
        self.rate = 0.5 * math.exp(gammaln((N - 1) / 2) - gammaln(N / 2)) / math.sqrt(math.pi)


def fitting_time(kappa: float, largest: float) -> float:
    """T, in proportion to the cap that holds every solution: W.W*/N >= kappa/kappa_max, W* the weights of largest stability, for kappa > 0.

    (For W* = sum_mu x_mu y_mu xi_mu and x >= 0, W.W* = sqrt(N) sum_mu x_mu u_mu, and all u_mu = kappa_max where x_mu > 0 at W*.)
    """
    return TIME * math.acos(min(max(kappa / largest, 0.0), 1.0 - 1e-12)) / (math.pi / 2) if largest > 0 else TIME


def check_time(time: float | None) -> None:
    """A length of trajectories > 0, or none."""
    if time is not None and check_finite("time", time) <= 0:
        raise ValueError(f"time: got {time}, takes a number > 0")


def check_start(polytope: Polytope, start: ArrayLike, kappa: float, chains: int) -> Array:
    """Given weights, (N,) or (chains, N), as (chains, N) on the sphere and inside; or a line that says how they are outside."""
    N = polytope.N
    W = np.array(start, dtype=float)
    if W.shape not in ((N,), (chains, N)) or not np.all(np.isfinite(W)):
        raise ValueError(f"start: got an array of shape {W.shape}, takes finite weights of shape ({N},) or ({chains}, {N})")
    W = np.broadcast_to(W, (chains, N)).copy()
    squares = np.sum(W * W, axis=1)
    if np.any(np.abs(squares / N - 1) > ON_SPHERE):
        raise ValueError(f"start: got weights of |W|^2 = {squares[np.argmax(np.abs(squares / N - 1))]:.6g}, takes |W|^2 = N = {N}")
    W *= np.sqrt(N / squares)[:, None]
    for weights in W:
        fields = polytope.points @ weights
        if fields.min() < kappa - SLACK:
            violated = int(np.sum(fields < kappa - SLACK))
            raise ValueError(
                f"start: got weights outside the solutions ({violated} of {polytope.P} patterns below kappa = {kappa:g}, "
                f"smallest field {fields.min():.4g}), takes weights that satisfy every pattern"
            )
    return W


def find_start(problem: Problem, kappa: float) -> tuple[Array, float]:
    """Weights inside, and a bound on all stabilities: the weights of the largest one, or for a negative margin what descent finds.

    ValueError, one line, where there is no solution or none was found.
    """
    W, stability, gap = maximum_stability(problem.patterns, problem.labels)
    highest = float(stability + gap)
    if stability >= kappa:
        return np.asarray(W), highest
    if highest < kappa - NOT_ROUNDING or (kappa == 0 and not is_separable(problem.patterns, problem.labels)):
        found = "not linearly separable" if kappa == 0 else f"largest stability {highest:.4g} at most"
        raise ValueError(f"problem: got patterns without a solution at kappa = {kappa:g} ({found}), takes a smaller margin")
    W, stability = _descend(problem, kappa)
    if stability >= kappa:
        return W, highest
    found = f"stabilities up to {stability:.4g}, none above {highest:.4g}"
    raise ValueError(f"problem: got patterns of which no solution at kappa = {kappa:g} was found ({found}), takes a start or a smaller margin")


def _descend(problem: Problem, kappa: float) -> tuple[Array, float]:
    """Descent of sum_mu (kappa + room - u_mu)_+^2 on the sphere from Hebb's weights: the best weights met, and their smallest field."""
    points = problem.gauged().astype(float) / math.sqrt(problem.N)
    N = problem.N
    W = points.sum(axis=0)
    W *= math.sqrt(N) / max(float(np.linalg.norm(W)), 1e-300)
    step = 1.0 / float(np.linalg.norm(points, 2)) ** 2
    best, stability = W, float((points @ W).min())
    for _ in range(DESCENT):
        lacking = np.maximum(kappa + ROOM - points @ W, 0.0)
        W = W + step * (lacking @ points)
        W *= math.sqrt(N) / float(np.linalg.norm(W))
        smallest = float((points @ W).min())
        if smallest > stability:
            best, stability = W, smallest
        if stability >= kappa:
            break
    return best, stability


class Billiard(Chain):
    """One chain of trajectories; `kappa` may be changed between two of them to one that W satisfies."""

    def __init__(self, polytope: Polytope, W: Array, origin: Array, kappa: float, time: float, rng: np.random.Generator):
        self.polytope, self.kappa, self.time, self.rng = polytope, kappa, time, rng
        self.W: Array = W.copy()
        self.origin: Array = origin.copy()
        self.buffers = np.empty((3, polytope.P))
        self.reflections = 0

    def advance(self, records: int, interval: int) -> tuple[Array, dict[str, Array]]:
        p = self.polytope
        weights, table = np.empty((records, p.N)), np.empty((records, 4))
        self.reflections += advance(p.points, p.C, self.W, self.kappa, self.time, interval, self.rng, self.buffers, weights, table)
        values = {
            "pressure": table[:, 0] / (p.rate * math.sqrt(p.N) * table[:, 1]) / p.N,
            "smallest field": table[:, 2].copy(),
            "mean field": table[:, 3].copy(),
            "overlap with the start": weights @ self.origin / p.N,
        }
        return weights, values


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    points: Array, C: Array, W: Array, kappa: float, time: float, interval: int, rng: np.random.Generator, buffers: Array, weights: Array, table: Array
) -> int:
    """Fill the records: W, and a row (sum of 1/|n| over collisions, arc, smallest field, mean field) each; number of reflections."""
    P, N = points.shape
    v = np.empty(N)
    u, w, cot = buffers[0], buffers[1], buffers[2]
    reflections = 0
    for record in range(weights.shape[0]):
        walls, arcs = 0.0, 0.0
        for _ in range(interval):
            # tangent Gaussian velocity; both W and v are kept at length sqrt(N)
            along, square = 0.0, 0.0
            for i in range(N):
                v[i] = rng.standard_normal()
                along += v[i] * W[i]
            for i in range(N):
                v[i] -= along / N * W[i]
                square += v[i] * v[i]
            arc = time * math.sqrt(square / N)
            scale = math.sqrt(N / square)
            for i in range(N):
                v[i] *= scale
            arcs += arc
            _fields(points, W, u)
            _fields(points, v, w)
            walls_here, hits = _fly(points, C, W, v, u, w, cot, kappa, arc)
            walls += walls_here
            reflections += hits
            _renormalise(W)
        _fields(points, W, u)
        smallest, mean = u[0], 0.0
        for mu in range(P):
            smallest = min(smallest, u[mu])
            mean += u[mu]
        table[record, 0], table[record, 1], table[record, 2], table[record, 3] = walls, arcs, smallest, mean / P
        weights[record] = W
    return reflections


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def _fields(points: Array, W: Array, out: Array) -> None:
    for mu in range(points.shape[0]):
        row = points[mu]
        total = 0.0
        for i in range(row.size):
            total += row[i] * W[i]
        out[mu] = total


@njit(cache=True, nogil=True)
def _renormalise(W: Array) -> None:
    square = 0.0
    for i in range(W.size):
        square += W[i] * W[i]
    scale = math.sqrt(W.size / square)
    for i in range(W.size):
        W[i] *= scale


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _exit(u: float, w: float, kappa: float) -> float:
    """cot(s/2) of the arc s at which the wall is left; the form without cancellation for either sign of w."""
    inside = max(u - kappa, 0.0)  # rounding must not hide a wall that is being left
    square = w * w + (u + kappa) * inside
    root = math.sqrt(max(square, 0.0))
    value = (u + kappa) / (w + root) if w > 0.0 else (root - w) / inside
    return value if square > 0.0 else -np.inf


@njit(cache=True, nogil=True, error_model="numpy")
def _fly(
    points: Array, C: Array, W: Array, v: Array, u: Array, w: Array, cot: Array, kappa: float, arc: float
) -> tuple[float, int]:
    """Follow the great circle over the arc, reflecting; W and v at its end; the sum of 1/|n| over the collisions, and their number."""
    P, N = points.shape
    walls, hits = 0.0, 0
    for mu in range(P):
        cot[mu] = _exit(u[mu], w[mu], kappa)
    while True:
        best, hit = -np.inf, -1
        for mu in range(P):
            if cot[mu] > best:
                best, hit = cot[mu], mu
        length = 2.0 * math.atan2(1.0, best)
        reflected = hit >= 0 and length < arc  # a circle without walls may be followed more than once
        if not reflected:
            length = arc
        arc -= length
        c, s = math.cos(length), math.sin(length)
        if not reflected:
            for i in range(N):
                W[i], v[i] = c * W[i] + s * v[i], c * v[i] - s * W[i]
            return walls, hits
        speed = c * w[hit] - s * u[hit]
        square = C[hit, hit] - kappa * kappa / N
        push = 2.0 * speed / square
        walls += 1.0 / math.sqrt(square)
        hits += 1
        xi, row, back = points[hit], C[hit], push * kappa / N
        for i in range(N):
            at = c * W[i] + s * v[i]
            v[i] = c * v[i] - s * W[i] - push * xi[i] + back * at
            W[i] = at
        for mu in range(P):
            at = c * u[mu] + s * w[mu]
            w[mu] = c * w[mu] - s * u[mu] - push * row[mu] + back * at
            u[mu] = at
            cot[mu] = _exit(at, w[mu], kappa)
        u[hit], w[hit] = kappa, -speed
        cot[hit] = _exit(kappa, -speed, kappa)


def sample_sphere(
    problem: Problem,
    records: int = 2000,
    seed: int = 0,
    *,
    chains: int = 2,
    interval: int = 1,
    burn_in: int | None = None,
    time: float | None = None,
    start: ArrayLike | None = None,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Sampling:
    r"""Uniform samples of {|W|^2 = N, y_mu xi_mu . W/sqrt(N) >= kappa} by Hamiltonian Monte Carlo with reflections.

    Parameters
    ----------
    problem : of a perceptron, with its kappa;  records : of each chain, >= 4;  seed : >= 0
    chains : independent ones, >= 1;  interval : trajectories between two records, >= 1
    burn_in : records dropped at the start of each chain, a tenth of the records if absent
    time : length T of a trajectory in units of the radius, > 0: the arc is T |v|/sqrt(N), near T; 1.5 if absent, and less where a margin
        near the largest stability confines all solutions to a small cap (`fitting_time`)
    start : weights (N,) or (chains, N) inside; those of largest stability if absent. At kappa < 0 chains from one start do not show
        whether the solutions are connected: give several
    progress : called as progress(done, total);  stop : asked whether to give up

    Observables: "pressure", -(1/N) d log V/d kappa from the collisions; "smallest field", "mean field"; "overlap with the start" of the first
    chain; "overlap" of pairs of chains, which tends to the overlap q of two solutions. Ctrl-C returns what was recorded, status
    "interrupted".

    Raises
    ------
    ValueError : an argument outside these ranges, a start outside the solutions, patterns without a solution or of which none was
        found, a problem or records beyond the memory
    """
    check_problem(problem)
    dropped = check_run(problem.N, records, chains, interval, burn_in)
    check_time(time)
    polytope = Polytope(problem)
    check_integer("seed", seed, at_least=0)
    kappa = float(problem.kappa)
    if start is None:
        inside, largest = find_start(problem, kappa)
        W = check_start(polytope, inside, kappa, chains)
    else:
        W = check_start(polytope, start, kappa, chains)
        largest = find_start(problem, kappa)[1] if kappa > 0 and time is None else math.inf
    length = fitting_time(kappa, largest) if time is None else float(time)
    team = [Billiard(polytope, W[k], W[0], kappa, length, task_generator(seed, "sphere", problem.N, problem.P, k)) for k in range(chains)]
    run = run_chains(team, records, interval, dropped, progress, stop)
    observables, status = summarise(run, problem.N)
    details: dict[str, Any] = {"reflections": float(sum(chain.reflections for chain in team)), "time": length}
    return Sampling("hmc-reflections", "a trajectory", observables, run.weights, interval, dropped, status, run.seconds, details=details)
