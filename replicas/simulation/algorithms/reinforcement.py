r"""Reinforcement: message passing that is led to one W by fields along what it believes already.

    h_i = (sum of the messages of the patterns to i) + r h_i (of the step before),   W_i = sign(h_i)

r grows linearly from an initial value to 1 in the course of a cycle. In the first cycle all sites are reinforced so; where that leads
to no solution, further cycles, three times as long, reinforce a random subset of the sites fully, each with probability r: the
rule of the source, by which cycles are independent of each other. (The fixed point of the messages forgets where they began.)
Source: A. Braunstein, R. Zecchina, PRL 96 (2006) 030201.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .._checks import check_finite, check_integer
from ..learning import Run
from ._signs import all_satisfied

Single = NDArray[np.float32]
LATER = 3
"""Length of the later cycles in units of the first."""


class Messages(Protocol):
    """Messages between the patterns of a problem and its sites.

    points : y_mu xi_mu, (P, N), or packed;  least : the least sum_i y xi_i W_i that satisfies a pattern
    """

    points: NDArray[np.generic]
    least: float

    def update(self, h: Single) -> Single:
        """One step of all messages from the total fields h: the sum of the messages that each site gets."""


class MessageRun(Run):
    """Updates of the messages, each followed by total fields h made of their sums."""

    def __init__(self, messages: Messages, h: Single):
        self.messages, self.h = messages, h

    @abstractmethod
    def fields(self, sums: Single) -> Single:
        """The total fields h from what the patterns say."""

    def advance(self, steps: int) -> bool:
        for _ in range(steps):
            self.h = self.fields(self.messages.update(self.h))
            self.steps += 1
            if not np.all(np.isfinite(self.h)) or all_satisfied(self.messages.points, self.weights, self.messages.least):
                return True
        return False

    @property
    def weights(self) -> NDArray[np.int8]:
        return np.where(self.h > 0, 1, -1).astype(np.int8)

    strength = 0.0
    """Of the reinforcement in the last step, from 0 to 1."""

    def record(self) -> dict[str, float]:
        return {"reinforcement": self.strength}


class CycleRun(MessageRun):
    """Messages with fields that depend on the share of a cycle that is past; cycles after the first are longer."""

    def __init__(self, messages: Messages, h: Single, cycle: int, rng: np.random.Generator):
        super().__init__(messages, h)
        self.cycle, self.rng = cycle, rng

    @property
    def later(self) -> bool:
        """Whether the first cycle is over."""
        return self.steps >= self.cycle

    @property
    def past(self) -> float:
        """The share of the cycle that is past, 0 <= past < 1."""
        longer = LATER * self.cycle
        return (self.steps - self.cycle) % longer / longer if self.later else self.steps / self.cycle


class ReinforcedRun(CycleRun):
    """Messages with reinforcement in cycles."""

    def __init__(self, messages: Messages, h: Single, cycle: int, initial: float, rng: np.random.Generator):
        super().__init__(messages, h, cycle, rng)
        self.initial = initial

    def fields(self, sums: Single) -> Single:
        self.strength = self.initial + (1 - self.initial) * self.past
        return self.first(sums) if self.past == 0 else sums + self.share() * self.h

    def first(self, sums: Single) -> Single:
        """The fields that a cycle begins with."""
        return sums

    def share(self) -> Single:
        """What part of its field each site keeps."""
        if self.later:
            return (self.rng.random(self.h.size) < self.strength).astype(np.float32)
        return np.full(self.h.size, self.strength, np.float32)


def check_schedule(cycle: int, initial: float = 0.0) -> None:
    """Refuse what is no cycle."""
    check_integer("cycle", cycle, at_least=2)
    if not 0 <= check_finite("initial", initial) < 1:
        raise ValueError(f"initial: got {initial:g}, takes a number from 0 to 1 (excluded)")
