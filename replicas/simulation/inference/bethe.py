r"""Belief propagation on one instance of the binary perceptron: marginals of its solutions and the Bethe entropy.

    P(W) = prod_mu Theta(u_mu - kappa) exp(field.W)/Z over W in {-1, +1}^N,   m_i = <W_i> = tanh h_i
    s = (F - field.m)/N,   F the Bethe free entropy (`nodes`), log Z of a single instance

Storage or teacher-student, whatever is asked of the patterns is the instance's own. Messages are relaxed (Gaussian sums, any N) or
exact at a node (binary patterns, O(P N^2) a step): `nodes`. Either is the Bethe approximation, exact at large N where messages are
independent; at N = 21 its entropy per weight is that of enumeration to 0.006
at alpha = 0.3, 0.016 at 0.5 and 0.03 at 0.7 (root mean square over instances).

A fixed point is accepted on its undamped residual, max_i |tanh(h_i') - m_i| after a step. It is a statement on the solutions only if
its entropy is not negative: exp(N s) is the number of solutions, and clearly below 1 the status says "unphysical" (there are none, or they
do not have these marginals). An instance is refused beforehand where one pattern or a pair of them shows that it has no solutions.

Source: M. Mezard, A. Montanari, Information, Physics, and Computation (2009), chapter 14; equations and their sources in `algorithms.belief`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import check_choice, check_finite, check_integer, check_positive
from ..algorithms._signs import least_sum
from ..display.results import Arrays, Columns, Rows, Series, known
from ..learning import Stop
from ..problems import Problem
from .nodes import ExactNodes, Nodes, RelaxedNodes

Array = NDArray[np.float64]
Report = Callable[[int, int], None]
MESSAGES = ("relaxed", "exact")
LEAST = 1.0
"""-N s from which on an entropy counts as negative: less than 1/e solutions."""
LOST = 0.1
"""Times P/sqrt(N): what relaxed messages can lose of N s where all weights are known. A teacher's field is 1 for 1.6/sqrt(N) of the
patterns, each of which counts log H(-sqrt 3) = -0.043 there, for the lattice's variance 1/3, in place of 0."""


@dataclass(frozen=True, eq=False, repr=False)
class BeliefPropagation(Series):
    """A fixed point of belief propagation, or where it got to.

    N, P : of the problem;  messages : "relaxed" or "exact"
    marginals : (N,), m_i = <W_i>;  fields : (N,), h_i
    entropy : per weight, of the solutions under the field, nan unless it is a fixed point;  free_entropy : F/N, likewise
    residual : (t,), undamped, by step
    status : "converged", "unphysical" (converged to a negative entropy: no solutions, or not with these marginals), "contradiction" (a
        pattern that all weights of appreciable probability violate), "not-converged", "diverged" (values not finite), "interrupted"
    """

    quantity = "belief propagation"
    inputs = ("N", "P", "messages")
    computed = ("entropy", "free_entropy", "overlap", "iterations")
    axes = ("step", "residual")
    drawn = ("residual", None)

    N: int
    P: int
    messages: str
    marginals: Array
    fields: Array
    entropy: float
    free_entropy: float
    residual: Array
    status: str

    @property
    def iterations(self) -> int:
        """Steps made."""
        return int(self.residual.size)

    @property
    def converged(self) -> bool:
        """Whether it is a fixed point that counts solutions."""
        return self.status == "converged"

    @property
    def overlap(self) -> float:
        """q = |m|^2/N, the overlap of two solutions."""
        return float(self.marginals @ self.marginals) / self.N

    def columns(self) -> Columns:
        """By step."""
        return {"step": np.arange(1, self.iterations + 1), "residual": self.residual}

    def arrays(self) -> Arrays:
        """Marginals and fields by site."""
        return {"marginals": (("site",), self.marginals), "fields": (("site",), self.fields)}

    def _draw(self, ax: Any, **style: Any) -> None:
        super()._draw(ax, **style)
        ax.set_yscale("log")

    def rows(self) -> Rows:
        """Header and cells of a readable table."""
        last = f"{self.residual[-1]:.1e}" if self.iterations else ""
        return ["status", "entropy per weight", "overlap q", "steps", "residual"], [
            [self.status, known(self.entropy, ".6f"), f"{self.overlap:.6f}", str(self.iterations), last]
        ]

    @property
    def title(self) -> str:
        """What was run, in words."""
        return f"belief propagation, {self.messages} messages, N = {self.N}, P = {self.P}"


