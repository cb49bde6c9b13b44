r"""Approximate message passing for the teacher-student perceptron: Bayes-optimal learning, one step a sum over all patterns.

    omega = X w / sqrt(N) - V g,   g = y G(omega/sqrt V) / (sqrt(V) H(-y omega/sqrt V)),   A = (1/N) sum_mu g (g + omega/V)
    b = X^T g / sqrt(N) + A w,     binary: w = tanh b, V = 1 - |w|^2/N      spherical (Gaussian): w = b/(1 + A), V = 1/(1 + A)

At large N the overlap of w with the teacher, R_t = w.T/N, equals |w|^2/N and follows state evolution (`replicas.state_evolution`,
which this module does not know). Success means numbers: finite estimates and an overlap above `RECOVERED` with the teacher. That
no pattern is violated would be less, since many students have no errors, and an iteration that diverges compares as anything.

Memory: patterns that are +-1 take one byte an entry in the problem, and less than two more while they are packed to a bit each;
others 8 and 4 bytes (8 + 12 at the largest). It is asked for before work.
One implementation for all committees (`steps`). Source: the committee's, `message_passing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._checks import check_choice, check_finite, check_integer, check_positive
from ..display.results import Arrays, Columns, Rows, Series, thinned
from ..learning import Stop
from ..problems import TEACHER_KINDS, Problem
from ..seeding import task_generator
from ._memory import check_memory
from .steps import SignChannel, initial
from .steps import steps as iterate

Array = NDArray[np.float64]
Report = Callable[[int, int], None]
RECOVERED = 0.99
"""Overlap w.T/N with the teacher above which it counts as found."""
BYTES = {True: 2, False: 12}
"""An entry of the patterns, +-1 or not: what a run takes beside the problem."""
PEAK = {True: 10, False: 20}
"""The same with the problem, at the largest: binary patterns while they are drawn, others in the run."""


@dataclass(frozen=True, eq=False, repr=False)
class AMP(Series):
    """What approximate message passing found, by step t = 0 (the start), 1, ..., iterations.

    weights : "binary" or "spherical";  N, P : of the problem
    overlap : (t,), R_t = w.T/N with the teacher;  self_overlap : (t,), |w|^2/N;  variance : (t,), V
    change : (t,), root mean square change of the weights in the step;  residual : (t,), of the change that it would be undamped; inf at t = 0
    estimate : (N,), the last w, posterior means
    status : "converged" (residual within tolerance), "not-converged", "diverged" (values not finite), "interrupted"
    success : all values are finite and the last overlap is above 0.99
    """

    quantity = "amp"
    inputs = ("weights", "N", "P")
    computed = ("iterations", "success")
    axes = ("step $t$", r"overlap with the teacher $R$")
    drawn = ("overlap", None)

    weights: str
    N: int
    P: int
    overlap: Array
    self_overlap: Array
    variance: Array
    change: Array
    residual: Array
    estimate: Array
    status: str
    success: bool

    @property
    def iterations(self) -> int:
        """Steps made."""
        return int(self.overlap.size - 1)

    @property
    def converged(self) -> bool:
        """Whether the last state is a fixed point within tolerance."""
        return self.status == "converged"

    @property
    def error(self) -> Array:
        """Probability that sign(w.xi) is not the teacher's answer to a fresh pattern, arccos(R/|w|)/pi, by step; 1/2 at w = 0."""
        length = np.sqrt(self.self_overlap)
        cosine = np.divide(self.overlap, length, out=np.zeros(length.shape), where=length > 0)
        return np.asarray(np.arccos(np.clip(cosine, -1, 1)) / np.pi)

    def rows(self) -> Rows:
        """Header and cells of a readable table: a few steps."""
        columns = (self.overlap, self.self_overlap, self.error, self.residual)
        body = [[str(t), *(f"{c[t]:.4g}" for c in columns)] for t in thinned(self.iterations + 1)]
        return ["t", "overlap", "self-overlap", "error", "residual"], body

    def columns(self) -> Columns:
        """By step."""
        overlaps = {"overlap": self.overlap, "self_overlap": self.self_overlap, "variance": self.variance}
        return {"t": np.arange(self.iterations + 1), **overlaps, "error": self.error, "change": self.change, "residual": self.residual}

    def arrays(self) -> Arrays:
        """The last posterior means."""
        return {"estimate": (("site",), self.estimate)}

    @property
    def title(self) -> str:
        """The outcome in a line."""
        found = "teacher found" if self.success else "teacher not found"
        return f"AMP, {self.weights} weights, N = {self.N}, P = {self.P}: {self.status} after {self.iterations} steps, {found}"


