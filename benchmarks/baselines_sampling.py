"""Processor seconds per effective sample: reflections against plain Metropolis on the sphere, same instance, same run.

The baselines propose a step on the sphere and stay where it leaves the solutions: a step in a random direction (all fields afresh,
given up at the first one violated), and turns of pairs of weights with fields changed in place. Both are compiled, their step is tuned
to an acceptance near 0.3. All samplers start from the weights of largest stability; an effective sample is that of the slowest
observable, and counts only where the chain is 50 autocorrelation times long.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from replicas import simulation
from replicas.simulation.problems import Problem
from replicas.simulation.samplers.autocorrelation import Observable, observe
from replicas.simulation.samplers.reflections import find_start

if TYPE_CHECKING:
    from .run import Row

Array = NDArray[np.float64]
INSTANCES = ((50, 25), (100, 100), (200, 100))
SEED, RECORDS, CHAINS = 4, 2000, 2
ACCEPTANCE = 0.3
TUNING = 40  # stretches in which the step of a baseline is tuned
LONGEST = 1 << 14  # interval between records at which a baseline is given up
AGREEMENT = 4.0  # standard errors within which all samplers must give the same overlap
WARM = "import time\nfrom replicas import simulation\nsimulation.sample_sphere(simulation.draw_problem(50, 100, 1), 100)\nprint(time.process_time())"


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def field(x: Array, W: Array) -> float:
    """x . W."""
    total = 0.0
    for i in range(x.size):
        total += x[i] * W[i]
    return total


@njit(cache=True, nogil=True)
def directions(points: Array, W: Array, step: float, interval: int, rng: np.random.Generator, weights: Array) -> int:
    """Steps in random directions, `interval` of them a record; accepted ones."""
    P, N = points.shape
    accepted = 0
    proposed = np.empty(N)
    for record in range(len(weights)):
        for _ in range(interval):
            square = 0.0
            for i in range(N):
                proposed[i] = W[i] + step * rng.standard_normal()
                square += proposed[i] * proposed[i]
            scale = math.sqrt(N / square)
            for i in range(N):
                proposed[i] *= scale
            inside = True
            for mu in range(P):
                if field(points[mu], proposed) < 0.0:
                    inside = False
                    break
            if inside:
                W[:] = proposed
                accepted += 1
        weights[record] = W
    return accepted


@njit(cache=True, nogil=True)
def pairs(points: Array, W: Array, step: float, interval: int, rng: np.random.Generator, weights: Array) -> int:
    """Sweeps of N turns of two weights by an angle within +-step, `interval` of them a record; accepted turns."""
    P, N = points.shape
    accepted = 0
    columns = points.T.copy()
    u, proposed = points @ W, np.empty(P)
    for record in range(len(weights)):
        for _ in range(interval * N):
            i, j = int(rng.random() * N), int(rng.random() * (N - 1))
            j += j >= i
            phi = step * (2 * rng.random() - 1)
            c, s = math.cos(phi), math.sin(phi)
            first, second = c * W[i] + s * W[j] - W[i], c * W[j] - s * W[i] - W[j]
            x, y = columns[i], columns[j]
            inside = True
            for mu in range(P):
                proposed[mu] = u[mu] + first * x[mu] + second * y[mu]
                if proposed[mu] < 0.0:
                    inside = False
                    break
            if inside:
                W[i] += first
                W[j] += second
                u, proposed = proposed, u
                accepted += 1
        weights[record] = W
    return accepted


def slowest(weights: Array, points: Array, origin: Array) -> tuple[Observable, Observable]:
    """The observable of the longest time, of those that all samplers record, and the overlap of the two chains."""
    N = origin.size
    u = weights @ points.T / math.sqrt(N)
    overlap = observe("overlap", np.einsum("ri,ri->r", weights[0], weights[1]) / N)
    seen = (observe("start", weights @ origin / N), observe("mean", u.mean(axis=2)), observe("smallest", u.min(axis=2)), overlap)
    return max(seen, key=lambda o: o.tau), overlap


def plain_cost(problem: Problem, kernel: Callable[..., int], proposals: int, step: float) -> tuple[float, Observable, Observable]:
    """Processor seconds for an effective sample of a baseline; records are spaced until the chains are long enough."""
    N, points = problem.N, problem.gauged().astype(float)
    origin = find_start(problem, 0.0)[0]
    rngs, starts = [np.random.default_rng(k) for k in range(CHAINS)], [origin.copy() for _ in range(CHAINS)]
    stretch = np.empty((20, N))
    kernel(points, starts[0], step, 1, rngs[0], stretch)
    for _ in range(TUNING):
        share = kernel(points, starts[0], step, 1, rngs[0], stretch) / (len(stretch) * proposals)
        step = min(step * math.exp(share - ACCEPTANCE), math.pi)
    interval = 1
    while True:
        weights = np.empty((CHAINS, RECORDS, N))
        for W, rng in zip(starts, rngs):
            kernel(points, W, step, max(1, RECORDS * interval // 10), rng, stretch[:1])  # a tenth to forget the start
        begin = time.process_time()
        for W, rng, kept in zip(starts, rngs, weights):
            kernel(points, W, step, interval, rng, kept)
        seconds = time.process_time() - begin
        slow, overlap = slowest(weights, points, origin)
        if slow.equilibrated or interval >= LONGEST:
            return seconds / slow.ess, slow, overlap
        interval *= 4


def sampling_rows() -> list[Row]:
    """Seconds for an effective sample of each sampler on the same instances, and the time of a volume."""
    import subprocess
    import sys

    from .run import Row

    rows = []
    for N, P in INSTANCES:
        problem = simulation.draw_problem(P, N, SEED, patterns="gaussian")
        simulation.sample_sphere(problem, 10)
        found = simulation.sample_sphere(problem, RECORDS, chains=CHAINS)
        slow, overlap = slowest(found.weights, problem.gauged().astype(float), find_start(problem, 0.0)[0])
        cost = found.seconds * found.records / (found.records + found.burn_in) / slow.ess
        plain = {
            "random directions": plain_cost(problem, directions, 1, 1 / N),
            "turns of pairs": plain_cost(problem, pairs, N, 0.3),
        }
        for name, (other, its, same) in plain.items():
            apart = abs(same.mean - overlap.mean) / math.hypot(same.stderr, overlap.stderr)
            assert apart < AGREEMENT or not its.equilibrated, (name, same.mean, overlap.mean)
            note = f"{cost * 1e6:.0f} us (tau {slow.tau:.1f} records) / {other * 1e6:.0f} us{'' if its.equilibrated else ', at least: not equilibrated'}"
            text = f"effective sample of the sphere, N = {N}, P = {P}, ratio of Metropolis ({name}) to reflections"
            rows.append(Row(text, other / cost, "x", "> 1", other > cost, note))
    problem = simulation.draw_problem(100, 100, SEED, patterns="gaussian")
    simulation.spherical_volume(problem, 10)
    volume = simulation.spherical_volume(problem, 500)
    note = f"entropy per weight {volume.entropy:.4f} +- {volume.stderr:.4f}, {volume.status}"
    rows.append(Row("volume of the sphere, N = P = 100", volume.seconds, "s", "", True, note))
    binary = simulation.sample_binary(simulation.draw_problem(40, 101, SEED), 1000)
    note = f"{binary.status}, log(solutions) = {binary.log_solutions:.2f} +- {binary.log_solutions_error:.2f}"
    rows.append(Row("effective sample of binary solutions, N = 101, alpha = 0.4", binary.seconds / binary.slowest.ess * 1e3, "ms", "", True, note))
    means = simulation.sample_stochastic(simulation.draw_problem(50, 101, SEED), 0.6, 2.0, 2000)
    note = f"{means.status}, slowest {means.slowest.name}"
    rows.append(Row("effective sample of the stochastic perceptron, N = 101", means.seconds / means.slowest.ess * 1e3, "ms", "", True, note))
    start = float(subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True, check=True).stdout)
    rows.append(Row("sampling of the sphere in a second process, processor time", start, "s", "< 2", start < 2))
    return rows
