r"""One step of the Parisi recursion for K exchangeable fields, Z^m in tensor-train form: interpolated from crosses.

Across a cut between j fields and the others, Z^m is a matrix of low numerical rank, some tens, since the few numbers of
positive fields are all that one side has to know of the other. With sets S_j of samples of j fields (rows) that are as many as
S_{K-j} (columns) and M_j = Z^m(S_j, S_{K-j}),

.. math:: E Z^m \approx C_1(y_1) M_1^{-1} C_2(y_2) M_2^{-1} \cdots C_K(y_K), \qquad
    C_j(y) = E_{\omega \sim N(y, c_1)} Z^m(S_{j-1}, \omega, S_{K-j}),

so that the inner average costs one-field quadratures, on as many nodes as kinks need. Exchange of fields makes
C_{K+1-j} the transpose of C_j. Outer multisets are split in two groups whose states are multiplied. With tangents of all
this along m, V and c_1, every derivative that the equations need follows from averages over the outer fields:

    E_1 phi_1 = E_0 d_m I/I,      E_1[Lap phi_1 + |grad phi_1|^2] = (2/m) E_0 d_V I/I,
    E_1[Lap phi_1 + m |grad phi_1|^2] = E_0[Lap phi_0 + m |grad phi_0|^2] = (2/m) E_0 d_c I/I,
    E_0 Lap phi_0 = E_0[phi_0 (|y|^2/c_0 - K)]/c_0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.linalg import lu_factor, lu_solve, qr

from .kernels import density, tail
from .multisets import binomials, members, weights
from .parisi import DIGITS, TooNarrow, Tower, step_for
from .symmetric_lattice import KINK, TooLarge
from .symmetric_tower import gaussian, kernels
from .tree_leaf import TreeLeaf

INNER = 26.0  # e-folds that one-field quadratures resolve
OUTER = {3: 24.0, 5: 20.0, 7: 15.0}  # those of the outer fields, whose multisets are walked
SPARED = 3.0  # and e-folds more, by which the weight of groups is down that are left out
BEYOND = 1.0  # standard deviations further than where a Gaussian is down by that many e-folds
MOST = 3000  # inner nodes to either side
PAIRS = 2e8  # of groups
ROWS = 64  # of them at a time
DRAWN, EACH = 6_000, 10  # outer fields, and inner ones of each
SAMPLES = 900  # rows and columns that a cross is chosen from
SPREAD = 1.5  # of the samples, standard deviations of a field
TANGENTS = 3  # m, V, c_1
NEAR = 0.3  # change of log V and log m, up to which crosses are held


@dataclass(frozen=True)
class Crosses:
    """Samples S_j of j fields, j = 1..K-1: (r_j, j), r_j = r_{K-j}; the point and the tolerance they were chosen for."""

    sets: list[np.ndarray]
    V: float
    m: float
    tolerance: float

    def near(self, V: float, m: float) -> bool:
        """Whether they serve another point, too."""
        return abs(math.log(V / self.V)) < NEAR and abs(math.log(m / self.m)) < NEAR


@njit(cache=True, error_model="numpy")
def _counts(fields, V, out):
    """Law of the number of positive fields of every row, and its derivative in V: out (row, 2, K + 1)."""
    s = math.sqrt(V)
    out[:] = 0.0
    for i in range(fields.shape[0]):
        out[i, 0, 0] = 1.0
        for a in range(fields.shape[1]):
            z = fields[i, a] / s
            P, Q = tail(-z), tail(z)
            d = -density(z) * z / (2.0 * V)
            for c in range(a + 1, -1, -1):
                low = out[i, 0, c - 1] if c > 0 else 0.0
                low_d = out[i, 1, c - 1] if c > 0 else 0.0
                out[i, 1, c] = Q * out[i, 1, c] + P * low_d + d * (low - out[i, 0, c])
                out[i, 0, c] = Q * out[i, 0, c] + P * low


def laws(fields: np.ndarray, V: float) -> np.ndarray:
    out = np.empty((fields.shape[0], 2, fields.shape[1] + 1))
    _counts(np.ascontiguousarray(fields), V, out)
    return out


@njit(cache=True, error_model="numpy")
def _powers(left, right, accepted, m, out):
    """Z^m of every pair of laws, and derivatives in m and V: out (3, left, right)."""
    na, nb = left.shape[2], right.shape[2]
    suffix = np.zeros((2, na))
    for j in range(right.shape[0]):
        for c in range(na):
            suffix[0, c] = 0.0
            suffix[1, c] = 0.0
            for d in range(nb):
                if accepted[c + d]:
                    suffix[0, c] += right[j, 0, d]
                    suffix[1, c] += right[j, 1, d]
        for i in range(left.shape[0]):
            Z, Zd = 0.0, 0.0
            for c in range(na):
                Z += left[i, 0, c] * suffix[0, c]
                Zd += left[i, 0, c] * suffix[1, c] + left[i, 1, c] * suffix[0, c]
            if Z > 1e-300:
                log = math.log(Z)
                e = math.exp(m * log)
                out[0, i, j] = e
                out[1, i, j] = e * log
                out[2, i, j] = m * e * Zd / Z
            else:
                out[:, i, j] = 0.0


def powers(leaf: TreeLeaf, m: float, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    out = np.empty((3, left.shape[0], right.shape[0]))
    _powers(left, right, np.array(leaf.accepted), m, out)
    return out


@njit(cache=True, error_model="numpy")
def _cores(left, right, one, accepted, m, i0, out):
    """Z^m and derivatives for one field between two sides: out (3, left - i0, right, node)."""
    na, nb = left.shape[2], right.shape[2]
    for i in range(out.shape[1]):
        for j in range(right.shape[0]):
            down, up, down_d, up_d = 0.0, 0.0, 0.0, 0.0
            for c in range(na):
                for d in range(nb):
                    p = left[i0 + i, 0, c] * right[j, 0, d]
                    pd = left[i0 + i, 1, c] * right[j, 0, d] + left[i0 + i, 0, c] * right[j, 1, d]
                    if accepted[c + d]:
                        down += p
                        down_d += pd
                    if accepted[c + d + 1]:
                        up += p
                        up_d += pd
            for k in range(one.shape[0]):
                Q, P, Qd, Pd = one[k, 0, 0], one[k, 0, 1], one[k, 1, 0], one[k, 1, 1]
                Z = Q * down + P * up
                if Z > 1e-300:
                    log = math.log(Z)
                    e = math.exp(m * log)
                    out[0, i, j, k] = e
                    out[1, i, j, k] = e * log
                    out[2, i, j, k] = m * e * (Q * down_d + P * up_d + Qd * down + Pd * up) / Z
                else:
                    out[0, i, j, k] = 0.0
                    out[1, i, j, k] = 0.0
                    out[2, i, j, k] = 0.0


def crosses(leaf: TreeLeaf, q1: float, m: float, tolerance: float) -> Crosses:
    """Rows and columns that interpolate Z^m across every cut: pivots of samples, so that the choice is reproducible."""
    K = leaf.K
    rng = np.random.default_rng(1)
    sets: list[np.ndarray] = [np.empty((0, 0))] * (K + 1)
    for j in range(1, K // 2 + 1):
        rows = rng.normal(size=(min(SAMPLES, 300 * j), j)) * SPREAD * math.sqrt(q1)
        columns = rng.normal(size=(SAMPLES, K - j)) * SPREAD * math.sqrt(q1)
        F = powers(leaf, m, laws(rows, leaf.V), laws(columns, leaf.V))[0]
        R, order = qr(F, mode="r", pivoting=True)
        size = np.abs(np.diag(R))
        rank = int((size > tolerance * size[0]).sum())
        chosen = order[:rank]
        _, lines = qr(F[:, chosen].T, mode="r", pivoting=True)
        sets[j], sets[K - j] = rows[lines[:rank]], columns[chosen]
    return Crosses(sets[1:K], leaf.V, m, tolerance)


def halves(leaf: TreeLeaf, c: np.ndarray, m: float, quality: float) -> list[float]:
    """Nodes to either side of 0 that the outer and the inner level want, not rounded."""
    c0, c1 = float(c[0]), float(c[1])
    kink = KINK * math.sqrt(c0 + c1)
    out = []
    for digits, wide, variance, pole in (
        (OUTER[leaf.K], c0, c0, leaf.pole(leaf.V + c1, leaf.V / m + c1, kink)),
        (INNER, c0 + c1, c1, leaf.pole(leaf.V, leaf.V, kink)),
    ):
        s = math.sqrt(DIGITS / digits)
        out.append(reach(digits, wide) / step_for(math.sqrt(variance) * s, pole * s * s) * quality)
    return out


def reach(digits: float, c: float) -> float:
    return (math.sqrt(2 * digits) + BEYOND) * math.sqrt(c)


# --- states of groups of fields ---------------------------------------------------------------------------------------------


class Chain:
    """Contracted cores M_{j-1}^{-1} C_j, j up to the middle, with tangents (m, V, c_1), on nodes of the outer field.

    ``first`` : those of one field with the first and second derivative of its kernel
    """

    def __init__(self, leaf: TreeLeaf, y: np.ndarray, x: np.ndarray, c1: float, m: float, cross: Crosses):
        self.leaf, self.m = leaf, m
        K, V = leaf.K, leaf.V
        W, W1, W2, self.mass = kernels(y, x, c1)
        one = laws(x[:, None], V)
        empty = np.zeros((1, 2, 1))
        empty[0, 0, 0] = 1.0
        law = [empty, *(laws(s, V) for s in cross.sets)]
        self.cores: list[np.ndarray] = []
        self.middle = K // 2
        for j in range(1, self.middle + 2):
            left, right = law[j - 1], law[K - j]
            C = np.empty((1 + TANGENTS, y.size, left.shape[0], right.shape[0]))
            block = np.empty((3, 1, right.shape[0], x.size))
            for i in range(left.shape[0]):
                _cores(left, right, one, np.array(leaf.accepted), m, i, block)
                C[:3, :, i] = np.moveaxis(block[:, 0] @ W.T, 2, 1)
                C[3, :, i] = (block[0, 0] @ (0.5 * W2).T).T
                if j == 1:
                    self.first = [(block[0, 0] @ w.T).T for w in (W, W1, W2)]
            if j > 1:
                C = self._divided(powers(leaf, m, law[j - 1], law[K - j + 1]), C)
            self.cores.append(C)

    def _divided(self, M: np.ndarray, C: np.ndarray) -> np.ndarray:
        """M^-1 C; d(M^-1 C) = M^-1 (dC - dM M^-1 C). Keeps the factors of the last M, the middle one."""
        self.factors, self.M = lu_factor(M[0]), M
        out = np.empty(C.shape)
        rank = M.shape[1]
        for t in range(1 + TANGENTS):
            right = C[t] - (M[t] @ out[0] if 0 < t < 3 else 0.0)
            flat = np.moveaxis(right, 1, 0).reshape(rank, -1)
            out[t] = np.moveaxis(lu_solve(self.factors, flat).reshape(rank, C.shape[1], C.shape[3]), 0, 1)
        return out

    def states(self, own: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Multisets of as many fields as either side of the middle has, their weights, and (tangent, multiset, rank)."""
        index, state = members(own.size, 1), self.cores[0][:, :, 0, :]
        kept = np.ones(own.size, dtype=bool)
        out = []
        for j in range(1, self.middle + 2):
            if j > 1:
                longer = members(own.size, j)
                weight = weights(own, j)
                keep = weight > math.exp(-OUTER[self.leaf.K] - SPARED) * weight.max()
                new = longer[keep]
                place = np.cumsum(kept) - 1
                before = place[ranks(new[:, :-1])]
                core = self.cores[j - 1]
                moved = np.empty((1 + TANGENTS, new.shape[0], core.shape[3]))
                for k in range(own.size):
                    rows = np.flatnonzero(new[:, -1] == k)
                    v = state[:, before[rows]]
                    moved[0, rows] = v[0] @ core[0, k]
                    for t in range(1, 1 + TANGENTS):
                        moved[t, rows] = v[t] @ core[0, k] + v[0] @ core[t, k]
                index, state, kept = new, moved, keep
            if j >= self.middle:
                out.append((index, weights(own, j)[kept], state))
        return out

    def over(self, v: np.ndarray) -> np.ndarray:
        """v M^-1 at the middle."""
        return np.asarray(lu_solve(self.factors, v.T, trans=1).T)

    def walked(self, index: np.ndarray, first: np.ndarray) -> np.ndarray:
        """States of ordered rows of outer nodes, the first of which enters by ``first``."""
        v = first[index[:, 0]]
        for j in range(1, index.shape[1]):
            v = np.einsum("ia,iab->ib", v, self.cores[j][0][index[:, j]])
        return v


