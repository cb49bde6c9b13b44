"""Derived expressions as straight-line code over any arithmetic: averages first, then the algebra that joins them.

A `Program` is made from named expressions of a `Functional`, leaves in closed form (or, for a smooth likelihood, from an
inner integral). Each tower level becomes one function of its normal variable that returns all integrands at once; what
does not depend on that variable is computed once. The same code runs on mpmath numbers, real balls and complex balls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy as sp

from ..symbolic import symbols as S
from ..symbolic.functional import Functional
from ..symbolic.nodes import Leaf, Level, LogMean, Tilt
from ..symbolic.special import A, Between, G, H

PLAIN = {
    sp.exp: "exp",
    sp.sqrt: "sqrt",
    sp.cosh: "cosh",
    sp.sinh: "sinh",
    sp.tanh: "tanh",
    H: "H",
    G: "G",
    A: "A",
    Between: "Between",
}
OPAQUE = "leaf"  # prefix of the values of a leaf without closed form


@dataclass(frozen=True)
class Tower:
    """One level of averages: E[obs_i e^phi]/E[e^phi] over w = at + L t.

    ``make(F, **parameters)`` gives integrand(t) -> (e^phi obs_1, ..., e^phi); ``observables`` are kept for bounds.
    """

    level: Level
    names: tuple[str, ...]
    observables: tuple[sp.Expr, ...]
    weight: sp.Expr
    source: str
    orders: (
        int  # derivatives of a leaf without closed form that the integrands need, 5 for <log Theta> too; -1 for none
    )

    @property
    def is_pattern(self) -> bool:
        return bool(self.level.w[0] == S.omega)

    def make(
        self, F: Any, parameters: Mapping[str, Any], opaque: Callable[..., Any] | None = None
    ) -> Callable[..., Any]:
        """integrand(t) in the arithmetic F at its current precision."""
        function: Callable[..., Any] = _compiled(self.source)(F, opaque, **named(parameters))
        return function


class Program:
    """Named expressions of a functional, ready to be evaluated in any arithmetic.

    separate : every average gets a tower of its own, for integrators that take one integrand at a time
    """

    def __init__(self, functional: Functional, expressions: Mapping[str, sp.Expr], separate: bool = False):
        self.functional = functional
        groups: dict[tuple[Any, ...], dict[sp.Expr, sp.Symbol]] = {}

        def average(node: sp.Expr) -> sp.Expr:
            phi = node.phi if isinstance(node, Tilt) and node.level.power != 0 else sp.S.Zero
            obs = node.obs if isinstance(node, Tilt) else node.phi
            if obs.has(LogMean, Tilt) or (isinstance(node, LogMean) and node.level.power != 0):
                raise NotImplementedError("nested averages have no evaluation to any precision yet")
            group = groups.setdefault((node.level, phi, obs if separate else None), {})
            return group.setdefault(obs, sp.Symbol(f"m{sum(map(len, groups.values()))}", real=True))

        flat = {k: e.replace(lambda x: isinstance(x, LogMean | Tilt), average) for k, e in expressions.items()}
        self.towers = [self._tower(level, phi, group) for (level, phi, _), group in groups.items()]
        self.names = tuple(flat)
        symbols = sorted({s.name for e in flat.values() for s in e.free_symbols})
        self.parameters = tuple(
            s
            for s in (S.q, S.q_hat, S.lam, S.Q, S.alpha, S.kappa, S.beta)
            if s.name in symbols or any(s.name in t.source.split("):")[0] for t in self.towers)
        )
        self.source = _function_source(list(flat.values()), symbols)

    def _tower(self, level: Level, phi: sp.Expr, group: dict[sp.Expr, sp.Symbol]) -> Tower:
        leaves = self.functional.leaves
        w, z = level.w[0], level.z[0]
        top = [-1]

        def closed(leaf: sp.Expr) -> sp.Expr:
            definition = leaves[leaf.name]
            if definition.closed is not None:
                return _in_tanh(definition.derivative(leaf))
            order = 5 if leaf.name == "l" else int(leaf.k[0])
            top[0] = max(top[0], order)
            return sp.Symbol(f"{OPAQUE}{order}", real=True)

        def written(expr: sp.Expr) -> sp.Expr:
            return expr.replace(lambda e: isinstance(e, Leaf), closed)

        weight = sp.exp(written(phi)) if phi != 0 else sp.S.One
        integrands = [weight * written(obs) for obs in group]
        source = _node_source([*integrands, weight], w, z, level.at[0], level.L[0, 0], top[0])
        return Tower(level, tuple(s.name for s in group.values()), tuple(group), phi, source, top[0])

    def join(self, F: Any, parameters: Mapping[str, Any], averages: Mapping[str, Any]) -> dict[str, Any]:
        """The expressions from the averages."""
        values = _compiled(self.source)(F, **named(parameters), **averages)
        return dict(zip(self.names, values))


def _in_tanh(expr: sp.Expr) -> sp.Expr:
    """A rational function of sinh and cosh as a polynomial in tanh, where it is one: one function instead of two."""
    for cosh in expr.atoms(sp.cosh):
        x = cosh.args[0]
        short = sp.expand(expr.subs(sp.sinh(x), sp.tanh(x) * cosh))
        expr = expr if short.has(sp.cosh) else short
    return expr


@lru_cache(maxsize=512)
def _compiled(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"power": power}
    exec(compile(source, "<replicas program>", "exec"), scope)
    made: Callable[..., Any] = scope["made"]
    return made


def power(x: Any, n: int) -> Any:
    """x^n by multiplication."""
    out, square = None, x
    while n:
        if n & 1:
            out = square if out is None else out * square
        square, n = square * square if n > 1 else square, n >> 1
    return out


def _name(symbol: sp.Symbol | str) -> str:
    text = str(symbol)
    return "lam" if text == "lambda" else text


def named(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names that generated code knows."""
    return {_name(k): v for k, v in values.items()}


