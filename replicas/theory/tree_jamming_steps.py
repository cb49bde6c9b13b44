r"""Two-step capacity of trees of two or three sign units with spherical weights: q_2 -> 1 with r_i = m_i/(1 - q_2) fixed.

.. math:: \alpha_c = \min_{q_0, q_1, r_1 < r_2} \frac{\frac{\log L_1}{2 r_2} + \frac{\log(L_0/L_1)}{2 r_1} + \frac{q_0}{2 L_0}}
    {-\frac{1}{r_1} E_{t} \log g_0(\sqrt{q_0} t)}, \qquad
    g_0(\omega) = E_z\, I(\omega + \sqrt{q_1 - q_0}\, z; 1 - q_1, r_2)^{r_1/r_2},

L_1 = 1 + r_2 (1 - q_1), L_0 = L_1 + r_1 (q_1 - q_0), I of `replicas.numerics.order_statistics`. log I is tabulated on a
lattice of fields, its power contracted with the Gaussian of g_0 one axis at a time, onto the coarser lattice of the outer
average. The gradient is that of the lattice sums: exact, by one contraction back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import minimize

from ..numerics.multisets import binomials
from ..numerics.order_statistics import Machine, log_table, machine
from ..numerics.rsb import sphere_entropy
from .tree_jamming import ACCEPTED, DIFFERENCE, FORBIDDEN, NEWTON, POLE, ROUNDING, WORTH, Saddle, one_step

MOST_UNITS = 3  # the table has the nodes of one axis to this power
COARSE, MIDDLE, FINE, FINER = 5.0, 7.0, 10.0, 12.0  # e-folds of the lattices: descent, saddle, error, value
SPLIT = ((1.3, 3.0, 0.9), (0.7, 2.5, 0.5), (0.4, 12.0, 0.6))  # r_1/r, r_2/r of one step, share of 1 - q_0 given to q_1
RANGE, BEYOND = 1.6, 6.0  # e-folds of the Gaussian that are kept: those of the lattice by the first, and the second
LONGEST = 0.5  # Newton step in logarithms


@dataclass(frozen=True)
class Lattice:
    """Nodes step * (-most..most); those of the outer average are every ``stride``-th, up to ``outer`` of them on a side."""

    step: float
    most: int
    stride: int
    outer: int

    @property
    def nodes(self) -> np.ndarray:
        return self.step * np.arange(-self.most, self.most + 1)

    @property
    def outer_nodes(self) -> np.ndarray:
        return self.step * self.stride * np.arange(-self.outer, self.outer + 1)


@dataclass(frozen=True)
class Point:
    """alpha and the gradient of log alpha in y, the logarithms of gaps."""

    value: float
    gradient: np.ndarray


def unpack(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Increments (q_0, q_1 - q_0, 1 - q_1) and (0, r_1, r_2)."""
    parts = np.exp(np.append(y[:2], 0.0))
    return parts / parts.sum(), np.concatenate([[0.0], np.cumsum(np.exp(y[2:]))])


def lattice(y: np.ndarray, folds: float) -> Lattice:
    """Steps that resolve both Gaussians and the singularities of log I, which each level's noise moves out."""
    c, r = unpack(y)
    inner, outer = (
        step_for_folds(math.sqrt(v), POLE * math.sqrt(noise + 1 / r[2]), folds)
        for v, noise in ((c[1], c[2]), (c[0], c[1] + c[2]))
    )
    step = min(inner, outer)
    stride = max(1, int(outer / step))
    reach = math.sqrt(2 * (RANGE * folds + BEYOND))
    most_outer = math.ceil(reach * math.sqrt(c[0]) / (step * stride))
    return Lattice(step, most_outer * stride + math.ceil(reach * math.sqrt(c[1]) / step), stride, most_outer)


