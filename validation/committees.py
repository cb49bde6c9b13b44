"""Tree committee and tree parity machine with binary weights at finite N: exact enumeration against RS theory.

    y = sign(sum_j sign(h_j)) (committee, K = 3)   or   y = prod_j sign(h_j) (parity, K = 2),   n = N/K inputs a branch

Storage: the entropy per weight (1/N) E log Z of alpha N random patterns, as in `entropy`.
Teacher-student: a random teacher, the entropy of the weights that agree with it, and from all of them the
probability p of the output +1 on fresh patterns. Without noise the teacher is one of them like any other, so

    Gibbs error = E 2 p (1 - p),   Bayes error = E min(p, 1 - p)

A field is a sum over n weights: corrections are in 1/n, and n = 3, 5, 7, 9 is what can be enumerated at K = 3 (n
is odd: no field vanishes). Loads are far below those where the teacher is found, discontinuously. One sample
serves every load and every quantity: rows are correlated.

Errors move more with n than entropies do: from -0.1/n at alpha = 0.2 to -0.35/n at 0.6, on 1/2 - error of 0.02 to
0.06. Coefficients of the order of a probability are allowed for, and errors are predicted to 2% here, not better.

Which errors are judged. At alpha = 0.6 the finite-size part of 1/2 - error is as large as its limit up to n = 7,
hence 0.5 at most. E |p - 1/2| of a few patterns is not smooth in their number (p - 1/2 is to first order a sum of P
signs), hence 0.4 at least for the Bayes error. In the parity machine q = 0 at these loads: nothing is learned, both
errors are 1/2, and the Bayes error approaches that as |p - 1/2| ~ 1/sqrt(n). What is not judged is in the raw table.
(The 2^(K-1) weights that the parity cannot tell apart shift its entropy by O(1/N), which the extrapolation removes.)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import replicas as rp
from replicas import simulation

from .loads import Theory, deviations, entropy_row, limit_row, nearest
from .result import ExperimentResult, Row, Series, series
from .sampling import Progress, collect, mean_and_stderr

NAME = "committees"
QUESTION = "Do tree committees and parity machines store and learn as the RS theory says?"
BRANCHES = {"committee": 3, "parity": 2}
BRANCH = {"committee": "typical", "parity": "q=0"}
STORAGE_LOADS = {"committee": (0.2, 0.3, 0.4), "parity": (0.2, 0.4)}
TEACHER_LOADS: dict[str, dict[str, tuple[float, ...]]] = {
    "committee": {"teacher entropy": (0.2, 0.4, 0.6), "Gibbs error": (0.2, 0.4, 0.5), "Bayes error": (0.4, 0.5)},
    "parity": {"teacher entropy": (0.2, 0.4), "Gibbs error": (0.2, 0.4)},
}
QUICK = {"committee": {9: 1000, 15: 3000, 21: 2000, 27: 150}}
FULL = {
    "committee": {9: 40000, 15: 40000, 21: 20000, 27: 3000},
    "parity": {10: 40000, 14: 40000, 18: 20000, 22: 10000, 26: 1500},
}
ERROR_SCALE = 1.0  # of the coefficients of an error: that of a probability (its own value, 1/2 or less, is too narrow)
FRESH = 16  # patterns to vote on, a sample
TEACHER_SEED = 1  # added to the seed with a teacher: its patterns are not those of storage

Table = dict[int, NDArray[np.float64]]
"""Samples of a quantity by number of patterns."""
Rows = dict[float, tuple[Row, str]]
"""Verdicts and notes by load."""


def model(kind: str, task: str) -> Any:
    """The model of the theory."""
    architecture = rp.TreeCommittee if kind == "committee" else rp.TreeParity
    return architecture(K=BRANCHES[kind], weights="binary", task=task)


def predicted_entropy(kind: str, task: str, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """RS entropy per weight, for an array of loads."""
    return np.asarray(rp.solve(model(kind, task), alpha=alpha).entropy, dtype=float)


def predicted_errors(kind: str, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gibbs and Bayes errors, shape (2, loads), for an array of loads."""
    curve = rp.generalization(model(kind, "teacher-student"), alpha=alpha, branch=BRANCH[kind])
    return np.array([curve.eps_gibbs, curve.eps_bayes], dtype=float)


