r"""log Z of a tree machine of K sign units on the multisets of lattice nodes, with gradient and Hessian.

.. math:: Z(\omega) = P(\text{number of positive fields is accepted}), \qquad \text{field } j \text{ positive with probability }
    P_j = H(-\omega_j/\sqrt V), \quad Q_j = H(\omega_j/\sqrt V).

Counts follow a Poisson-binomial law. With prefix(a, c) = P(c positive among the fields before a) and a suffix that starts
from an acceptance function s(c) and runs back, suffix(a, c) = Q_a suffix(a+1, c) + P_a suffix(a+1, c+1), the sum
sum_c prefix(a, c) suffix(a+1, c) is the average of s over all fields but a. Then, with g_a = dP_a/d omega_a,

    Z = <accepted(c)>,    dZ/d omega_a = g_a <accepted(c+1) - accepted(c)>_{not a},
    d^2Z/d omega_a d omega_b = g_a g_b <accepted(c+2) - 2 accepted(c+1) + accepted(c)>_{not a, b}.

For a majority the first difference is one positive term. Where these products leave the range of double precision, the
2^K configurations of signs are summed relative to the most probable accepted one, and derivatives are averages of
d log P_a and covariances of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from .kernels import CONTINUED_FRACTION_FROM, density, log_tail, mills, mills_excess, tail
from .multisets import count, following

RANGE = -600.0  # sum of the logs of the smaller probability of every field, above which no product underflows
ZERO = 2.816  # imaginary part of the zeros of H nearest to the real axis


@dataclass(frozen=True)
class TreeLeaf:
    """``accepted[c]`` : whether c positive fields make the output that is wanted;  V : variance inside the leaf."""

    accepted: tuple[bool, ...]
    V: float

    @property
    def K(self) -> int:
        return len(self.accepted) - 1

    def pole(self, V: float, soft: float, field: float) -> float:
        """Distance of the nearest singularity from the real axis once the leaf is smoothed to the variance V.

        Z vanishes where H does; and where two fields compete for a flip, exp(-omega_1^2/2 soft) + exp(-omega_2^2/2 soft)
        does at omega_1 - omega_2 = i pi soft/omega, a kink that sharpens with the depth ``field``.
        """
        own = ZERO * math.sqrt(V)
        return own if self.K == 1 else 1.0 / math.hypot(1.0 / own, field / (math.pi * soft))

    def table(self, nodes: np.ndarray, hessian: bool = True) -> np.ndarray:
        """Rows on the multisets: log Z, |gradient|^2, trace and squared Frobenius norm of the Hessian (nan if not asked for)."""
        out = np.full((4, count(nodes.size, self.K)), np.nan)
        _table(_nodes(np.ascontiguousarray(nodes), self.V), np.array(self.accepted), self.K, hessian, out)
        return out

    def points(self, fields: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log Z and the squared Frobenius norm of its Hessian at rows of K fields."""
        out = np.zeros((2, fields.shape[0]))
        _points(_nodes(np.ascontiguousarray(fields).reshape(-1), self.V), np.array(self.accepted), self.K, out)
        return out[0], out[1]


def majority(K: int) -> tuple[bool, ...]:
    """The output of an odd number of units is the sign of most of them."""
    return tuple(c > K / 2 for c in range(K + 1))


def parity(K: int) -> tuple[bool, ...]:
    """The output is the product of the signs."""
    return tuple((K - c) % 2 == 0 for c in range(K + 1))


@njit(cache=True, error_model="numpy")
def _nodes(nodes, V):
    """Columns per node: P, Q, g, -d log g; log P, log Q; scores d log P, d log Q and their derivatives."""
    out = np.empty((nodes.size, 10))
    s = math.sqrt(V)
    for i in range(nodes.size):
        x = nodes[i] / s
        out[i, 0], out[i, 1] = tail(-x), tail(x)
        out[i, 2], out[i, 3] = density(x) / s, x / s
        out[i, 4], out[i, 5] = log_tail(-x), log_tail(x)
        up, down = mills(-x), mills(x)
        out[i, 6], out[i, 7] = up / s, -down / s
        out[i, 8] = -up * (mills_excess(-x) if -x >= CONTINUED_FRACTION_FROM else up + x) / V
        out[i, 9] = -down * (mills_excess(x) if x >= CONTINUED_FRACTION_FROM else down - x) / V
    return out


