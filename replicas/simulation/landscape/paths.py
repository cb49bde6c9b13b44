r"""A path of solutions between two solutions of the tree committee.

Every path is a chain of configurations on the spheres |W_j|^2 = n joined by great circles. It counts as a path of solutions when the
largest number of errors *at any point of every circle*, which is known exactly (`geometry`), is zero: no point between two beads is
taken on trust. Two schemes of elastic pull, gradient and norm constraint find one, both without random numbers:

walk    two walkers, one from each end, by turns; a step pulls the one towards the other and repairs it by gradient descent,

            W <- W(pull) of the great circle to the other walker,   W <- spheres(W - rate dL/dW)   until W and the circle to it have no errors

        and is taken if it has come closer; if not, the pull is halved. They have met when the circle between them has no errors.
chain   where the walkers are stuck: all beads between the ends at once, neighbours pulled together,

            W^b <- spheres(W^b - rate dL/dW^b + pull (W^{b-1} + W^{b+1} - 2 W^b)),   b = 1, ..., beads - 1

        beta growing and the pull vanishing over the sweeps; walkers then close the gaps between the beads that are solutions.

L is the cross-entropy of `algorithms.committee`. A path found is a proof of connection for this problem; one that is not found proves
nothing. Source of the walk: E. Tartaglione and M. Grangetto, Take a ramble into solution spaces for classification problems in neural
networks, ICIAP 2019, doi 10.1007/978-3-030-30642-7_31 (the idea: elastic pull, gradient, norm; walkers from both ends and exact checks are ours).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from .._checks import check_integer, check_positive
from .._packed import add
from ..algorithms.committee import CommitteeSGD, downhill, to_sphere
from ..display.results import Arrays, Columns, Rows, Series
from ..problems import Problem
from .geometry import (
    as_solution,
    check_apart,
    committee_points,
    distance,
    great_circle,
    overlaps,
    smoothing,
    unit_fields,
    violations,
    worst,
)

Array = NDArray[np.float64]
Units = NDArray[np.float64]
PULL, MOST_PULL, GROWTH = 0.1, 0.5, 1.3
"""Pull of a walker at first and at most, as a share of the circle to the other one, and its growth after a success."""
PUSH, REPAIR = 20, 250
"""Gradient steps of every step of a walker, which keep it away from the border, and most of them before the pull is halved."""
LEAST_PULL = 1e-5
"""Pull below which a walker is stuck."""
FIRST_BETA = 0.1
"""Slope of the units in the first sweep of a chain, relative to the last."""
SLICE = 10
"""Sweeps of a chain between two chances to stop."""


@dataclass(frozen=True, eq=False, repr=False)
class SolutionPath(Series):
    """A chain of configurations between two solutions.

    chain : (beads, N), from start to end;  errors : (beads,), patterns violated at each
    between : (beads - 1,), largest number of errors at any point of the great circle from each bead to the next, exactly
    straight : that of the great circle from start to end;  length, straight_length : sqrt(sum_j theta_j^2/K) along the chain, and of that circle
    gradients : evaluations of the gradient of all patterns
    status : "connected" (no errors anywhere), "stuck" (no step of a walker helps), "budget" (all evaluations made), "interrupted"
    """

    quantity = "path"
    computed = ("connected", "most", "straight", "length", "straight_length", "gradients")
    axes = ("bead", "most errors up to the next bead")
    drawn = ("between", None)

    chain: Array
    errors: NDArray[np.int64]
    between: NDArray[np.int64]
    straight: int
    length: float
    straight_length: float
    gradients: int
    status: str

    @property
    def connected(self) -> bool:
        """Whether every point of the path is a solution."""
        return self.status == "connected"

    @property
    def most(self) -> int:
        """Largest number of errors at any point of the path."""
        return int(max(self.errors.max(), self.between.max(initial=0)))

    @property
    def title(self) -> str:
        """How the search ended."""
        return f"path of solutions: {self.status}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What it cost."""
        return (f"{self.gradients} gradients",)

    def columns(self) -> Columns:
        """By bead: errors at it, and the most on the way to the next one (the last has none)."""
        return {"bead": np.arange(len(self.chain)), "errors": self.errors, "between": np.append(self.between, 0)}

    def arrays(self) -> Arrays:
        """The configurations."""
        return {"chain": (("bead", "site"), self.chain)}

    def _draw(self, ax: Any, **style: Any) -> None:
        super()._draw(ax, **{"label": "path", **style})
        ax.axhline(self.straight, color="k", lw=0.9, ls="--", label="great circle from start to end")

    def rows(self) -> Rows:
        """Header and cells of a readable table: the path beside the great circle."""
        return ["", "beads", "length", "most errors"], [
            ["path", str(len(self.chain)), f"{self.length:.4f}", str(self.most)],
            ["great circle", "2", f"{self.straight_length:.4f}", str(self.straight)],
        ]