def accepted(kind: str) -> tuple[bool, ...]:
    """The machine of the simulation."""
    return (simulation.majority if kind == "committee" else simulation.parity)(BRANCHES[kind])


def pattern_numbers(N: int, loads: Sequence[float]) -> list[int]:
    """The numbers of patterns next to the loads, increasing, each once."""
    return sorted({int(P) for alpha in loads for P in nearest(N, alpha)[0]})


def teacher_loads(kind: str) -> list[float]:
    """The loads at which anything learned is judged."""
    return sorted({alpha for loads in TEACHER_LOADS[kind].values() for alpha in loads})


def storage_counts(kind: str, N: int, samples: int, seed: int, progress: Progress | None) -> NDArray[np.int64]:
    """Numbers of solutions of the first 0, 1, ..., P random patterns, shape (samples, P + 1)."""
    P = pattern_numbers(N, STORAGE_LOADS[kind])[-1]

    def counts(sample: int) -> NDArray[np.int64]:
        patterns = simulation.draw_patterns(P, N, seed, sample)
        return simulation.count_solutions_by_load(patterns, accepted=accepted(kind))

    return np.array(collect(counts, samples, f"{NAME} {kind} N={N}", progress))


def learn(kind: str, N: int, samples: int, seed: int, progress: Progress | None) -> dict[str, Table]:
    """Students of random teachers: the entropy of all the weights that agree with them, and their errors."""
    numbers = pattern_numbers(N, teacher_loads(kind))
    P, machine = numbers[-1], accepted(kind)

    def votes(sample: int) -> simulation.Votes:
        teacher_seed = seed + TEACHER_SEED
        drawn = simulation.draw_problem(P + FRESH, N, teacher_seed, sample, "teacher-student", accepted=machine)
        return simulation.count_votes(drawn.patterns[:P], drawn.patterns[P:], numbers, drawn.labels[:P], machine)

    polls = collect(votes, samples, f"{NAME} {kind} teacher N={N}", progress)
    measured = {
        "teacher entropy": np.log([poll.solutions for poll in polls]) / N,
        "Gibbs error": np.array([poll.gibbs_error for poll in polls]),
        "Bayes error": np.array([poll.bayes_error for poll in polls]),
    }
    return {quantity: dict(zip(numbers, values.T)) for quantity, values in measured.items()}