def step_for_folds(width: float, pole: float, folds: float) -> float:
    """`step_for` at fewer digits: a kernel of that width and a function with that pole."""
    k = math.sqrt(2 * folds) / width
    return 2 * math.pi / (k if k * width * width < pole else (folds + 0.5 * (pole / width) ** 2) / pole)


@lru_cache(maxsize=8)
def _ranks(n: int, K: int) -> np.ndarray:
    """Rank of the multiset of every entry of the full table."""
    index = np.sort(np.indices((n,) * K).reshape(K, -1), axis=0)
    B = binomials(n, K)
    return np.asarray(sum(B[index[a], a] for a in range(K))).reshape((n,) * K)


def _contract(table: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    """Apply a matrix to every axis in turn: each goes to the end, so that the order returns."""
    for M in matrices:
        table = np.tensordot(table, M, axes=(0, 1))
    return table


def at(kind: Machine, y: np.ndarray, grid: Lattice) -> Point:
    """The ratio and the gradient of its logarithm on one lattice."""
    c, r = unpack(y)
    x, K = r[1] / r[2], kind.K
    omega, outer = grid.nodes, grid.outer_nodes
    rows = log_table(kind, omega, float(c[2]), float(r[2]), np.zeros(omega.size), 1.0, floor=True)
    log_I, by_w, by_c = (row[_ranks(omega.size, K)] for row in rows)
    power = np.exp(x * log_I)
    u = (outer[:, None] - omega[None, :]) ** 2 / c[1]
    M = grid.step / math.sqrt(2 * math.pi * c[1]) * np.exp(-0.5 * u)
    dM = M * 0.5 * (u - 1) / c[1]
    g = _contract(power, [M] * K)
    # symmetry of the table: a derivative of one matrix, K times
    g_d = K * _contract(power, [dM] + [M] * (K - 1))
    z = outer**2 / c[0]
    W = grid.step * grid.stride / math.sqrt(2 * math.pi * c[0]) * np.exp(-0.5 * z)
    weight = _outer([W] * K)
    log_g = np.log(g)
    mean = float((weight * log_g).sum())
    by_q0 = K * float((_outer([W * 0.5 * (z - 1) / c[0]] + [W] * (K - 1)) * log_g).sum())
    by_d = float((weight * g_d / g).sum())
    tilted = _contract(weight / g, [M.T] * K) * power
    by_x, by_noise, by_r2 = (
        float((tilted * log_I).sum()),
        x * float((tilted * by_c).sum()),
        x * float((tilted * by_w).sum()),
    )
    # T = mean/r_1 as a function of (c_0, c_1, c_2) and (r_1, r_2)
    T = mean / r[1]
    T_c = np.array([by_q0, by_d, by_noise]) / r[1]
    T_r = np.array([by_x / r[2] - T, by_r2 - by_x * x / r[2]]) / r[1]
    top, q_hat, _, top_r = sphere_entropy(c, r, 1.0)
    by_q = 0.5 * np.diff(r) * q_hat[:2]  # c_0 + c_1 + c_2 = 1
    top_c = np.array([by_q[0] + by_q[1], by_q[1], 0.0])
    slope_c, slope_r = top_c / top - T_c / T, top_r[1:] / top - T_r / T
    gradient = np.concatenate([c[:2] * (slope_c[:2] - c @ slope_c), np.diff(r) * np.cumsum(slope_r[::-1])[::-1]])
    return Point(float(-top / T), gradient)


def _outer(vectors: list[np.ndarray]) -> np.ndarray:
    out = np.ones(())
    for v in vectors:
        out = np.multiply.outer(out, v)
    return out


def _descend(kind: Machine, y: np.ndarray, grid: Lattice) -> np.ndarray:
    def value(z: np.ndarray) -> tuple[float, np.ndarray]:
        try:
            with np.errstate(all="ignore"):  # a line search tries anything
                point = at(kind, z, grid)
        except (ArithmeticError, ValueError):
            return FORBIDDEN, np.zeros(4)
        if not (point.value > 0 and np.isfinite(point.gradient).all()):
            return FORBIDDEN, np.zeros(4)
        return math.log(point.value), point.gradient

    found = minimize(value, y, jac=True, method="BFGS", options={"maxiter": 60, "gtol": 1e-4})
    return np.asarray(found.x)


def hessian(kind: Machine, y: np.ndarray, grid: Lattice) -> np.ndarray:
    H = np.array([(at(kind, y + d, grid).gradient - at(kind, y - d, grid).gradient) for d in DIFFERENCE * np.eye(4)])
    return np.asarray((H + H.T) / (4 * DIFFERENCE))


def _newton(kind: Machine, y: np.ndarray, inverse: np.ndarray, grid: Lattice) -> tuple[np.ndarray, Point, np.ndarray]:
    for _ in range(2 * NEWTON):
        point = at(kind, y, grid)
        step = inverse @ point.gradient
        if np.abs(point.gradient).max() < ACCEPTED:
            return y, point, step
        y = y - step * min(1.0, LONGEST / float(np.abs(step).max()))
    raise ArithmeticError(f"the gradient of log alpha stays at {np.abs(point.gradient).max():.1e}")


def fits(accepted: tuple[bool, ...]) -> bool:
    """Whether two steps are answered: a threshold on the number of positive fields, of few units."""
    kind = machine(accepted)
    return kind.K <= MOST_UNITS and not kind.parity


def two_step(accepted: tuple[bool, ...]) -> Saddle:
    """Two-step capacity; the replica-symmetric one where that is exact."""
    kind = machine(accepted)
    if kind.K > MOST_UNITS:
        raise ValueError(f"accepted: got K={kind.K} units; two steps take up to {MOST_UNITS}, whose tables fit")
    if kind.parity:
        raise ValueError("accepted: got a parity; two steps take a threshold on the number of positive fields")
    one = one_step(accepted)
    if one.ansatz == "rs":
        return one
    q0, r = one.order_parameters["q0"], one.order_parameters["r"]
    for low, high, share in SPLIT:
        gaps = np.array([q0, share * (1 - q0), (1 - share) * (1 - q0)])
        start = np.concatenate([np.log(gaps[:2] / gaps[2]), np.log([low * r, (high - low) * r])])
        try:
            found = _polished(kind, _descend(kind, start, lattice(start, COARSE)))
        except ArithmeticError:
            continue
        if found.value < one.value * (1 - WORTH):
            return found
    raise ArithmeticError("no two-step minimum was reached from the one-step one")


def _polished(kind: Machine, y: np.ndarray) -> Saddle:
    """The minimum on finer and finer lattices, each made for the order parameters found on the one before."""
    H = hessian(kind, y, lattice(y, COARSE))
    if np.linalg.eigvalsh(H).min() <= 0:
        raise ArithmeticError("the point reached is no minimum")
    inverse = np.linalg.inv(H)
    y, _, _ = _newton(kind, y, inverse, lattice(y, MIDDLE))
    before, coarser, _ = _newton(kind, y, inverse, lattice(y, FINE))
    y, point, step = _newton(kind, before, inverse, lattice(before, FINER))
    moved = np.abs(y - before) + np.abs(step)
    error = abs(point.value - coarser.value) + point.value * (0.5 * moved @ np.abs(H) @ moved + ROUNDING)
    values = _order(y)
    slopes = np.array([(_order(y + d) - values) / DIFFERENCE for d in DIFFERENCE * np.eye(4)])
    errors = np.abs(slopes).T @ moved
    names = ("q0", "q1", "r1", "r2")
    return Saddle(
        "2rsb",
        point.value,
        float(error),
        dict(zip(names, map(float, values))),
        dict(zip(names, map(float, errors))),
        float(np.abs(point.gradient).max()),
    )


def _order(y: np.ndarray) -> np.ndarray:
    c, r = unpack(y)
    return np.concatenate([np.cumsum(c)[:2], r[1:]])
