"""Template of the Newton driver, copied as text behind a generated ``evaluate`` (see `replicas.numerics.codegen`).

One point is solved at a time, in unconstrained unknowns, warm-started from the last good point of the batch. The answer
is accepted on the undamped residual, relative to the sum of magnitudes of each equation's terms, and its error comes
from a second evaluation on a grid of half the step.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .kernels import MAX_NODES

NU, NOUT, AT_ALPHA = 2, 12, 10  # replaced in the generated module
GAP = 2e-13  # step to the finer grid's solution under which the grid is fine enough; likewise
MOST_STEPS = 60
DOUBT = 1.0  # of a refinement as an error: on lattices of several fields two levels may agree by chance; likewise
FIELDS = 1  # of a pattern; likewise
CLIMB, FAR = 1, 1  # levels that a refinement climbs, and that far steps leave out; likewise


def evaluate(x, alpha, levels, low, high, values, log_measure, level, out, z, wt, d, acc, part):
    raise NotImplementedError


# --- template ---
@njit(cache=True, error_model="numpy")
def linear_solve(a, b, n):
    """Gaussian elimination with row scaling and partial pivoting, in place; False if singular."""
    for i in range(n):
        top = 0.0
        for j in range(n):
            top = max(top, abs(a[i, j]))
        if not (top > 0.0 and top < np.inf):
            return False
        for j in range(n):
            a[i, j] /= top
        b[i] /= top
    for k in range(n):
        p = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[p, k]):
                p = i
        if abs(a[p, k]) < 1e-300:
            return False
        if p != k:
            for j in range(n):
                a[k, j], a[p, j] = a[p, j], a[k, j]
            b[k], b[p] = b[p], b[k]
        for i in range(k + 1, n):
            f = a[i, k] / a[k, k]
            for j in range(k, n):
                a[i, j] -= f * a[k, j]
            b[i] -= f * b[k]
    for k in range(n - 1, -1, -1):
        for j in range(k + 1, n):
            b[k] -= a[k, j] * b[j]
        b[k] /= a[k, k]
    return True


@njit(cache=True, error_model="numpy")
def newton_step(out, zero, a, b):
    """Newton step for grad = 0 (and phi = 0 with alpha unknown if ``zero``); returns (residual, ok), step in b."""
    n = NU + 1 if zero else NU
    base = 2 + 2 * NU + NU * (NU + 1)
    logs = base + NU * (NU + 1)
    residual = 0.0
    for i in range(NU):
        scale = out[2 + NU + i]
        if scale > 0.0:
            residual = max(residual, abs(out[2 + i]) / scale)
        b[i] = -out[logs + i]
        for j in range(n):
            a[i, j] = out[base + i * (NU + 1) + j]
    if zero:
        residual = max(residual, abs(out[0]) / max(1.0, out[1]))
        b[NU] = -out[0]
        for j in range(NU):  # d phi/dx = 0 at the saddle: dropping it keeps the step exact there
            a[NU, j] = 0.0
        a[NU, NU] = out[AT_ALPHA]
    ok = residual == residual and linear_solve(a, b, n)
    return residual, ok


@njit(cache=True, error_model="numpy")
def iterate(x, alpha, zero, levels, low, high, values, log_measure, level, max_steps, out, z, wt, d, acc, part, a, b):
    """Damped, then full Newton steps down to one so small that its square is rounding; returns (alpha, residual, steps).

    The point reached is not evaluated again here: the caller does that on the finer grid.
    """
    residual = np.inf
    near = False
    for step in range(max_steps):
        # far from the solution a rule of twice the step is good enough
        rule = level if near else level - FAR
        evaluate(x, alpha, levels, low, high, values, log_measure, rule, out, z, wt, d, acc, part)
        residual, ok = newton_step(out, zero, a, b)
        if not ok:
            return alpha, np.inf, step
        size = 0.0
        for i in range(NU):
            size = max(size, abs(b[i]))
        if zero:
            size = max(size, abs(b[NU]) / max(alpha, 1e-3))
        damp = min(1.0, 1.0 / size) if size > 0.0 else 1.0
        for i in range(NU):
            x[i] += damp * b[i]
            if not abs(x[i]) < 690.0:
                return alpha, np.inf, step
        if zero:
            alpha += damp * b[NU]
            if not (alpha > 0.0 and alpha < 1e9):
                return alpha, np.inf, step
        if near and (size < LAST_STEP or residual < 1e-14):
            return alpha, residual, step
        near = near or size < NEAR
    return alpha, residual, max_steps


@njit(cache=True, error_model="numpy")
def solve_batch(
    x0, alphas, zero, levels, low, high, values, log_measure, warm, max_level, xs, found, results, info, cold, rough
):
    """Solve every point of a batch.

    x0 (B, NU) starts; alphas (B,); levels, low, high (B, pieces); ``zero``: alpha is unknown and phi = 0.
    Fills xs (B, NU), found (B,) alpha, results (B, NOUT) on the fine grid, info (B, NU + 8):
    errors of x, error of alpha, error of phi, residual, condition, level, converged, errors of the replicon and of <log Theta>.
    ``cold``: whether each point starts from x0 (True) or, if ``warm``, from the last converged point.
    ``rough``: find where solutions are, on the coarsest grids, where fields are several (their errors say how roughly).
    """
    size = alphas.size
    z = np.empty(MAX_NODES)
    wt = np.empty(MAX_NODES)
    d = np.empty(6)
    acc = np.empty(6)
    part = np.empty(6)
    a = np.empty((NU + 1, NU + 1))
    b = np.empty(NU + 1)
    out = np.empty(NOUT)
    fine = np.empty(NOUT)
    slope = np.empty(NOUT)
    x = np.empty(NU)
    have = False
    settled = False
    fine_residual = np.inf
    for p in range(size):
        info[p, :] = np.nan
        results[p, :] = np.nan
        info[p, NU + 5] = 0.0
        converged = False
        for attempt in range(2):
            use_warm = warm and have and not cold[p] and attempt == 0
            if attempt == 1 and not (warm and have and not cold[p]):
                break
            alpha = alphas[p]
            if use_warm:
                for i in range(NU):
                    x[i] = xs[p - 1, i]
                if zero:
                    alpha = found[p - 1]
            else:
                for i in range(NU):
                    x[i] = x0[p, i]
            level = ROUGH if rough and FIELDS > 1 else 0
            while level <= max_level:
                alpha, residual, steps = iterate(
                    x,
                    alpha,
                    zero,
                    levels[p],
                    low[p],
                    high[p],
                    values,
                    log_measure,
                    level,
                    MOST_STEPS,
                    out,
                    z,
                    wt,
                    d,
                    acc,
                    part,
                    a,
                    b,
                )
                if not residual < 1e-5:  # of the point before the last step
                    break
                evaluate(
                    x,
                    alpha,
                    levels[p],
                    low[p],
                    high[p],
                    values,
                    log_measure,
                    level + 1,
                    fine,
                    z,
                    wt,
                    d,
                    acc,
                    part,
                )
                fine_residual, _ = newton_step(fine, zero, a, b)  # b: the step to the finer grid's solution
                gap = 0.0
                for i in range(NU):  # on dear grids the error of 1 - q counts, that of its logarithm less
                    near_one = FIELDS > 1 and i == 0
                    gap = max(gap, abs(b[i]) * (max(math.exp(-max(x[0], 0.0)), LEAST) if near_one else 1.0))
                settled = fine_residual < SETTLED
                for i in range(NU):  # the finer grid moves no equation beyond rounding
                    settled = settled and abs(fine[AT_ALPHA - NU + i]) < SETTLED
                if gap < GAP or settled or level == max_level or (rough and gap < NEAR):
                    converged = True
                    break
                level = min(level + CLIMB, max_level)
            if converged:
                break
        if not converged:
            have = False
            for i in range(NU):
                xs[p, i] = x[i]
            found[p] = alpha
            continue
        have = True
        fine_phi = fine[0]
        if settled:  # the coarse solution solves the fine equations: nothing to gain from the step
            for i in range(NU):
                xs[p, i] = x[i]
            found[p] = alpha
        else:
            for i in range(NU):
                xs[p, i] = x[i] + b[i]
            found[p] = alpha + b[NU] if zero else alpha
        # error: refinement step plus what a rounding of every equation does to the solution
        base = 2 + 2 * NU
        n = NU + 1 if zero else NU
        for i in range(NU):
            info[p, i] = DOUBT * abs(b[i])
        info[p, NU] = DOUBT * abs(b[NU]) if zero else 0.0
        condition = 0.0
        for r in range(n):
            for i in range(n):
                b[i] = 0.0
                for j in range(n):
                    if i < NU:
                        a[i, j] = fine[base + i * (NU + 1) + j]
                    else:
                        a[i, j] = fine[AT_ALPHA] if j == NU else 0.0
            b[r] = fine[2 + NU + r] if r < NU else max(1.0, fine[1])
            if not linear_solve(a, b, n):
                condition = np.inf
                break
            for i in range(NU):
                info[p, i] += ROUNDING * abs(b[i])
                condition = max(condition, abs(b[i]))
            if zero:
                info[p, NU] += ROUNDING * abs(b[NU])
        if settled:
            results[p, :] = fine
            residual = fine_residual
        else:
            evaluate(
                xs[p],
                found[p],
                levels[p],
                low[p],
                high[p],
                values,
                log_measure,
                level + 1,
                results[p],
                z,
                wt,
                d,
                acc,
                part,
            )
            residual, ok = newton_step(results[p], zero, a, b)
            for _polish in range(POLISHED):  # a grid too coarse for one step to end on the finer one's solution
                if residual < 1e-11 or not ok:
                    break
                for i in range(NU):
                    xs[p, i] += b[i]
                    info[p, i] += abs(b[i])
                if zero:
                    found[p] += b[NU]
                    info[p, NU] += abs(b[NU])
                evaluate(
                    xs[p],
                    found[p],
                    levels[p],
                    low[p],
                    high[p],
                    values,
                    log_measure,
                    level + 1,
                    results[p],
                    z,
                    wt,
                    d,
                    acc,
                    part,
                )
                residual, ok = newton_step(results[p], zero, a, b)
        info[p, NU + 1] = DOUBT * abs(fine_phi - out[0]) + ROUNDING * max(1.0, results[p, 1])
        info[p, NU + 2] = residual
        info[p, NU + 3] = condition
        info[p, NU + 4] = level
        largest = 0.0
        for i in range(NU):
            largest = max(largest, abs(results[p, 2 + i]))
        good = residual < 1e-10 or largest < NEGLIGIBLE
        for i in range(NU):  # an unknown that the equations do not determine is no answer
            good = good and info[p, i] * math.exp(min(xs[p, i], 0.0)) < MEANINGLESS
        info[p, NU + 5] = 1.0 if good else 0.0
        # what the errors of the unknowns make of the observables: a step of 1e-6 along them
        biggest = 1e-300
        for i in range(NU):
            biggest = max(biggest, info[p, i])
        for i in range(NU):
            x[i] = xs[p, i] + SHIFT * info[p, i] / biggest
        finer = level + 1
        if FIELDS > 1:  # slopes, for which a coarse grid will do
            finer = 1 if level >= 0 else level
            evaluate(
                xs[p], found[p], levels[p], low[p], high[p], values, log_measure, finer, slope, z, wt, d, acc, part
            )
        else:
            slope[:] = results[p]
        evaluate(x, found[p], levels[p], low[p], high[p], values, log_measure, finer, fine, z, wt, d, acc, part)
        for k in range(2):
            at = AT_ALPHA + 1 if k == 0 else NOUT - 1
            info[p, NU + 6 + k] = abs(fine[at] - slope[at]) / SHIFT * biggest
            if not settled:  # their own change under refinement
                info[p, NU + 6 + k] += DOUBT * abs(results[p, at] - out[at])


@njit(cache=True, error_model="numpy")
def evaluate_batch(xs, alphas, levels, low, high, values, log_measure, level, results):
    """The functional and all its averages at given points, without solving."""
    z = np.empty(MAX_NODES)
    wt = np.empty(MAX_NODES)
    d = np.empty(6)
    acc = np.empty(6)
    part = np.empty(6)
    for p in range(alphas.size):
        evaluate(
            xs[p],
            alphas[p],
            levels[p],
            low[p],
            high[p],
            values,
            log_measure,
            level,
            results[p],
            z,
            wt,
            d,
            acc,
            part,
        )


SETTLED = 4e-15  # relative residual of a sum of some hundred rounded terms
POLISHED = 4
NEAR = 1e-3  # step under which the full rule takes over
ROUGH = -1  # level of the coarsest grids of several fields
LAST_STEP = 3e-8  # its square is below rounding
LEAST = 1e-3  # weight of an error of log(1 - q)
SHIFT = 1e-6
NEGLIGIBLE = 1e-17  # an equation whose terms are all smaller is solved
MEANINGLESS = 1e-3  # error of a logit or logarithm above which a root is rounding noise
ROUNDING = 1.5e-15  # relative error of one term of an equation: leaf, node and sum, a few ulp each
