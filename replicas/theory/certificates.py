r"""Certified answers: balls that provably hold the exact value of the defining equations, and what that proves.

Proved, for each result: every integral is enclosed (`replicas.numerics.balls`), the equations have exactly one solution
in the stated box (Krawczyk's operator, `replicas.numerics.krawczyk`), and, where the sign of a determinant could be
enclosed along the curve of saddle points, no other one in a stated bracket. Not proved here: that the
replica-symmetric formula is the right one. Where that is a theorem, the statement names it:

- binary storage: lower bound Ding and Sun (2019; STOC, arXiv 1809.07742), upper bound Huang (2024; arXiv 2404.18902), each
  under explicit numerical conditions; one saddle point for each load, kappa >= 0: Nakajima (2025; arXiv 2512.23195);
- spherical storage, kappa >= 0: Shcherbina and Tirozzi (2003); kappa < 0: an upper bound, Stojnic (2013);
- teacher-student: Barbier, Krzakala, Macris, Miolane and Zdeborova (2019; PNAS 116, 5451), for the dominant branch.

``stable`` of a threshold, ``physical``, ``branch`` and ``dominant`` are verdicts of the double-precision run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction
from typing import Any

import sympy as sp

from ..models import Model, Spherical
from ..numerics.arithmetic import context, have_flint, number
from ..numerics.balls import Balls, Enclosure, NotCertified
from ..numerics.krawczyk import Certificate, System
from ..numerics.polish import NotReached, Root
from ..results import Estimate, SaddlePoint
from ..symbolic import symbols as S
from . import digits as precise
from .stability import ABOVE_CAPACITY

DEFAULT_DIGITS = 15
SPARE = 16  # digits of the uncertified root beyond those asked for: it is the centre of the box
PRECISIONS = 8  # doublings of the precision of a closed form that cancels

COUNTED = "That it is the SAT/UNSAT threshold is"
BINARY_AT_ZERO = (
    f"{COUNTED} proved under explicit numerical conditions: lower bound Ding and Sun (2019; with high probability by the "
    "sharp thresholds of Xu 2021, Nakajima and Sun 2023), upper bound Huang (2024)."
)
BINARY = f"{COUNTED} assumed (replica symmetry; upper bound under numerical conditions: Huang 2024)."
ONE_SADDLE = " For kappa >= 0 each load has only one saddle point (Nakajima 2025)."
GARDNER = "That it is the capacity is a theorem for kappa >= 0 (Shcherbina and Tirozzi 2003)."
STOJNIC = "For kappa < 0 it is an upper bound on the capacity (Stojnic 2013), which replica symmetry breaking lowers."
BAYES = "The replica-symmetric formula of this Bayes-optimal problem is a theorem (Barbier et al. 2019; spherical weights as a Gaussian prior)."
TWO_MOMENTS = "The first and second moment prove the threshold, up to the sampled check of the second-moment exponent."
MARKOV = "That it bounds the capacity from above is Markov's inequality."
NAIVE = "It is a property of the formula: the capacity is smaller."
ASSUMED = "That the replica-symmetric formula is the right one is assumed."
BROKEN = "It lies beyond the capacity, where no typical solutions exist: a property of the formula, not of the model."


class MissingExtra(ImportError, ValueError):
    """An option whose optional dependency is not installed."""


def require_flint() -> None:
    """python-flint, or an error that names the extra."""
    if not have_flint():
        raise MissingExtra(
            "certified: got True without python-flint; takes the extra 'flint': pip install replicas[flint]"
        )


def check_certified(certified: Any, digits: int | None) -> int | None:
    """Digits of a certified question (`DEFAULT_DIGITS` unless given); None when it is not certified."""
    if not isinstance(certified, bool):
        raise ValueError(f"certified: got {certified!r}; takes True or False")
    if not certified:
        return None
    require_flint()
    return DEFAULT_DIGITS if digits is None else digits


def refused(point: Any, digits: int, reason: str) -> Any:
    """A certificate that could not be completed: no number at all."""
    withdrawn = precise.withdrawn(point, digits, reason)
    return dataclasses.replace(withdrawn, status="not-certified", message=reason)


# --- thresholds ----------------------------------------------------------------------------------------------------


def estimate(result: Estimate, given: precise.Inputs, digits: int, model: Model, kind: str) -> Any:
    """A threshold as a proved ball; kinds as in `replicas.theory.digits.estimate`."""

    def prove(point: Estimate) -> Estimate:
        closed = kind == "limit" and isinstance(model.weights, Spherical)
        if point.status != "converged" and not (closed and point.status == "not-converged"):
            return dataclasses.replace(point, digits=digits)
        point = given.echo(point)
        parameters = given.at(point, "kappa", "beta")
        try:
            if closed:
                root, proved = _closed_form(model, parameters, digits), "the closed form is enclosed."
            else:
                certificate = _threshold_certificate(model, kind, point, parameters, digits)
                root, proved = (
                    as_root(certificate),
                    proof(certificate, CONDITIONS[kind] if point.criterion != "first-moment" else ANNEALED),
                )
        except (NotCertified, NotReached) as reason:
            return refused(point, digits, str(reason))
        except OverflowError:
            return refused(point, digits, "a number left the range of exponents")
        known = {"q", "R"} | {{"qhat": "q_hat", "lambda": "lam"}.get(k, k) for k in root.values}
        kept = {
            k: v for k, v in point.order_parameters.items() if k in known
        }  # no uncertified number beside a proved one
        done = precise.filled(dataclasses.replace(point, order_parameters=kept), root, digits)
        statement = (
            f"{point.statement} Proved: {proved} {_theorem(point, model, kind, parameters.get(S.kappa, Fraction(0)))}"
        )
        return dataclasses.replace(done, certified=True, statement=statement)

    return precise.each(result, digits, prove)


ANNEALED = "zero annealed entropy and the equations of the free self-overlap at q = 0"
CONDITIONS = {
    "entropy": "the saddle-point equations and zero entropy",
    "replicon": "the saddle-point equations and replicon = 0",
    "fold": "the saddle-point equations and a vanishing Hessian determinant",
    "limit": "the equations of the limit q -> 1",
}


def _threshold_certificate(
    model: Model, kind: str, point: Estimate, parameters: Mapping[sp.Symbol, Fraction], digits: int
) -> Certificate:
    if kind == "limit":
        from .capacity import limit_start

        f = precise.functional(model).limit("q-to-1")
        start = {**limit_start(model, point.kappa), "alpha": float(point.value)}
        root = precise.limit_root(model, start, parameters, digits + SPARE)
        unknowns = (*f.unknowns, S.alpha)
        equations = (*(f.expr.diff(x) for x in f.unknowns), f.expr)
        system = System(f, unknowns, equations, {s.name: v for s, v in parameters.items()})
        return system.prove([root.values[s.name] for s in unknowns], _sizes(root, unknowns), digits, bracket=False)
    zero = float(point.order_parameters["q"]) == 0
    problem, _ = precise.threshold_problem(model, kind, zero)
    root = precise.threshold_root(model, kind, point.order_parameters, float(point.value), parameters, digits + SPARE)
    fixed = {s.name: v for s, v in {**problem.parameters, **parameters}.items()}
    system = System(problem.functional, problem.unknowns, problem.equations, fixed)
    return system.prove(
        [root.values[s.name] for s in problem.unknowns],
        _sizes(root, problem.unknowns),
        digits,
        bracket=kind in BRACKETED and not zero,
    )


BRACKETED = ("entropy", "replicon")


def _sizes(root: Root, unknowns: tuple[sp.Symbol, ...]) -> list[Any]:
    """What changes of each unknown are compared to: itself, and for q the smaller of q and Q - q."""
    sizes = {s: abs(root.values[s.name]) for s in unknowns}
    if S.q in sizes:
        norm = root.values["Q"] if S.Q in sizes else 1
        gap = norm - root.values["q"]
        if gap > 0:
            sizes[S.q] = min(sizes[S.q], gap)
    return [v if v else 1 for v in sizes.values()]


def as_root(certificate: Certificate) -> Root:
    names = [s.name for s in certificate.unknowns]
    values, errors = zip(*certificate.balls)
    return Root(dict(zip(names, values)), dict(zip(names, errors)), 0)


def proof(certificate: Certificate, condition: str) -> str:
    text = f"{condition} have exactly one solution in the ball (existence and local uniqueness by Krawczyk's operator)"
    if certificate.bracket is None:
        return text + "; uniqueness in a wider bracket is not proved."
    symbol, low, high = certificate.bracket
    name = {"qhat": "q_hat"}.get(symbol.name, symbol.name)
    return f"{text}, and none other with {name} in [{_inside(low, high, 1)}, {_inside(low, high, -1)}] (a monotone equation)."


def _inside(low: Any, high: Any, side: int) -> str:
    """An end of a bracket as a short decimal rounded into it."""
    ends = [Decimal(low.context.nstr(v, 40)) for v in (low, high)]
    unit = Decimal(1).scaleb((ends[1] - ends[0]).adjusted() - 3)
    rounding = ROUND_CEILING if side > 0 else ROUND_FLOOR
    end = ends[0] + unit / 10 if side > 0 else ends[1] - unit / 10  # the 40 digits were rounded too
    return str(end.quantize(unit, rounding))


def _closed_form(model: Model, parameters: Mapping[sp.Symbol, Fraction], digits: int) -> Root:
    """alpha_c = -C(alpha = 0)/C'(alpha) of the sphere, at a precision that beats its cancellation."""
    f = precise.functional(model).limit("q-to-1")
    enclosure = Enclosure(f, (f.expr.subs(S.alpha, 0), f.expr.diff(S.alpha)))
    F = Balls()
    working = digits + SPARE
    for _ in range(PRECISIONS):
        with F.at(working):
            values = {s.name: F.ratio(v.numerator, v.denominator) for s, v in parameters.items()}
            constant, slope = enclosure(F, values, working, {})
            value = -constant / slope
            if value.is_finite() and value > 0 and value.rel_accuracy_bits() > (digits + 2) * 3.33:
                return Root({"alpha": F.store(value)}, {"alpha": F.store(F.flint.arb(value.rad()))}, 0)
        working *= 2
    raise NotCertified(f"the closed form cancels beyond {working // 2} digits")