def ranks(index: np.ndarray) -> np.ndarray:
    """Rank of every sorted row."""
    B = binomials(int(index.max()) + 1, index.shape[1])
    return np.asarray(sum(B[index[:, a], a] for a in range(index.shape[1])))


def tower(
    leaf: TreeLeaf,
    c: np.ndarray,
    m: float,
    cross: Crosses,
    quality: float = 1.0,
    *,
    nodes: list[int] | None = None,
    hessian: bool = True,
) -> Tower:
    """The tower of increments c_0, c_1 > 0 and power m in (0, 1); arguments as in `symmetric_tower.tower`.

    Averages of squared Hessians are those of samples: `sampled`. Those of the inner level are not tabulated.
    """
    K, c0, c1 = leaf.K, float(c[0]), float(c[1])
    if not (c0 > 0 and c1 > 0 and leaf.V > 0 and 0 < m < 1):
        raise TooNarrow("neighbouring overlaps coincide")
    n0, n1 = nodes if nodes is not None else [math.ceil(v) for v in halves(leaf, c, m, quality)]
    if n1 > MOST:
        raise TooLarge(f"1 - q1 = {leaf.V:.2g} needs {2 * n1 + 1} nodes")
    y = np.arange(-n0, n0 + 1) * (reach(OUTER[K], c0) / n0)
    x = np.arange(-n1, n1 + 1) * (reach(INNER, c0 + c1) / n1)
    own = gaussian(y, c0)
    chain = Chain(leaf, y, x, c1, m, cross)
    (few, w_few, left), (many, w_many, right) = chain.states(own)
    if few.shape[0] * float(many.shape[0]) > PAIRS:
        raise TooLarge(f"{K} fields on {y.size} outer nodes each: {few.shape[0] * many.shape[0]:.2g} pairs of groups")
    rank = left.shape[2]
    divided = np.concatenate([chain.over(v) for v in left], axis=1)
    moved = [divided[:, t * rank : (t + 1) * rank] for t in range(1 + TANGENTS)]
    for t in (1, 2):
        moved[t] = moved[t] - chain.over(moved[0] @ chain.M[t])
    far = [(y * y)[index].sum(axis=1) / c0 for index in (few, many)]
    sums = np.zeros(7)
    both = [np.concatenate([right[t], right[0]], axis=1).T.copy() for t in range(1 + TANGENTS)]
    for start in range(0, few.shape[0], ROWS):
        part = slice(start, start + ROWS)
        share = w_few[part, None] * w_many[None, :]
        Z = moved[0][part] @ right[0].T
        # smaller Z have no digits, nor a weight: they end smoothly, at every point alike
        softened = Z * Z + cross.tolerance**2
        phi = 0.5 * np.log(softened)
        weighed = share * phi
        sums[0] += weighed.sum()
        sums[1] += far[0][part] @ weighed.sum(axis=1) + weighed.sum(axis=0) @ far[1]
        sums[2] += np.abs(weighed).sum()
        sums[3] += share.sum()
        share *= Z / softened
        for t in range(1, 1 + TANGENTS):
            # sum of share (moved_t . right_0 + moved_0 . right_t)
            A = share @ both[t].T
            sums[3 + t] += np.vdot(np.concatenate([moved[0][part], moved[t][part]], axis=1), A)
    missing = 1 - float(sums[3])
    value, log_Z, by_V, heat = sums[0] / m, sums[4], 2 / m * sums[5], 2 / m * sums[6]
    curvature = (sums[1] / m - K * value) / c0
    inside = (by_V - heat) / (1 - m)
    square = np.array([(heat - curvature) / m, inside])
    squares = np.full(2, math.nan)
    if hessian:
        squares = sampled(chain, y, own, c1, m, cross.tolerance, round(1000 * quality))
    return Tower(
        float(value),
        square,
        np.array([square[0], square[1] - square[0]]),
        np.array([curvature, heat - m * inside]),
        squares,
        np.array([0.0, (log_Z - value) / m]),
        np.empty(0),
        float(sums[2] / m),
        max(abs(missing), K * float(own @ np.abs(1 - chain.mass))),
        [y, x],
        [np.empty(0), np.empty(0)],
        [np.empty(0), np.empty(0)],
    )


