"""Quadratic fluctuations of the overlaps by brute force: four replicas whose overlaps are perturbed along a replicon."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import sympy as sp

from ..models import Spherical
from .numeric import REACH, Z_NODES, Z_WEIGHTS, Env, evaluate, leaf_value
from .overlaps import counted
from .towers import Function, power_mean, recursion, spline, tilted_mean
from .workshop import BRANCHES, CURVATURE, EXACT, FINE_UNITS, Workshop

FOUR_NODES = 20  # of each of four weights in an interval, integrated together


def pair_fluctuations(
    w: Workshop,
    name: str,
    average: Callable[[sp.Expr], sp.Expr],
    derivatives: tuple[sp.Expr, sp.Expr, sp.Expr],
    reference: Callable[[], float],
    at: Env,
    by: str,
    label: str = "",
    tolerance: float = CURVATURE,
    branches: str = "",
) -> sp.Expr:
    """Two steps: the replicon combination of second derivatives by overlaps, and the square that it is.

    average : the average over what the replicas of four pairs share; derivatives : of the logarithm of one unit's weight (a
    replica, or a block that moves as one) by the field of the one overlap, by that of the other and by both.
    branches : the branches of a tree that the two overlaps belong to, "11" or "12". Returns the square.
    """
    d1, e1, mixed = derivatives
    both = mixed + d1 * e1
    side = ("patterns" if name == "f" else "weights") + label
    moving = (
        f" A block of m replicas moves as one: m {name}' and m {name}'' + m^2 {name}'^2 instead."
        if "block" in label
        else ""
    )
    lhs = rf"\Lambda_{name} = G_{{ab,ab}}-2G_{{ab,ac}}+G_{{ab,cd}}"
    brought = f"A replica in one (two) of the pairs brings {name}' ({name}'' + {name}'^2)"
    square = f"({name}'' + {name}'^2)^2 - 2 ({name}'' + {name}'^2) {name}'^2 + {name}'^4 = {name}''^2."
    if branches:
        j, k = branches[0], branches[1]
        lhs = rf"\Lambda_{{f,{j}{k}}} = G^{{{j}{k}}}_{{ab,ab}}-2G^{{{j}{k}}}_{{ab,ac}}+G^{{{j}{k}}}_{{ab,cd}}"
        product, fourth, either = ("f_1^2", "f_1^4", "") if j == k else ("f_1f_2", "f_1^2f_2^2", " or $f_2$")
        one = f"f_{{{j}{k}}}+{product}"
        brought = f"A replica in one of the pairs brings $f_1${either}, one in both ${one}$"
        square = f"$({one})^2-2({one}){product}+{fourth}=f_{{{j}{k}}}^2$."
    where = {"": "", "11": " of one branch", "12": ", one in each of two branches,"}[branches]

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr, **at) - reference()) / abs(reference()), tolerance

    w.add(
        f"Fluctuations of the {side}",
        f"The second derivative of the replica integral with respect to two overlaps{where} depends on how many replicas they "
        "share; the replicon combination is",
        lhs,
        average(both**2) - 2 * average(both * d1 * e1) + average(d1**2 * e1**2),
        f"{brought}; the disconnected parts cancel." + moving,
        check,
        by,
    )
    return w.add(
        f"Replicon of the {side}",
        "The three averages combine into a square.",
        lhs,
        average(sp.expand((both - d1 * e1) ** 2)),
        square,
        check,
        by,
    )


def stability(
    w: Workshop,
    title: str,
    statement: str,
    lhs: str,
    replicon: sp.Expr,
    squares: dict[str, sp.Expr],
    pairs: sp.Expr = sp.S.One,
) -> None:
    """The eigenvalue from the fluctuations of both sides; ``pairs`` of replicas move with one pair of units."""

    def product(expr: sp.Expr) -> tuple[float, float]:
        # determinant of the 2 x 2 block [[alpha Lambda_f, -1], [-1, Lambda_g]], sign chosen so that stable is positive
        env = {k.name: w.value(v) for k, v in w.functional.eliminated.items()}
        f, g, coupling = (w.value(x, **env) for x in (squares["f"], squares["g"], pairs))
        block = np.array([[w.env["alpha"] * f, -coupling], [-coupling, g]])
        return abs(w.value(expr) + float(np.linalg.det(block)) / coupling**2), EXACT * 100

    count = "1" if pairs == 1 else "m^2"
    many = "" if pairs == 1 else " (two blocks of m replicas are m^2 pairs)"
    w.add(
        title,
        statement,
        lhs,
        replicon,
        f"Overlaps and conjugates form the block [[alpha Lambda_f, -{count}], [-{count}, Lambda_g]] in the replicon sector{many}; "
        "conjugates run along the imaginary axis, so the saddle is stable while minus the determinant is positive, as it is at alpha = 0.",
        product,
        "determinant of the block evaluated from its two entries",
    )


def branch_stability(
    w: Workshop, title: str, lhs: str, replicon: sp.Expr, entries: tuple[sp.Expr, sp.Expr], weights: sp.Expr
) -> None:
    """The same for the overlaps of K branches: entries of Lambda_f for one branch and for two."""
    K = w.units

    def smallest(expr: sp.Expr) -> tuple[float, float]:
        # each eigenvector of Lambda_f leaves a 2 x 2 block [[alpha mu, -1/K], [-1/K, Lambda_g/K]]
        env = {k.name: w.value(v) for k, v in w.functional.eliminated.items()}
        same, other, g = (w.value(x, **env) for x in (*entries, weights))
        matrix = w.env["alpha"] * (other * np.ones((K, K)) + (same - other) * np.eye(K))
        blocks = [np.array([[mu, -1 / K], [-1 / K, g / K]]) for mu in np.linalg.eigvalsh(matrix)]
        target = min(-float(np.linalg.det(block)) for block in blocks) * K**2
        return abs(w.value(expr) - target), EXACT * 100

    w.add(
        title,
        "The replica-symmetric saddle is stable where the smallest replicon eigenvalue is positive (de Almeida-Thouless).",
        lhs,
        replicon,
        r"In the replicon sector the overlaps $Q_j$ and conjugates $\hat Q_j$ of the branches form the block "
        r"$[[\alpha\Lambda_f,-1/K],[-1/K,\Lambda_g/K]]$, a branch having N/K weights; conjugates run along the imaginary axis, "
        r"so the saddle is stable while $1-\alpha K\mu\Lambda_g$ is positive for every eigenvalue $\mu$ of $\Lambda_f$. "
        "In the softest direction all branches move together and all K^2 entries add up.",
        smallest,
        "numerical eigenvalues of the K x K matrix and determinants of the blocks, the smallest of them",
    )


def branch_tolerance(w: Workshop) -> float:
    """Of second differences of the four-replica integral of a tree."""
    return BRANCHES if w.units <= FINE_UNITS else CURVATURE


def softest(
    w: Workshop, entries: tuple[sp.Expr, sp.Expr], references: tuple[Callable[[], float], ...], at: Env
) -> None:
    """The largest eigenvalue of the matrix of branches."""
    K = w.units

    def check(expr: sp.Expr) -> tuple[float, float]:
        same, other = (r() for r in references)
        largest = float(np.linalg.eigvalsh(other * np.ones((K, K)) + (same - other) * np.eye(K)).max())
        return abs(w.value(expr, **at) - largest) / largest, branch_tolerance(w)

    w.add(
        "All branches together",
        "Over the K branches the entries form a matrix, equal on its diagonal and equal off it. No entry is negative, so its "
        "largest eigenvalue belongs to the uniform direction:",
        r"\mu_{\max}(\Lambda_f) = \Lambda_{f,11}+(K-1)\Lambda_{f,12}",
        entries[0] + (K - 1) * entries[1],
        r"The other $K-1$ directions have $\Lambda_{f,11}-\Lambda_{f,12}$, and $\Lambda_{f,12}\geq0$ is the average of a square.",
        check,
        "numerical eigenvalues of the matrix of four-replica integrals",
    )


def four_replica_branches(w: Workshop, V: sp.Expr, together: bool) -> float:
    """The same for a tree by signs: Lambda_f of one branch, or of two whose overlaps move along the same replicon.

    Branches are independent given the signs of the four replicas' fields, so that only the masses of 2^4 orthants change.
    """
    env = {**w.env, **{k.name: w.value(v) for k, v in w.functional.eliminated.items()}}
    base, eta, accepted = float(evaluate(V, env, w.leaves)), replicon_pattern(), w.leaves["f"].accepted

    @cache
    def masses(eps: float) -> np.ndarray:
        return perturbed_masses(env["q"], base, eps, eta)

    def log_integral(*eps: float) -> float:
        rest = [masses(0.0)] * (w.units - len(eps))
        return math.log(counted([*(masses(e) for e in eps), *rest], accepted))

    h = 0.02 * base
    if not together:
        return curvature(log_integral, h)
    mixed = [
        sum(a * b * log_integral(a * x, b * x) for a in (1, -1) for b in (1, -1)) / (2 * x) ** 2 for x in (h, 2 * h)
    ]
    return (4 * mixed[0] - mixed[1]) / 3 / 4


def perturbed_masses(q: float, V: float, eps: float, eta: np.ndarray) -> np.ndarray:
    """Probability of every sign pattern of four fields of covariance q + V delta_ab + eps eta_ab."""
    from scipy.special import ndtr

    shifts, weight = _perturbation(eps * eta, 2 * abs(eps))
    at = math.sqrt(q) * Z_NODES[:, None] + shifts[:, None, :]
    below = ndtr(-at / math.sqrt(V - 2 * abs(eps)))
    total = Z_WEIGHTS[:, None] * weight
    flat = [
        float((total * math.prod(1 - p if up else p for up, p in zip(signs, below))).sum())
        for signs in itertools.product((0, 1), repeat=4)
    ]
    return np.reshape(flat, (2, 2, 2, 2))


def four_replicas(w: Workshop, name: str, V: sp.Expr, bent: bool = False) -> float:
    """(1/4) d^2/d eps^2 of log int over four replicas, overlaps (conjugates) perturbed by eps: 12, 34 up; 13, 24 down.

    Of the fields it is their covariance that is perturbed, or, ``bent``, the overlaps that it is a function of.
    """
    env = {**w.env, **{k.name: w.value(v) for k, v in w.functional.eliminated.items()}}
    eta = replicon_pattern()
    base = float(evaluate(V, env, w.leaves))
    if name == "g":
        log_integral = _explicit_weights(w, env, base, eta)
        h = 0.05 / float(w.env["Q"])
    else:
        log_integral = _decoupled_fields(w, env, base, eta, bent)
        h = 0.02 * base
    return curvature(log_integral, h)


def replicon_pattern() -> np.ndarray:
    """Pairs 12 and 34 up, 13 and 24 down: it sums to zero at every replica, with eigenvalues 2, 0, 0, -2."""
    eta = np.zeros((4, 4))
    for i, j, sign in ((0, 1, 1), (2, 3, 1), (0, 2, -1), (1, 3, -1)):
        eta[i, j] = eta[j, i] = sign
    return eta


def curvature(log_integral: Callable[[float], float], h: float) -> float:
    """(1/4) d^2/d eps^2 at 0: four pairs are perturbed."""
    centre = log_integral(0.0)
    d1 = (log_integral(h) - 2 * centre + log_integral(-h)) / h**2
    d2 = (log_integral(2 * h) - 2 * centre + log_integral(-2 * h)) / (2 * h) ** 2
    return (4 * d1 - d2) / 3 / 4


def _explicit_weights(w: Workshop, env: Env, lam: float, eta: np.ndarray) -> Callable[[float], float]:
    """log sum over all weights of four replicas (a determinant on the sphere) at conjugates q_hat - lam delta + eps eta."""
    conjugates = env["qhat"] * np.ones((4, 4)) - lam * np.eye(4)
    if isinstance(w.model.weights, Spherical):
        return lambda eps: -0.5 * float(np.linalg.slogdet(-(conjugates + eps * eta))[1])
    x, logs = w.leaves["g"].measure(env, FOUR_NODES)
    axes = np.meshgrid(*([x] * 4), indexing="ij", sparse=True)
    measure = sum(np.meshgrid(*([logs] * 4), indexing="ij", sparse=True))

    def log_integral(eps: float) -> float:
        M = conjugates + eps * eta
        exponent = measure
        for i, j in itertools.product(range(4), repeat=2):
            exponent = exponent + 0.5 * M[i, j] * axes[i] * axes[j]
        top = float(np.max(exponent))
        return top + math.log(float(np.sum(np.exp(exponent - top))))

    return log_integral


def _decoupled_fields(w: Workshop, env: Env, V: float, eta: np.ndarray, bent: bool) -> Callable[[float], float]:
    """log of the integral over four replicas in a common field sqrt(C(q)) t."""

    def covariance(q: Any) -> Any:
        return evaluate(w.C.values[0], {**env, "q": q}, w.leaves)

    field = math.sqrt(covariance(env["q"])) * Z_NODES

    def log_integral(eps: float) -> float:
        moved = covariance(env["q"] + eps * eta) - covariance(env["q"]) if bent else eps * eta
        taken = -float(np.linalg.eigvalsh(moved)[0])
        function = _leaf_function(w, V - taken, float(field.max()) + _margin(taken), env)
        total = four_fields(function, field, moved, taken) + np.log(Z_WEIGHTS)
        top = float(total.max())
        return top + math.log(float(np.exp(total - top).sum()))

    return log_integral


def _leaf_function(w: Workshop, V: float, reach: float, env: Env) -> Function:
    """The pattern leaf at another variance, as a table."""
    grid = np.linspace(-reach, reach, 2001)
    return spline(grid, leaf_value(w.leaves["f"], 0, 0, grid, V, env))


def _margin(taken: float) -> float:
    """More than the perturbation moves a field: four Gaussians of variances about that taken, each at its outermost node."""
    return 4 * float(_HERMITE[0].max()) * math.sqrt(2 * taken) + 1e-9


_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(7)
_HERMITE = (
    _NODES,
    _WEIGHTS / _WEIGHTS.sum(),
)  # the perturbation is weak: seven nodes integrate its Gaussians


def level_functions(w: Workshop, name: str) -> tuple[list[Function], list[float], list[float], float, Env]:
    """f_1, ..., f_{k+1} at the check point with the standard deviation and reach of each level, the leaf's V and the point."""
    env = {**w.env, **{x.name: w.value(y) for x, y in w.functional.eliminated.items()}}
    entries = w.C.values if name == "f" else w.c
    values = [float(evaluate(x, env, w.leaves)) for x in entries]
    V = float(evaluate(w.C.diag, env, w.leaves)) - values[-1] if name == "f" else float(env["lambda"])
    widths = [math.sqrt(x) for x in np.diff([0.0, *values])]
    reaches = [REACH * sum(widths[: j + 1]) for j in range(len(widths))]
    powers = [float(env[m.name]) for m in w.m]
    return recursion(w.leaves[name], V, powers, widths[1:], env, reaches[0]), widths, reaches, V, env


