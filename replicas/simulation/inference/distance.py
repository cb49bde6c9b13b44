r"""Entropy of the solutions at a distance from a given configuration, by belief propagation: one instance, one reference w~.

    F(gamma) = log sum over solutions W of exp(gamma w~.W),    p = w~.<W>/N = 1 - 2 d,    s(d) = F/N - gamma p

A field gamma w~_i on every site leads the solutions to distance d from w~; the gamma of the d asked for is found by a bracketed secant
on atanh p, which grows about as fast as gamma, with messages carried over from one gamma to the next. s is stationary in p, hence
what p misses of 1 - 2 d enters through ds/dp = -gamma and is added. At N -> infinity it is (1/N) log of the number of solutions at
distance d; at finite N that number is smaller by about (1/2) log(2 pi N d (1 - d)), since the field holds d only on average.

Where s(d) is not concave, p jumps as gamma grows: such distances have no fixed point, and the status says "branch-ended". It happens near
capacity, around solutions that are nearly isolated.

The reference may be any configuration: what an algorithm found, a teacher, a solution drawn at random, none of these.
Source: C. Baldassi, A. Ingrosso, C. Lucibello, L. Saglietti and R. Zecchina, PRL 115 (2015) 128101 and J. Stat. Mech. (2016) 023301.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._checks import check_finite, check_signs
from ..display.results import Columns, Rows, Series, known
from ..learning import Stop
from ..problems import Problem
from .bethe import BeliefPropagation, check_run, few, nodes_of, settle

Array = NDArray[np.float64]
STRONGEST = 12.0
"""Largest |gamma|: p differs from +-1 by 1e-10 there without patterns."""
STEP = 1.0
"""Largest step of gamma."""
SOLVES = 60
"""Fixed points sought for a distance."""
JUMP = 1e-6
"""Width of a bracket of gamma, with p on either side of the one asked for, that counts as a jump."""
CLOSE = 1e-4
"""Of d: what is left enters s to first order exactly, and to second with ds/dp' = O(1/(1 - p^2))."""


