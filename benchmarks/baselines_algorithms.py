"""SBPI and message passing at N = 1001: times and success on fresh instances, and one sweep against the same in NumPy; annealing
against fields that are kept in Numba; the sum x . W of packed signs against the same of bytes.

The baselines are vectorised as one would write them, double precision, scipy's log_ndtr. Times are processor times, medians over the instances.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import log_ndtr

from replicas import simulation
from replicas.simulation._packed import sums
from replicas.simulation.algorithms.annealing import Annealing
from replicas.simulation.algorithms.belief import Edges
from replicas.simulation.algorithms.sbpi import SBPI
from replicas.simulation.learning import run

from .baselines_enumeration import processor_time

if TYPE_CHECKING:
    from .run import Row

Array = NDArray[np.float64]
N, SEED, INSTANCES = 1001, 8, 50
FLOOR = 1e-3
AGREEMENT = 1e-3  # of the sums of messages, in single precision and interpolated
ASKED: tuple[tuple[str, float, float, float], ...] = (  # algorithm, alpha, least success, most seconds (0: not asked)
    ("sbpi", 0.6, 0.0, 0.015),
    ("sbpi", 0.65, 0.8, 0.0),
    ("reinforced-bp", 0.7, 0.8, 0.2),
    ("reinforced-bp", 0.74, 0.5, 0.0),
    ("reinforced-tap", 0.7, 0.8, 0.2),
    ("reinforced-tap", 0.74, 0.5, 0.0),
    ("reinforced-max-sum", 0.7, 0.0, 0.0),
    ("focusing-bp", 0.7, 0.0, 0.0),
)
WARM = """
import time
from replicas import simulation
from replicas.simulation.learning import run
run(simulation.draw_problem(600, 1001, 1), "{name}")
print(time.process_time())
"""


def plain_edges(x: Array, h: Array, v: Array) -> Array:
    """All v_{mu->i} of one step of belief propagation (`replicas.simulation.algorithms.belief`), margin 0."""
    m = np.tanh(h - v)
    field, spread = x * m, 1 - m * m
    omega = field.sum(axis=1, keepdims=True) - field
    root = np.sqrt(spread.sum(axis=1, keepdims=True) - spread + FLOOR * x.shape[1])
    return np.asarray((log_ndtr((omega + x) / root) - log_ndtr((omega - x) / root)) / 2)


def plain_sbpi(x: NDArray[np.int64], h: NDArray[np.int64], theta: float, p: float, bound: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """One pass of SBPI, margin 0."""
    for mu in rng.permutation(len(x)):
        field = x[mu] @ np.sign(h)
        if field < 0:
            h = np.clip(h + 2 * x[mu], -bound, bound)
        elif field < 1 + theta and rng.random() < p:
            h = np.clip(np.where(h * x[mu] > 0, h + 2 * x[mu], h), -bound, bound)
    return h


@njit(cache=True, nogil=True)
def anneal_plainly(
    columns: NDArray[np.int8], W: NDArray[np.int8], fields: NDArray[np.int32], least: int, temperatures: Array, rng: np.random.Generator
) -> int:
    """Metropolis flips with the linear penalty, as one would write them: fields that are kept, a pass over the patterns for a proposal."""
    N, P = columns.shape
    energy = 0
    for s in fields:
        energy += max(least - s, 0) // 2
    for temperature in temperatures:
        for _ in range(N if energy else 0):
            i = rng.integers(0, N)
            change = 0
            for mu in range(P):
                lacks = least - fields[mu]
                change += max(lacks + 2 * W[i] * columns[i, mu], 0) - max(lacks, 0)
            change //= 2
            if change <= 0 or rng.random() < np.exp(-change / temperature):
                for mu in range(P):
                    fields[mu] -= 2 * W[i] * columns[i, mu]
                W[i] = -W[i]
                energy += change
                if energy == 0:
                    break
    return energy


@njit(cache=True, nogil=True, fastmath=True)
def plain_sums(x: NDArray[np.int8], W: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """x_mu . W of every pattern, a byte a sign."""
    for mu in range(len(x)):
        total = np.float32(0)
        for i in range(W.size):
            total += np.float32(x[mu, i]) * W[i]
        out[mu] = total


def annealing_row(size: int, alpha: float, sweeps: int) -> Row:
    """The same flips on the same instance, by sets of patterns and by fields."""
    from .run import Row

    problem, times = simulation.draw_problem(round(alpha * size), size, SEED), [list[float](), list[float]()]
    begin_run: Callable[..., Any] = Annealing().begin
    for _ in range(4):  # the first compiles
        at, twin = (begin_run(problem, np.random.default_rng(1), sweeps) for _ in range(2))
        W, fields, columns = twin.W, twin.fields.astype(np.int32), np.ascontiguousarray(problem.gauged().T)
        begin = time.process_time()
        at.advance(sweeps)
        middle = time.process_time()
        energy = anneal_plainly(columns, W, fields, twin.least, twin.temperatures / twin.unit, twin.rng)
        for taken, seconds in zip(times, (middle - begin, time.process_time() - middle)):
            taken.append(seconds)
        assert energy == at.energy and np.array_equal(W, at.W)
    fast, slow = (min(taken[1:]) for taken in times)
    note = f"{slow * 1e3:.0f} ms / {fast * 1e3:.0f} ms for {sweeps} sweeps, alpha = {alpha:g}"
    return Row(f"annealing, N = {size}, ratio to kept fields in Numba", slow / fast, "x", "", True, note)


def sums_row(size: int, alpha: float) -> Row:
    """x_mu . W of all patterns, single precision."""
    from .run import Row

    problem, W = simulation.draw_problem(round(alpha * size), size, SEED), np.random.default_rng(1).standard_normal((1, size)).astype(np.float32)
    x, out = problem.gauged(), np.empty(problem.P, np.float32)
    assert np.allclose(sums(problem.rows, W)[:, 0], x.astype(float) @ W[0], atol=AGREEMENT)
    fast, slow = processor_time(lambda: sums(problem.rows, W), 10)[0], processor_time(lambda: plain_sums(x, W[0], out), 10)[0]
    note = f"{slow * 1e3:.2f} ms / {fast * 1e3:.2f} ms, alpha = {alpha:g}"
    return Row(f"x . W of packed signs, N = {size}, ratio to bytes in Numba", slow / fast, "x", "", True, note)


def algorithm_rows() -> list[Row]:
    """Times and success of SBPI and message passing, and the ratios of one sweep to NumPy's."""
    from .run import Row

    rows = []
    for name, alpha, success, seconds in ASKED:
        problems = [simulation.draw_problem(round(alpha * N), N, SEED, sample) for sample in range(INSTANCES)]
        run(problems[0], name, 0, 2)
        times, solved = [], 0
        for sample, problem in enumerate(problems):
            begin = time.process_time()
            solved += run(problem, name, sample).solved
            times.append(time.process_time() - begin)
        median = statistics.median(times)
        met = solved >= success * INSTANCES and (median <= seconds or not seconds)
        note = f"{solved}/{INSTANCES} solved" + (f", asked {success:g}" if success else "")
        rows.append(Row(f"{name}, N = {N}, alpha = {alpha:g}, median", median * 1e3, "ms", f"< {seconds * 1e3:g}" if seconds else "", met, note))
    problem = simulation.draw_problem(round(0.7 * N), N, SEED)
    x, h, v = problem.gauged().astype(float), np.random.default_rng(1).standard_normal(N), np.zeros((problem.P, N))
    messages = Edges(problem, FLOOR)
    sums, single = messages.update(h.astype(np.float32)), h.astype(np.float32)
    assert np.max(np.abs(sums - plain_edges(x, h, v).sum(axis=0))) < AGREEMENT
    fast, slow = processor_time(lambda: messages.update(single), 10)[0], processor_time(lambda: plain_edges(x, h, v), 3)[0]
    rows.append(Row("one update of all messages, ratio to NumPy", slow / fast, "x", "", True, f"{slow * 1e3:.0f} ms / {fast * 1e3:.2f} ms"))
    at, whole, rng = SBPI().begin(problem, np.random.default_rng(1), 1), problem.gauged().astype(int), np.random.default_rng(1)
    signs = 2 * rng.integers(0, 2, N) - 1
    fast, slow = processor_time(lambda: at.advance(1), 10)[0], processor_time(lambda: plain_sbpi(whole, signs, 2.0, 0.3, 199, rng), 3)[0]
    rows.append(Row("one pass of SBPI, ratio to NumPy", slow / fast, "x", "", True, f"{slow * 1e3:.1f} ms / {fast * 1e3:.3f} ms"))
    rows += [annealing_row(N, 0.4, 1000), annealing_row(10 * N - 9, 0.2, 30), sums_row(N, 0.7), sums_row(10 * N - 9, 0.7)]
    for name in ("sbpi", "reinforced-bp"):
        start = float(subprocess.run([sys.executable, "-c", WARM.format(name=name)], capture_output=True, text=True, check=True).stdout)
        rows.append(Row(f"{name} in a second process, processor time", start, "s", "< 2", start < 2))
    return rows
