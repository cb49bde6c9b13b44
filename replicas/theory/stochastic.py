r"""Saddle point of the stochastic perceptron: magnetizations of prescribed mean square Q = q_star.

.. math:: \phi = \mathrm{extr}\{ \lambda Q/2 - \hat q(Q-q)/2 + E\,g(\sqrt{\hat q}z,\lambda) + \alpha E\,f(\sqrt q t, Q-q) \}

q_hat = alpha E f'^2 is explicit in q, lam is the one root of E<m^2> = Q (E<m^2> falls with lam), and what is left is one
equation, log(E g'^2/E g'') = log(q/(Q - q)). Its left side is larger for q -> 0 and smaller for q -> Q, so that there is a
solution for every load; a scan in logit q looks for further ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..numerics.saddle import check_alpha, numbers
from ..numerics.stochastic import PATTERN_ROWS, binarised_errors, pattern_averages
from ..numerics.stochastic_sites import (
    COARSE,
    FINE,
    FINEST,
    ROUGH,
    SITE_ROWS,
    Rule,
    legendre,
    sign_variance,
    site_averages,
)
from ..progress import progress_bar
from ..stochastic import TAKES_Q_STAR, StochasticPerceptron, width
from ..stochastic_results import StochasticCurve, StochasticPoint
from .ansatz import check_ansatz
from .stability import Stability

MULTIPLIER = 5.0  # lam = 5 sinh(x): logit E<m^2> is almost linear in x on both sides
LONGEST = 2.0  # step in x
LOWEST, HIGHEST = -3.0, 10.0  # logits of q/Q between which several solutions are sought
STEP, FAR_STEP = 1.0, 3.0  # of that scan, and of the search below and above
FARTHEST = 34.0
BRACKETED = 1e-3  # width of a bracket in logit q at which finer rules take over
SOLVED = 1e-10  # residual of the equation that counts as solved; rounding leaves 1e-15
AGREE = 1e-11  # relative change between two rules above which a third is asked
ROUNDING = 4e-16  # of a sum of averages of a few hundred terms, per unit of magnitude
NOISE = 6e-15  # of the equation for logit q
SETTLED = 4e-15  # residual that Newton does not improve on
ROUNDS = 60
CONVERGED, TYPICAL = "converged", "typical"
TAKES_BETA = "a finite inverse temperature >= 0"


class Balance(NamedTuple):
    """The equation for y = logit(q/Q) at one y, what it needs, and its slope."""

    y: float
    q: float
    V: float
    q_hat: float
    x: float  # lam = MULTIPLIER sinh(x)
    residual: float
    slope: float
    off: float  # residual of E<m^2> = Q
    site: dict[str, float]
    pattern: dict[str, float]

    @property
    def lam(self) -> float:
        return MULTIPLIER * math.sinh(self.x)


@dataclass(frozen=True)
class StochasticSaddle:
    """One saddle point: numbers and their errors by name."""

    status: str
    message: str = ""
    number: dict[str, float] = field(default_factory=dict)
    error: dict[str, float] = field(default_factory=dict)


def site(q_hat: float, x: float, rule: Rule) -> dict[str, float]:
    """Averages of the weight side at lam = MULTIPLIER sinh(x)."""
    values = site_averages(q_hat, MULTIPLIER * math.sinh(x), *legendre(rule[0]), rule[1])
    return dict(zip(SITE_ROWS, values.tolist(), strict=True))


def norm_residual(at: dict[str, float], Q: float) -> float:
    """logit E<m^2> - logit Q, in the small quantities of both ends."""
    return math.log((at["g1_squared"] + at["g2"]) / Q) - math.log(at["deficit"] / (1.0 - Q))


def multiplier(q_hat: float, Q: float, x: float, rule: Rule) -> tuple[float, float, dict[str, float]]:
    """x of the lam with E<m^2> = Q, the residual that is left, and the averages there."""
    best = math.inf
    found: tuple[float, float, dict[str, float]] = x, math.inf, {}
    for _ in range(ROUNDS):
        at = site(q_hat, x, rule)
        off = norm_residual(at, Q)
        if abs(off) >= best and best < SOLVED:
            break
        if abs(off) < best:
            best, found = abs(off), (x, off, at)
        if best < 2 * ROUNDING:
            break
        slope = at["d_Q_d_lam"] / ((at["g1_squared"] + at["g2"]) * at["deficit"]) * MULTIPLIER * math.cosh(x)
        x -= max(-LONGEST, min(LONGEST, off / slope))
    return found


def start_multiplier(Q: float) -> float:
    """lam = 1/Q - 2/(1-Q) is exact without patterns for Q -> 0, 1/3 and 1."""
    return math.asinh((1.0 / Q - 2.0 / (1.0 - Q)) / MULTIPLIER)


@dataclass(frozen=True)
class Problem:
    """One point of a sweep."""

    alpha: float
    beta: float
    Q: float

    @property
    def s(self) -> float:
        return width(self.Q)

    def pattern(self, q: float, V: float, rule: Rule) -> dict[str, float]:
        """Averages of the pattern side."""
        values = pattern_averages(q, V, self.s, self.beta, *legendre(rule[0]), rule[1])
        return dict(zip(PATTERN_ROWS, values.tolist(), strict=True))

    def balance(self, y: float, x: float, rule: Rule) -> Balance:
        """The equation at logit(q/Q) = y; x where the search for lam starts."""
        q, V = self.Q / (1.0 + math.exp(-y)), self.Q / (1.0 + math.exp(y))
        f = self.pattern(q, V, rule)
        q_hat = self.alpha * f["f1_squared"]
        x, off, g = multiplier(q_hat, self.Q, x, rule)
        gain = self.alpha * (f["f2_squared"] - 2.0 * f["f1_squared_f2"]) * q * V / self.Q  # d q_hat/dy
        moved = g["d_q_d_q_hat"] - g["d_q_d_lam"] * g["d_Q_d_q_hat"] / g["d_Q_d_lam"]
        slope = moved * gain * (1.0 / g["g1_squared"] + 1.0 / g["g2"]) - 1.0
        return Balance(y, q, V, q_hat, x, math.log(g["g1_squared"] / g["g2"]) - y, slope, off, g, f)

    def brackets(self) -> list[tuple[Balance, Balance]]:
        """Pairs of logits between which the equation changes sign downwards, or upwards."""
        x = start_multiplier(self.Q)
        q_hat = self.alpha * self.pattern(0.0, self.Q, ROUGH)["f1_squared"]
        first = math.log(q_hat) + math.log(self.Q)  # linear response
        low = self.balance(min(first, LOWEST), x, ROUGH)
        while low.residual <= 0.0:
            low = self.balance(low.y - FAR_STEP, low.x, ROUGH)
        found: list[tuple[Balance, Balance]] = []
        while low.y < HIGHEST or not found:
            step = FAR_STEP if low.y < LOWEST - FAR_STEP or low.y >= HIGHEST else STEP
            high = self.balance(low.y + step, low.x, ROUGH)
            if low.residual > 0.0 >= high.residual or high.residual > 0.0 >= low.residual:
                found.append((low, high))
            low = high
            if low.y > FARTHEST:
                break
        return found

    def refine(self, low: Balance, high: Balance) -> Balance:
        """A root between two balances of opposite sign: Newton where it stays inside, bisection elsewhere."""
        at = low if abs(low.residual) < abs(high.residual) else high
        for _ in range(ROUNDS):
            y = at.y - at.residual / at.slope if at.slope else math.nan
            if not low.y < y < high.y:
                y = 0.5 * (low.y + high.y)
            before = at.y
            at = self.balance(y, at.x, ROUGH)
            if (at.residual > 0.0) == (low.residual > 0.0):
                low = at
            else:
                high = at
            if abs(at.y - before) < BRACKETED or high.y - low.y < BRACKETED:
                break
        return at

    def polish(self, at: Balance, rule: Rule) -> Balance:
        """Newton's method at a finer rule, until its residual is rounding."""
        best = self.balance(at.y, at.x, rule)
        for _ in range(ROUNDS):
            if abs(best.residual) < SETTLED:
                break
            new = self.balance(best.y - best.residual / best.slope, best.x, rule)
            if not abs(new.residual) < 0.5 * abs(best.residual):
                return new if abs(new.residual) < abs(best.residual) else best
            best = new
        return best

    def without_overlap(self, rule: Rule) -> Balance:
        """alpha = 0 or beta = 0: magnetizations do not see the patterns, q = q_hat = 0."""
        x, off, g = multiplier(0.0, self.Q, start_multiplier(self.Q), rule)
        return Balance(-math.inf, 0.0, self.Q, 0.0, x, 0.0, -1.0, off, g, self.pattern(0.0, self.Q, rule))

    def numbers(self, at: Balance, rule: Rule) -> tuple[dict[str, float], float]:
        """Every number of the saddle point, and the sum of the magnitudes of the terms of the free entropy."""
        g, f, Q, lam = at.site, at.pattern, self.Q, at.lam
        norm = -lam * (1.0 - Q) / 2 if lam < 0 else lam * Q / 2  # g comes without max(0, -lam/2)
        phi = norm - at.q_hat * at.V / 2 + g["g"] + self.alpha * f["f"]
        size = abs(norm) + at.q_hat * at.V / 2 + g["magnitude"] + self.alpha * f["magnitude"]
        return {
            "q": at.q,
            "q_hat": at.q_hat,
            "lam": lam,
            "free_entropy": phi,
            "entropy": phi - self.alpha * self.beta * f["loglik"],
            "energy_binarised": self.binarised(at, rule),
            "mean_abs_m": g["mean_abs"],
            "log_likelihood": f["loglik"],
            "replicon": 1.0 - self.alpha * f["f2_squared"] * g["g2_squared"],
            "residual": max(abs(at.residual), abs(at.off)),
        }, size

    def binarised(self, at: Balance, rule: Rule) -> float:
        """Share of the patterns that sign(m) gets wrong."""
        g, nodes = at.site, (*legendre(rule[0]), rule[1])
        # regression of sign(m) on the mean m of a site and on the deviation from it
        eta = (g["mean_abs"] - g["sign_mean"]) / at.V
        tau = g["sign_mean"] / g["g1_squared"] if at.q else g["mean_abs"] / self.Q
        v = sign_variance(at.q_hat, at.lam, tau, eta, *nodes)
        return float(binarised_errors(at.q, at.V, self.s, self.beta, tau, eta, v, *nodes))