class _Printer:
    """SymPy to Python over an arithmetic F; rationals become hoisted constants."""

    def __init__(self) -> None:
        self.constants: dict[Any, str] = {}
        self.functions: dict[str, str] = {}

    def constant(self, code: str) -> str:
        return self.constants.setdefault(code, f"c{len(self.constants)}")

    def __call__(self, e: sp.Expr) -> str:
        if isinstance(e, sp.Symbol):
            return _name(e)
        if isinstance(e, sp.Integer):
            return str(int(e))
        if isinstance(e, sp.Rational):
            return self.constant(f"F.ratio({e.p}, {e.q})")
        if isinstance(e, sp.Float):
            r = sp.Rational(repr(float(e)))
            return self.constant(f"F.ratio({r.p}, {r.q})")
        if isinstance(e, sp.NumberSymbol):
            name = {sp.pi: "pi", sp.E: "e", sp.EulerGamma: "euler"}[e]
            return self.constant(f"F.constant({name!r})")
        if isinstance(e, sp.Add):
            return "(" + " + ".join(map(self, e.args)) + ")"
        if isinstance(e, sp.Mul):
            down = [a for a in e.args if isinstance(a, sp.Pow) and a.exp.is_Rational and a.exp < 0]
            up = [a for a in e.args if a not in down]
            negative = up[:1] == [sp.S.NegativeOne] and len(up) > 1
            text = "-" * negative + ("*".join(map(self, up[negative:])) or "1")
            below = "*".join(self(1 / a) for a in down)
            return f"({text}/({below}))" if below else f"({text})"
        if isinstance(e, sp.Pow):
            return self._power(e.base, e.exp)
        if isinstance(e, sp.log) and isinstance(e.args[0], H):
            return f"F.logH({self(e.args[0].args[0])})"
        if isinstance(e, sp.log):
            return f"F.log({self._number(e.args[0])})"
        if e.func in PLAIN:
            return f"F.{PLAIN[e.func]}({', '.join(map(self._number, e.args))})"
        if isinstance(e, sp.Piecewise):
            branches = [(self._number(v), self._condition(c)) for v, c in e.args]  # never an int: arb.exp(0) crashes
            text = branches[-1][0]
            for value, condition in reversed(branches[:-1]):
                text = f"({value} if {condition} else {text})"
            return text
        name = self.functions.setdefault(e.func.__name__, f"f_{e.func.__name__}")
        return f"{name}({', '.join(map(self._number, e.args))})"

    def _number(self, e: sp.Expr) -> str:
        """An argument of a function: never a bare Python integer."""
        return self.constant(f"F.ratio({int(e)}, 1)") if isinstance(e, sp.Integer) else self(e)

    def _condition(self, c: Any) -> str:
        if c in (True, sp.true):
            return "True"
        if isinstance(c, sp.And | sp.Or):
            return "(" + (" and " if isinstance(c, sp.And) else " or ").join(map(self._condition, c.args)) + ")"
        return f"({self(c.lhs)} {c.rel_op} {self(c.rhs)})"

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> str:
        if exponent.is_Integer:
            return self._whole(self(base), int(exponent))
        if exponent.is_Rational and exponent.q == 2:
            return self._whole(f"F.sqrt({self._number(base)})", int(exponent.p))
        if base == sp.E:
            return f"F.exp({self._number(exponent)})"
        return f"({self._number(base)})**({self._number(exponent)})"

    @staticmethod
    def _whole(code: str, n: int) -> str:
        """Products: python-flint's ball ** integer is nan for a ball that holds zero."""
        up = (
            code
            if abs(n) == 1
            else f"{code}*{code}"
            if abs(n) == 2 and code.isidentifier()
            else f"power({code}, {abs(n)})"
        )
        return f"({up})" if n > 0 else f"(1/({up}))"

    def header(self) -> list[str]:
        lines = [f"{name} = {code}" for code, name in self.constants.items()]
        return lines + [f"{name} = F.function({function!r})" for function, name in self.functions.items()]


