r"""Learning curves of the noise-free teacher-student perceptron: overlap R and generalization errors.

With rho = R/Q the cosine between student and teacher, a typical student errs with eps_gibbs = arccos(rho)/pi, the
Bayes-optimal vote with eps_bayes = arccos(sqrt rho)/pi. Rules of the spherical student: Hebb, pseudo-inverse, maximum
stability (Opper, Kinzel, Kleinz, Nehl 1990; Opper and Kinzel 1996).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..committees import Committee
from ..models import Discrete, Model, Perceptron, Tree
from ..numerics.arithmetic import arithmetic, context, number
from ..numerics.polish import GUARD, NotReached, refine
from ..numerics.rules import gauss_panels, panel_edges
from ..numerics.saddle import check_alpha, check_model
from ..results import Curve, Result, SaddlePoint
from ..wide import Wide
from .ansatz import check_digits, of_one_unit, units_refused
from .digits import Inputs, each, error_of, inputs, joined, withdrawn
from .saddle import symmetric

ANGLE_ROUNDING = 3e-15  # relative, of a ratio, a root and an arc sine
RULES = ("gibbs-bayes", "hebb", "pseudo-inverse", "max-stability")


@dataclass(frozen=True, eq=False, kw_only=True)
class LearningCurve(Result):
    """Overlap with the teacher and generalization errors; one point per load and branch.

    R is the cosine between student and teacher; eps_gibbs, eps_bayes (rule gibbs-bayes) or eps_g (a learning rule) are
    probabilities of a wrong label on a fresh pattern.
    """

    quantity: ClassVar[str] = "generalization"
    inputs: ClassVar[tuple[str, ...]] = ("alpha",)
    headline: ClassVar[str] = "R"
    labels: ClassVar[tuple[str, ...]] = ("rule", "branch", "dominant", "stable")

    alpha: Any
    R: Any = None
    eps_gibbs: Any = None
    eps_bayes: Any = None
    eps_g: Any = None
    entropy: Any = None
    rule: str = "gibbs-bayes"
    branch: Any = None
    dominant: Any = None
    stable: Any = None

    @property
    def computed(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("R", "eps_gibbs", "eps_bayes", "entropy") if self.rule == "gibbs-bayes" else ("R", "eps_g")


@of_one_unit
def generalization(
    model: Model, alpha: Any, rule: str = "gibbs-bayes", digits: int | None = None, *, branch: str | None = None
) -> LearningCurve:
    """Learning curve at load(s) alpha.

    Parameters
    ----------
    model : task teacher-student.
    alpha : load(s) >= 0.
    rule : "gibbs-bayes" for the Gibbs student and the Bayes vote, all coexisting branches; "hebb", "pseudo-inverse" or
        "max-stability" for the spherical student.
    digits : None for double precision, or how many digits (1 to 10,000); values are then mpmath numbers that carry them.
    branch : None for every branch of a discrete model; one branch of `solve` by name ("typical", "perfect") for one point a load.

    Raises
    ------
    ValueError : a storage model, an unknown rule, a rule that needs spherical weights, or a rule and a branch.
    """
    check_model(model)
    if not model.teacher:
        raise ValueError("model: got task storage; takes task teacher-student")
    if rule not in RULES:
        raise ValueError(f"rule: got {rule!r}; takes {', '.join(RULES)}")
    wanted = check_digits(digits)
    if isinstance(model, Committee):
        from . import committee_answers

        return committee_answers.generalization(model, alpha, rule, wanted, branch)
    loads = check_alpha(alpha)
    if not isinstance(model, Perceptron):
        if rule != "gibbs-bayes":
            raise units_refused("rule", rule, "rules for one layer")
        if wanted is not None:
            raise units_refused("digits", wanted, "an average over its fields on a grid")
    if rule != "gibbs-bayes":
        if isinstance(model.weights, Discrete):
            raise ValueError(f"rule: got {rule!r} with {model.weights.name} weights; takes spherical weights")
        if branch is not None:
            raise ValueError(f"branch: got {branch!r} with rule {rule!r}, which has one answer a load; takes it with gibbs-bayes")
        found = _rule(model, loads, rule)
        return found if wanted is None else _rule_to(found, inputs(model, alpha=alpha), wanted)
    discrete = isinstance(model.weights, Discrete)
    point = symmetric(model, alpha, branch or ("all" if discrete else None), wanted)
    if discrete and branch is None and not loads.shape and point.shape == (1,):
        point = point[0]
    if wanted is not None:
        return _curve_to(point, wanted)
    if point.q is None:  # no point has an answer
        return _unanswered(point)
    norm = 1.0 if point.Q is None else point.Q
    R = point.q / norm
    gap = np.asarray(point.one_minus_q / norm)
    d_gap = np.asarray(point.errors["q"]) / norm - 2e-16 * np.asarray(R)
    if isinstance(model, Wide):  # labels depend on the correlation of the output fields
        gap, d_gap = _field_gap(model, np.asarray(R), gap, d_gap)
        nothing = np.broadcast_to(np.asarray(point.alpha) == 0, np.shape(gap))  # no patterns, not few of them
        gap, d_gap = np.where(nothing, 1.0, gap), np.where(nothing, 0.0, d_gap)
    gibbs = 2 * np.arcsin(np.sqrt(np.minimum(gap, 2.0) / 2)) / math.pi
    bayes = np.arcsin(np.sqrt(np.minimum(gap, 1.0))) / math.pi
    dR = np.asarray(point.errors["q"]) / norm
    with np.errstate(divide="ignore", invalid="ignore"):
        # d eps = dR/(pi sqrt(1-R^2)); the gap itself is known relative to its size
        relative = np.where(gap > 0, np.minimum(1.0, d_gap / gap), 0.0) + ANGLE_ROUNDING
        d_gibbs, d_bayes = (
            gibbs * relative,
            bayes
            * relative
            / np.sqrt(np.maximum(1 - gap, 1e-300))
            * np.sqrt(np.minimum(1, np.maximum(1 - gap, 1e-300))),
        )
    if isinstance(model, Tree):
        gibbs, d_gibbs, bayes, d_bayes = _tree_errors(model, gap, gap * relative)
    shape = np.shape(point.status) if isinstance(point.status, np.ndarray) else ()

    def out(v: np.ndarray) -> Any:
        return v if shape else float(v)

    return LearningCurve(
        model=model,
        alpha=point.alpha,
        R=R,
        eps_gibbs=out(gibbs),
        eps_bayes=out(bayes),
        entropy=point.entropy,
        branch=point.branch,
        dominant=point.dominant,
        stable=point.stable,
        status=_answered(point.status),
        message=_silent(point.message, point.status),
        error=out(dR),
        statement=_order_of_limits(model),
        errors={
            "R": out(dR),
            "eps_gibbs": out(d_gibbs),
            "eps_bayes": out(d_bayes),
            "entropy": point.errors["entropy"],
        },
    )


def _order_of_limits(model: Model) -> str:
    """What a learning curve of infinitely many units is not."""
    if not isinstance(model, Wide):
        return ""
    # sqrt(1 - C(R)) ~ 1/alpha where C'(1) is finite; where it diverges C' = (1 - C)/(2 (1 - R)) halves the rate
    twice = " as alpha -> infinity alpha eps tends to twice its limit at finite K." if model.activation.jumps else ""
    return "K -> infinity was taken first, before alpha -> infinity" + (":" + twice if twice else ".")


def _field_gap(model: Wide, R: np.ndarray, gap: np.ndarray, d_gap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 - C(R)/C(1) of the output fields of teacher and student, and its error."""
    kernel, known = model.kernel, np.isfinite(R)
    seen, d_seen = np.full(R.shape, np.nan), np.full(R.shape, np.nan)
    _, rest, slope, _, _ = kernel.values(np.minimum(R[known], 1.0), gap[known])
    with np.errstate(invalid="ignore"):
        moved = np.where(d_gap[known] > 0, slope * d_gap[known], 0.0)
    seen[known] = rest / kernel.total
    d_seen[known] = np.minimum(moved, kernel.total) / kernel.total + kernel.error * rest / kernel.total
    return seen, d_seen


