"""Storage capacities of tree machines of sign units as answers: symmetric in closed form, with one step as a minimum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..models import Tree
from ..numerics.saddle import Batch
from ..results import Estimate
from . import committee_capacity
from .ansatz import asked_digits, check_ansatz

SYMMETRIC = "Replica-symmetric capacity: the volume of solutions shrinks to a point (q -> 1)."
BREAKS = (
    " The symmetric saddle is unstable there: the unit that is cheapest to flip changes discontinuously, and replica "
    "symmetry breaking lowers the threshold."
)


def spherical(
    model: Tree, ansatz: str, criterion: str | None, digits: int | None, certified: bool, steps: int | None
) -> Estimate:
    """Capacity of spherical weights: 1/alpha_c = E[cheapest flip], or the minimum with one or two steps at q -> 1."""
    if model.teacher:
        return Estimate(
            model=model,
            question="capacity",
            criterion="q-to-1",
            status="unsupported",
            message="a teacher-student problem always has a solution: see transitions",
        )
    if criterion not in (None, "q-to-1"):
        raise ValueError(f"criterion: got {criterion!r} with spherical weights; takes q-to-1")
    check_ansatz(ansatz, ("rs", "1rsb", "krsb"))
    if ansatz != "rs":
        if digits is not None:
            name, value = asked_digits(digits, certified)
            raise ValueError(f"{name}: got {value!r} with ansatz {ansatz} of a tree machine; takes it with rs")
        from .tree_jamming import estimate

        return estimate(model, steps or 1)
    common: dict[str, Any] = {
        "model": model,
        "question": "capacity",
        "criterion": "q-to-1",
        "order_parameters": {"q": 1.0},
        "stable": model.K == 1,  # f'' is V^-2 on a fraction V of the fields: the replicon of several units goes to -inf
        "statement": SYMMETRIC + (BREAKS if model.K > 1 else ""),
    }
    if digits is None:
        plain, error = committee_capacity.value(model.accepted)
        return Estimate(value=plain, error=error, errors={"value": error}, **common)
    if not certified:
        value, error = committee_capacity.digits(model.accepted, digits)
        return Estimate(value=value, error=error, errors={"value": error}, digits=digits, **common)
    return _proved(model, digits, common)


def _proved(model: Tree, digits: int, common: dict[str, Any]) -> Estimate:
    """A ball, or the reason why there is none."""
    from ..numerics.balls import NotCertified

    try:
        value, error = committee_capacity.certified(model.accepted, digits)
    except NotCertified as reason:
        return Estimate(**common, digits=digits, status="not-certified", message=str(reason))
    proved = "Proved: the ball holds 1/E[cheapest flip], the replica-symmetric formula, which is assumed. "
    common["statement"] = proved + common["statement"]
    return Estimate(value=value, error=error, errors={"value": error}, digits=digits, certified=True, **common)


def naive_limit(batch: Batch, single: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """q -> 1 of a finite weight set, from that of the perceptron: only E d^2 differs, 1/2 for one unit at kappa = 0."""
    model = batch.model
    assert isinstance(model, Tree)
    alpha, error = committee_capacity.value(model.accepted)
    ratio = alpha / 2.0
    out = {k: np.repeat(v, batch.size) for k, v in single.items()}
    out["value"] = ratio * out["value"]
    out["error"] = ratio * out["error"] + out["value"] * error / alpha
    out["replicon"] = np.full(batch.size, -math.inf)
    return out
