r"""Transitions of the fully connected committee: specialisation, spinodals, crossings of free entropies, perfect learning.

Both branches are traced by a conjugate instead of the load, through every fold. On the permutation-symmetric branch the
load is an explicit function of the conjugate along (1, ..., 1),  alpha K = q_hat_s/A_s. On the specialised one, given the
conjugate across, the other solves  q_hat_s/A_s = q_hat_a/A_a. Derivatives of the load are exact (tensors of both
averages); a fold is a root of d log alpha. The specialised branch leaves the symmetric one at

.. math:: \alpha K\, \frac{dA_a}{d\hat q_a} = 1 \quad (\hat q_a = 0),

continuously if the load grows along it. Only the overlap q_a >= 0 exists, so that a falling load means a jump.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from ..committees import Committee
from ..models import Discrete
from .committee import COARSER, SYMMETRIC
from .committee_state import SURE, State, check, free_entropy, newton, pair_of, self_overlap, state

ALONG = np.linspace(-2.5, 4.6, 30)  # log q_hat_s Q scanned on the symmetric branch
ACROSS = np.linspace(-5.0, 4.0, 25)  # log q_hat_a Q scanned on the specialised branch
SCANNING = 0.55  # quality of the scan
ROOT = 1e-13  # of logarithms of conjugates
NEAR = 1e-10  # the same on the specialised branch: loads there move by less
SETTLED, STEPS, LONGEST = 1e-11, 40, 0.5  # Newton for the conjugate along, given the one across
SMALL = 1e-3  # q_hat_a Q at which the sign of the load's change along the new branch is read
COLD = 1e-7  # phi below it counts as the tail of the perfect branch


@dataclass(frozen=True)
class CommitteeTransition:
    """A transition at the load ``alpha`` = P/(N K), ``patterns`` = P/N, with ``error`` of alpha.

    kind : "specialisation" (the symmetric branch becomes unstable towards it), "spinodal" (a fold: ``branch`` exists on one
    side only, ``side`` "above" or "below" it), "coexistence" (specialised and symmetric free entropies cross), "perfect" (the
    entropy of imperfect students vanishes).  order : "continuous" or "discontinuous".  q, q_cross : there, on ``branch``.
    """

    kind: str
    branch: str
    alpha: float
    patterns: float
    error: float
    order: str
    side: str
    q: float
    q_cross: float


def load(s: State) -> float:
    """alpha at which the state is a saddle point: from its equation along (1, ..., 1)."""
    return float(s.q_hat[0] / s.A[0]) / s.axes.overlap.size


def symmetric_state(model: Committee, x: float, quality: float) -> State:
    """The symmetric branch at q_hat_s = exp(x)/Q."""
    h = math.exp(x) / self_overlap(model)
    return state(model, np.array([h, 0.0 if model.K > 1 else h]), quality)


def specialised_state(model: Committee, u: float, x: float, quality: float) -> tuple[State, float, float]:
    """(state, log q_hat_s Q, d log alpha/du) on the specialised branch at q_hat_a = exp(u)/Q, from a guess x.

    Raises
    ------
    FloatingPointError : when Newton does not settle.
    """
    Q = self_overlap(model)
    for _ in range(STEPS):
        if isinstance(model.weights, Discrete) and max(x, u) > math.log(SURE):
            break
        q_hat = np.exp([x, u]) / Q
        s = state(model, q_hat, quality)
        logs = s.slope * q_hat / s.A[:, None]  # d log A_i/d log q_hat_j
        value = x - math.log(s.A[0]) - u + math.log(s.A[1])
        by_x, by_u = 1.0 - logs[0, 0] + logs[1, 0], -1.0 - logs[0, 1] + logs[1, 1]
        step = -value / by_x
        if abs(step) < SETTLED:
            return s, x, 1.0 - logs[1, 1] + logs[1, 0] * by_u / by_x
        x += max(-LONGEST, min(LONGEST, step))
    raise FloatingPointError(f"specialised branch: no root at log q_hat across {u:.3f}")


def _transition(
    kind: str, branch: str, order: str, side: str, solve: Callable[[float], tuple[State, float]], model: Committee
) -> CommitteeTransition:
    """``solve(quality)`` gives state and alpha; the error is what a coarser quadrature changes."""
    (s, alpha), (_, other) = solve(1.0), solve(COARSER)
    along, across = pair_of(s.prior.q)
    across = across if s.q_hat[1] else 0.0
    K = model.K
    error = abs(alpha - other) + (1e-14 if branch == SYMMETRIC else NEAR) * alpha
    return CommitteeTransition(
        kind,
        branch,
        alpha,
        alpha * K,
        error,
        order,
        side,
        float(along + (K - 1) * across) / K,
        float(along - across) / K if K > 1 else 0.0,
    )


def _widened(f: Callable[[float], float], low: float, high: float, within: float = ROOT) -> float:
    """Root in a bracket found at a lower quality, which may have to be a little wider."""
    for _ in range(5):
        ends = {low: f(low), high: f(high)}
        if ends[low] * ends[high] <= 0:
            return float(brentq(lambda x, ends=ends: ends[x] if x in ends else f(x), low, high, xtol=within, rtol=1e-14))
        low, high = low - 0.2 * (high - low), high + 0.2 * (high - low)
    raise FloatingPointError("transition: the bracket of the scan does not hold at full quality")


def _brackets(values: list[float]) -> list[int]:
    return [i for i in range(len(values) - 1) if values[i] * values[i + 1] < 0]


def _on_symmetric(model: Committee) -> list[CommitteeTransition]:
    """Folds, the instability towards specialisation and the zero of the entropy along the symmetric branch."""
    top = math.log(SURE) if isinstance(model.weights, Discrete) else math.inf
    xs = [float(x) for x in ALONG if x < top]

    def fold(x: float, quality: float) -> float:
        s = symmetric_state(model, x, quality)
        slope = s.slope[0, 0] if model.K > 1 else float(s.slope[0].sum())
        return 1.0 - slope * float(s.q_hat[0] / s.A[0])

    def unstable(x: float, quality: float) -> float:
        s = symmetric_state(model, x, quality)
        return math.log(load(s) * model.K * s.slope[1, 1])

    def entropy(x: float, quality: float) -> float:
        s = symmetric_state(model, x, quality)
        return free_entropy(s, load(s))

    def solver(f: Callable[[float, float], float], i: int) -> Callable[[float], tuple[State, float]]:
        def solve(quality: float) -> tuple[State, float]:
            s = symmetric_state(model, _widened(lambda x: f(x, quality), xs[i], xs[i + 1]), quality)
            return s, load(s)

        return solve

    out = []
    for i in _brackets(values := [fold(x, SCANNING) for x in xs]):
        side = "below" if values[i] > 0 else "above"
        out.append(_transition("spinodal", SYMMETRIC, "discontinuous", side, solver(fold, i), model))
    if model.K > 1:
        for i in _brackets([unstable(x, SCANNING) for x in xs]):
            x = _widened(lambda x: unstable(x, COARSER), xs[i], xs[i + 1])
            born, _, _ = specialised_state(model, math.log(SMALL), x, 1.0)
            order = "continuous" if load(born) > load(symmetric_state(model, x, 1.0)) else "discontinuous"
            out.append(_transition("specialisation", SYMMETRIC, order, "above", solver(unstable, i), model))
    if isinstance(model.weights, Discrete) and model.weights.probabilities is None:
        values = [entropy(x, SCANNING) for x in xs]
        for i in _brackets(values):
            # only where imperfect students are still a stable branch: phi falls with the load
            if values[i] > 0:
                out.append(_transition("perfect", SYMMETRIC, "discontinuous", "above", solver(entropy, i), model))
    return out


def _on_specialised(model: Committee, x: float) -> list[CommitteeTransition]:
    """Folds of the specialised branch, its crossings with the symmetric one, and zeros of its entropy on rising parts."""
    rows: list[tuple[float, float, float, float, float]] = []  # u, x, d log alpha, phi minus symmetric phi, phi
    for u in ACROSS:
        try:
            s, x, rise = specialised_state(model, float(u), x, SCANNING)
        except FloatingPointError:
            break
        rows.append((float(u), x, rise, _lead(model, s, SCANNING), free_entropy(s, load(s))))

    def solver(column: int, i: int) -> Callable[[float], tuple[State, float]]:
        guess = rows[i][1]  # each root near the last one

        def solve(quality: float) -> tuple[State, float]:
            def f(u: float) -> float:
                nonlocal guess
                s, guess, rise = specialised_state(model, u, guess, quality)
                return (rise, _lead(model, s, quality), free_entropy(s, load(s)))[column - 2]

            root = _widened(f, rows[i][0], rows[i + 1][0], NEAR)
            s, _, _ = specialised_state(model, root, guess, quality)
            return s, load(s)

        return solve

    out = []
    jumps = _brackets([r[2] for r in rows])
    for i in jumps:
        side = "below" if rows[i][2] > 0 else "above"
        out.append(_transition("spinodal", "specialised", "discontinuous", side, solver(2, i), model))
    # where the branch is born continuously the difference starts as noise and stays positive
    for i in _brackets([r[3] for r in rows]) if jumps and rows[jumps[0]][2] < 0 else []:
        if rows[i][2] > 0 and rows[i + 1][2] > 0:
            out.append(_transition("coexistence", "specialised", "discontinuous", "above", solver(3, i), model))
    if isinstance(model.weights, Discrete) and model.weights.probabilities is None:
        for i in _brackets([r[4] for r in rows]):
            if rows[i][2] > 0 and rows[i + 1][2] > 0 and rows[i][4] > COLD:
                out.append(_transition("perfect", "specialised", "discontinuous", "above", solver(4, i), model))
    return out


def _lead(model: Committee, s: State, quality: float) -> float:
    """phi of a specialised state minus phi of the symmetric one at its load."""
    alpha = load(s)
    other, _ = newton(model, alpha, np.array([s.q_hat[0], 0.0]), quality, 1)
    return free_entropy(s, alpha) - free_entropy(other, alpha)


@lru_cache(maxsize=32)
def transitions(model: Committee) -> tuple[CommitteeTransition, ...]:
    """All transitions found on the branches invariant under permutations, by increasing load.

    Parameters
    ----------
    model : a teacher-student `Committee` of at most three units.

    Raises
    ------
    ValueError : naming the argument.
    """
    check(model)
    out = _on_symmetric(model)
    for t in [t for t in out if t.kind == "specialisation"][:1]:
        s, _ = newton(model, t.alpha, np.array([1.0 / self_overlap(model), 0.0]), COARSER, 1)
        out += _on_specialised(model, math.log(float(s.q_hat[0]) * self_overlap(model)))
    return tuple(sorted(out, key=lambda t: t.alpha))
