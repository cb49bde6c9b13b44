"""Message passing: AMP at N = 10,001, one step of it against NumPy, belief propagation and neighbourhoods at N = 1001 and 4001.

The baseline of a step is two matrix-vector products of single precision (BLAS) on patterns converted beforehand, scipy's log_ndtr:
what one would write. Its patterns take four bytes an entry, the package's one. Times are processor times.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from replicas import simulation
from replicas.simulation.algorithms.belief import LATTICE
from replicas.simulation.inference.approximate import BYTES
from replicas.simulation.inference.steps import SignChannel

from .baselines_enumeration import processor_time

if TYPE_CHECKING:
    from .run import Row

Single = NDArray[np.float32]
N, LARGE, SEED = 1001, 10_001, 9
AGREEMENT = 1e-3  # of the sums of one step, in single precision
DISTANCES = (0.02, 0.05, 0.1, 0.2)
WARM = """
import time
from replicas import simulation
problem = simulation.draw_problem(600, 1001, 1, 0, "teacher-student")
simulation.amp(problem), simulation.belief_propagation(problem), simulation.entropy_around(problem, problem.teacher, 0.1)
print(time.process_time())
"""


def plain_step(x: Single, w: Single, V: float, g: Single) -> tuple[Single, Single]:
    """g and the sums over patterns of one step, patterns gauged to labels +1, fields as sums over sites."""
    S = np.float32(V + LATTICE)
    omega = x @ w - np.float32(V) * g
    t = omega / np.sqrt(S)
    g = np.exp(-t * t / 2 - log_ndtr(t)) / np.sqrt(2 * np.pi * S)
    return g, g @ x


def inference_rows() -> list[Row]:
    """Times of single runs, and the ratio of a step to NumPy's."""
    from .run import Row

    rows = []
    for weights, alpha in (("binary", 1.6), ("spherical", 1.6)):
        problem = simulation.draw_problem(round(alpha * LARGE), LARGE, SEED, 0, "teacher-student", "binary", weights)
        seconds, found = processor_time(lambda problem=problem, weights=weights: simulation.amp(problem, weights), 2)  # type: ignore[misc]
        size = (1 + BYTES[True]) * problem.patterns.size / 1e9
        note = f"{found.status} in {found.iterations} steps, overlap {found.overlap[-1]:.4f}, at most {size:.2f} GB"
        rows.append(Row(f"AMP, {weights}, N = {LARGE}, alpha = {alpha:g}", seconds, "s", "< 5", seconds < 5 and found.converged, note))
    problem = simulation.draw_problem(round(1.6 * 4001), 4001, SEED, 0, "teacher-student")
    x, w = problem.gauged().astype(np.float32), np.tanh(np.random.default_rng(1).standard_normal(4001)).astype(np.float32)
    V, g = float(np.sum(1 - w**2)), np.full(problem.P, 0.01, np.float32)
    channel, onsager = SignChannel(problem, "binary"), V / 4001 * g.astype(float)[:, None]

    def step() -> Single:
        sums = channel.update(w[:, None].astype(float), np.array([[V / 4001]]), onsager)[0]
        return sums[:, 0].astype(np.float32)

    fast, sums = processor_time(step, 10)
    slow, (_, plain) = processor_time(lambda: plain_step(x, w, V, g), 5)
    assert np.max(np.abs(sums - plain)) < AGREEMENT * np.max(np.abs(plain))
    note = f"{slow * 1e3:.1f} ms / {fast * 1e3:.1f} ms, one byte an entry against four"
    rows.append(Row("one step of AMP, N = 4001, ratio to NumPy with BLAS", slow / fast, "x", "", True, note))
    for size, alpha in ((N, 0.6), (4001, 0.6)):
        problem = simulation.draw_problem(round(alpha * size), size, SEED)
        seconds, fixed = processor_time(lambda problem=problem: simulation.belief_propagation(problem), 5)  # type: ignore[misc]
        note = f"{fixed.status} in {fixed.iterations} steps, residual {fixed.residual[-1]:.0e}"
        rows.append(Row(f"Bethe entropy, N = {size}, alpha = {alpha:g}", seconds * 1e3, "ms", "", fixed.converged, note))
        solution = simulation.run(problem, "reinforced-tap", SEED).weights
        seconds, around = processor_time(lambda problem=problem, W=solution: simulation.entropy_around(problem, W, DISTANCES), 3)  # type: ignore[misc]
        note, met = f"{around.iterations.sum()} steps in all", set(around.status) == {"converged"}
        rows.append(Row(f"entropy at {len(DISTANCES)} distances from a solution, N = {size}", seconds * 1e3, "ms", "", met, note))
    start = float(subprocess.run([sys.executable, "-c", WARM], capture_output=True, text=True, check=True).stdout)
    rows.append(Row("AMP and belief propagation in a second process, processor time", start, "s", "< 2", start < 2))
    return rows
