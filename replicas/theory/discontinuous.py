r"""Discontinuous transitions at m = 1: where a second overlap q_1 appears, and where its states become few.

At m = 1 the free entropy is replica symmetric, q_0 = q, and q_1 solves q_1 = E<g'^2> with the tilt e^f. Its solution with
q_1 > q appears at a fold (dynamical transition), where the replicon inside the states vanishes; its complexity
Sigma(m=1) = -d phi/d m falls with the load and vanishes at the condensation transition, beyond which m < 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..models import Model
from ..numerics.rsb import FINER, Point
from ..numerics.saddle import make_batch
from .branches import thermodynamic
from .broken import make_system, packed, replicons, second_overlaps

STEP = 1e-6  # of finite differences in the logarithm of the load and the logit of q_1
DOWN = 0.97  # ratio of successive loads while the second overlap is followed
NEAREST = 1 - 1e-7  # and closest to the fold
ROUNDS = 40
LADDER = 1.5  # ratio of the loads at which a second overlap is looked for; q_1 of larger ones may be too close to 1 to be seen
RUNGS = 8
SOLVED = 1e-11  # residual of both equations


@dataclass(frozen=True)
class Transition:
    """A load with its error, and the overlap inside the states there."""

    alpha: float
    error: float
    q1: float


def transitions_at_one(model: Model, kappa: float | None, start: float) -> tuple[Transition, Transition] | None:
    """(dynamical, condensation) below a load ``start`` at which the second overlap exists; None if it does not."""
    alpha, found = start, second(model, kappa, start)
    if not found:
        return None
    way = found[-1]
    at, way = _solved_overlap(model, kappa, alpha, way)
    ratio = DOWN
    while -float(at.rate[1]) < 0 and ratio < NEAREST:  # more states at smaller loads
        try:
            at, way = _solved_overlap(model, kappa, alpha * ratio, way)
        except ArithmeticError:  # below the fold: come closer
            ratio = ratio**0.25
            continue
        alpha *= ratio
    condensed = _root(model, kappa, alpha, way, lambda p: -float(p.rate[1]) / float(p.q_hat[-1] * p.c[1]))
    way = _way(condensed.q1, model, kappa, condensed.alpha)
    ended = _root(model, kappa, condensed.alpha, way, lambda p: float(replicons(p)[-1]))
    return ended, condensed


def condensed(model: Model, kappa: float | None, alpha: float) -> bool:
    """Whether one step, q_1 > q_0 = q and m < 1, has the lower free entropy at a load: it has at every larger one."""
    return alpha > _condensation(model, kappa, math.ceil(math.log(alpha, LADDER)))


@lru_cache(maxsize=64)
def _condensation(model: Model, kappa: float | None, rung: int) -> float:
    """Condensation load that is seen from this rung of the ladder or one below; infinite if none is."""
    for down in range(RUNGS):
        try:
            found = transitions_at_one(model, kappa, LADDER ** (rung - down))
        except (ArithmeticError, ValueError):  # a root at an end, or a singular step: nothing is seen from here
            continue
        if found:
            return found[1].alpha
    return math.inf


def second(model: Model, kappa: float | None, alpha: float) -> list[float]:
    """Second overlaps at m = 1, as shares of the way from q to 1."""
    rs = thermodynamic(make_batch(model, alpha, kappa))
    q = float(rs.number["q"][0])
    return [(q1 - q) / (1 - q) for q1 in second_overlaps(make_batch(model, alpha, kappa), 1.0, q)]


def _evaluate(model: Model, kappa: float | None, alpha: float, way: float, quality: float = 1.0) -> Point:
    point = make_batch(model, float(alpha), kappa)
    rs = thermodynamic(point)
    q, gap = float(rs.number["q"][0]), float(rs.number["one_minus_q"][0])
    system = make_system(point, 1, [1.0])
    return system.evaluate(packed(system, 1.0, q, gap, 1.0, way, 1.0), quality)


def _way(q1: float, model: Model, kappa: float | None, alpha: float) -> float:
    q = float(thermodynamic(make_batch(model, alpha, kappa)).number["q"][0])
    return (q1 - q) / (1 - q)


def _solved_overlap(model: Model, kappa: float | None, alpha: float, way: float) -> tuple[Point, float]:
    """q_1 at a load from a guess, by Newton in the logit of its way from q to 1."""
    u = math.log(way / (1 - way))
    for _ in range(ROUNDS):
        at = _evaluate(model, kappa, alpha, _share(u))
        residual = float(at.residual[1])
        if abs(residual) < SOLVED:
            return at, _share(u)
        slope = (float(_evaluate(model, kappa, alpha, _share(u + STEP)).residual[1]) - residual) / STEP
        u -= max(-0.5, min(0.5, residual / slope))
    raise ArithmeticError("the second overlap was lost")


def _share(u: float) -> float:
    return 1 / (1 + math.exp(-u))


def _root(model: Model, kappa: float | None, alpha: float, way: float, condition: object) -> Transition:
    """Load and q_1 at which the equation of q_1 and a condition hold, by Newton in (log alpha, logit)."""

    def equations(x: np.ndarray, quality: float = 1.0) -> np.ndarray:
        at = _evaluate(model, kappa, math.exp(x[0]), _share(x[1]), quality)
        return np.array([float(at.residual[1]), condition(at)])  # type: ignore[operator]

    x = np.array([math.log(alpha), math.log(way / (1 - way))])
    for _ in range(ROUNDS):
        F = equations(x)
        J = np.column_stack([(equations(x + STEP * e) - F) / STEP for e in np.eye(2)])
        step = -np.linalg.solve(J, F)
        x = x + step * min(1.0, 0.1 / max(abs(step[0]), 1e-300), 0.7 / max(abs(step[1]), 1e-300))
        if np.abs(F).max() < SOLVED:
            break
    else:
        raise ArithmeticError("the transition at m = 1 was not solved")
    drift = np.abs(np.linalg.solve(J, equations(x, FINER))) + np.abs(np.linalg.inv(J)) @ np.full(2, 1e-14)
    q = float(thermodynamic(make_batch(model, math.exp(x[0]), kappa)).number["q"][0])
    return Transition(math.exp(x[0]), math.exp(x[0]) * float(drift[0]), q + (1 - q) * _share(x[1]))