def _theorem(point: Estimate, model: Model, kind: str, kappa: Fraction) -> str:
    """What is assumed beyond the equations, and the theorem where there is one."""
    if kind == "replicon":
        return f"{BROKEN if point.message == ABOVE_CAPACITY else ''} {ASSUMED}".strip()
    if model.teacher:
        return BAYES if kind == "entropy" else ASSUMED
    if kind == "limit":
        if not isinstance(model.weights, Spherical):
            return NAIVE
        if model.likelihood != "threshold":
            return ASSUMED
        return GARDNER if kappa >= 0 else STOJNIC
    if point.criterion == "first-moment":
        return TWO_MOMENTS if "so it is the SAT/UNSAT" in point.statement else MARKOV
    if model.weights.name == "binary" and model.likelihood == "threshold":
        if kappa == 0:
            return BINARY_AT_ZERO + ONE_SADDLE
        return BINARY + (ONE_SADDLE if kappa > 0 else "")
    return ASSUMED


# --- saddle points -------------------------------------------------------------------------------------------------


def saddle_point(result: Any, given: precise.Inputs, digits: int) -> Any:
    """Saddle points as proved balls: order parameters, free entropy, entropy, replicon."""
    model: Model = result.model

    def prove(point: SaddlePoint) -> SaddlePoint:
        point = given.echo(point)
        if point.free_entropy is None:
            return dataclasses.replace(point, digits=digits)
        if point.branch == "perfect":
            exact = precise.filled_saddle(point, precise.saddle_root(model, point, {}, digits), digits)
            return dataclasses.replace(
                exact,
                certified=True,
                statement=f"Exact: the student is the teacher. {BAYES if point.dominant else ''}".strip(),
            )
        parameters = given.at(point, "alpha", "kappa", "beta")
        try:
            root, proved = _saddle_certificate(model, point, parameters, digits)
        except (NotCertified, NotReached) as reason:
            return refused(point, digits, str(reason))  # type: ignore[no-any-return]
        theorem = BAYES if model.teacher and point.dominant else ASSUMED
        plain = model.likelihood == "threshold" and model.beta is None and not model.teacher
        if plain and parameters[S.kappa] >= 0:
            if isinstance(model.weights, Spherical):
                theorem = "The free entropy is a theorem for kappa >= 0 (Shcherbina and Tirozzi 2003)."
            elif model.weights.name == "binary":
                theorem = ASSUMED + ONE_SADDLE
        done: SaddlePoint = precise.filled_saddle(point, root, digits)
        return dataclasses.replace(
            done, residual=None, condition=None, certified=True, statement=f"Proved: {proved} {theorem}"
        )

    return precise.each(result, digits, prove)


