r"""One step of the Parisi recursion, factorised, for machines that one flip satisfies: majority of three and parity of two.

With r = Q/P, the odds against a positive field, all K fields or all but one are positive with probability

.. math:: Z = x \prod_j P_j, \qquad x = a + \sum_j r_j, \qquad a = 1 \text{ (with } a = 0 \text{: exactly one is not)},

so that a power of Z is a one-dimensional integral of products (lambda = e^u, rho_j = lambda r_j):

.. math:: Z^m = \frac{1}{\Gamma(2-m)} \int du\, e^{-mu}\, (\lambda x)^2 e^{-\lambda x} \prod_j P_j^m, \qquad
    (\lambda x)^2 e^{-\lambda x} = 2\,[Y^2]\, A(Y) \prod_j \sum_k \frac{\rho_j^k e^{-\rho_j}}{k!} Y^k,

and the inner average of a product is one of one-field averages U_k = E P^m rho^k e^{-rho}/k!: no lattice of K fields. All
terms are positive. 1/lambda is the odds of the field that decides; as V -> 0, U_0 and U_1 become the tables of
`order_statistics`. Averages over the tilted fields are integrals of the same kind: with h = (dP/d omega)/P,

    d_a log Z = h_a (x - 1 - r_a)/x,     d_ab log Z = - h_a h_b (1+r_a)(1+r_b)/x^2,
    d_aa log Z = - d_a log Z (omega_a/V + d_a log Z).

Parity of two is "exactly one" (a = 0, K = 2) with one field turned around, which changes no average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import digamma, gamma

from .kernels import CONTINUED_FRACTION_FROM, log_tail, mills, mills_excess
from .multisets import members, weights
from .parisi import TooNarrow, Tower, step_for
from .symmetric_lattice import KINK
from .symmetric_tower import gaussian
from .tree_leaf import TreeLeaf, majority, parity

DIGITS = 32.0  # e-folds that lattices resolve
OUTER = 26.0  # those of the outer fields, whose multisets are walked
SPARED = 10.0  # and e-folds more, by which the weight of outer multisets is down that are left out
BEYOND = 1.0  # standard deviations further than where a Gaussian is down by that many e-folds
STRIP = 0.5 * math.pi  # |Im u| at which exp(-e^u) ceases to decay
TWICE = 1.4  # the step of u that the inner fields may take: the integral over u smooths it once more
WIDTH = {1.0: 0.5, 0.0: 0.35}  # of the deciding field on either side, of the tilted Gaussian: the product is narrower
BEND = 4.0  # steps over which those of u go over into those of the deciding field
LAST = 20.0  # e-folds of the integral beyond the most extreme odds
GONE = 45.0  # rho at which exp(-rho) is
MOST = 200_000  # inner nodes
BLOCK = 8  # values of u at a time
RANGE = (1e-3, 1.9)  # m: digits are lost as 1/m, and Gamma(2 - m) ends


@dataclass(frozen=True)
class Lattice:
    """Outer fields; inner fields and the lengths they stand for; values of u and theirs."""

    y: np.ndarray
    x: np.ndarray
    dx: np.ndarray
    u: np.ndarray
    du: np.ndarray


def decided(accepted: tuple[bool, ...]) -> float | None:
    """a of the module's formula; None for other machines."""
    return 1.0 if accepted == majority(3) else 0.0 if accepted == parity(2) else None


# --- lattices -----------------------------------------------------------------------------------------------------------


def outer_half(leaf: TreeLeaf, c: np.ndarray, m: float, quality: float) -> float:
    """Outer nodes to either side of 0 that are wanted, not rounded."""
    c0, c1 = float(c[0]), float(c[1])
    if c0 <= 0:
        return 0.0
    s = math.sqrt(36.0 / OUTER)
    pole = leaf.pole(leaf.V + c1, leaf.V / m + c1, KINK * math.sqrt(c0 + c1))
    return reach(OUTER, c0) / step_for(math.sqrt(c0) * s, pole * s * s) * quality


def reach(digits: float, c: float) -> float:
    return (math.sqrt(2 * digits) + BEYOND) * math.sqrt(c)


