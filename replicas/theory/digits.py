"""Double-precision answers taken to any number of digits: which equations define each of them, and what is reported.

The branch, the verdict on dominance and the start are those of the double-precision answer; every number is recomputed
from the derived expressions (`replicas.numerics.polish`), and statuses that numbers decide are decided again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import sympy as sp

from ..exact import Exact, rational
from ..models import Discrete, Model, Spherical
from ..numerics.arithmetic import EXTRA, context, number
from ..numerics.polish import NotReached, Problem, Root, solve
from ..results import Curve, Estimate, Result, SaddlePoint
from ..symbolic import limits
from ..symbolic import symbols as S
from ..symbolic.functional import Functional
from ..symbolic.nodes import Tilt
from ..symbolic.rs import functional as derived

ROUNDED = 0.6  # of a unit: half of one in decimal, the rest for the rounding in binary
VERDICTS = ("stable", "dominant", "physical")
SHARED = ("model", "question", "rule", "criterion", "digits")  # fields that an array result has once
NAMES = {"q": S.q, "q_hat": S.q_hat, "lam": S.lam, "Q": S.Q}
Symbols = tuple[sp.Symbol, ...]


@lru_cache(maxsize=64)
def functional(model: Model) -> Functional:
    """The RS functional of a model, parameters kept as symbols."""
    return derived(model)


@lru_cache(maxsize=64)
def observables(model: Model) -> dict[str, sp.Expr]:
    """What a saddle point reports beside its unknowns, as expressions."""
    f = functional(model)
    out = {"free_entropy": f.expr, "replicon": f.observables["replicon"]}
    if not model.hard:
        out["entropy"] = f.expr - f.observables["loglik"]
    if model.beta is not None:  # minus the mean log-likelihood over beta, divided inside: finite at beta = 0
        (loglik,) = f.observables["loglik"].atoms(Tilt)
        violated = f.leaves["l"].derivative(f.leaves["l"].node(f.norm - S.q)) / S.beta
        out["energy"] = -S.alpha * Tilt(loglik.level, loglik.phi, sp.cancel(sp.expand(violated)))
    if isinstance(model.weights, Spherical):
        out |= {"q_hat": f.eliminated[S.q_hat], "lam": f.eliminated[S.lam]}
    return out


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Exact values of the parameters a question was asked at, looked up by their floats."""

    tables: Mapping[str, Mapping[float, Fraction]]

    def at(self, result: Any, *names: str) -> dict[sp.Symbol, Fraction]:
        """Exact values of the given parameters of one point."""
        out: dict[sp.Symbol, Fraction] = {}
        for name in names:
            value = getattr(result, name, None)
            if value is not None:
                out[sp.Symbol(name)] = self.tables.get(name, {}).get(float(value), rational(value))
        symbols = {"alpha": S.alpha, "kappa": S.kappa, "beta": S.beta}
        return {symbols[str(k)]: v for k, v in out.items()}

    def echo(self, result: Any) -> Any:
        """A point that carries what was asked where a float cannot hold it."""
        changes = {k.name: Exact(v) for k, v in self.at(result, *self.tables).items() if v != rational(float(v))}
        return dataclasses.replace(result, **changes) if changes else result


def inputs(model: Model, **given: Any) -> Inputs:
    """Exact values of what was passed (the model's own where None)."""
    tables = {}
    for name, value in given.items():
        raw = getattr(model, name, None) if value is None else value
        if raw is None:
            continue
        table: dict[float, Fraction] = {}
        for exact in (rational(v) for v in np.ravel(np.asarray(raw, dtype=object))):
            if table.setdefault(float(exact), exact) != exact:
                raise ValueError(
                    f"{name}: got values that differ by less than a double can hold; takes one of them at a time"
                )
        tables[name] = table
    return Inputs(tables)


# --- finishing numbers ---------------------------------------------------------------------------------------------


