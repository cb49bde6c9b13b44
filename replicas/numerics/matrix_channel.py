r"""Average over the labels of a committee of sign units, with a matrix of overlaps.

With omega ~ N(0, q) and V = Q - q, Z_y(omega, V) the probability of the label y and f_y = log Z_y:

.. math:: \Psi = \sum_y E\, Z_y \log Z_y, \qquad A_{ab} = \sum_y E\, Z_y\, \partial_a f_y\, \partial_b f_y, \qquad
    T_{ab,cd} = \sum_y E\, Z_y\, \partial_a\partial_c f_y\, \partial_b\partial_d f_y

Psi is minus the entropy of a label given the posterior;  d Psi = tr(A dq)/2  and  dA_ab = sum_cd T_ab,cd dq_cd (under the
law of the labels the gradient of f is a martingale in q). The probability that two samples disagree is sum_{y != y'} E Z_y Z_y',
a sum of small terms.

The trapezoid rule on a grid x(u), u = asinh(x/s) + x/L: fine at the kinks of log Z, which have the width sqrt(V), and even
far out. Axes are the eigenvectors of q (a null direction has one node) or, when all eigenvalues of V are small and the
kinks sharp, the fields themselves. Permutations of the units and y -> -y reduce the grid where q allows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .label_kernels import DENSITY, one, three, two

MOST_UNITS = 3
REACH = 7.6  # standard deviations: mass 3e-14 beyond, and what is averaged is at most a few units there
GAUSSIAN_STEP = 0.72  # of the trapezoid rule for a Gaussian alone: error 2 exp(-2 pi^2/step^2) = 6e-17
# Steps that leave 1e-11 of A: of omega over sqrt(V), and of u on graded axes. Kinks where two fields compete are sharper than
# those of one field, sharpest for the tie of two units.
WIDTH_STEP = {1: 0.42, 2: 0.17, 3: 0.27}
GRADED_STEP, GRADED_SCALE = {1: 0.11, 2: 0.055, 3: 0.075}, 2.0  # the latter: s over sqrt(V)
MOST_NODES = 1e8  # of a grid before symmetry and pruning: some gigabytes
RADIUS = 8.3  # standard deviations from the centre: density 1e-15 beyond
NULL = 1e-300  # variance of an axis that carries nothing
ALIKE = 1e-13  # relative: matrices invariant to that are taken as invariant under permutations
SHARPER = 0.3  # width of one axis against the others, below which it alone is graded
_KERNELS = {1: one, 2: two, 3: three}


@dataclass(frozen=True)
class Channel:
    """Averages of this module: ``psi``, ``A`` (K, K), ``T`` (K, K, K, K), ``disagreement`` sum_{y != y'} E Z_y Z_y', ``norm`` of the grid, ``nodes``."""

    psi: float
    A: np.ndarray
    T: np.ndarray
    disagreement: float
    norm: float
    nodes: int


@dataclass(frozen=True)
class Axes:
    """Common eigenvectors (columns) of q and V, and the eigenvalues of both: the pair is carried so, as V cannot be had from q."""

    vectors: np.ndarray
    overlap: np.ndarray
    gap: np.ndarray
    permutable: bool

    @property
    def V(self) -> np.ndarray:
        return np.asarray((self.vectors * self.gap) @ self.vectors.T)

    @property
    def q(self) -> np.ndarray:
        return np.asarray((self.vectors * self.overlap) @ self.vectors.T)


def symmetric_vectors(K: int) -> np.ndarray:
    """Orthonormal columns, the first along (1, ..., 1): eigenvectors of every matrix a + b 1 1^T (Helmert)."""
    out = np.zeros((K, K))
    out[:, 0] = 1.0 / math.sqrt(K)
    for k in range(1, K):
        out[:k, k] = 1.0 / math.sqrt(k * (k + 1))
        out[k, k] = -k / math.sqrt(k * (k + 1))
    return out


def symmetric_axes(K: int, overlap: tuple[float, float], gap: tuple[float, float]) -> Axes:
    """Axes of the overlap matrix with an eigenvalue along (1, ..., 1) and one across; ``gap`` : Q minus them."""
    spread = np.array([0] + [1] * (K - 1))
    return Axes(symmetric_vectors(K), np.array(overlap)[spread], np.array(gap)[spread], True)


def invariant(q: np.ndarray, size: float) -> bool:
    """Whether q = a + b 1 1^T, to rounding of numbers of that size."""
    K = q.shape[0]
    apart = q - q[0, 0] * np.eye(K) - (q[0, 1] if K > 1 else 0.0) * (1 - np.eye(K))
    return bool(np.max(np.abs(apart)) <= ALIKE * size)


def matrix_axes(q: np.ndarray, gap: np.ndarray) -> Axes:
    """Axes of commuting matrices q and ``gap`` = Q - q.

    Raises
    ------
    ValueError : if one of them has a negative eigenvalue (beyond rounding): q outside 0 <= q <= Q.
    """
    K = q.shape[0]
    size = float(np.trace(q) + np.trace(gap)) / K
    permutable = invariant(q, size)
    if permutable:
        vectors = symmetric_vectors(K)
        overlap = np.einsum("ak,ab,bk->k", vectors, q, vectors)
        gaps = np.einsum("ak,ab,bk->k", vectors, gap, vectors)
    else:
        # the smaller of the two fixes the axes to full relative accuracy
        small, other = (q, gap) if np.trace(q) < np.trace(gap) else (gap, q)
        _, vectors = np.linalg.eigh(small)
        overlap = np.einsum("ak,ab,bk->k", vectors, q, vectors)
        gaps = np.einsum("ak,ab,bk->k", vectors, gap, vectors)
    for name, values in (("q", overlap), ("Q - q", gaps)):
        if float(values.min()) < -1e-12 * size:
            raise ValueError(f"overlap: got {name} with the eigenvalue {values.min():.3g}; takes a matrix between 0 and Q")
    return Axes(vectors, np.maximum(overlap, 0.0), np.maximum(gaps, 0.0), permutable)


def _graded(scale: float, longest: float, step: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes 0, +-x_1, ... up to reach and dx: x(u) inverse to asinh(x/scale) + x/longest."""
    last = math.asinh(reach / scale) + reach / longest
    u = step * np.arange(0, math.ceil(last / step) + 1)
    x = np.minimum(scale * np.sinh(np.minimum(u, 700.0)), longest * u)
    for _ in range(60):  # Newton on a concave increasing function from the right: monotone
        change = (np.arcsinh(x / scale) + x / longest - u) / (1.0 / np.sqrt(scale**2 + x**2) + 1.0 / longest)
        x = x - change
        if np.max(np.abs(change)) < 1e-14 * reach:
            break
    dx = step / (1.0 / np.sqrt(scale**2 + x**2) + 1.0 / longest)
    return np.concatenate([-x[:0:-1], x]), np.concatenate([dx[:0:-1], dx])


def _field_axes(axes: Axes, quality: float) -> tuple[np.ndarray, np.ndarray] | None:
    """One graded axis for every field, if q is regular enough: for sharp kinks at omega_j = 0."""
    least = float(axes.overlap.min())
    if least <= 0.0:
        return None
    step = GRADED_STEP[axes.gap.size] / quality
    width = math.sqrt(float(np.min(axes.gap)))
    sigma = math.sqrt(float(np.max(np.diag(axes.q))))
    return _graded(GRADED_SCALE * width, GAUSSIAN_STEP / quality * math.sqrt(least) / step, step, REACH * sigma)


def _eigen_axes(axes: Axes, quality: float) -> list[tuple[float, Callable[[], tuple[np.ndarray, np.ndarray]]]]:
    """Per eigenvector: how many nodes, and what gives them, in standard deviations of omega, and their weights with the normal density."""
    out: list[tuple[float, Callable[[], tuple[np.ndarray, np.ndarray]]]] = []
    sharp, sd = int(np.argmin(axes.gap)), np.sqrt(axes.overlap)
    for k in range(sd.size):
        if axes.overlap[k] <= NULL:
            out.append((1.0, lambda: (np.zeros(1), np.ones(1))))
            continue
        step = min(GAUSSIAN_STEP, WIDTH_STEP[sd.size] * math.sqrt(axes.gap[k]) / sd[k]) / quality
        others = [math.sqrt(axes.gap[j]) for j in range(sd.size) if j != k]
        rest = min(others, default=math.inf)
        if k == sharp and math.sqrt(axes.gap[k]) < SHARPER * min(rest, sd[k]):
            h = GRADED_STEP[sd.size] / quality
            longest = min(GAUSSIAN_STEP, WIDTH_STEP[sd.size] * rest / sd[k]) / quality / h
            scale = GRADED_SCALE * math.sqrt(axes.gap[k]) / sd[k]
            out.append((2 * (math.asinh(REACH / scale) + REACH / longest) / h, partial(_normal, _graded, scale, longest, h, REACH)))
        else:
            out.append((2 * REACH / step, partial(_normal, _even, step)))
    return out


def _even(step: float) -> tuple[np.ndarray, np.ndarray]:
    n = math.ceil(REACH / step)
    return step * np.arange(-n, n + 1), np.full(2 * n + 1, step)


def _normal(rule: Callable[..., tuple[np.ndarray, np.ndarray]], *steps: float) -> tuple[np.ndarray, np.ndarray]:
    x, dx = rule(*steps)
    return x, dx * DENSITY * np.exp(-0.5 * x * x)


def grid(axes: Axes, quality: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n, K) and weights of E over omega ~ N(0, q), for functions even under omega -> -omega and, where q allows, permutations.

    Raises
    ------
    FloatingPointError : where fields so well known would take more nodes than memory has.
    """
    K = axes.overlap.size
    planned = _eigen_axes(axes, quality)
    fields = _field_axes(axes, quality)
    cost = math.prod(n for n, _ in planned) / (2.0 if axes.permutable and K > 1 else 1.0)
    by_fields = fields is not None and fields[0].size ** K / (math.factorial(K) if axes.permutable else 1) < cost
    nodes = float(fields[0].size) ** K if fields is not None and by_fields else cost
    if nodes > MOST_NODES:
        raise FloatingPointError(f"overlap: got fields known to a share {float(np.min(axes.gap)):.2g}; their grid has {nodes:.1g} nodes")
    if fields is not None and by_fields:
        return _field_grid(axes, *fields)
    eigen = [rule() for _, rule in planned]
    for k in range(K):
        # y -> -y on the first axis; exchange of units 1 and 2 on the second
        if k == 0 or (k == 1 and axes.permutable):
            x, w = eigen[k]
            keep = x >= 0.0
            eigen[k] = x[keep], np.where(x[keep] > 0.0, 2.0, 1.0) * w[keep]
    weights, points = eigen[0][1], eigen[0][0][:, None]
    for x, w in eigen[1:]:
        weights = (weights[:, None] * w).ravel()
        points = np.concatenate([np.repeat(points, x.size, axis=0), np.tile(x, points.shape[0])[:, None]], axis=1)
        keep = np.sum(points**2, axis=1) < RADIUS**2
        weights, points = weights[keep], points[keep]
    return np.ascontiguousarray((points * np.sqrt(axes.overlap)) @ axes.vectors.T), weights


def _field_grid(axes: Axes, x: np.ndarray, dx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    K, n = axes.overlap.size, x.size
    index = np.indices((n,) * K).reshape(K, -1)
    index = index[:, index.sum(axis=0) >= K * (n // 2)]
    times = np.where(index.sum(axis=0) > K * (n // 2), 2.0, 1.0)
    if axes.permutable:
        keep = np.all(index[:-1] <= index[1:], axis=0)
        index, times = index[:, keep], times[keep]
        for k in range(K):
            # a multiset stands for K!/prod(multiplicity!) points: count equal ones before k
            ties = np.sum(index[: k + 1] == index[k], axis=0)
            times = times * (k + 1) / ties
    root = axes.vectors / np.sqrt(axes.overlap)
    squared = np.sum((root.T @ x[index]) ** 2, axis=0)
    weights = times * np.exp(-0.5 * squared - 0.5 * np.sum(np.log(axes.overlap))) * DENSITY**K * np.prod(dx[index], axis=0)
    keep = squared < RADIUS**2
    return np.ascontiguousarray(x[index[:, keep]].T), weights[keep]


def evaluate(axes: Axes, quality: float = 1.0, coin: bool = False) -> Channel:
    """The averages at an overlap matrix.

    Parameters
    ----------
    axes : of q and V.
    quality : finer than one refines every step.
    coin : ties of an even number of units are broken at random (labels -1, 1) instead of being a label of their own.

    Raises
    ------
    ValueError : for more than three units, or a singular V (perfect knowledge of a direction).
    """
    K = axes.overlap.size
    if K > MOST_UNITS:
        raise ValueError(f"K: got {K} units; takes at most {MOST_UNITS} (averages over K fields)")
    if float(axes.gap.min()) <= 0.0:
        raise ValueError("overlap: got a matrix with an eigenvalue Q; takes a matrix below Q (labels of known fields are known)")
    points, weights = grid(axes, quality)
    out = np.zeros(3 + K**2 + K**4)
    # minors of V from its eigenvalues: v_l v_m, which no cancellation spoils
    det = float(np.prod(axes.gap))
    adjugate = (axes.vectors * (det / axes.gap)) @ axes.vectors.T
    _KERNELS[K](points, weights, axes.V, det, adjugate, coin, out)
    A, T = out[3 : 3 + K**2].reshape(K, K), out[3 + K**2 :].reshape((K,) * 4)
    if axes.permutable:
        orders = [list(p) for p in itertools.permutations(range(K))]
        A = np.mean([A[np.ix_(p, p)] for p in orders], axis=0)
        T = np.mean([T[np.ix_(p, p, p, p)] for p in orders], axis=0)
    return Channel(float(out[1]), A, T, float(out[2]), float(out[0]), points.shape[0])
