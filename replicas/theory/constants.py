"""The constants of the field, to any number of digits and with proofs: each with its defining equation and status."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from ..models import Model, Perceptron
from ..numerics.balls import Balls, Enclosure, NotCertified
from ..numerics.krawczyk import System
from ..numerics.polish import NotReached, Problem, Root, solve
from ..results import bound, decimal
from ..symbolic import limits
from ..symbolic import symbols as S
from . import certificates
from . import digits as precise
from .ansatz import check_digits
from .capacity import capacity
from .stability import at_line
from .transitions import transitions

DEFAULT_DIGITS = 15


@dataclass(frozen=True)
class Constant:
    """One constant: value +- error, what defines it, and whether it is proved.

    error : absolute bound;  equation : what it solves, as derived;  status : converged, not-converged or not-certified
    """

    name: str
    meaning: str
    equation: str
    value: Any
    error: Any
    digits: int
    certified: bool
    status: str
    message: str = ""
    statement: str = ""
    physical: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, numbers as decimal strings."""
        return {
            "name": self.name,
            "meaning": self.meaning,
            "equation": self.equation,
            "value": decimal(self.value),
            "error": bound(self.error),
            "errors": {} if self.error is None else {"value": bound(self.error)},
            "radius": bound(self.error) if self.certified else None,
            "digits": self.digits,
            "certified": self.certified,
            **({} if self.physical is None else {"physical": self.physical}),
            "status": self.status,
            "message": self.message,
            "statement": self.statement,
        }