def _tree_errors(model: Tree, gap: np.ndarray, d_gap: np.ndarray) -> tuple[np.ndarray, ...]:
    """Gibbs and Bayes errors of a tree machine with their errors; NaN where there is no overlap."""
    from .tree_learning import bayes_error, gibbs_error

    gibbs, bayes, d_gibbs, d_bayes = (np.full(np.shape(gap), np.nan) for _ in range(4))
    known = np.isfinite(gap)
    gibbs[known] = gibbs_error(model, gap[known])
    bayes[known], d_bayes[known] = bayes_error(model, gap[known])
    wide = gap + d_gap
    d_gibbs[known] = np.abs(gibbs_error(model, wide[known]) - gibbs[known]) + ANGLE_ROUNDING * gibbs[known]
    # the vote changes like sqrt(1-R) at R = 1 and like sqrt(R) at R = 0, where its slope is steeper than eps/(1-R)
    with np.errstate(divide="ignore", invalid="ignore"):
        d_bayes += np.where((gap > 0) & (gap < 1), bayes * d_gap / gap / np.sqrt(np.maximum(1 - gap, d_gap)), 0.0)
    return gibbs, d_gibbs, bayes, d_bayes


def _unanswered(point: SaddlePoint | Curve, digits: int | None = None) -> LearningCurve:
    """What is said of points beside their numbers."""
    return LearningCurve(
        model=point.model,
        alpha=point.alpha,
        branch=point.branch,
        dominant=point.dominant,
        stable=point.stable,
        status=_answered(point.status),
        message=_silent(point.message, point.status),
        digits=digits,
    )


