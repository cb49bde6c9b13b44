r"""SBPI: on-line learning of binary weights through hidden integers h_i, odd, W_i = sign(h_i).

    x = y_mu xi_mu of each pattern in turn, I = sum_i x_i W_i, violated if I < I_0, the least whole number that satisfies
    it (kappa sqrt(N) rounded up to the parity of N):

    I < I_0                  h_i <- h_i + 2 x_i                         the perceptron rule on h
    I_0 <= I < I_0 + theta   with probability p: h_i <- h_i + 2 x_i on the sites that are right, h_i x_i > 0
    I >= I_0 + theta         nothing

The second rule moves no weight: it makes those harder to flip that a barely correct pattern rests on. |h_i| stays below a
bound, 2 x (number of hidden states of a sign) - 1. With theta = 0 or p = 0 this is the clipped perceptron. What reinforces is
the share of barely correct patterns times p, about 1/sqrt(N): theta stays of order 1. Too much of it freezes, too little wanders.
Source: C. Baldassi, A. Braunstein, N. Brunel, R. Zecchina, Efficient supervised learning in networks with binary synapses,
PNAS 104 (2007) 11079; its secondary threshold theta_m counts from 0, theta from I_0. The best number of hidden states grows as
sqrt(N) there, and fewer are too few: at alpha = 0.65, p = 0.3, 20 of a sign for N = 1001 and 40 for N = 4001 solve nothing in
500 passes, where 40 and 100 solve most problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .._checks import check_finite, check_integer
from .._packed import mismatches, packed_signs
from ..learning import Algorithm, Run, Weights
from ..problems import Problem
from ._signs import least_sum, pack, padded_signs

MOST_STATES = 1 << 13
"""Of hidden states, so that h fits 16 bits."""


@dataclass(frozen=True)
class SBPI(Algorithm):
    """Stochastic belief-propagation-inspired learning, patterns in a fresh random order every pass.

    theta : width of "barely correct" in units of x . W, >= 0 (2: only the least value);  probability : of reinforcing a barely correct pattern, from 0 to 1
    states : hidden states of each sign, |h| <= 2 states - 1, from 1 to 8192

    Raises ValueError outside these ranges.
    """

    name: ClassVar[str] = "sbpi"
    binary_patterns: ClassVar[bool] = True
    margin: ClassVar[bool] = True
    budget: ClassVar[int] = 2000
    theta: float = 2.0
    probability: float = 0.3
    states: int = 100

    def __post_init__(self) -> None:
        if check_finite("theta", self.theta) < 0:
            raise ValueError(f"theta: got {self.theta:g}, takes a number >= 0")
        if not 0 <= check_finite("probability", self.probability) <= 1:
            raise ValueError(f"probability: got {self.probability:g}, takes a number from 0 to 1")
        check_integer("states", self.states, at_least=1, at_most=MOST_STATES)

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return _SBPIRun(self, problem, rng)


class _SBPIRun(Run):
    def __init__(self, parameters: SBPI, problem: Problem, rng: np.random.Generator):
        self.parameters, self.rng = parameters, rng
        self.points = problem.gauged().astype(np.int8)
        self.words = packed_signs(self.points)
        first = (2 * rng.integers(0, 2, problem.N) - 1).astype(np.int8)
        self.W, self.hidden = padded_signs(first), first.astype(np.int16)
        self.least = least_sum(problem, problem.kappa)
        self.enough = self.least + parameters.theta

    def advance(self, steps: int) -> bool:
        p, bound = self.parameters.probability, 2 * self.parameters.states - 1
        done, solved = _passes(self.points, self.words, self.least, self.enough, p, bound, self.hidden, self.W, steps, self.rng)
        self.steps += done
        return bool(solved)

    @property
    def weights(self) -> Weights:
        return self.W[: self.hidden.size].copy()


@njit(cache=True, nogil=True)
def _passes(
    points: NDArray[np.int8],
    words: NDArray[np.uint64],
    least: float,
    enough: float,
    p: float,
    bound: int,
    hidden: NDArray[np.int16],
    W: NDArray[np.int8],
    most: int,
    rng: np.random.Generator,
) -> tuple[int, bool]:
    """At most so many passes; how many were made, and whether no pattern was violated in the last one.

    points : (P, N) signs, read where a pattern moves the hidden integers;  words : the same packed, for the fields;  W : padded to words
    """
    P, N = points.shape
    top, bottom = np.int16(bound), np.int16(-bound)
    packed = np.zeros(words.shape[1], np.uint64)
    eights, bits = W.view(np.uint64), packed.view(np.uint8)
    pack(eights, bits)
    for done in range(most):
        clean = True
        for mu in rng.permutation(P):
            x = points[mu]
            field = N - 2 * mismatches(words[mu], packed)
            if field < least:
                clean = False
                for i in range(N):
                    h = np.int16(hidden[i] + np.int16(2) * np.int16(x[i]))
                    h = min(max(h, bottom), top)
                    hidden[i] = h
                    W[i] = np.int8(1) if h > 0 else np.int8(-1)
                pack(eights, bits)
            elif field < enough and rng.random() < p:
                for i in range(N):
                    h = np.int16(hidden[i] + np.int16(x[i]) + np.int16(W[i]))
                    hidden[i] = min(max(h, bottom), top)
        if clean:
            return done + 1, True
    return most, False
