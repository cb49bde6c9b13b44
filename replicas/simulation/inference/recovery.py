"""Share of the teachers that approximate message passing finds, by load: many fresh instances, in threads.

Success is an overlap above 0.99 with the teacher and finite values (`amp`), not the absence of errors on the patterns. It grows with the
load: the threshold is fitted to the failures, which fall. Every instance is drawn from its own stream: a point does not depend on the
others, on their order, or on the number of workers.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import check_choice, check_integer
from ..display.load_curves import ShareCurve, fit_completed
from ..display.results import Arrays, Columns
from ..problems import PATTERN_KINDS, TEACHER_KINDS, draw_problem
from ..sampling import run_samples
from ..seeding import task_generator
from ..success import check_loads
from ..threshold import Threshold
from ._memory import check_memory
from .approximate import AMP, PEAK, amp

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class RecoveryCurve(ShareCurve):
    """Share of the teachers found, by load.

    weights, patterns : "binary" or not;  N : weights;  alphas : loads P/N as drawn, (A,)
    instances, found : counts of those completed and of the teachers found, (A,);  converged : of the fixed points reached, (A,)
    overlap : (A, instances), w.T/N in the end, nan where not completed;  steps : likewise
    seconds : CPU time of a run, mean, (A,)
    threshold : the load where half of the teachers are found, fitted to the failures (`fit_threshold`: its "solved" are failures here)
    interrupted : whether it was stopped (then fewer instances are completed than were asked for)
    """

    quantity = "recovery"
    inputs = ("weights", "patterns", "N", "iterations", "seed")
    computed = ("threshold",)
    header = ("alpha", "found", "of", "probability", "stderr", "converged", "median steps", "CPU s")
    axes = (r"load $\alpha$", "share of teachers found")
    rising = True
    bound = "spinodal"

    weights: str
    patterns: str
    N: int
    alphas: Array
    instances: NDArray[np.int64]
    found: NDArray[np.int64]
    converged: NDArray[np.int64]
    overlap: Array
    steps: Array
    seconds: Array
    threshold: Threshold
    iterations: int
    seed: int
    interrupted: bool

    @property
    def _counted(self) -> NDArray[np.int64]:
        return self.found

    @property
    def caption(self) -> str:
        """What was run, briefly."""
        return f"AMP, {self.weights} weights, {self.patterns} patterns, N = {self.N}{self.ending}"

    def cells(self, i: int) -> list[str]:
        """The row of one load."""
        made = self.steps[i][np.isfinite(self.steps[i])]
        counts = [str(self.found[i]), str(self.instances[i]), f"{self.probability[i]:.3f}", f"{self.stderr[i]:.3f}", str(self.converged[i])]
        return [f"{self.alphas[i]:.4g}", *counts, f"{np.median(made):.0f}", f"{self.seconds[i]:.2g}"]

    @property
    def label(self) -> str:
        """Algorithm and size."""
        return f"AMP, N = {self.N}"

    @property
    def title(self) -> str:
        """What was run, in words."""
        kinds = f"{self.weights} weights, {self.patterns} patterns"
        return f"AMP, {kinds}, N = {self.N}, {self.iterations} steps, seed {self.seed}{self.ending}"

    def columns(self) -> Columns:
        """By load, alpha first."""
        counts = {"alpha": self.alphas, "instances": self.instances, "found": self.found, "converged": self.converged}
        return counts | {"probability": self.probability, "error": self.stderr, "seconds": self.seconds}

    def arrays(self) -> Arrays:
        """By load and instance."""
        each = ("alpha", "instance")
        return {"overlap": (each, self.overlap), "steps": (each, self.steps)}


def recovery_curve(
    N: int,
    alphas: ArrayLike,
    instances: int = 100,
    seed: int = 0,
    weights: str = "binary",
    patterns: str = "binary",
    iterations: int = 300,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RecoveryCurve:
    """Run `amp` from nothing on many instances at each load, and fit the load where half of the teachers are found.

    Parameters
    ----------
    N : weights, odd for binary patterns and weights;  alphas : loads P/N > 0, (A,);  instances : at each load, >= 1;  seed : >= 0
    weights : "binary" or "spherical", of the teacher and of what is known of it;  patterns : "binary" or "gaussian"
    iterations : largest number of steps of a run, >= 1;  workers : threads, one a processor if absent
    progress : called as progress(runs completed, runs asked for)

    Ctrl-C stops the runs under way; what was completed is in the result, which says ``interrupted``.

    Raises
    ------
    ValueError : an argument outside these ranges, patterns beyond memory (those of all workers at once)
    """
    check_choice("weights", weights, TEACHER_KINDS)
    check_choice("patterns", patterns, PATTERN_KINDS)
    check_integer("N", N, at_least=1)
    count, steps = check_integer("instances", instances, at_least=1), check_integer("iterations", iterations, at_least=1)
    check_integer("seed", seed, at_least=0)
    threads = check_integer("workers", (os.cpu_count() or 1) if workers is None else workers, at_least=1)
    loads = check_loads(alphas, N)
    if patterns == weights == "binary" and N % 2 == 0:
        raise ValueError(f"N: got {N}, takes odd N for binary patterns and teacher (else a field can vanish)")
    most = int(loads.max())
    check_memory(N, most, threads * float(PEAK[patterns == "binary"]) * N * most, f"{threads} instances at once")
    stop = threading.Event()

    def one(task: int) -> tuple[AMP, float]:
        i, sample = task % loads.size, task // loads.size
        problem = draw_problem(int(loads[i]), N, seed, sample, "teacher-student", patterns, weights)
        start = time.thread_time()
        run = amp(problem, weights, iterations=steps, stop=stop.is_set)
        return run, time.thread_time() - start

    done = run_samples(one, loads.size * count, threads, progress, stop)
    overlap, made, seconds = (np.full((loads.size, count), np.nan) for _ in range(3))
    found, converged = np.zeros(loads.size, np.int64), np.zeros(loads.size, np.int64)
    interrupted = done.interrupted
    for task, (run, cpu) in zip(done.samples, done.values):
        if run.status == "interrupted":
            interrupted = True
            continue
        at = task % loads.size, task // loads.size
        overlap[at], made[at], seconds[at] = run.overlap[-1], run.iterations, cpu
        found[at[0]] += run.success
        converged[at[0]] += run.converged
    completed = np.sum(np.isfinite(made), axis=1)
    mean = np.divide(np.nansum(seconds, axis=1), completed, out=np.full(loads.size, np.nan), where=completed > 0)
    fit = fit_completed(loads, N, completed - found, completed, task_generator(seed, "bootstrap", "recovery", weights, patterns, N))
    told = (mean, fit, steps, seed, interrupted)
    return RecoveryCurve(weights, patterns, N, loads / N, completed, found, converged, overlap, made, *told)
