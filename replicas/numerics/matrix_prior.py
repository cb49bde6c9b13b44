r"""Posterior of one row of K weights seen through Gaussian noise, with a matrix of overlaps.

A teacher row w* and a field h = q_hat w* + L z, L L^T = q_hat; w has the posterior p(w) exp(w.h - w.q_hat w/2). Then

.. math:: q = E \langle w\rangle\langle w\rangle^T, \qquad Q - q = E\, C, \qquad T_{ab,cd} = E\, C_{ac} C_{bd}, \qquad
    C = \langle w w^T\rangle - \langle w\rangle\langle w\rangle^T,

and dq_ab = sum_cd T_ab,cd dq_hat_cd. The free entropy minus tr(q q_hat)/2 is written with what is not known of w*,

.. math:: \tfrac12 \mathrm{tr}\,\hat q (Q - q) + E \log \sum_w p(w)\, e^{(w - w^*) L z - (w - w^*)\hat q(w - w^*)/2},

so that nothing cancels when everything is learnt.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numba import njit

REACH = 7.6  # standard deviations, and as many more as a teacher's field is away from where the posterior is undecided
GAUSSIAN_STEP = 0.72  # error of the trapezoid rule 6e-17
POLE_STEP = {1: 0.14, 2: 0.125, 3: 0.15}  # of the distance of the nearest zero of the sum over w: leaves 1e-12
NULL = 1e-300
PRUNED = 1e-18  # nodes of smaller weight
DENSITY = 1.0 / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Prior:
    """``entropy`` : Psi_prior - tr(q q_hat)/2;  ``q``, ``gap`` = Q - q, ``T`` as in the head of the module."""

    entropy: float
    q: np.ndarray
    gap: np.ndarray
    T: np.ndarray


def gaussian(vectors: np.ndarray, q_hat: np.ndarray) -> Prior:
    """Weights of unit variance: q = q_hat/(1 + q_hat).

    vectors : orthonormal columns, eigenvectors of q_hat;  q_hat : its eigenvalues, >= 0.
    """
    gap = 1.0 / (1.0 + q_hat)
    C = (vectors * gap) @ vectors.T
    q = (vectors * (q_hat * gap)) @ vectors.T
    entropy = 0.5 * float(np.sum(q_hat * gap - np.log1p(q_hat)))
    return Prior(entropy, q, C, np.einsum("ac,bd->abcd", C, C))


def discrete(
    vectors: np.ndarray, q_hat: np.ndarray, values: tuple[float, ...], log_measure: tuple[float, ...], quality: float = 1.0,
    permutable: bool = False,
) -> Prior:
    """Weights from a set symmetric under w -> -w.

    Parameters
    ----------
    vectors, q_hat : eigenvectors (columns) and eigenvalues of q_hat.
    values, log_measure : the set and the logarithms of its measure (zeros: counting measure). The teacher is drawn from it.
    quality : finer than one refines every step.
    permutable : q_hat is invariant under permutations of the units.
    """
    K = q_hat.size
    rows = np.array(list(itertools.product(values, repeat=K)))
    logs = np.array([sum(c) for c in itertools.product(log_measure, repeat=K)])
    chance = np.exp(logs - np.max(logs))
    chance /= chance.sum()
    # teachers up to w -> -w and permutations
    seen: dict[tuple[float, ...], int] = {}
    share = np.zeros(len(rows))
    for n, row in enumerate(rows):
        copies = [tuple(row), tuple(-row)]
        key = max(tuple(sorted(c)) for c in copies) if permutable else max(copies)
        share[seen.setdefault(key, n)] += chance[n]
    points, weights = _grid(vectors, q_hat, rows, quality)
    out = np.zeros(1 + 2 * K * K + K**4)
    matrix = (vectors * q_hat) @ vectors.T
    for i in map(int, np.flatnonzero(share)):
        delta = rows - rows[i]
        cost = logs - 0.5 * np.einsum("wa,ab,wb->w", delta, matrix, delta)
        _teacher(points, weights * share[i], delta, rows[i], cost, out)
    gap, q = out[1 : 1 + K * K].reshape(K, K), out[1 + K * K : 1 + 2 * K * K].reshape(K, K)
    T = out[1 + 2 * K * K :].reshape((K,) * 4)
    if permutable:
        orders = [list(p) for p in itertools.permutations(range(K))]
        gap, q = (np.mean([m[np.ix_(p, p)] for p in orders], axis=0) for m in (gap, q))
        T = np.mean([T[np.ix_(p, p, p, p)] for p in orders], axis=0)
    entropy = float(out[0]) + 0.5 * float(np.sum(matrix * gap))
    return Prior(entropy, q, gap, T)


def _grid(vectors: np.ndarray, q_hat: np.ndarray, rows: np.ndarray, quality: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of L z and weights."""
    K = q_hat.size
    points, weights = np.zeros((1, K)), np.ones(1)
    for k in range(K):
        if q_hat[k] <= NULL:
            continue
        root = math.sqrt(q_hat[k])
        span = float(np.ptp(rows @ vectors[:, k])) * root  # of the exponents along z_k: they interfere from Im z = pi/span on
        step = min(GAUSSIAN_STEP, POLE_STEP.get(K, 0.15) * math.pi / span * math.sqrt(K)) / quality
        n = math.ceil((REACH + root * float(np.max(np.abs(rows)))) / step)
        z = step * np.arange(-n, n + 1)
        w = step * DENSITY * np.exp(-0.5 * z * z)
        points = (points[:, None, :] + (root * z)[None, :, None] * vectors[:, k]).reshape(-1, K)
        weights = (weights[:, None] * w).ravel()
        keep = weights > PRUNED
        points, weights = points[keep], weights[keep]
    return np.ascontiguousarray(points), weights


@njit(cache=True, error_model="numpy")
def _teacher(points, weights, delta, teacher, cost, out):
    """Adds the averages for one teacher row; delta : rows minus the teacher's."""
    n, K = delta.shape
    e, mean, C = np.zeros(n), np.zeros(K), np.zeros((K, K))
    for i in range(weights.size):
        top = -np.inf
        for w in range(n):
            x = cost[w]
            for a in range(K):
                x += delta[w, a] * points[i, a]
            e[w] = x
            top = max(top, x)
        total = 0.0
        mean[:] = 0.0
        C[:] = 0.0
        for w in range(n):
            if e[w] < top - 90.0:
                continue
            p = math.exp(e[w] - top)
            total += p
            for a in range(K):
                mean[a] += p * delta[w, a]
                for b in range(a + 1):
                    C[a, b] += p * delta[w, a] * delta[w, b]
        weight = weights[i]
        out[0] += weight * (top + math.log(total))
        for a in range(K):
            mean[a] /= total
        for a in range(K):
            for b in range(a + 1):
                C[a, b] = C[a, b] / total - mean[a] * mean[b]
                C[b, a] = C[a, b]
        at = 1
        for a in range(K):
            for b in range(K):
                out[at] += weight * C[a, b]
                out[at + K * K] += weight * (teacher[a] + mean[a]) * (teacher[b] + mean[b])
                at += 1
        at += K * K
        for a in range(K):
            for b in range(K):
                for c in range(K):
                    for d in range(K):
                        out[at] += weight * C[a, c] * C[b, d]
                        at += 1