@dataclass(frozen=True)
class Prediction:
    """One quantity of the theory at all the loads where it is wanted, solved for at once."""

    loads: NDArray[np.float64]
    values: NDArray[np.float64]

    def __call__(self, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values at some of these loads."""
        return np.asarray(self.values[[int(np.argmin(abs(self.loads - load))) for load in alpha]])


def wanted_loads(plan: dict[int, int], loads: Sequence[float]) -> NDArray[np.float64]:
    """The loads of the rows, and those of the numbers of patterns around them at every size."""
    finite = {P / N for N in plan for P in pattern_numbers(N, loads)}
    return np.unique(np.round(list(finite | set(loads)), 12))


@dataclass
class Part:
    """Verdicts, drawings, notes and lines of the raw table of one machine and task."""

    rows: list[Row] = field(default_factory=list)
    curves: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lines: list[tuple[Any, ...]] = field(default_factory=list)

    def add(self, label: str, ylabel: str, rows: Rows, prediction: Prediction) -> None:
        """The rows by load, their notes and their curve."""
        judged = [row for row, _ in rows.values()]
        self.rows += judged
        self.notes += [note for _, note in rows.values()]
        points = (list(rows), [row.measured for row in judged], [row.stderr for row in judged])
        theory = (prediction.loads, prediction.values)
        self.curves.append(series(f"{label}, extrapolated to large N", ("load alpha", ylabel), points, theory))

    def record(self, *case: str | int, samples: int, values: NDArray[np.float64]) -> None:
        """A line of the raw table: the mean of the values there are."""
        mean, stderr = mean_and_stderr(values)
        self.lines.append((*case, samples, samples - len(values), float(mean), float(stderr)))


def confront_storage(kind: str, plan: dict[int, int], seed: int, progress: Progress | None) -> Part:
    """The entropy of random patterns."""
    part, loads = Part(), STORAGE_LOADS[kind]
    counts = {N: storage_counts(kind, N, samples, seed, progress) for N, samples in plan.items()}
    for N, table in counts.items():
        for P in range(1, table.shape[1]):
            entropies = np.log(table[table[:, P] > 0, P]) / N
            part.record(kind, "storage entropy", N, P, samples=len(table), values=entropies)
    wanted = wanted_loads(plan, loads)
    prediction = Prediction(wanted, predicted_entropy(kind, "storage", wanted))
    name = f"{kind} K={BRANCHES[kind]}, storage entropy"
    rows = {
        alpha: entropy_row(f"{name}, alpha = {alpha}", alpha, counts, prediction, BRANCHES[kind]) for alpha in loads
    }
    part.add(name, "entropy per weight", rows, prediction)
    return part


def confront_learning(kind: str, plan: dict[int, int], seed: int, progress: Progress | None) -> Part:
    """Entropy and errors of the students of a teacher."""
    part = Part()
    learned = {N: learn(kind, N, samples, seed, progress) for N, samples in plan.items()}
    wanted = wanted_loads(plan, teacher_loads(kind))
    gibbs, bayes = predicted_errors(kind, wanted)
    predicted = {
        "teacher entropy": predicted_entropy(kind, "teacher-student", wanted),
        "Gibbs error": gibbs,
        "Bayes error": bayes,
    }
    for quantity in predicted:
        for N, measured in learned.items():
            for P, samples in measured[quantity].items():
                part.record(kind, quantity, N, P, samples=len(samples), values=samples)
    for quantity, loads in TEACHER_LOADS[kind].items():
        prediction = Prediction(wanted, predicted[quantity])
        name = f"{kind} K={BRANCHES[kind]}, {quantity}"
        rows = {}
        for alpha in loads:
            at_load = {N: deviation_at_load(learned[N][quantity], N, alpha, prediction) for N in plan}
            scale = None if quantity == "teacher entropy" else ERROR_SCALE
            rows[alpha] = limit_row(f"{name}, alpha = {alpha}", alpha, at_load, prediction, BRANCHES[kind], scale)
        part.add(name, quantity, rows, prediction)
    return part


def deviation_at_load(table: Table, N: int, alpha: float, predicted: Theory) -> tuple[float, float]:
    """Measured minus predicted at alpha and its standard error."""
    nearby = np.stack([table[int(P)] for P in nearest(N, alpha)[0]], axis=1)
    mean, stderr = mean_and_stderr(deviations(nearby, N, alpha, predicted))
    return float(mean), float(stderr)


def run(quick: bool = True, seed: int = 0, progress: Progress | None = None) -> ExperimentResult:
    """Enumerate, teach, extrapolate, compare."""
    start = time.perf_counter()
    parts = [
        confrontation(kind, plan, seed, progress)
        for kind, plan in (QUICK if quick else FULL).items()
        for confrontation in (confront_storage, confront_learning)
    ]
    rows, curves, notes, lines = (
        tuple(item for part in parts for item in getattr(part, name)) for name in ("rows", "curves", "notes", "lines")
    )
    names = ("machine", "quantity", "N", "P", "samples", "without_solutions", "value", "stderr")
    data = dict(zip(names, (list(column) for column in zip(*lines))))
    return ExperimentResult(NAME, QUESTION, rows, curves, notes, seed, quick, time.perf_counter() - start, data)
