r"""One step of the Parisi recursion for K exchangeable fields, on multisets of lattice nodes.

.. math:: \phi_0(y) = \frac1m \log \sum_{i_1 \dots i_K} W_{y_1 i_1} \cdots W_{y_K i_K}\, e^{m \phi_1(i_1, \dots, i_K)}, \qquad
    W_{yi} \propto e^{-(x_i - y)^2/2c_1}

The inner average is a product of one-field averages and is contracted one axis at a time. A symmetric function stays
symmetric in the axes contracted and in those that are not, so that the state after j of them is
T_j(j outer nodes; K - j inner nodes) on multisets of both: binom(n+K-1, K) numbers and a small power of n times as much
work, where a product grid takes n^K of one and n^(K+1) of the other. Outer multisets are walked depth first, so that only
one chain of states is in memory at a time. The last two axes are left open on both sides: there

    T = W M W',   d_a T = W1 M W',   d_aa T = W2 M W',   d_ab T = W1 M W1',   W1 = dW/dy, W2 = d^2W/dy^2,

are gradient and Hessian of phi_0, exactly those of the sum. On the way back the same contractions, transposed, carry the
outer weights to the inner nodes (derivatives of sum w log T with respect to the leaf's values are the weights P_1), and
every average at the inner level is one scalar product. All terms are positive.

Sums are trapezoid sums: the kernel is as wide as sqrt(c), the leaf as smooth as its nearest singularity is far.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .multisets import binomials, count, following, weights
from .parisi import TooNarrow, Tower
from .symmetric_lattice import RESOLVED, SPARED, TooLarge, lattice
from .tree_leaf import TreeLeaf

LIFT = 600.0  # exp(m phi + LIFT): phi <= 0, and double precision ends at exp(709)
GENTLE = 1.0  # largest |m phi| at which exp(m phi) - 1 is summed instead, which keeps its digits as m -> 0
SMOOTHER = 0.8  # m up to which E_1 |grad phi_1|^2 is taken from second derivatives, over 1 - m
CHUNK = 192  # rows of one matrix product


def gaussian(x: np.ndarray, c: float) -> np.ndarray:
    w = np.exp(-x * x / (2 * c)) if c > 0 else np.ones(x.size)
    return np.asarray(w / w.sum())


def kernels(y: np.ndarray, x: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """W, dW/dy, d^2W/dy^2 with rows of W that sum to 1, and the mass of the rows before that."""
    z = x[None, :] - y[:, None]
    g = np.exp(-z * z / (2 * c))
    mass = g.sum(axis=1) * (x[1] - x[0]) / math.sqrt(2 * math.pi * c)
    W = g / g.sum(axis=1, keepdims=True)
    u = z / c
    mean = (W * u).sum(axis=1, keepdims=True)
    d = u - mean
    var = (W * d * d).sum(axis=1, keepdims=True)
    # W ~ exp(-z^2/2c)/sum: the log derivative is u - <u>, and its derivative -Var u (that of u, -1/c, cancels)
    return W, W * d, W * (d * d - var), mass


def tower(
    leaf: TreeLeaf,
    c: np.ndarray,
    m: np.ndarray,
    quality: float = 1.0,
    *,
    nodes: list[int] | None = None,
    hessian: bool = True,
) -> Tower:
    """Evaluate a tower of increments c_0 (replica symmetry) or c_0, c_1 (c_0 may be 0) and powers m (m[0] is 0).

    nodes : nodes to either side per level, so that the answer is a smooth function of c and m; ``hessian`` : whether
    ``curvature_square`` is wanted (nan otherwise).
    """
    c, m = np.asarray(c, dtype=float), np.asarray(m, dtype=float)
    if c.size > 2:
        raise TooLarge("trees are broken in one step; got more")
    if not (np.isfinite(c).all() and np.isfinite(m).all() and leaf.V > 0 and (c >= 0).all()):
        raise TooNarrow("order parameters are not finite")
    power = float(m[1]) if c.size == 2 else 0.0
    x = lattice(leaf, c, power, quality, nodes)
    if c.size == 1:
        return symmetric(leaf, x[0], float(c[0]), hessian)
    if not c[1] > 0:
        raise TooNarrow("neighbouring overlaps coincide")
    return Contraction(leaf, x[0], x[1], c, power, hessian).tower()


def symmetric(leaf: TreeLeaf, x: np.ndarray, c: float, hessian: bool) -> Tower:
    """No contraction: the averages of the leaf."""
    table = leaf.table(x, hessian)
    P = weights(gaussian(x, c), leaf.K)
    mean = table @ P
    h = x[1] - x[0] if x.size > 1 else 1.0
    mass = h * float(np.exp(-x * x / (2 * c)).sum()) / math.sqrt(2 * math.pi * c) if c > 0 else 1.0
    one = np.array
    size = float(P @ np.abs(table[0]))
    return Tower(
        float(mean[0]), one([mean[1]]), one([mean[1]]), one([mean[2]]), one([mean[3]]), np.zeros(1), np.empty(0),
        size, leaf.K * abs(1 - mass), [x], [table[0]], [P],
    )  # fmt: skip


class Contraction:
    """The walk over the outer multisets: ``expand`` on the way out, ``finish`` at its end, ``back`` on the way home."""

    def __init__(self, leaf: TreeLeaf, y: np.ndarray, x: np.ndarray, c: np.ndarray, m: float, hessian: bool):
        self.leaf, self.K, self.m, self.hessian = leaf, leaf.K, m, hessian
        self.x, self.y, self.c = x, y, c
        self.weight = gaussian(y, float(c[0]))
        self.W, W1, W2, self.mass = kernels(y, x, float(c[1]))
        self.WT, self.W1, self.W1T, self.W2T = (np.ascontiguousarray(a) for a in (self.W.T, W1, W1.T, W2.T))
        self.table = leaf.table(x, hessian)
        exponent = m * self.table[0]
        self.weak = bool(np.abs(exponent).max() < GENTLE)
        K, n0, n1 = self.K, y.size, x.size
        self.B = binomials(n1, K)
        shapes = [1] + [n0] * max(K - 2, 0)
        self.state = [np.empty((rows, count(n1, K - j))) for j, rows in enumerate(shapes)]
        self.state[0][0] = np.expm1(exponent) if self.weak else np.exp(exponent + LIFT)
        self.dual = [np.zeros(s.shape) for s in self.state]
        self.phi = np.zeros(count(n0, K))
        self.B0 = binomials(n0, K)
        self.sums = np.zeros(6)
        self.cut = math.exp(-RESOLVED[K] - SPARED)

    def visit(self, j: int, row: int, outer: tuple[int, ...], weight: float) -> None:
        """The state T_j(outer; .), of ordered weight ``weight``, and its dual."""
        K = self.K
        if j == max(K - 2, 0):
            share = weight * math.factorial(j) / math.prod(math.factorial(outer.count(a)) for a in set(outer))
            base = sum(int(self.B0[a, b]) for b, a in enumerate(outer))
            finish(
                self.state[j][row], self.dual[j][row], self.W, self.WT, self.W1, self.W1T, self.W2T, self.weight,
                share, self.m, self.weak, self.hessian, K, outer[-1] if outer else 0, base, self.B0, self.phi, self.sums,
            )  # fmt: skip
            return
        least = outer[-1] if outer else 0
        n1 = self.x.size
        heaviest = float(self.weight.max())
        kept = [a for a in range(least, self.y.size) if weight * self.weight[a] > self.cut * heaviest ** (j + 1)]
        if not kept:
            self.dual[j][row] = 0.0
            return
        # outer weights fall towards both ends: what is kept is a run
        first, last = kept[0], kept[-1] + 1
        k = K - j - 1
        expand(self.state[j][row], self.WT[:, first:last].copy(), self.B, n1, k, self.state[j + 1][first:last])
        for a in range(first, last):
            self.visit(j + 1, a, (*outer, a), weight * float(self.weight[a]))
        back(self.dual[j + 1][first:last], self.W[first:last], self.B, n1, k, self.dual[j][row])

    def tower(self) -> Tower:
        with np.errstate(under="ignore"):
            self.visit(0, 0, (), 1.0)
        table, m, K = self.table, self.m, self.K
        exponent = m * table[0]
        P = self.dual[0][0] * np.exp(exponent if self.weak else exponent + LIFT)
        value, size, square, curvature, curvature_square, failed = self.sums
        if failed > 0:
            raise TooNarrow("exp(m phi) beyond the range of double precision: overlaps too close to each other or to 1")
        inner = table @ P
        slope = (inner[0] - value) / m
        if m < SMOOTHER:
            # E_1[Lap phi_1 + m |grad phi_1|^2] = E_0[Lap phi_0 + m |grad phi_0|^2] (heat equation), and on the left
            # Lap Z/Z = Lap phi_1 + |grad phi_1|^2 hardly has the kinks of |grad phi_1|^2: 30 times less of an error
            inner[1] = (inner[1] + inner[2] - curvature - m * square) / (1 - m)
        truncated = K * float(self.weight @ np.abs(1 - self.mass))
        return Tower(
            float(value),
            np.array([square, inner[1]]),
            np.array([square, inner[1] - square]),
            np.array([curvature, inner[2]]),
            np.array([curvature_square, inner[3]]),
            np.array([0.0, slope]),
            np.empty(0),
            float(size),
            max(truncated, abs(1 - float(P.sum()))),
            [self.y, self.x],
            [self.phi, table[0]],
            [weights(self.weight, K), P],
        )


@njit(cache=True, error_model="numpy")
def _bases(index, B, base):
    """Rank of a multiset with one node i more, less what i adds in place p: nodes from p on move up one place."""
    k = index.size
    total = 0
    for b in range(k):
        total += B[index[b], b + 1]
    base[0] = total
    for p in range(1, k + 1):
        total += B[index[p - 1], p - 1] - B[index[p - 1], p]
        base[p] = total


@njit(cache=True, error_model="numpy")
def expand(state, WT, B, n1, k, out):
    """out[a, R] = sum_i W[a, i] state[R + i] over the multisets R of k nodes."""
    index, base = np.zeros(k, dtype=np.int64), np.empty(k + 1, dtype=np.int64)
    total, children = out.shape[1], out.shape[0]
    rows = np.empty((CHUNK, n1))
    for start in range(0, total, CHUNK):
        size = min(CHUNK, total - start)
        for r in range(size):
            _bases(index, B, base)
            low = 0
            for p in range(k + 1):
                high = index[p] if p < k else n1
                for i in range(low, high):
                    rows[r, i] = state[base[p] + B[i, p]]
                low = high
            following(index)
        part = np.dot(rows[:size], WT)
        for a in range(children):
            for r in range(size):
                out[a, start + r] = part[r, a]


@njit(cache=True, error_model="numpy")
def back(dual, W, B, n1, k, out):
    """The transpose of `expand`: out[R + i] = sum over R, i that make it of sum_a dual[a, R] W[a, i]."""
    index, base = np.zeros(k, dtype=np.int64), np.empty(k + 1, dtype=np.int64)
    total, children = dual.shape[1], dual.shape[0]
    part = np.empty((CHUNK, children))
    out[:] = 0.0
    for start in range(0, total, CHUNK):
        size = min(CHUNK, total - start)
        for a in range(children):
            for r in range(size):
                part[r, a] = dual[a, start + r]
        rows = np.dot(part[:size], W)
        for r in range(size):
            _bases(index, B, base)
            low = 0
            for p in range(k + 1):
                high = index[p] if p < k else n1
                for i in range(low, high):
                    out[base[p] + B[i, p]] += rows[r, i]
                low = high
            following(index)


@njit(cache=True, error_model="numpy")
def finish(state, dual, W, WT, W1, W1T, W2T, weight, share, m, weak, hessian, K, least, base, B0, phi, sums):
    """The last two axes, open on both sides; one axis where K = 1, the other then having a single node.

    Sums: value, magnitude, square, curvature, curvature_square, rows lost to underflow.
    """
    n1, n0 = W.shape[1], weight.size
    if K == 1:
        M = state.copy().reshape(1, n1)
        X, first = M, np.ones(1)
    else:
        M = np.empty((n1, n1))
        r = 0
        for i in range(n1):
            for k in range(i + 1):
                M[i, k] = state[r]
                M[k, i] = state[r]
                r += 1
        X, first = np.dot(W, M), weight
    T, D, D2 = np.dot(X, WT), np.dot(X, W1T), np.dot(X, W2T)
    if hessian:
        cross = np.dot(np.dot(W1, M), W1T) if K > 1 else D2
    scale = 1.0 / m
    G = np.zeros(T.shape)
    for a in range(first.size):
        for b in range(n0):
            total = 1.0 + T[a, b] if weak else T[a, b]
            w = share * first[a] * weight[b]
            if not total > 0.0:
                if w > 1e-25:
                    sums[5] += 1.0
                T[a, b] = 1.0
                D[a, b] = 0.0
                continue
            value = (math.log1p(T[a, b]) if weak else math.log(total) - LIFT) * scale
            D[a, b] *= scale / total
            T[a, b] = total
            G[a, b] = w / total
            sums[0] += w * value
            sums[1] += w * abs(value)
            sums[2] += w * K * D[a, b] * D[a, b]
            sums[3] += w * K * (D2[a, b] * scale / total - m * D[a, b] * D[a, b])
            if K == 1:
                phi[b] = value
            elif least <= a <= b:
                phi[base + B0[a, K - 2] + B0[b, K - 1]] = value
    if hessian:
        for a in range(first.size):
            for b in range(n0):
                w = share * first[a] * weight[b]
                if G[a, b] == 0.0:
                    continue
                own = D2[a, b] * scale / T[a, b] - m * D[a, b] * D[a, b]
                sums[4] += w * K * own * own
                if K > 1:
                    other = cross[a, b] * scale / T[a, b] - m * D[a, b] * D[b, a]
                    sums[4] += w * K * (K - 1) * other * other
    else:
        sums[4] = np.nan
    if K == 1:
        dual[:] = np.dot(G, W)[0]
        return
    back_matrix = np.dot(np.dot(WT, G), W)
    r = 0
    for i in range(n1):
        for k in range(i):
            dual[r] = back_matrix[i, k] + back_matrix[k, i]
            r += 1
        dual[r] = back_matrix[i, i]
        r += 1