def saddle(alpha: float, beta: float, q_star: float) -> StochasticSaddle:
    """The saddle point of largest free entropy."""
    problem = Problem(alpha, beta, q_star)
    if alpha == 0 or beta == 0:
        return _compared(problem, [problem.without_overlap(rule) for rule in (COARSE, FINE)], (COARSE, FINE))
    starts = [problem.refine(*bracket) for bracket in problem.brackets()]
    found = [p for start in starts if (p := _refined(problem, start)).status == CONVERGED]
    if not found:
        return StochasticSaddle("not-converged", "no start reached a residual of the saddle-point equations that counts as solved")
    return max(found, key=lambda p: p.number["free_entropy"])


def _refined(problem: Problem, start: Balance) -> StochasticSaddle:
    coarse = problem.polish(start, COARSE)
    fine = problem.polish(coarse, FINE)
    found = _compared(problem, [coarse, fine], (COARSE, FINE))
    if max(found.error[k] / max(1.0, abs(found.number[k])) for k in found.error) > AGREE:
        found = _compared(problem, [fine, problem.polish(fine, FINEST)], (FINE, FINEST))
    return found


def _compared(problem: Problem, pair: list[Balance], rules: tuple[Rule, Rule]) -> StochasticSaddle:
    """The finer of two solutions; its errors are the differences from the coarser one and what rounding leaves."""
    (rough, _), (number, size) = (problem.numbers(at, rule) for at, rule in zip(pair, rules, strict=True))
    fine = pair[1]
    if not number["residual"] < SOLVED:
        return StochasticSaddle("not-converged", f"residual {number['residual']:.1e} of the saddle-point equations")
    d_y = NOISE / abs(fine.slope)
    noise = {
        "q": fine.q * fine.V / problem.Q * d_y,
        "q_hat": fine.q_hat * d_y,
        "lam": d_y * math.hypot(MULTIPLIER, fine.lam),
        "free_entropy": ROUNDING * size,
        "entropy": ROUNDING * size + NOISE * problem.alpha * problem.beta * abs(number["log_likelihood"]) / abs(fine.slope),
    }
    error = {
        k: abs(v - rough[k]) + noise.get(k, NOISE * max(abs(v), 0.1) / abs(fine.slope)) for k, v in number.items() if k != "residual"
    }
    return StochasticSaddle(CONVERGED, number=number, error=error)


