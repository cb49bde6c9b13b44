r"""Approximate message passing for a committee of K <= 3 sign units: Bayes-optimal learning from a teacher.

    y_mu = sign(sum_j sign(h_mu,j)),   h_mu = X_mu W / sqrt(N) in R^K,   W (N, K) weights,   P = alpha N K patterns

A step (`inference.steps`) makes estimates w (N, K) of the weights and their mean covariance V (K, K) of those before: Gaussian
weights (those of a sphere at large N), or binary ones. K = 1 is the perceptron, whose patterns are summed over as those of
`inference.amp` are; for K even a tie y = 0 is a label like the others.

Units are known up to the K! relabellings of the teacher's: overlaps are reported after the one that is best for the
last step (`best_relabelling`), the same for all steps. Source: B. Aubin et al., The committee machine: computational
to statistical gaps in learning a two-layers neural network (2018). Nothing here comes from the theory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _committee_output as output
from ._checks import check_choice, check_finite, check_integer, check_patterns
from .display.results import Arrays, Columns, Rows, Series, known, thinned
from .inference.steps import OrthantChannel, SignChannel, initial
from .inference.steps import steps as iterate
from .machines import fully_connected, machine_outputs
from .overlaps import best_relabelling
from .problems import TEACHER_KINDS, Problem, draw_patterns, draw_problem
from .seeding import task_generator

Array = NDArray[np.float64]
Stop = Callable[[], bool]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, repr=False)
class MessagePassing(Series):
    """What message passing found, by step t = 0 (the start), 1, ..., iterations.

    overlap : (t, K, K), w_j . T_l / N with the teacher;  self_overlap : (t, K, K), w_j . w_l / N
    variance : (t, K, K), mean covariance V of the weights of a site
    error : (t,), fraction of fresh patterns on which argmax_y Z_y is not the teacher's output; nan without any
    change : (t,), root mean square change of the estimates in the step, inf at t = 0
    estimate : (K, N), the last w;  relabelling : which unit of the run stands for each unit of the teacher
    tails : patterns of the last step whose label had probability < 1e-9 (asymptotic g): none, if all is well
    converged : whether the last change is within tolerance, or the weights are all known
    interrupted : whether it was stopped
    """

    quantity = "message passing"
    inputs = ("N", "K")
    computed = ("iterations", "converged", "relabelling", "tails")
    axes = ("step $t$", "overlap of a unit with the teacher's")
    drawn = ("overlap", None)

    overlap: Array
    self_overlap: Array
    variance: Array
    error: Array
    change: Array
    estimate: Array
    relabelling: tuple[int, ...]
    tails: int
    iterations: int
    converged: bool
    interrupted: bool = False

    @property
    def status(self) -> str:
        """"converged", "not-converged" or "interrupted"."""
        return "interrupted" if self.interrupted else "converged" if self.converged else "not-converged"

    @property
    def N(self) -> int:
        """Number of inputs."""
        return int(self.estimate.shape[1])

    @property
    def K(self) -> int:
        """Number of units."""
        return int(self.estimate.shape[0])

    @property
    def title(self) -> str:
        """The outcome in a line."""
        return f"message passing, N = {self.N}, K = {self.K}: {self.status} after {self.iterations} steps"

    def columns(self) -> Columns:
        """By step: means over the units of their overlap with their own unit of the teacher, and with themselves."""
        own = {name: np.einsum("tkk->t", array) / array.shape[1] for name, array in (("overlap", self.overlap), ("self_overlap", self.self_overlap))}
        return {"t": np.arange(self.iterations + 1), **own, "error": self.error, "change": self.change}

    def arrays(self) -> Arrays:
        """By step and pair of units."""
        pair = ("t", "unit", "other")
        overlaps = {"overlaps": (("t", "unit", "teacher_unit"), self.overlap), "self_overlaps": (pair, self.self_overlap)}
        return {**overlaps, "variance": (pair, self.variance), "estimate": (("unit", "site"), self.estimate)}

    def rows(self) -> Rows:
        """Header and cells of a readable table: a few steps."""
        columns = self.columns()
        body = [[str(t), *(known(column[t], ".4g") for name, column in columns.items() if name != "t")] for t in thinned(self.iterations + 1)]
        return [name.replace("_", "-") for name in columns], body


def message_passing(
    problem: Problem,
    weights: str = "spherical",
    start: str | float = "uninformed",
    iterations: int = 200,
    tolerance: float = 1e-6,
    damping: float = 0.0,
    fresh: ArrayLike | None = None,
    seed: int = 0,
    *,
    stop: Stop | None = None,
    progress: Progress | None = None,
) -> MessagePassing:
    """Learn the teacher of a problem of a fully connected committee of K = 1, 2 or 3 units.

    Parameters
    ----------
    problem : as `draw_problem` draws it with `accepted=fully_connected(K)`; K is that of its teacher
    weights : "spherical" (Gaussian) or "binary": what is known of the weights before
    start : "uninformed" (random estimates of size 1e-3), "informed" (overlap 0.99 with the teacher), or an overlap r
        with 0 < r < 1: w = r T + sqrt(r (1 - r)) noise, which has w.T/N = w.w/N = r, unit by unit
    iterations : largest number of steps, >= 1
    tolerance : of the root mean square change of the estimates in a step, > 0
    damping : from 0 to 1 (excluded), share of the old w, V and Onsager term in the new ones
    fresh : array (F, N), patterns for the generalization error
    seed : of the start
    stop : asked between steps whether to give up;  progress : called as progress(steps made, iterations)

    Ctrl-C ends the run and returns what it reached, ``interrupted``.

    Raises
    ------
    ValueError : an argument outside these ranges, a problem without teacher, or labels that it did not give
    """
    teacher, labels = _teacher(problem)
    K, N = teacher.shape
    check_choice("weights", weights, TEACHER_KINDS)
    check_integer("iterations", iterations, at_least=1)
    if check_finite("tolerance", tolerance) <= 0:
        raise ValueError(f"tolerance: got {tolerance}, takes a number > 0")
    if not 0 <= check_finite("damping", damping) < 1:
        raise ValueError(f"damping: got {damping}, takes a number from 0 to 1 (excluded)")
    X = check_patterns(problem.patterns)
    tables = output.orthant_tables(fully_connected(K))
    exam = _Exam(fresh, teacher, tables)
    channel = SignChannel(problem, weights) if K == 1 else OrthantChannel(X, labels, K)
    w, V = initial(start, teacher, task_generator(seed, "message passing", K, N))
    steps = [(w.T @ teacher.T / N, w.T @ w / N, V, exam.error(w, V), np.inf)]
    converged, interrupted, tails = False, False, 0
    try:
        for step in iterate(channel, weights, w, V, damping):
            steps.append((step.w.T @ teacher.T / N, step.w.T @ step.w / N, step.V, exam.error(step.w, step.V), step.change))
            w, V, tails = step.w, step.V, step.tails
            converged = step.change <= tolerance or step.known
            if progress is not None:
                progress(len(steps) - 1, iterations)
            if converged or len(steps) > iterations:
                break
            if stop is not None and stop():
                interrupted = True
                break
    except KeyboardInterrupt:
        interrupted = True
    overlap, own, variance, error, changes = (np.array(column) for column in zip(*steps))
    best = best_relabelling(overlap[-1])
    rows = list(best)
    both = np.ix_(range(len(steps)), rows, rows)
    return MessagePassing(
        overlap=overlap[:, rows],
        self_overlap=own[both],
        variance=variance[both],
        error=error,
        change=changes,
        estimate=w.T[rows],
        relabelling=best,
        tails=int(tails),
        iterations=len(steps) - 1,
        converged=converged,
        interrupted=interrupted and not converged,
    )


def learn_committee(
    N: int,
    K: int,
    alpha: float,
    weights: str = "spherical",
    seed: int = 0,
    sample: int = 0,
    fresh: int = 0,
    patterns: str = "gaussian",
    **options: Any,
) -> MessagePassing:
    """`message_passing` on a drawn problem: P = alpha N K patterns (rounded) and `fresh` more for the error.

    Parameters
    ----------
    N : inputs, >= 1 (odd for binary patterns and weights);  K : units, from 1 to 3;  alpha : load P/(N K), >= 0
    weights : "spherical" or "binary", of the teacher and of what is known of it
    seed, sample : as for `draw_patterns`;  fresh : number of patterns for the error, >= 0
    patterns : "gaussian" or "binary"
    options : start, iterations, tolerance, damping, stop, progress of `message_passing`

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    check_integer("N", N, at_least=1)
    check_integer("K", K, at_least=1, at_most=output.MAX_UNITS)
    check_integer("fresh", fresh, at_least=0)
    if check_finite("alpha", alpha) < 0:
        raise ValueError(f"alpha: got {alpha}, takes a number >= 0")
    P, machine = round(alpha * N * K), fully_connected(K)
    problem = draw_problem(P, N, seed, sample, "teacher-student", patterns, weights, machine)
    # seeds of their own: what is learned does not depend on whether and on what it is examined
    start_seed, exam_seed = (int(s) for s in task_generator(seed, "learn committee", sample).integers(1 << 31, size=2))
    exam = draw_patterns(fresh, N, exam_seed, sample, patterns) if fresh else None
    return message_passing(problem, weights, fresh=exam, seed=start_seed, **options)