@njit(cache=True, error_model="numpy")
def _table(node, accepted, K, hessian, out):
    index = np.zeros(K, dtype=np.int64)
    prefix = np.zeros((K + 1, K + 2))
    first, second = np.zeros((K + 2, K + 3)), np.zeros((K + 2, K + 3))
    vector, grad, hess = np.zeros(K + 2), np.zeros(K), np.zeros((K, K))
    score = np.zeros(K)
    step = np.zeros(K + 3)
    for c in range(K + 1):
        step[c] = 1.0 if accepted[c] else 0.0
    for r in range(out.shape[1]):
        least = 0.0
        for a in range(K):
            least += min(node[index[a], 4], node[index[a], 5])
        if least > RANGE:
            value = _counted(node, index, step, K, hessian, prefix, first, second, vector, grad, hess)
        else:
            value = _enumerated(node, index, accepted, K, score, grad, hess)
        out[0, r] = value
        square, trace, norm = 0.0, 0.0, 0.0
        for a in range(K):
            square += grad[a] * grad[a]
            trace -= grad[a] * (node[index[a], 3] + grad[a])
            if hessian:
                norm += hess[a, a] * hess[a, a]
                for b in range(a):
                    norm += 2.0 * hess[a, b] * hess[a, b]
        out[1, r], out[2, r] = square, trace
        if hessian:
            out[3, r] = norm
        following(index)


@njit(cache=True, error_model="numpy")
def _points(node, accepted, K, out):
    index = np.arange(K)
    score, grad, hess = np.zeros(K), np.zeros(K), np.zeros((K, K))
    for r in range(out.shape[1]):
        out[0, r] = _enumerated(node, index, accepted, K, score, grad, hess)
        for a in range(K):
            out[1, r] += hess[a, a] * hess[a, a]
            for b in range(a):
                out[1, r] += 2.0 * hess[a, b] * hess[a, b]
        index += K


@njit(cache=True, error_model="numpy")
def _counted(node, index, step, K, hessian, prefix, first, second, vector, grad, hess):
    """log Z, gradient and Hessian by recursion over counts."""
    prefix[0, 0] = 1.0
    for a in range(K):
        P, Q = node[index[a], 0], node[index[a], 1]
        prefix[a + 1, 0] = Q * prefix[a, 0]
        for c in range(1, a + 1):
            prefix[a + 1, c] = Q * prefix[a, c] + P * prefix[a, c - 1]
        prefix[a + 1, a + 1] = P * prefix[a, a]
    inside, outside = 0.0, 0.0
    for c in range(K + 1):
        if step[c] > 0.0:
            inside += prefix[K, c]
        else:
            outside += prefix[K, c]
    for c in range(K):
        first[K, c] = step[c + 1] - step[c]
    for a in range(K - 1, 0, -1):
        P, Q = node[index[a], 0], node[index[a], 1]
        for c in range(a):
            first[a, c] = Q * first[a + 1, c] + P * first[a + 1, c + 1]
    for a in range(K):
        total = 0.0
        for c in range(a + 1):
            total += prefix[a, c] * first[a + 1, c]
        grad[a] = node[index[a], 2] * total / inside
    if hessian:
        for c in range(K - 1):
            second[K, c] = step[c + 2] - 2.0 * step[c + 1] + step[c]
        for a in range(K - 1, 1, -1):
            P, Q = node[index[a], 0], node[index[a], 1]
            for c in range(a - 1):
                second[a, c] = Q * second[a + 1, c] + P * second[a + 1, c + 1]
        for a in range(K):
            hess[a, a] = -grad[a] * (node[index[a], 3] + grad[a])
            for c in range(a + 1):
                vector[c] = prefix[a, c]
            for b in range(a + 1, K):
                total = 0.0
                for c in range(b):
                    total += vector[c] * second[b + 1, c]
                hess[b, a] = node[index[a], 2] * node[index[b], 2] * total / inside - grad[a] * grad[b]
                P, Q = node[index[b], 0], node[index[b], 1]
                vector[b] = P * vector[b - 1]
                for c in range(b - 1, 0, -1):
                    vector[c] = Q * vector[c] + P * vector[c - 1]
                vector[0] *= Q
    return math.log(inside) if inside < outside else math.log1p(-outside)


@njit(cache=True, error_model="numpy")
def _enumerated(node, index, accepted, K, score, grad, hess):
    """The same by a sum over signs, relative to the most probable accepted ones."""
    top = -np.inf
    for s in range(1 << K):
        log, ups = 0.0, 0
        for a in range(K):
            up = (s >> a) & 1
            ups += up
            log += node[index[a], 5 - up]
        if accepted[ups] and log > top:
            top = log
    mass = 0.0
    grad[:] = 0.0
    hess[:] = 0.0
    for s in range(1 << K):
        log, ups = 0.0, 0
        for a in range(K):
            up = (s >> a) & 1
            ups += up
            log += node[index[a], 5 - up]
            score[a] = node[index[a], 7 - up]
        if not accepted[ups] or log < top - 60.0:
            continue
        e = math.exp(log - top)
        mass += e
        for a in range(K):
            grad[a] += e * score[a]
            hess[a, a] += e * (score[a] * score[a] + node[index[a], 9 - ((s >> a) & 1)])
            for b in range(a):
                hess[a, b] += e * score[a] * score[b]
    for a in range(K):
        grad[a] /= mass
    for a in range(K):
        for b in range(a + 1):
            hess[a, b] = hess[a, b] / mass - grad[a] * grad[b]
    return top + math.log(mass)