def saddles(alpha: np.ndarray, beta: np.ndarray, q_star: np.ndarray) -> list[StochasticSaddle]:
    """Points of flat arrays, each on its own."""
    out = []
    with progress_bar(alpha.size, StochasticPerceptron.name) as bar:
        for point in zip(alpha.tolist(), beta.tolist(), q_star.tolist(), strict=True):
            out.append(saddle(*point))
            bar.update()
    return out


# --- questions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, kw_only=True)
class StochasticStability(Stability):
    """Replicon eigenvalue at a load, an inverse temperature and a norm."""

    inputs: ClassVar[tuple[str, ...]] = StochasticPoint.inputs

    q_star: Any = None


NAMES = tuple(name for name in StochasticPoint.computed if name != "residual")


def solve(
    model: StochasticPerceptron,
    alpha: Any,
    ansatz: str = "rs",
    branch: str | None = None,
    digits: Any = None,
    certified: Any = False,
    *,
    kappa: Any = None,
    beta: Any = None,
    q_star: Any = None,
    k: Any = None,
    m: Any = None,
) -> StochasticPoint:
    """`replicas.solve`."""
    _refuse(ansatz, digits=digits, kappa=kappa, k=k, m=m)
    if certified is not False:
        raise ValueError(f"certified: got {certified!r} with a {model.name}; takes False")
    if branch not in (None, TYPICAL):
        raise ValueError(f"branch: got {branch!r} with a {model.name}; takes None or '{TYPICAL}'")
    shape, columns = _arrays(model, alpha, beta, q_star)
    points = saddles(*columns)

    def out(values: Any, kind: Any = float) -> Any:
        array = np.array(values, dtype=kind)
        return array.reshape(shape) if shape else array[0] if kind is object else array[0].item()

    def column(name: str, errors: bool = False) -> Any:
        return out([(p.error if errors else p.number).get(name, math.nan) for p in points])

    errors = {name: column(name, True) for name in NAMES}
    stable = [p.number["replicon"] > 0 if p.status == CONVERGED else None for p in points]
    kind = StochasticCurve if shape else StochasticPoint
    return kind(
        model=model,
        **{name: out(values) for name, values in zip(("alpha", "beta", "q_star"), columns, strict=True)},
        **{name: column(name) for name in (*NAMES, "residual")},
        stable=out(stable, object),
        branch=out([TYPICAL if p.status == CONVERGED else "" for p in points], object),
        dominant=out([p.status == CONVERGED for p in points], bool),
        error=errors["free_entropy"],
        errors=errors,
        status=out([p.status for p in points], object),
        message=out([p.message for p in points], object),
    )


