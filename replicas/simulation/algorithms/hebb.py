"""Hebb's rule and its clipped version: all patterns at once, and nothing to iterate.

    Hebb:          W = sum_mu y_mu xi_mu                          then |W|^2 = N
    clipped Hebb:  W_i = sign(sum_mu y_mu xi_mu,i)                a component that vanishes gets a random sign

The field of a stored pattern is u ~ N(1/sqrt(alpha), 1) with Hebb, N(sqrt(2/(pi alpha)), 1) with the clipped rule: all P
patterns are satisfied for P ~ N/(2 log N) only.
Source: A. Engel and C. Van den Broeck, Statistical Mechanics of Learning (2001), chapter 3; clipping: J. L. van Hemmen,
Phys. Rev. A 36 (1987) 1959.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..learning import Algorithm, Run, Weights
from ..problems import Problem
from ..rules import hebb_student


@dataclass(frozen=True)
class Hebb(Algorithm):
    """W = sum_mu y_mu xi_mu on the sphere |W|^2 = N; a sum that vanishes leaves no weights."""

    name: ClassVar[str] = "hebb"
    step: ClassVar[str] = "the whole rule"
    budget: ClassVar[int] = 1
    binary: ClassVar[bool] = False

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return OneStep(lambda: on_sphere(hebb_student(problem.patterns, problem.labels)))


@dataclass(frozen=True)
class ClippedHebb(Algorithm):
    """W = sign(sum_mu y_mu xi_mu); components that vanish get independent random signs."""

    name: ClassVar[str] = "clipped-hebb"
    step: ClassVar[str] = "the whole rule"
    budget: ClassVar[int] = 1

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        def clipped() -> Weights:
            W = hebb_student(problem.patterns, problem.labels)
            coins = 2 * rng.integers(0, 2, W.size) - 1
            return np.where(W == 0, coins, np.sign(W)).astype(np.int8)

        return OneStep(clipped)


class OneStep(Run):
    """A rule that is all done after one step."""

    def __init__(self, rule: Callable[[], Weights | None]):
        self._rule = rule
        self._weights: Weights | None = None

    def advance(self, steps: int) -> bool:
        self._weights, self.steps = self._rule(), 1
        return True

    @property
    def weights(self) -> Weights | None:
        return self._weights


def on_sphere(W: Weights) -> Weights | None:
    """W scaled to |W|^2 = N; None if it vanishes or is not finite."""
    length = float(np.linalg.norm(W))
    return W * (np.sqrt(W.size) / length) if 0 < length < np.inf else None
