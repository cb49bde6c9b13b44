r"""Distribution of the local field of a typical solution.

.. math:: P(u) = \left\langle \frac{\Theta(u)\, e^{-(u-\omega)^2/2V}}{\sqrt{2\pi V}\, e^{f(\omega,V)}} \right\rangle,
          \qquad \omega = \sqrt q\,t,\ V = Q-q

the average being over t with the tower's weight (plain for storage, e^f with a teacher, where u is the gauged field y u).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..models import Likelihood
from ..numerics.saddle import make_batch, numbers
from ..results import BrokenPoint, FieldDistribution, SaddlePoint
from .ansatz import check_one_field

PROFILE_ERROR = 1e-3  # of a density of full breaking: its x(q) is known to about that
PANELS = 24  # Gauss-Legendre panels of 20 nodes over the outer field; doubled for the error


def field_distribution(point: SaddlePoint, u: Any) -> FieldDistribution:
    """Density of the local field u = W.xi/sqrt(N) of a pattern, in a typical solution at a saddle point.

    Parameters
    ----------
    point : a converged scalar result of `solve`, in any ansatz: with broken symmetry the noise-free field has the
        distribution P_k dual to Parisi's equation; a frozen state is that of replica symmetry at the temperature m beta.
    u : field(s), finite.

    Raises
    ------
    ValueError : a curve instead of one point, a point without an answer, u not finite.
    """
    if isinstance(point, BrokenPoint) and not point.shape and point.status == "converged":
        return _broken(point, u)
    if not isinstance(point, SaddlePoint | BrokenPoint) or point.shape:
        raise ValueError("point: got something else; takes one saddle point (index a curve first)")
    check_one_field(point.model, "a field distribution")
    if isinstance(point, BrokenPoint) or point.q is None or point.status not in ("converged", "unphysical"):
        raise ValueError(f"point: got status {point.status}; takes a point with an answer")
    fields = numbers("u", u, "finite field(s)")
    if point.one_minus_q == 0.0:
        raise ValueError("point: got perfect learning (q = Q); takes a point with q < Q")
    coarse, fine = (_density(point, fields.reshape(-1), refine) for refine in (1, 2))
    error = np.abs(coarse - fine) + 1e-14 * (1 + fine)

    def out(v: np.ndarray) -> Any:
        return v.reshape(fields.shape) if fields.shape else float(v[0])

    status = np.full(fields.shape, point.status, dtype=object) if fields.shape else point.status
    return FieldDistribution(
        model=point.model,
        u=out(fields.reshape(-1)),
        density=out(fine),
        error=out(error),
        errors={"density": out(error)},
        status=status,
        message=np.full(fields.shape, point.message, dtype=object) if fields.shape else point.message,
    )


def _broken(point: BrokenPoint, u: Any) -> FieldDistribution:
    """The density in a state with broken symmetry, from the weights P_k on the innermost grid of fields."""
    from .saddle import symmetric

    model = point.model
    if point.ansatz == "rs" or point.branch == "frozen":
        beta = None if point.beta is None else point.beta * (point.m if point.branch == "frozen" else 1.0)
        kappa = None if isinstance(model.likelihood, Likelihood) else point.kappa
        here = symmetric(model, point.alpha, kappa=kappa, beta=beta)
        assert isinstance(here, SaddlePoint)
        return replace(field_distribution(here, u), ansatz=point.ansatz)
    fields = numbers("u", u, "finite field(s)")
    flat = fields.reshape(-1)
    found = point.saddle
    if found.root is not None:
        towers = [(at.patterns, at.V) for at in (found.root.at, found.root.finer)]
    else:
        towers = [(found.profile[2].tower, found.profile[2].last)]
    batch = make_batch(model, 1.0, None if isinstance(model.likelihood, Likelihood) else point.kappa, point.beta)
    log_theta = _log_theta(point, batch, flat)
    densities = []
    for tower, V in towers:
        omega, weight, leaf = tower.fields[-1], tower.probability[-1], tower.phi[-1]
        kernel = np.exp(log_theta[:, None] - (flat[:, None] - omega) ** 2 / (2 * V) - leaf) / math.sqrt(2 * math.pi * V)
        densities.append(kernel @ weight)
    grids = 1e-12 if len(densities) > 1 else PROFILE_ERROR
    error = np.abs(densities[-1] - densities[0]) + grids * (1 + densities[-1])

    def out(v: np.ndarray) -> Any:
        return v.reshape(fields.shape) if fields.shape else float(v[0])

    return FieldDistribution(
        model=model,
        ansatz=point.ansatz,
        u=out(flat),
        density=out(densities[-1]),
        error=out(error),
        errors={"density": out(error)},
        status=np.full(fields.shape, "converged", dtype=object) if fields.shape else "converged",
        message=np.full(fields.shape, "", dtype=object) if fields.shape else "",
    )


def _log_theta(point: SaddlePoint | BrokenPoint, batch: Any, u: np.ndarray) -> np.ndarray:
    model = point.model
    if isinstance(model.likelihood, Likelihood) and model.likelihood.smooth:
        from ..models import field  # type: ignore[attr-defined]
        from ..symbolic.likelihood import numpy_function

        with np.errstate(divide="ignore"):
            return np.log(numpy_function(model.likelihood.expr, field)(u))
    out = np.full(u.shape, -np.inf)
    for level, low, high in zip(batch.levels[0], batch.low[0], batch.high[0]):
        out = np.where((u >= low) & (u <= high), np.maximum(out, level), out)
    return out


def _density(point: SaddlePoint, u: np.ndarray, refine: int) -> np.ndarray:
    """P(u) by quadrature over the noise-free field, on panels that resolve both the leaf and the kernel around u."""
    from ..numerics import kernels as K
    from ..numerics.codegen import load

    model = point.model
    batch = make_batch(model, 1.0, None if isinstance(model.likelihood, Likelihood) else point.kappa, point.beta)
    log_theta = _log_theta(point, batch, u)
    V, q = float(point.one_minus_q), float(point.q)
    x, w = np.polynomial.legendre.leggauss(20)
    smooth = isinstance(model.likelihood, Likelihood) and model.likelihood.smooth
    module = load(model)

    def leaf(omega: np.ndarray) -> np.ndarray:
        if smooth:
            return np.asarray(module.smooth_leaf_values(omega, V, batch.low[0], 1))
        return np.asarray(K.pieces_leaf_values(omega, V, batch.levels[0], batch.low[0], batch.high[0]))

    if q == 0.0:
        return np.exp(log_theta - u * u / (2 * V) - 0.5 * math.log(2 * math.pi * V) - leaf(np.zeros(1)))
    out = np.zeros(u.size)
    kinks = (
        np.concatenate([e[0][np.isfinite(e[0])] for e in (batch.low, batch.high)]) if batch.low.size else np.empty(0)
    )
    reach = 9.0 * math.sqrt(q)
    for i, field in enumerate(u):
        if log_theta[i] == -np.inf:
            continue
        marks = [m for m in (*kinks, field) if abs(m) < reach]
        edges = _edges(-reach, reach, marks, math.sqrt(V), refine)
        half, mid = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
        omega = (mid[:, None] + half[:, None] * x).ravel()
        weight = (half[:, None] * w).ravel() * np.exp(-omega * omega / (2 * q)) / math.sqrt(2 * math.pi * q)
        f = leaf(omega)
        kernel = np.exp(
            log_theta[i]
            - (field - omega) ** 2 / (2 * V)
            - 0.5 * math.log(2 * math.pi * V)
            - (0.0 if model.teacher else 1.0) * f
        )
        norm = weight @ np.exp(f) if model.teacher else 1.0
        out[i] = weight @ kernel / norm
    return out


def _edges(low: float, high: float, marks: list[float], scale: float, refine: int) -> np.ndarray:
    """Panel edges graded around each mark on the scale of the noise."""
    points = {low, high}
    for mark in marks:
        step, reach = scale / refine, 0.0
        points.add(mark)
        while reach < high - low:
            reach += step
            points |= {p for p in (mark - reach, mark + reach) if low < p < high}
            step = min(2 * step, (high - low) / (PANELS * refine))
    if not marks:
        points |= set(np.linspace(low, high, PANELS * refine + 1))
    return np.array(sorted(points))
