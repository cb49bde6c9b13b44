r"""Generalization errors of the fully connected committee, by branch.

Gibbs: a sample of the posterior errs with probability 1 - sum_y E Z_y^2. Bayes: the most probable label errs with
probability 1 - E max_y Z_y. The maximum has a kink: along (1, ..., 1) it moves from one label to the next once (omega ->
-omega joins the two signs), and the average over that direction is split there; for two units the line across is split
where the tie ceases to be the most probable label of any sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from ..committees import Committee
from ..numerics.label_kernels import majority_of_three, two_units
from ..numerics.matrix_channel import Axes, symmetric_axes
from .committee import PERFECT, SPECIALISED, CommitteePoint, saddle
from .committee_state import self_overlap

NODES, WEIGHTS = (np.ascontiguousarray(a) for a in np.polynomial.legendre.leggauss(12))
REACH = 7.4  # standard deviations: mass 1e-13 beyond
WIDEST = 1.2  # panel, in standard deviations
FIRST = 0.8  # panel at a kink, over the width sqrt(V) of the kink
STEP = 0.6  # of the lattice across for three units, over the width of a kink
COARSER = 0.75  # widths over it in the second evaluation: what this changes is the error
ROOT, BISECTED = 60, 6  # steps for the kink on a line, and how many of them halve
FLAT = 0.25  # widest panel away from a kink, in standard deviations over WIDEST


@dataclass(frozen=True)
class CommitteeErrors:
    """R, R_cross : overlaps with the teacher of the same and of another unit, over Q;  gibbs, bayes : errors on a fresh pattern.

    errors : of these numbers.  status : of the saddle point.
    """

    branch: str
    alpha: float
    status: str
    R: float
    R_cross: float
    gibbs: float
    bayes: float
    errors: dict[str, float]


def generalization(model: Committee, alpha: float, branch: str = SPECIALISED, point: CommitteePoint | None = None) -> CommitteeErrors:
    """Errors on a branch of `replicas.theory.committee.saddle`, whose arguments and ValueErrors these are.

    point : a saddle point of this model already at hand.
    """
    point = saddle(model, alpha, branch) if point is None else point
    Q = self_overlap(model)
    if point.status != "converged":
        return CommitteeErrors(branch, alpha, point.status, math.nan, math.nan, math.nan, math.nan, {})
    if point.branch == PERFECT:
        return CommitteeErrors(branch, alpha, point.status, 1.0, 0.0, 0.0, 0.0, {})
    gap = point.gaps
    overlap = point.q + (model.K - 1) * point.q_cross, point.q - point.q_cross
    axes = symmetric_axes(model.K, (overlap[0], max(overlap[1], 0.0)), gap)
    fine, coarse = (bayes_error(axes, width) for width in (1.0, 1.0 / COARSER))
    inherited = point.errors.get("gibbs_error", 0.0)  # the overlap's error moves both alike
    return CommitteeErrors(
        branch,
        alpha,
        point.status,
        point.q / Q,
        point.q_cross / Q,
        point.gibbs_error,
        fine,
        {
            "R": point.errors.get("q", 0.0) / Q,
            "R_cross": point.errors.get("q_cross", 0.0) / Q,
            "gibbs": inherited,
            "bayes": abs(fine - coarse) + inherited + 1e-15,
        },
    )


def bayes_error(axes: Axes, width: float = 1.0) -> float:
    """1 - E max_y Z_y for an overlap matrix invariant under permutations; ``width`` over one widens all panels and steps."""
    K = axes.overlap.size
    if K == 1:
        return math.atan2(math.sqrt(axes.gap[0]), math.sqrt(axes.overlap[0])) / math.pi
    det = float(np.prod(axes.gap))
    adjugate = (axes.vectors * (det / axes.gap)) @ axes.vectors.T
    sd = np.sqrt(axes.overlap)
    small = math.sqrt(float(axes.gap.min()))
    data = axes.V, det, adjugate, math.sqrt(K), sd[0], small * FIRST * width
    if K == 2:
        return _two(*data, sd[1], FIRST * width * math.sqrt(float(axes.gap.min())))
    if axes.overlap[1] == 0.0:
        return float(_line(np.zeros(3), *data))
    return float(_lattice(min(0.6, STEP * small / sd[1]) * width, sd[1], *data))


@njit(cache=True, error_model="numpy")
def _choice(t, s, K, V, det, adjugate, Z, first, second, R, a):
    """(1 - max_y Z_y, a difference that rises through 0 where the choice changes) at the fields t + s."""
    if K == 2:
        two_units(t[0] + s, t[1] + s, V, det, Z, first, second)
        if Z[0] > Z[2]:
            return Z[1] + Z[2], 1.0
        return Z[0] + Z[1], Z[0] - Z[2]
    w = t + s
    yes, no = majority_of_three(w, V, det, adjugate, R, a)
    return min(yes, no), yes - no


@njit(cache=True, error_model="numpy")
def _line(t, V, det, adjugate, root, sd, first_panel):
    """Average over the fields along (1, ..., 1), variance sd^2 of the normalised sum; two units: over positive sums, twice."""
    K = t.size
    Z, first, second = np.zeros(3), np.zeros((3, K)), np.zeros((3, K, K))
    R, a = np.zeros((3, 3)), np.zeros(3)
    end = REACH * sd / root
    low, high = (0.0, end) if K == 2 else (-end, end)
    begin = low
    if _choice(t, low, K, V, det, adjugate, Z, first, second, R, a)[1] >= 0.0:
        kink = low
    elif _choice(t, high, K, V, det, adjugate, Z, first, second, R, a)[1] <= 0.0:
        kink = high
    else:
        below, above, last = -1.0, 1.0, 0.0
        for n in range(ROOT):
            # bisection, then regula falsi with the Illinois rule
            kink = 0.5 * (low + high) if n < BISECTED else (low * above - high * below) / (above - below)
            value = _choice(t, kink, K, V, det, adjugate, Z, first, second, R, a)[1]
            if value > 0.0:
                high, above = kink, value
                if last > 0.0:
                    below *= 0.5
            else:
                low, below = kink, value
                if last < 0.0:
                    above *= 0.5
            last = value
            if high - low < 1e-12 * end or abs(value) < 1e-13:
                break
    total = 0.0
    for side in (1.0, -1.0):
        at, w = kink, first_panel / root
        stop = end if side > 0.0 else begin
        while (stop - at) * side > 0.0:
            span = min(w, abs(stop - at))
            for k in range(NODES.size):
                s = at + side * 0.5 * span * (1.0 + NODES[k])
                x = s * root / sd
                miss = _choice(t, s, K, V, det, adjugate, Z, first, second, R, a)[0]
                total += 0.5 * span * WEIGHTS[k] * math.exp(-0.5 * x * x) * miss
            at += side * span
            w = min(1.7 * w, first_panel / (FIRST * root) + WIDEST * min(sd / root, FLAT))
    return total * root / sd / math.sqrt(2.0 * math.pi) * (2.0 if K == 2 else 1.0)


@njit(cache=True, error_model="numpy")
def _lattice(step, across, V, det, adjugate, root, sd, first_panel):
    """Three units: the triangular lattice of (0, i, j) minus its mean, i <= j, invariant under permutations and t -> -t.

    A cell has the area sqrt(3) step^2; points with i > j - i are mirror images of those with i < j - i.
    """
    total, mass = 0.0, 0.0
    half = int(REACH * math.sqrt(2.0) / step) + 1
    t = np.zeros(3)
    for j in range(half + 1):
        for i in range(j // 2 + 1):
            mean = (i + j) / 3.0
            square = (i * i + j * j - 3.0 * mean * mean) * step * step
            if square > REACH * REACH:
                continue
            times = 1.0 if j == 0 else (3.0 if i == 0 else 6.0)  # distinct permutations
            if 2 * i < j:
                times *= 2.0
            weight = times * math.exp(-0.5 * square)
            mass += weight
            t[0], t[1], t[2] = -mean * step * across, (i - mean) * step * across, (j - mean) * step * across
            total += weight * _line(t, V, det, adjugate, root, sd, first_panel)
    return total / mass


@njit(cache=True, error_model="numpy")
def _two(V, det, adjugate, root, sd, first_panel, across, panel):
    """Two units: panels over the difference of the fields from where the tie is the choice at sum 0."""
    t = np.zeros(2)
    if across == 0.0:
        return _line(t, V, det, adjugate, root, sd, first_panel)
    Z, first, second = np.zeros(3), np.zeros((3, 2)), np.zeros((3, 2, 2))
    low, high = 0.0, REACH * across
    half = math.sqrt(0.5)
    end = high
    for _ in range(ROOT):
        kink = 0.5 * (low + high)
        two_units(kink * half, -kink * half, V, det, Z, first, second)
        if Z[2] > Z[0]:
            high = kink
        else:
            low = kink
    total = 0.0
    for side in (1.0, -1.0):
        at, w = kink, panel
        stop = end if side > 0.0 else 0.0
        while (stop - at) * side > 0.0:
            span = min(w, abs(stop - at))
            for k in range(NODES.size):
                d = at + side * 0.5 * span * (1.0 + NODES[k])
                t[0], t[1] = d * half, -d * half
                x = d / across
                total += 0.5 * span * WEIGHTS[k] * math.exp(-0.5 * x * x) * _line(t, V, det, adjugate, root, sd, first_panel)
            at += side * span
            w = min(1.7 * w, panel / FIRST + WIDEST * min(across, 2.0 * FLAT))
    return total * 2.0 / across / math.sqrt(2.0 * math.pi)