def stability(
    model: StochasticPerceptron, alpha: Any, ansatz: str = "rs", *, kappa: Any = None, beta: Any = None, q_star: Any = None
) -> StochasticStability:
    """`replicas.stability`."""
    point = solve(model, alpha, ansatz, kappa=kappa, beta=beta, q_star=q_star)
    same = ("alpha", "beta", "q_star", "replicon", "stable", "branch", "status", "message")
    error = point.errors["replicon"]
    return StochasticStability(model=model, error=error, errors={"replicon": error}, **{n: getattr(point, n) for n in same})


def _refuse(ansatz: str, **given: Any) -> None:
    """What is asked of other models only."""
    check_ansatz(ansatz)
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name}: got {value!r} with a {StochasticPerceptron.name}; takes None")


def _arrays(model: StochasticPerceptron, alpha: Any, beta: Any, q_star: Any) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """Common shape and flat arrays of the load and the parameters, the model's own where None."""
    given = {
        "alpha": check_alpha(alpha),
        "beta": np.asarray(model.beta if beta is None else numbers("beta", beta, TAKES_BETA, 0.0), dtype=float),
        "q_star": np.asarray(model.q_star if q_star is None else numbers("q_star", q_star, TAKES_Q_STAR, 0.0), dtype=float),
    }
    outside = given["q_star"][~((given["q_star"] > 0) & (given["q_star"] < 1))]
    if outside.size:
        raise ValueError(f"q_star: got {outside.flat[0]:g}; takes {TAKES_Q_STAR}")
    try:
        shape = np.broadcast_shapes(*(v.shape for v in given.values()))
    except ValueError:
        shapes = ", ".join(str(v.shape) for v in given.values())
        raise ValueError(f"alpha, beta, q_star: got shapes {shapes}; takes arrays that broadcast") from None
    return shape, [np.broadcast_to(v, shape).reshape(-1) for v in given.values()]
