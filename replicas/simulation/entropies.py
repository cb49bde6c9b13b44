"""Entropy of the solutions of random instances by exact enumeration, against the load.

The instances of a load are fresh, and those that `success_curve` draws for the same (seed, N, alpha): a point does not depend on
which others are asked for. The mean of (1/N) log(number of solutions) is over the instances that have solutions; how many have
none is always said beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_choice, check_finite, check_integer
from ._tables import html_table, text_table
from .enumeration import conditions_of, count_solutions
from .machines import PERCEPTRON, Machine, as_architecture, machine_name
from .overlaps import quenched_entropy
from .problems import draw_problem
from .sampling import run_samples
from .success import check_loads

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EntropyCurve:
    """Quenched entropy per weight of the solutions, by load.

    alphas : loads P/N as drawn, (A,);  entropy, stderr : mean over the instances with solutions and its standard error
    instances : completed, (A,);  without_solutions : (A,), how many of them are not in the mean
    model : what was enumerated, in the words of the theory: name, K, weights, kappa, likelihood, task, and the kind of patterns
    """

    N: int
    alphas: Array
    entropy: Array
    stderr: Array
    instances: NDArray[np.int64]
    without_solutions: NDArray[np.int64]
    seed: int
    task: str
    interrupted: bool
    model: dict[str, Any]

    binary = True

    @property
    def status(self) -> str:
        """"converged", "interrupted", or "no-solution" where no instance at any load has one."""
        return "interrupted" if self.interrupted else "converged" if np.any(np.isfinite(self.entropy)) else "no-solution"

    @property
    def title(self) -> str:
        """What was enumerated, in words."""
        stopped = ", interrupted" if self.interrupted else ""
        return f"enumeration, N = {self.N}, {self.task}, {self.instances.max()} instances a load, seed {self.seed}{stopped}"

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of a readable table."""
        columns = zip(self.alphas, self.entropy, self.stderr, self.without_solutions)
        return ["alpha", "entropy", "stderr", "no solution"], [[f"{a:.4g}", f"{s:.5f}", f"{e:.5f}", str(none)] for a, s, e, none in columns]

    def __str__(self) -> str:
        return text_table(self.title, *self.rows())

    def _repr_html_(self) -> str:
        return html_table(self.title, *self.rows())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, computed numbers as decimal strings, null where there is none."""

        def decimal(value: float) -> str | None:
            return repr(float(value)) if np.isfinite(value) else None

        points = [
            {"alpha": float(a), "entropy": decimal(s), "error": decimal(e), "instances": int(n), "without_solutions": int(none)}
            for a, s, e, n, none in zip(self.alphas, self.entropy, self.stderr, self.instances, self.without_solutions)
        ]
        head = {"quantity": "simulate", "algorithm": "enumeration", "N": self.N, "task": self.task, "seed": self.seed}
        return {**head, "model": self.model, "points": points, "status": self.status}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def against(self, predicted: ArrayLike) -> dict[str, Any]:
        """Difference to the entropies of the limit, load by load: at finite N it need not vanish (of order 1/N)."""
        gap = self.entropy - np.asarray(predicted, dtype=float)
        shown = ", ".join(f"{g:+.4f} at {a:.3g}" for a, g in zip(self.alphas, gap) if np.isfinite(g))
        return {"text": f"entropy less the replica-symmetric one of large N (a difference of order 1/N is expected): {shown}"}


def entropy_curve(
    N: int,
    alphas: ArrayLike,
    instances: int = 50,
    seed: int = 0,
    *,
    task: str = "storage",
    patterns: str = "binary",
    kappa: float = 0.0,
    likelihood: str = "threshold",
    machine: Machine = PERCEPTRON,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EntropyCurve:
    """Enumerate the binary solutions of random instances.

    Parameters
    ----------
    N : sites, >= 1; at most 63 weights, N or those of a fully connected machine (31 for K > 1): `count_solutions` chooses the engine
    alphas : loads > 0, (A,);  instances, seed, workers, progress : as for `success_curve`
    task, kappa, machine : the problem, as for `draw_problem`;  likelihood : "threshold" or "window";  patterns : "binary"

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    check_choice("patterns", patterns, ("binary",))
    N = check_integer("N", N, at_least=1)
    count = check_integer("instances", instances, at_least=1)
    loads = check_loads(alphas, N)
    architecture = as_architecture(machine, N)
    check_choice("likelihood", likelihood, ("threshold", "window"))
    if likelihood == "window" and not check_finite("kappa", kappa) > 0:
        raise ValueError(f"kappa: got {kappa} with likelihood window, takes a half-width > 0")
    if task == "teacher-student" and likelihood == "window":
        raise ValueError("likelihood: got window with a teacher, takes threshold")
    given: dict[str, Any] = {"task": task, "accepted": machine, "kappa": check_finite("kappa", kappa)}

    def one(number: int) -> int:
        problem = draw_problem(int(loads[number % loads.size]), N, seed, number // loads.size, **given)
        return count_solutions(problem.patterns, kappa, likelihood, problem.labels, machine, workers=1)

    first = draw_problem(1, N, seed, 0, **given)
    conditions_of(first.patterns, kappa, likelihood, first.labels, machine, "auto")  # every kind of mistake is met before any work
    done = run_samples(one, loads.size * count, workers, progress)
    numbers = np.full((count, loads.size), -1)
    for sample, solutions in zip(done.samples, done.values):
        numbers[sample // loads.size, sample % loads.size] = solutions
    weights = N * architecture.K if architecture.shared else N
    entropy, stderr = np.full((2, loads.size), np.nan)
    for i, column in enumerate(numbers.T):
        if np.any(column >= 0):
            found = quenched_entropy(column[column >= 0][:, None], weights)
            entropy[i], stderr[i] = found.mean[0], found.stderr[0]
    tally = (np.sum(numbers >= 0, axis=0), np.sum(numbers == 0, axis=0))
    asked = {"name": machine_name(architecture), "K": architecture.K, "weights": "binary", "kappa": given["kappa"]}
    model = asked | {"likelihood": likelihood, "task": task, "patterns": patterns}
    return EntropyCurve(N, loads / N, entropy, stderr, *tally, seed, task, done.interrupted, model)