@dataclass(frozen=True)
class Constants:
    """The table of constants: iterate it, or take one by its name."""

    rows: tuple[Constant, ...]
    digits: int
    certified: bool

    @property
    def ok(self) -> bool:
        return any(c.status == "converged" for c in self.rows)

    def __iter__(self) -> Iterator[Constant]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return any(name in (c.name, c) for c in self.rows)

    def __getitem__(self, name: str | int) -> Constant:
        if isinstance(name, int):
            return self.rows[name]
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"name: got {name!r}; takes {', '.join(c.name for c in self.rows)}")

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary with one point for each constant."""
        points = [c.to_dict() for c in self.rows]
        return {"quantity": "constants", "digits": self.digits, "certified": self.certified, "points": points}

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        lines = []
        for c in self.rows:
            number = f"{decimal(c.value)} ± {bound(c.error)}" if c.value is not None else f"- ({c.message})"
            lines += [f"{c.name}: {c.meaning}", f"  {number}", f"  {c.equation}", f"  {_verdict(c)}", ""]
        return "\n".join(lines).rstrip()

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(c.name)}</th><td>{html.escape(c.meaning)}</td>"
            f"<td><code>{html.escape(c.equation)}</code></td><td><code>{html.escape(decimal(c.value) or '-')}</code></td><td>{bound(c.error) or '-'}</td>"
            f"<td>{html.escape(_verdict(c))}</td></tr>"
            for c in self.rows
        )
        head = "".join(f"<th>{h}</th>" for h in ("name", "meaning", "equation", "value", "error", "status"))
        return f"<table><tr>{head}</tr>{cells}</table>"


def _verdict(c: Constant) -> str:
    kind = "certified" if c.certified else c.status
    physical = "" if c.physical is None else ", physical" if c.physical else ", not physical"
    return f"{kind}{physical}" + (f": {c.statement}" if c.statement else "")


Made = tuple[
    Any, Any, bool, str, str, str, bool | None
]  # value, error, certified, status, message, statement, physical


def _of(estimate: Any) -> Made:
    e = estimate
    physical = None if e.physical is None else bool(e.physical)
    return e.value, e.error, bool(e.certified), e.status, e.message, e.statement, physical


def _capacity(model: Model, criterion: str | None = None) -> Callable[[int, bool], Made]:
    return lambda digits, certified: _of(capacity(model, criterion=criterion, digits=digits, certified=certified))


def _transition(model: Model, name: str) -> Callable[[int, bool], Made]:
    def make(digits: int, certified: bool) -> Made:
        return _of(getattr(transitions(model, digits=digits, certified=certified, only=name), name))

    return make


def _asymptote(name: str) -> Callable[[int, bool], Made]:
    def make(digits: int, certified: bool) -> Made:
        f = precise.functional(SPHERICAL_TEACHER)
        expr = limits.large_load(f)[name]
        half = {S.q: Fraction(1, 2)}
        if not certified:
            root = solve(Problem(f, (), (), half, {"value": expr}), {}, digits)
        else:
            root = _enclosed(f, expr, digits)
        values, errors = precise.finished(root, digits)
        proof = f"Proved: the integral is enclosed. {certificates.BAYES}" if certified else ""
        return values["value"], errors["value"], certified, "converged", "", proof, None

    return make


def _enclosed(f: Any, expr: sp.Expr, digits: int) -> Root:
    F = Balls()
    working = digits + certificates.SPARE
    with F.at(working):
        (ball,) = Enclosure(f, (expr,))(F, {"q": F.ratio(1, 2)}, working - 6, {})
        if not ball.rad() < abs(ball) * F.flint.arb(10) ** -(digits + 2):
            raise NotCertified("the enclosure is too wide")
        return Root({"value": F.store(ball)}, {"value": F.store(F.flint.arb(ball.rad()))}, 0)


def _ending(digits: int, certified: bool) -> Made:
    """kappa at which the breaking point of the AT line reaches 1."""
    f = limits.shifted(precise.functional(SPHERICAL))
    rise, fall = f.observables["breaking_rise"], f.observables["breaking_fall"]
    unknowns = (S.q, S.alpha, S.kappa)
    equations = (f.grad()[S.q], f.observables["replicon"], rise - 2 * fall)
    statement = ""
    root = solve(Problem(f, unknowns, equations, {}), _ending_start(), digits + certificates.SPARE * certified)
    if certified:
        centre = [root.values[s.name] for s in unknowns]
        certificate = System(f, unknowns, equations, {}).prove(centre, list(map(abs, centre)), digits, bracket=False)
        root = certificates.as_root(certificate)
        statement = (
            f"Proved: {certificates.proof(certificate, 'the saddle-point equation, replicon = 0 and breaking point 1')}"
        )
        statement += f" {certificates.ASSUMED}"
    values, errors = precise.finished(root, digits)
    return values["kappa"], errors["kappa"], certified, "converged", "", statement, True


def _ending_start() -> dict[sp.Symbol, float]:
    """Root of breaking point = 1 in double precision, by bisection of the AT line."""
    from scipy.optimize import brentq

    def excess(kappa: float) -> float:
        return float(at_line(Perceptron("spherical", kappa)).order_parameters["breaking_point"]) - 1

    kappa = brentq(excess, -2.3, -1.8, xtol=1e-13)
    found = at_line(Perceptron("spherical", kappa))
    return {S.q: found.order_parameters["q"], S.alpha: found.value, S.kappa: kappa}


BINARY, SPHERICAL, TERNARY = Perceptron("binary"), Perceptron("spherical"), Perceptron("ternary")
BITS, WINDOW = Perceptron("discrete:0,1"), Perceptron("binary", 1.0, "window")
BINARY_TEACHER = Perceptron("binary", task="teacher-student")
TERNARY_TEACHER = Perceptron("ternary", task="teacher-student")
SPHERICAL_TEACHER = Perceptron("spherical", task="teacher-student")


def _phi(model: Model, condition: str) -> str:
    f = precise.functional(model)
    fields = "omega = sqrt(q) t" + (", h = sqrt(qhat) z" if S.q_hat in f.unknowns else "")
    return f"{condition}, phi = {f.closed_form()}, {fields}"


def _limit(model: Model) -> str:
    return f"extr C = 0, C = {precise.functional(model).limit('q-to-1').expr}"


CATALOGUE: dict[str, tuple[str, Callable[[], str], Callable[[int, bool], Made]]] = {
    "capacity-spherical": (
        "storage capacity alpha_c of the spherical perceptron, kappa = 0",
        lambda: _limit(SPHERICAL),
        _capacity(SPHERICAL),
    ),
    "capacity-binary": (
        "storage capacity alpha_c of the binary perceptron, kappa = 0",
        lambda: _phi(BINARY, "extr phi = 0"),
        _capacity(BINARY),
    ),
    "naive-capacity-binary": (
        "naive limit q -> 1 of the binary perceptron, 4/pi; not its capacity",
        lambda: _limit(BINARY),
        _capacity(BINARY, "q-to-1"),
    ),
    "capacity-ternary": (
        "storage capacity of weights {-1, 0, 1}, kappa = 0",
        lambda: _phi(TERNARY, "extr phi = 0"),
        _capacity(TERNARY),
    ),
    "capacity-01": (
        "storage capacity of weights {0, 1}, kappa = 0",
        lambda: _phi(BITS, "extr phi = 0"),
        _capacity(BITS),
    ),
    "capacity-symmetric-binary": (
        "capacity of the symmetric binary perceptron, |u| <= 1",
        lambda: _phi(WINDOW, "phi = 0 at q = qhat = 0"),
        _capacity(WINDOW),
    ),
    "at-binary": (
        "de Almeida-Thouless load of the binary perceptron, kappa = 0; above its capacity",
        lambda: f"extr phi and {precise.functional(BINARY).observables['replicon']} = 0",
        lambda digits, certified: _of(at_line(BINARY, digits=digits, certified=certified)),
    ),
    "at-ending-spherical": (
        "kappa at which the AT line of the spherical perceptron ends: breaking point 1",
        lambda: (
            f"extr phi, replicon = 0 and rise = 2 fall, rise = {precise.functional(SPHERICAL).observables['breaking_rise']}, "
            f"fall = {precise.functional(SPHERICAL).observables['breaking_fall']}"
        ),
        _ending,
    ),
    "alpha_it-binary": (
        "information-theoretic load of the binary teacher-student perceptron",
        lambda: _phi(BINARY_TEACHER, "extr phi = 0"),
        _transition(BINARY_TEACHER, "alpha_it"),
    ),
    "spinodal-binary": (
        "spinodal of the binary teacher-student perceptron",
        lambda: _phi(BINARY_TEACHER, "extr phi with det d^2 phi = 0"),
        _transition(BINARY_TEACHER, "spinodal"),
    ),
    "alpha_it-ternary": (
        "information-theoretic load of the ternary teacher-student perceptron",
        lambda: _phi(TERNARY_TEACHER, "extr phi = 0"),
        _transition(TERNARY_TEACHER, "alpha_it"),
    ),
    "gibbs-asymptote": (
        "alpha eps_gibbs at alpha -> inf, spherical teacher-student (perceptron and every tree machine)",
        lambda: (
            f"{limits.large_load(precise.functional(SPHERICAL_TEACHER))['gibbs']} at q = 1/2, f = log H(-omega/sqrt(1-q))"
        ),
        _asymptote("gibbs"),
    ),
    "bayes-asymptote": (
        "alpha eps_bayes at alpha -> inf, spherical teacher-student (perceptron and every tree machine)",
        lambda: (
            f"{limits.large_load(precise.functional(SPHERICAL_TEACHER))['bayes']} at q = 1/2, f = log H(-omega/sqrt(1-q))"
        ),
        _asymptote("bayes"),
    ),
}


def constants(
    digits: int | None = None,
    certified: bool = False,
    names: Iterable[str] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Constants:
    """Capacities, transitions, stability points and asymptotic coefficients, each with its defining equation.

    Parameters
    ----------
    digits : correct digits, 1 to 10,000 (default 15).
    certified : prove each (python-flint); one that can not be proved has status not-certified, the reason and no number.
    names : which ones; all of them by default.
    progress : called as progress(name, done, total) before each.

    Raises
    ------
    ValueError : digits out of range, an unknown name. ImportError : certified without python-flint.
    """
    wanted = check_digits(digits, certified) or DEFAULT_DIGITS
    chosen = list(CATALOGUE) if names is None else [names] if isinstance(names, str) else list(names)
    for name in chosen:
        if name not in CATALOGUE:
            raise ValueError(f"names: got {name!r}; takes {', '.join(CATALOGUE)}")
    rows = []
    for i, name in enumerate(chosen):
        if progress is not None:
            progress(name, i, len(chosen))
        meaning, equation, make = CATALOGUE[name]
        try:
            value, error, proved, status, message, statement, physical = make(wanted, certified)
        except (NotCertified, NotReached) as reason:
            status = "not-certified" if isinstance(reason, NotCertified) else "not-converged"
            value, error, proved, message, statement, physical = None, None, False, str(reason), "", None
        rows.append(
            Constant(name, meaning, equation(), value, error, wanted, proved, status, message, statement, physical)
        )
    if progress is not None:
        progress("constants", len(chosen), len(chosen))
    return Constants(tuple(rows), wanted, all(row.certified for row in rows))


__all__ = ["Constant", "Constants", "constants"]
