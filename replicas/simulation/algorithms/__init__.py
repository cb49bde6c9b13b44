"""Learning algorithms by name: each is a frozen dataclass of its parameters (`replicas.simulation.learning.Algorithm`)."""

from __future__ import annotations

from ..learning import Algorithm
from .perceptron import PerceptronRule

ALGORITHMS: dict[str, type[Algorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        PerceptronRule,
    )
}  # fmt: skip

__all__ = ["ALGORITHMS"]