class _Spent(Exception):
    """Raised by the count of gradients, with the status of the path."""


class _Search:
    """Patterns, loss and budget of a search, and how much of it is spent."""

    def __init__(
        self,
        points: Array,
        loss: tuple[float, float],
        rate: float,
        budget: int,
        progress: Callable[[int, int], None] | None,
        stop: Callable[[], bool] | None,
    ):
        self.points, self.rows = points, np.arange(len(points))
        self.beta, self.gamma = loss
        self.rate, self.budget, self.progress, self.stop = rate, budget, progress, stop
        self.gradients = 0
        self.chain: list[Units] = []  # from start to end, as far as it has come

    def spend(self, gradients: int) -> None:
        """Count gradients; ends the search where the budget is spent or `stop` says so."""
        self.gradients += gradients
        if self.progress is not None:
            self.progress(min(self.gradients, self.budget), self.budget)
        if self.stop is not None and self.stop():
            raise _Spent("interrupted")
        if self.gradients >= self.budget:
            raise _Spent("budget")

    def circle(self, W: Units, V: Units) -> int:
        """Largest number of errors between two configurations."""
        return int(worst(unit_fields(self.points, W), unit_fields(self.points, V), overlaps(W, V))[0])


def find_path(
    problem: Problem,
    start: ArrayLike,
    end: ArrayLike,
    *,
    beads: int = 20,
    sweeps: int = 500,
    pull: float = 0.3,
    rate: float = 0.3,
    beta: float | None = None,
    gamma: float = CommitteeSGD.gamma_end,
    budget: int = 20000,
    progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> SolutionPath:
    """Look for a path of solutions between two solutions: two walkers, then a chain whose gaps walkers close.

    Parameters
    ----------
    problem : of a tree committee of K odd units, kappa = 0;  start, end : weights (N,) that satisfy every pattern
    beads : segments of the chain, >= 2;  sweeps : of the chain, >= 1;  pull : of neighbours in the first sweep, 0 < pull <= 0.5
    rate : step of the gradient descent, > 0;  beta, gamma : of the loss, > 0; beta = 3 sqrt(K) if absent
    budget : gradients of all patterns, >= 1;  progress : called as progress(gradients made, budget);  stop : asked as often

    Ctrl-C or `stop` end the search; the chain reached by then is given back.

    Raises
    ------
    ValueError : an argument outside these ranges, ends that are not solutions, or that are opposite
    """
    points = committee_points(problem)
    W, V = as_solution("start", start, problem), as_solution("end", end, problem)
    check_apart(W, V)
    check_integer("beads", beads, at_least=2)
    check_integer("sweeps", sweeps, at_least=1)
    check_integer("budget", budget, at_least=1)
    if check_positive("pull", pull) > 0.5:
        raise ValueError(f"pull: got {pull}, takes a number > 0 and <= 0.5 (beyond, neighbours pass each other)")
    search = _Search(points, smoothing(len(W), beta, gamma), check_positive("rate", rate), budget, progress, stop)
    try:
        met = _walk(search, [W], [V]) or _through_chain(search, W, V, beads, sweeps, pull)
        status = "connected" if met else "stuck"
    except _Spent as spent:
        status = str(spent)
    except KeyboardInterrupt:
        status = "interrupted"
    return _result(search, status)


def _result(search: _Search, status: str) -> SolutionPath:
    """Everything counted afresh along the chain."""
    chain = search.chain
    errors = np.array([violations(unit_fields(search.points, W)) for W in chain], np.int64)
    pairs = list(pairwise(chain))
    between = np.array([search.circle(W, V) for W, V in pairs], np.int64)
    if status == "connected" and between.max(initial=0) + errors.max() > 0:
        status = "stuck"
    length, straight = sum(distance(W, V) for W, V in pairs), distance(chain[0], chain[-1])
    vectors = np.array([W.ravel() for W in chain])
    return SolutionPath(vectors, errors, between, search.circle(chain[0], chain[-1]), length, straight, search.gradients, status)


def _walk(search: _Search, before: list[Units], after: list[Units]) -> bool:
    """Walk from the last of the beads before the gap and from the first after it; whether the walkers have met. `search.chain` follows."""
    trails = [before, after[::-1]]
    pulls = [PULL, PULL]
    turn = 0
    search.chain = trails[0] + trails[1][::-1]
    while search.circle(trails[0][-1], trails[1][-1]) > 0:
        here, there = trails[turn][-1], trails[1 - turn][-1]
        step = np.empty_like(here)
        solved, made = _advance(search.points, search.rows, here, there, pulls[turn], search.rate, search.beta, search.gamma, step)
        search.spend(int(made))
        if solved and distance(step, there) < distance(here, there):
            trails[turn] = [*trails[turn], step]
            search.chain = trails[0] + trails[1][::-1]
            pulls[turn] = min(MOST_PULL, GROWTH * pulls[turn])
        else:
            pulls[turn] /= 2
            if max(pulls) < LEAST_PULL:
                return False
        turn = 1 - turn
    return True


def _through_chain(search: _Search, start: Units, end: Units, beads: int, sweeps: int, pull: float) -> bool:
    """A chain between the ends, the gaps between those of its beads that are solutions closed by walkers."""
    chain = np.empty((beads + 1, *start.shape))
    for b in range(beads + 1):
        great_circle(start, end, b / beads, chain[b])
    for done in range(0, sweeps, SLICE):
        share = done / sweeps
        slope = search.beta * (FIRST_BETA + (1 - FIRST_BETA) * share)
        made = min(SLICE, sweeps - done)
        relax(search.points, search.rows, chain, slope, search.gamma, search.rate, pull * (1 - share), made)
        search.spend(made * (beads - 1))
    solved = [W for W in chain if violations(unit_fields(search.points, W)) == 0]
    before, whole = solved[:1], True
    for i in range(1, len(solved)):
        whole = _walk(search, before, solved[i:]) and whole
        before = search.chain[: len(search.chain) - len(solved[i + 1 :])]
    return whole


@njit(cache=True, nogil=True)
def relax(points, rows, chain, beta, gamma, rate, pull, sweeps):  # type: ignore[no-untyped-def]
    """Sweeps of the chain's equation in place, the beads one after the other; the two ends stay."""
    _, K, n = chain.shape
    slope = np.empty((K, n))
    for _ in range(sweeps):
        for b in range(1, len(chain) - 1):
            downhill(points, rows, chain[b], beta, gamma, slope)
            for j in range(K):
                for i in range(n):
                    chain[b, j, i] += rate * slope[j, i] + pull * (chain[b - 1, j, i] + chain[b + 1, j, i] - 2 * chain[b, j, i])
            to_sphere(chain[b])


@njit(cache=True, nogil=True)
def _advance(points, rows, here, there, pull, rate, beta, gamma, out):  # type: ignore[no-untyped-def]
    """A step of a walker: whether it and the circle to it have no errors, and the gradients that it took."""
    fields, slope = unit_fields(points, here), np.empty_like(here)
    great_circle(here, there, pull, out)
    for made in range(REPAIR):
        if made >= PUSH:
            h = unit_fields(points, out)
            if violations(h) == 0 and worst(fields, h, overlaps(here, out))[0] == 0:
                return True, made
        downhill(points, rows, out, beta, gamma, slope)
        add(out.ravel(), rate, slope.ravel())
        to_sphere(out)
    return False, REPAIR