def sampled(chain: Chain, y: np.ndarray, own: np.ndarray, c1: float, m: float, least: float, seed: int) -> np.ndarray:
    """E_0 |Hess phi_0|^2 and E_1 |Hess phi_1|^2 (Frobenius) of outer fields drawn from their weights, inner ones from N(y, c_1)."""
    K, h = chain.leaf.K, chain.middle
    rng = np.random.default_rng(seed)
    index = rng.choice(y.size, size=(DRAWN, K), p=own)
    left = [chain.over(chain.walked(index[:, :h], first)) for first in chain.first]
    right = [chain.walked(index[:, h:], first) for first in chain.first[:2]]

    def meet(i: int, k: int) -> np.ndarray:
        return np.asarray(np.einsum("ia,ia->i", left[i], right[k]))

    Z = meet(0, 0)
    good = Z > least
    Z = np.where(good, Z, 1.0)
    one, other = meet(1, 0) / (m * Z), meet(0, 1) / (m * Z)
    own_second, mixed = meet(2, 0) / (m * Z) - m * one**2, meet(1, 1) / (m * Z) - m * one * other
    outer = K * own_second**2 + K * (K - 1) * mixed**2
    fields = y[index[good]] + math.sqrt(c1) * rng.normal(size=(EACH, int(good.sum()), K))
    log_Z, norm = (v.reshape(EACH, -1) for v in chain.leaf.points(fields.reshape(-1, K)))
    inner = np.exp(m * log_Z) / Z[good]
    return np.array([outer[good].mean(), float((inner * norm).mean() / inner.mean())])