def _node_source(integrands: list[sp.Expr], w: sp.Symbol, z: sp.Symbol, at: sp.Expr, L: sp.Expr, orders: int) -> str:
    """made(F, opaque, parameters) -> integrand(t): common subexpressions once, those without t outside."""
    replaced, reduced = sp.cse(integrands, symbols=sp.numbered_symbols("x"), order="none")
    moving = {w, z, *(sp.Symbol(f"{OPAQUE}{k}", real=True) for k in range(6))}
    outer, inner = [], []
    for symbol, expr in replaced:
        if expr.free_symbols & moving:
            moving.add(symbol)
            inner.append((symbol, expr))
        else:
            outer.append((symbol, expr))
    known = {w, z, *(s for s, _ in replaced), *moving}
    free = set().union(*(e.free_symbols for _, e in replaced), *(e.free_symbols for e in reduced)) - known
    free |= L.free_symbols | at.free_symbols
    printer = _Printer()
    setup = [f"{_name(s)} = {printer(e)}" for s, e in outer] + [f"shift, scale = {printer(at)}, {printer(L)}"]
    body = [f"{w} = shift + scale*{z}"]
    if orders >= 0:
        body.append(f"{', '.join(f'{OPAQUE}{k}' for k in range(6))} = opaque({w})")
    body += [f"{_name(s)} = {printer(e)}" for s, e in inner]
    body.append(f"return ({', '.join(map(printer, reduced))},)")
    arguments = ", ".join(["F", "opaque", *sorted(map(_name, free)), "**_"])
    lines = [
        f"def made({arguments}):",
        *(f"    {line}" for line in [*printer.header(), *setup]),
        f"    def integrand({z}):",
    ]
    return "\n".join([*lines, *(f"        {line}" for line in body), "    return integrand", ""])


def _function_source(expressions: list[sp.Expr], symbols: list[str]) -> str:
    printer = _Printer()
    replaced, reduced = sp.cse(expressions, symbols=sp.numbered_symbols("x"), order="none")
    body = [f"{_name(s)} = {printer(e)}" for s, e in replaced]
    result = ", ".join(map(printer, reduced))
    arguments = ", ".join(["F", *map(_name, symbols), "**_"])
    lines = [
        f"def made({arguments}):",
        *(f"    {line}" for line in [*printer.header(), *body]),
        f"    return [{result}]",
        "",
    ]
    return "\n".join(lines)