class _Exam:
    """Fresh patterns and what the teacher says of them."""

    def __init__(self, fresh: ArrayLike | None, teacher: Array, tables: Array) -> None:
        K, N = teacher.shape
        self.tables = tables
        self.points = np.zeros((0, N)) if fresh is None else check_patterns(fresh)
        if self.points.shape[1] != N:
            raise ValueError(f"fresh: got an array of shape {self.points.shape}, takes shape (F, {N})")
        self.truth = machine_outputs(self.points, teacher.ravel(), fully_connected(K))

    def error(self, w: Array, V: Array) -> float:
        """Fraction of wrong answers of the Bayes-optimal guess."""
        if not len(self.points):
            return np.nan
        omega = self.points @ w / np.sqrt(w.shape[0])
        guess = np.argmax(output.output_probabilities(omega, V, self.tables), axis=1) - 1
        return float(np.mean(guess != self.truth))


def _teacher(problem: Problem) -> tuple[Array, NDArray[np.int8]]:
    """The teacher, (K, N), and labels that it gave."""
    if problem.teacher is None:
        raise ValueError("problem: got one without teacher, takes the task 'teacher-student'")
    P, N = np.shape(problem.patterns)
    total = np.size(problem.teacher)
    if total % N or not 1 <= total // N <= output.MAX_UNITS:
        raise ValueError(f"problem: got a teacher of {total} weights on {N} inputs, takes K N with K from 1 to 3")
    teacher = np.asarray(problem.teacher, dtype=float).reshape(-1, N)
    given = machine_outputs(problem.patterns, teacher.ravel(), fully_connected(len(teacher)))
    if not np.array_equal(given, problem.labels):
        raise ValueError("problem: got labels that are not the teacher's, takes those of a fully connected committee")
    length = np.linalg.norm(teacher, axis=1, keepdims=True)
    if not np.all(length > 0):
        raise ValueError("problem: got a teacher with a unit of zeros, takes weights that are not all 0")
    return teacher * (np.sqrt(N) / length), np.asarray(problem.labels, dtype=np.int8)  # labels do not know its length, overlaps do