def amp(
    problem: Problem,
    weights: str = "binary",
    start: str | float = "uninformed",
    iterations: int = 300,
    tolerance: float = 1e-5,
    damping: float = 0.0,
    seed: int = 0,
    *,
    stop: Stop | None = None,
    progress: Report | None = None,
) -> AMP:
    """Learn the teacher of a perceptron.

    Parameters
    ----------
    problem : as `draw_problem` draws it with task "teacher-student" (for a committee: `message_passing`)
    weights : "binary" or "spherical" (Gaussian): what is known of the weights before
    start : "uninformed" (w = 0), "informed" (overlap 0.99 with the teacher), or an overlap r with 0 < r < 1
    iterations : largest number of steps, >= 1;  tolerance : of the residual, > 0 (single precision reaches about 1e-6)
    damping : from 0 to 1 (excluded), share of the old w, V and Onsager term in the new ones;  seed : of an informed start
    stop : asked between steps whether to give up;  progress : called as progress(steps made, iterations)

    Ctrl-C ends the run and returns what it reached, status "interrupted".

    Raises
    ------
    ValueError : an argument outside these ranges; a problem without teacher, with a margin, with labels that the teacher did
        not give or of several units; binary weights for a teacher that is not; patterns beyond memory
    """
    check_choice("weights", weights, TEACHER_KINDS)
    check_integer("iterations", iterations, at_least=1)
    check_positive("tolerance", tolerance)
    if not 0 <= check_finite("damping", damping) < 1:
        raise ValueError(f"damping: got {damping}, takes a number from 0 to 1 (excluded)")
    teacher = teacher_of(problem, weights)
    w, V = initial(start, teacher[None], task_generator(seed, "amp", problem.N), breaking=0.0)
    check_memory(problem.N, problem.P, BYTES[problem.binary] * float(problem.patterns.size), "amp")
    rows = [(*_overlaps(w, teacher), float(V[0, 0]), np.inf, np.inf)]
    status = "not-converged"
    try:
        for step in iterate(SignChannel(problem, weights), weights, w, V, damping):
            w = step.w
            rows.append((*_overlaps(w, teacher), float(step.V[0, 0]), step.change, step.residual))
            if progress is not None:
                progress(len(rows) - 1, iterations)
            if not np.all(np.isfinite(rows[-1])):
                status = "diverged"
            elif step.residual <= tolerance:
                status = "converged"
            elif stop is not None and stop():
                status = "interrupted"
            if status != "not-converged" or len(rows) > iterations:
                break
    except KeyboardInterrupt:
        status = "interrupted"
    overlap, own, variance, change, residual = np.array(rows).T
    success = bool(status != "diverged" and np.all(np.isfinite(w)) and overlap[-1] > RECOVERED)
    return AMP(weights, problem.N, problem.P, overlap, own, variance, change, residual, w[:, 0], status, success)


def teacher_of(problem: Problem, weights: str) -> Array:
    """The teacher at |T|^2 = N, (N,), of a problem that its labels are of; ValueError if there is none, or it is not of these weights."""
    if not isinstance(problem, Problem):
        raise ValueError(f"problem: got {type(problem).__name__}, takes a Problem (see draw_problem)")
    if problem.teacher is None:
        raise ValueError("problem: got one without teacher, takes the task 'teacher-student'")
    if problem.architecture.K > 1:
        raise ValueError(f"problem: got a machine of {problem.architecture.K} units, amp takes a perceptron")
    if problem.kappa != 0:
        raise ValueError(f"kappa: got {problem.kappa:g}, amp takes 0: labels of a teacher are signs")
    teacher = np.asarray(problem.teacher, dtype=float)
    if problem.unsatisfied(teacher) or not np.any(teacher):
        raise ValueError("problem: got labels that are not the teacher's, takes those that it gives")
    if weights == "binary" and not np.all(np.abs(teacher) == 1):
        raise ValueError("weights: got 'binary' with a teacher that is not of +-1, takes 'spherical'")
    # labels do not depend on the length of a teacher, overlaps do
    return np.asarray(teacher * np.sqrt(teacher.size) / np.linalg.norm(teacher))


def _overlaps(w: Array, teacher: Array) -> tuple[float, float]:
    """w.T/N and |w|^2/N."""
    vector = w[:, 0]
    return float(vector @ teacher) / vector.size, float(vector @ vector) / vector.size
