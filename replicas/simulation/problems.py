"""Random problems: patterns, a teacher, labels.

    storage:          xi_mu,i independent (+-1 or standard normal), y_mu = +1
    teacher-student:  T binary, or Gaussian normalised to |T|^2 = N, and y_mu = sign(xi_mu . T), or the output of
                      a machine of several units (`machines`)

Labels of random patterns are gauged away in storage: xi and y xi have the same distribution.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._checks import check_choice, check_finite, check_integer
from ._packed import distances, packed_signs, sums
from .enumeration import mismatch_budget
from .machines import PERCEPTRON, Architecture, Machine, as_architecture, machine_name, machine_outputs
from .seeding import task_generator

PATTERN_KINDS = ("binary", "gaussian")
TEACHER_KINDS = ("binary", "spherical")
TASKS = ("storage", "teacher-student")
MOST_ENTRIES = 4 * 10**9
"""Of an array of patterns: 4 GB of signs."""


@dataclass(frozen=True, repr=False)
class Problem:
    """One drawn problem, shared by every algorithm that is run on it.

    patterns : array (P, N);  labels : array (P,) of +-1, and 0 for the ties of a committee of even K
    teacher : array (N,), (K N,) if fully connected (its units one after the other), or None in storage
    kappa : margin that the fields of a perceptron have to reach
    machine : K + 1 booleans of a tree, or `fully_connected`; the perceptron if absent

    The arrays are not to be changed afterwards: what is made of them is kept.

    Raises ValueError where patterns and labels do not fit each other, or a value is not finite.
    """

    patterns: NDArray[Any]
    labels: NDArray[np.int8]
    teacher: NDArray[Any] | None = None
    kappa: float = 0.0
    machine: Machine = PERCEPTRON

    def __post_init__(self) -> None:
        patterns = np.ascontiguousarray(self.patterns)
        if patterns.ndim != 2 or patterns.shape[1] == 0:
            raise ValueError(f"patterns: got an array of shape {patterns.shape}, takes shape (P, N) with N >= 1")
        if patterns.dtype.kind not in "if" or not np.all(np.isfinite(patterns)):
            raise ValueError(f"patterns: got values of type {patterns.dtype} or not finite, takes finite numbers")
        labels = np.asarray(self.labels)
        if labels.shape != patterns.shape[:1] or not np.all(np.isin(labels, (-1, 0, 1))):
            raise ValueError(f"labels: got an array of shape {labels.shape}, takes shape ({len(patterns)}) of -1, 0 and +1 only")
        check_finite("kappa", self.kappa)
        machine = as_architecture(self.machine, patterns.shape[1])
        if 0 not in machine.outputs and np.any(labels == 0):
            raise ValueError(f"labels: got 0, which a machine of {machine.K} unit{'s' * (machine.K > 1)} never says, takes -1 and +1")
        units = machine.K
        if units > 1 and self.kappa != 0:
            raise ValueError(f"kappa: got {self.kappa} for a machine of {units} units, takes 0")
        if patterns.dtype.kind == "i" and np.all(np.abs(patterns) <= 127):
            patterns = patterns.astype(np.int8, copy=False)
        elif patterns.dtype != np.float64:
            patterns = patterns.astype(np.float64)
        object.__setattr__(self, "patterns", patterns)
        object.__setattr__(self, "labels", labels.astype(np.int8))

    def __repr__(self) -> str:
        task = "storage" if self.teacher is None else "teacher-student"
        kind = "binary" if self.binary else "real"
        margin = f", kappa = {self.kappa:g}" if self.kappa != 0 else ""
        units = f" of K = {self.architecture.K}" if self.architecture.K > 1 else ""
        return f"<Problem: {task}, {machine_name(self.architecture)}{units}, N = {self.N}, P = {self.P}, {kind} patterns{margin}>"

    @property
    def P(self) -> int:
        """Number of patterns."""
        return int(self.patterns.shape[0])

    @property
    def N(self) -> int:
        """Number of sites of a pattern."""
        return int(self.patterns.shape[1])

    @property
    def architecture(self) -> Architecture:
        """The machine that has to learn the patterns."""
        return as_architecture(self.machine, self.N)

    @cached_property
    def binary(self) -> bool:
        """Whether every entry of the patterns is +1 or -1."""
        return bool(np.all(np.abs(self.patterns) == 1))

    @property
    def rows(self) -> NDArray[Any]:
        """Patterns as compiled sums take them, (P, branches, ...), not to be written to: packed, a bit a site, if binary (`_packed`)."""
        rows = self._words if self.binary else self._branches.view()
        rows.flags.writeable = False
        return rows

    @property
    def _branches(self) -> NDArray[Any]:
        n = self.architecture.inputs(self.N)
        return self.patterns.reshape(self.P, self.N // n, n)

    @cached_property
    def _words(self) -> NDArray[np.uint64]:
        P, branches, n = self._branches.shape
        words = packed_signs(self._branches.reshape(P * branches, n))
        return words.reshape(P, branches, words.shape[1])

    def gauged(self) -> NDArray[Any]:
        """Patterns y_mu xi_mu, all of which a perceptron has to map to +1, (P, N), of the patterns' own type."""
        return np.ascontiguousarray(self.patterns * self.labels[:, None].astype(self.patterns.dtype))

    def unsatisfied(self, weights: ArrayLike) -> int:
        """Number of patterns that these weights, (N,) or (K N,), violate: a field equal to the margin satisfies it.

        Weights of a perceptron are taken at |W|^2 = N; binary fields are compared in whole numbers. Weights that are zero or
        not finite violate every pattern.
        """
        vector = np.ascontiguousarray(weights, dtype=float)
        machine = self.architecture
        if vector.shape != (machine.K * machine.inputs(self.N),):
            raise ValueError(f"weights: got an array of shape {vector.shape}, takes shape ({machine.K * machine.inputs(self.N)},)")
        if not np.all(np.isfinite(vector)) or not np.any(vector):
            return self.P
        if machine.K > 1:
            positive = np.sum(sums(self.rows, vector.reshape(machine.K, -1)) > 0, axis=1)
            return int(np.sum(np.array(machine.outputs, np.int8)[positive] != self.labels))
        if self.binary and np.all(np.abs(vector) == 1):  # whole numbers: a tie is a tie
            _, most = mismatch_budget(self.N, self.kappa)
            fields = self.labels * (self.N - 2 * distances(self.rows[:, 0], packed_signs(vector[None])[0]))
            return int(np.sum(self.N - fields > 2 * most))
        fields = self.labels * sums(self.rows, vector[None])[:, 0]
        return int(np.sum(fields * np.sqrt(self.N) / np.linalg.norm(vector) < self.kappa * np.sqrt(self.N)))


