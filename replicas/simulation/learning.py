"""Learning algorithms on one drawn problem, one interface for all: ``run(problem, algorithm, rng, budget)``.

An algorithm is a frozen dataclass of its parameters (`algorithms`), named by a word; a user's own is any function
``solver(problem, rng, budget) -> weights``. What it returns is judged here, by counting the patterns that the weights
violate: an algorithm's own word is never taken for it.
"""

from __future__ import annotations

import inspect
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ._checks import check_integer
from .display.results import Arrays, Columns, Rows, Series, thinned
from .problems import Problem, read_only

Weights = NDArray[Any]
Stop = Callable[[], bool]
SHARE = 8
"""The history has a row after every further 1/SHARE of the steps made so far: steps at first, rarer later."""
PATIENCE = 0.25
"""Seconds after which a run looks whether it is to stop: steps that take longer together are made in pieces."""


class Run(ABC):
    """An algorithm at work on a problem: what `Algorithm.begin` returns and `run` drives."""

    steps: int = 0

    @abstractmethod
    def advance(self, steps: int) -> bool:
        """Make that many steps, or fewer where nothing is left to do: then True (solved, stuck or diverged).

        ``advance(a + b)`` has to be ``advance(a)`` and, unless that gave True, ``advance(b)``: how steps are cut into calls depends
        on the time that they take, and the result must not. A step that takes long may be made in parts, by calls that return
        False and leave `steps` as it is.
        """

    @property
    @abstractmethod
    def weights(self) -> Weights | None:
        """The weights reached, as they would be returned: +-1 if the algorithm's weights are binary; None if there are none yet."""

    def record(self) -> dict[str, float]:
        """What the history shows besides the number of violated patterns."""
        return {}


class Algorithm(ABC):
    """Parameters of a learning algorithm; subclasses are frozen dataclasses.

    name : the word for it;  step : what a step is;  budget : steps that it is given where the user names none
    binary : whether its weights are +-1;  committees : whether it takes a tree committee (of K = 1, too) or a perceptron alone
    binary_patterns : whether patterns have to be +-1;  margin : whether it looks for a margin kappa other than 0
    """

    name: ClassVar[str]
    step: ClassVar[str] = "a pass over all patterns"
    budget: ClassVar[int] = 1000
    binary: ClassVar[bool] = True
    committees: ClassVar[bool] = False
    binary_patterns: ClassVar[bool] = False
    margin: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """The name, with the parameters that are not the default ones."""
        assert is_dataclass(self)
        changed = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"{self.name}({', '.join(changed)})" if changed else self.name

    @abstractmethod
    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        """The algorithm before its first step; ``rng`` is its own from now on, ``budget`` what a schedule is stretched over."""

    def check(self, problem: Problem) -> None:
        """Refuse in one line a problem that the algorithm is not made for."""
        if problem.architecture.K > 1 and not self.committees:
            raise ValueError(f"problem: got a machine of {problem.architecture.K} units, {self.name} takes a perceptron")
        if problem.architecture.shared or (problem.architecture.K > 1 and any(problem.labels == 0)):
            raise ValueError(f"problem: got a fully connected machine, {self.name} takes a perceptron or a tree")
        if self.binary_patterns and not problem.binary:
            raise ValueError(f"patterns: got entries other than +1 and -1, {self.name} takes binary patterns")
        if problem.kappa != 0 and not self.margin:
            raise ValueError(f"kappa: got {problem.kappa:g}, {self.name} takes 0")