def _curve_to(point: SaddlePoint | Curve, digits: int) -> LearningCurve:
    """The learning curve of saddle points that carry ``digits`` digits."""

    def one(p: SaddlePoint) -> LearningCurve:
        base = _unanswered(p, digits)
        if p.q is None or p.errors["one_minus_q"] is None:
            return base
        ctx = context(digits)
        norm = ctx.one if p.Q is None else p.Q
        gap, wide = p.one_minus_q / norm, (p.one_minus_q + p.errors["one_minus_q"]) / norm
        columns = {"R": p.q / norm, "eps_gibbs": _angle(ctx, gap / 2) * 2, "eps_bayes": _angle(ctx, gap)}
        bounds = {
            "R": p.errors["q"] / norm,
            "eps_gibbs": abs(_angle(ctx, wide / 2) * 2 - columns["eps_gibbs"]),
            "eps_bayes": abs(_angle(ctx, wide) - columns["eps_bayes"]),
        }
        bounds = {k: error_of(columns[k], v, digits) for k, v in bounds.items()}
        errors = {**bounds, "entropy": p.errors["entropy"]}
        return dataclasses.replace(base, **columns, entropy=p.entropy, error=errors["R"], errors=errors)

    return joined([one(p) for p in point], point.shape) if point.shape else one(point)


def _angle(ctx: Any, share: Any) -> Any:
    """arcsin(sqrt(share))/pi."""
    return ctx.asin(ctx.sqrt(min(share, ctx.one))) / ctx.pi


def _answered(status: Any) -> Any:
    """A metastable branch of negative entropy is an answer here (it is labelled not dominant)."""
    if isinstance(status, np.ndarray):
        return np.where(status == "unphysical", "converged", status).astype(object)
    return "converged" if status == "unphysical" else status


def _silent(message: Any, status: Any) -> Any:
    """The verdict of `solve` on a metastable branch is not one on the learning curve."""
    if isinstance(status, np.ndarray):
        return np.where(status == "unphysical", "", message).astype(object)
    return "" if status == "unphysical" else message


def _hebb(alpha: Any, pi: Any = math.pi) -> Any:
    """1 - R^2 = pi/(2 alpha + pi): Hebb's student, the sum of labelled patterns."""
    return pi / (2 * alpha + pi)


def _pseudo_inverse(alpha: Any, pi: Any = math.pi) -> Any:
    """R^2 = 2 alpha (1-alpha)/(pi - 2 alpha) below alpha = 1, 2(alpha-1)/(2 alpha + pi - 4) above."""
    if alpha < 1:
        return (pi - 4 * alpha + 2 * alpha * alpha) / (pi - 2 * alpha)
    return (pi - 2) / (2 * alpha + pi - 4)


