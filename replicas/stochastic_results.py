"""What is answered about the stochastic perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from .results import Curve, SaddlePoint


@dataclass(frozen=True, eq=False, kw_only=True)
class StochasticPoint(SaddlePoint):
    """A saddle point of the stochastic perceptron.

    lam multiplier of the norm q_star, entropy = free_entropy - alpha beta log_likelihood (of the density of m, may be negative),
    energy_binarised share of the patterns that sign(m) gets wrong (alpha = 0: of a pattern that has just been added), mean_abs_m
    mean of |m|, log_likelihood mean of log H(-u/sqrt(1 - q_star)) per pattern, u the field of m.
    """

    inputs: ClassVar[tuple[str, ...]] = ("alpha", "beta", "q_star")
    computed: ClassVar[tuple[str, ...]] = (
        "q", "q_hat", "lam", "free_entropy", "entropy", "energy_binarised", "mean_abs_m", "log_likelihood", "replicon", "residual",
    )  # fmt: skip

    q_star: Any = None
    energy_binarised: Any = None
    mean_abs_m: Any = None
    log_likelihood: Any = None


@dataclass(frozen=True, eq=False, kw_only=True)
class StochasticCurve(StochasticPoint, Curve):
    """Saddle points along arrays of parameters: the attributes of `StochasticPoint`, as arrays of one shape."""

    one: ClassVar[type] = StochasticPoint
