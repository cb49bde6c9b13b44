r"""Replicated gradient descent: y stochastic perceptrons that attract each other, which favours dense clusters of solutions.

    L(m^1..m^y, c) = sum_a L(m^a) - (lambda/2) sum_a |m^a - c|^2        L: `stochastic`, ascended in minibatches

    replicated SGD          c = (1/y) sum_a m^a at every step: sum_a |m^a - c|^2 = (1/2y) sum_ab |m^a - m^b|^2
    elastic averaging SGD   c is a variable of its own: c <- c + (rate/B)(b/P) lambda sum_a (m^a - c), in steps like those of m^a

lambda goes linearly over the budget from coupling_start to coupling_end; a minibatch of b patterns has the share b/P of the
attraction. Every replica has minibatches of its own. Solved when the sign of the centre, or of a replica, satisfies all patterns.
Sources: C. Baldassi et al., PNAS 113 (2016) E7655, for the idea, there with binary weights that have hidden variables, and the centre
traced out: here magnetizations are pulled to their mean; S. Zhang, A. Choromanska and Y. LeCun, Deep learning with elastic
averaging SGD, NIPS 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..learning import Run
from ..problems import Problem
from ._replicas import check_replicas
from .stochastic import BARYCENTRE, ELASTIC, StochasticPerceptron, StochasticRun


@dataclass(frozen=True)
class ReplicatedSGD(StochasticPerceptron):
    """y stochastic perceptrons pulled to their barycentre.

    Parameters
    ----------
    replicas : their number y, >= 2
    coupling_start, coupling_end : lambda in the first and the last pass of the budget, >= 0; (rate/B) (b/P) lambda is taken
        at most 1/(y + 1), where replicas and centre meet in one step

    The others are those of `StochasticPerceptron`; from start = 0 the replicas would all go the same way. The history has q*,
    averaged over replicas, the mean overlap of two of them ("replica_overlap") and the fraction of patterns that the sign of
    the centre violates ("energy").

    Raises
    ------
    ValueError : an argument outside these ranges
    """

    name: ClassVar[str] = "replicated-sgd"
    step: ClassVar[str] = "a pass of every replica over all patterns"
    centre: ClassVar[int] = BARYCENTRE
    replicas: int = 3
    coupling_start: float = 0.0
    coupling_end: float = 1.0
    start: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_replicas(self.replicas, ("coupling_start", self.coupling_start), ("coupling_end", self.coupling_end))

    def begin(self, problem: Problem, rng: np.random.Generator, budget: int) -> Run:
        return StochasticRun(self, problem, rng, budget, self.replicas, (self.coupling_start, self.coupling_end), self.centre)


@dataclass(frozen=True)
class ElasticSGD(ReplicatedSGD):
    """Elastic averaging: y stochastic perceptrons and a centre that follows them."""

    name: ClassVar[str] = "elastic-sgd"
    centre: ClassVar[int] = ELASTIC

