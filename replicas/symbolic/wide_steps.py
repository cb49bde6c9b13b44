r"""The step that infinitely many units add to a derivation: their output field is Gaussian, with covariance C(Q_ab)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import sympy as sp

from ..wide import Wide
from . import symbols as S
from .functional import latex
from .likelihood import numpy_function
from .numeric import _FUNCTIONS, Z_NODES, Z_WEIGHTS, Env, NumericNode, gauss_panels, matrix
from .special import H
from .wide import Covariance, covariance, delta
from .workshop import CURVATURE, EXTRAPOLATED, Workshop, difference, richardson

UNITS = tuple(64 * 2**k for k in range(6))  # finite numbers of units from which K -> infinity is extrapolated
FIELD_REACH, PANELS, ORDER = 8.5, (34, 16, 8), (12, 10, 8)  # of one unit's fields, for one, two and three replicas
COUPLINGS = 0.5 * np.array([1.0, -0.7, 0.4])
CLOSED = 1e-9  # Delta in closed form against sums over both fields


class OutputCharacteristic(NumericNode):
    """log E exp(i sum_a s_a M_a), printed as such."""

    def __new__(cls, size: sp.Expr) -> OutputCharacteristic:
        return sp.Expr.__new__(cls, sp.sympify(size))

    def _latex(self, printer: object, exp: str | None = None) -> str:
        return r"\log\mathbb{E}_\xi\, e^{i\sum_a s_a M_a}"


def output_field(w: Workshop) -> None:
    """Central limit theorem: the covariance of the output fields."""
    model = w.model
    assert isinstance(model, Wide)
    closed_form(w, model)
    if model.architecture == "full":
        sum_of_units(w, model)
    a, b = sp.symbols("a b", integer=True, positive=True)
    s, Q = sp.IndexedBase("s"), sp.IndexedBase("Q")
    name = covariance(model, S.q).args[2]
    expr = -sp.Sum(s[a] * Covariance(0, Q[a, b], name) * s[b], (a, 1, w.size), (b, 1, w.size)) / 2

    targets: dict[int, float] = {}

    def check(e: sp.Expr) -> tuple[float, float]:
        worst = 0.0
        for size in (1, 2, 3):
            Q, couplings = overlap_matrix(size, model.norm), COUPLINGS[:size]
            if size not in targets:
                unit = of_units(model, Q)
                # the overlaps of different units shift every covariance by Delta'(0) times their sum
                shift = -0.5 * float(couplings @ pairs_of_units(model, Q) @ couplings)
                targets[size] = richardson([unit(couplings, K) for K in UNITS]) + shift
            env = {"n": max(float(size - w.base), 1e-300), "Q": matrix(Q), "s": matrix(couplings)}
            worst = max(worst, abs(w.evaluate(e, {**w.env, **env}) - targets[size]))
        return worst, EXTRAPOLATED * 10

    w.add(
        "Infinitely many units",
        r"The output fields $M_a=K^{-1/2}\sum_jv_j\,g(h_{ja})$ are sums of K terms of zero mean, half with $v_j=1$ and half with "
        r"$v_j=-1$; as K grows they are jointly Gaussian with covariance $C(Q_{ab})$, "
        rf"${definition(model)}$:",
        latex(OutputCharacteristic(w.size)),
        expr,
        "Central limit theorem: cumulants of order r vanish as K^{1-r/2}. K grows after N, and before q -> 1.",
        check,
        "characteristic function of finitely many independent units by product grids, 1, 2 and 3 replicas, extrapolated to "
        "K -> infinity" + ("; the overlaps of different units added" if model.architecture == "full" else ""),
    )


def pairs_of_units(model: Wide, Q: np.ndarray) -> np.ndarray:
    """Delta'(0) p_ab: what the overlaps p_ab/K of different units add to the covariance of the output fields."""
    expr = delta(model)
    if model.architecture == "tree" or expr is None:
        return np.zeros(Q.shape)
    slope = float(expr.diff(S.q).subs(S.q, 0)) / model.norm
    return slope * (model.norm - Q if model.teacher else -Q)