def _stability_integrands(t: Any, R: Any, s: Any, kappa: Any, G: Any, H: Any) -> tuple[Any, Any]:
    """H(-R t/s)(kappa-t)^2 and its R derivative, G(R t/s)(kappa-t)^2 t/s^3; both under Dt, t < kappa."""
    gap = (kappa - t) * (kappa - t)
    return gap * H(-R * t / s), gap * G(R * t / s) * t / (s * s * s)


def _stability_conditions(hit: Any, slope: Any, R: Any, s: Any, alpha: Any) -> list[Any]:
    """Phi(R, kappa) = 0 and dPhi/dR = 0, each over its first term."""
    return [1 - 2 * alpha * hit / (s * s), 1 + alpha * slope / R]


def _normal_density(t: Any) -> Any:
    return np.exp(-t * t / 2) / math.sqrt(2 * math.pi)


def _max_stability(alpha: float) -> tuple[float, float, float]:
    r"""1 - R^2 where (1-R^2)/2 - alpha int_{-inf}^kappa Dt H(-R t/s)(kappa-t)^2, s^2 = 1-R^2, vanishes at its largest kappa.

    Both conditions, value and dR derivative, are solved in (log s, kappa) by Newton with the integral on graded panels.
    Returns (1 - R^2, its relative error, kappa).
    """
    from scipy.optimize import root
    from scipy.special import ndtr

    def conditions(y: np.ndarray, refine: int) -> np.ndarray:
        s, kappa = math.exp(y[0]), y[1]
        R = math.sqrt(max(0.0, 1 - s * s))
        t, w = _graded_grid(kappa, s, refine)
        hit, slope = _stability_integrands(t, R, s, kappa, _normal_density, lambda x: ndtr(-x))
        dense = w * _normal_density(t)
        return np.array(_stability_conditions(dense @ hit, dense @ slope, R, s, alpha))

    guess = np.array([math.log(min(0.95, 1.6 / (1 + alpha))), min(2.0, 1.0 / math.sqrt(alpha))])
    best = None
    for scale in (1.0, 0.5, 0.25, 2.0):
        found = root(conditions, guess + np.array([math.log(scale) if scale <= 1 else 0.0, 0.0]), args=(1,), tol=1e-14)
        residual = np.max(np.abs(conditions(found.x, 2)))
        if best is None or residual < best[1]:
            best = (found, residual)
        if residual < 1e-10:
            break
    assert best is not None
    found, residual = best
    fine = root(conditions, found.x, args=(2,), tol=1e-14)
    if residual > 1e-9:
        return math.nan, math.nan, math.nan
    return math.exp(2 * fine.x[0]), 2 * abs(fine.x[0] - found.x[0]) + 1e-13, float(fine.x[1])


def _max_stability_to(alpha: Any, digits: int) -> tuple[Any, Any]:
    """1 - R^2 of the rule of maximum stability and its error, to ``digits`` digits."""
    start, _, kappa = _max_stability(float(alpha))
    if not math.isfinite(start):
        raise NotReached("no double-precision root to start from")
    F = arithmetic()

    def function(y: Any, precision: int, quality: float) -> list[Any]:
        with F.at(precision):
            gap, k = map(F.load, y)
            s, R, load = F.sqrt(gap), F.sqrt(1 - gap), F.ratio(alpha.numerator, alpha.denominator)
            far = math.sqrt(2 * precision * math.log(10.0))
            inner = panel_edges(-far, float(y[1]), (0.0,), float(F.store(s)))  # H(-R t/s) turns on a scale s
            hit = slope = F.load(0)
            for t, w in gauss_panels(F, [*map(F.load, inner[:-1]), k], precision * quality):
                a, b = _stability_integrands(t, R, s, k, F.G, F.H)
                dense = w * F.G(t)
                hit, slope = hit + dense * a, slope + dense * b
            return [F.store(v) for v in _stability_conditions(hit, slope, R, s, load)]

    x = [F.ctx.mpf(start), F.ctx.mpf(kappa)]
    root = refine(F.ctx, function, x, [abs(v) for v in x], digits, ("gap", "kappa"))
    return root.values["gap"], root.errors["gap"]