def _saddle_certificate(
    model: Model, point: SaddlePoint, parameters: Mapping[sp.Symbol, Fraction], digits: int
) -> tuple[Root, str]:
    f = precise.functional(model)
    approximate = precise.saddle_root(model, point, parameters, digits + SPARE)
    if parameters[S.alpha] == 0 or parameters.get(S.beta) == 0:  # patterns do not act
        unknowns, equations, fixed = (), (), precise.bare(f)
    else:
        unknowns, equations, fixed = precise.reduced(f, point.branch.endswith("q=0"))
    known = {s.name: v for s, v in {**parameters, **fixed}.items()}
    if unknowns:
        system = System(f, unknowns, equations, known)
        certificate = system.prove(
            [approximate.values[s.name] for s in unknowns], _sizes(approximate, unknowns), digits
        )
        root, proved = as_root(certificate), proof(certificate, "the saddle-point equations")
    else:
        root, proved = (
            Root({}, {}, 0),
            "the overlaps are those of the bare measure, or vanish by symmetry; the averages are enclosed.",
        )
    F = Balls()
    reported = {**precise.observables(model), "one_minus_q": f.norm - S.q}
    gap = None if point.one_minus_q is None else float(point.one_minus_q)
    working = digits + SPARE + (math.ceil(-3 * math.log10(gap)) if gap and gap < 1 else 0)
    with F.at(working):
        values = {k: F.ratio(v.numerator, v.denominator) for k, v in known.items()}
        for name in root.values:
            values[name] = F.flint.arb(F.load(root.values[name]), F.load(root.errors[name]).abs_upper())
        memory: dict[Any, Any] = {}
        for name, ball in zip(reported, Enclosure(f, tuple(reported.values()))(F, values, working - 6, memory)):
            root.values[name], root.errors[name] = F.store(ball), F.store(F.flint.arb(ball.rad()))
            if not root.errors[name] <= F.ctx.mpf(10) ** -digits * max(1, abs(root.values[name])):
                raise NotCertified(f"the enclosure of {name} is too wide: {F.ctx.nstr(root.errors[name], 2)}")
    for symbol, value in fixed.items():
        root.values.setdefault(symbol.name, number(context(digits).mpf(value.numerator) / value.denominator, digits))
        root.errors.setdefault(symbol.name, context(digits).zero)
    return root, proved