def four_blocks(w: Workshop, name: str, j: int, bent: bool = False) -> float:
    """The same at n = 0 for four blocks of m_{j+1} replicas inside one block of size m_j (k: for four replicas).

    The unperturbed rest of the blocks around them is the tilt of the levels: E_0 <...<exp(G - 4 m f_{j+1})>_j> with G the
    logarithm of the perturbed weight of the four.
    """
    functions, widths, reaches, V, env = level_functions(w, name)
    powers = [0.0, *(float(env[m.name]) for m in w.m), 1.0]
    last, unit = j == len(w.m), powers[j + 1]
    x = np.linspace(-reaches[j], reaches[j], 201)
    spread = V if last else widths[j + 1] ** 2  # the variance that the perturbation takes from
    eta = replicon_pattern()

    overlap = float(env[w.q[j].name])

    def covariance(q: Any) -> Any:
        return evaluate(w.C.values[j], {**env, w.q[j].name: q}, w.leaves)

    def perturbed(eps: float) -> np.ndarray:
        if last and name == "g":
            return _explicit_sites(w, env, x, V, eps * eta)
        moved = covariance(overlap + eps * eta) - covariance(overlap) if bent else eps * eta
        taken = -float(np.linalg.eigvalsh(moved)[0])
        reach = reaches[j] + _margin(taken)
        if last:
            function = _leaf_function(w, V - taken, reach, env)
        else:
            function = power_mean(functions[j + 1], unit, math.sqrt(spread - taken), reach)
        return four_fields(lambda at: unit * function(at), x, moved, taken)

    def log_integral(eps: float) -> float:
        ratio = spline(x, np.exp(perturbed(eps) - 4 * unit * functions[j](x)))
        for i in range(j, 0, -1):
            ratio = tilted_mean(ratio, functions[i], powers[i], widths[i], reaches[i - 1])
        return math.log(float(Z_WEIGHTS @ ratio(widths[0] * Z_NODES)))

    return curvature(log_integral, 0.02 * spread if not (last and name == "g") else 0.05 / float(w.env["Q"]))


