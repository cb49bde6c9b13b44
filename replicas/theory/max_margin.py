"""The largest margin at a load: the inverse of the capacity in kappa."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models import Model
from ..numerics.saddle import check_alpha, check_kappa, check_model, make_batch
from ..results import Estimate, verdict
from .ansatz import check_ansatz, check_one_field, of_one_unit
from .capacity import MARGINAL, Flat, default_criterion, plain, refused, threshold, unsupported

MARGIN_RANGE = 12.0  # |kappa| in which the largest margin is sought
JUMP = "not attained: at kappa = {:g} the capacity is {:.10g}, and below it W = 0 satisfies every pattern: any load can be stored there"


@of_one_unit
def max_margin(model: Model, alpha: Any, ansatz: str = "rs", criterion: str | None = None) -> Estimate:
    """Largest margin kappa at which load alpha can be stored: the inverse of `capacity` in kappa.

    For the window likelihood, whose capacity grows with kappa, it is the smallest half-width.

    Parameters
    ----------
    model : storage model with the named likelihoods; its own kappa is ignored.
    alpha : load(s) > 0.
    """
    check_ansatz(ansatz)
    check_model(model)
    check_one_field(model, "the largest margin")
    if not isinstance(model.likelihood, str):
        raise ValueError("likelihood: got a user-defined likelihood, which has no margin; takes threshold or window")
    chosen = criterion or default_criterion(model)
    reason = unsupported(model)
    base = plain(model)
    loads = check_alpha(alpha)
    if np.any(loads <= 0):
        raise ValueError("alpha: got 0, at which any margin can be reached; takes loads > 0")
    flat = loads.reshape(-1)
    if reason or not model.hard:
        reason = reason or "violated patterns keep a positive weight: any margin is reached at any load"
        return refused(
            model, "max-margin", chosen, reason, make_batch(base, loads), alpha=loads if loads.shape else float(loads)
        )
    found = [_largest_margin(base, chosen, float(target)) for target in flat]
    column = {name: np.array([getattr(one, name) for one in found]) for name in ("value", "error", "stable")}
    words = {name: np.array([getattr(one, name) for one in found], dtype=object) for name in ("status", "message", "statement")}
    out = lambda v: v.reshape(loads.shape) if loads.shape else v[0].item() if isinstance(v[0], np.generic) else v[0]  # noqa: E731
    return Estimate(
        model=model,
        question="max-margin",
        value=out(column["value"]),
        error=out(column["error"]),
        errors={"value": out(column["error"])},
        criterion=chosen,
        stable=out(verdict(words["status"] == "converged", column["stable"])),
        alpha=out(flat),
        **{name: out(texts) for name, texts in words.items()},
    )


@dataclass(frozen=True)
class Margin:
    """The answer at one load."""

    status: str
    message: str = ""
    value: float = math.nan
    error: float = math.nan
    stable: bool = False
    statement: str = ""


def _largest_margin(base: Model, criterion: str, target: float) -> Margin:
    """The margin whose capacity is the load ``target``."""
    from scipy.optimize import brentq

    window = base.likelihood == "window"  # whose capacity grows with kappa
    low, high = (1e-6, MARGIN_RANGE) if window else (-MARGIN_RANGE, MARGIN_RANGE)

    def at(k: float) -> Flat:
        return threshold(make_batch(base, 1.0, check_kappa(k, base.likelihood)), criterion)  # type: ignore[attr-defined]

    def mismatch(k: float) -> float:
        found = at(k)
        if found["ok"][0]:
            return math.log(found["value"][0] / target)
        if found.get("diverges", np.zeros(1))[0]:
            return math.inf
        raise ArithmeticError(f"the capacity at kappa = {k:.4g} was not found")

    try:
        # walk out from kappa = 0 (or 1) until the load is bracketed, so that the solver is never asked absurd margins
        left, step = (1.0 if window else 0.0), 0.5
        f = mismatch(left)
        direction = (1 if f > 0 else -1) * (-1 if window else 1)
        while True:
            right = min(max(left + direction * step, low), high)
            g = mismatch(right)
            if f == 0 or f * g <= 0 or right in (low, high):
                break
            left, f = right, g
        if f == 0:
            g, right = 0.0, left
        if not f * g <= 0:
            return Margin("no-solution", f"no margin in [{low:g}, {high:g}] has this capacity")
        if math.isinf(g):  # W = 0 satisfies everything beyond
            return Margin("converged", "", left, 0.0, bool(at(left)["replicon"][0] >= -MARGINAL), JUMP.format(left, target * math.exp(f)))
        root = left if right == left else float(brentq(mismatch, left, right, xtol=1e-15, rtol=8.9e-16))
        found, h = at(root), 1e-5
        slope = (at(root + h)["value"][0] - at(root - h)["value"][0]) / (2 * h)
    except ArithmeticError as failure:
        return Margin("not-converged", str(failure))
    error = (found["error"][0] + abs(found["value"][0] - target)) / abs(slope) + 1e-15
    return Margin("converged", "", root, float(error), bool(found["replicon"][0] >= -MARGINAL))