def finished(root: Root, digits: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values rounded to the digits asked for, and errors that cover that rounding."""
    values = {k: number(v, digits) for k, v in root.values.items()}
    return values, {k: error_of(values[k], root.errors[k], digits) for k in values}


def error_of(value: Any, error: Any, digits: int) -> Any:
    """``error`` and the rounding of ``value`` to the digits it prints (half a unit of the last, and a little)."""
    ctx = context(digits)
    total = number(error, digits) + ROUNDED * ctx.mpf(10) ** -(digits + EXTRA - 1) * abs(value)
    return total * (1 + ctx.mpf(2) ** (3 - ctx.prec))  # rounded up


def exact_root(values: Mapping[str, Any]) -> Root:
    """Numbers known exactly."""
    import mpmath

    zero = mpmath.mpf(0)
    return Root(dict(values), dict.fromkeys(values, zero), zero)


def each(result: Result, digits: int, refine: Any) -> Any:
    """``refine`` every point of a result and join them again."""
    if not result.shape:
        return refine(result)
    return joined([refine(result[index]) for index in np.ndindex(result.shape)], result.shape)


def joined(points: list[Any], shape: tuple[int, ...]) -> Any:
    """One array result of scalar ones."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(points[0]):
        column = [getattr(p, field.name) for p in points]
        if isinstance(column[0], Mapping):
            keys = dict.fromkeys(k for c in column for k in c)
            changes[field.name] = {k: _array([c.get(k) for c in column], shape) for k in keys}
        elif field.name in SHARED:
            changes[field.name] = column[0]
        else:
            changes[field.name] = _array(column, shape)
    kind = Curve if isinstance(points[0], SaddlePoint) else type(points[0])
    return kind(**changes)


def _array(values: list[Any], shape: tuple[int, ...]) -> Any:
    if all(v is None for v in values):
        return None
    out = np.empty(len(values), dtype=object)
    out[:] = values
    if all(isinstance(v, (bool, np.bool_)) for v in values):
        out = out.astype(bool)
    elif all(isinstance(v, float) and not isinstance(v, Exact) for v in values):
        out = out.astype(float)
    return out.reshape(shape)


# --- saddle points -------------------------------------------------------------------------------------------------


def reduced(f: Functional, zero: bool) -> tuple[Symbols, tuple[sp.Expr, ...], dict[sp.Symbol, Fraction]]:
    """Unknowns, their equations and what is fixed; q = q_hat = 0 drops out of an even problem."""
    grad = f.grad()
    if not zero:
        return f.unknowns, tuple(grad[x] for x in f.unknowns), {}
    free = tuple(x for x in f.unknowns if x not in (S.q, S.q_hat))
    return free, tuple(grad[x] for x in free), {S.q: Fraction(0), S.q_hat: Fraction(0)}


def _start(f: Functional, numbers: Mapping[str, Any]) -> dict[sp.Symbol, float]:
    return {s: float(numbers[k]) for k, s in NAMES.items() if s in f.unknowns and numbers.get(k) is not None}


def saddle_root(model: Model, point: SaddlePoint, parameters: Mapping[sp.Symbol, Fraction], digits: int) -> Root:
    f = functional(model)
    reported = dict(observables(model))
    if point.branch == "perfect":  # one configuration: nothing to solve
        norm = f.norm
        ctx = context(digits)
        Q = ctx.mpf(int(norm.p)) / int(norm.q)
        values = {"q": Q, "q_hat": ctx.inf, "free_entropy": ctx.zero, "entropy": ctx.zero, "replicon": ctx.one}
        return exact_root({**values, "Q": Q, "one_minus_q": ctx.zero})
    if (float(point.q_hat) == 0 and point.branch != "q=0") or parameters[S.alpha] == 0 or parameters.get(S.beta) == 0:
        # patterns do not act: what is left is the measure itself
        unknowns: Symbols = ()
        equations: tuple[sp.Expr, ...] = ()
        fixed = bare(f)
    else:
        unknowns, equations, fixed = reduced(f, point.branch.endswith("q=0"))
    gap = None if point.one_minus_q is None else float(point.one_minus_q)
    start = _start(f, {k: getattr(point, k) for k in NAMES})
    reported["one_minus_q"] = f.norm - S.q
    root = solve(Problem(f, unknowns, equations, {**parameters, **fixed}, reported), start, digits, gap)
    ctx = context(digits)
    for symbol, value in fixed.items():
        exact = ctx.mpf(value.numerator) / value.denominator
        root.values.setdefault(symbol.name, exact)
        root.errors.setdefault(symbol.name, ctx.zero)
    return root


def bare(f: Functional) -> dict[sp.Symbol, Fraction]:
    """Order parameters where patterns do not act."""
    fixed = {**_measure(f.model.weights), S.q_hat: Fraction(0), S.lam: Fraction(0)}
    return {k: v for k, v in fixed.items() if k != S.Q or S.Q in f.unknowns}


def _measure(weights: Any) -> dict[sp.Symbol, Fraction]:
    """q = <w>^2 and Q = <w^2> of the bare measure."""
    if not isinstance(weights, Discrete):
        return {S.q: Fraction(0), S.Q: Fraction(1)}
    values = [rational(v) for v in weights.values]
    masses = [rational(p) for p in weights.probabilities] if weights.probabilities else [Fraction(1)] * len(values)
    total = sum(masses)
    mean = sum((p * v for p, v in zip(masses, values)), Fraction(0)) / total
    square = sum((p * v * v for p, v in zip(masses, values)), Fraction(0)) / total
    return {S.q: mean * mean, S.Q: square}


def saddle_point(result: SaddlePoint | Curve, given: Inputs, digits: int) -> Any:
    """A result of `solve` to ``digits`` digits."""
    model = result.model

    def refine(point: SaddlePoint) -> SaddlePoint:
        point = given.echo(point)
        if point.free_entropy is None or not np.isfinite(float(point.free_entropy)):
            return dataclasses.replace(point, digits=digits)
        try:
            root = saddle_root(model, point, given.at(point, "alpha", "kappa", "beta"), digits)
        except NotReached as reason:
            return withdrawn(point, digits, str(reason))
        return filled_saddle(point, root, digits)

    return each(result, digits, refine)


def _sign(value: Any, error: Any) -> bool | None:
    """Whether a number is positive; None where its error does not tell."""
    return bool(value > 0) if abs(value) > error else None


def filled_saddle(point: SaddlePoint, root: Root, digits: int) -> SaddlePoint:
    """A saddle point with the numbers of a root, and the verdicts that they decide."""
    from .columns import NEGATIVE, counted

    values, errors = finished(root, digits)
    for old, new in (("qhat", "q_hat"), ("lambda", "lam")):
        if old in values:
            values[new], errors[new] = values.pop(old), errors.pop(old)
    norm = functional(point.model).norm
    if norm != S.Q and point.Q is not None:
        ctx = context(digits)
        values["Q"] = ctx.mpf(int(norm.p)) / int(norm.q)
        errors["Q"] = error_of(values["Q"], ctx.zero, digits)
    values.setdefault("entropy", values["free_entropy"])
    errors.setdefault("entropy", errors["free_entropy"])
    changes = {
        k: values[k] for k in ("one_minus_q", *SaddlePoint.computed) if k in values and getattr(point, k) is not None
    }
    negative = counted(point.model) and values["entropy"] < -errors["entropy"]
    status = point.status if point.branch == "perfect" else "unphysical" if negative else "converged"
    return dataclasses.replace(
        point,
        **changes,
        residual=number(root.residual, digits),
        errors={
            **{k: errors.get(k) if v is not None or k == "Q" else None for k, v in point.errors.items()},
            "one_minus_q": errors["one_minus_q"],
        },
        error=errors["free_entropy"],
        stable=_sign(values["replicon"], errors["replicon"]),
        status=status,
        message=point.message if status == point.status else NEGATIVE if negative else "",
        digits=digits,
    )


def withdrawn(point: Any, digits: int, reason: str) -> Any:
    """A point whose digits were not reached has no numbers."""
    gone: dict[str, Any] = dict.fromkeys(k for k in (*point.computed, *VERDICTS, "one_minus_q") if hasattr(point, k))
    if hasattr(point, "order_parameters"):
        gone["order_parameters"] = dict.fromkeys(point.order_parameters)
    changes = {**gone, "error": None, "errors": {}, "status": "not-converged", "digits": digits, "statement": ""}
    return dataclasses.replace(point, **changes, message=f"{digits} digits not reached: {reason}")


# --- thresholds ----------------------------------------------------------------------------------------------------


def threshold_problem(model: Model, kind: str, zero: bool) -> tuple[Problem, tuple[str, ...]]:
    """The system whose root is a threshold in alpha: saddle-point equations and one condition."""
    f = functional(model)
    unknowns, equations, fixed = reduced(f, zero)
    rise, fall = f.observables["breaking_rise"], f.observables["breaking_fall"]
    condition, reported = {
        "entropy": lambda: (f.expr if model.hard else f.expr - f.observables["loglik"], {}),
        "replicon": lambda: (f.observables["replicon"], {"breaking_point": rise / (2 * fall)}),
        "fold": lambda: (_hessian_determinant(f), {}),
    }[kind]()
    if isinstance(model.weights, Spherical):
        reported["q_hat"] = f.eliminated[S.q_hat]
    return Problem(f, (*unknowns, S.alpha), (*equations, condition), fixed, reported), tuple(map(str, fixed))


def _hessian_determinant(f: Functional) -> sp.Expr:
    hess = f.hess()
    return sp.Matrix(len(f.unknowns), len(f.unknowns), lambda i, j: hess[f.unknowns[i], f.unknowns[j]]).det()


def threshold_root(
    model: Model,
    kind: str,
    order: Mapping[str, Any],
    alpha: float,
    parameters: Mapping[sp.Symbol, Fraction],
    digits: int,
) -> Root:
    """Root of a threshold from double-precision order parameters."""
    zero = float(order["q"]) == 0
    problem, _ = threshold_problem(model, kind, zero)
    f = problem.functional
    problem = dataclasses.replace(problem, parameters={**problem.parameters, **parameters})
    norm = float(order["Q"]) if S.Q in f.unknowns else float(f.norm)
    root = solve(problem, {**_start(f, order), S.alpha: alpha}, digits, norm - float(order["q"]) if not zero else None)
    if zero:
        ctx = context(digits)
        root.values |= {"q": ctx.zero, "qhat": ctx.zero}
        root.errors |= {"q": ctx.zero, "qhat": ctx.zero}
    return root


def sphere_root(model: Model, parameters: Mapping[sp.Symbol, Fraction], digits: int) -> Root:
    """alpha_c = -C(alpha = 0)/C'(alpha) of the sphere: no unknowns, no start."""
    f = functional(model).limit("q-to-1")
    closed = -f.expr.subs(S.alpha, 0) / f.expr.diff(S.alpha)
    return solve(Problem(f, (), (), parameters, {"inverse": 1 / closed, "alpha": closed}), {}, digits)


def limit_root(model: Model, start: Mapping[str, float], parameters: Mapping[sp.Symbol, Fraction], digits: int) -> Root:
    """Root of the q -> 1 limit."""
    f = functional(model).limit("q-to-1")
    unknowns = (*f.unknowns, S.alpha)
    equations = (*(f.expr.diff(x) for x in f.unknowns), f.expr)
    names = {limits.a: "a", limits.b: "b", S.Q: "Q", S.alpha: "alpha"}
    return solve(Problem(f, unknowns, equations, parameters), {x: start[names[x]] for x in unknowns}, digits)


def estimate(result: Estimate, given: Inputs, digits: int, model: Model, kind: str) -> Any:
    """A threshold to ``digits`` digits. kind : entropy, replicon or fold; limit for the q -> 1 criterion."""

    from .capacity import limit_start

    def refine(point: Estimate) -> Estimate:
        point = given.echo(point)
        closed = kind == "limit" and isinstance(model.weights, Spherical)
        if point.status != "converged" and not (closed and point.status == "not-converged"):
            return dataclasses.replace(point, digits=digits)
        parameters = given.at(point, "kappa", "beta")
        try:
            if closed:
                root = sphere_root(model, parameters, digits)
            elif kind == "limit":
                start = {**limit_start(model, point.kappa), "alpha": float(point.value)}
                root = limit_root(model, start, parameters, digits)
            else:
                root = threshold_root(model, kind, point.order_parameters, float(point.value), parameters, digits)
        except NotReached as reason:
            return withdrawn(point, digits, str(reason))
        return filled(point, root, digits)

    return each(result, digits, refine)


@lru_cache(maxsize=64)
def _one_step(model: Model) -> tuple[Functional, tuple[sp.Expr, ...]]:
    return limits.one_step(model)


def broken_capacity(result: Estimate, given: Inputs, digits: int) -> Any:
    """One-step capacity of the sphere to ``digits`` digits: overlaps, r = m/(1-q1) and load from the derived limit."""
    model = result.model
    f, equations = _one_step(model)

    def refine(point: Estimate) -> Estimate:
        point = given.echo(point)
        if point.status != "converged":
            return dataclasses.replace(point, digits=digits)
        parameters = given.at(point, "kappa")
        try:
            if point.ansatz == "rs":  # no lower saddle: the symmetric limit
                return filled(point, sphere_root(model, parameters, digits), digits)
            order = point.order_parameters
            start = {S.q: float(order["q0"]), limits.r: float(order["r"]), S.alpha: float(point.value)}
            root = solve(Problem(f, (S.q, limits.r, S.alpha), equations, parameters), start, digits, 1 - start[S.q])
        except NotReached as reason:
            return withdrawn(point, digits, str(reason))
        root.values["q0"], root.errors["q0"] = root.values.pop("q"), root.errors.pop("q")
        kept = {k: order[k] for k in ("q0", "r")}
        return filled(dataclasses.replace(point, order_parameters=kept), root, digits)

    return each(result, digits, refine)


def filled(point: Estimate, root: Root, digits: int) -> Estimate:
    """An estimate with the numbers of a root."""
    values, errors = finished(root, digits)
    for old, new in (("qhat", "q_hat"), ("lambda", "lam")):
        if old in values:
            values[new], errors[new] = values.pop(old), errors.pop(old)
    order = {k: values.get(k, v) for k, v in point.order_parameters.items()}
    if "R" in order:
        norm = functional(point.model).norm
        order["R"] = values["q"] * int(norm.q) / int(norm.p)
        errors["R"] = error_of(order["R"], errors["q"] * int(norm.q) / int(norm.p), digits)
    return dataclasses.replace(
        point,
        value=values["alpha"],
        error=errors["alpha"],
        errors={"value": errors["alpha"], **{k: errors[k] for k in order if k in errors}},
        order_parameters=order,
        digits=digits,
        status="converged",
        message="" if point.status != "converged" else point.message,
    )