def lattice(leaf: TreeLeaf, c: np.ndarray, m: float, quality: float, outer: int) -> Lattice:
    """Lattices of a tower; ``outer`` nodes to either side."""
    a, V, c0, c1 = float(leaf.accepted == majority(3)), leaf.V, float(c[0]), float(c[1])
    y = np.arange(-outer, outer + 1) * (reach(OUTER, c0) / outer) if outer else np.zeros(1)
    far = reach(DIGITS, c0 + c1)
    x, dx = inner(V, c1, a, far, quality)
    s = far / math.sqrt(V)
    u, du = deciding(V, c1, m, a, log_tail(s) - log_tail(-s) - LAST, quality)
    return Lattice(y, x, dx, u, du)


def inner(V: float, c1: float, a: float, far: float, quality: float) -> tuple[np.ndarray, np.ndarray]:
    """Fields with steps in the field where it is small or positive (a = 1), in log r = field^2/2V elsewhere."""
    steep = quality * DIGITS / (2 * math.pi * STRIP * TWICE * V)
    plain = quality / step_for(math.sqrt(c1), TreeLeaf((False, True), V).pole(V, V, 0.0))
    # the map is singular at +-i plain/steep, which has to be as many nodes away as resolve the digits
    plain = max(plain, math.sqrt(quality * DIGITS / (2 * math.pi) * 4 / math.pi * steep))

    def at(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number of the node, and its density."""
        root = np.sqrt(plain**2 + (steep * x) ** 2)
        number = 0.5 * (x * root + plain**2 / steep * np.arcsinh(steep * x / plain))
        if a == 0:
            return number, root
        return 0.5 * (number - 0.5 * steep * x * x) + plain * x, 0.5 * (root - steep * x) + plain

    ends = np.array([-far, far])
    low, high = np.ceil(at(ends)[0])
    if high - low > MOST:
        raise TooNarrow(f"1 - q1 = {V:.2g} needs {high - low:.0f} nodes")
    wanted = np.arange(low, high)
    rough = np.linspace(-far, far, 2 * wanted.size)
    x = np.interp(wanted, at(rough)[0], rough)
    for _ in range(4):
        number, density = at(x)
        x = x + (wanted - number) / density
    return x, 1 / at(x)[1]


def deciding(V: float, c1: float, m: float, a: float, lowest: float, quality: float) -> tuple[np.ndarray, np.ndarray]:
    """u from ``lowest`` on: steps in u near 0, in sqrt(-2 V u), the field that decides, beyond."""
    fine = 2 * math.pi * STRIP / DIGITS / quality
    width = WIDTH[a] * 2 * math.pi / math.sqrt(2 * DIGITS) / math.sqrt(1 / c1 + m / V) / quality
    wide, b = width**2 / (2 * V), BEND * quality

    def at(s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        root = np.sqrt(s * s + 4 * b * b)
        if a == 0:
            return -(fine * s + wide * s * root), fine + wide * (root + s * s / root)
        p = 0.5 * (s + root)
        return -(fine * s + wide * p * p), fine + 2 * wide * p * p / root

    end = 8.0
    while at(np.array(end))[0] > lowest:
        end *= 1.3
    top = math.log(GONE) if a > 0 else -lowest
    begin = end if a == 0 else (top + wide * b * b) / fine
    u, du = at(np.arange(-math.ceil(begin), math.ceil(end) + 1.0))
    keep = (u > lowest) & (u < top)
    return u[keep], du[keep]


# --- one field ------------------------------------------------------------------------------------------------------------


@njit(cache=True, error_model="numpy")
def _columns(x, V):
    """log P, log r, h = d log P, omega/V + h, log h on the nodes."""
    out = np.empty((5, x.size))
    s = math.sqrt(V)
    for i in range(x.size):
        z = x[i] / s
        p = log_tail(-z)
        out[0, i], out[1, i] = p, log_tail(z) - p
        out[2, i] = mills(-z) / s
        out[3, i] = (mills_excess(-z) if -z >= CONTINUED_FRACTION_FROM else mills(-z) + z) / s
        out[4, i] = math.log(out[2, i]) if z < 0 else -0.5 * z * z - 0.5 * math.log(2 * math.pi) - p - math.log(s)
    return out


@njit(cache=True, error_model="numpy")
def _tables(column, u, m, K, a, shares, first, out):
    """Integrands of the one-field averages at every u, from node ``first`` on.

    U_0, U_1, U_2; log P times them; h^2 and, a = 0, (r - 1)^2/2, both by lambda where it helps; Hessians, diagonal and off it.
    """
    for i in range(u.size):
        large = max(u[i], 0.0) if a == 0.0 else 0.0
        small = math.exp(u[i] - large)
        for j in range(out.shape[2]):
            log_p = column[0, first + j]
            log_rho = u[i] + column[1, first + j]
            if log_rho > 4.0:
                for k in range(out.shape[0]):
                    out[k, i, j] = 0.0
                continue
            rho, h = math.exp(log_rho), math.exp(column[4, first + j] + large)
            e = math.exp(m * (log_p - u[i] / K) - rho)
            out[0, i, j] = e
            out[1, i, j] = e * rho
            out[2, i, j] = 0.5 * e * rho * rho
            out[3, i, j] = e * log_p
            out[4, i, j] = e * rho * log_p
            out[5, i, j] = 0.5 * e * rho * rho * log_p
            out[6, i, j] = e * h * h
            out[7, i, j] = 0.5 * e * (rho * math.exp(-large) - small) ** 2
            if out.shape[0] > 8:
                k, n = column[3, first + j], math.exp(column[4, first + j] + u[i] - log_p)
                out[8, i, j] = e * h * h * (k * k - 2 * k * n * shares[0] + n * n * shares[1])
                out[9, i, j] = e * n * n


def averages(leaf: TreeLeaf, grid: Lattice, c1: float, m: float, a: float, hessian: bool) -> tuple[np.ndarray, ...]:
    """One-field averages (table, u, y), first and second derivatives of U_k in y, and the mass of Gaussians on the nodes."""
    z = grid.x[None, :] - grid.y[:, None]
    g = np.exp(-z * z / (2 * c1)) * grid.dx
    mass = g.sum(axis=1) / math.sqrt(2 * math.pi * c1)
    W = g / g.sum(axis=1, keepdims=True)
    d = z / c1
    d -= (W * d).sum(axis=1, keepdims=True)
    W1 = W * d
    W2 = W1 * d - W * (W1 * d).sum(axis=1, keepdims=True)
    column = _columns(grid.x, leaf.V)
    n, size = 10 if hessian else 8, grid.u.size
    T, T1, T2 = (np.empty((rows, size, grid.y.size)) for rows in (n, 3, 3))
    # d^2/d omega^2 log Z on the diagonal, in powers x^-2, x^-3, x^-4: Gamma(k - m)
    shares = np.array([1 / (2 - m), 1 / ((3 - m) * (2 - m))])
    log_odds = -column[1]
    for start in range(0, size, BLOCK):
        part = slice(start, min(start + BLOCK, size))
        u = grid.u[part]
        first = min(int(np.searchsorted(log_odds, float(u.min()) - 4.0)), grid.x.size - 1)
        values = np.empty((n, u.size, grid.x.size - first))
        _tables(column, u, m, leaf.K, a, shares, first, values)
        T[:, part] = values @ W[:, first:].T
        T1[:, part] = values[:3] @ W1[:, first:].T
        T2[:, part] = values[:3] @ W2[:, first:].T
    return T, T1, T2, mass


# --- all fields -------------------------------------------------------------------------------------------------------------


def _times(p: list[np.ndarray], q: list[np.ndarray]) -> list[np.ndarray]:
    """Product of two polynomials in Y, up to Y^2."""
    return [p[0] * q[0], p[0] * q[1] + p[1] * q[0], p[0] * q[2] + p[1] * q[1] + p[2] * q[0]]


def tower(
    leaf: TreeLeaf, c: np.ndarray, m: float, quality: float = 1.0, *, outer: int | None = None, hessian: bool = True
) -> Tower:
    """The tower of increments c_0 (may be 0), c_1 and power m in `RANGE`; ``outer`` : outer nodes to either side.

    Raises TooNarrow where lattices do not fit. ``phi`` and ``probability`` of the inner level are empty.
    """
    a, K = decided(leaf.accepted), leaf.K
    if a is None or not RANGE[0] <= m <= RANGE[1]:
        raise ValueError(
            f"m, accepted: got {m:g}, {leaf.accepted}; takes m in {RANGE} and machines that one flip satisfies"
        )
    if not c[1] > 0:
        raise TooNarrow("neighbouring overlaps coincide")
    half = math.ceil(outer_half(leaf, c, m, quality)) if outer is None else outer
    grid = lattice(leaf, c, m, quality, half)
    T, T1, T2, mass = averages(leaf, grid, float(c[1]), m, a, hessian)
    y, own = grid.y, gaussian(grid.y, float(c[0]))
    # the fields but one, on multisets
    rest, weight = members(y.size, K - 1), weights(own, K - 1)
    kept = weight > math.exp(-OUTER - SPARED) * weight.max()
    rest, weight = rest[kept], weight[kept]
    lam = np.exp(np.minimum(grid.u, 300.0))[:, None]
    A = [np.exp(-a * lam), a * lam * np.exp(-a * lam), 0.5 * a * lam * lam * np.exp(-a * lam)]
    B = [A[0], 0.0 * lam, 0.0 * lam]  # x - 1 for a = 1

    def product(start: list[np.ndarray], skip: int = -1) -> list[np.ndarray]:
        for place in range(K - 1):
            if place != skip:
                start = _times(start, [T[k][:, rest[:, place]] for k in range(3)])
        return start

    def close(table: np.ndarray, by: list[np.ndarray]) -> np.ndarray:
        """[Y^2] of the product with the last field, integrated over u: (multisets of the others, y)."""
        return np.asarray(sum(p.T @ t for t, p in zip(table, by[::-1])))

    du = grid.du[:, None]
    X = [p * du for p in product(A)]
    Z = close(T[:3], X)
    if not Z.min() > 0:
        raise TooNarrow("exp(m phi) beyond the range of double precision: overlaps too close to each other or to 1")
    share = weight[:, None] * own[None, :]
    over = share / Z

    def mean(values: np.ndarray, by: np.ndarray = share) -> float:
        return float(np.vdot(by, values))

    phi = np.log(Z * (2 / gamma(2 - m))) / m
    value = mean(phi)
    D = close(T1, X) / (m * Z)
    own_second = close(T2, X) / (m * Z) - m * D * D
    log_Z = digamma(2 - m) + (
        K * mean(close(T[3:6], X), over) - mean(close(T[:3], [p * grid.u[:, None] for p in X]), over)
    )
    gradient = (product(B)[2] if a else T[7][:, rest[:, 0]]) * du
    square = np.array([K * mean(D * D), K * mean(gradient.T @ T[6], over)])
    curvature = K * mean(own_second)
    curvature_square = np.full(2, math.nan)
    if hessian:
        off = [_off_diagonal(T, T1, A, product, close, rest, place, du, D, Z, m) for place in range(K - 1)]
        both = 1 / (2 * (3 - m) * (2 - m))
        curvature_square[0] = K * (mean(own_second**2) + sum(mean(o[0] ** 2) for o in off))
        curvature_square[1] = K * (mean(gradient.T @ T[8], over) + both * sum(mean(o[1], over) for o in off))
    return Tower(
        value,
        square,
        np.array([square[0], square[1] - square[0]]),
        # heat equation: E_1[Lap phi_1 + m |grad phi_1|^2] = E_0[Lap phi_0 + m |grad phi_0|^2]
        np.array([curvature, curvature + m * (square[0] - square[1])]),
        curvature_square,
        np.array([0.0, (log_Z - value) / m]),
        np.empty(0),
        mean(np.abs(phi)),
        max(K * float(own @ np.abs(1 - mass)), abs(1 - float(share.sum()))),
        [y, grid.x],
        [phi, np.empty(0)],
        [share, np.empty(0)],
    )


def _off_diagonal(T, T1, A, product, close, rest, place, du, D, Z, m):  # type: ignore[no-untyped-def]
    """Mixed second derivatives of phi_0, and the integral of those of log Z squared, of the last field and another."""
    index = rest[:, place]
    moved = [p * du for p in _times(product(A, place), [T1[k][:, index] for k in range(3)])]
    alone = A[0] * du * T[9][:, index]
    if rest.shape[1] > 1:
        alone = alone * T[0][:, rest[:, 1 - place]]
    return close(T1, moved) / (m * Z) - m * D * close(T[:3], moved) / (m * Z), alone.T @ T[9]
