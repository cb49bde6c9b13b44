"""SBPI and message passing at N = 1001: times and success on fresh instances, and one sweep against the same in NumPy.

The baselines are vectorised as one would write them, double precision, scipy's log_ndtr. Times are processor times, medians over the instances.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from replicas import simulation
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
    for name in ("sbpi", "reinforced-bp"):
        start = float(subprocess.run([sys.executable, "-c", WARM.format(name=name)], capture_output=True, text=True, check=True).stdout)
        rows.append(Row(f"{name} in a second process, processor time", start, "s", "< 2", start < 2))
    return rows