def _explicit_sites(w: Workshop, env: Env, h: np.ndarray, lam: float, coupling: np.ndarray) -> np.ndarray:
    """log sum over the weights of four replicas in a common field h, coupled weakly."""
    x, logs = w.leaves["g"].measure(env)
    rows = np.array(list(itertools.product(range(len(x)), repeat=4)))
    weights = x[rows]
    own = logs[rows].sum(axis=1) - lam * (weights**2).sum(axis=1) / 2
    own = own + 0.5 * np.einsum("ra,ab,rb->r", weights, coupling, weights)
    exponent = h[:, None] * weights.sum(axis=1) + own
    top = exponent.max(axis=1)
    return np.asarray(top + np.log(np.exp(exponent - top[:, None]).sum(axis=1)))


def four_fields(function: Function, x: np.ndarray, moved: np.ndarray, taken: float) -> np.ndarray:
    """log E prod_a exp(function(x + y_a)), y of covariance ``moved`` + ``taken`` 1: that variance was taken from the function."""
    shifts, weight = _perturbation(moved, taken)
    total = np.zeros((x.size, weight.size))
    for shift in shifts:
        total += function(x[:, None] + shift)
    top = total.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(total - top) @ weight))


def _perturbation(moved: np.ndarray, taken: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (a row a replica) and weights of Gaussians of covariance ``moved`` + ``taken`` 1."""
    values, vectors = np.linalg.eigh(moved)
    spread = np.sqrt(np.maximum(values + taken, 0.0))
    active = [i for i in range(4) if spread[i] > 1e-12]
    grids = np.meshgrid(*([_HERMITE[0]] * len(active)), indexing="ij") if active else []
    weight = np.ones(1)
    for _ in active:
        weight = np.multiply.outer(weight, _HERMITE[1]).ravel()
    shifts = np.zeros((4, weight.size))
    for i, grid in zip(active, grids, strict=True):
        shifts += np.outer(spread[i] * vectors[:, i], grid.ravel())
    return shifts, weight