def read_only(problem: Problem) -> Problem:
    """The same problem in arrays that can not be written to: one that is shared must not be changed by whoever works on it."""
    shown = copy.copy(problem)
    for name in ("patterns", "labels", "teacher"):
        array = getattr(problem, name)
        if array is not None:
            view = array.view()
            view.flags.writeable = False
            object.__setattr__(shown, name, view)
    return shown


def draw_patterns(P: int, N: int, seed: int, sample: int = 0, kind: str = "binary") -> NDArray[np.generic]:
    """Independent patterns of zero mean and unit variance, (P, N): "binary" (int8) or "gaussian" (float).

    Parameters
    ----------
    P : number of patterns, >= 0;  N : number of sites, >= 1
    seed : seed of the experiment, >= 0;  sample : which sample of it, >= 0
    kind : "binary" (+-1) or "gaussian"

    Raises
    ------
    ValueError : an argument outside these ranges
    """
    check_integer("P", P, at_least=0)
    check_integer("N", N, at_least=1)
    check_integer("sample", sample, at_least=0)
    check_choice("kind", kind, PATTERN_KINDS)
    if P * N > MOST_ENTRIES:
        raise ValueError(f"N: got {N} with {P} patterns, takes P x N up to {MOST_ENTRIES:.0e} entries")
    rng = task_generator(seed, "patterns", kind, P, N, sample)
    return _signs(rng, (P, N)) if kind == "binary" else rng.standard_normal((P, N))


def draw_teacher(N: int, seed: int, sample: int = 0, kind: str = "spherical") -> NDArray[np.generic]:
    """A random teacher with |T|^2 = N, shape (N,): "binary" (int8) or "spherical" (float).

    Parameters and errors are those of `draw_patterns`.
    """
    check_integer("N", N, at_least=1)
    check_integer("sample", sample, at_least=0)
    check_choice("kind", kind, TEACHER_KINDS)
    rng = task_generator(seed, "teacher", kind, N, sample)
    if kind == "binary":
        return _signs(rng, (N,))
    weights = rng.standard_normal(N)
    return weights * np.sqrt(N) / np.linalg.norm(weights)


def draw_problem(
    P: int,
    N: int,
    seed: int,
    sample: int = 0,
    task: str = "storage",
    patterns: str = "binary",
    teacher: str = "binary",
    accepted: Machine = PERCEPTRON,
    kappa: float = 0.0,
) -> Problem:
    """Patterns with their labels: all +1 in storage, the output of the teacher in teacher-student.

    Parameters
    ----------
    P, N, seed, sample : as for `draw_patterns`
    task : "storage" or "teacher-student"
    patterns : "binary" or "gaussian";  teacher : "binary" or "spherical" (teacher-student only)
    accepted : the teacher as a machine of K branches, K + 1 booleans, or `fully_connected`, whose units have
        |T_j|^2 = N each; the perceptron y = sign(xi . T) if absent. Also the machine that has to learn (`Problem.machine`)
    kappa : margin that has to be reached

    Raises
    ------
    ValueError : an argument outside these ranges, or a binary teacher of binary patterns where the number of
        inputs of a unit, N/K or N if fully connected, is even: a field can vanish
    """
    check_choice("task", task, TASKS)
    check_choice("patterns", patterns, PATTERN_KINDS)
    check_choice("teacher", teacher, TEACHER_KINDS)
    drawn = draw_patterns(P, N, seed, sample, patterns)
    if task == "storage":
        return Problem(drawn, np.ones(P, np.int8), kappa=kappa, machine=accepted)
    if check_finite("kappa", kappa) != 0:
        raise ValueError(f"kappa: got {kappa} with a noise-free teacher, takes 0")
    machine = as_architecture(accepted, N)
    if patterns == teacher == "binary" and machine.inputs(N) % 2 == 0:
        odd = "odd N" if machine.inputs(N) == N else f"N/{machine.K} odd"
        raise ValueError(f"N: got {N}, takes {odd} for binary patterns and teacher (else a field can vanish)")
    weights = draw_teacher(N * machine.K if machine.shared else N, seed, sample, teacher)
    if machine.shared and teacher == "spherical":
        units = weights.reshape(machine.K, N)
        weights = (units * np.sqrt(N) / np.linalg.norm(units, axis=1, keepdims=True)).ravel()
    return Problem(drawn, machine_outputs(drawn, weights, machine), weights, kappa, accepted)


def _signs(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    return (2 * rng.integers(0, 2, shape, dtype=np.int8) - 1).astype(np.int8)