@dataclass(frozen=True, eq=False, repr=False)
class EntropyAround(Series):
    """Solutions at each distance from the reference: arrays (D,), in the order asked for.

    N, P : of the problem;  messages : "relaxed" or "exact"
    distances : d asked for;  entropy : s(d) per weight, nan where there is no fixed point;  coupling : gamma, -ds/dp;  found : the d of the
        fixed point, within 1e-4
    overlap : q, of two solutions at this distance;  residual : undamped, of the fixed point;  iterations : steps made for it
    status : each "converged", "unphysical" (negative entropy), "branch-ended" (p jumps over it: s is not concave there), "not-converged",
         "contradiction", "diverged" or "interrupted"
    """

    quantity = "entropy around a reference"
    inputs = ("N", "P", "messages")
    axes = ("distance $d$", "entropy of the solutions per weight")
    drawn = ("entropy", None)

    N: int
    P: int
    messages: str
    distances: Array
    entropy: Array
    coupling: Array
    found: Array
    overlap: Array
    residual: Array
    iterations: NDArray[np.int64]
    status: tuple[str, ...]

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before the last distance."""
        return "interrupted" in self.status

    def columns(self) -> Columns:
        """By distance."""
        numbers = {"distance": self.distances, "entropy": self.entropy, "coupling": self.coupling, "found": self.found, "overlap": self.overlap}
        return {**numbers, "residual": self.residual, "iterations": self.iterations, "status": np.array(self.status)}

    def rows(self) -> Rows:
        """Header and cells of a readable table, of the distances that were reached."""
        header = ["distance", "entropy", "coupling", "overlap", "residual", "steps", "status"]
        columns = zip(self.distances, self.entropy, self.coupling, self.overlap, self.residual, self.iterations, self.status)
        forms = (".4g", ".5f", ".4g", ".4f", ".1e")
        return header, [[*map(known, numbers, forms), str(steps), word] for *numbers, steps, word in columns if steps]

    @property
    def notes(self) -> tuple[str, ...]:
        """The distances that were not reached."""
        left = ", ".join(f"{d:.4g}" for d, steps in zip(self.distances, self.iterations) if not steps)
        return (f"interrupted before distance {left}",) if left else ()

    @property
    def title(self) -> str:
        """What was run, in words."""
        return f"solutions around a reference, {self.messages} messages, N = {self.N}, P = {self.P}"


def entropy_around(
    problem: Problem,
    reference: ArrayLike,
    distances: ArrayLike,
    messages: str = "relaxed",
    damping: float = 0.0,
    iterations: int = 1000,
    tolerance: float = 1e-5,
    *,
    stop: Stop | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EntropyAround:
    """Entropy per weight of the solutions at Hamming distances from a reference.

    Parameters
    ----------
    problem : of a perceptron, any task and margin
    reference : (N,) of +-1, a solution or not
    distances : Hamming distances per weight, 0 < d < 1
    messages, damping, tolerance : as for `belief_propagation`;  iterations : largest number of steps for one gamma, >= 1
    stop : asked between steps whether to give up;  progress : called as progress(distances done, all)

    Ctrl-C ends the run: distances that are left have the status "interrupted".

    Raises
    ------
    ValueError : an argument outside these ranges, an instance that visibly has no solutions, patterns or messages beyond memory
    """
    check_run(problem, damping, iterations, tolerance)
    centre = check_signs("reference", reference, (problem.N,)).astype(float)
    try:
        asked = np.atleast_1d(np.asarray(distances, dtype=float))
    except (TypeError, ValueError):
        raise ValueError(f"distances: got {distances!r}, takes Hamming distances per weight, 0 < d < 1") from None
    # |1 - 2 d| = 1 in double precision is no distance from the reference or its mirror image
    if asked.ndim != 1 or not asked.size or not np.all((asked > 0) & (asked < 1) & (abs(1 - 2 * asked) < 1)):
        raise ValueError(f"distances: got {distances!r}, takes Hamming distances per weight, 0 < d < 1")
    search = _Search(problem, centre, messages, check_finite("damping", damping), iterations, tolerance)
    found: dict[int, _Point] = {}
    try:
        # from far to near: gamma grows, and messages follow
        for done, i in enumerate(np.argsort(-asked, kind="stable")):
            if stop is not None and stop():
                break
            found[int(i)] = search.at(float(asked[i]), stop)
            if found[int(i)].status == "interrupted":
                break
            if progress is not None:
                progress(done + 1, asked.size)
    except KeyboardInterrupt:
        pass
    points = [found.get(i, _Point()) for i in range(asked.size)]
    entropy, coupling, reached, overlap, residual = np.array([[p.entropy, p.coupling, p.found, p.overlap, p.residual] for p in points]).T
    steps, status = np.array([p.iterations for p in points], np.int64), tuple(p.status for p in points)
    return EntropyAround(problem.N, problem.P, messages, asked, entropy, coupling, reached, overlap, residual, steps, status)


@dataclass(frozen=True)
class _Point:
    """What was found for one distance."""

    entropy: float = math.nan
    coupling: float = math.nan
    found: float = math.nan
    overlap: float = math.nan
    residual: float = math.nan
    iterations: int = 0
    status: str = "interrupted"


class _Search:
    """Fixed points at the gamma of a distance, from the messages of the last one."""

    def __init__(self, problem: Problem, centre: Array, messages: str, damping: float, iterations: int, tolerance: float):
        self.problem, self.centre, self.messages = problem, centre, messages
        self.damping, self.iterations, self.tolerance = damping, iterations, tolerance
        self.nodes = nodes_of(problem, messages)
        self.sums, self.gamma, self.steps = np.zeros(problem.N), 0.0, 0

    def solve(self, gamma: float, stop: Stop | None) -> tuple[BeliefPropagation, float]:
        """The fixed point at gamma, and atanh p."""
        pull = gamma * self.centre
        run = settle(
            self.nodes, self.problem, self.messages, pull, self.sums + pull, self.damping, self.iterations, self.tolerance, stop
        )
        self.sums, self.gamma = run.fields - pull, gamma
        self.steps += run.iterations
        p = float(self.centre @ run.marginals) / self.problem.N
        return run, math.atanh(min(max(p, -1 + 1e-15), 1 - 1e-15))

    def at(self, d: float, stop: Stop | None) -> _Point:
        """The fixed point at distance d; where there is none, the search goes on from the one before."""
        before = self.messages_now()
        found = self._approach(d, stop)
        if not np.isfinite(found.entropy):
            self.back_to(before)
        return found

    def messages_now(self) -> tuple[Array, float, Array]:
        """All messages and their gamma, to come back to."""
        return self.sums, self.gamma, self.nodes.kept.copy()

    def back_to(self, saved: tuple[Array, float, Array]) -> None:
        self.sums, self.gamma, self.nodes.kept = saved[0], saved[1], saved[2].copy()

    def _approach(self, d: float, stop: Stop | None) -> _Point:
        """Secant steps in atanh p, halving where they leave the bracket."""
        p, target = 1 - 2 * d, math.atanh(1 - 2 * d)
        self.steps, gamma, low, high = 0, self.gamma, -STRONGEST, STRONGEST
        before: tuple[float, float] | None = None
        farther: tuple[Array, float, Array] | None = None
        for _ in range(SOLVES):
            run, reached = self.solve(gamma, stop)
            if run.status not in ("converged", "unphysical"):
                return self._point(run, gamma, math.nan, math.nan, run.status)
            if abs(math.tanh(reached) - p) <= 2 * CLOSE * min(1.0, 10 * min(d, 1 - d)):
                entropy = run.free_entropy - gamma * p
                status = "unphysical" if entropy * self.problem.N < -few(self.problem, self.messages) else "converged"
                return self._point(run, gamma, entropy, (1 - math.tanh(reached)) / 2, status)
            low, high = (max(low, gamma), high) if reached < target else (low, min(high, gamma))
            if high - low < JUMP:
                break
            if reached < target:
                farther = self.messages_now()
            elif farther is not None:
                # a fixed point too near may be one that another gamma does not leave: always from the far side
                self.back_to(farther)
            slope = 1.0
            if before is not None and gamma != before[0]:
                slope = max((reached - before[1]) / (gamma - before[0]), 0.1)
            before = gamma, reached
            gamma += min(max((target - reached) / slope, -STEP), STEP)
            if not low < gamma < high:
                gamma = (low + high) / 2
        return self._point(run, gamma, math.nan, math.nan, "branch-ended")

    def _point(self, run: BeliefPropagation, gamma: float, entropy: float, found: float, status: str) -> _Point:
        residual = float(run.residual[-1]) if run.iterations else math.nan
        return _Point(entropy, gamma, found, run.overlap, residual, self.steps, status)