def sum_of_units(w: Workshop, model: Wide) -> None:
    """The sum of the overlaps of different units, pinned at loads of the order of all weights."""
    teacher = model.teacher

    def check(expr: sp.Expr) -> tuple[float, float]:
        q = 0.43
        limit = richardson([pair_sum(model, q, 0.83, K) for K in UNITS])
        return abs(float(expr.subs({S.q: q, S.Q: 1})) - limit), EXTRAPOLATED * 100

    w.add(
        "Overlaps of different units",
        "Units see the same inputs: units j and k of two replicas overlap by p_ab/K, and the K^2 such pairs add "
        r"$\Delta'(0)\,p_{ab}$ to the covariance of the output fields. Any relabelling of the K units of a solution is a "
        "solution: the state where every unit resembles every other equally has Q_ab = O(1/K), states with Q_ab > 0 come in K! copies.",
        "p",
        S.Q - S.q if teacher else -S.q,
        "The uniform mode of the K units is one of K and has a share 1/K of the entropy, the patterns are alpha N K: p goes to the end "
        "of its range. "
        + (
            "The sum of the units' weights is learnt: p_ab = Q - Q_ab."
            if teacher
            else "The sum of the units' weights vanishes in every replica, p_ab = -Q_ab and p_aa = -Q: then the label depends on "
            "what the units do not share."
        ),
        check,
        "extremum over the overlaps of different units at finite K, extrapolated to K -> infinity",
    )


def bent_covariance(
    w: Workshop,
    q: sp.Symbol,
    square: sp.Expr,
    first: sp.Expr,
    reference: Callable[[], float],
    by: str,
    at: Env,
    label: str = "",
    tolerance: float = CURVATURE,
) -> sp.Expr:
    """From fluctuations of the covariance of the fields to those of the overlaps, which it is a function of."""

    def check(expr: sp.Expr) -> tuple[float, float]:
        return abs(w.value(expr, **at) - reference()) / abs(reference()), tolerance

    slope, bend = (covariance(w.model, q, order) for order in (1, 2))
    return w.add(
        "Fluctuations of the overlaps" + label,
        "An overlap moves one entry of the covariance of the output fields, and bends it.",
        r"\Lambda_f=G_{ab,ab}-2G_{ab,ac}+G_{ab,cd}",
        slope**2 * square + bend * first,
        r"$\partial^2_{Q_{ab}}G=C'^2\,\partial^2_{C_{ab}}G+C''\,\partial_{C_{ab}}G$, and $\partial_{C_{ab}}G=\langle f'^2\rangle$; "
        "mixed derivatives have no second term.",
        check,
        by,
    )


def pair_sum(model: Wide, q: float, alpha: float, K: int) -> float:
    """p where a free entropy of K units of sign, with 1/K of it from their uniform mode, is stationary; Gaussian weights."""
    from scipy.optimize import fsolve

    def patterns(rho: float) -> float:
        gap = math.sqrt(rho / (1 - rho))
        tail = _FUNCTIONS[H](gap * Z_NODES)
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(tail, 1e-300))
        return float(Z_WEIGHTS @ (2 * tail * logs if model.teacher else logs))

    def slope(rho: float) -> float:
        return difference(patterns, rho, 1e-3)

    unit = 2 / math.pi

    def equations(x: np.ndarray) -> list[float]:
        if model.teacher:  # x = K (1 - q - p)
            rho = unit * (math.asin(q) + 1 - q - x[0] / K)
            return [1 / x[0] - 1 / K - 2 * alpha * unit * slope(rho)]
        # A = K (1 + c - q - p), B = K (q + p) of the uniform mode, whose self-overlap is 1 + c
        A, B = x
        total = 1 + unit * ((A + B) / K - 1)
        rho = unit * (math.asin(q) - q + B / K) / total
        by_rho = alpha * slope(rho)
        by_c = 0.5 / A - 0.5 * B / A**2 - by_rho * rho * unit / total
        by_p = 0.5 * B / A**2 + by_rho * unit / total
        return [by_c, by_p]

    begin = [1.0] if model.teacher else [1.0, 1.0]
    x, _, found, message = fsolve(equations, begin, xtol=1e-13, full_output=True)
    if found != 1:
        raise ArithmeticError(f"the overlaps of {K} different units were not found: {message}")
    return 1 - q - x[0] / K if model.teacher else x[1] / K - q


