"""Entropy of the solutions of random instances by exact enumeration, against the load.

Every instance counts the solutions of its first P = round(alpha N) patterns for all loads at once. The mean of (1/N) log(number
of solutions) is over the instances that have solutions; how many have none is always said beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_choice, check_finite, check_integer
from .enumeration import count_solutions_by_load
from .machines import PERCEPTRON, Machine
from .overlaps import quenched_entropy
from .problems import draw_problem
from .sampling import run_samples
from .success import check_loads

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EntropyCurve:
    """Quenched entropy per weight of the solutions, by load.

    alphas : loads P/N as drawn, (A,);  entropy, stderr : mean over the instances with solutions and its standard error
    instances : completed;  without_solutions : (A,), how many of them are not in the mean
    """

    N: int
    alphas: Array
    entropy: Array
    stderr: Array
    instances: int
    without_solutions: NDArray[np.int64]
    seed: int
    task: str
    interrupted: bool

    binary = True

    def __str__(self) -> str:
        stopped = ", interrupted" if self.interrupted else ""
        lines = [f"enumeration, N = {self.N}, {self.task}, {self.instances} instances, seed {self.seed}{stopped}", "   alpha   entropy    stderr  no solution"]
        for a, s, e, none in zip(self.alphas, self.entropy, self.stderr, self.without_solutions):
            lines.append(f"  {a:6.4g}  {s:8.5f}  {e:8.5f}  {none:11d}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, computed numbers as decimal strings, null where there is none."""

        def decimal(value: float) -> str | None:
            return repr(float(value)) if np.isfinite(value) else None

        points = [
            {"alpha": float(a), "entropy": decimal(s), "error": decimal(e), "without_solutions": int(none)}
            for a, s, e, none in zip(self.alphas, self.entropy, self.stderr, self.without_solutions)
        ]
        head = {"quantity": "simulate", "algorithm": "enumeration", "N": self.N, "task": self.task, "instances": self.instances, "seed": self.seed}
        return {**head, "points": points, "status": "interrupted" if self.interrupted else "converged"}

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
    N : sites (weights up to the engine's limit, `MAX_SITES`);  alphas : loads > 0, (A,);  instances, seed, workers, progress : as for
        `success_curve`
    task, kappa, machine : the problem, as for `draw_problem`;  likelihood : "threshold" or "window";  patterns : "binary"

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    check_choice("patterns", patterns, ("binary",))
    N = check_integer("N", N, at_least=1)
    count = check_integer("instances", instances, at_least=1)
    loads = check_loads(alphas, N)
    given: dict[str, Any] = {"task": task, "accepted": machine, "kappa": check_finite("kappa", kappa)}

    def one(sample: int) -> NDArray[np.int64]:
        problem = draw_problem(int(loads.max()), N, seed, sample, **given)
        return count_solutions_by_load(problem.patterns, kappa, likelihood, problem.labels, machine)[loads]

    draw_problem(1, N, seed, 0, **given)
    done = run_samples(one, count, workers, progress)
    if done.values:
        q = quenched_entropy(np.array(done.values), N)
        found = (q.mean, q.stderr, q.samples, q.without_solutions)
    else:
        nothing = np.full(loads.size, np.nan)
        found = (nothing, nothing, 0, np.zeros(loads.size, np.int64))
    return EntropyCurve(N, loads / N, *found, seed, task, done.interrupted)