def _rule_to(found: LearningCurve, given: Inputs, digits: int) -> LearningCurve:
    """The curve of a learning rule to ``digits`` digits."""
    ctx = context(digits + GUARD)

    def one(p: LearningCurve) -> LearningCurve:
        if p.status != "converged":
            return dataclasses.replace(p, digits=digits)
        (alpha,) = given.at(p, "alpha").values()
        try:
            gap, wrong = (ctx.one, ctx.zero)
            if alpha > 0 and p.rule == "max-stability":
                gap, wrong = (number(v, digits + GUARD) for v in _max_stability_to(alpha, digits))
            elif alpha > 0:
                gap = _CLOSED[p.rule](ctx.mpf(alpha.numerator) / alpha.denominator, +ctx.pi)
        except NotReached as reason:
            return withdrawn(p, digits, str(reason))
        wrong += gap * ctx.mpf(10) ** -(digits + GUARD - 2)
        R, low = ctx.sqrt(max(0, 1 - gap)), ctx.sqrt(max(0, 1 - gap - wrong))
        eps, high = _angle(ctx, gap), _angle(ctx, gap + wrong)
        R, eps, d_R, d_eps = (number(v, digits) for v in (R, eps, R - low, abs(high - eps)))
        errors = {"R": error_of(R, d_R, digits), "eps_g": error_of(eps, d_eps, digits)}
        return dataclasses.replace(p, R=R, eps_g=eps, errors=errors, error=errors["R"], digits=digits)

    return each(found, digits, one)  # type: ignore[no-any-return]


def _graded_grid(kappa: float, s: float, refine: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre panels on (-9, kappa) graded around t = 0, where H(-R t/s) turns on a scale s."""
    x, w = np.polynomial.legendre.leggauss(20)
    steps = [0.0]
    size = 0.7 * s
    while steps[-1] < 9.0:
        steps.append(steps[-1] + size)
        size = min(2 * size, 0.7)
    edges = (
        np.array([-e for e in reversed(steps) if e > 0] + [e for e in steps if e < kappa] + [kappa])
        if kappa > 0
        else np.array([-e for e in reversed(steps) if -e < kappa] + [kappa])
    )
    edges = np.interp(np.linspace(0, 1, refine * (edges.size - 1) + 1), np.linspace(0, 1, edges.size), edges)
    half, mid = np.diff(edges) / 2, (edges[1:] + edges[:-1]) / 2
    return (mid[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()


_CLOSED: dict[str, Callable[..., Any]] = {"hebb": _hebb, "pseudo-inverse": _pseudo_inverse}


def _gap_of(rule: str, alpha: float) -> tuple[float, float]:
    """1 - R^2 and its relative error."""
    if alpha == 0:
        return 1.0, 0.0
    return (_CLOSED[rule](alpha), 4e-16) if rule in _CLOSED else _max_stability(alpha)[:2]


def _rule(model: Model, loads: np.ndarray, rule: str) -> LearningCurve:
    flat = loads.reshape(-1)
    s2 = np.array([_gap_of(rule, a) for a in flat])
    R, dR = np.sqrt(np.maximum(1 - s2[:, 0], 0.0)), s2[:, 1] * s2[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        dR = np.where(R > 0, dR / (2 * R), 0.0) + 2e-16
    eps = np.arctan2(np.sqrt(s2[:, 0]), R) / math.pi
    d_eps = s2[:, 1] * eps + 2e-16
    ok = np.isfinite(R)

    def out(v: np.ndarray) -> Any:
        return v.reshape(loads.shape) if loads.shape else (v[0].item() if isinstance(v[0], np.generic) else v[0])

    return LearningCurve(
        model=model,
        alpha=out(flat),
        R=out(R),
        eps_g=out(eps),
        rule=rule,
        branch=out(np.full(flat.size, rule, dtype=object)),
        dominant=None,
        error=out(dR),
        errors={"R": out(dR), "eps_g": out(d_eps)},
        status=out(np.where(ok, "converged", "not-converged").astype(object)),
        message=out(np.full(flat.size, "", dtype=object)),
    )
