"""Learning algorithms by name: each is a frozen dataclass of its parameters (`replicas.simulation.learning.Algorithm`)."""

from __future__ import annotations

from ..learning import Algorithm
from .annealing import Annealing
from .belief import ReinforcedBP, ReinforcedTAP
from .committee import CommitteeElasticSGD, CommitteeSGD, LeastAction
from .elastic import ElasticSGD, ReplicatedSGD
from .entropic import EntropicMonteCarlo
from .focusing import FocusingBP
from .hebb import ClippedHebb, Hebb
from .max_stability import MaxStability
from .max_sum import ReinforcedMaxSum
from .perceptron import PerceptronRule
from .pseudo_inverse import Adaline, PseudoInverse
from .sbpi import SBPI
from .stochastic import AnnealedStochasticPerceptron, StochasticPerceptron

ALGORITHMS: dict[str, type[Algorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        PerceptronRule,
        Hebb,
        ClippedHebb,
        PseudoInverse,
        Adaline,
        MaxStability,
        Annealing,
        EntropicMonteCarlo,
        StochasticPerceptron,
        AnnealedStochasticPerceptron,
        ReplicatedSGD,
        ElasticSGD,
        LeastAction,
        CommitteeSGD,
        CommitteeElasticSGD,
        SBPI,
        ReinforcedBP,
        ReinforcedTAP,
        ReinforcedMaxSum,
        FocusingBP,
    )
}  # fmt: skip

__all__ = ["ALGORITHMS"]