def belief_propagation(
    problem: Problem,
    messages: str = "relaxed",
    field: ArrayLike | None = None,
    damping: float = 0.0,
    iterations: int = 1000,
    tolerance: float = 1e-5,
    start: ArrayLike | None = None,
    *,
    stop: Stop | None = None,
    progress: Report | None = None,
) -> BeliefPropagation:
    """Marginals and Bethe entropy of the solutions of an instance.

    Parameters
    ----------
    problem : of a perceptron, any task and margin
    messages : "relaxed" or "exact" (binary patterns, N <= 501)
    field : (N,), an external field that weights solutions by exp(field.W); none if absent
    damping : share of the old total fields in the new ones, from 0 to 1 (excluded); the fixed points do not depend on it
    iterations : largest number of steps, >= 1;  tolerance : of the residual, > 0 (relaxed: single precision reaches about 1e-6)
    start : (N,), total fields to begin with; 0 if absent
    stop : asked between steps whether to give up;  progress : called as progress(steps made, iterations)

    Ctrl-C ends the run and returns what it reached, status "interrupted".

    Raises
    ------
    ValueError : an argument outside these ranges, an instance that visibly has no solutions (a pattern that no weights satisfy, or
        two that no weights satisfy together), patterns or messages beyond memory
    """
    check_run(problem, damping, iterations, tolerance)
    nodes = nodes_of(problem, messages)
    pull = _fields("field", field, problem.N)
    return settle(nodes, problem, messages, pull, _fields("start", start, problem.N) + 0.0, damping, iterations, tolerance, stop, progress)


def settle(
    nodes: Nodes,
    problem: Problem,
    messages: str,
    pull: Array,
    h: Array,
    damping: float,
    iterations: int,
    tolerance: float,
    stop: Stop | None = None,
    progress: Report | None = None,
) -> BeliefPropagation:
    """Iterate nodes, whatever messages they hold, from total fields h under external fields `pull`."""
    residual: list[float] = []
    status, m, sums = "not-converged", np.tanh(h), h - pull
    try:
        while len(residual) < iterations and status == "not-converged":
            sums = nodes.update(h)
            new = sums + pull
            fresh = np.tanh(new)
            residual.append(float(np.max(np.abs(fresh - m), initial=0.0)))
            h = damping * h + (1 - damping) * new
            m = np.tanh(h)
            if not np.isfinite(residual[-1]):
                status = "diverged"
            elif residual[-1] <= tolerance:
                status, h, m = "converged", new, fresh
            elif stop is not None and stop():
                status = "interrupted"
            if progress is not None:
                progress(len(residual), iterations)
    except KeyboardInterrupt:
        status = "interrupted"
    if nodes.contradiction and status in ("converged", "not-converged"):
        status = "contradiction"
    F = entropy = float("nan")
    if status == "converged":
        F = nodes.free_entropy(sums, pull)
        entropy = F - float(pull @ m)
        if entropy < -few(problem, messages):
            status = "unphysical"
    N = problem.N
    return BeliefPropagation(N, problem.P, messages, m, h, entropy / N, F / N, np.array(residual), status)


def few(problem: Problem, messages: str) -> float:
    """-N s from which on an entropy is negative, beyond what it can be in error."""
    return max(LEAST, LOST * problem.P / np.sqrt(problem.N)) if messages == "relaxed" else LEAST


def nodes_of(problem: Problem, messages: str) -> Nodes:
    """Messages of that kind, at their start."""
    check_choice("messages", messages, MESSAGES)
    return RelaxedNodes(problem) if messages == "relaxed" else ExactNodes(problem)


def check_run(problem: Problem, damping: float, iterations: int, tolerance: float) -> None:
    """Refuse arguments out of range, and problems that visibly have no solutions."""
    if not isinstance(problem, Problem):
        raise ValueError(f"problem: got {type(problem).__name__}, takes a Problem (see draw_problem)")
    if problem.architecture.K > 1:
        raise ValueError(f"problem: got a machine of {problem.architecture.K} units, belief propagation takes a perceptron")
    if not 0 <= check_finite("damping", damping) < 1:
        raise ValueError(f"damping: got {damping}, takes a number from 0 to 1 (excluded)")
    check_integer("iterations", iterations, at_least=1)
    check_positive("tolerance", tolerance)
    _check_satisfiable(problem)


def _check_satisfiable(problem: Problem) -> None:
    """ValueError for a pattern that no weights satisfy, or two binary patterns that exclude each other."""
    least = least_sum(problem, problem.kappa)
    if problem.P and (not problem.binary or least > problem.N):
        most = np.array([np.abs(row).sum() for row in problem.patterns])
        worst = int(np.argmin(most))
        if most[worst] < least:
            sizes = f"pattern {worst} has sum |xi_i| = {most[worst]:.6g}, the margin needs {least:.6g}"
            raise ValueError(f"problem: got an instance without solutions ({sizes}), takes one that weights can satisfy")
    if problem.binary and least > 0:
        seen: dict[bytes, int] = {}
        for mu, (row, label) in enumerate(zip(problem.patterns, problem.labels)):
            signs = row > 0 if label > 0 else row < 0
            other = seen.get(np.packbits(~signs).tobytes())
            if other is not None:
                raise ValueError(f"problem: got an instance without solutions (patterns {other} and {mu} ask for opposite sums), takes another")
            seen[np.packbits(signs).tobytes()] = mu


def _fields(name: str, values: Any, N: int) -> Array:
    """External or total fields, (N,)."""
    if values is None:
        return np.zeros(N)
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: got {values!r}, takes {N} finite numbers") from None
    if array.shape != (N,) or not np.all(np.isfinite(array)):
        raise ValueError(f"{name}: got an array of shape {array.shape} or values not finite, takes {N} finite numbers")
    return array
