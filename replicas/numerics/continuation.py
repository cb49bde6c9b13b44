r"""Pseudo-arclength continuation of a saddle-point branch in alpha, and its folds (spinodals).

The branch is a curve u(s) = (unknowns, log alpha) with equations F(u) = 0. Its tangent is the null vector of F'; a fold
is where the alpha component of the tangent changes sign, located to rounding because alpha is stationary there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .saddle import ROUNDING, Batch, Solution, evaluate

CORRECTIONS = 12  # Newton corrections of one step before it is halved
TOLERANCE = 1e-12  # relative residual of a point on the branch
ROUGH = -1  # level of the grids of several fields on which the branch is followed


@dataclass(frozen=True)
class Fold:
    """A turning point of a branch: load, unknowns, error of the load."""

    alpha: float
    x: np.ndarray
    error: float
    solution: Solution


def _system(point: Batch, u: np.ndarray, level: int) -> tuple[np.ndarray, np.ndarray, Solution]:
    """Logarithmic equations, their Jacobian with respect to (x, log alpha)."""
    s = evaluate(point.with_alpha(np.exp(u[-1])), u[None, :-1], level)
    n = s.nu
    base = s.module.AT_ALPHA - n - n * (n + 1)
    jacobian = s.results[0, base : base + n * (n + 1)].reshape(n, n + 1).copy()
    jacobian[:, -1] *= np.exp(u[-1])
    return s.results[0, s.module.AT_ALPHA - n : s.module.AT_ALPHA].copy(), jacobian, s


def _tangent(jacobian: np.ndarray, along: np.ndarray) -> np.ndarray:
    t = np.linalg.svd(jacobian)[2][-1]
    return t if t @ along >= 0 else -t


def _correct(
    point: Batch, guess: np.ndarray, tangent: np.ndarray, level: int
) -> tuple[np.ndarray, np.ndarray, Solution] | None:
    """Newton back to the branch in the plane through ``guess`` orthogonal to ``tangent``."""
    u = guess.copy()
    for _ in range(CORRECTIONS):
        F, J, s = _system(point, u, level)
        if not np.all(np.isfinite(F)):
            return None
        step = np.linalg.solve(np.vstack([J, tangent]), -np.append(F, tangent @ (u - guess)))
        u = u + step
        if np.max(np.abs(step)) < TOLERANCE:
            _, J, s = _system(point, u, level)
            return u, _tangent(J, tangent), s
    return None


def first_fold(
    point: Batch,
    x: np.ndarray,
    alpha: float,
    step: float = 0.05,
    max_steps: int = 400,
    direction: float = 1.0,
    last: float | None = None,
) -> Fold | None:
    """Follow the branch from (x, alpha) towards larger alpha (smaller ones for ``direction`` -1) up to its first fold.

    None if none is met before the load ``last``. Where the fields of a pattern are several, coarse grids find the neighbourhood of the fold.
    """
    folds = []
    u = np.append(x, np.log(alpha))
    for level in (1, 2) if point.model.fields == 1 else (ROUGH, 1, 2):
        _, J, _ = _system(point, u, level)
        up = np.zeros(u.size)
        up[-1] = direction
        tangent = _tangent(J, up)
        corrected = _correct(point, u, tangent, level)
        if corrected is None:
            return None
        u, tangent, s = corrected
        size, found = step, None
        for _ in range(max_steps):
            new = _correct(point, u + size * tangent, tangent, level)
            if new is None or new[1] @ tangent < 0.8:
                size *= 0.5
                if size < 1e-6:
                    return None
                continue
            if new[1][-1] * direction <= 0:
                found = _bisect(point, u, tangent, size, level, direction)
                break
            u, tangent, s = new
            if last is not None and (u[-1] - np.log(last)) * direction > 0:
                return None
            size = min(1.3 * size, 4 * step)
        if found is None:
            return None
        folds.append(found)
    (u0, _), (u1, s) = folds[-2:]
    alpha0, alpha1 = np.exp(u0[-1]), np.exp(u1[-1])
    # alpha is stationary in the unknowns at the fold: what is left is the rounding of the equations, seen by the left null vector
    J = _system(point, u1, 2)[1]
    left = np.linalg.svd(J[:, :-1])[0][:, -1]
    scale = alpha1 * 2 * ROUNDING * np.abs(left).sum() / abs(left @ J[:, -1]) + np.finfo(float).eps * alpha1
    return Fold(float(alpha1), u1[:-1], float(abs(alpha1 - alpha0) + scale), s)


def _bisect(
    point: Batch, u: np.ndarray, tangent: np.ndarray, size: float, level: int, direction: float
) -> tuple[np.ndarray, Solution] | None:
    """Zero of the alpha component of the tangent between u and u + size tangent, by bracketed secant."""
    lo, hi, flo = 0.0, size, tangent[-1] * direction
    end = _correct(point, u + hi * tangent, tangent, level)
    if end is None:
        return None
    fhi = end[1][-1] * direction
    best = end
    for k in range(60):
        new = hi - fhi * (hi - lo) / (fhi - flo) if k % 3 != 2 else 0.5 * (lo + hi)
        if not lo < new < hi:
            new = 0.5 * (lo + hi)
        candidate = _correct(point, u + new * tangent, tangent, level)
        if candidate is None:
            return None
        best = candidate
        value = candidate[1][-1] * direction
        if value > 0:
            lo, flo = new, value
        else:
            hi, fhi = new, value
        if abs(value) < 1e-12 or hi - lo < 1e-13:
            break
    return best[0], best[2]