def definition(model: Wide) -> str:
    """LaTeX of C in terms of Delta."""
    if model.architecture == "tree":
        return r"C(q)=\Delta(q)-\Delta(0)"
    return r"C(q)=\Delta(q)-\Delta(0)" + (r"+\Delta'(0)\,(Q-q)" if model.teacher else r"-\Delta'(0)\,q")


def closed_form(w: Workshop, model: Wide) -> None:
    """Delta in closed form, where there is one."""
    from .covariance import by_quadrature, closed_form

    found = closed_form(model.activation, model.scale)
    expr = delta(model)
    if found is None or expr is None:
        return
    share = S.q / exact_norm(model)

    def check(e: sp.Expr) -> tuple[float, float]:
        grid = (0.0, 0.37, 0.81)
        direct = [by_quadrature(model.activation, q, float(model.scale)) for q in grid]
        values = [float(e.subs(S.q, sp.Float(q) * exact_norm(model))) for q in grid]
        return max(abs(x - y) for x, y in zip(values, direct)), CLOSED

    w.add(
        "Covariance of the units",
        rf"For two fields of correlation q the activation $g(h)={model.activation.latex()}$ has the covariance",
        r"\Delta(q)=\mathbb E\,g(h_1)\,g(h_2)",
        expr.subs(S.q, share),
        f"{found[1][0].upper()}{found[1][1:].rstrip('.')}.",
        check,
        "sums over both fields at three correlations",
    )


def exact_norm(model: Wide) -> sp.Expr:
    return model.scale**2


def overlap_matrix(size: int, norm: float) -> np.ndarray:
    """Overlaps that differ from pair to pair, self-overlaps that do not."""
    v = np.array([0.8, 0.6, 0.7])[:size]
    Q = np.outer(v, v)
    np.fill_diagonal(Q, 1.0)
    return np.asarray(norm * Q)


def of_units(model: Wide, Q: np.ndarray) -> Callable[[np.ndarray, int], float]:
    """log E exp(i s.M) of K units, from the characteristic function of one: product grids with edges at its breaks."""
    n = Q.shape[0]
    h, weight = _axis(model, n)
    axes = np.meshgrid(*([h] * n), indexing="ij", sparse=True)
    inverse = np.linalg.inv(Q)
    exponent = sum(-0.5 * inverse[i, j] * axes[i] * axes[j] for i, j in itertools.product(range(n), repeat=2))
    density = np.exp(exponent) / math.sqrt((2 * math.pi) ** n * np.linalg.det(Q))
    for axis in range(n):
        density = density * weight.reshape([-1 if k == axis else 1 for k in range(n)])
    g = numpy_function(model.activation.expr, S.u)(h)

    def log_mean(s: np.ndarray, K: int) -> float:
        mean = density  # of v = 1; that of v = -1 is its conjugate
        for c in reversed(s):
            mean = mean @ np.exp(1j * c / math.sqrt(K) * g)
        return K * math.log(abs(complex(mean)))

    return log_mean


@lru_cache(maxsize=64)
def _axis(model: Wide, n: int) -> tuple[np.ndarray, np.ndarray]:
    reach = FIELD_REACH * math.sqrt(model.norm)
    edges = np.linspace(-reach, reach, PANELS[n - 1] + 1)
    return gauss_panels(np.unique(np.concatenate([edges, model.activation.breaks])), ORDER[n - 1])
