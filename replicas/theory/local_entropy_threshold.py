r"""The load alpha_U up to which dense clusters reach from moderate distances down to d -> 0: where the S_E = 0 branch breaks.

The solutions of the saddle-point equations F(z; d, alpha) = 0 with S_E = 0 form a surface over the (d, alpha) plane. Below
alpha_U its section is one curve from d -> 0 to the distance of typical solutions; above, two curves that turn back in folds,
leaving a gap. At alpha_U the folds meet: alpha is stationary on the surface,

.. math:: F = 0, \qquad l\cdot\partial_z F = 0, \qquad l\cdot\partial_d F = 0, \qquad |l| = 1 .

The load at which the branch, followed in d, begins to fail is bracketed by bisection, then these equations are solved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models import Model, Perceptron
from ..numerics.local_reference import replica_symmetric
from ..numerics.local_system import NoValue, Path, Saddle
from ..numerics.saddle import check_model, make_batch
from ..results import Estimate
from .ansatz import of_one_unit
from .local_curve import ANCHOR, FARTHEST_ANCHOR, FINER, MARGIN, STAR, BinaryCurve

DEEP = 1 / 12  # of the anchor's distance: a branch that reaches it passed the gap, which opens at about a third
IN_ONE_PIECE = (0.6, 0.75, 0.9)  # of capacity, where that is sought in turn; too far below alpha_U, y diverges before DEEP is reached
WIDTHS = (0.02, 0.004, 0.0008)  # of the bracket, relative to capacity, from which the equations of the fold are tried in turn
DIFFERENCE = 1e-4  # central difference of the equations: error 1e-8 in where alpha is stationary, its square in alpha
OUTER_DIFFERENCE = 1e-5  # of those differences
SOLVED = 1e-8  # residual of the fold


@dataclass(frozen=True)
class Fold:
    """A load where the branch breaks: unknowns (z, log(d/(1-d)), log alpha), left null vector, residual and d alpha/dF."""

    at: np.ndarray
    null: np.ndarray
    residual: float
    response: float

    @property
    def distance(self) -> float:
        return 1 / (1 + math.exp(-float(self.at[-2])))

    @property
    def alpha(self) -> float:
        return math.exp(float(self.at[-1]))


@of_one_unit
def local_entropy_threshold(model: Model, reference: str = "unconstrained") -> Estimate:
    """alpha_U, above which the references of S_E = 0 at moderate d are not connected with those at d -> 0.

    Binary weights, storage, threshold. ``order_parameters`` are those where the branch breaks (with distance and y);
    ``error`` covers the quadratures and the solution of the equations.
    """
    from .capacity import capacity

    check_model(model)
    if not isinstance(model, Perceptron):
        raise ValueError(f"model: got {model.describe()}; takes a perceptron")
    if model.weights.name != "binary":
        raise ValueError(f"weights: got {model.weights.name}; takes binary")
    if model.teacher:
        raise ValueError(f"task: got {model.task}; takes storage")
    if model.even:
        raise ValueError("likelihood: got an even one, whose references gain an overlap q0 > 0 along the branch; takes threshold")
    if isinstance(model.kappa, tuple) or isinstance(model.beta, tuple):
        raise ValueError("kappa, beta: got a sweep; takes one model")
    if model.beta is not None:
        raise ValueError(f"beta: got {model.beta!r}; takes hard constraints (beta None)")
    if reference != "unconstrained":
        raise ValueError(f"reference: got {reference!r}; takes unconstrained (constrained ones lose S_I > 0 at small d instead)")
    top = float(capacity(model).value)
    breaking = Breaking(model, top)
    common: dict[str, Any] = {"model": model, "question": "local-entropy-threshold", "criterion": "fold", "kappa": model.kappa}
    try:
        bracket = breaking.bracket()
        if bracket is None:
            return Estimate(**common, status="no-solution", message="the branch is in one piece up to capacity")
        fold, finer = breaking.fold(*bracket)
    except NoValue as failure:
        return Estimate(**common, status="not-converged", message=str(failure))
    again, values = breaking.values(fold), breaking.values(finer)
    order = {"distance": fold.distance, "y": math.exp(float(fold.at[-3])), "local_entropy": again.local_entropy}
    order |= dict(again.order_parameters)
    other = {"distance": finer.distance, "y": math.exp(float(finer.at[-3])), "local_entropy": values.local_entropy}
    other |= dict(values.order_parameters)
    error = MARGIN * abs(finer.alpha - fold.alpha) + fold.response * (fold.residual + 1e-13) + 1e-13
    errors = {k: MARGIN * abs(other[k] - order[k]) + DIFFERENCE**2 * max(1.0, abs(order[k])) for k in order}
    return Estimate(
        **common,
        value=fold.alpha,
        error=error,
        errors=errors,
        order_parameters=order,
        statement=(
            "replica-symmetric S_E = 0 branch around an unconstrained reference: in one piece "
            f"below alpha_U; at alpha_U it breaks at d = {fold.distance:.4f}; above, no dense reference at larger d is connected with d -> 0, "
            "and the fold that ends the branch moves to larger d as alpha grows"
        ),
    )


class Breaking:
    """The S_E = 0 branch of one model, followed in d at growing loads."""

    def __init__(self, model: Perceptron, top: float):
        self.top = top
        self.curve = BinaryCurve(make_batch(model, top), STAR)

    def equations(self, u: np.ndarray, quality: float = 1.0) -> np.ndarray:
        """F at u = (x, log y, log(d/(1-d)), log alpha)."""
        v = self._evaluate(u, quality)
        return np.append(v.residual, v.external_entropy)

    def _evaluate(self, u: np.ndarray, quality: float = 1.0) -> Any:
        d = 1 / (1 + math.exp(-float(u[-2])))
        return self.curve.system(math.exp(float(u[-1]))).evaluate(u[:-3], math.exp(float(u[-3])), d, quality)

    def values(self, fold: Fold) -> Any:
        """Everything at the fold."""
        return self._evaluate(fold.at)

    def bracket(self) -> tuple[Saddle, Saddle, float] | None:
        """Anchors at the loads below and above, as close as the first of WIDTHS, and the distance of the anchors."""
        _, typical = replica_symmetric(self.curve.point)
        d = min(ANCHOR * typical, FARTHEST_ANCHOR)
        for share in IN_ONE_PIECE:
            low = self._anchor(share * self.top, d)
            end, passed = self._passes(low)
            if passed:
                break
        else:
            raise NoValue(f"the branch reaches down to d = {end.d:.4g} only at alpha = {low.alpha:.6g}, and less far below")
        high = self._at(low, self.top)
        return None if self._passes(high)[1] else (low, high, d)

    def fold(self, low: Saddle, high: Saddle, d: float) -> tuple[Fold, Fold]:
        """Bisection, then the equations of the fold, at two qualities."""
        ended = self._passes(high)[0]
        for width in WIDTHS:
            while high.alpha - low.alpha > width * self.top:
                middle = self._at(low, 0.5 * (low.alpha + high.alpha))
                saddle, passed = self._passes(middle)
                if passed:
                    low = middle
                else:
                    high, ended = middle, saddle
            found = self._solve(ended)
            slack = high.alpha - low.alpha
            if found is not None and low.alpha - slack < found.alpha < high.alpha + slack and found.distance < d:
                finer = self._solve(found, FINER)
                if finer is not None:
                    return found, finer
        raise NoValue(f"the branch breaks between alpha = {low.alpha:.6g} and {high.alpha:.6g}, but its fold was not found")

    def _anchor(self, alpha: float, d: float) -> Saddle:
        saddle, why = BinaryCurve(self.curve.point.with_alpha(alpha), STAR).anchor(d)
        if saddle is None:
            raise NoValue(why)
        return saddle

    def _at(self, saddle: Saddle, alpha: float) -> Saddle:
        found, reached = Path(self.curve.system, "alpha", saddle, True).advance(saddle, alpha)
        if not reached:
            raise NoValue(f"the branch ends at alpha = {found.alpha:.6g} for d = {saddle.d:.4g}")
        return found

    def _passes(self, saddle: Saddle) -> tuple[Saddle, bool]:
        return Path(self.curve.system, "d", saddle, True).advance(saddle, DEEP * saddle.d)

    def _jacobian(self, u: np.ndarray, quality: float) -> np.ndarray:
        columns = []
        for e in DIFFERENCE * np.eye(u.size):
            columns.append((self.equations(u + e, quality) - self.equations(u - e, quality)) / (2 * DIFFERENCE))
        return np.array(columns).T

    def _solve(self, near: Saddle | Fold, quality: float = 1.0) -> Fold | None:
        from scipy.optimize import root

        if isinstance(near, Saddle):
            logs = [math.log(near.y), math.log(near.d / (1 - near.d)), math.log(near.alpha)]
            u = np.concatenate([near.x, logs])
            null = np.linalg.svd(self._jacobian(u, quality)[:, :-1])[0][:, -1]
        else:
            u, null = near.at, near.null
        n = u.size

        def equations(w: np.ndarray) -> np.ndarray:
            u, null = w[:n], w[n:]
            try:
                return np.concatenate(
                    [self.equations(u, quality), self._jacobian(u, quality)[:, :-1].T @ null, [null @ null - 1]]
                )
            except NoValue:
                return np.full(w.size, 1e3)

        found = root(equations, np.concatenate([u, null]), options={"eps": OUTER_DIFFERENCE, "xtol": 1e-11})
        residual = float(np.max(np.abs(found.fun)))
        if not residual < SOLVED:
            return None
        u, null = found.x[:n], found.x[n:]
        left = float(np.max(np.abs(self.equations(u, quality))))
        by_alpha = abs(float(null @ self._jacobian(u, quality)[:, -1]))
        return Fold(u, null, left, math.exp(float(u[-1])) * float(np.sum(np.abs(null))) / by_alpha)