@dataclass(frozen=True, eq=False, repr=False)
class Result(Series):
    """What an algorithm reached.

    solved : every pattern is satisfied by ``weights``, counted afresh;  errors : number of patterns that are not
    weights : (N,) (or (K N,)), +-1 or real;  None if there are none
    steps : how many were made;  history : arrays of one length, "step", "errors" and what else the algorithm records
    status : "solved", "budget" (all steps made), "stuck" (no step is left to make), "interrupted"
    """

    quantity = "run"
    inputs = ("algorithm",)
    computed = ("solved", "errors", "steps")
    axes = ("step", "patterns violated")
    drawn = ("errors", None)

    algorithm: str
    solved: bool
    weights: Weights | None
    steps: int
    errors: int
    status: str
    history: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The outcome in a line."""
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        return f"{self.algorithm}: {self.status} after {steps}, {self.errors} patterns violated"

    def __str__(self) -> str:
        return self.title

    def rows(self) -> Rows:
        """Header and cells of a readable table: a few rows of the history."""
        columns = self.columns()
        return list(columns), [[f"{column[i]:.6g}" for column in columns.values()] for i in thinned(len(columns["step"]))]

    def columns(self) -> Columns:
        """The history, step first."""
        return {"step": self.history.get("step", np.empty(0)), **self.history}

    def arrays(self) -> Arrays:
        """The weights."""
        return {} if self.weights is None else {"weights": (("site",), self.weights)}


Solver = Callable[[Problem, np.random.Generator, int], Any]


def run(
    problem: Problem,
    algorithm: str | Algorithm | Solver,
    rng: np.random.Generator | int = 0,
    budget: int | None = None,
    *,
    stop: Stop | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Let an algorithm learn a problem.

    Parameters
    ----------
    problem : what `draw_problem` gives, or one of your own
    algorithm : a name (`ALGORITHMS`), an `Algorithm` with parameters of its own, or a function (problem, rng, budget) -> weights
    rng : NumPy Generator, used by this run alone, or a seed >= 0
    budget : steps, >= 1 (what a step is: `Algorithm.step`); the algorithm's own if absent
    stop : asked between steps, about every `PATIENCE` seconds, whether to give up
    progress : called as often as progress(steps made, budget)

    Ctrl-C ends the run and returns what it reached, status "interrupted". A run that is not interrupted depends on nothing but
    problem, algorithm, rng and budget.

    Raises
    ------
    ValueError : an argument outside these ranges, or a problem that the algorithm is not made for
    """
    if not isinstance(problem, Problem):
        raise ValueError(f"problem: got {type(problem).__name__}, takes a Problem (see draw_problem)")
    if problem.P == 0:
        raise ValueError("problem: got no patterns, takes at least one")
    chosen = as_algorithm(algorithm)
    steps = check_integer("budget", chosen.budget if budget is None else budget, at_least=1)
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng(check_integer("rng", rng, at_least=0))
    chosen.check(problem)
    at = chosen.begin(problem, rng, steps)
    history: list[dict[str, float]] = []
    status, at_once = "budget", 1

    def note() -> int:
        errors = problem.P if at.weights is None else problem.unsatisfied(at.weights)
        if history and history[-1]["step"] == at.steps:  # interrupted where it had been noted already
            history.pop()
        history.append({"step": float(at.steps), "errors": float(errors), **at.record()})
        return errors

    def reach(target: int) -> bool:
        """Advance to that step, or to the end."""
        nonlocal at_once
        while at.steps < target:
            if stop is not None and stop():
                raise KeyboardInterrupt
            before, started = at.steps, time.perf_counter()
            ended = at.advance(min(target - before, at_once))
            if at.steps > before:
                at_once = max(1, int(PATIENCE * (at.steps - before) / max(time.perf_counter() - started, 1e-9)))
            if progress is not None:
                progress(at.steps, steps)
            if ended:
                return True
        return False

    try:
        errors = note()
        while at.steps < steps:
            # solved or not is seen here only, at steps that do not depend on the time
            ended = reach(min(steps, at.steps + max(1, at.steps // SHARE)))
            errors = note()
            if ended or errors == 0:
                status = "stuck"
                break
    except KeyboardInterrupt:
        status, errors = "interrupted", note()
    columns = {name: np.array([row.get(name, np.nan) for row in history]) for name in history[-1]}
    weights = at.weights
    solved = errors == 0 and weights is not None
    return Result(chosen.label, solved, weights, at.steps, errors, "solved" if solved else status, columns)


@dataclass(frozen=True)
class UserSolver(Algorithm):
    """A user's own function (problem, rng, budget) -> weights, or None; it is called once, with arrays that can not be written to.

    It may return a `Result` as well, whose number of steps is then kept: otherwise the call is one step.
    """

    name: ClassVar[str] = "user"
    step: ClassVar[str] = "a call of the function, or as its Result counts them"
    committees: ClassVar[bool] = True
    margin: ClassVar[bool] = True
    solver: Solver

    @property
    def label(self) -> str:
        """The function's name."""
        return str(getattr(self.solver, "__name__", type(self.solver).__name__))

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _UserRun(self.solver, problem, rng, budget)

    def check(self, problem: Problem) -> None:
        """Whatever the problem, the function has to take three arguments."""
        try:
            inspect.signature(self.solver).bind(problem, None, 1)
        except TypeError:
            raise ValueError(f"algorithm: got {self.label}{inspect.signature(self.solver)}, takes a function (problem, rng, budget) -> weights") from None
        except ValueError:  # no signature to be seen
            pass


class _UserRun(Run):
    def __init__(self, solver: Solver, problem: Problem, rng: np.random.Generator, budget: int):
        self.solver, self.problem, self.rng, self.budget = solver, read_only(problem), rng, budget
        self.found: Weights | None = None

    def advance(self, steps: int) -> bool:
        found = self.solver(self.problem, self.rng, self.budget)
        self.steps = 1
        if isinstance(found, Result):
            self.steps, found = max(1, found.steps), found.weights
        if found is not None:
            machine = self.problem.architecture
            wanted = (machine.K * machine.inputs(self.problem.N),)
            try:
                found = np.asarray(found)
            except ValueError:
                raise ValueError(f"solver: got a {type(found).__name__} of unequal parts, takes real numbers of shape {wanted}") from None
            if found.shape != wanted or found.dtype.kind not in "if":
                raise ValueError(f"solver: got weights of shape {found.shape} and type {found.dtype}, takes real numbers of shape {wanted}")
        self.found = found
        return True

    @property
    def weights(self) -> Weights | None:
        return self.found


def as_algorithm(algorithm: Any) -> Algorithm:
    """The algorithm of that name, itself, or the wrapper of a user's function."""
    from .algorithms import ALGORITHMS

    if isinstance(algorithm, Algorithm):
        return algorithm
    if isinstance(algorithm, str) and algorithm in ALGORITHMS:
        return ALGORITHMS[algorithm]()
    if callable(algorithm) and not isinstance(algorithm, type):
        return UserSolver(algorithm)
    raise ValueError(f"algorithm: got {algorithm!r}, takes a function (problem, rng, budget) -> weights or one of {', '.join(ALGORITHMS)}")
